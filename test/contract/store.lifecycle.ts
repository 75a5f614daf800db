/** What is recorded of installations and repositories as their hosts tell of them, with what is written of it. */

import { describe, expect, it } from "@jest/globals";
import type { AuditRecord, By } from "../../src/core/audit.ts";
import type { RepositoryName } from "../../src/core/events.ts";
import type { InstallationNews } from "../../src/core/lifecycle/installation.ts";
import type { RepositoryNews } from "../../src/core/lifecycle/repository.ts";
import type { Account, HostId } from "../../src/core/model.ts";
import type { InstallationHeard, InstallationTaken } from "../../src/engine/lifecycle-port.ts";
import type { Store } from "../../src/engine/store-port.ts";
import { OPERATOR } from "./store.by.ts";
import type { Opened } from "./store.contract.ts";
import {
  account,
  change,
  delivery,
  held,
  installationId,
  pull,
  record,
  repository,
  request,
  sha,
} from "./store.samples.ts";

const BY: By = { kind: "host", provider: "github", host: "default", actor: { id: "42", login: "mona" } };
const [SEVEN, EIGHT] = [installationId("7"), installationId("8")];
const [ACME, OTHER] = [account("17", "acme"), account("18", "other")];

function named(id: string, more: Partial<RepositoryName> = {}): RepositoryName {
  return { provider: "github", host: "default", id, fullName: `acme/repository-${id}`, private: true, ...more };
}

const [ONE, TWO] = [named("1"), named("2")];

interface Telling {
  readonly id?: HostId;
  readonly account?: Account;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly repositories?: readonly RepositoryName[] | null;
  readonly asked?: InstallationHeard["asked"];
}

function hear(store: Store, news: InstallationNews, more: Telling = {}): Promise<InstallationTaken> {
  const { id = SEVEN, account: whose = ACME, permissions = { checks: "write" }, repositories = [ONE], asked } = more;
  const told = news === "found-gone" ? null : { account: whose, permissions, repositories };
  return store.hearInstallation({ id, news, told, by: BY, ...(asked !== undefined && { asked }) });
}

function about(
  store: Store,
  news: RepositoryNews,
  which: RepositoryName = ONE,
  installation: HostId = SEVEN,
): Promise<readonly RepositoryName[]> {
  return store.hearRepositories({ installation, news, repositories: [which], by: BY });
}

async function audits(store: Store): Promise<readonly AuditRecord[]> {
  return (await store.listAudit({ limit: 100, cursor: null })).items.toReversed();
}

async function written(store: Store): Promise<readonly string[]> {
  return (await audits(store)).map(({ action, subject }) => `${action} ${subject}`);
}

async function state(store: Store, id: HostId = SEVEN): Promise<string | null> {
  return (await store.getInstallation(id))?.state ?? null;
}

async function grant(store: Store, whose: Account, namespace: string): Promise<void> {
  const [login, by] = [whose.login, { kind: "operator" }] as const;
  const how = { why: "a test", by, share: false, anyway: false, registry: "default" };
  expect(await store.grantNamespace({ namespace, account: whose, login, ...how })).toMatchObject({ kind: "given" });
}

/** A build each that is queued, held and running, of repository 1. */
async function threeBuilds(store: Store): Promise<readonly string[]> {
  const ids: string[] = [];
  const moves = [
    record([change(null, "a", "refs/heads/run")], [request(change(null, "a", "refs/heads/run"))]),
    record([change(null, "b")], [request(change(null, "b"))]),
    record([pull(3, "c")], [], { held: [held(pull(3, "c"))] }),
  ];
  for (const [index, one] of moves.entries()) {
    await store.append([delivery(`three-${index}`)]);
    const [claimed] = await store.claimDeliveries({ limit: 1, leaseMs: 60_000 });
    ids.push(...(await store.recordPlan(claimed?.delivery.id ?? "", one)).map(({ id }) => id));
    if (index === 0) await store.claimBuild({ worker: "w", leaseMs: 60_000 });
  }
  return ids;
}

