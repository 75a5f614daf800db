/** Keeps a build's lease while somebody works on it, and the list of what was done. */
import type { BuildStep } from "../core/model.ts";
import { isoTime } from "./loop.ts";
import type { Clock, Logger } from "./ports.ts";
import type { Store } from "./store-port.ts";

export interface Steps {
  begin(name: string): void;
  end(): void;
  /** The steps so far; the last one is open until the next begins. */
  list(): readonly BuildStep[];
}

/** `before`: steps of those who worked on the build earlier. */
export function createSteps(clock: Clock, before: readonly BuildStep[] = []): Steps {
  let steps: readonly BuildStep[] = before;
  return {
    begin(name) {
      const now = isoTime(clock.now());
      steps = [...closeLast(steps, now), { name, startedAt: now, finishedAt: null }];
    },
    end() {
      steps = closeLast(steps, isoTime(clock.now()));
    },
    list: () => steps,
  };
}

function closeLast(steps: readonly BuildStep[], at: string): BuildStep[] {
  return steps.map((step) => (step.finishedAt === null ? { ...step, finishedAt: at } : step));
}

/** Aborts `stop` with `cancel` when somebody asked for it, and with `lost` when the lease is, or may be, somebody else's. */
export function startHeartbeat(
  {
    id,
    attempt,
    steps,
    stop,
  }: {
    readonly id: string;
    readonly attempt: number;
    readonly steps: Steps;
    readonly stop: AbortController;
  },
  options: {
    readonly store: Pick<Store, "heartbeat">;
    readonly clock: Clock;
    readonly log: Logger;
    readonly leaseMs: number;
    readonly heartbeatMs: number;
    /** False: it is too late to cancel, so go on. Default true. */
    readonly heedCancel?: boolean;
  },
): { stop(): Promise<void> } {
  const { store, clock, log, leaseMs } = options;
  let heldUntil = clock.now() + leaseMs;
  let beating: Promise<void> | null = null;

  async function beat(): Promise<void> {
    const asked = clock.now();
    try {
      const state = await store.heartbeat(id, attempt, leaseMs, steps.list());
      if (state === "held" || (state === "cancel" && options.heedCancel === false)) heldUntil = asked + leaseMs;
      else if (!stop.signal.aborted) stop.abort(state === "cancel" ? "cancel" : "lost");
    } catch (error) {
      log.warn({ err: error, build: id }, "heartbeat failed");
      // Without a lease another worker may be building the same thing by now.
      if (clock.now() > heldUntil && !stop.signal.aborted) stop.abort("lost");
    }
  }

  const timer = setInterval(() => {
    // A slow database must not be asked twice at a time.
    beating ??= beat().finally(() => {
      beating = null;
    });
  }, options.heartbeatMs);
  return {
    async stop() {
      clearInterval(timer);
      await beating;
    },
  };
}
