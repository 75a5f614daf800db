/**
 * Submodules and private dependencies, from the signed push to the image: real git of the stand-in hosts, which give each
 * token what it was asked for and nothing else, real builds, and a real registry.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { createRegistryClient, type RegistryClient } from "../../src/registry/client.ts";
import { createTestBuilder } from "../builders/world.ts";
import { runClient } from "../hosts/git/git-client.ts";
import { pushBaseImage } from "../support/base-image.ts";
import { DOORS, openDoor } from "../support/bitbucket-door.ts";
import { type Image, readImage } from "../support/image.ts";
import { startRegistry, type TestRegistry } from "../support/registry.ts";
import { soleRegistry } from "../support/sole-registry.ts";
import { createWorld, eventually, type World } from "../support/world.ts";

let registry: TestRegistry;
let client: RegistryClient;
let buildah: Awaited<ReturnType<typeof createTestBuilder>>;
let base: string;
let world: World | null = null;

beforeAll(async () => {
  registry = await startRegistry();
  client = createRegistryClient({ url: registry.url, username: null, password: null });
  base = await pushBaseImage(registry);
  buildah = await createTestBuilder(registry);
}, 60_000);
afterAll(async () => {
  await buildah?.stop();
  await registry?.stop();
});
afterEach(async () => {
  await world?.close();
  world = null;
});

async function open(bitbucket: boolean): Promise<World> {
  world = await createWorld({
    bitbucket,
    build: (context) => buildah.builder.build(context),
    parts: (parts) => ({ ...parts, registries: soleRegistry(client) }),
  });
  return world;
}

/** Counts the lines of the secret: what they are must not be in an image. */
function files(repositories: string, submodules: Readonly<Record<string, string>>): Record<string, string> {
  return {
    Dockerfile:
      `FROM ${base}\nCOPY . /srv\n` +
      "RUN --mount=type=secret,id=git-credentials wc -l < /run/secrets/git-credentials > /lines || echo none > /lines\n",
    ".wharfinger.yml": `version: 1
images:
  - { name: api, cache: false, rules: [{ branch: main, tags: [latest] }, { pull_request: main }] }
pull_requests: { forks: test }
${repositories}`,
    ".gitmodules": Object.entries(submodules)
      .map(([path, url]) => `[submodule "${path}"]\n\tpath = ${path}\n\turl = ${url}\n`)
      .join(""),
  };
}

interface ApiBuild {
  readonly id: string;
  readonly state: string;
  readonly failure: { readonly class: string; readonly message: string } | null;
}

function ended(sha: string, count = 1): Promise<ApiBuild> {
  return eventually(
    `${count} ended builds of ${sha}`,
    async () => {
      const { items } = await at().api<{ items: (ApiBuild & { sha: string })[] }>("/builds?limit=100");
      const builds = items.filter((one) => one.sha === sha && !["queued", "running"].includes(one.state));
      return builds.length >= count ? (builds[0] ?? null) : null;
    },
    60_000,
  );
}

function at(): World {
  if (world === null) throw new Error("no world is open");
  return world;
}

async function imageOf(repository: string): Promise<Image> {
  return readImage(client, repository, "latest");
}

function text(image: Image, path: string): string | null {
  return image.files.get(path)?.bytes.toString("utf8") ?? null;
}

/** All that could give a credential away, searched for all credentials that were given out. */
async function expectNoLeak(image: Image, build: string, secrets: readonly string[]): Promise<void> {
  expect(secrets.length).toBeGreaterThan(0);
  const headers = { authorization: "Bearer an-admin-token-of-more-than-thirty-two-characters" };
  const shown = ["", "/log", "/request"].map(async (part) =>
    (await fetch(`${at().url}/api/v1/builds/${build}${part}`, { headers })).text(),
  );
  const places = [...(await Promise.all(shown)), JSON.stringify(at().lines), ...image.blobs.map(String)];
  for (const secret of secrets) {
    const basic = Buffer.from(`x-access-token:${secret}`).toString("base64");
    for (const place of places) {
      expect(place.includes(secret)).toBe(false);
      expect(place.includes(basic)).toBe(false);
    }
  }
}

