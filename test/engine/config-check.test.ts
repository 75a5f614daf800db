import { beforeEach, describe, expect, it } from "@jest/globals";
import type { HostEvent, PullRequestEvent, PushEvent } from "../../src/core/events.ts";
import { DEFAULT_POLICY, failed, type Outcome, ok, parseSha, type RefChange, type Sha } from "../../src/core/model.ts";
import type { ChangeFacts } from "../../src/core/plan.ts";
import { pullRequestChange } from "../../src/core/pulls.ts";
import type { ConfigFact } from "../../src/core/repo-config/config.ts";
import { parseRepoConfig } from "../../src/core/repo-config/parse.ts";
import { checkFiles, type FileQuestion } from "../../src/engine/config-check.ts";
import type { FetchedFile, Host } from "../../src/engine/ports.ts";
import type { PastDelivery, SeenFile } from "../../src/engine/store-port.ts";
import { change, installationId, repository, sha } from "../contract/store.samples.ts";
import { FORK, hostOf, INSTALLATION, type Line, PULL, PUSH, recordingLog } from "./fakes.ts";

function file(tags: string): string {
  return `version: 1\nimages:\n  - { name: api, rules: [{ branch: "*", tags: [${tags}] }, { pull_request: "*" }] }\n`;
}

const [OLD, NEW] = [file("latest"), file("latest, edge")];
const BROKEN = "version: 1\nimages: 5\n";

function read(text: string | null): ConfigFact {
  if (text === null) return { kind: "missing", hint: null };
  return { kind: "read", parsed: parseRepoConfig(text, { repositoryName: "repository-1" }) };
}

function digest(text: string): string {
  return parseRepoConfig(text, { repositoryName: "repository-1" }).digest;
}

const MAIN = "refs/heads/main";
const TOPIC: RefChange = { ...change("a", "b"), ref: "refs/heads/topic", name: "topic" };
const MOVED = change("a", "b");

/** What the host was asked, in order: `a` for the file at that commit, `main` for that of a branch, `paths`. */
let asked: string[];
let lines: Line[];

beforeEach(() => {
  asked = [];
  lines = [];
});

interface Setting {
  readonly event?: PushEvent | PullRequestEvent;
  /** Left out: the event's, planned by `NEW`; of a pull request by `OLD`. */
  readonly changes?: readonly ChangeFacts[];
  /** Name of a commit or branch to its file; null: it has none; left out: there is no such commit. */
  readonly files?: Readonly<Record<string, string | null>>;
  readonly paths?: Outcome<readonly string[] | null>;
  readonly known?: ReadonlyMap<string, SeenFile>;
  /** Oldest last. */
  readonly past?: readonly HostEvent[];
  readonly commits?: readonly Sha[];
  readonly bodies?: (id: string) => Buffer | null;
  readonly host?: Partial<Host>;
  readonly attempts?: number;
}

const PAST = [{ ...PUSH, changes: [change("9", "a")] }];

function facts(one: ChangeFacts["change"], config: ConfigFact, more: Partial<ChangeFacts> = {}): ChangeFacts {
  const none: ConfigFact = { kind: "not-asked" };
  return { change: one, config, defaultBranchConfig: none, changedPaths: null, tags: null, ...more };
}

function changesOf(event: PushEvent | PullRequestEvent): readonly ChangeFacts[] {
  if (event.type === "push") return event.changes.map((one) => facts(one, read(NEW)));
  const commits = { head: parseSha(event.source.commit), before: null, target: null };
  return [facts(pullRequestChange(event, commits), read(OLD))];
}

function ask(setting: Setting) {
  const { event = PUSH, past = PAST, files = { a: OLD, b: NEW, main: OLD } } = setting;
  const recorded = recordingLog();
  const names = new Map(["9", "a", "b", "c"].map((name) => [sha(name), name]));
  const host = hostOf([], {
    async receive({ deliveryId }, handle) {
      const found = past[Number(deliveryId)];
      if (found !== undefined) await handle(found);
    },
    async file(_installation, _repository, at): Promise<Outcome<FetchedFile>> {
      const name = typeof at === "string" ? (names.get(at) ?? at) : at.branch;
      asked.push(name);
      const text = files[name];
      if (text === undefined) return ok({ kind: "gone" });
      return ok(text === null ? { kind: "missing", hint: null } : { kind: "file", text });
    },
    async changedPaths() {
      asked.push("paths");
      return setting.paths ?? ok(null);
    },
    ...setting.host,
  });
  const question: FileQuestion = {
    host,
    event,
    changes: setting.changes ?? changesOf(event),
    facts: {
      repository: repository("1"),
      installation: INSTALLATION,
      link: "linked",
      policy: DEFAULT_POLICY,
      now: "2026-11-20T10:00:00Z",
    },
    attempts: setting.attempts ?? 1,
    owners: async () => new Map(),
    store: {
      configFiles: async () => setting.known ?? new Map(),
      async pastDeliveries({ repository: of, limit }) {
        expect([of, limit]).toEqual([repository("1"), 20]);
        return past.map((_unused, index): PastDelivery => {
          return {
            id: String(index),
            deliveryId: String(index),
            event: "push",
            installationId: "7",
            commits: setting.commits ?? [],
          };
        });
      },
      deliveryBody: async (id) => (setting.bodies === undefined ? Buffer.from("{}") : setting.bodies(id)),
    },
    log: recorded.log,
  };
  lines = recorded.lines;
  return checkFiles(question);
}

