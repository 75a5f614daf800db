import { runFlowsOnPostgres } from "../support/flow-database.ts";

runFlowsOnPostgres();
await import("./bitbucket.test.ts");
