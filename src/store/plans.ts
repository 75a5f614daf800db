import { isJudged } from "../core/judged.ts";
import { type Hold, hostKey, laneOf, laneOfBuild, type PlannedBuild, type Sha, type Skip } from "../core/model.ts";
import { closedGate, type Refusal } from "../core/refusals.ts";
import type { NewBuild, PlanRecord, Store } from "../engine/store-port.ts";
import { bodyToKeep } from "./bodies.ts";
import { type Commit, insertBuild, isHeld, type RecordedBuild } from "./build-rows.ts";
import type { StoreParts } from "./builds.ts";
import { renewChecks, touchChecks } from "./check-rows.ts";
import { lookSoon } from "./comparisons.ts";
import { recordFiles } from "./config-checks.ts";
import type { Sql } from "./database.ts";
import { readInstallation, readLink } from "./installations.ts";
import { advanceLane, originOf, sameWork, startedWork, supersede, voidHolds } from "./lanes.ts";
import { grantedTo } from "./namespace-rows.ts";
import { readPauses } from "./pause-rows.ts";
import { CLOSED_REASONS, replayUnlessClosed } from "./replays.ts";
import { keyNumber, marks, text, textOrNull } from "./rows.ts";
import { cancelBuilds } from "./stops.ts";
import { traceToKeep } from "./traces.ts";
import { twinOf } from "./twins.ts";

/** One line of a delivery's trace, about to be recorded. */
interface NewDecision {
  readonly about: Pick<Skip, "ref" | "lane" | "sha" | "image" | "rule" | "problems">;
  readonly build: string | null;
  readonly reason: string | null;
  readonly detail: string;
}

export function createPlans({ database, clock, newId }: StoreParts): Pick<Store, "recordPlan"> {
  return {
    async recordPlan(deliveryId, record) {
      // Packed before the transaction: nobody waits for a long trace.
      const trace = await traceToKeep(record.plan.trace);
      return database.transaction(async (sql) => {
        const delivery = keyNumber(deliveryId);
        const rows = await sql.query("SELECT outcome FROM deliveries WHERE id = $1 FOR UPDATE", [delivery]);
        if (delivery === null || rows[0] === undefined) throw new Error(`no delivery ${deliveryId}`);
        if (text(rows[0], "outcome") !== "pending") return buildsRecorded(sql, delivery);
        const now = clock.now();
        const closed = await closedSince(sql, record);
        const foreign = await isForeign(sql, record);
        const ended = foreign ? [] : await recordChanges(sql, record, { closed: closed !== null, now });
        const recorded =
          closed === null ? await recordRequests(sql, delivery, record, { now, newId }) : recordRefusal(record, closed);
        // A delivery is always told what became of it; checks are not, where the commits are another account's, or where
        // nothing moved and somebody just had it built.
        const told = foreign || record.trigger === "manual" ? "" : hostKey(record.repository);
        await insertDecisions(sql, delivery, told, recorded.decisions);
        if (!foreign && recorded.decisions.some(wasClosed)) await replayUnlessClosed(sql, delivery, record, now);
        await sql.query(
          `UPDATE deliveries SET outcome = 'planned', note = NULL, lease_until = 0, body = COALESCE($2, body), packed = TRUE,
             trace = $3
           WHERE id = $1`,
          [delivery, await bodyToKeep(sql, delivery), trace],
        );
        // The host of what was closed is not called any more, nor for what is another account's.
        const report = closed === null && !foreign ? record.report.map((sha) => commitOf(record, sha)) : [];
        await touchChecks(sql, [...ended, ...recorded.commits, ...report], now, newId);
        if (record.trigger === "rerun") {
          for (const commit of report) await renewChecks(sql, commit, now, newId);
        }
        if (!foreign) await lookSoon(sql, record, now);
        return recorded.builds;
      });
    },
  };
}

function commitOf(record: PlanRecord, sha: Sha): Commit {
  return { repository: hostKey(record.repository), installationId: record.installation.id, sha };
}

/**
 * Why nothing that was planned may be queued any more, or null. Planning takes calls to the host; whoever suspends or
 * removes meanwhile cancels what is queued, and would miss what is queued right after. Therefore both rows are locked:
 * whoever closes either waits until what is queued here can be seen.
 */
