import { describe, expect, it } from "@jest/globals";
import {
  type HostId,
  type PullRequest,
  type PullRequestChange,
  parseSha,
  type RefChange,
  type Repository,
  type Sha,
} from "../../src/core/model.ts";
import { createGithubHost } from "../../src/github/host.ts";
import { type Answer, API_URL, accessAnswering, type Call } from "./recorded-fetch.ts";

function sha(digit: string): Sha {
  const result = parseSha(digit.repeat(40));
  if (result === null) throw new Error(`${digit} is not a digit of a hash.`);
  return result;
}

const installation: HostId = { provider: "github", host: "default", id: "7" };

const repository: Repository = {
  provider: "github",
  host: "default",
  id: "5",
  fullName: "acme/api",
  private: true,
  defaultBranch: "main",
  cloneUrl: "https://github.test/acme/api.git",
  webUrl: "https://github.test/acme/api",
};

function hostAnswering(answer: (call: Call, count: number) => Answer) {
  const { access, network } = accessAnswering(answer);
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const host = createGithubHost({ access, webUrl: "https://github.test", log });
  return { host, network, paths: () => network.asked().map((call) => call.path) };
}

const NOT_FOUND: Answer = { status: 404, body: { message: "Not Found" } };

function base64(text: string | Buffer): Answer {
  return { status: 200, body: { type: "file", encoding: "base64", content: Buffer.from(text).toString("base64") } };
}

describe("a file at a commit", () => {
  function read(path: string, answer: (call: Call, count: number) => Answer) {
    const side = hostAnswering(answer);
    return { ...side, outcome: side.host.file(installation, repository, sha("a"), path) };
  }

  it("is read with one call, by a token for this repository's contents", async () => {
    const { outcome, network, paths } = read(".wharfinger.yml", () => base64("version: 1\n# ü\n"));
    expect(await outcome).toEqual({ ok: true, value: { kind: "file", text: "version: 1\n# ü\n" } });
    expect(paths()).toEqual([`/repositories/5/contents/.wharfinger.yml?ref=${"a".repeat(40)}`]);
    expect(network.calls[0]?.body).toEqual({ repository_ids: [5], permissions: { contents: "read" } });
  });

  it("may be empty, and may be named anything", async () => {
    const { outcome, paths } = read("a b/ü?#%/c", () => base64(""));
    expect(await outcome).toEqual({ ok: true, value: { kind: "file", text: "" } });
    expect(paths()).toEqual([`/repositories/5/contents/a%20b/%C3%BC%3F%23%25/c?ref=${"a".repeat(40)}`]);
  });

  it.each(["../secrets", "a/../../b", "./a", "a//b", "/etc/passwd", "", "a/"])(
    "is never asked for as %p",
    async (path) => {
      const { outcome, network } = read(path, () => base64(""));
      expect(await outcome).toMatchObject({ ok: true, value: { kind: "unreadable" } });
      expect(network.calls).toEqual([]);
    },
  );

  it.each<[string, Answer, string]>([
    ["a folder", { status: 200, body: [{ name: "a", type: "file" }] }, "folder"],
    ["an empty folder", { status: 200, body: [] }, "folder"],
    ["a link to nowhere", { status: 200, body: { type: "symlink", target: "/etc/passwd" } }, "symbolic link"],
    ["a submodule", { status: 200, body: { type: "submodule", submodule_git_url: "x" } }, "submodule"],
    ["large", { status: 200, body: { type: "file", encoding: "none", content: "", size: 2 ** 21 } }, "1 MiB"],
    ["huge", { status: 403, body: { message: "Too big.", errors: [{ code: "too_large" }] } }, "1 MiB"],
    ["not UTF-8", base64(Buffer.from([0x80, 0x81])), "UTF-8"],
    ["UTF-16", base64(Buffer.from("\ufeffversion: 1", "utf16le")), "UTF-8"],
  ])("that is %s is unreadable, and says why", async (_, answer, why) => {
    const { outcome } = read(".wharfinger.yml", () => answer);
    expect(await outcome).toMatchObject({ ok: true, value: { kind: "unreadable", why: expect.stringContaining(why) } });
  });

  it("that is missing costs one more call, which names the file that was meant", async () => {
    const { outcome, paths } = read(".wharfinger.yml", (_, count) =>
      count === 1
        ? NOT_FOUND
        : {
            status: 200,
            body: [
              { name: "wharfinger.yml", type: "dir" },
              { name: "README.md", type: "file" },
              { name: ".Wharfinger.yaml", type: "file" },
            ],
          },
    );
    expect(await outcome).toEqual({ ok: true, value: { kind: "missing", hint: ".Wharfinger.yaml" } });
    expect(paths()).toHaveLength(2);
  });

  it("that is missing without a similar one has no hint", async () => {
    const { outcome } = read(".wharfinger.yml", (_, count) => (count === 1 ? NOT_FOUND : { status: 200, body: [] }));
    expect(await outcome).toEqual({ ok: true, value: { kind: "missing", hint: null } });
  });

  it("is gone when its commit or repository is", async () => {
    const { outcome } = read(".wharfinger.yml", () => NOT_FOUND);
    expect(await outcome).toEqual({ ok: true, value: { kind: "gone" } });
  });

  it("that may not be read is a failure that names the permission", async () => {
    const { outcome } = read(".wharfinger.yml", () => ({
      status: 403,
      body: { message: "Resource not accessible by integration" },
      headers: { "x-accepted-github-permissions": "contents=read" },
    }));
    expect(await outcome).toEqual({
      ok: false,
      retryable: false,
      retryAfter: null,
      message: expect.stringMatching(/Resource not accessible by integration.*contents=read/),
    });
  });

  it.each<Answer>([
    { status: 200, body: "<html>" },
    { status: 200, body: { type: 1 } },
    { status: 204 },
    { status: 422, body: { message: "No" } },
  ])("is not made up from %j", async (answer) => {
    const { outcome } = read(".wharfinger.yml", () => answer);
    expect(await outcome).toMatchObject({ ok: false, retryable: false });
  });

  it("is not called missing when GitHub fails while it is looked for", async () => {
    const { outcome } = read(".wharfinger.yml", (_, count) => (count === 1 ? NOT_FOUND : { status: 502 }));
    expect(await outcome).toMatchObject({ ok: false, retryable: true });
  });
});

