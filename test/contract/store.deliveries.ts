import { randomBytes } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import { BadCursor, type Store } from "../../src/engine/store-port.ts";
import type { Opened } from "./store.contract.ts";
import { change, delivery, record, recordCovered, request } from "./store.samples.ts";

const LEASE = { limit: 100, leaseMs: 10_000 };

async function claimIds(store: Store, options = LEASE): Promise<string[]> {
  return (await store.claimDeliveries(options)).map((claim) => claim.delivery.deliveryId);
}

async function claimOne(store: Store): Promise<string> {
  const claim = (await store.claimDeliveries({ ...LEASE, limit: 1 }))[0];
  if (claim === undefined) throw new Error("nothing to claim");
  return claim.delivery.id;
}

export function deliveriesContract(opened: Opened): void {
  describe("journals deliveries", () => {
    it("answers by position what is new, known before, and twice in the batch", async () => {
      const { store } = opened();
      expect(await store.append([delivery("a"), delivery("b")])).toEqual([true, true]);
      const batch = [delivery("c"), delivery("a"), delivery("c"), delivery("d"), delivery("b")];
      expect(await store.append(batch)).toEqual([true, false, false, true, false]);
      expect((await store.listDeliveries({ limit: 100, cursor: null })).items).toHaveLength(4);
    });

    it("stores an empty batch without complaint", async () => {
      expect(await opened().store.append([])).toEqual([]);
    });

    it("tells equal ids of two hosts apart", async () => {
      const { store } = opened();
      const ids = [delivery("a"), delivery("a", { host: "ghes" }), delivery("a", { provider: "bitbucket" })];
      expect(await store.append(ids)).toEqual([true, true, true]);
      expect(await store.append(ids)).toEqual([false, false, false]);
    });

    it("keeps a batch larger than the database takes in one statement", async () => {
      const { store } = opened();
      const batch = Array.from({ length: 600 }, (_, index) => delivery(`large-${index}`));
      expect((await store.append([...batch, delivery("large-7")])).filter(Boolean)).toHaveLength(600);
    });

    it("stores nothing of a batch it can not store as a whole", async () => {
      const { store } = opened();
      await expect(store.append([delivery("a"), delivery("b", { receivedAt: Number.NaN })])).rejects.toThrow();
      expect((await store.listDeliveries({ limit: 100, cursor: null })).items).toEqual([]);
    });

    it("gives the body back byte by byte, small, empty and large", async () => {
      const { store } = opened();
      for (const size of [0, 1, 7_000, 65_536, 65_537, 3_000_000]) {
        const body = randomBytes(size);
        await store.append([delivery(`size-${size}`, { body })]);
        const found = await store.findDelivery(`size-${size}`);
        expect((await store.deliveryBody(found?.id ?? ""))?.equals(body)).toBe(true);
      }
    });

    it("shows every fact of a delivery, unplanned at first", async () => {
      const { store } = opened();
      await store.append([delivery("a", { action: "created" })]);
      const found = await store.findDelivery("a");
      expect(found).toEqual({
        id: found?.id,
        provider: "github",
        host: "default",
        deliveryId: "a",
        event: "push",
        action: "created",
        repositoryId: "1",
        repositoryName: "acme/repository-1",
        installationId: "7",
        receivedAt: "2026-11-20T09:59:59.000Z",
        outcome: "pending",
        note: null,
        attempts: 0,
        builds: [],
        decisions: [],
        trace: [],
      });
      expect(await store.getDelivery(found?.id ?? "")).toEqual(found);
    });

    it("answers null for ids that can not be, whatever they look like", async () => {
      const { store } = opened();
      await store.append([delivery("a")]);
      for (const id of ["", "0", "-1", "1e3", "999", "1 OR 1=1", "9".repeat(40), "é", "a"]) {
        expect(await store.getDelivery(id)).toBeNull();
        expect(await store.deliveryBody(id)).toBeNull();
      }
      expect(await store.findDelivery("' OR ''='")).toBeNull();
    });

    it("stores every one of many batches that come at once", async () => {
      const { store } = opened();
      const answers = await Promise.all(
        Array.from({ length: 60 }, (_, index) => store.append([delivery(`at-once-${index % 50}`)])),
      );
      expect(answers.flat().filter(Boolean)).toHaveLength(50);
    });
  });

  describe("hands out deliveries in the order of their turns", () => {
    const NOON = Date.parse("2026-11-20T12:00:00.000Z");

    it("so that one installation's flood waits for itself, and nobody else for it", async () => {
      const { store } = opened();
      const flood = Array.from({ length: 300 }, (_, index) =>
        delivery(`flood-${index}`, { installationId: "7", turn: NOON + index * 500 }),
      );
      await store.append([...flood, delivery("other", { installationId: "8", turn: NOON + 2_000 })]);
      const first = await claimIds(store, { limit: 6, leaseMs: 10_000 });
      expect(first.toSorted()).toEqual(["flood-0", "flood-1", "flood-2", "flood-3", "flood-4", "other"]);
    });

    it("but those of a stream as they were stored, whatever their turns", async () => {
      const { store } = opened();
      await store.append([
        delivery("older", { stream: "repo:1", turn: NOON + 60_000 }),
        delivery("newer", { stream: "repo:1", turn: NOON }),
      ]);
      expect(await claimIds(store)).toEqual(["older"]);
    });

    it("and at once where nothing else waits, however far away their turn is", async () => {
      const { store } = opened();
      await store.append([delivery("far", { turn: NOON + 3_600_000 })]);
      expect(await claimIds(store)).toEqual(["far"]);
    });
  });

  describe("hands out deliveries", () => {
    it("oldest first, with body, each to one worker only", async () => {
      const { store } = opened();
      await store.append(["a", "b", "c"].map((id) => delivery(id)));
      const first = await store.claimDeliveries({ limit: 2, leaseMs: 10_000 });
      expect(first.map((claim) => claim.body.toString())).toEqual(['{"delivery":"a"}', '{"delivery":"b"}']);
      expect(first[0]?.delivery.attempts).toBe(1);
      expect(await claimIds(store)).toEqual(["c"]);
      expect(await claimIds(store)).toEqual([]);
    });

    it("one of a stream at a time, in the order they were stored", async () => {
      const { store } = opened();
      const stream = "repo:1";
      await store.append([
        delivery("1a", { stream }),
        delivery("1b", { stream }),
        delivery("2a", { stream: "repo:2" }),
      ]);
      await store.append([delivery("1c", { stream })]);
      expect(await claimIds(store)).toEqual(["1a", "2a"]);
      expect(await claimIds(store)).toEqual([]);
      const first = await store.findDelivery("1a");
      await store.recordIgnored(first?.id ?? "", "ignored", "nothing to do");
      expect(await claimIds(store)).toEqual(["1b"]);
    });

    it("does not let one host's stream hold back the same stream of another", async () => {
      const { store } = opened();
      await store.append([delivery("a", { stream: "s" }), delivery("b", { stream: "s", host: "ghes" })]);
      expect(await claimIds(store)).toEqual(["a", "b"]);
    });

    it("again, at once, to the process that takes over", async () => {
      const { store } = opened();
      await store.append([delivery("a")]);
      expect(await claimIds(store)).toEqual(["a"]);
      expect(await claimIds(store)).toEqual([]);
      await store.takeOver();
      expect(await claimIds(store)).toEqual(["a"]);
    });

    it("again when the lease ended without word", async () => {
      const { store, clock } = opened();
      await store.append([delivery("a")]);
      await store.claimDeliveries(LEASE);
      clock.advance(9_999);
      expect(await claimIds(store)).toEqual([]);
      clock.advance(1);
      const again = await store.claimDeliveries(LEASE);
      expect(again.map((claim) => claim.delivery.attempts)).toEqual([2]);
    });

    it("not before the time a postponed one may be tried, and nothing behind it in its stream", async () => {
      const { store, clock } = opened();
      await store.append([delivery("a", { stream: "s" }), delivery("b", { stream: "s" })]);
      const id = await claimOne(store);
      await store.postponeDelivery(id, new Date(clock.now() + 60_000).toISOString(), "the host is down");
      expect((await store.getDelivery(id))?.note).toBe("the host is down");
      clock.advance(59_999);
      expect(await claimIds(store)).toEqual([]);
      clock.advance(1);
      expect(await claimIds(store)).toEqual(["a"]);
    });

    it("never again once they are ignored, failed or planned", async () => {
      const { store, clock } = opened();
      await store.append(["a", "b", "c"].map((id) => delivery(id)));
      const [a, b, c] = await store.claimDeliveries(LEASE);
      await store.recordIgnored(a?.delivery.id ?? "", "ignored", "our own echo");
      await store.recordIgnored(b?.delivery.id ?? "", "failed", "gave up");
      await store.recordPlan(c?.delivery.id ?? "", record([], []));
      clock.advance(1_000_000);
      expect(await claimIds(store)).toEqual([]);
      const listed = (await store.listDeliveries({ limit: 10, cursor: null })).items;
      expect(listed.map((item) => [item.outcome, item.note])).toEqual([
        ["planned", null],
        ["failed", "gave up"],
        ["ignored", "our own echo"],
      ]);
    });

    it("to sixty askers at once, each exactly once", async () => {
      const { store } = opened();
      await store.append(Array.from({ length: 60 }, (_, index) => delivery(`n-${index}`)));
      const claims = await Promise.all(Array.from({ length: 60 }, () => claimIds(store, { limit: 1, leaseMs: 1_000 })));
      expect(new Set(claims.flat()).size).toBe(60);
    });
  });

  describe("lists deliveries", () => {
    it("newest first, page by page, without repeating or losing one while others arrive", async () => {
      const { store } = opened();
      await store.append(Array.from({ length: 7 }, (_, index) => delivery(`d${index}`)));
      const seen: string[] = [];
      let cursor: string | null = null;
      do {
        const answer: Awaited<ReturnType<Store["listDeliveries"]>> = await store.listDeliveries({ limit: 3, cursor });
        seen.push(...answer.items.map((item) => item.deliveryId));
        cursor = answer.next;
        await store.append([delivery(`later-${seen.length}`)]);
      } while (cursor !== null);
      expect(seen).toEqual(["d6", "d5", "d4", "d3", "d2", "d1", "d0"]);
    });

    it("has no next page after exactly the last one", async () => {
      const { store } = opened();
      await store.append([delivery("a"), delivery("b")]);
      expect((await store.listDeliveries({ limit: 2, cursor: null })).next).toBeNull();
    });

    it("refuses cursors it never gave out", async () => {
      const { store } = opened();
      await store.append([delivery("a"), delivery("b")]);
      const { next } = await store.listDeliveries({ limit: 1, cursor: null });
      const padded = `${next}=`;
      for (const cursor of [
        "",
        "x",
        "1",
        "💥",
        padded,
        `${next}A`,
        Buffer.from("deliveries:-1").toString("base64url"),
      ]) {
        await expect(store.listDeliveries({ limit: 1, cursor })).rejects.toBeInstanceOf(BadCursor);
      }
      await expect(store.listBuilds({ limit: 1, cursor: next })).rejects.toBeInstanceOf(BadCursor);
    });
  });

  describe("keeps house", () => {
    it("forgets old bodies and old deliveries, but nothing that is still wanted", async () => {
      const { store, clock } = opened();
      const old = { receivedAt: Date.UTC(2026, 0, 1) };
      await store.append([delivery("old", old), delivery("waiting", old), delivery("building", old), delivery("new")]);
      const ids = new Map<string, string>();
      for (const id of ["old", "waiting", "building", "new"]) ids.set(id, (await store.findDelivery(id))?.id ?? "");
      const moved = change("a", "b");
      await store.recordPlan(ids.get("old") ?? "", record([], []));
      await recordCovered(store, ids.get("building") ?? "", record([moved], [request(moved)]));
      await store.recordPlan(ids.get("new") ?? "", record([], []));
      const at = new Date(clock.now() - 86_400_000).toISOString();

      expect(await store.prune({ bodiesBefore: at, deliveriesBefore: "2020-01-01T00:00:00.000Z" })).toBe(2);
      expect(await store.deliveryBody(ids.get("old") ?? "")).toBeNull();
      expect(await store.deliveryBody(ids.get("waiting") ?? "")).not.toBeNull();
      expect(await store.deliveryBody(ids.get("new") ?? "")).not.toBeNull();
      expect(await store.prune({ bodiesBefore: at, deliveriesBefore: at })).toBe(1);
      const left = (await store.listDeliveries({ limit: 10, cursor: null })).items.map((item) => item.deliveryId);
      expect(left).toEqual(["new", "building", "waiting"]);
    });

    it("never gives an id a second time, so a pruned delivery's number means nothing else", async () => {
      const { store, clock } = opened();
      await store.append([delivery("a")]);
      const id = await claimOne(store);
      await store.recordIgnored(id, "ignored", "");
      const soon = new Date(clock.now() + 1).toISOString();
      await store.prune({ bodiesBefore: soon, deliveriesBefore: soon });
      await store.append([delivery("b")]);
      expect((await store.findDelivery("b"))?.id).not.toBe(id);
    });

    it("counts what waits", async () => {
      const { store } = opened();
      expect(await store.stats()).toMatchObject({ deliveriesPending: 0, oldestPending: null, oldestQueued: null });
      await store.append([delivery("a"), delivery("b")]);
      const moved = change("a", "b");
      await recordCovered(store, await claimOne(store), record([moved], [request(moved)]));
      const stats = await store.stats();
      expect(stats.deliveriesPending).toBe(1);
      expect(stats.oldestPending).toBe("2026-11-20T09:59:59.000Z");
      expect(stats.builds).toMatchObject({ queued: 1, running: 0, held: 0 });
      expect(stats.oldestQueued).toBe("2026-11-20T10:00:00.000Z");
      expect(stats.checksDue).toBe(1);
      await store.ping();
    });

    it("finds everything again after it was opened anew, without the first having been closed", async () => {
      const { store, reopen } = opened();
      if (reopen === null) return;
      await store.append([delivery("a"), delivery("b")]);
      const moved = change("a", "b");
      await recordCovered(store, await claimOne(store), record([moved], [request(moved)]));
      const again = await reopen();
      const page = { limit: 10, cursor: null };
      expect(await again.listDeliveries(page)).toEqual(await store.listDeliveries(page));
      expect(await again.listBuilds(page)).toEqual(await store.listBuilds(page));
      expect(await again.append([delivery("a"), delivery("c")])).toEqual([false, true]);
      await again.close();
    });
  });
}
