import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { AuditEntry, Decider } from "../core/audit.ts";
import type { SignedRequest } from "../core/build-request.ts";
import { type Build, hostKey, isFinal, type Sha } from "../core/model.ts";
import type { Clock } from "../engine/ports.ts";
import type { Store } from "../engine/store-port.ts";
import { writeAudit } from "./audit.ts";
import { type Commit, findBuild, newestBuilds, RETURNING_COMMIT, toCommits } from "./build-rows.ts";
import { touchChecks } from "./check-rows.ts";
import type { Database, Sql } from "./database.ts";
import { noteEnd } from "./notices.ts";
import { IS_PAUSED, IS_STOPPED } from "./pause-rows.ts";
import { flag, integer, milliseconds, type Row, text } from "./rows.ts";
import { cancelBuilds, END_LOST_STOPPED } from "./stops.ts";
import { WAITS_FOR_TWIN } from "./twins.ts";

type Builds = Pick<
  Store,
  | "claimBuild"
  | "heartbeat"
  | "finishBuild"
  | "stageBuild"
  | "leaseHolder"
  | "leaseEnded"
  | "claimableBuilds"
  | "buildRequest"
  | "saveRequestKey"
  | "requestKeys"
  | "retireRequestKeys"
  | "releaseBuild"
  | "cancelBuild"
  | "getBuild"
  | "buildsOfCommit"
  | "cancelInstallation"
>;

export interface StoreParts {
  readonly database: Database;
  readonly clock: Clock;
  readonly newId: () => string;
}

