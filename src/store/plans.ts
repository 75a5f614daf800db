import type { RequestOrigin } from "../core/build-request.ts";
import { hostKey, type PlannedBuild, type RefChange, type Skip } from "../core/model.ts";
import { closedGate, type Refusal } from "../core/refusals.ts";
import type { NewBuild, PlanRecord, Store } from "../engine/store-port.ts";
import { bodyToKeep } from "./bodies.ts";
import { type Commit, insertBuild, RETURNING_COMMIT, toCommit } from "./build-rows.ts";
import type { StoreParts } from "./builds.ts";
import { renewChecks, touchChecks } from "./check-rows.ts";
import type { Sql } from "./database.ts";
import { readInstallation, readLink } from "./installations.ts";
import { integer, keyNumber, text, textOrNull } from "./rows.ts";

/** One line of a delivery's trace, about to be recorded. */
interface NewDecision {
  readonly about: Pick<Skip, "ref" | "sha" | "image" | "rule" | "problems">;
  readonly build: string | null;
  readonly reason: string | null;
  readonly detail: string;
}

export function createPlans({ database, clock, newId }: StoreParts): Pick<Store, "recordPlan"> {
  return {
    recordPlan: (deliveryId, record) =>
      database.transaction(async (sql) => {
        const delivery = keyNumber(deliveryId);
        const rows = await sql.query("SELECT outcome FROM deliveries WHERE id = $1 FOR UPDATE", [delivery]);
        if (delivery === null || rows[0] === undefined) throw new Error(`no delivery ${deliveryId}`);
        if (text(rows[0], "outcome") !== "pending") return buildsRecorded(sql, delivery);
        const closed = await closedSince(sql, record);
        const foreign = await isForeign(sql, record);
        if (!foreign) await recordChanges(sql, record);
        const recorded =
          closed === null
            ? await recordRequests(sql, delivery, record, { now: clock.now(), newId })
            : recordRefusal(record, closed);
        // A delivery is always told what became of it; checks of another account's commits are not.
        const told = foreign ? "" : hostKey(record.repository);
        await insertDecisions(sql, delivery, told, recorded.decisions);
        await sql.query(
          `UPDATE deliveries SET outcome = 'planned', note = NULL, lease_until = 0, body = COALESCE($2, body), packed = TRUE
           WHERE id = $1`,
          [delivery, await bodyToKeep(sql, delivery)],
        );
        // The host of what was closed is not called any more, nor for what is another account's.
        const report = closed === null && !foreign ? record.report.map((sha) => commitOf(record, sha)) : [];
        await touchChecks(sql, [...recorded.commits, ...report], clock.now(), newId);
        if (record.trigger === "rerun") {
          for (const commit of report) await renewChecks(sql, commit, clock.now(), newId);
        }
        return recorded.builds;
      }),
  };
}

function commitOf(record: PlanRecord, sha: Commit["sha"]): Commit {
  return { repository: hostKey(record.repository), installationId: record.installation.id, sha };
}

/**
 * Why nothing that was planned may be queued any more, or null. Planning takes calls to the host; whoever suspends or
 * removes meanwhile cancels what is queued, and would miss what is queued right after. Therefore both rows are locked:
 * whoever closes either waits until what is queued here can be seen.
 */
async function closedSince(sql: Sql, { plan, installation, repository }: PlanRecord): Promise<Refusal | null> {
  if (plan.requests.length === 0) return null;
  await sql.query("SELECT key FROM installations WHERE key = $1 FOR SHARE", [hostKey(installation)]);
  await sql.query("SELECT key FROM repositories WHERE key = $1 FOR NO KEY UPDATE", [hostKey(repository)]);
  return closedGate({
    installation: await readInstallation(sql, installation),
    link: await readLink(sql, installation, repository),
  });
}

interface Recorded {
  readonly builds: readonly NewBuild[];
  readonly decisions: readonly NewDecision[];
  readonly commits: readonly Commit[];
}