async function closedSince(
  sql: Sql,
  { plan, installation, repository, namespace }: PlanRecord,
): Promise<Refusal | null> {
  if (plan.requests.length + plan.held.length === 0) return null;
  await sql.query("SELECT key FROM installations WHERE key = $1 FOR SHARE", [hostKey(installation)]);
  await sql.query("SELECT key FROM repositories WHERE key = $1 FOR NO KEY UPDATE", [hostKey(repository)]);
  const read = await readInstallation(sql, installation);
  const link = await readLink(sql, installation, repository);
  const [pause] =
    read?.state === "paused" || link === "paused" ? await readPauses(sql, { installation, repository }) : [];
  const closed = closedGate({ installation: read, link, pause: pause ?? null });
  if (closed !== null || namespace === null || (await grantedTo(sql, installation, namespace))) return closed;
  return { reason: "no-namespace", why: `the installation may not write ${namespace} any more` };
}

interface Recorded {
  readonly builds: readonly NewBuild[];
  readonly decisions: readonly NewDecision[];
  readonly commits: readonly Commit[];
}

function recordRefusal(record: PlanRecord, { reason, why }: Refusal): Recorded {
  const refused = [...record.plan.requests, ...record.plan.held].map((planned) => {
    return { about: placeOf(planned), build: null, reason, detail: `not built: ${why}` };
  });
  return { builds: [], decisions: [...refused, ...record.plan.skips.map(skipped)], commits: [] };
}

/**
 * Whoever holds an installation's secret may write any repository into a payload: what another installation covers, or
 * did last, is not theirs to rename, to publish or to move on.
 */
async function isForeign(sql: Sql, { repository, installation }: PlanRecord): Promise<boolean> {
  const rows = await sql.query("SELECT installation FROM repositories WHERE key = $1 FOR NO KEY UPDATE", [
    hostKey(repository),
  ]);
  const covering = rows[0] === undefined ? null : textOrNull(rows[0], "installation");
  return covering !== null && covering !== hostKey(installation);
}

/**
 * Also where nothing is built: lanes move on all the same, so that what comes next is compared with the truth. Answers the
 * commits of builds that came to an end with that.
 */
async function recordChanges(
  sql: Sql,
  record: PlanRecord,
  { closed, now }: { readonly closed: boolean; readonly now: number },
): Promise<readonly Commit[]> {
  const { repository, installation, cancel } = record;
  if (repository.provider !== installation.provider || repository.host !== installation.host) {
    throw new Error("an installation covers repositories of its own host only");
  }
  await saveRepository(sql, record);
  const key = hostKey(repository);
  const ended: Commit[] = [];
  if (cancel.length > 0) {
    const where = `repository = $1 AND lane IN (${marks(2, cancel.length)})`;
    ended.push(...(await cancelBuilds(sql, where, [key, ...cancel], now)));
  }
  await recordFiles(sql, record);
  for (const change of record.changes) {
    const judged = !closed && isJudged(record.plan, laneOf(change));
    const moved = await advanceLane(sql, key, change, { found: record.found === true, judged });
    if (moved && change.kind === "pull_request") ended.push(...(await voidHolds(sql, key, laneOf(change), now)));
  }
  return ended;
}

function placeOf({ ref, lane, sha, image, rules }: PlannedBuild): NewDecision["about"] {
  return { ref, ...(lane !== undefined && { lane }), sha, image, rule: rules.join(", ") };
}

function skipped(skip: Skip): NewDecision {
  return { about: skip, build: null, reason: skip.reason, detail: skip.detail };
}

function wasClosed({ build, reason }: NewDecision): boolean {
  return build === null && reason !== null && CLOSED_REASONS.includes(reason);
}

