import { describe, expect, it } from "@jest/globals";
import { createBitbucketHost } from "../../src/bitbucket/host.ts";
import {
  type HostId,
  type PullRequestChange,
  parseSha,
  type RefChange,
  type Repository,
  type Sha,
} from "../../src/core/model.ts";
import {
  ACME,
  type Answer,
  type Answering,
  API_URL,
  accessAnswering,
  CLIENT,
  CONNECTION,
  type Granted,
  NOT_FOUND,
  OF_ONE,
  OTHER,
  OTHER_REPO,
  REPO,
  REPO_PATH,
  refused,
  WEB_URL,
} from "./recorded-fetch.ts";

function sha(digit: string): Sha {
  const result = parseSha(digit.repeat(40));
  if (result === null) throw new Error(`${digit} is not a digit of a hash.`);
  return result;
}

const A = "a".repeat(40);
const B = "b".repeat(40);
const TIP = "c".repeat(40);

const installation: HostId = { provider: "bitbucket", host: "default", id: ACME };

const repository: Repository = {
  provider: "bitbucket",
  host: "default",
  id: REPO,
  fullName: "acme/api",
  private: true,
  defaultBranch: "main",
  cloneUrl: `${WEB_URL}/acme/api.git`,
  webUrl: `${WEB_URL}/acme/api`,
};

/** As Bitbucket describes the repository. */
const shown = {
  type: "repository",
  uuid: REPO,
  full_name: "acme/api",
  is_private: true,
  workspace: { uuid: ACME, slug: "acme" },
  mainbranch: { type: "branch", name: "main", target: { hash: TIP } },
};

function hostAnswering(answer: Answering, granted: Granted = { clients: [CLIENT] }) {
  const side = accessAnswering(answer, granted);
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const host = createBitbucketHost({ ...side, log });
  /** Below the repository, without the query. */
  const below = () => side.network.paths().map((path) => path.replace(REPO_PATH, "").replace(/\?.*/, ""));
  return { ...side, host, below };
}

function ok200(body: unknown): Answer {
  return { status: 200, body };
}

/** Answers by the path below the repository; what is not there is not found. */
function routes(answers: Readonly<Record<string, Answer>>): Answering {
  return (call) => answers[call.path.replace(REPO_PATH, "").replace(/\?.*/, "")] ?? NOT_FOUND;
}

