/** Builds that somebody asks for: the same work once more, or of a ref as it is now. */
import { describe, expect, it } from "@jest/globals";
import { DEFAULT_POLICY, type PlannedBuild } from "../../src/core/model.ts";
import type { PlanRecord, RetriedBuild, Store } from "../../src/engine/store-port.ts";
import { BY_ANN, OPERATOR } from "./store.by.ts";
import type { Opened } from "./store.contract.ts";
import { buildOf, claim, closing, GOOD, holdOne, journal, plan, planned, showChecks } from "./store.pull-samples.ts";
import { retry } from "./store.retry.ts";
import {
  account,
  change,
  cover,
  delivery,
  held,
  installationId,
  pause,
  pull,
  record,
  repository,
  request,
  sha,
  writeRequest,
} from "./store.samples.ts";

const MAIN = change("a", "b");

/** A build of main that has failed. */
async function failedOne(
  store: Store,
  what = record([MAIN], [request(MAIN)], { report: [sha("b")] }),
): Promise<string> {
  const [id = ""] = await plan(store, what);
  const claimed = await claim(store);
  await store.finishBuild(claimed.build.id, claimed.attempt, { ...GOOD, state: "failed" });
  return id;
}

/** As main, at another commit, with these tags. */
function next(after: string, more: Partial<PlannedBuild> = {}): PlanRecord {
  const moved = change("b", after);
  return record([moved], [request(moved, "api", more)]);
}

/** What somebody has built of main as it is. */
function started(after = "b", more: Partial<PlanRecord> = {}): PlanRecord {
  return record([], [request(change(null, after))], { trigger: "manual", ...more });
}

async function refusal(store: Store, id: string): Promise<string> {
  const answer: RetriedBuild = await store.retryBuild(id, writeRequest, OPERATOR);
  return answer.kind === "refused" ? answer.why : answer.kind;
}

