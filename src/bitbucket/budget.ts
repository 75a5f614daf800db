import type { Clock } from "../engine/ports.ts";

/**
 * Calls per rolling hour, kept for each grant by itself: Bitbucket counts so, and whoever goes on asking after it said no
 * is locked out for longer. What other processes use is not seen here; the 429 that then comes counts for all that follow.
 */
export interface Budget {
  /** Counts one call. Seconds to wait instead, when there is none left. */
  take(key: string, use: "read" | "write"): number | null;
  /** Bitbucket's own word on how many there are. */
  setLimit(key: string, perHour: number): void;
  /** Bitbucket said to wait. */
  pause(key: string, seconds: number): void;
  /** Calls that may be made now, of how many in an hour; null: none was made. */
  left(key: string): { readonly limit: number; readonly left: number } | null;
}

/** What a Connect app gets, and an access token in a small workspace. */
const PER_HOUR = 1_000;

/** Beyond what Bitbucket gives anyone; a larger word is not believed. */
const MAX_PER_HOUR = 10_000;

/** What reading may use. Builds that are done must be able to say so, and nobody waits for a push's plan as much. */
const READING_SHARE = 0.9;

const HOUR_MS = 60 * 60_000;

interface Account {
  /** When the calls of the last hour were made, oldest first; milliseconds since 1970. */
  readonly times: number[];
  limit: number;
  pausedUntil: number;
}

export function createBudget({ clock }: { readonly clock: Clock }): Budget {
  const accounts = new Map<string, Account>();

  function accountOf(key: string): Account {
    const account = accounts.get(key) ?? { times: [], limit: PER_HOUR, pausedUntil: 0 };
    accounts.set(key, account);
    return account;
  }

  return {
    take(key, use) {
      const now = clock.now();
      const account = accountOf(key);
      if (account.pausedUntil > now) return secondsUntil(account.pausedUntil, now);
      dropBefore(account.times, now - HOUR_MS);
      const allowed = use === "write" ? account.limit : Math.ceil(account.limit * READING_SHARE);
      // The call that has to leave the hour before there is room for this one.
      const inTheWay = account.times[account.times.length - allowed];
      if (inTheWay !== undefined) return secondsUntil(inTheWay + HOUR_MS, now);
      account.times.push(now);
      return null;
    },
    setLimit(key, perHour) {
      if (Number.isSafeInteger(perHour) && perHour >= 1) accountOf(key).limit = Math.min(perHour, MAX_PER_HOUR);
    },
    pause(key, seconds) {
      const account = accountOf(key);
      account.pausedUntil = Math.max(account.pausedUntil, clock.now() + seconds * 1_000);
    },
    left(key) {
      const account = accounts.get(key);
      if (account === undefined) return null;
      const { limit, times, pausedUntil } = account;
      const now = clock.now();
      const used = times.filter((time) => time > now - HOUR_MS).length;
      return { limit, left: pausedUntil > now ? 0 : Math.max(0, limit - used) };
    },
  };
}

/** Those at `end`, too. */
function dropBefore(times: number[], end: number): void {
  const kept = times.findIndex((time) => time > end);
  times.splice(0, kept === -1 ? times.length : kept);
}

function secondsUntil(time: number, now: number): number {
  return Math.max(Math.ceil((time - now) / 1_000), 1);
}
