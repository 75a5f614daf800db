import type { Migration } from "../migrate.ts";

/**
 * Times are milliseconds since 1970. `repository` and `installation` columns hold host keys (`github:default:1`). JSON is
 * text. Partial indexes cover what is waiting, so that finished rows cost the queues nothing.
 */
function tables({ id, bytes }: { readonly id: string; readonly bytes: string }): readonly string[] {
  return [
    // An id is never used again after its row was pruned. delivery_key is delivery_id in an order that
    // lets the index grow at its end (journal.ts). The body is last; packed: see bodies.ts.
    `CREATE TABLE deliveries (
      id ${id},
      provider TEXT NOT NULL,
      host TEXT NOT NULL,
      delivery_id TEXT NOT NULL,
      delivery_key ${bytes} NOT NULL,
      event TEXT NOT NULL,
      action TEXT,
      stream TEXT NOT NULL,
      repository_id TEXT,
      repository_name TEXT,
      installation_id TEXT,
      received_at BIGINT NOT NULL,
      outcome TEXT NOT NULL DEFAULT 'pending',
      note TEXT,
      attempts INTEGER NOT NULL DEFAULT 0,
      not_before BIGINT NOT NULL DEFAULT 0,
      lease_until BIGINT NOT NULL DEFAULT 0,
      packed BOOLEAN NOT NULL DEFAULT FALSE,
      body ${bytes},
      UNIQUE (delivery_key, host, provider)
    )`,
    // Two for one claim: the order to look in, and whether an older one of the stream is in the way.
    "CREATE INDEX deliveries_waiting ON deliveries (id) WHERE outcome = 'pending'",
    "CREATE INDEX deliveries_pending ON deliveries (stream, id) WHERE outcome = 'pending'",

    `CREATE TABLE installations (
      seq ${id},
      key TEXT NOT NULL UNIQUE,
      provider TEXT NOT NULL,
      host TEXT NOT NULL,
      id TEXT NOT NULL,
      account_id TEXT NOT NULL,
      account_login TEXT NOT NULL,
      account_kind TEXT NOT NULL,
      state TEXT NOT NULL,
      permissions TEXT NOT NULL
    )`,
    // Rows are never deleted: a namespace stays its account's after the installation is gone, or a stranger could
    // publish under a name that others still pull from.
    `CREATE TABLE namespaces (
      name TEXT NOT NULL PRIMARY KEY CHECK (name = lower(name)),
      provider TEXT NOT NULL,
      host TEXT NOT NULL,
      account_id TEXT NOT NULL,
      created_at BIGINT NOT NULL,
      UNIQUE (provider, host, account_id)
    )`,
    `CREATE TABLE repositories (
      key TEXT NOT NULL PRIMARY KEY,
      provider TEXT NOT NULL,
      host TEXT NOT NULL,
      id TEXT NOT NULL,
      full_name TEXT NOT NULL,
      private BOOLEAN NOT NULL,
      default_branch TEXT,
      clone_url TEXT NOT NULL DEFAULT '',
      web_url TEXT NOT NULL DEFAULT '',
      installation TEXT,
      linked BOOLEAN NOT NULL DEFAULT FALSE,
      paused BOOLEAN NOT NULL DEFAULT FALSE
    )`,
    "CREATE INDEX repositories_installation ON repositories (installation)",
    // The last recorded change of each ref. The generation grows with every change that differs from it.
    `CREATE TABLE refs (
      repository TEXT NOT NULL REFERENCES repositories (key),
      ref TEXT NOT NULL,
      generation BIGINT NOT NULL,
      before_sha TEXT,
      after_sha TEXT,
      PRIMARY KEY (repository, ref)
    )`,

    `CREATE TABLE builds (
      seq ${id},
      id TEXT NOT NULL UNIQUE,
      state TEXT NOT NULL,
      repository TEXT NOT NULL REFERENCES repositories (key),
      installation TEXT NOT NULL,
      installation_id TEXT NOT NULL,
      delivery BIGINT NOT NULL,
      ref TEXT NOT NULL,
      sha TEXT NOT NULL,
      image TEXT NOT NULL,
      full_image TEXT NOT NULL,
      key TEXT NOT NULL,
      generation BIGINT NOT NULL,
      planned TEXT NOT NULL,
      cause TEXT NOT NULL,
      attempt INTEGER NOT NULL DEFAULT 0,
      worker TEXT,
      cancel_requested BOOLEAN NOT NULL DEFAULT FALSE,
      not_before BIGINT NOT NULL DEFAULT 0,
      lease_until BIGINT NOT NULL DEFAULT 0,
      digest TEXT,
      steps TEXT NOT NULL DEFAULT '[]',
      failure TEXT,
      created_at BIGINT NOT NULL,
      started_at BIGINT,
      finished_at BIGINT
    )`,
    "CREATE INDEX builds_delivery ON builds (delivery)",
    "CREATE INDEX builds_commit ON builds (repository, sha)",
    "CREATE INDEX builds_ref ON builds (repository, ref, image, generation)",
    "CREATE INDEX builds_state ON builds (state)",

    `CREATE TABLE decisions (
      delivery BIGINT NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
      position INTEGER NOT NULL,
      repository TEXT NOT NULL,
      ref TEXT,
      sha TEXT,
      image TEXT,
      rule TEXT,
      build TEXT,
      reason TEXT,
      detail TEXT NOT NULL,
      problems TEXT,
      PRIMARY KEY (delivery, position)
    )`,
    "CREATE INDEX decisions_commit ON decisions (repository, sha)",

    // A check is due while revision > shown_revision. renewed: since it was last claimed, so that whoever still shows the
    // old one can not speak for the new one.
    `CREATE TABLE checks (
      id ${id},
      repository TEXT NOT NULL REFERENCES repositories (key),
      installation_id TEXT NOT NULL,
      sha TEXT NOT NULL,
      name TEXT NOT NULL,
      revision BIGINT NOT NULL DEFAULT 1,
      shown_revision BIGINT NOT NULL DEFAULT 0,
      changed_at BIGINT NOT NULL,
      attempts INTEGER NOT NULL DEFAULT 0,
      not_before BIGINT NOT NULL DEFAULT 0,
      lease_until BIGINT NOT NULL DEFAULT 0,
      host_id TEXT,
      external_id TEXT NOT NULL,
      uncertain BOOLEAN NOT NULL DEFAULT FALSE,
      concluded BOOLEAN NOT NULL DEFAULT FALSE,
      renewed BOOLEAN NOT NULL DEFAULT FALSE,
      note TEXT,
      UNIQUE (repository, sha, name)
    )`,
    "CREATE INDEX checks_due ON checks (repository, changed_at, id) WHERE revision > shown_revision",

    // Sealed by the vault, each bound to its name.
    `CREATE TABLE secrets (name TEXT NOT NULL PRIMARY KEY, sealed ${bytes} NOT NULL)`,
    // One row, written to find out whether writing works.
    "CREATE TABLE pulse (id INTEGER NOT NULL PRIMARY KEY, at BIGINT NOT NULL)",
    "INSERT INTO pulse (id, at) VALUES (1, 0)",
  ];
}

