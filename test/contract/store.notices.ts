import { describe, expect, it } from "@jest/globals";
import type { By } from "../../src/core/audit.ts";
import type { BuildState } from "../../src/core/model.ts";
import type { NoticeEvent } from "../../src/core/notices.ts";
import { MAX_TARGETS, type NewTarget } from "../../src/engine/notices-port.ts";
import type { Store } from "../../src/engine/store-port.ts";
import type { Opened } from "./store.contract.ts";
import {
  account,
  change,
  cover,
  delivery,
  installationId,
  pull,
  record,
  recordCovered,
  request,
} from "./store.samples.ts";

const SEVEN = installationId("7");
const OPERATOR: By = { kind: "operator" };
const MAIL: NewTarget = {
  installation: SEVEN,
  kind: "email",
  shown: "team@acme.example",
  address: "team@acme.example",
  events: ["failed", "fixed"],
};
const HOOK: NewTarget = { ...MAIL, kind: "webhook", shown: "hooks.example", address: "https://hooks.example/secret" };
const LEASE = { limit: 10, leaseMs: 60_000 };

let serial = 0;

/** A build of one image that comes to this end. */
async function built(store: Store, end: BuildState, of: { ref?: string; pulled?: boolean } = {}): Promise<string> {
  serial += 1;
  await store.append([delivery(`notice-${serial}`)]);
  const [claimed] = await store.claimDeliveries({ limit: 1, leaseMs: 60_000 });
  const moved = of.pulled
    ? pull(serial, `head ${serial}`)
    : change(`before ${serial}`, `after ${serial}`, of.ref ?? "refs/heads/main");
  const wanted = request(moved, "api", { supersede: "none" });
  const [made] = await recordCovered(store, claimed?.delivery.id ?? "", record([moved], [wanted]));
  const lease = await store.claimBuild({ worker: "w", leaseMs: 15_000, build: made?.id ?? "" });
  if (made === undefined || lease === null) throw new Error("nothing was begun");
  const failure = end === "succeeded" ? null : ({ class: "build", message: "exit status 2" } as const);
  const ended = end === "failed" || end === "timed_out" || end === "canceled" ? end : "succeeded";
  const result = { state: ended, digest: null, failure, steps: [] } as const;
  if (!(await store.finishBuild(made.id, lease.attempt, result))) throw new Error("the build did not end");
  // What came too late changes nothing, and tells nothing.
  expect(await store.finishBuild(made.id, lease.attempt, result)).toBe(false);
  return made.id;
}

