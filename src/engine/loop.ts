import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "./ports.ts";

/** Something that works as long as there is work, and sleeps until woken or until `idleMs` have passed. */
export interface Loop {
  /** There may be work now. Cheap; may be called from anywhere, any number of times. */
  wake(): void;
  /** No new step begins; resolves when the step under way has ended. */
  stop(): Promise<void>;
}

/**
 * Runs `step` again and again. A step answers true when it found work, so that the next follows at once. A step that
 * throws is logged and tried again after a second: one bad row or a database that is away must not end the loop.
 */
export function startLoop(options: {
  readonly name: string;
  readonly idleMs: number;
  readonly log: Logger;
  step(): Promise<boolean>;
}): Loop {
  let stopping = false;
  let woken = false;
  let sleep = new AbortController();

  async function pause(ms: number): Promise<void> {
    if (woken || stopping) return;
    sleep = new AbortController();
    await delay(ms, undefined, { signal: sleep.signal }).catch((error: unknown) => {
      if (!sleep.signal.aborted) throw error;
    });
  }

  async function run(): Promise<void> {
    while (!stopping) {
      woken = false;
      try {
        if (!(await options.step())) await pause(options.idleMs);
      } catch (error) {
        options.log.error({ err: error, loop: options.name }, "step failed");
        woken = false;
        await pause(1_000);
      }
    }
  }

  const running = run();
  return {
    wake() {
      woken = true;
      sleep.abort();
    },
    async stop() {
      stopping = true;
      sleep.abort();
      await running;
    },
  };
}

/** Milliseconds to wait before try number `attempt + 1`: doubling from `first`, at most `longest`. */
export function backoff(attempt: number, first: number, longest: number): number {
  return Math.min(longest, first * 2 ** Math.min(30, Math.max(0, attempt - 1)));
}

export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
