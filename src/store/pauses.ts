/** Nothing is built until somebody resumes. */
import { type HostId, hostKey, parseHostKey } from "../core/model.ts";
import type { Pause, Scope } from "../core/pause.ts";
import type { PauseStore } from "../engine/pause-port.ts";
import { writeAudit } from "./audit.ts";
import { RETURNING_COMMIT, toCommits } from "./build-rows.ts";
import type { StoreParts } from "./builds.ts";
import { touchChecks } from "./check-rows.ts";
import type { Sql } from "./database.ts";
import { PAUSE_COLUMNS, readPauses, toPause } from "./pause-rows.ts";
import { lanesMovedSince, replayWaiting, waitingLanes } from "./replays.ts";
import { integer, type Row, text, textOrNull, type Value } from "./rows.ts";

export function createPauses({ database, clock, newId }: StoreParts): PauseStore {
  return {
    pause: (scope, { by, stop }) =>
      database.transaction(async (sql) => {
        const about = await lockScope(sql, scope);
        if (about === null) return null;
        const now = clock.now();
        const [before] = await sql.query(
          `SELECT ${PAUSE_COLUMNS} FROM pauses WHERE kind = $1 AND key = $2`,
          placeOf(scope),
        );
        const [row] = await sql.query(
          `INSERT INTO pauses (kind, key, since, made_by, stops) VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT (kind, key) DO UPDATE SET stops = pauses.stops OR excluded.stops RETURNING ${PAUSE_COLUMNS}`,
          [...placeOf(scope), now, JSON.stringify(by), stop],
        );
        if (row === undefined) throw new Error("a pause was not saved");
        const pause = toPause(row);
        const stopped = stop ? await stopRunning(sql, scope) : [];
        await touchChecks(sql, stopped, now, newId);
        if (before === undefined || toPause(before).stops !== pause.stops || stopped.length > 0) {
          const facts = stop ? { stopped: String(stopped.length) } : {};
          await writeAudit(sql, clock, { by, action: `${scope.kind}.paused`, ...about, facts });
        }
        return { pause, began: before === undefined, stopped: stopped.length };
      }),

    resume: (scope, by) =>
      database.transaction(async (sql) => {
        const about = await lockScope(sql, scope);
        if (about === null) return null;
        const ended = (await endPause(sql, scope)).map(toPause)[0] ?? null;
        const { deliveries, lanes, lost } = await replayWaiting(sql, scope, clock.now());
        if (ended !== null) {
          const facts = { since: ended.since, replayed: String(lanes.length) };
          await writeAudit(sql, clock, { by, action: `${scope.kind}.resumed`, ...about, facts });
        }
        return { ended, remaining: await pausesAbove(sql, scope), deliveries, lanes, lost };
      }),

    pausesOf: (about) => database.reading((sql) => readPauses(sql, about)),

    async listPauses() {
      const rows = await database.query(
        `SELECT ${PAUSE_COLUMNS}, p.key, COALESCE(i.account_login, r.full_name, 'instance') AS name FROM pauses p
         LEFT JOIN installations i ON p.kind = 'installation' AND i.key = p.key
         LEFT JOIN repositories r ON p.kind = 'repository' AND r.key = p.key
         ORDER BY p.since DESC, p.kind, p.key`,
      );
      return rows.map((row) => ({ ...toPause(row), scope: scopeOf(row), name: text(row, "name") }));
    },

    countBuilds: (scope) =>
      database.reading(async (sql) => {
        if ((await aboutScope(sql, scope)) === null) return null;
        const [where, bind] = within(scope);
        const rows = await sql.query(
          `SELECT state, COUNT(*) AS count FROM builds WHERE state IN ('queued', 'running') AND ${where} GROUP BY state`,
          bind,
        );
        const counts = new Map(rows.map((row) => [text(row, "state"), integer(row, "count")]));
        return { queued: counts.get("queued") ?? 0, running: counts.get("running") ?? 0 };
      }),

    waitingLanes: (scope, { lifted }) => database.reading((sql) => waitingLanes(sql, scope, lifted ? scope : null)),

    replayDeliveries: (scope) =>
      database.transaction(async (sql) => {
        // Whoever records meanwhile that nothing could be built either is seen here, or sees that something can (plans.ts).
        if (scope.kind === "installation") {
          await sql.query("SELECT key FROM installations WHERE key = $1 FOR NO KEY UPDATE", [hostKey(scope.id)]);
        }
        return replayWaiting(sql, scope, clock.now());
      }),

    lanesMovedSince: (delivery, repository, lanes) =>
      database.reading((sql) => lanesMovedSince(sql, delivery, repository, lanes)),
  };
}