describe("a look at a repository", () => {
  const look = (answer: Answering, granted?: Granted) => {
    const side = hostAnswering(answer, granted);
    return { ...side, outcome: side.host.look(installation, repository) };
  };

  it("is one call by ids, and says what is true now", async () => {
    const now = { ...shown, full_name: "acme-2/renamed", is_private: false };
    const { outcome, network } = look(() => ok200(now));
    expect(await outcome).toEqual({
      ok: true,
      value: {
        kind: "seen",
        repository: {
          ...repository,
          fullName: "acme-2/renamed",
          private: false,
          cloneUrl: `${WEB_URL}/acme-2/renamed.git`,
          webUrl: `${WEB_URL}/acme-2/renamed`,
        },
      },
    });
    expect(network.asked().map((call) => [call.path.split("?")[0], call.query])).toEqual([
      [REPO_PATH, { fields: "*,mainbranch.type,mainbranch.name,mainbranch.target.hash" }],
    ]);
  });

  it.each([null, undefined])("knows no default branch while there are no commits (%j)", async (mainbranch) => {
    const { outcome } = look(() => ok200({ ...shown, mainbranch }));
    expect(await outcome).toMatchObject({ value: { repository: { defaultBranch: null } } });
  });

  it("takes uuids however they are written", async () => {
    const spelled = { ...shown, uuid: REPO.slice(1, -1).toUpperCase(), workspace: { uuid: ACME.toUpperCase() } };
    const { outcome } = look(() => ok200(spelled));
    expect(await outcome).toMatchObject({ value: { kind: "seen", repository: { id: REPO } } });
  });

  it.each<[string, Answer]>([
    ["deleted", NOT_FOUND],
    ["moved to another workspace", ok200({ ...shown, full_name: "other/api", workspace: { uuid: OTHER } })],
  ])("finds it gone when it was %s", async (_, answer) => {
    const { outcome } = look(() => answer);
    expect(await outcome).toEqual({ ok: true, value: { kind: "gone" } });
  });

  it("finds it gone, without a call, when no grant opens it", async () => {
    const other = { ...OF_ONE, repository: { id: OTHER_REPO, fullName: "acme/other" } };
    const { outcome, network } = look(() => ok200(shown), { connections: [other] });
    expect(await outcome).toEqual({ ok: true, value: { kind: "gone" } });
    expect(network.calls).toEqual([]);
  });

  it("finds it gone after a 403 only if the workspace itself opens", async () => {
    const listed = (list: Answer) => (call: { path: string }) =>
      call.path.startsWith(REPO_PATH) ? refused(403, "Forbidden") : list;
    expect(await look(listed(ok200({ values: [] }))).outcome).toEqual({ ok: true, value: { kind: "gone" } });
    for (const list of [refused(403, "Forbidden"), refused(401, "No"), { status: 502 }, NOT_FOUND]) {
      expect(await look(listed(list)).outcome).toMatchObject({
        ok: false,
        retryable: true,
        message: expect.stringContaining("Forbidden"),
      });
    }
    // A repository's token can not open the workspace: what it lost is for people to mend.
    expect(await look(listed(ok200({ values: [] })), { connections: [OF_ONE] }).outcome).toMatchObject({ ok: false });
  });

  it("waits, naming the scope, when one is missing, whatever else opens", async () => {
    const lacking = refused(403, "Your credentials lack scopes.", { required: ["repository"] });
    const { outcome, network } = look((call) => (call.path.startsWith(REPO_PATH) ? lacking : ok200({ values: [] })));
    expect(await outcome).toMatchObject({ ok: false, retryable: true, message: expect.stringContaining("repository") });
    expect(network.asked()).toHaveLength(1);
  });

  it.each<[Answer, boolean]>([
    [refused(401, "Expired"), true],
    [{ status: 429 }, true],
    [{ status: 500 }, true],
    [refused(410, "Spam"), false],
    [{ status: 301, headers: { location: "https://elsewhere.test/" } }, false],
    [{ status: 200, body: "<html>" }, false],
    [ok200({ ...shown, uuid: OTHER_REPO }), false],
    [ok200({ ...shown, workspace: undefined }), false],
    [ok200({ ...shown, is_private: undefined }), false],
    [ok200({ ...shown, full_name: "acme/../evil" }), false],
    [ok200({ ...shown, full_name: "evil@elsewhere.test/x" }), false],
  ])("neither sees it nor finds it gone after %j", async (answer, retryable) => {
    expect(await look(() => answer).outcome).toMatchObject({ ok: false, retryable });
  });
});

