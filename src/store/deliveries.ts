import type { Sha } from "../core/model.ts";
import type { Clock } from "../engine/ports.ts";
import type { ClaimedDelivery, Decision, Delivery, DeliveryOutcome, Store } from "../engine/store-port.ts";
import { bodyToKeep, storedBody, unpack } from "./bodies.ts";
import type { Database, Sql } from "./database.ts";
import { deliveryKey } from "./journal.ts";
import { afterKey, page, rowsWanted } from "./pages.ts";
import { COPY_PREFIX, originalsOf } from "./replays.ts";
import {
  integer,
  integerOrNull,
  key,
  keyNumber,
  marks,
  milliseconds,
  type Row,
  text,
  textOrNull,
  time,
  type Value,
} from "./rows.ts";
import { storedTrace } from "./traces.ts";

type Deliveries = Pick<
  Store,
  | "claimDeliveries"
  | "recordIgnored"
  | "postponeDelivery"
  | "getDelivery"
  | "findDelivery"
  | "deliveryBody"
  | "listDeliveries"
>;

/** All columns but the body and the trace, which are large. */
const COLUMNS = `id, provider, host, delivery_id, event, action, repository_id, repository_name, installation_id,
  received_at, outcome, note, attempts, sent_at, sent_status`;

export function createDeliveries(database: Database, clock: Clock): Deliveries {
  async function one(where: string, bind: readonly Value[]): Promise<Delivery | null> {
    const { rows, delivery } = await database.reading(async (sql) => {
      const found = await sql.query(`SELECT ${COLUMNS}, trace FROM deliveries WHERE ${where} LIMIT 1`, bind);
      return { rows: found, delivery: (await readDeliveries(sql, found))[0] };
    });
    return rows[0] === undefined || delivery === undefined ? null : { ...delivery, trace: await storedTrace(rows[0]) };
  }

  async function end(deliveryId: string, outcome: "applied" | "ignored" | "failed", note: string): Promise<void> {
    const id = keyNumber(deliveryId);
    await database.transaction(async (sql) => {
      await sql.query(
        `UPDATE deliveries SET outcome = $2, note = $3, lease_until = 0, body = COALESCE($4, body), packed = TRUE
         WHERE id = $1 AND outcome = 'pending'`,
        [id, outcome, note, await bodyToKeep(sql, id)],
      );
    });
  }

  return {
    async claimDeliveries({ limit, leaseMs }) {
      const now = clock.now();
      const claimed = await database.transaction(async (sql) => {
        const rows = await sql.query(CLAIM_DELIVERIES, [now, now + leaseMs, limit]);
        const deliveries = await readDeliveries(sql, inOrder(rows));
        const copies = rows.filter((row) => text(row, "delivery_id").startsWith(COPY_PREFIX));
        const originals = await originalsOf(
          sql,
          copies.map((row) => integer(row, "id")),
        );
        return inOrder(rows).map((row, index) => {
          return { delivery: deliveries[index], stored: storedBody(row), replayOf: originals.get(key(row, "id")) };
        });
      });
      // Unpacked after the transaction: nobody waits for a large body.
      const ready: ClaimedDelivery[] = [];
      for (const { delivery, stored, replayOf } of claimed) {
        if (delivery === undefined) throw new Error("a claimed row was not read");
        const body = stored === null ? null : await unpack(stored);
        // Given up at once: as the oldest of its stream it would be claimed first for ever, and hold up all others.
        if (body === null) await end(delivery.id, "failed", "The stored body is missing or damaged.");
        else ready.push({ delivery, body, ...(replayOf !== undefined && { replayOf }) });
      }
      return ready;
    },

    recordIgnored: end,

    async postponeDelivery(deliveryId, notBefore, note) {
      await database.query(
        "UPDATE deliveries SET not_before = $2, note = $3, lease_until = 0 WHERE id = $1 AND outcome = 'pending'",
        [keyNumber(deliveryId), milliseconds(notBefore), note],
      );
    },

    getDelivery: (id) => one("id = $1", [keyNumber(id)]),

    // A host's id may look like one of ours: ours wins.
    findDelivery: (id) =>
      one("id = $1 OR delivery_key = $2 ORDER BY CASE WHEN id = $1 THEN 0 ELSE 1 END, id DESC", [
        keyNumber(id),
        deliveryKey(id),
      ]),

    async deliveryBody(id) {
      const rows = await database.query("SELECT body, packed FROM deliveries WHERE id = $1", [keyNumber(id)]);
      const stored = rows[0] === undefined ? null : storedBody(rows[0]);
      return stored === null ? null : unpack(stored);
    },

    listDeliveries({ installation, installations = installation && [installation], ...query }) {
      const whose = installations?.flatMap(({ provider, host, id }) => [provider, host, id]) ?? [];
      const each = installations?.map((_, index) => {
        const at = 3 * index + 3;
        return `(provider = $${at} AND host = $${at + 1} AND installation_id = $${at + 2})`;
      });
      const of = each === undefined ? "" : `AND (${each.join(" OR ") || "1 = 0"})`;
      return database.reading(async (sql) => {
        const rows = await sql.query(
          `SELECT ${COLUMNS} FROM deliveries WHERE id < $1 ${of} ORDER BY id DESC LIMIT $2`,
          [afterKey("deliveries", query.cursor), rowsWanted(query), ...whose],
        );
        return page("deliveries", query, await readDeliveries(sql, rows), (delivery) => Number(delivery.id));
      });
    },
  };
}

