/** What comparing costs a database of ten thousand repositories, and what happens between processes and to damaged rows. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type { Refs } from "../../src/core/reconcile.ts";
import type { Store } from "../../src/engine/store-port.ts";
import { CLAIM_COMPARISONS, CLAIMED, FORGET, IS_AWAITED, TAKE_IN } from "../../src/store/comparisons.ts";
import { type Database, openDatabase } from "../../src/store/database.ts";
import { text } from "../../src/store/rows.ts";
import { openStore } from "../../src/store/store.ts";
import { change, cover, delivery, record, repository, sha, skip, testClock } from "../contract/store.samples.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { createMigratedFile } from "../support/sqlite-template.ts";

const MAIN = "refs/heads/main";
const REFS: Refs = new Map([[MAIN, { object: sha("a"), commit: sha("a") }]]);
const clock = testClock();
let database: Database;
let store: Store;

/** Ten thousand repositories of one installation, each with some builds, and all but the last compared an hour ago. */
const HISTORY = (numbers: (count: number) => string): readonly string[] => [
  `INSERT INTO installations (key, provider, host, id, account_id, account_login, account_kind, state, permissions)
   VALUES ('github:default:7', 'github', 'default', '7', '17', 'acme', 'organization', 'active', '{}')`,
  `INSERT INTO repositories (key, provider, host, id, full_name, private, installation, linked)
   SELECT 'github:default:' || n, 'github', 'default', n, 'acme/' || n, FALSE, 'github:default:7', TRUE
   FROM ${numbers(10_000)}`,
  `INSERT INTO comparisons (repository, due_at, attempt)
   SELECT 'github:default:' || n, n, 1 FROM ${numbers(9_999)}`,
  `INSERT INTO builds (id, state, repository, installation, installation_id, delivery, ref, sha, image, full_image, key,
     generation, planned, cause, created_at)
   SELECT n, 'succeeded', 'github:default:' || (n % 10000 + 1), 'github:default:7', '7', 1, 'r', 's', 'i', 'f', 'k', 1, '{}',
     'event', n FROM ${numbers(30_000)}`,
  `INSERT INTO deliveries (provider, host, delivery_id, delivery_key, event, stream, received_at, outcome)
   SELECT 'github', 'default', n, CAST(CAST(n AS TEXT) AS BYTES), 'push', 'github:default:repo:' || n, n,
     CASE WHEN n > 4900 THEN 'pending' ELSE 'planned' END FROM ${numbers(5_000)}`,
];

const KEYS = "WHERE c.repository IN ($1, $2) ORDER BY c.due_at, c.repository";

function measured(): void {
  it("takes in one that came, forgets one that left, and claims by the order of time", async () => {
    const claimed = await store.claimComparisons({ limit: 4, leaseMs: 60_000 });
    expect(claimed.map(({ repository: { id } }) => id)).toEqual(["1", "2", "3", "4"]);
    // Builds 10,000 and 20,000 and 30,000 are of the first repository.
    expect(claimed.map(({ lastUsedAt }) => lastUsedAt)).toEqual([30_000, 20_001, 20_002, 20_003]);
    await database.query("UPDATE comparisons SET due_at = $1", [clock.now() + 1_000]);
    await database.query("UPDATE repositories SET linked = FALSE WHERE id = '9'");
    const [last, ...more] = await store.claimComparisons({ limit: 4, leaseMs: 60_000 });
    expect([last?.repository.id, more.length]).toEqual(["10000", 0]);
    const [left] = await database.query("SELECT COUNT(*) AS n FROM comparisons");
    expect(Number(left?.["n"])).toBe(9_999);
    expect(await store.claimComparisons({ limit: 4, leaseMs: 60_000 })).toEqual([]);
    expect((await store.stats()).comparisons).toMatchObject({ repositories: 9_999, late: 0 });
  });
}

