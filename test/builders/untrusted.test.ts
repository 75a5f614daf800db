/** Builds of pull requests from forks: what they can reach of what others have. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { digestOf, failureOf } from "../contract/builder.contract.ts";
import { createLeaseWorld, type LeaseWorld, nosyTool } from "./lease-world.ts";

type Tool = Awaited<ReturnType<typeof nosyTool>>;

describe.each(["tokens", "account"] as const)("before a registry with %s, a build", (kind) => {
  let world: LeaseWorld;
  let tools: readonly Tool[];

  beforeAll(async () => {
    const [buildah, git] = await Promise.all([nosyTool("buildah"), nosyTool("git")]);
    tools = [buildah, git];
    world = await createLeaseWorld(kind, { tools: { buildah: buildah.path, git: git.path } });
  });
  afterAll(async () => {
    await world?.stop();
    for (const tool of tools ?? []) await tool.remove();
  });

  /** All that git and buildah could see in builds of that trust so far. */
  async function seen(trust: "trusted" | "untrusted"): Promise<string> {
    const scopes = join(world.workDir, trust === "trusted" ? "scopes" : "scopes-untrusted");
    const parts = await readdir(scopes).catch(() => []);
    const texts = await Promise.all(parts.map((name) => readFile(join(scopes, name, "tmp/seen"), "utf8")));
    return texts.join("\n");
  }

  /** In every form a tool could find it. */
  function formsOf(username: string, password: string): readonly string[] {
    const basic = Buffer.from(`${username}:${password}`).toString("base64");
    return [password, Buffer.from(password).toString("base64"), basic];
  }

  /** Of the registry, for the build that comes next. */
  function registrySecrets(): readonly string[] {
    const { username, secret } = world.next();
    const { registry } = world;
    return formsOf(registry.username ?? username, registry.password ?? secret);
  }

  const fromPrivate = () => ({ Dockerfile: `FROM ${world.base.private}\nRUN true\n` });

  it("of those who may push has its credentials, pushes, and may be based on what is private", async () => {
    const [password = "", , basic = ""] = registrySecrets();
    expect(digestOf(await world.build(fromPrivate()))).toMatch(/^sha256:/);
    // What the next test looks for is where it looks.
    const found = await seen("trusted");
    expect(found).toContain(basic);
    expect(found).not.toContain(password);
    const { username, password: token } = world.git.credential;
    expect(found).toContain(formsOf(username, token)[2]);
  });

  it("of a stranger has no registry credential in any environment, argument or file, and pulls nothing private", async () => {
    const secrets = registrySecrets();
    const ran = await world.build(fromPrivate(), { fork: 5 });
    expect(failureOf(ran)).toMatchObject({ class: "dockerfile", line: 1 });
    expect(failureOf(ran).message).toMatch(/does not exist or is private/);
    const found = await seen("untrusted");
    expect(found).toContain("/mnt/job/auth.json");
    for (const secret of secrets) expect(found).not.toContain(secret);
  });

  it("of a stranger's public fork has no credential whatsoever", async () => {
    const secrets = [...registrySecrets(), ...formsOf(world.git.credential.username, world.git.credential.password)];
    const before = world.git.seen.length;
    const ran = await world.build({ Dockerfile: "FROM scratch\nCOPY Dockerfile /\n" }, { fork: 6, anonymous: true });
    expect(ran.end).toEqual({ kind: "built", image: { digest: null } });
    expect(world.git.seen.slice(before).filter((header) => header !== undefined)).toEqual([]);
    const scope = await newestOf(join(world.workDir, "scopes-untrusted"));
    const found = await readFile(join(scope, "tmp/seen"), "utf8");
    expect(found).toContain(`${world.git.url}/fork.git`);
    for (const secret of secrets) expect(found).not.toContain(secret);
  });

  it("of a stranger pushes nothing, says so, and ends well", async () => {
    const { id } = world.next();
    const ran = await world.build({ Dockerfile: "FROM scratch\nCOPY Dockerfile /\n" }, { fork: 5 });
    expect(ran.end).toEqual({ kind: "built", image: { digest: null } });
    expect(ran.steps).toEqual(["checkout", "build"]);
    expect(ran.log).toContain("Nothing is pushed: the commit comes from people who may not push to the repository");
    expect(await readdir(join(world.registry.folder, "data/docker/registry/v2/repositories"))).toContain("acme");
    const staged = await readdir(join(world.registry.folder, "data/docker/registry/v2/repositories/staging"));
    expect(staged).not.toContain(id);
    expect(staged).toContain("b-1");
  });
});

