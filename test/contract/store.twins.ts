/** The same work for two refs: built once, published by both. */
import { describe, expect, it } from "@jest/globals";
import type { BuildResult, ClaimedPromotion, Store } from "../../src/engine/store-port.ts";
import { OPERATOR } from "./store.by.ts";
import type { Opened } from "./store.contract.ts";
import { BRAKE, buildOf, claim, GOOD, LEASE, plan, statesOf } from "./store.pull-samples.ts";
import { retry } from "./store.retry.ts";
import { change, pull, record, request, sha } from "./store.samples.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;
const MAIN = change("a", "b");
const TAG = change(null, "b", "refs/tags/v1");
const BRANCH_WORK = request(MAIN);
const TAG_WORK = request(TAG, "api", { tags: ["1.0.0"] });
const PUBLISHED: BuildResult = { ...GOOD, digest: DIGEST, tags: { published: ["latest"], older: [] } };

async function promotion(store: Store): Promise<ClaimedPromotion> {
  const claimed = await store.claimPromotion(LEASE);
  if (claimed === null) throw new Error("nothing to promote");
  return claimed;
}

/** Has the build that is claimable now built, staged and published. */
async function publish(store: Store, id: string, result = PUBLISHED): Promise<void> {
  await store.stageBuild(id, (await claim(store)).attempt, { digest: DIGEST, steps: [] });
  const { attempt, build, twin } = await promotion(store);
  expect([build.id, twin]).toEqual([id, false]);
  await store.finishBuild(id, attempt, result);
}

