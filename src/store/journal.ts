import type { IncomingDelivery, Journal } from "../engine/ports.ts";
import { packBody } from "./bodies.ts";
import type { Database } from "./database.ts";
import { milliseconds, type Row, text, type Value } from "./rows.ts";

const COLUMNS = [
  "provider",
  "host",
  "delivery_id",
  "event",
  "action",
  "stream",
  "repository_id",
  "repository_name",
  "installation_id",
  "received_at",
  "body",
] as const;

/** Rows in one statement. The driver finds each bound value by name, so its cost grows with the square of their number. */
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
      for (const delivery of batch) rows.push(values(delivery, await packBody(delivery.body)));
      return positions(batch, await insert(database, rows));
    },
  };
}

function insert(database: Database, rows: readonly Value[][]): Promise<readonly Row[]> {
  if (rows.length <= MAX_ROWS) return database.query(statement(rows.length), rows.flat());
  return database.transaction(async (sql) => {
    const stored: Row[] = [];
    for (let from = 0; from < rows.length; from += MAX_ROWS) {
      const part = rows.slice(from, from + MAX_ROWS);
      stored.push(...(await sql.query(statement(part.length), part.flat())));
    }
    return stored;
  });
}

function values(delivery: IncomingDelivery, body: Buffer): Value[] {
  return [
    delivery.provider,
    delivery.host,
    delivery.deliveryId,
    delivery.event,
    delivery.action,
    // Ids are unique within one host only, and so are the streams made of them.
    `${delivery.provider}:${delivery.host}:${delivery.stream}`,
    delivery.repositoryId,
    delivery.repositoryName,
    delivery.installationId,
    milliseconds(delivery.receivedAt),
    body,
  ];
}

function statement(rows: number): string {
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
