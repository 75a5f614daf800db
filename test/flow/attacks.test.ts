/** People who want to publish under a name that is not theirs: each is refused, with the line an operator would look for. */
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { EventDelivery, HostAccount, HostInstallation, HostRepository } from "../hosts/github/index.ts";
import { createWorld, digestOf, eventually, type World } from "../support/world.ts";

const FILE = "version: 1\nimages:\n  - { name: api, rules: [{ branch: main, tags: [latest] }] }\n";

interface ApiDelivery {
  readonly deliveryId: string;
  readonly outcome: string;
  readonly builds: readonly string[];
  readonly decisions: readonly { readonly reason: string | null }[];
}

let world: World;
let acme: HostAccount;
let api: HostRepository;
let installation: HostInstallation;

beforeEach(async () => {
  world = await createWorld({
    build: async ({ request }) => ({ kind: "built", image: { digest: digestOf(request.source.sha) } }),
  });
  acme = world.github.organization("acme");
  api = await begun("api", FILE);
  const installed = await world.github.install(acme);
  installation = installed;
  await processed(installed.delivery);
  const { sha, delivery } = await world.github.push(api, { files: { n: "1" } });
  await ended((await processed(delivery)).builds[0], sha);
});

afterEach(async () => {
  const { violations } = world.github;
  await world.close();
  expect(violations).toEqual([]);
});

async function begun(name: string, file: string, owner = acme): Promise<HostRepository> {
  const repository = await world.github.repository(owner, name);
  await repository.commit({ message: "Begin", files: { Dockerfile: "FROM scratch\n", ".wharfinger.yml": file } });
  return repository;
}

function processed({ guid }: Pick<EventDelivery, "guid">): Promise<ApiDelivery> {
  return eventually(`delivery ${guid} processed`, async () => {
    const { items } = await world.api<{ items: ApiDelivery[] }>("/deliveries?limit=100");
    const found = items.find((one) => one.deliveryId === guid);
    return found === undefined || found.outcome === "pending" ? null : found;
  });
}

async function ended(id: string | undefined, sha: string): Promise<void> {
  const state = await eventually(`build of ${sha} ended`, async () => {
    const found = id === undefined ? null : await world.store().getBuild(id);
    return found !== null && !["queued", "running", "held"].includes(found.state) ? found.state : null;
  });
  expect(state).toBe("succeeded");
}

function warned(fields: object, message?: string): void {
  expect(world.lines).toContainEqual({
    level: "warn",
    fields: expect.objectContaining(fields),
    message: message ?? expect.any(String),
  });
}

const REFUSED = "a publication was refused";

describe("nobody publishes under a name that is not theirs:", () => {
  it("another repository of the same organization", async () => {
    const thief = await begun("thief", FILE);
    const { delivery } = await world.github.push(thief, { files: { n: "1" } });
    const seen = await processed(delivery);
    expect([seen.builds, seen.decisions.map(({ reason }) => reason)]).toEqual([[], ["image-not-owned"]]);
    warned({ repository: "acme/thief", image: "api", reason: "image-not-owned" }, REFUSED);
  });

  it("a feature branch that grants itself latest", async () => {
    const file = FILE.replace("branch: main", "branch: sneaky");
    const { delivery } = await world.github.push(api, { branch: "sneaky", files: { ".wharfinger.yml": file } });
    const seen = await processed(delivery);
    expect([seen.builds, seen.decisions.map(({ reason }) => reason)]).toEqual([[], ["tag-not-granted"]]);
    warned({ repository: "acme/api", ref: "refs/heads/sneaky", reason: "tag-not-granted" }, REFUSED);
  });

  it("whoever names another installation than the one that covers the repository", async () => {
    const other = world.github.organization("other");
    await begun("trap", FILE, other);
    const theirs = await world.github.install(other);
    await processed(theirs.delivery);
    const { sha } = await api.commit({ branch: "main", message: "More", files: { n: "2" } });
    const repository = { id: api.id, full_name: api.fullName, default_branch: "main" };
    const spoofed = {
      ref: "refs/heads/main",
      before: "0".repeat(40),
      after: sha,
      created: false,
      deleted: false,
      forced: false,
      base_ref: null,
      compare: "",
      commits: [],
      head_commit: { id: sha, message: "More", timestamp: new Date().toISOString() },
      repository: {
        ...repository,
        name: "api",
        private: false,
        clone_url: `${world.github.url}/acme/api.git`,
        html_url: `${world.github.url}/acme/api`,
        owner: { id: other.id, login: other.login, type: "Organization" },
      },
      installation: { id: theirs.id },
      sender: { id: 1, login: "mallory", type: "User" },
      pusher: { name: "mallory" },
    };
    const seen = await processed(await world.github.deliver("push", spoofed));
    expect([seen.builds, seen.decisions.map(({ reason }) => reason)]).toEqual([[], ["not-linked"]]);
    warned({ repository: "acme/api", reason: "not-linked" }, REFUSED);
    expect(
      await world.store().getInstallation({ provider: "github", host: "default", id: String(installation.id) }),
    ).toMatchObject({ namespace: "acme" });
  });

  it.each(["acrne", "Acme-", "staging", "library"])("an account that is called %s", async (login) => {
    const squatter = world.github.organization(login);
    const trap = await begun("api", FILE, squatter);
    const { id, delivery } = await world.github.install(squatter);
    await processed(delivery);
    expect(await world.store().getInstallation({ provider: "github", host: "default", id: String(id) })).toMatchObject({
      namespace: null,
    });
    const pushed = await processed((await world.github.push(trap, { files: { n: "1" } })).delivery);
    expect([pushed.builds, pushed.decisions.map(({ reason }) => reason)]).toEqual([[], ["no-namespace"]]);
    warned({ account: `github:default:${squatter.id}`, reason: expect.any(String) }, "namespace not granted");
    warned({ repository: `${login}/api`, reason: "no-namespace" }, REFUSED);
  });
});
