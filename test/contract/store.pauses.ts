import { describe, expect, it } from "@jest/globals";
import type { By } from "../../src/core/audit.ts";
import type { Change, Skip } from "../../src/core/model.ts";
import type { Scope } from "../../src/core/pause.ts";
import type { Replayed, Resumed } from "../../src/engine/pause-port.ts";
import type { Delivery, PlanRecord, Store } from "../../src/engine/store-port.ts";
import { OPERATOR } from "./store.by.ts";
import type { Opened } from "./store.contract.ts";
import { buildOf, claim, closing, GOOD, LEASE, plan, planned, statesOf } from "./store.pull-samples.ts";
import {
  account,
  change,
  cover,
  delivery,
  installationId,
  pull,
  record,
  repository,
  request,
  sha,
  skip,
} from "./store.samples.ts";

const ANN: By = { kind: "person", provider: "github", host: "default", actor: { id: "42", login: "ann" } };
const INSTANCE: Scope = { kind: "instance" };
const ACME: Scope = { kind: "installation", id: installationId("7") };
const ONE: Scope = { kind: "repository", id: repository("1") };
const GO = { by: OPERATOR, stop: false };
const STOP = { by: OPERATOR, stop: true };
const DIGEST = `sha256:${"a".repeat(64)}`;
const SCOPES = [
  ["the instance", INSTANCE],
  ["its installation", ACME],
  ["its repository", ONE],
] as const;

/** A push that was not built for one reason. */
function kept(moved: Change, reason: Skip["reason"] = "paused", more: Partial<PlanRecord> = {}): PlanRecord {
  return record([moved], [], { skips: [skip(moved, null, reason)], ...more });
}

const second = { installation: installationId("8"), namespace: "account-8", repository: repository("2") };

async function queue(store: Store, name: string, more: Partial<PlanRecord> = {}): Promise<string> {
  const moved = change(null, name, `refs/heads/${name}`);
  return (await plan(store, record([moved], [request(moved)], more)))[0] ?? "";
}

async function staged(store: Store, name: string): Promise<string> {
  const id = await queue(store, name);
  await store.stageBuild(id, (await claim(store)).attempt, { digest: DIGEST, steps: [] });
  return id;
}

/** Plans them, in order, while the scope is paused; answers their deliveries. */
async function whilePaused(
  store: Store,
  scope: Scope,
  ...records: readonly PlanRecord[]
): Promise<readonly Delivery[]> {
  for (const what of records) await cover(store, what);
  await store.pause(scope, GO);
  const deliveries: Delivery[] = [];
  for (const what of records) deliveries.push(await planned(store, what));
  return deliveries;
}

async function resumed(store: Store, scope: Scope): Promise<Resumed> {
  const answer = await store.resume(scope, OPERATOR);
  if (answer === null) throw new Error("it is known");
  return answer;
}

/** The lanes, and how often a delivery was journalled again. */
function told({ deliveries, lanes, lost }: Replayed) {
  return { copies: deliveries.length, lanes: lanes.map(({ lane }) => lane), lost: lost.map(({ lane }) => lane) };
}

async function audited(store: Store) {
  const { items } = await store.listAudit({ limit: 10, cursor: null });
  const own = items.filter(({ action }) => /\.(?:paused|resumed)$/.test(action));
  return own.map(({ action, subject, facts, by }) => [action, subject, facts, by.kind]);
}

