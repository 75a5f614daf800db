/** Tells builders outside this program that builds wait. Only a hint: whoever misses it finds them by claiming. */
import type { SignedRequest } from "../core/build-request.ts";
import { backoff } from "./loop.ts";
import type { Clock, Logger, OfferSender } from "./ports.ts";
import type { Store } from "./store-port.ts";

export interface OffersOptions {
  readonly store: Pick<Store, "claimableBuilds" | "buildRequest">;
  readonly sender: OfferSender;
  readonly urls: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
}

/** Builds looked at; those behind them are offered when these are gone. */
const LOOKED_AT = 50;
/** A build that still waits after so long is offered again: whoever heard of it may have had no room. */
const AGAIN_MS = 5 * 60_000;
/** Of an endpoint that fails, doubling. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 5 * 60_000;

/** What is known of one endpoint. It is in memory only: after a restart all is offered once more. */
interface Endpoint {
  readonly url: string;
  failures: number;
  notBefore: number;
  /** Offering goes on. */
  busy: Promise<void> | null;
  /** By offer: how often it failed, and when it was heard. */
  readonly offers: Map<string, { readonly failed: number; readonly heardAt: number | null }>;
}

interface Waiting {
  /** Another attempt at a build is another offer. */
  readonly offer: string;
  readonly build: string;
}

/** `step` begins to offer what waits to each endpoint; one that is slow or away holds up no other. */
export function createOffers(options: OffersOptions): { step(): Promise<boolean>; stop(): Promise<void> } {
  const { store, sender, clock, log } = options;
  const stopping = new AbortController();
  const endpoints = options.urls.map(
    (url): Endpoint => ({ url, failures: 0, notBefore: 0, busy: null, offers: new Map() }),
  );

  async function offerAll(endpoint: Endpoint, waiting: readonly Waiting[]): Promise<void> {
    const wanted = new Set(waiting.map((one) => one.offer));
    for (const offer of endpoint.offers.keys()) if (!wanted.has(offer)) endpoint.offers.delete(offer);
    for (const one of due(endpoint, waiting)) {
      if (stopping.signal.aborted || clock.now() < endpoint.notBefore) return;
      const request = await store.buildRequest(one.build);
      if (request !== null) await offerOne(endpoint, one, request);
    }
  }

  /** An offer that was refused comes after all others, so that it can not keep them from being heard. */
  function due({ offers }: Endpoint, waiting: readonly Waiting[]): readonly Waiting[] {
    const failed = (one: Waiting) => offers.get(one.offer)?.failed ?? 0;
    return waiting
      .filter(({ offer }) => (offers.get(offer)?.heardAt ?? 0) + AGAIN_MS <= clock.now())
      .sort((one, other) => failed(one) - failed(other));
  }

  async function offerOne(endpoint: Endpoint, { offer, build }: Waiting, request: SignedRequest): Promise<void> {
    const { url, offers } = endpoint;
    const answer = await sender.send(url, { id: offer, build, request }, stopping.signal);
    if (stopping.signal.aborted) return;
    const failed = offers.get(offer)?.failed ?? 0;
    if (answer.ok) {
      endpoint.failures = 0;
      offers.set(offer, { failed, heardAt: clock.now() });
      return;
    }
    endpoint.failures += 1;
    offers.set(offer, { failed: failed + 1, heardAt: null });
    const pause = backoff(endpoint.failures, FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
    endpoint.notBefore = clock.now() + Math.max(pause, Math.min(LONGEST_PAUSE_MS, (answer.retryAfter ?? 0) * 1_000));
    log.warn({ url, build, reason: answer.message, failures: endpoint.failures }, "build not offered");
  }

  return {
    async step() {
      const builds = await store.claimableBuilds(LOOKED_AT);
      const waiting = builds.map(({ id, attempts }) => ({ offer: `${id}-${attempts + 1}`, build: id }));
      for (const endpoint of endpoints) {
        endpoint.busy ??= offerAll(endpoint, waiting)
          .catch((error: unknown) => log.error({ err: error, url: endpoint.url }, "offering failed"))
          .finally(() => {
            endpoint.busy = null;
          });
      }
      return false;
    },
    async stop() {
      stopping.abort();
      await Promise.all(endpoints.map((endpoint) => endpoint.busy));
    },
  };
}
