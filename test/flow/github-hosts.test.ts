/** Two GitHub hosts in one instance. Everything on them has the same ids and names, and nothing of one is the other's. */
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { GithubHost, HostAccount, HostInstallation, HostRepository } from "../hosts/github/index.ts";
import { createBrowser } from "../support/browser.ts";
import { agree } from "../support/consent.ts";
import { ADMIN_TOKEN, createWorld, eventually, GHES_SECRET, SECRET, type World } from "../support/world.ts";

const FILE = "version: 1\nimages:\n  - name: api\n    rules: [{ branch: main, tags: [latest] }]\n";
const PERMISSIONS = { members: "read", checks: "write", contents: "read", metadata: "read", pull_requests: "read" };

interface Place {
  readonly github: GithubHost;
  readonly acme: HostAccount;
  readonly repository: HostRepository;
  readonly installation: HostInstallation;
}

interface BuildJson {
  readonly id: string;
  readonly state: string;
  readonly image: string;
  readonly sha: string;
}

let world: World;
/** The default host. */
let here: Place;
/** The further one. */
let there: Place;

beforeEach(async () => {
  world = await createWorld({
    enterprise: true,
    namespaces: { kind: "automatic", provider: "github", host: "default" },
  });
  here = await begin(world.github);
  there = await begin(world.ghes);
  await eventually("both are known", async () =>
    (await world.store().findRepositories("acme/api")).length === 2 ? true : null,
  );
});

afterEach(async () => {
  const violations = [...world.github.violations, ...world.ghes.violations];
  await world.close();
  expect(violations).toEqual([]);
});

async function begin(github: GithubHost): Promise<Place> {
  const acme = github.organization("acme");
  const repository = await github.repository(acme, "api", { private: true });
  await repository.commit({ message: "Begin", files: { Dockerfile: "FROM scratch\n", ".wharfinger.yml": FILE } });
  const installation = await github.install(acme, { repositories: [repository], permissions: PERMISSIONS });
  return { github, acme, repository, installation };
}

/** Of its own host only: what is made of the same files in the same second has the same hash. */
async function push({ github, repository }: Place): Promise<string> {
  return (await github.push(repository, { message: "Change", files: { "host.txt": github.url } })).sha;
}

async function ended(sha: string): Promise<BuildJson> {
  return eventually(`the build of ${sha} has ended`, async () => {
    const { items } = await world.api<{ items: BuildJson[] }>("/builds");
    return items.find((one) => one.sha === sha && one.state === "succeeded") ?? null;
  });
}

async function concluded({ repository }: Place, sha: string) {
  return eventually(
    "the check has its end",
    async () => repository.checkRuns(sha).find(({ status }) => status === "completed") ?? null,
  );
}

