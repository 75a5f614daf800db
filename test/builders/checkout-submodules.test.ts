/** Submodules, fetched by git from a real server: what repositories ask for, and what hostile ones try. */
import { existsSync } from "node:fs";
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { checkout } from "../../src/builders/checkout.ts";
import type { Git } from "../../src/builders/checkout-git.ts";
import type { Sha } from "../../src/core/model.ts";
import type { TreeEntry } from "../hosts/git/git.ts";
import { type GitServer, startGitServer } from "../support/git-server.ts";
import { createLocalGit, type LocalGit } from "../support/local-git.ts";

let server: GitServer;
let folder: string;
beforeAll(async () => {
  server = await startGitServer();
});
afterAll(() => server?.stop());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharfinger-submodules-"));
});
afterEach(() => rm(folder, { recursive: true }));

interface Run {
  readonly result: Awaited<ReturnType<typeof checkout>>;
  readonly git: LocalGit;
  readonly said: readonly string[];
}

async function run(
  sha: Sha,
  options: {
    readonly name?: string;
    /** Names of repositories the credential opens besides. */
    readonly further?: readonly string[];
    readonly trusted?: boolean;
    readonly hasNetwork?: boolean;
    readonly context?: string;
    readonly dockerfile?: string;
  } = {},
): Promise<Run> {
  const git = createLocalGit();
  const said: string[] = [];
  await rm(join(folder, "src"), { recursive: true, force: true });
  await mkdir(join(folder, "src"));
  const result = await checkout({
    cloneUrl: `${server.url}/${options.name ?? "app"}.git`,
    sha,
    pull: null,
    gitDir: join(folder, `git-${said.length}-${Math.random()}`),
    workTree: join(folder, "src"),
    folder: join(folder, "src"),
    inputs: { context: options.context ?? ".", dockerfile: options.dockerfile ?? "Dockerfile" },
    credential: server.credential,
    further: (options.further ?? []).map((name) => ({
      cloneUrl: `${server.url}/${name}.git`,
      credential: server.credential,
    })),
    trusted: options.trusted ?? true,
    hasNetwork: options.hasNetwork ?? true,
    say: (line) => said.push(line),
    git,
  });
  return { result, git, said };
}

function modules(...entries: readonly (readonly [path: string, url: string, more?: string])[]): string {
  return entries
    .map(([path, url, more = ""], index) => `[submodule "m${index}"]\n\tpath = ${path}\n\turl = ${url}\n${more}`)
    .join("");
}

function text(path: string): Promise<string> {
  return readFile(join(folder, "src", path), "utf8");
}

function failure(words: string) {
  return { ok: false, failure: { class: "checkout", message: expect.stringContaining(words) } };
}

async function app(files: Readonly<Record<string, TreeEntry>>): Promise<Sha> {
  return server.commit("app", { Dockerfile: "FROM scratch\n", ...files });
}