describe("a file at a commit", () => {
  const file = `/src/${A}/.wharfinger.yml`;

  function read(answer: Answering, path = ".wharfinger.yml") {
    const side = hostAnswering(answer);
    return { ...side, outcome: side.host.file(installation, repository, sha("a"), path) };
  }

  it("is read as it is, with one call", async () => {
    const { outcome, network } = read(() => ok200("version: 1\n# ü\n"));
    expect(await outcome).toEqual({ ok: true, value: { kind: "file", text: "version: 1\n# ü\n" } });
    expect(network.paths()).toEqual([`${REPO_PATH}${file}`]);
  });

  it("may be empty, and may be named anything", async () => {
    const { outcome, below } = read(() => ok200(""), "a b/ü?#%/c");
    expect(await outcome).toEqual({ ok: true, value: { kind: "file", text: "" } });
    expect(below()).toEqual([`/src/${A}/a%20b/%C3%BC%3F%23%25/c`]);
  });

  it.each(["../secrets", "a/../../b", "./a", "a//b", "/etc/passwd", "", "a/"])(
    "is never asked for as %p",
    async (path) => {
      const { outcome, network } = read(() => ok200(""), path);
      expect(await outcome).toMatchObject({ ok: true, value: { kind: "unreadable" } });
      expect(network.calls).toEqual([]);
    },
  );

  const exactly = "x\n".repeat(2 ** 19);
  it.each<[string, Answer, string]>([
    ["large", ok200(`${exactly}x`), "1 MiB"],
    ["not UTF-8", ok200(new Uint8Array([0x80, 0x81])), "UTF-8"],
    ["UTF-16", ok200(Buffer.from("\ufeffversion: 1\n", "utf16le")), "UTF-8"],
    ["in Git LFS", { status: 301, headers: { location: "https://media.test/x" } }, "LFS"],
  ])("that is %s is unreadable, says why, and costs one call", async (_, answer, why) => {
    const { outcome, network } = read(() => answer);
    expect(await outcome).toMatchObject({ ok: true, value: { kind: "unreadable", why: expect.stringContaining(why) } });
    expect(network.calls.map((call) => new URL(call.url).origin)).toEqual([WEB_URL, API_URL]);
  });

  it("may have 1 MiB", async () => {
    expect(await read(() => ok200(exactly)).outcome).toEqual({ ok: true, value: { kind: "file", text: exactly } });
  });

  /** What a raw answer is, as `?format=meta` says. */
  function meta(type: string, attributes: unknown, raw: unknown, path = ".wharfinger.yml"): Answering {
    return (call) => (call.query["format"] === "meta" ? ok200({ type, attributes, path, size: 1 }) : ok200(raw));
  }

  it.each<[string, Answering, string]>([
    ["a folder", meta("commit_directory", undefined, { values: [{ type: "commit_file", path: "x" }] }), "folder"],
    ["a submodule", meta("commit_file", ["subrepository"], A), "submodule"],
    ["a link out of the repository", meta("commit_file", ["link"], "../../etc/passwd"), "symbolic link"],
    ["a link to the whole system", meta("commit_file", "link", "/etc/passwd"), "symbolic link"],
    ["a link to itself", meta("commit_file", ["link"], ".wharfinger.yml"), "symbolic link"],
    ["a link to the repository's root", meta("commit_file", ["link"], "."), "symbolic link"],
  ])("that is %s is unreadable, and says why", async (_, answer, why) => {
    const { outcome } = read(answer);
    expect(await outcome).toMatchObject({ ok: true, value: { kind: "unreadable", why: expect.stringContaining(why) } });
  });

  it.each(["version: 1", '{"values":[{"type":"commit_file","path":"x"}]}\n', "{}"])(
    "that only looks like something else is read: %s",
    async (text) => {
      const { outcome } = read(meta("commit_file", ["executable"], text));
      expect(await outcome).toEqual({ ok: true, value: { kind: "file", text } });
    },
  );

  it("is followed from one link to it, within the repository, and no further", async () => {
    const linked = (target: string, more: Record<string, Answer>) =>
      read((call) => {
        if (call.query["format"] === "meta")
          return ok200({ type: "commit_file", attributes: ["link"], path: "ci/a.yml" });
        return routes({ [`/src/${A}/ci/a.yml`]: ok200(target), ...more })(call, 0);
      }, "ci/a.yml");
    const found = linked("../b/c.yml", { [`/src/${A}/b/c.yml`]: ok200("version: 1\n") });
    expect(await found.outcome).toEqual({ ok: true, value: { kind: "file", text: "version: 1\n" } });
    expect(found.network.asked()).toHaveLength(3);
    expect(await linked("../b/c.yml", {}).outcome).toMatchObject({ value: { why: expect.stringContaining("link") } });
    expect(await linked("../b", { [`/src/${A}/b`]: { status: 502 } }).outcome).toMatchObject({ ok: false });
  });

  it("is not said to be something by an answer about another path", async () => {
    const { outcome } = read(meta("commit_file", [], "version: 1", "other.yml"));
    expect(await outcome).toMatchObject({ ok: false, retryable: false });
  });

  it("that is missing costs one more call, which names the file that was meant", async () => {
    const values = [
      { type: "commit_directory", path: "wharfinger.yml" },
      { type: "commit_file", path: "README.md" },
      { type: "commit_file", path: ".Wharfinger.yaml" },
    ];
    const { outcome, below } = read(routes({ [`/src/${A}/`]: ok200({ values }) }));
    expect(await outcome).toEqual({ ok: true, value: { kind: "missing", hint: ".Wharfinger.yaml" } });
    expect(below()).toEqual([file, `/src/${A}/`]);
    const bare = read(routes({ [`/src/${A}/`]: ok200({ values: [] }) }));
    expect(await bare.outcome).toEqual({ ok: true, value: { kind: "missing", hint: null } });
  });

  it("is gone when its commit or repository is", async () => {
    expect(await read(() => NOT_FOUND).outcome).toEqual({ ok: true, value: { kind: "gone" } });
  });

  it("that may not be read is a failure that names the scope", async () => {
    const { outcome } = read(() => refused(403, "Lacking", { required: ["repository"] }));
    expect(await outcome).toMatchObject({ ok: false, message: expect.stringMatching(/Lacking.*needs: repository/) });
  });

  it.each<Answer>([{ status: 204 }, refused(400, "No"), refused(403, "No")])(
    "is not made up from %j",
    async (answer) => {
      expect(await read(() => answer).outcome).toMatchObject({ ok: false, retryable: false });
    },
  );

  it("is not called missing when Bitbucket fails while it is looked for", async () => {
    const { outcome } = read((_, count) => (count === 1 ? NOT_FOUND : { status: 502 }));
    expect(await outcome).toMatchObject({ ok: false, retryable: true });
  });
});

