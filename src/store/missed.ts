import { BUILD_ORDER } from "../core/build-order.ts";
import { hostKey, type Sha } from "../core/model.ts";
import type { ClaimedLook, MissedLook, MissedStore } from "../engine/missed-port.ts";
import type { StoreParts } from "./builds.ts";
import type { Sql } from "./database.ts";
import { deliveryKey } from "./journal.ts";
import { SAYS_WHERE } from "./replays.ts";
import { flag, integer, integerOrNull, keyNumber, marks, type Row, text, textOrNull, timeOrNull } from "./rows.ts";

const DAY_MS = 24 * 60 * 60 * 1_000;

export function createMissedRows({ database, clock }: StoreParts): MissedStore {
  return {
    async unknownDeliveries({ provider, host, ids }) {
      if (ids.length === 0) return new Set();
      const rows = await database.query(
        `SELECT delivery_id FROM deliveries
         WHERE provider = $1 AND host = $2 AND delivery_key IN (${marks(3, ids.length)})`,
        [provider, host, ...ids.map(deliveryKey)],
      );
      const known = new Set(rows.map((row) => text(row, "delivery_id")));
      return new Set(ids.filter((id) => !known.has(id)));
    },

    async claimLook({ provider, host }, { leaseMs, gapMs }) {
      const now = clock.now();
      const [row] = await database.query(
        `INSERT INTO missed_looks (provider, host, begun_at, lease_until, attempt) VALUES ($1, $2, $3, $4, 1)
         ON CONFLICT (provider, host) DO UPDATE
           SET begun_at = excluded.begun_at, lease_until = excluded.lease_until, attempt = missed_looks.attempt + 1
         WHERE missed_looks.lease_until <= $3 AND missed_looks.not_before <= $3 AND missed_looks.begun_at <= $5
         RETURNING attempt, reached, problem`,
        [provider, host, now, now + leaseMs, now - gapMs],
      );
      return row === undefined ? null : toClaimed(row);
    },

    async holdLook({ provider, host }, attempt, { leaseMs, reached }) {
      const rows = await database.query(
        `UPDATE missed_looks SET lease_until = $4, reached = ${FURTHER} ${HELD} RETURNING attempt`,
        [provider, host, attempt, clock.now() + leaseMs, reached],
      );
      return rows.length > 0;
    },

    async endLook({ provider, host }, attempt, { reached, complete, problem, notBefore }) {
      const now = clock.now();
      await database.query(
        `UPDATE missed_looks SET lease_until = 0, reached = ${FURTHER}, not_before = $4, problem = $6,
           looked_at = COALESCE(CAST($7 AS BIGINT), looked_at) ${HELD}`,
        [provider, host, attempt, notBefore ?? 0, reached, problem, complete ? now : null],
      );
    },

    async missedTries({ provider, host }) {
      const rows = await database.query(
        "SELECT delivery_id, tries, not_before FROM missed_tries WHERE provider = $1 AND host = $2",
        [provider, host],
      );
      return new Map(
        rows.map((row) => [
          text(row, "delivery_id"),
          { tries: integer(row, "tries"), notBefore: integerOrNull(row, "not_before") },
        ]),
      );
    },

    async recordMissedTry({ provider, host, attempt, notBefore }) {
      await database.query(
        `INSERT INTO missed_tries (provider, host, delivery_id, sent_at, tries, tried_at, not_before)
         VALUES ($1, $2, $3, $4, 1, $5, $6)
         ON CONFLICT (provider, host, delivery_id) DO UPDATE
           SET tries = missed_tries.tries + 1, tried_at = excluded.tried_at, not_before = excluded.not_before`,
        [provider, host, attempt.deliveryId, attempt.sentAt, clock.now(), notBefore],
      );
    },

    async lanesBeside(delivery, repository, lanes) {
      if (lanes.length === 0) return new Map();
      const rows = await database.query(
        `SELECT r.ref, r.before_sha, r.after_sha, r.found, EXISTS (
           SELECT 1 FROM decisions d JOIN deliveries e ON e.id = d.delivery
           WHERE d.repository = r.repository AND d.lane = r.ref AND ${SAYS_WHERE}
             AND COALESCE(e.sent_at, e.received_at) > (SELECT l.sent_at FROM deliveries l WHERE l.id = $2)
             AND e.event <> '${BUILD_ORDER}' AND NOT EXISTS (SELECT 1 FROM replays p WHERE p.copy = e.id)
         ) AS later
         FROM refs r WHERE r.repository = $1 AND r.ref IN (${marks(3, lanes.length)})`,
        [hostKey(repository), keyNumber(delivery), ...lanes],
      );
      return new Map(
        rows.map((row) => [
          text(row, "ref"),
          {
            before: textOrNull(row, "before_sha") as Sha | null,
            after: textOrNull(row, "after_sha") as Sha | null,
            later: flag(row, "later"),
            found: flag(row, "found"),
          },
        ]),
      );
    },
  };
}

/** Whoever lost the lease changes nothing any more. */
const HELD = "WHERE provider = $1 AND host = $2 AND attempt = $3";

const FURTHER = `CASE WHEN CAST($5 AS BIGINT) IS NULL OR reached >= CAST($5 AS BIGINT) THEN reached
  ELSE CAST($5 AS BIGINT) END`;

function toClaimed(row: Row): ClaimedLook {
  return {
    attempt: integer(row, "attempt"),
    reached: integerOrNull(row, "reached"),
    problem: textOrNull(row, "problem"),
  };
}

/** Of hosts that somebody looked at within the last day: others are not set up here any more. */
export async function readLooks(sql: Pick<Sql, "query">, now: number): Promise<readonly MissedLook[]> {
  const rows = await sql.query(
    `SELECT l.provider, l.host, l.looked_at, l.problem,
       (SELECT COUNT(*) FROM deliveries d WHERE d.sent_at IS NOT NULL AND d.received_at >= $1
          AND d.provider = l.provider AND d.host = l.host) AS fetched,
       (SELECT COUNT(*) FROM missed_tries t WHERE t.not_before IS NULL AND t.tried_at >= $1
          AND t.provider = l.provider AND t.host = l.host) AS lost
     FROM missed_looks l WHERE l.begun_at >= $1 ORDER BY l.provider DESC, l.host`,
    [now - DAY_MS],
  );
  return rows.map((row) => ({
    // Written by claimLook only.
    provider: text(row, "provider") as MissedLook["provider"],
    host: text(row, "host"),
    lookedAt: timeOrNull(row, "looked_at"),
    problem: textOrNull(row, "problem"),
    fetched: integer(row, "fetched"),
    lost: integer(row, "lost"),
  }));
}

/** Longer than any host keeps what it could not deliver. */
const KEPT_MS = 8 * DAY_MS;

export async function forgetTries(sql: Pick<Sql, "query">, now: number): Promise<void> {
  await sql.query("DELETE FROM missed_tries WHERE sent_at < $1", [now - KEPT_MS]);
}