describe("a file on a branch", () => {
  function read(branch: string, answer: (call: Call, count: number) => Answer) {
    const side = hostAnswering(answer);
    return { ...side, outcome: side.host.file(installation, repository, { branch }, ".wharfinger.yml") };
  }

  it("is asked for by the branch's whole name, so that no tag can stand in for it", async () => {
    const { outcome, paths } = read("release/1 #?", () => base64("version: 1\n"));
    expect(await outcome).toEqual({ ok: true, value: { kind: "file", text: "version: 1\n" } });
    expect(paths()).toEqual(["/repositories/5/contents/.wharfinger.yml?ref=refs%2Fheads%2Frelease%2F1+%23%3F"]);
  });

  it("costs one call also where the file or the branch is missing", async () => {
    const { outcome, paths } = read("main", () => NOT_FOUND);
    expect(await outcome).toEqual({ ok: true, value: { kind: "missing", hint: null } });
    expect(paths()).toHaveLength(1);
  });

  it.each<Answer>([{ status: 502 }, { status: 429, headers: { "retry-after": "60" } }, { status: 403 }])(
    "is not called missing when GitHub answers %j",
    async (answer) => {
      const { outcome } = read("main", () => answer);
      expect(await outcome).toMatchObject({ ok: false });
    },
  );
});

