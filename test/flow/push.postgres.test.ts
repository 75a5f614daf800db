import { runFlowsOnPostgres } from "../support/flow-database.ts";

runFlowsOnPostgres();
await import("./push.test.ts");
