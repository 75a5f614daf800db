import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { RefChange } from "../../src/core/model.ts";
import type { ConnectClient, Connection } from "../../src/engine/grants-port.ts";
import type { Host } from "../../src/engine/ports.ts";
import {
  type BitbucketHost,
  createBitbucketHost,
  type HostRepository,
  type HostWorkspace,
} from "../hosts/bitbucket/index.ts";
import { git } from "../hosts/git/git.ts";
import { runClient } from "../hosts/git/git-client.ts";
import {
  accessTokenOf,
  branchChange,
  clientOf,
  connectionOf,
  idOf,
  installOn,
  repositoryOf,
  shaOf,
  sideOf,
} from "./on-stand-in.ts";

interface Granted {
  readonly clients?: readonly ConnectClient[];
  readonly connections?: readonly Connection[];
}

type Door = (bitbucket: BitbucketHost, workspace: HostWorkspace, repository: HostRepository) => Promise<Granted>;

const installed: Door = async (bitbucket, workspace) => ({
  clients: [clientOf(await installOn(bitbucket, workspace))],
});

const DOORS: readonly [string, Door][] = [
  ["the Connect add-on", installed],
  [
    "a workspace's access token",
    async (bitbucket, workspace) => ({ connections: [connectionOf(workspace, accessTokenOf(bitbucket, workspace))] }),
  ],
  [
    "a repository's access token",
    async (bitbucket, workspace, repository) => ({
      connections: [connectionOf(workspace, accessTokenOf(bitbucket, repository), repository)],
    }),
  ],
];