export function createBuilds({ database, clock, newId }: StoreParts): Builds {
  const mark = (sql: Sql, commits: readonly Commit[]) => touchChecks(sql, commits, clock.now(), newId);
  const touch = (sql: Sql, rows: readonly Row[]) => mark(sql, toCommits(rows));

  return {
    claimBuild({ worker, leaseMs, build = null }) {
      const now = clock.now();
      return database.transaction(async (sql) => {
        await touch(sql, await sql.query(END_LOST_STOPPED, [now]));
        const secret = randomBytes(32).toString("base64url");
        const changed = await sql.query(CLAIM, [now, now + leaseMs, worker, hashOf(secret), build]);
        if (changed[0] === undefined) return null;
        await touch(sql, changed);
        const id = text(changed[0], "id");
        const claimed = await findBuild(sql, id);
        return claimed === null
          ? null
          : { build: claimed, attempt: claimed.attempt, request: await readRequest(sql, id), secret };
      });
    },

    async claimableBuilds(limit) {
      const rows = await database.query(
        `SELECT b.id, b.attempt FROM builds b
         WHERE b.phase = 'build' AND NOT ${IS_PAUSED}
           AND ((b.state = 'queued' AND b.not_before <= $1 AND NOT ${WAITS_FOR_TWIN})
           OR (b.state = 'running' AND b.lease_until <= $1 AND NOT b.cancel_requested)) ORDER BY b.seq LIMIT $2`,
        [clock.now(), limit],
      );
      return rows.map((row) => ({ id: text(row, "id"), attempts: integer(row, "attempt") }));
    },

    async heartbeat(id, attempt, leaseMs, steps) {
      const rows = await database.query(
        `UPDATE builds SET lease_until = $3, steps = $4
         WHERE id = $1 AND attempt = $2 AND state = 'running' AND NOT ${IS_STOPPED} RETURNING cancel_requested`,
        [id, attempt, clock.now() + leaseMs, JSON.stringify(steps)],
      );
      if (rows[0] === undefined) return "lost";
      return flag(rows[0], "cancel_requested") ? "cancel" : "held";
    },

    finishBuild(id, attempt, result) {
      return database.transaction(async (sql) => {
        const changed = await sql.query(
          // Who stops it only knows that it was asked to; why, is recorded here.
          `UPDATE builds SET state = CASE WHEN cancel_requested AND CAST($3 AS TEXT) = 'canceled' THEN stopped_as ELSE $3 END, digest = $4, failure = $5, steps = $6, finished_at = $7, tags = $8,
             lease_until = 0, worker = NULL
           WHERE id = $1 AND attempt = $2 AND state = 'running' ${RETURNING_COMMIT}`,
          [
            id,
            attempt,
            result.state,
            result.digest,
            result.failure === null ? null : JSON.stringify(result.failure),
            JSON.stringify(result.steps),
            clock.now(),
            result.tags === undefined ? null : JSON.stringify(result.tags),
          ],
        );
        await touch(sql, changed);
        if (changed.length > 0) await noteEnd(sql, id, clock.now());
        return changed.length > 0;
      });
    },

    async stageBuild(id, attempt, { digest, steps }) {
      const changed = await database.query(
        `UPDATE builds SET phase = 'promote', staged_digest = $3, steps = $4, lease_until = 0,
           worker = NULL, not_before = 0
         WHERE id = $1 AND attempt = $2 AND state = 'running' AND phase = 'build' RETURNING id`,
        [id, attempt, digest, JSON.stringify(steps)],
      );
      return changed.length > 0;
    },

    leaseHolder(id, secret) {
      return database.reading(async (sql) => {
        const rows = await sql.query(
          `SELECT lease_hash, lease_until FROM builds
           WHERE id = $1 AND state = 'running' AND phase = 'build' AND lease_until > $2 AND lease_hash IS NOT NULL`,
          [id, clock.now()],
        );
        if (rows[0] === undefined || !sameHash(text(rows[0], "lease_hash"), hashOf(secret))) return null;
        const build = await findBuild(sql, id);
        return build === null ? null : { build, until: integer(rows[0], "lease_until") };
      });
    },

    async leaseEnded(id, secret) {
      const rows = await database.query(
        `SELECT lease_hash FROM builds
         WHERE id = $1 AND lease_hash IS NOT NULL AND (state <> 'running' OR phase <> 'build')`,
        [id],
      );
      return rows[0] !== undefined && sameHash(text(rows[0], "lease_hash"), hashOf(secret));
    },

    async saveRequestKey({ keyId, publicKey }) {
      await database.query(
        "INSERT INTO request_keys (id, public_key, created_at) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING",
        [keyId, publicKey, clock.now()],
      );
    },

    retireRequestKeys: (keep) =>
      database.transaction(async (sql) => {
        const retired = await sql.query(
          `DELETE FROM request_keys WHERE id <> $1 AND id NOT IN (
             SELECT request_key FROM builds WHERE state IN ('queued', 'held', 'running') AND request_key IS NOT NULL
           ) RETURNING id`,
          [keep],
        );
        const [left] = await sql.query("SELECT COUNT(*) AS others FROM request_keys WHERE id <> $1", [keep]);
        return { retired: retired.length, inUse: left === undefined ? 0 : integer(left, "others") };
      }),

    async requestKeys() {
      const rows = await database.query("SELECT id, public_key FROM request_keys ORDER BY created_at DESC, id");
      return rows.map((row) => ({ keyId: text(row, "id"), publicKey: text(row, "public_key") }));
    },

    buildRequest: (id) => database.reading((sql) => readRequest(sql, id)),

    releaseBuild(id, attempt, notBefore) {
      return database.transaction(async (sql) => {
        // Asked to stop and handed back: it must not start again.
        const changed = await sql.query(
          `UPDATE builds SET state = CASE WHEN cancel_requested THEN stopped_as ELSE 'queued' END,
             finished_at = CASE WHEN cancel_requested THEN CAST($3 AS BIGINT) ELSE NULL END,
             not_before = $4, lease_until = 0, worker = NULL, started_at = NULL, steps = '[]'
           WHERE id = $1 AND attempt = $2 AND state = 'running' ${RETURNING_COMMIT}`,
          [id, attempt, clock.now(), milliseconds(notBefore)],
        );
        await touch(sql, changed);
        return changed.length > 0;
      });
    },

    cancelBuild(id, by) {
      return database.transaction(async (sql) => {
        // Locked, so that it does not start between the look at its state and the answer.
        await sql.query("SELECT id FROM builds WHERE id = $1 FOR UPDATE", [id]);
        const build = await findBuild(sql, id);
        if (build === null) return "unknown";
        if (isFinal(build.state)) return "final";
        await writeAudit(sql, clock, canceledEntry(build, by));
        await mark(sql, await cancelBuilds(sql, "id = $1", [id], clock.now()));
        return build.state === "running" ? "canceling" : "canceled";
      });
    },

    cancelInstallation(id) {
      return database.transaction(async (sql) => {
        const stopped = await cancelBuilds(sql, "installation = $1", [hostKey(id)], clock.now());
        await mark(sql, stopped);
        return stopped.length;
      });
    },

    getBuild: (id) => database.reading((sql) => findBuild(sql, id)),

    buildsOfCommit: (repository, sha: Sha) => database.reading((sql) => newestBuilds(sql, hostKey(repository), sha)),
  };
}

