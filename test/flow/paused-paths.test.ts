/** Images that are built where their paths change only: what was pushed while nothing could be built is not forgotten for later pushes. */
import { afterEach, beforeEach, expect, it } from "@jest/globals";
import type { HostAccount, HostRepository } from "../hosts/github/index.ts";
import { onlyInstallation, type Previewed, post } from "../support/pausing.ts";
import { createWorld, eventually, type World } from "../support/world.ts";

const CONFIG = `version: 1
images:
  - name: api
    paths: { include: ["api/**"] }
    rules: [{ branch: main, tags: [latest] }]
  - name: web
    paths: { include: ["web/**"] }
    rules: [{ branch: main, tags: [latest] }]
`;

let world: World;
let acme: HostAccount;
let repository: HostRepository;

beforeEach(async () => {
  world = await createWorld();
  acme = world.github.organization("acme");
  repository = await world.github.repository(acme, "api", { private: false });
  await repository.commit({ message: "Begin", files: { Dockerfile: "FROM scratch\n", ".wharfinger.yml": CONFIG } });
  const installed = await world.github.install(acme, { repositories: [repository] });
  await processed(installed.delivery.guid);
  await push("api/a.txt");
  await push("web/a.txt");
});

afterEach(async () => {
  const { violations } = world.github;
  await world.close();
  expect(violations).toEqual([]);
});

function processed(id: string): Promise<unknown> {
  return eventually(`delivery ${id} processed`, async () => {
    const found = await world.api<{ outcome: string }>(`/deliveries/${id}`);
    return found.outcome === "pending" ? null : found;
  });
}

let count = 0;

async function push(path: string, text = `${path} ${++count}`, branch = "main"): Promise<string> {
  const { sha, delivery } = await world.github.push(repository, { branch, files: { [path]: text } });
  await processed(delivery.guid);
  return sha;
}
/** Images built of a commit, once `of` of them are. */
function built(sha: string, of: number): Promise<readonly string[]> {
  return eventually(`${of} images of ${sha}`, async () => {
    const { items } = await world.store().listBuilds({ limit: 100, cursor: null });
    const images = items.filter(({ planned, state }) => planned.sha === sha && state === "succeeded");
    return images.length >= of ? images.map(({ planned }) => planned.image).toSorted() : null;
  });
}

it.each([
  ["its installation", () => onlyInstallation(world)],
  ["its repository", async () => `repositories/github/default/${repository.id}`],
])("of several pushes while %s is paused the newest is built with what the others changed", async (_what, path) => {
  const at = await path();
  await post(world, `${at}/pause`);
  await push("api/b.txt");
  await push("web/b.txt");
  const newest = await push("docs.md");
  const { lanes } = await post<Previewed>(world, `${at}/resume`, { dryRun: true });
  expect(lanes.map(({ builds }) => builds.map(({ image }) => image))).toEqual([["api", "web"]]);
  await post(world, `${at}/resume`);
  expect(await built(newest, 2)).toEqual(["api", "web"]);
});

it("what no push of that time changed is not built afterwards", async () => {
  const at = await onlyInstallation(world);
  await post(world, `${at}/pause`);
  await push("web/b.txt");
  const newest = await push("docs.md");
  await post(world, `${at}/resume`);
  expect(await built(newest, 1)).toEqual(["web"]);
  const next = await push("api/c.txt");
  expect(await built(next, 1)).toEqual(["api"]);
});

it("a branch that was made meanwhile is built with all that it has of its own", async () => {
  const at = await onlyInstallation(world);
  const config = CONFIG.replaceAll("branch: main", 'branch: "*"');
  await push(".wharfinger.yml", config);
  await post(world, `${at}/pause`);
  await push("api/d.txt", "d", "topic");
  const newest = await push("docs.md", "d", "topic");
  await post(world, `${at}/resume`);
  expect(await built(newest, 1)).toEqual(["api"]);
});