describe("a file on a branch", () => {
  const branch = (name: string, hash = TIP) => ok200({ type: "branch", name, target: { hash } });

  it.each([
    ["for ever", 10_000],
    ["when the clock was set back", -1],
  ])("of the default branch is at the tip that was just seen, which is not known %s", async (_, ms) => {
    const { host, below, clock, network } = hostAnswering((call) =>
      call.path.includes("/src/")
        ? ok200("version: 1\n")
        : call.path.includes("/refs/")
          ? branch("main", B)
          : ok200(shown),
    );
    const read = () => host.file(installation, repository, { branch: "main" }, "f");
    await host.look(installation, repository);
    expect(await read()).toEqual({ ok: true, value: { kind: "file", text: "version: 1\n" } });
    expect(below()).toEqual(["", `/src/${TIP}/f`]);
    clock.time += ms;
    await read();
    expect(below().slice(2)).toEqual(["/refs/branches/main", `/src/${B}/f`]);
    expect(network.asked()).toHaveLength(4);
  });

  it("is not at the default branch's tip when it is another, or when Bitbucket does not name that", async () => {
    const other = hostAnswering((call) => (call.path.includes("/refs/") ? branch("next") : ok200(shown)));
    await other.host.look(installation, repository);
    await other.host.file(installation, repository, { branch: "next" }, "f");
    expect(other.below()[1]).toBe("/refs/branches/next");
    for (const target of [undefined, null, { hash: "abc" }, { hash: "0".repeat(40) }, "x"]) {
      const silent = hostAnswering((call) =>
        call.path.includes("/refs/") ? branch("main") : ok200({ ...shown, mainbranch: { name: "main", target } }),
      );
      expect(await silent.host.look(installation, repository)).toMatchObject({ value: { kind: "seen" } });
      await silent.host.file(installation, repository, { branch: "main" }, "f");
      expect(silent.below()[1]).toBe("/refs/branches/main");
    }
  });

  it("is asked for by the branch's name as one, so that no tag can stand in for it", async () => {
    const { host, below } = hostAnswering((call) =>
      call.path.includes("/refs/") ? branch("release/1 #?") : ok200("version: 1\n"),
    );
    expect(await host.file(installation, repository, { branch: "release/1 #?" }, "f")).toMatchObject({
      value: { kind: "file" },
    });
    expect(below()).toEqual(["/refs/branches/release%2F1%20%23%3F", `/src/${TIP}/f`]);
  });

  it("is not there where the branch is not, nor where the file is not, and no more is asked", async () => {
    const nowhere = hostAnswering(() => NOT_FOUND);
    const missing = { ok: true, value: { kind: "missing", hint: null } };
    expect(await nowhere.host.file(installation, repository, { branch: "x" }, "f")).toEqual(missing);
    expect(nowhere.network.asked()).toHaveLength(1);
    const bare = hostAnswering((call) => (call.path.includes("/refs/") ? branch("x") : NOT_FOUND));
    expect(await bare.host.file(installation, repository, { branch: "x" }, "f")).toEqual(missing);
    expect(bare.network.asked()).toHaveLength(2);
  });

  it.each<Answer>([
    { status: 502 },
    { status: 429 },
    refused(403, "No"),
    branch("another"),
    branch("x", "abc"),
    { status: 200, body: "" },
  ])("is not called missing when Bitbucket answers %j", async (answer) => {
    const { host } = hostAnswering((call) => (call.path.includes("/refs/") ? answer : ok200("version: 1\n")));
    expect(await host.file(installation, repository, { branch: "x" }, "f")).toMatchObject({ ok: false });
  });
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

  const values = [
    { type: "diffstat", status: "modified", old: { path: "src/a.ts" }, new: { path: "src/a.ts" } },
    { type: "diffstat", status: "renamed", old: { path: "src/old.ts" }, new: { path: "src/new.ts" } },
    { type: "diffstat", status: "added", old: null, new: { path: "added" } },
    { type: "diffstat", status: "removed", old: { path: "removed" } },
  ];
  const paths = ["src/a.ts", "src/old.ts", "src/new.ts", "added", "removed"];

  function compare(change: RefChange | PullRequestChange, answer: Answer, of: Repository = repository) {
    const side = hostAnswering((call) =>
      call.path.includes("/refs/") ? ok200({ name: of.defaultBranch, target: { hash: TIP } }) : answer,
    );
    return { ...side, outcome: side.host.changedPaths(installation, of, change) };
  }

  it("are one call, the new state first, with both sides of a rename", async () => {
    const { outcome, below, network } = compare(moved, ok200({ values }));
    expect(await outcome).toEqual({ ok: true, value: paths });
    expect(below()).toEqual([`/diffstat/${B}..${A}`]);
    expect(network.asked()[0]?.query).toMatchObject({ topic: "false", renames: "false" });
  });

  it("of a new branch are those since it left the default branch, whose tip was just seen", async () => {
    const { host, below, network } = hostAnswering((call) =>
      call.path.includes("/diffstat/") ? ok200({ values }) : ok200(shown),
    );
    await host.look(installation, repository);
    expect(await host.changedPaths(installation, repository, created)).toEqual({ ok: true, value: paths });
    expect(below()).toEqual(["", `/diffstat/${B}..${TIP}`]);
    expect(network.asked()[1]?.query).toMatchObject({ topic: "true" });
  });

  it("of a new branch may need the default branch's tip first", async () => {
    const ofRelease = { ...repository, defaultBranch: "release/next" };
    const { outcome, below } = compare(created, ok200({ values }), ofRelease);
    expect(await outcome).toEqual({ ok: true, value: paths });
    expect(below()).toEqual(["/refs/branches/release%2Fnext", `/diffstat/${B}..${TIP}`]);
  });

  it("are none when the commits hold the same", async () => {
    expect(await compare(moved, ok200({ values: [] })).outcome).toEqual({ ok: true, value: [] });
  });

  it.each<[string, RefChange, Answer]>([
    ["more than a page of files", moved, ok200({ values, next: `${API_URL}/2.0/next` })],
    ["more than a page of files, somewhere else", moved, ok200({ values, next: "https://elsewhere.test/" })],
    ["history that is gone", moved, NOT_FOUND],
    ["a new branch without changes of its own", created, ok200({ values: [] })],
  ])("are not known after %s", async (_, change, answer) => {
    const { outcome, network } = compare(change, answer);
    expect(await outcome).toEqual({ ok: true, value: null });
    expect(network.paths().filter((path) => path.includes("/diffstat/"))).toHaveLength(1);
  });

  describe("of a pull request", () => {
    const pulled: PullRequestChange = {
      ...moved,
      kind: "pull_request",
      ref: "refs/heads/topic",
      name: "7",
      before: null,
      pull: {
        number: 7,
        target: "main",
        targetCommit: null,
        fork: false,
        draft: false,
        closed: false,
        queued: false,
        checkout: null,
      },
    };
    const forked: PullRequestChange = { ...pulled, pull: { ...pulled.pull, fork: true } };
    const into = (target: string) => ({ ...pulled, pull: { ...pulled.pull, target } });

    it("are those since it left its target, whose tip was just seen", async () => {
      const { host, below, network } = hostAnswering((call) =>
        call.path.includes("/diffstat/") ? ok200({ values }) : ok200(shown),
      );
      await host.look(installation, repository);
      expect(await host.changedPaths(installation, repository, pulled)).toEqual({ ok: true, value: paths });
      expect(below()).toEqual(["", `/diffstat/${B}..${TIP}`]);
      expect(network.asked()[1]?.query).toMatchObject({ topic: "true" });
    });

    it("need the tip of a target that is not the default branch, once for its file and for them", async () => {
      const tip = "d".repeat(40);
      const side = () =>
        hostAnswering(
          routes({
            "": ok200(shown),
            "/refs/branches/release%2F1": ok200({ name: "release/1", target: { hash: tip } }),
            [`/src/${tip}/f`]: ok200("file\n"),
            [`/diffstat/${B}..${tip}`]: ok200({ values }),
          }),
        );
      const { host, below } = side();
      await host.look(installation, repository);
      await host.file(installation, repository, { branch: "release/1" }, "f");
      expect(await host.changedPaths(installation, repository, into("release/1"))).toEqual({ ok: true, value: paths });
      expect(below()).toEqual(["", "/refs/branches/release%2F1", `/src/${tip}/f`, `/diffstat/${B}..${tip}`]);
    });

    it("need the tip anew when the last look was a while ago, and after another one", async () => {
      let tip = "d".repeat(40);
      const { host, below, clock } = hostAnswering((call) =>
        call.path.includes("/refs/")
          ? ok200({ name: "next", target: { hash: tip } })
          : call.path.includes("/diffstat/")
            ? ok200({ values })
            : ok200(shown),
      );
      const compared = async () => {
        await host.changedPaths(installation, repository, into("next"));
        return below().at(-1);
      };
      await host.look(installation, repository);
      expect(await compared()).toBe(`/diffstat/${B}..${tip}`);
      const before = tip;
      tip = "e".repeat(40);
      expect(await compared()).toBe(`/diffstat/${B}..${before}`);
      clock.time += 10_000;
      expect(await compared()).toBe(`/diffstat/${B}..${tip}`);
      await host.look(installation, repository);
      tip = "f".repeat(40);
      expect(await compared()).toBe(`/diffstat/${B}..${tip}`);
    });

    it("are none where it changes nothing", async () => {
      expect(await compare(pulled, ok200({ values: [] })).outcome).toEqual({ ok: true, value: [] });
    });

    it("from a fork are the pull request's own, which no comparison here could name", async () => {
      const { outcome, network } = compare(forked, ok200({ values }));
      expect(await outcome).toEqual({ ok: true, value: paths });
      expect(network.paths()).toEqual([`${REPO_PATH}/pullrequests/7/diffstat`]);
    });

    it("from a fork are where the pull request says they are, within the API", async () => {
      const elsewhere = `/2.0/repositories/acme/api/diffstat/stranger/api:${B.slice(0, 12)}%0D${A.slice(0, 12)}`;
      const to = (location: string) =>
        hostAnswering((call) =>
          call.path.endsWith("/pullrequests/7/diffstat") ? { status: 302, headers: { location } } : ok200({ values }),
        );
      const followed = to(`${API_URL}${elsewhere}?topic=true`);
      expect(await followed.host.changedPaths(installation, repository, forked)).toEqual({ ok: true, value: paths });
      expect(followed.network.paths().at(-1)).toBe(`${elsewhere}?topic=true`);
      const led = to("https://evil.test/2.0/diffstat");
      expect(await led.host.changedPaths(installation, repository, forked)).toMatchObject({ ok: false });
      expect(led.network.asked()).toHaveLength(1);
    });

    it.each<[string, PullRequestChange, Answer]>([
      ["more than a page of files", pulled, ok200({ values, next: `${API_URL}/2.0/next` })],
      ["more than a page of files of a fork", forked, ok200({ values, next: `${API_URL}/2.0/next` })],
      ["a pull request that is not there", forked, NOT_FOUND],
      ["a commit that is not there", pulled, NOT_FOUND],
    ])("are not known of %s", async (_, change, answer) => {
      expect(await compare(change, answer).outcome).toEqual({ ok: true, value: null });
    });

    it("are not known, and not asked for, where it is closed or its target is gone", async () => {
      const closed = compare({ ...pulled, after: null, commit: null }, ok200({ values }));
      expect(await closed.outcome).toEqual({ ok: true, value: null });
      expect(closed.network.calls).toEqual([]);
      const { host, below } = hostAnswering(() => NOT_FOUND);
      expect(await host.changedPaths(installation, repository, into("gone"))).toEqual({ ok: true, value: null });
      expect(below()).toEqual(["/refs/branches/gone"]);
    });

    it.each<Answer>([{ status: 555 }, { status: 429 }, refused(403, "No"), ok200({})])(
      "fail with Bitbucket: %j",
      async (answer) => {
        for (const change of [pulled, forked])
          expect(await compare(change, answer).outcome).toMatchObject({ ok: false });
      },
    );
  });

  it("are not known of a new branch that is where the default branch is, or has none to be compared with", async () => {
    const same = compare({ ...created, after: sha("c"), commit: sha("c") }, ok200({ values }));
    expect(await same.outcome).toEqual({ ok: true, value: null });
    expect(same.network.asked()).toHaveLength(1);
    const none = hostAnswering(() => NOT_FOUND);
    expect(await none.host.changedPaths(installation, repository, created)).toEqual({ ok: true, value: null });
  });

  it.each<[string, RefChange, Repository]>([
    ["a force push, as on GitHub", { ...moved, forced: true }, repository],
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
    [{ status: 555 }, true],
    [refused(403, "No"), false],
    [ok200([]), false],
    [ok200({ values: [{ old: null, new: null }] }), false],
    [ok200({ values: [{ status: "added" }] }), false],
    [ok200({ values: [{ old: { path: "" }, new: null }] }), false],
  ])("are a failure, not unknown, after %j", async (answer, retryable) => {
    expect(await compare(moved, answer).outcome).toMatchObject({ ok: false, retryable });
  });
});

