import { describe, expect, it } from "@jest/globals";
import { parseRepoConfig } from "../../../src/core/repo-config/parse.ts";

/** What is said of rules of one image, and where. */
function said(...rules: readonly object[]): readonly string[] {
  const { config, diagnostics } = parseRepoConfig(JSON.stringify({ version: 1, images: [{ rules }] }), {
    repositoryName: "api",
  });
  expect(config).not.toBeNull();
  return diagnostics
    .filter(({ message }) => message.includes("share"))
    .map(({ severity, message }) => `${severity}: ${message}`);
}

describe("two branches that share a tag are remarked on", () => {
  it.each<[what: string, rules: readonly object[], tag: string, names: readonly [string, string]]>([
    [
      "by their own names, which become one tag",
      [{ branch: "feature/x" }, { branch: "feature-x" }],
      "feature-x",
      ["feature/x", "feature-x"],
    ],
    [
      "by what stands around them",
      [
        { branch: "a/b", tags: ["x-{branch}"] },
        { branch: "a+b", tags: ["x-{sourceref}"] },
      ],
      "x-a-b",
      ["a/b", "a+b"],
    ],
    [
      "by a listed tag",
      [
        { branch: "main", tags: ["latest"] },
        { branch: "develop", tags: ["dev", "latest"] },
      ],
      "latest",
      ["main", "develop"],
    ],
    [
      "by an expression that matches one name",
      [
        { branch: "/^a\\/b$/", tags: ["x"] },
        { branch: "c", tags: ["x"] },
      ],
      "x",
      ["a/b", "c"],
    ],
  ])("%s", (_, rules, tag, [one, other]) => {
    expect(said(...rules)).toEqual([
      `warning: the branches \`${one}\` (images[0].rules[0]) and \`${other}\` share the tag \`${tag}\`: the last push has it`,
    ]);
  });

  it("at the tag, or at the rule that lists none", () => {
    const text =
      "version: 1\nimages:\n  - rules:\n      - branch: a/b\n      - branch: a-b\n      - branch: a_b\n        tags: [x, a-b]\n";
    const { diagnostics } = parseRepoConfig(text, { repositoryName: "api" });
    expect(diagnostics.map(({ line, column }) => [line, column])).toEqual([
      [5, 9],
      [7, 19],
    ]);
  });
});

describe("all that a pattern matches share a tag, and that is told", () => {
  it.each([
    [{ branch: "release/*", tags: ["edge"] }, "branches"],
    [{ branch: "/^v/", tags: ["edge-{date}"] }, "branches"],
    [{ pull_request: "main", push: true, tags: ["preview"] }, "pull requests"],
  ])("%j", (rule, what) => {
    expect(said(rule)).toEqual([`info: all ${what} that the rule matches share this tag: the last push has it`]);
  });
});

describe("nothing is said of", () => {
  it.each<[string, readonly object[]]>([
    [
      "a branch beside versions",
      [
        { branch: "main", tags: ["latest"] },
        { semver: "*", tags: ["latest"] },
      ],
    ],
    ["tags one after the other", [{ tag: "v*", tags: ["latest"] }]],
    ["names that stay apart", [{ branch: "feature/x" }, { branch: "feature/y" }, { branch: "feature_x" }]],
    [
      "one branch, whose rules make one build",
      [
        { branch: "main", tags: ["a"] },
        { branch: "main", tags: ["b", "a"] },
      ],
    ],
    [
      "one branch with two builds",
      [
        { branch: "main", tags: ["a"] },
        { branch: "main", tags: ["b"], target: "x" },
      ],
    ],
    ["a pattern, whose branches are told apart by name", [{ branch: "feature/**" }]],
    ["a pattern with a group, or with the commit", [{ branch: "/^v(.*)$/", tags: ["{1}", "x-{sha7}"] }]],
    ["pull requests that are not published", [{ pull_request: "main", tags: ["preview"] }]],
    ["pull requests by number", [{ pull_request: "main", push: true }]],
    [
      "rules that do not publish",
      [
        { branch: "a", tags: ["x"], push: false },
        { branch: "b", tags: ["x"] },
      ],
    ],
    [
      "tags made of the commit",
      [
        { branch: "a", tags: ["x-{sha7}"] },
        { branch: "b", tags: ["x-{sha7}"] },
      ],
    ],
  ])("%s", (_, rules) => expect(said(...rules)).toEqual([]));

  it.each(["", "type=semvre,pattern=x"])("a tag that is broken, beside what is wrong with it: %j", (tag) => {
    const file = { version: 1, images: [{ rules: [{ branch: "**", tags: [tag] }] }] };
    const { diagnostics } = parseRepoConfig(JSON.stringify(file), { repositoryName: "api" });
    expect(diagnostics.map(({ severity }) => severity)).toEqual(["error"]);
  });

  it("two images", () => {
    const images = ["a", "b"].map((name) => ({ name, rules: [{ branch: name, tags: ["latest"] }] }));
    expect(parseRepoConfig(JSON.stringify({ version: 1, images }), { repositoryName: "api" }).diagnostics).toEqual([]);
  });
});