describe("ten thousand repositories in SQLite", () => {
  let dir = "";

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "wharfinger-comparisons-"));
    const file = join(dir, "test.db");
    await createMigratedFile(file);
    database = await openDatabase(`sqlite:${file}`);
    const numbers = (count: number) =>
      `(WITH RECURSIVE up (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < ${count}) SELECT n FROM up)`;
    for (const statement of HISTORY(numbers)) await database.query(statement.replace("AS BYTES", "AS BLOB"));
    store = await openStore({ url: `sqlite:${file}`, clock });
  });

  afterAll(async () => {
    await Promise.all([store.close(), database.close()]);
    await rm(dir, { recursive: true });
  });

  async function plan(statement: string, bind: readonly (string | number)[]): Promise<string> {
    const rows = await database.query(`EXPLAIN QUERY PLAN ${statement}`, bind);
    return rows.map((row) => text(row, "detail")).join("\n");
  }

  it("are found by indexes", async () => {
    const claim = await plan(CLAIM_COMPARISONS, [10_000, 2, 4]);
    expect(claim).toContain("c USING INDEX comparisons_due");
    expect(claim).not.toMatch(/SCAN (?!next)/);
    const claimed = await plan(`${CLAIMED} ${KEYS}`, ["a", "b"]);
    expect(claimed).toContain("b USING INDEX builds_repository");
    expect(claimed).not.toContain("SCAN");
    expect(await plan(TAKE_IN, [1, 2])).toContain("c USING COVERING INDEX sqlite_autoindex_comparisons_1");
    expect(await plan(FORGET, [])).toContain("USING INDEX sqlite_autoindex_repositories_1");
    expect(await plan(IS_AWAITED, ["x"])).toContain("INDEX deliveries_pending");
  });

  measured();
});

describe("ten thousand repositories in PostgreSQL", () => {
  let test: Awaited<ReturnType<typeof createTestDatabase>>;

  beforeAll(async () => {
    test = await createTestDatabase({ migrated: true });
    database = await openDatabase(test.url);
    const numbers = (count: number) => `generate_series(1, ${count}) n`;
    for (const statement of HISTORY(numbers)) await database.query(statement.replace("AS BYTES", "AS BYTEA"));
    for (const table of ["repositories", "comparisons", "builds", "deliveries"])
      await database.query(`ANALYZE ${table}`);
    store = await openStore({ url: test.url, clock });
  });

  afterAll(async () => {
    await Promise.all([store.close(), database.close()]);
    await test.drop();
  });

  async function plan(statement: string, bind: readonly (string | number)[]): Promise<string> {
    const rows = await database.query(`EXPLAIN ${statement}`, bind);
    return rows.map((row) => text(row, "QUERY PLAN")).join("\n");
  }

  it("are found by indexes", async () => {
    const claim = await plan(CLAIM_COMPARISONS, [10_000, 2, 4]);
    expect(claim).toContain("Index Scan using comparisons_due");
    expect(claim).not.toMatch(/Seq Scan on (?:comparisons|repositories)/);
    const claimed = await plan(`${CLAIMED} ${KEYS}`, ["a", "b"]);
    expect(claimed).toContain("builds_repository");
    expect(claimed).not.toMatch(/Seq Scan on (?:builds|repositories|comparisons)/);
    expect(await plan(IS_AWAITED, ["x"])).toContain("deliveries_pending");
  });

  measured();
});

