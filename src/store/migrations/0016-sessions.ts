import type { Migration } from "../migrate.ts";

/** Neither table holds what is in a cookie: `key` is its digest. */
const statements = ({ id }: { readonly id: string }): readonly string[] => [
  // person: hostKey of the user, `operator` for the operator's token. login: as they were called. reach, vouched: JSON.
  `CREATE TABLE sessions (
    seq ${id},
    key TEXT NOT NULL UNIQUE,
    person TEXT NOT NULL,
    login TEXT,
    proof TEXT,
    reach TEXT NOT NULL,
    vouched TEXT NOT NULL,
    opened_at BIGINT NOT NULL,
    used_at BIGINT NOT NULL
  )`,
  "CREATE INDEX sessions_person ON sessions (person, seq)",
  // People who were sent to a host and have not come back.
  `CREATE TABLE sign_ins (
    seq ${id},
    key TEXT NOT NULL UNIQUE,
    provider TEXT NOT NULL,
    host TEXT NOT NULL,
    next TEXT NOT NULL,
    begun_at BIGINT NOT NULL
  )`,
];

export const sessions: Migration = {
  name: "0016-sessions",
  sqlite: statements({ id: "INTEGER PRIMARY KEY AUTOINCREMENT" }),
  postgres: statements({ id: "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY" }),
};
