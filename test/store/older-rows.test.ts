/** What an older version of the program wrote, after the steps of the schema that came since. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "@jest/globals";
import { DEFAULT_POLICY } from "../../src/core/model.ts";
import { type Database, openDatabase } from "../../src/store/database.ts";
import type { Migration } from "../../src/store/migrate.ts";
import { first } from "../../src/store/migrations/0001-first.ts";
import { publishing } from "../../src/store/migrations/0002-publishing.ts";
import { bitbucket } from "../../src/store/migrations/0003-bitbucket.ts";
import { migrateStore, openStore } from "../../src/store/store.ts";
import { change, delivery, installationId, record, repository, request, sha, skip } from "../contract/store.samples.ts";
import { createTestDatabase } from "../support/postgres.ts";

const clock = { now: () => Date.parse("2026-11-20T10:00:00.000Z") };
const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

async function sqliteUrl(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "wharfinger-older-"));
  cleanups.push(() => rm(dir, { recursive: true }));
  return `sqlite:${join(dir, "test.db")}`;
}

async function postgresUrl(): Promise<string> {
  const database = await createTestDatabase({ migrated: false });
  cleanups.push(() => database.drop());
  return database.url;
}

/** A database as the given steps left it. */
async function migratedBy(url: string, steps: readonly Migration[], fill: (database: Database) => Promise<void>) {
  const database = await openDatabase(url);
  await database.query("CREATE TABLE migrations (name TEXT NOT NULL PRIMARY KEY, applied_at TEXT NOT NULL)");
  for (const step of steps) {
    for (const statement of step[database.dialect]) await database.query(statement);
    await database.query("INSERT INTO migrations (name, applied_at) VALUES ($1, '')", [step.name]);
  }
  await fill(database);
  await database.close();
}

const MOVED = change("a", "b");
const PLANNED = request(MOVED);

/** One push of main with a build that waits and a skip, both as they were written before there were lanes. */
async function fill(database: Database): Promise<void> {
  const key = "github:default:1";
  await database.query(
    `INSERT INTO installations (key, provider, host, id, account_id, account_login, account_kind, state, permissions)
     VALUES ('github:default:7', 'github', 'default', '7', '17', 'acme', 'organization', 'active', '{}')`,
  );
  await database.query(
    `INSERT INTO namespaces (name, provider, host, account_id, created_at) VALUES ('acme', 'github', 'default', '17', 0)`,
  );
  await database.query(
    `INSERT INTO repositories (key, provider, host, id, full_name, private, default_branch, installation, linked)
     VALUES ($1, 'github', 'default', '1', 'acme/api', TRUE, 'main', 'github:default:7', TRUE)`,
    [key],
  );
  await database.query(
    `INSERT INTO refs (repository, ref, generation, before_sha, after_sha) VALUES ($1, $2, 4, $3, $4)`,
    [key, MOVED.ref, MOVED.before, MOVED.after],
  );
  await database.query(
    `INSERT INTO deliveries (provider, host, delivery_id, delivery_key, event, stream, received_at, outcome)
     VALUES ('github', 'default', 'old', $1, 'push', 's', 0, 'planned')`,
    [Buffer.from("old")],
  );
  await database.query(
    `INSERT INTO builds (id, state, repository, installation, installation_id, delivery, ref, sha, image, full_image, key,
       generation, planned, cause, created_at)
     VALUES ('old-build', 'queued', $1, 'github:default:7', '7', 1, $2, $3, 'api', 'acme/api', $4, 4, $5, 'event', 0)`,
    [key, MOVED.ref, MOVED.after, PLANNED.key, JSON.stringify(PLANNED)],
  );
  await database.query(
    `INSERT INTO decisions (delivery, position, repository, ref, sha, image, build, reason, detail)
     VALUES (1, 0, $1, $2, $3, 'api', 'old-build', NULL, 'Queued.'), (1, 1, $1, $2, $3, 'web', NULL, 'paths-unchanged', 'no')`,
    [key, MOVED.ref, MOVED.after],
  );
}

describe.each([
  ["SQLite", sqliteUrl],
  ["PostgreSQL", postgresUrl],
])("a database on %s from before there were pull requests", (_what, urlOf) => {
  it("goes on as if it had been written today", async () => {
    const url = await urlOf();
    await migratedBy(url, [first, publishing, bitbucket], fill);
    await migrateStore(url);
    const store = await openStore({ url, clock });
    cleanups.unshift(() => store.close());
    const policy = (await store.getInstallation(installationId("7")))?.policy;
    expect(policy).toEqual(DEFAULT_POLICY);
    expect(await store.getBuild("old-build")).toMatchObject({ state: "queued", hold: null, approval: null });
    expect(await store.findDelivery("old")).toMatchObject({ trace: [], builds: ["old-build"] });

    await store.append([delivery("again"), delivery("newer")]);
    const idOf = async (name: string) => (await store.findDelivery(name))?.id ?? "";
    // The lane of what is there already is its ref: the same work is known, and its skip gives way to a newer one.
    const skips = [skip(MOVED, "web", "paused")];
    const again = record([MOVED], [PLANNED], { skips, report: [sha("b")] });
    expect(await store.recordPlan(await idOf("again"), again)).toEqual([]);
    const [check] = await store.claimChecks({ limit: 1, leaseMs: 0 });
    expect(check).toMatchObject({
      repository: { id: repository("1").id },
      facts: { builds: [{ id: "old-build" }], skips },
    });
    const next = change("b", "c");
    expect(await store.recordPlan(await idOf("newer"), record([next], [request(next)]))).toHaveLength(1);
    expect((await store.getBuild("old-build"))?.state).toBe("superseded");
  });
});