async function recordRequests(
  sql: Sql,
  delivery: number,
  record: PlanRecord,
  { now, newId }: { readonly now: number; readonly newId: () => string },
): Promise<Recorded> {
  const { repository, installation, namespace } = record;
  const builds: NewBuild[] = [];
  const decisions: NewDecision[] = [];
  const commits: Commit[] = [];
  for (const { planned, hold } of wantedOf(record)) {
    if (namespace === null) throw new Error("a plan without a namespace has no requests");
    const { generation, ...origin } = await originOf(sql, record, planned, delivery);
    const about = placeOf(planned);
    const same = await doneAlready(sql, record, planned, generation);
    if (same !== null) {
      decisions.push({ about, build: null, reason: "duplicate", detail: same });
      continue;
    }
    // What somebody has built now is no newer change: a check may wait for what is queued.
    if (record.trigger !== "manual") {
      commits.push(...(await supersede(sql, hostKey(repository), planned, { delivery, generation, now })));
    }
    const build = {
      ...origin,
      id: newId(),
      repository,
      installation,
      delivery,
      fullImage: `${namespace}/${planned.image}`,
      generation,
      planned,
      hold: hold ?? origin.hold,
      trigger: record.trigger,
      write: record.write,
      now,
    };
    await insertBuild(sql, { ...build, twin: await twinOf(sql, build) });
    builds.push({ id: build.id, key: planned.key });
    if (record.trigger !== "manual") commits.push(commitOf(record, planned.sha));
    decisions.push(decisionOf(build, about));
  }
  return { builds, decisions: [...decisions, ...record.plan.skips.map(skipped)], commits };
}

/** Why the work need not be done once more: a sentence for people; null: it does. */
async function doneAlready(
  sql: Sql,
  { repository, trigger }: PlanRecord,
  planned: PlannedBuild,
  generation: number,
): Promise<string | null> {
  const key = hostKey(repository);
  if (trigger === "manual") {
    const started = await startedWork(sql, key, planned);
    return started === null ? null : `The same was started before, and is build ${started}.`;
  }
  const same = trigger === "event" ? await sameWork(sql, key, planned, generation) : null;
  return same === null
    ? null
    : `The same work is build ${same} already, and ${laneOfBuild(planned)} has not changed since.`;
}

interface Wanted {
  readonly planned: PlannedBuild;
  readonly hold: Hold | null;
}

function wantedOf({ plan }: PlanRecord): readonly Wanted[] {
  const held = plan.held.map(({ hold, ...planned }) => ({ planned, hold }));
  return [...plan.requests.map((planned) => ({ planned, hold: null })), ...held];
}

function decisionOf(build: Omit<RecordedBuild, "twin">, about: NewDecision["about"]): NewDecision {
  const { id, hold, fullImage, planned } = build;
  if (isHeld(build) && hold !== null) return { about, build: id, reason: hold.reason, detail: hold.detail };
  const what = planned.push ? `${fullImage} as ${planned.tags.join(", ")}` : `${fullImage}, built and not published`;
  return { about, build: id, reason: null, detail: `Queued: ${what}.` };
}

/**
 * What the payload says now. Whose repository it is, its name and whether it is private are the lifecycle's to keep
 * (lifecycle-repositories.ts): the payload may be a late one. Locks the row, so that of two deliveries the second one sees the
 * refs, builds and skips of the first.
 */
async function saveRepository(sql: Sql, { repository }: PlanRecord): Promise<void> {
  await sql.query(
    `INSERT INTO repositories (key, provider, host, id, full_name, private, default_branch, clone_url, web_url)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
     ON CONFLICT (key) DO UPDATE SET default_branch = excluded.default_branch, clone_url = excluded.clone_url,
       web_url = excluded.web_url`,
    [
      hostKey(repository),
      repository.provider,
      repository.host,
      repository.id,
      repository.fullName,
      repository.private,
      repository.defaultBranch,
      repository.cloneUrl,
      repository.webUrl,
    ],
  );
}

async function insertDecisions(
  sql: Sql,
  delivery: number,
  repository: string,
  decisions: readonly NewDecision[],
): Promise<void> {
  for (const [position, { about, build, reason, detail }] of decisions.entries()) {
    await sql.query(
      `INSERT INTO decisions (delivery, position, repository, ref, lane, sha, image, rule, build, reason, detail, problems)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
      [
        delivery,
        position,
        repository,
        about.ref,
        about.lane ?? about.ref,
        about.sha,
        about.image,
        about.rule,
        build,
        reason,
        detail,
        about.problems === undefined ? null : JSON.stringify(about.problems),
      ],
    );
  }
}

async function buildsRecorded(sql: Sql, delivery: number): Promise<readonly NewBuild[]> {
  const rows = await sql.query(
    `SELECT b.id, b.key FROM decisions d JOIN builds b ON b.id = d.build WHERE d.delivery = $1 ORDER BY d.position`,
    [delivery],
  );
  return rows.map((row) => ({ id: text(row, "id"), key: text(row, "key") }));
}
