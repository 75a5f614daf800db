import type { Migration } from "../migrate.ts";

/** Lists of builds, newest first: each of what people look for, so that it is found without reading all others. */
const STATEMENTS: readonly string[] = [
  "CREATE INDEX builds_repository ON builds (repository, seq)",
  "CREATE INDEX builds_installation ON builds (installation, seq)",
  "CREATE INDEX builds_image ON builds (full_image, seq)",
  "CREATE INDEX builds_by_state ON builds (state, seq)",
  // What it answers, the one above does as well.
  "DROP INDEX builds_state",
];

export const buildLists: Migration = { name: "0021-build-lists", sqlite: STATEMENTS, postgres: STATEMENTS };
