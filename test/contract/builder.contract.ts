/** What every builder promises, on real repositories and a real registry. */
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { BuildRequest } from "../../src/core/build-request.ts";
import { ok, type Sha } from "../../src/core/model.ts";
import type { BuildContext, BuildEnd, Builder } from "../../src/engine/ports.ts";
import { createRegistryClient, type RegistryClient } from "../../src/registry/client.ts";
import type { TreeEntry } from "../hosts/git/git.ts";
import { pushBaseImage } from "../support/base-image.ts";
import { type GitServer, startGitServer } from "../support/git-server.ts";
import { readImage } from "../support/image.ts";
import { startRegistry, type TestRegistry } from "../support/registry.ts";

/** Everything a builder needs around it. */
export interface BuilderWorld {
  readonly registry: TestRegistry;
  readonly client: RegistryClient;
  readonly git: GitServer;
  /** Name of an image with a shell. */
  readonly base: string;
  readonly builder: Builder;
  stop(): Promise<void>;
}

export type BuilderFactory = (registry: TestRegistry) => Promise<{ readonly builder: Builder; stop(): Promise<void> }>;

export async function createBuilderWorld(create: BuilderFactory): Promise<BuilderWorld> {
  const [registry, git] = await Promise.all([startRegistry({ auth: true }), startGitServer()]);
  const [base, { builder, stop }] = await Promise.all([pushBaseImage(registry), create(registry)]);
  const client = createRegistryClient(registry);
  return {
    registry,
    client,
    git,
    base,
    builder,
    async stop() {
      await stop();
      await Promise.all([registry.stop(), git.stop()]);
    },
  };
}

export interface Ran {
  readonly end: BuildEnd;
  readonly log: string;
  readonly steps: readonly string[];
}

type Inputs = Partial<BuildRequest["inputs"]>;

export interface RunOptions {
  readonly repository?: string;
  readonly inputs?: Inputs;
  readonly image?: Partial<BuildRequest["image"]>;
  readonly limits?: Partial<BuildRequest["limits"]>;
  readonly cloneUrl?: string;
  readonly signal?: AbortSignal;
  /** Sees the log as it grows. */
  readonly onLog?: (log: string) => void;
}

let count = 0;

/** Commits `files` to a repository of its own and builds them. */
export async function buildFiles(
  world: BuilderWorld,
  files: Readonly<Record<string, TreeEntry>>,
  options: RunOptions = {},
): Promise<Ran> {
  const repository = options.repository ?? `repo-${++count}`;
  return await buildCommit(world, repository, await world.git.commit(repository, files), options);
}

export async function buildCommit(
  world: BuilderWorld,
  repository: string,
  sha: Sha,
  options: RunOptions,
): Promise<Ran> {
  let log = "";
  const steps: string[] = [];
  const { username, password } = world.registry;
  const context: BuildContext = {
    request: makeRequest(world, repository, sha, options),
    credentials: async () =>
      ok({
        clone: world.git.credential,
        registry: username === null || password === null ? null : { username, password },
      }),
    log(text) {
      log += text;
      options.onLog?.(log);
    },
    step: (name) => steps.push(name),
    signal: options.signal ?? new AbortController().signal,
  };
  const end = await world.builder.build(context);
  return { end, log, steps };
}

