import { describe, expect, it } from "@jest/globals";
import type { By } from "../../src/core/audit.ts";
import { DEFAULT_REGISTRY_SETTINGS, type RegistrySettings } from "../../src/core/registry-settings.ts";
import type { RegistryStore } from "../../src/engine/registries-port.ts";
import type { RequestWriter, Store } from "../../src/engine/store-port.ts";
import { OPERATOR } from "./store.by.ts";
import { retry } from "./store.retry.ts";
import {
  change,
  cover,
  delivery,
  installationId,
  record,
  recordCovered,
  request,
  type TestClock,
  writeRequest,
} from "./store.samples.ts";

export interface OpenedRegistries {
  readonly store: Store & RegistryStore;
  readonly clock: TestClock;
}

const BY: By = { kind: "operator" };

/** Two namespaces that somebody has: `acme` and `account-8`. */
async function own(store: Store): Promise<void> {
  const namespaces = { "7": "acme", "8": "account-8" };
  for (const [id, namespace] of Object.entries(namespaces)) {
    await cover(store, record([], [], { installation: installationId(id), namespace }));
  }
}

/** One build of `acme/api`, planned. */
async function planned(
  store: Store,
  [before, after]: readonly [string, string],
  write = writeRequest,
): Promise<string> {
  await store.append([delivery(`to ${after}`)]);
  const [claimed] = await store.claimDeliveries({ limit: 1, leaseMs: 1_000 });
  const moved = change(before, after);
  const plan = record([moved], [request(moved)], { write });
  const [build] = await recordCovered(store, claimed?.delivery.id ?? "", plan);
  return build?.id ?? "none";
}

export function settingsOf(more: Partial<RegistrySettings> = {}): RegistrySettings {
  return { ...DEFAULT_REGISTRY_SETTINGS, url: "https://registry.test", kind: "basic", ...more };
}

