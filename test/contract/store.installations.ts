import { describe, expect, it } from "@jest/globals";
import { DEFAULT_POLICY, type HostId, hostKey, type Installation } from "../../src/core/model.ts";
import { BadCursor, type HostState, type Store } from "../../src/engine/store-port.ts";
import { OPERATOR } from "./store.by.ts";
import type { Opened } from "./store.contract.ts";
import {
  account,
  change,
  delivery,
  give,
  installationId,
  pause,
  record,
  recordCovered,
  repository,
  resume,
} from "./store.samples.ts";

async function save(
  store: Store,
  id: string,
  accountId: string,
  namespace: string | null,
  state: HostState = "active",
): Promise<Installation> {
  const permissions = { checks: "write", contents: "read" };
  const who = { id: installationId(id), account: account(accountId) };
  const saved = await store.saveInstallation({ ...who, state, permissions });
  if (namespace === null || saved.namespace !== null) return saved;
  await give(store, who.account, namespace);
  return { ...saved, namespace };
}

export function installationsContract(opened: Opened): void {
  describe("keeps installations", () => {
    it("with account, state, permissions and namespace", async () => {
      const { store } = opened();
      const saved = await save(store, "7", "100", "acme");
      expect(saved).toEqual({
        ...installationId("7"),
        account: account("100"),
        state: "active",
        namespace: "acme",
        permissions: { checks: "write", contents: "read" },
        policy: DEFAULT_POLICY,
      });
      expect(await store.getInstallation(installationId("7"))).toEqual(saved);
      expect(await store.getInstallation(installationId("8"))).toBeNull();
      await store.setInstallationState(installationId("7"), "suspended");
      expect((await store.getInstallation(installationId("7")))?.state).toBe("suspended");
    });

    it("apart by host, even with equal ids", async () => {
      const { store } = opened();
      await save(store, "7", "100", "acme");
      const elsewhere: HostId = { ...installationId("7"), host: "ghes" };
      expect(await store.getInstallation(elsewhere)).toBeNull();
    });

    it("found by a part of the account's name, whatever its letters", async () => {
      const { store } = opened();
      for (const [id, login] of [
        ["1", "Acme-Tools"],
        ["2", "acme_ops"],
        ["3", "other"],
        ["4", "100%"],
      ] as const) {
        const saved = {
          id: installationId(id),
          account: account(`9${id}`, login),
          state: "active",
          permissions: {},
        } as const;
        await store.saveInstallation(saved);
      }
      const found = async (login: string) =>
        (await store.listInstallations({ limit: 10, cursor: null, login })).items.map((one) => one.account.login);
      expect(await found("ACME")).toEqual(["acme_ops", "Acme-Tools"]);
      expect(await found("_")).toEqual(["acme_ops"]);
      expect(await found("%")).toEqual(["100%"]);
      expect(await found("!")).toEqual([]);
    });

    it("newest first, page by page", async () => {
      const { store } = opened();
      for (const id of ["1", "2", "3"]) await save(store, id, id, null);
      const first = await store.listInstallations({ limit: 2, cursor: null });
      const second = await store.listInstallations({ limit: 2, cursor: first.next });
      expect([...first.items, ...second.items].map((item) => item.id)).toEqual(["3", "2", "1"]);
      expect(second.next).toBeNull();
      await expect(store.listInstallations({ limit: 2, cursor: "nonsense" })).rejects.toBeInstanceOf(BadCursor);
    });
  });

  describe("keeps policies", () => {
    it("changing what is given and nothing else", async () => {
      const { store } = opened();
      await save(store, "7", "100", "acme");
      await save(store, "8", "200", "other");
      expect(await store.setPolicy(installationId("7"), { forks: "test", brake: 5 }, OPERATOR)).toEqual({
        ...DEFAULT_POLICY,
        forks: "test",
        brake: 5,
      });
      const changed = { ...DEFAULT_POLICY, forks: "test", brake: 5, zeroConfig: true };
      expect(await store.setPolicy(installationId("7"), { zeroConfig: true }, OPERATOR)).toEqual(changed);
      expect(await store.setPolicy(installationId("7"), {}, OPERATOR)).toEqual(changed);
      expect((await store.getInstallation(installationId("7")))?.policy).toEqual(changed);
      const { items } = await store.listInstallations({ limit: 10, cursor: null });
      expect(items.map(({ policy }) => policy)).toEqual([DEFAULT_POLICY, changed]);
    });

    it("whatever the host tells of the installation meanwhile", async () => {
      const { store } = opened();
      await save(store, "7", "100", "acme");
      await store.setPolicy(installationId("7"), { forks: "never" }, OPERATOR);
      expect((await save(store, "7", "100", "acme", "suspended")).policy.forks).toBe("never");
    });

    it("of installations that are there only, told apart by host", async () => {
      const { store } = opened();
      await save(store, "7", "100", "acme");
      expect(await store.setPolicy({ ...installationId("7"), host: "ghes" }, { brake: 1 }, OPERATOR)).toBeNull();
      expect((await store.getInstallation(installationId("7")))?.policy).toEqual(DEFAULT_POLICY);
    });

    it("of two who change different things at a time both", async () => {
      const { store } = opened();
      await save(store, "7", "100", "acme");
      await Promise.all([
        store.setPolicy(installationId("7"), { forks: "never" }, OPERATOR),
        store.setPolicy(installationId("7"), { zeroConfig: true }, OPERATOR),
        store.setPolicy(installationId("7"), { brake: 3 }, OPERATOR),
      ]);
      const policy = { ...DEFAULT_POLICY, forks: "never", zeroConfig: true, brake: 3 };
      expect((await store.getInstallation(installationId("7")))?.policy).toEqual(policy);
    });
  });

  describe("links repositories", () => {
    const acme = installationId("7");
    const other = installationId("8");

    it("to the installation that covers them", async () => {
      const { store } = opened();
      expect(await store.linkState(acme, repository("1"))).toBe("unlinked");
      await store.linkRepositories(acme, [repository("1"), repository("2")], { complete: false });
      expect(await store.linkState(acme, repository("1"))).toBe("linked");
      expect(await store.linkState(other, repository("1"))).toBe("unlinked");
      await store.unlinkRepositories(acme, [repository("1")]);
      expect(await store.linkState(acme, repository("1"))).toBe("unlinked");
      expect(await store.linkState(acme, repository("2"))).toBe("linked");
    });

    it("and unlinks what a complete list leaves out", async () => {
      const { store } = opened();
      await store.linkRepositories(acme, [repository("1"), repository("2")], { complete: false });
      await store.linkRepositories(other, [repository("9")], { complete: false });
      await store.linkRepositories(acme, [repository("2"), repository("3")], { complete: true });
      const states = await Promise.all(["1", "2", "3"].map((id) => store.linkState(acme, repository(id))));
      expect(states).toEqual(["unlinked", "linked", "linked"]);
      expect(await store.linkState(other, repository("9"))).toBe("linked");
    });

    it("does not let the old owner unlink one that moved on", async () => {
      const { store } = opened();
      await store.linkRepositories(acme, [repository("1")], { complete: false });
      await store.linkRepositories(other, [repository("1")], { complete: false });
      await store.unlinkRepositories(acme, [repository("1")]);
      expect(await store.linkState(other, repository("1"))).toBe("linked");
      expect(await store.linkState(acme, repository("1"))).toBe("unlinked");
    });

    it("and lists them by name, with how each stands, to nobody but the installation", async () => {
      const { store } = opened();
      await store.linkRepositories(acme, [repository("3"), repository("1"), repository("2")], { complete: false });
      await store.linkRepositories(other, [repository("9")], { complete: false });
      await store.unlinkRepositories(acme, [repository("2")]);
      await pause(store, "repository", repository("3"));
      const listed = await store.repositoriesOf(acme, 10);
      expect(listed.map(({ id, link }) => [id, link])).toEqual([
        ["1", "linked"],
        ["2", "unlinked"],
        ["3", "paused"],
      ]);
      expect(listed[0]).toEqual({
        provider: "github",
        host: "default",
        id: "1",
        fullName: repository("1").fullName,
        private: repository("1").private,
        defaultBranch: null,
        cloneUrl: "",
        webUrl: "",
        link: "linked",
      });
      expect((await store.repositoriesOf(acme, 2)).map(({ id }) => id)).toEqual(["1", "2"]);
      expect((await store.repositoriesOf(acme, 2, 2)).map(({ id }) => id)).toEqual(["3"]);
      expect(await store.repositoriesOf(acme, 2, 4)).toEqual([]);
      expect(await store.repositoriesOf(installationId("99"), 10)).toEqual([]);
    });

    it("and counts what each covers now", async () => {
      const { store } = opened();
      await store.linkRepositories(acme, [repository("1"), repository("2"), repository("3")], { complete: false });
      await store.linkRepositories(other, [repository("9")], { complete: false });
      await store.unlinkRepositories(acme, [repository("2")]);
      await pause(store, "repository", repository("3"));
      expect(await store.countRepositories([])).toEqual(new Map());
      const counted = await store.countRepositories([acme, installationId("99"), other]);
      expect(counted).toEqual(
        new Map([
          [hostKey(acme), 2],
          [hostKey(other), 1],
        ]),
      );
    });

    it("with what their first plan told of them", async () => {
      const { store } = opened();
      await store.append([delivery("d-1")]);
      const [claimed] = await store.claimDeliveries({ limit: 1, leaseMs: 60_000 });
      await recordCovered(store, claimed?.delivery.id ?? "", record([change(null, "a")], []));
      const [listed] = await store.repositoriesOf(acme, 1);
      expect(listed).toEqual({ ...repository("1"), link: "linked" });
    });

    it("and remembers that one is paused", async () => {
      const { store } = opened();
      await store.linkRepositories(acme, [repository("1")], { complete: false });
      await pause(store, "repository", repository("1"));
      await store.linkRepositories(acme, [repository("1")], { complete: true });
      expect(await store.linkState(acme, repository("1"))).toBe("paused");
      await resume(store, "repository", repository("1"));
      expect(await store.linkState(acme, repository("1"))).toBe("linked");
    });
  });
}
