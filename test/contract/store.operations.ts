/** What operators look at: how far everything is behind, what runs where, and what fails. */
import { describe, expect, it } from "@jest/globals";
import { hostKey } from "../../src/core/model.ts";
import type { Standing } from "../../src/engine/operations-port.ts";
import type { Store } from "../../src/engine/store-port.ts";
import { OPERATOR } from "./store.by.ts";
import type { Opened } from "./store.contract.ts";
import {
  account,
  change,
  delivery,
  installationId,
  pause,
  record,
  recordCovered,
  repository,
  request,
  resume,
} from "./store.samples.ts";

const SEVEN = installationId("7");
const EIGHT = installationId("8");
const LEASE = { worker: "worker-1", leaseMs: 15_000 };
const NOTHING = { count: 0, oldest: null };

let counter = 0;

/** Records a build of a branch of its own, and answers its id. */
async function queue(store: Store, installation = SEVEN): Promise<string> {
  counter += 1;
  const id = `operations-${counter}`;
  await store.append([delivery(id, { installationId: installation.id })]);
  const moved = change(null, id, `refs/heads/b${counter}`);
  const covered = {
    installation,
    repository: repository(installation.id),
    report: [moved.commit].flatMap((sha) => sha ?? []),
  };
  const record_ = record([moved], [request(moved)], covered);
  const [built] = await recordCovered(store, (await store.findDelivery(id))?.id ?? "", record_);
  return built?.id ?? "";
}

async function standing(store: Store, of = SEVEN): Promise<Standing | undefined> {
  return (await store.standings([of])).get(hostKey(of));
}

