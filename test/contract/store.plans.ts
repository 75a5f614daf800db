import { describe, expect, it } from "@jest/globals";
import type { PlanRecord, Store } from "../../src/engine/store-port.ts";
import { OPERATOR } from "./store.by.ts";
import type { Opened } from "./store.contract.ts";
import {
  change,
  cover,
  delivery,
  pause,
  record,
  recordCovered,
  repository,
  request,
  sha,
  skip,
} from "./store.samples.ts";

let counter = 0;

/** Journals a delivery and records the plan for it. */
async function plan(store: Store, what: PlanRecord): Promise<{ delivery: string; builds: readonly string[] }> {
  counter += 1;
  const deliveryId = `plan-${counter}`;
  await store.append([delivery(deliveryId)]);
  const id = (await store.findDelivery(deliveryId))?.id ?? "";
  const builds = await recordCovered(store, id, what);
  return { delivery: id, builds: builds.map((build) => build.id) };
}

async function states(store: Store): Promise<string[]> {
  const { items } = await store.listBuilds({ limit: 100, cursor: null });
  return items.map((build) => `${build.planned.sha.slice(0, 4)} ${build.state}`).reverse();
}

function state(seed: string, value: string): string {
  return `${sha(seed).slice(0, 4)} ${value}`;
}

