import type { Request } from "express";
import type { Page } from "../engine/store-port.ts";

/** Addresses of the pages beside one of a list; null: there is none. Filters stay. */
export function paging(
  path: string,
  req: Request,
  found: Page<unknown>,
): { readonly older: string | null; readonly newest: string | null } {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(req.query)) {
    // Fields of a form that were left empty say nothing.
    if (name !== "cursor" && typeof value === "string" && value !== "") query.set(name, value);
  }
  const newest = query.size === 0 ? path : `${path}?${query}`;
  if (found.next !== null) query.set("cursor", found.next);
  return {
    older: found.next === null ? null : `${path}?${query}`,
    newest: req.query["cursor"] === undefined ? null : newest,
  };
}
