import { runFlowsOnPostgres } from "../support/flow-database.ts";

runFlowsOnPostgres();
await import("./kill-missed.test.ts");
