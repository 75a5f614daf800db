import { describe, expect, it } from "@jest/globals";
import type { RefChange } from "../../src/core/model.ts";
import { neededFacts, needsConfig, needsGrants, publishedImages } from "../../src/core/needed-facts.ts";
import type { PlanFacts } from "../../src/core/plan.ts";
import { branch, changeFacts, config, image, parsed, pattern, planFacts, rule, tag } from "./samples.ts";

describe("facts are asked for only where they can matter", () => {
  const linked = planFacts([]);

  it.each<[string, Partial<PlanFacts>, RefChange, boolean]>([
    ["an active repository", {}, branch("main"), true],
    ["a deleted ref", {}, branch("main", { after: null, commit: null }), false],
    ["a ref that points to no commit", {}, tag("v1", { commit: null }), false],
    ["an unlinked repository", { link: "unlinked" }, branch("main"), false],
    ["a paused repository", { link: "paused" }, branch("main"), false],
    ["no installation", { installation: null }, branch("main"), false],
    ["no namespace", { installation: { state: "active", namespace: null } }, branch("main"), false],
  ])("the file of %s", (_, rest, change, expected) => {
    expect(needsConfig({ ...linked, ...rest }, change)).toBe(expected);
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
    expect(publishedImages(facts)).toEqual(expected);
    expect(needsGrants(facts, { defaultBranch: "main" })).toBe(expected.length > 0);
    expect(needsGrants(facts, { defaultBranch: change.name })).toBe(false);
    expect(needsGrants(facts, { defaultBranch: null })).toBe(false);
  });

  it("the default branch's file for a tag that is called like it", () => {
    const facts = changeFacts(tag("main"), config([image("api", [rule({ tag: "**" }, null)])]));
    expect(needsGrants(facts, { defaultBranch: "main" })).toBe(true);
  });

  it("nothing of a file that is broken or not there", () => {
    const change = branch("main");
    expect(publishedImages({ ...changeFacts(change, file), config: { kind: "missing", hint: null } })).toEqual([]);
    expect(publishedImages({ ...changeFacts(change, file), config: { kind: "read", parsed: parsed(null) } })).toEqual(
      [],
    );
  });
});
