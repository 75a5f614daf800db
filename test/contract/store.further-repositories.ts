import { beforeEach, describe, expect, it } from "@jest/globals";
import type { By } from "../../src/core/audit.ts";
import type { HostId } from "../../src/core/model.ts";
import { BadCursor, type Store } from "../../src/engine/store-port.ts";
import type { Opened } from "./store.contract.ts";
import { account, installationId, repository } from "./store.samples.ts";

const OPERATOR: By = { kind: "operator" };
const OWNER: By = { kind: "person", provider: "github", host: "default", actor: { id: "9", login: "ada" } };

function install(store: Store, id: string): Promise<unknown> {
  const permissions = { contents: "read" };
  return store.saveInstallation({
    id: installationId(id),
    account: account(id),
    state: "active",
    permissions,
  });
}

function named(id: string, fullName: string) {
  return { ...repository(id), fullName };
}

function access(from: string, reads: string, installation = "7") {
  return { installation: installationId(installation), repository: repository(from), reads: repository(reads) };
}

async function pairs(store: Store, installation: HostId): Promise<readonly string[]> {
  const { items } = await store.listAccess({ installation, limit: 100, cursor: null });
  return items.map((one) => `${one.repository.id} reads ${one.reads.id}${one.covered ? "" : " (not covered)"}`);
}

