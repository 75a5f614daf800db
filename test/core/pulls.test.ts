import { describe, expect, it } from "@jest/globals";
import type { PullRequestEvent } from "../../src/core/events.ts";
import {
  type BuildPlan,
  type Change,
  DEFAULT_POLICY,
  type ForkPolicy,
  laneOf,
  type Policy,
  type PullRequest,
} from "../../src/core/model.ts";
import { type ChangeFacts, type PlanFacts, planBuilds } from "../../src/core/plan.ts";
import { judgeChange, pullRequestChange, strictest } from "../../src/core/pulls.ts";
import type { RepoConfig, RuleConfig } from "../../src/core/repo-config/config.ts";
import { parseRepoConfig } from "../../src/core/repo-config/parse.ts";
import {
  branch,
  changeFacts,
  config,
  image,
  parsed,
  pattern,
  planFacts,
  pull,
  repository,
  rule,
  sha,
} from "./samples.ts";

const FORKS: readonly ForkPolicy[] = ["never", "approve", "test"];

function policy(rest: Partial<Policy> = {}): Policy {
  return { ...DEFAULT_POLICY, ...rest };
}

/** One image `api` with rules for pull requests into main. */
function fileOf(push: boolean, rest: Partial<RepoConfig> = {}, tags: RuleConfig["tags"] = null): RepoConfig {
  return config([image("api", [rule({ pull_request: "main" }, tags, { push })])], rest);
}

function planOf(change: Change, file: RepoConfig, rest: Partial<PlanFacts> = {}, facts: Partial<ChangeFacts> = {}) {
  return planBuilds(planFacts([changeFacts(change, file, facts)], rest));
}

/** `test pr-5`, `publish pr-5`, `untrusted test pr-5`, `hold awaiting-approval untrusted test pr-5`, `skip draft`. */
function digestOf({ requests, held, skips }: BuildPlan): string[] {
  const built = (one: BuildPlan["requests"][number]): string =>
    `${one.trust === "untrusted" ? "untrusted " : ""}${one.push ? "publish" : "test"} ${one.tags.join(",")}`;
  return [
    ...requests.map(built),
    ...held.map((one) => `hold ${one.hold.reason} ${built(one)}`),
    ...skips.map(({ reason }) => `skip ${reason}`),
  ];
}

