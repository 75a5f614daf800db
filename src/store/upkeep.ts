import type { BuildState } from "../core/model.ts";
import type { Store } from "../engine/store-port.ts";
import type { StoreParts } from "./builds.ts";
import { forgetFound, readComparisons } from "./comparisons.ts";
import type { Database } from "./database.ts";
import { forgetTries, readLooks } from "./missed.ts";
import { integer, integerOrNull, milliseconds, type Row, text, timeOrNull } from "./rows.ts";

/** Rows changed between two chances for others to write: deleting a month at once would hold up every delivery. */
const CHUNK = 500;

export function createUpkeep({
  database,
  clock,
}: StoreParts): Pick<Store, "takeOver" | "stats" | "prune" | "ping" | "close"> {
  return {
    async takeOver() {
      // Leases of processes that live are theirs. Two that start at once take each other for one that lives; what was
      // leased before then waits until its leases end.
      if (!(await database.alone())) return;
      const now = clock.now();
      await database.transaction(async (sql) => {
        await sql.query("UPDATE deliveries SET lease_until = 0 WHERE outcome = 'pending' AND lease_until > $1", [now]);
        await sql.query("UPDATE builds SET lease_until = 0 WHERE state = 'running' AND lease_until > $1", [now]);
        await sql.query("UPDATE checks SET lease_until = 0 WHERE lease_until > $1", [now]);
        await sql.query("UPDATE connect_candidates SET lease_until = 0 WHERE lease_until > $1", [now]);
        await sql.query("UPDATE missed_looks SET lease_until = 0 WHERE lease_until > $1", [now]);
        await sql.query("UPDATE comparisons SET lease_until = 0 WHERE lease_until > $1", [now]);
      });
    },

    stats: () =>
      database.reading(async (sql) => {
        const deliveries = await sql.query(
          "SELECT COUNT(*) AS pending, MIN(received_at) AS oldest FROM deliveries WHERE outcome = 'pending'",
        );
        const states = await sql.query("SELECT state, COUNT(*) AS count FROM builds GROUP BY state");
        const queued = await sql.query("SELECT MIN(created_at) AS oldest FROM builds WHERE state = 'queued'");
        const due = await sql.query("SELECT COUNT(*) AS count FROM checks WHERE revision > shown_revision");
        return {
          deliveriesPending: integer(only(deliveries), "pending"),
          oldestPending: timeOrNull(only(deliveries), "oldest"),
          builds: countStates(states),
          oldestQueued: timeOrNull(only(queued), "oldest"),
          checksDue: integer(only(due), "count"),
          missed: await readLooks(sql, clock.now()),
          comparisons: await readComparisons(sql, clock.now()),
        };
      }),

    async prune({ bodiesBefore, deliveriesBefore }) {
      await forgetTries(database, clock.now());
      await forgetFound(database, clock.now());
      const deleted = await inChunks(
        database,
        `DELETE FROM deliveries WHERE id > $2 AND id <= $3 AND received_at < $1 AND outcome <> 'pending' AND NOT EXISTS (
           SELECT 1 FROM builds b WHERE b.delivery = deliveries.id AND b.state IN ('queued', 'running', 'held'))
         RETURNING id`,
        milliseconds(deliveriesBefore),
      );
      const emptied = await inChunks(
        database,
        `UPDATE deliveries SET body = NULL
         WHERE id > $2 AND id <= $3 AND received_at < $1 AND outcome <> 'pending' AND body IS NOT NULL RETURNING id`,
        milliseconds(bodiesBefore),
      );
      return deleted + emptied;
    },

    async ping() {
      await database.query("UPDATE pulse SET at = $1", [clock.now()]);
    },

    close: () => database.close(),
  };
}

/**
 * Walks the deliveries from the oldest on, a chunk at a time, as long as they are old enough. Ids grow with the time of
 * arrival, so there is no need for an index of times: that would cost each delivery on its way in.
 */
async function inChunks(database: Database, statement: string, before: number): Promise<number> {
  let total = 0;
  for (let from = 0; ; ) {
    const ends = await database.query(
      `SELECT MAX(c.id) AS last, MIN(c.received_at) AS oldest
       FROM (SELECT id, received_at FROM deliveries WHERE id > $1 ORDER BY id LIMIT ${CHUNK}) c`,
      [from],
    );
    const last = integerOrNull(only(ends), "last");
    if (last === null || integer(only(ends), "oldest") >= before) return total;
    total += (await database.query(statement, [before, from, last])).length;
    from = last;
  }
}

function countStates(rows: readonly Row[]): Record<BuildState, number> {
  const counts: Record<BuildState, number> = {
    queued: 0,
    running: 0,
    succeeded: 0,
    failed: 0,
    canceled: 0,
    superseded: 0,
    timed_out: 0,
    held: 0,
  };
  for (const row of rows) counts[text(row, "state") as BuildState] = integer(row, "count");
  return counts;
}

function only(rows: readonly Row[]): Row {
  const row = rows[0];
  if (row === undefined) throw new Error("an aggregate answers one row");
  return row;
}
