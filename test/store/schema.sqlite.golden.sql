CREATE TABLE access_tokens (
seq INTEGER PRIMARY KEY AUTOINCREMENT,
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
  );

CREATE INDEX access_tokens_namespace ON access_tokens (namespace, seq);

CREATE TABLE api_tokens (
seq INTEGER PRIMARY KEY AUTOINCREMENT,
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
  );

CREATE INDEX api_tokens_installation ON api_tokens (installation, seq);

CREATE TRIGGER audit_not_deleted BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;

CREATE TRIGGER audit_not_replaced BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;

CREATE TRIGGER audit_not_updated BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;

CREATE TABLE audit (
id INTEGER PRIMARY KEY AUTOINCREMENT,
at BIGINT NOT NULL,
made_by TEXT NOT NULL,
action TEXT NOT NULL,
installation TEXT,
subject TEXT NOT NULL,
facts TEXT NOT NULL
  );

CREATE INDEX audit_installation ON audit (installation, id);

CREATE TABLE builds (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
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
, phase TEXT NOT NULL DEFAULT 'build', actor TEXT, config_digest TEXT, journal_order BIGINT NOT NULL DEFAULT 0, request TEXT, request_digest TEXT, request_key TEXT, request_signature TEXT, lease_hash TEXT, staged_digest TEXT, staging TEXT NOT NULL DEFAULT 'none', promotions INTEGER NOT NULL DEFAULT 0, tags TEXT, tag_lines TEXT NOT NULL DEFAULT '{}', lane TEXT NOT NULL DEFAULT '', stopped_as TEXT NOT NULL DEFAULT 'canceled', hold_reason TEXT, hold_detail TEXT, approval TEXT, twin TEXT, registry TEXT NOT NULL DEFAULT 'default', failure_class TEXT GENERATED ALWAYS AS (failure ->> 'class') VIRTUAL);

CREATE INDEX builds_by_failure ON builds (failure_class, seq) WHERE failure IS NOT NULL;

CREATE INDEX builds_by_state ON builds (state, seq);

CREATE INDEX builds_commit ON builds (repository, sha);

CREATE INDEX builds_delivery ON builds (delivery);

CREATE INDEX builds_failed ON builds (finished_at, failure_class) WHERE failure IS NOT NULL;

CREATE INDEX builds_image ON builds (full_image, seq);

CREATE INDEX builds_installation ON builds (installation, seq);

CREATE INDEX builds_lane ON builds (repository, lane, image, generation);

CREATE INDEX builds_promoting ON builds (full_image) WHERE state = 'running' AND phase = 'promote';

CREATE INDEX builds_repository ON builds (repository, seq);

CREATE INDEX builds_staging ON builds (seq) WHERE staging = 'used';

CREATE TABLE checks (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
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
);

CREATE INDEX checks_due ON checks (repository, changed_at, id) WHERE revision > shown_revision;

CREATE TABLE claims (
id INTEGER PRIMARY KEY AUTOINCREMENT,
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
  );

CREATE INDEX claims_account ON claims (provider, host, account_id);

CREATE UNIQUE INDEX claims_pending ON claims (provider, host, account_id) WHERE state = 'pending';

CREATE TABLE code_attempts (
account TEXT NOT NULL PRIMARY KEY,
failures INTEGER NOT NULL,
since BIGINT NOT NULL
  );

CREATE TABLE compared_refs (
repository TEXT NOT NULL PRIMARY KEY REFERENCES comparisons (repository) ON DELETE CASCADE,
packed BLOB NOT NULL
  );

CREATE TABLE comparisons (
repository TEXT NOT NULL PRIMARY KEY REFERENCES repositories (key),
due_at BIGINT NOT NULL,
wanted_at BIGINT,
lease_until BIGINT NOT NULL DEFAULT 0,
attempt BIGINT NOT NULL,
looked_at BIGINT,
compared_at BIGINT,
used_at BIGINT,
failures INTEGER NOT NULL DEFAULT 0,
problem TEXT,
suspects TEXT NOT NULL DEFAULT '[]'
  );

CREATE INDEX comparisons_due ON comparisons (due_at, repository);

