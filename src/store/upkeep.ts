import type { BuildState } from "../core/model.ts";
import type { Store } from "../engine/ports.ts";
import type { StoreParts } from "./builds.ts";
import type { Database } from "./database.ts";
import { integer, milliseconds, type Row, text, timeOrNull } from "./rows.ts";

/** Rows changed between two chances for others to write: deleting a month at once would hold up every delivery. */
const CHUNK = 500;

export function createUpkeep({
  database,
  clock,
}: StoreParts): Pick<Store, "takeOver" | "stats" | "prune" | "ping" | "close"> {
  return {
    takeOver: () =>
      database.transaction(async (sql) => {
        const now = clock.now();
        await sql.query("UPDATE deliveries SET lease_until = 0 WHERE outcome = 'pending' AND lease_until > $1", [now]);
        await sql.query("UPDATE builds SET lease_until = 0 WHERE state = 'running' AND lease_until > $1", [now]);
        await sql.query("UPDATE checks SET lease_until = 0 WHERE lease_until > $1", [now]);
      }),

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
        };
      }),

    async prune({ bodiesBefore, deliveriesBefore }) {
      const deleted = await inChunks(
        database,
        `DELETE FROM deliveries WHERE id IN (
           SELECT d.id FROM deliveries d
           WHERE d.received_at < $1 AND d.outcome <> 'pending' AND NOT EXISTS (
             SELECT 1 FROM builds b WHERE b.delivery = d.id AND b.state IN ('queued', 'running', 'held'))
           ORDER BY d.received_at LIMIT ${CHUNK}) RETURNING id`,
        milliseconds(deliveriesBefore),
      );
      const emptied = await inChunks(
        database,
        `UPDATE deliveries SET body = NULL WHERE id IN (
           SELECT d.id FROM deliveries d
           WHERE d.received_at < $1 AND d.outcome <> 'pending' AND d.body IS NOT NULL
           ORDER BY d.received_at LIMIT ${CHUNK}) RETURNING id`,
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

async function inChunks(database: Database, statement: string, before: number): Promise<number> {
  let total = 0;
  for (;;) {
    const changed = (await database.query(statement, [before])).length;
    total += changed;
    if (changed < CHUNK) return total;
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