describe("what becomes of a pull request", () => {
  const kinds: Readonly<Record<string, Partial<PullRequest>>> = {
    same: {},
    fork: { fork: true },
    queued: { queued: true },
    draft: { draft: true },
    "draft of a fork": { draft: true, fork: true },
    closed: { closed: true },
    "closed draft of a fork": { closed: true, draft: true, fork: true },
    "closed, and its fork is gone": { closed: true, fork: true, checkout: null },
    gone: { fork: true, checkout: null },
    "gone draft": { draft: true, fork: true, checkout: null },
  };

  /** The whole table, said in another way than the program does. */
  function expected(
    kind: string,
    forks: { readonly file: ForkPolicy; readonly installation: ForkPolicy },
    publishes: boolean,
  ): string {
    if (kind.includes("closed")) return "skip pull-request-closed";
    if (kind.includes("gone")) return "skip no-commits";
    if (kind.includes("draft")) return "skip draft";
    if (kind === "queued") return "test pr-5";
    if (kind === "same") return publishes ? "publish pr-5" : "test pr-5";
    const both = [forks.file, forks.installation];
    if (both.includes("never")) return "skip untrusted-fork";
    return both.includes("approve") ? "hold awaiting-approval untrusted test pr-5" : "untrusted test pr-5";
  }

  const rows = Object.keys(kinds).flatMap((kind) =>
    FORKS.flatMap((file) => FORKS.map((installation) => [kind, file, installation] as const)),
  );

  it.each(rows)("%s, where the file says %s and the installation %s", (kind, file, installation) => {
    for (const push of [true, false]) {
      for (const publishPullRequests of [true, false]) {
        const plan = planOf(pull(kinds[kind]), fileOf(push, { forks: file }), {
          policy: policy({ forks: installation, publishPullRequests }),
        });
        expect(digestOf(plan)).toEqual([expected(kind, { file, installation }, push && publishPullRequests)]);
      }
    }
  });

  it("is built by what the installation allows at the most, whatever the file asks for", () => {
    for (const one of FORKS) {
      for (const other of FORKS) {
        const at = Math.min(FORKS.indexOf(one), FORKS.indexOf(other));
        expect(strictest(one, other)).toBe(FORKS[at]);
      }
    }
  });

  it("never publishes, nor trusts, what comes from a fork", () => {
    for (const forks of FORKS) {
      const judged = judgeChange(
        pull({ fork: true }),
        { push: true },
        { forks: "test" },
        policy({ forks, publishPullRequests: true }),
      );
      if ("reason" in judged) expect(judged.reason).toBe("untrusted-fork");
      else expect([judged.push, judged.trust]).toEqual([false, "untrusted"]);
    }
  });

  it("is what its event does not say: no commits, rather than closed", () => {
    const plan = planOf(pull({}, { after: null, commit: null }), fileOf(false));
    expect(plan.skips).toMatchObject([
      { reason: "no-commits", detail: "not built: the event does not say at which commit pull request #5 is" },
    ]);
  });

  it("is told in sentences", () => {
    const approve = planOf(pull({ fork: true }), fileOf(true));
    expect(approve.held.map(({ hold }) => hold.detail)).toEqual([
      "Pull request #5 comes from a fork: somebody who may push to the repository has to approve this commit.",
    ]);
    const details = [
      planOf(pull({ fork: true }), fileOf(true, { forks: "never" })),
      planOf(pull({ fork: true }), fileOf(true), { policy: policy({ forks: "never" }) }),
      planOf(pull({ draft: true }), fileOf(true)),
      planOf(pull({ closed: true }), fileOf(true)),
      planOf(pull({ checkout: null }), fileOf(true)),
      planOf(pull(), fileOf(true), {}, { config: { kind: "missing", hint: null } }),
      planOf(pull(), fileOf(true), {}, { config: { kind: "gone" } }),
      planOf(pull({ target: "next" }), fileOf(true)),
    ].flatMap(({ skips }) => skips.map(({ detail }) => detail));
    expect(details).toEqual([
      "not built: pull request #5 comes from a fork, and pull_requests.forks in .wharfinger.yml says that none is built",
      "not built: pull request #5 comes from a fork, and the installation's policy says that none is built",
      "not built: pull request #5 is a draft; it is built once it is ready for review",
      "not built: pull request #5 was closed",
      "not built: what pull request #5 comes from is gone",
      "not built: there is no .wharfinger.yml on main",
      "not built: main, which it is to be merged into, is not there any more",
      "not built: pull request #5 into next does not match pull requests into main",
    ]);
  });

  it("is remarked on where a rule's push does not count", () => {
    const remarks = (change: Change, push: boolean): string[] =>
      planOf(change, fileOf(push, { forks: "test" }), { policy: policy({ forks: "test" }) }).diagnostics.map(
        ({ message }) => message,
      );
    expect(remarks(pull(), true)).toEqual([
      "api: pull request #5 is tested, not published: the installation's policy says so",
    ]);
    expect(remarks(pull({ fork: true }), true)).toEqual([
      "api: pull request #5 comes from a fork: it is tested, never published",
    ]);
    for (const change of [pull(), pull({ fork: true })]) expect(remarks(change, false)).toEqual([]);
    expect(remarks(pull({ queued: true }), true)).toEqual([]);
  });

  it("is judged by its paths before anybody is asked to approve it", () => {
    const paths = { include: [pattern("src/**", "path")], exclude: [] };
    const file = config([image("api", [rule({ pull_request: "main" }, null)], { paths })]);
    const plan = planOf(pull({ fork: true }), file, {}, { changedPaths: ["README.md"] });
    expect(digestOf(plan)).toEqual(["skip paths-unchanged"]);
    const draft = planOf(pull({ draft: true }), file, {}, { changedPaths: null });
    expect([digestOf(draft), draft.diagnostics]).toEqual([["skip draft"], []]);
  });

  it("carries to the builder where its commit is, and of which pull request it is", () => {
    const checkout = { cloneUrl: "https://github.com/stranger/api.git", ref: "refs/heads/feature", anonymous: true };
    const { held } = planOf(pull({ fork: true, checkout }), fileOf(false));
    expect(held).toMatchObject([
      {
        ref: "refs/heads/feature",
        lane: "refs/pull/5/head",
        kind: "pull_request",
        sha: sha("b"),
        pull: { number: 5, target: "main", fork: true },
        checkout,
      },
    ]);
  });

  it("is not built from an image of another repository, and may test one", () => {
    const owners = { imageOwners: new Map([["api", { other: "acme/other" }]]) };
    const publishing = policy({ publishPullRequests: true });
    expect(digestOf(planOf(pull(), fileOf(true), { ...owners, policy: publishing }))).toEqual(["skip image-not-owned"]);
    expect(digestOf(planOf(pull(), fileOf(true), owners))).toEqual(["test pr-5"]);
  });
});

