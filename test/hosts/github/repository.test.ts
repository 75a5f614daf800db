import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { runClient } from "../git/git-client.ts";
import { isObject, listAt, textAt } from "../json.ts";
import { call, mint } from "./client.ts";
import type { GithubHost, HostInstallation, HostRepository, Injection } from "./index.ts";
import { createGithubHost, HOST_KINDS } from "./index.ts";

describe.each(HOST_KINDS)("on $kind", (kind) => {
  let host: GithubHost;
  let installation: HostInstallation;
  let api: HostRepository;
  let empty: HostRepository;
  let token: string;
  let folder: string;
  let first: string;
  let second: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "stand-in-git-"));
    host = await createGithubHost(kind);
    const acme = host.organization("acme");
    api = await host.repository(acme, "api", { private: true });
    empty = await host.repository(acme, "empty", { private: true });
    first = (
      await api.commit({
        files: {
          Dockerfile: "FROM scratch\n",
          "docs/räksmörgås & co/#1?.md": "odd\n",
          "old name.txt": "line\n".repeat(20),
          link: { symlink: "docs/../Dockerfile" },
          outside: { symlink: "../../etc/passwd" },
          lib: { submodule: "1".repeat(40) },
          ".gitmodules": '[submodule "lib"]\n\tpath = lib\n\turl = https://host.example/lib.git\n',
          "big.bin": new Uint8Array(1024 * 1024 + 1),
        },
      })
    ).sha;
    second = (
      await api.commit({ files: { "old name.txt": null, "new name.txt": "line\n".repeat(20), Dockerfile: "FROM a\n" } })
    ).sha;
    installation = await host.install(acme);
    token = await mint(host, installation);
  });
  afterAll(async () => {
    await host.close();
    await rm(folder, { recursive: true, force: true });
  });

  describe("contents", () => {
    const path = (text: string) => text.split("/").map(encodeURIComponent).join("/");
    const read = (name: string, ref = first) =>
      call(host, token, `GET /repos/acme/api/contents/${path(name)}?ref=${ref}`);

    it("gives files by any legal name, at any commit", async () => {
      const odd = await read("docs/räksmörgås & co/#1?.md");
      expect(odd.body).toMatchObject({
        type: "file",
        encoding: "base64",
        path: "docs/räksmörgås & co/#1?.md",
        size: 4,
      });
      const texts = await Promise.all([first, second, "main", "heads/main"].map((ref) => read("Dockerfile", ref)));
      expect(texts.map(({ body }) => Buffer.from(textAt(body, "content") ?? "", "base64").toString())).toEqual([
        "FROM scratch\n",
        "FROM a\n",
        "FROM a\n",
        "FROM a\n",
      ]);
      expect(host.violations).toEqual([]);
    });

    it("tells a missing file from a missing commit and from a repository without commits", async () => {
      const messages = async (answer: ReturnType<typeof read>) => [
        (await answer).status,
        (await answer).body["message"],
      ];
      const gone = "2".repeat(40);
      expect(await messages(read("nothing"))).toEqual([404, "Not Found"]);
      expect(await messages(read("Dockerfile", gone))).toEqual([404, `No commit found for the ref ${gone}`]);
      expect(await messages(read("Dockerfile", "main~1"))).toEqual([404, "No commit found for the ref main~1"]);
      expect(await messages(call(host, token, "GET /repos/acme/empty/contents/a"))).toEqual([
        404,
        "This repository is empty.",
      ]);
      expect(empty.defaultBranch).toBe("main");
    });

    it("shows folders, links, submodules and large files as what they are", async () => {
      const root = await read("");
      const kinds = root.list.map((item) => `${textAt(item, "name")}: ${textAt(item, "type")}`);
      expect(kinds).toEqual(
        expect.arrayContaining(["docs: dir", "Dockerfile: file", "link: symlink", "outside: symlink", "lib: file"]),
      );
      expect((await read("lib")).body).toMatchObject({
        type: "submodule",
        submodule_git_url: "https://host.example/lib.git",
      });
      expect((await read("link")).body).toMatchObject({ type: "file", path: "link", encoding: "base64" });
      expect((await read("outside")).body).toMatchObject({ type: "symlink", target: "../../etc/passwd" });
      expect((await read("big.bin")).body).toMatchObject({
        type: "file",
        content: "",
        encoding: "none",
        size: 1024 * 1024 + 1,
      });
      expect(host.violations).toEqual([]);
    });
  });

  describe("trees", () => {
    const tree = (name: string, query = "") => call(host, token, `GET /repos/acme/api/git/trees/${name}${query}`);
    const kinds = ({ body }: Awaited<ReturnType<typeof tree>>) =>
      listAt(body, "tree").map((item) => `${textAt(item, "mode")} ${textAt(item, "type")} ${textAt(item, "path")}`);

    it("list what a branch or a commit holds, folders before what is in them", async () => {
      const whole = await tree(first, "?recursive=1");
      expect(whole.body).toMatchObject({ truncated: false, sha: expect.stringMatching(/^[0-9a-f]{40}$/) });
      expect(kinds(whole)).toEqual([
        "100644 blob .gitmodules",
        "100644 blob Dockerfile",
        "100644 blob big.bin",
        "040000 tree docs",
        "040000 tree docs/räksmörgås & co",
        "100644 blob docs/räksmörgås & co/#1?.md",
        "160000 commit lib",
        "120000 blob link",
        "100644 blob old name.txt",
        "120000 blob outside",
      ]);
      for (const name of ["main", "heads%2Fmain", "refs%2Fheads%2Fmain", second]) {
        expect(kinds(await tree(name))).toEqual(
          expect.arrayContaining(["100644 blob new name.txt", "040000 tree docs"]),
        );
        expect(kinds(await tree(name))).not.toContain("040000 tree docs/räksmörgås & co");
      }
      // Any value does.
      expect(kinds(await tree(first, "?recursive=false"))).toEqual(kinds(whole));
      expect(host.violations).toEqual([]);
    });

    it("give sizes of files only, and no address of a submodule", async () => {
      const items = listAt((await tree(first)).body, "tree");
      const shapes = Object.fromEntries(items.map((item) => [textAt(item, "path"), item]));
      expect(shapes["big.bin"]).toMatchObject({ size: 1024 * 1024 + 1, url: expect.stringContaining("/git/blobs/") });
      expect(shapes["docs"]).toMatchObject({ url: expect.stringContaining("/git/trees/") });
      expect(shapes["docs"]).not.toHaveProperty("size");
      expect(shapes["lib"]).toEqual({ path: "lib", mode: "160000", type: "commit", sha: "1".repeat(40) });
    });

    it("are not there under a name nothing has, nor in a repository without commits", async () => {
      for (const name of ["nowhere", "2".repeat(40), "main~1"]) expect((await tree(name)).status).toBe(404);
      expect(await call(host, token, "GET /repos/acme/empty/git/trees/main")).toMatchObject({
        status: 409,
        body: { message: "Git Repository is empty." },
      });
      expect(host.violations).toEqual([]);
    });
  });

  describe("compare", () => {
    const compare = (basehead: string) => call(host, token, `GET /repos/acme/api/compare/${basehead}`);

    it("counts commits and lists files, renames with both names", async () => {
      const { body } = await compare(`${first}...${second}`);
      expect(body).toMatchObject({
        status: "ahead",
        ahead_by: 1,
        behind_by: 0,
        total_commits: 1,
        commits: [{ sha: second }],
      });
      expect(listAt(body, "files")).toEqual([
        expect.objectContaining({ filename: "Dockerfile", status: "modified", additions: 1, deletions: 1 }),
        expect.objectContaining({ filename: "new name.txt", status: "renamed", previous_filename: "old name.txt" }),
      ]);
      expect((await compare(`${second}...${first}`)).body).toMatchObject({ status: "behind", behind_by: 1, files: [] });
      expect((await compare("main...main")).body).toMatchObject({ status: "identical" });
      expect(host.violations).toEqual([]);
    });

    it("starts from where two branches parted", async () => {
      const side = await api.commit({ branch: "feature/side", parent: first, files: { side: "1\n" } });
      const { body } = await compare(`main...${encodeURIComponent("feature/side")}`);
      expect(body).toMatchObject({ status: "diverged", ahead_by: 1, behind_by: 1, merge_base_commit: { sha: first } });
      expect(listAt(body, "files")).toMatchObject([{ filename: "side" }]);
      expect(side.before).toBeNull();
    });

    it("knows neither lost commits nor unrelated histories, and stops at 300 files", async () => {
      await api.commit({ branch: "island", parent: null, files: { a: "1" } });
      expect((await compare(`${"3".repeat(40)}...main`)).status).toBe(404);
      const unrelated = await compare("main...island");
      expect([unrelated.status, unrelated.body["message"]]).toEqual([
        404,
        "No common ancestor between main and island.",
      ]);
      const files = Object.fromEntries(Array.from({ length: 301 }, (_, index) => [`many/${index}`, `${index}`]));
      const many = await api.commit({ branch: "many", files });
      expect(listAt((await compare(`main...${many.sha}`)).body, "files")).toHaveLength(300);
      expect(host.violations).toEqual([]);
    });
  });

  describe("refs and commits", () => {
    it("match by prefix, and a tag object is named as one", async () => {
      await host.pushTags(api, [
        { tag: "v1.0", sha: first },
        { tag: "v1.1", sha: second, annotated: true },
      ]);
      const { list } = await call(host, token, "GET /repos/acme/api/git/matching-refs/tags/v1");
      expect(list).toMatchObject([
        { ref: "refs/tags/v1.0", object: { sha: first, type: "commit" } },
        { ref: "refs/tags/v1.1", object: { sha: await api.ref("refs/tags/v1.1"), type: "tag" } },
      ]);
      expect((await call(host, token, "GET /repos/acme/api/git/matching-refs/tags/none")).list).toEqual([]);
      expect((await call(host, token, "GET /repos/acme/empty/git/matching-refs/tags")).status).toBe(409);
      const commit = await call(host, token, "GET /repos/acme/api/commits/v1.1");
      expect(commit.body).toMatchObject({
        sha: second,
        parents: [{ sha: first }],
        stats: { additions: 1, deletions: 1 },
      });
      expect((await call(host, token, "GET /repos/acme/api/commits/nothing")).status).toBe(422);
      expect((await call(host, token, "GET /repos/acme/empty/commits/main")).status).toBe(409);
      expect(host.violations).toEqual([]);
    });
  });

  describe("git over HTTP", () => {
    const fetchWith = async (name: string, url: string, password: string | null, sha: string) => {
      const target = join(folder, name);
      await runClient(["init", "--quiet", target], null);
      await runClient(["-C", target, "fetch", "--quiet", "--depth=1", url, sha], password);
      await runClient(["-C", target, "checkout", "--quiet", "FETCH_HEAD"], null);
      return target;
    };

    it("gives any commit, shallow, to a token with contents", async () => {
      const calls = host.calls.length;
      const target = await fetchWith("good", api.cloneUrl, token, first);
      expect(await readFile(join(target, "Dockerfile"), "utf8")).toBe("FROM scratch\n");
      expect(host.gitCalls.map((item) => item.status)).toEqual([200, 200, 200]);
      expect(host.calls).toHaveLength(calls);
    });

    it("lists all refs at once, annotated tags as their object and as what they lead to", async () => {
      await host.pushTag(api, { tag: "listed", sha: first });
      await host.pushTag(api, { tag: "listed-annotated", sha: first, annotated: true });
      const object = await api.ref("refs/tags/listed-annotated");
      const before = host.gitCalls.length;
      const { stdout } = await runClient(["ls-remote", api.cloneUrl], token);
      expect(stdout.split("\n").filter((line) => /\t(HEAD|refs\/(heads\/main|tags\/listed.*))$/.test(line))).toEqual([
        `${second}\tHEAD`,
        `${second}\trefs/heads/main`,
        `${first}\trefs/tags/listed`,
        `${object}\trefs/tags/listed-annotated`,
        `${first}\trefs/tags/listed-annotated^{}`,
      ]);
      expect(object).not.toBe(first);
      expect(new Set(host.gitCalls.slice(before).map(({ status }) => status))).toEqual(new Set([200]));
      expect((await runClient(["ls-remote", empty.cloneUrl], token)).stdout).toBe("");
    });

    it("lists a private repository to nobody without a token, a public one to everybody", async () => {
      const open = await host.repository(host.organization("acme"), "open");
      const { sha } = await open.commit({ files: { a: "1" } });
      for (const password of [null, "ghs_no"]) {
        await expect(runClient(["ls-remote", api.cloneUrl], password)).rejects.toThrow(
          /could not read Username|Authentication failed/,
        );
        expect(host.gitCalls.at(-1)?.status).toBe(401);
      }
      expect((await runClient(["ls-remote", open.cloneUrl, "refs/heads/main"], null)).stdout).toContain(sha);
    });

    it("fails as it is told to, apart from the API", async () => {
      const match: Injection["match"] = ({ path, route }) => route === null && /^\/acme\/api\.git\//.test(path);
      const failing = (effect: Injection["effect"]) => {
        host.inject({ of: "git", match, effect });
        return expect(runClient(["ls-remote", api.cloneUrl], token)).rejects;
      };
      await failing({ status: 503 }).toMatchObject({ stderr: expect.stringContaining("503") });
      expect(host.gitCalls.at(-1)?.status).toBe(503);
      await failing({ reset: true }).toThrow(/Empty reply|reset|failed/i);
      expect(host.gitCalls.at(-1)?.status).toBe(0);
      await failing({ afterwards: { status: 404 } }).toThrow(/not found/);
      host.inject({ of: "git", match, effect: { status: 200, headers: { "content-type": "text/html" }, body: "" } });
      // What is no answer of git's makes it ask as for a folder of files, which no host gives out.
      expect((await runClient(["ls-remote", api.cloneUrl], token)).stdout).toBe("");
      expect(host.gitCalls.slice(-1)).toMatchObject([{ path: "/acme/api.git/HEAD", status: 404 }]);
      host.inject({ match: () => true, effect: { status: 502 } });
      expect((await runClient(["ls-remote", api.cloneUrl, "refs/heads/main"], token)).stdout).toContain(second);
      expect((await call(host, token, "GET /repos/acme/api")).status).toBe(502);
    });

    it.each<[string, () => Promise<[string, string | null, string]>, RegExp]>([
      ["nobody", async () => [api.cloneUrl, null, first], /could not read Username|Authentication failed/],
      ["a made-up token", async () => [api.cloneUrl, "ghs_no", first], /could not read Username|Authentication failed/],
      [
        "a token for another repository",
        async () => [api.cloneUrl, await mint(host, installation, { repository_ids: [empty.id] }), first],
        /not found/,
      ],
      [
        "a token without contents",
        async () => [api.cloneUrl, await mint(host, installation, { permissions: { checks: "write" } }), first],
        /403/,
      ],
      ["a good token asking for a lost commit", async () => [api.cloneUrl, token, "4".repeat(40)], /not our ref/],
      ["a repository that is not there", async () => [`${host.url}/acme/none.git`, token, first], /not found/],
    ])("refuses %s", async (name, ask, message) => {
      await expect(fetchWith(name.replaceAll(" ", "-"), ...(await ask()))).rejects.toMatchObject({
        stderr: expect.stringMatching(message),
      });
    });

    it("refuses to be written to, and leaves no way round the repository's name", async () => {
      const target = await fetchWith("push", api.cloneUrl, token, second);
      await expect(
        runClient(["-C", target, "push", api.cloneUrl, "HEAD:refs/heads/main"], token),
      ).rejects.toMatchObject({
        stderr: expect.stringContaining("403"),
      });
      const credentials = Buffer.from(`x-access-token:${token}`).toString("base64");
      const headers = { authorization: `Basic ${credentials}`, "x-github-api-version": "2022-11-28" };
      const tricks = ["/acme/api.git/info/refs", "/acme/..%2fapi.git/info/refs?service=git-upload-pack"];
      for (const trick of tricks) expect((await fetch(host.url + trick, { headers })).status).toBe(404);
      expect(await api.ref("refs/heads/main")).toBe(second);
    });

    it("lets nobody in while the installation is suspended, and the same token afterwards", async () => {
      const shown = await runClient(["ls-remote", api.cloneUrl, "refs/heads/main"], token);
      await host.suspend(installation);
      await expect(runClient(["ls-remote", api.cloneUrl], token)).rejects.toMatchObject({
        stderr: expect.stringContaining("403"),
      });
      await host.unsuspend(installation);
      expect(await runClient(["ls-remote", api.cloneUrl, "refs/heads/main"], token)).toEqual(shown);
    });

    it("lets an expired token in no more", async () => {
      host.expireTokens();
      await expect(fetchWith("expired", api.cloneUrl, token, first)).rejects.toMatchObject({
        stderr: expect.stringMatching(/could not read Username|Authentication failed/),
      });
      expect(isObject(host.gitCalls.at(-1)) && host.gitCalls.at(-1)?.status).toBe(401);
    });
  });
});