/** What came of it: the check's kind and how many of how many would differ; null: no check. */
async function told(setting: Setting): Promise<string | null> {
  const answer = await ask(setting);
  if (!answer.ok) return answer.message;
  const [only, ...others] = answer.value.fileChecks;
  expect(others).toEqual([]);
  if (only === undefined) return null;
  expect(only.sha).toBe(sha("b"));
  const { kind, effect } = only.check;
  return effect === null ? `${kind} broken` : `${kind} ${effect.different} of ${effect.compared}`;
}

function seen(text: string | null, ref = MAIN, at = "a"): ReadonlyMap<string, SeenFile> {
  return new Map([[ref, { sha: sha(at), digest: text === null ? null : digest(text) }]]);
}

function created(one: RefChange): RefChange {
  return { ...one, before: null };
}

const NEW_TOPIC: PushEvent = { ...PUSH, changes: [created(TOPIC)] };

describe("a push", () => {
  it.each<[string, Setting, string | null, readonly string[]]>([
    ["that leaves the file as recorded of its branch", { known: seen(NEW) }, null, []],
    ["that changes what is recorded", { known: seen(OLD) }, "push 1 of 1", ["a"]],
    ["that changes back to what was there before, unrecorded", { known: seen(BROKEN), files: { a: NEW } }, null, ["a"]],
    [
      "that does not touch the file, as its paths say",
      { changes: [facts(MOVED, read(NEW), { changedPaths: ["src/a"] })] },
      null,
      [],
    ],
    [
      "that does, as its paths say",
      { known: seen(OLD), changes: [facts(MOVED, read(NEW), { changedPaths: [".wharfinger.yml"] })] },
      "push 1 of 1",
      ["a"],
    ],
    ["of which nothing is recorded", {}, "push 1 of 1", ["a"]],
    ["of which nothing is recorded, with the file it had", { files: { a: NEW } }, null, ["a"]],
    ["of a repository seen for the first time", { past: [] }, "push 0 of 0", []],
    ["that adds the file", { known: seen(null) }, "push 1 of 1", []],
    ["that adds the file, unrecorded", { files: { a: null } }, "push 1 of 1", ["a"]],
    ["that deletes the file", { known: seen(OLD), changes: [facts(MOVED, read(null))] }, "push 1 of 1", ["a"]],
    ["without a file, as before", { known: seen(null), changes: [facts(MOVED, read(null))] }, null, []],
    ["without a file, in a repository that nobody looked at", { changes: [facts(MOVED, read(null))] }, null, []],
    [
      "of a new branch without a file, beside a default branch that has one",
      { event: NEW_TOPIC, known: seen(OLD), changes: [facts(created(TOPIC), read(null))] },
      null,
      [],
    ],
    ["that breaks the file", { known: seen(OLD), changes: [facts(MOVED, read(BROKEN))] }, "push broken", ["a"]],
    [
      "of a file that can not be read any more",
      { known: seen(OLD), changes: [facts(MOVED, { kind: "unreadable", why: "a folder" })] },
      "push broken",
      ["a"],
    ],
    ["from a commit that is gone", { known: seen(OLD), files: {} }, null, ["a"]],
    ["of a commit that is gone", { changes: [facts(MOVED, { kind: "gone" })] }, null, []],
    ["that nobody may look into", { changes: [facts(MOVED, { kind: "not-asked" })] }, null, []],
    ["of the default branch's first commit", { event: { ...PUSH, changes: [created(MOVED)] } }, "push 1 of 1", []],
    ["of a new branch with the default branch's file", { event: NEW_TOPIC, known: seen(NEW) }, null, []],
    ["of a new branch with another file", { event: NEW_TOPIC, known: seen(OLD) }, "push 1 of 1", ["main", "paths"]],
    [
      "of a new branch with another file, for the default branch's has moved on",
      { event: NEW_TOPIC, known: seen(OLD), paths: ok(["src/a"]) },
      null,
      ["main", "paths"],
    ],
    [
      "of a new branch, where the default branch's file was asked for",
      {
        event: NEW_TOPIC,
        changes: [
          facts(created(TOPIC), read(NEW), { defaultBranchConfig: read(OLD), changedPaths: [".wharfinger.yml"] }),
        ],
      },
      "push 1 of 1",
      [],
    ],
    [
      "of a branch nobody looked at with the default branch's file",
      { event: { ...PUSH, changes: [TOPIC] }, known: seen(NEW) },
      null,
      [],
    ],
    [
      "of a branch nobody looked at, where the default branch has none",
      { event: { ...PUSH, changes: [TOPIC] }, known: seen(null), files: { a: NEW } },
      null,
      ["a"],
    ],
    ["of a tag", { event: { ...PUSH, changes: [change("a", "b", "refs/tags/v1")] } }, null, []],
    [
      "of a merge queue's branch",
      { event: { ...PUSH, changes: [{ ...TOPIC, ref: "refs/heads/gh-readonly-queue/main/pr-1" }] } },
      null,
      [],
    ],
  ])("%s", async (_what, setting, expected, calls) => {
    expect(await told(setting)).toBe(expected);
    expect(asked).toEqual(calls);
  });

  it("is recorded with the file of each of its branches", async () => {
    const changes = [
      facts(MOVED, read(NEW)),
      facts(TOPIC, read(null)),
      facts(change(null, "c", "refs/tags/v1"), read(NEW)),
      facts({ ...TOPIC, ref: "refs/heads/gone" }, { kind: "gone" }),
    ];
    const answer = await ask({ changes, known: seen(NEW) });
    expect(answer.ok && answer.value.configFiles).toEqual([
      { ref: MAIN, sha: sha("b"), digest: digest(NEW) },
      { ref: "refs/heads/topic", sha: sha("b"), digest: null },
    ]);
  });

  it("of very many branches costs a few questions only", async () => {
    const changes = Array.from({ length: 50 }, (_unused, index) => {
      return facts({ ...TOPIC, ref: `refs/heads/t${index}`, name: `t${index}` }, read(NEW));
    });
    const answer = await ask({ changes });
    expect(answer.ok && answer.value.fileChecks.length).toBe(5);
    expect(asked).toEqual(["a", "a", "a", "a", "a"]);
  });

  it.each([
    ["later", failed("502", { retryable: true })],
    ["when it likes", failed("429", { retryable: true, retryAfter: 60 })],
    ["never", failed("403", { retryable: false })],
  ])("is not held up by a host that answers %s, nor recorded as looked at", async (_when, answer) => {
    const done = await ask({ known: seen(OLD), host: { file: async () => answer } });
    expect(done).toEqual(ok({ configFiles: [], fileChecks: [] }));
    expect(lines.map(({ message }) => message)).toEqual(["config file not compared"]);
  });
});