export function plansContract(opened: Opened): void {
  describe("records plans", () => {
    it("with every request as a build and every skip as a decision", async () => {
      const { store } = opened();
      const moved = change("a", "b");
      const planned = request(moved);
      const { delivery: id, builds } = await plan(store, record([moved], [planned], { skips: [skip(moved, "web")] }));
      const build = await store.getBuild(builds[0] ?? "");
      expect(build).toMatchObject({
        state: "queued",
        planned,
        image: "acme/api",
        deliveryId: id,
        trigger: "event",
        attempt: 0,
        steps: [],
        failure: null,
        digest: null,
        createdAt: "2026-11-20T10:00:00.000Z",
        startedAt: null,
        repository: { id: "1", private: true, defaultBranch: "main" },
        installation: { provider: "github", host: "default", id: "7" },
      });
      const recorded = await store.getDelivery(id);
      expect(recorded?.outcome).toBe("planned");
      expect(recorded?.builds).toEqual(builds);
      expect(recorded?.decisions).toMatchObject([
        { ref: "refs/heads/main", sha: sha("b"), image: "api", build: builds[0], reason: null },
        { ref: "refs/heads/main", sha: sha("b"), image: "web", build: null, reason: "paths-unchanged" },
      ]);
    });

    it("once: recording a delivery again changes nothing and answers the builds of the first time", async () => {
      const { store } = opened();
      const moved = change("a", "b");
      const first = await plan(store, record([moved], [request(moved), request(moved, "web")]));
      const other = change("b", "c");
      const again = await store.recordPlan(first.delivery, record([other], [request(other)]));
      expect(again.map((build) => build.id)).toEqual(first.builds);
      expect((await store.listBuilds({ limit: 10, cursor: null })).items).toHaveLength(2);
    });

    it("not for a delivery nobody journalled", async () => {
      await expect(opened().store.recordPlan("4711", record([], []))).rejects.toThrow("no delivery 4711");
    });

    it.each([
      ["suspended", "suspended", "the installation is suspended"],
      ["removed", "not-linked", "the app was removed from this account"],
      [
        "paused",
        "paused",
        "builds of this installation are paused since 2026-11-20 10:00 UTC, by the operator; when they are resumed (wharfinger resume), the newest of each branch, tag and pull request is built",
      ],
    ] as const)("queueing nothing for an installation that was %s since it was planned", async (now, reason, why) => {
      const { store } = opened();
      const moved = change("a", "b");
      const what = record([moved], [request(moved)], { skips: [skip(moved, "web")], report: [sha("b")] });
      await cover(store, what);
      if (now === "paused") await pause(store, "installation", what.installation);
      else await store.setInstallationState(what.installation, now);
      await store.append([delivery("late")]);
      const id = (await store.findDelivery("late"))?.id ?? "";
      expect(await store.recordPlan(id, what)).toEqual([]);
      expect((await store.listBuilds({ limit: 10, cursor: null })).items).toEqual([]);
      expect((await store.getDelivery(id))?.outcome).toBe("planned");
      expect((await store.getDelivery(id))?.decisions).toMatchObject([
        { image: "api", sha: sha("b"), build: null, reason, detail: `not built: ${why}` },
        { image: "web", reason: "paths-unchanged" },
      ]);
      expect((await store.stats()).checksDue).toBe(0);
    });

    it("queueing nothing for a repository that was paused, taken out or never covered", async () => {
      const { store } = opened();
      const moved = change("a", "b");
      const what = record([moved], [request(moved)]);
      const reasons: (string | null)[] = [];
      async function reason(deliveryId: string, now: PlanRecord): Promise<void> {
        await store.append([delivery(deliveryId)]);
        const id = (await store.findDelivery(deliveryId))?.id ?? "";
        expect(await store.recordPlan(id, now)).toEqual([]);
        reasons.push((await store.getDelivery(id))?.decisions[0]?.reason ?? null);
      }
      await cover(store, what);
      await pause(store, "repository", what.repository);
      await reason("paused", what);
      await store.unlinkRepositories(what.installation, [what.repository]);
      await reason("taken-out", what);
      await reason("never", { ...what, repository: repository("2") });
      await reason("nobody", { ...what, installation: { ...what.installation, id: "404" } });
      expect(reasons).toEqual(["paused", "not-linked", "not-linked", "not-linked"]);
    });

    it("touching nothing of a repository that another installation covers, or did last, whatever is said of it", async () => {
      const { store } = opened();
      const moved = change("a", "b");
      const theirs = record([moved], [request(moved)], { report: [sha("b")] });
      const { builds } = await plan(store, theirs);
      const forged = record([change("b", "c"), moved], [request(moved)], {
        repository: { ...theirs.repository, fullName: "evil/api", private: false, cloneUrl: "https://evil.test/api" },
        installation: { ...theirs.installation, id: "8" },
        skips: [skip(moved, "web", "config-invalid")],
        report: [sha("b")],
      });
      async function attempt(deliveryId: string): Promise<readonly (string | null)[]> {
        await store.append([delivery(deliveryId)]);
        const id = (await store.findDelivery(deliveryId))?.id ?? "";
        expect(await store.recordPlan(id, forged)).toEqual([]);
        return (await store.getDelivery(id))?.decisions.map(({ reason }) => reason) ?? [];
      }
      expect(await attempt("forged")).toEqual(["not-linked", "config-invalid"]);
      const [check] = await store.claimChecks({ limit: 10, leaseMs: 0 });
      expect(check).toMatchObject({ installation: theirs.installation, facts: { skips: [] } });
      expect(await store.getBuild(builds[0] ?? "")).toMatchObject({ repository: theirs.repository, state: "queued" });
      // No generation began: the same event told twice is still the same work.
      expect((await plan(store, theirs)).builds).toEqual([]);

      await store.unlinkRepositories(theirs.installation, [theirs.repository]);
      await attempt("forged-again");
      expect((await store.getBuild(builds[0] ?? ""))?.repository).toEqual(theirs.repository);
    });

    it("all or nothing", async () => {
      const { store } = opened();
      const moved = change("a", "b");
      const broken = record([moved], [request(moved), request(moved, "web")], { namespace: null });
      await expect(plan(store, broken)).rejects.toThrow("without a namespace");
      expect((await store.listBuilds({ limit: 10, cursor: null })).items).toEqual([]);
      const good = await plan(store, record([moved], [request(moved)]));
      expect(good.builds).toHaveLength(1);
    });

    it("sixty at once", async () => {
      const { store } = opened();
      await store.append(Array.from({ length: 60 }, (_, index) => delivery(`parallel-${index}`)));
      const claims = await store.claimDeliveries({ limit: 60, leaseMs: 60_000 });
      // Once: sixty transactions on one installation may wait for each other longer than a lock is waited for.
      await cover(store, record([], []));
      const built = await Promise.all(
        claims.map((claim, index) => {
          const moved = change(null, `parallel-${index}`, `refs/heads/b${index}`);
          return store.recordPlan(claim.delivery.id, record([moved], [request(moved)]));
        }),
      );
      expect(new Set(built.flat().map((build) => build.id)).size).toBe(60);
    });
  });

  describe("knows the same work", () => {
    it("when one event is delivered again under another id", async () => {
      const { store } = opened();
      const moved = change("a", "b");
      const first = await plan(store, record([moved], [request(moved)]));
      const second = await plan(store, record([moved], [request(moved)]));
      expect(second.builds).toEqual([]);
      expect((await store.getDelivery(second.delivery))?.decisions).toMatchObject([
        { reason: "duplicate", build: null, detail: expect.stringContaining(first.builds[0] ?? "") },
      ]);
    });

    it("even after the first build ended", async () => {
      const { store } = opened();
      const moved = change("a", "b");
      const first = await plan(store, record([moved], [request(moved)]));
      await store.cancelBuild(first.builds[0] ?? "", OPERATOR);
      expect((await plan(store, record([moved], [request(moved)]))).builds).toEqual([]);
    });

    it("but not when a newer change of the ref came between, built or not", async () => {
      const { store } = opened();
      const there = change("a", "b");
      const back = change("b", "a");
      await plan(store, record([there], [request(there)]));
      await plan(store, record([back], []));
      expect((await plan(store, record([there], [request(there)]))).builds).toHaveLength(1);
    });

    it("but not for another ref, another image or other inputs", async () => {
      const { store } = opened();
      const moved = change("a", "b");
      const elsewhere = change("a", "b", "refs/heads/other");
      await plan(store, record([moved], [request(moved)]));
      const inputs = { ...request(moved).inputs, context: "services/api" };
      const more = [request(elsewhere), request(moved, "web"), request(moved, "api", { inputs })];
      expect((await plan(store, record([moved, elsewhere], more))).builds).toHaveLength(3);
    });

    it("and builds it all the same when somebody asks for it", async () => {
      const { store } = opened();
      const moved = change("a", "b");
      await plan(store, record([moved], [request(moved)]));
      expect((await plan(store, record([moved], [request(moved)], { trigger: "manual" }))).builds).toHaveLength(1);
    });
  });

  describe("supersedes", () => {
    it("queued builds of the same branch and image, but no running one and nothing else", async () => {
      const { store } = opened();
      const running = change("0", "running");
      await plan(store, record([running], [request(running)]));
      await store.claimBuild({ worker: "w", leaseMs: 10_000 });
      const older = change("running", "older");
      await plan(store, record([older], [request(older), request(older, "web")]));
      const elsewhere = change(null, "elsewhere", "refs/heads/other");
      await plan(store, record([elsewhere], [request(elsewhere)]));
      const newer = change("older", "newer");
      await plan(store, record([newer], [request(newer)]));
      expect(await states(store)).toEqual([
        state("running", "running"),
        state("older", "superseded"),
        state("older", "queued"),
        state("elsewhere", "queued"),
        state("newer", "queued"),
      ]);
    });

    it("nothing when the request says none, and never a tag", async () => {
      const { store } = opened();
      const first = change("a", "b");
      const second = change("b", "c");
      await plan(store, record([first], [request(first, "api", { supersede: "none" })]));
      await plan(store, record([second], [request(second, "api", { supersede: "none" })]));
      const tag = change(null, "d", "refs/tags/v1");
      const moved = change("d", "e", "refs/tags/v1");
      await plan(store, record([tag], [request(tag)]));
      await plan(store, record([moved], [request(moved)]));
      expect(await states(store)).toEqual(["b", "c", "d", "e"].map((seed) => state(seed, "queued")));
    });

    it("not the other builds of its own delivery", async () => {
      const { store } = opened();
      const moved = change("a", "b");
      const inputs = { ...request(moved).inputs, context: "edge" };
      await plan(store, record([moved], [request(moved), request(moved, "api", { inputs })]));
      expect(await states(store)).toEqual([state("b", "queued"), state("b", "queued")]);
    });

    it("nothing that came after what somebody has run again", async () => {
      const { store } = opened();
      const first = change("a", "b");
      const second = change("b", "c");
      await plan(store, record([first], [request(first)]));
      const running = await store.claimBuild({ worker: "w", leaseMs: 10_000 });
      await store.finishBuild(running?.build.id ?? "", 1, { state: "failed", digest: null, failure: null, steps: [] });
      await plan(store, record([second], [request(second)]));
      await plan(store, record([], [request(first)], { trigger: "rerun" }));
      expect(await states(store)).toEqual([state("b", "failed"), state("c", "queued"), state("b", "queued")]);
      const third = change("c", "d");
      await plan(store, record([third], [request(third)]));
      expect((await states(store)).slice(1)).toEqual([
        state("c", "superseded"),
        state("b", "superseded"),
        state("d", "queued"),
      ]);
    });

    it("not the same branch of another repository", async () => {
      const { store } = opened();
      const moved = change("a", "b");
      await plan(store, record([moved], [request(moved)]));
      const other = { ...record([], []).repository, id: "2" };
      await plan(store, record([moved], [request(moved)], { repository: other }));
      expect(await states(store)).toEqual([state("b", "queued"), state("b", "queued")]);
    });
  });
}
