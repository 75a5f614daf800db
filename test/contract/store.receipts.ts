import { describe, expect, it } from "@jest/globals";
import type { By } from "../../src/core/audit.ts";
import { type HostId, hostKey } from "../../src/core/model.ts";
import { receiptItems } from "../../src/core/receipt.ts";
import { BadCursor } from "../../src/engine/store-port.ts";
import type { Opened, OpenedStore } from "./store.contract.ts";
import { account, change, delivery, give, installationId, record, repository, request } from "./store.samples.ts";

const BY: By = { kind: "service" };
const HOST: By = { kind: "host", provider: "github", host: "default", actor: { id: "42", login: "mona" } };
const OPERATOR: By = { kind: "operator" };
const [SEVEN, EIGHT, NINE] = [installationId("7"), installationId("8"), installationId("9")];
const [ACME, OTHER] = [account("17", "acme"), account("18", "other")];
const DAY = 24 * 60 * 60 * 1_000;
const KEPT_UNTIL = "2026-12-20T10:00:00.000Z";

type Store = OpenedStore["store"];

async function installed(store: Store, id: HostId, owner = ACME, repositories = [repository("1"), repository("2")]) {
  const told = { account: owner, permissions: {}, repositories };
  const taken = await store.hearInstallation({ id, news: "found-active", told, by: HOST });
  if (taken.kind !== "taken") throw new Error(`not installed: ${taken.kind}`);
}

async function removed(store: Store, id: HostId, owner = ACME) {
  const told = { account: owner, permissions: {}, repositories: null };
  await store.hearInstallation({ id, news: "removed", told, by: HOST });
}

/** Everything there is to have. */
async function furnish(store: Store, { clock }: Pick<OpenedStore, "clock">): Promise<void> {
  await installed(store, SEVEN);
  await give(store, ACME, "acme");
  const place = { installation: SEVEN, repository: null };
  await store.saveVariable(place, { kind: "secret", name: "NPM_TOKEN", value: "npm-secret-value" }, OPERATOR);
  const one = { installation: SEVEN, repository: repository("1") };
  await store.saveVariable(one, { kind: "variable", name: "LEVEL", value: "debug" }, OPERATOR);
  await store.allowAccess({ installation: SEVEN, repository: repository("1"), reads: repository("2") }, OPERATOR);
  const expiresAt = clock.now() + 90 * DAY;
  const token = {
    id: "token1",
    hash: "hash",
    namespace: "acme",
    account: ACME,
    name: "cluster",
    access: "pull",
    expiresAt,
  };
  expect(await store.saveAccessToken({ ...token, access: "pull" }, OPERATOR)).toBe("saved");
  const credential = { registry: "default", namespace: "acme", username: "robot", password: "registry-secret" };
  await store.saveRegistryCredential(credential, OPERATOR);
}

async function queueOne(
  store: Store,
  name: string,
  installation = SEVEN,
  of = repository("1"),
  namespace = "acme",
): Promise<string> {
  await store.append([delivery(name, { installationId: installation.id, stream: `repo:${name}` })]);
  await store.claimDeliveries({ limit: 100, leaseMs: 60_000 });
  const found = await store.findDelivery(name);
  const moved = change(null, name);
  const plan = record([moved], [request(moved)], { installation, repository: of, namespace });
  const [build] = await store.recordPlan(found?.id ?? "", plan);
  if (build === undefined) throw new Error("nothing was queued");
  return build.id;
}

