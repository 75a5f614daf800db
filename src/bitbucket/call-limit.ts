import type { Clock } from "../engine/ports.ts";

const WINDOW_MS = 60_000;

/** How many unsigned calls a minute are looked at: of one sender, and of all together, which also bounds the memory. */
export interface CallLimits {
  readonly perSender: number;
  readonly inAll: number;
}

/** True: it may be looked at. Counts by the minute, because installs are rare and a burst of them harmless. */
export type CallLimit = (sender: string) => boolean;

export function createCallLimit(limits: CallLimits, clock: Clock): CallLimit {
  const counts = new Map<string, number>();
  let inAll = 0;
  let endsAt = 0;
  return (sender) => {
    const now = clock.now();
    if (now >= endsAt || endsAt - now > WINDOW_MS) {
      counts.clear();
      inAll = 0;
      endsAt = now + WINDOW_MS;
    }
    const count = counts.get(sender) ?? 0;
    // Whoever is refused does not use up what is there for the others.
    if (count >= limits.perSender || inAll >= limits.inAll) return false;
    counts.set(sender, count + 1);
    inAll += 1;
    return true;
  };
}
