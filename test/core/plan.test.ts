import { describe, expect, it } from "@jest/globals";
import { type BuildPlan, DEFAULT_POLICY, type RefChange } from "../../src/core/model.ts";
import { type PlanFacts, planBuilds } from "../../src/core/plan.ts";
import type { ConfigFact } from "../../src/core/repo-config/config.ts";
import { parseRepoConfig } from "../../src/core/repo-config/parse.ts";
import {
  branch,
  changeFacts,
  config,
  image,
  inputs,
  parsed,
  pattern,
  planFacts,
  repository,
  rule,
  sha,
  tag,
} from "./samples.ts";

/** The plan for one change under a file's text. */
function planOf(yaml: string, change: RefChange, rest: { tags?: string[]; changedPaths?: string[] } = {}): BuildPlan {
  const { config: file, diagnostics } = parseRepoConfig(yaml, { repositoryName: "api" });
  if (file === null) throw new Error(JSON.stringify(diagnostics));
  return planBuilds(planFacts([changeFacts(change, file, rest)]));
}

/** `api=latest,1.0` for requests, `web:no-match` for skips. */
function digestOf({ requests, skips }: BuildPlan): string[] {
  return [
    ...requests.map((request) => `${request.image}=${request.tags.join(",")}`),
    ...skips.map((skip) => `${skip.image}:${skip.reason}`),
  ];
}

const SEMVER = `
version: 1
images:
  - name: api
    rules:
      - branch: main
        tags: [latest, "sha-{sha7}"]
      - branch: '/^release\\/(?P<line>[0-9.]+)$/'
        tags: ["{line}-edge"]
      - semver: ">=0.1.0"
        tags: ["{version}", "{major}.{minor}", "{major}", stable]
`;

describe("what a push builds", () => {
  it.each<[string, RefChange, string[]]>([
    ["the default branch", branch("main"), ["api=latest,sha-bbbbbbb"]],
    ["a branch of a regular expression", branch("release/1.9"), ["api=1.9-edge"]],
    ["another branch", branch("docs"), ["api:no-match", "api:no-match", "api:no-match"]],
    ["a branch named like a version", branch("v1.0.0"), ["api:no-match", "api:no-match", "api:no-match"]],
    ["a tag named like the default branch", tag("main"), ["api:no-match", "api:no-match", "api:no-match"]],
    ["a version", tag("v1.2.3"), ["api=1.2.3,1.2,1,stable"]],
    ["an unstable version", tag("v0.3.1"), ["api=0.3.1,0.3,stable"]],
    ["a pre-release", tag("v1.2.3-rc.1"), ["api=1.2.3-rc.1"]],
    ["a version with build metadata", tag("v1.2.3+7"), ["api=1.2.3-7,1.2,1,stable"]],
  ])("%s", (_, change, expected) => {
    expect(digestOf(planOf(SEMVER, change, { tags: [change.name] }))).toEqual(expected);
  });

  it("carries all a builder needs", () => {
    const [request] = planOf(SEMVER, branch("main")).requests;
    expect(request).toEqual({
      key: expect.stringMatching(/^[0-9a-f]{64}$/),
      image: "api",
      tags: ["latest", "sha-bbbbbbb"],
      ref: "refs/heads/main",
      kind: "branch",
      before: sha("a"),
      after: sha("b"),
      sha: sha("b"),
      rules: ["images[0].rules[0]"],
      push: true,
      trust: "trusted",
      supersede: "newest",
      inputs,
    });
  });

  it("builds the commit an annotated tag points to", () => {
    const [request] = planOf(SEMVER, tag("v1.0.0", { after: sha("e"), commit: sha("d") })).requests;
    expect(request).toMatchObject({ after: sha("e"), sha: sha("d") });
  });
});