export function pausesContract(opened: Opened): void {
  describe("pauses", () => {
    it.each(SCOPES)("%s: nothing of it is begun until it is resumed", async (_what, scope) => {
      const { store, clock } = opened();
      const id = await queue(store, "main");
      expect(await store.pausesOf({ installation: installationId("7"), repository: repository("1") })).toEqual([]);
      const begun = await store.pause(scope, { by: ANN, stop: false });
      const pause = { kind: scope.kind, since: "2026-11-20T10:00:00.000Z", by: ANN, stops: false };
      expect(begun).toEqual({ pause, began: true, stopped: 0 });
      expect(await store.pausesOf({ installation: installationId("7"), repository: repository("1") })).toEqual([pause]);
      expect(await store.claimableBuilds(10)).toEqual([]);
      expect(await store.claimBuild(LEASE)).toBeNull();
      expect(await store.claimBuild({ ...LEASE, build: id })).toBeNull();
      expect(await store.countBuilds(scope)).toEqual({ queued: 1, running: 0 });
      clock.advance(1_000);
      expect(await store.resume(scope, OPERATOR)).toMatchObject({ ended: pause, remaining: [] });
      expect((await claim(store)).build.id).toBe(id);
    });

    it("others' builds not, and they have their turns", async () => {
      const { store } = opened();
      await queue(store, "a");
      await queue(store, "b");
      const other = await queue(store, "c", second);
      await store.pause(ONE, GO);
      expect((await store.claimableBuilds(10)).map(({ id }) => id)).toEqual([other]);
      expect((await claim(store)).build.id).toBe(other);
      expect(await store.claimBuild(LEASE)).toBeNull();
    });

    it("what has the same id as something else not", async () => {
      const { store } = opened();
      const id = await queue(store, "a", { ...second, repository: repository("7") });
      await queue(store, "b", { installation: installationId("7"), repository: repository("2") });
      await store.pause({ kind: "installation", id: installationId("7") }, GO);
      expect((await store.claimableBuilds(10)).map((one) => one.id)).toEqual([id]);
      expect(await store.linkState(installationId("8"), repository("7"))).toBe("linked");
    });

    it("nobody it does not know", async () => {
      const { store } = opened();
      for (const kind of ["installation", "repository"] as const) {
        expect(await store.pause({ kind, id: installationId("404") }, GO)).toBeNull();
        expect(await store.resume({ kind, id: installationId("404") }, OPERATOR)).toBeNull();
      }
      expect(await audited(store)).toEqual([]);
    });

    it("once: who did it first, and since when, stays", async () => {
      const { store, clock } = opened();
      await cover(store, record([], []));
      await store.pause(ACME, { by: ANN, stop: false });
      clock.advance(60_000);
      const again = await store.pause(ACME, GO);
      expect(again).toMatchObject({ began: false, pause: { by: ANN, since: "2026-11-20T10:00:00.000Z" } });
      await store.resume(ACME, OPERATOR);
      expect((await store.resume(ACME, OPERATOR))?.ended).toBeNull();
      const facts = { since: "2026-11-20T10:00:00.000Z", replayed: "0" };
      expect(await audited(store)).toEqual([
        ["installation.resumed", "account-17", facts, "operator"],
        ["installation.paused", "account-17", {}, "person"],
      ]);
    });

    it("and says so in the audit log, of each kind by name", async () => {
      const { store } = opened();
      await cover(store, record([], []));
      await store.pause(INSTANCE, STOP);
      await store.pause(ONE, GO);
      expect(await audited(store)).toEqual([
        ["repository.paused", "acme/repository-1", {}, "operator"],
        ["instance.paused", "instance", { stopped: "0" }, "operator"],
      ]);
      const { items } = await store.listAudit({ limit: 10, cursor: null, installation: installationId("7") });
      expect(items[0]?.action).toBe("repository.paused");
      expect(items.filter(({ action }) => action === "instance.paused")).toEqual([]);
    });

    it("beside what the host says: unsuspended, it is still paused", async () => {
      const { store } = opened();
      await cover(store, record([], []));
      await store.pause(ACME, GO);
      const state = async () => (await store.getInstallation(installationId("7")))?.state;
      expect(await state()).toBe("paused");
      await store.setInstallationState(installationId("7"), "suspended");
      expect(await state()).toBe("suspended");
      await store.setInstallationState(installationId("7"), "active");
      expect(await state()).toBe("paused");
      expect((await store.listInstallations({ limit: 1, cursor: null })).items[0]?.state).toBe("paused");
      await store.resume(ACME, OPERATOR);
      expect(await state()).toBe("active");
    });

    it("every installation with the instance, and leaves each as it was", async () => {
      const { store } = opened();
      await cover(store, record([], []));
      await cover(store, record([], [], second));
      await store.pause(ACME, GO);
      await store.pause(INSTANCE, GO);
      const states = async () =>
        (await store.listInstallations({ limit: 10, cursor: null })).items.map(({ state }) => state);
      expect(await states()).toEqual(["paused", "paused"]);
      expect((await store.resume(INSTANCE, OPERATOR))?.remaining).toEqual([]);
      expect(await states()).toEqual(["active", "paused"]);
    });

    it("an account, not an install: installed anew it is paused, and resumed it stays so", async () => {
      const { store } = opened();
      const owner = { account: account("17"), permissions: {}, namespace: null };
      const install = (id: string) => store.saveInstallation({ ...owner, id: installationId(id), state: "active" });
      await install("7");
      await store.pause(ACME, { by: ANN, stop: true });
      await store.setInstallationState(installationId("7"), "removed");
      expect((await install("9")).state).toBe("paused");
      expect(await store.pausesOf({ installation: installationId("9") })).toMatchObject([{ by: ANN, stops: true }]);
      await store.resume({ kind: "installation", id: installationId("9") }, OPERATOR);
      await store.setInstallationState(installationId("9"), "removed");
      expect((await install("10")).state).toBe("active");
      const stranger = { ...owner, account: account("18"), id: installationId("11"), state: "active" } as const;
      await store.pause({ kind: "installation", id: installationId("10") }, GO);
      expect((await store.saveInstallation(stranger)).state).toBe("active");
    });

    it("and lets what runs come to its end, and be published", async () => {
      const { store } = opened();
      const id = await queue(store, "main");
      const { attempt } = await claim(store);
      await store.pause(ACME, GO);
      expect(await store.heartbeat(id, attempt, 15_000, [])).toBe("held");
      expect(await store.stageBuild(id, attempt, { digest: DIGEST, steps: [] })).toBe(true);
      expect((await store.claimPromotion(LEASE))?.build.id).toBe(id);
    });

    it.each(SCOPES)("or stops what runs of %s: its lease opens nothing, and it waits again", async (_what, scope) => {
      const { store } = opened();
      const id = await queue(store, "main");
      const { attempt, secret } = await claim(store);
      const other = await queue(store, "other", second);
      const running = await claim(store);
      expect(running.build.id).toBe(other);
      const stopped = scope.kind === "instance" ? 2 : 1;
      expect(await store.countBuilds(scope)).toEqual({ queued: 0, running: stopped });
      expect(await store.pause(scope, STOP)).toMatchObject({ stopped, pause: { stops: true } });
      expect(await store.leaseHolder(id, secret)).toBeNull();
      expect(await store.heartbeat(id, attempt, 15_000, [])).toBe("lost");
      expect(await store.stageBuild(id, attempt, { digest: DIGEST, steps: [] })).toBe(false);
      expect(await store.finishBuild(id, attempt, GOOD)).toBe(false);
      expect(await buildOf(store, id)).toMatchObject({ state: "queued", startedAt: null });
      expect(await store.heartbeat(other, running.attempt, 15_000, [])).toBe(scope === INSTANCE ? "lost" : "held");
      expect(await store.claimBuild({ ...LEASE, build: id })).toBeNull();
      await store.resume(scope, OPERATOR);
      const again = await store.claimBuild({ ...LEASE, build: id });
      expect(again?.attempt).toBe(attempt + 1);
    });

    it("and stops also what is begun at that very moment, or was before it was told to stop", async () => {
      const { store, clock } = opened();
      const id = await queue(store, "main");
      const { attempt } = await claim(store);
      await store.pause(ACME, GO);
      expect(await store.heartbeat(id, attempt, 15_000, [])).toBe("held");
      // As if the claim had come between the look at what runs and the pause.
      await store.pause({ kind: "repository", id: repository("1") }, GO);
      expect(await store.pause(ACME, STOP)).toMatchObject({ began: false, stopped: 1 });
      expect(await store.heartbeat(id, attempt, 15_000, [])).toBe("lost");
      clock.advance(60_000);
      expect(await store.claimBuild(LEASE)).toBeNull();
    });

    it("and leaves what somebody wants canceled to its own end", async () => {
      const { store, clock } = opened();
      const id = await queue(store, "main");
      const { attempt } = await claim(store);
      await store.cancelBuild(id, OPERATOR);
      expect(await store.heartbeat(id, attempt, 15_000, [])).toBe("cancel");
      expect(await store.pause(ACME, STOP)).toMatchObject({ stopped: 0 });
      expect(await store.heartbeat(id, attempt, 15_000, [])).toBe("lost");
      clock.advance(60_000);
      await store.claimBuild(LEASE);
      expect((await buildOf(store, id)).state).toBe("canceled");
    });

    it("hands nothing lost out again, and ends it when it is resumed", async () => {
      const { store, clock } = opened();
      const id = await queue(store, "main");
      await claim(store);
      clock.advance(60_000);
      await store.pause(ONE, GO);
      expect(await store.claimableBuilds(10)).toEqual([]);
      expect(await store.claimBuild(LEASE)).toBeNull();
      await store.resume(ONE, OPERATOR);
      expect((await claim(store)).build.id).toBe(id);
    });

    it.each([
      ["while the instance is paused", INSTANCE, GO, false],
      ["of an installation that was to stop", ACME, STOP, false],
      ["of a repository that was to stop", ONE, STOP, false],
      ["but of one that may come to its end", ACME, GO, true],
    ] as const)("publishes nothing %s", async (_when, scope, options, published) => {
      const { store } = opened();
      const id = await staged(store, "main");
      await store.pause(scope, options);
      expect((await store.claimPromotion(LEASE))?.build.id ?? null).toBe(published ? id : null);
      await store.resume(scope, OPERATOR);
      if (!published) expect((await store.claimPromotion(LEASE))?.build.id).toBe(id);
    });

    it("has what is being published come to its end", async () => {
      const { store } = opened();
      await staged(store, "main");
      const promotion = await store.claimPromotion(LEASE);
      if (promotion === null) throw new Error("it is published");
      await store.pause(INSTANCE, STOP);
      const { build, attempt } = promotion;
      expect(await store.heartbeat(build.id, attempt, 15_000, [])).toBe("held");
      expect(await store.finishBuild(build.id, attempt, { ...GOOD, digest: DIGEST })).toBe(true);
    });

    it("publishes nobody's image a second time for what waits", async () => {
      const { store } = opened();
      const id = await staged(store, "main");
      const tag = change(null, "main", "refs/tags/v1");
      const [twin] = await plan(store, record([tag], [request(tag, "api", { tags: ["v1"] })]));
      const first = await store.claimPromotion(LEASE);
      await store.pause(ACME, GO);
      await store.finishBuild(id, first?.attempt ?? 0, { ...GOOD, digest: DIGEST });
      expect(await store.claimPromotion(LEASE)).toBeNull();
      expect(await statesOf(store, [twin])).toEqual(["queued"]);
      await store.resume(ACME, OPERATOR);
      expect((await store.claimPromotion(LEASE))?.build.id).toBe(twin);
    });

    it("shows no check while the instance is paused, and then all of them", async () => {
      const { store } = opened();
      await queue(store, "main");
      await store.pause(INSTANCE, GO);
      expect(await store.claimChecks({ limit: 10, leaseMs: 0 })).toEqual([]);
      await store.resume(INSTANCE, OPERATOR);
      expect(await store.claimChecks({ limit: 10, leaseMs: 0 })).toHaveLength(1);
    });
  });

  describe("plans again what waited", () => {
    it("of each lane the newest, in the order they came, in their streams", async () => {
      const { store } = opened();
      const records = [kept(change("a", "b")), kept(change("b", "e")), kept(change("c", "d", "refs/heads/dev"))];
      const [, newest, other] = await whilePaused(store, ONE, ...records);
      const waiting = await store.waitingLanes(ONE, { lifted: true });
      expect(waiting.map(({ lane, sha: at, delivery: { id } }) => [lane, at, id])).toEqual([
        ["refs/heads/main", sha("e"), newest?.id],
        ["refs/heads/dev", sha("d"), other?.id],
      ]);
      expect(await store.waitingLanes(ONE, { lifted: false })).toEqual([]);
      expect(await store.waitingLanes(ACME, { lifted: true })).toEqual([]);
      expect(told(await resumed(store, ONE))).toEqual({
        copies: 2,
        lanes: ["refs/heads/main", "refs/heads/dev"],
        lost: [],
      });
      const claimed = await store.claimDeliveries({ limit: 10, leaseMs: 60_000 });
      expect(claimed.map(({ replayOf }) => replayOf)).toEqual([newest?.id, other?.id]);
      expect(claimed.map(({ body }) => body.toString())).toEqual(
        [newest, other].map((one) => `{"delivery":"${one?.deliveryId}"}`),
      );
      expect(claimed[0]?.delivery).toMatchObject({
        event: "push",
        repositoryId: "1",
        installationId: "7",
        receivedAt: "2026-11-20T10:00:00.000Z",
      });
    });

    it("behind what is pending of its stream, and of no other", async () => {
      const { store } = opened();
      const [waited] = await whilePaused(store, ONE, kept(change("a", "b")));
      await store.append([
        delivery("pending", { stream: `repo:${waited?.deliveryId}` }),
        delivery("elsewhere", { stream: "repo:other" }),
      ]);
      await resumed(store, ONE);
      const claimed = await store.claimDeliveries({ limit: 10, leaseMs: 60_000 });
      expect(claimed.map((one) => one.delivery.deliveryId)).toEqual(["pending", "elsewhere"]);
    });

    it("once, however often it is asked, and once more what was paused again by then", async () => {
      const { store } = opened();
      const moved = change("a", "b");
      const [first] = await whilePaused(store, ACME, kept(moved));
      expect(told(await resumed(store, ACME))).toMatchObject({ copies: 1 });
      expect(told(await resumed(store, ACME))).toMatchObject({ copies: 0, lanes: [] });
      expect(told(await store.replayDeliveries(INSTANCE))).toMatchObject({ copies: 0, lanes: [] });
      await store.pause(ACME, GO);
      const [copy] = await store.claimDeliveries({ limit: 1, leaseMs: 60_000 });
      expect(copy?.replayOf).toBe(first?.id);
      await store.recordPlan(copy?.delivery.id ?? "", kept(moved));
      expect(told(await resumed(store, ACME))).toMatchObject({ copies: 1 });
      const [again] = await store.claimDeliveries({ limit: 1, leaseMs: 60_000 });
      expect(again?.replayOf).toBe(copy?.delivery.id);
      expect(await store.recordPlan(again?.delivery.id ?? "", record([moved], [request(moved)]))).toHaveLength(1);
      expect(told(await store.replayDeliveries(INSTANCE))).toMatchObject({ copies: 0 });
    });

    it("by two who ask at once, once", async () => {
      const { store } = opened();
      await whilePaused(store, ACME, kept(change("a", "b")));
      const both = await Promise.all([resumed(store, ACME), resumed(store, ACME), store.replayDeliveries(ACME)]);
      expect(both.flatMap(({ deliveries }) => deliveries)).toHaveLength(1);
    });

    it.each<[string, PlanRecord]>([
      ["was skipped for another reason", kept(change("b", "c"), "no-match")],
      ["was deleted", kept({ ...change("b", "c"), after: null, commit: null }, "ref-deleted")],
    ])("nothing of a lane that %s since", async (_what, newer) => {
      const { store } = opened();
      await whilePaused(store, ONE, kept(change("a", "b")), newer);
      expect(await store.waitingLanes(ONE, { lifted: true })).toEqual([]);
      expect(told(await resumed(store, ONE))).toMatchObject({ copies: 0 });
    });

    it("nothing of a pull request that was closed since", async () => {
      const { store } = opened();
      await whilePaused(store, ONE, kept(pull(3, "b")), kept(pull(4, "c")), closing(3));
      expect(told(await resumed(store, ONE))).toMatchObject({ lanes: ["refs/pull/4/head"] });
    });

    it("a lane that was built before, and built again at that older commit", async () => {
      const { store } = opened();
      const built = change("a", "b");
      await planned(store, record([built], [request(built)]));
      await store.finishBuild((await claim(store)).build.id, 1, GOOD);
      const [waited] = await whilePaused(store, ONE, kept(change("b", "c")));
      await store.resume(INSTANCE, OPERATOR);
      const again = record([], [request(built)], { trigger: "rerun" });
      await store.setInstallationState(installationId("7"), "suspended");
      await store.resume(ONE, OPERATOR);
      await planned(store, again);
      expect(await store.lanesMovedSince(waited?.id ?? "", repository("1"), ["refs/heads/main"])).toEqual(new Set());
      expect(told(await store.replayDeliveries(ONE))).toMatchObject({ lanes: ["refs/heads/main"] });
    });

    it.each<Skip["reason"]>(["paused", "suspended", "no-namespace"])("what was skipped as %s", async (reason) => {
      const { store } = opened();
      await whilePaused(store, ACME, kept(change("a", "b"), reason));
      expect(told(await resumed(store, ACME))).toMatchObject({ copies: 1 });
    });

    it("nothing that could not be built now either", async () => {
      const { store } = opened();
      await whilePaused(store, INSTANCE, kept(change("a", "b"), "paused", second));
      await store.setInstallationState(installationId("8"), "suspended");
      expect(told(await resumed(store, INSTANCE))).toMatchObject({ copies: 0 });
      await store.setInstallationState(installationId("8"), "active");
      await store.unlinkRepositories(installationId("8"), [repository("2")]);
      expect(told(await store.replayDeliveries(INSTANCE))).toMatchObject({ copies: 0 });
      await store.linkRepositories(installationId("8"), [repository("2")], { complete: true });
      expect(told(await store.replayDeliveries(INSTANCE))).toMatchObject({ copies: 1 });
    });

    it("nothing outside what is resumed, and nothing that something else still holds up", async () => {
      const { store } = opened();
      await whilePaused(store, INSTANCE, kept(change("a", "b")), kept(change("a", "b"), "paused", second));
      await store.pause(ACME, GO);
      await store.pause(ONE, GO);
      const one = await resumed(store, ONE);
      expect(told(one)).toMatchObject({ copies: 0 });
      expect(one.remaining.map(({ kind }) => kind)).toEqual(["instance", "installation"]);
      const acme = await resumed(store, ACME);
      expect([told(acme).copies, acme.remaining.map(({ kind }) => kind)]).toEqual([0, ["instance"]]);
      await store.pause(ONE, GO);
      const all = await resumed(store, INSTANCE);
      expect(all.lanes.map(({ repository: { id } }) => id)).toEqual(["2"]);
      expect((await resumed(store, ONE)).lanes.map(({ repository: { id } }) => id)).toEqual(["1"]);
    });

    it("of one installation or repository without the others'", async () => {
      const { store } = opened();
      await whilePaused(store, INSTANCE, kept(change("a", "b")), kept(change("a", "b"), "paused", second));
      await store.setInstallationState(installationId("7"), "suspended");
      await store.resume(INSTANCE, OPERATOR);
      await store.setInstallationState(installationId("7"), "active");
      const theirs: Scope = { kind: "repository", id: repository("2") };
      expect(told(await store.replayDeliveries(theirs))).toMatchObject({ copies: 0 });
      expect(told(await store.replayDeliveries({ kind: "installation", id: installationId("8") }))).toMatchObject({
        copies: 0,
      });
      expect(told(await store.replayDeliveries(ACME))).toMatchObject({ copies: 1 });
    });

    it("and says what it can not, because the body is past retention", async () => {
      const { store, clock } = opened();
      const records = [kept(change("a", "b")), kept(change("c", "d", "refs/heads/dev"))];
      await whilePaused(store, ACME, ...records);
      const now = new Date(clock.now()).toISOString();
      await store.prune({ bodiesBefore: now, deliveriesBefore: "2026-01-01T00:00:00.000Z" });
      expect((await store.waitingLanes(ACME, { lifted: true })).map(({ readable }) => readable)).toEqual([
        false,
        false,
      ]);
      expect(told(await resumed(store, ACME))).toEqual({
        copies: 0,
        lanes: [],
        lost: ["refs/heads/main", "refs/heads/dev"],
      });
    });

    it("of a push of several branches only those that nothing newer has come for", async () => {
      const { store } = opened();
      const [main, dev] = [change("a", "b"), change("c", "d", "refs/heads/dev")];
      const skips = [skip(main, null, "paused"), skip(dev, null, "paused")];
      const newer = kept(change("d", "e", "refs/heads/dev"));
      const [both] = await whilePaused(store, ONE, record([main, dev], [], { skips }), newer);
      const original = both?.id ?? "";
      const again = await resumed(store, ONE);
      expect([told(again).copies, told(again).lanes]).toEqual([2, ["refs/heads/main", "refs/heads/dev"]]);
      const lanes = ["refs/heads/main", "refs/heads/dev", "refs/heads/none"];
      expect(await store.lanesMovedSince(original, repository("1"), lanes)).toEqual(new Set(["refs/heads/dev"]));
      expect(await store.lanesMovedSince(original, repository("2"), lanes)).toEqual(new Set());
      expect(await store.lanesMovedSince(original, repository("1"), [])).toEqual(new Set());
    });

    it("what is recorded as paused only when it is not any more, by itself", async () => {
      const { store } = opened();
      const { id } = await planned(store, kept(change("a", "b")));
      const claimed = await store.claimDeliveries({ limit: 10, leaseMs: 60_000 });
      expect(claimed.map(({ replayOf }) => replayOf)).toEqual([id]);
      expect(told(await store.replayDeliveries(ONE))).toMatchObject({ copies: 0 });
    });

    it("nothing that a payload says of another installation's repository", async () => {
      const { store } = opened();
      await cover(store, record([], []));
      await store.append([delivery("theirs")]);
      const id = (await store.findDelivery("theirs"))?.id ?? "";
      await store.recordPlan(id, kept(change("a", "b"), "paused", { installation: installationId("8") }));
      expect(told(await store.replayDeliveries(INSTANCE))).toMatchObject({ copies: 0 });
      expect(await store.claimDeliveries({ limit: 10, leaseMs: 60_000 })).toEqual([]);
    });

    it("of nothing that only calls itself a copy", async () => {
      const { store } = opened();
      await store.append([delivery("replay-1-0011223344556677")]);
      const [claimed] = await store.claimDeliveries({ limit: 1, leaseMs: 60_000 });
      expect(claimed).not.toHaveProperty("replayOf");
    });
  });
}