CREATE TABLE config_checks (
repository TEXT NOT NULL REFERENCES repositories (key),
sha TEXT NOT NULL,
kind TEXT NOT NULL,
body TEXT NOT NULL,
PRIMARY KEY (repository, sha, kind)
  );

CREATE TABLE config_files (
repository TEXT NOT NULL REFERENCES repositories (key),
ref TEXT NOT NULL,
sha TEXT NOT NULL,
digest TEXT,
PRIMARY KEY (repository, ref)
  );

CREATE TABLE connect_candidates (
seq INTEGER PRIMARY KEY AUTOINCREMENT,
id TEXT NOT NULL UNIQUE,
client_key TEXT NOT NULL,
workspace TEXT NOT NULL,
secret TEXT REFERENCES secrets (name),
attempts INTEGER NOT NULL DEFAULT 0,
tried_at BIGINT NOT NULL DEFAULT 0,
not_before BIGINT NOT NULL DEFAULT 0,
lease_until BIGINT NOT NULL DEFAULT 0
  );

CREATE INDEX connect_candidates_client ON connect_candidates (client_key);

CREATE TABLE connect_clients (
client_key TEXT NOT NULL PRIMARY KEY,
workspace TEXT NOT NULL,
kind TEXT NOT NULL,
login TEXT NOT NULL,
state TEXT NOT NULL,
secret TEXT REFERENCES secrets (name),
proven BIGINT NOT NULL
  );

CREATE INDEX connect_clients_workspace ON connect_clients (workspace);

CREATE TABLE connections (
seq INTEGER PRIMARY KEY AUTOINCREMENT,
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
  );

CREATE INDEX connections_workspace ON connections (workspace);

CREATE TABLE decisions (
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
  problems TEXT, lane TEXT,
  PRIMARY KEY (delivery, position)
);

CREATE INDEX decisions_closed ON decisions (repository, lane, delivery)
   WHERE reason IN ('paused', 'suspended', 'no-namespace');

CREATE INDEX decisions_commit ON decisions (repository, sha);

CREATE TABLE deliveries (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  provider TEXT NOT NULL,
  host TEXT NOT NULL,
  delivery_id TEXT NOT NULL,
  delivery_key BLOB NOT NULL,
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
  body BLOB, trace BLOB, turn BIGINT NOT NULL DEFAULT 0, sent_at BIGINT, sent_status INTEGER,
  UNIQUE (delivery_key, host, provider)
);

CREATE INDEX deliveries_fetched ON deliveries (received_at) WHERE sent_at IS NOT NULL;

CREATE INDEX deliveries_installation ON deliveries (provider, host, installation_id, id);

CREATE INDEX deliveries_pending ON deliveries (stream, id) WHERE outcome = 'pending';

CREATE INDEX deliveries_planned ON deliveries (repository_id, id) WHERE outcome = 'planned';

CREATE INDEX deliveries_waiting ON deliveries (turn, id) WHERE outcome = 'pending';

CREATE TABLE found_changes (
id INTEGER PRIMARY KEY AUTOINCREMENT,
found_at BIGINT NOT NULL,
changes INTEGER NOT NULL
  );

CREATE INDEX found_changes_time ON found_changes (found_at);

CREATE TABLE further_repositories (
id INTEGER PRIMARY KEY AUTOINCREMENT,
installation TEXT NOT NULL REFERENCES installations (key),
repository TEXT NOT NULL REFERENCES repositories (key),
reads TEXT NOT NULL REFERENCES repositories (key),
since BIGINT NOT NULL,
made_by TEXT NOT NULL,
UNIQUE (installation, repository, reads)
  );

CREATE TABLE idempotency_keys (
caller TEXT NOT NULL,
key TEXT NOT NULL,
fingerprint TEXT NOT NULL,
begun_at BIGINT NOT NULL,
status INTEGER,
answer TEXT,
PRIMARY KEY (caller, key)
  );

CREATE INDEX idempotency_keys_begun ON idempotency_keys (begun_at);

CREATE TABLE image_shares (
image TEXT NOT NULL REFERENCES images (name),
repository TEXT NOT NULL,
created_at BIGINT NOT NULL,
PRIMARY KEY (image, repository)
  );

