import { afterEach, describe, expect, it } from "@jest/globals";
import type { StoreStats } from "../../src/engine/store-port.ts";
import { createMetrics } from "../../src/web/metrics.ts";
import { aBuild, openSite, type Site, type World } from "./world.ts";

let site: Site | null = null;
afterEach(async () => {
  await site?.close();
  site = null;
});
async function open(changes: Partial<World> = {}): Promise<Site> {
  site = await openSite(changes);
  return site;
}

describe("probes", () => {
  it("answers /healthz while the process lives, whatever the database does", async () => {
    const { url } = await open({ broken: new Error("gone") });
    const answer = await fetch(`${url}/healthz`);
    expect([answer.status, await answer.json()]).toEqual([200, { ok: true }]);
  });

  it("answers /readyz with 503 and the reasons when something is missing", async () => {
    const checks = [
      { name: "database", ok: true, detail: "writable" },
      { name: "hosts", ok: false, detail: "none is configured" },
    ];
    const { url } = await open({ ready: () => Promise.resolve(checks) });
    const answer = await fetch(`${url}/readyz`);
    expect([answer.status, await answer.json()]).toEqual([503, { ok: false, checks }]);
  });

  it("answers /readyz with 503 when the check itself fails, without its words", async () => {
    const { url, logged } = await open({ ready: () => Promise.reject(new Error("password=hunter2")) });
    const answer = await fetch(`${url}/readyz`);
    expect(answer.status).toBe(503);
    expect(await answer.text()).not.toContain("hunter2");
    expect(logged).toHaveLength(1);
  });

  it("looks once a second, however many ask", async () => {
    const clock = { time: 0, now: () => clock.time };
    let looks = 0;
    const ready = () => {
      looks += 1;
      return Promise.resolve([]);
    };
    const { url } = await open({ clock, ready });
    await Promise.all(Array.from({ length: 20 }, () => fetch(`${url}/readyz`)));
    expect(looks).toBe(1);
    clock.time += 1_000;
    await fetch(`${url}/readyz`);
    expect(looks).toBe(2);
  });

  it("answers POST with 405", async () => {
    const { url } = await open();
    for (const path of ["/healthz", "/readyz", "/metrics"]) {
      expect((await fetch(url + path, { method: "POST" })).status).toBe(405);
    }
  });
});

describe("metrics", () => {
  it("show the store's figures", async () => {
    const { url } = await open();
    const answer = await fetch(`${url}/metrics`);
    expect(answer.headers.get("content-type")).toContain("text/plain");
    const text = await answer.text();
    for (const line of [
      "wharfinger_database_up 1",
      "wharfinger_deliveries_pending 3",
      "wharfinger_deliveries_oldest_pending_seconds 30",
      "wharfinger_builds_oldest_queued_seconds 0",
      "wharfinger_checks_due 4",
      'wharfinger_missed_deliveries_looked_seconds{provider="github",host="default"} 120',
      "wharfinger_comparisons_late 2",
      "wharfinger_comparisons_failing 1",
      "wharfinger_comparisons_last_seconds 45",
      'wharfinger_builds{state="queued"} 2',
      'wharfinger_builds{state="succeeded"} 5',
    ]) {
      expect(text.split("\n")).toContain(line);
    }
  });

  it("are answered while the database is not", async () => {
    const { url } = await open({ broken: new Error("gone") });
    const answer = await fetch(`${url}/metrics`);
    expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining("wharfinger_database_up 0\n")]);
  });

  it("leave out when branches and tags were last compared, where that is not known", async () => {
    const metrics = createMetrics();
    const line = async (stats: StoreStats | null) =>
      (await metrics.text(stats, Date.parse("2026-11-20T12:00:00Z")))
        .split("\n")
        .filter((one) => one.startsWith("wharfinger_comparisons_last_seconds"));
    const builds = {
      queued: 0,
      running: 0,
      succeeded: 0,
      failed: 0,
      canceled: 0,
      superseded: 0,
      timed_out: 0,
      held: 0,
    };
    const comparisons = { repositories: 1, compared: 1, late: 0, failing: 0, problem: null, found: 0 };
    const stats = (lastAt: string | null): StoreStats => ({
      deliveriesPending: 0,
      oldestPending: null,
      builds,
      oldestQueued: null,
      checksDue: 0,
      missed: [],
      comparisons: { ...comparisons, lastAt },
    });
    expect(await line(null)).toEqual([]);
    expect(await line(stats("2026-11-20T11:59:00Z"))).toEqual(["wharfinger_comparisons_last_seconds 60"]);
    expect(await line(stats(null))).toEqual([]);
  });

  it("count changes that were found", async () => {
    const metrics = createMetrics();
    const lines = async () => (await metrics.text(null, 0)).split("\n");
    expect(await lines()).toContain("wharfinger_found_changes_total 0");
    metrics.found(4);
    metrics.found(1);
    expect(await lines()).toContain("wharfinger_found_changes_total 5");
  });

  it("count answers, deliveries and ended builds", async () => {
    const metrics = createMetrics();
    const build = aBuild();
    metrics.answered(202, 12);
    metrics.answered(202, 4);
    metrics.processed("planned");
    metrics.ended(build, {
      state: "failed",
      digest: null,
      failure: { class: "push", message: "" },
      steps: build.steps,
    });
    metrics.ended(build, { state: "canceled", digest: null, failure: null, steps: [] });
    const lines = (await metrics.text(null, 0)).split("\n");
    expect(lines).toContain('wharfinger_intake_answers_total{status="202"} 2');
    expect(lines).toContain("wharfinger_intake_answer_seconds_sum 0.016");
    expect(lines).toContain('wharfinger_deliveries_total{outcome="planned"} 1');
    expect(lines).toContain('wharfinger_builds_ended_total{state="failed",failure="push"} 1');
    expect(lines).toContain('wharfinger_build_seconds_sum{state="failed"} 80');
    expect(lines).not.toContain('wharfinger_build_seconds_count{state="canceled"} 1');
  });
});
