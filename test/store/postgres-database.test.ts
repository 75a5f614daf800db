import { readFile, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { DatabaseError, openDatabase, type Topic } from "../../src/store/database.ts";
import { CLAIM_DELIVERIES } from "../../src/store/deliveries.ts";
import { text } from "../../src/store/rows.ts";
import { migrateStore, openStore, StoreRefused } from "../../src/store/store.ts";
import { createVault } from "../../src/store/vault.ts";
import { change, cover, delivery, record, request, skip } from "../contract/store.samples.ts";
import { administer, createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { STEPS } from "./steps.ts";

const clock = { now: () => Date.now() };
let test: TestDatabase;

afterEach(() => test.drop());

async function until(what: () => boolean, ms = 10_000): Promise<void> {
  for (const deadline = Date.now() + ms; !what(); await sleep(10)) {
    if (Date.now() > deadline) throw new Error("waited in vain");
  }
}

describe("an empty PostgreSQL database", () => {
  beforeEach(async () => {
    test = await createTestDatabase({ migrated: false });
  });

  it("is refused, and migrated once even when several processes start together", async () => {
    await expect(openStore({ url: test.url, clock })).rejects.toThrow(
      new StoreRefused("The database is empty: run `wharfinger migrate` first."),
    );
    const all = await Promise.all([migrateStore(test.url), migrateStore(test.url), migrateStore(test.url)]);
    expect(all.flatMap((one) => one.applied)).toEqual(STEPS);
    expect(await migrateStore(test.url)).toEqual({ applied: [] });
    await (await openStore({ url: test.url, clock })).close();
  });

  it("is left as it was by a migration that fails in the middle", async () => {
    const database = await openDatabase(test.url);
    await database.query("CREATE TABLE images (name TEXT)");
    await expect(migrateStore(test.url)).rejects.toThrow('relation "images" already exists');
    expect(await database.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).toEqual([
      { tablename: "images" },
    ]);
    await database.close();
  });
});

describe("a PostgreSQL database", () => {
  beforeEach(async () => {
    test = await createTestDatabase({ migrated: true });
  });

  it("has the schema that was reviewed", async () => {
    const database = await openDatabase(test.url);
    const rows = await database.query(SCHEMA);
    await database.close();
    const schema = `${rows.map((row) => text(row, "line")).join("\n")}\n`;
    const golden = new URL("./schema.postgres.golden.sql", import.meta.url);
    if (process.env["UPDATE_GOLDEN"] !== undefined) await writeFile(golden, schema);
    expect(schema).toBe(await readFile(golden, "utf8"));
  });

  it("of a newer version, or sealed with another key, is refused", async () => {
    const vault = (byte: number) => createVault([Buffer.alloc(32, byte)]);
    await (await openStore({ url: test.url, clock, vault: vault(1) })).close();
    await (await openStore({ url: test.url, clock, vault: vault(1) })).close();
    await expect(openStore({ url: test.url, clock, vault: vault(2) })).rejects.toThrow("SECRET_KEY_PREVIOUS");
    await administer("INSERT INTO migrations (name, applied_at) VALUES ('9999-future', '')", test.url);
    await expect(openStore({ url: test.url, clock })).rejects.toThrow("newer version (9999-future)");
  });

  it("finds the next delivery by an index, however long the history", async () => {
    const database = await openDatabase(test.url);
    await database.query(
      `INSERT INTO deliveries (provider, host, delivery_id, delivery_key, event, stream, received_at, outcome)
       SELECT 'github', 'default', n::text, n::text::bytea, 'push', (n % 50)::text, n,
         CASE WHEN n > 4900 THEN 'pending' ELSE 'planned' END
       FROM generate_series(1, 5000) n`,
    );
    await database.query("ANALYZE deliveries");
    const steps = await database.query(`EXPLAIN ${CLAIM_DELIVERIES}`, [0, 0, 5]);
    const plan = steps.map((row) => text(row, "QUERY PLAN")).join("\n");
    expect(plan).toContain("deliveries_waiting");
    expect(plan).not.toContain("Seq Scan on deliveries");
    await database.close();
  });

  it("undoes all of a transaction that fails, and reads one state", async () => {
    const database = await openDatabase(test.url);
    await expect(
      database.transaction(async (sql) => {
        await sql.query("UPDATE pulse SET at = 7");
        throw new Error("no");
      }),
    ).rejects.toThrow("no");
    const [before, after] = await database.reading(async (sql) => {
      const first = await sql.query("SELECT at FROM pulse");
      await database.query("UPDATE pulse SET at = 9");
      return [first, await sql.query("SELECT at FROM pulse")];
    });
    expect([before, after]).toEqual([[{ at: 0 }], [{ at: 0 }]]);
    expect(await database.query("SELECT at FROM pulse")).toEqual([{ at: 9 }]);
    await database.close();
  });

  it("runs a transaction again that lost a deadlock", async () => {
    const database = await openDatabase(test.url);
    await database.query("INSERT INTO pulse (id, at) VALUES (2, 0)");
    let begun = 0;
    let met: () => void = () => undefined;
    const both = new Promise<void>((resolve) => {
      met = resolve;
    });
    const cross = (first: number, second: number) =>
      database.transaction(async (sql) => {
        await sql.query("UPDATE pulse SET at = at + 1 WHERE id = $1", [first]);
        begun += 1;
        if (begun === 2) met();
        await both;
        await sql.query("UPDATE pulse SET at = at + 1 WHERE id = $1", [second]);
      });
    await Promise.all([cross(1, 2), cross(2, 1)]);
    expect(begun).toBe(3);
    expect(await database.query("SELECT at FROM pulse ORDER BY id")).toEqual([{ at: 2 }, { at: 2 }]);
    await database.close();
  });

  it("tells neither values nor statements when it fails: they may be secrets, and are large", async () => {
    const database = await openDatabase(test.url);
    await database.query("CREATE TABLE t (n TEXT UNIQUE, m BIGINT)");
    await database.query("INSERT INTO t (n) VALUES ($1)", ["hunter2"]);
    for (const [statement, code] of [
      ["INSERT INTO t (n) VALUES ($1)", "23505"],
      ["INSERT INTO t (m) VALUES ($1)", "22P02"],
    ] as const) {
      const error: unknown = await database.query(statement, ["hunter2"]).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(DatabaseError);
      expect(error).toMatchObject({ code });
      expect(`${JSON.stringify(error)} ${String(error)} ${error instanceof Error ? error.stack : ""}`).not.toMatch(
        /hunter2|INSERT/,
      );
    }
    await database.close();
  });

  it("keeps texts that PostgreSQL has no room for, with a mark where they broke the rules", async () => {
    const store = await openStore({ url: test.url, clock });
    await store.append([delivery("odd", { repositoryName: "acme/\0\ud800x", body: Buffer.from("\0\0") })]);
    const odd = await store.findDelivery("odd");
    expect(odd?.repositoryName).toBe("acme/\ufffd\ufffdx");
    expect(await store.deliveryBody(odd?.id ?? "")).toEqual(Buffer.from("\0\0"));
    const moved = change(null, "1");
    const what = record([moved], [request(moved)], { skips: [{ ...skip(moved, "web"), detail: "it says \0 here" }] });
    await cover(store, what);
    expect(await store.recordPlan(odd?.id ?? "", what)).toHaveLength(1);
    expect((await store.getDelivery(odd?.id ?? ""))?.decisions.at(-1)?.detail).toBe("it says \ufffd here");
    await store.close();
  });

  it("waits for a lock some seconds and no longer, and works again after it", async () => {
    const store = await openStore({ url: test.url, clock });
    const other = await openDatabase(test.url);
    let release: () => void = () => undefined;
    const held = other.transaction(async (sql) => {
      await sql.query("UPDATE pulse SET at = 5");
      await new Promise<void>((resolve) => {
        release = resolve;
      });
    });
    const begun = Date.now();
    await expect(store.ping()).rejects.toMatchObject({ name: "DatabaseError", code: "55P03" });
    expect(Date.now() - begun).toBeLessThan(30_000);
    release();
    await held;
    await store.ping();
    await Promise.all([store.close(), other.close()]);
  });

  it("that is not there is an error without the password, and without a wait", async () => {
    const url = "postgres://u:hunter2@127.0.0.1:1/w";
    await expect(openDatabase(url)).rejects.toMatchObject({ name: "DatabaseError", code: "ECONNREFUSED" });
    await expect(openDatabase(url)).rejects.not.toThrow("hunter2");
  });

  it("that went away fails what was under way, and serves what comes after it is back", async () => {
    const store = await openStore({ url: test.url, clock });
    const database = await openDatabase(test.url);
    const sleeping = database.query("SELECT pg_sleep(5)").catch((error: unknown) => error);
    await sleep(100);
    await administer(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = '${new URL(test.url).pathname.slice(1)}' AND pid <> pg_backend_pid()`,
    );
    expect(await sleeping).toBeInstanceOf(DatabaseError);
    await database.query("SELECT 1");
    expect(await store.append([delivery("a")])).toEqual([true]);
    await Promise.all([store.close(), database.close()]);
  });
});

describe("what changes in a PostgreSQL database", () => {
  beforeEach(async () => {
    test = await createTestDatabase({ migrated: true });
  });

  it("is announced to all processes when it is committed, also after their connections were lost", async () => {
    const [writer, listener] = [await openStore({ url: test.url, clock }), await openStore({ url: test.url, clock })];
    let heard: Topic[] = [];
    const stop = listener.onChange((topic) => heard.push(topic));
    await writer.append([delivery("a"), delivery("b")]);
    await until(() => heard.includes("deliveries"));
    expect(heard).toEqual(["deliveries"]);

    heard = [];
    const moved = change(null, "1");
    const what = record([moved], [request(moved)]);
    await cover(writer, what);
    await writer.recordPlan((await writer.findDelivery("a"))?.id ?? "", what);
    await until(() => heard.length >= 3);
    expect(heard.toSorted()).toEqual(["builds", "checks", "deliveries"]);

    heard = [];
    const claimed = await writer.claimBuild({ worker: "w", leaseMs: 9_000 });
    await until(() => heard.includes("checks"));
    heard = [];
    await writer.heartbeat(claimed?.build.id ?? "", 1, 9_000, []);
    await writer.ping();
    expect(heard).toEqual([]);

    await administer(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = '${new URL(test.url).pathname.slice(1)}' AND pid <> pg_backend_pid()`,
    );
    // Whatever was missed meanwhile.
    await until(() => heard.length >= 3);
    expect(heard.toSorted()).toEqual(["builds", "checks", "deliveries"]);
    heard = [];
    await writer.append([delivery("c")]);
    await until(() => heard.includes("deliveries"));

    stop();
    heard = [];
    await writer.append([delivery("d")]);
    await writer.ping();
    expect(heard).toEqual([]);
    await Promise.all([writer.close(), listener.close()]);
  });
});

/** In an order that does not depend on the server's version or on when something was created. */
const SCHEMA = `
  SELECT line FROM (
    SELECT c.table_name AS name, 1 AS kind, c.ordinal_position AS place, 'COLUMN ' || c.table_name || '.' || c.column_name
      || ' ' || c.data_type || CASE c.is_nullable WHEN 'NO' THEN ' NOT NULL' ELSE '' END
      || COALESCE(' DEFAULT ' || c.column_default, '') || COALESCE(' IDENTITY ' || c.identity_generation, '') AS line
    FROM information_schema.columns c WHERE c.table_schema = 'public'
    UNION ALL
    SELECT conrelid::regclass::text, 2, 0, 'CONSTRAINT ' || conrelid::regclass || ' ' || pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
    UNION ALL
    SELECT tablename, 3, 0, indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL
    SELECT tgrelid::regclass::text, 4, 0, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL
    SELECT '~', 5, 0, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
  ) lines ORDER BY name COLLATE "C", kind, place, line COLLATE "C"`;