describe("on GitHub", () => {
  /** Under another name in each world: the registry is the same, and a namespace that is not empty is nobody's. */
  async function install(login: string) {
    const { github } = await open(false);
    const account = github.organization(login);
    const [api, shared, other] = await Promise.all(
      ["api", "shared", "other"].map((name) => github.repository(account, name, { private: true })),
    );
    if (api === undefined || shared === undefined || other === undefined) throw new Error("three were made");
    for (const one of [api, shared, other]) await one.commit({ message: "Begin", files: { which: one.name } });
    const installation = await github.install(account, { repositories: [api, shared, other] });
    const id = { provider: "github", host: "default", id: String(installation.id) } as const;
    await eventually("the installation is recorded", async () =>
      (await at().store().repositoriesOf(id, 10)).length === 3 ? true : null,
    );
    const named = (one: { readonly id: number }) => ({ ...id, id: String(one.id) });
    const access = { installation: id, repository: named(api), reads: named(shared) };
    const submodule = { submodule: (await shared.commit({ message: "More", files: { more: "yes" } })).sha };
    return { github, api, shared, other, access, submodule };
  }

  it("a submodule that an owner allowed is in the image, read with a token for these two repositories", async () => {
    const { github, api, shared, other, access, submodule } = await install("acme");
    await at().store().allowAccess(access, { kind: "operator" });
    const { sha } = await github.push(api, {
      message: "Use it",
      files: { ...files("repositories: [acme/shared]", { "libs/shared": "../shared.git" }), "libs/shared": submodule },
    });
    const build = await ended(sha);
    expect(build).toMatchObject({ state: "succeeded", failure: null });
    const image = await imageOf("acme/api");
    expect(text(image, "srv/libs/shared/which")).toBe("shared");
    expect(text(image, "srv/libs/shared/more")).toBe("yes");
    expect(text(image, "lines")?.trim()).toBe("4");
    expect([...image.files.keys()].filter((path) => path.includes(".git/") || path.endsWith("/.git"))).toEqual([]);
    const [context] = at().built;
    expect(context?.request.source.furtherRepositories).toEqual([
      { id: String(shared.id), fullName: "acme/shared", cloneUrl: shared.cloneUrl },
    ]);
    const opened = await context?.credentials();
    const secret = opened?.ok ? (opened.value.clone?.password ?? "") : "";
    for (const one of [api, shared]) await expect(runClient(["ls-remote", one.cloneUrl], secret)).resolves.toBeTruthy();
    await expect(runClient(["ls-remote", other.cloneUrl], secret)).rejects.toThrow("not found");
    await expectNoLeak(image, build.id, [secret]);
  }, 90_000);

  it("nothing is read that nobody allowed, and allowing it is all it takes", async () => {
    const { github, api, access, submodule } = await install("borg");
    const asked = files("repositories: [borg/shared, borg/nobody]", { shared: "../shared.git" });
    const { sha } = await github.push(api, { message: "Use it", files: { ...asked, shared: submodule } });
    const refused = await ended(sha);
    expect(refused).toMatchObject({ state: "failed", failure: { class: "checkout" } });
    expect(refused.failure?.message).toContain("wharfinger access allow borg/api borg/shared");
    expect(refused.failure?.message).toContain("borg/nobody, and the installation covers no such repository");
    expect(at().lines.filter(({ level, message }) => level === "warn" && message.includes("refused"))).toMatchObject([
      { fields: { wanted: "borg/shared", reason: "not-allowed" } },
      { fields: { wanted: "borg/nobody", reason: "unknown" } },
    ]);

    const only = files("repositories: [borg/shared]", { shared: "../shared.git" });
    const second = await github.push(api, { message: "Only what there is", files: only });
    expect(await ended(second.sha)).toMatchObject({ state: "failed", failure: { class: "checkout" } });
    await at().store().allowAccess(access, { kind: "operator" });
    const [run] = api.checkRuns(second.sha);
    if (run === undefined) throw new Error("no check");
    await github.rerequest(run);
    expect(await ended(second.sha, 2)).toMatchObject({ state: "succeeded" });
    expect(text(await imageOf("borg/api"), "srv/shared/which")).toBe("shared");

    await at().store().disallowAccess(access, { kind: "operator" });
    const third = await github.push(api, { message: "Again", files: { note: "1" } });
    expect(await ended(third.sha)).toMatchObject({ state: "failed", failure: { class: "checkout" } });
  }, 120_000);

  it("a private submodule that the file does not name fails the build, and says what to do", async () => {
    const { github, api, access, submodule } = await install("cape");
    await at().store().allowAccess(access, { kind: "operator" });
    const asked = files("", { shared: "../shared.git" });
    const { sha } = await github.push(api, { message: "Use it", files: { ...asked, shared: submodule } });
    const build = await ended(sha);
    expect(build).toMatchObject({ state: "failed", failure: { class: "checkout" } });
    expect(build.failure?.message).toContain("name it under `repositories` in .wharfinger.yml");
  }, 90_000);

  it("a pull request from a fork gets none of it, whatever its own file and the base's say", async () => {
    const { github, api, access, submodule } = await install("dock");
    await at().store().allowAccess(access, { kind: "operator" });
    await at().store().setPolicy(access.installation, { forks: "test" }, { kind: "operator" });
    const asked = files("repositories: [dock/shared]", { shared: `${github.url}/dock/shared.git` });
    await api.commit({ message: "Use it", files: { ...asked, shared: submodule } });
    const fork = await github.fork(api, github.user("stranger"));
    const { sha } = await fork.commit({ branch: "fix", message: "Fix", files: { ...asked, note: "mine" } });
    await github.openPull(api, { head: "fix", from: fork });
    const build = await ended(sha);
    expect(build).toMatchObject({ state: "failed", failure: { class: "checkout" } });
    expect(build.failure?.message).toContain("Builds of pull requests from forks read nothing that is private.");
    const context = at().built.find(({ request }) => request.source.sha === sha);
    expect(context?.request).toMatchObject({ trust: "untrusted" });
    expect(context?.request.source).not.toHaveProperty("furtherRepositories");
    const opened = await context?.credentials();
    expect(opened?.ok && "secrets" in opened.value ? opened.value.secrets : {}).toEqual({});
  }, 90_000);
});

