import type { Failure, HostId } from "../core/model.ts";
import { hostKey, parseHostKey } from "../core/model.ts";
import type { OperationsStore, Standing, Waiting, Workload } from "../engine/operations-port.ts";
import type { StoreParts } from "./builds.ts";
import { flag, integer, marks, milliseconds, type Row, text, textOrNull, time, timeOrNull } from "./rows.ts";

export function createOperations({ database, clock }: StoreParts): OperationsStore {
  return {
    async standings(installations) {
      if (installations.length === 0) return new Map();
      const keys = installations.map(hostKey);
      const these = marks(1, keys.length);
      return await database.reading(async (sql) => {
        const heard = await sql.query(`${HEARD} WHERE i.key IN (${these})`, keys);
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
                  heard: last === undefined ? null : timeOrNull(last, "heard"),
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

/** Copies that we journalled ourselves, and what people here asked for, say nothing of the host. */
export const HEARD = `
  SELECT i.key, (
    SELECT d.received_at FROM deliveries d
    WHERE d.provider = i.provider AND d.host = i.host AND d.installation_id = i.id
      AND d.event NOT LIKE 'wharfinger.%' AND NOT EXISTS (SELECT 1 FROM replays r WHERE r.copy = d.id)
    ORDER BY d.id DESC LIMIT 1
  ) AS heard FROM installations i`;

/**
 * Of all installations, by the index of what waits, of which there is little in ordinary times. Grouped by what no index has
 * in order: SQLite would read every delivery there is, to save itself the sorting.
 */
export const PENDING = `
  SELECT provider || ':' || host || ':' || installation_id AS key, COUNT(*) AS count, MIN(received_at) AS oldest
  FROM deliveries WHERE outcome = 'pending' AND installation_id IS NOT NULL
  GROUP BY provider || ':' || host || ':' || installation_id`;

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
