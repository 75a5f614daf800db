import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Build, HostId } from "../core/model.ts";
import type { BuildResult, DeliveryOutcome, StoreStats } from "../engine/store-port.ts";

/** What is counted while things happen; the rest is asked of the store when somebody looks. */
export interface Metrics {
  /** The intake answered a webhook after `ms` milliseconds. */
  answered(status: number, ms: number): void;
  /** A delivery was processed. */
  processed(outcome: DeliveryOutcome): void;
  /** Deliveries that a host could not deliver were fetched. */
  fetched(source: Pick<HostId, "provider" | "host">, count: number): void;
  /** Changes that no host told of were found. */
  found(count: number): void;
  /** A build ended. */
  ended(build: Build, result: BuildResult): void;
  /** Prometheus' text format; `stats` null: the database did not answer. */
  text(stats: StoreStats | null, now: number): Promise<string>;
  readonly contentType: string;
}

/** Labels hold codes only: names of repositories would be many, and private. */
export function createMetrics(): Metrics {
  const register = new Registry();
  const registers = [register];
  collectDefaultMetrics({ register });
  const answers = new Counter({
    name: "wharfinger_intake_answers_total",
    help: "Answers to webhooks, by HTTP status.",
    labelNames: ["status"],
    registers,
  });
  const answerSeconds = new Histogram({
    name: "wharfinger_intake_answer_seconds",
    help: "Time from a webhook's first byte to our answer.",
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  });
  const deliveries = new Counter({
    name: "wharfinger_deliveries_total",
    help: "Processed deliveries, by outcome.",
    labelNames: ["outcome"],
    registers,
  });
  const ends = new Counter({
    name: "wharfinger_builds_ended_total",
    help: "Ended builds, by state and class of failure.",
    labelNames: ["state", "failure"],
    registers,
  });
  const buildSeconds = new Histogram({
    name: "wharfinger_build_seconds",
    help: "Time builds ran, by state.",
    labelNames: ["state"],
    buckets: [5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200],
    registers,
  });
  const fetched = new Counter({
    name: "wharfinger_missed_deliveries_fetched_total",
    help: "Deliveries that a host could not deliver and that were fetched, by host.",
    labelNames: ["provider", "host"],
    registers,
  });
  const found = new Counter({
    name: "wharfinger_found_changes_total",
    help: "Changes of branches and tags that no host told of, and that were found by comparing.",
    registers,
  });
  const gauges = createGauges(registers);
  return {
    answered(status, ms) {
      answers.inc({ status });
      answerSeconds.observe(ms / 1000);
    },
    processed(outcome) {
      deliveries.inc({ outcome });
    },
    fetched({ provider, host }, count) {
      fetched.inc({ provider, host }, count);
    },
    found(count) {
      found.inc(count);
    },
    ended(_build, result) {
      ends.inc({ state: result.state, failure: result.failure?.class ?? "" });
      const begun = result.steps[0]?.startedAt;
      const ended = result.steps.at(-1)?.finishedAt;
      if (begun && ended) {
        buildSeconds.observe({ state: result.state }, (Date.parse(ended) - Date.parse(begun)) / 1000);
      }
    },
    text(stats, now) {
      gauges.set(stats, now);
      return register.metrics();
    },
    contentType: register.contentType,
  };
}

function createGauges(registers: Registry[]): { set(stats: StoreStats | null, now: number): void } {
  const gauge = (name: string, help: string) => new Gauge({ name: `wharfinger_${name}`, help, registers });
  const up = gauge("database_up", "1: the database answered, 0: it did not, and its figures below are old.");
  const pending = gauge("deliveries_pending", "Deliveries that wait to be processed.");
  const pendingAge = gauge("deliveries_oldest_pending_seconds", "Age of the oldest delivery that waits.");
  const queuedAge = gauge("builds_oldest_queued_seconds", "Age of the oldest build that waits.");
  const checks = gauge("checks_due", "Checks that their host does not show yet.");
  const builds = new Gauge({
    name: "wharfinger_builds",
    help: "Recorded builds, by state.",
    labelNames: ["state"],
    registers,
  });
  const looks = new Gauge({
    name: "wharfinger_missed_deliveries_looked_seconds",
    help: "Time since a host's list of deliveries was last looked through, by host; missing: it never was.",
    labelNames: ["provider", "host"],
    registers,
  });
  const late = gauge("comparisons_late", "Repositories whose branches and tags should have been compared an hour ago.");
  const failing = gauge("comparisons_failing", "Repositories whose branches and tags could not be compared.");
  const last = new Gauge({
    name: "wharfinger_comparisons_last_seconds",
    help: "Time since branches and tags of any repository were last compared; missing: they never were.",
    registers,
  });
  last.remove();
  return {
    set(stats, now) {
      up.set(stats === null ? 0 : 1);
      if (stats === null) {
        return;
      }
      const age = (since: string | null) => (since === null ? 0 : Math.max(0, (now - Date.parse(since)) / 1000));
      pending.set(stats.deliveriesPending);
      pendingAge.set(age(stats.oldestPending));
      queuedAge.set(age(stats.oldestQueued));
      checks.set(stats.checksDue);
      looks.reset();
      for (const { provider, host, lookedAt } of stats.missed) {
        if (lookedAt !== null) looks.set({ provider, host }, age(lookedAt));
      }
      const { comparisons } = stats;
      late.set(comparisons.late);
      failing.set(comparisons.failing);
      last.remove();
      if (comparisons.lastAt !== null) last.set(age(comparisons.lastAt));
      for (const [state, count] of Object.entries(stats.builds)) {
        builds.set({ state }, count);
      }
    },
  };
}
