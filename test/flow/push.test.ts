import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { pause } from "../contract/store.samples.ts";
import type { HostCheckRun, HostRepository } from "../hosts/github/index.ts";
import { createWorld, digestOf, eventually, type World } from "../support/world.ts";

const DOCKERFILE = "FROM scratch\nCOPY . /\n";
const CONFIG = `version: 1
images:
  - name: api
    rules:
      - branch: main
        tags: [latest, "sha-{sha7}"]
      - tag: '/^v(?P<version>[0-9.]+)$/'
        tags: ["{version}"]
    paths: { exclude: ["docs/**"] }
`;

interface ApiDelivery {
  readonly id: string;
  readonly deliveryId: string;
  readonly outcome: string;
  readonly builds: readonly string[];
  readonly decisions: readonly { readonly reason: string | null; readonly detail: string }[];
}

let world: World;
let repository: HostRepository;

beforeEach(async () => {
  world = await createWorld();
  const acme = world.github.organization("acme");
  repository = await world.github.repository(acme, "api", { private: true });
  await repository.commit({ message: "Begin", files: { "README.md": "hello" } });
  const installed = await world.github.install(acme, { repositories: [repository] });
  await processed(installed.delivery.guid);
});

afterEach(async () => {
  const { violations } = world.github;
  await world.close();
  expect(violations).toEqual([]);
});

function push(files: Record<string, string | null> = {}, message = "Change") {
  return world.github.push(repository, { message, files });
}

function pushFirst() {
  return push({ Dockerfile: DOCKERFILE, ".wharfinger.yml": CONFIG }, "First");
}

function concluded(sha: string, name = "wharfinger", count = 1): Promise<HostCheckRun> {
  return eventually(`${count} concluded ${name} on ${sha}`, () => {
    const runs = repository.checkRuns(sha).filter((run) => run.name === name);
    const last = runs.at(-1);
    return runs.length >= count && last?.conclusion ? last : null;
  });
}

function processed(guid: string): Promise<ApiDelivery> {
  return eventually(`delivery ${guid} processed`, async () => {
    const { items } = await world.api<{ items: ApiDelivery[] }>("/deliveries?limit=100");
    const found = items.find((one) => one.deliveryId === guid);
    return found === undefined || found.outcome === "pending" ? null : found;
  });
}

describe("a push that a rule matches", () => {
  it("becomes an image, and the commit's check carries image, tags and digest", async () => {
    const { sha, delivery } = await pushFirst();
    expect(delivery.status).toBe(202);
    const run = await concluded(sha);
    expect(run.conclusion).toBe("success");
    for (const part of ["acme/api", "latest", `sha-${sha.slice(0, 7)}`, digestOf(sha)]) {
      expect(run.output.summary).toContain(part);
    }
    expect(world.built.map((one) => one.request.source.sha)).toEqual([sha]);
    expect(world.built[0]?.request.image).toEqual({
      registry: "registry.test",
      staging: { repository: `staging/${world.built[0]?.request.id}`, tag: "build" },
      name: "acme/api",
      tags: ["latest", `sha-${sha.slice(0, 7)}`],
      push: true,
    });
  });

  it("costs one read and at most three writes of the host", async () => {
    const before = world.github.calls.length;
    const { sha } = await push({ Dockerfile: DOCKERFILE, ".wharfinger.yml": CONFIG.replace(/ {4}paths.*\n/, "") });
    await concluded(sha);
    const calls = world.github.calls.slice(before).filter((call) => !call.path.endsWith("/access_tokens"));
    expect(calls.filter((call) => call.method === "GET").map((call) => call.route)).toEqual([
      "/repos/{owner}/{repo}/contents/{path}",
    ]);
    expect(calls.filter((call) => call.method !== "GET").length).toBeLessThanOrEqual(3);
    expect(repository.checkRuns(sha)).toHaveLength(1);
  });

  it("is built once however often the same delivery arrives", async () => {
    const { sha, delivery } = await pushFirst();
    await concluded(sha);
    expect((await world.github.redeliver(delivery.guid)).status).toBe(200);
    // The same payload under a new id: the id is outside the signature.
    const attempt = world.github.deliveries.find((one) => one.guid === delivery.guid);
    const again = await world.github.deliver("push", attempt?.body ?? "");
    expect(again.status).toBe(202);
    const second = await processed(again.guid);
    expect(second.decisions.map((one) => one.reason)).toEqual(["duplicate"]);
    expect(world.built).toHaveLength(1);
  });

  it("is published again for an annotated tag that points to its commit, and not built again", async () => {
    const { sha } = await pushFirst();
    await concluded(sha);
    const tag = await world.github.pushTag(repository, { tag: "v1.2.0", sha, annotated: true });
    expect(tag.sha).not.toBe(sha);
    await eventually("the commit's check tells of both", () => {
      const run = repository.checkRuns(sha).at(-1);
      return run?.conclusion === "success" && run.output.summary?.includes("1.2.0") ? run : null;
    });
    expect(world.built).toHaveLength(1);
  });

  it("builds the commit an annotated tag points to", async () => {
    // Before anybody told of it.
    const { sha } = await repository.commit({
      message: "First",
      files: { Dockerfile: DOCKERFILE, ".wharfinger.yml": CONFIG },
    });
    const tag = await world.github.pushTag(repository, { tag: "v1.2.0", sha, annotated: true });
    expect(tag.sha).not.toBe(sha);
    await eventually("the tag is built", () => (world.built.length === 1 ? true : null));
    expect(world.built[0]?.request.source.sha).toBe(sha);
    expect(world.built[0]?.request.image.tags).toEqual(["1.2.0"]);
  });

  it("gives each of several images a check of its own beside the common one", async () => {
    const config = `version: 1
images:
  - { name: api, rules: [{ branch: main }] }
  - { name: worker, dockerfile: worker.Dockerfile, rules: [{ branch: main }] }
`;
    const { sha } = await push({ Dockerfile: DOCKERFILE, "worker.Dockerfile": DOCKERFILE, ".wharfinger.yml": config });
    for (const name of ["wharfinger", "wharfinger: api", "wharfinger: worker"]) {
      expect((await concluded(sha, name)).conclusion).toBe("success");
    }
  });
});