describe.each(DOORS)("on Bitbucket, through the door %s", (door) => {
  it("a submodule that an owner allowed is in the image", async () => {
    const { bitbucket } = await open(true);
    // A namespace that is not empty in the registry is nobody's for the asking.
    const slug = `harbour-${door}`;
    const workspace = await openDoor(at(), door, slug);
    const [api, shared] = await Promise.all(
      ["api", "shared"].map((name) => bitbucket.repository(workspace, name, { private: true })),
    );
    if (api === undefined || shared === undefined) throw new Error("two were made");
    // What the service has heard of is what can be allowed.
    for (const one of [api, shared]) {
      await one.commit({ message: "Begin", files: { "README.md": one.name } });
      await one.push([{ branch: "main", message: "More", files: { which: one.name } }]);
    }
    const host = { provider: "bitbucket", host: "default" } as const;
    const installation = { ...host, id: workspace.uuid };
    await eventually("both repositories are recorded", async () => {
      const known = await at().store().repositoriesOf(installation, 10);
      return known.filter(({ link }) => link === "linked").length === 2 ? true : null;
    });
    const access = { installation, repository: { ...host, id: api.uuid }, reads: { ...host, id: shared.uuid } };
    expect(await at().store().allowAccess(access, { kind: "operator" })).toBe("allowed");
    const { sha: tip } = await shared.push([{ branch: "main", message: "Newer", files: { more: "yes" } }]);
    const { sha } = await api.push([
      {
        branch: "main",
        message: "Use it",
        files: {
          ...files(`repositories: [${slug}/shared]`, { "libs/shared": "../shared.git" }),
          "libs/shared": { submodule: tip },
        },
      },
    ]);
    const build = await ended(sha);
    expect(build).toMatchObject({ state: "succeeded", failure: null });
    const image = await imageOf(`${slug}/api`);
    expect(text(image, "srv/libs/shared/which")).toBe("shared");
    expect(text(image, "lines")?.trim()).toBe("4");
    const context = at().built.find(({ request }) => request.source.sha === sha);
    const opened = await context?.credentials();
    const further = opened?.ok ? (opened.value.furtherRepositories ?? []) : [];
    expect(further).toMatchObject([{ fullName: `${slug}/shared`, cloneUrl: shared.cloneUrl }]);
    const own = opened?.ok ? opened.value.clone?.password : undefined;
    // A token of the add-on opens one repository; a connection's, the workspace.
    expect(further[0]?.credential.password === own).toBe(door === "webhook");
    await expectNoLeak(image, build.id, [own ?? "", further[0]?.credential.password ?? ""]);
  }, 90_000);
});
