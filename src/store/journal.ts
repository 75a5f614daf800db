import type { IncomingDelivery } from "../engine/ports.ts";
import type { Journal } from "../engine/store-port.ts";
import { type StoredBody, toStore } from "./bodies.ts";
import type { Database } from "./database.ts";
import { milliseconds, type Row, text, type Value } from "./rows.ts";

const COLUMNS = [
  "provider",
  "host",
  "delivery_id",
  "delivery_key",
  "event",
  "action",
  "stream",
  "repository_id",
  "repository_name",
  "installation_id",
  "received_at",
  "packed",
  "body",
] as const;

/** Rows in one statement: no more than this many statements are ever kept compiled, and larger ones gain nothing. */
const MAX_ROWS = 64;

/**
 * The hot path. One statement with many rows costs the ORM, the driver and the disk little more than one with a single
 * row, and it is a transaction by itself.
 */
export function createJournal(database: Database): Journal {
  return {
    async append(batch) {
      if (batch.length === 0) return [];
      const rows: Value[][] = [];
      for (const delivery of batch) rows.push(values(delivery, await toStore(delivery.body)));
      return positions(batch, await insert(database, rows));
    },
  };
}

function insert(database: Database, rows: readonly Value[][]): Promise<readonly Row[]> {
  if (rows.length <= MAX_ROWS) return database.prepared(statement(rows.length), rows.flat());
  return database.transaction(async (sql) => {
    const stored: Row[] = [];
    for (let from = 0; from < rows.length; from += MAX_ROWS) {
      const part = rows.slice(from, from + MAX_ROWS);
      stored.push(...(await sql.prepared(statement(part.length), part.flat())));
    }
    return stored;
  });
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

function values(delivery: IncomingDelivery, body: StoredBody): Value[] {
  return [
    delivery.provider,
    delivery.host,
    delivery.deliveryId,
    deliveryKey(delivery.deliveryId),
    delivery.event,
    delivery.action,
    // Ids are unique within one host only, and so are the streams made of them.
    `${delivery.provider}:${delivery.host}:${delivery.stream}`,
    delivery.repositoryId,
    delivery.repositoryName,
    delivery.installationId,
    milliseconds(delivery.receivedAt),
    body.packed,
    body.bytes,
  ];
}

/** By the number of rows less one. */
const STATEMENTS = Array.from({ length: MAX_ROWS }, (_, index) => insertion(index + 1));

function statement(rows: number): string {
  return STATEMENTS[rows - 1] ?? insertion(rows);
}

function insertion(rows: number): string {
  const tuples = Array.from({ length: rows }, (_, row) => {
    const first = row * COLUMNS.length + 1;
    return `(${COLUMNS.map((_name, index) => `$${first + index}`).join(",")})`;
  });
  return `INSERT INTO deliveries (${COLUMNS.join(", ")}) VALUES ${tuples.join(",")}
    ON CONFLICT DO NOTHING RETURNING provider, host, delivery_id`;
}

/** Databases promise no order for RETURNING, so rows are matched by identity; each stored row answers for its first place. */
function positions(batch: readonly IncomingDelivery[], stored: readonly Row[]): boolean[] {
  const fresh = new Set(
    stored.map((row) => identity(text(row, "provider"), text(row, "host"), text(row, "delivery_id"))),
  );
  return batch.map((delivery) => fresh.delete(identity(delivery.provider, delivery.host, delivery.deliveryId)));
}

function identity(provider: string, host: string, deliveryId: string): string {
  return `${provider}\n${host}\n${deliveryId}`;
}
