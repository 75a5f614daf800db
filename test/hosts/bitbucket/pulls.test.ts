import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { objectAt } from "../json.ts";
import { call } from "./client.ts";
import {
  type BitbucketHost,
  type BitbucketHostOptions,
  createBitbucketHost,
  type HostRepository,
  type HostWorkspace,
} from "./index.ts";

let host: BitbucketHost;
let acme: HostWorkspace;
let repository: HostRepository;
let fork: HostRepository;
let token: string;
let first: string;
let patch: string;

const REPO = "/repositories/acme/api";

/** A private repository with a commit on `main`, and a public fork of it with one more on `patch`. */
async function begin(options: BitbucketHostOptions = {}): Promise<void> {
  host = await createBitbucketHost(options);
  acme = host.workspace("acme");
  repository = await host.repository(acme, "api", { private: true });
  first = (await repository.commit({ files: { a: "1" } })).sha;
  fork = await host.fork(repository, host.workspace("umbrella"), { private: false });
  patch = (await fork.commit({ branch: "patch", files: { c: "1" }, message: "Patch it" })).sha;
  token = host.accessToken({ workspace: acme, scopes: ["pullrequest"] }).token;
}

beforeEach(() => begin());

afterEach(async () => {
  const { violations } = host;
  await host.close();
  expect(violations).toEqual([]);
});

function get(path: string, as: string | null = token) {
  return call(host, as, `GET ${path}`);
}

function pathsOf(body: object): unknown[] {
  const { values } = body as { readonly values?: readonly object[] };
  return (values ?? []).map((value) => objectAt(value, "new")["path"]);
}

describe("the differences of a pull request", () => {
  it("are at another address, which names a fork's commit, and are those since it left its target", async () => {
    const { pull } = await host.openPull(repository, { head: "patch", from: fork });
    await repository.commit({ files: { later: "1" } });
    const asked = await get(`${REPO}/pullrequests/${pull.id}/diffstat`);
    expect(asked.status).toBe(302);
    const location = asked.headers.get("location") ?? "";
    const spec = `umbrella/api:${patch.slice(0, 12)}%0D${first.slice(0, 12)}`;
    expect(location).toBe(`${host.apiUrl}/2.0/repositories/acme/api/diffstat/${spec}?from_pullrequest_id=1&topic=true`);
    const { status, body } = await get(location.slice(`${host.apiUrl}/2.0`.length));
    expect(status).toBe(200);
    expect(pathsOf(body)).toEqual(["c"]);
    const shown = objectAt((await get(`${REPO}/pullrequests/${pull.id}`)).body, "links");
    expect(objectAt(shown, "diffstat")).toEqual({ href: location });
  });

  it("are those of two branches of one repository, too", async () => {
    await repository.commit({ branch: "fix", files: { b: "1" } });
    const { pull } = await host.openPull(repository, { head: "fix" });
    const location = (await get(`${REPO}/pullrequests/${pull.id}/diffstat`)).headers.get("location") ?? "";
    expect(pathsOf((await get(location.slice(`${host.apiUrl}/2.0`.length))).body)).toEqual(["b"]);
  });

  it("need the scope for pull requests, and the pull request", async () => {
    expect((await get(`${REPO}/pullrequests/1/diffstat`)).status).toBe(404);
    await host.openPull(repository, { head: "patch", from: fork });
    const { token: narrow } = host.accessToken({ workspace: acme, scopes: ["repository"] });
    expect((await get(`${REPO}/pullrequests/1/diffstat`, narrow)).status).toBe(403);
    expect((await get(`${REPO}/pullrequests/1/diffstat`, null)).status).toBe(404);
  });
});

describe("the head of a pull request from a fork", () => {
  const inFork = (hash: string) =>
    `/repositories/%7B%7D/${encodeURIComponent(fork.uuid)}/commit/${hash}?fields=hash,message,repository.is_private`;

  it("is found in the fork by its first twelve digits, as long as everybody may read the fork", async () => {
    const { status, body } = await get(inFork(patch.slice(0, 12)));
    expect(status).toBe(200);
    expect(body).toEqual({ hash: patch, message: "Patch it", repository: { is_private: false } });
    await host.setPrivate(fork, true);
    expect((await get(inFork(patch.slice(0, 12)))).status).toBe(404);
  });

  it("is said to be of a private repository only when that is asked", async () => {
    const { body } = await get(`${REPO}/commit/${first}`);
    expect(Object.keys(objectAt(body, "repository"))).not.toContain("is_private");
    expect(objectAt((await get(`${REPO}/commit/${first}?fields=%2Brepository.is_private`)).body, "repository")).toEqual(
      {
        ...objectAt(body, "repository"),
        is_private: true,
      },
    );
  });

  it("is a commit of its target, or is none until it is merged", async () => {
    const { pull } = await host.openPull(repository, { head: "patch", from: fork });
    expect((await get(`${REPO}/commit/${patch}`)).status).toBe(200);
    await host.declinePull(pull);
    await host.close();
    await begin({ forkCommits: "elsewhere" });
    const { pull: other } = await host.openPull(repository, { head: "patch", from: fork });
    expect((await get(`${REPO}/commit/${patch}`)).status).toBe(404);
    const location = (await get(`${REPO}/pullrequests/1/diffstat`)).headers.get("location") ?? "";
    expect((await get(location.slice(`${host.apiUrl}/2.0`.length))).status).toBe(200);
    await host.mergePull(other);
    expect((await get(`${REPO}/commit/${patch}`)).status).toBe(200);
  });
});

describe("a pull request that is changed", () => {
  it("is told of with the same commit", async () => {
    await repository.commit({ branch: "release", files: { r: "1" } });
    const { pull } = await host.openPull(repository, { head: "patch", from: fork, draft: true });
    expect((await host.changePull(pull, { draft: false })).map(({ event }) => event)).toEqual([]);
    host.addHook({ workspace: acme, url: "http://127.0.0.1:9/", events: ["pullrequest:updated"] });
    expect((await host.changePull(pull, { base: "release" })).map(({ event }) => event)).toEqual([
      "pullrequest:updated",
    ]);
    expect(pull).toMatchObject({ draft: false, base: "release", headSha: patch });
    expect(pull.baseSha).toBe(await repository.ref("refs/heads/release"));
    await expect(host.changePull(pull, { base: "nowhere" })).rejects.toThrow("no branch nowhere");
  });
});
