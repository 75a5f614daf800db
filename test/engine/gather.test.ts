import { describe, expect, it } from "@jest/globals";
import type { PullRequestEvent, PushEvent } from "../../src/core/events.ts";
import { failed, type Outcome, ok, type RefChange } from "../../src/core/model.ts";
import type { ImageOwners } from "../../src/core/trust.ts";
import { gather, type Standing } from "../../src/engine/gather.ts";
import type { Host, PullHead } from "../../src/engine/ports.ts";
import { change, sha } from "../contract/store.samples.ts";
import { FORK, hostOf, INSTALLATION, PULL, PUSH } from "./fakes.ts";

const WITH_PATHS = `
version: 1
images:
  - name: api
    paths: { include: ["services/api/**"] }
    rules: [{ branch: main, tags: [latest] }]
`;
const STANDING: Standing = { installation: INSTALLATION, link: "linked", attempts: 1 };
const MOVED = change("a", "b");
const FEATURE: RefChange = { ...MOVED, ref: "refs/heads/feature", name: "feature" };
const VERSION: RefChange = { ...MOVED, kind: "tag", ref: "refs/tags/v1.0.0", name: "v1.0.0", before: null };

/** A host that notes down what it was asked. */
function askedHost(more: Partial<Host> = {}) {
  const asked: string[] = [];
  const host = hostOf([], { file: async () => ok({ kind: "file", text: WITH_PATHS }), ...more });
  return {
    asked,
    host: {
      file: (...args: Parameters<Host["file"]>) => {
        asked.push(typeof args[2] === "string" ? "file" : `file on ${args[2].branch}`);
        return host.file(...args);
      },
      changedPaths: (...args: Parameters<Host["changedPaths"]>) => {
        asked.push("paths");
        return host.changedPaths(...args);
      },
      tags: (...args: Parameters<Host["tags"]>) => {
        asked.push("tags");
        return host.tags(...args);
      },
      head: (...args: Parameters<Host["head"]>) => {
        asked.push("head");
        return host.head(...args);
      },
    },
  };
}

/** A host whose commits and default branch have these files; null: none. */
function filesHost(pushed: string | null, main: string | null, more: Partial<Host> = {}) {
  return askedHost({
    file: async (_installation, _repository, at) => {
      const text = typeof at === "string" ? pushed : main;
      return ok(text === null ? { kind: "missing", hint: null } : { kind: "file", text });
    },
    ...more,
  });
}

function pushOf(...changes: RefChange[]): PushEvent {
  return { ...PUSH, changes };
}

async function nobody(): Promise<ImageOwners> {
  return new Map();
}

