import type { Migration } from "../migrate.ts";

/** Badges are asked for by name, by anybody: the answer must not cost a look at every repository. */
const STATEMENTS: readonly string[] = [
  "CREATE INDEX repositories_name ON repositories (provider, host, LOWER(full_name))",
];

export const badges: Migration = { name: "0020-badges", sqlite: STATEMENTS, postgres: STATEMENTS };
