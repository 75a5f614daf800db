import type { Migration } from "../migrate.ts";

/**
 * Variables that were set here and not in the environment; all of them rest in `secrets`, under the name in the column
 * `secret`. `setup` has one row: `finished_at` NULL while the setup wizard may still be opened. Databases that are older
 * than the wizard may have it opened too; starting with the variables they had closes it.
 */
const statements: readonly string[] = [
  `CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    secret TEXT NOT NULL UNIQUE REFERENCES secrets (name),
    saved_at BIGINT NOT NULL
  )`,
  "CREATE TABLE setup (id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1), finished_at BIGINT)",
  "INSERT INTO setup (id) VALUES (1)",
];

export const settings: Migration = { name: "0018-settings", sqlite: statements, postgres: statements };
