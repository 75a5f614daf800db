import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "@jest/globals";
import { FOUND } from "../../src/core/found.ts";
import { type OpenedStore, openStore } from "../../src/store/store.ts";
import { createGithubHost, type GithubHost, type HostRepository } from "../hosts/github/index.ts";
import { type Child, startChild } from "../support/child.ts";
import { createFlowDatabase, type FlowDatabase } from "../support/flow-database.ts";
import type { ServerChildInput } from "../support/server-child.ts";
import { eventually, SECRET } from "../support/world.ts";

/** Not more than run without anybody's approval. */
const CHANGES = 18;
/** Of how many it was asked where they are, since the start, when the process is killed. */
const KILLS = [0, 5, CHANGES, CHANGES];
/** More than lies between two looks, and than a look has its lease: each start is so much later than the one before. */
const LATER_MS = 30 * 60 * 60_000;
const PROGRAM = new URL("../support/server-child.ts", import.meta.url);

let folder = "";
let database: FlowDatabase;
let github: GithubHost;
let repository: HostRepository;
let aheadMs: number;
const children: Child[] = [];

beforeEach(async () => {
  aheadMs = 0;
  folder = await mkdtemp(join(tmpdir(), "wharfinger-kill-found-"));
  database = await createFlowDatabase(folder);
  github = await createGithubHost();
  await start();
  const acme = github.organization("acme");
  repository = await github.repository(acme, "api", { private: true });
  const config = "version: 1\nimages:\n  - { name: api, rules: [{ branch: '**' }, { tag: '**' }] }\n";
  await repository.commit({ message: "Begin", files: { Dockerfile: "FROM scratch\n", ".wharfinger.yml": config } });
  const { delivery } = await github.install(acme, { repositories: [repository] });
  expect(delivery.status).toBe(202);
  await withStore((store) =>
    eventually("it was compared once", async () => {
      return (await store.stats()).comparisons.compared === 1 ? true : null;
    }),
  );
  await killAll();
});

afterEach(async () => {
  await killAll();
  const { violations } = github;
  await github.close();
  await database.drop();
  await rm(folder, { recursive: true, force: true });
  expect(violations).toEqual([]);
});

async function start(): Promise<void> {
  const { appId, privateKey, url, apiUrl } = github;
  const comparing = { everyMs: 20, graceMs: 100 };
  const more = { folder, databaseUrl: database.url, secret: SECRET, leaseMs: 1_000, aheadMs, comparing };
  const input: ServerChildInput = { ...more, appId, privateKey, url, apiUrl };
  const child = await startChild(PROGRAM, [JSON.stringify(input)]);
  children.push(child);
  github.setWebhook({ url: `${child.firstLine}/webhooks/github`, secret: SECRET });
}

async function killAll(): Promise<void> {
  await Promise.all(children.splice(0).map((child) => child.kill()));
}

async function withStore<T>(use: (store: OpenedStore) => Promise<T>): Promise<T> {
  const store = await openStore({ url: database.url, clock: Date });
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

/** How often the host was asked where a branch or tag is. */
function asked(): number {
  return github.calls.filter(({ route }) => /\/(git\/matching-refs|commits)\//.test(route ?? "")).length;
}

/** Branches and tags of which nobody is told: full ref to commit. */
async function untold(): Promise<ReadonlyMap<string, string>> {
  const shas = new Map<string, string>();
  for (let n = 0; n < CHANGES; n += 2) {
    const branch = `branch-${n}`;
    const { sha } = await repository.commit({ branch, message: `Commit ${n}`, files: { n: `${n}` } });
    shas.set(`refs/heads/${branch}`, sha);
  }
  const tags = [...shas.values()].map((sha, n) => ({ tag: `tag-${n}`, sha, annotated: n % 2 === 0 }));
  for (const { delivery } of await github.pushTags(repository, tags)) expect(delivery.sent).toBe(false);
  for (const { tag, sha } of tags) shas.set(`refs/tags/${tag}`, sha);
  expect(shas.size).toBe(CHANGES);
  return shas;
}

async function expectAll(shas: ReadonlyMap<string, string>): Promise<void> {
  await withStore(async (store) => {
    await eventually(
      "all is built",
      async () => ((await store.stats()).builds.succeeded >= CHANGES ? true : null),
      120_000,
    );
    const builds = (await store.listBuilds({ limit: 100, cursor: null })).items;
    expect(builds.map(({ planned }) => `${planned.ref} ${planned.sha}`).sort()).toEqual(
      [...shas].map(([ref, sha]) => `${ref} ${sha}`).sort(),
    );
    const { items } = await store.listDeliveries({ limit: 100, cursor: null });
    const found = items.filter(({ event }) => event === FOUND);
    // Journalled once more only while nothing had come of it, and then nothing came of one of them.
    expect(found.filter(({ outcome }) => outcome === "planned")).toHaveLength(1);
    for (const sha of shas.values()) {
      await eventually("its checks are concluded", () => {
        const checks = repository.checkRuns(sha);
        return checks.length > 0 && checks.every(({ conclusion }) => conclusion === "success") ? true : null;
      });
    }
    await eventually("the look is over", async () => {
      const { comparisons } = await store.stats();
      return comparisons.problem === null && comparisons.failing === 0 ? true : null;
    });
  });
}

it("kill -9 in the middle of finding what nobody told: every change is built, and none twice", async () => {
  const shas = await untold();
  for (const after of KILLS) {
    aheadMs += LATER_MS;
    const before = asked();
    await start();
    await eventually(`${after} were asked for, or it was found before`, async () => {
      if (asked() >= before + after) return true;
      return withStore(async (store) => ((await store.stats()).builds.succeeded > 0 ? true : null));
    });
    await killAll();
  }
  aheadMs += LATER_MS;
  await start();
  await expectAll(shas);
}, 240_000);

it("several processes of one database that start at once find each change once", async () => {
  // On SQLite only one process works.
  if (!database.url.startsWith("postgres")) return;
  const shas = await untold();
  aheadMs += LATER_MS;
  await Promise.all([start(), start(), start()]);
  await expectAll(shas);
  await withStore(async (store) => {
    const { items } = await store.listDeliveries({ limit: 100, cursor: null });
    expect(items.filter(({ event }) => event === FOUND)).toHaveLength(1);
    expect((await store.stats()).comparisons.found).toBe(CHANGES);
  });
}, 240_000);
