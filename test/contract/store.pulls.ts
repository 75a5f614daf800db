/** Pull requests, and what only the newest counts of. */

import { describe, expect, it } from "@jest/globals";
import type { Verdict } from "../../src/core/model.ts";
import type { Store } from "../../src/engine/store-port.ts";
import { BY_ANN, OPERATOR } from "./store.by.ts";
import type { Opened } from "./store.contract.ts";
import {
  BRAKE,
  buildOf,
  claim,
  closing,
  GOOD,
  holdOne,
  journal,
  LEASE,
  plan,
  planned,
  STOPPED,
  showChecks,
  statesOf,
} from "./store.pull-samples.ts";
import { change, held, installationId, pull, record, repository, request, sha, skip } from "./store.samples.ts";

export function pullsContract(opened: Opened): void {
  describe("keeps lanes apart", () => {
    it("of two forks' pull requests from branches of one name, and of that branch here", async () => {
      const { store } = opened();
      const here = change("a", "own", "refs/heads/patch");
      const [own] = await plan(store, record([here], [request(here)]));
      const [three, four] = [await holdOne(store, 3, "b"), await holdOne(store, 4, "b")];
      const next = await holdOne(store, 3, "c");
      const moved = change("own", "own-2", "refs/heads/patch");
      const [later] = await plan(store, record([moved], [request(moved)]));
      expect(await statesOf(store, [own, three, four, next, later])).toEqual([
        "superseded",
        "superseded",
        "held",
        "held",
        "queued",
      ]);
      await plan(store, closing(3));
      expect(await statesOf(store, [four, next, later])).toEqual(["held", "canceled", "queued"]);
    });

    it("in the checks of a commit that several of them have", async () => {
      const { store } = opened();
      const moved = change(null, "b", "refs/heads/patch");
      await plan(store, record([moved], [request(moved)], { report: [sha("b")] }));
      const skipped = pull(3, "b", { draft: true });
      const draft = skip(skipped, "api", "draft");
      await plan(store, record([skipped], [], { skips: [draft], report: [sha("b")] }));
      await holdOne(store, 4, "before");
      await holdOne(store, 4, "b");
      const [check] = await store.claimChecks({ limit: 1, leaseMs: 0 });
      expect(check?.facts.builds.map(({ state }) => state)).toEqual(["queued", "held"]);
      expect(check?.facts.skips).toEqual([draft]);
      const ready = pull(3, "b");
      await plan(store, record([ready], [], { held: [held(ready)], report: [sha("b")] }));
      const [again] = await store.claimChecks({ limit: 1, leaseMs: 0 });
      expect(again?.facts).toMatchObject({
        builds: [{ state: "queued" }, { state: "held" }, { state: "held" }],
        skips: [],
      });
    });

    it("where tags are moved: each pull request's are its own", async () => {
      const { store } = opened();
      const moved = pull(3, "b", { fork: false });
      const [id = ""] = await plan(store, record([moved], [request(moved, "api", { tags: ["pr-3"] })]));
      await store.stageBuild(id, (await claim(store)).attempt, { digest: `sha256:${"a".repeat(64)}`, steps: [] });
      const promotion = await store.claimPromotion(LEASE);
      expect(promotion?.tags).toMatchObject([{ tag: "pr-3", wanted: { ref: "refs/pull/3/head", generation: 1 } }]);
    });
  });

  describe("follows pull requests", () => {
    it("that are closed: what waits is canceled, what runs is asked to stop", async () => {
      const { store } = opened();
      const own = pull(3, "b", { fork: false });
      const ids = await plan(store, record([own], [request(own), request(own, "web")], { held: [held(own, "docs")] }));
      const other = await holdOne(store, 4, "c");
      const running = await claim(store);
      await showChecks(store, false);
      await plan(store, closing(3));
      expect(await statesOf(store, [...ids, other])).toEqual(["running", "canceled", "canceled", "held"]);
      expect(await showChecks(store, true)).toContainEqual(["running", "canceled", "canceled"]);
      expect(await store.heartbeat(running.build.id, running.attempt, 15_000, [])).toBe("cancel");
      await store.finishBuild(running.build.id, running.attempt, STOPPED);
      expect(await statesOf(store, ids)).toEqual(["canceled", "canceled", "canceled"]);
      for (const id of ids) expect(await store.approveBuild(id, BY_ANN)).toEqual([]);
    });

    it("that are closed by nobody but their own repository", async () => {
      const { store } = opened();
      const id = await holdOne(store, 3, "b");
      await store.recordPlan(await journal(store), { ...closing(3), installation: installationId("8") });
      await plan(store, { ...closing(3), repository: repository("2") });
      expect((await buildOf(store, id)).state).toBe("held");
    });

    it("that are opened again at the same commit: it is built again, though only once", async () => {
      const { store } = opened();
      const first = await holdOne(store, 3, "b");
      await plan(store, closing(3));
      await plan(store, closing(3));
      const second = await holdOne(store, 3, "b");
      expect(second).not.toBe("");
      expect(await holdOne(store, 3, "b")).toBe("");
      expect(await statesOf(store, [first, second])).toEqual(["canceled", "held"]);
    });

    it("whose target or description changed: the same inputs are the same work, others are not", async () => {
      const { store } = opened();
      const moved = pull(3, "b", { fork: false });
      const [first] = await plan(store, record([moved], [request(moved)]));
      const retargeted = pull(3, "b", { fork: false, target: "next" });
      expect(await plan(store, record([retargeted], [request(retargeted)]))).toEqual([]);
      // Some events say what the head was before, some do not.
      const told = { ...retargeted, before: sha("a") };
      expect(await plan(store, record([told], [request(retargeted)]))).toEqual([]);
      const inputs = { ...request(moved).inputs, context: "services/api" };
      const [second] = await plan(store, record([retargeted], [request(retargeted, "api", { inputs })]));
      expect(await statesOf(store, [first, second])).toEqual(["superseded", "queued"]);
    });

    it("whose head nobody can read for a while, as if nothing had happened", async () => {
      const { store } = opened();
      const id = await holdOne(store, 3, "b");
      const unknown = pull(3, null, { closed: false, checkout: null });
      await plan(store, record([unknown], [], { skips: [skip(unknown, null, "no-commits")] }));
      expect(await holdOne(store, 3, "b")).toBe("");
      expect((await buildOf(store, id)).state).toBe("held");
    });

    it("that have moved on: nobody approves the old commit any more, and both checks say so", async () => {
      const { store } = opened();
      const old = await holdOne(store, 3, "b");
      await showChecks(store, true);
      const next = await holdOne(store, 3, "c");
      expect(await store.approveBuild(old, BY_ANN)).toEqual([]);
      expect(await statesOf(store, [old, next])).toEqual(["superseded", "held"]);
      expect((await showChecks(store, true)).toSorted()).toEqual([["held"], ["superseded"]]);
    });

    it("that have moved on to what is not built, or by rules that supersede nothing: neither", async () => {
      const { store } = opened();
      const moved = pull(3, "b");
      const [old] = await plan(store, record([moved], [], { held: [held(moved, "api", { supersede: "none" })] }));
      const other = await holdOne(store, 4, "b");
      const [stopped] = await plan(
        store,
        record([pull(5, "d")], [], { held: [held(pull(5, "d"), "api", { supersede: "none", hold: BRAKE })] }),
      );
      for (const number of [3, 5]) {
        const next = pull(number, "c");
        await plan(store, record([next], [], { skips: [skip(next, "api")] }));
      }
      expect(await store.approveBuild(old ?? "", BY_ANN)).toEqual([]);
      expect(await statesOf(store, [old, other, stopped])).toEqual(["superseded", "held", "held"]);
    });
  });

  describe("supersedes what runs, where the rule says so", () => {
    const CANCEL = { supersede: "cancel" } as const;

    async function push(store: Store, before: string | null, after: string, ref?: string): Promise<string> {
      const moved = change(before, after, ref);
      return (await plan(store, record([moved], [request(moved, "api", CANCEL)])))[0] ?? "";
    }

    it("and it ends as superseded, not as canceled by somebody", async () => {
      const { store } = opened();
      const old = await push(store, "a", "b");
      const { attempt } = await claim(store);
      await showChecks(store, false);
      await push(store, "b", "c");
      expect(await store.heartbeat(old, attempt, 15_000, [])).toBe("cancel");
      await store.finishBuild(old, attempt, STOPPED);
      expect((await buildOf(store, old)).state).toBe("superseded");
      expect(await showChecks(store, false)).toContainEqual(["superseded"]);
    });

    it("also when nobody is heard of who builds it, or when it was handed back", async () => {
      const { store, clock } = opened();
      const [lost, released] = [await push(store, "a", "b"), await push(store, "a", "x", "refs/heads/other")];
      await claim(store);
      const { attempt } = await claim(store);
      const ids = [await push(store, "b", "c"), await push(store, "x", "y", "refs/heads/other")];
      await store.releaseBuild(released, attempt, new Date(clock.now()).toISOString());
      clock.advance(15_000);
      expect([(await claim(store)).build.id, (await claim(store)).build.id]).toEqual(ids);
      expect(await statesOf(store, [lost, released])).toEqual(["superseded", "superseded"]);
    });

    it("but what failed or was done before it heard of it ended as it did", async () => {
      const { store } = opened();
      const old = await push(store, "a", "b");
      const { attempt } = await claim(store);
      await push(store, "b", "c");
      await store.finishBuild(old, attempt, { ...GOOD, state: "failed" });
      expect((await buildOf(store, old)).state).toBe("failed");
    });

    it("and what somebody has canceled before stays canceled", async () => {
      const { store } = opened();
      const old = await push(store, "a", "b");
      const { attempt } = await claim(store);
      await store.cancelBuild(old, OPERATOR);
      await push(store, "b", "c");
      await store.finishBuild(old, attempt, STOPPED);
      expect((await buildOf(store, old)).state).toBe("canceled");
    });

    it("never what is being published, nor of a tag, nor what came later or with it", async () => {
      const { store } = opened();
      const staged = await push(store, "a", "b");
      await store.stageBuild(staged, (await claim(store)).attempt, { digest: `sha256:${"a".repeat(64)}`, steps: [] });
      const tag = await push(store, null, "t", "refs/tags/v1");
      const onTag = await claim(store);
      await push(store, "t", "u", "refs/tags/v1");
      const moved = change("b", "c");
      const inputs = { ...request(moved).inputs, context: "edge" };
      const requests = [request(moved, "api", CANCEL), request(moved, "api", { ...CANCEL, inputs })];
      const both = await plan(store, record([moved], requests));
      expect((await store.claimPromotion(LEASE))?.canceled).toBe(false);
      expect(await store.heartbeat(tag, onTag.attempt, 15_000, [])).toBe("held");
      expect(await statesOf(store, both)).toEqual(["queued", "queued"]);
      await plan(store, record([], [request(change("a", "b"), "api", CANCEL)], { trigger: "rerun" }));
      expect(await statesOf(store, both)).toEqual(["queued", "queued"]);
    });

    it("or what waits for approval", async () => {
      const { store } = opened();
      const [one, two] = [change("a", "b"), change("b", "c")];
      const of = (moved: typeof one) => record([moved], [], { held: [{ ...request(moved), hold: BRAKE }] });
      const ids = [...(await plan(store, of(one))), ...(await plan(store, of(two)))];
      expect(await statesOf(store, ids)).toEqual(["superseded", "held"]);
      expect(await store.approveBuild(ids[0] ?? "", BY_ANN)).toEqual([]);
    });
  });

  describe("keeps the trace of a decision", () => {
    const VERDICTS: readonly Verdict[] = [
      {
        ref: "refs/heads/main",
        image: "api",
        rule: "images[0].rules[0]",
        verdict: "build",
        reason: null,
        facts: { "capture version": "1.2", odd: "\0 \ud800 ü" },
        detail: "built",
      },
      { ref: null, image: null, rule: null, verdict: "skip", reason: "no-match", facts: {}, detail: "not built" },
    ];

    it("with its delivery, whole, and out of lists", async () => {
      const { store } = opened();
      const moved = change("a", "b");
      const base = record([moved], [request(moved)]);
      const many = Array.from({ length: 2_000 }, (_, n) => VERDICTS.map((one) => ({ ...one, image: `${n}` }))).flat();
      const trace = [...VERDICTS, ...many];
      const { id, deliveryId, trace: kept } = await planned(store, { ...base, plan: { ...base.plan, trace } });
      expect(kept).toEqual(trace);
      expect((await store.findDelivery(deliveryId))?.trace).toEqual(trace);
      const { items } = await store.listDeliveries({ limit: 10, cursor: null });
      expect(items.map((one) => [one.id, one.trace])).toEqual([[id, []]]);
    });

    it("until the delivery is forgotten", async () => {
      const { store, clock } = opened();
      const moved = change("a", "b");
      const base = record([moved], []);
      const { id } = await planned(store, { ...base, plan: { ...base.plan, trace: VERDICTS } });
      clock.advance(60_000);
      const later = new Date(clock.now()).toISOString();
      await store.prune({ bodiesBefore: later, deliveriesBefore: new Date(0).toISOString() });
      expect((await store.getDelivery(id))?.trace).toEqual(VERDICTS);
      await store.prune({ bodiesBefore: later, deliveriesBefore: later });
      expect(await store.getDelivery(id)).toBeNull();
    });

    it("and forgets no delivery of which something is held", async () => {
      const { store, clock } = opened();
      const id = await holdOne(store, 3, "b");
      clock.advance(60_000);
      const later = new Date(clock.now()).toISOString();
      await store.prune({ bodiesBefore: later, deliveriesBefore: later });
      expect(await store.getDelivery((await buildOf(store, id)).deliveryId)).not.toBeNull();
    });
  });
}
