COLUMN access_tokens.seq bigint NOT NULL IDENTITY ALWAYS
COLUMN access_tokens.id text NOT NULL
COLUMN access_tokens.hash text NOT NULL
COLUMN access_tokens.namespace text NOT NULL
COLUMN access_tokens.provider text NOT NULL
COLUMN access_tokens.host text NOT NULL
COLUMN access_tokens.account_id text NOT NULL
COLUMN access_tokens.name text NOT NULL
COLUMN access_tokens.access text NOT NULL
COLUMN access_tokens.made_by text NOT NULL
COLUMN access_tokens.created_at bigint NOT NULL
COLUMN access_tokens.expires_at bigint NOT NULL
COLUMN access_tokens.revoked_at bigint
COLUMN access_tokens.last_used_at bigint
CONSTRAINT access_tokens CHECK ((access = ANY (ARRAY['pull'::text, 'push'::text])))
CONSTRAINT access_tokens PRIMARY KEY (seq)
CONSTRAINT access_tokens UNIQUE (id)
CREATE INDEX access_tokens_namespace ON public.access_tokens USING btree (namespace, seq)
CREATE UNIQUE INDEX access_tokens_id_key ON public.access_tokens USING btree (id)
CREATE UNIQUE INDEX access_tokens_pkey ON public.access_tokens USING btree (seq)
COLUMN api_tokens.seq bigint NOT NULL IDENTITY ALWAYS
COLUMN api_tokens.id text NOT NULL
COLUMN api_tokens.hash text NOT NULL
COLUMN api_tokens.installation text NOT NULL
COLUMN api_tokens.name text NOT NULL
COLUMN api_tokens.role text NOT NULL
COLUMN api_tokens.made_by text NOT NULL
COLUMN api_tokens.created_at bigint NOT NULL
COLUMN api_tokens.expires_at bigint NOT NULL
COLUMN api_tokens.revoked_at bigint
COLUMN api_tokens.last_used_at bigint
CONSTRAINT api_tokens CHECK ((role = ANY (ARRAY['read'::text, 'write'::text, 'owner'::text])))
CONSTRAINT api_tokens FOREIGN KEY (installation) REFERENCES installations(key)
CONSTRAINT api_tokens PRIMARY KEY (seq)
CONSTRAINT api_tokens UNIQUE (id)
CREATE INDEX api_tokens_installation ON public.api_tokens USING btree (installation, seq)
CREATE UNIQUE INDEX api_tokens_id_key ON public.api_tokens USING btree (id)
CREATE UNIQUE INDEX api_tokens_pkey ON public.api_tokens USING btree (seq)
COLUMN audit.id bigint NOT NULL IDENTITY ALWAYS
COLUMN audit.at bigint NOT NULL
COLUMN audit.made_by text NOT NULL
COLUMN audit.action text NOT NULL
COLUMN audit.installation text
COLUMN audit.subject text NOT NULL
COLUMN audit.facts text NOT NULL
CONSTRAINT audit PRIMARY KEY (id)
CREATE INDEX audit_installation ON public.audit USING btree (installation, id)
CREATE UNIQUE INDEX audit_pkey ON public.audit USING btree (id)
CREATE TRIGGER audit_not_changed BEFORE DELETE OR UPDATE OR TRUNCATE ON public.audit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
COLUMN builds.seq bigint NOT NULL IDENTITY ALWAYS
COLUMN builds.id text NOT NULL
COLUMN builds.state text NOT NULL
COLUMN builds.repository text NOT NULL
COLUMN builds.installation text NOT NULL
COLUMN builds.installation_id text NOT NULL
COLUMN builds.delivery bigint NOT NULL
COLUMN builds.ref text NOT NULL
COLUMN builds.sha text NOT NULL
COLUMN builds.image text NOT NULL
COLUMN builds.full_image text NOT NULL
COLUMN builds.key text NOT NULL
COLUMN builds.generation bigint NOT NULL
COLUMN builds.planned text NOT NULL
COLUMN builds.cause text NOT NULL
COLUMN builds.attempt integer NOT NULL DEFAULT 0
COLUMN builds.worker text
COLUMN builds.cancel_requested boolean NOT NULL DEFAULT false
COLUMN builds.not_before bigint NOT NULL DEFAULT 0
COLUMN builds.lease_until bigint NOT NULL DEFAULT 0
COLUMN builds.digest text
COLUMN builds.steps text NOT NULL DEFAULT '[]'::text
COLUMN builds.failure text
COLUMN builds.created_at bigint NOT NULL
COLUMN builds.started_at bigint
COLUMN builds.finished_at bigint
COLUMN builds.phase text NOT NULL DEFAULT 'build'::text
COLUMN builds.actor text
COLUMN builds.config_digest text
COLUMN builds.journal_order bigint NOT NULL DEFAULT 0
COLUMN builds.request text
COLUMN builds.request_digest text
COLUMN builds.request_key text
COLUMN builds.request_signature text
COLUMN builds.lease_hash text
COLUMN builds.staged_digest text
COLUMN builds.staging text NOT NULL DEFAULT 'none'::text
COLUMN builds.promotions integer NOT NULL DEFAULT 0
COLUMN builds.tags text
COLUMN builds.tag_lines text NOT NULL DEFAULT '{}'::text
COLUMN builds.lane text NOT NULL DEFAULT ''::text
COLUMN builds.stopped_as text NOT NULL DEFAULT 'canceled'::text
COLUMN builds.hold_reason text
COLUMN builds.hold_detail text
COLUMN builds.approval text
COLUMN builds.twin text
COLUMN builds.registry text NOT NULL DEFAULT 'default'::text
COLUMN builds.failure_class text
CONSTRAINT builds FOREIGN KEY (repository) REFERENCES repositories(key)
CONSTRAINT builds PRIMARY KEY (seq)
CONSTRAINT builds UNIQUE (id)
CREATE INDEX builds_by_failure ON public.builds USING btree (failure_class, seq) WHERE (failure IS NOT NULL)
CREATE INDEX builds_by_state ON public.builds USING btree (state, seq)
CREATE INDEX builds_commit ON public.builds USING btree (repository, sha)
CREATE INDEX builds_delivery ON public.builds USING btree (delivery)
CREATE INDEX builds_failed ON public.builds USING btree (finished_at, failure_class) WHERE (failure IS NOT NULL)
CREATE INDEX builds_image ON public.builds USING btree (full_image, seq)
CREATE INDEX builds_installation ON public.builds USING btree (installation, seq)
CREATE INDEX builds_lane ON public.builds USING btree (repository, lane, image, generation)
CREATE INDEX builds_promoting ON public.builds USING btree (full_image) WHERE ((state = 'running'::text) AND (phase = 'promote'::text))
CREATE INDEX builds_repository ON public.builds USING btree (repository, seq)
CREATE INDEX builds_staging ON public.builds USING btree (seq) WHERE (staging = 'used'::text)
CREATE UNIQUE INDEX builds_id_key ON public.builds USING btree (id)
CREATE UNIQUE INDEX builds_pkey ON public.builds USING btree (seq)
CREATE TRIGGER builds_changed AFTER UPDATE OF state, cancel_requested ON public.builds FOR EACH ROW WHEN (((old.state <> new.state) OR (old.cancel_requested <> new.cancel_requested))) EXECUTE FUNCTION announce('builds')
CREATE TRIGGER builds_queued AFTER INSERT ON public.builds FOR EACH STATEMENT EXECUTE FUNCTION announce('builds')
CREATE TRIGGER builds_staged AFTER UPDATE OF phase ON public.builds FOR EACH ROW WHEN ((old.phase <> new.phase)) EXECUTE FUNCTION announce('builds')
COLUMN checks.id bigint NOT NULL IDENTITY ALWAYS
COLUMN checks.repository text NOT NULL
COLUMN checks.installation_id text NOT NULL
COLUMN checks.sha text NOT NULL
COLUMN checks.name text NOT NULL
COLUMN checks.revision bigint NOT NULL DEFAULT 1
COLUMN checks.shown_revision bigint NOT NULL DEFAULT 0
COLUMN checks.changed_at bigint NOT NULL
COLUMN checks.attempts integer NOT NULL DEFAULT 0
COLUMN checks.not_before bigint NOT NULL DEFAULT 0
COLUMN checks.lease_until bigint NOT NULL DEFAULT 0
COLUMN checks.host_id text
COLUMN checks.external_id text NOT NULL
COLUMN checks.uncertain boolean NOT NULL DEFAULT false
COLUMN checks.concluded boolean NOT NULL DEFAULT false
COLUMN checks.renewed boolean NOT NULL DEFAULT false
COLUMN checks.note text
CONSTRAINT checks FOREIGN KEY (repository) REFERENCES repositories(key)
CONSTRAINT checks PRIMARY KEY (id)
CONSTRAINT checks UNIQUE (repository, sha, name)
CREATE INDEX checks_due ON public.checks USING btree (repository, changed_at, id) WHERE (revision > shown_revision)
CREATE UNIQUE INDEX checks_pkey ON public.checks USING btree (id)
CREATE UNIQUE INDEX checks_repository_sha_name_key ON public.checks USING btree (repository, sha, name)
CREATE TRIGGER checks_changed AFTER UPDATE OF revision ON public.checks FOR EACH STATEMENT EXECUTE FUNCTION announce('checks')
CREATE TRIGGER checks_created AFTER INSERT ON public.checks FOR EACH STATEMENT EXECUTE FUNCTION announce('checks')
COLUMN claims.id bigint NOT NULL IDENTITY ALWAYS
COLUMN claims.provider text NOT NULL
COLUMN claims.host text NOT NULL
COLUMN claims.account_id text NOT NULL
COLUMN claims.account_login text NOT NULL
COLUMN claims.account_kind text NOT NULL
COLUMN claims.installation text NOT NULL
COLUMN claims.namespace text
COLUMN claims.state text NOT NULL
COLUMN claims.reason text NOT NULL
COLUMN claims.why text NOT NULL
COLUMN claims.made_at bigint NOT NULL
COLUMN claims.decided_at bigint
COLUMN claims.decided_by text
CONSTRAINT claims PRIMARY KEY (id)
CREATE INDEX claims_account ON public.claims USING btree (provider, host, account_id)
CREATE UNIQUE INDEX claims_pending ON public.claims USING btree (provider, host, account_id) WHERE (state = 'pending'::text)
CREATE UNIQUE INDEX claims_pkey ON public.claims USING btree (id)
COLUMN code_attempts.account text NOT NULL
COLUMN code_attempts.failures integer NOT NULL
COLUMN code_attempts.since bigint NOT NULL
CONSTRAINT code_attempts PRIMARY KEY (account)
CREATE UNIQUE INDEX code_attempts_pkey ON public.code_attempts USING btree (account)
COLUMN compared_refs.repository text NOT NULL
COLUMN compared_refs.packed bytea NOT NULL
CONSTRAINT compared_refs FOREIGN KEY (repository) REFERENCES comparisons(repository) ON DELETE CASCADE
CONSTRAINT compared_refs PRIMARY KEY (repository)
CREATE UNIQUE INDEX compared_refs_pkey ON public.compared_refs USING btree (repository)
COLUMN comparisons.repository text NOT NULL
COLUMN comparisons.due_at bigint NOT NULL
COLUMN comparisons.wanted_at bigint
COLUMN comparisons.lease_until bigint NOT NULL DEFAULT 0
COLUMN comparisons.attempt bigint NOT NULL
COLUMN comparisons.looked_at bigint
COLUMN comparisons.compared_at bigint
COLUMN comparisons.used_at bigint
COLUMN comparisons.failures integer NOT NULL DEFAULT 0
COLUMN comparisons.problem text
COLUMN comparisons.suspects text NOT NULL DEFAULT '[]'::text
CONSTRAINT comparisons FOREIGN KEY (repository) REFERENCES repositories(key)
CONSTRAINT comparisons PRIMARY KEY (repository)
CREATE INDEX comparisons_due ON public.comparisons USING btree (due_at, repository)
CREATE UNIQUE INDEX comparisons_pkey ON public.comparisons USING btree (repository)
COLUMN config_checks.repository text NOT NULL
COLUMN config_checks.sha text NOT NULL
COLUMN config_checks.kind text NOT NULL
COLUMN config_checks.body text NOT NULL
CONSTRAINT config_checks FOREIGN KEY (repository) REFERENCES repositories(key)
CONSTRAINT config_checks PRIMARY KEY (repository, sha, kind)
CREATE UNIQUE INDEX config_checks_pkey ON public.config_checks USING btree (repository, sha, kind)
COLUMN config_files.repository text NOT NULL
COLUMN config_files.ref text NOT NULL
COLUMN config_files.sha text NOT NULL
COLUMN config_files.digest text
CONSTRAINT config_files FOREIGN KEY (repository) REFERENCES repositories(key)
CONSTRAINT config_files PRIMARY KEY (repository, ref)
CREATE UNIQUE INDEX config_files_pkey ON public.config_files USING btree (repository, ref)
COLUMN connect_candidates.seq bigint NOT NULL IDENTITY ALWAYS
COLUMN connect_candidates.id text NOT NULL
COLUMN connect_candidates.client_key text NOT NULL
COLUMN connect_candidates.workspace text NOT NULL
COLUMN connect_candidates.secret text
COLUMN connect_candidates.attempts integer NOT NULL DEFAULT 0
COLUMN connect_candidates.tried_at bigint NOT NULL DEFAULT 0
COLUMN connect_candidates.not_before bigint NOT NULL DEFAULT 0
COLUMN connect_candidates.lease_until bigint NOT NULL DEFAULT 0
CONSTRAINT connect_candidates FOREIGN KEY (secret) REFERENCES secrets(name)
CONSTRAINT connect_candidates PRIMARY KEY (seq)
CONSTRAINT connect_candidates UNIQUE (id)
CREATE INDEX connect_candidates_client ON public.connect_candidates USING btree (client_key)
CREATE UNIQUE INDEX connect_candidates_id_key ON public.connect_candidates USING btree (id)
CREATE UNIQUE INDEX connect_candidates_pkey ON public.connect_candidates USING btree (seq)
COLUMN connect_clients.client_key text NOT NULL
COLUMN connect_clients.workspace text NOT NULL
COLUMN connect_clients.kind text NOT NULL
COLUMN connect_clients.login text NOT NULL
COLUMN connect_clients.state text NOT NULL
COLUMN connect_clients.secret text
COLUMN connect_clients.proven bigint NOT NULL
CONSTRAINT connect_clients FOREIGN KEY (secret) REFERENCES secrets(name)
CONSTRAINT connect_clients PRIMARY KEY (client_key)
CREATE INDEX connect_clients_workspace ON public.connect_clients USING btree (workspace)
CREATE UNIQUE INDEX connect_clients_pkey ON public.connect_clients USING btree (client_key)
COLUMN connections.seq bigint NOT NULL IDENTITY ALWAYS
COLUMN connections.id text NOT NULL
COLUMN connections.workspace text NOT NULL
COLUMN connections.kind text NOT NULL
COLUMN connections.login text NOT NULL
COLUMN connections.repository_id text
COLUMN connections.repository_name text
COLUMN connections.secret text NOT NULL
COLUMN connections.previous_secret text
COLUMN connections.token text NOT NULL
COLUMN connections.hook text
COLUMN connections.created_at bigint NOT NULL
CONSTRAINT connections CHECK (((repository_id IS NULL) = (repository_name IS NULL)))
CONSTRAINT connections FOREIGN KEY (previous_secret) REFERENCES secrets(name)
CONSTRAINT connections FOREIGN KEY (secret) REFERENCES secrets(name)
CONSTRAINT connections FOREIGN KEY (token) REFERENCES secrets(name)
CONSTRAINT connections PRIMARY KEY (seq)
CONSTRAINT connections UNIQUE (id)
CREATE INDEX connections_workspace ON public.connections USING btree (workspace)
CREATE UNIQUE INDEX connections_id_key ON public.connections USING btree (id)
CREATE UNIQUE INDEX connections_pkey ON public.connections USING btree (seq)
COLUMN decisions.delivery bigint NOT NULL
COLUMN decisions.position integer NOT NULL
COLUMN decisions.repository text NOT NULL
COLUMN decisions.ref text
COLUMN decisions.sha text
COLUMN decisions.image text
COLUMN decisions.rule text
COLUMN decisions.build text
COLUMN decisions.reason text
COLUMN decisions.detail text NOT NULL
COLUMN decisions.problems text
COLUMN decisions.lane text
CONSTRAINT decisions FOREIGN KEY (delivery) REFERENCES deliveries(id) ON DELETE CASCADE
CONSTRAINT decisions PRIMARY KEY (delivery, "position")
CREATE INDEX decisions_closed ON public.decisions USING btree (repository, lane, delivery) WHERE (reason = ANY (ARRAY['paused'::text, 'suspended'::text, 'no-namespace'::text]))
CREATE INDEX decisions_commit ON public.decisions USING btree (repository, sha)
CREATE UNIQUE INDEX decisions_pkey ON public.decisions USING btree (delivery, "position")
COLUMN deliveries.id bigint NOT NULL IDENTITY ALWAYS
COLUMN deliveries.provider text NOT NULL
COLUMN deliveries.host text NOT NULL
COLUMN deliveries.delivery_id text NOT NULL
COLUMN deliveries.delivery_key bytea NOT NULL
COLUMN deliveries.event text NOT NULL
COLUMN deliveries.action text
COLUMN deliveries.stream text NOT NULL
COLUMN deliveries.repository_id text
COLUMN deliveries.repository_name text
COLUMN deliveries.installation_id text
COLUMN deliveries.received_at bigint NOT NULL
COLUMN deliveries.outcome text NOT NULL DEFAULT 'pending'::text
COLUMN deliveries.note text
COLUMN deliveries.attempts integer NOT NULL DEFAULT 0
COLUMN deliveries.not_before bigint NOT NULL DEFAULT 0
COLUMN deliveries.lease_until bigint NOT NULL DEFAULT 0
COLUMN deliveries.packed boolean NOT NULL DEFAULT false
COLUMN deliveries.body bytea
COLUMN deliveries.trace bytea
COLUMN deliveries.turn bigint NOT NULL DEFAULT 0
COLUMN deliveries.sent_at bigint
COLUMN deliveries.sent_status integer
CONSTRAINT deliveries PRIMARY KEY (id)
CONSTRAINT deliveries UNIQUE (delivery_key, host, provider)
CREATE INDEX deliveries_fetched ON public.deliveries USING btree (received_at) WHERE (sent_at IS NOT NULL)
CREATE INDEX deliveries_installation ON public.deliveries USING btree (provider, host, installation_id, id)
CREATE INDEX deliveries_pending ON public.deliveries USING btree (stream, id) WHERE (outcome = 'pending'::text)
CREATE INDEX deliveries_planned ON public.deliveries USING btree (repository_id, id) WHERE (outcome = 'planned'::text)
CREATE INDEX deliveries_waiting ON public.deliveries USING btree (turn, id) WHERE (outcome = 'pending'::text)
CREATE UNIQUE INDEX deliveries_delivery_key_host_provider_key ON public.deliveries USING btree (delivery_key, host, provider)
CREATE UNIQUE INDEX deliveries_pkey ON public.deliveries USING btree (id)
CREATE TRIGGER deliveries_ended AFTER UPDATE OF outcome ON public.deliveries FOR EACH ROW WHEN (((old.outcome = 'pending'::text) AND (new.outcome <> 'pending'::text))) EXECUTE FUNCTION announce('deliveries')
CREATE TRIGGER deliveries_stored AFTER INSERT ON public.deliveries FOR EACH STATEMENT EXECUTE FUNCTION announce('deliveries')
COLUMN found_changes.id bigint NOT NULL IDENTITY ALWAYS
COLUMN found_changes.found_at bigint NOT NULL
COLUMN found_changes.changes integer NOT NULL
CONSTRAINT found_changes PRIMARY KEY (id)
CREATE INDEX found_changes_time ON public.found_changes USING btree (found_at)
CREATE UNIQUE INDEX found_changes_pkey ON public.found_changes USING btree (id)
COLUMN further_repositories.id bigint NOT NULL IDENTITY ALWAYS
COLUMN further_repositories.installation text NOT NULL
COLUMN further_repositories.repository text NOT NULL
COLUMN further_repositories.reads text NOT NULL
COLUMN further_repositories.since bigint NOT NULL
COLUMN further_repositories.made_by text NOT NULL
CONSTRAINT further_repositories FOREIGN KEY (installation) REFERENCES installations(key)
CONSTRAINT further_repositories FOREIGN KEY (reads) REFERENCES repositories(key)
CONSTRAINT further_repositories FOREIGN KEY (repository) REFERENCES repositories(key)
CONSTRAINT further_repositories PRIMARY KEY (id)
CONSTRAINT further_repositories UNIQUE (installation, repository, reads)
CREATE UNIQUE INDEX further_repositories_installation_repository_reads_key ON public.further_repositories USING btree (installation, repository, reads)
CREATE UNIQUE INDEX further_repositories_pkey ON public.further_repositories USING btree (id)
COLUMN idempotency_keys.caller text NOT NULL
COLUMN idempotency_keys.key text NOT NULL
COLUMN idempotency_keys.fingerprint text NOT NULL
COLUMN idempotency_keys.begun_at bigint NOT NULL
COLUMN idempotency_keys.status integer
COLUMN idempotency_keys.answer text
CONSTRAINT idempotency_keys PRIMARY KEY (caller, key)
CREATE INDEX idempotency_keys_begun ON public.idempotency_keys USING btree (begun_at)
CREATE UNIQUE INDEX idempotency_keys_pkey ON public.idempotency_keys USING btree (caller, key)
COLUMN image_shares.image text NOT NULL
COLUMN image_shares.repository text NOT NULL
COLUMN image_shares.created_at bigint NOT NULL
CONSTRAINT image_shares FOREIGN KEY (image) REFERENCES images(name)
CONSTRAINT image_shares PRIMARY KEY (image, repository)
CREATE UNIQUE INDEX image_shares_pkey ON public.image_shares USING btree (image, repository)
COLUMN images.name text NOT NULL
COLUMN images.repository text NOT NULL
COLUMN images.public boolean NOT NULL DEFAULT false
COLUMN images.created_at bigint NOT NULL
CONSTRAINT images FOREIGN KEY (repository) REFERENCES repositories(key)
CONSTRAINT images PRIMARY KEY (name)
CREATE UNIQUE INDEX images_pkey ON public.images USING btree (name)
COLUMN installations.seq bigint NOT NULL IDENTITY ALWAYS
COLUMN installations.key text NOT NULL
COLUMN installations.provider text NOT NULL
COLUMN installations.host text NOT NULL
COLUMN installations.id text NOT NULL
COLUMN installations.account_id text NOT NULL
COLUMN installations.account_login text NOT NULL
COLUMN installations.account_kind text NOT NULL
COLUMN installations.state text NOT NULL
COLUMN installations.permissions text NOT NULL
COLUMN installations.policy text NOT NULL DEFAULT '{}'::text
COLUMN installations.removed_at bigint
CONSTRAINT installations PRIMARY KEY (seq)
CONSTRAINT installations UNIQUE (key)
CREATE INDEX installations_account ON public.installations USING btree (provider, host, account_id)
CREATE UNIQUE INDEX installations_key_key ON public.installations USING btree (key)
CREATE UNIQUE INDEX installations_pkey ON public.installations USING btree (seq)
COLUMN log_parts.build text NOT NULL
COLUMN log_parts.epoch bigint NOT NULL
COLUMN log_parts.position bigint NOT NULL
COLUMN log_parts.bytes bytea NOT NULL
CONSTRAINT log_parts PRIMARY KEY (build, epoch, "position")
CREATE UNIQUE INDEX log_parts_pkey ON public.log_parts USING btree (build, epoch, "position")
COLUMN logs.build text NOT NULL
COLUMN logs.epoch bigint NOT NULL
CONSTRAINT logs PRIMARY KEY (build)
CREATE UNIQUE INDEX logs_pkey ON public.logs USING btree (build)
COLUMN migrations.name text NOT NULL
COLUMN migrations.applied_at text NOT NULL
CONSTRAINT migrations PRIMARY KEY (name)
CREATE UNIQUE INDEX migrations_pkey ON public.migrations USING btree (name)
COLUMN missed_looks.provider text NOT NULL
COLUMN missed_looks.host text NOT NULL
COLUMN missed_looks.reached bigint
COLUMN missed_looks.begun_at bigint NOT NULL
COLUMN missed_looks.looked_at bigint
COLUMN missed_looks.problem text
COLUMN missed_looks.not_before bigint NOT NULL DEFAULT 0
COLUMN missed_looks.lease_until bigint NOT NULL
COLUMN missed_looks.attempt bigint NOT NULL
CONSTRAINT missed_looks PRIMARY KEY (provider, host)
CREATE UNIQUE INDEX missed_looks_pkey ON public.missed_looks USING btree (provider, host)
COLUMN missed_tries.provider text NOT NULL
COLUMN missed_tries.host text NOT NULL
COLUMN missed_tries.delivery_id text NOT NULL
COLUMN missed_tries.sent_at bigint NOT NULL
COLUMN missed_tries.tries integer NOT NULL
COLUMN missed_tries.tried_at bigint NOT NULL
COLUMN missed_tries.not_before bigint
CONSTRAINT missed_tries PRIMARY KEY (provider, host, delivery_id)
CREATE UNIQUE INDEX missed_tries_pkey ON public.missed_tries USING btree (provider, host, delivery_id)
COLUMN namespace_codes.namespace text NOT NULL
COLUMN namespace_codes.hash text NOT NULL
COLUMN namespace_codes.valid_until bigint NOT NULL
COLUMN namespace_codes.made_by text NOT NULL
CONSTRAINT namespace_codes FOREIGN KEY (namespace) REFERENCES namespaces(name)
CONSTRAINT namespace_codes PRIMARY KEY (namespace)
CREATE UNIQUE INDEX namespace_codes_pkey ON public.namespace_codes USING btree (namespace)
COLUMN namespace_grants.provider text NOT NULL
COLUMN namespace_grants.host text NOT NULL
COLUMN namespace_grants.account_id text NOT NULL
COLUMN namespace_grants.namespace text NOT NULL
COLUMN namespace_grants.account_login text NOT NULL
COLUMN namespace_grants.since bigint NOT NULL
COLUMN namespace_grants.why text NOT NULL
COLUMN namespace_grants.made_by text NOT NULL
CONSTRAINT namespace_grants FOREIGN KEY (namespace) REFERENCES namespaces(name)
CONSTRAINT namespace_grants PRIMARY KEY (provider, host, account_id)
CREATE INDEX namespace_grants_namespace ON public.namespace_grants USING btree (namespace)
CREATE UNIQUE INDEX namespace_grants_pkey ON public.namespace_grants USING btree (provider, host, account_id)
COLUMN namespaces.name text NOT NULL
COLUMN namespaces.created_at bigint NOT NULL
COLUMN namespaces.seq bigint NOT NULL IDENTITY ALWAYS
COLUMN namespaces.registry text NOT NULL DEFAULT 'default'::text
CONSTRAINT namespaces CHECK ((name = lower(name)))
CONSTRAINT namespaces PRIMARY KEY (name)
CONSTRAINT namespaces UNIQUE (seq)
CREATE UNIQUE INDEX namespaces_pkey ON public.namespaces USING btree (name)
CREATE UNIQUE INDEX namespaces_seq_key ON public.namespaces USING btree (seq)
COLUMN notice_targets.id text NOT NULL
COLUMN notice_targets.installation text NOT NULL
COLUMN notice_targets.kind text NOT NULL
COLUMN notice_targets.shown text NOT NULL
COLUMN notice_targets.secret text NOT NULL
COLUMN notice_targets.events text NOT NULL
COLUMN notice_targets.made_by text NOT NULL
COLUMN notice_targets.made_at bigint NOT NULL
COLUMN notice_targets.told_at bigint
COLUMN notice_targets.problem text
COLUMN notice_targets.problem_at bigint
CONSTRAINT notice_targets FOREIGN KEY (installation) REFERENCES installations(key)
CONSTRAINT notice_targets PRIMARY KEY (id)
CREATE INDEX notice_targets_installation ON public.notice_targets USING btree (installation)
CREATE UNIQUE INDEX notice_targets_pkey ON public.notice_targets USING btree (id)
COLUMN notices.id bigint NOT NULL IDENTITY ALWAYS
COLUMN notices.target text NOT NULL
COLUMN notices.build text NOT NULL
COLUMN notices.event text NOT NULL
COLUMN notices.attempts integer NOT NULL DEFAULT 0
COLUMN notices.not_before bigint NOT NULL DEFAULT 0
COLUMN notices.lease_until bigint NOT NULL DEFAULT 0
COLUMN notices.made_at bigint NOT NULL
CONSTRAINT notices FOREIGN KEY (build) REFERENCES builds(id) ON DELETE CASCADE
CONSTRAINT notices FOREIGN KEY (target) REFERENCES notice_targets(id)
CONSTRAINT notices PRIMARY KEY (id)
CONSTRAINT notices UNIQUE (target, build)
CREATE UNIQUE INDEX notices_pkey ON public.notices USING btree (id)
CREATE UNIQUE INDEX notices_target_build_key ON public.notices USING btree (target, build)
COLUMN pauses.kind text NOT NULL
COLUMN pauses.key text NOT NULL
COLUMN pauses.since bigint NOT NULL
COLUMN pauses.made_by text NOT NULL
COLUMN pauses.stops boolean NOT NULL DEFAULT false
CONSTRAINT pauses PRIMARY KEY (kind, key)
CREATE UNIQUE INDEX pauses_pkey ON public.pauses USING btree (kind, key)
COLUMN pulse.id integer NOT NULL
COLUMN pulse.at bigint NOT NULL
CONSTRAINT pulse PRIMARY KEY (id)
CREATE UNIQUE INDEX pulse_pkey ON public.pulse USING btree (id)
COLUMN pushed_images.name text NOT NULL
COLUMN pushed_images.namespace text NOT NULL
COLUMN pushed_images.token text NOT NULL
COLUMN pushed_images.created_at bigint NOT NULL
CONSTRAINT pushed_images FOREIGN KEY (token) REFERENCES access_tokens(id)
CONSTRAINT pushed_images PRIMARY KEY (name)
CREATE INDEX pushed_images_namespace ON public.pushed_images USING btree (namespace)
CREATE UNIQUE INDEX pushed_images_pkey ON public.pushed_images USING btree (name)
COLUMN receipts.id bigint NOT NULL IDENTITY ALWAYS
COLUMN receipts.installation text NOT NULL
COLUMN receipts.account_login text NOT NULL
COLUMN receipts.removed_at bigint NOT NULL
COLUMN receipts.items text
COLUMN receipts.closed_at bigint
COLUMN receipts.kept_until bigint
COLUMN receipts.restored_at bigint
COLUMN receipts.purged_at bigint
CONSTRAINT receipts FOREIGN KEY (installation) REFERENCES installations(key)
CONSTRAINT receipts PRIMARY KEY (id)
CONSTRAINT receipts UNIQUE (installation, removed_at)
CREATE INDEX receipts_kept ON public.receipts USING btree (kept_until) WHERE ((restored_at IS NULL) AND (purged_at IS NULL))
CREATE UNIQUE INDEX receipts_installation_removed_at_key ON public.receipts USING btree (installation, removed_at)
CREATE UNIQUE INDEX receipts_pkey ON public.receipts USING btree (id)
COLUMN refs.repository text NOT NULL
COLUMN refs.ref text NOT NULL
COLUMN refs.generation bigint NOT NULL
COLUMN refs.before_sha text
COLUMN refs.after_sha text
COLUMN refs.found boolean NOT NULL DEFAULT false
COLUMN refs.judged_sha text
CONSTRAINT refs FOREIGN KEY (repository) REFERENCES repositories(key)
CONSTRAINT refs PRIMARY KEY (repository, ref)
CREATE UNIQUE INDEX refs_pkey ON public.refs USING btree (repository, ref)
COLUMN registries.name text NOT NULL
COLUMN registries.settings text NOT NULL
COLUMN registries.created_at bigint NOT NULL
CONSTRAINT registries PRIMARY KEY (name)
CREATE UNIQUE INDEX registries_pkey ON public.registries USING btree (name)
COLUMN registry_credentials.registry text NOT NULL
COLUMN registry_credentials.namespace text NOT NULL
COLUMN registry_credentials.username text NOT NULL
COLUMN registry_credentials.password text NOT NULL
COLUMN registry_credentials.created_at bigint NOT NULL
CONSTRAINT registry_credentials FOREIGN KEY (password) REFERENCES secrets(name)
CONSTRAINT registry_credentials PRIMARY KEY (registry, namespace)
CREATE UNIQUE INDEX registry_credentials_pkey ON public.registry_credentials USING btree (registry, namespace)
COLUMN replays.copy bigint NOT NULL
COLUMN replays.original bigint NOT NULL
CONSTRAINT replays FOREIGN KEY (copy) REFERENCES deliveries(id) ON DELETE CASCADE
CONSTRAINT replays PRIMARY KEY (copy)
CONSTRAINT replays UNIQUE (original)
CREATE UNIQUE INDEX replays_original_key ON public.replays USING btree (original)
CREATE UNIQUE INDEX replays_pkey ON public.replays USING btree (copy)
COLUMN repositories.key text NOT NULL
COLUMN repositories.provider text NOT NULL
COLUMN repositories.host text NOT NULL
COLUMN repositories.id text NOT NULL
COLUMN repositories.full_name text NOT NULL
COLUMN repositories.private boolean NOT NULL
COLUMN repositories.default_branch text
COLUMN repositories.clone_url text NOT NULL DEFAULT ''::text
COLUMN repositories.web_url text NOT NULL DEFAULT ''::text
COLUMN repositories.installation text
COLUMN repositories.linked boolean NOT NULL DEFAULT false
COLUMN repositories.archived boolean NOT NULL DEFAULT false
CONSTRAINT repositories PRIMARY KEY (key)
CREATE INDEX repositories_installation ON public.repositories USING btree (installation)
CREATE INDEX repositories_name ON public.repositories USING btree (provider, host, lower(full_name))
CREATE UNIQUE INDEX repositories_pkey ON public.repositories USING btree (key)
COLUMN request_keys.id text NOT NULL
COLUMN request_keys.public_key text NOT NULL
COLUMN request_keys.created_at bigint NOT NULL
CONSTRAINT request_keys PRIMARY KEY (id)
CREATE UNIQUE INDEX request_keys_pkey ON public.request_keys USING btree (id)
COLUMN secrets.name text NOT NULL
COLUMN secrets.sealed bytea NOT NULL
CONSTRAINT secrets PRIMARY KEY (name)
CREATE UNIQUE INDEX secrets_pkey ON public.secrets USING btree (name)
COLUMN sessions.seq bigint NOT NULL IDENTITY ALWAYS
COLUMN sessions.key text NOT NULL
COLUMN sessions.person text NOT NULL
COLUMN sessions.login text
COLUMN sessions.proof text
COLUMN sessions.reach text NOT NULL
COLUMN sessions.vouched text NOT NULL
COLUMN sessions.opened_at bigint NOT NULL
COLUMN sessions.used_at bigint NOT NULL
CONSTRAINT sessions PRIMARY KEY (seq)
CONSTRAINT sessions UNIQUE (key)
CREATE INDEX sessions_person ON public.sessions USING btree (person, seq)
CREATE UNIQUE INDEX sessions_key_key ON public.sessions USING btree (key)
CREATE UNIQUE INDEX sessions_pkey ON public.sessions USING btree (seq)
COLUMN settings.name text NOT NULL
COLUMN settings.secret text NOT NULL
COLUMN settings.saved_at bigint NOT NULL
CONSTRAINT settings FOREIGN KEY (secret) REFERENCES secrets(name)
CONSTRAINT settings PRIMARY KEY (name)
CONSTRAINT settings UNIQUE (secret)
CREATE UNIQUE INDEX settings_pkey ON public.settings USING btree (name)
CREATE UNIQUE INDEX settings_secret_key ON public.settings USING btree (secret)
COLUMN setup.id integer NOT NULL
COLUMN setup.finished_at bigint NOT NULL
CONSTRAINT setup CHECK ((id = 1))
CONSTRAINT setup PRIMARY KEY (id)
CREATE UNIQUE INDEX setup_pkey ON public.setup USING btree (id)
COLUMN sign_ins.seq bigint NOT NULL IDENTITY ALWAYS
COLUMN sign_ins.key text NOT NULL
COLUMN sign_ins.provider text NOT NULL
COLUMN sign_ins.host text NOT NULL
COLUMN sign_ins.next text NOT NULL
COLUMN sign_ins.begun_at bigint NOT NULL
CONSTRAINT sign_ins PRIMARY KEY (seq)
CONSTRAINT sign_ins UNIQUE (key)
CREATE UNIQUE INDEX sign_ins_key_key ON public.sign_ins USING btree (key)
CREATE UNIQUE INDEX sign_ins_pkey ON public.sign_ins USING btree (seq)
COLUMN tag_lines.image text NOT NULL
COLUMN tag_lines.tag text NOT NULL
COLUMN tag_lines.line bigint NOT NULL
CONSTRAINT tag_lines PRIMARY KEY (image, tag)
CREATE UNIQUE INDEX tag_lines_pkey ON public.tag_lines USING btree (image, tag)
COLUMN tags.image text NOT NULL
COLUMN tags.tag text NOT NULL
COLUMN tags.digest text NOT NULL
COLUMN tags.build text NOT NULL
COLUMN tags.publication text NOT NULL
COLUMN tags.published_at bigint NOT NULL
CONSTRAINT tags PRIMARY KEY (image, tag)
CREATE UNIQUE INDEX tags_pkey ON public.tags USING btree (image, tag)
COLUMN variables.id text NOT NULL
COLUMN variables.installation text NOT NULL
COLUMN variables.repository text
COLUMN variables.name text NOT NULL
COLUMN variables.value text
COLUMN variables.secret text
COLUMN variables.bytes integer NOT NULL
COLUMN variables.fingerprint text NOT NULL
COLUMN variables.saved_at bigint NOT NULL
CONSTRAINT variables CHECK (((value IS NULL) <> (secret IS NULL)))
CONSTRAINT variables FOREIGN KEY (installation) REFERENCES installations(key)
CONSTRAINT variables FOREIGN KEY (repository) REFERENCES repositories(key)
CONSTRAINT variables FOREIGN KEY (secret) REFERENCES secrets(name)
CONSTRAINT variables PRIMARY KEY (id)
CONSTRAINT variables UNIQUE (secret)
CREATE UNIQUE INDEX variables_pkey ON public.variables USING btree (id)
CREATE UNIQUE INDEX variables_place ON public.variables USING btree (installation, COALESCE(repository, ''::text), name)
CREATE UNIQUE INDEX variables_secret_key ON public.variables USING btree (secret)
CREATE OR REPLACE FUNCTION public.announce()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
    BEGIN
      PERFORM pg_notify('wharfinger', TG_ARGV[0]);
      RETURN NULL;
    END $function$

CREATE OR REPLACE FUNCTION public.refuse_change()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
      BEGIN
        RAISE EXCEPTION 'the audit log is only added to';
      END $function$

