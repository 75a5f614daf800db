import express, { type Router } from "express";
import type { Clock, Logger } from "../engine/ports.ts";
import type { Store } from "../engine/store-port.ts";
import { route } from "./errors.ts";
import type { Metrics } from "./metrics.ts";

/** One thing the program needs to do its work. `detail` is shown to anybody: no secrets, no private names. */
export interface Readiness {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

/** Probes are open to all and look at the database: they look once in this time, however often they are asked. */
const FRESH_MS = 1_000;

/** `/healthz`, `/readyz` and `/metrics`. */
export function createProbes(options: {
  ready: () => Promise<readonly Readiness[]>;
  store: Pick<Store, "stats">;
  metrics: Metrics;
  clock: Clock;
  log: Logger;
}): Router {
  const { metrics, clock, log } = options;
  const ready = remembered(clock, () =>
    options.ready().catch((error: unknown): readonly Readiness[] => {
      log.error({ err: error }, "the readiness check failed");
      return [{ name: "check", ok: false, detail: "The check itself failed; see the server's log." }];
    }),
  );
  const stats = remembered(clock, () =>
    options.store.stats().catch((error: unknown) => {
      log.warn({ err: error }, "the database did not answer for its metrics");
      return null;
    }),
  );
  const probes = express.Router({ caseSensitive: true });
  probes.get("/healthz", (_req, res) => {
    res.json({ ok: true });
  });
  probes.get(
    "/readyz",
    route(async (_req, res) => {
      const checks = await ready();
      const ok = checks.every((check) => check.ok);
      res.status(ok ? 200 : 503).json({ ok, checks: checks.map(({ name, ok, detail }) => ({ name, ok, detail })) });
    }),
  );
  probes.get(
    "/metrics",
    route(async (_req, res) => {
      res.set("Content-Type", metrics.contentType).send(await metrics.text(await stats(), clock.now()));
    }),
  );
  return probes;
}

/** Asks at most once in {@link FRESH_MS}; callers in between get the same answer, also while it is on its way. */
function remembered<T>(clock: Clock, ask: () => Promise<T>): () => Promise<T> {
  let last: { readonly at: number; readonly answer: Promise<T> } | null = null;
  return () => {
    if (last === null || clock.now() - last.at >= FRESH_MS) {
      last = { at: clock.now(), answer: ask() };
    }
    return last.answer;
  };
}
