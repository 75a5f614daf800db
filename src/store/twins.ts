/**
 * A branch and a tag on one commit are mostly the same work twice. Both are builds, with a check and tags of their own; but
 * the later one waits for the image of the first and publishes that. Labels that name a tag are then the first one's.
 */
import { hostKey, type PlannedBuild } from "../core/model.ts";
import { type Commit, RETURNING_COMMIT, type RecordedBuild, toCommits } from "./build-rows.ts";
import type { Sql } from "./database.ts";
import { IS_PAUSED } from "./pause-rows.ts";
import { json, text } from "./rows.ts";

/**
 * The build whose image this one can publish as its own: of the same repository, commit, image and inputs, trusted as
 * much, and on its way or in the image's repository, if only under tags that have moved on. Never one that waits itself, so that nobody waits in a circle. What somebody asks for
 * again is built again; pull requests fetch their commit from elsewhere, and are not looked at.
 */
export async function twinOf(sql: Sql, build: Omit<RecordedBuild, "twin">): Promise<string | null> {
  const { planned, trigger, fullImage, repository } = build;
  if (trigger !== "event" || !planned.push || planned.kind === "pull_request") return null;
  const rows = await sql.query(
    `SELECT id, planned FROM builds
     WHERE repository = $1 AND sha = $2 AND full_image = $3 AND twin IS NULL
       AND ((state IN ('queued', 'running') AND NOT cancel_requested) OR digest IS NOT NULL)
     ORDER BY seq DESC`,
    [hostKey(repository), planned.sha, fullImage],
  );
  const same = rows.find((row) => isSameWork(json<PlannedBuild>(row, "planned"), planned));
  return same === undefined ? null : text(same, "id");
}

function isSameWork(one: PlannedBuild, other: PlannedBuild): boolean {
  return (
    one.kind !== "pull_request" &&
    one.push === other.push &&
    one.trust === other.trust &&
    // Written in one order; where an order differs nevertheless, it is built twice.
    JSON.stringify(one.inputs) === JSON.stringify(other.inputs)
  );
}

/**
 * Of a row of builds called `b`: its twin may yet have an image for it, or has. False for good once the twin came to
 * nothing: then it is built like any other.
 */
export const WAITS_FOR_TWIN = `EXISTS (
  SELECT 1 FROM builds twin
  WHERE twin.id = b.twin AND (twin.state IN ('queued', 'running') OR twin.digest IS NOT NULL))`;

/** Has those promoted whose twin is done. A twin that ended with a digest has brought it to the image's repository. */
export async function stageTwins(sql: Sql, now: number): Promise<readonly Commit[]> {
  const rows = await sql.query(
    `UPDATE builds SET state = 'running', phase = 'promote', started_at = $1,
       staged_digest = (SELECT twin.digest FROM builds twin WHERE twin.id = builds.twin)
     WHERE state = 'queued' AND twin IS NOT NULL AND NOT ${IS_PAUSED} AND EXISTS (
       SELECT 1 FROM builds twin
       WHERE twin.id = builds.twin AND twin.digest IS NOT NULL AND twin.state NOT IN ('queued', 'running')
     ) ${RETURNING_COMMIT}`,
    [now],
  );
  return toCommits(rows);
}

/**
 * The image is not where its twin has put it any more: it is built after all. Empty: the lease was lost. While it is built
 * its attempt number is the one of its lease, as with all builds: what counted as a promotion counts as an attempt then.
 */
export async function unstageTwin(sql: Sql, id: string, attempt: number): Promise<readonly Commit[]> {
  const rows = await sql.query(
    `UPDATE builds SET state = 'queued', phase = 'build', twin = NULL, staged_digest = NULL, started_at = NULL,
       promotions = 0, lease_until = 0, worker = NULL, not_before = 0, steps = '[]'
     WHERE id = $1 AND attempt = $2 AND state = 'running' AND phase = 'promote' AND twin IS NOT NULL ${RETURNING_COMMIT}`,
    [id, attempt],
  );
  return toCommits(rows);
}