describe("the cache of a build", () => {
  let world: LeaseWorld;
  beforeAll(async () => {
    world = await createLeaseWorld("tokens");
  });
  afterAll(() => world?.stop());

  /** Leaves its name in a cache mount and a layer, and says what it found. */
  function files(name: string) {
    const mount = "--mount=type=cache,id=shared,target=/cache";
    return {
      Dockerfile: `FROM ${world.base.public}\nRUN ${mount} ls /cache | sed 's/^/found /'; touch /cache/$(cat /proc/uptime | cut -d. -f1)\nCOPY who /\nRUN ${mount} touch /cache/$(cat /who)\n`,
      who: name,
    };
  }

  it("of a stranger is neither read nor filled by others: not by those who may push, nor by another stranger", async () => {
    const found: Record<string, readonly string[]> = {};
    const builds: [name: string, fork: number | null][] = [
      ["trusted", null],
      ["five", 5],
      ["six", 6],
      ["five-again", 5],
      ["trusted-again", null],
    ];
    for (const [name, fork] of builds) {
      const ran = await world.build(files(name), fork === null ? {} : { fork });
      expect(ran.end.kind).toBe("built");
      // The same instructions on the same base: only a layer of its own scope may stand in for one of them.
      const reused = /Using cache/.test(ran.log);
      found[name] = [
        ...[...ran.log.matchAll(/^found (\D.*)$/gm)].map(([, what]) => what ?? ""),
        ...(reused ? ["layer"] : []),
      ];
    }
    expect(found).toEqual({ trusted: [], five: [], six: [], "five-again": ["layer"], "trusted-again": ["layer"] });
  });

  it("keeps what its mounts hold from others, too", async () => {
    const mounts = {
      Dockerfile: `FROM ${world.base.public}\nRUN --mount=type=cache,id=shared,target=/cache ls /cache | sed 's/^/found /'\n`,
    };
    const left = async (fork: number | null) => {
      const ran = await world.build(mounts, fork === null ? {} : { fork });
      return [...ran.log.matchAll(/^found (\D.*)$/gm)].map(([, what]) => what);
    };
    expect(await left(5)).toEqual(["five", "five-again"]);
    expect(await left(6)).toEqual(["six"]);
    expect(await left(7)).toEqual([]);
    expect(await left(null)).toEqual(["trusted", "trusted-again"]);
  });

  it("may be based on what everybody may pull", async () => {
    const ran = await world.build({ Dockerfile: `FROM ${world.base.public}\nRUN echo it runs\n` }, { fork: 5 });
    expect(ran.log).toMatch(/^it runs$/m);
  });

  it.each([
    ["a stage", (name: string) => `FROM ${name} AS base\nFROM scratch\nCOPY --from=base /etc /\n`],
    ["COPY --from", (name: string) => `FROM scratch\nCOPY --from=${name} /etc /\n`],
    ["a mount", (name: string, open: string) => `FROM ${open}\nRUN --mount=type=bind,from=${name},target=/b ls /b\n`],
  ])(
    "does not hold what is private, although builds of those who may push pulled it: by %s",
    async (_way, dockerfile) => {
      const Dockerfile = dockerfile(world.base.private, world.base.public);
      expect((await world.build({ Dockerfile })).end.kind).toBe("built");
      const ran = await world.build({ Dockerfile }, { fork: 5 });
      expect({ end: ran.end, log: ran.log }).toMatchObject({
        end: { kind: "failed", failure: { class: "dockerfile" } },
      });
      expect(ran.log).toMatch(/authentication required|denied|unauthorized|no stage or image found/);
    },
  );
});

async function newestOf(folder: string): Promise<string> {
  const places = (await readdir(folder)).map((name) => join(folder, name));
  const times = await Promise.all(places.map(async (place) => ({ place, at: (await stat(place)).mtimeMs })));
  return times.sort((one, other) => other.at - one.at)[0]?.place ?? "";
}
