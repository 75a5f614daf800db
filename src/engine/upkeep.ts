import { isoTime } from "./loop.ts";
import type { Clock, Logger } from "./ports.ts";
import type { Store } from "./store-port.ts";

const DAY_MS = 24 * 60 * 60 * 1_000;

/** Forgets what is past its retention. `step` answers false: the loop around it sets the pace. */
export function createUpkeep(options: {
  readonly store: Pick<Store, "prune">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly bodiesDays: number;
  readonly deliveriesDays: number;
}): { step(): Promise<boolean> } {
  return {
    async step() {
      const now = options.clock.now();
      const changed = await options.store.prune({
        bodiesBefore: isoTime(now - options.bodiesDays * DAY_MS),
        deliveriesBefore: isoTime(now - options.deliveriesDays * DAY_MS),
      });
      if (changed > 0) options.log.info({ changed }, "forgot what is past its retention");
      return false;
    },
  };
}