async function buildStates(store: Store, ids: readonly string[]): Promise<readonly (string | undefined)[]> {
  return Promise.all(ids.map(async (id) => (await store.getBuild(id))?.state));
}

/** The image `acme/api` of repository 1, published and open to everybody. */
async function publishOpen(store: Store): Promise<void> {
  await store.append([delivery("published")]);
  const [claimed] = await store.claimDeliveries({ limit: 1, leaseMs: 60_000 });
  const moved = change(null, "p", "refs/heads/published");
  await store.recordPlan(claimed?.delivery.id ?? "", record([moved], [request(moved)]));
  const build = await store.claimBuild({ worker: "w", leaseMs: 60_000 });
  const digest = `sha256:${sha("p").padEnd(64, "0")}`;
  await store.stageBuild(build?.build.id ?? "", build?.attempt ?? 0, { digest, steps: [] });
  await store.claimPromotion({ worker: "w", leaseMs: 60_000 });
  await store.setImagePublic("acme/api", true, OPERATOR);
  expect(await store.publicImages(["acme/api"])).toEqual(new Set(["acme/api"]));
}

export function lifecycleContract(opened: Opened): void {
  describe("hears of installations", () => {
    it("that begin: account, permissions, repositories, and one entry for all of it", async () => {
      const { store } = opened();
      expect(await hear(store, "created", { repositories: [ONE, TWO] })).toEqual({
        kind: "taken",
        before: "unknown",
        after: "active",
        effects: ["save", "cover", "settle"],
        canceled: 0,
        replaced: [],
        unsure: [],
      });
      expect(await store.getInstallation(SEVEN)).toMatchObject({
        account: ACME,
        state: "active",
        permissions: { checks: "write" },
      });
      for (const one of [ONE, TWO]) expect(await store.linkState(SEVEN, one)).toBe("linked");
      expect(await audits(store)).toMatchObject([
        {
          action: "installation.created",
          by: BY,
          installation: SEVEN,
          subject: "acme",
          facts: { account: "github:default:17", repositories: "2" },
        },
      ]);
    });

    it("and has the host asked where it is not told what they cover, changing nothing", async () => {
      const { store } = opened();
      const asking = { kind: "ask", recorded: null, forget: false };
      expect(await hear(store, "created", { repositories: null })).toEqual(asking);
      expect(await hear(store, "unsuspended")).toEqual({ ...asking, forget: true });
      expect([await state(store), await written(store)]).toEqual([null, []]);
    });

    it("told twice, with one entry", async () => {
      const { store } = opened();
      await hear(store, "created");
      expect(await hear(store, "created")).toEqual({ kind: "ask", recorded: "active", forget: false });
      await hear(store, "found-active", { asked: "active" });
      await hear(store, "suspended");
      await hear(store, "suspended");
      await hear(store, "removed");
      await hear(store, "removed");
      expect(await written(store)).toEqual([
        "installation.created acme",
        "installation.suspended acme",
        "installation.removed acme",
      ]);
    });

    it("that end: builds, and what they covered", async () => {
      const { store } = opened();
      await hear(store, "created");
      await grant(store, ACME, "acme");
      const ids = await threeBuilds(store);
      expect(await buildStates(store, ids)).toEqual(["running", "queued", "held"]);
      expect(await hear(store, "removed")).toMatchObject({ kind: "taken", after: "removed", canceled: 3 });
      expect(await buildStates(store, ids)).toEqual(["running", "canceled", "canceled"]);
      expect(await store.heartbeat(ids[0] ?? "", 1, 60_000, [])).toBe("cancel");
      expect(await store.linkState(SEVEN, ONE)).toBe("unlinked");
    });

    it("whose answer is older than what was heard meanwhile, and does not take it", async () => {
      const { store } = opened();
      await hear(store, "created");
      await hear(store, "removed");
      for (const asked of [null, "active", "suspended"] as const) {
        expect(await hear(store, "found-active", { asked })).toEqual({ kind: "stale", recorded: "removed" });
      }
      expect(await state(store)).toBe("removed");
    });

    it("of another account under the same id, and changes nothing", async () => {
      const { store } = opened();
      await hear(store, "created");
      expect(await hear(store, "removed", { account: OTHER })).toMatchObject({ kind: "refused" });
      expect([await state(store), (await audits(store)).length]).toEqual(["active", 1]);
    });

    it("apart by host, even with equal ids", async () => {
      const { store } = opened();
      await hear(store, "created");
      const elsewhere = { id: { ...SEVEN, host: "ghes" }, account: { ...ACME, host: "ghes" }, repositories: [] };
      expect(await hear(store, "created", elsewhere)).toMatchObject({ kind: "taken", before: "unknown" });
      await hear(store, "removed", elsewhere);
      expect(await state(store)).toBe("active");
    });

    it("whose account and permissions are others now, with an entry for each", async () => {
      const { store } = opened();
      await hear(store, "created");
      const renamed = { account: { ...ACME, login: "acme-corp" }, permissions: { checks: "write", contents: "read" } };
      await hear(store, "found-active", renamed);
      await hear(store, "found-active", renamed);
      expect((await audits(store)).slice(1)).toMatchObject([
        { action: "installation.renamed", subject: "acme-corp", facts: { from: "acme" } },
        {
          action: "installation.permissions-changed",
          facts: { from: "checks: write", to: "checks: write, contents: read" },
        },
      ]);
    });

    it("that cover other repositories than before, with an entry for each that entered or left", async () => {
      const { store } = opened();
      await hear(store, "created");
      await hear(store, "found-active", { repositories: [TWO] });
      expect(await store.linkState(SEVEN, ONE)).toBe("unlinked");
      expect(await store.linkState(SEVEN, TWO)).toBe("linked");
      expect((await written(store)).slice(1)).toEqual([
        "repository.removed acme/repository-1",
        "repository.added acme/repository-2",
      ]);
    });
  });

  describe("gives an account back what it had", () => {
    it("when it installs anew under another id: namespace, policy, pause, repositories", async () => {
      const { store } = opened();
      await hear(store, "created");
      await grant(store, ACME, "acme");
      await store.setPolicy(SEVEN, { forks: "never" }, OPERATOR);
      await store.pause({ kind: "installation", id: SEVEN }, { by: { kind: "operator" }, stop: false });
      await hear(store, "removed");
      expect(await hear(store, "created", { id: EIGHT })).toMatchObject({ kind: "taken", before: "returning" });
      expect(await store.getInstallation(EIGHT)).toMatchObject({
        namespace: "acme",
        state: "paused",
        policy: { forks: "never" },
      });
      expect(await store.linkState(EIGHT, ONE)).toBe("linked");
      expect((await written(store)).at(-1)).toBe("installation.restored acme");
      // What is late of the one before, whose id never comes back, changes nothing.
      await about(store, "removed", ONE, SEVEN);
      expect(await hear(store, "found-gone", { asked: "removed" })).toMatchObject({ kind: "taken", after: "removed" });
      expect(await store.linkState(EIGHT, ONE)).toBe("linked");
    });

    it("but not to another account of the same name", async () => {
      const { store } = opened();
      await hear(store, "created");
      await grant(store, ACME, "acme");
      await store.setPolicy(SEVEN, { forks: "never" }, OPERATOR);
      await hear(store, "removed");
      const usurper = account("666", "acme");
      expect(await hear(store, "created", { id: EIGHT, account: usurper, repositories: [] })).toMatchObject({
        before: "unknown",
      });
      expect(await store.getInstallation(EIGHT)).toMatchObject({ namespace: null, policy: { forks: "approve" } });
    });

    it("and ends the one before, where nobody told of its end", async () => {
      const { store } = opened();
      await hear(store, "created");
      await grant(store, ACME, "acme");
      const ids = await threeBuilds(store);
      expect(await hear(store, "created", { id: EIGHT })).toEqual({ kind: "ask", recorded: null, forget: false });
      expect(await hear(store, "found-active", { id: EIGHT, asked: null })).toMatchObject({
        before: "beside",
        replaced: [SEVEN],
      });
      expect([await state(store), await state(store, EIGHT)]).toEqual(["removed", "active"]);
      expect(await buildStates(store, ids)).toEqual(["running", "canceled", "canceled"]);
      expect((await written(store)).filter((one) => one.startsWith("installation."))).toEqual([
        "installation.created acme",
        "installation.removed acme",
        "installation.restored acme",
      ]);
    });

    it("once, where two installations of it begin at the same time", async () => {
      const { store } = opened();
      const begin = (id: HostId) => hear(store, "created", { id });
      const kinds = (await Promise.all([begin(SEVEN), begin(EIGHT)])).map(({ kind }) => kind);
      expect(kinds.toSorted()).toEqual(["ask", "taken"]);
    });
  });

  describe("hears of repositories", () => {
    it("of installations that are recorded only", async () => {
      const { store } = opened();
      expect(await about(store, "added")).toEqual([]);
      expect(await store.recordedRepository(SEVEN, ONE)).toBeNull();
    });

    it("that enter and leave, with their builds", async () => {
      const { store } = opened();
      await hear(store, "created");
      await grant(store, ACME, "acme");
      const ids = await threeBuilds(store);
      await about(store, "removed");
      expect(await buildStates(store, ids)).toEqual(["running", "canceled", "canceled"]);
      expect(await store.linkState(SEVEN, ONE)).toBe("unlinked");
      // Perhaps told late: the host is asked.
      expect(await about(store, "added")).toEqual([ONE]);
      expect(await store.linkState(SEVEN, ONE)).toBe("unlinked");
      await about(store, "found");
      expect(await store.linkState(SEVEN, ONE)).toBe("linked");
      expect((await written(store)).slice(-2)).toEqual([
        "repository.removed acme/repository-1",
        "repository.added acme/repository-1",
      ]);
    });

    it("that are renamed, archived and deleted, with one entry each", async () => {
      const { store } = opened();
      await hear(store, "created");
      const renamed = named("1", { fullName: "acme/service" });
      for (const [news, which, link] of [
        ["found", renamed, "linked"],
        ["found", renamed, "linked"],
        ["archived", renamed, "archived"],
        ["found-archived", renamed, "archived"],
        ["found", renamed, "linked"],
        ["deleted", renamed, "unlinked"],
        ["removed", renamed, "unlinked"],
      ] as const) {
        await about(store, news, which);
        expect([news, await store.linkState(SEVEN, ONE)]).toEqual([news, link]);
      }
      expect((await written(store)).slice(1)).toEqual([
        "repository.renamed acme/service",
        "repository.archived acme/service",
        "repository.unarchived acme/service",
        "repository.deleted acme/service",
      ]);
      expect((await audits(store))[1]).toMatchObject({
        action: "repository.renamed",
        facts: { repository: "github:default:1", from: "acme/repository-1" },
      });
    });

    it("that are made private, whose images are not open any more", async () => {
      const { store } = opened();
      const open = named("1", { private: false });
      await hear(store, "created", { repositories: [open] });
      await grant(store, ACME, "acme");
      await publishOpen(store);
      await about(store, "made-private");
      expect(await store.publicImages(["acme/api"])).toEqual(new Set());
      expect((await audits(store)).slice(-2)).toMatchObject([
        {
          action: "image.closed",
          subject: "acme/api",
          by: BY,
          facts: { because: "acme/repository-1 was made private" },
        },
        { action: "repository.made-private", subject: "acme/repository-1" },
      ]);
      await about(store, "made-private");
      await store.setImagePublic("acme/api", true, OPERATOR);
      // Found public and private again, told by nobody.
      await about(store, "found", open);
      expect(await store.publicImages(["acme/api"])).toEqual(new Set(["acme/api"]));
      await about(store, "found");
      expect(await store.publicImages(["acme/api"])).toEqual(new Set());
    });

    it("that go to another account: its mapping from then on, and what was published stays where it is", async () => {
      const { store } = opened();
      await hear(store, "created");
      await grant(store, ACME, "acme");
      await publishOpen(store);
      const ids = await threeBuilds(store);
      await hear(store, "created", { id: EIGHT, account: OTHER, repositories: [] });
      await grant(store, OTHER, "other");
      const moved = named("1", { fullName: "other/repository-1" });
      // The new owner says so; nobody believes it before the host does.
      expect(await about(store, "moved", moved, EIGHT)).toEqual([moved]);
      expect(await about(store, "made-private", moved, EIGHT)).toEqual([]);
      expect(await store.publicImages(["acme/api"])).toEqual(new Set(["acme/api"]));
      await about(store, "found", moved, EIGHT);
      expect([await store.linkState(SEVEN, ONE), await store.linkState(EIGHT, ONE)]).toEqual(["unlinked", "linked"]);
      expect(await buildStates(store, ids)).toEqual(["running", "canceled", "canceled"]);
      // The image is the repository's, and nobody's else, in either namespace.
      expect(await store.publishedImage("acme/api")).toMatchObject({ owner: { id: "1" } });
      expect(await store.imageOwners("acme", repository("2"), ["api"])).toEqual(
        new Map([["api", { other: "other/repository-1" }]]),
      );
      expect(await store.imageOwners("other", ONE, ["api"])).toEqual(new Map([["api", "free"]]));
      const transferred = (await audits(store)).filter(({ action }) => action === "repository.transferred");
      expect(transferred.map(({ installation }) => installation)).toEqual([EIGHT, SEVEN]);
      expect(transferred[0]?.facts).toMatchObject({ from: "acme/repository-1", previous: "github:default:7" });
      // What the old owner's installation tells late is nothing to it.
      await about(store, "removed", ONE, SEVEN);
      await about(store, "deleted", ONE, SEVEN);
      await about(store, "archived", ONE, SEVEN);
      await about(store, "found-gone", ONE, SEVEN);
      expect(await store.linkState(EIGHT, ONE)).toBe("linked");
    });
  });

  describe("gives images to other repositories", () => {
    async function given(store: Store): Promise<void> {
      await hear(store, "created", { repositories: [named("1", { private: false }), TWO] });
      await grant(store, ACME, "acme");
      await publishOpen(store);
    }

    it("which publish them from then on, and nobody else", async () => {
      const { store } = opened();
      await given(store);
      expect(await store.imageOwners("acme", TWO, ["api"])).toEqual(new Map([["api", { other: "acme/repository-1" }]]));
      expect(await store.giveImage("acme/api", TWO, { kind: "operator" })).toBe(true);
      expect(await store.imageOwners("acme", TWO, ["api"])).toEqual(new Map([["api", "own"]]));
      expect(await store.imageOwners("acme", ONE, ["api"])).toEqual(new Map([["api", { other: "acme/repository-2" }]]));
      expect((await audits(store)).slice(-2)).toMatchObject([
        {
          action: "image.given",
          by: { kind: "operator" },
          installation: SEVEN,
          subject: "acme/api",
          facts: { from: "github:default:1", to: "github:default:2" },
        },
        // It is private, and the one before was not.
        { action: "image.closed", subject: "acme/api", facts: { because: "acme/repository-2 is private" } },
      ]);
      expect(await store.publicImages(["acme/api"])).toEqual(new Set());
    });

    it("once: again changes nothing and says nothing", async () => {
      const { store } = opened();
      await given(store);
      await store.giveImage("acme/api", TWO, { kind: "operator" });
      const before = (await audits(store)).length;
      expect(await store.giveImage("acme/api", TWO, { kind: "operator" })).toBe(true);
      expect((await audits(store)).length).toBe(before);
    });

    it("if there are such images", async () => {
      const { store } = opened();
      await given(store);
      const before = (await audits(store)).length;
      expect(await store.giveImage("acme/none", TWO, { kind: "operator" })).toBe(false);
      expect((await audits(store)).length).toBe(before);
    });
  });
}
