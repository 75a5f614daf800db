import type { Migration } from "../migrate.ts";

/** Lists of builds by what broke. */
const STATEMENTS: readonly string[] = [
  "CREATE INDEX builds_by_failure ON builds (failure_class, seq) WHERE failure IS NOT NULL",
];

export const failureLists: Migration = { name: "0023-failure-lists", sqlite: STATEMENTS, postgres: STATEMENTS };
