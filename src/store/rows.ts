/**
 * Rows as they come from the driver, read into words. Databases disagree about types (a BIGINT is a number in SQLite and
 * a string in PostgreSQL, a boolean is 0 or 1 in SQLite), so every column is read through one of these. A column of another
 * type than the schema says is a bug and throws.
 */
export type Row = Readonly<Record<string, unknown>>;

/** What may be bound to a statement. */
export type Value = string | number | boolean | Buffer | null;

function wrong(row: Row, column: string, wanted: string): TypeError {
  return new TypeError(`column ${column} holds ${typeof row[column]}, not ${wanted}`);
}

export function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value === "string") return value;
  throw wrong(row, column, "text");
}

export function textOrNull(row: Row, column: string): string | null {
  return row[column] === null ? null : text(row, column);
}

export function integer(row: Row, column: string): number {
  const value = typeof row[column] === "string" ? Number(row[column]) : row[column];
  if (typeof value === "number" && Number.isSafeInteger(value)) return value;
  throw wrong(row, column, "an integer");
}

export function integerOrNull(row: Row, column: string): number | null {
  return row[column] === null ? null : integer(row, column);
}

/** An integer key, shown as a string: ids are strings everywhere outside this folder. */
export function key(row: Row, column: string): string {
  return String(integer(row, column));
}

export function flag(row: Row, column: string): boolean {
  const value = row[column];
  if (value === true || value === 1) return true;
  if (value === false || value === 0) return false;
  throw wrong(row, column, "a boolean");
}

export function bytesOrNull(row: Row, column: string): Buffer | null {
  const value = row[column];
  if (value === null || Buffer.isBuffer(value)) return value;
  throw wrong(row, column, "bytes");
}

/** Times are kept as milliseconds since 1970 and shown as ISO 8601. */
export function time(row: Row, column: string): string {
  return new Date(integer(row, column)).toISOString();
}

export function timeOrNull(row: Row, column: string): string | null {
  return row[column] === null ? null : time(row, column);
}

/** JSON this program wrote itself; that is why its shape is believed. */
export function json<T>(row: Row, column: string): T {
  return JSON.parse(text(row, column)) as T;
}

export function jsonOrNull<T>(row: Row, column: string): T | null {
  return row[column] === null ? null : json<T>(row, column);
}

/** Milliseconds of an ISO time. Throws on anything else: a time that reads as NaN would make a lease eternal. */
export function milliseconds(iso: string): number {
  const value = Date.parse(iso);
  if (Number.isNaN(value)) throw new RangeError(`not a time: ${iso}`);
  return value;
}

/** The number in a key shown as a string, or null when it can not be one. */
export function keyNumber(id: string): number | null {
  const value = /^[1-9][0-9]{0,15}$/.test(id) ? Number(id) : Number.NaN;
  return Number.isSafeInteger(value) ? value : null;
}

/** `$from, $from+1, …` for a list of `count` bound values. */
export function marks(from: number, count: number): string {
  return Array.from({ length: count }, (_, index) => `$${from + index}`).join(", ");
}
