import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { type JsonObject, listAt, objectAt } from "../json.ts";
import { type AppStub, createAppStub } from "./app-stub.ts";
import { call } from "./client.ts";
import { type BitbucketHost, createBitbucketHost, type HostRepository, type HostWorkspace } from "./index.ts";

let app: AppStub;
let host: BitbucketHost;
let acme: HostWorkspace;
let other: HostWorkspace;
let repository: HostRepository;

const EVENTS = ["repo:push", "repo:updated", "repo:transfer", "repo:deleted", "repo:fork", "pullrequest:created"];
const PULLS = ["pullrequest:updated", "pullrequest:fulfilled", "pullrequest:rejected"];

beforeEach(async () => {
  app = await createAppStub();
  host = await createBitbucketHost();
  [acme, other] = [host.workspace("acme"), host.workspace("other")];
  repository = await host.repository(acme, "api", { private: true });
  host.addHook({ workspace: acme, url: `${app.url}/acme`, events: [...EVENTS, ...PULLS] });
  host.addHook({ workspace: other, url: `${app.url}/other`, events: EVENTS });
});

afterEach(async () => {
  const { violations } = host;
  await host.close();
  await app.close();
  expect(violations).toEqual([]);
});

function told(): readonly (readonly [string, unknown])[] {
  return app.received.map(({ path, headers }) => [path, headers["x-event-key"]]);
}

function lastPayload(): JsonObject {
  return app.received.at(-1)?.json() ?? {};
}

describe("one push", () => {
  it("moves every ref of the real repository and is one event with all of them", async () => {
    const { sha: first } = await repository.commit({ files: { a: "1" } });
    await repository.push([{ branch: "old", to: first }]);
    const { moves, sha, deliveries } = await repository.push([
      { branch: "main", files: { a: "2" } },
      { branch: "new", to: first },
      { tag: "light", to: first },
      { tag: "heavy", to: first, annotated: true, message: "One" },
      { branch: "old", to: null },
    ]);
    expect(deliveries).toMatchObject([{ event: "repo:push", door: "webhook", status: 204, attempts: 1 }]);
    const heavy = await repository.ref("refs/tags/heavy");
    expect(heavy).not.toBe(first);
    expect(moves).toEqual([
      { kind: "branch", name: "main", before: first, after: sha, forced: false },
      { kind: "branch", name: "new", before: null, after: first, forced: false },
      { kind: "tag", name: "light", before: null, after: first, forced: false },
      { kind: "tag", name: "heavy", before: null, after: heavy, forced: false },
      { kind: "branch", name: "old", before: first, after: null, forced: false },
    ]);
    expect(await repository.ref("refs/heads/main")).toBe(sha);
    expect(await repository.ref("refs/heads/old")).toBeNull();
    expect(listAt(objectAt(lastPayload(), "push"), "changes")).toHaveLength(5);
  });

  it("is forced when the old tip is lost", async () => {
    const { sha: first } = await repository.commit({ files: { a: "1" } });
    const { sha: second } = await repository.commit({ files: { a: "2" } });
    const { moves } = await repository.push([{ branch: "main", parent: first, files: { a: "3" } }]);
    expect(moves).toMatchObject([{ before: second, forced: true }]);
    expect((await repository.push([{ branch: "main", to: first }])).moves).toMatchObject([{ forced: true }]);
  });

  it("of nothing is an event without changes, and a ref that is not there can not go", async () => {
    expect((await repository.push([])).deliveries).toHaveLength(1);
    expect(listAt(objectAt(lastPayload(), "push"), "changes")).toEqual([]);
    await expect(repository.push([{ branch: "none", to: null }])).rejects.toThrow("no refs/heads/none");
  });

  it("is told to nobody by a mere commit", async () => {
    await repository.commit({ files: { a: "1" } });
    expect(told()).toEqual([]);
  });
});