function makeRequest(world: BuilderWorld, repository: string, sha: Sha, options: RunOptions): BuildRequest {
  return {
    version: 1,
    id: `build-${repository}`,
    installation: { provider: "github", host: "default", id: "1" },
    source: {
      provider: "github",
      host: "default",
      repository: { id: "7", fullName: `acme/${repository}` },
      ref: "refs/heads/main",
      sha,
      cloneUrl: options.cloneUrl ?? `${world.git.url}/${repository}.git`,
      webUrl: `https://example.com/acme/${repository}`,
    },
    image: {
      registry: world.registry.name,
      staging: { repository: `acme/${repository}`, tag: "latest" },
      name: `elsewhere/${repository}`,
      tags: ["another"],
      push: true,
      ...options.image,
    },
    inputs: {
      context: ".",
      dockerfile: "Dockerfile",
      target: null,
      testTarget: null,
      buildArgs: {},
      platforms: [],
      labels: {},
      cache: true,
      network: "none",
      cacheScope: `scope-${repository}`,
      ...options.inputs,
    },
    trust: "trusted",
    trigger: { kind: "event", delivery: "d", actor: null, rules: ["images[0].rules[0]"], configDigest: null },
    limits: { seconds: 60, memoryBytes: 512 * 1024 ** 2, logBytes: 1024 ** 2, ...options.limits },
  };
}

/** Digest of what was built; fails the test, showing the log, when nothing was. */
export function digestOf(ran: Ran): string {
  if (ran.end.kind !== "built") throw new Error(`${JSON.stringify(ran.end)}\n${ran.log}`);
  return ran.end.image.digest ?? "";
}

export function failureOf(ran: Ran): { readonly class: string; readonly message: string; readonly line?: number } {
  if (ran.end.kind !== "failed") throw new Error(`${JSON.stringify(ran.end)}\n${ran.log}`);
  return ran.end.failure;
}

