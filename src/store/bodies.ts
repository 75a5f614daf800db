import { promisify } from "node:util";
import { type BrotliOptions, brotliCompress, brotliCompressSync, brotliDecompress, constants } from "node:zlib";
import type { Sql } from "./database.ts";
import { bytesOrNull, flag, type Row } from "./rows.ts";

/**
 * Bodies are kept as they came while their delivery waits, and packed when it is done with: packing a push takes longer
 * than storing it, and whoever sent it waits for us. Large ones are packed at once, on another thread, for the disk's sake.
 */
export interface StoredBody {
  readonly bytes: Buffer;
  readonly packed: boolean;
}

// Quality 1 is the fastest setting that still brings a push to a fifth of its size.
const OPTIONS: BrotliOptions = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } };

const LARGE_BYTES = 64 * 1024;

/** Above what any entrance lets in; stops a damaged row from becoming gigabytes. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;

const compress = promisify<Buffer, BrotliOptions, Buffer>(brotliCompress);
const decompress = promisify<Buffer, BrotliOptions, Buffer>(brotliDecompress);

export function toStore(body: Buffer): StoredBody | Promise<StoredBody> {
  if (body.length <= LARGE_BYTES) return { bytes: body, packed: false };
  return pack(body).then((bytes) => ({ bytes, packed: true }));
}

/** On another thread. */
export function pack(bytes: Buffer): Promise<Buffer> {
  return compress(bytes, OPTIONS);
}

/** For the statement that ends a delivery: its body packed; null when there is nothing to change. */
export async function bodyToKeep(sql: Sql, delivery: number | null): Promise<Buffer | null> {
  const rows = await sql.query("SELECT body, packed FROM deliveries WHERE id = $1", [delivery]);
  const stored = rows[0] === undefined ? null : storedBody(rows[0]);
  return stored === null || stored.packed ? null : brotliCompressSync(stored.bytes, OPTIONS);
}

/** Of a row with the columns `body` and `packed`; null past retention. */
export function storedBody(row: Row): StoredBody | null {
  const bytes = bytesOrNull(row, "body");
  return bytes === null ? null : { bytes, packed: flag(row, "packed") };
}

/** The body as it came. Null when the bytes are damaged. */
export async function unpack({ bytes, packed }: StoredBody): Promise<Buffer | null> {
  if (!packed) return bytes;
  return decompress(bytes, { maxOutputLength: MAX_BODY_BYTES }).catch(() => null);
}