describe("a pull request", () => {
  const files = { b: NEW, main: OLD };

  it.each<[string, Setting, string | null, readonly string[]]>([
    ["that changes the file", {}, "pull_request 1 of 1", ["b", "paths"]],
    ["of a fork that does", { event: FORK }, "pull_request 1 of 1", ["b", "paths"]],
    ["that does not", { files: { b: OLD } }, null, ["b"]],
    ["that does not, as its paths say", { changes: withPaths(["src/a"]) }, null, []],
    ["that does, as its paths say", { changes: withPaths(["src/a", ".wharfinger.yml"]) }, "pull_request 1 of 1", ["b"]],
    ["that is behind its target", { paths: ok(["src/a"]) }, null, ["b", "paths"]],
    ["whose branch was pushed with the target's file", { known: seen(OLD, "refs/heads/patch", "b") }, null, []],
    [
      "whose branch was pushed with another",
      { known: seen(NEW, "refs/heads/patch", "b") },
      "pull_request 1 of 1",
      ["b", "paths"],
    ],
    [
      "whose branch has moved since it was recorded",
      { known: seen(OLD, "refs/heads/patch", "a") },
      "pull_request 1 of 1",
      ["b", "paths"],
    ],
    [
      "of a fork, whatever branch of its name there is here",
      { event: FORK, known: seen(OLD, "refs/heads/patch", "b") },
      "pull_request 1 of 1",
      ["b", "paths"],
    ],
    ["that breaks the file", { files: { b: BROKEN } }, "pull_request broken", ["b", "paths"]],
    ["that deletes the file", { files: { b: null } }, "pull_request 1 of 1", ["b", "paths"]],
    ["whose head is not readable", { files: {} }, null, ["b"]],
    ["that is a draft", { event: { ...PULL, draft: true } }, "pull_request 1 of 1", ["b", "paths"]],
    ["that was merged", { event: { ...PULL, action: "merged" } }, null, []],
    ["whose source is gone", { event: { ...FORK, checkout: null } }, null, []],
    ["in a merge queue", { event: { ...PULL, queued: true } }, null, []],
    [
      "into a branch that is gone",
      { changes: changesOf(PULL).map((one) => ({ ...one, config: { kind: "gone" } as const })) },
      null,
      [],
    ],
    [
      "that brings the first file",
      { changes: changesOf(PULL).map((one) => ({ ...one, config: read(null) })) },
      "pull_request 1 of 1",
      ["b", "paths"],
    ],
    [
      "whose paths can not be had",
      { paths: failed("403", { retryable: false }) },
      "pull_request 1 of 1",
      ["b", "paths"],
    ],
  ])("%s", async (_what, setting, expected, calls) => {
    expect(await told({ event: PULL, files, ...setting })).toBe(expected);
    expect(asked).toEqual(calls);
  });

  function withPaths(changedPaths: readonly string[]): readonly ChangeFacts[] {
    return changesOf(PULL).map((one) => ({ ...one, changedPaths }));
  }

  it("records nothing of its branch, which was not pushed here", async () => {
    const answer = await ask({ event: FORK, files });
    expect(answer.ok && answer.value.configFiles).toEqual([]);
  });

  it("waits for a host that may answer later, for as long as planning does", async () => {
    const away = failed("502", { retryable: true });
    const host = { file: async () => away };
    expect(await ask({ event: PULL, host })).toEqual(away);
    expect(await ask({ event: PULL, host, attempts: 6 })).toEqual(ok({ configFiles: [], fileChecks: [] }));
    const limited = failed("429", { retryable: true, retryAfter: 60 });
    expect(await ask({ event: PULL, host: { file: async () => limited }, attempts: 6 })).toEqual(limited);
    expect(await ask({ event: PULL, host: { file: async () => failed("403", { retryable: false }) } })).toMatchObject({
      ok: true,
    });
  });
});

