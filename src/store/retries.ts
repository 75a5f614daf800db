/** The same work once more, asked for by somebody. */
import { type AuditEntry, actorOf, type Decider } from "../core/audit.ts";
import { type Build, hostKey, laneOfBuild, type Sha } from "../core/model.ts";
import { closedGate, type Refusal } from "../core/refusals.ts";
import { namespaceOf } from "../core/registry-settings.ts";
import { judgeRetry, type RetryFacts, unretriable } from "../core/retry.ts";
import { mayMove } from "../core/supersede.ts";
import type { RetriedBuild, Store } from "../engine/store-port.ts";
import { writeAudit } from "./audit.ts";
import { BUILD_COLUMNS, findBuild, insertBuild, SELECT_BUILDS, toBuild, toCommits } from "./build-rows.ts";
import type { StoreParts } from "./builds.ts";
import { touchChecks } from "./check-rows.ts";
import type { Sql } from "./database.ts";
import { readInstallation, readLink } from "./installations.ts";
import { grantedTo } from "./namespace-rows.ts";
import { readPauses } from "./pause-rows.ts";
import { tagsOf } from "./publications.ts";
import { integer, json, type Row, text, textOrNull } from "./rows.ts";

export function createRetries({ database, clock, newId }: StoreParts): Pick<Store, "retryBuild"> {
  return {
    retryBuild: (id, write, by) =>
      database.transaction(async (sql): Promise<RetriedBuild> => {
        const found = await findBuild(sql, id);
        if (found === null) return { kind: "no-build" };
        // As in recordPlan: whoever closes either of them waits until what is queued here can be seen, and cancels it. And
        // of two clicks at a time the second one sees the build of the first.
        await sql.query("SELECT key FROM installations WHERE key = $1 FOR SHARE", [hostKey(found.installation)]);
        await sql.query("SELECT key FROM repositories WHERE key = $1 FOR NO KEY UPDATE", [hostKey(found.repository)]);
        const [row] = await sql.query(
          `SELECT ${BUILD_COLUMNS}, b.lane, b.sha, b.generation, b.journal_order, b.tag_lines, b.actor, b.config_digest
           FROM builds b JOIN repositories r ON r.key = b.repository WHERE b.id = $1`,
          [id],
        );
        if (row === undefined) return { kind: "no-build" };
        const build = toBuild(row);
        const state = unretriable(build);
        if (state !== null) return { kind: "refused", why: state };
        const live = await onItsWay(sql, build);
        if (live !== null) return { kind: "retried", build: live };
        const verdict = judgeRetry(await factsOf(sql, build, row));
        if (!verdict.ok) return { kind: "refused", why: verdict.why };
        const { hold, approval } = verdict;
        const retried = { ...asOriginal(row, build, by), id: newId(), hold, approval, write, now: clock.now() };
        await insertBuild(sql, retried);
        await writeAudit(sql, clock, entryOf(build, retried.id, by));
        await touchChecks(sql, toCommits([row]), clock.now(), newId);
        const made = await findBuild(sql, retried.id);
        if (made === null) throw new Error("a build was not recorded");
        return { kind: "retried", build: made };
      }),
  };
}

/** A second click, or one on two builds of the same work, means the build that is on its way already. */
async function onItsWay(sql: Sql, { repository, planned }: Build): Promise<Build | null> {
  const rows = await sql.query(
    `${SELECT_BUILDS} WHERE b.repository = $1 AND b.lane = $2 AND b.image = $3 AND b.key = $4
       AND b.state IN ('queued', 'held', 'running') AND NOT b.cancel_requested ORDER BY b.seq DESC LIMIT 1`,
    [hostKey(repository), laneOfBuild(planned), planned.image, planned.key],
  );
  return rows[0] === undefined ? null : toBuild(rows[0]);
}

async function factsOf(sql: Sql, build: Build, row: Row): Promise<RetryFacts> {
  const { installation, repository, planned } = build;
  const standing = await readInstallation(sql, installation);
  const link = await readLink(sql, installation, repository);
  const [pause] =
    standing?.state === "paused" || link === "paused" ? await readPauses(sql, { installation, repository }) : [];
  const closed = closedGate({ installation: standing, link, pause: pause ?? null }) ?? (await ungranted(sql, build));
  const [lane] = await sql.query("SELECT after_sha FROM refs WHERE repository = $1 AND ref = $2", [
    hostKey(repository),
    laneOfBuild(planned),
  ]);
  return {
    build,
    closed,
    // Of an installation nobody knows nothing is built anyway.
    forks: standing?.policy.forks ?? "never",
    head: lane === undefined ? null : (textOrNull(lane, "after_sha") as Sha | null),
    staying: planned.push ? await stayingTags(sql, build, row) : new Map(),
  };
}

async function ungranted(sql: Sql, { installation, image }: Build): Promise<Refusal | null> {
  const namespace = namespaceOf(image);
  if (await grantedTo(sql, installation, namespace)) return null;
  return { reason: "no-namespace", why: `the installation may not write ${namespace} any more` };
}

/** What something newer has already, and what something newer is about to get. */
async function stayingTags(sql: Sql, build: Build, row: Row): Promise<ReadonlyMap<string, string>> {
  const { repository, planned, image } = build;
  const staying = new Map<string, string>();
  const newer = await sql.query(
    `SELECT id, planned FROM builds
     WHERE repository = $1 AND lane = $2 AND full_image = $3 AND journal_order > $4
       AND state IN ('queued', 'held', 'running') AND NOT cancel_requested ORDER BY seq`,
    [hostKey(repository), laneOfBuild(planned), image, integer(row, "journal_order")],
  );
  for (const one of newer) {
    const { push, tags } = json<Build["planned"]>(one, "planned");
    const why = `Build ${text(one, "id")} is newer, and about to get it.`;
    for (const tag of push ? tags : []) staying.set(tag, why);
  }
  for (const { tag, wanted, last } of await tagsOf(sql, { ...row, full_image: image }, planned)) {
    const answer = mayMove(last, wanted);
    if (!answer.moves) staying.set(tag, answer.why);
  }
  return staying;
}

/** As old as what it repeats: it must not push aside what came later. And once started by somebody, always that. */
function asOriginal(row: Row, build: Build, by: Decider) {
  const person = by.kind === "person" ? actorOf(by) : null;
  return {
    repository: build.repository,
    installation: build.installation,
    delivery: Number(build.deliveryId),
    fullImage: build.image,
    generation: integer(row, "generation"),
    order: integer(row, "journal_order"),
    tagLines: text(row, "tag_lines"),
    planned: build.planned,
    twin: null,
    trigger: build.trigger === "manual" ? "manual" : "retry",
    origin: { actor: person?.id ?? textOrNull(row, "actor"), configDigest: textOrNull(row, "config_digest") },
  } as const;
}

function entryOf(build: Build, again: string, by: Decider): AuditEntry {
  const { id, installation, repository, planned, state } = build;
  return {
    by,
    action: "build.retried",
    installation,
    subject: build.image,
    facts: {
      build: again,
      repeats: id,
      state,
      repository: hostKey(repository),
      ref: planned.ref,
      commit: planned.sha,
    },
  };
}
