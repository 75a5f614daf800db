/** How often the API may be called: the hourly allowance, and the limits on bursts that GitHub calls secondary. */
import type { InjectedAnswer, SecondaryLimits } from "./contract.ts";
import { Refusal } from "./refusal.ts";
import type { InstallationToken, State } from "./state.ts";

/** As GitHub documents them. */
export const GITHUB_LIMITS: SecondaryLimits = { pointsPerMinute: 900, creationsPerMinute: 80, concurrent: 100 };

/** Calls an installation, or the app itself, may make in an hour. */
export const HOURLY_LIMIT = 5000;

const HOUR = 60 * 60 * 1000;
const MINUTE = 60 * 1000;
/** What a call costs, in points. */
const READING = 1;
const WRITING = 5;

export interface Allowance {
  /** Calls counted in the present hour, which began with the first of them. */
  used: number;
  endsAt: number;
  /** Calls of the last minute, oldest first. */
  readonly recent: { readonly at: number; readonly points: number; readonly creates: boolean }[];
  underway: number;
}

/** Who calls. Tokens of one installation share its allowance, the app has one of its own. */
export type Caller = InstallationToken | "app";

function keyOf(caller: Caller): number {
  return caller === "app" ? 0 : caller.installation.id;
}

/** `key`: the installation's id; 0 is the app. */
export function allowanceOf(state: State, key: number): Allowance {
  const now = state.now();
  const known = state.allowances.get(key);
  if (known !== undefined) {
    if (known.endsAt <= now) Object.assign(known, { used: 0, endsAt: now + HOUR });
    return known;
  }
  const made: Allowance = { used: 0, endsAt: now + HOUR, recent: [], underway: 0 };
  state.allowances.set(key, made);
  return made;
}

/** Takes one call off the allowance. */
export function count(state: State, caller: Caller): void {
  allowanceOf(state, keyOf(caller)).used += 1;
}

/** Refuses a call that is over a limit; otherwise it is under way until the answer calls `leave`. */
export function enter(state: State, caller: Caller, method: string): { leave(): void } {
  const allowance = allowanceOf(state, keyOf(caller));
  if (state.hourlyLimit !== null && allowance.used >= state.hourlyLimit) {
    const who = caller === "app" ? "app" : `installation ID ${caller.installation.id}`;
    throw new Refusal(403, `API rate limit exceeded for ${who}.`);
  }
  if (state.secondaryLimits !== null) holdToBursts(state.secondaryLimits, allowance, method, state.now());
  allowance.underway += 1;
  return {
    leave() {
      allowance.underway -= 1;
    },
  };
}

function holdToBursts(limits: SecondaryLimits, allowance: Allowance, method: string, now: number): void {
  const { recent } = allowance;
  while (recent[0] !== undefined && recent[0].at <= now - MINUTE) recent.shift();
  const call = { at: now, points: method === "GET" ? READING : WRITING, creates: method === "POST" };
  const points = recent.reduce((sum, item) => sum + item.points, call.points);
  const creations = recent.filter((item) => item.creates).length + (call.creates ? 1 : 0);
  const over =
    points > limits.pointsPerMinute || creations > limits.creationsPerMinute || allowance.underway >= limits.concurrent;
  if (over) {
    const clear = recent[0] === undefined ? MINUTE : recent[0].at + MINUTE - now;
    const { status, headers, message } = secondaryLimit({ retryAfter: Math.max(1, Math.ceil(clear / 1000)) });
    throw new Refusal(status, message, { headers });
  }
  recent.push(call);
}

/**
 * The answer of a secondary limit, to be injected. It comes as 403 or as 429, and does not always say for how long
 * (`retryAfter` in seconds; null: not said). Nothing of it shows in the hourly allowance.
 */
export function secondaryLimit({
  status = 403,
  retryAfter = null,
}: {
  readonly status?: 403 | 429;
  readonly retryAfter?: number | null;
} = {}): InjectedAnswer & { readonly message: string; readonly headers: Readonly<Record<string, string>> } {
  const message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
  return {
    status,
    message,
    headers: retryAfter === null ? {} : { "retry-after": String(retryAfter) },
    body: { message, documentation_url: "https://docs.github.com/rest", status: String(status) },
  };
}

export interface Rate {
  readonly limit: number;
  readonly remaining: number;
  /** Seconds since 1970. */
  readonly reset: number;
  readonly used: number;
}

/** Null where no limit is kept, as on most enterprise servers. */
export function rateOf(state: State, caller: Caller): Rate | null {
  const limit = state.hourlyLimit;
  if (limit === null) return null;
  const { used, endsAt } = allowanceOf(state, keyOf(caller));
  return { limit, remaining: Math.max(0, limit - used), reset: Math.ceil(endsAt / 1000), used };
}

export function rateHeaders(rate: Rate | null): Record<string, string> {
  if (rate === null) return {};
  return {
    "x-ratelimit-limit": String(rate.limit),
    "x-ratelimit-remaining": String(rate.remaining),
    "x-ratelimit-reset": String(rate.reset),
    "x-ratelimit-used": String(rate.used),
    "x-ratelimit-resource": "core",
  };
}
