import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "@jest/globals";
import type { Build } from "../../src/core/model.ts";
import type { Store } from "../../src/engine/store-port.ts";
import { openStore } from "../../src/store/store.ts";
import { createGithubHost, type GithubHost } from "../hosts/github/index.ts";
import { type Child, startChild } from "../support/child.ts";
import { createFlowDatabase, type FlowDatabase } from "../support/flow-database.ts";
import type { ServerChildInput } from "../support/server-child.ts";
import { eventually, SECRET } from "../support/world.ts";

const PUSHES = 80;
const KILLS = 4;
const PROGRAM = new URL("../support/server-child.ts", import.meta.url);

let folder = "";
let database: FlowDatabase;
let github: GithubHost;
let child: Child | null = null;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharfinger-kill-builds-"));
  database = await createFlowDatabase(folder);
  github = await createGithubHost();
});

afterEach(async () => {
  await child?.kill();
  child = null;
  await github.close();
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

async function start(): Promise<void> {
  const { appId, privateKey, url, apiUrl } = github;
  const input: ServerChildInput = {
    folder,
    databaseUrl: database.url,
    appId,
    privateKey,
    url,
    apiUrl,
    secret: SECRET,
    leaseMs: 1_000,
  };
  child = await startChild(PROGRAM, [JSON.stringify(input)]);
  github.setWebhook({ url: `${child.firstLine}/webhooks/github`, secret: SECRET });
}

/** Sends the event again, as the host's owner would, until it is acknowledged. */
async function insist(guid: string): Promise<void> {
  await eventually("the delivery is acknowledged", async () => {
    const { status } = await github.redeliver(guid);
    return status === 200 || status === 202 ? true : null;
  });
}

async function allBuilds(store: Store): Promise<readonly Build[]> {
  const builds: Build[] = [];
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<Store["listBuilds"]>> = await store.listBuilds({ limit: 100, cursor });
    builds.push(...page.items);
    cursor = page.next;
  } while (cursor !== null);
  return builds;
}

it("kill -9 in the middle of pushes, plans, builds and checks: every push is built, and none twice", async () => {
  await start();
  const acme = github.organization("acme");
  const repository = await github.repository(acme, "api", { private: true });
  await github.install(acme, { repositories: [repository] });
  const config = "version: 1\nimages:\n  - { name: api, rules: [{ branch: '**' }] }\n";
  await repository.commit({ message: "Begin", files: { Dockerfile: "FROM scratch\n", ".wharfinger.yml": config } });

  const shas = new Map<string, string>();
  const kills: Promise<void>[] = [];
  for (let n = 0; n < PUSHES; n += 1) {
    const branch = `branch-${n}`;
    const { sha, delivery } = await github.push(repository, { branch, message: `Push ${n}`, files: { n: `${n}` } });
    shas.set(`refs/heads/${branch}`, sha);
    await Promise.all(kills.splice(0));
    if (delivery.status !== 202) await insist(delivery.guid);
    // Every tenth arrives twice: the host may send again what it has an answer for.
    if (n % 10 === 0) expect((await github.redeliver(delivery.guid)).status).toBe(200);
    // Killed while this one is being planned, built or shown, and while the next is on its way.
    if (n % Math.floor(PUSHES / KILLS) === 17) kills.push((child as Child).kill().then(start));
  }
  await Promise.all(kills);

  const store = await openStore({ url: database.url, clock: Date });
  try {
    await eventually(
      "all is built",
      async () => ((await store.stats()).builds.succeeded >= PUSHES ? true : null),
      120_000,
    );
    const builds = await allBuilds(store);
    expect(builds.map((build) => build.planned.ref).sort()).toEqual([...shas.keys()].sort());
    expect(builds.filter((build) => build.state !== "succeeded")).toEqual([]);
    expect(builds.filter((build) => shas.get(build.planned.ref) !== build.planned.sha)).toEqual([]);
    // What was killed while it was built is built again, by nobody else and under the same id; all others were built once.
    const runs = (await readFile(join(folder, "built.txt"), "utf8")).trim().split("\n");
    const begun = (build: Build) => runs.filter((run) => run.startsWith(`${build.id} `)).length;
    expect(new Set(runs).size).toBe(PUSHES);
    expect(builds.filter((build) => begun(build) > build.attempt)).toEqual([]);
    expect(builds.filter((build) => build.attempt === 1 && begun(build) !== 1)).toEqual([]);
    expect(builds.filter((build) => build.attempt > 1).length).toBeLessThanOrEqual(KILLS * 8);
    for (const sha of shas.values()) {
      await eventually("its check is concluded, once", () => {
        const checks = repository.checkRuns(sha);
        return checks.length === 1 && checks[0]?.conclusion === "success" ? true : null;
      });
    }
  } finally {
    await store.close();
  }
}, 400_000);
