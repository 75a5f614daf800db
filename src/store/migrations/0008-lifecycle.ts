import type { Migration } from "../migrate.ts";

const STATEMENTS: readonly string[] = [
  "ALTER TABLE repositories ADD COLUMN archived BOOLEAN NOT NULL DEFAULT FALSE",
  // Null: it is not removed, or was before this was kept.
  "ALTER TABLE installations ADD COLUMN removed_at BIGINT",
  "CREATE INDEX installations_account ON installations (provider, host, account_id)",
  // An installation that is gone covers nothing.
  `UPDATE repositories SET linked = FALSE
   WHERE installation IN (SELECT key FROM installations WHERE state = 'removed')`,
];

export const lifecycle: Migration = { name: "0008-lifecycle", sqlite: STATEMENTS, postgres: STATEMENTS };
