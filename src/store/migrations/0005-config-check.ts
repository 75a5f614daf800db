import type { Migration } from "../migrate.ts";

const STATEMENTS: readonly string[] = [
  // The config file on each branch when it was last pushed to; digest null: there was none.
  `CREATE TABLE config_files (
    repository TEXT NOT NULL REFERENCES repositories (key),
    ref TEXT NOT NULL,
    sha TEXT NOT NULL,
    digest TEXT,
    PRIMARY KEY (repository, ref)
  )`,
  // JSON of what a commit's check says of the file it brings along, as a push and as a pull request.
  `CREATE TABLE config_checks (
    repository TEXT NOT NULL REFERENCES repositories (key),
    sha TEXT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (repository, sha, kind)
  )`,
  // A delivery enters it when it is planned: what arrives pays nothing.
  "CREATE INDEX deliveries_planned ON deliveries (repository_id, id) WHERE outcome = 'planned'",
];

export const configCheck: Migration = { name: "0005-config-check", sqlite: STATEMENTS, postgres: STATEMENTS };
