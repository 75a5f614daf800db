/** What is pushed to Bitbucket while builds are paused, and what is built once they are resumed. */
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { HostRepository, HostStatus, HostWorkspace } from "../hosts/bitbucket/index.ts";
import { DOORS, openDoor } from "../support/bitbucket-door.ts";
import { onlyInstallation, type Previewed, post, type Resumed } from "../support/pausing.ts";
import { createWorld, digestOf, eventually, type World } from "../support/world.ts";

const CONFIG = `version: 1
images:
  - name: api
    rules:
      - branch: main
        tags: [latest]
      - branch: dev
        tags: [dev]
      - pull_request: main
`;
const FILES = { Dockerfile: "FROM scratch\n", ".wharfinger.yml": CONFIG };

interface ApiDelivery {
  readonly deliveryId: string;
  readonly outcome: string;
  readonly decisions: readonly { readonly ref: string | null; readonly reason: string | null }[];
}

let world: World;
let workspace: HostWorkspace;
let repository: HostRepository;

beforeEach(async () => {
  world = await createWorld({ bitbucket: true });
});

afterEach(async () => {
  const { violations } = world.bitbucket;
  await world.close();
  expect(violations).toEqual([]);
});

/** All that were journalled, once none of them is pending. */
function allProcessed(): Promise<readonly ApiDelivery[]> {
  return eventually("every delivery processed", async () => {
    const { items } = await world.api<{ items: ApiDelivery[] }>("/deliveries?limit=100");
    return items.some(({ outcome }) => outcome === "pending") ? null : items;
  });
}

function successful(sha: string): Promise<HostStatus> {
  return eventually(`a success on ${sha}`, () => {
    return repository.statuses(sha).find(({ state }) => state === "SUCCESSFUL") ?? null;
  });
}

describe.each(DOORS)("while a workspace is paused, through the door %s,", (door) => {
  it("nothing is asked of it or shown; then the newest of each branch and pull request is built", async () => {
    workspace = await openDoor(world, door, "harbour");
    repository = await world.bitbucket.repository(workspace, "api", { private: true });
    const first = await repository.commit({ message: "Begin", files: FILES });
    const at = await onlyInstallation(world);
    await post(world, `${at}/pause`);
    await allProcessed();
    const before = world.bitbucket.calls.length;

    const dev = await repository.commit({ branch: "dev", message: "Dev", files: { d: "1" } });
    const old = await repository.push([
      { branch: "main", message: "One", files: { a: "1" } },
      { branch: "dev", to: dev.sha },
    ]);
    const newest = await repository.push([{ branch: "main", message: "Two", files: { a: "2" } }]);
    const topic = await repository.commit({ branch: "topic", message: "Topic", files: { b: "1" } });
    const { pull } = await world.bitbucket.openPull(repository, { head: "topic" });
    const decided = (await allProcessed()).flatMap(({ decisions }) => decisions.map(({ reason }) => reason));
    expect(new Set(decided)).toEqual(new Set(["paused"]));
    const asked = world.bitbucket.calls.slice(before).filter(({ path }) => path.startsWith("/2.0/"));
    // That it belongs to the workspace is looked up once; events of Bitbucket do not say so.
    expect(asked.map(({ method, path }) => [method, path.split("?")[0]])).toEqual([["GET", expect.any(String)]]);
    for (const { sha } of [first, old, newest, dev, topic]) expect(repository.statuses(sha)).toEqual([]);

    const lanes = ["refs/heads/dev", "refs/heads/main", `refs/pull/${pull.id}/head`];
    const preview = await post<Previewed>(world, `${at}/resume`, { dryRun: true });
    expect(preview.lanes.map(({ lane }) => lane)).toEqual(lanes);
    expect(preview.lanes.map(({ builds }) => builds.map(({ sha }) => sha))).toEqual([
      [dev.sha],
      [newest.sha],
      [topic.sha],
    ]);
    const resumed = await post<Resumed>(world, `${at}/resume`);
    expect(resumed.lanes.map(({ lane }) => lane)).toEqual(lanes);
    for (const { sha } of [dev, newest, topic]) await successful(sha);
    await allProcessed();
    // The push that moved two branches is planned again for the one of them that has not moved on.
    const built = world.built.map(({ request }) => request.source.sha);
    expect(built.toSorted()).toEqual([dev.sha, newest.sha, topic.sha].toSorted());
    expect(await world.store().publishedDigest("harbour/api", "latest")).toBe(digestOf(newest.sha));
    expect(repository.statuses(old.sha)).toEqual([]);
  }, 120_000);
});