describe("the tags of a repository", () => {
  const next = (page: number) => `${API_URL}${REPO_PATH}/refs/tags?pagelen=100&page=${page}`;

  it("are read page by page", async () => {
    const { host, network } = hostAnswering((_, count) =>
      count === 1 ? ok200({ values: [{ name: "v1" }], next: next(2) }) : ok200({ values: [{ name: "api/v2" }] }),
    );
    expect(await host.tags(installation, repository)).toEqual({ ok: true, value: ["v1", "api/v2"] });
    expect(network.asked().map((call) => call.query)).toEqual([
      { pagelen: "100", fields: "next,values.name" },
      { pagelen: "100", page: "2" },
    ]);
  });

  it("are not known when there are more than ten pages, or nothing is there", async () => {
    const endless = hostAnswering((_, count) => ok200({ values: [], next: next(count + 1) }));
    expect(await endless.host.tags(installation, repository)).toEqual({ ok: true, value: null });
    expect(endless.network.asked()).toHaveLength(10);
    const gone = hostAnswering(() => NOT_FOUND);
    expect(await gone.host.tags(installation, repository)).toEqual({ ok: true, value: null });
  });

  it("are all or none: a page that is not theirs is a failure", async () => {
    const pages: Answer[] = [{ status: 502 }, ok200({}), ok200({ values: [{ name: 1 }] }), refused(403, "No")];
    for (const second of pages) {
      const { host } = hostAnswering((_, count) => (count === 1 ? ok200({ values: [], next: next(2) }) : second));
      expect(await host.tags(installation, repository)).toMatchObject({ ok: false });
    }
  });

  it("are not fetched from elsewhere because a page says so", async () => {
    const { host, network } = hostAnswering(() => ok200({ values: [], next: "https://elsewhere.test/2.0/tags" }));
    expect(await host.tags(installation, repository)).toMatchObject({ ok: false, retryable: false });
    expect(network.asked()).toHaveLength(1);
  });
});

