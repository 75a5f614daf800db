import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { HostCheckRun, HostRepository } from "../hosts/github/index.ts";
import { ADMIN_TOKEN, createWorld, eventually, type World } from "../support/world.ts";

const FILE = "version: 1\nimages:\n  - rules: [{ branch: main, tags: [latest] }]\n";

let world: World;
let shop: HostRepository;
/** The commit of {@link shop} that adds Dockerfiles. */
let added: string;
let cookie: string;
let page: string;

beforeEach(async () => {
  world = await createWorld();
  const acme = world.github.organization("acme");
  const found = async (name: string) => {
    const repository = await world.github.repository(acme, name, { private: true });
    await repository.commit({ message: "Begin", files: { "README.md": "hello" } });
    return repository;
  };
  shop = await found("shop");
  const [plain, ready] = [await found("plain"), await found("ready")];
  await world.github.install(acme, { repositories: [shop, plain, ready] });
  const dockerfiles = { "web/Dockerfile": "FROM scratch\n", "api/Dockerfile": "FROM scratch\n" };
  added = (await world.github.push(shop, { message: "Add services", files: dockerfiles })).sha;
  await world.github.push(plain, { message: "Say more", files: { "README.md": "hello, world" } });
  await world.github.push(ready, {
    message: "Build",
    files: { Dockerfile: "FROM scratch\n", ".wharfinger.yml": FILE },
  });
  await processed();
  const signIn = { method: "POST", body: new URLSearchParams({ token: ADMIN_TOKEN }), redirect: "manual" } as const;
  const signedIn = await fetch(`${world.url}/auth/token`, signIn);
  cookie = String(signedIn.headers.get("set-cookie")).split(";")[0] ?? "";
  page = /<a class="main" href="(\/installations\/[^"]+)">acme</.exec(await textOf("/installations"))?.[1] ?? "";
});

afterEach(async () => {
  const { violations } = world.github;
  await world.close();
  expect(violations).toEqual([]);
});

async function processed(): Promise<void> {
  await eventually("everything processed", async () => {
    const { items } = await world.api<{ items: { event: string; outcome: string }[] }>("/deliveries?limit=100");
    const done = items.every(({ outcome }) => outcome !== "pending");
    return done && items.filter(({ event }) => event === "push").length >= 3 ? true : null;
  });
}

async function textOf(path: string): Promise<string> {
  const answer = await fetch(world.url + path, { headers: { accept: "text/html", cookie } });
  expect(answer.status).toBe(200);
  return answer.text();
}

/** The part of the page about one repository. */
async function entryOf(name: string): Promise<string> {
  const entries = (await textOf(page)).split("<li>").slice(1);
  return entries.find((entry) => entry.includes(`>acme/${name}</a>`)) ?? "";
}

/** As a browser copies it. */
function copied(entry: string): string {
  const html = /<pre[^>]*>([^<]+)<\/pre>/.exec(entry)?.[1] ?? "";
  const signs = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'" };
  return html.replace(/&[^;]+;/g, (entity) => Object.entries(signs).find(([name]) => name === entity)?.[1] ?? entity);
}

function surveys(): number {
  return world.github.calls.filter(({ route }) => route === "/repos/{owner}/{repo}/git/trees/{tree_sha}").length;
}

describe("an installation's page", () => {
  it("has, for a repository with Dockerfiles and no file, a file that builds all of them", async () => {
    const entry = await entryOf("shop");
    expect(entry).toContain("api/Dockerfile");
    expect(entry).toContain("web/Dockerfile");
    expect(await entryOf("plain")).toContain("Nothing to build");
    expect(await entryOf("ready")).toContain("Has a <code>.wharfinger.yml</code>");
    // Nobody was told on a commit, and the host was asked once for each.
    expect(shop.checkRuns(added)).toEqual([]);
    expect(surveys()).toBe(3);

    const { sha } = await world.github.push(shop, { message: "Paste", files: { ".wharfinger.yml": copied(entry) } });
    const run = await eventually("a concluded check", (): HostCheckRun | null => {
      const last = shop.checkRuns(sha).at(-1);
      return last?.conclusion ? last : null;
    });
    expect(run.conclusion).toBe("success");
    const built = world.built.filter(({ request }) => request.source.sha === sha);
    expect(built.map(({ request }) => request.image.name).sort()).toEqual(["acme/api", "acme/web"]);

    // The host is asked again after a while.
    expect(await entryOf("shop")).toContain("<details>");
    world.clock.advance(11 * 60_000);
    expect(await entryOf("shop")).toContain("Has a <code>.wharfinger.yml</code>");
  });

  it("asks the host nothing once the installation is suspended", async () => {
    await world
      .store()
      .setInstallationState({ provider: "github", host: "default", id: page.split("/").at(-1) ?? "" }, "suspended");
    const text = await textOf(page);
    expect(text).toContain("acme/shop");
    expect(text).not.toContain(".wharfinger.yml");
    expect(surveys()).toBe(0);
  });
});
