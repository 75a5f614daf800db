import type { Migration } from "../migrate.ts";

/**
 * Whom to tell of an installation's builds, and what is not told yet: an outbox, filled by the transactions that end builds.
 * The address is in `secrets`; `shown` is what of it people may see.
 */
function statements(serial: string): readonly string[] {
  return [
    `CREATE TABLE notice_targets (
      id TEXT NOT NULL PRIMARY KEY,
      installation TEXT NOT NULL REFERENCES installations (key),
      kind TEXT NOT NULL,
      shown TEXT NOT NULL,
      secret TEXT NOT NULL,
      events TEXT NOT NULL,
      made_by TEXT NOT NULL,
      made_at BIGINT NOT NULL,
      told_at BIGINT,
      problem TEXT,
      problem_at BIGINT
    )`,
    "CREATE INDEX notice_targets_installation ON notice_targets (installation)",
    `CREATE TABLE notices (
      id ${serial},
      target TEXT NOT NULL REFERENCES notice_targets (id),
      build TEXT NOT NULL REFERENCES builds (id) ON DELETE CASCADE,
      event TEXT NOT NULL,
      attempts INTEGER NOT NULL DEFAULT 0,
      not_before BIGINT NOT NULL DEFAULT 0,
      lease_until BIGINT NOT NULL DEFAULT 0,
      made_at BIGINT NOT NULL,
      UNIQUE (target, build)
    )`,
  ];
}

export const notices: Migration = {
  name: "0022-notices",
  sqlite: statements("INTEGER PRIMARY KEY AUTOINCREMENT"),
  postgres: statements("BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
};
