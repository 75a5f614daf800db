import type { Migration } from "../migrate.ts";

/**
 * Pauses, beside what hosts say of installations. `kind`: instance (its key is empty), installation or repository; `key`: a
 * host key; `made_by`: JSON, in the words of core/audit.ts. What was paused before has nobody's name to it.
 */
const statements = ({ now }: { readonly now: string }): readonly string[] => [
  `CREATE TABLE pauses (
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    since BIGINT NOT NULL,
    made_by TEXT NOT NULL,
    stops BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (kind, key)
  )`,
  `INSERT INTO pauses (kind, key, since, made_by)
   SELECT 'installation', key, ${now}, '{"kind":"operator"}' FROM installations WHERE state = 'paused'`,
  "UPDATE installations SET state = 'active' WHERE state = 'paused'",
  `INSERT INTO pauses (kind, key, since, made_by)
   SELECT 'repository', key, ${now}, '{"kind":"operator"}' FROM repositories WHERE paused`,
  "ALTER TABLE repositories DROP COLUMN paused",
  // Deliveries that were journalled again; the original may be past retention.
  `CREATE TABLE replays (
    copy BIGINT NOT NULL PRIMARY KEY REFERENCES deliveries (id) ON DELETE CASCADE,
    original BIGINT NOT NULL UNIQUE
  )`,
  // Only what waits is in it: what is built pays nothing.
  `CREATE INDEX decisions_closed ON decisions (repository, lane, delivery)
   WHERE reason IN ('paused', 'suspended', 'no-namespace')`,
];

export const pauses: Migration = {
  name: "0009-pauses",
  sqlite: statements({ now: "CAST(unixepoch('subsec') * 1000 AS INTEGER)" }),
  postgres: statements({ now: "CAST(EXTRACT(EPOCH FROM now()) * 1000 AS BIGINT)" }),
};
