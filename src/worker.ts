/** The working half: claims builds and has them built. */
import { hostname } from "node:os";
import { createExchange } from "./engine/credentials.ts";
import { createDispatcher } from "./engine/dispatch.ts";
import { createFurtherAccess } from "./engine/further-repositories.ts";
import { type Loop, startLoop } from "./engine/loop.ts";
import type { Builder, Clock, Host, Logger, LogStore } from "./engine/ports.ts";
import type { Registries } from "./engine/registries.ts";
import { createRequestVerifier } from "./engine/signing.ts";
import type { Store } from "./engine/store-port.ts";
import { withVariables } from "./engine/variables.ts";
import type { VariableStore } from "./engine/variables-port.ts";

/** How long a silent worker keeps a build. */
export const LEASE_MS = 15_000;
/** How long builds under way may go on once a stop was asked for. */
export const STOP_GRACE_MS = 10_000;
/** In-process wakes and announcements make loops start at once; this is for work that becomes due by time. */
export const POLL_MS = 1_000;

export interface WorkerParts {
  readonly store: Store & Pick<VariableStore, "variablesOf">;
  readonly logs: LogStore;
  readonly builder: Builder;
  readonly hosts: readonly { readonly host: Host }[];
  readonly registries: Pick<Registries, "signIn">;
  /** Public keys (PEM) of those who sign requests. */
  requestKeys(): Promise<readonly string[]>;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface WorkerSettings {
  readonly concurrency: number;
  readonly leaseMs?: number;
}

export interface Worker {
  /** There may be builds to begin. */
  wake(): void;
  running(): number;
  /** Nothing new begins; what is under way may finish for `graceMs`, and is handed back then. */
  stop(graceMs: number): Promise<void>;
}

/** Who did this, in leases and logs. */
export const WORKER_NAME = `${hostname()}:${process.pid}`;

export function startWorker(
  parts: WorkerParts,
  settings: WorkerSettings,
  events: Pick<Parameters<typeof createDispatcher>[0], "onChange" | "onEnd">,
): Worker {
  const { store, logs, builder, clock, log } = parts;
  const leaseMs = settings.leaseMs ?? LEASE_MS;
  // Not only when something is built again: there are secrets among what a killed program leaves.
  builder.sweep?.().catch((error: unknown) => log.error({ err: error }, "what killed builds left was not removed"));
  const dispatcher = createDispatcher({
    ...events,
    store,
    logs,
    builder,
    // Read for each build: the service may have got a new key since this process began.
    verify: async (request) => createRequestVerifier(await parts.requestKeys())(request),
    exchange: withVariables(
      createExchange({
        hosts: parts.hosts.map((one) => one.host),
        registries: parts.registries,
        further: createFurtherAccess({ store, log }),
      }),
      store,
    ),
    clock,
    log,
    worker: WORKER_NAME,
    concurrency: settings.concurrency,
    leaseMs,
    heartbeatMs: leaseMs / 3,
    onChange() {
      loop?.wake();
      events.onChange();
    },
  });
  let loop: Loop | null = null;
  loop = startLoop({ name: "dispatch", idleMs: POLL_MS, log, step: dispatcher.step });
  return {
    wake: () => loop?.wake(),
    running: dispatcher.running,
    async stop(graceMs) {
      await loop?.stop();
      await dispatcher.stop(graceMs);
    },
  };
}

/** `wharfinger work`: this half alone, in a process of its own. Takes over `parts.store` and closes it at the end. */
export async function startWork(
  parts: WorkerParts,
  settings: WorkerSettings & { readonly stopGraceMs?: number },
): Promise<{ stop(): Promise<void> }> {
  const { store, log, builder } = parts;
  const worker = startWorker(parts, settings, { onChange: () => undefined });
  const forget = store.onChange((topic) => {
    if (topic === "builds") worker.wake();
  });
  log.info({ builder: builder.name, concurrency: settings.concurrency, worker: WORKER_NAME }, "working");
  let stopped: Promise<void> | null = null;
  async function shutDown(): Promise<void> {
    log.info({ running: worker.running() }, "stopping");
    forget();
    await worker.stop(settings.stopGraceMs ?? STOP_GRACE_MS);
    await store.close();
    log.info({}, "stopped");
  }
  return {
    stop() {
      stopped ??= shutDown();
      return stopped;
    },
  };
}
