import { createHash } from "node:crypto";
import type { Clock } from "../engine/ports.ts";

/** Bounds guessing at access tokens. */
export interface SignInGuard {
  /**
   * What `verify` answers, or why it was not asked: `wrong`: it said no to the very same a moment ago; `slow-down`: too
   * many different wrong ones came from there, and this one was not seen to be right before.
   */
  ask<T>(from: string, username: string, password: string, verify: () => Promise<T | null>): Promise<T | Refused>;
}

export type Refused = "wrong" | "slow-down";

/** Different wrong ones that one address may send in a minute. */
export const MAX_WRONG = 20;
const WINDOW_MS = 60_000;
const MAX_ADDRESSES = 5_000;
const MAX_RIGHT = 10_000;

interface Address {
  readonly until: number;
  /** By digest. `asked`: the answer is not there yet. */
  readonly credentials: Map<string, "asked" | "wrong">;
}

/**
 * By the address guesses come from, and so that nobody there who is in the right is kept out for long. A cluster whose nodes
 * go on with a token that was revoked sends the same wrong one a thousand times: that counts as one, and is answered
 * from memory. What was right before is looked at whatever else comes from its address. Only digests are kept.
 */
export function createSignInGuard(clock: Clock): SignInGuard {
  const addresses = new Map<string, Address>();
  const right = new Set<string>();

  function addressOf(from: string): Address {
    const found = addresses.get(from);
    if (found !== undefined && found.until > clock.now()) return found;
    const fresh: Address = { until: clock.now() + WINDOW_MS, credentials: new Map() };
    addresses.delete(from);
    makeRoom(addresses, MAX_ADDRESSES);
    addresses.set(from, fresh);
    return fresh;
  }

  return {
    async ask(from, username, password, verify) {
      const credential = digest(username, password);
      const { credentials } = addressOf(from);
      const known = credentials.get(credential);
      if (known === "wrong") return "wrong";
      if (known === undefined && credentials.size >= MAX_WRONG && !right.has(credential)) return "slow-down";
      credentials.set(credential, "asked");
      try {
        const answer = await verify();
        right.delete(credential);
        if (answer === null) {
          credentials.set(credential, "wrong");
          return "wrong";
        }
        credentials.delete(credential);
        makeRoom(right, MAX_RIGHT);
        right.add(credential);
        return answer;
      } catch (error) {
        // Neither right nor wrong: nobody could tell.
        credentials.delete(credential);
        throw error;
      }
    },
  };
}

function digest(username: string, password: string): string {
  return createHash("sha256").update(`${username}:${password}`).digest("base64url");
}

/** Maps and sets keep the order of insertion: the oldest entry leaves first. */
function makeRoom(kept: Pick<Map<string, unknown> | Set<string>, "size" | "keys" | "delete">, max: number): void {
  const oldest = kept.keys().next();
  if (kept.size >= max && !oldest.done) kept.delete(oldest.value);
}