describe("a repository", () => {
  it("that is renamed answers under its uuid and new name only", async () => {
    const { token } = host.accessToken({ workspace: acme, scopes: ["repository"] });
    await host.rename(repository, "Service");
    expect(repository).toMatchObject({ slug: "service", name: "Service", fullName: "acme/service" });
    expect(lastPayload()["changes"]).toMatchObject({ full_name: { old: "acme/api", new: "acme/service" } });
    const uuid = encodeURIComponent(repository.uuid);
    const statuses = ["api", "service", "SERVICE", uuid].map(
      async (name) => (await call(host, token, `GET /repositories/acme/${name}`)).status,
    );
    expect(await Promise.all(statuses)).toEqual([404, 200, 200, 200]);
    await expect(host.repository(acme, "service")).rejects.toThrow("already");
    await host.repository(acme, "api");
  });

  it("that goes to another workspace is told to both, once each, and keeps its uuid", async () => {
    const { uuid } = repository;
    await host.transfer(repository, other);
    expect(told()).toEqual([
      ["/acme", "repo:transfer"],
      ["/other", "repo:transfer"],
    ]);
    expect(repository).toMatchObject({ uuid, fullName: "other/api", workspace: { slug: "other" } });
    await repository.push([{ branch: "main", files: { a: "1" } }]);
    expect(told().at(-1)).toEqual(["/other", "repo:push"]);
  });

  it("that is deleted is told of, and gone", async () => {
    await host.delete(repository);
    expect(told()).toEqual([["/acme", "repo:deleted"]]);
    await expect(repository.push([])).rejects.toThrow("no repository");
    await host.repository(acme, "api");
  });

  it("that is copied has the branches and tags of the other, and its own permissions", async () => {
    const { sha } = await repository.commit({ files: { a: "1" } });
    await repository.push([{ tag: "v1", to: sha }]);
    const fork = await host.fork(repository, other);
    expect(told().at(-1)).toEqual(["/acme", "repo:fork"]);
    expect(fork).toMatchObject({ fullName: "other/api", private: true });
    expect(await fork.ref("refs/tags/v1")).toBe(sha);
    await fork.commit({ files: { a: "2" } });
    expect(await repository.ref("refs/heads/main")).toBe(sha);
  });

  it("that is opened, or gets another main branch, is told of as updated", async () => {
    const { sha } = await repository.commit({ branch: "next", files: { a: "1" } });
    await host.setPrivate(repository, false);
    await host.setMainBranch(repository, "next");
    expect(told()).toEqual([
      ["/acme", "repo:updated"],
      ["/acme", "repo:updated"],
    ]);
    const { body } = await call(host, null, "GET /repositories/acme/api?fields=is_private,mainbranch.name");
    expect(body).toEqual({ is_private: false, mainbranch: { name: "next" } });
    expect(await repository.ref("refs/heads/next")).toBe(sha);
  });

  it("follows its workspace to a new name", async () => {
    await host.renameWorkspace(acme, "acme-inc");
    expect(repository.fullName).toBe("acme-inc/api");
    const { token } = host.accessToken({ workspace: acme, scopes: ["repository"] });
    expect((await call(host, token, "GET /repositories/acme-inc/api")).status).toBe(200);
    expect((await call(host, token, "GET /repositories/acme/api")).status).toBe(404);
    expect(() => host.renameWorkspace(acme, "other")).toThrow("already");
  });
});

describe("a pull request", () => {
  beforeEach(async () => {
    await repository.commit({ files: { a: "1" } });
    await repository.commit({ branch: "fix", files: { b: "1" } });
  });

  it("is opened, follows its branch, and is merged with a push of its own", async () => {
    const { pull, deliveries } = await host.openPull(repository, { head: "fix" });
    expect(deliveries).toMatchObject([{ event: "pullrequest:created" }]);
    const pushed = await repository.push([{ branch: "fix", files: { b: "2" } }]);
    expect(pushed.deliveries.map(({ event }) => event)).toEqual(["repo:push", "pullrequest:updated"]);
    expect(pull.headSha).toBe(pushed.sha);
    expect((await host.retitlePull(pull, "Better")).map(({ event }) => event)).toEqual(["pullrequest:updated"]);
    const merged = await host.mergePull(pull);
    expect(merged.map(({ event }) => event)).toEqual(["repo:push", "pullrequest:fulfilled"]);
    expect(pull).toMatchObject({ state: "MERGED", title: "Better" });
    expect(await repository.ref("refs/heads/main")).toBe(pull.mergeSha);
    await expect(host.declinePull(pull)).rejects.toThrow("closed");
  });

  it("is declined, and then follows no more", async () => {
    const { pull } = await host.openPull(repository, { head: "fix" });
    expect((await host.declinePull(pull)).map(({ event }) => event)).toEqual(["pullrequest:rejected"]);
    const { deliveries } = await repository.push([{ branch: "fix", files: { b: "2" } }]);
    expect(deliveries.map(({ event }) => event)).toEqual(["repo:push"]);
  });

  it("knows the new tip of its target, and outlives its source", async () => {
    const fork = await host.fork(repository, other);
    const { pull } = await host.openPull(repository, { head: "fix", from: fork, base: "main" });
    const { sha } = await repository.push([{ branch: "main", files: { c: "1" } }]);
    expect(pull.baseSha).toBe(sha);
    await host.delete(fork);
    expect(pull.source).toBeNull();
    expect((await host.declinePull(pull)).map(({ event }) => event)).toEqual(["pullrequest:rejected"]);
  });

  it("with conflicts is not merged", async () => {
    const { pull } = await host.openPull(repository, { head: "fix" });
    await repository.push([{ branch: "main", files: { b: "other" } }]);
    await expect(host.mergePull(pull)).rejects.toThrow("conflicts");
    expect(pull.state).toBe("OPEN");
  });
});
