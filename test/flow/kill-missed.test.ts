import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "@jest/globals";
import { openStore } from "../../src/store/store.ts";
import { createGithubHost, type GithubHost, type HostRepository } from "../hosts/github/index.ts";
import { type Child, startChild } from "../support/child.ts";
import { createFlowDatabase, type FlowDatabase } from "../support/flow-database.ts";
import type { ServerChildInput } from "../support/server-child.ts";
import { eventually, SECRET } from "../support/world.ts";

const PUSHES = 30;
/** How many were fetched since the start when the process is killed. */
const KILLS = [0, 3, 9];
const PROGRAM = new URL("../support/server-child.ts", import.meta.url);

let folder = "";
let database: FlowDatabase;
let github: GithubHost;
const children: Child[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharfinger-kill-missed-"));
  database = await createFlowDatabase(folder);
  github = await createGithubHost();
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
  const more = { folder, databaseUrl: database.url, secret: SECRET, leaseMs: 1_000 };
  const input: ServerChildInput = { ...more, appId, privateKey, url, apiUrl };
  const child = await startChild(PROGRAM, [JSON.stringify(input)]);
  children.push(child);
  github.setWebhook({ url: `${child.firstLine}/webhooks/github`, secret: SECRET });
}

async function killAll(): Promise<void> {
  await Promise.all(children.splice(0).map((child) => child.kill()));
}

function asked(): number {
  return github.calls.filter(({ route }) => route === "/app/hook/deliveries/{delivery_id}").length;
}

async function begin(): Promise<HostRepository> {
  await start();
  const acme = github.organization("acme");
  const repository = await github.repository(acme, "api", { private: true });
  const { delivery } = await github.install(acme, { repositories: [repository] });
  expect(delivery.status).toBe(202);
  const config = "version: 1\nimages:\n  - { name: api, rules: [{ branch: '**' }] }\n";
  await repository.commit({ message: "Begin", files: { Dockerfile: "FROM scratch\n", ".wharfinger.yml": config } });
  return repository;
}

/** Pushes that nobody hears of: full ref to commit. */
async function unheard(repository: HostRepository): Promise<ReadonlyMap<string, string>> {
  const shas = new Map<string, string>();
  for (let n = 0; n < PUSHES; n += 1) {
    const branch = `branch-${n}`;
    const { sha, delivery } = await github.push(repository, { branch, message: `Push ${n}`, files: { n: `${n}` } });
    expect(delivery.status).toBeNull();
    shas.set(`refs/heads/${branch}`, sha);
  }
  return shas;
}

async function expectAll(repository: HostRepository, shas: ReadonlyMap<string, string>): Promise<void> {
  const store = await openStore({ url: database.url, clock: Date });
  try {
    await eventually(
      "all is built",
      async () => ((await store.stats()).builds.succeeded >= PUSHES ? true : null),
      120_000,
    );
    const builds = (await store.listBuilds({ limit: 100, cursor: null })).items;
    expect(builds.map(({ planned }) => planned.ref).sort()).toEqual([...shas.keys()].sort());
    expect(builds.filter(({ planned }) => shas.get(planned.ref) !== planned.sha)).toEqual([]);
    const { items } = await store.listDeliveries({ limit: 100, cursor: null });
    expect(items.filter(({ missed }) => missed !== undefined)).toHaveLength(PUSHES);
    for (const sha of shas.values()) {
      await eventually("its check is concluded, once", () => {
        const checks = repository.checkRuns(sha);
        return checks.length === 1 && checks[0]?.conclusion === "success" ? true : null;
      });
    }
    await eventually("the look is over", async () => {
      const [look] = (await store.stats()).missed;
      return look?.lookedAt !== null && look?.problem === null && look.fetched === PUSHES ? look : null;
    });
  } finally {
    await store.close();
  }
}

it("kill -9 in the middle of fetching what was missed: every push is built, and none twice", async () => {
  const repository = await begin();
  await killAll();
  const shas = await unheard(repository);
  for (const after of KILLS) {
    const before = asked();
    await start();
    await eventually(`${after} were asked for`, () => (asked() >= before + after ? true : null));
    await killAll();
  }
  await start();
  await expectAll(repository, shas);
});

it("several processes of one database that start at once fetch each delivery once", async () => {
  // On SQLite only one process works.
  if (!database.url.startsWith("postgres")) return;
  const repository = await begin();
  await killAll();
  const shas = await unheard(repository);
  await Promise.all([start(), start(), start()]);
  await expectAll(repository, shas);
  expect(asked()).toBe(PUSHES);
});
