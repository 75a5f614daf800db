/** How often somebody may try something, by where they come from. */
import type { Request } from "express";
import type { Clock } from "../engine/ports.ts";

export interface Attempts {
  /** So many came from there within the time that no more is looked at. */
  tooMany(req: Request): boolean;
  add(req: Request): void;
}

const MAX_ADDRESSES = 10_000;

export function createAttempts({
  max,
  windowMs,
  clock,
}: {
  readonly max: number;
  readonly windowMs: number;
  readonly clock: Clock;
}): Attempts {
  const tried = new Map<string, { readonly count: number; readonly until: number }>();
  const current = (address: string) => {
    const found = tried.get(address);
    return found !== undefined && found.until > clock.now() ? found : { count: 0, until: clock.now() + windowMs };
  };
  return {
    tooMany: (req) => current(clientAddress(req)).count >= max,
    add(req) {
      const address = clientAddress(req);
      const { count, until } = current(address);
      // Maps keep the order of insertion: the oldest entry leaves first.
      const oldest = tried.keys().next();
      if (tried.size >= MAX_ADDRESSES && !oldest.done) tried.delete(oldest.value);
      tried.set(address, { count: count + 1, until });
    },
  };
}

/**
 * Where somebody is. Behind a proxy on this machine that is what the proxy appended last: otherwise a stranger's guesses
 * would lock out the operator. Who lies here gains some more guesses at a long random text.
 */
export function clientAddress(req: Request): string {
  const peer = req.socket.remoteAddress ?? "";
  const forwarded = req.headers["x-forwarded-for"];
  const last = String(forwarded ?? "")
    .split(",")
    .at(-1)
    ?.trim();
  return last && /^(?:127\.|::1$|::ffff:127\.)/.test(peer) ? last.slice(0, 64) : peer;
}