export function describeBuilder(name: string, create: BuilderFactory): void {
  describe(`${name}, as a builder`, () => {
    let world: BuilderWorld;

    beforeAll(async () => {
      world = await createBuilderWorld(create);
    });
    afterAll(() => world?.stop());

    it("is ready on this machine", async () => {
      expect(await world.builder.check()).toEqual([]);
    });

    it("pushes the commit's files to its staging tag only, with labels and owners as they should be", async () => {
      const ran = await buildFiles(
        world,
        {
          "svc/Dockerfile": `FROM ${world.base}\nARG GREETING\nCOPY hello.txt /app/\nRUN echo "$GREETING" > /app/arg && chown 12:34 /app/arg\n`,
          "svc/hello.txt": "hello from the commit\n",
        },
        {
          repository: "published",
          image: { tags: ["latest", "1.2"] },
          inputs: {
            context: "svc",
            buildArgs: { GREETING: '--it\'s\n"two lines"' },
            labels: { "org.example.team": "core = best", "--odd": "x" },
          },
        },
      );
      const digest = digestOf(ran);
      expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
      // The staging tag, and no other: the service moves those.
      expect(await world.client.digest("acme/published", "latest")).toEqual({ ok: true, value: digest });
      expect(await world.client.digest("acme/published", "1.2")).toEqual({ ok: true, value: null });
      const image = await readImage(world.client, "acme/published", digest);
      expect(image.labels).toMatchObject({ "org.example.team": "core = best", "--odd": "x" });
      const file = image.files.get("app/hello.txt");
      expect(file?.bytes.toString()).toBe("hello from the commit\n");
      expect({ uid: file?.uid, gid: file?.gid }).toEqual({ uid: 0, gid: 0 });
      const arg = image.files.get("app/arg");
      expect(arg?.bytes.toString()).toBe('--it\'s\n"two lines"\n');
      expect({ uid: arg?.uid, gid: arg?.gid }).toEqual({ uid: 12, gid: 34 });
      expect(ran.steps).toEqual(["checkout", "build", "push"]);
    });

    it("does not let git's data into the build", async () => {
      const ran = await buildFiles(world, { Dockerfile: `FROM ${world.base}\nCOPY . /src\nRUN test ! -e /src/.git\n` });
      expect(digestOf(ran)).toMatch(/^sha256:/);
    });

    it("builds and tests but publishes nothing when the request says so", async () => {
      const ran = await buildFiles(
        world,
        { Dockerfile: `FROM ${world.base}\nRUN true\n` },
        { repository: "kept", image: { push: false } },
      );
      expect(ran.end).toEqual({ kind: "built", image: { digest: null } });
      expect(await world.client.digest("acme/kept", "latest")).toEqual({ ok: true, value: null });
    });

    it("publishes nothing when the test target fails", async () => {
      const dockerfile = `FROM ${world.base} AS release\nRUN true\nFROM release AS check\nRUN echo broken && exit 3\n`;
      const ran = await buildFiles(
        world,
        { Dockerfile: dockerfile },
        { repository: "untested", inputs: { target: "release", testTarget: "check" } },
      );
      expect(failureOf(ran)).toMatchObject({ class: "test", line: 4 });
      expect(failureOf(ran).message).toContain("exit code 3");
      expect(ran.steps).toEqual(["checkout", "test"]);
      expect(await world.client.digest("acme/untested", "latest")).toEqual({ ok: true, value: null });
    });

    it("publishes the target that was asked for when the test passes", async () => {
      const dockerfile = `FROM ${world.base} AS release\nRUN echo r > /which\nFROM release AS check\nRUN echo c > /which\n`;
      const ran = await buildFiles(
        world,
        { Dockerfile: dockerfile },
        { repository: "tested", inputs: { target: "release", testTarget: "check" } },
      );
      const image = await readImage(world.client, "acme/tested", digestOf(ran));
      expect(image.files.get("which")?.bytes.toString()).toBe("r\n");
      expect(ran.steps).toEqual(["checkout", "test", "build", "push"]);
    });

    it("names the instruction, its line and its exit code when a command fails", async () => {
      const ran = await buildFiles(world, {
        Dockerfile: `# comment\nFROM ${world.base}\nRUN echo one && \\\n    # why\n    sh -c 'exit 42'\nRUN true\n`,
      });
      expect(ran.end).toMatchObject({ kind: "failed", retryable: false, failure: { class: "build", line: 3 } });
      expect(failureOf(ran).message).toContain("exit code 42");
    });

    it("says that a commit was force-pushed away", async () => {
      const sha = await world.git.commit("vanished", { Dockerfile: "FROM scratch\n" });
      await world.git.commit("vanished", { Dockerfile: "FROM scratch\n", other: "x" });
      await world.git.forget("vanished");
      const ran = await buildCommit(world, "vanished", sha, {});
      expect(ran.end).toMatchObject({ kind: "failed", retryable: false, failure: { class: "checkout" } });
      expect(failureOf(ran).message).toContain("force-pushed");
    });

    it("may be tried again when the Git host is down", async () => {
      const sha = await world.git.commit("down", { Dockerfile: "FROM scratch\n" });
      world.git.fail({ status: 503 });
      const failed = await buildCommit(world, "down", sha, {});
      world.git.fail(null);
      const unreachable = await buildCommit(world, "down", sha, { cloneUrl: "http://127.0.0.1:9/down.git" });
      for (const ran of [failed, unreachable]) {
        expect(ran.end).toMatchObject({ kind: "failed", retryable: true, failure: { class: "checkout" } });
      }
    });

    it("stops when it is told to", async () => {
      const stop = new AbortController();
      const ran = await buildFiles(
        world,
        { Dockerfile: `FROM ${world.base}\nRUN echo begun; sleep 1000\n` },
        {
          signal: stop.signal,
          onLog: (log) => {
            if (/^begun$/m.test(log)) stop.abort("cancel");
          },
        },
      );
      expect(ran.end).toEqual({ kind: "stopped" });
    });

    it("does not begin what is stopped already", async () => {
      const ran = await buildFiles(world, { Dockerfile: "FROM scratch\n" }, { signal: AbortSignal.abort("shutdown") });
      expect(ran).toEqual({ end: { kind: "stopped" }, log: "", steps: [] });
    });

    it("stops what takes too long", async () => {
      const ran = await buildFiles(
        world,
        { Dockerfile: `FROM ${world.base}\nRUN sleep 1000\n` },
        { limits: { seconds: 2 } },
      );
      expect(failureOf(ran)).toMatchObject({ class: "timeout" });
      expect(failureOf(ran).message).toContain("2 s");
    });

    it("tells a build that needs too much memory from one that fails", async () => {
      const hog = "head -c 300000000 /dev/zero | tail -c 300000000 > /dev/null; exit $?";
      const ran = await buildFiles(
        world,
        { Dockerfile: `FROM ${world.base}\nRUN ${hog}\n` },
        { limits: { memoryBytes: 128 * 1024 ** 2 } },
      );
      expect(failureOf(ran)).toMatchObject({ class: "out-of-memory", line: 2 });
      expect(failureOf(ran).message).toContain("128 MiB");
    });

    it("keeps the log within its limit and says so", async () => {
      const ran = await buildFiles(
        world,
        { Dockerfile: `FROM ${world.base}\nRUN seq 1 100000\n` },
        { limits: { logBytes: 10_000 } },
      );
      expect(digestOf(ran)).toMatch(/^sha256:/);
      expect(Buffer.byteLength(ran.log)).toBeLessThan(10_200);
      expect(ran.log).toContain("10000 bytes");
    });

    it("gives a build no network and none of its secrets", async () => {
      const ran = await buildFiles(world, {
        Dockerfile: `FROM ${world.base}\nRUN env; cat /proc/self/environ; cat /proc/net/dev; ls /proc/1/root/mnt; nc -w 1 ${world.registry.name.replace(":", " ")} </dev/null && exit 9 || true\n`,
      });
      expect(digestOf(ran)).toMatch(/^sha256:/);
      expect(ran.log).not.toMatch(/eth0:/);
      for (const secret of secretsOf(world)) expect(ran.log).not.toContain(secret);
    });

    it("builds one repository's images at the same time", async () => {
      const files = (text: string) => ({ Dockerfile: `FROM ${world.base}\nRUN sleep 0.3; echo ${text} > /which\n` });
      const names = ["together-1", "together-2", "together-3"];
      const all = await Promise.all(
        names.map((repository) =>
          buildFiles(world, files(repository), { repository, inputs: { cacheScope: "together" } }),
        ),
      );
      for (const [index, ran] of all.entries()) {
        const image = await readImage(world.client, `acme/${names[index]}`, digestOf(ran));
        expect(image.files.get("which")?.bytes.toString()).toBe(`${names[index]}\n`);
      }
    });

    it("reuses what an earlier commit's build left, unless it may not", async () => {
      const dockerfile = `FROM ${world.base}\nCOPY a /a\nRUN date=$(cat /proc/uptime); echo "$date" > /made\nCOPY b /b\n`;
      const options = { repository: "cached" };
      const first = await buildFiles(world, { Dockerfile: dockerfile, a: "same", b: "one" }, options);
      const second = await buildFiles(world, { Dockerfile: dockerfile, a: "same", b: "two" }, options);
      const third = await buildFiles(
        world,
        { Dockerfile: dockerfile, a: "same", b: "two" },
        { ...options, inputs: { cache: false } },
      );
      const made = await Promise.all(
        [first, second, third].map(async (ran) => {
          const image = await readImage(world.client, "acme/cached", digestOf(ran));
          return image.files.get("made")?.bytes.toString();
        }),
      );
      expect(made[1]).toBe(made[0]);
      expect(made[2]).not.toBe(made[0]);
    });
  });
}

/** In every form they could be printed in. */
export function secretsOf(world: BuilderWorld): readonly string[] {
  const { username, password } = world.registry;
  const pairs = [world.git.credential, { username: username ?? "", password: password ?? "" }];
  return pairs.flatMap((pair) => [
    pair.password,
    Buffer.from(pair.password).toString("base64"),
    Buffer.from(`${pair.username}:${pair.password}`).toString("base64"),
  ]);
}
