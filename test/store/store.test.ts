import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { PAST_DELIVERIES } from "../../src/store/config-checks.ts";
import { DatabaseError, openDatabase } from "../../src/store/database.ts";
import { CLAIM_DELIVERIES } from "../../src/store/deliveries.ts";
import { text } from "../../src/store/rows.ts";
import { migrateStore, openStore, StoreRefused } from "../../src/store/store.ts";
import { createVault } from "../../src/store/vault.ts";
import { delivery } from "../contract/store.samples.ts";
import { STEPS } from "./steps.ts";

const clock = { now: () => Date.now() };
let dir = "";
let url = "";

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "wharfinger-store-"));
  url = `sqlite:${join(dir, "test.db")}`;
});

afterEach(async () => {
  await rm(dir, { recursive: true });
});

async function openAndClose(keys?: readonly Buffer[]): Promise<void> {
  const options = keys === undefined ? { url, clock } : { url, clock, vault: createVault(keys) };
  await (await openStore(options)).close();
}

describe("the database file", () => {
  it("is made on the first start, with the folders it lies in, for this user only", async () => {
    const path = join(dir, "data", "deeper", "test.db");
    await migrateStore(`sqlite:${path}`);
    const modes = await Promise.all(
      [join(dir, "data"), join(dir, "data", "deeper"), path].map(async (one) => (await stat(one)).mode & 0o777),
    );
    expect(modes).toEqual([0o700, 0o700, 0o600]);
  });
});

describe("migrations", () => {
  it("run once", async () => {
    expect(await migrateStore(url)).toEqual({
      applied: STEPS,
    });
    expect(await migrateStore(url)).toEqual({ applied: [] });
    await openAndClose();
  });

  it("run once even when several processes start together", async () => {
    const all = await Promise.all([migrateStore(url), migrateStore(url), migrateStore(url)]);
    expect(all.flatMap((one) => one.applied)).toEqual(STEPS);
  });

  it("lead to the schema that was reviewed", async () => {
    await migrateStore(url);
    const database = await openDatabase(url);
    const rows = await database.query(
      "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY tbl_name, type DESC, name",
    );
    await database.close();
    const schema = `${rows.map((row) => `${text(row, "sql").replace(/\n {4}/g, "\n")};`).join("\n\n")}\n`;
    const golden = new URL("./schema.sqlite.golden.sql", import.meta.url);
    if (process.env["UPDATE_GOLDEN"] !== undefined) await writeFile(golden, schema);
    expect(schema).toBe(await readFile(golden, "utf8"));
  });
});

describe("queues", () => {
  it("find their next piece of work by an index, so that a long history costs nothing", async () => {
    await migrateStore(url);
    const store = await openStore({ url, clock });
    await store.append([delivery("a")]);
    const database = await openDatabase(url);
    const plan = await database.query(`EXPLAIN QUERY PLAN ${CLAIM_DELIVERIES}`, [0, 0, 5]);
    const steps = plan.map((row) => text(row, "detail"));
    expect(steps).toContainEqual(expect.stringContaining("INDEX deliveries_waiting"));
    expect(steps).toContainEqual(expect.stringContaining("INDEX deliveries_pending"));
    const past = await database.query(`EXPLAIN QUERY PLAN ${PAST_DELIVERIES}`, ["1", "github:default:1", 20]);
    expect(past.map((row) => text(row, "detail"))).toContainEqual(expect.stringContaining("INDEX deliveries_planned"));
    await Promise.all([store.close(), database.close()]);
  });
});

describe("a damaged body", () => {
  it.each([
    ["damaged", Buffer.from("not brotli")],
    ["missing", null],
  ])("or one that is gone costs its own delivery, and no other: %s", async (_what, body) => {
    await migrateStore(url);
    const store = await openStore({ url, clock });
    await store.append([delivery("damaged"), delivery("whole")]);
    const database = await openDatabase(url);
    await database.query("UPDATE deliveries SET body = $1, packed = TRUE WHERE delivery_id = 'damaged'", [body]);
    await database.close();
    const claimed = await store.claimDeliveries({ limit: 10, leaseMs: 10_000 });
    expect(claimed.map((claim) => claim.delivery.deliveryId)).toEqual(["whole"]);
    expect(await store.findDelivery("damaged")).toMatchObject({
      outcome: "failed",
      note: "The stored body is missing or damaged.",
    });
    await store.close();
  });
});

describe("the body of a delivery", () => {
  async function sizes(): Promise<readonly number[]> {
    const database = await openDatabase(url);
    const rows = await database.query("SELECT LENGTH(body) AS size FROM deliveries ORDER BY id");
    await database.close();
    return rows.map((row) => Number(row["size"]));
  }

  it("is packed once the delivery is done with, a large one at once, and is the same bytes throughout", async () => {
    await migrateStore(url);
    const store = await openStore({ url, clock });
    const small = Buffer.from(JSON.stringify({ text: "again and ".repeat(500) }));
    const large = Buffer.from(JSON.stringify({ text: "again and ".repeat(50_000) }));
    await store.append([delivery("small", { body: small }), delivery("large", { body: large })]);
    const [waiting = 0, packedLarge = 0] = await sizes();
    expect(waiting).toBe(small.length);
    expect(packedLarge).toBeLessThan(large.length / 10);
    for (const { delivery: claimed, body } of await store.claimDeliveries({ limit: 10, leaseMs: 10_000 })) {
      expect(body).toEqual(claimed.deliveryId === "small" ? small : large);
      await store.recordIgnored(claimed.id, "ignored", "nothing to do");
    }
    const rest = await store.claimDeliveries({ limit: 10, leaseMs: 10_000 });
    for (const { delivery: claimed } of rest) await store.recordIgnored(claimed.id, "ignored", "nothing to do");
    expect((await sizes())[0]).toBeLessThan(small.length / 10);
    for (const [id, body] of [
      ["small", small],
      ["large", large],
    ] as const) {
      expect(await store.deliveryBody((await store.findDelivery(id))?.id ?? "")).toEqual(body);
    }
    await store.close();
  });
});