CREATE TABLE images (
name TEXT NOT NULL PRIMARY KEY,
repository TEXT NOT NULL REFERENCES repositories (key),
public BOOLEAN NOT NULL DEFAULT FALSE,
created_at BIGINT NOT NULL
  );

CREATE TABLE installations (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  key TEXT NOT NULL UNIQUE,
  provider TEXT NOT NULL,
  host TEXT NOT NULL,
  id TEXT NOT NULL,
  account_id TEXT NOT NULL,
  account_login TEXT NOT NULL,
  account_kind TEXT NOT NULL,
  state TEXT NOT NULL,
  permissions TEXT NOT NULL
, policy TEXT NOT NULL DEFAULT '{}', removed_at BIGINT);

CREATE INDEX installations_account ON installations (provider, host, account_id);

CREATE TABLE log_parts (
build TEXT NOT NULL,
epoch BIGINT NOT NULL,
position BIGINT NOT NULL,
bytes BLOB NOT NULL,
PRIMARY KEY (build, epoch, position)
  );

CREATE TABLE logs (
build TEXT NOT NULL PRIMARY KEY,
epoch BIGINT NOT NULL
  );

CREATE TABLE migrations (name TEXT NOT NULL PRIMARY KEY, applied_at TEXT NOT NULL);

CREATE TABLE missed_looks (
provider TEXT NOT NULL,
host TEXT NOT NULL,
reached BIGINT,
begun_at BIGINT NOT NULL,
looked_at BIGINT,
problem TEXT,
not_before BIGINT NOT NULL DEFAULT 0,
lease_until BIGINT NOT NULL,
attempt BIGINT NOT NULL,
PRIMARY KEY (provider, host)
  );

CREATE TABLE missed_tries (
provider TEXT NOT NULL,
host TEXT NOT NULL,
delivery_id TEXT NOT NULL,
sent_at BIGINT NOT NULL,
tries INTEGER NOT NULL,
tried_at BIGINT NOT NULL,
not_before BIGINT,
PRIMARY KEY (provider, host, delivery_id)
  );

CREATE TABLE namespace_codes (
namespace TEXT NOT NULL PRIMARY KEY REFERENCES namespaces (name),
hash TEXT NOT NULL,
valid_until BIGINT NOT NULL,
made_by TEXT NOT NULL
  );

CREATE TABLE namespace_grants (
provider TEXT NOT NULL,
host TEXT NOT NULL,
account_id TEXT NOT NULL,
namespace TEXT NOT NULL REFERENCES namespaces (name),
account_login TEXT NOT NULL,
since BIGINT NOT NULL,
why TEXT NOT NULL,
made_by TEXT NOT NULL,
PRIMARY KEY (provider, host, account_id)
  );

CREATE INDEX namespace_grants_namespace ON namespace_grants (namespace);

CREATE TABLE namespaces (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE CHECK (name = lower(name)),
  registry TEXT NOT NULL DEFAULT 'default',
  created_at BIGINT NOT NULL
);

CREATE TABLE notice_targets (
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
);

CREATE INDEX notice_targets_installation ON notice_targets (installation);

CREATE TABLE notices (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  target TEXT NOT NULL REFERENCES notice_targets (id),
  build TEXT NOT NULL REFERENCES builds (id) ON DELETE CASCADE,
  event TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  not_before BIGINT NOT NULL DEFAULT 0,
  lease_until BIGINT NOT NULL DEFAULT 0,
  made_at BIGINT NOT NULL,
  UNIQUE (target, build)
);

CREATE TABLE pauses (
kind TEXT NOT NULL,
key TEXT NOT NULL,
since BIGINT NOT NULL,
made_by TEXT NOT NULL,
stops BOOLEAN NOT NULL DEFAULT FALSE,
PRIMARY KEY (kind, key)
  );

CREATE TABLE pulse (id INTEGER NOT NULL PRIMARY KEY, at BIGINT NOT NULL);

CREATE TABLE pushed_images (
name TEXT NOT NULL PRIMARY KEY,
namespace TEXT NOT NULL,
token TEXT NOT NULL REFERENCES access_tokens (id),
created_at BIGINT NOT NULL
  );

CREATE INDEX pushed_images_namespace ON pushed_images (namespace);