describe.each(DOORS)("the Bitbucket host port, through %s", (_, open) => {
  let bitbucket: BitbucketHost;
  let acme: HostWorkspace;
  let api: HostRepository;
  let granted: Granted;

  beforeAll(async () => {
    bitbucket = await createBitbucketHost({ commitBeforeCallback: true });
    acme = bitbucket.workspace("acme");
    api = await bitbucket.repository(acme, "api", { private: true });
    await api.commit({ message: "Start", files: { "README.md": "hello" } });
    granted = await open(bitbucket, acme, api);
  });

  afterAll(async () => {
    await bitbucket.close();
    expect(bitbucket.violations).toEqual([]);
  });

  const portTo = () => sideOf(bitbucket, granted).port;

  /** With the API calls it took beside the making of tokens. */
  async function counted<T>(work: (port: Host) => Promise<T>): Promise<{ readonly value: T; readonly calls: number }> {
    const before = bitbucket.calls.length;
    const value = await work(portTo());
    const calls = bitbucket.calls.slice(before).filter((call) => call.path.startsWith("/2.0/")).length;
    return { value, calls };
  }

  function file(sha: string, path = ".wharfinger.yml") {
    return counted((port) => port.file(idOf(acme), repositoryOf(api), shaOf(sha), path));
  }

  it("sees the repository as it is, with its default branch", async () => {
    expect(await counted((port) => port.look(idOf(acme), repositoryOf(api)))).toEqual({
      calls: 1,
      value: { ok: true, value: { kind: "seen", repository: repositoryOf(api) } },
    });
  });

  it("takes four reads at the most for what a build needs to know", async () => {
    const start = await api.commit({ files: { "src/a": "1", ".wharfinger.yml": "version: 1\nimages: []\n" } });
    const next = await api.commit({ branch: "feature/x", files: { "src/a": "2" } });
    const { value, calls } = await counted(async (port) => {
      const seen = await port.look(idOf(acme), repositoryOf(api));
      if (!seen.ok || seen.value.kind !== "seen") throw new Error("The repository is not there.");
      const { repository } = seen.value;
      const own = await port.file(idOf(acme), repository, shaOf(next.sha), ".wharfinger.yml");
      const paths = await port.changedPaths(idOf(acme), repository, branchChange("feature/x", null, next.sha));
      const granting = await port.file(idOf(acme), repository, { branch: "main" }, ".wharfinger.yml");
      return { own, paths, granting };
    });
    expect(start.sha).not.toBe(next.sha);
    expect(calls).toBe(4);
    expect(value).toMatchObject({
      own: { value: { kind: "file" } },
      paths: { value: ["src/a"] },
      granting: { value: { kind: "file" } },
    });
  });

  it("reads a file at a commit with one call, whatever came after", async () => {
    const { sha } = await api.commit({ files: { ".wharfinger.yml": "version: 1 # ü\n" } });
    await api.commit({ files: { ".wharfinger.yml": "version: 2\n" } });
    expect(await file(sha)).toEqual({
      calls: 1,
      value: { ok: true, value: { kind: "file", text: "version: 1 # ü\n" } },
    });
  });

  it("tells a missing file from a missing commit", async () => {
    const { sha } = await api.commit({ files: { ".wharfinger.yml": null, ".wharfinger.yaml": "version: 1\n" } });
    expect(await file(sha)).toEqual({
      calls: 2,
      value: { ok: true, value: { kind: "missing", hint: ".wharfinger.yaml" } },
    });
    expect(await file("1".repeat(40))).toMatchObject({ value: { ok: true, value: { kind: "gone" } } });
  });

  it("reads a file at the tip of a branch, and never at a tag of the same name", async () => {
    const evil = await api.commit({ branch: "odd/evil#1", files: { "grants.yml": "everything" } });
    for (const tag of ["main", "heads/main", "nowhere"]) await api.push([{ tag, to: evil.sha }]);
    const read = (branch: string) =>
      counted((port) => port.file(idOf(acme), repositoryOf(api), { branch }, "grants.yml"));
    expect(await read("main")).toEqual({ calls: 2, value: { ok: true, value: { kind: "missing", hint: null } } });
    await api.commit({ files: { "grants.yml": "latest\n" } });
    expect(await read("main")).toEqual({ calls: 2, value: { ok: true, value: { kind: "file", text: "latest\n" } } });
    expect(await read("odd/evil#1")).toMatchObject({ value: { value: { kind: "file", text: "everything" } } });
    expect(await read("nowhere")).toEqual({ calls: 1, value: { ok: true, value: { kind: "missing", hint: null } } });
  });

  it("reads names that need encoding, and refuses what is not a file", async () => {
    const { sha } = await api.commit({
      files: {
        "a b/ü#?%.yml": "odd",
        folder: null,
        "folder/file": "x",
        link: { symlink: "a b/ü#?%.yml" },
        away: { symlink: "../../etc/passwd" },
        module: { submodule: "1".repeat(40) },
        ".gitmodules": '[submodule "module"]\n\tpath = module\n\turl = https://bitbucket.test/acme/module.git\n',
        binary: new Uint8Array([0xff, 0xfe, 0x00]),
        large: "x".repeat(1024 * 1024 + 1),
      },
    });
    expect(await file(sha, "a b/ü#?%.yml")).toMatchObject({ value: { value: { kind: "file", text: "odd" } } });
    expect(await file(sha, "link")).toMatchObject({ value: { value: { kind: "file", text: "odd" } } });
    for (const path of ["folder", "away", "module", "binary", "large"]) {
      expect([path, await file(sha, path)]).toMatchObject([path, { value: { value: { kind: "unreadable" } } }]);
    }
  });

  it("knows which paths a push changed, or that it does not", async () => {
    const start = await api.commit({ files: { "src/old.ts": "content that is long enough to be seen as moved\n" } });
    const moved = await api.commit({
      files: { "src/old.ts": null, "src/new.ts": "content that is long enough to be seen as moved\n" },
    });
    const port = portTo();
    const paths = (change: RefChange) => port.changedPaths(idOf(acme), repositoryOf(api), change);
    const renamed = await paths(branchChange("main", start.sha, moved.sha));
    expect(renamed.ok && renamed.value?.toSorted()).toEqual(["src/new.ts", "src/old.ts"]);
    const branch = await api.commit({ branch: "feature/y", files: { "docs/x.md": "x" } });
    expect(await paths(branchChange("feature/y", null, branch.sha))).toEqual({ ok: true, value: ["docs/x.md"] });
    // What came to the default branch since is not the new branch's change.
    await api.commit({ files: { "later.md": "x" } });
    expect(await paths(branchChange("feature/y", null, branch.sha))).toEqual({ ok: true, value: ["docs/x.md"] });
    expect(await paths(branchChange("feature/y", null, start.sha))).toEqual({ ok: true, value: null });
    expect(await paths(branchChange("feature/y", moved.sha, start.sha, true))).toEqual({ ok: true, value: null });
    expect(await paths(branchChange("main", "1".repeat(40), moved.sha))).toEqual({ ok: true, value: null });
  });

  it("lists tags", async () => {
    const { sha } = await api.commit({ files: { tagged: "yes" } });
    await api.push([
      { tag: "v1.0.0", to: sha },
      { tag: "api/v2", to: sha, annotated: true },
    ]);
    const { value, calls } = await counted((port) => port.tags(idOf(acme), repositoryOf(api)));
    expect(value).toMatchObject({ ok: true, value: expect.arrayContaining(["v1.0.0", "api/v2"]) });
    expect(calls).toBe(1);
  });

  it("gets a credential that opens the repository to git", async () => {
    const { sha } = await api.commit({ branch: "cloned", files: { a: "a" } });
    const credential = await portTo().cloneCredential(idOf(acme), repositoryOf(api));
    if (!credential.ok) throw new Error(credential.message);
    const { username, password } = credential.value;
    const listed = await runClient(["ls-remote", api.cloneUrl, "refs/heads/cloned"], password, username);
    expect(listed.stdout).toBe(`${sha}\trefs/heads/cloned\n`);
  });

  it("knows the workspace and its repositories", async () => {
    const port = portTo();
    expect(await port.installation(idOf(acme))).toMatchObject({
      value: { state: "active", account: { id: acme.uuid, login: "acme", kind: "organization" } },
    });
    expect(await port.installation({ ...idOf(acme), id: bitbucket.workspace("stranger").uuid })).toEqual({
      ok: true,
      value: null,
    });
    expect(await port.repositories(idOf(acme))).toEqual({
      ok: true,
      value: [{ ...idOf(api), fullName: "acme/api", private: true }],
    });
  });

  it("is kept out of what is not granted", async () => {
    const other = bitbucket.workspace("other");
    const foreign = await bitbucket.repository(other, "secret", { private: true });
    const { sha } = await foreign.commit({ files: { a: "a" } });
    const port = portTo();
    expect(await port.look(idOf(other), repositoryOf(foreign))).toEqual({ ok: true, value: { kind: "gone" } });
    expect(await port.file(idOf(other), repositoryOf(foreign), shaOf(sha), "a")).toMatchObject({ ok: false });
    // Nor by its id below a workspace that is open.
    expect(await port.look(idOf(acme), repositoryOf(foreign))).toEqual({ ok: true, value: { kind: "gone" } });
    const read = await port.file(idOf(acme), repositoryOf(foreign), shaOf(sha), "a");
    expect(read.ok && read.value.kind === "file").toBe(false);
  });

  it("finds the repository under its new name, and gone when it went elsewhere or was deleted", async () => {
    const port = portTo();
    const known = repositoryOf(api);
    await bitbucket.rename(api, "service");
    expect(await port.look(idOf(acme), known)).toMatchObject({
      value: { repository: { fullName: "acme/service", cloneUrl: api.cloneUrl } },
    });
    bitbucket.renameWorkspace(acme, "acme-corp");
    expect(await port.look(idOf(acme), known)).toMatchObject({
      value: { repository: { fullName: "acme-corp/service" } },
    });
    await bitbucket.transfer(api, bitbucket.workspace("buyer"));
    expect(await port.look(idOf(acme), known)).toEqual({ ok: true, value: { kind: "gone" } });
    expect(await port.repositories(idOf(acme))).toEqual({ ok: true, value: [] });
    await bitbucket.delete(api);
    expect(await port.look(idOf(acme), known)).toEqual({ ok: true, value: { kind: "gone" } });
  });
});

