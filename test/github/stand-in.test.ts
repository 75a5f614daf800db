import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { InstallationEvent } from "../../src/core/events.ts";
import type { RefChange } from "../../src/core/model.ts";
import type { Host } from "../../src/engine/ports.ts";
import { runClient } from "../hosts/git/git-client.ts";
import {
  createGithubHost,
  type GithubHost,
  HOST_KINDS,
  type HostInstallation,
  type HostRepository,
} from "../hosts/github/index.ts";
import { branchChange, idOf, portTo, repositoryOf, shaOf } from "./on-stand-in.ts";

describe.each(HOST_KINDS)("the GitHub host port, on $kind with $tokenFormat tokens", (kind) => {
  let github: GithubHost;
  let api: HostRepository;
  let installation: HostInstallation;

  beforeAll(async () => {
    github = await createGithubHost(kind);
    const acme = github.organization("acme");
    api = await github.repository(acme, "api", { private: true });
    await api.commit({ message: "Start", files: { "README.md": "hello" } });
    installation = await github.install(acme, { repositories: [api] });
  });

  afterAll(async () => {
    await github.close();
    expect(github.violations).toEqual([]);
  });

  /** Reads below `work`, with the API calls it took beside the making of tokens. */
  async function counted<T>(work: (port: Host) => Promise<T>): Promise<{ readonly value: T; readonly calls: number }> {
    const before = github.calls.length;
    const value = await work(portTo(github));
    const calls = github.calls.slice(before).filter((call) => !call.path.endsWith("/access_tokens")).length;
    return { value, calls };
  }

  function file(sha: string, path = ".wharfinger.yml") {
    return counted((port) => port.file(idOf(installation), repositoryOf(api), shaOf(sha), path));
  }

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

  it("reads a file at the tip of a branch with one call, and never at a tag of the same name", async () => {
    const evil = await api.commit({ branch: "evil", files: { "grants.yml": "everything" } });
    for (const tag of ["main", "heads/main", "nowhere"]) await github.pushTag(api, { tag, sha: evil.sha });
    const read = (branch: string) =>
      counted((port) => port.file(idOf(installation), repositoryOf(api), { branch }, "grants.yml"));
    expect(await read("main")).toEqual({ calls: 1, value: { ok: true, value: { kind: "missing", hint: null } } });
    await api.commit({ files: { "grants.yml": "latest" } });
    expect(await read("main")).toEqual({ calls: 1, value: { ok: true, value: { kind: "file", text: "latest" } } });
    expect(await read("evil")).toMatchObject({ value: { value: { kind: "file", text: "everything" } } });
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
        ".gitmodules": '[submodule "module"]\n\tpath = module\n\turl = https://github.test/acme/module.git\n',
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
    const port = portTo(github);
    const paths = (change: RefChange) => port.changedPaths(idOf(installation), repositoryOf(api), change);
    expect(await paths(branchChange("main", start.sha, moved.sha))).toEqual({
      ok: true,
      value: ["src/new.ts", "src/old.ts"],
    });
    const branch = await api.commit({ branch: "feature/x", files: { "docs/x.md": "x" } });
    expect(await paths(branchChange("feature/x", null, branch.sha))).toEqual({ ok: true, value: ["docs/x.md"] });
    expect(await paths(branchChange("feature/x", moved.sha, start.sha, true))).toEqual({ ok: true, value: null });
    expect(await paths(branchChange("main", "1".repeat(40), moved.sha))).toEqual({ ok: true, value: null });
    const many = Object.fromEntries(Array.from({ length: 301 }, (_, index) => [`many/${index}`, "x"]));
    const crowd = await api.commit({ files: many });
    expect(await paths(branchChange("main", moved.sha, crowd.sha))).toEqual({ ok: true, value: null });
  });

  it("lists tags", async () => {
    const { sha } = await api.commit({ files: { tagged: "yes" } });
    await github.pushTag(api, { tag: "v1.0.0", sha });
    await github.pushTag(api, { tag: "api/v2", sha, annotated: true });
    const { value, calls } = await counted((port) => port.tags(idOf(installation), repositoryOf(api)));
    expect(value).toMatchObject({ ok: true, value: expect.arrayContaining(["v1.0.0", "api/v2"]) });
    expect(calls).toBe(1);
  });

  it("is kept out of repositories the installation does not cover", async () => {
    const { sha } = await api.commit({ files: { ".wharfinger.yml": "version: 1\n" } });
    const foreign = await github.repository(github.organization("other"), "secret", { private: true });
    const port = portTo(github);
    const refused = await port.file(idOf(installation), repositoryOf(foreign), shaOf(sha), ".wharfinger.yml");
    expect(refused).toMatchObject({ ok: false, retryable: false });
  });

  it("gets a credential that opens one repository to git, and no other", async () => {
    const { sha } = await api.commit({ branch: "cloned", files: { a: "a" } });
    const credential = await portTo(github).cloneCredential(idOf(installation), repositoryOf(api));
    if (!credential.ok) throw new Error(credential.message);
    const { username, password } = credential.value;
    expect(username).toBe("x-access-token");
    expect(password).toMatch(kind.tokenFormat === "classic" ? /^ghs_\w{36}$/ : /^ghs_\d+_[\w.-]{480,}$/);
    const listed = await runClient(["ls-remote", api.cloneUrl, "refs/heads/cloned"], password);
    expect(listed.stdout).toBe(`${sha}\trefs/heads/cloned\n`);
    const other = await github.repository(github.organization("acme"), "other", { private: true });
    await github.addRepositories(installation, [other]);
    await expect(runClient(["ls-remote", other.cloneUrl], password)).rejects.toThrow("not found");
  });

  it("knows the installation and its repositories", async () => {
    const port = portTo(github);
    expect(await port.installation(idOf(installation))).toMatchObject({
      value: { state: "active", account: { login: "acme", kind: "organization" }, permissions: { checks: "write" } },
    });
    expect(await port.installation({ ...idOf(installation), id: "999999" })).toEqual({ ok: true, value: null });
    const listed = await port.repositories(idOf(installation));
    expect(listed).toMatchObject({
      value: expect.arrayContaining([expect.objectContaining({ fullName: "acme/api" })]),
    });
  });

  it("takes a new token when the old one ended early", async () => {
    const { sha } = await api.commit({ files: { ".wharfinger.yml": "version: 1\n" } });
    const port = portTo(github);
    const read = () => port.file(idOf(installation), repositoryOf(api), shaOf(sha), ".wharfinger.yml");
    expect(await read()).toMatchObject({ ok: true });
    github.expireTokens();
    expect(await read()).toMatchObject({ ok: true });
  });

  it("says so when a suspended or removed installation is asked for", async () => {
    const org = github.organization("leaving");
    const repository = await github.repository(org, "app", { private: true });
    const { sha } = await repository.commit({ files: { a: "a" } });
    const leaving = await github.install(org);
    const port = portTo(github);
    const read = () => port.file(idOf(leaving), repositoryOf(repository), shaOf(sha), "a");
    expect(await read()).toMatchObject({ ok: true, value: { kind: "file" } });
    await github.suspend(leaving);
    // Both with the token of before and when a new one is asked for.
    const suspended = { ok: false, retryable: false, message: expect.stringContaining("suspended") };
    expect(await read()).toMatchObject(suspended);
    port.forget(idOf(leaving));
    expect(await read()).toMatchObject(suspended);
    expect(await port.cloneCredential(idOf(leaving), repositoryOf(repository))).toMatchObject(suspended);
    expect(await port.installation(idOf(leaving))).toMatchObject({ value: { state: "suspended" } });
    await github.unsuspend(leaving);
    expect(await read()).toMatchObject({ ok: true, value: { kind: "file" } });
    await github.uninstall(leaving);
    expect(await port.installation(idOf(leaving))).toEqual({ ok: true, value: null });
    expect(await read()).toMatchObject({ ok: false, retryable: false });
  });

  it("understands the installation's own webhooks", async () => {
    const events: InstallationEvent["action"][] = [];
    const port = portTo(github);
    for (const { guid, event, body } of github.deliveries.filter((item) => item.event === "installation")) {
      await port.receive({ deliveryId: guid, event, body: Buffer.from(body) }, async (received) => {
        if (received.type === "installation") events.push(received.action);
      });
    }
    expect(events.length).toBe(github.deliveries.filter((item) => item.event === "installation").length);
  });
});
