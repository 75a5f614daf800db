/** What only the newest counts of: a ref, or the head of a pull request. */
import type { RequestOrigin } from "../core/build-request.ts";
import {
  type Approval,
  type Change,
  type Hold,
  hostKey,
  laneOf,
  laneOfBuild,
  type PlannedBuild,
} from "../core/model.ts";
import type { PlanRecord } from "../engine/store-port.ts";
import { approvalOf, type Commit, holdOf, RETURNING_COMMIT, toCommits } from "./build-rows.ts";
import type { Sql } from "./database.ts";
import { integer, text, textOrNull } from "./rows.ts";

/**
 * A change equal to the last one of its lane is the same event told twice (a redelivery, a replay under a new id); every
 * other change starts a generation, which it tells. Moving away and back is thus not "the same work again". What a pull
 * request was before is said by some of its events only, so its head alone tells them apart: null once it was closed, and
 * where nobody knows it, which is no change. `found`: see {@link PlanRecord}; it stays with the lane, because what was told of
 * it to nobody may be told at any time after. `judged`: see {@link ToldPlace}.
 */
export async function advanceLane(
  sql: Sql,
  repository: string,
  change: Change,
  { found, judged }: { readonly found: boolean; readonly judged: boolean },
): Promise<boolean> {
  if (change.kind === "pull_request" && change.after === null && !change.pull.closed) return false;
  const lane = laneOf(change);
  const rows = await sql.query("SELECT before_sha, after_sha FROM refs WHERE repository = $1 AND ref = $2", [
    repository,
    lane,
  ]);
  const last = rows[0];
  const same =
    last !== undefined &&
    textOrNull(last, "after_sha") === change.after &&
    (change.kind === "pull_request" || textOrNull(last, "before_sha") === change.before);
  if (same) {
    if (judged)
      await sql.query("UPDATE refs SET judged_sha = after_sha WHERE repository = $1 AND ref = $2", [repository, lane]);
    return false;
  }
  await sql.query(
    `INSERT INTO refs (repository, ref, generation, before_sha, after_sha, found, judged_sha) VALUES ($1, $2, 1, $3, $4, $5, $6)
     ON CONFLICT (repository, ref) DO UPDATE SET generation = refs.generation + 1,
       before_sha = excluded.before_sha, after_sha = excluded.after_sha, found = refs.found OR excluded.found,
       judged_sha = CASE WHEN CAST($7 AS BOOLEAN) THEN excluded.judged_sha ELSE COALESCE(refs.judged_sha, refs.after_sha, '') END`,
    [repository, lane, change.before, change.after, found, (judged ? change.after : change.before) ?? "", judged],
  );
  return true;
}

export interface Origin {
  /** The lane's, 0 when no change of it was ever recorded. */
  readonly generation: number;
  readonly order: number;
  readonly tagLines: string | null;
  readonly origin: RequestOrigin;
  /** What the build it repeats waits or waited for, and who let it run. */
  readonly hold: Hold | null;
  readonly approval: Approval | null;
}

/**
 * A re-run is as old as the work it repeats, however far its lane has moved on: it must not push aside what came later.
 * And it is as approved: nobody gets past a hold by asking for what was held again.
 */