function recordRefusal(record: PlanRecord, { reason, why }: Refusal): Recorded {
  const refused = record.plan.requests.map((planned) => {
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

/** Also where nothing is built: refs move on all the same, so that what comes next is compared with the truth. */
async function recordChanges(sql: Sql, record: PlanRecord): Promise<void> {
  const { repository, installation } = record;
  if (repository.provider !== installation.provider || repository.host !== installation.host) {
    throw new Error("an installation covers repositories of its own host only");
  }
  await saveRepository(sql, record);
  for (const change of record.changes) await advanceRef(sql, hostKey(repository), change);
}

function placeOf({ ref, sha, image, rules }: PlannedBuild): NewDecision["about"] {
  return { ref, sha, image, rule: rules.join(", ") };
}

function skipped(skip: Skip): NewDecision {
  return { about: skip, build: null, reason: skip.reason, detail: skip.detail };
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
  for (const planned of record.plan.requests) {
    if (namespace === null) throw new Error("a plan without a namespace has no requests");
    const { generation, order, tagLines, origin } = await originOf(sql, record, planned, delivery);
    const about = placeOf(planned);
    const same = record.trigger === "event" ? await sameWork(sql, hostKey(repository), planned, generation) : null;
    if (same !== null) {
      const detail = `The same work is build ${same} already, and ${planned.ref} has not changed since.`;
      decisions.push({ about, build: null, reason: "duplicate", detail });
      continue;
    }
    if (planned.supersede === "newest" && planned.kind === "branch") {
      commits.push(...(await supersede(sql, hostKey(repository), planned, { delivery, generation, now })));
    }
    const id = newId();
    const fullImage = `${namespace}/${planned.image}`;
    await insertBuild(sql, {
      id,
      repository,
      installation,
      delivery,
      fullImage,
      generation,
      order,
      tagLines,
      planned,
      trigger: record.trigger,
      origin,
      write: record.write,
      now,
    });
    builds.push({ id, key: planned.key });
    commits.push(commitOf(record, planned.sha));
    decisions.push({ about, build: id, reason: null, detail: `Queued: ${fullImage} as ${planned.tags.join(", ")}.` });
  }
  return { builds, decisions: [...decisions, ...record.plan.skips.map(skipped)], commits };
}

/**
 * What the payload says now; whose repository it is stays as it was linked. Locks the row, so that of two deliveries the
 * second one sees the refs, builds and skips of the first.
 */
async function saveRepository(sql: Sql, { repository }: PlanRecord): Promise<void> {
  await sql.query(
    `INSERT INTO repositories (key, provider, host, id, full_name, private, default_branch, clone_url, web_url)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
     ON CONFLICT (key) DO UPDATE SET full_name = excluded.full_name, private = excluded.private,
       default_branch = excluded.default_branch, clone_url = excluded.clone_url, web_url = excluded.web_url`,
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

/**
 * A change equal to the last one of its ref is the same event told twice (a redelivery, a replay under a new id); every
 * other change starts a generation. Moving away and back is thus not "the same work again".
 */
async function advanceRef(sql: Sql, repository: string, change: RefChange): Promise<void> {
  const rows = await sql.query("SELECT before_sha, after_sha FROM refs WHERE repository = $1 AND ref = $2", [
    repository,
    change.ref,
  ]);
  const last = rows[0];
  if (last !== undefined && textOrNull(last, "before_sha") === change.before) {
    if (textOrNull(last, "after_sha") === change.after) return;
  }
  await sql.query(
    `INSERT INTO refs (repository, ref, generation, before_sha, after_sha) VALUES ($1, $2, 1, $3, $4)
     ON CONFLICT (repository, ref) DO UPDATE SET generation = refs.generation + 1,
       before_sha = excluded.before_sha, after_sha = excluded.after_sha`,
    [repository, change.ref, change.before, change.after],
  );
}

interface Origin {
  /** The ref's, 0 when no change of it was ever recorded. */
  readonly generation: number;
  readonly order: number;
  readonly tagLines: string | null;
  readonly origin: RequestOrigin;
}

/** A re-run is as old as the work it repeats, however far its ref has moved on: it must not push aside what came later. */
async function originOf(sql: Sql, record: PlanRecord, planned: PlannedBuild, delivery: number): Promise<Origin> {
  const at = [hostKey(record.repository), planned.ref];
  if (record.trigger === "rerun") {
    const rows = await sql.query(
      `SELECT generation, journal_order, tag_lines, config_digest FROM builds
       WHERE repository = $1 AND ref = $2 AND image = $3 AND key = $4 ORDER BY seq DESC LIMIT 1`,
      [...at, planned.image, planned.key],
    );
    if (rows[0] !== undefined) {
      return {
        generation: integer(rows[0], "generation"),
        order: integer(rows[0], "journal_order"),
        tagLines: text(rows[0], "tag_lines"),
        origin: { actor: record.actor, configDigest: textOrNull(rows[0], "config_digest") },
      };
    }
  }
  const [found] = await sql.query("SELECT generation FROM refs WHERE repository = $1 AND ref = $2", at);
  return {
    generation: found === undefined ? 0 : integer(found, "generation"),
    order: delivery,
    tagLines: null,
    origin: { actor: record.actor, configDigest: record.configDigests.get(planned.ref) ?? null },
  };
}

async function sameWork(
  sql: Sql,
  repository: string,
  planned: PlannedBuild,
  generation: number,
): Promise<string | null> {
  const rows = await sql.query(
    `SELECT id FROM builds WHERE repository = $1 AND ref = $2 AND image = $3 AND generation = $4 AND key = $5
     ORDER BY seq DESC LIMIT 1`,
    [repository, planned.ref, planned.image, generation, planned.key],
  );
  return rows[0] === undefined ? null : text(rows[0], "id");
}

/** Builds of this same delivery stay: rules of one image may ask for several, with different inputs. So do newer ones. */
async function supersede(
  sql: Sql,
  repository: string,
  planned: PlannedBuild,
  { delivery, generation, now }: { readonly delivery: number; readonly generation: number; readonly now: number },
): Promise<readonly Commit[]> {
  const rows = await sql.query(
    `UPDATE builds SET state = 'superseded', finished_at = $5
     WHERE repository = $1 AND ref = $2 AND image = $3 AND delivery <> $4 AND generation <= $6 AND state = 'queued'
     ${RETURNING_COMMIT}`,
    [repository, planned.ref, planned.image, delivery, now, generation],
  );
  return rows.map(toCommit);
}

async function insertDecisions(
  sql: Sql,
  delivery: number,
  repository: string,
  decisions: readonly NewDecision[],
): Promise<void> {
  for (const [position, { about, build, reason, detail }] of decisions.entries()) {
    await sql.query(
      `INSERT INTO decisions (delivery, position, repository, ref, sha, image, rule, build, reason, detail, problems)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
      [
        delivery,
        position,
        repository,
        about.ref,
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