export function noticesContract(opened: Opened): void {
  describe("tells people of builds", () => {
    const due = async (): Promise<readonly (readonly [NoticeEvent, string, string])[]> =>
      (await opened().store.claimNotices(LEASE)).map(({ event, address, build }) => [event, address, build.id]);

    async function add(target: NewTarget) {
      const saved = await opened().store.saveTarget(target, OPERATOR);
      if (typeof saved === "string") throw new Error(`not saved: ${saved}`);
      return saved;
    }

    it("of what failed, and of what works again, each of its branch", async () => {
      const { store } = opened();
      await cover(store, record([], []));
      await add(MAIL);
      await built(store, "succeeded");
      expect(await due()).toEqual([]);
      const failed = await built(store, "failed");
      await built(store, "succeeded", { ref: "refs/heads/other" });
      const again = await built(store, "timed_out");
      await built(store, "canceled");
      const fixed = await built(store, "succeeded");
      await built(store, "succeeded");
      await built(store, "failed", { pulled: true });
      expect(await due()).toEqual([
        ["failed", MAIL.address, failed],
        ["failed", MAIL.address, again],
        ["fixed", MAIL.address, fixed],
      ]);
    });

    it("each address of what it wants to hear, and of its own installation's builds alone", async () => {
      const { store } = opened();
      await cover(store, record([], []));
      const other = installationId("8");
      await store.saveInstallation({ id: other, account: account("18"), state: "active", permissions: {} });
      await add({ ...MAIL, events: ["fixed"] });
      await add(HOOK);
      await add({ ...MAIL, installation: other });
      const id = await built(store, "failed");
      expect(await due()).toEqual([["failed", HOOK.address, id]]);
    });

    it("at least once: what was claimed and not ended is due again", async () => {
      const { store, clock } = opened();
      await cover(store, record([], []));
      const target = await add(HOOK);
      await built(store, "failed");
      const [claimed] = await store.claimNotices(LEASE);
      expect(claimed).toMatchObject({
        attempts: 1,
        target: { id: target.id, kind: "webhook", shown: "hooks.example" },
      });
      expect(await due()).toEqual([]);
      clock.advance(60_000);
      const [again] = await store.claimNotices(LEASE);
      expect(again).toMatchObject({ id: claimed?.id, attempts: 2 });
      await store.postponeNotice(again?.id ?? "", new Date(clock.now() + 5_000).toISOString());
      clock.advance(4_999);
      expect(await due()).toEqual([]);
      clock.advance(1);
      expect(await due()).toHaveLength(1);
      await store.endNotice(again?.id ?? "", null);
      const toldAt = new Date(clock.now()).toISOString();
      clock.advance(3_600_000);
      expect(await due()).toEqual([]);
      expect(await store.listTargets(SEVEN)).toMatchObject([{ toldAt, problem: null }]);
    });

    it("and keeps why nobody could be told, until somebody was", async () => {
      const { store, clock } = opened();
      await cover(store, record([], []));
      await add(MAIL);
      await built(store, "failed");
      const [claimed] = await store.claimNotices(LEASE);
      await store.endNotice(claimed?.id ?? "", "The mail server answered 550.");
      const at = new Date(clock.now()).toISOString();
      const problem = { at, why: "The mail server answered 550." };
      expect(await store.listTargets(SEVEN)).toMatchObject([{ toldAt: null, problem }]);
      await built(store, "failed");
      const [next] = await store.claimNotices(LEASE);
      await store.endNotice(next?.id ?? "", null);
      expect(await store.listTargets(SEVEN)).toMatchObject([{ toldAt: at, problem: null }]);
    });

    it("not twice at one address, not at too many, and not where nobody is installed", async () => {
      const { store } = opened();
      expect(await store.saveTarget(MAIL, OPERATOR)).toBe("unknown");
      await cover(store, record([], []));
      await add(MAIL);
      expect(await store.saveTarget({ ...MAIL, events: ["fixed"] }, OPERATOR)).toBe("known");
      for (let n = 1; n < MAX_TARGETS; n += 1) await add({ ...HOOK, address: `${HOOK.address}/${n}` });
      expect(await store.saveTarget(HOOK, OPERATOR)).toBe("full");
    });

    it("no more at an address that was removed, nor of an installation that has left", async () => {
      const { store } = opened();
      await cover(store, record([], []));
      const mail = await add(MAIL);
      await add(HOOK);
      await built(store, "failed");
      expect(await store.removeTarget(installationId("8"), mail.id, OPERATOR)).toBe(false);
      expect(await store.targetAddress(installationId("8"), mail.id)).toBeNull();
      expect(await store.targetAddress(SEVEN, mail.id)).toMatchObject({ address: MAIL.address });
      expect(await store.removeTarget(SEVEN, mail.id, OPERATOR)).toBe(true);
      expect(await store.removeTarget(SEVEN, mail.id, OPERATOR)).toBe(false);
      expect((await due()).map(([, address]) => address)).toEqual([HOOK.address]);
      expect(await store.eraseTargets(SEVEN, { kind: "service" })).toBe(1);
      expect(await store.listTargets(SEVEN)).toEqual([]);
      const { items } = await store.listAudit({ limit: 10, cursor: null, installation: SEVEN });
      expect(
        items.filter(({ action }) => action.startsWith("notification.")).map(({ subject, facts }) => [subject, facts]),
      ).toEqual([
        ["hooks.example", { kind: "webhook" }],
        ["team@acme.example", { kind: "email" }],
        ["hooks.example", { kind: "webhook", events: "failed fixed" }],
        ["team@acme.example", { kind: "email", events: "failed fixed" }],
      ]);
    });
  });
}
