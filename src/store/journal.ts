import type { IncomingDelivery } from "../engine/ports.ts";
import type { Journal } from "../engine/store-port.ts";
import { lockKey } from "./attendance.ts";
import { toStore } from "./bodies.ts";
import type { Database, Sql } from "./database.ts";
import { storable } from "./postgres.ts";
import { type Row, text, type Value } from "./rows.ts";

const INTO = `INSERT INTO deliveries (
    body, packed, delivery_key, provider, host, delivery_id, event, action, stream,
    repository_id, repository_name, installation_id, received_at, turn
  )`;

/**
 * The hot path: one statement stores any number of deliveries, and is a transaction by itself. `$1` holds all bodies, one
 * after the other, and `$2` the rest as JSON, which the database takes apart on its own thread: binding fourteen values for
 * each delivery keeps the main thread busier than anything else between the parsed body and the answer. No bytes at all
 * reach the database as NULL.
 */
const SQLITE = `
  ${INTO}
  SELECT COALESCE(substr($1, row.value ->> 0, row.value ->> 1), x''), row.value ->> 2, unhex(row.value ->> 3),
    row.value ->> 4, row.value ->> 5, row.value ->> 6, row.value ->> 7, row.value ->> 8, row.value ->> 9,
    row.value ->> 10, row.value ->> 11, row.value ->> 12, row.value ->> 13, row.value ->> 14
  FROM json_each($2) row
  WHERE TRUE
  ON CONFLICT DO NOTHING
  RETURNING provider || char(10) || host || char(10) || delivery_id AS identity`;

/**
 * The same for PostgreSQL. Processes take turns, so that ids are visible in the order in which they grow: with a gap that
 * is filled later, the second delivery of a stream could be claimed before the first one is seen. What arrives in a process
 * while it waits goes into its next batch.
 */
const POSTGRES = `
  WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock(${lockKey("journal")}))
  ${INTO}
  SELECT substr(CAST($1 AS bytea), (row.value ->> 0)::int, (row.value ->> 1)::int), row.value ->> 2 = '1',
    decode(row.value ->> 3, 'hex'), row.value ->> 4, row.value ->> 5, row.value ->> 6, row.value ->> 7, row.value ->> 8,
    row.value ->> 9, row.value ->> 10, row.value ->> 11, row.value ->> 12, (row.value ->> 13)::bigint,
    (row.value ->> 14)::bigint
  FROM turn, jsonb_array_elements(CAST($2 AS jsonb)) WITH ORDINALITY AS row (value, place)
  ORDER BY row.place
  ON CONFLICT DO NOTHING
  RETURNING provider || chr(10) || host || chr(10) || delivery_id AS identity`;

export function createJournal(database: Database): Journal {
  return {
    async append(batch) {
      if (batch.length === 0) return [];
      const { statement, bind } = await journalStatement(database.dialect, batch);
      const missed = batch.filter((delivery) => delivery.missed !== undefined);
      if (missed.length === 0) return positions(batch, await database.prepared(statement, bind));
      return database.transaction(async (sql) => {
        const stored = positions(batch, await sql.prepared(statement, bind));
        for (const [index, delivery] of batch.entries()) if (stored[index]) await markMissed(sql, delivery);
        return stored;
      });
    },
  };
}

/** Few are: the statement of all others says nothing of it. */
async function markMissed(sql: Sql, { provider, host, deliveryId, missed }: IncomingDelivery): Promise<void> {
  if (missed === undefined) return;
  await sql.query(
    "UPDATE deliveries SET sent_at = $4, sent_status = $5 WHERE provider = $1 AND host = $2 AND delivery_key = $3",
    [provider, host, deliveryKey(deliveryId), missed.sentAt, missed.status],
  );
}

/** What stores a batch, by itself or as the end of a transaction. */
export async function journalStatement(
  dialect: Database["dialect"],
  batch: readonly IncomingDelivery[],
): Promise<{ readonly statement: string; readonly bind: readonly Value[] }> {
  const bodies: Buffer[] = [];
  const rows: unknown[][] = [];
  let start = 1;
  for (const delivery of batch) {
    const { bytes, packed } = await toStore(delivery.body);
    bodies.push(bytes);
    rows.push([start, bytes.length, packed ? 1 : 0, ...facts(delivery).map(storable)]);
    start += bytes.length;
  }
  const statement = dialect === "sqlite" ? SQLITE : POSTGRES;
  return { statement, bind: [Buffer.concat(bodies), JSON.stringify(rows)] };
}

const UUID_V1 = /^([0-9a-f]{8})-([0-9a-f]{4})-(1[0-9a-f]{3})-([0-9a-f]{4})-([0-9a-f]{12})$/;

/**
 * What tells deliveries apart, as bytes. GitHub's ids are UUIDs of version 1: a time whose fastest digits stand first.
 * With the slowest first (as in version 6) neighbours in time are neighbours in the index, and a batch writes one page of
 * it instead of one for each delivery. Such a key begins with a byte from 0x10 to 0x1f, which no other id does: ids are
 * printable ASCII.
 */
export function deliveryKey(id: string): Buffer {
  const [, low = "", mid = "", high = "", clock = "", node = ""] = UUID_V1.exec(id) ?? [];
  return high === "" ? Buffer.from(id, "utf8") : Buffer.from(high + mid + low + clock + node, "hex");
}

/** Ids are unique within one host only, and so are the streams made of them. */
export function storedStream({
  provider,
  host,
  stream,
}: Pick<IncomingDelivery, "provider" | "host" | "stream">): string {
  return `${provider}:${host}:${stream}`;
}

/** In the order of the statement above. */
function facts(delivery: IncomingDelivery): unknown[] {
  const { provider, host, deliveryId } = delivery;
  return [
    deliveryKey(deliveryId).toString("hex"),
    provider,
    host,
    deliveryId,
    delivery.event,
    delivery.action,
    storedStream(delivery),
    delivery.repositoryId,
    delivery.repositoryName,
    delivery.installationId,
    delivery.receivedAt,
    delivery.turn ?? delivery.receivedAt,
  ];
}

/** Databases promise no order for RETURNING, so rows are matched by identity; each stored row answers for its first place. */
function positions(batch: readonly IncomingDelivery[], stored: readonly Row[]): boolean[] {
  const fresh = new Set(stored.map((row) => text(row, "identity")));
  return batch.map(({ provider, host, deliveryId }) => fresh.delete(`${provider}\n${host}\n${deliveryId}`));
}
