import type { Migration } from "../migrate.ts";

const statements = ({ id }: { readonly id: string }): readonly string[] => [
  // hash: SHA-256 of the token. made_by: JSON, see core/audit.ts. Rows are kept for good: what a token was is asked long after.
  `CREATE TABLE api_tokens (
    seq ${id},
    id TEXT NOT NULL UNIQUE,
    hash TEXT NOT NULL,
    installation TEXT NOT NULL REFERENCES installations (key),
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('read', 'write', 'owner')),
    made_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT,
    last_used_at BIGINT
  )`,
  "CREATE INDEX api_tokens_installation ON api_tokens (installation, seq)",
  // Requests that must not be done twice, by who sends them and the key they gave. status: null while it is being done.
  `CREATE TABLE idempotency_keys (
    caller TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    begun_at BIGINT NOT NULL,
    status INTEGER,
    answer TEXT,
    PRIMARY KEY (caller, key)
  )`,
  "CREATE INDEX idempotency_keys_begun ON idempotency_keys (begun_at)",
  // What a token of an installation may list.
  "CREATE INDEX deliveries_installation ON deliveries (provider, host, installation_id, id)",
];

export const apiTokens: Migration = {
  name: "0019-api-tokens",
  sqlite: statements({ id: "INTEGER PRIMARY KEY AUTOINCREMENT" }),
  postgres: statements({ id: "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY" }),
};