describe("gathering facts", () => {
  it.each<[string, Partial<Host>, Partial<Standing>, readonly string[]]>([
    ["a file that asks for paths", {}, {}, ["file", "paths"]],
    [
      "a file that asks for nothing more",
      { file: async () => ok({ kind: "file", text: WITH_PATHS.replace(/ +paths.*\n/, "") }) },
      {},
      ["file"],
    ],
    ["a broken file", { file: async () => ok({ kind: "file", text: "version: [" }) }, {}, ["file"]],
    ["no file", { file: async () => ok({ kind: "missing", hint: null }) }, {}, ["file"]],
    ["a commit that is gone", { file: async () => ok({ kind: "gone" }) }, {}, ["file"]],
    ["an installation nobody knows", {}, { installation: null }, []],
    ["one that is suspended", {}, { installation: { ...INSTALLATION, state: "suspended" } }, []],
    ["a repository that is not linked", {}, { link: "unlinked" }, []],
  ])("costs the calls it needs: %s", async (_what, more, standing, expected) => {
    const { host, asked } = askedHost(more);
    expect(await gather(host, PUSH, { ...STANDING, ...standing }, nobody)).toMatchObject({ ok: true });
    expect(asked).toEqual(expected);
  });

  it("asks nothing about a ref that was deleted", async () => {
    const { host, asked } = askedHost();
    await gather(host, pushOf({ ...MOVED, after: null, commit: null }), STANDING, nobody);
    expect(asked).toEqual([]);
  });

  const AWAY = failed("502", { retryable: true });
  const LIMITED = failed("429", { retryable: true, retryAfter: 60 });
  const REFUSED = failed("422", { retryable: false });

  it.each<[string, Outcome<never>, number, Outcome<unknown> | null]>([
    ["waits while the host may yet compare", AWAY, 5, AWAY],
    ["builds where the host never can", AWAY, 6, null],
    ["waits for a host that limits us, however often", LIMITED, 50, LIMITED],
    ["builds where the host will not", REFUSED, 1, null],
  ])("%s", async (_what, answer, attempts, expected) => {
    const { host } = askedHost({ changedPaths: async () => answer });
    const gathered = await gather(host, PUSH, { ...STANDING, attempts }, nobody);
    if (expected === null) expect(gathered).toMatchObject({ ok: true, value: { changes: [{ changedPaths: null }] } });
    else expect(gathered).toEqual(expected);
  });

  it("waits for the file, however often it was asked for: what it says is never guessed", async () => {
    const { host } = askedHost({ file: async () => AWAY });
    expect(await gather(host, PUSH, { ...STANDING, attempts: 50 }, nobody)).toEqual(AWAY);
  });

  describe("who may publish", () => {
    const ANY = "version: 1\nimages: [{ name: api, rules: [{ branch: '**' }, { tag: '**', tags: [latest] }] }]\n";
    const VERSIONS = "version: 1\nimages: [{ name: api, rules: [{ semver: '*', tags: [latest] }] }]\n";
    const TESTS = "version: 1\nimages: [{ name: api, rules: [{ branch: '**', push: false }] }]\n";

    it.each<[string, RefChange, string, string | null, readonly string[]]>([
      ["of the default branch: its own file says", MOVED, ANY, ANY, ["file"]],
      ["of another branch: the default branch's file", FEATURE, ANY, ANY, ["file", "file on main"]],
      ["where there is none", FEATURE, ANY, null, ["file", "file on main"]],
      ["of a branch no rule is for: nobody is asked", FEATURE, WITH_PATHS, ANY, ["file"]],
      ["of what is only tested: nobody is asked", FEATURE, TESTS, ANY, ["file"]],
      ["of a tag: no other tags where none moves by version", VERSION, ANY, ANY, ["file", "file on main"]],
      ["of a tag that moves by version", VERSION, VERSIONS, ANY, ["file", "tags", "file on main"]],
      ["of one that does so on main only", VERSION, ANY, VERSIONS, ["file", "file on main", "tags"]],
      ["of one that does so in both", VERSION, VERSIONS, VERSIONS, ["file", "tags", "file on main"]],
    ])("%s", async (_what, one, pushed, main, expected) => {
      const { host, asked } = filesHost(pushed, main, { tags: async () => ok(["v2.0.0"]) });
      const gathered = await gather(host, pushOf(one), STANDING, nobody);
      expect(asked).toEqual(expected);
      const kind = expected.includes("file on main") ? (main === null ? "missing" : "read") : "not-asked";
      const tags = expected.includes("tags") ? ["v2.0.0"] : null;
      expect(gathered).toMatchObject({ ok: true, value: { changes: [{ defaultBranchConfig: { kind }, tags }] } });
    });

    it("is not asked where nothing would be built, nor of a repository without a default branch", async () => {
      const paths = WITH_PATHS.replace("branch: main", "branch: '**'");
      const unchanged = filesHost(paths, ANY, { changedPaths: async () => ok(["README.md"]) });
      await gather(unchanged.host, pushOf(FEATURE), STANDING, nobody);
      expect(unchanged.asked).toEqual(["file", "paths"]);
      const none = filesHost(ANY, ANY);
      const event = { ...pushOf(FEATURE), repository: { ...PUSH.repository, defaultBranch: null } };
      await gather(none.host, event, STANDING, nobody);
      expect(none.asked).toEqual(["file"]);
    });

    it("is asked once for all refs of a push", async () => {
      const { host, asked } = filesHost(ANY, ANY);
      await gather(host, pushOf(FEATURE, VERSION, MOVED), STANDING, nobody);
      expect(asked).toEqual(["file", "file on main", "file", "file"]);
    });

    it.each<[string, Outcome<never>]>([
      ["away", AWAY],
      ["limiting us", LIMITED],
      ["refusing", REFUSED],
    ])("is never guessed from a host that is %s, however often it was asked", async (_what, answer) => {
      const { host } = filesHost(ANY, ANY, {
        file: async (_installation, _repository, at) =>
          typeof at === "string" ? ok({ kind: "file", text: ANY }) : answer,
      });
      expect(await gather(host, pushOf(FEATURE), { ...STANDING, attempts: 50 }, nobody)).toEqual(answer);
    });

    it("counts the owners of all images a push would publish, asked for at once", async () => {
      const asked: (readonly string[])[] = [];
      const owners: ImageOwners = new Map([["web", "own"]]);
      const two =
        "version: 1\nimages: [{ name: api, rules: [{ branch: feature }] }, { name: web, rules: [{ branch: '**' }] }]\n";
      const { host } = filesHost(two, two);
      const gathered = await gather(host, pushOf(MOVED, FEATURE), STANDING, async (images) => {
        asked.push(images);
        return owners;
      });
      expect(asked).toEqual([["web", "api"]]);
      expect(gathered).toMatchObject({ ok: true, value: { imageOwners: owners } });
    });

    it("asks for no owners where nothing would be published", async () => {
      let asked = 0;
      const { host } = filesHost(TESTS, ANY);
      await gather(host, pushOf(FEATURE), STANDING, async () => {
        asked += 1;
        return new Map();
      });
      expect(asked).toBe(0);
    });
  });

  describe("of a pull request", () => {
    const TESTED = "version: 1\nimages: [{ name: api, rules: [{ pull_request: '**' }] }]\n";
    const HEAD: PullHead = { commit: sha("b"), message: "Fix it", committedAt: null, target: sha("main-2") };

    function pullHost(text: string | null, more: Partial<Host> = {}) {
      const head = async () => ok(HEAD);
      return filesHost(null, text, { head, ...more });
    }

    it.each([
      ["of the repository itself", PULL],
      ["of a fork", FORK],
    ])("reads the file of its target and never its own: %s", async (_what, event) => {
      const { host, asked } = pullHost(TESTED, {
        file: async (_installation, of, at) =>
          typeof at === "object" && at.branch === "main" && of.id === "1"
            ? ok({ kind: "file", text: TESTED })
            : ok({ kind: "file", text: "version: 1\nimages: []\n" }),
      });
      const gathered = await gather(host, event, STANDING, nobody);
      expect(asked).toEqual(["head", "file on main"]);
      expect(gathered).toMatchObject({
        ok: true,
        value: { changes: [{ config: { kind: "read", parsed: { config: { images: [{ name: "api" }] } } } }] },
      });
    });

    it("takes the head from its host, for the event may abbreviate it, and what it says with it", async () => {
      const event = { ...PULL, source: { ...PULL.source, commit: "b1c2d3e4f5a6" } };
      const { host } = pullHost(TESTED, { head: async () => ok({ ...HEAD, committedAt: "2026-11-20T10:00:00Z" }) });
      const gathered = await gather(host, event, STANDING, nobody);
      expect(gathered).toMatchObject({
        ok: true,
        value: {
          changes: [
            {
              change: {
                kind: "pull_request",
                after: sha("b"),
                commit: sha("b"),
                message: "Fix it",
                committedAt: "2026-11-20T10:00:00Z",
                pull: { number: 3, target: "main", targetCommit: sha("main-2"), checkout: PULL.checkout },
              },
            },
          ],
        },
      });
    });

    it("goes by the event where the host does not say where the target was", async () => {
      const { host } = pullHost(TESTED, { head: async () => ok({ ...HEAD, target: null }) });
      const gathered = await gather(host, PULL, STANDING, nobody);
      expect(gathered).toMatchObject({ value: { changes: [{ change: { pull: { targetCommit: sha("main") } } }] } });
    });

    it.each<[string, Partial<PullRequestEvent>, Partial<Standing>]>([
      ["that was merged", { action: "merged" }, {}],
      ["that was declined", { action: "declined" }, {}],
      ["whose fork is gone", { checkout: null }, {}],
      ["of an installation that is suspended", {}, { installation: { ...INSTALLATION, state: "suspended" } }],
      ["of a repository that is paused", {}, { link: "paused" }],
    ])("asks nothing of one %s", async (_what, event, standing) => {
      const { host, asked } = pullHost(TESTED);
      expect(await gather(host, { ...PULL, ...event }, { ...STANDING, ...standing }, nobody)).toMatchObject({
        ok: true,
      });
      expect(asked).toEqual([]);
    });

    it("says so when its head is not there any more, and asks no further", async () => {
      const { host, asked } = pullHost(TESTED, { head: async () => ok(null) });
      const gathered = await gather(host, PULL, STANDING, nobody);
      expect(asked).toEqual(["head"]);
      expect(gathered).toMatchObject({ value: { changes: [{ change: { pull: { checkout: null, closed: false } } }] } });
    });

    it.each<[string, Partial<Host>]>([
      ["its head", { head: async () => AWAY }],
      ["its target's file", { file: async () => AWAY }],
    ])("waits for %s, however often it was asked for", async (_what, more) => {
      const { host } = pullHost(TESTED, more);
      expect(await gather(host, PULL, { ...STANDING, attempts: 50 }, nobody)).toEqual(AWAY);
    });

    it("has no file where its target has none", async () => {
      const { host } = pullHost(null);
      expect(await gather(host, PULL, STANDING, nobody)).toMatchObject({
        value: { changes: [{ config: { kind: "missing" } }] },
      });
    });

    it("asks what it touches where a rule wants to know, and builds where the host can not say", async () => {
      const paths = WITH_PATHS.replace("branch: main, tags: [latest]", "pull_request: main");
      const compared: unknown[] = [];
      const { host, asked } = pullHost(paths, {
        async changedPaths(_installation, _repository, moved) {
          compared.push(moved);
          return REFUSED;
        },
      });
      const gathered = await gather(host, FORK, STANDING, nobody);
      expect(asked).toEqual(["head", "file on main", "paths"]);
      expect(compared).toMatchObject([
        { kind: "pull_request", commit: sha("b"), pull: { targetCommit: sha("main-2") } },
      ]);
      expect(gathered).toMatchObject({ ok: true, value: { changes: [{ changedPaths: null }] } });
    });
  });
});