describe("submodules", () => {
  let shared: Sha;
  let open: Sha;
  beforeAll(async () => {
    shared = await server.commit("shared", { which: "shared" });
    open = await server.commit("open", { which: "open" });
    server.open("open");
  });

  it("are fetched at the commit that is recorded, with their own below them, and leave nothing of git's", async () => {
    const middle = await server.commit("middle", {
      which: "middle",
      ".gitmodules": modules(["deep/down", "../shared.git"]),
      "deep/down": { submodule: shared },
    });
    await server.commit("middle", { which: "newer" });
    const sha = await app({
      ".gitmodules": modules(["libs/middle", "../middle.git"], ["libs/open", `${server.url}/open.git`]),
      "libs/middle": { submodule: middle },
      "libs/open": { submodule: open },
    });
    const { result, git, said } = await run(sha, { further: ["shared", "middle"] });
    expect(result).toEqual({ ok: true });
    expect(await text("libs/middle/which")).toBe("middle");
    expect(await text("libs/middle/deep/down/which")).toBe("shared");
    expect(await text("libs/open/which")).toBe("open");
    expect(said).toEqual([
      `submodule libs/middle: ${server.url}/middle.git at ${middle}`,
      `submodule libs/middle/deep/down: ${server.url}/shared.git at ${shared}`,
      `submodule libs/open: ${server.url}/open.git at ${open}`,
    ]);
    const all = await readdir(join(folder, "src"), { recursive: true });
    expect(all.filter((path) => /(?:^|\/)\.git(?:\/|$)/.test(path))).toEqual([]);
    const { username, password } = server.credential;
    const basic = Buffer.from(`${username}:${password}`).toString("base64");
    for (const { args } of git.calls) expect(args.join(" ")).not.toMatch(new RegExp(`${password}|${basic}`));
    for (const path of all) {
      if ((await lstat(join(folder, "src", path))).isFile()) expect(await text(path)).not.toContain(password);
    }
  });

  it("get the credential only where the build may read them", async () => {
    const sha = await app({
      ".gitmodules": modules(["shared", "../shared.git"], ["open", "../open.git"]),
      shared: { submodule: shared },
      open: { submodule: open },
    });
    const { result, git } = await run(sha, { further: ["shared"] });
    expect(result).toEqual({ ok: true });
    const opened = git.calls
      .filter(({ args }) => args[0] === "fetch")
      .map(({ args, env }) => [args.at(-2)?.slice(server.url.length), JSON.stringify(env).includes("Authorization")]);
    expect(opened).toEqual([
      ["/app.git", true],
      ["/shared.git", true],
      ["/open.git", false],
    ]);
    for (const { env, args } of git.calls.filter(({ args }) => args[0] !== "fetch")) {
      if (args[0] === "ls-tree" || args[0] === "config") expect(JSON.stringify(env)).not.toContain("Authorization");
    }
  });

  it("that are private and not allowed fail the build, which says what to do", async () => {
    const sha = await app({ ".gitmodules": modules(["shared", "../shared.git"]), shared: { submodule: shared } });
    const { result } = await run(sha);
    expect(result).toMatchObject(failure("The submodule `shared` could not be fetched"));
    expect(result).toMatchObject(failure("name it under `repositories` in .wharfinger.yml"));
    expect(result).toMatchObject({ retryable: false });
  });

  it("of code that strangers wrote are fetched as strangers, even those of the same repository", async () => {
    const old = await app({ which: "app" });
    const sha = await app({
      ".gitmodules": modules(["shared", "../shared.git"]),
      shared: { submodule: shared },
    });
    const { result } = await run(sha, { further: ["shared"], trusted: false });
    expect(result).toMatchObject(failure("Builds of pull requests from forks read nothing that is private."));
    const itself = await app({ ".gitmodules": modules(["self", "../app.git"]), self: { submodule: old } });
    expect((await run(itself, { trusted: false })).result).toMatchObject(failure("not open to everybody"));
    expect((await run(itself)).result).toEqual({ ok: true });
    expect(await text("self/which")).toBe("app");
  });

  it("whose commit is not there say so", async () => {
    const sha = await app({ ".gitmodules": modules(["open", "../open.git"]), open: { submodule: "1".repeat(40) } });
    expect((await run(sha)).result).toMatchObject(failure(`has no commit ${"1".repeat(40)}`));
  });

  it("elsewhere are fetched from the build's network, over https and without a credential", async () => {
    const sha = await app({
      ".gitmodules": modules(["lib", "https://127.0.0.1:1/lib.git"]),
      lib: { submodule: shared },
    });
    const { result, git } = await run(sha, { further: ["shared"] });
    expect(result).toMatchObject({ ...failure("could not be reached from the build's network"), retryable: true });
    const fetch = git.calls.filter(({ args }) => args[0] === "fetch").at(-1);
    expect(fetch?.network).toBe("build");
    expect(JSON.stringify(fetch?.env)).not.toContain("Authorization");
    expect(fetch?.env["GIT_ALLOW_PROTOCOL"]).toBe("https");
    expect(git.calls.filter(({ network }) => network === "machine").length).toBeGreaterThan(0);
    const without = await run(sha, { hasNetwork: false });
    expect(without.result).toMatchObject(failure("builds have no network here"));
    expect(without.git.calls.some(({ network }) => network === "build")).toBe(false);
  });

  it("that the build can not see are left out, and so are those nobody needs", async () => {
    const closed = ["closed", "../shared.git"] as const;
    const sha = await app({
      ".gitmodules": modules(
        closed,
        ["services/api/open", "../open.git"],
        ["none", "../shared.git", "\tupdate = none\n"],
      ),
      closed: { submodule: shared },
      none: { submodule: shared },
      "services/api/open": { submodule: open },
      "services/api/Dockerfile": "FROM scratch\n",
      short: { symlink: "services/api" },
    });
    for (const context of ["services/api", "./services//api/", "short", "services"]) {
      const { result } = await run(sha, { context });
      expect({ context, result }).toEqual({ context, result: { ok: true } });
      expect(await text("services/api/open/which")).toBe("open");
      expect(await readdir(join(folder, "src/closed"))).toEqual([]);
    }
    expect((await run(sha, { context: "." })).result).toMatchObject(failure("`closed`"));
    expect((await run(sha, { context: "services/api", dockerfile: "../../closed/Dockerfile" })).result).toMatchObject(
      failure("`closed`"),
    );
    expect((await run(sha, { context: "closed/sub" })).result).toMatchObject(failure("`closed`"));
    expect((await run(sha, { context: ".", further: ["shared"] })).result).toEqual({ ok: true });
    expect(await readdir(join(folder, "src/none"))).toEqual([]);
  });

  it("need an entry and a commit: one without the other is none", async () => {
    const sha = await app({
      ".gitmodules": modules(["gone", "../shared.git"], ["file", "../shared.git"]),
      unnamed: { submodule: shared },
      file: "text",
    });
    const { result, git } = await run(sha);
    expect(result).toEqual({ ok: true });
    expect(git.calls.filter(({ args }) => args[0] === "fetch")).toHaveLength(1);
    expect(await text("file")).toBe("text");
  });
});

