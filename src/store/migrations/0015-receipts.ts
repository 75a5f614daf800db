import type { Migration } from "../migrate.ts";

/**
 * One row for each time an installation was removed. `items`: JSON, in the words of core/receipt.ts; null until everything
 * has ended. `kept_until`, `purged_at`: of what waits for the account to come back.
 */
const statements = ({ id }: { readonly id: string }): readonly string[] => [
  `CREATE TABLE receipts (
    id ${id},
    installation TEXT NOT NULL REFERENCES installations (key),
    account_login TEXT NOT NULL,
    removed_at BIGINT NOT NULL,
    items TEXT,
    closed_at BIGINT,
    kept_until BIGINT,
    restored_at BIGINT,
    purged_at BIGINT,
    UNIQUE (installation, removed_at)
  )`,
  "CREATE INDEX receipts_kept ON receipts (kept_until) WHERE restored_at IS NULL AND purged_at IS NULL",
  // When it was removed before this was kept, nobody knows; what it left behind is taken away now.
  "UPDATE installations SET removed_at = 0 WHERE state = 'removed' AND removed_at IS NULL",
];

export const receipts: Migration = {
  name: "0015-receipts",
  sqlite: statements({ id: "INTEGER PRIMARY KEY AUTOINCREMENT" }),
  postgres: statements({ id: "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY" }),
};