describe("an installation", () => {
  const workspace = { type: "workspace", uuid: ACME, slug: "acme-2", is_personal: false };

  it("is what Bitbucket says of the workspace, and what the grant may do", async () => {
    const { host, network } = hostAnswering(() => ({
      ...ok200(workspace),
      headers: { "x-oauth-scopes": "repository, account,pullrequest,repository:write, <script>" },
    }));
    expect(await host.installation(installation)).toEqual({
      ok: true,
      value: {
        account: { ...installation, login: "acme-2", kind: "organization" },
        state: "active",
        permissions: { account: "read", repository: "write", pullrequest: "read" },
      },
    });
    expect(network.paths()).toEqual([`/2.0/workspaces/${encodeURIComponent(ACME)}`]);
  });

  it("is somebody's own when the workspace is", async () => {
    const { host } = hostAnswering(() => ok200({ ...workspace, is_personal: true }));
    expect(await host.installation(installation)).toMatchObject({
      value: { account: { kind: "user" }, permissions: {} },
    });
    const unsaid = hostAnswering(() => ok200({ ...workspace, is_personal: undefined }), {
      connections: [{ ...CONNECTION, kind: "user" }],
    });
    expect(await unsaid.host.installation(installation)).toMatchObject({ value: { account: { kind: "user" } } });
  });

  it("is there as long as a grant is, whatever that may see", async () => {
    const asGranted = {
      ok: true,
      value: { account: { ...installation, login: "acme", kind: "organization" }, state: "active", permissions: {} },
    };
    for (const answer of [refused(403, "No"), NOT_FOUND]) {
      expect(await hostAnswering(() => answer).host.installation(installation)).toEqual(asGranted);
    }
    const ofOne = hostAnswering(() => NOT_FOUND, { connections: [OF_ONE] });
    expect(await ofOne.host.installation(installation)).toEqual(asGranted);
    expect(ofOne.network.calls).toEqual([]);
    const none = hostAnswering(() => ok200(workspace), {});
    expect(await none.host.installation(installation)).toEqual({ ok: true, value: null });
    expect(none.network.calls).toEqual([]);
  });

  it.each<Answer>([
    { status: 502 },
    { status: 429 },
    refused(401, "No"),
    ok200({ ...workspace, uuid: OTHER }),
    ok200({}),
  ])("is not made up, nor gone, after %j", async (answer) => {
    expect(await hostAnswering(() => answer).host.installation(installation)).toMatchObject({ ok: false });
  });
});