describe("a hostile .gitmodules", () => {
  let open: Sha;
  beforeAll(async () => {
    open = await server.commit("target", { which: "target", "hooks/post-checkout": { executable: "#!/bin/sh\n" } });
    server.open("target");
  });

  it.each([
    ["git@github.com:acme/shared.git"],
    ["file:///etc"],
    ["/etc"],
    ["ext::sh -c touch% /tmp/pwned"],
    ["git://127.0.0.1/x.git"],
    ["../../../../x.git"],
    ["http://127.0.0.1:1/x.git"],
  ])("leads to no address like %s", async (url) => {
    const sha = await app({ ".gitmodules": modules(["lib", url]), lib: { submodule: open } });
    const { result, git } = await run(sha);
    expect(result).toMatchObject({ ok: false, retryable: false, failure: { class: "checkout" } });
    expect(git.calls.filter(({ args }) => args[0] === "fetch")).toHaveLength(1);
  });

  it.each(["../out", "a/../../out", "/out", ".git", ".GIT/modules", "a/.git/b", "git~1", "-x", "./lib", "a//b"])(
    "leads to no path like %s",
    async (path) => {
      const sha = await app({ ".gitmodules": modules([path, "../target.git"]), lib: { submodule: open } });
      const { result, git } = await run(sha);
      expect(result).toMatchObject({ ok: false, retryable: false, failure: { class: "checkout" } });
      expect(git.calls.filter(({ args }) => args[0] === "fetch")).toHaveLength(1);
      expect(existsSync(join(folder, "out"))).toBe(false);
    },
  );

  it("has names that are part of no path", async () => {
    const lib = "\tpath = lib\n\turl = ../target.git\n";
    for (const name of ["x/../../../evil", "..", ".git/hooks", "a b", "-x"]) {
      const sha = await app({ ".gitmodules": `[submodule "${name}"]\n${lib}`, lib: { submodule: open } });
      const { result } = await run(sha);
      // git itself refuses the worst of them as it receives them.
      if (result.ok) expect(await text("lib/which")).toBe("target");
      else expect(result).toMatchObject(failure("unsafe"));
      expect((await readdir(folder)).filter((one) => !/^(?:src|git-.*)$/.test(one))).toEqual([]);
    }
  });

  it("that is a link, or says two things of one submodule, is not believed", async () => {
    const link = await app({ ".gitmodules": { symlink: "other" }, other: modules(["lib", "../target.git"]) });
    expect((await run(link)).result).toMatchObject({ ok: false, failure: { class: "checkout" } });
    const twice = '[submodule "m"]\n\tpath = lib\n\turl = ../target.git\n\turl = ../shared.git\n';
    const split = `${modules(["lib", "../target.git"])}[submodule "other"]\n\tpath = lib\n\turl = ../shared.git\n`;
    for (const file of [twice, split, "[submodule", "\0\0"]) {
      const sha = await app({ ".gitmodules": file, lib: { submodule: open } });
      expect({ file, ...(await run(sha)).result }).toMatchObject({ file, ...failure("can not be read") });
    }
  });

  it("does not get out through a link in the tree, or in another submodule", async () => {
    const linked = await server.commit("linked", { inner: { symlink: "../.." }, which: "linked" });
    server.open("linked");
    const sha = await app({
      ".gitmodules": modules(["one", "../linked.git"], ["one/inner/two", "../target.git"]),
      one: { submodule: linked },
    });
    const { result } = await run(sha);
    expect(result).toEqual({ ok: true });
    expect(existsSync(join(folder, "two"))).toBe(false);
    expect(existsSync(join(folder, "src/two"))).toBe(false);
    // A tree that names a link and what is below it: git refuses it as it arrives, or nothing is written through it.
    const nested = await server.commit("nested", {
      ".gitmodules": modules(["link/lib", "../target.git"]),
      link: { symlink: "../.." },
      "other/lib": { submodule: open },
    });
    server.open("nested");
    const outer = await app({ ".gitmodules": modules(["one", "../nested.git"]), one: { submodule: nested } });
    await run(outer);
    expect(existsSync(join(folder, "lib"))).toBe(false);
    expect(existsSync(join(folder, "src/lib"))).toBe(false);
  });

  it("has no end of depth, and no end of submodules", async () => {
    let below = await server.commit("depth-0", { which: "0" });
    server.open("depth-0");
    for (let level = 1; level <= 6; level += 1) {
      below = await server.commit(`depth-${level}`, {
        ".gitmodules": modules(["d", `../depth-${level - 1}.git`]),
        d: { submodule: below },
      });
      server.open(`depth-${level}`);
    }
    expect((await run(below, { name: "depth-6" })).result).toMatchObject(failure("more than 5 deep"));
    const many = Array.from({ length: 101 }, (_, index) => [`m/${index}`, "../target.git"] as const);
    const sha = await app({
      ".gitmodules": modules(...many),
      ...Object.fromEntries(many.map(([path]) => [path, { submodule: open }])),
    });
    expect((await run(sha)).result).toMatchObject(failure("more than 100 submodules"));
  });
});

