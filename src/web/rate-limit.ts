/** How often one caller may ask: so many times a minute, at once or spread over it. */
import type { Response } from "express";
import type { Clock } from "../engine/ports.ts";
import { WebError } from "./errors.ts";

/** More callers than there are tokens in use at the same time. Those that are forgotten have a whole minute again. */
const MAX_CALLERS = 10_000;
const MINUTE_MS = 60 * 1_000;

/**
 * Counts a request of `caller`, says in the headers of the answer how many are left, and throws 429 where none is. Kept in
 * this process alone: several `serve` processes each count for themselves.
 */
export function createRateLimit(clock: Clock, perMinute: number): (caller: string, res: Response) => void {
  /** Milliseconds that each request takes from the minute a caller has, and that come back as time goes on. */
  const costs = MINUTE_MS / perMinute;
  const spent = new Map<string, { readonly ms: number; readonly at: number }>();
  return (caller, res) => {
    const now = clock.now();
    const before = spent.get(caller);
    // A clock that is set back gives nothing back, and takes nothing away.
    const owed = before === undefined ? 0 : Math.max(0, before.ms - Math.max(0, now - before.at));
    const passes = owed + costs <= MINUTE_MS;
    const ms = passes ? owed + costs : owed;
    // The one that asked last is the last to be forgotten.
    spent.delete(caller);
    if (spent.size >= MAX_CALLERS) forgetOldest(spent);
    spent.set(caller, { ms, at: now });
    // draft-ietf-httpapi-ratelimit-headers: `r` requests are left, `t` seconds until there are as many as can be.
    res.set({
      "RateLimit-Policy": `"token";q=${perMinute};w=${MINUTE_MS / 1_000}`,
      RateLimit: `"token";r=${Math.floor((MINUTE_MS - ms) / costs)};t=${Math.ceil(ms / 1_000)}`,
    });
    if (passes) return;
    const wait = Math.ceil((owed + costs - MINUTE_MS) / 1_000);
    const message = `This API token has asked more than ${perMinute} times a minute. Wait ${wait} s.`;
    throw new WebError(429, "too-many-requests", message, { "Retry-After": String(wait) });
  };
}

/** Maps keep the order of insertion. */
function forgetOldest(buckets: Map<string, unknown>): void {
  const oldest = buckets.keys().next();
  if (!oldest.done) buckets.delete(oldest.value);
}