export function retriesContract(opened: Opened): void {
  describe("does a build again", () => {
    it("as old as it was, for whoever asked, and tells the audit log", async () => {
      const { store } = opened();
      const id = await failedOne(store);
      const retried = await store.retryBuild(id, writeRequest, BY_ANN);
      const again = await buildOf(store, retried.kind === "retried" ? retried.build.id : "");
      expect(again).toMatchObject({
        state: "queued",
        trigger: "retry",
        deliveryId: (await buildOf(store, id)).deliveryId,
      });
      expect((await store.listAudit({ limit: 1, cursor: null })).items).toMatchObject([
        {
          by: BY_ANN,
          action: "build.retried",
          installation: installationId("7"),
          subject: "acme/api",
          facts: { build: again.id, repeats: id, state: "failed", repository: "github:default:1", commit: sha("b") },
        },
      ]);
      // Nobody did anything by asking once more.
      await store.retryBuild(id, writeRequest, BY_ANN);
      expect(
        (await store.listAudit({ limit: 10, cursor: null })).items.filter(({ action }) => action === "build.retried"),
      ).toHaveLength(1);
    });

    it("only once it has ended without success", async () => {
      const { store } = opened();
      const [id = ""] = await plan(store, record([MAIN], [request(MAIN)]));
      expect(await refusal(store, id)).toContain("it is queued");
      const { attempt } = await claim(store);
      expect(await refusal(store, id)).toContain("it is running");
      await store.finishBuild(id, attempt, GOOD);
      expect(await refusal(store, id)).toContain("has succeeded");
      expect(await refusal(store, "no-such-build")).toBe("no-build");
    });

    it.each<[string, string, (store: Store) => Promise<unknown>]>([
      ["paused", "paused", (store) => pause(store, "installation", installationId("7"))],
      ["of a paused repository", "paused", (store) => pause(store, "repository", repository("1"))],
      ["suspended", "suspended", (store) => store.setInstallationState(installationId("7"), "suspended")],
      ["removed", "removed", (store) => store.setInstallationState(installationId("7"), "removed")],
      [
        "not covered any more",
        "does not cover",
        (store) => store.unlinkRepositories(installationId("7"), [repository("1")]),
      ],
      [
        "another account's by now",
        "does not cover",
        async (store) => {
          const owner = account("18");
          await store.saveInstallation({ id: installationId("8"), account: owner, state: "active", permissions: {} });
          await store.linkRepositories(installationId("8"), [repository("1")], { complete: false });
        },
      ],
    ])("and not where it is %s: then it says %s", async (_name, why, close) => {
      const { store } = opened();
      const id = await failedOne(store);
      await close(store);
      expect(await refusal(store, id)).toContain(why);
      expect((await store.listBuilds({ limit: 10, cursor: null })).items).toHaveLength(1);
    });

    it("and not where all its tags are about to be something newer's, or are", async () => {
      const { store } = opened();
      const id = await failedOne(store);
      const [newer = ""] = await plan(store, next("c"));
      expect(await refusal(store, id)).toContain(`Build ${newer} is newer`);
      await store.cancelBuild(newer, OPERATOR);
      expect(await retry(store, id)).toMatchObject({ state: "queued" });
    });

    it("where one of its tags is its own, or where it publishes none", async () => {
      const { store } = opened();
      const own = await failedOne(store, record([MAIN], [request(MAIN, "api", { tags: ["latest", "sha-b"] })]));
      const silent = await failedOne(store, record([MAIN], [request(MAIN, "web", { push: false })]));
      await plan(store, next("c"));
      const web = request(change("b", "c"), "web", { push: false });
      await plan(store, record([change("b", "c")], [web]));
      expect(await retry(store, own)).toMatchObject({ state: "queued" });
      expect(await retry(store, silent)).toMatchObject({ state: "queued" });
    });

    it("of a fork's pull request only as long as forks are built, and it is where it was approved", async () => {
      const { store } = opened();
      const id = await holdOne(store, 3, "b");
      await store.approveBuild(id, BY_ANN);
      await store.finishBuild(id, (await claim(store)).attempt, { ...GOOD, state: "failed" });
      await store.setPolicy(installationId("7"), { forks: "never" }, OPERATOR);
      expect(await refusal(store, id)).toContain("never to build pull requests from forks");
      await store.setPolicy(installationId("7"), { forks: DEFAULT_POLICY.forks }, OPERATOR);
      const moved = pull(3, "c");
      await plan(store, record([moved], [], { held: [held(moved)] }));
      expect(await refusal(store, id)).toContain("has moved on");
      await plan(store, closing(3));
      expect(await refusal(store, id)).toContain("is closed");
    });

    it("of a fork's pull request held, where it once needed nobody's approval and now does", async () => {
      const { store } = opened();
      const moved = pull(3, "b");
      const { hold: _hold, ...work } = held(moved);
      const id = await failedOne(store, record([moved], [work]));
      await store.setPolicy(installationId("7"), { forks: "test" }, OPERATOR);
      const free = await retry(store, id);
      expect(free).toMatchObject({ state: "queued", hold: null });
      await store.cancelBuild(free?.id ?? "", OPERATOR);
      await store.setPolicy(installationId("7"), { forks: "approve" }, OPERATOR);
      expect(await retry(store, id)).toMatchObject({ state: "held", hold: { reason: "awaiting-approval" } });
    });
  });

  describe("builds what somebody asks for", () => {
    it("after a delivery of our own, journalled with the audit entry", async () => {
      const { store } = opened();
      await cover(store, record([MAIN], []));
      const order = delivery("order-1", { event: "wharfinger.build", stream: "repo:1" });
      const entry = {
        by: BY_ANN,
        action: "build.started",
        installation: installationId("7"),
        subject: "acme/repository-1",
        facts: { ref: "refs/heads/main" },
      } as const;
      const id = await store.orderBuild(order, entry);
      const [claimed] = await store.claimDeliveries({ limit: 1, leaseMs: 1_000 });
      expect(claimed).toMatchObject({ delivery: { id, deliveryId: "order-1" }, body: order.body });
      expect((await store.listAudit({ limit: 1, cursor: null })).items).toMatchObject([entry]);
    });

    it("and stands for no check: neither for one of its own nor for that of a push", async () => {
      const { store } = opened();
      const first = await planned(store, started("fresh"));
      await store.finishBuild((await claim(store)).build.id, 1, { ...GOOD, state: "failed" });
      expect(await showChecks(store, false)).toEqual([]);
      const id = await failedOne(store);
      expect(await showChecks(store, true)).toEqual([["failed"]]);
      const [manual = ""] = await plan(store, started());
      await store.finishBuild(manual, (await claim(store)).attempt, { ...GOOD, state: "failed" });
      expect((await retry(store, manual))?.trigger).toBe("manual");
      expect(await showChecks(store, true)).toEqual([]);
      expect(await store.buildsOfCommit(repository("1"), sha("b"))).toMatchObject([{ id }]);
      expect(first.decisions).toMatchObject([{ build: first.builds[0], reason: null }]);
    });

    it("nor does a skip of it stand for one, also where there is a check", async () => {
      const { store } = opened();
      const [id = ""] = await plan(store, record([MAIN], [request(MAIN)], { report: [sha("b")] }));
      const skips = [
        { ref: MAIN.ref, sha: sha("b"), image: null, rule: null, reason: "config-invalid", detail: "no" },
      ] as const;
      await plan(store, record([], [], { trigger: "manual", skips }));
      await store.cancelBuild(id, OPERATOR);
      const [check] = await store.claimChecks({ limit: 1, leaseMs: 10_000 });
      expect(check?.facts).toMatchObject({ builds: [{ id }], skips: [] });
    });

    it("beside what waits of a push, and gives way to the next push", async () => {
      const { store } = opened();
      const [pushed = ""] = await plan(store, record([MAIN], [request(MAIN)]));
      const [manual = ""] = await plan(store, started());
      expect([(await buildOf(store, pushed)).state, (await buildOf(store, manual)).state]).toEqual([
        "queued",
        "queued",
      ]);
      await plan(store, next("c"));
      expect([(await buildOf(store, pushed)).state, (await buildOf(store, manual)).state]).toEqual([
        "superseded",
        "superseded",
      ]);
    });

    it("once for two clicks, and again once it is over", async () => {
      const { store } = opened();
      const [first = ""] = await plan(store, started());
      const second = await planned(store, started());
      expect(second).toMatchObject({
        builds: [],
        decisions: [{ reason: "duplicate", detail: expect.stringContaining(first) }],
      });
      await store.cancelBuild(first, OPERATOR);
      expect(await plan(store, started())).toHaveLength(1);
    });

    it("and is no push: the next one is not the same work, nor is its lane where somebody looked", async () => {
      const { store } = opened();
      // Nothing was built of it then, and by now something would be.
      await plan(store, record([change(null, "b")], []));
      await plan(store, started());
      const [pushed] = await plan(store, record([change(null, "b")], [request(change(null, "b"))]));
      expect(pushed).toBeDefined();
      const again = await journal(store);
      await store.recordPlan(again, record([change(null, "b")], [request(change(null, "b"))]));
      expect((await store.getDelivery(again))?.decisions).toMatchObject([
        { reason: "duplicate", detail: expect.stringContaining(pushed ?? "") },
      ]);
    });
  });

  it("says whose a repository is, and how it stands", async () => {
    const { store } = opened();
    expect(await store.repositoryOf(repository("1"))).toBeNull();
    await cover(store, record([MAIN], []));
    expect(await store.repositoryOf(repository("1"))).toMatchObject({
      repository: { id: "1", fullName: "acme/repository-1", link: "linked" },
      installation: installationId("7"),
    });
    await store.unlinkRepositories(installationId("7"), [repository("1")]);
    expect(await store.repositoryOf(repository("1"))).toMatchObject({ repository: { link: "unlinked" } });
  });
}
