import { runFlowsOnPostgres } from "../support/flow-database.ts";

runFlowsOnPostgres();
await import("./kill-builds.test.ts");