describe("a grant of the Connect add-on", () => {
  let bitbucket: BitbucketHost;
  let acme: HostWorkspace;
  let api: HostRepository;

  beforeAll(async () => {
    bitbucket = await createBitbucketHost({ commitBeforeCallback: true });
    acme = bitbucket.workspace("acme");
    api = await bitbucket.repository(acme, "api", { private: true });
  });

  afterAll(async () => {
    await bitbucket.close();
    expect(bitbucket.violations).toEqual([]);
  });

  it("is not asked page by page for the paths of a push that changed more than 500", async () => {
    const files = Object.fromEntries(Array.from({ length: 501 }, (_item, index) => [`many/${index}`, "x"]));
    const start = await api.commit({ files: { a: "1" } });
    const crowd = await api.commit({ files });
    const { port } = sideOf(bitbucket, await installed(bitbucket, acme, api));
    const before = bitbucket.calls.length;
    const change = branchChange("main", start.sha, crowd.sha);
    expect(await port.changedPaths(idOf(acme), repositoryOf(api), change)).toEqual({ ok: true, value: null });
    expect(bitbucket.calls.slice(before).map((call) => call.route)).toEqual([
      null,
      "/repositories/{workspace}/{repo_slug}/diffstat/{spec}",
    ]);
  });

  it("lists tags over as many pages as there are", async () => {
    const tagged = await bitbucket.repository(acme, "tagged", { private: true });
    const { sha } = await tagged.commit({ files: { a: "1" } });
    const many = Array.from({ length: 101 }, (_item, index) => `create refs/tags/v${index} ${sha}\n`);
    await git(tagged.gitDir, ["update-ref", "--stdin"], many.join(""));
    const { port } = sideOf(bitbucket, await installed(bitbucket, acme, tagged));
    const tags = await port.tags(idOf(acme), repositoryOf(tagged));
    expect(tags.ok && new Set(tags.value).size).toBe(101);
  });

  it("opens one repository to a clone, for reading, and no other", async () => {
    await api.commit({ files: { a: "a" } });
    const other = await bitbucket.repository(acme, "other", { private: true });
    const { port } = sideOf(bitbucket, await installed(bitbucket, acme, api));
    const credential = await port.cloneCredential(idOf(acme), repositoryOf(api));
    if (!credential.ok) throw new Error(credential.message);
    const { password, username } = credential.value;
    await expect(runClient(["ls-remote", other.cloneUrl], password, username)).rejects.toThrow("not found");
    await expect(runClient(["ls-remote", api.cloneUrl], password, username)).resolves.toMatchObject({ stderr: "" });
  });

  it("gets a new token when the old one ended early", async () => {
    const { sha } = await api.commit({ files: { a: "a\n" } });
    const { port } = sideOf(bitbucket, await installed(bitbucket, acme, api));
    const read = () => port.file(idOf(acme), repositoryOf(api), shaOf(sha), "a");
    expect(await read()).toMatchObject({ ok: true, value: { kind: "file" } });
    bitbucket.expireTokens();
    expect(await read()).toMatchObject({ ok: true, value: { kind: "file" } });
  });

  it("that ended leaves the work to a connection, and waits where there is none", async () => {
    const { sha } = await api.commit({ files: { a: "a\n" } });
    const install = await installOn(bitbucket, acme);
    const { port, granted } = sideOf(bitbucket, { clients: [clientOf(install)] });
    const read = () => port.file(idOf(acme), repositoryOf(api), shaOf(sha), "a");
    expect(await read()).toMatchObject({ ok: true });
    await bitbucket.uninstall(install);
    expect(await read()).toMatchObject({
      ok: false,
      retryable: true,
      message: expect.stringContaining("install it again"),
    });
    granted.connections = [connectionOf(acme, accessTokenOf(bitbucket, acme))];
    port.forget(idOf(acme));
    expect(await read()).toMatchObject({ ok: true, value: { kind: "file" } });
  });

  it("that is used up waits until Bitbucket gives more", async () => {
    const install = await installOn(bitbucket, acme);
    const { port, clock } = sideOf(bitbucket, { clients: [clientOf(install)] });
    expect(await port.tags(idOf(acme), repositoryOf(api))).toMatchObject({ ok: true });
    bitbucket.exhaust(install);
    const refused = await port.tags(idOf(acme), repositoryOf(api));
    expect(refused).toMatchObject({ ok: false, retryable: true, retryAfter: expect.any(Number) });
    const before = bitbucket.calls.length;
    expect(await port.tags(idOf(acme), repositoryOf(api))).toMatchObject({ ok: false, retryable: true });
    expect(bitbucket.calls.length).toBe(before);
    bitbucket.advance(61 * 60_000);
    clock.time += 61 * 60_000;
    expect(await port.tags(idOf(acme), repositoryOf(api))).toMatchObject({ ok: true });
  });
});

describe("an access token", () => {
  it("that lacks a scope is a failure that names it, never the end of the repository", async () => {
    const bitbucket = await createBitbucketHost();
    try {
      const acme = bitbucket.workspace("acme");
      const api = await bitbucket.repository(acme, "api", { private: true });
      const token = bitbucket.accessToken({ workspace: acme, scopes: ["account"] });
      const { port } = sideOf(bitbucket, { connections: [connectionOf(acme, token)] });
      expect(await port.look(idOf(acme), repositoryOf(api))).toMatchObject({
        ok: false,
        retryable: true,
        message: expect.stringContaining("repository"),
      });
      bitbucket.revoke(token);
      expect(await port.look(idOf(acme), repositoryOf(api))).toMatchObject({
        ok: false,
        retryable: true,
        message: expect.stringContaining("connect acme again"),
      });
      expect(bitbucket.violations).toEqual([]);
    } finally {
      await bitbucket.close();
    }
  });
});
