import type { Migration } from "../migrate.ts";

/**
 * Which repositories builds of a repository may read besides it. Repositories are named by their keys, and the entry
 * counts only while the installation it was made under covers both. `made_by` is JSON, in the words of core/audit.ts.
 */
const statements = (id: string): readonly string[] => [
  `CREATE TABLE further_repositories (
    id ${id},
    installation TEXT NOT NULL REFERENCES installations (key),
    repository TEXT NOT NULL REFERENCES repositories (key),
    reads TEXT NOT NULL REFERENCES repositories (key),
    since BIGINT NOT NULL,
    made_by TEXT NOT NULL,
    UNIQUE (installation, repository, reads)
  )`,
];

export const furtherRepositories: Migration = {
  name: "0013-further-repositories",
  sqlite: statements("INTEGER PRIMARY KEY AUTOINCREMENT"),
  postgres: statements("BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
};
