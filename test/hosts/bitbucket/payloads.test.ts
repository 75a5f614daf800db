import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { isObject, type JsonObject, listAt, objectAt } from "../json.ts";
import { type AppStub, createAppStub } from "./app-stub.ts";
import { createBitbucketConformance } from "./conformance.ts";
import { type BitbucketHost, createBitbucketHost, type HostRepository, type HostWorkspace } from "./index.ts";

const EVENTS = [
  "repo:push",
  "repo:updated",
  "repo:transfer",
  "repo:deleted",
  "repo:fork",
  "repo:created",
  "repo:imported",
  "pullrequest:created",
  "pullrequest:updated",
  "pullrequest:fulfilled",
  "pullrequest:rejected",
];
const UUID = /^\{[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\}$/;

let app: AppStub;
let host: BitbucketHost;
let acme: HostWorkspace;
let repository: HostRepository;
let first: string;

beforeEach(async () => {
  app = await createAppStub();
  host = await createBitbucketHost();
  acme = host.workspace("acme");
  repository = await host.repository(acme, "api", { private: true });
  first = (await repository.commit({ message: "Begin", files: { "README.md": "hello\n" } })).sha;
  host.addHook({ workspace: acme, url: `${app.url}/hook`, events: EVENTS });
});

afterEach(async () => {
  expect(host.violations).toEqual([]);
  await host.close();
  await app.close();
});

/** The payload the app got last for an event. */
function payload(event: string): JsonObject {
  const received = app.received.findLast((one) => one.headers["x-event-key"] === event);
  if (received === undefined) throw new Error(`there was no ${event}`);
  return received.json();
}

function changes(): readonly JsonObject[] {
  return listAt(payload("repo:push")["push"], "changes").filter(isObject);
}

const CONFORMANCE = createBitbucketConformance();

function expectSchema(name: string, value: unknown): void {
  // A payload's commits have a committer of nothing, which the description does not know.
  const plain = JSON.parse(JSON.stringify(value).replaceAll('"committer":{},', ""));
  expect(CONFORMANCE.schema(name, plain)).toEqual([]);
}

describe("repo:push", () => {
  it("names the repository, who pushed, and every ref that moved, in one payload", async () => {
    await repository.push([{ branch: "old", to: first }]);
    const { moves, sha } = await repository.push([
      { branch: "main", message: "Change", files: { a: "1" } },
      { branch: "topic", to: first },
      { tag: "light", to: first },
      { tag: "v1", to: first, annotated: true, message: "Version 1\n" },
      { branch: "old", to: null },
    ]);
    const [update, create, light, annotated, gone] = changes();
    expect(changes()).toHaveLength(5);
    expect(moves.map((move) => move.name)).toEqual(["main", "topic", "light", "v1", "old"]);
    expect(update).toMatchObject({
      old: { type: "branch", name: "main", target: { type: "commit", hash: first } },
      new: { type: "branch", name: "main", target: { hash: sha, message: "Change", parents: [{ hash: first }] } },
      created: false,
      closed: false,
      forced: false,
      truncated: false,
      commits: [{ hash: sha }],
    });
    expect(Object.keys(objectAt(update, "links")).toSorted()).toEqual(["commits", "diff", "html"]);
    expect(create).toMatchObject({ old: null, created: true, new: { target: { hash: first } }, truncated: false });
    // A new branch lists all its history, although another branch has it too.
    expect(create?.["commits"]).toMatchObject([{ hash: first }]);
    expect(light).toMatchObject({
      old: null,
      new: { type: "tag", name: "light", message: null, date: null, tagger: null, target: { hash: first } },
      created: true,
    });
    expect(annotated).toMatchObject({
      new: { type: "tag", message: expect.stringMatching(/^Version 1\n/), target: { hash: first } },
    });
    expect(objectAt(annotated, "new")).toMatchObject({
      date: expect.stringMatching(/\+00:00$/),
      tagger: { raw: expect.stringMatching(/^.+ <.+@.+>$/) },
    });
    expect(gone).toMatchObject({ new: null, closed: true, created: false, old: { name: "old" } });
    for (const tag of [light, annotated]) expect(Object.keys(tag ?? {})).not.toContain("commits");
    for (const key of ["links", "commits"]) expect(Object.keys(gone ?? {})).not.toContain(key);

    for (const end of [objectAt(update, "old"), objectAt(update, "new"), objectAt(gone, "old")]) {
      expectSchema("branch", end);
      expectSchema("commit", end["target"]);
    }
    for (const tag of [light, annotated]) expectSchema("tag", objectAt(tag, "new"));
    expectSchema("commit", listAt(update, "commits")[0]);
  });

  it("has a repository with workspace and project, but neither slug nor main branch", async () => {
    await repository.push([{ branch: "main" }]);
    const shown = objectAt(payload("repo:push"), "repository");
    expect(shown).toMatchObject({
      type: "repository",
      uuid: repository.uuid,
      full_name: "acme/api",
      is_private: true,
      scm: "git",
      workspace: { type: "workspace", slug: "acme", uuid: acme.uuid },
      owner: { type: "team", username: "acme", uuid: acme.uuid },
      project: { type: "project", key: repository.project },
    });
    for (const absent of ["slug", "mainbranch"]) expect(Object.keys(shown)).not.toContain(absent);
    expectSchema("workspace", shown["workspace"]);
    expectSchema("project", shown["project"]);
    const actor = objectAt(payload("repo:push"), "actor");
    expect(actor).toMatchObject({ type: "user", uuid: expect.stringMatching(UUID), account_id: expect.any(String) });
    expect(Object.keys(actor)).not.toContain("username");
    expectSchema("account", actor);
  });

  it("lists the five newest commits, and says that there are more", async () => {
    const shas: string[] = [];
    for (const n of [1, 2, 3, 4, 5]) shas.push((await repository.commit({ message: `${n}`, files: {} })).sha);
    const { sha } = await repository.push([{ branch: "topic", to: shas[4] ?? "" }]);
    expect(changes()[0]).toMatchObject({ truncated: true, created: true });
    expect(listAt(changes()[0], "commits")).toHaveLength(5);
    expect(listAt(changes()[0], "commits")[0]).toMatchObject({ hash: sha, message: "5" });

    await repository.push([{ branch: "main", message: "6", files: {} }]);
    expect(changes()[0]).toMatchObject({ truncated: false });
    expect(listAt(changes()[0], "commits")).toHaveLength(1);
    await repository.push([{ branch: "slow", to: first }]);
    await repository.push([{ branch: "slow", to: shas[4] ?? "" }]);
    expect(changes()[0]).toMatchObject({ truncated: false, created: false });
    expect(listAt(changes()[0], "commits")).toHaveLength(5);
  });

  it("says when a branch lost its tip", async () => {
    const lost = (await repository.commit({ message: "Lost", files: { a: "1" } })).sha;
    const { sha } = await repository.push([{ branch: "main", parent: first, files: { b: "1" } }]);
    expect(changes()).toMatchObject([
      { forced: true, old: { target: { hash: lost } }, new: { target: { hash: sha } }, commits: [{ hash: sha }] },
    ]);
  });

  it("may have no changes at all", async () => {
    const { deliveries } = await repository.push([]);
    expect(deliveries).toHaveLength(1);
    expect(changes()).toEqual([]);
  });

  it("knows a tag's moves and ends", async () => {
    await repository.push([{ tag: "v1", to: first, annotated: true }]);
    const { sha } = await repository.push([{ branch: "main" }]);
    await repository.push([{ tag: "v1", to: sha, annotated: true }]);
    expect(changes()).toMatchObject([
      { old: { type: "tag", target: { hash: first } }, new: { type: "tag", target: { hash: sha } }, created: false },
    ]);
    await repository.push([{ tag: "v1", to: null }]);
    expect(changes()).toMatchObject([{ old: { target: { hash: sha } }, new: null, closed: true }]);
  });
});

describe("pullrequest:*", () => {
  beforeEach(async () => {
    await repository.push([{ branch: "topic", files: { a: "1" } }]);
  });

  it("abbreviates every hash to twelve characters", async () => {
    const { pull } = await host.openPull(repository, { head: "topic", title: "A <topic>" });
    expect(payload("pullrequest:created")["pullrequest"]).toMatchObject({
      type: "pullrequest",
      id: pull.id,
      title: "A <topic>",
      state: "OPEN",
      merge_commit: null,
      closed_by: null,
      source: {
        branch: { name: "topic" },
        commit: { hash: pull.headSha.slice(0, 12) },
        repository: { uuid: repository.uuid },
      },
      destination: { branch: { name: "main" }, commit: { hash: first.slice(0, 12) } },
    });
    expect(JSON.stringify(payload("pullrequest:created"))).not.toMatch(/[0-9a-f]{40}/);
    const source = objectAt(objectAt(payload("pullrequest:created"), "pullrequest"), "source");
    expect(Object.keys(objectAt(source, "repository")).toSorted()).toEqual([
      "full_name",
      "links",
      "name",
      "type",
      "uuid",
    ]);
    expectSchema("pullrequest", payload("pullrequest:created")["pullrequest"]);
    expect(payload("pullrequest:created")["repository"]).toMatchObject({ uuid: repository.uuid });
  });

  it("tells of new commits, new titles, merges and refusals", async () => {
    const { pull } = await host.openPull(repository, { head: "topic" });
    const { sha } = await repository.push([{ branch: "topic", files: { a: "2" } }]);
    expect(payload("pullrequest:updated")["pullrequest"]).toMatchObject({
      source: { commit: { hash: sha.slice(0, 12) } },
    });
    await host.retitlePull(pull, "Another title");
    expect(payload("pullrequest:updated")["pullrequest"]).toMatchObject({
      title: "Another title",
      source: { commit: { hash: sha.slice(0, 12) } },
    });
    await host.mergePull(pull);
    const merged = payload("pullrequest:fulfilled")["pullrequest"];
    const main = (await repository.ref("refs/heads/main")) ?? "";
    expect(merged).toMatchObject({ state: "MERGED", merge_commit: { hash: main.slice(0, 12) } });
    expect(objectAt(merged, "closed_by")).toMatchObject({ type: "user" });
    expectSchema("pullrequest", merged);
    expect(changes()).toMatchObject([{ new: { name: "main", target: { hash: main } } }]);

    await repository.push([{ branch: "other", files: { b: "1" } }]);
    const { pull: refused } = await host.openPull(repository, { head: "other" });
    await host.declinePull(refused);
    expect(payload("pullrequest:rejected")["pullrequest"]).toMatchObject({ state: "DECLINED", merge_commit: null });
  });

  it("names a fork, and null once the fork is deleted", async () => {
    const fork = await host.fork(repository, host.workspace("umbrella"));
    expect(payload("repo:fork")).toMatchObject({ repository: { uuid: repository.uuid }, fork: { uuid: fork.uuid } });
    await fork.push([{ branch: "patch", files: { c: "1" } }]);
    const { pull } = await host.openPull(repository, { head: "patch", from: fork });
    expect(payload("pullrequest:created")["pullrequest"]).toMatchObject({
      source: { repository: { uuid: fork.uuid, full_name: fork.fullName }, branch: { name: "patch" } },
      destination: { repository: { uuid: repository.uuid } },
    });
    await host.delete(fork);
    await host.retitlePull(pull, "Orphaned");
    const orphan = payload("pullrequest:updated")["pullrequest"];
    expect(orphan).toMatchObject({ source: { repository: null, commit: { hash: pull.headSha.slice(0, 12) } } });
  });
});

describe("what happens to a repository", () => {
  it("is its new and its old name", async () => {
    await host.rename(repository, "interface");
    expect(payload("repo:updated")).toMatchObject({
      repository: { uuid: repository.uuid, full_name: "acme/interface" },
      changes: {
        full_name: { old: "acme/api", new: "acme/interface" },
        links: {
          old: { html: { href: `${host.url}/acme/api` } },
          new: { html: { href: `${host.url}/acme/interface` } },
        },
      },
    });
  });

  it("is the workspace it came from and the one it is in", async () => {
    const umbrella = host.workspace("umbrella");
    await host.transfer(repository, umbrella);
    expect(payload("repo:transfer")).toMatchObject({
      previous_workspace: { uuid: acme.uuid, slug: "acme" },
      repository: { uuid: repository.uuid, full_name: "umbrella/api", workspace: { uuid: umbrella.uuid } },
    });
  });

  it.each(["repo:created", "repo:imported"] as const)("is its beginning: %s", async (event) => {
    await host.announce(repository, event);
    expect(payload(event)).toMatchObject({ repository: { uuid: repository.uuid }, actor: { type: "user" } });
  });

  it("is its end", async () => {
    await host.delete(repository);
    expect(payload("repo:deleted")).toMatchObject({
      repository: { uuid: repository.uuid, full_name: "acme/api" },
      actor: { type: "user" },
    });
  });
});