/** A git that says what it is told: what git itself would not let arrive has to be refused all the same. */
describe("what git should have refused", () => {
  const sha = "1".repeat(40);
  let root: string;
  let outside: string;
  let fetched: string[];
  beforeEach(async () => {
    root = join(folder, "src");
    outside = join(folder, "outside");
    fetched = [];
    for (const one of [root, join(outside, "lib")]) await mkdir(one, { recursive: true });
    await writeFile(join(root, ".gitmodules"), "what the parts say");
  });

  function obedient(paths: readonly string[], mode = "100644"): Git {
    return {
      async run(_commands, env) {
        const workTree = env["GIT_WORK_TREE"] ?? "";
        if (workTree !== root) fetched.push(workTree);
        return { code: 0, said: [sha] };
      },
      async read(args) {
        if (args[0] === "config") return Buffer.from(paths.map(entry).join(""));
        const path = args.at(-1) ?? "";
        return Buffer.from(
          path === ".gitmodules" ? `${mode} blob ${sha}\t${path}\0` : `160000 commit ${sha}\t${path}\0`,
        );
      },
    };
  }

  function entry(path: string): string {
    return `submodule.${path}.path\n${path}\0submodule.${path}.url\n../x.git\0`;
  }

  function checkedOut(git: Git) {
    return checkout({
      cloneUrl: "https://git.test/acme/api.git",
      sha,
      pull: null,
      gitDir: join(folder, "git"),
      workTree: root,
      folder: root,
      inputs: { context: ".", dockerfile: "Dockerfile" },
      credential: null,
      further: [],
      trusted: true,
      hasNetwork: true,
      say: () => undefined,
      git,
    });
  }

  it("a link on the way to a submodule, or in its place, leads nowhere", async () => {
    await symlink(outside, join(root, "link"));
    await symlink(join(outside, "lib"), join(root, "lib"));
    await symlink("loop", join(root, "loop"));
    for (const path of ["link/lib", "lib", "loop", "nowhere"]) {
      expect(await checkedOut(obedient([path]))).toMatchObject(failure("its place is not an empty folder of its own"));
    }
    expect(fetched).toEqual([]);
  });

  it("a place that is not empty is not written to", async () => {
    await mkdir(join(root, "full"));
    await writeFile(join(root, "full/file"), "");
    await writeFile(join(root, "file"), "");
    for (const path of ["full", "file", "file/below"]) {
      expect(await checkedOut(obedient([path]))).toMatchObject(failure("its place is not an empty folder of its own"));
    }
    expect(fetched).toEqual([]);
  });

  it("a .gitmodules that is a link, a folder or a submodule is not read", async () => {
    await mkdir(join(root, "lib"));
    for (const mode of ["120000", "040000", "160000"]) {
      expect(await checkedOut(obedient(["lib"], mode))).toMatchObject(failure("can not be read"));
    }
    expect(fetched).toEqual([]);
    expect(await checkedOut(obedient(["lib"], "100755"))).toEqual({ ok: true });
  });
});

