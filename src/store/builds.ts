import { type Build, hostKey, isFinal, type Sha } from "../core/model.ts";
import type { Clock } from "../engine/ports.ts";
import type { Store } from "../engine/store-port.ts";
import {
  BUILD_COLUMNS,
  findBuild,
  insertBuild,
  newestBuilds,
  RETURNING_COMMIT,
  SELECT_BUILDS,
  toBuild,
  toCommit,
} from "./build-rows.ts";
import { touchChecks } from "./check-rows.ts";
import type { Database, Sql } from "./database.ts";
import { afterKey, page, rowsWanted } from "./pages.ts";
import { flag, integer, keyNumber, milliseconds, type Row, text, type Value } from "./rows.ts";

type Builds = Pick<
  Store,
  | "claimBuild"
  | "heartbeat"
  | "finishBuild"
  | "releaseBuild"
  | "cancelBuild"
  | "getBuild"
  | "listBuilds"
  | "buildsOfCommit"
  | "repeatBuild"
  | "cancelInstallation"
>;

export interface StoreParts {
  readonly database: Database;
  readonly clock: Clock;
  readonly newId: () => string;
}

export function createBuilds({ database, clock, newId }: StoreParts): Builds {
  const touch = (sql: Sql, rows: readonly Row[]) => touchChecks(sql, rows.map(toCommit), clock.now(), newId);

  return {
    claimBuild({ worker, leaseMs }) {
      const now = clock.now();
      return database.transaction(async (sql) => {
        await touch(sql, await sql.query(END_LOST_CANCELED, [now]));
        const changed = await sql.query(CLAIM, [now, now + leaseMs, worker]);
        if (changed[0] === undefined) return null;
        await touch(sql, changed);
        const build = await findBuild(sql, text(changed[0], "id"));
        return build === null ? null : { build, attempt: build.attempt };
      });
    },

    async heartbeat(id, attempt, leaseMs, steps) {
      const rows = await database.query(
        `UPDATE builds SET lease_until = $3, steps = $4 WHERE id = $1 AND attempt = $2 AND state = 'running'
         RETURNING cancel_requested`,
        [id, attempt, clock.now() + leaseMs, JSON.stringify(steps)],
      );
      if (rows[0] === undefined) return "lost";
      return flag(rows[0], "cancel_requested") ? "cancel" : "held";
    },

    finishBuild(id, attempt, result) {
      return database.transaction(async (sql) => {
        const changed = await sql.query(
          `UPDATE builds SET state = $3, digest = $4, failure = $5, steps = $6, finished_at = $7, lease_until = 0,
             worker = NULL
           WHERE id = $1 AND attempt = $2 AND state = 'running' ${RETURNING_COMMIT}`,
          [
            id,
            attempt,
            result.state,
            result.digest,
            result.failure === null ? null : JSON.stringify(result.failure),
            JSON.stringify(result.steps),
            clock.now(),
          ],
        );
        await touch(sql, changed);
        return changed.length > 0;
      });
    },

    releaseBuild(id, attempt, notBefore) {
      return database.transaction(async (sql) => {
        // Asked to stop and handed back: it must not start again.
        const changed = await sql.query(
          `UPDATE builds SET state = CASE WHEN cancel_requested THEN 'canceled' ELSE 'queued' END,
             finished_at = CASE WHEN cancel_requested THEN $3 ELSE NULL END,
             not_before = $4, lease_until = 0, worker = NULL, started_at = NULL, steps = '[]'
           WHERE id = $1 AND attempt = $2 AND state = 'running' ${RETURNING_COMMIT}`,
          [id, attempt, clock.now(), milliseconds(notBefore)],
        );
        await touch(sql, changed);
        return changed.length > 0;
      });
    },

    cancelBuild(id) {
      return database.transaction(async (sql) => {
        const build = await findBuild(sql, id);
        if (build === null) return "unknown";
        if (isFinal(build.state)) return "final";
        const changed = await cancel(sql, "id = $1", [id], clock.now());
        await touch(sql, changed);
        return build.state === "running" ? "canceling" : "canceled";
      });
    },

    cancelInstallation(id) {
      return database.transaction(async (sql) => {
        const changed = await cancel(sql, "installation = $1", [hostKey(id)], clock.now());
        await touch(sql, changed);
        return changed.length;
      });
    },

    getBuild: (id) => database.reading((sql) => findBuild(sql, id)),

    async listBuilds(query) {
      const { deliveryId } = query;
      const bind: Value[] = [afterKey("builds", query.cursor), rowsWanted(query)];
      if (deliveryId !== undefined) bind.push(keyNumber(deliveryId));
      const rows = await database.query(
        `${SELECT_BUILDS} WHERE b.seq < $1 ${deliveryId === undefined ? "" : "AND b.delivery = $3"}
         ORDER BY b.seq DESC LIMIT $2`,
        bind,
      );
      const listed = page("builds", query, rows, (row) => integer(row, "seq"));
      return { items: listed.items.map(toBuild), next: listed.next };
    },

    buildsOfCommit: (repository, sha: Sha) => database.reading((sql) => newestBuilds(sql, hostKey(repository), sha)),

    repeatBuild(id, trigger) {
      return database.transaction((sql) => repeat(sql, id, trigger, newId(), clock.now(), touch));
    },
  };
}

