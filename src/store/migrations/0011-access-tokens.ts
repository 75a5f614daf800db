import type { Migration } from "../migrate.ts";

/** Rows of both are kept for good: what a token was, and that a name is taken, is asked long after. */
const statements = ({ id }: { readonly id: string }): readonly string[] => [
  // hash: SHA-256 of the token. account: whose right to the namespace it stands on. made_by: JSON, see core/audit.ts.
  `CREATE TABLE access_tokens (
    seq ${id},
    id TEXT NOT NULL UNIQUE,
    hash TEXT NOT NULL,
    namespace TEXT NOT NULL,
    provider TEXT NOT NULL,
    host TEXT NOT NULL,
    account_id TEXT NOT NULL,
    name TEXT NOT NULL,
    access TEXT NOT NULL CHECK (access IN ('pull', 'push')),
    made_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT,
    last_used_at BIGINT
  )`,
  "CREATE INDEX access_tokens_namespace ON access_tokens (namespace, seq)",
  // Images that people push to: no repository owns one, and none can take it. token: the first one it was pushed with.
  `CREATE TABLE pushed_images (
    name TEXT NOT NULL PRIMARY KEY,
    namespace TEXT NOT NULL,
    token TEXT NOT NULL REFERENCES access_tokens (id),
    created_at BIGINT NOT NULL
  )`,
  "CREATE INDEX pushed_images_namespace ON pushed_images (namespace)",
];

export const accessTokens: Migration = {
  name: "0011-access-tokens",
  sqlite: statements({ id: "INTEGER PRIMARY KEY AUTOINCREMENT" }),
  postgres: statements({ id: "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY" }),
};
