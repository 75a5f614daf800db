/** Pull requests on Bitbucket, from the signed event to the status on their commits. */

import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { Build } from "../../src/core/model.ts";
import type { BuildCredentials } from "../../src/engine/ports.ts";
import { OPERATOR } from "../contract/store.by.ts";
import type { HostRepository, HostStatus, HostWorkspace } from "../hosts/bitbucket/index.ts";
import { DOORS, openDoor } from "../support/bitbucket-door.ts";
import { createWorld, eventually, type World } from "../support/world.ts";

const CONFIG = `version: 1
images:
  - name: api
    paths: { exclude: ["docs/**"] }
    rules:
      - branch: main
        tags: [latest]
      - pull_request: main
        tags: ["pr-{pr}"]
`;

let world: World;
let workspace: HostWorkspace;
let repository: HostRepository;
let credentials: BuildCredentials[];

beforeEach(async () => {
  credentials = [];
  world = await createWorld({
    bitbucket: true,
    async build(context) {
      const given = await context.credentials();
      if (!given.ok) throw new Error(given.message);
      credentials.push(given.value);
      return { kind: "built", image: { digest: null } };
    },
  });
});

afterEach(async () => {
  const { violations } = world.bitbucket;
  await world.close();
  expect(violations).toEqual([]);
});

function shows(sha: string, state: HostStatus["state"]): Promise<HostStatus> {
  return eventually(`${state} on ${sha}`, () => {
    const found = repository.statuses(sha).find((status) => status.state === state);
    return found ?? null;
  });
}

/** The one build of a commit, once it is in this state. */
function build(sha: string, state: Build["state"]): Promise<Build> {
  return eventually(`a build of ${sha} that is ${state}`, async () => {
    const { items } = await world.store().listBuilds({ limit: 100, cursor: null });
    const [found, ...others] = items.filter(({ planned }) => planned.sha === sha);
    expect(others).toEqual([]);
    return found?.state === state ? found : null;
  });
}

/** Calls of the API since, those for tokens left out. */
function callsSince(begun: number) {
  const calls = world.bitbucket.calls.slice(begun).filter(({ path }) => path.startsWith("/2.0/"));
  const reads = calls.filter(({ method }) => method === "GET").length;
  return { reads, writes: calls.length - reads };
}

describe.each(DOORS)("through the door %s", (door) => {
  beforeEach(async () => {
    workspace = await openDoor(world, door, "harbour");
    repository = await world.bitbucket.repository(workspace, "api", { private: true });
    await repository.commit({ files: { Dockerfile: "FROM scratch\n", ".wharfinger.yml": CONFIG } });
  });

  it("one from a branch is tested, and published nowhere, within four reads and four writes", async () => {
    const { sha } = await repository.commit({ branch: "topic", files: { a: "1" } });
    const begun = world.bitbucket.calls.length;
    const { pull } = await world.bitbucket.openPull(repository, { head: "topic" });
    expect(await shows(sha, "SUCCESSFUL")).toMatchObject({ refname: "topic" });
    await eventually("its report", () => (repository.reports(sha).length > 0 ? true : null));
    const { reads, writes } = callsSince(begun);
    expect(reads).toBeLessThanOrEqual(4);
    expect(writes).toBeLessThanOrEqual(4);
    expect(world.built.map(({ request }) => request)).toMatchObject([
      { source: { sha, pull: { number: pull.id } }, image: { push: false } },
    ]);
    expect(credentials).toMatchObject([{ clone: { username: "x-token-auth" } }]);

    // Its paths are those since it left its target, of which one is still not among those left out.
    const docs = await repository.push([{ branch: "topic", files: { "docs/a.md": "1" } }]);
    await build(docs.sha, "succeeded");
    expect(world.built).toHaveLength(2);
    await repository.commit({ branch: "words", files: { "docs/b.md": "1" } });
    const { pull: words } = await world.bitbucket.openPull(repository, { head: "words" });
    expect((await shows(words.headSha, "SUCCESSFUL")).description).toBe(
      "not built: 1 file changed, and it is excluded by docs/**",
    );
    expect(world.built).toHaveLength(2);
  });

  it("one from a fork waits for somebody, is cloned without a credential, and is void with the next push", async () => {
    const fork = await world.bitbucket.fork(repository, world.bitbucket.workspace("stranger"), { private: false });
    const { sha } = await fork.commit({ branch: "patch", files: { a: "1" } });
    const begun = world.bitbucket.calls.length;
    const { pull } = await world.bitbucket.openPull(repository, { head: "patch", from: fork });
    const status = await shows(sha, "STOPPED");
    expect(status.description).toMatch(/waiting for approval/);
    const held = await build(sha, "held");
    expect(status.url).toContain(held.id);
    expect(world.built).toEqual([]);

    expect(await world.store().approveBuild(held.id, OPERATOR)).toEqual([held.id]);
    await build(sha, "succeeded");
    await shows(sha, "SUCCESSFUL");
    await eventually("its report", () => (repository.reports(sha).length > 0 ? true : null));
    const { reads, writes } = callsSince(begun);
    // What the fork changed is at an address of its own, to which the first leads.
    expect(reads).toBeLessThanOrEqual(5);
    expect(writes).toBeLessThanOrEqual(4);
    expect(credentials).toEqual([{ clone: null, registry: null }]);
    expect(world.built[0]?.request).toMatchObject({ trust: "untrusted", image: { push: false } });

    const next = await fork.push([{ branch: "patch", files: { a: "2" } }]);
    await shows(next.sha, "STOPPED");
    const last = await fork.push([{ branch: "patch", files: { a: "3" } }]);
    await shows(last.sha, "STOPPED");
    expect((await build(next.sha, "superseded")).approval).toBeNull();
    expect(await world.store().approveBuild((await build(next.sha, "superseded")).id, OPERATOR)).toEqual([]);

    await world.bitbucket.declinePull(pull);
    await build(last.sha, "canceled");
    expect(world.built).toHaveLength(1);
  });
});