export async function originOf(sql: Sql, record: PlanRecord, planned: PlannedBuild, delivery: number): Promise<Origin> {
  const lane = laneOfBuild(planned);
  const at = [hostKey(record.repository), lane];
  if (record.trigger === "rerun") {
    const rows = await sql.query(
      `SELECT generation, journal_order, tag_lines, config_digest, hold_reason, hold_detail, approval FROM builds
       WHERE repository = $1 AND lane = $2 AND image = $3 AND key = $4 AND cause <> 'manual' ORDER BY seq DESC LIMIT 1`,
      [...at, planned.image, planned.key],
    );
    if (rows[0] !== undefined) {
      return {
        generation: integer(rows[0], "generation"),
        order: integer(rows[0], "journal_order"),
        tagLines: text(rows[0], "tag_lines"),
        origin: { actor: record.actor, configDigest: textOrNull(rows[0], "config_digest") },
        hold: holdOf(rows[0]),
        approval: approvalOf(rows[0]),
      };
    }
  }
  const [found] = await sql.query("SELECT generation FROM refs WHERE repository = $1 AND ref = $2", at);
  return {
    generation: found === undefined ? 0 : integer(found, "generation"),
    order: delivery,
    tagLines: null,
    origin: { actor: record.actor, configDigest: record.configDigests.get(lane) ?? null },
    hold: null,
    approval: null,
  };
}

/** Build of the same work that began with the same change of the lane; null: there is none. Not one somebody started. */
export async function sameWork(
  sql: Sql,
  repository: string,
  planned: PlannedBuild,
  generation: number,
): Promise<string | null> {
  const rows = await sql.query(
    `SELECT id FROM builds WHERE repository = $1 AND lane = $2 AND image = $3 AND generation = $4 AND key = $5
       AND cause <> 'manual' ORDER BY seq DESC LIMIT 1`,
    [repository, laneOfBuild(planned), planned.image, generation, planned.key],
  );
  return rows[0] === undefined ? null : text(rows[0], "id");
}

/** The same work, started by somebody and on its way; null: there is none. A second click means that one. */
export async function startedWork(sql: Sql, repository: string, planned: PlannedBuild): Promise<string | null> {
  const rows = await sql.query(
    `SELECT id FROM builds WHERE repository = $1 AND lane = $2 AND image = $3 AND key = $4
       AND cause = 'manual' AND state IN ('queued', 'held', 'running') AND NOT cancel_requested ORDER BY seq DESC LIMIT 1`,
    [repository, laneOfBuild(planned), planned.image, planned.key],
  );
  return rows[0] === undefined ? null : text(rows[0], "id");
}

/**
 * Builds of this same delivery stay: rules of one image may ask for several, with different inputs. So do newer ones, and
 * what is being promoted: which tags it may still move is decided there, by an order that knows this change.
 */
export async function supersede(
  sql: Sql,
  repository: string,
  planned: PlannedBuild,
  { delivery, generation, now }: { readonly delivery: number; readonly generation: number; readonly now: number },
): Promise<readonly Commit[]> {
  if (planned.supersede === "none" || planned.kind === "tag") return [];
  const older = [repository, laneOfBuild(planned), planned.image, delivery, generation];
  const of = "repository = $1 AND lane = $2 AND image = $3 AND delivery <> $4 AND generation <= $5";
  const waiting = await sql.query(
    `UPDATE builds SET state = 'superseded', finished_at = $6
     WHERE ${of} AND state IN ('queued', 'held') ${RETURNING_COMMIT}`,
    [...older, now],
  );
  if (planned.supersede !== "cancel") return toCommits(waiting);
  const running = await sql.query(
    `UPDATE builds SET cancel_requested = TRUE, stopped_as = 'superseded'
     WHERE ${of} AND state = 'running' AND phase = 'build' AND NOT cancel_requested ${RETURNING_COMMIT}`,
    older,
  );
  return toCommits([...waiting, ...running]);
}

/**
 * An approval is one of a commit. When the pull request has moved on, nobody is asked for one of its old commit any more,
 * whatever the rule says of superseding: who presses the button means what they see.
 */
export async function voidHolds(sql: Sql, repository: string, lane: string, now: number): Promise<readonly Commit[]> {
  const rows = await sql.query(
    `UPDATE builds SET state = 'superseded', finished_at = $3
     WHERE repository = $1 AND lane = $2 AND state = 'held' AND hold_reason = 'awaiting-approval' ${RETURNING_COMMIT}`,
    [repository, lane, now],
  );
  return toCommits(rows);
}
