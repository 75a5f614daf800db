import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { EventDelivery, HostRepository, HostStatus, HostWorkspace } from "../hosts/bitbucket/index.ts";
import { DOORS, installed, openDoor } from "../support/bitbucket-door.ts";
import { createWorld, digestOf, eventually, type World } from "../support/world.ts";

const DOCKERFILE = "FROM scratch\nCOPY . /\n";
const CONFIG = `version: 1
images:
  - name: api
    rules:
      - branch: main
        tags: [latest, "sha-{sha7}"]
      - branch: release/*
        tags: ["{branch}"]
      - tag: '/^v(?P<version>[0-9.]+)$/'
        tags: ["{version}"]
`;
const FILES = { Dockerfile: DOCKERFILE, ".wharfinger.yml": CONFIG };

interface ApiDelivery {
  readonly deliveryId: string;
  readonly event: string;
  readonly outcome: string;
  readonly note: string | null;
  readonly builds: readonly string[];
  readonly decisions: readonly {
    readonly ref: string | null;
    readonly reason: string | null;
    readonly detail: string;
    readonly build: string | null;
  }[];
}

let world: World;

beforeEach(async () => {
  world = await createWorld({ bitbucket: true });
});

afterEach(async () => {
  const { violations } = world.bitbucket;
  await world.close();
  expect(violations).toEqual([]);
});

function processed(id: string): Promise<ApiDelivery> {
  return eventually(`delivery ${id} processed`, async () => {
    const { items } = await world.api<{ items: ApiDelivery[] }>("/deliveries?limit=100");
    const found = items.find((one) => one.deliveryId === id);
    return found === undefined || found.outcome === "pending" ? null : found;
  });
}

function only(deliveries: readonly EventDelivery[]): EventDelivery {
  const [delivery, more] = deliveries;
  if (delivery === undefined || more !== undefined) throw new Error(`${deliveries.length} deliveries instead of one`);
  expect(delivery.status).toBe(202);
  return delivery;
}

function final(repository: HostRepository, sha: string, name = "wharfinger"): Promise<HostStatus> {
  return eventually(`a final ${name} on ${sha}`, () => {
    const found = repository.statuses(sha).find((one) => one.name === name);
    return found === undefined || found.state === "INPROGRESS" ? null : found;
  });
}

async function repositoryIn(workspace: HostWorkspace): Promise<HostRepository> {
  const repository = await world.bitbucket.repository(workspace, "api", { private: true });
  await repository.commit({ message: "Begin", files: { "README.md": "hello" } });
  return repository;
}