CREATE TABLE receipts (
id INTEGER PRIMARY KEY AUTOINCREMENT,
installation TEXT NOT NULL REFERENCES installations (key),
account_login TEXT NOT NULL,
removed_at BIGINT NOT NULL,
items TEXT,
closed_at BIGINT,
kept_until BIGINT,
restored_at BIGINT,
purged_at BIGINT,
UNIQUE (installation, removed_at)
  );

CREATE INDEX receipts_kept ON receipts (kept_until) WHERE restored_at IS NULL AND purged_at IS NULL;

CREATE TABLE refs (
  repository TEXT NOT NULL REFERENCES repositories (key),
  ref TEXT NOT NULL,
  generation BIGINT NOT NULL,
  before_sha TEXT,
  after_sha TEXT, found BOOLEAN NOT NULL DEFAULT FALSE, judged_sha TEXT,
  PRIMARY KEY (repository, ref)
);

CREATE TABLE registries (
name TEXT NOT NULL PRIMARY KEY,
settings TEXT NOT NULL,
created_at BIGINT NOT NULL
  );

CREATE TABLE registry_credentials (
registry TEXT NOT NULL,
namespace TEXT NOT NULL,
username TEXT NOT NULL,
password TEXT NOT NULL REFERENCES secrets (name),
created_at BIGINT NOT NULL,
PRIMARY KEY (registry, namespace)
  );

CREATE TABLE replays (
copy BIGINT NOT NULL PRIMARY KEY REFERENCES deliveries (id) ON DELETE CASCADE,
original BIGINT NOT NULL UNIQUE
  );

CREATE TABLE repositories (
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
  archived BOOLEAN NOT NULL DEFAULT FALSE);

CREATE INDEX repositories_installation ON repositories (installation);

CREATE INDEX repositories_name ON repositories (provider, host, LOWER(full_name));

CREATE TABLE request_keys (
id TEXT NOT NULL PRIMARY KEY,
public_key TEXT NOT NULL,
created_at BIGINT NOT NULL
  );

CREATE TABLE secrets (name TEXT NOT NULL PRIMARY KEY, sealed BLOB NOT NULL);

CREATE TABLE sessions (
seq INTEGER PRIMARY KEY AUTOINCREMENT,
key TEXT NOT NULL UNIQUE,
person TEXT NOT NULL,
login TEXT,
proof TEXT,
reach TEXT NOT NULL,
vouched TEXT NOT NULL,
opened_at BIGINT NOT NULL,
used_at BIGINT NOT NULL
  );

CREATE INDEX sessions_person ON sessions (person, seq);

CREATE TABLE settings (
name TEXT NOT NULL PRIMARY KEY,
secret TEXT NOT NULL UNIQUE REFERENCES secrets (name),
saved_at BIGINT NOT NULL
  );

CREATE TABLE setup (id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1), finished_at BIGINT NOT NULL);

CREATE TABLE sign_ins (
seq INTEGER PRIMARY KEY AUTOINCREMENT,
key TEXT NOT NULL UNIQUE,
provider TEXT NOT NULL,
host TEXT NOT NULL,
next TEXT NOT NULL,
begun_at BIGINT NOT NULL
  );

CREATE TABLE tag_lines (
image TEXT NOT NULL,
tag TEXT NOT NULL,
line BIGINT NOT NULL,
PRIMARY KEY (image, tag)
  );

CREATE TABLE tags (
image TEXT NOT NULL,
tag TEXT NOT NULL,
digest TEXT NOT NULL,
build TEXT NOT NULL,
publication TEXT NOT NULL,
published_at BIGINT NOT NULL,
PRIMARY KEY (image, tag)
  );

CREATE TABLE variables (
id TEXT NOT NULL PRIMARY KEY,
installation TEXT NOT NULL REFERENCES installations (key),
repository TEXT REFERENCES repositories (key),
name TEXT NOT NULL,
value TEXT,
secret TEXT UNIQUE REFERENCES secrets (name),
bytes INTEGER NOT NULL,
fingerprint TEXT NOT NULL,
saved_at BIGINT NOT NULL,
CHECK ((value IS NULL) <> (secret IS NULL))
  );

CREATE UNIQUE INDEX variables_place ON variables (installation, COALESCE(repository, ''), name);
