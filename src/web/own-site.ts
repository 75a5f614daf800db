/** Whether an address or a request is of this site. */
import type { Request } from "express";

/** Longer ones are nobody's address of ours. */
const MAX_PATH = 2_000;

/** Where to go after signing in: only to ourselves, however browsers read slashes and backslashes, and not around in circles. */
export function localPath(value: unknown): string {
  const base = "http://local.invalid";
  if (typeof value !== "string" || value.length > MAX_PATH || !value.startsWith("/") || !URL.canParse(value, base)) {
    return "/";
  }
  const url = new URL(value, base);
  const ours = url.origin === base && !url.pathname.startsWith("//");
  const circle = /^\/auth\/(?!you$)/.test(url.pathname);
  return ours && !circle ? url.pathname + url.search : "/";
}

/** Browsers say where a request comes from in a header that no page can set. */
export function comesFromElsewhere(req: Request): boolean {
  return ["cross-site", "same-site"].includes(String(req.headers["sec-fetch-site"] ?? ""));
}
