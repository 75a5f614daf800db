/** Comparing branches and tags with what was told of them: whose turn it is, what they were, and where lanes are. */
import { randomInt } from "node:crypto";
import { hostKey, parseHostKey, type Sha } from "../core/model.ts";
import { AFTER_PUSH_MS, type Refs, type RefTip, type Suspect, type ToldPlace } from "../core/reconcile.ts";
import type { ClaimedRepository, Comparisons, ReconcileStore } from "../engine/reconcile-port.ts";
import type { PlanRecord } from "../engine/store-port.ts";
import { streamOf } from "../engine/streams.ts";
import { pack, unpack } from "./bodies.ts";
import { REPOSITORY_COLUMNS, toRepository } from "./build-rows.ts";
import type { StoreParts } from "./builds.ts";
import type { Sql } from "./database.ts";
import { storedStream } from "./journal.ts";
import { REPOSITORY_IS_PAUSED } from "./pause-rows.ts";
import {
  bytesOrNull,
  flag,
  integer,
  integerOrNull,
  json,
  marks,
  type Row,
  text,
  textOrNull,
  timeOrNull,
} from "./rows.ts";

const HOUR_MS = 60 * 60_000;
const DAY_MS = 24 * HOUR_MS;

/** Lanes asked for at a time; SQLite and PostgreSQL both bind more. */
const CHUNK = 500;

export function createComparisons({ database, clock }: StoreParts): ReconcileStore {
  return {
    async claimComparisons({ limit, leaseMs }) {
      const now = clock.now();
      const rows = await database.transaction(async (sql) => {
        const claim = (count: number) => sql.query(CLAIM_COMPARISONS, [now, now + leaseMs, count]);
        const claimed = [...(await claim(limit))];
        // All repositories are looked through while there is time for more: who comes in now has its turn behind these.
        if (claimed.length < limit && (await keepUp(sql, now))) claimed.push(...(await claim(limit - claimed.length)));
        if (claimed.length === 0) return [];
        const keys = claimed.map((row) => text(row, "repository"));
        return sql.query(
          `${CLAIMED} WHERE c.repository IN (${marks(1, keys.length)}) ORDER BY c.due_at, c.repository`,
          keys,
        );
      });
      // Unpacked after the transaction: nobody waits for many refs.
      return Promise.all(rows.map(toClaimed));
    },

    async endComparison(repository, attempt, { refs, suspects, dueAt, problem, found }) {
      const packed = refs === null ? null : await packRefs(refs);
      const key = hostKey(repository);
      return database.transaction(async (sql) => {
        const now = clock.now();
        const bind = [key, attempt, Math.ceil(dueAt), JSON.stringify(suspects), problem, now];
        if ((await sql.query(END, bind)).length === 0) return false;
        if (packed !== null) {
          await sql.query(
            `INSERT INTO compared_refs (repository, packed) VALUES ($1, $2)
             ON CONFLICT (repository) DO UPDATE SET packed = excluded.packed`,
            [key, packed],
          );
        }
        if (found > 0) await sql.query("INSERT INTO found_changes (found_at, changes) VALUES ($1, $2)", [now, found]);
        return true;
      });
    },

    async toldPlaces(repository, lanes) {
      const places = new Map<string, ToldPlace>();
      for (let from = 0; from < lanes.length; from += CHUNK) {
        const chunk = lanes.slice(from, from + CHUNK);
        const rows = await database.query(
          `SELECT ref, before_sha, after_sha, judged_sha, found FROM refs
           WHERE repository = $1 AND ref IN (${marks(2, chunk.length)})`,
          [hostKey(repository), ...chunk],
        );
        for (const row of rows) places.set(text(row, "ref"), toPlace(row));
      }
      return places;
    },

    async isAwaited(repository) {
      const [row] = await database.query("SELECT installation FROM repositories WHERE key = $1", [hostKey(repository)]);
      const covering = row === undefined ? null : textOrNull(row, "installation");
      const installation = covering === null ? null : parseHostKey(covering);
      if (installation === null) return false;
      const stream = storedStream({ ...repository, stream: streamOf(installation, repository) });
      return (await database.query(IS_AWAITED, [stream])).length > 0;
    },
  };
}

