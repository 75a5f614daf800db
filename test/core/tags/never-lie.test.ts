/** Each promise about tags, through the one decision: what is pushed, with which tags in the repository, gives what. */
import { describe, expect, it } from "@jest/globals";
import type { BuildPlan, Change } from "../../../src/core/model.ts";
import { planBuilds } from "../../../src/core/plan.ts";
import { parseRepoConfig } from "../../../src/core/repo-config/parse.ts";
import { branch, changeFacts, planFacts, sha, tag } from "../samples.ts";

/** `rules` as in the file, of one image unless there are more. */
function plan(file: string, changes: readonly Change[], tags: readonly string[] | null = []): BuildPlan {
  const images = file.includes("rules:") ? file : `[{ rules: ${file} }]`;
  const { config, diagnostics } = parseRepoConfig(`version: 1\nimages: ${images}`, { repositoryName: "api" });
  if (config === null) throw new Error(JSON.stringify(diagnostics));
  return planBuilds(planFacts(changes.map((change) => changeFacts(change, config, { tags }))));
}

/** All tags that are published, in order. */
function published({ requests }: BuildPlan): readonly string[] {
  return requests.flatMap((request) => (request.push ? request.tags : []));
}

const said = ({ diagnostics }: BuildPlan) => diagnostics.map(({ severity, message }) => `${severity}: ${message}`);

const LINES = '[{ semver: "*", tags: ["{version}", "{major}.{minor}", "{major}", latest] }]';
const ENTRIES =
  '[{ tag: "**", tags: ["type=semver,pattern={{version}}", "type=semver,pattern={{major}}.{{minor}}", "type=semver,pattern={{major}}"] }]';

describe.each([
  ["native tags", LINES],
  ["tags in docker/metadata-action's words", ENTRIES],
])("versions, with %s", (_, rules) => {
  it.each<[what: string, pushed: string, others: readonly string[], tags: readonly string[]]>([
    ["the first of all", "v1.0.0", [], ["1.0.0", "1.0", "1", "latest"]],
    ["the highest", "v2.1.0", ["v2.0.0", "v1.9.9"], ["2.1.0", "2.1", "2", "latest"]],
    ["a backport to an older major", "v1.9.1", ["v1.9.0", "v2.0.0"], ["1.9.1", "1.9", "1"]],
    ["a backport to an older minor", "v1.8.1", ["v1.8.0", "v1.9.0"], ["1.8.1", "1.8"]],
    ["an older patch than its line has", "v1.8.1", ["v1.8.2", "v1.9.0", "v2.0.0"], ["1.8.1"]],
    ["versions by number, not by letter", "v1.10.0", ["v1.9.0"], ["1.10.0", "1.10", "1", "latest"]],
    ["the same version pushed again", "v1.0.0", ["v1.0.0"], ["1.0.0", "1.0", "1", "latest"]],
    ["a pre-release alone", "v1.0.0-rc.1", [], ["1.0.0-rc.1"]],
    ["a pre-release above all releases", "v2.0.0-rc.1", ["v1.0.0"], ["2.0.0-rc.1"]],
    [
      "a release, whatever pre-releases there are",
      "v1.0.0",
      ["v1.0.0-rc.9", "v2.0.0-rc.1"],
      ["1.0.0", "1.0", "1", "latest"],
    ],
    ["0.x, which has no tag 0", "v0.3.1", ["v0.3.0"], ["0.3.1", "0.3", "latest"]],
    ["beside tags that are no versions", "v1.0.0", ["nightly", "v2", "2.0", "v9.9"], ["1.0.0", "1.0", "1", "latest"]],
  ])("%s: %s beside %j", (_, pushed, others, tags) => {
    expect(published(plan(rules, [tag(pushed)], [...others, pushed]))).toEqual(tags);
  });

  it("say with which version a tag stays", () => {
    const { diagnostics } = plan(rules, [tag("v1.9.1")], ["v1.9.1", "v2.0.0"]);
    expect(diagnostics.map(({ message }) => message).join("\n")).toContain("latest stays with 2.0.0, which is newer");
  });

  it("say so when the other tags are not known, and the one pushed counts as the only one", () => {
    const unknown = plan(rules, [tag("v1.9.1")], null);
    expect(published(unknown)).toEqual(["1.9.1", "1.9", "1", "latest"]);
    expect(said(unknown)).toEqual([
      expect.stringMatching(/^warning: .*not known: v1\.9\.1 is taken as its only version/),
    ]);
  });

  it("pushed together end as if each had been pushed alone", () => {
    const names = ["v1.9.1", "v2.0.0", "v2.1.0-rc.1"];
    const together = plan(
      rules,
      names.map((name) => tag(name)),
      names,
    );
    expect(together.requests.map(({ tags }) => tags)).toEqual([
      ["1.9.1", "1.9", "1"],
      ["2.0.0", "2.0", "2", "latest"],
      ["2.1.0-rc.1"],
    ]);
  });
});

describe("a version that names no release", () => {
  it("gives nothing rather than latest where only moving tags are listed", () => {
    const { requests, skips } = plan('[{ semver: "*", tags: [latest, "{major}"] }]', [tag("v2.0.0-rc.1")]);
    expect(requests).toEqual([]);
    expect(skips).toMatchObject([{ reason: "invalid-tag", detail: expect.stringContaining("is a pre-release") }]);
  });

  it("is skipped as older where all its tags stay with newer versions", () => {
    const { requests, skips } = plan('[{ semver: "*", tags: [latest] }]', [tag("v1.0.0")], ["v2.0.0"]);
    expect(requests).toEqual([]);
    expect(skips).toMatchObject([{ reason: "older-than-published" }]);
  });

  it("counts only within the ranges and the prefix of its rules", () => {
    const rules = '[{ semver: "1.x", tags: [stable] }, { semver: "2.x", tags: [next] }]';
    expect(published(plan(rules, [tag("v1.0.0")], ["v2.0.0"]))).toEqual(["stable"]);
    const prefixed = '[{ semver: "*", prefix: "api/v", tags: [latest] }]';
    expect(published(plan(prefixed, [tag("api/v1.0.0")], ["web/v2.0.0", "v3.0.0"]))).toEqual(["latest"]);
    expect(published(plan(prefixed, [tag("api/v1.0.0")], ["api/v2.0.0"]))).toEqual([]);
  });
});