describe("a push that is not built says why", () => {
  it("when only excluded paths changed", async () => {
    await concluded((await pushFirst()).sha);
    const before = world.github.calls.length;
    const { sha, delivery } = await push({ "docs/a.md": "a" });
    const run = await concluded(sha);
    expect(run.conclusion).toBe("skipped");
    expect(run.output.summary).toMatch(/1 file changed/);
    const seen = await processed(delivery.guid);
    expect(seen.decisions.map((one) => one.reason)).toEqual(["paths-unchanged"]);
    const reads = world.github.calls.slice(before).filter((call) => call.method === "GET");
    expect(reads.length).toBeLessThanOrEqual(2);
    expect(world.built).toHaveLength(1);
  });

  it("when no rule matches the branch", async () => {
    await concluded((await pushFirst()).sha);
    const { sha } = await world.github.push(repository, { branch: "feature/x", message: "Try", files: { a: "1" } });
    const run = await concluded(sha);
    expect(run.conclusion).toBe("skipped");
    expect(run.output.summary).toContain("feature/x");
  });

  it("when the head commit asks for no build", async () => {
    await concluded((await pushFirst()).sha);
    const { sha } = await push({ a: "2" }, "Change [skip ci]");
    expect((await concluded(sha)).conclusion).toBe("skipped");
    expect(world.built).toHaveLength(1);
  });

  it("with the problems of a broken file on its lines", async () => {
    const { sha } = await push({ Dockerfile: DOCKERFILE, ".wharfinger.yml": "version: 1\nimages:\n  - nme: api\n" });
    const run = await concluded(sha);
    expect(run.conclusion).toBe("failure");
    const onLine3 = run.output.annotations.filter((one) => one.path === ".wharfinger.yml" && one.start_line === 3);
    expect(onLine3.map((one) => one.message).join("\n")).toMatch(/nme.*did you mean.*name/s);
  });

  it("without a check where the repository has no file", async () => {
    const { sha, delivery } = await push({ a: "1" });
    const seen = await processed(delivery.guid);
    expect(seen.decisions.map((one) => one.reason)).toEqual(["config-missing"]);
    await world.github.settled();
    expect(repository.checkRuns(sha)).toEqual([]);
  });

  it("when the ref was deleted", async () => {
    await concluded((await world.github.push(repository, { branch: "old", files: { ".wharfinger.yml": CONFIG } })).sha);
    const deletion = await world.github.deleteRef(repository, "refs/heads/old");
    expect((await processed(deletion.guid)).decisions.map((one) => one.reason)).toEqual(["ref-deleted"]);
  });

  it("without one call to the host when the repository is paused", async () => {
    const id = { provider: "github", host: "default", id: String(repository.id) } as const;
    await pause(world.store(), "repository", id);
    const before = world.github.calls.length;
    const paused = await pushFirst();
    expect((await processed(paused.delivery.guid)).decisions.map((one) => one.reason)).toEqual(["paused"]);
    expect(world.github.calls.slice(before)).toEqual([]);
    expect(world.built).toHaveLength(0);
  });
});

describe("what people do on the host", () => {
  it("Re-run builds again and shows a new check", async () => {
    const { sha } = await pushFirst();
    const first = await concluded(sha);
    await world.github.rerequest(first);
    const second = await concluded(sha, "wharfinger", 2);
    expect(second.id).not.toBe(first.id);
    expect(second.conclusion).toBe("success");
    expect(world.built).toHaveLength(2);
    const { items } = await world.api<{ items: { trigger: string }[] }>("/builds");
    expect(items.map((one) => one.trigger)).toEqual(["rerun", "event"]);
  });

  it("uninstalling stops everything at once, and re-installing gives the namespace back", async () => {
    const installation = await world.github.install(world.github.organization("other"), { repositories: "all" });
    const gone = await world.github.uninstall(installation);
    expect((await processed(gone.guid)).outcome).toBe("applied");
    const back = await world.github.install(world.github.organization("other"), { repositories: "all" });
    await processed(back.delivery.guid);
    const { items } = await world.api<{ items: { id: string; namespace: string | null; state: string }[] }>(
      "/installations",
    );
    const states = items.filter((one) => one.namespace === "other").map((one) => one.state);
    expect(states).toContain("active");
  });

  it("an event nobody acts on is journalled with its reason", async () => {
    const star = await world.github.deliver("star", { action: "created", sender: { id: 1, login: "x" } });
    expect(star.status).toBe(202);
    const seen = await processed(star.guid);
    expect(seen.outcome).toBe("ignored");
  });
});