export function registriesContract(opened: () => OpenedRegistries): void {
  describe("keeps registries", () => {
    it("by name, with all their settings, until they are removed", async () => {
      const { store, clock } = opened();
      const createdAt = new Date(clock.now()).toISOString();
      const full = settingsOf({
        ca: "-----BEGIN CERTIFICATE-----\n…",
        namespaces: "ci-{account}",
        staging: "{namespace}/staging",
        accounts: ["github:default"],
        tokenService: "registry.test",
      });
      await store.saveRegistry("hub", full, BY);
      await store.saveRegistry("a-harbor", settingsOf(), BY);
      expect((await store.registryRecords()).registries).toEqual([
        { name: "a-harbor", settings: settingsOf(), createdAt },
        { name: "hub", settings: full, createdAt },
      ]);
      clock.advance(1_000);
      await store.saveRegistry("hub", settingsOf({ kind: "token" }), BY);
      expect((await store.registryRecords()).registries[1]).toEqual({
        name: "hub",
        settings: settingsOf({ kind: "token" }),
        createdAt,
      });
      expect(await store.removeRegistry("hub", BY)).toBeNull();
      expect(await store.removeRegistry("hub", BY)).toBeNull();
      expect((await store.registryRecords()).registries.map(({ name }) => name)).toEqual(["a-harbor"]);
    });

    it("and one credential of each, and of each namespace in it", async () => {
      const { store, clock } = opened();
      const createdAt = new Date(clock.now()).toISOString();
      const whole = { registry: "hub", namespace: null, username: "robot", password: "first" };
      await store.saveRegistryCredential(whole, BY);
      await store.saveRegistryCredential({ ...whole, namespace: "acme", password: "second" }, BY);
      await store.saveRegistryCredential({ ...whole, registry: "default", namespace: "acme", password: "third" }, BY);
      expect((await store.registryRecords()).credentials).toEqual([
        { ...whole, registry: "default", namespace: "acme", password: "third", createdAt },
        { ...whole, createdAt },
        { ...whole, namespace: "acme", password: "second", createdAt },
      ]);
      await store.saveRegistryCredential({ ...whole, username: "other", password: "fourth" }, BY);
      const found = (await store.registryRecords()).credentials;
      expect(found.map(({ username, password }) => [username, password])).toEqual([
        ["robot", "third"],
        ["other", "fourth"],
        ["robot", "second"],
      ]);
      expect(await store.removeRegistryCredential("hub", null, BY)).toBe(true);
      expect(await store.removeRegistryCredential("hub", null, BY)).toBe(false);
      expect(await store.removeRegistryCredential("hub", "nobody", BY)).toBe(false);
      expect((await store.registryRecords()).credentials.map(({ password }) => password)).toEqual(["third", "second"]);
    });

    it("and takes a registry's credentials away with it, but those of no other", async () => {
      const { store } = opened();
      await store.saveRegistry("hub", settingsOf(), BY);
      for (const registry of ["hub", "other"]) {
        for (const namespace of [null, "acme"]) {
          await store.saveRegistryCredential({ registry, namespace, username: "robot", password: "secret" }, BY);
        }
      }
      await store.removeRegistry("hub", BY);
      const left = (await store.registryRecords()).credentials;
      expect(left.map(({ registry, namespace }) => [registry, namespace])).toEqual([
        ["other", null],
        ["other", "acme"],
      ]);
    });

    it("and each namespace in one of them, the environment's unless it was moved", async () => {
      const { store } = opened();
      await own(store);
      await store.saveRegistry("hub", settingsOf(), BY);
      expect(await store.registryOf("acme")).toBe("default");
      expect(await store.registryOf("nobody")).toBeNull();
      expect(await store.moveNamespace("acme", "hub", BY)).toBe(true);
      expect([await store.registryOf("acme"), await store.registryOf("account-8")]).toEqual(["hub", "default"]);
      expect(await store.namespacesIn("hub", 10)).toEqual(["acme"]);
      expect(await store.moveNamespace("acme", "nowhere", BY)).toBe(false);
      expect(await store.moveNamespace("nobody", "hub", BY)).toBe(false);
      expect(await store.registryOf("acme")).toBe("hub");
      expect(await store.moveNamespace("acme", "default", BY)).toBe(true);
      expect(await store.namespacesIn("hub", 10)).toEqual([]);
    });

    it("and removes none that a namespace is in, or that a build is not done with", async () => {
      const { store } = opened();
      await own(store);
      await store.saveRegistry("hub", settingsOf(), BY);
      await store.saveRegistryCredential({ registry: "hub", namespace: null, username: "robot", password: "p" }, BY);
      await store.moveNamespace("acme", "hub", BY);
      expect(await store.removeRegistry("hub", BY)).toEqual({ namespaces: ["acme"], builds: 0 });

      const build = await planned(store, ["0", "a"]);
      await store.moveNamespace("acme", "default", BY);
      expect(await store.removeRegistry("hub", BY)).toEqual({ namespaces: [], builds: 1 });
      expect((await store.registryRecords()).credentials).toHaveLength(1);
      await store.cancelBuild(build, OPERATOR);
      expect(await store.removeRegistry("hub", BY)).toBeNull();
    });

    it("and records with each build where its namespace was at that time", async () => {
      const { store } = opened();
      await own(store);
      await store.saveRegistry("hub", settingsOf(), BY);
      const seen: string[] = [];
      const watched: RequestWriter = (build, origin) => {
        seen.push(build.registry);
        return writeRequest(build, origin);
      };
      const first = await planned(store, ["0", "a"], watched);
      await store.moveNamespace("acme", "hub", BY);
      const second = await planned(store, ["a", "b"], watched);
      const registries = async () =>
        Promise.all([first, second].map(async (id) => (await store.getBuild(id))?.registry));
      expect(await registries()).toEqual(["default", "hub"]);
      expect(seen).toEqual(["default", "hub"]);
      // What repeats a build is planned anew.
      await store.cancelBuild(second, OPERATOR);
      const again = await retry(store, first);
      expect(again?.registry).toBe("hub");
      expect(await registries()).toEqual(["default", "hub"]);
    });

    it("and tells the audit log of every change, and no password", async () => {
      const { store } = opened();
      await own(store);
      const before = (await store.listAudit({ limit: 100, cursor: null })).items.length;
      await store.saveRegistry("hub", settingsOf(), BY);
      await store.saveRegistryCredential(
        { registry: "hub", namespace: "acme", username: "robot", password: "pass-4711" },
        BY,
      );
      await store.moveNamespace("acme", "hub", BY);
      await store.removeRegistry("hub", BY);
      await store.moveNamespace("acme", "default", BY);
      await store.moveNamespace("acme", "default", BY);
      await store.removeRegistryCredential("hub", "acme", BY);
      await store.removeRegistryCredential("hub", "acme", BY);
      await store.removeRegistry("hub", BY);
      await store.removeRegistry("hub", BY);
      const all = (await store.listAudit({ limit: 100, cursor: null })).items;
      const entries = all.slice(0, all.length - before).reverse();
      expect(entries.map(({ action, subject }) => `${action} ${subject}`)).toEqual([
        "registry.saved hub",
        "credential.saved hub: acme",
        "namespace.moved acme",
        "namespace.moved acme",
        "credential.removed hub: acme",
        "registry.removed hub",
      ]);
      expect(entries.map(({ by }) => by)).toEqual(entries.map(() => BY));
      expect(entries[1]?.facts).toEqual({ username: "robot", password: expect.stringMatching(/^[0-9a-f]{16}$/) });
      expect(entries[2]?.facts).toEqual({ from: "default", to: "hub" });
      expect(JSON.stringify(entries)).not.toContain("pass-4711");
    });
  });
}
