/** Several pieces of leased work at the same time. */
import type { Logger } from "./ports.ts";

export interface Crew {
  /** Starts one piece of work if there is room and one waits; answers whether it did. */
  step(): Promise<boolean>;
  /** Pieces under way. */
  running(): number;
  /**
   * Nothing starts any more. What is under way may finish for `graceMs`; what still runs then is aborted with `shutdown`
   * and waited for.
   */
  stop(graceMs: number): Promise<void>;
}

export function createCrew<T>(options: {
  readonly size: number;
  readonly log: Logger;
  claim(): Promise<T | null>;
  work(claimed: T, stop: AbortController): Promise<void>;
  /** Called when a piece began and when it ended. */
  onChange(): void;
}): Crew {
  const underWay = new Map<Promise<void>, AbortController>();
  let stopping = false;

  return {
    async step() {
      if (stopping || underWay.size >= options.size) return false;
      const claimed = await options.claim();
      if (claimed === null) return false;
      const stop = new AbortController();
      const work = options
        .work(claimed, stop)
        .catch((error: unknown) => options.log.error({ err: error }, "work failed; its lease ends by itself"))
        .finally(() => {
          underWay.delete(work);
          options.onChange();
        });
      underWay.set(work, stop);
      options.onChange();
      return true;
    },
    running: () => underWay.size,
    async stop(graceMs) {
      stopping = true;
      const all = Promise.all(underWay.keys());
      let timer: NodeJS.Timeout | undefined;
      const patience = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, graceMs);
      });
      await Promise.race([all, patience]);
      clearTimeout(timer);
      for (const controller of underWay.values()) if (!controller.signal.aborted) controller.abort("shutdown");
      await all;
    },
  };
}