describe("submodules of submodules", () => {
  it("count together: no more than a hundred of one build are fetched", async () => {
    const root = join(folder, "src");
    const names = Array.from({ length: 60 }, (_, index) => `m/${index}`);
    await mkdir(root);
    for (const name of names) await mkdir(join(root, name), { recursive: true });
    await writeFile(join(root, ".gitmodules"), "what the parts say");
    const fetches: string[] = [];
    const sha = "1".repeat(40);
    // Each has another one in it, as soon as it was fetched.
    const git: Git = {
      async run(_commands, env) {
        const workTree = env["GIT_WORK_TREE"] ?? "";
        fetches.push(workTree);
        if (workTree !== root && !workTree.endsWith("/inner")) {
          await mkdir(join(workTree, "inner"));
          await writeFile(join(workTree, ".gitmodules"), "what the parts say");
        }
        return { code: 0, said: [sha] };
      },
      async read(args, env) {
        const paths = env["GIT_DIR"] === join(folder, "git") ? names : ["inner"];
        if (args[0] === "config") {
          const lines = paths.map((path) => `submodule.${path}.path\n${path}\0submodule.${path}.url\n../x.git\0`);
          return Buffer.from(lines.join(""));
        }
        const path = args.at(-1) ?? "";
        return Buffer.from(
          path === ".gitmodules" ? `100644 blob ${sha}\t${path}\0` : `160000 commit ${sha}\t${path}\0`,
        );
      },
    };
    const result = await checkout({
      cloneUrl: "https://git.test/acme/api.git",
      sha,
      pull: null,
      gitDir: join(folder, "git"),
      workTree: root,
      folder: root,
      inputs: { context: ".", dockerfile: "Dockerfile" },
      credential: null,
      further: [],
      trusted: true,
      hasNetwork: true,
      say: () => undefined,
      git,
    });
    expect(result).toMatchObject(failure("more than 100 submodules"));
    expect(fetches).toHaveLength(101);
  });
});
