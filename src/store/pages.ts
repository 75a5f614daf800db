import { BadCursor, type Page, type PageQuery } from "../engine/store-port.ts";
import { keyNumber } from "./rows.ts";

/**
 * Lists are read newest first, by an increasing key. A cursor names the last key of its page, so that rows added while
 * somebody turns pages neither repeat nor hide anything. `list` keeps a cursor of one list from being used with another.
 */
export function afterKey(list: string, cursor: string | null): number {
  if (cursor === null) return Number.MAX_SAFE_INTEGER;
  const [name, id, ...rest] = Buffer.from(cursor, "base64url").toString("latin1").split(":");
  const key = keyNumber(id ?? "");
  if (name !== list || key === null || rest.length > 0 || cursorOf(list, key) !== cursor) throw new BadCursor();
  return key;
}

function cursorOf(list: string, key: number): string {
  return Buffer.from(`${list}:${key}`, "latin1").toString("base64url");
}

/** Rows asked for: one more than shown, to know whether there is a next page. */
export function rowsWanted(query: PageQuery): number {
  return Math.min(100, Math.max(1, query.limit)) + 1;
}

export function page<T>(list: string, query: PageQuery, rows: readonly T[], keyOf: (row: T) => number): Page<T> {
  const items = rows.slice(0, rowsWanted(query) - 1);
  const last = items.at(-1);
  return { items, next: rows.length > items.length && last !== undefined ? cursorOf(list, keyOf(last)) : null };
}
