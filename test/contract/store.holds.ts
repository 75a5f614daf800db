/** What waits for somebody's word. */

import { describe, expect, it } from "@jest/globals";
import type { Store } from "../../src/engine/store-port.ts";
import { BY_ANN, byPerson, OPERATOR } from "./store.by.ts";
import type { Opened } from "./store.contract.ts";
import {
  ANN,
  BRAKE,
  buildOf,
  claim,
  GOOD,
  holdOne,
  journal,
  LEASE,
  plan,
  planned,
  showChecks,
  statesOf,
} from "./store.pull-samples.ts";
import { retry } from "./store.retry.ts";
import { change, held, installationId, pause, pull, record, repository, request, sha, skip } from "./store.samples.ts";

export function holdsContract(opened: Opened): void {
  describe("holds builds", () => {
    it("with all that the others have, decided as held, and hands them to nobody", async () => {
      const { store } = opened();
      const moved = pull(3, "b");
      const { builds, decisions } = await planned(store, record([moved], [], { held: [held(moved)] }));
      const { hold, ...rest } = held(moved);
      expect(await buildOf(store, builds[0])).toMatchObject({ state: "held", hold, approval: null, attempt: 0 });
      expect((await buildOf(store, builds[0])).planned).toEqual(rest);
      expect(decisions).toMatchObject([
        { ref: "refs/heads/patch", image: "api", build: builds[0], reason: "awaiting-approval", detail: hold.detail },
      ]);
      expect((await store.buildRequest(builds[0] ?? ""))?.document).toContain(builds[0]);
      expect(await store.claimBuild(LEASE)).toBeNull();
      expect(await store.claimBuild({ ...LEASE, build: builds[0] ?? "" })).toBeNull();
      expect(await store.claimableBuilds(10)).toEqual([]);
      expect((await store.stats()).builds).toMatchObject({ held: 1, queued: 0 });
    });

    it("that are no skips of the check: they are there themselves", async () => {
      const { store } = opened();
      const moved = pull(3, "b");
      const skips = [skip(moved, "web")];
      await plan(store, record([moved], [], { held: [held(moved)], skips, report: [sha("b")] }));
      const [check] = await store.claimChecks({ limit: 1, leaseMs: 0 });
      expect(check?.facts.builds.map(({ state }) => state)).toEqual(["held"]);
      expect(check?.facts.skips).toEqual(skips);
    });

    it("and finds them by their commit, oldest first, as long as they are held", async () => {
      const { store } = opened();
      const first = await holdOne(store, 3, "b");
      const second = await holdOne(store, 4, "b");
      await holdOne(store, 5, "c");
      const ids = async () => (await store.heldBuilds(repository("1"), sha("b"))).map(({ id }) => id);
      expect(await ids()).toEqual([first, second]);
      await store.approveBuild(first, BY_ANN);
      expect(await ids()).toEqual([second]);
      expect(await store.heldBuilds(repository("2"), sha("b"))).toEqual([]);
    });

    it("once: the same event told twice holds nothing more", async () => {
      const { store } = opened();
      const first = await holdOne(store, 3, "b");
      const moved = pull(3, "b");
      const { builds, decisions } = await planned(store, record([moved], [], { held: [held(moved)] }));
      expect(builds).toEqual([]);
      expect(decisions).toMatchObject([{ reason: "duplicate", detail: expect.stringContaining(first) }]);
    });

    it("nowhere for an installation that was closed since it was planned", async () => {
      const { store } = opened();
      const moved = pull(3, "b");
      await holdOne(store, 1, "a");
      await store.setInstallationState(installationId("7"), "suspended");
      const id = await journal(store);
      expect(await store.recordPlan(id, record([moved], [], { held: [held(moved)] }))).toEqual([]);
      expect((await store.getDelivery(id))?.decisions).toMatchObject([{ build: null, reason: "suspended" }]);
    });

    it("until they are canceled, one by one or with their installation", async () => {
      const { store } = opened();
      const ids = [await holdOne(store, 3, "b"), await holdOne(store, 4, "c")];
      expect(await store.cancelBuild(ids[0] ?? "", OPERATOR)).toBe("canceled");
      expect(await store.cancelBuild(ids[0] ?? "", OPERATOR)).toBe("final");
      expect(await store.cancelInstallation(installationId("7"))).toBe(1);
      expect(await statesOf(store, ids)).toEqual(["canceled", "canceled"]);
      expect((await buildOf(store, ids[1])).finishedAt).not.toBeNull();
      for (const id of ids) expect(await store.approveBuild(id, BY_ANN)).toEqual([]);
      expect(await store.claimBuild(LEASE)).toBeNull();
    });
  });

  describe("approves builds", () => {
    it("which then wait for their turn like all others, and remembers who did and when", async () => {
      const { store, clock } = opened();
      const id = await holdOne(store, 3, "b");
      const before = await store.buildRequest(id);
      clock.advance(5_000);
      expect(await store.approveBuild(id, BY_ANN)).toEqual([id]);
      expect(await buildOf(store, id)).toMatchObject({
        state: "queued",
        hold: { reason: "awaiting-approval" },
        approval: { actor: ANN, at: "2026-11-20T10:00:05.000Z" },
      });
      // What was shown to whoever approved is what runs.
      expect(await store.buildRequest(id)).toEqual(before);
      expect((await claim(store)).build.id).toBe(id);
    });

    it("by the operator, who is nobody of the host", async () => {
      const { store } = opened();
      const id = await holdOne(store, 3, "b");
      await store.approveBuild(id, OPERATOR);
      expect((await buildOf(store, id)).approval).toEqual({ actor: null, at: "2026-11-20T10:00:00.000Z" });
    });

    it("of the same delivery and for the same reason together, and no others", async () => {
      const { store } = opened();
      const moved = pull(3, "b");
      const stopped = { hold: BRAKE };
      const of = [held(moved), held(moved, "web"), held(moved, "docs", stopped)];
      const ids = await plan(store, record([moved], [], { held: of }));
      const other = await holdOne(store, 4, "b");
      expect(await store.approveBuild(ids[1] ?? "", BY_ANN)).toEqual(ids.slice(0, 2));
      expect(await statesOf(store, [...ids, other])).toEqual(["queued", "queued", "held", "held"]);
      expect(await store.approveBuild(ids[2] ?? "", OPERATOR)).toEqual([ids[2]]);
    });

    it("that the brake has stopped, all with one click", async () => {
      const { store } = opened();
      const moved = change("a", "b");
      const of = Array.from({ length: 30 }, (_, n) => ({ ...request(moved, `image-${n}`), hold: BRAKE }));
      const ids = await plan(store, record([moved], [], { held: of }));
      expect(await store.claimBuild(LEASE)).toBeNull();
      expect(await store.approveBuild(ids[7] ?? "", BY_ANN)).toEqual(ids);
      expect((await store.stats()).builds).toMatchObject({ held: 0, queued: 30 });
    });

    it("once, however many press the button at the same time", async () => {
      const { store } = opened();
      const moved = pull(3, "b");
      const ids = await plan(store, record([moved], [], { held: [held(moved), held(moved, "web")] }));
      const clicks = await Promise.all(
        Array.from({ length: 8 }, (_, n) =>
          store.approveBuild(ids[n % 2] ?? "", byPerson({ id: `${n}`, login: `user-${n}` })),
        ),
      );
      expect(clicks.filter((released) => released.length > 0)).toEqual([ids]);
      const [first, second] = [await buildOf(store, ids[0]), await buildOf(store, ids[1])];
      expect(first.approval).toEqual(second.approval);
      expect([await claim(store), await claim(store)].map(({ build }) => build.id)).toEqual(ids);
      expect(await store.claimBuild(LEASE)).toBeNull();
    });

    it("not while they are anything but held", async () => {
      const { store } = opened();
      const moved = change("a", "b");
      const [queued = ""] = await plan(store, record([moved], [request(moved)]));
      expect(await store.approveBuild(queued, BY_ANN)).toEqual([]);
      expect(await store.approveBuild("no-such-build", BY_ANN)).toEqual([]);
      expect((await buildOf(store, queued)).approval).toBeNull();
      const two = pull(4, "d");
      const both = await plan(store, record([two], [], { held: [held(two), held(two, "web")] }));
      await store.cancelBuild(both[0] ?? "", OPERATOR);
      expect(await store.approveBuild(both[0] ?? "", BY_ANN)).toEqual([]);
      expect(await statesOf(store, both)).toEqual(["canceled", "held"]);
      const id = await holdOne(store, 3, "c");
      await store.approveBuild(id, BY_ANN);
      await store.finishBuild(queued, (await claim(store)).attempt, GOOD);
      await store.finishBuild(id, (await claim(store)).attempt, GOOD);
      expect(await store.approveBuild(id, OPERATOR)).toEqual([]);
      expect(await buildOf(store, id)).toMatchObject({ state: "succeeded", approval: { actor: ANN } });
    });

    it.each<[string, (store: Store) => Promise<void>]>([
      ["suspended", (store) => store.setInstallationState(installationId("7"), "suspended")],
      ["removed", (store) => store.setInstallationState(installationId("7"), "removed")],
      ["paused", (store) => pause(store, "installation", installationId("7"))],
      ["asked to leave its repository alone", (store) => pause(store, "repository", repository("1"))],
      [
        "not given its repository any more",
        (store) => store.unlinkRepositories(installationId("7"), [repository("1")]),
      ],
      [
        "replaced by another one",
        (store) => store.linkRepositories(installationId("8"), [repository("1")], { complete: false }),
      ],
    ])("of no installation that was %s", async (_what, close) => {
      const { store } = opened();
      const id = await holdOne(store, 3, "b");
      await close(store);
      expect(await store.approveBuild(id, BY_ANN)).toEqual([]);
      expect(await buildOf(store, id)).toMatchObject({ state: "held", approval: null });
    });

    it("of no fork once the installation wants nothing of forks any more, and of others all the same", async () => {
      const { store } = opened();
      const id = await holdOne(store, 3, "b");
      const moved = pull(4, "c", { fork: false });
      const own = await plan(store, record([moved], [], { held: [{ ...request(moved), hold: BRAKE }] }));
      await store.setPolicy(installationId("7"), { forks: "never" }, OPERATOR);
      expect(await store.approveBuild(id, BY_ANN)).toEqual([]);
      expect(await store.approveBuild(own[0] ?? "", BY_ANN)).toEqual(own);
      await store.setPolicy(installationId("7"), { forks: "approve" }, OPERATOR);
      expect(await store.approveBuild(id, BY_ANN)).toEqual([id]);
    });

    it("and lets the check that had come to its end begin anew", async () => {
      const { store } = opened();
      const id = await holdOne(store, 3, "b");
      expect(await showChecks(store, true)).toEqual([["held"]]);
      await store.approveBuild(id, BY_ANN);
      const [check] = await store.claimChecks({ limit: 1, leaseMs: 0 });
      // What runs after a conclusion gets a check of its own: engine/report.ts.
      expect(check).toMatchObject({ sha: sha("b"), shown: { concluded: true } });
      expect(check?.facts.builds.map(({ state }) => state)).toEqual(["queued"]);
    });

    it("for good: what is run again of them needs no second word", async () => {
      const { store } = opened();
      const id = await holdOne(store, 3, "b");
      await store.approveBuild(id, BY_ANN);
      await store.finishBuild(id, (await claim(store)).attempt, { ...GOOD, state: "failed" });
      const retried = await retry(store, id);
      expect(retried).toMatchObject({ state: "queued", approval: { actor: ANN } });
      await store.finishBuild(retried?.id ?? "", (await claim(store)).attempt, { ...GOOD, state: "failed" });
      const { hold: _hold, ...again } = held(pull(3, "b"));
      const [rerun] = await plan(store, record([], [again], { trigger: "rerun" }));
      expect(await buildOf(store, rerun)).toMatchObject({ state: "queued", approval: { actor: ANN } });
    });

    it("and nobody gets past a hold by running again what was never approved", async () => {
      const { store } = opened();
      const id = await holdOne(store, 3, "b");
      expect(await retry(store, id)).toBeNull();
      await store.cancelBuild(id, OPERATOR);
      const retried = await retry(store, id);
      expect(retried).toMatchObject({ state: "held", hold: { reason: "awaiting-approval" }, approval: null });
      await store.cancelBuild(retried?.id ?? "", OPERATOR);
      const { hold, ...again } = held(pull(3, "b"));
      const { builds, decisions } = await planned(store, record([], [again], { trigger: "rerun" }));
      expect(await buildOf(store, builds[0])).toMatchObject({ state: "held", hold, approval: null });
      expect(decisions).toMatchObject([{ build: builds[0], reason: "awaiting-approval" }]);
      expect(await store.claimBuild(LEASE)).toBeNull();
      expect(await store.approveBuild(builds[0] ?? "", BY_ANN)).toEqual(builds);
    });
  });
}