describe.each(DOORS)("through the door %s", (door) => {
  let workspace: HostWorkspace;
  let repository: HostRepository;

  beforeEach(async () => {
    workspace = await openDoor(world, door, "harbour");
    repository = await repositoryIn(workspace);
  });

  async function pushFirst() {
    const { sha, deliveries } = await repository.push([{ branch: "main", message: "First", files: FILES }]);
    await final(repository, sha);
    return { sha, delivery: await processed(only(deliveries).requestUuid) };
  }

  it("a push becomes an image, and the commit shows it in a status and a report", async () => {
    const { sha } = await pushFirst();
    const status = await final(repository, sha);
    expect(status).toMatchObject({ state: "SUCCESSFUL", refname: "main" });
    expect(status.key.length).toBeLessThanOrEqual(40);
    const [report] = await eventually("a report", () =>
      repository.reports(sha).length > 0 ? repository.reports(sha) : null,
    );
    const text = JSON.stringify(report?.content);
    for (const part of ["harbour/api", "latest", `sha-${sha.slice(0, 7)}`, digestOf(sha)]) expect(text).toContain(part);
    expect(report?.content).toMatchObject({ result: "PASSED" });
    expect(world.built.map((one) => one.request.source)).toMatchObject([
      { provider: "bitbucket", host: "default", sha, ref: "refs/heads/main" },
    ]);
    expect(world.built[0]?.request.installation).toMatchObject({ provider: "bitbucket", id: workspace.uuid });
  });

  it("one push with a branch update, a branch create, two tags and a delete is four builds and one explained deletion", async () => {
    const first = await pushFirst();
    await repository.push([{ branch: "old", to: first.sha }]);
    const before = await repository.commit({ message: "Second", files: { a: "1" }, branch: "next" });
    const { sha, deliveries } = await repository.push([
      { branch: "main", message: "Third", files: { b: "1" } },
      { branch: "release/1", to: before.sha },
      { tag: "v1.0.0", to: first.sha },
      { tag: "v1.1.0", to: before.sha, annotated: true, message: "One one" },
      { branch: "old", to: null },
    ]);
    const delivery = await processed(only(deliveries).requestUuid);
    expect(delivery.builds).toHaveLength(4);
    expect(delivery.decisions.map(({ ref, reason }) => [ref, reason])).toEqual(
      expect.arrayContaining([
        ["refs/heads/main", null],
        ["refs/heads/release/1", null],
        ["refs/tags/v1.0.0", null],
        ["refs/tags/v1.1.0", null],
        ["refs/heads/old", "ref-deleted"],
      ]),
    );
    expect(delivery.decisions).toHaveLength(5);
    for (const commit of [sha, before.sha]) expect((await final(repository, commit)).state).toBe("SUCCESSFUL");
    const ended = await Promise.all(
      delivery.builds.map((id) =>
        eventually(`an end of ${id}`, async () => {
          const build = await world.store().getBuild(id);
          return build?.state === "succeeded" ? build : null;
        }),
      ),
    );
    // Whether each took a build of its own, or has the image of another of the same commit, is not Bitbucket's business.
    expect(ended.map(({ planned, tags }) => [planned.ref, planned.sha, tags?.published])).toEqual(
      expect.arrayContaining([
        ["refs/heads/main", sha, ["latest", `sha-${sha.slice(0, 7)}`]],
        ["refs/heads/release/1", before.sha, ["release-1"]],
        ["refs/tags/v1.0.0", first.sha, ["1.0.0"]],
        ["refs/tags/v1.1.0", before.sha, ["1.1.0"]],
      ]),
    );
  });

  it("a build costs at most four reads and four writes of the host", async () => {
    await pushFirst();
    const begun = world.bitbucket.calls.length;
    const paths = CONFIG.replace("    rules:", '    paths: { exclude: ["docs/**"] }\n    rules:');
    const { sha } = await repository.push([
      { branch: "release/2", message: "Two", files: { ".wharfinger.yml": paths, c: "1" } },
    ]);
    await final(repository, sha);
    await eventually("a report", () => (repository.reports(sha).length > 0 ? true : null));
    const calls = world.bitbucket.calls.slice(begun).filter((call) => call.path.startsWith("/2.0/"));
    expect(calls.filter((call) => call.method === "GET").length).toBeLessThanOrEqual(4);
    expect(calls.filter((call) => call.method !== "GET").length).toBeLessThanOrEqual(4);
  });

  it("asks and writes no more than it needs", async () => {
    const paths = CONFIG.replace("    rules:", '    paths: { exclude: ["docs/**"] }\n    rules:');
    await pushFirst();
    async function costOf(
      change: { readonly branch: string; readonly files: Record<string, string> },
      reports: number,
    ) {
      const begun = world.bitbucket.calls.length;
      const { sha } = await repository.push([{ message: "Change", ...change }]);
      await final(repository, sha);
      await eventually("its report", () => (repository.reports(sha).length === reports ? true : null));
      const calls = world.bitbucket.calls.slice(begun).filter((call) => call.path.startsWith("/2.0/"));
      const reads = calls.filter((call) => call.method === "GET").length;
      return { reads, writes: calls.length - reads };
    }
    const main = (files: Record<string, string>) => ({ branch: "main", files });
    expect(await costOf(main({ ".wharfinger.yml": paths }), 1)).toEqual({ reads: 3, writes: 3 });
    expect(await costOf(main({ "docs/a.md": "a" }), 0)).toEqual({ reads: 3, writes: 1 });
    expect(await costOf({ branch: "topic", files: { g: "1" } }, 0)).toEqual({ reads: 2, writes: 1 });
  });

  it("a push that must not build says why on its commit, and a rule that requires it is satisfied", async () => {
    await pushFirst();
    const { sha } = await repository.push([{ branch: "main", message: "Write [skip ci]", files: { d: "1" } }]);
    const status = await final(repository, sha);
    expect(status.state).toBe("SUCCESSFUL");
    expect(status.description).toMatch(/skip ci/);
  });

  it("a delivery sent again is known, and its work under another id is a duplicate", async () => {
    const { deliveries } = await repository.push([{ branch: "main", message: "First", files: FILES }]);
    const { requestUuid } = only(deliveries);
    await processed(requestUuid);
    expect((await world.bitbucket.redeliver(requestUuid)).status).toBe(200);
    const attempt = world.bitbucket.deliveries.find((one) => one.requestUuid === requestUuid);
    const body = JSON.parse(attempt?.body ?? "") as { data?: object };
    const again = await world.bitbucket.deliver("repo:push", body.data ?? body, { workspace, repository });
    expect((await processed(only(again).requestUuid)).decisions.map((one) => one.reason)).toEqual(["duplicate"]);
    expect(world.built).toHaveLength(1);
  });

  it("a failed build fails the status, with the reason", async () => {
    await world.close();
    world = await createWorld({
      bitbucket: true,
      build: async () => ({
        kind: "failed",
        failure: { class: "dockerfile", message: "There is no stage named release.", line: 2 },
        retryable: false,
      }),
    });
    workspace = await openDoor(world, door, "harbour");
    repository = await repositoryIn(workspace);
    const { sha } = await repository.push([{ branch: "main", message: "First", files: FILES }]);
    expect((await final(repository, sha)).state).toBe("FAILED");
    const report = await eventually("a report with a note on the line", () => {
      const found = repository.reports(sha)[0];
      return found !== undefined && found.annotations.length > 0 ? found : null;
    });
    expect(report.content).toMatchObject({ result: "FAILED" });
    expect(report.annotations.map(({ content }) => content)).toMatchObject([{ path: "Dockerfile", line: 2 }]);
  });

  it("waits for a Bitbucket that is away, and builds when it is back", async () => {
    world.bitbucket.inject({
      match: ({ method, path }) => method === "GET" && path.startsWith("/2.0/repositories/"),
      times: 3,
      effect: { status: 503 },
    });
    const { sha } = await repository.push([{ branch: "main", message: "First", files: FILES }]);
    await eventually("it is built after all", () => {
      world.clock.advance(10_000);
      return world.built.length > 0 ? true : null;
    });
    expect((await final(repository, sha)).state).toBe("SUCCESSFUL");
  });

  it("a repository that was renamed is built under its new name, without an event in between", async () => {
    await pushFirst();
    await world.bitbucket.rename(repository, "service");
    world.clock.advance(60_000);
    const { sha } = await repository.push([{ branch: "main", message: "Renamed", files: { e: "1" } }]);
    expect((await final(repository, sha)).state).toBe("SUCCESSFUL");
    expect(world.built.at(-1)?.request.source).toMatchObject({ repository: { fullName: "harbour/service" } });
  });

  it("a repository that moved to another workspace is not built for the one it left", async () => {
    await pushFirst();
    const other = world.bitbucket.workspace("elsewhere");
    const moved = await world.bitbucket.transfer(repository, other);
    for (const { requestUuid } of moved) await processed(requestUuid);
    const attempt = world.bitbucket.deliveries.find((one) => one.event === "repo:push");
    const body = JSON.parse(attempt?.body ?? "") as { data?: object };
    world.clock.advance(60_000);
    const late = await world.bitbucket.deliver("repo:push", body.data ?? body, { workspace });
    expect((await processed(only(late).requestUuid)).decisions.map((one) => one.reason)).toEqual(["not-linked"]);
  });

  it("what changed of a repository is asked where the event does not say", async () => {
    await pushFirst();
    const deliveries = await world.bitbucket.setPrivate(repository, false);
    const delivery = await processed(only(deliveries).requestUuid);
    expect(delivery).toMatchObject({ event: "repo:updated", outcome: "applied" });
    expect(delivery.note).toBe("harbour/api: something about it was changed; it is linked now");
    const id = { provider: "bitbucket", host: "default", id: repository.uuid } as const;
    const recorded = await world.store().recordedRepository({ ...id, id: workspace.uuid }, id);
    expect(recorded).toMatchObject({ private: false });
  });
});

