import type { Migration } from "../migrate.ts";

/**
 * Signed requests, staging and promotion. `phase`: `build` until the image is staged, then `promote`. `journal_order` is
 * the delivery a build's work came with first; a re-run keeps it, so that it never counts as newer than it is.
 */
const statements = (types: { readonly bytes: string }): readonly string[] => [
  "ALTER TABLE builds ADD COLUMN phase TEXT NOT NULL DEFAULT 'build'",
  "ALTER TABLE builds ADD COLUMN actor TEXT",
  "ALTER TABLE builds ADD COLUMN config_digest TEXT",
  "ALTER TABLE builds ADD COLUMN journal_order BIGINT NOT NULL DEFAULT 0",
  "ALTER TABLE builds ADD COLUMN request TEXT",
  "ALTER TABLE builds ADD COLUMN request_digest TEXT",
  "ALTER TABLE builds ADD COLUMN request_key TEXT",
  "ALTER TABLE builds ADD COLUMN request_signature TEXT",
  // SHA-256 of the secret of the lease; null while nobody builds.
  "ALTER TABLE builds ADD COLUMN lease_hash TEXT",
  "ALTER TABLE builds ADD COLUMN staged_digest TEXT",
  // none: never handed to a builder that pushes; used: there may be something in its staging repository; gone: removed.
  "ALTER TABLE builds ADD COLUMN staging TEXT NOT NULL DEFAULT 'none'",
  "ALTER TABLE builds ADD COLUMN promotions INTEGER NOT NULL DEFAULT 0",
  "ALTER TABLE builds ADD COLUMN tags TEXT",
  // JSON: for each tag with a version its line (tag_lines) when the build was planned.
  "ALTER TABLE builds ADD COLUMN tag_lines TEXT NOT NULL DEFAULT '{}'",
  "UPDATE builds SET journal_order = delivery",
  "CREATE INDEX builds_promoting ON builds (full_image) WHERE state = 'running' AND phase = 'promote'",
  "CREATE INDEX builds_staging ON builds (seq) WHERE staging = 'used'",

  // Never deleted: an image stays its repository's, or another one could publish under a name that others still pull.
  `CREATE TABLE images (
    name TEXT NOT NULL PRIMARY KEY,
    repository TEXT NOT NULL REFERENCES repositories (key),
    public BOOLEAN NOT NULL DEFAULT FALSE,
    created_at BIGINT NOT NULL
  )`,
  `CREATE TABLE image_shares (
    image TEXT NOT NULL REFERENCES images (name),
    repository TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (image, repository)
  )`,
  // Logs of builds where several processes share the database; each time a log is begun anew has a number of its own.
  `CREATE TABLE logs (
    build TEXT NOT NULL PRIMARY KEY,
    epoch BIGINT NOT NULL
  )`,
  `CREATE TABLE log_parts (
    build TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    position BIGINT NOT NULL,
    bytes ${types.bytes} NOT NULL,
    PRIMARY KEY (build, epoch, position)
  )`,
  // Public keys of those who sign build requests.
  `CREATE TABLE request_keys (
    id TEXT NOT NULL PRIMARY KEY,
    public_key TEXT NOT NULL,
    created_at BIGINT NOT NULL
  )`,
  // Newest delivery that planned a tag without a version, of those planned so far: see core/supersede.ts, `since`.
  `CREATE TABLE tag_lines (
    image TEXT NOT NULL,
    tag TEXT NOT NULL,
    line BIGINT NOT NULL,
    PRIMARY KEY (image, tag)
  )`,
  // The publication is JSON: who published the tag last, in the words of core/supersede.ts.
  `CREATE TABLE tags (
    image TEXT NOT NULL,
    tag TEXT NOT NULL,
    digest TEXT NOT NULL,
    build TEXT NOT NULL,
    publication TEXT NOT NULL,
    published_at BIGINT NOT NULL,
    PRIMARY KEY (image, tag)
  )`,
];

/** See 0001-first.ts: a staged build may be promoted. */
const ANNOUNCEMENT = `CREATE TRIGGER builds_staged AFTER UPDATE OF phase ON builds
  FOR EACH ROW WHEN (OLD.phase <> NEW.phase) EXECUTE FUNCTION announce('builds')`;

export const publishing: Migration = {
  name: "0002-publishing",
  sqlite: statements({ bytes: "BLOB" }),
  postgres: [...statements({ bytes: "BYTEA" }), ANNOUNCEMENT],
};