describe("the repositories of an installation", () => {
  const one = (uuid: string, name: string, of = ACME) => ({
    uuid,
    full_name: `acme/${name}`,
    is_private: false,
    workspace: { uuid: of },
  });
  const named = (id: string, name: string) => ({ ...installation, id, fullName: `acme/${name}`, private: false });

  it("are all of the workspace, page by page", async () => {
    const next = `${API_URL}/2.0/repositories/${encodeURIComponent(ACME)}?page=2`;
    const { host, network } = hostAnswering((_, count) =>
      count === 1 ? ok200({ values: [one(REPO, "api")], next }) : ok200({ values: [one(OTHER_REPO, "web")] }),
    );
    expect(await host.repositories(installation)).toEqual({
      ok: true,
      value: [named(REPO, "api"), named(OTHER_REPO, "web")],
    });
    expect(network.asked()[0]?.query["pagelen"]).toBe("100");
  });

  it("are the workspace's when one of several grants opens that", async () => {
    const { host, network } = hostAnswering(() => ok200({ values: [] }), { connections: [OF_ONE, CONNECTION] });
    expect(await host.repositories(installation)).toEqual({ ok: true, value: [] });
    expect(network.asked()).toHaveLength(1);
  });

  it("are those with connections of their own, as they are now, each once", async () => {
    const second = { ...OF_ONE, id: "two", repository: { id: OTHER_REPO, fullName: "acme/web" } };
    const { host } = hostAnswering(
      (call) => (call.path.startsWith(REPO_PATH) ? ok200({ ...shown, full_name: "acme/renamed" }) : NOT_FOUND),
      { connections: [OF_ONE, second, { ...OF_ONE, id: "three" }] },
    );
    expect(await host.repositories(installation)).toEqual({
      ok: true,
      value: [{ ...installation, id: REPO, fullName: "acme/renamed", private: true }],
    });
  });

  it("are none when no grant is left", async () => {
    const { host, network } = hostAnswering(() => ok200({ values: [] }), {});
    expect(await host.repositories(installation)).toEqual({ ok: true, value: [] });
    expect(network.calls).toEqual([]);
  });

  it.each<[string, Answer]>([
    ["of another workspace", ok200({ values: [one(OTHER_REPO, "web", OTHER)] })],
    ["without a name", ok200({ values: [{ ...one(OTHER_REPO, "web"), full_name: null }] })],
    ["that is not there", NOT_FOUND],
    ["that may not be seen", refused(403, "No")],
    ["that is late", { status: 502 }],
  ])("are a failure, not fewer, with a page %s", async (_, second) => {
    const next = `${API_URL}/2.0/repositories/x?page=2`;
    const { host } = hostAnswering((_call, count) =>
      count === 1 ? ok200({ values: [one(REPO, "api")], next }) : second,
    );
    expect(await host.repositories(installation)).toMatchObject({ ok: false });
  });

  it("are a failure, not fewer, when a connection can not be asked", async () => {
    const { host } = hostAnswering(() => ({ status: 502 }), { connections: [OF_ONE] });
    expect(await host.repositories(installation)).toMatchObject({ ok: false, retryable: true });
  });

  it("end", async () => {
    const next = `${API_URL}/2.0/repositories/x?page=2`;
    const { host, network, clock } = hostAnswering(() => {
      clock.time += 60_000;
      return ok200({ values: [], next });
    });
    expect(await host.repositories(installation)).toMatchObject({ ok: false, retryable: false });
    expect(network.asked()).toHaveLength(500);
  });
});