describe("moving tags", () => {
  it.each<[string, string, string[], string]>([
    ["the newest of all", "v2.0.1", ["v2.0.0", "v1.9.0"], "api=2.0.1,2.0,2,stable"],
    ["a backport", "v1.9.1", ["v2.0.1", "v1.9.0"], "api=1.9.1,1.9,1"],
    ["a backport of an older line", "v1.8.5", ["v2.0.1", "v1.9.0", "v1.8.4"], "api=1.8.5,1.8"],
    ["a forgotten patch", "v1.8.3", ["v2.0.1", "v1.9.0", "v1.8.4"], "api=1.8.3"],
    ["a release beside a newer pre-release", "v1.9.1", ["v2.0.0-rc.1"], "api=1.9.1,1.9,1,stable"],
    ["a release the list does not have yet", "v1.0.0", [], "api=1.0.0,1.0,1,stable"],
  ])("of %s never go backwards", (_, name, tags, expected) => {
    expect(digestOf(planOf(SEMVER, tag(name), { tags }))).toEqual([expected]);
  });

  it("are told when they stay", () => {
    const { diagnostics } = planOf(SEMVER, tag("v1.9.1"), { tags: ["v2.0.1"] });
    expect(diagnostics).toEqual([
      {
        severity: "info",
        line: 1,
        column: 1,
        message: "api: no tag from stable: stable stays with 2.0.1, which is newer",
      },
    ]);
  });

  it("take the pushed tag as the only one when the others are not known, with a warning", () => {
    const plan = planOf(SEMVER, tag("v1.9.1"));
    expect(digestOf(plan)).toEqual(["api=1.9.1,1.9,1,stable"]);
    expect(plan.diagnostics).toEqual([expect.objectContaining({ severity: "warning" })]);
  });

  it("alone and all held back are a skip that says so", () => {
    const yaml = 'version: 1\nimages: [{ name: api, rules: [{ semver: "*", tags: [stable] }] }]';
    const plan = planOf(yaml, tag("v1.0.0"), { tags: ["v2.0.0"] });
    expect(plan.requests).toEqual([]);
    expect(plan.skips).toMatchObject([{ reason: "older-than-published", image: "api", rule: "images[0].rules[0]" }]);
  });

  it("alone on a pre-release are a skip, never a publication", () => {
    const yaml = 'version: 1\nimages: [{ name: api, rules: [{ semver: "*", tags: [latest, "{major}"] }] }]';
    expect(digestOf(planOf(yaml, tag("v1.0.0-rc.1"), { tags: [] }))).toEqual(["api:invalid-tag"]);
  });

  it("move within the range of their rule", () => {
    const yaml = `
version: 1
images:
  - name: api
    rules:
      - { semver: "1.x", tags: [lts] }
      - { semver: ">=2.0.0", tags: [current] }`;
    expect(digestOf(planOf(yaml, tag("v1.9.1"), { tags: ["v2.0.0", "v1.9.0"] }))).toEqual(["api=lts"]);
  });

  it("that several rules publish are compared across their ranges", () => {
    const yaml = `
version: 1
images:
  - name: api
    rules:
      - { semver: "1.x", tags: ["{version}", newest] }
      - { semver: ">=2.0.0", tags: ["{version}", newest] }`;
    expect(digestOf(planOf(yaml, tag("v1.9.1"), { tags: ["v2.0.0"] }))).toEqual(["api=1.9.1"]);
  });

  it("of one component ignore the versions of another", () => {
    const yaml = 'version: 1\nimages: [{ name: api, rules: [{ semver: "*", prefix: "api/v", tags: [latest] }] }]';
    expect(digestOf(planOf(yaml, tag("api/v1.0.0"), { tags: ["web/v9.0.0"] }))).toEqual(["api=latest"]);
  });

  it("of one component ignore the ranges of another", () => {
    const yaml = `
version: 1
images:
  - name: api
    rules:
      - { semver: "*", prefix: "api/v", tags: [latest] }
      - { semver: "1.x", prefix: "web/v", tags: [latest] }`;
    expect(digestOf(planOf(yaml, tag("web/v1.0.0"), { tags: ["web/v2.0.0"] }))).toEqual(["api=latest"]);
  });

  it("warn of two tag names for one version", () => {
    const { diagnostics } = planOf(SEMVER, tag("v1.0.0"), { tags: ["1.0.0", "v1.0.0"] });
    const message = "api: tags v1.0.0 and 1.0.0 are the same version and share image tags";
    expect(diagnostics).toEqual([{ severity: "warning", line: 1, column: 1, message }]);
  });
});

describe("tags left out", () => {
  const yaml = 'version: 1\nimages: [{ name: api, rules: [{ branch: "**" }, { tag: "rel-*" }, { semver: "*" }] }]';
  it.each<[string, RefChange, string]>([
    ["the default branch", branch("main"), "api=latest"],
    ["another branch", branch("feature/x"), "api=feature-x"],
    ["a tag", tag("rel-5"), "api=rel-5"],
    ["a version", tag("v1.0.0"), "api=1.0.0"],
  ])("are right for %s", (_, change, expected) => {
    expect(digestOf(planOf(yaml, change, { tags: [] }))).toEqual([expected]);
  });

  it("never become latest through a branch of that name", () => {
    expect(digestOf(planOf(yaml, branch("latest")))).toEqual(["api:invalid-tag"]);
  });

  it("show what was made legal", () => {
    expect(planOf(yaml, branch("feature/x")).diagnostics).toMatchObject([
      { severity: "info", message: "api: feature/x is published as feature-x" },
    ]);
  });
});