export function receiptsContract(opened: Opened): void {
  describe("takes away what an uninstalled account had", () => {
    const uninstalled = async () =>
      (await opened().store.uninstalled(10)).map(({ installation }) => hostKey(installation));

    it("and nothing of one that is still installed, or has another installation", async () => {
      const { store } = opened();
      await furnish(store, opened());
      expect(await uninstalled()).toEqual([]);
      expect(await store.eraseHoldings(SEVEN, BY)).toBe(false);
      expect((await store.holdings(SEVEN)).left).toEqual({
        variables: 2,
        notifications: 0,
        tokens: 1,
        credentials: 0,
        connections: 0,
      });
      await installed(store, EIGHT);
      // Its account has installed anew: the first installation has ended by that.
      expect((await store.getInstallation(SEVEN))?.state).toBe("removed");
      expect(await uninstalled()).toEqual([]);
      expect(await store.eraseHoldings(SEVEN, BY)).toBe(false);
      expect(await store.receipt(SEVEN)).toBeNull();
      expect((await store.holdings(EIGHT)).left).toMatchObject({ tokens: 1 });
      expect(await store.removeRegistryCredential("default", "acme", OPERATOR)).toBe(true);
      expect(await store.eraseHoldings(NINE, BY)).toBe(false);
    });

    it("all of it, once, with a receipt that says so and an audit entry for each", async () => {
      const { store, clock } = opened();
      await furnish(store, opened());
      clock.advance(1_000);
      await removed(store, SEVEN);
      const removedAt = new Date(clock.now()).toISOString();
      expect(await store.uninstalled(10)).toEqual([{ installation: SEVEN, account: ACME, removedAt }]);
      for (let round = 0; round < 2; round += 1) {
        expect(await store.eraseHoldings(SEVEN, BY)).toBe(true);
        await store.eraseVariables(SEVEN, BY);
      }
      const held = await store.holdings(SEVEN);
      expect(held).toMatchObject({
        erasedSecrets: [expect.stringMatching(/^NPM_TOKEN \([0-9a-f]+\)$/)],
        erasedVariables: [expect.stringMatching(/^LEVEL of github:default:1 \([0-9a-f]+\)$/)],
        revokedTokens: ["cluster"],
        erasedCredentials: ["robot at default"],
        disallowed: 1,
        running: 0,
        left: { variables: 0, tokens: 0, credentials: 0, connections: 0 },
        namespace: "acme",
        sharedWith: [],
        repositories: 2,
      });
      const audit = await store.listAudit({ limit: 100, cursor: null, installation: SEVEN });
      expect(JSON.stringify(audit)).not.toContain("secret-value");
      expect(
        audit.items
          .filter(({ by }) => by.kind === "service")
          .map(({ action }) => action)
          .toSorted(),
      ).toEqual(["access.disallowed", "credential.removed", "token.revoked", "variable.removed", "variable.removed"]);

      expect(await store.receipt(SEVEN)).toMatchObject({ closedAt: null, items: [] });
      const items = receiptItems(held, { keptUntil: KEPT_UNTIL });
      clock.advance(1_000);
      expect(await store.closeReceipt(SEVEN, items, KEPT_UNTIL)).toBe(true);
      expect(await store.closeReceipt(SEVEN, [], KEPT_UNTIL)).toBe(false);
      expect(await store.receipt(SEVEN)).toEqual({
        id: expect.stringMatching(/^\d+$/),
        installation: SEVEN,
        account: ACME,
        removedAt,
        closedAt: new Date(clock.now()).toISOString(),
        keptUntil: KEPT_UNTIL,
        restoredAt: null,
        purgedAt: null,
        items,
      });
      expect(await uninstalled()).toEqual([]);
    });

    it("but nothing of another account, and no credential of a namespace that another one publishes into", async () => {
      const { store, clock } = opened();
      await furnish(store, opened());
      await installed(store, EIGHT, OTHER, [repository("3")]);
      await give(store, OTHER, "acme");
      const place = { installation: EIGHT, repository: null };
      await store.saveVariable(place, { kind: "secret", name: "THEIRS", value: "their-secret-value" }, OPERATOR);
      const token = { id: "token2", hash: "other", namespace: "acme", account: OTHER, name: "theirs" };
      const theirs = { ...token, access: "push", expiresAt: clock.now() + DAY } as const;
      expect(await store.saveAccessToken(theirs, OPERATOR)).toBe("saved");
      await removed(store, SEVEN);
      expect(await store.eraseHoldings(SEVEN, BY)).toBe(true);
      await store.eraseVariables(SEVEN, BY);
      expect(await store.holdings(EIGHT)).toMatchObject({ left: { variables: 1, tokens: 1 }, revokedTokens: [] });
      expect(await store.holdings(SEVEN)).toMatchObject({
        left: { variables: 0, tokens: 0, credentials: 0 },
        erasedCredentials: [],
        sharedWith: ["other"],
      });
      // The last one to leave takes it along.
      await removed(store, EIGHT, OTHER);
      expect(await store.eraseHoldings(EIGHT, BY)).toBe(true);
      expect((await store.holdings(EIGHT)).erasedCredentials).toEqual(["robot at default"]);
    });

    it("and tells webhooks that were deleted, before it counted as removed, from one that the host kept", async () => {
      const { store, clock } = opened();
      await installed(store, SEVEN);
      for (const [connection, webhook] of [
        ["c1", "deleted"],
        ["c2", "Bitbucket answered 403"],
      ] as const) {
        const entry = { by: OPERATOR, action: "connection.removed", installation: SEVEN, subject: "acme" } as const;
        await store.appendAudit({ ...entry, facts: { connection, webhook } });
      }
      clock.advance(1_000);
      await removed(store, SEVEN);
      expect((await store.holdings(SEVEN)).webhooks).toEqual([
        { connection: "c1", deleted: true, detail: "deleted" },
        { connection: "c2", deleted: false, detail: "Bitbucket answered 403" },
      ]);
    });

    it("again after it came back and left again, with a receipt of its own", async () => {
      const { store, clock } = opened();
      await installed(store, SEVEN);
      for (const round of [1, 2]) {
        clock.advance(1_000);
        await removed(store, SEVEN);
        expect(await uninstalled()).toEqual([hostKey(SEVEN)]);
        await store.eraseHoldings(SEVEN, BY);
        await store.closeReceipt(SEVEN, [], KEPT_UNTIL);
        expect((await store.listReceipts({ limit: 10, cursor: null })).items).toHaveLength(round);
        clock.advance(1_000);
        await installed(store, SEVEN);
        expect(await uninstalled()).toEqual([]);
      }
    });

    it("and lists receipts page by page, the newest first", async () => {
      const { store, clock } = opened();
      for (const id of [SEVEN, EIGHT, NINE]) {
        const owner = account(`1${id.id}`, `login-${id.id}`);
        await installed(store, id, owner, [repository(id.id)]);
        clock.advance(1_000);
        await removed(store, id, owner);
        await store.eraseHoldings(id, BY);
      }
      const first = await store.listReceipts({ limit: 2, cursor: null });
      expect(first.items.map((one) => one.account.login)).toEqual(["login-9", "login-8"]);
      const second = await store.listReceipts({ limit: 2, cursor: first.next });
      expect(second.items.map((one) => one.account.login)).toEqual(["login-7"]);
      expect(second.next).toBeNull();
      await expect(store.listReceipts({ limit: 2, cursor: "no" })).rejects.toThrow(BadCursor);
    });
  });

  describe("purges what was kept of an uninstalled account", () => {
    async function left(store: Store) {
      await removed(store, SEVEN);
      await store.eraseHoldings(SEVEN, BY);
      await store.closeReceipt(SEVEN, [], new Date(opened().clock.now() + 30 * DAY).toISOString());
    }
    const due = async () =>
      (await opened().store.purgeable(new Date(opened().clock.now()).toISOString(), 10)).map(hostKey);

    it("when its time is over, and neither before nor after it came back", async () => {
      const { store, clock } = opened();
      await installed(store, SEVEN);
      await left(store);
      clock.advance(30 * DAY - 1);
      expect(await due()).toEqual([]);
      expect(await store.purgeInstallation(SEVEN, [])).toBe(true);
      expect(await store.receipt(SEVEN)).toMatchObject({ purgedAt: null });
      clock.advance(1);
      expect(await due()).toEqual([hostKey(SEVEN)]);
      // With another id, as GitHub gives one.
      await installed(store, EIGHT);
      expect(await store.purgeInstallation(SEVEN, [])).toBe(true);
      expect(await due()).toEqual([]);
      expect(await store.receipt(SEVEN)).toMatchObject({
        purgedAt: null,
        restoredAt: new Date(clock.now()).toISOString(),
      });
    });

    it("with its builds, deliveries, checks and repositories, but for those that own an image", async () => {
      const { store, clock } = opened();
      await furnish(store, opened());
      const first = await queueOne(store, "one");
      const second = await queueOne(store, "two", SEVEN, repository("2"));
      const claimed = await store.claimBuild({ worker: "w", leaseMs: 60_000, build: first });
      await store.stageBuild(first, claimed?.attempt ?? 0, { digest: `sha256:${"d".repeat(64)}`, steps: [] });
      // Binds the image to the first repository.
      expect(await store.claimPromotion({ worker: "w", leaseMs: 60_000 })).not.toBeNull();
      await left(store);
      expect((await store.holdings(SEVEN)).canceled + (await store.holdings(SEVEN)).running).toBe(2);
      clock.advance(30 * DAY);
      // The staged one has nobody who works on it any more.
      await store.claimPromotion({ worker: "w", leaseMs: 60_000 });
      expect(await store.recordedBuilds(SEVEN, 1)).toEqual([first]);
      expect(await store.purgeInstallation(SEVEN, [second])).toBe(false);
      expect(await store.getBuild(second)).toBeNull();
      expect(await store.getBuild(first)).not.toBeNull();
    });

    it("and touches nothing of another installation", async () => {
      const { store, clock } = opened();
      await installed(store, SEVEN);
      await installed(store, EIGHT, OTHER, [repository("3")]);
      await give(store, ACME, "acme");
      await give(store, OTHER, "other");
      const ours = await queueOne(store, "ours");
      const theirs = await queueOne(store, "theirs", EIGHT, repository("3"), "other");
      // One of ours went to them.
      await store.hearRepositories({
        installation: EIGHT,
        news: "found",
        repositories: [repository("2")],
        by: HOST,
      });
      await left(store);
      clock.advance(30 * DAY);
      expect(await store.purgeInstallation(SEVEN, [theirs, ours])).toBe(false);
      expect(await store.getBuild(theirs)).not.toBeNull();
      expect(await store.recordedBuilds(SEVEN, 10)).toEqual([]);
      expect(await store.purgeInstallation(SEVEN, [])).toBe(true);
      expect(await store.findDelivery("ours")).toBeNull();
      expect(await store.findDelivery("theirs")).not.toBeNull();
      expect(await store.repositoriesOf(SEVEN, 10)).toEqual([]);
      expect((await store.repositoriesOf(EIGHT, 10)).map(({ id }) => id).toSorted()).toEqual(["2", "3"]);
      expect(await store.receipt(SEVEN)).toMatchObject({ purgedAt: new Date(clock.now()).toISOString() });
      const { items } = await store.listAudit({ limit: 1, cursor: null });
      expect(items).toMatchObject([{ action: "installation.purged", installation: SEVEN, subject: "acme", by: BY }]);
      expect(await due()).toEqual([]);
    });
  });
}