describe("what a name turns into", () => {
  it.each<[name: string, became: string]>([
    ["feature/x", "feature-x"],
    ["Feature/X", "Feature-X"],
    ["a//b", "a-b"],
    ["日本/x", "x"],
    ["-x", "x"],
    ["a+b", "a-b"],
    ["x".repeat(200), "x".repeat(128)],
  ])("is shown: %s", (name, became) => {
    const one = plan('[{ branch: "**", tags: ["{sourceref}"] }]', [branch(name)]);
    expect([published(one), said(one)]).toEqual([[became], [`info: api: ${name} is published as ${became}`]]);
  });

  it("is shown for versions with build metadata, too", () => {
    const one = plan('[{ semver: "*", tags: ["{version}"] }]', [tag("v1.0.0+build.5")], ["v1.0.0+build.5"]);
    expect([published(one), said(one)]).toEqual([
      ["1.0.0-build.5"],
      ["info: api: 1.0.0+build.5 is published as 1.0.0-build.5"],
    ]);
  });

  it.each([
    ["日本", '"{sourceref}"', "nothing of it is legal"],
    ["latest", '"{sourceref}"', "latest by accident"],
    ["/latest", '"{sourceref}"', "latest by accident"],
    ["main", '"{1}"', "is empty here"],
  ])("is never latest, and never nothing: %s with %s", (name, template, why) => {
    const on = template.includes("{1}") ? "'/^main(x)?$/'" : '"**"';
    const { requests, skips } = plan(`[{ branch: ${on}, tags: [${template}] }]`, [branch(name)]);
    expect(requests).toEqual([]);
    expect(skips).toMatchObject([{ reason: "invalid-tag", detail: expect.stringContaining(why) }]);
  });
});

describe("two that would share a tag", () => {
  const EACH = '[{ branch: "**", tags: ["{sourceref}"] }]';
  const other = (name: string) => branch(name, { after: sha("c"), commit: sha("c") });

  it.each<[what: string, file: string, changes: readonly Change[], tags: readonly string[], lost: string]>([
    [
      "two branches of one push",
      EACH,
      [branch("feature/x"), other("feature-x")],
      ["feature-x"],
      "refs/heads/feature/x",
    ],
    [
      "a branch and a tag",
      '[{ branch: "**", tags: ["{branch}"] }, { tag: "**" }]',
      [branch("v1"), tag("v1")],
      ["v1"],
      "refs/heads/v1",
    ],
    [
      "two versions that differ in what no tag holds",
      '[{ semver: "*", tags: ["{version}"] }]',
      [tag("v1.0.0+a"), tag("v1.0.0-a")],
      ["1.0.0-a"],
      "refs/tags/v1.0.0+a",
    ],
    [
      "two names that are cut to one",
      EACH,
      [branch(`${"x".repeat(128)}1`), other(`${"x".repeat(128)}2`)],
      ["x".repeat(128)],
      `refs/heads/${"x".repeat(128)}1`,
    ],
    [
      "two entries of one image",
      '[{ rules: [{ branch: "m*", tags: [edge] }] }, { context: b, rules: [{ branch: "*n", tags: [edge] }] }]',
      [branch("main")],
      ["edge"],
      "images[0].rules[0]",
    ],
    [
      "two rules with other inputs",
      '[{ branch: "m*", tags: [edge] }, { branch: "*n", target: debug, tags: [edge] }]',
      [branch("main")],
      ["edge"],
      "images[0].rules[0]",
    ],
  ])("are told before anything is built, and the first has it: %s", (_, file, changes, tags, first) => {
    const one = plan(file, changes);
    expect(published(one)).toEqual(tags);
    const collisions = one.skips.filter(({ reason }) => reason === "tag-collision");
    expect(collisions).toMatchObject([{ detail: expect.stringContaining(first) }]);
    expect(collisions[0]?.detail).toContain("already published by");
    expect(one.trace.filter(({ reason }) => reason === "tag-collision")).toHaveLength(1);
  });

  it("never publish one tag twice, also where they keep others", () => {
    const file = '[{ branch: "m*", tags: [edge, a] }, { branch: "*n", target: debug, tags: [edge, b] }]';
    const one = plan(file, [branch("main")]);
    expect(published(one)).toEqual(["edge", "a", "b"]);
    expect(one.skips).toMatchObject([{ reason: "tag-collision", rule: "images[0].rules[1]" }]);
  });

  it("are no collision where they are the same work, other images, or not published", () => {
    const same = '[{ branch: "m*", tags: [edge] }, { branch: "*n", tags: [edge] }]';
    const images = "[{ name: a, rules: [{ branch: main }] }, { name: b, rules: [{ branch: main }] }]";
    const quiet = '[{ branch: "m*", tags: [edge] }, { branch: "*n", tags: [edge], target: x, push: false }]';
    for (const file of [same, images, quiet]) expect(plan(file, [branch("main")]).skips).toEqual([]);
  });

  it("are an error of the file where they always would", () => {
    const always = "[{ branch: main, tags: [x] }, { branch: main, target: debug, tags: [x] }]";
    expect(() => plan(always, [])).toThrow("already gives tag `x`");
  });
});