describe("gates, from the first that closes", () => {
  const file = config([
    image("api", [rule({ branch: "**" }, ["latest"])]),
    image("web", [rule({ branch: "**" }, ["latest"])]),
  ]);
  const broken: ConfigFact = {
    kind: "read",
    parsed: parsed(null, [{ severity: "error", line: 3, column: 5, message: "unknown key" }]),
  };

  function reasons(change: RefChange, rest: Partial<PlanFacts>, fact?: ConfigFact) {
    const facts = planFacts([changeFacts(change, file, fact && { config: fact })], rest);
    const { requests, skips } = planBuilds(facts);
    expect(requests).toEqual([]);
    return skips.map((skip) => [skip.image, skip.reason]);
  }

  const active = { state: "active", namespace: "acme" } as const;
  it.each<[string, RefChange, Partial<PlanFacts>, ConfigFact | undefined, string]>([
    ["a deleted branch", branch("x", { after: null, commit: null }), {}, undefined, "ref-deleted"],
    [
      "a deleted branch of nobody",
      branch("x", { after: null, commit: null }),
      { installation: null },
      undefined,
      "ref-deleted",
    ],
    ["a ref that points to no commit", tag("x", { commit: null }), {}, undefined, "no-commits"],
    ["no installation", branch("main"), { installation: null }, undefined, "not-linked"],
    [
      "a removed installation",
      branch("main"),
      { installation: { ...active, state: "removed" } },
      undefined,
      "not-linked",
    ],
    ["a repository outside of it", branch("main"), { link: "unlinked" }, undefined, "not-linked"],
    [
      "a suspended installation",
      branch("main"),
      { installation: { ...active, state: "suspended" } },
      undefined,
      "suspended",
    ],
    ["a paused installation", branch("main"), { installation: { ...active, state: "paused" } }, undefined, "paused"],
    ["a paused repository", branch("main"), { link: "paused" }, undefined, "paused"],
    ["no namespace", branch("main"), { installation: { ...active, namespace: null } }, undefined, "no-namespace"],
    [
      "no namespace and a broken file",
      branch("main"),
      { installation: { ...active, namespace: null } },
      broken,
      "no-namespace",
    ],
    ["a commit that is gone", branch("main"), {}, { kind: "gone" }, "superseded"],
    ["no file", branch("main"), {}, { kind: "missing", hint: null }, "config-missing"],
    ["a file nobody looked for", branch("main"), {}, { kind: "not-asked" }, "config-missing"],
    ["a file that is a folder", branch("main"), {}, { kind: "unreadable", why: "a folder" }, "config-invalid"],
    ["a broken file", branch("main", { message: "[skip ci]" }), {}, broken, "config-invalid"],
  ])("%s: one skip without image", (_, change, rest, fact, reason) => {
    expect(reasons(change, rest, fact)).toEqual([[null, reason]]);
  });

  it.each<[string, RefChange, string]>([
    ["a skip token", branch("main", { message: "Docs [skip ci]" }), "skip-requested"],
    ["a branch of the merge queue", branch("gh-readonly-queue/main/pr-1"), "merge-queue"],
  ])("%s: one skip for each image", (_, change, reason) => {
    expect(reasons(change, {})).toEqual([
      ["api", reason],
      ["web", reason],
    ]);
  });

  it("says where the file is broken, for the check's annotations too", () => {
    const { skips, diagnostics } = planBuilds(planFacts([changeFacts(branch("main"), file, { config: broken })]));
    expect(skips[0]?.detail).toBe("not built: .wharfinger.yml has an error: 3:5: unknown key");
    expect(skips[0]?.problems).toEqual(diagnostics);
    expect(diagnostics).toEqual([{ severity: "error", line: 3, column: 5, message: "unknown key" }]);
  });

  it("tells the first of many errors, and how many more there are", () => {
    const diagnostics = [3, 4, 5, 6, 7, 8, 9].map(
      (line) => ({ severity: "error", line, column: 1, message: "bad" }) as const,
    );
    const read = { kind: "read", parsed: parsed(null, diagnostics) } as const;
    const { skips } = planBuilds(planFacts([changeFacts(branch("main"), file, { config: read })]));
    expect(skips[0]?.detail).toBe(
      "not built: .wharfinger.yml has 7 errors: 3:1: bad; 4:1: bad; 5:1: bad; 6:1: bad; 7:1: bad; and 2 more",
    );
    expect(skips[0]?.problems).toHaveLength(7);
  });

  it("names a file with a similar name", () => {
    const config: ConfigFact = { kind: "missing", hint: ".wharfinger.yaml" };
    const { skips } = planBuilds(planFacts([changeFacts(branch("main"), file, { config })]));
    expect(skips[0]?.detail).toContain(".wharfinger.yaml");
  });

  it("a push of no refs has one skip", () => {
    expect(planBuilds(planFacts([])).skips).toMatchObject([{ ref: null, reason: "unsupported-event" }]);
  });

  it("a file without images has one skip", () => {
    expect(planBuilds(planFacts([changeFacts(branch("main"), config([]))])).skips).toMatchObject([
      { image: null, reason: "no-match" },
    ]);
  });
});

