import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { HostCheckRun, HostRepository } from "../hosts/github/index.ts";
import { createWorld, eventually, type World } from "../support/world.ts";

const FILE = ".wharfinger.yml";

function config(rules: string): string {
  return `version: 1\nimages:\n  - { name: api, rules: [${rules}] }\n`;
}

const FIRST = config("{ branch: main, tags: [latest] }, { pull_request: main }");
const SECOND = config("{ branch: main, tags: [latest, edge] }, { pull_request: main }");
const BROKEN = config("{ branhc: main }");

let world: World;
let repository: HostRepository;

beforeEach(async () => {
  world = await createWorld();
  const acme = world.github.organization("acme");
  repository = await world.github.repository(acme, "api", { private: false });
  await repository.commit({ message: "Begin", files: { "README.md": "hello" } });
  const installed = await world.github.install(acme, { repositories: [repository] });
  await processed(installed.delivery.guid);
});

afterEach(async () => {
  const { violations } = world.github;
  await world.close();
  expect(violations).toEqual([]);
});

function processed(guid: string): Promise<unknown> {
  return eventually(`delivery ${guid} processed`, async () => {
    const { items } = await world.api<{ items: { deliveryId: string; outcome: string }[] }>("/deliveries?limit=100");
    return items.some((one) => one.deliveryId === guid && one.outcome !== "pending") ? true : null;
  });
}

function concluded(sha: string, wanted: (run: HostCheckRun) => boolean = () => true): Promise<HostCheckRun> {
  return eventually(`a concluded check on ${sha}`, () => {
    const last = repository.checkRuns(sha).findLast((run) => run.name === "wharfinger");
    return last?.conclusion && wanted(last) ? last : null;
  });
}

/** Pushes to main, and waits for the check. */
async function push(files: Record<string, string | null>): Promise<HostCheckRun> {
  const { sha } = await world.github.push(repository, { message: "Change", files });
  return concluded(sha);
}

/** What was read of the host since. */
function readsSince(start: number): readonly (string | null)[] {
  const calls = world.github.calls.slice(start).filter((call) => call.method === "GET");
  return calls.map((call) => call.route);
}

const CONTENTS = "/repos/{owner}/{repo}/contents/{path}";

describe("a push that changes the file", () => {
  it("shows what of the last pushes would be built otherwise, and asks nothing of one that does not", async () => {
    const first = await push({ Dockerfile: "FROM scratch\n", [FILE]: FIRST });
    expect(first.output.summary).not.toContain("What this file changes");

    let start = world.github.calls.length;
    const second = await push({ "main.go": "package main" });
    expect(readsSince(start)).toEqual([CONTENTS]);
    expect(second.output.summary).not.toContain("What this file changes");

    start = world.github.calls.length;
    const third = await push({ [FILE]: SECOND });
    // The file before it is remembered.
    expect(readsSince(start)).toEqual([CONTENTS]);
    expect(third.conclusion).toBe("success");
    expect(third.output.summary).toContain(
      "With this file, 2 of the last 2 pushes and pull requests would lead to something else:",
    );
    expect(third.output.summary).toContain("and 1 more): `api` would also get `edge`.");
  });

  it("annotates its warnings on the lines of the file, though it is built", async () => {
    await push({ Dockerfile: "FROM scratch\n", [FILE]: FIRST });
    const run = await push({ [FILE]: FIRST.replace("[latest]", "[latest, latest]") });
    expect(run.conclusion).toBe("success");
    expect(run.output.annotations).toMatchObject([
      { path: FILE, start_line: 3, annotation_level: "warning", message: "this tag is listed twice" },
    ]);
  });
});

describe("a pull request that changes the file", () => {
  beforeEach(async () => {
    await push({ Dockerfile: "FROM scratch\n", [FILE]: FIRST });
  });

  it("shows what would be built otherwise once it is merged", async () => {
    const { sha } = await repository.commit({ branch: "topic", message: "Edge", files: { [FILE]: SECOND } });
    await world.github.openPull(repository, { head: "topic" });
    const run = await concluded(sha, (one) => one.output.summary?.includes("What this file changes") === true);
    expect(run.conclusion).toBe("success");
    expect(run.output.summary).toContain("push to `main`");
  });

  it("fails where it breaks the file, on the line, also from a fork", async () => {
    const stranger = world.github.user("eve");
    const fork = await world.github.fork(repository, stranger);
    const { sha } = await fork.commit({ branch: "evil", message: "Oops", files: { [FILE]: BROKEN } });
    await world.github.openPull(repository, { head: "evil", from: fork });
    const run = await concluded(sha, (one) => one.conclusion === "failure");
    expect(run.output.title).toBe(".wharfinger.yml has an error");
    expect(run.output.annotations).toMatchObject([{ path: FILE, start_line: 3, annotation_level: "failure" }]);
    expect(run.output.summary).toContain("Merged as it is, it would stop all builds.");
    // Its rules are the target's all the same: what it asks to be built waits for approval, by main's file.
    expect(world.built.map((one) => one.request.source.sha)).not.toContain(sha);
  });
});