describe("opening a store", () => {
  it("refuses an empty database, and changes nothing in it", async () => {
    await expect(openAndClose()).rejects.toThrow(
      new StoreRefused("The database is empty: run `wharfinger migrate` first."),
    );
    await expect(openAndClose()).rejects.toThrow("empty");
  });

  it("refuses a database of a newer version", async () => {
    await migrateStore(url);
    const database = await openDatabase(url);
    await database.query("INSERT INTO migrations (name, applied_at) VALUES ('9999-future', '')");
    await database.close();
    await expect(openAndClose()).rejects.toThrow("newer version (9999-future)");
  });

  it("refuses addresses it can not serve", async () => {
    await expect(openStore({ url: "mysql://x", clock })).rejects.toThrow("must be sqlite:PATH");
    await expect(openStore({ url: "sqlite:", clock })).rejects.toThrow("must be sqlite:PATH");
  });

  it("keeps the database from everybody else, the write-ahead log included", async () => {
    await migrateStore(url);
    const store = await openStore({ url, clock });
    await store.append([delivery("a")]);
    for (const name of ["test.db", "test.db-wal", "test.db-shm"]) {
      expect((await stat(join(dir, name))).mode & 0o777).toBe(0o600);
    }
    await store.close();
  });

  it("refuses another SECRET_KEY than the first, and lets a key be changed", async () => {
    const [first, second] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
    await migrateStore(url);
    await openAndClose([first]);
    await openAndClose([first]);
    await expect(openAndClose([second])).rejects.toBeInstanceOf(StoreRefused);
    await expect(openAndClose([second])).rejects.toThrow("SECRET_KEY_PREVIOUS");
    await openAndClose([second, first]);
    await openAndClose([second]);
    await expect(openAndClose([first])).rejects.toThrow("SECRET_KEY");
  });
});

describe("the database", () => {
  it("syncs every commit and keeps one writer", async () => {
    const database = await openDatabase(url);
    const pragma = async (name: string) => Object.values((await database.query(`PRAGMA ${name}`))[0] ?? {})[0];
    expect(await pragma("synchronous")).toBe(2);
    expect(await pragma("journal_mode")).toBe("wal");
    expect(await pragma("foreign_keys")).toBe(1);
    await database.close();
  });

  it("lets nobody between the statements of a transaction, and undoes all of it when it fails", async () => {
    const database = await openDatabase(url);
    await database.query("CREATE TABLE t (n INTEGER)");
    const failing = database.transaction(async (sql) => {
      await sql.query("INSERT INTO t (n) VALUES ($1)", [1]);
      await new Promise((resolve) => setTimeout(resolve, 20));
      throw new Error("no");
    });
    const seen = database.query("SELECT n FROM t");
    await expect(failing).rejects.toThrow("no");
    expect(await seen).toEqual([]);
    await database.transaction((sql) => sql.query("INSERT INTO t (n) VALUES ($1)", [2]));
    expect(await database.query("SELECT n FROM t")).toEqual([{ n: 2 }]);
    await database.close();
  });

  it("tells neither statement nor values when it fails: they may be secrets, and are large", async () => {
    const database = await openDatabase(url);
    await database.query("CREATE TABLE t (n TEXT UNIQUE)");
    await database.query("INSERT INTO t (n) VALUES ($1)", ["hunter2"]);
    const error: unknown = await database.query("INSERT INTO t (n) VALUES ($1)", ["hunter2"]).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(DatabaseError);
    expect(error).toMatchObject({ code: "SQLITE_CONSTRAINT" });
    expect(`${JSON.stringify(error)} ${String(error)} ${error instanceof Error ? error.stack : ""}`).not.toContain(
      "hunter2",
    );
    await database.close();
  });

  it("waits to open while another process is at a file that is not in WAL mode yet", async () => {
    const other = await openDatabase(url);
    await other.query("PRAGMA journal_mode = DELETE");
    let release: () => void = () => undefined;
    let held: Promise<unknown> = Promise.resolve();
    await new Promise<void>((begun) => {
      held = other.transaction(async () => {
        begun();
        await new Promise<void>((resolve) => {
          release = resolve;
        });
      });
    });
    const opening = openDatabase(url);
    const meanwhile = await Promise.race([
      opening.then(
        () => "opened",
        (error: Error) => error.message,
      ),
      sleep(300).then(() => "waiting"),
    ]);
    release();
    await held;
    expect(meanwhile).toBe("waiting");
    await (await opening).close();
    await other.close();
  });

  it("gives up within seconds when another process holds the lock, and works again after it", async () => {
    await migrateStore(url);
    const store = await openStore({ url, clock });
    const other = await openDatabase(url);
    let release: () => void = () => undefined;
    const held = other.transaction(async (sql) => {
      await sql.query("UPDATE pulse SET at = 5");
      await new Promise<void>((resolve) => {
        release = resolve;
      });
    });
    const started = Date.now();
    await expect(store.append([delivery("a")])).rejects.toMatchObject({ code: "SQLITE_BUSY" });
    expect(Date.now() - started).toBeLessThan(30_000);
    await expect(store.ping()).rejects.toThrow();
    release();
    await held;
    expect(await store.append([delivery("a")])).toEqual([true]);
    await store.ping();
    await Promise.all([store.close(), other.close()]);
  });
});
