import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { createRegistryClient } from "../../src/registry/client.ts";
import { type BitbucketHost, createBitbucketHost } from "../hosts/bitbucket/index.ts";
import { createGithubHost, type GithubHost, type HostRepository } from "../hosts/github/index.ts";
import { pushBaseImage } from "../support/base-image.ts";
import { DOORS } from "../support/bitbucket-door.ts";
import { openProgramDoor } from "../support/bitbucket-program.ts";
import { compiledMain } from "../support/compiled.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { type Program, type ProgramOptions, startProgram, startProgramWorker } from "../support/program.ts";
import { startRegistry, type TestRegistry } from "../support/registry.ts";
import { eventually } from "../support/world.ts";

const MAIN = compiledMain();
/** Of the program: a lease, and a third of it between heartbeats. */
const LEASE_MS = 15_000;

type Worker = Awaited<ReturnType<typeof startProgramWorker>>;

let folder: string;
let registry: TestRegistry;
let github: GithubHost;
let bitbucket: BitbucketHost;
let database: TestDatabase;
let repository: HostRepository;
let serving: Program;
let workers: Worker[] = [];
let base: string;
let options: Omit<ProgramOptions, "dataDir">;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharfinger-halves-"));
  registry = await startRegistry({ auth: true });
  base = await pushBaseImage(registry);
  github = await createGithubHost({ tokenFormat: "stateless" });
  bitbucket = await createBitbucketHost();
  database = await createTestDatabase({ migrated: false });
  const acme = github.organization("acme");
  repository = await github.repository(acme, "api", { private: true });
  await repository.commit({ message: "Begin", files: { "README.md": "hello" } });
  const key = randomBytes(32).toString("base64");
  options = {
    main: MAIN,
    github,
    bitbucket,
    registry,
    env: {
      DATABASE_URL: database.url,
      SECRET_KEY: key,
      BUILD_CONCURRENCY: "1",
      NAMESPACE_POLICY: "automatic",
      NAMESPACE_HOST: "github:default",
    },
  };
  serving = await startProgram({ ...options, command: "serve", dataDir: join(folder, "serve") });
  await github.install(acme, { repositories: [repository] });
  workers = await Promise.all(["one", "two"].map(startOne));
}, 180_000);

afterAll(async () => {
  await Promise.all(workers.map((worker) => worker.stop()));
  await serving?.stop();
  await github?.close();
  await bitbucket?.close();
  await registry?.stop();
  await database?.drop();
  await rm(folder, { recursive: true, force: true });
});

function startOne(name: string): Promise<Worker> {
  return startProgramWorker({ ...options, dataDir: join(folder, name) });
}

function files(run: string): Record<string, string> {
  return {
    Dockerfile: `FROM ${base}\nCOPY marker.txt /srv/\nRUN ${run}\n`,
    "marker.txt": `${run}\n`,
    ".wharfinger.yml": "version: 1\nimages:\n  - { name: api, rules: [{ branch: main, tags: [latest] }] }\n",
  };
}

async function concluded(sha: string): Promise<string> {
  const last = () => repository.checkRuns(sha).at(-1);
  return eventually("a concluded check", () => last()?.conclusion ?? null, 120_000);
}

async function api<T>(path: string): Promise<T> {
  const headers = { authorization: `Bearer ${serving.adminToken}` };
  return (await (await fetch(`${serving.url}/api/v1${path}`, { headers })).json()) as T;
}

interface ApiBuild {
  readonly id: string;
  readonly state: string;
  readonly sha: string;
  readonly digest: string | null;
  readonly startedAt: string;
}

async function buildOf(sha: string): Promise<ApiBuild | null> {
  const { items } = await api<{ items: ApiBuild[] }>("/builds");
  return items.find((build) => build.sha === sha) ?? null;
}

/** Only GitHub's accounts get their namespaces by themselves here. */
async function claimApproved(namespace: string): Promise<void> {
  const { id } = await eventually("a claim", async () => {
    const { items } = await api<{ items: { id: string; namespace: string }[] }>("/claims");
    return items.find((one) => one.namespace === namespace) ?? null;
  });
  const headers = { authorization: `Bearer ${serving.adminToken}` };
  const answer = await fetch(`${serving.url}/api/v1/claims/${id}/approve`, { method: "POST", headers });
  expect(answer.status).toBe(200);
}

/** The worker that has begun a build. */
function holderOf(build: string): Worker | null {
  return workers.find((worker) => worker.output().includes(`"build":"${build}"`)) ?? null;
}

let serial = 0;

