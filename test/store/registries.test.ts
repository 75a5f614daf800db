/** What the port does not speak of: how credentials of registries rest in the database, on both of them. */
import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { By } from "../../src/core/audit.ts";
import { openDatabase } from "../../src/store/database.ts";
import { migrateStore, type OpenedStore, openStore, StoreRefused } from "../../src/store/store.ts";
import { createVault } from "../../src/store/vault.ts";
import { settingsOf } from "../contract/store.registries.ts";
import { testClock } from "../contract/store.samples.ts";
import { createTestDatabase } from "../support/postgres.ts";

const KEY = Buffer.alloc(32, 1);
const OTHER_KEY = Buffer.alloc(32, 2);
const BY: By = { kind: "operator" };

interface Place {
  readonly url: string;
  /** The bytes on disk, for a database that is a file of ours. */
  files(): Promise<readonly Buffer[]>;
  remove(): Promise<void>;
}

async function sqlitePlace(): Promise<Place> {
  const dir = await mkdtemp(join(tmpdir(), "wharfinger-registries-"));
  const url = `sqlite:${join(dir, "test.db")}`;
  await migrateStore(url);
  return {
    url,
    files: async () => Promise.all((await readdir(dir)).map((name) => readFile(join(dir, name)))),
    remove: () => rm(dir, { recursive: true }),
  };
}

async function postgresPlace(): Promise<Place> {
  const { url, drop } = await createTestDatabase({ migrated: true });
  return { url, files: async () => [], remove: drop };
}

describe.each([
  ["SQLite", sqlitePlace],
  ["PostgreSQL", postgresPlace],
] as const)("credentials of registries on %s", (_, makePlace) => {
  let place: Place;

  beforeEach(async () => {
    place = await makePlace();
  });
  afterEach(() => place.remove());

  async function using<T>(keys: readonly Buffer[], work: (store: OpenedStore) => Promise<T>): Promise<T> {
    const store = await openStore({ url: place.url, clock: testClock(), vault: createVault(keys) });
    try {
      return await work(store);
    } finally {
      await store.close();
    }
  }

  async function rows(): Promise<string> {
    const database = await openDatabase(place.url);
    const tables = ["secrets", "registries", "registry_credentials", "audit"];
    const found = await Promise.all(tables.map((table) => database.query(`SELECT * FROM ${table}`)));
    await database.close();
    return JSON.stringify(found, (_key, value: unknown) =>
      typeof value === "object" && value !== null && "type" in value && value.type === "Buffer" && "data" in value
        ? Buffer.from(value.data as number[]).toString("latin1")
        : value,
    );
  }

  async function secretNames(): Promise<string> {
    const database = await openDatabase(place.url);
    const names = await database.query("SELECT name FROM secrets ORDER BY name");
    await database.close();
    return JSON.stringify(names);
  }

  it("are sealed, and stand nowhere else, the audit log included", async () => {
    const password = `registry-${randomBytes(12).toString("hex")}`;
    await using([KEY], async (store) => {
      await store.saveRegistry("hub", settingsOf(), BY);
      await store.saveRegistryCredential({ registry: "hub", namespace: "acme", username: "robot", password }, BY);
    });
    expect(await rows()).toContain("robot");
    expect(await rows()).not.toContain(password);
    for (const file of await place.files()) expect(file.includes(password)).toBe(false);
  });

  it("say by their fingerprint that one was saved anew, and nothing that a guess could be checked with", async () => {
    const facts = await using([KEY], async (store) => {
      const credential = { registry: "hub", namespace: null, username: "robot", password: "guessable" };
      await store.saveRegistryCredential(credential, BY);
      await store.saveRegistryCredential(credential, BY);
      return (await store.listAudit({ limit: 10, cursor: null })).items.map((entry) => entry.facts["password"]);
    });
    expect(new Set(facts).size).toBe(2);
  });

  it("are erased with themselves, and with their registry", async () => {
    await using([KEY], async (store) => {
      await store.saveRegistry("hub", settingsOf(), BY);
      for (const namespace of [null, "acme"]) {
        await store.saveRegistryCredential({ registry: "hub", namespace, username: "robot", password: "x" }, BY);
      }
    });
    expect(await secretNames()).toMatch(/registry:hub::password.*registry:hub:acme:password/);
    await using([KEY], (store) => store.removeRegistryCredential("hub", "acme", BY));
    expect(await secretNames()).toMatch(/registry:hub::password/);
    expect(await secretNames()).not.toMatch(/acme/);
    await using([KEY], (store) => store.removeRegistry("hub", BY));
    expect(await secretNames()).not.toMatch(/registry:/);
  });

  it("are sealed anew when the key is changed, and open with no other", async () => {
    const credential = { registry: "hub", namespace: null, username: "robot", password: "kept" };
    await using([KEY], (store) => store.saveRegistryCredential(credential, BY));
    await using([OTHER_KEY, KEY], async () => undefined);
    const { credentials } = await using([OTHER_KEY], (store) => store.registryRecords());
    expect(credentials).toMatchObject([credential]);
    await expect(using([KEY], async () => undefined)).rejects.toThrow(StoreRefused);
  });

  it("do not open when one is put in another's place", async () => {
    await using([KEY], async (store) => {
      for (const namespace of ["acme", "beta"]) {
        await store.saveRegistryCredential({ registry: "hub", namespace, username: "robot", password: namespace }, BY);
      }
    });
    const database = await openDatabase(place.url);
    await database.query(
      "UPDATE registry_credentials SET password = 'registry:hub:acme:password' WHERE namespace = 'beta'",
    );
    await database.query(
      `UPDATE secrets SET sealed = (SELECT sealed FROM secrets WHERE name = 'registry:hub:beta:password')
       WHERE name = 'registry:hub:acme:password'`,
    );
    await database.close();
    await expect(using([KEY], (store) => store.registryRecords())).rejects.toThrow(StoreRefused);
  });
});