describe("the paths a push changed", () => {
  const moved: RefChange = {
    kind: "branch",
    ref: "refs/heads/main",
    name: "main",
    before: sha("a"),
    after: sha("b"),
    commit: sha("b"),
    forced: false,
    message: "",
  };
  const created: RefChange = { ...moved, ref: "refs/heads/new", name: "new", before: null };

  function compare(change: RefChange, answer: Answer, of: Repository = repository) {
    const side = hostAnswering(() => answer);
    return { ...side, outcome: side.host.changedPaths(installation, of, change) };
  }

  const files = [
    { filename: "src/a.ts", status: "modified" },
    { filename: "src/new.ts", previous_filename: "src/old.ts", status: "renamed" },
    { filename: "src/old.ts", status: "added" },
  ];

  it("are one call, with both sides of a rename", async () => {
    const { outcome, paths } = compare(moved, { status: 200, body: { status: "ahead", files } });
    expect(await outcome).toEqual({ ok: true, value: ["src/a.ts", "src/new.ts", "src/old.ts"] });
    expect(paths()).toEqual([`/repositories/5/compare/${"a".repeat(40)}...${"b".repeat(40)}?per_page=1`]);
  });

  it("of a new branch are those since it left the default branch", async () => {
    const ofRelease = { ...repository, defaultBranch: "release/next" };
    const { outcome, paths } = compare(created, { status: 200, body: { status: "diverged", files } }, ofRelease);
    expect(await outcome).toMatchObject({ ok: true, value: ["src/a.ts", "src/new.ts", "src/old.ts"] });
    expect(paths()).toEqual([`/repositories/5/compare/release%2Fnext...${"b".repeat(40)}?per_page=1`]);
  });

  it.each<[string, string]>([
    ["moved", `@@ -1 +1 @@\n-Subproject commit ${"1".repeat(40)}\n+Subproject commit ${"2".repeat(40)}`],
    ["new", `@@ -0,0 +1 @@\n+Subproject commit ${"2".repeat(64)}`],
    ["gone", `@@ -1 +0,0 @@\n-Subproject commit ${"1".repeat(40)}\n`],
  ])("mark a submodule that is %s by a slash", async (_, patch) => {
    const body = { status: "ahead", files: [{ filename: "libs/foo", patch }] };
    expect(await compare(moved, { status: 200, body }).outcome).toEqual({ ok: true, value: ["libs/foo/"] });
  });

  it.each<[string, unknown]>([
    ["another line", `@@ -1,2 +1,2 @@\n-Subproject commit ${"1".repeat(40)}\n+Subproject commit x\n text`],
    ["a line that only begins so", `@@ -1 +1 @@\n+Subproject commit ${"1".repeat(40)} and more`],
    ["no patch, being large", undefined],
    ["a patch of wrong type", 7],
  ])("take a file for a file with %s", async (_, patch) => {
    const body = { status: "ahead", files: [{ filename: "libs/foo", patch }] };
    expect(await compare(moved, { status: 200, body }).outcome).toEqual({ ok: true, value: ["libs/foo"] });
  });

  it("are none when the commits hold the same", async () => {
    const { outcome } = compare(moved, { status: 200, body: { status: "identical", files: [] } });
    expect(await outcome).toEqual({ ok: true, value: [] });
  });

  it.each<[string, RefChange, Answer]>([
    ["300 files, perhaps cut", moved, { status: 200, body: { status: "ahead", files: Array(300).fill(files[0]) } }],
    ["history that is gone", moved, NOT_FOUND],
    [
      "a force push, which also takes away",
      { ...moved, forced: true },
      { status: 200, body: { status: "diverged", files } },
    ],
    ["a branch set back", { ...moved, forced: true }, { status: 200, body: { status: "behind", files: [] } }],
    ["a new branch without commits of its own", created, { status: 200, body: { status: "identical", files: [] } }],
    ["an answer without files", moved, { status: 200, body: { status: "ahead" } }],
    ["a word GitHub does not use yet", moved, { status: 200, body: { status: "sideways", files } }],
  ])("are not known after %s", async (_, change, answer) => {
    expect(await compare(change, answer).outcome).toEqual({ ok: true, value: null });
  });

  it.each<[string, RefChange, Repository]>([
    ["a tag", { ...moved, kind: "tag", ref: "refs/tags/v1", name: "v1" }, repository],
    ["a deleted branch", { ...moved, after: null, commit: null }, repository],
    ["the first push of the default branch", { ...created, ref: "refs/heads/main", name: "main" }, repository],
    ["a new branch where there is no default branch", created, { ...repository, defaultBranch: null }],
  ])("are not asked for after %s", async (_, change, of) => {
    const { outcome, network } = compare(change, NOT_FOUND, of);
    expect(await outcome).toEqual({ ok: true, value: null });
    expect(network.calls).toEqual([]);
  });

  it.each<[Answer, boolean]>([
    [{ status: 500 }, true],
    [{ status: 403, body: { message: "Resource not accessible by integration" } }, false],
    [{ status: 200, body: [] }, false],
  ])("are a failure, not unknown, after %j", async (answer, retryable) => {
    expect(await compare(moved, answer).outcome).toMatchObject({ ok: false, retryable });
  });
});

