import type { Failure, HostId } from "../core/model.ts";
import { hostKey, parseHostKey } from "../core/model.ts";
import type { OperationsStore, Standing, Waiting, Workload } from "../engine/operations-port.ts";
import type { StoreParts } from "./builds.ts";
import {
  flag,
  integer,
  integerOrNull,
  marks,
  milliseconds,
  type Row,
  text,
  textOrNull,
  time,
  timeOrNull,
} from "./rows.ts";

const HEARD_LOCK = "heard";

/** Deliveries looked at in one step: others get their turn in between. */
const CHUNK = 5_000;

/** Ids are given before their rows are seen by others: so many of those looked at last are looked at again. */
const OVERLAP = 1_000;

export function createOperations({ database, clock }: StoreParts): OperationsStore {
  return {
    async standings(installations) {
      if (installations.length === 0) return new Map();
      const keys = installations.map(hostKey);
      const these = marks(1, keys.length);
      return await database.reading(async (sql) => {
        const heard = await sql.query(
          `SELECT installation AS key, at FROM heard WHERE installation IN (${these})`,
          keys,
        );
        const deliveries = await sql.query(PENDING);
        const builds = await sql.query(
          `SELECT installation AS key, state, COUNT(*) AS count, MIN(created_at) AS oldest FROM builds
           WHERE state IN ('queued', 'running') AND installation IN (${these}) GROUP BY installation, state`,
          keys,
        );
        const checks = await sql.query(
          `SELECT DISTINCT r.installation AS key, COUNT(*) OVER whose AS count,
             FIRST_VALUE(c.changed_at) OVER whose_oldest AS oldest, FIRST_VALUE(c.note) OVER whose_oldest AS note
           FROM checks c JOIN repositories r ON r.key = c.repository
           WHERE c.revision > c.shown_revision AND r.installation IN (${these})
           WINDOW whose AS (PARTITION BY r.installation),
             whose_oldest AS (PARTITION BY r.installation ORDER BY c.changed_at, c.id)`,
          keys,
        );
        const queued = builds.filter((row) => text(row, "state") === "queued");
        const running = builds.filter((row) => text(row, "state") === "running");
        return new Map(
          keys.flatMap((key): [string, Standing][] => {
            const own = (rows: readonly Row[]) => rows.find((row) => text(row, "key") === key);
            const parts = [heard, deliveries, queued, running, checks].map(own);
            if (parts.every((row) => row === undefined)) return [];
            const [last, pending, waits, runs, due] = parts;
            return [
              [
                key,
                {
                  heard: last === undefined ? null : time(last, "at"),
                  deliveries: waiting(pending),
                  queued: waiting(waits),
                  running: runs === undefined ? 0 : integer(runs, "count"),
                  checks: { ...waiting(due), note: due === undefined ? null : textOrNull(due, "note") },
                },
              ],
            ];
          }),
        );
      });
    },

    async noteHeard() {
      for (let from: number | null = null; ; ) {
        const next: number | null = await database.transaction(async (sql) => {
          await sql.lock(HEARD_LOCK);
          const [ends] = await sql.query(
            "SELECT (SELECT MAX(delivery) FROM heard) AS noted, (SELECT MAX(id) FROM deliveries) AS last",
          );
          const last = ends === undefined ? null : integerOrNull(ends, "last");
          if (ends === undefined || last === null) return null;
          const begin: number = from ?? Math.max(0, (integerOrNull(ends, "noted") ?? 0) - OVERLAP);
          const end: number = Math.min(begin + CHUNK, last);
          await sql.query(NOTE, [begin, end]);
          return end < last ? end : null;
        });
        if (next === null) return;
        from = next;
      }
    },

    workload: (limit) =>
      database.reading(async (sql): Promise<Workload> => {
        const running = await sql.query(`${WORKLOAD} WHERE b.state = 'running' ORDER BY b.started_at, b.seq LIMIT $1`, [
          limit,
        ]);
        const queued = await sql.query(`${WORKLOAD} WHERE b.state = 'queued' ORDER BY b.seq LIMIT $1`, [limit]);
        const now = clock.now();
        return {
          running: running.map((row) => {
            const held = integer(row, "lease_until") > 0;
            return {
              ...named(row),
              phase: text(row, "phase") === "build" ? "building" : "publishing",
              worker: textOrNull(row, "worker"),
              attempt: integer(row, "attempt"),
              startedAt: timeOrNull(row, "started_at"),
              leaseUntil: held ? time(row, "lease_until") : null,
              stopping: flag(row, "cancel_requested"),
            };
          }),
          waiting: queued.map((row) => ({
            ...named(row),
            createdAt: time(row, "created_at"),
            notBefore: integer(row, "not_before") > now ? time(row, "not_before") : null,
          })),
        };
      }),

    async failures(since) {
      const rows = await database.query(
        `SELECT failure_class, COUNT(*) AS count FROM builds WHERE failure IS NOT NULL AND finished_at >= $1
         GROUP BY failure_class ORDER BY COUNT(*) DESC, failure_class`,
        [milliseconds(since)],
      );
      // Written by finishBuild only.
      return rows.map((row) => ({
        class: text(row, "failure_class") as Failure["class"],
        count: integer(row, "count"),
      }));
    },
  };
}

/** Of all installations: what waits is in an index of its own, and in ordinary times there is little of it. */
const PENDING = `
  SELECT provider || ':' || host || ':' || installation_id AS key, COUNT(*) AS count, MIN(received_at) AS oldest
  FROM deliveries WHERE outcome = 'pending' AND installation_id IS NOT NULL GROUP BY provider, host, installation_id`;

/** Copies that we journalled ourselves say nothing of the host. */
const NOTE = `
  INSERT INTO heard (installation, at, delivery)
  SELECT provider || ':' || host || ':' || installation_id, MAX(received_at), MAX(id) FROM deliveries
  WHERE id > $1 AND id <= $2 AND installation_id IS NOT NULL AND event NOT LIKE 'wharfinger.%'
    AND id NOT IN (SELECT copy FROM replays)
  GROUP BY provider, host, installation_id
  ON CONFLICT (installation) DO UPDATE SET at = excluded.at, delivery = excluded.delivery
    WHERE excluded.delivery > heard.delivery`;

const WORKLOAD = `
  SELECT b.id, b.full_image, b.installation, b.phase, b.worker, b.attempt, b.started_at, b.lease_until,
    b.cancel_requested, b.created_at, b.not_before, r.full_name
  FROM builds b JOIN repositories r ON r.key = b.repository`;

function waiting(row: Row | undefined): Waiting {
  return row === undefined
    ? { count: 0, oldest: null }
    : { count: integer(row, "count"), oldest: timeOrNull(row, "oldest") };
}

function named(row: Row): { id: string; image: string; repository: string; installation: HostId } {
  const installation = parseHostKey(text(row, "installation"));
  if (installation === null) throw new TypeError(`no installation: ${text(row, "installation")}`);
  return { id: text(row, "id"), image: text(row, "full_image"), repository: text(row, "full_name"), installation };
}
