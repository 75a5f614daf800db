import type { IncomingDelivery } from "./ports.ts";
import type { Journal } from "./store-port.ts";
import { createTurns } from "./turns.ts";

/**
 * What became of a delivery. `stored` and `known` are promises to the host: the delivery is durable. The others are not,
 * and the host must be told so:
 * `overloaded`  too much is waiting already; nothing was done with it.
 * `failed`      the journal could not store it.
 * `late`        the journal did not answer before the host gives up. The delivery stays in line and may still be stored:
 *               GitHub never sends it again by itself, so dropping it would lose a build, and whoever does send it again
 *               is answered `known`.
 */
export type Acceptance = "stored" | "known" | "overloaded" | "late" | "failed";

export interface Inbox {
  accept(delivery: IncomingDelivery): Promise<Acceptance>;
  /** Resolves when nothing waits and nothing is being stored. */
  drain(): Promise<void>;
  /** Deliveries that wait or are being stored. */
  depth(): number;
}

export interface InboxOptions {
  /** Deliveries stored together at most; default 256. */
  readonly maxBatch?: number;
  /** Deliveries waiting at most; default 4,096. */
  readonly maxQueue?: number;
  /** Bytes of their bodies; default 64 MiB. */
  readonly maxQueueBytes?: number;
  /** Milliseconds; default 8,000: below the 10 seconds after which GitHub and Bitbucket hang up. */
  readonly deadlineMs?: number;
  /** Called after each commit that stored something new. */
  readonly onStored?: () => void;
  /** Called with what the journal rejected with. */
  readonly onError?: (error: unknown) => void;
}

/** A batch of a few huge bodies would make everybody else wait for their commit. */
const MAX_BATCH_BYTES = 4 * 1024 * 1024;

interface Waiting {
  readonly delivery: IncomingDelivery;
  settle(acceptance: Acceptance): void;
}

/**
 * Group commit that adapts to the load: one write is in flight, and what arrives meanwhile is the next batch. An idle inbox
 * writes at once, a busy one writes more at a time; no timer makes anybody wait for company.
 */
export function createInbox(journal: Journal, options: InboxOptions = {}): Inbox {
  const { maxBatch = 256, maxQueue = 4096, maxQueueBytes = 64 * 1024 * 1024, deadlineMs = 8000 } = options;
  const turnOf = createTurns();
  let queue: Waiting[] = [];
  let queuedBytes = 0;
  let inFlight = 0;
  let writing: Promise<void> | null = null;

  function nextBatch(): readonly Waiting[] {
    let count = 0;
    let bytes = 0;
    for (const { delivery } of queue) {
      if (count === maxBatch || (count > 0 && bytes + delivery.body.length > MAX_BATCH_BYTES)) break;
      count += 1;
      bytes += delivery.body.length;
    }
    const batch = queue.slice(0, count);
    queue = queue.slice(count);
    queuedBytes -= bytes;
    return batch;
  }

  async function write(batch: readonly Waiting[]): Promise<void> {
    try {
      const stored = await journal.append(batch.map((waiting) => waiting.delivery));
      for (const [index, waiting] of batch.entries()) waiting.settle(acceptanceOf(stored[index]));
      if (stored.includes(true)) options.onStored?.();
    } catch (error) {
      for (const waiting of batch) waiting.settle("failed");
      options.onError?.(error);
    }
  }

  async function writeAll(): Promise<void> {
    // What arrived in the same turn of the event loop goes into the first batch.
    await new Promise((resolve) => setImmediate(resolve));
    while (queue.length > 0) {
      const batch = nextBatch();
      inFlight = batch.length;
      await write(batch);
      inFlight = 0;
    }
    writing = null;
  }

  return {
    accept(delivery) {
      const bytes = queuedBytes + delivery.body.length;
      if (queue.length >= maxQueue || bytes > maxQueueBytes) return Promise.resolve("overloaded");
      return new Promise((resolve) => {
        const deadline = setTimeout(() => resolve("late"), deadlineMs);
        queuedBytes = bytes;
        queue.push({
          delivery: { ...delivery, turn: turnOf(delivery) },
          settle: (acceptance) => {
            clearTimeout(deadline);
            resolve(acceptance);
          },
        });
        writing ??= writeAll();
      });
    },
    async drain() {
      while (writing !== null) await writing;
    },
    depth: () => queue.length + inFlight,
  };
}

/** A journal that answers for fewer deliveries than it was given broke its promise; the safe reading is "not stored". */
function acceptanceOf(stored: boolean | undefined): Acceptance {
  if (stored === undefined) return "failed";
  return stored ? "stored" : "known";
}
