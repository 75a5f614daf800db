import type { Migration } from "../migrate.ts";

/** `made_by`, `decided_by`: who, as JSON in the words of core/audit.ts. Accounts are told apart by provider, host and id. */
const tables = ({ id }: { readonly id: string }): readonly string[] => [
  // Who may write a namespace. Its row is what counts: no name of an account is ever compared.
  `CREATE TABLE namespace_grants (
    provider TEXT NOT NULL,
    host TEXT NOT NULL,
    account_id TEXT NOT NULL,
    namespace TEXT NOT NULL REFERENCES namespaces (name),
    account_login TEXT NOT NULL,
    since BIGINT NOT NULL,
    why TEXT NOT NULL,
    made_by TEXT NOT NULL,
    PRIMARY KEY (provider, host, account_id)
  )`,
  "CREATE INDEX namespace_grants_namespace ON namespace_grants (namespace)",
  // What accounts ask for. `namespace` is null where the account's name makes none.
  `CREATE TABLE claims (
    id ${id},
    provider TEXT NOT NULL,
    host TEXT NOT NULL,
    account_id TEXT NOT NULL,
    account_login TEXT NOT NULL,
    account_kind TEXT NOT NULL,
    installation TEXT NOT NULL,
    namespace TEXT,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    why TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    decided_at BIGINT,
    decided_by TEXT
  )`,
  "CREATE UNIQUE INDEX claims_pending ON claims (provider, host, account_id) WHERE state = 'pending'",
  "CREATE INDEX claims_account ON claims (provider, host, account_id)",
  // One at a time of a namespace; gone once it was used. The code has 100 random bits, so a plain hash keeps it.
  `CREATE TABLE namespace_codes (
    namespace TEXT NOT NULL PRIMARY KEY REFERENCES namespaces (name),
    hash TEXT NOT NULL,
    valid_until BIGINT NOT NULL,
    made_by TEXT NOT NULL
  )`,
  // Wrong codes of an account, counted since the first of them.
  `CREATE TABLE code_attempts (
    account TEXT NOT NULL PRIMARY KEY,
    failures INTEGER NOT NULL,
    since BIGINT NOT NULL
  )`,
];

/** Who owned a namespace when one account had one, and nobody else could. */
const ownedBefore = (former: string): string => `INSERT INTO namespace_grants
    (provider, host, account_id, namespace, account_login, since, why, made_by)
  SELECT n.provider, n.host, n.account_id, n.name,
    COALESCE((SELECT MAX(i.account_login) FROM installations i
      WHERE i.provider = n.provider AND i.host = n.host AND i.account_id = n.account_id), ''),
    n.created_at, 'the first account of this name that installed the app', '{"kind":"service"}'
  FROM ${former} n`;

export const claims: Migration = {
  name: "0007-claims",
  sqlite: [
    // SQLite does not drop a column that is in a constraint.
    "ALTER TABLE namespaces RENAME TO former_namespaces",
    `CREATE TABLE namespaces (
      seq INTEGER PRIMARY KEY AUTOINCREMENT,
      name TEXT NOT NULL UNIQUE CHECK (name = lower(name)),
      registry TEXT NOT NULL DEFAULT 'default',
      created_at BIGINT NOT NULL
    )`,
    "INSERT INTO namespaces (name, created_at) SELECT name, created_at FROM former_namespaces ORDER BY created_at, name",
    ...tables({ id: "INTEGER PRIMARY KEY AUTOINCREMENT" }),
    ownedBefore("former_namespaces"),
    "DROP TABLE former_namespaces",
  ],
  postgres: [
    ...tables({ id: "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY" }),
    ownedBefore("namespaces"),
    "ALTER TABLE namespaces DROP COLUMN provider, DROP COLUMN host, DROP COLUMN account_id",
    `ALTER TABLE namespaces ADD COLUMN seq BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE,
      ADD COLUMN registry TEXT NOT NULL DEFAULT 'default'`,
  ],
};
