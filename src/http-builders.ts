/** Builders that come over HTTP: the desk that serves them, and the offers that call them. */
import type { BuildRequest, SignedRequest } from "./core/build-request.ts";
import { type BuilderDesk, createBuilderDesk } from "./engine/builder-desk.ts";
import { createOutsideExchange } from "./engine/credentials.ts";
import { createFurtherAccess } from "./engine/further-repositories.ts";
import { isoTime, type Loop, startLoop } from "./engine/loop.ts";
import { createOffers } from "./engine/offers.ts";
import type { Clock, Host, Logger, LogStore, OfferSender } from "./engine/ports.ts";
import type { Registries } from "./engine/registries.ts";
import type { SettleOptions } from "./engine/settle.ts";
import type { Store } from "./engine/store-port.ts";
import { withVariables } from "./engine/variables.ts";
import type { VariableStore } from "./engine/variables-port.ts";
import type { BuilderDoor } from "./web/builder.ts";
import { POLL_MS } from "./worker.ts";

export interface HttpBuilderParts {
  /** Whoever has it may claim builds. */
  readonly token: string;
  /** Endpoints that are told of builds that wait. */
  readonly urls: readonly string[];
  readonly sender: OfferSender;
}

export interface HttpBuilders {
  readonly door: BuilderDoor;
  /** Who asked for builds since the start, the last first. Times are ISO 8601, UTC. */
  asked(): readonly { readonly address: string; readonly at: string }[];
  start(): void;
  /** There may be builds to hand out. */
  wake(): void;
  /** Nothing is offered or handed out any more; claims that wait get their answer. */
  stop(): Promise<void>;
}

export function createHttpBuilders(
  { token, urls, sender }: HttpBuilderParts,
  parts: {
    readonly store: Store & Pick<VariableStore, "variablesOf">;
    readonly logs: LogStore;
    readonly hosts: readonly { readonly host: Host }[];
    readonly registries: Pick<Registries, "signIn">;
    readonly clock: Clock;
    readonly log: Logger;
  },
  options: {
    verify(request: SignedRequest): Promise<BuildRequest>;
    readonly leaseMs: number;
    onChange(): void;
  } & Pick<SettleOptions, "onEnd">,
): HttpBuilders {
  const { store, clock, log } = parts;
  const hosts = parts.hosts.map((one) => one.host);
  const desk: BuilderDesk = createBuilderDesk({
    ...options,
    store,
    logs: parts.logs,
    exchange: withVariables(
      createOutsideExchange({
        hosts,
        registries: parts.registries,
        further: createFurtherAccess({ store, log }),
      }),
      store,
    ),
    clock,
    log,
    worker: "http",
    heartbeatMs: options.leaseMs / 3,
    pollMs: POLL_MS,
  });
  const offers = createOffers({ store, sender, urls, clock, log });
  const asked = createAsked(clock);
  let offering: Loop | null = null;

  return {
    door: { desk, token, onAsked: asked.note },
    asked: asked.list,
    start() {
      if (urls.length > 0) offering = startLoop({ name: "offer", idleMs: POLL_MS, log, step: offers.step });
    },
    wake() {
      desk.wake();
      offering?.wake();
    },
    async stop() {
      await Promise.all([desk.stop(), offering?.stop().then(offers.stop)]);
    },
  };
}

/** Builders behind one address are one line; they have no names of their own. */
function createAsked(clock: Clock): { note(address: string): void; list: HttpBuilders["asked"] } {
  const times = new Map<string, number>();
  return {
    note(address) {
      times.delete(address);
      times.set(address, clock.now());
      const [oldest] = times.keys();
      if (times.size > MAX_ADDRESSES && oldest !== undefined) times.delete(oldest);
    },
    list: () => [...times].reverse().map(([address, at]) => ({ address, at: isoTime(at) })),
  };
}

const MAX_ADDRESSES = 100;
