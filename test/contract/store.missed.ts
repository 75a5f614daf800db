/** Looking for what hosts could not deliver: the lease, the position, what could not be fetched, and what is known. */
import { describe, expect, it } from "@jest/globals";
import type { DeliveryAttempt } from "../../src/engine/missed-port.ts";
import type { Opened } from "./store.contract.ts";
import { change, cover, delivery, record, repository, sha, skip } from "./store.samples.ts";

const GITHUB = { provider: "github", host: "default" } as const;
const GHES = { provider: "github", host: "ghes" } as const;
const EAGER = { leaseMs: 60_000, gapMs: 0 };
const SENT = Date.parse("2026-11-20T09:00:00.000Z");
const MISSED = { sentAt: SENT, status: 503 };
const FINE = { complete: true, problem: null, notBefore: null };

function attempt(deliveryId: string): DeliveryAttempt {
  return { id: "1", deliveryId, sentAt: SENT, status: 503, wanted: true };
}

export function missedContract(opened: Opened): void {
  describe("knows of deliveries that were missed", () => {
    it("which ones the journal does not have: on this host, by their whole ids", async () => {
      const { store } = opened();
      const uuid = "a1b2c3d4-0000-11f0-8000-000000000001";
      await store.append([delivery("a"), delivery(uuid), delivery("c", { host: "ghes" })]);
      const ids = ["a", "A", "a ", uuid, "c", "d"];
      expect(await store.unknownDeliveries({ ...GITHUB, ids })).toEqual(new Set(["A", "a ", "c", "d"]));
      expect(await store.unknownDeliveries({ ...GHES, ids })).toEqual(new Set(["a", "A", "a ", uuid, "d"]));
      expect(await store.unknownDeliveries({ provider: "bitbucket", host: "default", ids: ["a"] })).toEqual(
        new Set(["a"]),
      );
      expect(await store.unknownDeliveries({ ...GITHUB, ids: [] })).toEqual(new Set());
      const many = Array.from({ length: 500 }, (_, index) => `many-${index}`);
      expect((await store.unknownDeliveries({ ...GITHUB, ids: many })).size).toBe(500);
    });

    it("and which were fetched, one by one of a batch, but not of what was received before", async () => {
      const { store, clock } = opened();
      await store.append([delivery("received")]);
      const batch = [
        delivery("received", { missed: MISSED }),
        delivery("live"),
        delivery("fetched", { missed: MISSED, receivedAt: clock.now() }),
        delivery("cut off", { missed: { ...MISSED, status: null }, receivedAt: clock.now() }),
        delivery("fetched", { missed: { sentAt: 0, status: 1 } }),
      ];
      expect(await store.append(batch)).toEqual([false, true, true, true, false]);
      const { items } = await store.listDeliveries({ limit: 10, cursor: null });
      expect(items.map(({ deliveryId, missed }) => [deliveryId, missed])).toEqual([
        ["cut off", { sentAt: "2026-11-20T09:00:00.000Z", status: null }],
        ["fetched", { sentAt: "2026-11-20T09:00:00.000Z", status: 503 }],
        ["live", undefined],
        ["received", undefined],
      ]);
      const claims = await store.claimDeliveries({ limit: 10, leaseMs: 1_000 });
      expect(claims.map(({ delivery: { missed } }) => missed?.status)).toEqual([undefined, undefined, 503, null]);
    });
  });

  describe("lets one process look at a host", () => {
    it("at a time; others may look at other hosts, and again when the lease ended without word", async () => {
      const { store, clock } = opened();
      expect(await store.claimLook(GITHUB, EAGER)).toEqual({ attempt: 1, reached: null, problem: null });
      expect(await store.claimLook(GITHUB, EAGER)).toBeNull();
      expect(await store.claimLook(GHES, EAGER)).toMatchObject({ attempt: 1 });
      clock.advance(59_999);
      expect(await store.claimLook(GITHUB, EAGER)).toBeNull();
      clock.advance(1);
      expect(await store.claimLook(GITHUB, EAGER)).toMatchObject({ attempt: 2 });
    });

    it("of twenty that ask at once", async () => {
      const { store } = opened();
      const claims = await Promise.all(Array.from({ length: 20 }, () => store.claimLook(GITHUB, EAGER)));
      expect(claims.filter((claim) => claim !== null)).toHaveLength(1);
    });

    it("not before the gap, nor before the host wants to be asked again", async () => {
      const { store, clock } = opened();
      await store.claimLook(GITHUB, EAGER);
      await store.endLook(GITHUB, 1, { ...FINE, reached: null });
      clock.advance(10_000);
      expect(await store.claimLook(GITHUB, { ...EAGER, gapMs: 10_001 })).toBeNull();
      expect(await store.claimLook(GITHUB, { ...EAGER, gapMs: 10_000 })).toMatchObject({ attempt: 2 });
      const notBefore = clock.now() + 30_000;
      await store.endLook(GITHUB, 2, { reached: null, complete: false, problem: "Slow down.", notBefore });
      clock.advance(29_999);
      expect(await store.claimLook(GITHUB, EAGER)).toBeNull();
      clock.advance(1);
      expect(await store.claimLook(GITHUB, EAGER)).toEqual({ attempt: 3, reached: null, problem: "Slow down." });
      await store.endLook(GITHUB, 3, { ...FINE, reached: null });
      expect(await store.claimLook(GITHUB, EAGER)).toMatchObject({ attempt: 4, problem: null });
    });

    it("after the only process was killed at once", async () => {
      const { store } = opened();
      await store.claimLook(GITHUB, EAGER);
      await store.takeOver();
      expect(await store.claimLook(GITHUB, EAGER)).toMatchObject({ attempt: 2 });
    });

    it("which keeps how far it got, never back, and nothing of one that lost its lease", async () => {
      const { store, clock } = opened();
      await store.claimLook(GITHUB, EAGER);
      expect(await store.holdLook(GITHUB, 1, { leaseMs: 60_000, reached: 1_000 })).toBe(true);
      expect(await store.holdLook(GITHUB, 1, { leaseMs: 60_000, reached: null })).toBe(true);
      expect(await store.holdLook(GITHUB, 1, { leaseMs: 60_000, reached: 999 })).toBe(true);
      clock.advance(60_000);
      expect(await store.claimLook(GITHUB, EAGER)).toMatchObject({ attempt: 2, reached: 1_000 });
      expect(await store.holdLook(GITHUB, 1, { leaseMs: 60_000, reached: 5_000 })).toBe(false);
      await store.endLook(GITHUB, 1, { reached: 5_000, complete: true, problem: "late", notBefore: null });
      expect(await store.claimLook(GITHUB, EAGER)).toBeNull();
      await store.endLook(GITHUB, 2, { ...FINE, reached: 2_000 });
      expect(await store.claimLook(GITHUB, EAGER)).toEqual({ attempt: 3, reached: 2_000, problem: null });
    });
  });

  describe("tells how looking goes", () => {
    it("by host: when the list was last looked through, and what the last day brought", async () => {
      const { store, clock } = opened();
      expect((await store.stats()).missed).toEqual([]);
      await store.claimLook(GITHUB, EAGER);
      const now = { receivedAt: clock.now() };
      const more = { ...now, missed: MISSED };
      await store.append([delivery("a", more), delivery("b", more), delivery("c", now)]);
      await store.append([delivery("d", { ...more, host: "ghes" })]);
      await store.recordMissedTry({ ...GITHUB, attempt: attempt("e"), notBefore: null });
      await store.recordMissedTry({ ...GITHUB, attempt: attempt("f"), notBefore: 1 });
      await store.endLook(GITHUB, 1, { ...FINE, reached: null });
      const seen = { ...GITHUB, lookedAt: "2026-11-20T10:00:00.000Z", problem: null, fetched: 2, lost: 1 };
      expect((await store.stats()).missed).toEqual([seen]);
      clock.advance(60_000);
      await store.claimLook(GITHUB, EAGER);
      await store.claimLook(GHES, EAGER);
      await store.endLook(GITHUB, 2, { reached: null, complete: false, problem: "403", notBefore: null });
      expect((await store.stats()).missed).toEqual([
        { ...seen, problem: "403" },
        { ...GHES, lookedAt: null, problem: null, fetched: 1, lost: 0 },
      ]);
      clock.advance(24 * 60 * 60_000 - 60_000);
      await store.claimLook(GITHUB, EAGER);
      expect((await store.stats()).missed).toMatchObject([{ host: "default", fetched: 2, lost: 1 }, GHES]);
      // Nobody has looked at the other one for a day: it is not set up here any more.
      clock.advance(60_001);
      expect((await store.stats()).missed).toMatchObject([{ host: "default", fetched: 0, lost: 0 }]);
    });

    it("counts tries, and forgets them when no host can have it any more", async () => {
      const { store, clock } = opened();
      expect(await store.missedTries(GITHUB)).toEqual(new Map());
      await store.recordMissedTry({ ...GITHUB, attempt: attempt("a"), notBefore: 5 });
      await store.recordMissedTry({ ...GITHUB, attempt: attempt("a"), notBefore: 9 });
      await store.recordMissedTry({ ...GITHUB, attempt: attempt("b"), notBefore: null });
      await store.recordMissedTry({ ...GHES, attempt: attempt("a"), notBefore: 7 });
      const tries = new Map([
        ["a", { tries: 2, notBefore: 9 }],
        ["b", { tries: 1, notBefore: null }],
      ]);
      expect(await store.missedTries(GITHUB)).toEqual(tries);
      const never = { bodiesBefore: "2020-01-01T00:00:00.000Z", deliveriesBefore: "2020-01-01T00:00:00.000Z" };
      await store.prune(never);
      expect(await store.missedTries(GITHUB)).toEqual(tries);
      clock.advance(8 * 24 * 60 * 60_000);
      await store.prune(never);
      expect(await store.missedTries(GITHUB)).toEqual(new Map());
    });
  });

  describe("tells where lanes are beside a delivery that came late", () => {
    const lane = change("a", "b").ref;
    const at = (time: string) => ({ receivedAt: Date.parse(`2026-11-20T${time}Z`) });

    async function planned(id: string, moved = change("a", "b")): Promise<string> {
      const { store } = opened();
      const [claim] = await store.claimDeliveries({ limit: 1, leaseMs: 60_000 });
      expect(claim?.delivery.deliveryId).toBe(id);
      await store.recordPlan(claim?.delivery.id ?? "", record([moved], [], { skips: [skip(moved, null)] }));
      return claim?.delivery.id ?? "";
    }

    it("and whether something was told after it was sent", async () => {
      const { store } = opened();
      await store.append([delivery("before", at("08:59:59")), delivery("late", { ...at("09:30:00"), missed: MISSED })]);
      await planned("before");
      const { id = "" } = (await store.findDelivery("late")) ?? {};
      const ask = () => store.lanesBeside(id, repository("1"), [lane, "refs/heads/other"]);
      expect(await ask()).toEqual(new Map([[lane, { before: sha("a"), after: sha("b"), later: false, found: false }]]));
      expect(await store.lanesBeside(id, repository("2"), [lane])).toEqual(new Map());
      expect(await store.lanesBeside(id, repository("1"), [])).toEqual(new Map());
      await planned("late", change("b", "c"));
      expect((await ask()).get(lane)).toEqual({ before: sha("b"), after: sha("c"), later: false, found: false });
      await store.append([delivery("after", at("09:00:01"))]);
      await planned("after", change("c", "d"));
      expect((await ask()).get(lane)).toEqual({ before: sha("c"), after: sha("d"), later: true, found: false });
    });

    it("leaving out what was planned once more, or asked for by hand", async () => {
      const { store } = opened();
      await cover(store, record([], []));
      await store.append([
        delivery("before", at("08:59:59")),
        delivery("order", { ...at("09:10:00"), event: "wharfinger.build" }),
        delivery("late", { ...at("09:30:00"), missed: MISSED }),
      ]);
      const moved = change("a", "b");
      // Nothing is paused any more when it is recorded: it is journalled once more at once.
      for (const reason of ["paused", "paths-unchanged"] as const) {
        const [claim] = await store.claimDeliveries({ limit: 1, leaseMs: 60_000 });
        await store.recordPlan(claim?.delivery.id ?? "", record([moved], [], { skips: [skip(moved, null, reason)] }));
      }
      const { items } = await store.listDeliveries({ limit: 10, cursor: null });
      const copy = items.find(({ deliveryId }) => deliveryId.startsWith("replay-"));
      await store.recordPlan(copy?.id ?? "", record([moved], [], { skips: [skip(moved, null)] }));
      expect(items.map(({ deliveryId }) => deliveryId)).toEqual([copy?.deliveryId, "late", "order", "before"]);
      const { id = "" } = (await store.findDelivery("late")) ?? {};
      expect(await store.lanesBeside(id, repository("1"), [lane])).toEqual(
        new Map([[lane, { before: sha("a"), after: sha("b"), later: false, found: false }]]),
      );
    });

    it("by when the others were sent, where they came late themselves", async () => {
      const { store } = opened();
      const earlier = { sentAt: SENT - 1, status: 503 };
      await store.append([
        delivery("earlier", { ...at("09:30:00"), missed: earlier }),
        delivery("late", { ...at("09:30:00"), missed: MISSED }),
      ]);
      await planned("earlier");
      const { id = "" } = (await store.findDelivery("late")) ?? {};
      expect((await store.lanesBeside(id, repository("1"), [lane])).get(lane)?.later).toBe(false);
      const first = (await store.findDelivery("earlier"))?.id ?? "";
      await planned("late", change("b", "c"));
      expect((await store.lanesBeside(first, repository("1"), [lane])).get(lane)?.later).toBe(true);
    });
  });
}