describe("rules for pull requests", () => {
  const publishing = { policy: policy({ publishPullRequests: true }) };

  it.each<[string, RuleConfig["tags"], PullRequest["target"], string[]]>([
    ["main", null, "main", ["pr-5"]],
    [
      "main",
      ["{pr}", "p{pr}-{branch}", "{sourceref}", "{sha7}"],
      "main",
      ["5", "p5-feature-x", "feature-x", "bbbbbbb"],
    ],
    ["release/*", ["{branch}"], "release/2", ["feature-x"]],
    ["/^release\\/(\\d+)\\.(?P<minor>\\d+)$/", ["{1}-{minor}-pr-{pr}"], "release/2.7", ["2-7-pr-5"]],
    ["/^(x)?main$/", ["{1}-{pr}", "{pr}"], "main", ["5"]],
    ["**", ["{tag}-x", "{pr}"], "main", ["5"]],
  ])("into %s give %j", (source, tags, target, expected) => {
    const file = config([image("api", [rule({ pull_request: source }, tags)])]);
    const change = pull({ target }, { ref: "refs/heads/feature/x" });
    const { requests } = planOf(change, file, publishing);
    expect(requests.map((one) => one.tags)).toEqual([expected]);
  });

  it.each(["release/*", "feature", "5", "/^feature$/"])("look at the target, never at the source: %s", (source) => {
    const file = config([image("api", [rule({ pull_request: source }, null)])]);
    expect(digestOf(planOf(pull(), file, publishing))).toEqual(["skip no-match"]);
  });

  it("and those for branches do not cross", () => {
    const branches = config([image("api", [rule({ branch: "**" }, null), rule({ tag: "**" }, null)])]);
    expect(digestOf(planOf(pull(), branches, publishing))).toEqual(["skip no-match", "skip no-match"]);
    expect(digestOf(planOf(branch("main"), fileOf(true), publishing))).toEqual(["skip no-match"]);
    const anything = config([image("api", [rule({ pull_request: "**" }, null)])]);
    expect(digestOf(planOf(branch("5"), anything, publishing))).toEqual(["skip no-match"]);
  });

  it("in one file with those of its tests and its publications are told apart", () => {
    const file = config([
      image("api", [rule({ pull_request: "main" }, null, { push: false }), rule({ pull_request: "*" }, ["x-{pr}"])]),
    ]);
    expect(digestOf(planOf(pull(), file, publishing))).toEqual(["test pr-5", "publish x-5"]);
    expect(digestOf(planOf(pull(), file))).toEqual(["test pr-5,x-5"]);
  });
});

describe("which tags a pull request may publish", () => {
  const publishing = { policy: policy({ publishPullRequests: true }) };
  const own = config([image("api", [rule({ pull_request: "next" }, ["latest", "pr-{pr}", "next-{pr}"])])]);

  function into(target: string, granting: ChangeFacts["defaultBranchConfig"]): string[] {
    return digestOf(planOf(pull({ target }), own, publishing, { defaultBranchConfig: granting }));
  }

  it("is said by the default branch's file; the target's may not grant itself latest", () => {
    const granting = config([image("api", [rule({ pull_request: "next" }, ["next-{pr}"])])]);
    expect(into("next", { kind: "read", parsed: parsed(granting) })).toEqual([
      "publish next-5",
      "skip tag-not-granted",
    ]);
    const other = config([image("api", [rule({ pull_request: "main" }, ["latest", "next-{pr}"])])]);
    expect(into("next", { kind: "read", parsed: parsed(other) })).toEqual(["skip tag-not-granted"]);
    const tested = config([image("api", [rule({ pull_request: "next" }, ["latest"], { push: false })])]);
    expect(into("next", { kind: "read", parsed: parsed(tested) })).toEqual(["skip tag-not-granted"]);
  });

  it.each<[string, ChangeFacts["defaultBranchConfig"]]>([
    ["no file", { kind: "missing", hint: null }],
    ["a broken one", { kind: "read", parsed: parsed(null) }],
    ["one nobody looked for", { kind: "not-asked" }],
  ])("is only what names it where the default branch has %s", (_, granting) => {
    expect(into("next", granting)).toEqual(["publish pr-5", "skip tag-not-granted"]);
  });

  it("is no question where nothing is published", () => {
    const plan = planOf(pull({ target: "next" }), own, {}, { defaultBranchConfig: { kind: "missing", hint: null } });
    expect(digestOf(plan)).toEqual(["test latest,pr-5,next-5"]);
  });
});