/**
 * In the order of their turns, which keeps one installation's flood from holding up the others (engine/turns.ts).
 * Only the oldest unfinished delivery of a stream is claimable, so a postponed one holds back those behind it. That holds
 * beside others too: what they lock or have just leased is passed over, and never makes a younger one the oldest.
 */
export const CLAIM_DELIVERIES = `
  WITH next AS (
    SELECT d.id FROM deliveries d
    WHERE d.outcome = 'pending' AND d.not_before <= $1 AND d.lease_until <= $1
      AND NOT EXISTS (
        SELECT 1 FROM deliveries older
        WHERE older.outcome = 'pending' AND older.stream = d.stream AND older.id < d.id
      )
    ORDER BY d.turn, d.id LIMIT $3 FOR UPDATE OF d SKIP LOCKED
  )
  UPDATE deliveries SET lease_until = $2, attempts = attempts + 1
  WHERE id IN (SELECT id FROM next)
  RETURNING ${COLUMNS}, body, packed`;

function inOrder(rows: readonly Row[]): readonly Row[] {
  return rows.toSorted((a, b) => integer(a, "id") - integer(b, "id"));
}

/** Deliveries of the rows, in the same order, each with its decisions and builds, and without its trace. */
async function readDeliveries(sql: Sql, rows: readonly Row[]): Promise<readonly Delivery[]> {
  if (rows.length === 0) return [];
  const ids = rows.map((row) => integer(row, "id"));
  const list = marks(1, ids.length);
  const decisions = byDelivery(
    await sql.query(`SELECT * FROM decisions WHERE delivery IN (${list}) ORDER BY delivery, position`, ids),
  );
  const builds = byDelivery(
    await sql.query(`SELECT id, delivery FROM builds WHERE delivery IN (${list}) ORDER BY seq`, ids),
  );
  return rows.map((row) => {
    const id = key(row, "id");
    return {
      id,
      // Written from IncomingDelivery and recordPlan only.
      provider: text(row, "provider") as Delivery["provider"],
      host: text(row, "host"),
      deliveryId: text(row, "delivery_id"),
      event: text(row, "event"),
      action: textOrNull(row, "action"),
      repositoryId: textOrNull(row, "repository_id"),
      repositoryName: textOrNull(row, "repository_name"),
      installationId: textOrNull(row, "installation_id"),
      receivedAt: time(row, "received_at"),
      outcome: text(row, "outcome") as DeliveryOutcome,
      note: textOrNull(row, "note"),
      attempts: integer(row, "attempts"),
      ...(row["sent_at"] !== null && {
        missed: { sentAt: time(row, "sent_at"), status: integerOrNull(row, "sent_status") },
      }),
      builds: (builds.get(id) ?? []).map((build) => text(build, "id")),
      decisions: (decisions.get(id) ?? []).map(readDecision),
      trace: [],
    };
  });
}

function byDelivery(rows: readonly Row[]): ReadonlyMap<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const group = groups.get(key(row, "delivery"));
    if (group === undefined) groups.set(key(row, "delivery"), [row]);
    else group.push(row);
  }
  return groups;
}

function readDecision(row: Row): Decision {
  return {
    ref: textOrNull(row, "ref"),
    sha: textOrNull(row, "sha") as Sha | null,
    image: textOrNull(row, "image"),
    rule: textOrNull(row, "rule"),
    build: textOrNull(row, "build"),
    reason: textOrNull(row, "reason"),
    detail: text(row, "detail"),
  };
}