/** Repositories that are compared, `r` of installations `i`: those for which hosts may be called, and somebody can push to. */
const COMPARED = `repositories r JOIN installations i ON i.key = r.installation
    AND i.state = 'active' AND r.linked AND NOT r.archived AND NOT ${REPOSITORY_IS_PAUSED}`;

/**
 * What others lock or have leased is passed over, and so are those of whom nothing can be asked now. They are asked about one
 * by one in the order of time: joined, PostgreSQL would read all repositories of the only installation it knows of.
 */
export const CLAIM_COMPARISONS = `
  WITH next AS (
    SELECT c.repository FROM comparisons c
    WHERE c.due_at <= $1 AND c.lease_until <= $1 AND (SELECT COUNT(*) FROM ${COMPARED} WHERE r.key = c.repository) = 1
    ORDER BY c.due_at, c.repository LIMIT $3 FOR UPDATE OF c SKIP LOCKED
  )
  UPDATE comparisons SET lease_until = $2, attempt = attempt + 1, wanted_at = NULL
  WHERE repository IN (SELECT repository FROM next)
  RETURNING repository`;

/** The newest build is found by the index builds_repository. */
export const CLAIMED = `
  SELECT c.repository AS key, c.attempt, c.suspects, c.failures, c.used_at, p.packed, r.installation, ${REPOSITORY_COLUMNS}, (
    SELECT b.created_at FROM builds b WHERE b.repository = c.repository ORDER BY b.seq DESC LIMIT 1
  ) AS last_build_at
  FROM comparisons c JOIN repositories r ON r.key = c.repository
  LEFT JOIN compared_refs p ON p.repository = c.repository`;

/** Whoever lost the lease, or has ended it, changes nothing any more. */
const END = `
  UPDATE comparisons SET lease_until = 0, wanted_at = NULL, looked_at = $6, suspects = $4, problem = $5,
    due_at = CASE WHEN wanted_at < CAST($3 AS BIGINT) THEN wanted_at ELSE CAST($3 AS BIGINT) END,
    failures = CASE WHEN CAST($5 AS TEXT) IS NULL THEN 0 ELSE failures + 1 END,
    compared_at = CASE WHEN CAST($5 AS TEXT) IS NULL THEN CAST($6 AS BIGINT) ELSE compared_at END
  WHERE repository = $1 AND attempt = $2 AND lease_until > 0 RETURNING repository`;

export const IS_AWAITED = "SELECT id FROM deliveries WHERE outcome = 'pending' AND stream = $1 LIMIT 1";

/**
 * Forgets who is linked no more, and takes in who came. True: somebody came.
 */
async function keepUp(sql: Sql, now: number): Promise<boolean> {
  // Two at a time would both find the same to do.
  await sql.lock("claim comparisons");
  await sql.query(FORGET);
  // One that comes back begins at another number: who looked at it before is not who looks at it now.
  return (await sql.query(TAKE_IN, [now, randomInt(2 ** 32) * 2 ** 20])).length > 0;
}

export const FORGET = `
  DELETE FROM comparisons WHERE EXISTS (SELECT 1 FROM repositories r WHERE r.key = comparisons.repository AND NOT r.linked)`;

export const TAKE_IN = `
  INSERT INTO comparisons (repository, due_at, attempt)
  SELECT r.key, CAST($1 AS BIGINT), CAST($2 AS BIGINT) FROM ${COMPARED}
  WHERE NOT EXISTS (SELECT 1 FROM comparisons c WHERE c.repository = r.key)
  RETURNING repository`;

async function toClaimed(row: Row): Promise<ClaimedRepository> {
  const installation = parseHostKey(text(row, "installation"));
  if (installation === null) throw new TypeError(`no installation: ${text(row, "installation")}`);
  return {
    attempt: integer(row, "attempt"),
    installation,
    repository: toRepository(row),
    refs: await storedRefs(row),
    suspects: json<readonly Suspect[]>(row, "suspects"),
    lastUsedAt: latest(integerOrNull(row, "last_build_at"), integerOrNull(row, "used_at")),
    failures: integer(row, "failures"),
  };
}

function latest(one: number | null, other: number | null): number | null {
  return one === null || other === null ? (one ?? other) : Math.max(one, other);
}