describe("both doors of one workspace", () => {
  it("build a push once", async () => {
    const workspace = await openDoor(world, "connect", "harbour");
    await openDoor(world, "webhook", "harbour");
    const repository = await repositoryIn(workspace);
    const { sha, deliveries } = await repository.push([{ branch: "main", message: "First", files: FILES }]);
    expect(deliveries.map(({ door, status }) => [door, status]).sort()).toEqual([
      ["connect", 202],
      ["webhook", 202],
    ]);
    const seen = await Promise.all(deliveries.map(({ requestUuid }) => processed(requestUuid)));
    expect(seen.flatMap((one) => one.decisions.map(({ reason }) => reason)).sort()).toEqual(["duplicate", null]);
    await final(repository, sha);
    expect(world.built).toHaveLength(1);
  });
});

describe("uninstalling the add-on", () => {
  it("ends the installation, and installing anew brings it back with its namespace", async () => {
    const workspace = await openDoor(world, "connect", "harbour");
    const repository = await repositoryIn(workspace);
    const [install] = world.bitbucket.installs;
    if (install === undefined) throw new Error("nothing is installed");
    expect((await world.bitbucket.uninstall(install)).status).toBe(204);
    await installed(world, workspace, "removed");
    expect(
      (await world.bitbucket.install(workspace, { descriptor: `${world.url}/atlassian-connect.json` })).status,
    ).toBe(204);
    await installed(world, workspace);
    const { sha } = await repository.push([{ branch: "main", message: "First", files: FILES }]);
    await final(repository, sha);
    expect(world.built[0]?.request.image.name).toBe("harbour/api");
  });
});
