import type { Migration } from "../migrate.ts";

/**
 * Variables have their value here; of secrets the column `secret` holds the name it is kept under in `secrets`, sealed.
 * `repository` is a key; NULL: all of the installation. What is set for a repository counts under this installation only:
 * whoever owns the repository next does not get it. `bytes`: of the value.
 */
const statements: readonly string[] = [
  `CREATE TABLE variables (
    id TEXT NOT NULL PRIMARY KEY,
    installation TEXT NOT NULL REFERENCES installations (key),
    repository TEXT REFERENCES repositories (key),
    name TEXT NOT NULL,
    value TEXT,
    secret TEXT UNIQUE REFERENCES secrets (name),
    bytes INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    saved_at BIGINT NOT NULL,
    CHECK ((value IS NULL) <> (secret IS NULL))
  )`,
  "CREATE UNIQUE INDEX variables_place ON variables (installation, COALESCE(repository, ''), name)",
];

export const variables: Migration = { name: "0012-variables", sqlite: statements, postgres: statements };