/** Empty: it never was. NULL, as before it was recorded: where it is. */
export function judgedOf(row: Row): Sha | null {
  const judged = textOrNull(row, "judged_sha") ?? textOrNull(row, "after_sha");
  return judged === "" ? null : (judged as Sha | null);
}

function toPlace(row: Row): ToldPlace {
  return {
    before: textOrNull(row, "before_sha") as Sha | null,
    after: textOrNull(row, "after_sha") as Sha | null,
    judged: judgedOf(row),
    found: flag(row, "found"),
  };
}

/** A line for each: no ref has a line break in its name. Most lead to where they are. */
function packRefs(refs: Refs): Promise<Buffer> {
  const lines = [...refs].map(([ref, { object, commit }]) => `${object} ${object === commit ? "" : commit} ${ref}`);
  return pack(Buffer.from(lines.sort().join("\n"), "utf8"));
}

/** Null: there are none, or damaged ones, which are as good as none. */
async function storedRefs(row: Row): Promise<Refs | null> {
  const bytes = bytesOrNull(row, "packed");
  const stored = bytes === null ? null : await unpack({ bytes, packed: true });
  if (stored === null) return null;
  const refs = new Map<string, RefTip>();
  if (stored.length === 0) return refs;
  for (const line of stored.toString("utf8").split("\n")) {
    const first = line.indexOf(" ");
    const second = line.indexOf(" ", first + 1);
    // Written by packRefs only.
    const object = line.slice(0, first) as Sha;
    refs.set(line.slice(second + 1), { object, commit: (line.slice(first + 1, second) || object) as Sha });
  }
  return refs;
}

/**
 * After a push that was told, what was pushed with it is looked for. Not where a repository has no file of ours: nothing
 * would be built of what is found. Belongs into the transaction that records the plan.
 */
export async function lookSoon(
  sql: Sql,
  { repository, trigger, changes, found, plan }: PlanRecord,
  now: number,
): Promise<void> {
  const told = trigger === "event" && found !== true && changes.some(({ kind }) => kind !== "pull_request");
  const used =
    plan.requests.length + plan.held.length > 0 ||
    // Other skips say nothing of a file: nobody looked whether there is one.
    plan.skips.some(({ image, reason }) => image !== null || reason === "config-invalid");
  if (!told || !used) return;
  await sql.query(
    `UPDATE comparisons SET used_at = $3, due_at = CASE WHEN due_at < $2 THEN due_at ELSE CAST($2 AS BIGINT) END,
       wanted_at = CASE WHEN wanted_at < $2 THEN wanted_at ELSE CAST($2 AS BIGINT) END
     WHERE repository = $1`,
    [hostKey(repository), now + AFTER_PUSH_MS, now],
  );
}

export async function readComparisons(sql: Pick<Sql, "query">, now: number): Promise<Comparisons> {
  const [row] = await sql.query(COUNTS, [now - HOUR_MS, now - DAY_MS]);
  if (row === undefined) throw new Error("an aggregate answers one row");
  const [failing] = await sql.query(
    `SELECT c.problem FROM ${COMPARED} JOIN comparisons c ON c.repository = r.key
     WHERE c.problem IS NOT NULL ORDER BY c.looked_at DESC, c.repository LIMIT 1`,
  );
  return {
    repositories: integer(row, "repositories"),
    compared: integer(row, "compared"),
    late: integer(row, "late"),
    failing: integer(row, "failing"),
    problem: failing === undefined ? null : text(failing, "problem"),
    lastAt: timeOrNull(row, "last_at"),
    found: integer(row, "found"),
  };
}

const COUNTS = `
  SELECT COUNT(*) AS repositories, COUNT(c.compared_at) AS compared, MAX(c.compared_at) AS last_at,
    COUNT(CASE WHEN c.due_at < $1 THEN 1 END) AS late, COUNT(c.problem) AS failing,
    (SELECT COALESCE(SUM(f.changes), 0) FROM found_changes f WHERE f.found_at >= $2) AS found
  FROM ${COMPARED} LEFT JOIN comparisons c ON c.repository = r.key`;

/** What was found more than a day ago is not counted any more. */
export async function forgetFound(sql: Pick<Sql, "query">, now: number): Promise<void> {
  await sql.query("DELETE FROM found_changes WHERE found_at < $1", [now - DAY_MS]);
}
