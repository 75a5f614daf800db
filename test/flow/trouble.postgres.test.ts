import { runFlowsOnPostgres } from "../support/flow-database.ts";

runFlowsOnPostgres();
await import("./trouble.test.ts");