describe("the paths a pull request changes", () => {
  const pull: PullRequest = {
    number: 3,
    target: "release/next",
    targetCommit: sha("a"),
    fork: true,
    draft: false,
    queued: false,
    closed: false,
    checkout: { cloneUrl: repository.cloneUrl, ref: "refs/pull/3/head", anonymous: false },
  };
  const change: PullRequestChange = {
    kind: "pull_request",
    ref: "refs/heads/fix",
    name: "3",
    before: sha("c"),
    after: sha("b"),
    commit: sha("b"),
    forced: false,
    message: "",
    pull,
  };
  const files = [{ filename: "new", previous_filename: "old" }];

  function compare(of: PullRequestChange, answer: Answer) {
    const side = hostAnswering(() => answer);
    return { ...side, outcome: side.host.changedPaths(installation, repository, of) };
  }

  it.each(["ahead", "diverged"])("are those since it left its target, which it is %s of", async (status) => {
    const { outcome, paths } = compare(change, { status: 200, body: { status, files } });
    expect(await outcome).toEqual({ ok: true, value: ["new", "old"] });
    expect(paths()).toEqual([`/repositories/5/compare/${"a".repeat(40)}...${"b".repeat(40)}?per_page=1`]);
  });

  it("are compared with its target's tip where the event does not say its commit", async () => {
    const unsaid = { ...change, pull: { ...pull, targetCommit: null } };
    const { outcome, paths } = compare(unsaid, { status: 200, body: { status: "ahead", files } });
    expect(await outcome).toEqual({ ok: true, value: ["new", "old"] });
    expect(paths()).toEqual([`/repositories/5/compare/release%2Fnext...${"b".repeat(40)}?per_page=1`]);
  });

  it("are none where it holds what its target does", async () => {
    const { outcome } = compare(change, { status: 200, body: { status: "identical", files: [] } });
    expect(await outcome).toEqual({ ok: true, value: [] });
  });

  it.each<[string, Answer]>([
    ["300 files, perhaps cut", { status: 200, body: { status: "ahead", files: Array(300).fill(files[0]) } }],
    ["no common history", { status: 404, body: { message: "No common ancestor" } }],
    ["a target that has it already", { status: 200, body: { status: "behind", files: [] } }],
  ])("are not known with %s", async (_, answer) => {
    expect(await compare(change, answer).outcome).toEqual({ ok: true, value: null });
  });

  it("are not asked for once it is closed", async () => {
    const { outcome, network } = compare({ ...change, after: null, commit: null }, NOT_FOUND);
    expect(await outcome).toEqual({ ok: true, value: null });
    expect(network.calls).toEqual([]);
  });
});