describe("a commit message", () => {
  it("asks for no build of a pull request, but not of a stranger's, nor of what a queue wants to merge", () => {
    const message = "Tidy up [skip ci]";
    expect(digestOf(planOf(pull({}, { message }), fileOf(false)))).toEqual(["skip skip-requested"]);
    expect(digestOf(planOf(pull({ fork: true }, { message }), fileOf(false)))).toEqual([
      "hold awaiting-approval untrusted test pr-5",
    ]);
    expect(digestOf(planOf(pull({ queued: true }, { message }), fileOf(false)))).toEqual(["test pr-5"]);
  });
});

describe("branches through pull requests only", () => {
  const only = { policy: policy({ onlyPullRequests: true }) };
  const file = config([
    image("api", [rule({ branch: "**" }, null), rule({ tag: "**" }, null), rule({ pull_request: "**" }, null)]),
  ]);

  it.each<[string, Change, string]>([
    ["the default branch is built", branch("main"), "publish latest"],
    ["another is not", branch("docs"), "skip pull-requests-only"],
    ["a tag is", { ...branch("main"), kind: "tag", ref: "refs/tags/v1", name: "v1" }, "publish v1"],
    ["a pull request is", pull(), "test pr-5"],
    ["a queue is", pull({ queued: true }), "test pr-5"],
  ])("%s", (_, change, expected) => {
    const digest = digestOf(planOf(change, file, only));
    expect(digest[0]).toBe(expected);
  });

  it("has no default branch to except where there is none", () => {
    const plan = planOf(branch("main"), file, { ...only, repository: { ...repository, defaultBranch: null } });
    expect(plan.skips).toMatchObject([{ reason: "pull-requests-only", image: "api", rule: null }]);
  });
});

describe("the brake", () => {
  const images = (count: number): RepoConfig =>
    config(Array.from({ length: count }, (_, i) => image(`image${i}`, [rule({ branch: "main" }, null)])));

  it.each([1, 2, 20])("at %i: as many run, and of one more none does", (brake) => {
    const facts = { policy: policy({ brake }) };
    const [most, more] = [brake, brake + 1].map((count) => planOf(branch("main"), images(count), facts));
    expect([most?.requests.length, most?.held.length]).toEqual([brake, 0]);
    expect([more?.requests.length, more?.held.length]).toEqual([0, brake + 1]);
    const detail = `One event asks for ${brake + 1} builds; the installation lets ${brake} run without somebody's approval.`;
    expect(new Set(more?.held.map(({ hold }) => JSON.stringify(hold)))).toEqual(
      new Set([JSON.stringify({ reason: "brake", detail })]),
    );
    expect(new Set(more?.trace.map(({ verdict, reason }) => `${verdict} ${reason}`))).toEqual(new Set(["hold brake"]));
  });

  it("counts builds, not rules: what is joined is one", () => {
    const file = config([image("api", [rule({ branch: "main" }, ["a"]), rule({ branch: "*" }, ["b"])])]);
    expect(digestOf(planOf(branch("main"), file, { policy: policy({ brake: 1 }) }))).toEqual(["publish a,b"]);
  });

  it("leaves what waits for approval waiting for that, and does not count it", () => {
    const file = config([image("api", [rule({ pull_request: "main" }, null), rule({ branch: "main" }, null)])]);
    const changes = [branch("main"), pull({ fork: true }), pull({ fork: true, number: 6 })];
    const one = planBuilds(
      planFacts(
        changes.map((change) => changeFacts(change, file)),
        { policy: policy({ brake: 1 }) },
      ),
    );
    expect(digestOf(one).filter((text) => !text.startsWith("skip"))).toEqual([
      "publish latest",
      "hold awaiting-approval untrusted test pr-5",
      "hold awaiting-approval untrusted test pr-6",
    ]);
    const two = planBuilds(
      planFacts(
        [...changes, branch("main", { ref: "refs/heads/main2", after: sha("d"), commit: sha("d") })].map((change) =>
          changeFacts(
            change,
            config([image("api", [rule({ pull_request: "main" }, null), rule({ branch: "main" }, ["{sha7}"])])]),
          ),
        ),
        { policy: policy({ brake: 1 }) },
      ),
    );
    expect(two.requests).toEqual([]);
    expect(two.held.map(({ hold }) => hold.reason).sort()).toEqual([
      "awaiting-approval",
      "awaiting-approval",
      "brake",
      "brake",
    ]);
  });
});