/** Nobody works on it any more and it was asked to stop: it must not be handed out again. */
const END_LOST_CANCELED = `
  UPDATE builds SET state = 'canceled', finished_at = $1, lease_until = 0, worker = NULL
  WHERE state = 'running' AND cancel_requested AND lease_until <= $1 ${RETURNING_COMMIT}`;

/**
 * A running build whose lease ended is as claimable as a queued one; its attempt number then shuts out the worker that
 * lost it. Each installation offers its oldest build, and the one with the fewest builds running wins: somebody's
 * hundred builds delay the single build of another by at most one.
 */
const CLAIM = `
  UPDATE builds SET state = 'running', attempt = attempt + 1, lease_until = $2, worker = $3,
    started_at = $1, steps = '[]'
  WHERE seq = (
    SELECT offer.seq FROM (
      SELECT installation,
        MIN(CASE WHEN (state = 'queued' AND not_before <= $1) OR (state = 'running' AND lease_until <= $1)
          THEN seq END) AS seq,
        SUM(CASE WHEN state = 'running' AND lease_until > $1 THEN 1 ELSE 0 END) AS running
      FROM builds WHERE state IN ('queued', 'running') GROUP BY installation
    ) offer
    WHERE offer.seq IS NOT NULL ORDER BY offer.running, offer.seq LIMIT 1
  )
  RETURNING id, repository, installation_id, sha`;

/** What has not started ends now; what runs is asked to stop. `where` is ours, never data. */
function cancel(sql: Sql, where: string, bind: readonly Value[], now: number): Promise<readonly Row[]> {
  const at = `$${bind.length + 1}`;
  return sql.query(
    `UPDATE builds SET cancel_requested = TRUE,
       finished_at = CASE WHEN state = 'running' THEN NULL ELSE ${at} END,
       state = CASE WHEN state = 'running' THEN 'running' ELSE 'canceled' END
     WHERE state IN ('queued', 'held', 'running') AND ${where} ${RETURNING_COMMIT}`,
    [...bind, now],
  );
}

async function repeat(
  sql: Sql,
  id: string,
  trigger: "rerun" | "retry",
  newBuildId: string,
  now: number,
  touch: (sql: Sql, rows: readonly Row[]) => Promise<void>,
): Promise<Build | null> {
  const rows = await sql.query(
    `SELECT ${BUILD_COLUMNS}, b.generation, b.sha FROM builds b
     JOIN repositories r ON r.key = b.repository WHERE b.id = $1`,
    [id],
  );
  const original = rows[0];
  if (original === undefined) return null;
  const build = toBuild(original);
  const repository = text(original, "repository");
  // A second click on Re-run, or on two checks of one commit, means the build that is already on its way.
  const live = await sql.query(
    `${SELECT_BUILDS} WHERE b.repository = $1 AND b.ref = $2 AND b.image = $3 AND b.key = $4
       AND b.state IN ('queued', 'held', 'running') AND NOT b.cancel_requested ORDER BY b.seq DESC LIMIT 1`,
    [repository, build.planned.ref, build.planned.image, build.planned.key],
  );
  if (live[0] !== undefined) return toBuild(live[0]);
  await insertBuild(sql, {
    id: newBuildId,
    repository,
    installation: build.installation,
    delivery: Number(build.deliveryId),
    fullImage: build.image,
    generation: integer(original, "generation"),
    planned: build.planned,
    trigger,
    now,
  });
  await touch(sql, [original]);
  return findBuild(sql, newBuildId);
}