describe("the tags of a repository", () => {
  const next = (page: number) => ({
    link: `<${API_URL}/repositories/5/git/matching-refs/tags?page=${page}>; rel="next", <${API_URL}/x?page=9>; rel="last"`,
  });

  it("are read page by page, without what only looks like a tag", async () => {
    const { host, paths } = hostAnswering((_, count) =>
      count === 1
        ? { status: 200, body: [{ ref: "refs/tags/v1" }, { ref: "refs/tagsnot/x" }], headers: next(2) }
        : { status: 200, body: [{ ref: "refs/tags/api/v2" }] },
    );
    expect(await host.tags(installation, repository)).toEqual({ ok: true, value: ["v1", "api/v2"] });
    expect(paths()).toEqual([
      "/repositories/5/git/matching-refs/tags",
      "/repositories/5/git/matching-refs/tags?page=2",
    ]);
  });

  it("are not known when there are more than ten pages, or no commits", async () => {
    const endless = hostAnswering((_, count) => ({ status: 200, body: [], headers: next(count + 1) }));
    expect(await endless.host.tags(installation, repository)).toEqual({ ok: true, value: null });
    expect(endless.paths()).toHaveLength(10);
    for (const status of [404, 409]) {
      const { host } = hostAnswering(() => ({ status, body: { message: "Git Repository is empty." } }));
      expect(await host.tags(installation, repository)).toEqual({ ok: true, value: null });
    }
  });

  it("are not fetched from elsewhere because a page says so", async () => {
    const link = `<https://elsewhere.test/tags?page=2>; rel="next"`;
    const { host, network } = hostAnswering(() => ({ status: 200, body: [], headers: { link } }));
    expect(await host.tags(installation, repository)).toMatchObject({ ok: false, retryable: false });
    expect(network.asked()).toHaveLength(1);
  });
});

describe("an installation", () => {
  const answer = { id: 7, account: { id: 9, login: "acme", type: "Organization" }, permissions: { checks: "write" } };

  it("is asked about by the App itself", async () => {
    const { host, network } = hostAnswering(() => ({ status: 200, body: { ...answer, suspended_at: null } }));
    expect(await host.installation(installation)).toEqual({
      ok: true,
      value: {
        account: { provider: "github", host: "default", id: "9", login: "acme", kind: "organization" },
        state: "active",
        permissions: { checks: "write" },
      },
    });
    expect(network.calls.map((call) => [call.path, call.headers.get("authorization")?.slice(0, 10)])).toEqual([
      ["/app/installations/7", "Bearer eyJ"],
    ]);
  });

  it("may be suspended, gone, or out of reach", async () => {
    const suspended = hostAnswering(() => ({ status: 200, body: { ...answer, suspended_at: "2026-11-20T10:00:00Z" } }));
    expect(await suspended.host.installation(installation)).toMatchObject({ ok: true, value: { state: "suspended" } });
    const gone = hostAnswering(() => NOT_FOUND);
    expect(await gone.host.installation(installation)).toEqual({ ok: true, value: null });
    const refused = hostAnswering(() => ({ status: 401, body: { message: "'Expiration time' claim is too far" } }));
    expect(await refused.host.installation(installation)).toMatchObject({
      ok: false,
      retryable: true,
      message: expect.stringContaining("APP_ID"),
    });
  });

  it("lists all its repositories, or fails", async () => {
    const one = (id: number) => ({ id, full_name: `acme/r${id}`, private: true });
    const link = `<${API_URL}/installation/repositories?per_page=100&page=2>; rel="next"`;
    const { host, network } = hostAnswering((_, count) =>
      count === 1
        ? { status: 200, body: { total_count: 2, repositories: [one(1)] }, headers: { link } }
        : { status: 200, body: { total_count: 2, repositories: [one(2)] } },
    );
    expect(await host.repositories(installation)).toMatchObject({
      ok: true,
      value: [
        { id: "1", fullName: "acme/r1" },
        { id: "2", fullName: "acme/r2" },
      ],
    });
    expect(network.calls[0]?.body).toEqual({ permissions: { metadata: "read" } });
    const half = hostAnswering((_, count) =>
      count === 1 ? { status: 200, body: { repositories: [one(1)] }, headers: { link } } : { status: 502 },
    );
    expect(await half.host.repositories(installation)).toMatchObject({ ok: false, retryable: true });
  });
});
