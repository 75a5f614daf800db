import { describe, expect, it } from "@jest/globals";
import type { HostId } from "../../src/core/model.ts";
import type { BuildFilter, BuildResult, ClaimedBuild, Store } from "../../src/engine/store-port.ts";
import { OPERATOR } from "./store.by.ts";
import type { Opened } from "./store.contract.ts";
import { retry } from "./store.retry.ts";
import { change, delivery, installationId, record, recordCovered, repository, request, sha } from "./store.samples.ts";

const LEASE = { worker: "worker-1", leaseMs: 15_000 };
const GOOD: BuildResult = { state: "succeeded", digest: `sha256:${"a".repeat(64)}`, failure: null, steps: [] };

let counter = 0;

/** Queues one build on a branch of its own and answers its id. */
async function queue(
  store: Store,
  where: {
    readonly installation?: HostId;
    readonly repository?: string;
    readonly seed?: string;
    readonly ref?: string;
  } = {},
): Promise<string> {
  counter += 1;
  await store.append([delivery(`build-${counter}`)]);
  const moved = change(null, where.seed ?? `${counter}`, where.ref ?? `refs/heads/b${counter}`);
  const built = await recordCovered(
    store,
    (await store.findDelivery(`build-${counter}`))?.id ?? "",
    record([moved], [request(moved)], {
      installation: where.installation ?? installationId("7"),
      repository: repository(where.repository ?? "1"),
    }),
  );
  return built[0]?.id ?? "";
}

async function claim(store: Store): Promise<ClaimedBuild> {
  const claimed = await store.claimBuild(LEASE);
  if (claimed === null) throw new Error("no build to claim");
  return claimed;
}

async function stateOf(store: Store, id: string): Promise<string | undefined> {
  return (await store.getBuild(id))?.state;
}

