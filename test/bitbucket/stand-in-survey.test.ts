import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Host } from "../../src/engine/ports.ts";
import {
  type BitbucketHost,
  createBitbucketHost,
  type HostRepository,
  type HostWorkspace,
} from "../hosts/bitbucket/index.ts";
import { git } from "../hosts/git/git.ts";
import { accessTokenOf, clientOf, connectionOf, idOf, installOn, repositoryOf, sideOf } from "./on-stand-in.ts";

describe("a survey of a repository", () => {
  let bitbucket: BitbucketHost;
  let acme: HostWorkspace;
  let port: Host;

  beforeAll(async () => {
    bitbucket = await createBitbucketHost({ commitBeforeCallback: true });
    acme = bitbucket.workspace("acme");
    port = sideOf(bitbucket, { clients: [clientOf(await installOn(bitbucket, acme))] }).port;
  });

  afterAll(async () => {
    await bitbucket.close();
    expect(bitbucket.violations).toEqual([]);
  });

  /** As the repository is known, though it may have changed since. */
  async function survey(repository: HostRepository, known = repositoryOf(repository)) {
    const before = bitbucket.calls.length;
    const outcome = await port.survey(idOf(acme), known);
    const calls = bitbucket.calls.slice(before).filter((call) => call.path.startsWith("/2.0/")).length;
    return { outcome, calls };
  }

  it("finds what is called like a Dockerfile, and nothing else", async () => {
    const api = await bitbucket.repository(acme, "api", { private: true, mainBranch: "release/1.x" });
    await api.commit({
      files: {
        ".wharfinger.yml": "version: 1\n",
        Dockerfile: "FROM scratch\n",
        "Dockerfile.dockerignore": "*\n",
        "README.md": "hello",
        "web/ü #?/WEB.DOCKERFILE": "FROM scratch\n",
        "services/api/src/main/docker/Dockerfile.jvm": "FROM scratch\n",
        "services/api/src/main/docker/deep/Dockerfile": "FROM scratch\n",
        "dockerfile/notes.md": "hello",
        "linked/Dockerfile": { symlink: "../Dockerfile" },
        "module/Dockerfile": { submodule: "1".repeat(40) },
        ".gitmodules": '[submodule "m"]\n\tpath = module/Dockerfile\n\turl = https://bitbucket.test/acme/m.git\n',
      },
    });
    await api.commit({ branch: "other", files: { "other/Dockerfile": "FROM scratch\n", ".wharfinger.yml": null } });
    const dockerfiles = ["Dockerfile", "services/api/src/main/docker/Dockerfile.jvm", "web/ü #?/WEB.DOCKERFILE"];
    expect(await survey(api)).toEqual({
      outcome: { ok: true, value: { defaultBranch: "release/1.x", hasFile: true, dockerfiles } },
      calls: 2,
    });
    await api.commit({ files: { ".wharfinger.yml": null } });
    await port.look(idOf(acme), repositoryOf(api));
    expect(await survey(api)).toEqual({
      outcome: { ok: true, value: { defaultBranch: "release/1.x", hasFile: false, dockerfiles } },
      calls: 1,
    });
  });

  it("reads on over pages, and gives up where there are too many", async () => {
    const many = await bitbucket.repository(acme, "many", { private: true });
    const named = (count: number) =>
      Object.fromEntries(
        Array.from({ length: count }, (_, index) => [`s/${1000 + index}.Dockerfile`, "FROM scratch\n"]),
      );
    const more = Object.fromEntries(Array.from({ length: 400 }, (_, index) => [`src/${index}.ts`, ""]));
    await many.commit({ files: { ...more, ...named(150) } });
    const { outcome, calls } = await survey(many);
    expect(outcome).toEqual({
      ok: true,
      value: { defaultBranch: "main", hasFile: false, dockerfiles: Object.keys(named(100)) },
    });
    expect(calls).toBe(3);
    await many.commit({ files: named(201) });
    port.forget(idOf(acme));
    expect(await survey(many)).toEqual({ outcome: { ok: true, value: null }, calls: 3 });
  });

  it("is not known of one that is empty, whose branch went away, or that is gone", async () => {
    const bare = await bitbucket.repository(acme, "bare", { private: true });
    expect(await survey(bare)).toMatchObject({ outcome: { ok: true, value: null } });
    const looked = await port.look(idOf(acme), repositoryOf(bare));
    if (!looked.ok || looked.value.kind !== "seen") throw new Error("The repository is not there.");
    expect(await survey(bare, looked.value.repository)).toEqual({ outcome: { ok: true, value: null }, calls: 0 });
    await bare.commit({ files: { Dockerfile: "FROM scratch\n" } });
    expect(await survey(bare)).toMatchObject({ outcome: { value: { dockerfiles: ["Dockerfile"] } } });
    port.forget(idOf(acme));
    await git(bare.gitDir, ["update-ref", "-d", "refs/heads/main"]);
    expect(await survey(bare)).toEqual({ outcome: { ok: true, value: null }, calls: 1 });
    await bitbucket.delete(bare);
    expect(await survey(bare)).toEqual({ outcome: { ok: true, value: null }, calls: 1 });
  });

  it("is not known, and not asked for again, when Bitbucket gives up on it", async () => {
    const large = await bitbucket.repository(acme, "large", { private: true });
    await large.commit({ files: { Dockerfile: "FROM scratch\n" } });
    bitbucket.inject({ match: ({ path }) => path.includes("/src/"), effect: { status: 555 } });
    expect(await survey(large)).toEqual({ outcome: { ok: true, value: null }, calls: 2 });
  });

  it("needs no more than a repository's own access token", async () => {
    const own = await bitbucket.repository(acme, "own", { private: true });
    await own.commit({ files: { Dockerfile: "FROM scratch\n" } });
    const connection = connectionOf(acme, accessTokenOf(bitbucket, own), own);
    const { port: narrow } = sideOf(bitbucket, { connections: [connection] });
    const value = { defaultBranch: "main", hasFile: false, dockerfiles: ["Dockerfile"] };
    expect(await narrow.survey(idOf(acme), repositoryOf(own))).toEqual({ ok: true, value });
  });
});