function placeOf(scope: Scope): readonly [kind: string, key: string] {
  return [scope.kind, scope.kind === "instance" ? "" : hostKey(scope.id)];
}

function scopeOf(row: Row): Scope {
  const { kind } = toPause(row);
  const id = parseHostKey(text(row, "key"));
  if (kind === "instance") return { kind };
  if (id === null) throw new Error("a pause of nothing");
  return { kind, id };
}

/** Condition on a row of builds. */
function within(scope: Scope): readonly [where: string, bind: readonly Value[]] {
  return scope.kind === "instance" ? ["TRUE", []] : [`${scope.kind} = $1`, [hostKey(scope.id)]];
}

interface About {
  readonly subject: string;
  readonly installation: HostId | null;
}

/**
 * Null: there is no such installation or repository. Locked, so that a plan that was made before is recorded before, or
 * sees the pause; one pause at a time begins or ends.
 */
async function lockScope(sql: Sql, scope: Scope): Promise<About | null> {
  await sql.lock("pause");
  return aboutScope(sql, scope, "FOR NO KEY UPDATE");
}

async function aboutScope(sql: Sql, scope: Scope, lock: "" | "FOR NO KEY UPDATE" = ""): Promise<About | null> {
  if (scope.kind === "instance") return { subject: "instance", installation: null };
  const key = hostKey(scope.id);
  if (scope.kind === "installation") {
    const [row] = await sql.query(`SELECT account_login FROM installations WHERE key = $1 ${lock}`, [key]);
    return row === undefined ? null : { subject: text(row, "account_login"), installation: scope.id };
  }
  const [row] = await sql.query(`SELECT full_name, installation FROM repositories WHERE key = $1 ${lock}`, [key]);
  if (row === undefined) return null;
  const installation = textOrNull(row, "installation");
  return {
    subject: text(row, "full_name"),
    installation: installation === null ? null : parseHostKey(installation),
  };
}

/** They lose their leases, and wait for their turn again. What somebody asked to cancel comes to its own end. */
async function stopRunning(sql: Sql, scope: Scope) {
  const [where, bind] = within(scope);
  const rows = await sql.query(
    `UPDATE builds SET state = 'queued', lease_until = 0, worker = NULL, not_before = 0,
       started_at = NULL, steps = '[]'
     WHERE state = 'running' AND phase = 'build' AND NOT cancel_requested AND ${where} ${RETURNING_COMMIT}`,
    bind,
  );
  return toCommits(rows);
}

/** Of an installation with those that its account had before: a pause is the account's. */
function endPause(sql: Sql, scope: Scope): Promise<readonly Row[]> {
  const same = `SELECT other.key FROM installations one
    JOIN installations other ON other.provider = one.provider AND other.host = one.host AND other.account_id = one.account_id
    WHERE one.key = $2`;
  const which = scope.kind === "installation" ? `key IN (${same})` : "key = $2";
  return sql.query(`DELETE FROM pauses WHERE kind = $1 AND ${which} RETURNING ${PAUSE_COLUMNS}`, placeOf(scope));
}

/** What still holds up builds of the scope. */
async function pausesAbove(sql: Sql, scope: Scope): Promise<readonly Pause[]> {
  if (scope.kind === "instance") return [];
  if (scope.kind === "installation") return readPauses(sql, { installation: scope.id });
  const [row] = await sql.query("SELECT installation FROM repositories WHERE key = $1", [hostKey(scope.id)]);
  const covering = row === undefined ? null : textOrNull(row, "installation");
  const installation = covering === null ? null : parseHostKey(covering);
  return readPauses(sql, { repository: scope.id, ...(installation !== null && { installation }) });
}
