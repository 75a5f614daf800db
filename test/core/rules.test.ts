import { describe, expect, it } from "@jest/globals";
import { describeRule, isMergeQueue, judgeRule } from "../../src/core/rules.ts";
import { branch, rule, tag } from "./samples.ts";

describe("which rules match", () => {
  it.each([
    [{ branch: "main" }, branch("main")],
    [{ branch: "release/*" }, branch("release/1.0")],
    [{ branch: "/^v/" }, branch("v2")],
    [{ tag: "v*" }, tag("v1")],
    [{ tag: "/[0-9.]+$/" }, tag("release-1.0")],
    [{ semver: ">=1.0.0" }, tag("v1.2.3")],
    [{ semver: ">=1.0.0" }, tag("2.0.0-rc.1")],
    [{ semver: ">=1.0.0", prefix: "api/v" }, tag("api/v1.2.3")],
  ])("%j matches the push", (on, change) => {
    expect(judgeRule(rule(on, null), change)).toMatchObject({ matches: true });
  });

  it.each([
    [{ branch: "main" }, branch("docs"), "branch docs does not match branch main"],
    [{ branch: "release/*" }, branch("release/a/b"), "branch release/a/b does not match branch release/*"],
    [{ branch: "v1.0.0" }, tag("v1.0.0"), "tag v1.0.0 does not match branch v1.0.0"],
    [{ tag: "main" }, branch("main"), "branch main does not match tag main"],
    [{ semver: "*" }, branch("v1.0.0"), "branch v1.0.0 does not name a version (versions *)"],
    [{ semver: "*" }, tag("nightly"), "tag nightly does not name a version (versions *)"],
    [{ semver: ">=1.0.0" }, tag("v0.9.0"), "tag v0.9.0 is not in the range >=1.0.0"],
    [{ semver: ">=1.0.0" }, tag("v1.0.0-rc.1"), "tag v1.0.0-rc.1 is not in the range >=1.0.0"],
    [{ semver: "no range" }, tag("v1.0.0"), "tag v1.0.0 is not in the range no range"],
    [{ pull_request: "main" }, branch("main"), "branch main was pushed; the rule is for pull requests into main"],
  ])("%j does not match, and says so", (on, change, why) => {
    expect(judgeRule(rule(on, null), change)).toEqual({ matches: false, why });
  });

  it("hands on what the pattern captured", () => {
    const verdict = judgeRule(rule({ branch: "/^release/(?P<line>[0-9.]+)$/" }, null), branch("release/1.9"));
    expect(verdict).toMatchObject({ captures: { "1": "1.9", line: "1.9" } });
  });
});

it("knows branches of the merge queue by the whole prefix", () => {
  expect(isMergeQueue(branch("gh-readonly-queue/main/pr-1-abc"))).toBe(true);
  expect(isMergeQueue(branch("x/gh-readonly-queue/main"))).toBe(false);
  expect(isMergeQueue(tag("gh-readonly-queue/main"))).toBe(false);
});

it.each([
  [{ branch: "release/*" }, "branch release/*"],
  [{ semver: "1.x", prefix: "api/v" }, "versions 1.x after api/v"],
  [{ pull_request: "main" }, "pull requests into main"],
])("describes %j in words", (on, words) => {
  expect(describeRule(rule(on, null))).toBe(words);
});
