import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { Repository } from "../../src/core/model.ts";
import {
  createGithubHost,
  type GithubHost,
  type GithubHostOptions,
  HOST_KINDS,
  type HostInstallation,
  type HostRepository,
} from "../hosts/github/index.ts";
import { idOf, portTo, repositoryOf } from "./on-stand-in.ts";

const NOTHING_KNOWN = { ok: true, value: null };

describe.each(HOST_KINDS)("what there is to build, through the GitHub host port on $kind", (kind) => {
  let github: GithubHost;
  let api: HostRepository;
  let installation: HostInstallation;

  async function start(options: GithubHostOptions = {}, defaultBranch = "main"): Promise<void> {
    github = await createGithubHost({ ...kind, ...options });
    const acme = github.organization("acme");
    api = await github.repository(acme, "api", { private: true, defaultBranch });
    installation = await github.install(acme, { repositories: [api] });
  }

  function survey(of = api, more: Partial<Repository> = {}) {
    return portTo(github).survey(idOf(installation), { ...repositoryOf(of), ...more });
  }

  beforeEach(() => start());

  afterEach(async () => {
    await github.settled();
    expect(github.violations).toEqual([]);
    await github.close();
  });

  it("is seen in all folders of a real tree, with one call", async () => {
    await api.commit({
      files: {
        "README.md": "hello",
        Dockerfile: "FROM scratch\n",
        "Dockerfile.dockerignore": "*\n",
        "services/räksmörgås & co/#1?/web.Dockerfile": "FROM scratch\n",
        "services/api/dockerfile.dev": { executable: "FROM scratch\n" },
        "a/Dockerfile/inside": "a folder\n",
        "b/Dockerfile": { symlink: "../Dockerfile" },
        "c/Dockerfile": { submodule: "1".repeat(40) },
        "d/.wharfinger.yml": "version: 1\n",
      },
    });
    const before = github.calls.length;
    const dockerfiles = ["Dockerfile", "services/api/dockerfile.dev", "services/räksmörgås & co/#1?/web.Dockerfile"];
    expect(await survey()).toEqual({ ok: true, value: { defaultBranch: "main", hasFile: false, dockerfiles } });
    const routes = github.calls.slice(before).map((call) => call.route);
    expect(routes.slice(1)).toEqual(["/repos/{owner}/{repo}/git/trees/{tree_sha}"]);
    await api.commit({ files: { Dockerfile: null, ".wharfinger.yml": "version: 1\n" } });
    expect(await survey()).toEqual({
      ok: true,
      value: { defaultBranch: "main", hasFile: true, dockerfiles: dockerfiles.slice(1) },
    });
  });

  it("is that of the default branch, never of a tag or another branch called like it", async () => {
    await api.commit({ files: { Dockerfile: "FROM scratch\n" } });
    const evil = await api.commit({ branch: "evil", files: { "evil/Dockerfile": "FROM evil\n" } });
    await api.commit({ branch: "heads/main", files: { "evil/Dockerfile": "FROM evil\n" } });
    for (const tag of ["main", "heads/main"]) await github.pushTag(api, { tag, sha: evil.sha });
    expect(await survey()).toEqual({
      ok: true,
      value: { defaultBranch: "main", hasFile: false, dockerfiles: ["Dockerfile"] },
    });
  });

  it("is found on a default branch of any name", async () => {
    await github.close();
    await start({}, "release/räk#1%2F");
    await api.commit({ files: { Dockerfile: "FROM scratch\n" } });
    expect(await survey()).toEqual({
      ok: true,
      value: { defaultBranch: "release/räk#1%2F", hasFile: false, dockerfiles: ["Dockerfile"] },
    });
  });

  it("is found where nobody has told the default branch yet: nothing was pushed since the install", async () => {
    await api.commit({ files: { Dockerfile: "FROM scratch\n" } });
    const found = await survey(api, { defaultBranch: null });
    expect(found).toEqual({ ok: true, value: { defaultBranch: "main", hasFile: false, dockerfiles: ["Dockerfile"] } });
  });

  it("is not known of a repository without commits, or without its default branch", async () => {
    expect(await survey()).toEqual(NOTHING_KNOWN);
    const { sha } = await api.commit({ branch: "other", files: { Dockerfile: "FROM scratch\n" } });
    // A tag alone does not stand in.
    await github.pushTag(api, { tag: "main", sha });
    expect(await survey()).toEqual(NOTHING_KNOWN);
  });

  it("is not known of a repository with more files than the host lists", async () => {
    await github.close();
    await start({ longestTree: 3 });
    await api.commit({ files: { Dockerfile: "FROM scratch\n", "a/b": "1" } });
    expect(await survey()).toMatchObject({ value: { dockerfiles: ["Dockerfile"] } });
    // The folder counts too.
    await api.commit({ files: { "a/c": "1" } });
    expect(await survey()).toEqual(NOTHING_KNOWN);
  });

  it("is kept from an installation that does not cover the repository, or is suspended", async () => {
    const foreign = await github.repository(github.organization("other"), "secret", { private: true });
    await foreign.commit({ files: { Dockerfile: "FROM scratch\n" } });
    expect(await survey(foreign)).toMatchObject({ ok: false, retryable: false });
    await github.suspend(installation);
    expect(await survey()).toMatchObject({ ok: false, message: expect.stringContaining("suspended") });
  });

  it("goes with the repository when that is renamed", async () => {
    await api.commit({ files: { Dockerfile: "FROM scratch\n" } });
    const known = repositoryOf(api);
    await github.rename(api, "api-2");
    const answer = await portTo(github).survey(idOf(installation), known);
    expect(answer).toMatchObject({ value: { dockerfiles: ["Dockerfile"] } });
  });
});