describe("in PostgreSQL", () => {
  let test: Awaited<ReturnType<typeof createTestDatabase>>;
  let other: Store;

  beforeAll(async () => {
    test = await createTestDatabase({ migrated: true });
  });

  beforeEach(async () => {
    await test.empty();
    database = await openDatabase(test.url);
    store = await openStore({ url: test.url, clock });
    other = await openStore({ url: test.url, clock });
    await cover(store, record([], []));
  });

  afterEach(() => Promise.all([store.close(), other.close(), database.close()]));

  afterAll(() => test.drop());

  it("several processes that start together take in and hand out each repository once", async () => {
    for (let round = 0; round < 8; round += 1) {
      const of = Array.from({ length: 40 }, (_, index) => repository(`${round}-${index}`));
      await store.linkRepositories({ ...repository("7") }, of, { complete: true });
      const asked = [store, other, store, other, store, other].map((one) => {
        return one.claimComparisons({ limit: 10, leaseMs: 60_000 });
      });
      const ids = (await Promise.all(asked)).flat().map((one) => one.repository.id);
      const rest = await store.claimComparisons({ limit: 100, leaseMs: 60_000 });
      const all = [...ids, ...rest.map((one) => one.repository.id)];
      expect(all.toSorted()).toEqual(of.map(({ id }) => id).toSorted());
    }
  });

  it("nobody waits for a repository whose push is being planned: it is handed out after it", async () => {
    const claim = () => other.claimComparisons({ limit: 10, leaseMs: 60_000 });
    const [first] = await claim();
    const end = { refs: REFS, suspects: [], dueAt: clock.now(), problem: null, found: 0 };
    expect(await other.endComparison(repository("1"), first?.attempt ?? 0, end)).toBe(true);
    let release: () => void = () => undefined;
    const held = new Promise<void>((begun) => {
      void database.transaction(async (sql) => {
        await sql.query("SELECT repository FROM comparisons FOR UPDATE");
        begun();
        await new Promise<void>((resolve) => {
          release = resolve;
        });
      });
    });
    await held;
    expect(await claim()).toEqual([]);
    release();
    // The lock is gone when its transaction has ended, which nobody tells.
    let claimed = await claim();
    while (claimed.length === 0) claimed = await claim();
    expect(claimed.map(({ refs }) => refs)).toEqual([REFS]);
  });

  it("a push that is planned while a look begins or ends is looked at soon all the same", async () => {
    for (let round = 0; round < 20; round += 1) {
      const [claimed] = await store.claimComparisons({ limit: 1, leaseMs: 60_000 });
      await other.append([delivery(`push-${round}`)]);
      await other.claimDeliveries({ limit: 10, leaseMs: 60_000 });
      const { id = "" } = (await other.findDelivery(`push-${round}`)) ?? {};
      const moved = change(`${round}`, `${round + 1}`);
      const due = { refs: null, suspects: [], dueAt: clock.now() + 3_600_000, problem: null, found: 0 };
      await Promise.all([
        other.recordPlan(id, record([moved], [], { skips: [skip(moved, null)] })),
        store.endComparison(repository("1"), claimed?.attempt ?? 0, due),
      ]);
      expect(await store.claimComparisons({ limit: 1, leaseMs: 60_000 })).toEqual([]);
      clock.advance(30_000);
    }
  });
});

describe("what branches and tags were", () => {
  let dir = "";
  let url = "";

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "wharfinger-comparisons-"));
    await createMigratedFile(join(dir, "test.db"));
    url = `sqlite:${join(dir, "test.db")}`;
    database = await openDatabase(url);
    store = await openStore({ url, clock });
    await cover(store, record([], []));
  });

  afterEach(async () => {
    await Promise.all([store.close(), database.close()]);
    await rm(dir, { recursive: true });
  });

  async function look(refs: Refs | null): Promise<Refs | null> {
    const [claimed] = await store.claimComparisons({ limit: 1, leaseMs: 60_000 });
    const end = { refs, suspects: [], dueAt: clock.now(), problem: null, found: 0 };
    expect(await store.endComparison(repository("1"), claimed?.attempt ?? 0, end)).toBe(true);
    return claimed?.refs ?? null;
  }

  it("is written only where it is other than it was", async () => {
    await look(REFS);
    await database.query(
      "CREATE TRIGGER no_writing BEFORE UPDATE ON compared_refs BEGIN SELECT RAISE(ABORT, 'written'); END",
    );
    expect(await look(null)).toEqual(REFS);
    await expect(look(REFS)).rejects.toThrow("written");
  });

  it("leaves nothing of what was found after a day", async () => {
    const [claimed] = await store.claimComparisons({ limit: 1, leaseMs: 60_000 });
    const end = { refs: REFS, suspects: [], dueAt: clock.now(), problem: null, found: 2 };
    expect(await store.endComparison(repository("1"), claimed?.attempt ?? 0, end)).toBe(true);
    const never = { bodiesBefore: "2020-01-01T00:00:00.000Z", deliveriesBefore: "2020-01-01T00:00:00.000Z" };
    const kept = async () => {
      await store.prune(never);
      return (await database.query("SELECT changes FROM found_changes")).length;
    };
    expect(await kept()).toBe(1);
    clock.advance(24 * 60 * 60_000 + 1);
    expect(await kept()).toBe(0);
  });

  it("is as good as unknown where it is damaged, and learned anew", async () => {
    await look(REFS);
    await database.query("UPDATE compared_refs SET packed = $1", [Buffer.from("not brotli")]);
    expect(await look(REFS)).toBeNull();
    expect(await look(null)).toEqual(REFS);
  });
});
