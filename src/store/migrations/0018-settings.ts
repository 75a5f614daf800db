import type { Migration } from "../migrate.ts";

/**
 * Variables that were set here and not in the environment; all of them rest in `secrets`, under the name in the column
 * `secret`. `setup` has its one row from the moment on in which the setup wizard is closed.
 */
const statements: readonly string[] = [
  `CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    secret TEXT NOT NULL UNIQUE REFERENCES secrets (name),
    saved_at BIGINT NOT NULL
  )`,
  "CREATE TABLE setup (id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1), finished_at BIGINT NOT NULL)",
];

export const settings: Migration = { name: "0018-settings", sqlite: statements, postgres: statements };