describe("lanes", () => {
  function requestOf(change: Change, file = fileOf(false, { forks: "test" })) {
    const { requests } = planOf(change, file, { policy: policy({ forks: "test" }) });
    const [request] = requests;
    if (request === undefined) throw new Error("not built");
    return request;
  }

  it("of two forks whose branches have one name differ, and with them the keys of their builds", () => {
    const [one, other] = [5, 6].map((number) => requestOf(pull({ fork: true, number })));
    expect(one?.ref).toBe(other?.ref);
    expect(one?.lane).not.toBe(other?.lane);
    expect(one?.key).not.toBe(other?.key);
  });

  it("of a branch, of a pull request of that branch and of its place in a queue differ", () => {
    const changes = [branch("feature"), pull(), pull({ queued: true })];
    expect(changes.map(laneOf)).toEqual(["refs/heads/feature", "refs/pull/5/head", "refs/queue/feature"]);
    const both = config([
      image("api", [
        rule({ branch: "feature" }, ["x"], { push: false }),
        rule({ pull_request: "main" }, ["x"], { push: false }),
      ]),
    ]);
    const keys = changes.map((change) => requestOf(change, both).key);
    expect(new Set(keys).size).toBe(3);
  });

  it("of a queue's branch that was pushed and of what is to be tested differ: one is never built, the other always", () => {
    const name = "gh-readonly-queue/main/pr-5-abc";
    const file = config([image("api", [rule({ branch: "**" }, null), rule({ pull_request: "main" }, null)])]);
    const pushed = planOf(branch(name), file);
    const queued = planOf(pull({ queued: true }, { ref: `refs/heads/${name}` }), file);
    expect([digestOf(pushed)[0], digestOf(queued)[0]]).toEqual(["skip merge-queue", "test pr-5"]);
    expect(pushed.skips[0]).not.toHaveProperty("lane");
    expect(queued.requests[0]?.lane).toBe(`refs/queue/${name}`);
  });

  it("does not make other work of the same commits for what an event says of before", () => {
    expect(requestOf(pull({}, { before: sha("a") })).key).toBe(requestOf(pull({}, { before: null })).key);
    expect(requestOf(pull({}, { after: sha("d"), commit: sha("d") })).key).not.toBe(requestOf(pull()).key);
  });

  it("are on the skips of pull requests, too", () => {
    expect(planOf(pull({ closed: true }), fileOf(false)).skips).toMatchObject([
      { ref: "refs/heads/feature", lane: "refs/pull/5/head" },
    ]);
  });
});

describe("the change a host's event tells of", () => {
  const event: PullRequestEvent = {
    type: "pull_request",
    action: "opened",
    repository,
    installation: { provider: "github", host: "default", id: "7" },
    number: 5,
    source: { repository, branch: "feature", commit: "b".repeat(12), before: null },
    checkout: { cloneUrl: repository.cloneUrl, ref: "refs/heads/feature", anonymous: false },
    target: { branch: "main", commit: null },
    fork: false,
    draft: false,
    queued: false,
    actor: null,
  };
  const commits = { head: sha("b"), before: sha("a"), target: sha("e") };

  it("has the hashes as they count, not as the event has them", () => {
    expect(pullRequestChange(event, commits, "Mend")).toEqual({
      kind: "pull_request",
      ref: "refs/heads/feature",
      name: "5",
      before: sha("a"),
      after: sha("b"),
      commit: sha("b"),
      forced: false,
      message: "Mend",
      pull: {
        number: 5,
        target: "main",
        targetCommit: sha("e"),
        fork: false,
        draft: false,
        closed: false,
        queued: false,
        checkout: event.checkout,
      },
    });
  });

  it.each(["merged", "declined"] as const)("has no commit once it was %s", (action) => {
    const closed = pullRequestChange({ ...event, action }, commits);
    expect([closed.after, closed.commit, closed.pull.closed]).toEqual([null, null, true]);
  });

  it("is open where nobody knows its head", () => {
    const lost = pullRequestChange({ ...event, action: "updated" }, { ...commits, head: null });
    expect([lost.after, lost.pull.closed]).toEqual([null, false]);
  });
});

it("a file in the words of the documentation tests forks and publishes branches of the repository", () => {
  const text = `
version: 1
pull_requests: { forks: test }
images:
  - name: api
    rules:
      - branch: main
      - pull_request: main
        push: true
        tags: ["pr-{pr}", "type=ref,event=pr,prefix=request-", "type=sha"]
`;
  const { config: file, diagnostics } = parseRepoConfig(text, { repositoryName: "api" });
  if (file === null) throw new Error(JSON.stringify(diagnostics));
  const may = { policy: policy({ forks: "test", publishPullRequests: true }) };
  const tags = "pr-5,request-5,sha-bbbbbbb";
  expect(digestOf(planOf(pull(), file, may))).toEqual([`publish ${tags}`]);
  expect(digestOf(planOf(pull({ fork: true }), file, may))).toEqual([`untrusted test ${tags}`]);
});