describe("several rules, images and changes", () => {
  const slim = { ...inputs, dockerfile: "Dockerfile.slim" };

  function plan(...images: ReturnType<typeof image>[]): BuildPlan {
    return planBuilds(planFacts([changeFacts(branch("main"), config(images))]));
  }

  it("join rules of equal inputs into one request, tags in order and once", () => {
    const { requests, skips } = plan(
      image("api", [rule({ branch: "main" }, ["latest", "a"]), rule({ branch: "ma*" }, ["b", "a"])]),
    );
    expect(skips).toEqual([]);
    expect(requests).toMatchObject([
      { tags: ["latest", "a", "b"], rules: ["images[0].rules[0]", "images[0].rules[1]"] },
    ]);
  });

  it("do not suffer from one of which nobody knows the commits; that one is said not to be built", () => {
    const lost = { kind: "tag", ref: "refs/tags/v1", name: "v1", forced: false, before: null, after: null } as const;
    const api = config([image("api", [rule({ branch: "main" }, ["latest"])])]);
    const built = planBuilds({ ...planFacts([changeFacts(branch("main"), api)]), unusable: [lost] });
    expect(digestOf(built)).toEqual(["api=latest", "null:no-commits"]);
    expect(built.skips).toMatchObject([{ ref: "refs/tags/v1", sha: null, rule: null }]);
    expect(digestOf(planBuilds({ ...planFacts([]), unusable: [lost] }))).toEqual(["null:no-commits"]);
  });

  it("make several requests of different inputs", () => {
    const built = plan(
      image("api", [rule({ branch: "main" }, ["latest"]), rule({ branch: "main" }, ["slim"], { inputs: slim })]),
    );
    expect(digestOf(built)).toEqual(["api=latest", "api=slim"]);
    expect(new Set(built.requests.map(({ key }) => key)).size).toBe(2);
  });

  it("take a tag given twice from the later, which keeps its others", () => {
    const built = plan(
      image("api", [
        rule({ branch: "main" }, ["latest"]),
        rule({ branch: "main" }, ["slim", "latest"], { inputs: slim }),
      ]),
    );
    expect(digestOf(built)).toEqual(["api=latest", "api=slim", "api:tag-collision"]);
    expect(built.skips[0]).toMatchObject({
      rule: "images[0].rules[1]",
      detail: "not published: tag latest is already published by images[0].rules[0] (refs/heads/main)",
    });
    expect(built.trace[1]).toMatchObject({
      verdict: "build",
      facts: { tags: "slim, latest", "tags taken": "latest" },
      detail: "built and published as slim",
    });
  });

  it("skip the later when nothing is left of it", () => {
    const built = plan(
      image("api", [rule({ branch: "main" }, ["latest"])]),
      image("api", [rule({ branch: "*" }, ["latest"], { inputs: slim })]),
    );
    expect(digestOf(built)).toEqual(["api=latest", "api:tag-collision"]);
  });

  it("join images of one name that are the same work", () => {
    const built = plan(
      image("api", [rule({ branch: "main" }, ["latest"])]),
      image("api", [rule({ branch: "*" }, ["edge"])], { supersede: "none" }),
    );
    expect(digestOf(built)).toEqual(["api=latest,edge"]);
    expect(built.requests[0]).toMatchObject({ supersede: "none", rules: ["images[0].rules[0]", "images[1].rules[0]"] });
  });

  it.each([
    ["none", "newest"],
    ["newest", "none"],
  ] as const)("never supersede joined work that one of them keeps: %s and %s", (first, second) => {
    const { requests } = plan(
      image("api", [rule({ branch: "main" }, ["latest"])], { supersede: first }),
      image("api", [rule({ branch: "main" }, ["edge"])], { supersede: second }),
    );
    expect(requests).toMatchObject([{ tags: ["latest", "edge"], supersede: "none" }]);
  });

  it("keep tags of what is not published, which takes them from nobody", () => {
    const built = plan(
      image("api", [rule({ branch: "main" }, ["latest"], { push: false }), rule({ branch: "main" }, ["latest"])]),
    );
    expect(built.requests).toMatchObject([
      { push: false, tags: ["latest"] },
      { push: true, tags: ["latest"] },
    ]);
    expect(new Set(built.requests.map(({ key }) => key)).size).toBe(2);
  });

  it("report two refs of one event that share a tag", () => {
    const file = config([image("api", [rule({ branch: "**" }, ["{sourceref}"])])]);
    const built = planBuilds(planFacts([changeFacts(branch("a/b"), file), changeFacts(branch("a-b"), file)]));
    expect(digestOf(built)).toEqual(["api=a-b", "api:tag-collision"]);
    expect(built.skips[0]).toMatchObject({ ref: "refs/heads/a-b", detail: expect.stringContaining("refs/heads/a/b") });
  });

  it("decide each change for itself", () => {
    const file = config([image("api", [rule({ branch: "main" }, ["latest"])])]);
    const gone = branch("old", { after: null, commit: null });
    const built = planBuilds(
      planFacts([changeFacts(gone, file), changeFacts(branch("main"), file), changeFacts(branch("x"), file)]),
    );
    expect(digestOf(built)).toEqual(["api=latest", "null:ref-deleted", "api:no-match"]);
  });

  it("say the remarks of one file once", () => {
    const diagnostics = [{ severity: "warning", line: 2, column: 1, message: "no anchors" }] as const;
    const file = config([image("api", [rule({ branch: "**" }, ["{sha7}"])])]);
    const read = { kind: "read", parsed: parsed(file, diagnostics) } as const;
    const changes = [branch("a"), branch("b", { commit: sha("c"), after: sha("c") })];
    const built = planBuilds(planFacts(changes.map((change) => changeFacts(change, file, { config: read }))));
    expect(built.diagnostics).toEqual(diagnostics);
  });

  it("skip an image whose files did not change, and say what did", () => {
    const paths = { include: [pattern("web/**", "path")], exclude: [] };
    const file = config([
      image("api", [rule({ branch: "main" }, ["latest"])]),
      image("web", [rule({ branch: "main" }, ["latest"])], { paths }),
    ]);
    const built = planBuilds(planFacts([changeFacts(branch("main"), file, { changedPaths: ["api/x", "api/y"] })]));
    expect(digestOf(built)).toEqual(["api=latest", "web:paths-unchanged"]);
    expect(built.skips[0]?.detail).toBe("not built: 2 files changed, none of them matches web/**");
  });

  it("drop one impossible tag with a warning and keep the rest", () => {
    const built = plan(image("api", [rule({ branch: "/^main(-x)?$/" }, ["{1}-a", "ok"])]));
    expect(digestOf(built)).toEqual(["api=ok"]);
    expect(built.diagnostics).toMatchObject([
      { severity: "warning", message: "api: no tag from {1}-a: {1} is empty here" },
    ]);
  });
});