/** Random numbers that are the same in every run. */
function sameRandom(): () => number {
  let state = 20_261_121;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe("the two halves", () => {
  it("make an image of a push: one hears of it and publishes, the other builds, and both know the log", async () => {
    const { sha } = await github.push(repository, { files: files("echo built elsewhere") });
    expect(await concluded(sha)).toBe("success");
    const build = await buildOf(sha);
    const client = createRegistryClient({ ...registry });
    expect(await client.digest("acme/api", "latest")).toEqual({ ok: true, value: build?.digest });
    const headers = { authorization: `Bearer ${serving.adminToken}` };
    const log = await (await fetch(`${serving.url}/api/v1/builds/${build?.id}/log`, { headers })).text();
    expect(log).toContain("built elsewhere");
    expect(serving.output()).not.toContain("build started");
    expect(holderOf(build?.id ?? "")).not.toBeNull();
  }, 180_000);

  it.each(DOORS)(
    "make an image of a push to Bitbucket through the door %s: the worker gets its own way to the repository",
    async (door) => {
      const workspace = bitbucket.workspace(`acme-${door}`);
      const there = await bitbucket.repository(workspace, "api", { private: true });
      await there.commit({ message: "Begin", files: { "README.md": "hello" } });
      const cwd = join(folder, "serve");
      await openProgramDoor(door, workspace, { program: serving, main: options.main, cwd, bitbucket });
      await claimApproved(`acme-${door}`);
      const { sha } = await there.push([{ branch: "main", files: files(`echo built of ${door}`) }]);
      const ended = () => there.statuses(sha).find(({ state }) => state !== "INPROGRESS") ?? null;
      expect((await eventually("a final status", ended, 120_000)).state).toBe("SUCCESSFUL");
      const build = await buildOf(sha);
      expect(holderOf(build?.id ?? "")).not.toBeNull();
      expect(serving.output()).not.toContain("build started");
      const client = createRegistryClient({ ...registry });
      expect(await client.digest(`acme-${door}/api`, "latest")).toEqual({ ok: true, value: build?.digest });
      expect(bitbucket.violations).toEqual([]);
    },
    180_000,
  );

  it("leave every key that signs with the half that serves", async () => {
    const keys = (names: readonly string[]) => names.filter((name) => name.endsWith(".key")).sort();
    expect(keys(await readdir(join(folder, "one")))).toEqual([]);
    expect(keys(await readdir(join(folder, "serve")))).toContain("build-request.key");
  });

  it("replace a worker that was killed mid-build soon after its lease has ended", async () => {
    const { sha } = await github.push(repository, { files: files("echo waiting && sleep 4 && echo done") });
    const build = await eventually("the build to begin", () => buildOf(sha), 60_000);
    const lost = await eventually("a worker that has it", () => holderOf(build.id), 60_000);
    const killedAt = Date.now();
    await lost.kill();
    workers = workers.filter((worker) => worker !== lost);
    await eventually("another one", () => holderOf(build.id), 60_000);
    // On a machine that is busy everything takes some seconds more.
    expect(Date.now() - killedAt).toBeLessThan(LEASE_MS + LEASE_MS / 3 + 15_000);
    expect(await concluded(sha)).toBe("success");
    expect((await buildOf(sha))?.state).toBe("succeeded");
  }, 240_000);

  it("survive kill -9 of either at any point: every push ends published, and no older tag on top", async () => {
    const client = createRegistryClient({ ...registry });
    const random = sameRandom();
    const staged = async (build: string) => {
      const found = await client.digest(`staging/${build}`, "build");
      return found.ok && found.value !== null ? found.value : null;
    };

    /** One of the workers, whatever it does. */
    async function killWorker(): Promise<void> {
      const lost = workers[Math.floor(random() * workers.length)];
      if (lost === undefined) throw new Error("there is no worker");
      await lost.kill();
      workers = [...workers.filter((worker) => worker !== lost), await startOne(`again-${serial++}`)];
    }

    async function killServing(): Promise<void> {
      await serving.kill();
      serving = await startProgram({ ...options, command: "serve", dataDir: join(folder, "serve") });
    }

    const moments: readonly [string, (sha: string) => Promise<void>][] = [
      ["a worker, somewhere in the build", () => sleep(random() * 2_000).then(killWorker)],
      ["serve, somewhere in the build", () => sleep(random() * 2_000).then(killServing)],
      ["serve, as it publishes", (sha) => untilStaged(sha).then(killServing)],
      [
        "both, somewhere",
        () =>
          sleep(random() * 2_500)
            .then(() => Promise.all([killServing(), killWorker()]))
            .then(() => undefined),
      ],
      [
        "serve, as it publishes, again",
        (sha) =>
          untilStaged(sha)
            .then(() => sleep(random() * 120))
            .then(killServing),
      ],
    ];

    async function untilStaged(sha: string): Promise<void> {
      const build = await eventually("the build to begin", () => buildOf(sha), 60_000);
      await eventually("its image in staging", () => staged(build.id), 60_000);
    }

    for (const [what, strike] of moments) {
      const { sha: older } = await github.push(repository, { files: files(`echo ${what} 1`) });
      const { sha } = await github.push(repository, { files: files(`echo ${what} 2`) });
      await strike(sha);
      expect([what, await concluded(sha)]).toEqual([what, "success"]);
      await concluded(older);
      const build = await buildOf(sha);
      expect([what, await client.digest("acme/api", "latest")]).toEqual([what, { ok: true, value: build?.digest }]);
    }
  }, 600_000);
});