export function operationsContract(opened: Opened): void {
  describe("tells how far it is with an installation", () => {
    it("nothing, of one that nothing is known of", async () => {
      const { store } = opened();
      expect(await store.standings([])).toEqual(new Map());
      expect(await store.standings([SEVEN])).toEqual(new Map());
    });

    it("when a delivery of its host last arrived, as long as that one is kept", async () => {
      const { store, clock } = opened();
      const at = (text: string) => ({ receivedAt: Date.parse(text), installationId: "7" });
      for (const id of [SEVEN, EIGHT]) {
        await store.saveInstallation({ id, account: account(`1${id.id}`), state: "active", permissions: {} });
      }
      expect((await standing(store))?.heard).toBeNull();
      await store.append([
        delivery("a", at("2026-11-20T08:00:00.000Z")),
        delivery("b", at("2026-11-20T09:00:00.000Z")),
      ]);
      await store.append([delivery("c", { installationId: null }), delivery("d", { installationId: "8" })]);
      await store.append([delivery("e", { ...at("2026-11-20T09:30:00.000Z"), host: "ghes" })]);
      await store.append([delivery("f", { ...at("2026-11-20T09:40:00.000Z"), event: "wharfinger.build" })]);
      expect((await standing(store))?.heard).toBe("2026-11-20T09:00:00.000Z");
      expect((await standing(store, EIGHT))?.heard).toBe("2026-11-20T09:59:59.000Z");
      for (const { delivery: one } of await store.claimDeliveries({ limit: 10, leaseMs: 1_000 })) {
        await store.recordIgnored(one.id, "ignored", "nothing to do");
      }
      clock.advance(60_000);
      const now = new Date(clock.now()).toISOString();
      await store.prune({ bodiesBefore: now, deliveriesBefore: now });
      expect((await standing(store))?.heard).toBeNull();
    });

    it("but not by what was journalled once more after a pause", async () => {
      const { store, clock } = opened();
      await queue(store);
      await pause(store, "installation", SEVEN);
      await store.append([delivery("meanwhile")]);
      const moved = change(null, "meanwhile", "refs/heads/meanwhile");
      const waits = {
        ref: moved.ref,
        sha: moved.commit,
        image: null,
        rule: null,
        reason: "paused",
        detail: "it is paused",
      } as const;
      await store.recordPlan(
        (await store.findDelivery("meanwhile"))?.id ?? "",
        record([moved], [], {
          repository: repository("7"),
          skips: [waits],
          plan: { requests: [], held: [], skips: [waits], diagnostics: [], trace: [] },
        }),
      );
      clock.advance(60_000);
      await resume(store, "installation", SEVEN);
      const told = await standing(store);
      expect(told?.deliveries.count).toBe(1);
      expect(told?.heard).toBe("2026-11-20T09:59:59.000Z");
    });

    it("what waits of it, and since when, apart from others'", async () => {
      const { store, clock } = opened();
      await queue(store);
      clock.advance(1_000);
      await queue(store);
      await queue(store, EIGHT);
      await store.append([delivery("waits"), delivery("waits-too", { receivedAt: clock.now() })]);
      expect(await standing(store)).toEqual({
        heard: "2026-11-20T10:00:01.000Z",
        deliveries: { count: 2, oldest: "2026-11-20T09:59:59.000Z" },
        queued: { count: 2, oldest: "2026-11-20T10:00:00.000Z" },
        running: 0,
        checks: { count: expect.any(Number), oldest: "2026-11-20T10:00:00.000Z", note: null },
      });
      expect(await standing(store, EIGHT)).toMatchObject({
        deliveries: NOTHING,
        queued: { count: 1, oldest: "2026-11-20T10:00:01.000Z" },
        running: 0,
      });
      await store.claimBuild(LEASE);
      await store.claimBuild(LEASE);
      expect(await standing(store)).toMatchObject({ queued: { count: 1 }, running: 1 });
    });

    it("which checks its host does not show yet, and why the oldest was put off", async () => {
      const { store, clock } = opened();
      await queue(store);
      const before = await standing(store);
      expect(before?.checks.count).toBeGreaterThan(0);
      const [claimed] = await store.claimChecks({ limit: 1, leaseMs: 1_000 });
      await store.postponeCheck(
        claimed?.id ?? "",
        new Date(clock.now() + 60_000).toISOString(),
        "the host asked us to wait",
      );
      expect((await standing(store))?.checks).toEqual({ ...before?.checks, note: "the host asked us to wait" });
      await store.dropCheck(claimed?.id ?? "", claimed?.revision ?? 0, "refused");
      expect((await standing(store))?.checks.count).toBe((before?.checks.count ?? 0) - 1);
    });
  });

  describe("tells what is being done", () => {
    it("by whom, since when and until when, and what waits behind it", async () => {
      const { store, clock } = opened();
      const [first, second, third] = [await queue(store), await queue(store), await queue(store, EIGHT)];
      expect((await store.workload(2)).waiting.map(({ id }) => id)).toEqual([first, second]);
      const claimed = await store.claimBuild(LEASE);
      clock.advance(1_000);
      await store.claimBuild({ ...LEASE, worker: "worker-2" });
      await store.cancelBuild(third, OPERATOR);
      expect(await store.workload(10)).toEqual({
        running: [
          {
            id: first,
            image: "acme/api",
            repository: "acme/repository-7",
            installation: SEVEN,
            phase: "building",
            worker: "worker-1",
            attempt: 1,
            startedAt: "2026-11-20T10:00:00.000Z",
            leaseUntil: "2026-11-20T10:00:15.000Z",
            stopping: false,
          },
          expect.objectContaining({ id: third, worker: "worker-2", installation: EIGHT, stopping: true }),
        ],
        waiting: [expect.objectContaining({ id: second, createdAt: "2026-11-20T10:00:00.000Z", notBefore: null })],
      });
      await store.stageBuild(first, claimed?.attempt ?? 0, { digest: `sha256:${"a".repeat(64)}`, steps: [] });
      const { running } = await store.workload(10);
      expect(running[0]).toMatchObject({ id: first, phase: "publishing", worker: null, leaseUntil: null });
    });

    it("what waits for its next try, and until when", async () => {
      const { store, clock } = opened();
      const id = await queue(store);
      const claimed = await store.claimBuild(LEASE);
      await store.releaseBuild(id, claimed?.attempt ?? 0, "2026-11-20T10:05:00.000Z");
      expect((await store.workload(10)).waiting).toEqual([
        expect.objectContaining({ id, notBefore: "2026-11-20T10:05:00.000Z" }),
      ]);
      clock.advance(10 * 60_000);
      expect((await store.workload(10)).waiting[0]?.notBefore).toBeNull();
    });
  });

  describe("counts failures", () => {
    it("by what broke, since a moment, the most frequent first", async () => {
      const { store, clock } = opened();
      const fail = async (kind: "build" | "push" | "timeout") => {
        const id = await queue(store);
        const claimed = await store.claimBuild(LEASE);
        const failure = { class: kind, message: `"class":"dockerfile" \u0000 is only a text` };
        const state = kind === "timeout" ? "timed_out" : "failed";
        await store.finishBuild(id, claimed?.attempt ?? 0, { state, digest: null, failure, steps: [] });
      };
      await fail("push");
      clock.advance(60_000);
      await fail("timeout");
      await fail("build");
      await fail("build");
      expect(await store.failures("2026-11-20T10:00:30.000Z")).toEqual([
        { class: "build", count: 2 },
        { class: "timeout", count: 1 },
      ]);
      expect(await store.failures("2026-11-20T10:00:00.000Z")).toContainEqual({ class: "push", count: 1 });
      expect(await store.failures("2026-11-20T11:00:00.000Z")).toEqual([]);
    });
  });
}