/**
 * A running build whose lease ended is as claimable as a queued one; its attempt number then shuts out the worker that
 * lost it. Builds have turns within their installation, those that run first and then the others by age; the lowest turn
 * wins, so somebody's hundred builds delay the single build of another by at most one. A build keeps its turn when it is
 * claimed, so that is also true of workers that claim at the same time and pass over what the others have locked.
 */
const CLAIM = `
  WITH offers AS (
    SELECT seq, ROW_NUMBER() OVER (
      PARTITION BY installation ORDER BY CASE WHEN state = 'running' AND lease_until > $1 THEN 0 ELSE 1 END, seq
    ) AS turn
    FROM builds b
    WHERE phase = 'build' AND NOT ${IS_PAUSED}
      AND (state = 'running' OR (state = 'queued' AND not_before <= $1 AND NOT ${WAITS_FOR_TWIN}))
  ), next AS (
    SELECT b.seq FROM builds b JOIN offers ON offers.seq = b.seq
    WHERE b.phase = 'build'
      AND ((b.state = 'queued' AND b.not_before <= $1) OR (b.state = 'running' AND b.lease_until <= $1))
      AND (CAST($5 AS TEXT) IS NULL OR b.id = $5)
    ORDER BY offers.turn, b.seq LIMIT 1 FOR UPDATE OF b SKIP LOCKED
  )
  UPDATE builds SET state = 'running', attempt = attempt + 1, lease_until = $2, worker = $3,
    lease_hash = $4, started_at = $1, steps = '[]', staging = 'used', twin = NULL
  WHERE seq IN (SELECT seq FROM next)
  RETURNING id, repository, installation_id, sha, cause`;

function canceledEntry({ id, installation, image, repository, planned, state }: Build, by: Decider): AuditEntry {
  const facts = { build: id, state, repository: hostKey(repository), ref: planned.ref, commit: planned.sha };
  return { by, action: "build.canceled", installation, subject: image, facts };
}

async function readRequest(sql: Sql, id: string): Promise<SignedRequest | null> {
  const rows = await sql.query(
    `SELECT request, request_digest, request_key, request_signature FROM builds WHERE id = $1 AND request IS NOT NULL`,
    [id],
  );
  const row = rows[0];
  if (row === undefined) return null;
  return {
    document: text(row, "request"),
    digest: text(row, "request_digest"),
    keyId: text(row, "request_key"),
    signature: text(row, "request_signature"),
  };
}

/** The secret has 256 random bits, so a plain hash keeps it. */
function hashOf(secret: string): string {
  return createHash("sha256").update(secret, "utf8").digest("hex");
}

function sameHash(one: string, other: string): boolean {
  return timingSafeEqual(Buffer.from(one, "hex"), Buffer.from(other, "hex"));
}