describe("the deliveries that are compared", () => {
  const known = seen(OLD);

  it("are pushes and pull requests of this repository, through this installation", async () => {
    const past: HostEvent[] = [
      { ...PUSH, changes: [change("9", "a")] },
      { ...PUSH, repository: repository("2") },
      { ...PUSH, installation: installationId("8") },
      { type: "ignored", reason: "ping", detail: "a ping" },
      { ...PUSH, changes: [TOPIC, change("x", "y", "refs/tags/v1")] },
      { ...PULL, source: { ...PULL.source, commit: sha("b") } },
      { ...PULL, action: "declined" },
    ];
    expect(await told({ known, past })).toBe("push 2 of 4");
  });

  it("know the heads of pull requests that their payloads abbreviate", async () => {
    const past: HostEvent[] = [{ ...PULL, source: { ...PULL.source, commit: sha("c").slice(0, 12) } }];
    const changes = [facts(MOVED, read(OLD.replace('pull_request: "*"', "branch: other")))];
    const answer = await ask({ known, past, changes, commits: [sha("a"), sha("c")] });
    expect(answer.ok && answer.value.fileChecks[0]?.check.effect?.differences).toMatchObject([
      { kind: "pull_request", name: "3", sha: sha("c"), image: "api", after: { builds: 0 } },
    ]);
    expect(await told({ known, past, changes, commits: [sha("a")] })).toBe("push 0 of 0");
    const empty: HostEvent[] = [{ ...PULL, source: { ...PULL.source, commit: "" } }];
    expect(await told({ known, past: empty, changes, commits: [sha("a")] })).toBe("push 0 of 0");
  });

  it("are left out where their body is gone, too large, or not to be parsed any more", async () => {
    const past = Array.from({ length: 4 }, (_unused, index) => ({
      ...PUSH,
      changes: [change(String(index), `n${index}`)],
    }));
    const bodies = (id: string) => (id === "0" ? null : Buffer.alloc(id === "1" ? 1024 ** 2 + 1 : 2));
    const receive: Host["receive"] = async ({ deliveryId }, handle) => {
      if (deliveryId === "2") throw new Error("not JSON");
      const found = past[Number(deliveryId)];
      if (found !== undefined) await handle(found);
    };
    expect(await told({ known, past, bodies, host: { receive } })).toBe("push 1 of 1");
    expect(lines).toMatchObject([{ level: "warn", message: "past delivery not read", fields: { delivery: "2" } }]);
  });

  it("are read once for all branches of a push", async () => {
    let reads = 0;
    const bodies = () => {
      reads += 1;
      return Buffer.from("{}");
    };
    const changes = [facts(MOVED, read(NEW)), facts(TOPIC, read(NEW))];
    const answer = await ask({ changes, known, bodies });
    expect(answer.ok && answer.value.fileChecks.length).toBe(2);
    expect(reads).toBe(1);
  });
});
