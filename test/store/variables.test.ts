/** What the port does not speak of: how secrets of builds rest in the database, on both of them. */
import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { VariableKind } from "../../src/core/variables.ts";
import { openDatabase } from "../../src/store/database.ts";
import type { Row } from "../../src/store/rows.ts";
import { migrateStore, type OpenedStore, openStore, StoreRefused } from "../../src/store/store.ts";
import { createVault } from "../../src/store/vault.ts";
import { account, installationId, repository, testClock } from "../contract/store.samples.ts";
import { createTestDatabase } from "../support/postgres.ts";

const KEY = Buffer.alloc(32, 1);
const OTHER_KEY = Buffer.alloc(32, 2);
const ALL = { installation: installationId("7"), repository: null };
const OPERATOR = { kind: "operator" } as const;

interface Place {
  readonly url: string;
  /** The bytes on disk, for a database that is a file of ours. */
  files(): Promise<readonly Buffer[]>;
  remove(): Promise<void>;
}

async function sqlitePlace(): Promise<Place> {
  const dir = await mkdtemp(join(tmpdir(), "wharfinger-variables-"));
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
])("secrets of builds on %s", (_name, makePlace) => {
  let place: Place;
  beforeEach(async () => {
    place = await makePlace();
    await during([KEY], async (store) => {
      const state = { id: ALL.installation, account: account("7"), state: "active" } as const;
      await store.saveInstallation({ ...state, permissions: {} });
      await store.linkRepositories(ALL.installation, [repository("1")], { complete: true });
    });
  });
  afterEach(() => place.remove());

  /** A process that ends before the next one starts; without keys it has no vault. */
  async function during<T>(keys: readonly Buffer[], work: (store: OpenedStore) => Promise<T>): Promise<T> {
    const vault = keys.length === 0 ? {} : { vault: createVault(keys) };
    const store = await openStore({ url: place.url, clock: testClock(), ...vault });
    try {
      return await work(store);
    } finally {
      await store.close();
    }
  }

  async function query(statement: string): Promise<readonly Row[]> {
    const database = await openDatabase(place.url);
    try {
      return await database.query(statement);
    } finally {
      await database.close();
    }
  }

  function save(store: OpenedStore, kind: VariableKind, name: string, value: string): Promise<unknown> {
    return store.saveVariable(ALL, { kind, name, value }, OPERATOR);
  }

  async function given(store: OpenedStore) {
    return (await store.variablesOf(ALL.installation, repository("1"))).installation;
  }

  it("rest without one in clear, whatever happens to them", async () => {
    const plain = Array.from({ length: 3 }, () => `searched-for-${randomBytes(24).toString("base64url")}`);
    const [first = "", second = "", shown = ""] = plain;
    const found: string[] = [];
    await during([KEY], async (store) => {
      const look = async () => {
        const tables = ["secrets", "variables", "audit"];
        const rows = await Promise.all(tables.map((table) => query(`SELECT * FROM ${table}`)));
        const places = [JSON.stringify(rows), ...(await place.files()).map((bytes) => bytes.toString("latin1"))];
        for (const one of plain) {
          const numbers = [...Buffer.from(one)].join(",");
          if (places.some((all) => all.includes(one) || all.includes(numbers))) found.push(one);
        }
      };
      await save(store, "secret", "S", first);
      await look();
      await save(store, "secret", "S", second);
      await store.removeVariable(ALL, { kind: "secret", name: "S" }, OPERATOR);
      await look();
      expect(found).toEqual([]);
      // The search finds what is there.
      await save(store, "variable", "V", shown);
      await look();
    });
    expect(new Set(found)).toEqual(new Set([shown]));
  });

  it("are erased with what names them, and not before", async () => {
    const names = async () => (await query("SELECT name FROM secrets WHERE name LIKE 'variable:%'")).length;
    await during([KEY], async (store) => {
      await save(store, "secret", "S", "secret");
      await save(store, "secret", "S", "changed");
      await save(store, "secret", "T", "secret");
      expect(await names()).toBe(2);
      await expect(query("DELETE FROM secrets WHERE name LIKE 'variable:%'")).rejects.toThrow();
      await store.removeVariable(ALL, { kind: "secret", name: "S" }, OPERATOR);
      expect(await names()).toBe(1);
      await store.eraseVariables(ALL.installation, OPERATOR);
      expect(await names()).toBe(0);
    });
  });

  it("are sealed anew with a new key, after which the old one opens nothing and is not needed", async () => {
    await during([KEY], (store) => save(store, "secret", "S", "the secret"));
    await during([OTHER_KEY, KEY], async () => undefined);
    await during([OTHER_KEY], async (store) => {
      expect(await given(store)).toEqual({ variables: {}, secrets: { S: "the secret" } });
    });
    await expect(during([KEY], given)).rejects.toBeInstanceOf(StoreRefused);
  });

  it("open only where they were sealed, and a build gets none rather than another's", async () => {
    await during([KEY], async (store) => {
      await save(store, "secret", "MINE", "my secret");
      await save(store, "secret", "YOURS", "your secret");
      await query(
        `UPDATE secrets SET sealed = (SELECT s.sealed FROM secrets s JOIN variables v ON v.secret = s.name WHERE v.name = 'MINE')
         WHERE name = (SELECT secret FROM variables WHERE name = 'YOURS')`,
      );
      await expect(given(store)).rejects.toThrow();
    });
  });

  it("want a vault, and change nothing without one", async () => {
    await during([], async (store) => {
      await expect(save(store, "secret", "S", "secret")).rejects.toThrow("without a vault");
      expect(await store.listVariables(ALL)).toEqual([]);
      await save(store, "variable", "V", "value");
      expect(await given(store)).toEqual({ variables: { V: "value" }, secrets: {} });
    });
  });
});