export function twinsContract(opened: Opened): void {
  describe("builds the same work once for two refs", () => {
    it("whether they were pushed together or one after the other: the later one waits, and publishes the same", async () => {
      const { store } = opened();
      const [first = "", second = ""] = await plan(store, record([MAIN, TAG], [BRANCH_WORK, TAG_WORK]));
      const [third = ""] = await plan(
        store,
        record([change(null, "b", "refs/tags/v2")], [request(change(null, "b", "refs/tags/v2"))]),
      );
      expect(await store.claimableBuilds(10)).toEqual([{ id: first, attempts: 0 }]);
      expect(await store.claimBuild({ ...LEASE, build: second })).toBeNull();
      const { attempt } = await claim(store);
      expect(await store.claimBuild(LEASE)).toBeNull();
      await store.stageBuild(first, attempt, { digest: DIGEST, steps: [] });
      // What is staged may yet be refused: nobody may share it before it was published.
      const own = await promotion(store);
      expect(own.build.id).toBe(first);
      expect(await store.claimPromotion(LEASE)).toBeNull();
      expect(await statesOf(store, [second, third])).toEqual(["queued", "queued"]);
      await store.finishBuild(first, own.attempt, PUBLISHED);
      expect(await store.claimBuild(LEASE)).toBeNull();
      for (const id of [second, third]) {
        const shared = await promotion(store);
        expect(shared).toMatchObject({ build: { id, state: "running", attempt: 0 }, digest: DIGEST, twin: true });
        expect(shared.build.startedAt).not.toBeNull();
        await store.finishBuild(id, shared.attempt, PUBLISHED);
      }
      expect(await buildOf(store, second)).toMatchObject({ state: "succeeded", digest: DIGEST });
      expect((await store.stagingLeftovers(10)).map(({ buildId }) => buildId)).toEqual([first]);
    });

    it.each<BuildResult>([
      PUBLISHED,
      { ...PUBLISHED, state: "superseded", tags: { published: [], older: [{ tag: "latest", why: "newer" }] } },
    ])("also where the first has ended long ago as $state", async (result) => {
      const { store } = opened();
      const [first = ""] = await plan(store, record([MAIN], [BRANCH_WORK]));
      await publish(store, first, result);
      const [second = ""] = await plan(store, record([TAG], [TAG_WORK]));
      expect(await store.claimBuild(LEASE)).toBeNull();
      expect(await promotion(store)).toMatchObject({ build: { id: second }, twin: true });
    });

    it("and marks the check of the one that waited when it goes on", async () => {
      const { store } = opened();
      const [first = ""] = await plan(store, record([MAIN], [BRANCH_WORK]));
      await plan(store, record([TAG], [TAG_WORK]));
      await publish(store, first);
      for (const check of await store.claimChecks({ limit: 10, leaseMs: 0 })) {
        await store.checkShown(check.id, check.revision, { ...check.shown, hostId: "1" });
      }
      expect(await store.claimChecks({ limit: 10, leaseMs: 0 })).toEqual([]);
      const { build, attempt } = await promotion(store);
      const [check] = await store.claimChecks({ limit: 10, leaseMs: 0 });
      expect(check?.facts.builds.map(({ state }) => state)).toEqual(["succeeded", "running"]);
      await store.checkShown(check?.id ?? "", check?.revision ?? 0, { ...(check?.shown ?? NOTHING), hostId: "1" });
      expect(await store.rebuildTwin(build.id, attempt)).toBe(true);
      expect((await store.claimChecks({ limit: 10, leaseMs: 0 }))[0]?.facts.builds[1]?.state).toBe("queued");
    });

    it.each<[string, (store: Store, id: string) => Promise<unknown>]>([
      ["was canceled", (store, id) => store.cancelBuild(id, OPERATOR)],
      [
        "failed",
        async (store, id) => store.finishBuild(id, (await claim(store)).attempt, { ...GOOD, state: "failed" }),
      ],
      [
        "was pushed aside",
        (store) => {
          const next = change("b", "c", MAIN.ref);
          return plan(store, record([next], [request(next)], {}));
        },
      ],
      [
        "was built and could not be published",
        async (store, id) => {
          await store.stageBuild(id, (await claim(store)).attempt, { digest: DIGEST, steps: [] });
          await store.finishBuild(id, (await promotion(store)).attempt, { ...GOOD, state: "failed" });
        },
      ],
    ])("but builds it where the first %s, and publishes what it has built itself", async (_what, end) => {
      const { store } = opened();
      const [first = ""] = await plan(store, record([MAIN], [BRANCH_WORK]));
      const [second = ""] = await plan(store, record([TAG], [TAG_WORK]));
      await end(store, first);
      expect(await store.claimPromotion(LEASE)).toBeNull();
      const claimed = await store.claimBuild({ ...LEASE, build: second });
      await store.stageBuild(second, claimed?.attempt ?? 0, { digest: `sha256:${"b".repeat(64)}`, steps: [] });
      expect(await promotion(store)).toMatchObject({ build: { id: second }, twin: false });
    });

    it("and builds it where the published image is not there any more", async () => {
      const { store } = opened();
      const [first = ""] = await plan(store, record([MAIN], [BRANCH_WORK]));
      await publish(store, first);
      const [second = ""] = await plan(store, record([TAG], [TAG_WORK]));
      const { attempt } = await promotion(store);
      expect(await store.rebuildTwin(second, attempt + 1)).toBe(false);
      expect(await store.rebuildTwin(second, attempt)).toBe(true);
      expect(await store.rebuildTwin(second, attempt)).toBe(false);
      expect(await buildOf(store, second)).toMatchObject({ state: "queued", startedAt: null, steps: [] });
      expect(await store.claimPromotion(LEASE)).toBeNull();
      const again = await claim(store);
      expect(again).toMatchObject({ build: { id: second }, attempt: attempt + 1 });
      expect(await store.heartbeat(second, attempt, 15_000, [])).toBe("lost");
      expect(await store.stageBuild(second, again.attempt, { digest: DIGEST, steps: [] })).toBe(true);
      // One that was built itself is never handed back like that.
      expect(await store.rebuildTwin(second, (await promotion(store)).attempt)).toBe(false);
    });

    it("and cancels the one that waits without a word to the other", async () => {
      const { store } = opened();
      const [first = ""] = await plan(store, record([MAIN], [BRANCH_WORK]));
      const [second = ""] = await plan(store, record([TAG], [TAG_WORK]));
      const other = change(null, "b", "refs/tags/v2");
      const [third = ""] = await plan(store, record([other], [request(other)]));
      expect(await store.cancelBuild(second, OPERATOR)).toBe("canceled");
      await publish(store, first);
      // Whoever came third waited for the first, too.
      expect(await promotion(store)).toMatchObject({ build: { id: third }, twin: true });
      expect(await store.claimPromotion(LEASE)).toBeNull();
      expect(await statesOf(store, [first, second])).toEqual(["succeeded", "canceled"]);
    });

    it("and waits for none that was asked to stop", async () => {
      const { store } = opened();
      const [first = ""] = await plan(store, record([MAIN], [BRANCH_WORK]));
      await claim(store);
      expect(await store.cancelBuild(first, OPERATOR)).toBe("canceling");
      const [second = ""] = await plan(store, record([TAG], [TAG_WORK]));
      expect((await claim(store)).build.id).toBe(second);
    });

    it("but another commit, image, trust or other inputs are other work, and so is what is only tested", async () => {
      const { store } = opened();
      await plan(store, record([MAIN], [BRANCH_WORK, request(MAIN, "docs", { push: false })]));
      const elsewhere = change(null, "c", "refs/tags/v2");
      const inputs = { ...TAG_WORK.inputs, context: "edge" };
      const of = [
        request(TAG, "web"),
        request(TAG, "api", { inputs }),
        request(TAG, "docs", { push: false }),
        { ...request(elsewhere), tags: ["v2"] },
      ];
      await plan(store, record([TAG, elsewhere], of));
      await plan(store, record([TAG], [{ ...TAG_WORK, key: "untrusted", trust: "untrusted" }]));
      expect(await store.claimableBuilds(10)).toHaveLength(7);
    });

    it("and so is a pull request's, from wherever its commit is fetched, and what waits for approval", async () => {
      const { store } = opened();
      const own = pull(3, "b", { fork: false });
      await plan(store, record([own], [request(own)]));
      const [second] = await plan(store, record([TAG], [TAG_WORK]));
      const other = pull(4, "b", { fork: false });
      await plan(store, record([other], [request(other)]));
      expect(await store.claimableBuilds(10)).toHaveLength(3);
      await store.cancelBuild(second ?? "", OPERATOR);
      const third = change(null, "d");
      await plan(store, record([third], [], { held: [{ ...request(third), hold: BRAKE }] }));
      const fourth = change(null, "d", "refs/tags/v4");
      const [last] = await plan(store, record([fourth], [request(fourth)]));
      expect((await store.claimableBuilds(10)).at(-1)?.id).toBe(last);
    });

    it("and what somebody asks for again is built again", async () => {
      const { store } = opened();
      const [first = ""] = await plan(store, record([MAIN], [BRANCH_WORK]));
      const [second = ""] = await plan(store, record([TAG], [TAG_WORK]));
      await publish(store, first);
      await store.finishBuild(second, (await promotion(store)).attempt, { ...PUBLISHED, state: "failed" });
      const retried = await retry(store, second);
      expect((await claim(store)).build.id).toBe(retried?.id);
      const [rerun] = await plan(store, record([], [BRANCH_WORK], { trigger: "rerun", report: [sha("b")] }));
      expect((await claim(store)).build.id).toBe(rerun);
    });
  });
}

const NOTHING = { hostId: null, externalId: "", uncertain: false, concluded: false };