it("a hostile file beside a great many tags is planned in bounded time", () => {
  const rules = Array.from({ length: 200 }, (_, i) => rule({ semver: `>=1.0.0 <${i + 2}.0.0` }, ["latest", `r${i}`]));
  const file = config(Array.from({ length: 15 }, (_, i) => image(`image${i}`, rules)));
  const tags = Array.from({ length: 20_000 }, (_, i) => `v${1000 + (i % 10)}.${i}.0`);
  // Time of the processor: that of the clock is also that of whatever else runs.
  const started = process.cpuUsage();
  const plan = planBuilds(planFacts([changeFacts(tag("v1.0.0"), file, { tags })]));
  expect(plan.requests.length + plan.skips.length).toBeGreaterThan(0);
  expect(plan.trace).toHaveLength(3_000);
  expect(process.cpuUsage(started).user / 1_000).toBeLessThan(10_000);
});

it("joins, holds and traces a great many builds in time that grows with their number", () => {
  function spent(count: number): number {
    const rules = Array.from({ length: count }, (_, i) =>
      rule({ branch: "**" }, [`t${i}-{sourceref}`], { inputs: { ...inputs, target: `s${i}` } }),
    );
    const started = process.cpuUsage();
    const plan = planBuilds(planFacts([changeFacts(branch("main"), config([image("api", rules)]))]));
    expect([plan.requests.length, plan.held.length, plan.trace.length]).toEqual([0, count, count]);
    return process.cpuUsage(started).user;
  }
  spent(500);
  const [few, many] = [spent(500), spent(8_000)];
  // Sixteen times as many: in quadratic time 256 times as long.
  expect(many / few).toBeLessThan(80);
});

