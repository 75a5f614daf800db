import type { Migration } from "../migrate.ts";

/**
 * Of each repository whose branches and tags are compared: when it is looked at next (`wanted_at`: what somebody wished for
 * while it was looked at), how that went, when a push of it was planned by a file of ours last (`used_at`), and what nobody has
 * told of yet. What they were at the last look is in a table of its own, as it is large and the rest is written often. `found` of a ref: one of its changes was found, and not told. `judged_sha`: where it
 * was when it was last judged what a change of it builds; empty: it never was; NULL: where it is.
 */
const statements = ({ id, bytes }: { readonly id: string; readonly bytes: string }): readonly string[] => [
  `CREATE TABLE comparisons (
    repository TEXT NOT NULL PRIMARY KEY REFERENCES repositories (key),
    due_at BIGINT NOT NULL,
    wanted_at BIGINT,
    lease_until BIGINT NOT NULL DEFAULT 0,
    attempt BIGINT NOT NULL,
    looked_at BIGINT,
    compared_at BIGINT,
    used_at BIGINT,
    failures INTEGER NOT NULL DEFAULT 0,
    problem TEXT,
    suspects TEXT NOT NULL DEFAULT '[]'
  )`,
  "CREATE INDEX comparisons_due ON comparisons (due_at, repository)",
  `CREATE TABLE compared_refs (
    repository TEXT NOT NULL PRIMARY KEY REFERENCES comparisons (repository) ON DELETE CASCADE,
    packed ${bytes} NOT NULL
  )`,
  // Whose they were is not asked of them.
  `CREATE TABLE found_changes (
    id ${id},
    found_at BIGINT NOT NULL,
    changes INTEGER NOT NULL
  )`,
  "CREATE INDEX found_changes_time ON found_changes (found_at)",
  "ALTER TABLE refs ADD COLUMN found BOOLEAN NOT NULL DEFAULT FALSE",
  "ALTER TABLE refs ADD COLUMN judged_sha TEXT",
];

export const comparisons: Migration = {
  name: "0025-comparisons",
  sqlite: statements({ id: "INTEGER PRIMARY KEY AUTOINCREMENT", bytes: "BLOB" }),
  postgres: statements({ id: "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", bytes: "BYTEA" }),
};
