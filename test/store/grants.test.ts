/** What the port does not speak of: how grants rest in the database, on both of them. */

import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { openDatabase } from "../../src/store/database.ts";
import { text } from "../../src/store/rows.ts";
import { migrateStore, type OpenedStore, openStore, StoreRefused } from "../../src/store/store.ts";
import { createVault } from "../../src/store/vault.ts";
import { ACME, claim, claimOne, connectionOf, proven, told, WORKSPACE } from "../contract/grants.samples.ts";
import { OPERATOR } from "../contract/store.by.ts";
import { testClock } from "../contract/store.samples.ts";
import { createTestDatabase } from "../support/postgres.ts";

const KEY = Buffer.alloc(32, 1);
const OTHER_KEY = Buffer.alloc(32, 2);
const LEASE = { limit: 100, leaseMs: 10_000 };

interface Place {
  readonly url: string;
  /** The bytes on disk, for a database that is a file of ours. */
  files(): Promise<readonly Buffer[]>;
  remove(): Promise<void>;
}

async function sqlitePlace(): Promise<Place> {
  const dir = await mkdtemp(join(tmpdir(), "wharfinger-grants-"));
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

/** All that is in the tables that speak of grants, as text, bytes in hex. */
async function contents(url: string): Promise<string> {
  const database = await openDatabase(url);
  const tables = ["secrets", "connect_clients", "connect_candidates", "connections", "deliveries"];
  const rows = await Promise.all(tables.map((table) => database.query(`SELECT * FROM ${table}`)));
  await database.close();
  return JSON.stringify(rows, (_, value: unknown) =>
    isBytes(value) ? Buffer.from(value.data).toString("hex") : value,
  );
}

function isBytes(value: unknown): value is { readonly data: number[] } {
  return typeof value === "object" && value !== null && "type" in value && value.type === "Buffer" && "data" in value;
}

async function namesOfSecrets(url: string): Promise<readonly string[]> {
  const database = await openDatabase(url);
  const rows = await database.query("SELECT name FROM secrets ORDER BY name");
  await database.close();
  return rows.map((row) => text(row, "name"));
}

describe.each([
  ["SQLite", sqlitePlace],
  ["PostgreSQL", postgresPlace],
])("grants on %s", (_name, makePlace) => {
  const clock = testClock();
  const stores: OpenedStore[] = [];
  let place: Place;

  beforeEach(async () => {
    place = await makePlace();
  });

  afterEach(async () => {
    for (const store of stores.splice(0)) await store.close();
    await place.remove();
  });

  async function open(keys: readonly Buffer[] = [KEY]): Promise<OpenedStore> {
    const store = await openStore({ url: place.url, clock, vault: createVault(keys) });
    stores.push(store);
    return store;
  }

  /** A process that ends before the next one starts. */
  async function during<T>(keys: readonly Buffer[], work: (store: OpenedStore) => Promise<T>): Promise<T> {
    const store = await openStore({ url: place.url, clock, vault: createVault(keys) });
    try {
      return await work(store);
    } finally {
      await store.close();
    }
  }

  it("rest without one secret or token in clear, at any time of their life", async () => {
    const store = await open();
    const plain: string[] = [];
    const secret = () => {
      plain.push(`searched-for-${randomBytes(24).toString("base64url")}`);
      return plain.at(-1) ?? "";
    };
    const seen: string[] = [];
    const look = async () => {
      const places = [await contents(place.url), ...(await place.files()).map((bytes) => bytes.toString("latin1"))];
      const forms = (one: string) => [one, Buffer.from(one).toString("hex"), btoa(one).slice(0, 36)];
      seen.push(...plain.filter((one) => places.some((all) => forms(one).some((form) => all.includes(form)))));
    };

    await store.addConnectCandidate(claim("waiting", secret()));
    await store.addConnectCandidate(claim("key", secret()));
    await look();
    await proven(store, "key", secret());
    await look();
    await store.renewConnectClient("key", { ...ACME, secret: secret() }, told());
    await store.removeConnectClient("key", told());
    await look();
    await store.addConnection(connectionOf("one", { secrets: [secret()], token: secret() }), told(), OPERATOR);
    await store.changeConnection("one", { secret: secret(), token: secret() }, OPERATOR);
    await store.changeConnection("one", { secret: secret() }, OPERATOR);
    await look();
    await store.dropPreviousSecret("one", OPERATOR);
    await store.removeConnection("one", told(), OPERATOR);
    await look();
    expect(seen).toEqual([]);
    // The search finds what is there.
    expect(await contents(place.url)).toContain(WORKSPACE);
    expect(await contents(place.url)).toContain(Buffer.from('{"delivery":').toString("hex"));
  });

  it("leave no sealed secret behind either, once they are erased", async () => {
    const store = await open();
    await store.addConnectCandidate(claim("key", "squatted"));
    await store.addConnectCandidate(claim("key", null));
    await store.addConnectCandidate(claim("dropped", "x"));
    expect(await namesOfSecrets(place.url)).toHaveLength(3);
    await store.dropConnectCandidate((await claimOne(store, "x")).id);
    await proven(store, "key", "real");
    expect(await namesOfSecrets(place.url)).toEqual(["connect-client:key:secret", "key-check"]);
    await store.removeConnectClient("key", told());
    expect(await namesOfSecrets(place.url)).toEqual(["connect-client:key:secret", "key-check"]);
    await store.renewConnectClient("key", { ...ACME, secret: null }, told());
    expect(await namesOfSecrets(place.url)).toEqual(["key-check"]);

    await store.addConnection(connectionOf("one", { secrets: ["new", "old"] }), told(), OPERATOR);
    const named = ["previous-secret", "secret", "token"].map((what) => `connection:one:${what}`);
    expect(await namesOfSecrets(place.url)).toEqual([...named, "key-check"]);
    await store.dropPreviousSecret("one", OPERATOR);
    expect(await namesOfSecrets(place.url)).toEqual([...named.slice(1), "key-check"]);
    await store.changeConnection("one", { secret: "newer" }, OPERATOR);
    await store.removeConnection("one", told(), OPERATOR);
    expect(await namesOfSecrets(place.url)).toEqual(["key-check"]);
  });

  it("leave no secret of a claim that had to make room", async () => {
    const store = await open();
    for (let n = 0; n < 20; n += 1) await store.addConnectCandidate(claim("key", `squat ${n}`));
    await claimOne(store, "squat 3");
    clock.advance(10_000);
    const before = await namesOfSecrets(place.url);
    expect(await store.addConnectCandidate(claim("key", "real"))).toBe(true);
    const after = await namesOfSecrets(place.url);
    expect(after).toHaveLength(before.length);
    expect(after.filter((name) => !before.includes(name))).toHaveLength(1);
  });

  it("are sealed anew with a new key, after which the old one opens nothing and is not needed", async () => {
    await during([KEY], async (store) => {
      await proven(store, "key", "of a client");
      await store.addConnectCandidate(claim("another", "of a claim"));
      await store.addConnection(connectionOf("one", { secrets: ["new", "old"] }), told(), OPERATOR);
    });
    await during([OTHER_KEY, KEY], async () => undefined);
    await during([OTHER_KEY], async (store) => {
      expect(await store.connectClient("key")).toMatchObject({ secret: "of a client" });
      expect((await claimOne(store, "of a claim")).clientKey).toBe("another");
      expect(await store.connection("one")).toMatchObject({ secrets: ["new", "old"], token: "token of one" });
    });
    await expect(open([KEY])).rejects.toBeInstanceOf(StoreRefused);
  });

  it("open only where they were sealed: a secret moved to another grant is of no use there", async () => {
    const store = await open();
    await store.addConnection(connectionOf("mine"), told(), OPERATOR);
    await store.addConnection(connectionOf("yours"), told(), OPERATOR);
    const database = await openDatabase(place.url);
    await database.query(
      `UPDATE secrets SET sealed = (SELECT sealed FROM secrets WHERE name = 'connection:mine:secret')
       WHERE name = 'connection:yours:secret'`,
    );
    await database.close();
    await expect(store.connection("yours")).rejects.toThrow();
    expect(await store.connection("mine")).toMatchObject(connectionOf("mine"));
  });

  it("keep their secret: it can not be deleted while a grant names it", async () => {
    const store = await open();
    await proven(store, "key", "the secret");
    const database = await openDatabase(place.url);
    await expect(database.query("DELETE FROM secrets WHERE name = 'connect-client:key:secret'")).rejects.toThrow();
    await database.close();
    expect(await store.connectClient("key")).toMatchObject({ secret: "the secret" });
  });

  it("want a vault, and change nothing without one; whoever has no grants needs none", async () => {
    const store = await openStore({ url: place.url, clock });
    stores.push(store);
    expect(await store.connectClient("key")).toBeNull();
    expect(await store.connectClientsOf(WORKSPACE)).toEqual([]);
    expect(await store.listConnections()).toEqual([]);
    expect(await store.claimConnectCandidates(LEASE)).toEqual([]);
    await expect(store.addConnectCandidate(claim("key", "a secret"))).rejects.toThrow("without a vault");
    await expect(store.addConnection(connectionOf("one"), told("added"), OPERATOR)).rejects.toThrow("without a vault");
    expect(await store.listConnections()).toEqual([]);
    expect(await store.findDelivery("added")).toBeNull();
    const withVault = await open();
    await withVault.addConnection(connectionOf("one"), told(), OPERATOR);
    await expect(store.connection("one")).rejects.toThrow("without a vault");
  });

  it("change together with what is told of it, or not at all", async () => {
    const store = await open();
    await proven(store, "key", "first");
    await store.addConnection(connectionOf("one"), told(), OPERATOR);
    const before = await contents(place.url);
    // A time the journal can not store.
    const untellable = { ...told("untellable"), receivedAt: Number.NaN };
    await expect(store.renewConnectClient("key", { ...ACME, secret: "second" }, untellable)).rejects.toThrow();
    await expect(store.removeConnectClient("key", untellable)).rejects.toThrow();
    await expect(store.removeConnection("one", untellable, OPERATOR)).rejects.toThrow();
    await expect(store.addConnection(connectionOf("two"), untellable, OPERATOR)).rejects.toThrow();
    expect(await contents(place.url)).toBe(before);

    await store.addConnectCandidate(claim("another", "its secret"));
    const { id } = await claimOne(store, "its secret");
    await expect(store.proveConnectCandidate(id, ACME, untellable)).rejects.toThrow();
    expect(await store.connectClient("another")).toBeNull();
    expect(await store.proveConnectCandidate(id, ACME, told("told"))).toBe(true);
    const journalled = await store.findDelivery("told");
    expect(journalled).toMatchObject({ outcome: "pending", event: "installed", installationId: WORKSPACE });
    expect(await store.deliveryBody(journalled?.id ?? "")).toEqual(told("told").body);
  });

  it("are found again by the next process, which begins at once with what was being proven", async () => {
    await during([KEY], async (store) => {
      await proven(store, "key", "a secret");
      await store.addConnection(connectionOf("one"), told(), OPERATOR);
      await store.addConnectCandidate(claim("another", "its secret"));
      expect(await store.claimConnectCandidates(LEASE)).toHaveLength(1);
    });
    const store = await open();
    expect(await store.connectClient("key")).toMatchObject({ state: "active", secret: "a secret" });
    expect(await store.connection("one")).toMatchObject(connectionOf("one"));
    expect(await store.claimConnectCandidates(LEASE)).toEqual([]);
    await store.takeOver();
    expect(await store.claimConnectCandidates(LEASE)).toMatchObject([{ secret: "its secret", attempts: 2 }]);
  });
});
