import { describe, expect, it } from "@jest/globals";
import { DEFAULT_POLICY, type PullRequest, type RefChange } from "../../src/core/model.ts";
import { neededFacts, needsConfig, needsGrants, publishedImages } from "../../src/core/needed-facts.ts";
import type { PlanFacts } from "../../src/core/plan.ts";
import { branch, changeFacts, config, image, parsed, pattern, planFacts, pull, rule, tag } from "./samples.ts";

describe("facts are asked for only where they can matter", () => {
  const linked = planFacts([]);

  it.each<[string, Partial<PlanFacts>, boolean]>([
    ["an active repository", {}, true],
    ["an unlinked repository", { link: "unlinked" }, false],
    ["a paused repository", { link: "paused" }, false],
    ["no installation", { installation: null }, false],
    ["no namespace", { installation: { state: "active", namespace: null } }, false],
  ])("the file of %s", (_, rest, expected) => {
    expect(needsConfig({ ...linked, ...rest })).toBe(expected);
  });

  const paths = { include: [pattern("a/**", "path")], exclude: [] };
  const queue = rule({ branch: "gh-readonly-queue/**" }, null);
  const file = config([
    image("api", [rule({ branch: "main" }, null), rule({ semver: "*" }, ["{version}", "latest"]), queue], { paths }),
    image("web", [rule({ branch: "docs" }, null), rule({ tag: "v*" }, null)]),
  ]);

  it.each<[string, RefChange, boolean, boolean]>([
    ["a branch with a path filter: paths", branch("main"), true, false],
    ["a skip token: none", branch("main", { message: "[skip ci]" }), false, false],
    ["a branch without a path filter: none", branch("docs"), false, false],
    ["a branch no rule matches: none", branch("other"), false, false],
    ["the merge queue: none", branch("gh-readonly-queue/main/1"), false, false],
    ["a version with a moving tag: tags", tag("v1.0.0"), false, true],
    ["a tag that is no version: none", tag("v1"), false, false],
  ])("%s", (_, change, changedPaths, tags) => {
    expect(neededFacts(change, file)).toEqual({ changedPaths, tags });
  });

  it("no tags for rules that move none", () => {
    const fixed = config([image("api", [rule({ semver: "*" }, ["{version}"]), rule({ semver: "*" }, null)])]);
    expect(neededFacts(tag("v1.0.0"), fixed).tags).toBe(false);
  });

  it.each<[string, RefChange, readonly string[] | null, readonly string[]]>([
    ["both images", branch("both"), null, ["api", "web"]],
    ["what changed", branch("both"), ["b/x"], ["web"]],
    ["nothing that is only tested", branch("tested"), null, []],
    ["nothing for the merge queue", branch("gh-readonly-queue/main/1"), null, []],
    ["nothing where a message asks for it", branch("both", { message: "[skip ci]" }), null, []],
    ["nothing that matches no rule", branch("other"), null, []],
  ])("would publish %s, and asks the default branch's file only then", (_, change, changedPaths, expected) => {
    const both = rule({ branch: "both" }, null);
    const tested = rule({ branch: "{tested,gh-readonly-queue/**}" }, null, { push: false });
    const images = [image("api", [both, tested], { paths }), image("web", [both]), image("api", [both], { paths })];
    const facts = changeFacts(change, config(images), { changedPaths });
    expect(publishedImages(facts, DEFAULT_POLICY)).toEqual(expected);
    expect(needsGrants(facts, { defaultBranch: "main" }, DEFAULT_POLICY)).toBe(expected.length > 0);
    expect(needsGrants(facts, { defaultBranch: change.name }, DEFAULT_POLICY)).toBe(false);
    expect(needsGrants(facts, { defaultBranch: null }, DEFAULT_POLICY)).toBe(false);
  });

  it.each<[string, Partial<PullRequest>, boolean, readonly string[]]>([
    ["of the repository itself", {}, true, ["api"]],
    ["where the installation publishes none", {}, false, []],
    ["from a fork", { fork: true }, true, []],
    ["that a queue wants to merge", { queued: true }, true, []],
    ["that is a draft", { draft: true }, true, []],
  ])("a pull request publishes only where it may: %s", (_, rest, publishPullRequests, expected) => {
    const file = config([image("api", [rule({ pull_request: "**" }, null)])]);
    const policy = { ...DEFAULT_POLICY, publishPullRequests };
    const facts = changeFacts(pull({ target: "next", ...rest }), file);
    expect(publishedImages(facts, policy)).toEqual(expected);
    expect(needsGrants(facts, { defaultBranch: "main" }, policy)).toBe(expected.length > 0);
    expect(needsGrants(facts, { defaultBranch: "next" }, policy)).toBe(false);
  });

  it("no paths for a draft, and those of any other pull request that a rule matches", () => {
    const file = config([image("api", [rule({ pull_request: "main" }, null)], { paths })]);
    const asked = [pull(), pull({ draft: true }), pull({ target: "next" }), pull({ fork: true })];
    expect(asked.map((change) => neededFacts(change, file).changedPaths)).toEqual([true, false, false, true]);
  });

  it("the default branch's file for a tag that is called like it", () => {
    const facts = changeFacts(tag("main"), config([image("api", [rule({ tag: "**" }, null)])]));
    expect(needsGrants(facts, { defaultBranch: "main" }, DEFAULT_POLICY)).toBe(true);
  });

  it("nothing of a file that is broken or not there", () => {
    const change = branch("main");
    for (const fact of [{ kind: "missing", hint: null } as const, { kind: "read", parsed: parsed(null) } as const]) {
      expect(publishedImages({ ...changeFacts(change, file), config: fact }, DEFAULT_POLICY)).toEqual([]);
    }
  });
});