export function furtherRepositoriesContract(opened: Opened): void {
  describe("keeps which repositories builds of another one may read", () => {
    const of = { installation: installationId("7"), repository: repository("1") };

    beforeEach(async () => {
      const { store } = opened();
      await install(store, "7");
      await install(store, "8");
      const own = [named("1", "acme/api"), named("2", "acme/Shared"), named("3", "acme/other")];
      await store.linkRepositories(installationId("7"), own, { complete: true });
      await store.linkRepositories(installationId("8"), [named("4", "globex/secret")], { complete: true });
    });

    it("from one repository to another, in that direction only, with when and by whom", async () => {
      const { store, clock } = opened();
      expect(await store.allowAccess(access("1", "2"), OWNER)).toBe("allowed");
      const since = new Date(clock.now()).toISOString();
      clock.advance(1_000);
      expect(await store.allowAccess(access("1", "2"), OPERATOR)).toBe("known");
      const { items } = await store.listAccess({ installation: installationId("7"), limit: 10, cursor: null });
      expect(items).toEqual([
        {
          repository: { provider: "github", host: "default", id: "1", fullName: "acme/api" },
          reads: { provider: "github", host: "default", id: "2", fullName: "acme/Shared" },
          covered: true,
          since,
          by: OWNER,
        },
      ]);
      expect(await store.coveredRepositories(of, { ids: ["2", "3"] })).toEqual([
        { id: "2", fullName: "acme/Shared", allowed: true },
        { id: "3", fullName: "acme/other", allowed: false },
      ]);
      const back = { ...of, repository: repository("2") };
      expect(await store.coveredRepositories(back, { ids: ["1"] })).toEqual([
        { id: "1", fullName: "acme/api", allowed: false },
      ]);
    });

    it("never across installations, nor for what none covers, nor a repository for itself", async () => {
      const { store } = opened();
      for (const one of [
        access("1", "4"),
        access("4", "1"),
        access("1", "2", "8"),
        access("4", "2", "8"),
        access("1", "99"),
        access("99", "1"),
        access("1", "2", "9"),
        access("1", "1"),
      ]) {
        expect(await store.allowAccess(one, OPERATOR)).toBe("not-covered");
      }
      expect(await pairs(store, installationId("7"))).toEqual([]);
      expect((await store.listAudit({ limit: 10, cursor: null })).items).toEqual([]);
    });

    it("finding names whatever their case, and nothing of another installation", async () => {
      const { store } = opened();
      await store.allowAccess(access("1", "2"), OPERATOR);
      expect(await store.coveredRepositories(of, { names: ["ACME/shared", "globex/secret", "acme/sha", "%"] })).toEqual(
        [{ id: "2", fullName: "acme/Shared", allowed: true }],
      );
      expect(await store.coveredRepositories(of, { ids: ["4", "acme/Shared"] })).toEqual([]);
      expect(await store.coveredRepositories(of, { names: [] })).toEqual([]);
      const strange = { installation: installationId("8"), repository: repository("1") };
      expect(await store.coveredRepositories(strange, { ids: ["1", "2", "4"] })).toEqual([]);
    });

    it("but only while the installation covers both", async () => {
      const { store } = opened();
      await store.allowAccess(access("1", "2"), OPERATOR);
      await store.unlinkRepositories(installationId("7"), [repository("2")]);
      expect(await store.coveredRepositories(of, { ids: ["2"] })).toEqual([]);
      expect(await pairs(store, installationId("7"))).toEqual(["1 reads 2 (not covered)"]);
      await store.linkRepositories(installationId("7"), [named("2", "acme/Shared")], { complete: false });
      expect(await store.coveredRepositories(of, { ids: ["2"] })).toMatchObject([{ allowed: true }]);
      await store.unlinkRepositories(installationId("7"), [repository("1")]);
      expect(await store.coveredRepositories(of, { ids: ["2"] })).toEqual([]);
    });

    it("and not for the installation they moved to", async () => {
      const { store } = opened();
      await store.allowAccess(access("1", "2"), OPERATOR);
      const moved = [named("1", "globex/api"), named("2", "globex/shared")];
      await store.linkRepositories(installationId("8"), moved, { complete: false });
      expect(await store.coveredRepositories(of, { ids: ["2"] })).toEqual([]);
      const there = { installation: installationId("8"), repository: repository("1") };
      expect(await store.coveredRepositories(there, { ids: ["2"] })).toEqual([
        { id: "2", fullName: "globex/shared", allowed: false },
      ]);
      expect(await pairs(store, installationId("7"))).toEqual(["1 reads 2 (not covered)"]);
      expect(await pairs(store, installationId("8"))).toEqual([]);
    });

    it("between repositories that are found by name, whatever its case, or by key", async () => {
      const { store } = opened();
      const shared = { provider: "github", host: "default", id: "2", fullName: "acme/Shared" } as const;
      const found = [{ ...shared, installation: installationId("7") }];
      expect(await store.findRepositories("ACME/shared")).toEqual(found);
      expect(await store.findRepositories("github:default:2")).toEqual(found);
      for (const nothing of ["2", "acme/nobody", "", "%", "github:default:%"]) {
        expect(await store.findRepositories(nothing)).toEqual([]);
      }
      await store.linkRepositories(installationId("8"), [named("5", "Acme/shared")], { complete: false });
      expect((await store.findRepositories("acme/shared")).map(({ id }) => id)).toEqual(["2", "5"]);
      await store.unlinkRepositories(installationId("8"), [repository("5")]);
      expect((await store.findRepositories("github:default:5")).map(({ id }) => id)).toEqual(["5"]);
    });

    it("until it is taken back", async () => {
      const { store } = opened();
      await store.allowAccess(access("1", "2"), OPERATOR);
      expect(await store.disallowAccess(access("1", "2", "8"), OPERATOR)).toBe(false);
      expect(await store.disallowAccess(access("2", "1"), OPERATOR)).toBe(false);
      expect(await store.disallowAccess(access("1", "2"), OWNER)).toBe(true);
      expect(await store.disallowAccess(access("1", "2"), OWNER)).toBe(false);
      expect(await store.coveredRepositories(of, { ids: ["2"] })).toMatchObject([{ allowed: false }]);
    });

    it("page by page, newest first, of one repository too", async () => {
      const { store } = opened();
      for (const [from, reads] of [
        ["1", "2"],
        ["2", "3"],
        ["1", "3"],
      ] as const) {
        await store.allowAccess(access(from, reads), OPERATOR);
      }
      const installation = installationId("7");
      const first = await store.listAccess({ installation, limit: 2, cursor: null });
      const second = await store.listAccess({ installation, limit: 2, cursor: first.next });
      const ids = [...first.items, ...second.items].map((one) => [one.repository.id, one.reads.id]);
      expect(ids).toEqual([
        ["1", "3"],
        ["2", "3"],
        ["1", "2"],
      ]);
      expect(second.next).toBeNull();
      const ofOne = await store.listAccess({ installation, repository: repository("2"), limit: 10, cursor: null });
      expect(ofOne.items.map((one) => one.reads.id)).toEqual(["3"]);
      await expect(store.listAccess({ installation, limit: 2, cursor: "nonsense" })).rejects.toBeInstanceOf(BadCursor);
    });

    it("with an entry in the audit log for each change, and for nothing else", async () => {
      const { store } = opened();
      await store.allowAccess(access("1", "2"), OWNER);
      await store.allowAccess(access("1", "2"), OPERATOR);
      await store.disallowAccess(access("1", "2"), OPERATOR);
      await store.disallowAccess(access("1", "2"), OPERATOR);
      const { items } = await store.listAudit({ limit: 10, cursor: null });
      const facts = { repository: "github:default:1", reads: "github:default:2", "reads name": "acme/Shared" };
      const common = { installation: installationId("7"), subject: "acme/api", facts };
      expect(items.map(({ id: _id, at: _at, ...entry }) => entry)).toEqual([
        { ...common, by: OPERATOR, action: "access.disallowed" },
        { ...common, by: OWNER, action: "access.allowed" },
      ]);
    });
  });
}
