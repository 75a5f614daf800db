import { type Commit, RETURNING_COMMIT, toCommits } from "./build-rows.ts";
import type { Sql } from "./database.ts";
import type { Value } from "./rows.ts";

/** What has not started ends now; what runs is asked to stop. `where` is ours, never data. */
export async function cancelBuilds(
  sql: Sql,
  where: string,
  bind: readonly Value[],
  now: number,
): Promise<readonly Commit[]> {
  const at = `CAST($${bind.length + 1} AS BIGINT)`;
  const rows = await sql.query(
    `UPDATE builds SET cancel_requested = TRUE,
       finished_at = CASE WHEN state = 'running' THEN NULL ELSE ${at} END,
       state = CASE WHEN state = 'running' THEN 'running' ELSE 'canceled' END
     WHERE state IN ('queued', 'held', 'running') AND ${where} ${RETURNING_COMMIT}`,
    [...bind, now],
  );
  return toCommits(rows);
}

/** Nobody works on it any more and it was asked to stop: it must not be handed out again. */
export const END_LOST_STOPPED = `
  UPDATE builds SET state = stopped_as, finished_at = $1, lease_until = 0, lease_hash = NULL, worker = NULL
  WHERE state = 'running' AND phase = 'build' AND cancel_requested AND lease_until <= $1 ${RETURNING_COMMIT}`;