/**
 * What others may be waiting for is announced by the transaction that makes it, whichever statement it is, when it
 * commits (attendance.ts). Here and not in the store, so that no statement can forget it.
 */
const ANNOUNCEMENTS = [
  `CREATE FUNCTION announce() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM pg_notify('wharfinger', TG_ARGV[0]);
      RETURN NULL;
    END $$`,
  `CREATE TRIGGER deliveries_stored AFTER INSERT ON deliveries
    FOR EACH STATEMENT EXECUTE FUNCTION announce('deliveries')`,
  // The next one of the stream may be processed.
  `CREATE TRIGGER deliveries_ended AFTER UPDATE OF outcome ON deliveries
    FOR EACH ROW WHEN (OLD.outcome = 'pending' AND NEW.outcome <> 'pending') EXECUTE FUNCTION announce('deliveries')`,
  `CREATE TRIGGER builds_queued AFTER INSERT ON builds
    FOR EACH STATEMENT EXECUTE FUNCTION announce('builds')`,
  `CREATE TRIGGER builds_changed AFTER UPDATE OF state, cancel_requested ON builds
    FOR EACH ROW WHEN (OLD.state <> NEW.state OR OLD.cancel_requested <> NEW.cancel_requested)
    EXECUTE FUNCTION announce('builds')`,
  `CREATE TRIGGER checks_created AFTER INSERT ON checks
    FOR EACH STATEMENT EXECUTE FUNCTION announce('checks')`,
  `CREATE TRIGGER checks_changed AFTER UPDATE OF revision ON checks
    FOR EACH STATEMENT EXECUTE FUNCTION announce('checks')`,
];

export const first: Migration = {
  name: "0001-first",
  sqlite: tables({ id: "INTEGER PRIMARY KEY AUTOINCREMENT", bytes: "BLOB" }),
  postgres: [...tables({ id: "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", bytes: "BYTEA" }), ...ANNOUNCEMENTS],
};
