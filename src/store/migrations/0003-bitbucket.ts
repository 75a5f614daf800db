import type { Migration } from "../migrate.ts";

/**
 * What accounts on Bitbucket have given us. Columns with a secret or token hold the name it is kept under in `secrets`,
 * sealed: so that all of them are sealed anew when SECRET_KEY changes, and none is left where its row is gone.
 */
const statements = ({ id }: { readonly id: string }): readonly string[] => [
  // Rows are never deleted: whoever installs anew has to sign with the secret of the install before. `proven` grows with
  // each proof, of whichever client.
  `CREATE TABLE connect_clients (
    client_key TEXT NOT NULL PRIMARY KEY,
    workspace TEXT NOT NULL,
    kind TEXT NOT NULL,
    login TEXT NOT NULL,
    state TEXT NOT NULL,
    secret TEXT REFERENCES secrets (name),
    proven BIGINT NOT NULL
  )`,
  "CREATE INDEX connect_clients_workspace ON connect_clients (workspace)",

  // Strangers write here, so there is a limit to the number of rows (connect-clients.ts). tried_at: 0 until the first time.
  `CREATE TABLE connect_candidates (
    seq ${id},
    id TEXT NOT NULL UNIQUE,
    client_key TEXT NOT NULL,
    workspace TEXT NOT NULL,
    secret TEXT REFERENCES secrets (name),
    attempts INTEGER NOT NULL DEFAULT 0,
    tried_at BIGINT NOT NULL DEFAULT 0,
    not_before BIGINT NOT NULL DEFAULT 0,
    lease_until BIGINT NOT NULL DEFAULT 0
  )`,
  "CREATE INDEX connect_candidates_client ON connect_candidates (client_key)",

  `CREATE TABLE connections (
    seq ${id},
    id TEXT NOT NULL UNIQUE,
    workspace TEXT NOT NULL,
    kind TEXT NOT NULL,
    login TEXT NOT NULL,
    repository_id TEXT,
    repository_name TEXT,
    secret TEXT NOT NULL REFERENCES secrets (name),
    previous_secret TEXT REFERENCES secrets (name),
    token TEXT NOT NULL REFERENCES secrets (name),
    hook TEXT,
    created_at BIGINT NOT NULL,
    CHECK ((repository_id IS NULL) = (repository_name IS NULL))
  )`,
  "CREATE INDEX connections_workspace ON connections (workspace)",
];

export const bitbucket: Migration = {
  name: "0003-bitbucket",
  sqlite: statements({ id: "INTEGER PRIMARY KEY AUTOINCREMENT" }),
  postgres: statements({ id: "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY" }),
};
