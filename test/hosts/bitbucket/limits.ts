/** How often the API may be called: so many calls of repositories in a rolling hour, per identity. */
import { Refusal } from "./refusal.ts";
import type { State, TokenState } from "./state.ts";

/** Calls of `/2.0/repositories/…` an identity may make in an hour, and those nobody signed. */
export const HOURLY_LIMIT = 1000;
const ANONYMOUS_LIMIT = 60;

const HOUR = 60 * 60 * 1000;

export function isLimited(pathname: string): boolean {
  return pathname.startsWith("/2.0/repositories");
}

function limitOf(state: State, token: TokenState | null): number | null {
  if (token === null) return state.hourlyLimit === null ? null : ANONYMOUS_LIMIT;
  return token.hourlyLimit ?? state.hourlyLimit;
}

/** Times of the calls of the last hour, oldest first. */
function recentOf(state: State, identity: string): number[] {
  const recent = state.allowances.get(identity) ?? [];
  state.allowances.set(identity, recent);
  while (recent[0] !== undefined && recent[0] <= state.now() - HOUR) recent.shift();
  return recent;
}

function identityOf(token: TokenState | null): string {
  return token?.identity ?? "anonymous";
}

/** Takes one call off the allowance, or refuses it. */
export function enter(state: State, token: TokenState | null): void {
  const limit = limitOf(state, token);
  const recent = recentOf(state, identityOf(token));
  if (limit !== null && recent.length >= limit) {
    throw new Refusal(429, "Rate limit for this resource has been exceeded");
  }
  recent.push(state.now());
}

/** Uses up what is left: of an access token, or of an install by its client key. */
export function exhaust(state: State, identity: string): void {
  const limit = state.tokens.get(identity)?.hourlyLimit ?? state.hourlyLimit;
  if (limit === null) throw new Error("this host keeps no hourly limit");
  const recent = recentOf(state, identity);
  while (recent.length < limit) recent.push(state.now());
}

/** Only access tokens are told. */
export function rateHeaders(state: State, token: TokenState | null): Record<string, string> {
  const limit = limitOf(state, token);
  if (token?.kind !== "access" || limit === null) return {};
  const left = limit - recentOf(state, identityOf(token)).length;
  return {
    "x-ratelimit-limit": String(limit),
    "x-ratelimit-resource": "api",
    "x-ratelimit-nearlimit": String(left < limit * 0.2),
  };
}