it("moves no tag by version with what is only tested", () => {
  const file = config([image("api", [rule({ semver: "*" }, ["{version}", "latest"], { push: false })])]);
  const { requests } = planBuilds(planFacts([changeFacts(tag("v1.0.0"), file, { tags: ["v1.0.0"] })]));
  expect(requests.map(({ tags, versions }) => [tags, versions])).toEqual([[["1.0.0", "latest"], undefined]]);
});

describe("without a file", () => {
  const missing = { config: { kind: "missing", hint: null } } as const;
  const file = config([]);

  it("the default branch builds the root Dockerfile as latest where that is allowed", () => {
    const facts = planFacts([changeFacts(branch("main"), file, missing)], {
      policy: { ...DEFAULT_POLICY, zeroConfig: true },
      repository: { ...repository, fullName: "Acme/My-API" },
    });
    const { requests, skips } = planBuilds(facts);
    expect(skips).toEqual([]);
    expect(requests).toMatchObject([
      { image: "my-api", tags: ["latest"], inputs: { context: ".", dockerfile: "Dockerfile" } },
    ]);
  });

  it.each<[string, RefChange]>([
    ["another branch", branch("docs")],
    ["a tag called like the default branch", tag("main")],
  ])("%s is not built", (_, change) => {
    const { requests, skips } = planBuilds(
      planFacts([changeFacts(change, file, missing)], { policy: { ...DEFAULT_POLICY, zeroConfig: true } }),
    );
    expect(requests).toEqual([]);
    expect(skips).toMatchObject([{ image: null, reason: "config-missing" }]);
  });

  it("a skip token still counts", () => {
    const change = branch("main", { message: "[skip ci]" });
    expect(
      planBuilds(planFacts([changeFacts(change, file, missing)], { policy: { ...DEFAULT_POLICY, zeroConfig: true } }))
        .skips,
    ).toMatchObject([{ reason: "skip-requested" }]);
  });
});

describe("the key of a request", () => {
  function keyOf(change: RefChange, rest: Partial<typeof inputs> = {}, facts: Partial<PlanFacts> = {}, name = "api") {
    const file = config([image(name, [rule({ branch: "**" }, ["{date}"], { inputs: { ...inputs, ...rest } })])]);
    return planBuilds(planFacts([changeFacts(change, file)], facts)).requests[0]?.key;
  }
  const base = keyOf(branch("main"));

  it("is the same for the same work on another day, with keys in another order", () => {
    expect(keyOf(branch("main"), {}, { now: "2027-01-01T00:00:00Z" })).toBe(base);
    expect(keyOf(branch("main"), { buildArgs: { A: "1", B: "2" } })).toBe(
      keyOf(branch("main"), { buildArgs: { B: "2", A: "1" } }),
    );
  });

  it.each([
    ["ref", keyOf(branch("x"))],
    ["before", keyOf(branch("main", { before: null }))],
    ["after", keyOf(branch("main", { after: sha("d"), commit: sha("d") }))],
    ["image", keyOf(branch("main"), {}, {}, "web")],
    ["inputs", keyOf(branch("main"), { buildArgs: { A: "1" } })],
    ["repository", keyOf(branch("main"), {}, { repository: { ...repository, id: "2" } })],
  ])("differs with another %s", (_, key) => {
    expect(key).toMatch(/^[0-9a-f]{64}$/);
    expect(key).not.toBe(base);
  });

  it("does not depend on names that change", () => {
    expect(keyOf(branch("main"), {}, { repository: { ...repository, fullName: "acme/renamed" } })).toBe(base);
  });
});