async function post(path: string, body: object): Promise<number> {
  const answer = await fetch(`${world.url}/api/v1${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return answer.status;
}

async function signIn({ github }: Place, path: string, login: string) {
  const browser = createBrowser(world.url);
  const begun = await browser.get(path);
  const location = String(begun.headers.get("location"));
  expect(location.startsWith(`${github.url}/login/oauth/authorize?`)).toBe(true);
  const back = new URL(await agree(location, { login }));
  expect(back.pathname).toBe(`${path}/callback`);
  expect((await browser.get(back.pathname + back.search)).status).toBe(303);
  return browser;
}

describe("an instance of two GitHub hosts", () => {
  it("gives accounts of the same name and id namespaces of their own, and builds and tells each where it was pushed", async () => {
    expect([there.acme.id, there.repository.id, there.installation.id]).toEqual([
      here.acme.id,
      here.repository.id,
      here.installation.id,
    ]);
    const [ours, theirs] = [await push(here), await push(there)];
    expect(await ended(ours)).toMatchObject({ image: "acme/api" });
    expect(await concluded(here, ours)).toMatchObject({ conclusion: "success" });
    // The name is somebody else's: it waits for the operator, and what was pushed is built then.
    expect(world.built.map(({ request }) => request.source.sha)).toEqual([ours]);

    expect(await post("/namespaces/corp/grant", { installation: `github:ghes:${there.installation.id}` })).toBe(200);
    expect(await ended(theirs)).toMatchObject({ image: "corp/api" });
    expect(await concluded(there, theirs)).toMatchObject({ conclusion: "success" });
    const built = world.built.find(({ request }) => request.source.sha === theirs);
    expect(built?.request.source.cloneUrl.startsWith(there.github.url)).toBe(true);
    expect([here.repository.checkRuns(theirs), there.repository.checkRuns(ours)]).toEqual([[], []]);
  });

  it("believes of a host only what its own secret signs, at its own address", async () => {
    const stored = async () => (await world.api<{ items: object[] }>("/deliveries?limit=100")).items.length;
    const before = await stored();
    const sent = async (place: Place, url: string, secret: string) => {
      place.github.setWebhook({ url: `${world.url}/webhooks/github${url}`, secret });
      await push(place);
      return place.github.deliveries.at(-1)?.statusCode;
    };
    expect(await sent(here, "/ghes", SECRET)).toBe(401);
    expect(await sent(there, "", GHES_SECRET)).toBe(401);
    expect(await sent(there, "/other", GHES_SECRET)).toBe(404);
    expect(await stored()).toBe(before);
    // Both Apps have the same number here: with its secret alone the one could speak for the other.
    expect(await sent(there, "/ghes", GHES_SECRET)).toBe(202);
  });

  it("keeps what leaves one host at the other", async () => {
    await there.github.uninstall(there.installation);
    await eventually("it is gone", async () => {
      const { items } = await world.api<{ items: { host: string; state: string }[] }>("/installations");
      return items.find(({ host }) => host === "ghes")?.state === "removed" ? true : null;
    });
    const { items } = await world.api<{ items: { host: string; state: string }[] }>("/installations");
    expect(items.find(({ host }) => host === "default")?.state).toBe("active");
    expect(await ended(await push(here))).toMatchObject({ image: "acme/api" });
  });

  it("lets people of each host in, as people of that host alone", async () => {
    for (const { github, acme } of [here, there]) {
      github.setMembership(acme, github.user("ann"), { role: "admin", state: "active" });
    }
    expect(there.github.user("ann").id).toBe(here.github.user("ann").id);
    const page = await (await createBrowser(world.url).get("/auth/sign-in")).text();
    expect(page).toContain("Sign in with GitHub (ghes)");
    const browser = await signIn(there, "/auth/github/ghes", "ann");
    expect(await (await browser.get("/auth/you")).text()).toContain("GitHub (ghes)");
    const address = (host: string) => `/installations/github/${host}/${here.installation.id}/settings`;
    expect((await browser.get(address("ghes"))).status).toBe(200);
    expect((await browser.get(address("default"))).status).toBe(404);
    const landed = await browser.get(`/setup/github/ghes?installation_id=${there.installation.id}`);
    expect(landed.headers.get("location")).toBe(`/installations/github/ghes/${there.installation.id}`);
    const elsewhere = await browser.get(`/setup/github?installation_id=${here.installation.id}`);
    expect(elsewhere.status).toBe(200);
    expect(await elsewhere.text()).toContain("Almost there");
    // A code of one host means nothing at the other's address.
    const begun = await createBrowser(world.url).get("/auth/github/ghes");
    const back = new URL(await agree(String(begun.headers.get("location")), { login: "ann" }));
    expect((await createBrowser(world.url).get(`/auth/github/callback${back.search}`)).status).toBe(400);
    expect((await createBrowser(world.url).get("/auth/github/other")).status).toBe(404);
  });

  it("hands on the page where an owner installs the App of that host", async () => {
    const waiting = async (path: string) => (await createBrowser(world.url).get(`${path}?setup_action=request`)).text();
    expect(await waiting("/setup/github/ghes")).toContain(`${there.github.url}/`);
    expect(await waiting("/setup/github")).toContain(`${here.github.url}/`);
    expect(await waiting("/setup/github/ghes")).not.toContain(`${here.github.url}/`);
    expect((await createBrowser(world.url).get("/setup/github/other?setup_action=request")).status).toBe(404);
  });
});
