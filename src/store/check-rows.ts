import type { CheckFacts } from "../core/check.ts";
import { checkNames } from "../core/explain.ts";
import type { Diagnostic, Sha, Skip, SkipReason } from "../core/model.ts";
import { type Commit, newestBuilds } from "./build-rows.ts";
import { fileCheckOf } from "./config-checks.ts";
import type { Sql } from "./database.ts";
import { flag, integer, jsonOrNull, type Row, text, textOrNull } from "./rows.ts";

export async function checkFacts(sql: Sql, repository: string, sha: Sha): Promise<CheckFacts> {
  const builds = await newestBuilds(sql, repository, sha);
  // Duplicates are left out, for the build they repeat is among the builds; and held builds, which are there themselves.
  const rows = await sql.query(
    `SELECT d.ref, d.lane, d.sha, d.image, d.rule, d.reason, d.detail, d.problems FROM (
       SELECT c.*, MAX(c.delivery) OVER (PARTITION BY c.lane) AS newest
       FROM decisions c WHERE c.repository = $1 AND c.sha = $2
     ) d
     WHERE d.delivery = d.newest AND d.reason IS NOT NULL AND d.build IS NULL AND d.reason <> 'duplicate'
     ORDER BY d.delivery, d.position`,
    [repository, sha],
  );
  const skips: Skip[] = rows.map((row) => ({
    ...laneAndRef(row),
    sha: textOrNull(row, "sha") as Sha | null,
    image: textOrNull(row, "image"),
    rule: textOrNull(row, "rule"),
    reason: text(row, "reason") as SkipReason,
    detail: text(row, "detail"),
    ...problemsOf(row),
  }));
  const fileCheck = await fileCheckOf(sql, repository, sha);
  return { builds, skips, ...(fileCheck !== null && { fileCheck }) };
}

function laneAndRef(row: Row): Pick<Skip, "ref" | "lane"> {
  const [ref, lane] = [textOrNull(row, "ref"), textOrNull(row, "lane")];
  return lane === null || lane === ref ? { ref } : { ref, lane };
}

function problemsOf(row: Row): Pick<Skip, "problems"> {
  const problems = jsonOrNull<readonly Diagnostic[]>(row, "problems");
  return problems === null ? {} : { problems };
}

/**
 * Marks the checks of the commits as different from what their host shows. Belongs into the transaction that changed
 * what they show. New names come from new builds and skips, and those who record them hold a lock on the repository, so
 * that each sees the others'; the rest may find a check made by somebody else meanwhile. Checks a commit has already are marked too, whatever its names are now: each must reach its end.
 */
export async function touchChecks(
  sql: Sql,
  commits: readonly Commit[],
  now: number,
  newId: () => string,
): Promise<void> {
  const distinct = new Map(commits.map((commit) => [`${commit.repository} ${commit.sha}`, commit]));
  for (const [, { repository, installationId, sha }] of [...distinct].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const touched = await sql.query(
      `UPDATE checks SET revision = revision + 1, changed_at = $3, installation_id = $4
       WHERE repository = $1 AND sha = $2 RETURNING name`,
      [repository, sha, now, installationId],
    );
    const present = touched.map((row) => text(row, "name"));
    const names = checkNames(await checkFacts(sql, repository, sha));
    for (const name of names.filter((candidate) => !present.includes(candidate))) {
      await sql.query(
        `INSERT INTO checks (repository, installation_id, sha, name, changed_at, external_id)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (repository, sha, name) DO UPDATE SET revision = checks.revision + 1`,
        [repository, installationId, sha, name, now, newId()],
      );
    }
  }
}

/**
 * Shows the checks of a commit anew after *Re-run*. In the transaction that queues what is run again: in between, the new
 * check would be concluded with the old result.
 */
export async function renewChecks(sql: Sql, commit: Commit, now: number, newId: () => string): Promise<void> {
  const rows = await sql.query(
    `UPDATE checks SET revision = revision + 1, changed_at = $3, attempts = 0, not_before = 0
     WHERE repository = $1 AND sha = $2 RETURNING id, concluded`,
    [commit.repository, commit.sha, now],
  );
  for (const row of rows.filter((one) => flag(one, "concluded"))) {
    await sql.query(
      `UPDATE checks SET host_id = NULL, external_id = $2, uncertain = FALSE, concluded = FALSE, renewed = TRUE
       WHERE id = $1`,
      [integer(row, "id"), newId()],
    );
  }
}