export function buildsContract(opened: Opened): void {
  describe("queues builds", () => {
    it("oldest first, each to one worker, and marks them running", async () => {
      const { store } = opened();
      const ids = [await queue(store), await queue(store)];
      const first = await claim(store);
      expect(first.build).toMatchObject({ id: ids[0], state: "running", attempt: 1 });
      expect(first.build.startedAt).toBe("2026-11-20T10:00:00.000Z");
      expect((await claim(store)).build.id).toBe(ids[1]);
      expect(await store.claimBuild(LEASE)).toBeNull();
    });

    it("fairly: the installation with the fewest running builds is served first", async () => {
      const { store } = opened();
      const busy = [await queue(store), await queue(store), await queue(store)];
      const quiet = await queue(store, { installation: installationId("8"), repository: "2" });
      const order = [];
      for (let index = 0; index < 4; index += 1) order.push((await claim(store)).build.id);
      expect(order).toEqual([busy[0], quiet, busy[1], busy[2]]);
    });

    it("to sixty workers at once, each build once", async () => {
      const { store } = opened();
      for (let index = 0; index < 20; index += 1) await queue(store);
      const claims = await Promise.all(Array.from({ length: 60 }, () => store.claimBuild(LEASE)));
      const ids = claims.flatMap((claimed) => (claimed === null ? [] : [claimed.build.id]));
      expect(ids).toHaveLength(20);
      expect(new Set(ids).size).toBe(20);
    });

    it("not before a released one may be tried", async () => {
      const { store, clock } = opened();
      const id = await queue(store);
      const { attempt } = await claim(store);
      const later = new Date(clock.now() + 30_000).toISOString();
      expect(await store.releaseBuild(id, attempt, later)).toBe(true);
      expect(await store.getBuild(id)).toMatchObject({ state: "queued", startedAt: null });
      expect(await store.claimBuild(LEASE)).toBeNull();
      clock.advance(30_000);
      expect((await claim(store)).attempt).toBe(2);
    });
  });

  describe("leases builds", () => {
    it("as long as the heart beats, and keeps the steps so far", async () => {
      const { store, clock } = opened();
      const id = await queue(store);
      const { attempt } = await claim(store);
      const steps = [{ name: "checkout", startedAt: "2026-11-20T10:00:01.000Z", finishedAt: null }];
      for (let beat = 0; beat < 5; beat += 1) {
        clock.advance(10_000);
        expect(await store.heartbeat(id, attempt, 15_000, steps)).toBe("held");
        expect(await store.claimBuild(LEASE)).toBeNull();
      }
      expect((await store.getBuild(id))?.steps).toEqual(steps);
    });

    it("to the process that takes over, at once", async () => {
      const { store } = opened();
      const id = await queue(store);
      const lost = await claim(store);
      expect(await store.claimBuild(LEASE)).toBeNull();
      await store.takeOver();
      expect((await claim(store)).build.id).toBe(id);
      expect(await store.finishBuild(id, lost.attempt, GOOD)).toBe(false);
    });

    it("one that was asked for, as long as nobody else has it", async () => {
      const { store, clock } = opened();
      await queue(store);
      const wanted = await queue(store);
      expect((await store.claimBuild({ ...LEASE, build: wanted }))?.build.id).toBe(wanted);
      for (const build of [wanted, "unknown", "x' OR '1'='1"]) {
        expect(await store.claimBuild({ ...LEASE, build })).toBeNull();
      }
      clock.advance(15_000);
      expect(await store.claimBuild({ ...LEASE, build: wanted })).toMatchObject({ attempt: 2 });
    });

    it("which it can name before, those whose lease ended among them", async () => {
      const { store, clock } = opened();
      const [lost, released, waiting] = [await queue(store), await queue(store), await queue(store)];
      await claim(store);
      const { attempt } = await claim(store);
      await store.releaseBuild(released, attempt, new Date(clock.now() + 60_000).toISOString());
      expect(await store.claimableBuilds(10)).toEqual([{ id: waiting, attempts: 0 }]);
      clock.advance(15_000);
      const all = [
        { id: lost, attempts: 1 },
        { id: waiting, attempts: 0 },
      ];
      expect(await store.claimableBuilds(10)).toEqual(all);
      expect(await store.claimableBuilds(1)).toEqual(all.slice(0, 1));
      await store.cancelBuild(lost, OPERATOR);
      expect(await store.claimableBuilds(10)).toEqual(all.slice(1));
    });

    it("and knows whose lease came to an end of its own, until the build begins again", async () => {
      const { store, clock } = opened();
      const id = await queue(store);
      const lost = await claim(store);
      expect(await store.leaseEnded(id, lost.secret)).toBe(false);
      clock.advance(15_000);
      expect(await store.leaseEnded(id, lost.secret)).toBe(false);
      const released = await claim(store);
      expect(await store.releaseBuild(id, released.attempt, new Date(clock.now()).toISOString())).toBe(true);
      expect(await store.leaseEnded(id, released.secret)).toBe(true);
      const staged = await claim(store);
      expect(await store.leaseEnded(id, released.secret)).toBe(false);
      await store.stageBuild(id, staged.attempt, { digest: `sha256:${"a".repeat(64)}`, steps: [] });
      for (const { secret } of [lost, released]) expect(await store.leaseEnded(id, secret)).toBe(false);
      expect(await store.leaseEnded(id, staged.secret)).toBe(true);
      expect(await store.leaseHolder(id, staged.secret)).toBeNull();
      const finished = await queue(store);
      const { attempt, secret } = await claim(store);
      await store.finishBuild(finished, attempt, GOOD);
      expect(await store.leaseEnded(finished, secret)).toBe(true);
      expect(await store.leaseEnded(id, secret)).toBe(false);
    });

    it("to the next worker when the lease ended, and shuts the first one out for good", async () => {
      const { store, clock } = opened();
      const id = await queue(store);
      const lost = await claim(store);
      clock.advance(15_000);
      const taken = await claim(store);
      expect(taken.build.id).toBe(id);
      expect(taken.attempt).toBe(lost.attempt + 1);
      expect(await store.heartbeat(id, lost.attempt, 15_000, [])).toBe("lost");
      expect(await store.releaseBuild(id, lost.attempt, "2026-11-20T10:00:00.000Z")).toBe(false);
      const late: BuildResult = { ...GOOD, digest: "sha256:zombie" };
      expect(await store.finishBuild(id, lost.attempt, late)).toBe(false);
      expect(await store.getBuild(id)).toMatchObject({ state: "running", digest: null });
      expect(await store.finishBuild(id, taken.attempt, GOOD)).toBe(true);
      expect(await store.finishBuild(id, taken.attempt, late)).toBe(false);
      expect(await store.getBuild(id)).toMatchObject({ state: "succeeded", digest: GOOD.digest });
    });

    it("and takes a late result when nobody else began", async () => {
      const { store, clock } = opened();
      const id = await queue(store);
      const { attempt } = await claim(store);
      clock.advance(60_000);
      expect(await store.finishBuild(id, attempt, GOOD)).toBe(true);
    });

    it("and keeps how a build ended", async () => {
      const { store, clock } = opened();
      const id = await queue(store);
      const { attempt } = await claim(store);
      clock.advance(5_000);
      const failure = { class: "dockerfile" as const, message: "line 3 is unknown", line: 3 };
      const steps = [{ name: "build", startedAt: "2026-11-20T10:00:01.000Z", finishedAt: "2026-11-20T10:00:04.000Z" }];
      await store.finishBuild(id, attempt, { state: "failed", digest: null, failure, steps });
      expect(await store.getBuild(id)).toMatchObject({
        state: "failed",
        failure,
        steps,
        startedAt: "2026-11-20T10:00:00.000Z",
        finishedAt: "2026-11-20T10:00:05.000Z",
      });
      const broken = (failure: "dockerfile" | "build") => store.listBuilds({ limit: 10, cursor: null, failure });
      expect((await broken("dockerfile")).items.map((build) => build.id)).toEqual([id]);
      expect((await broken("build")).items).toEqual([]);
    });
  });

  describe("cancels", () => {
    it("a queued build at once", async () => {
      const { store } = opened();
      const id = await queue(store);
      expect(await store.cancelBuild(id, OPERATOR)).toBe("canceled");
      expect(await stateOf(store, id)).toBe("canceled");
      expect((await store.getBuild(id))?.finishedAt).not.toBeNull();
      expect(await store.claimBuild(LEASE)).toBeNull();
      expect(await store.cancelBuild(id, OPERATOR)).toBe("final");
      expect(await store.cancelBuild("no-such-build", OPERATOR)).toBe("unknown");
    });

    it("a running build by its heartbeat", async () => {
      const { store } = opened();
      const id = await queue(store);
      const { attempt } = await claim(store);
      expect(await store.cancelBuild(id, OPERATOR)).toBe("canceling");
      expect(await stateOf(store, id)).toBe("running");
      expect(await store.heartbeat(id, attempt, 15_000, [])).toBe("cancel");
      await store.finishBuild(id, attempt, { state: "canceled", digest: null, failure: null, steps: [] });
      expect(await stateOf(store, id)).toBe("canceled");
    });

    it("for good: neither a handed back nor an abandoned build starts again", async () => {
      const { store, clock } = opened();
      const handedBack = await queue(store);
      const first = await claim(store);
      await store.cancelBuild(handedBack, OPERATOR);
      expect(await store.releaseBuild(handedBack, first.attempt, "2026-11-20T10:00:00.000Z")).toBe(true);
      expect(await stateOf(store, handedBack)).toBe("canceled");
      const abandoned = await queue(store);
      await claim(store);
      await store.cancelBuild(abandoned, OPERATOR);
      clock.advance(15_000);
      expect(await store.claimBuild(LEASE)).toBeNull();
      expect(await stateOf(store, abandoned)).toBe("canceled");
    });

    it("all of an installation, and nothing of another", async () => {
      const { store } = opened();
      const running = await queue(store);
      const { attempt } = await claim(store);
      const queued = await queue(store);
      const other = await queue(store, { installation: installationId("8"), repository: "2" });
      expect(await store.cancelInstallation(installationId("7"))).toBe(2);
      expect(await store.heartbeat(running, attempt, 15_000, [])).toBe("cancel");
      expect([await stateOf(store, queued), await stateOf(store, other)]).toEqual(["canceled", "queued"]);
      expect(await store.cancelInstallation({ ...installationId("8"), host: "ghes" })).toBe(0);
    });
  });

  describe("repeats builds", () => {
    it("as the same work, once it is over", async () => {
      const { store } = opened();
      const id = await queue(store);
      const { attempt } = await claim(store);
      await store.finishBuild(id, attempt, { ...GOOD, state: "timed_out", digest: null });
      const again = await retry(store, id);
      const original = await store.getBuild(id);
      expect(again).toMatchObject({ state: "queued", trigger: "retry", attempt: 0, planned: original?.planned });
      expect(again?.id).not.toBe(id);
      expect((await claim(store)).build.id).toBe(again?.id);
      expect(await retry(store, "no-such-build")).toBeNull();
    });

    it("only once while the repetition is on its way", async () => {
      const { store } = opened();
      const id = await queue(store);
      await store.cancelBuild(id, OPERATOR);
      const clicks = await Promise.all(Array.from({ length: 5 }, () => retry(store, id)));
      expect(new Set(clicks.map((build) => build?.id)).size).toBe(1);
      expect((await store.listBuilds({ limit: 10, cursor: null })).items).toHaveLength(2);
    });

    it("and shows the newest of each image as the commit's", async () => {
      const { store } = opened();
      const id = await queue(store, { seed: "the-commit" });
      await store.cancelBuild(id, OPERATOR);
      const again = await retry(store, id);
      const builds = await store.buildsOfCommit(repository("1"), sha("the-commit"));
      expect(builds.map((build) => build.id)).toEqual([again?.id]);
      expect(await store.buildsOfCommit(repository("2"), sha("the-commit"))).toEqual([]);
    });
  });

  describe("lists builds", () => {
    it("newest first, page by page, all or those of one delivery", async () => {
      const { store } = opened();
      const ids = [await queue(store), await queue(store), await queue(store)];
      const first = await store.listBuilds({ limit: 2, cursor: null });
      const second = await store.listBuilds({ limit: 2, cursor: first.next });
      expect([...first.items, ...second.items].map((build) => build.id)).toEqual(ids.toReversed());
      const deliveryId = first.items[0]?.deliveryId ?? "";
      const ofOne = await store.listBuilds({ limit: 2, cursor: null, deliveryId });
      expect(ofOne.items.map((build) => build.id)).toEqual([ids[2]]);
      expect((await store.listBuilds({ limit: 2, cursor: null, deliveryId: "' OR 1=1" })).items).toEqual([]);
    });

    it("of one installation or repository, and never those of another", async () => {
      const { store } = opened();
      const own = [await queue(store), await queue(store, { repository: "2" })];
      const others = await queue(store, { installation: installationId("8"), repository: "9" });
      const listed = async (of: { readonly installation?: HostId; readonly repository?: HostId }) =>
        (await store.listBuilds({ limit: 10, cursor: null, ...of })).items.map((build) => build.id);
      expect(await listed({ installation: installationId("7") })).toEqual(own.toReversed());
      expect(await listed({ installation: installationId("7"), repository: repository("2") })).toEqual([own[1]]);
      expect(await listed({ installation: installationId("8") })).toEqual([others]);
      expect(await listed({ installation: installationId("8"), repository: repository("2") })).toEqual([]);
      expect(await listed({ repository: { ...repository("2"), host: "ghes" } })).toEqual([]);
    });

    it("as a filter says, all of it at once", async () => {
      const { store } = opened();
      const main = await queue(store);
      const tag = await queue(store, { ref: "refs/tags/v1", repository: "2" });
      const other = await queue(store, { installation: installationId("8"), repository: "9" });
      const canceled = await queue(store, { repository: "2" });
      await store.cancelBuild(canceled, OPERATOR);
      const all = await store.listBuilds({ limit: 10, cursor: null });
      const of = (id: string) => all.items.find((build) => build.id === id);
      const listed = async (filter: BuildFilter) =>
        (await store.listBuilds({ limit: 10, cursor: null, ...filter })).items.map((build) => build.id);
      expect(await listed({ state: "canceled" })).toEqual([canceled]);
      expect(await listed({ state: "queued" })).toEqual([other, tag, main]);
      expect(await listed({ refs: ["refs/tags/v1", "refs/heads/v1"] })).toEqual([tag]);
      expect(await listed({ refs: ["v1"] })).toEqual([]);
      expect(await listed({ installations: [installationId("8"), installationId("99")] })).toEqual([other]);
      expect(await listed({ installations: [] })).toEqual([]);
      const name = of(tag)?.repository.fullName ?? "";
      expect(await listed({ repositoryName: name.toUpperCase() })).toEqual([canceled, tag]);
      expect(await listed({ repositoryName: `${name}%` })).toEqual([]);
      expect(await listed({ image: of(other)?.image ?? "" })).toContain(other);
      expect(await listed({ image: "nobody's/image" })).toEqual([]);
      expect(await listed({ trigger: "event" })).toHaveLength(4);
      expect(await listed({ trigger: "manual" })).toEqual([]);
      expect(await listed({ failure: "build" })).toEqual([]);
      expect(await listed({ repositoryName: name, state: "queued", trigger: "event" })).toEqual([tag]);
      const first = await store.listBuilds({ limit: 1, cursor: null, repositoryName: name });
      const second = await store.listBuilds({ limit: 1, cursor: first.next, repositoryName: name });
      expect([...first.items, ...second.items].map(({ id }) => id)).toEqual([canceled, tag]);
      expect(second.next).toBeNull();
    });
  });
}
