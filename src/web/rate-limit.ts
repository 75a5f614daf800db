/** How often one caller may ask: a bucket of requests that fills again all the time. */
import type { Response } from "express";
import type { Clock } from "../engine/ports.ts";
import { WebError } from "./errors.ts";

/** More callers than there are tokens in use at the same time. Those that are left out start with a full bucket. */
const MAX_CALLERS = 10_000;
const MINUTE_SECONDS = 60;

/**
 * Counts a request of `caller`, says in the headers of the answer how many are left, and throws 429 where none is. Kept in
 * this process alone: several `serve` processes each count for themselves.
 */
export function createRateLimit(clock: Clock, perMinute: number): (caller: string, res: Response) => void {
  const buckets = new Map<string, { readonly left: number; readonly at: number }>();
  const perMs = perMinute / (MINUTE_SECONDS * 1_000);
  return (caller, res) => {
    const now = clock.now();
    const kept = buckets.get(caller);
    // A clock that is set back fills nothing, and takes nothing away.
    const filled = kept === undefined ? perMinute : kept.left + Math.max(0, now - kept.at) * perMs;
    const full = Math.min(perMinute, filled);
    const left = full >= 1 ? full - 1 : full;
    // The one that asked last is the last to be forgotten.
    buckets.delete(caller);
    if (buckets.size >= MAX_CALLERS) forgetOldest(buckets);
    buckets.set(caller, { left, at: now });
    // draft-ietf-httpapi-ratelimit-headers: `r` requests are left, `t` seconds until there are as many as can be.
    const untilFull = Math.ceil((perMinute - left) / perMs / 1_000);
    res.set({
      "RateLimit-Policy": `"token";q=${perMinute};w=${MINUTE_SECONDS}`,
      RateLimit: `"token";r=${Math.floor(left)};t=${untilFull}`,
    });
    if (full >= 1) return;
    const wait = Math.max(1, Math.ceil((1 - full) / perMs / 1_000));
    const message = `This API token has asked more than ${perMinute} times a minute. Wait ${wait} s.`;
    throw new WebError(429, "too-many-requests", message, { "Retry-After": String(wait) });
  };
}

/** Maps keep the order of insertion. */
function forgetOldest(buckets: Map<string, unknown>): void {
  const oldest = buckets.keys().next();
  if (!oldest.done) buckets.delete(oldest.value);
}
