import { describe, expect, it } from "@jest/globals";
import { type Comparison, compareRefs } from "../../../src/core/dockerhub/compare.ts";
import type { Ref } from "../../../src/core/dockerhub/refs.ts";
import type { HubRule } from "../../../src/core/dockerhub/rules.ts";
import { parseRepoConfig } from "../../../src/core/repo-config/parse.ts";

function hub(source: string, tags: readonly string[], rest: Partial<HubRule> = {}): HubRule {
  return {
    place: `line for ${source}`,
    image: null,
    kind: "branch",
    source,
    tags,
    dockerfile: "/",
    context: "/",
    autobuild: true,
    caching: true,
    ...rest,
  };
}

function ref(text: string): Ref {
  const [, folder, name = ""] = /^refs\/(heads|tags)\/(.+)$/.exec(text) ?? [];
  return { ref: text, kind: folder === "heads" ? "branch" : "tag", name };
}

/** One ref against rules of Docker Hub and rules of a file, in YAML. */
function compare(text: string, rules: readonly HubRule[], file: readonly string[]): Comparison | undefined {
  const images = file.length === 0 ? null : `version: 1\nimages: [{ name: app, rules: [${file.join(", ")}] }]\n`;
  const parsed = images === null ? null : parseRepoConfig(images, { repositoryName: "x" });
  return compareRefs([ref(text)], [{ image: "app", rules }], parsed)[0];
}

describe("compareRefs", () => {
  it("finds the same tags the same, in whatever order", () => {
    const given = "{ branch: main, tags: [b, a] }";
    expect(compare("refs/heads/main", [hub("main", ["a"]), hub("main", ["b", "a"])], [given])).toEqual({
      ref: "refs/heads/main",
      image: "app",
      verdict: "same",
      hub: ["a", "b"],
      file: ["b", "a"],
      remarks: [],
    });
  });

  it.each([
    ["a tag more in the file", "refs/heads/main", ["a"], "{ branch: main, tags: [a, b] }", ["a"], ["a", "b"]],
    ["a tag less", "refs/heads/main", ["a", "b"], "{ branch: main, tags: [a] }", ["a", "b"], ["a"]],
    ["another tag", "refs/heads/main", ["a"], "{ branch: main, tags: [b] }", ["a"], ["b"]],
    ["nothing on Docker Hub", "refs/tags/main", ["a"], "{ tag: main, tags: [a] }", [], ["a"]],
    ["nothing in the file", "refs/heads/main", ["a"], "{ tag: main, tags: [a] }", ["a"], []],
  ])("tells %s", (_, text, tags, given, onHub, inFile) => {
    expect(compare(text, [hub("main", tags)], [given])).toMatchObject({ verdict: "differs", hub: onHub, file: inFile });
  });

  it("tells what is sanitised here and can not be pushed there", () => {
    expect(
      compare("refs/heads/a/b", [hub("/.*/", ["{sourceref}"])], ["{ branch: '**', tags: ['{sourceref}'] }"]),
    ).toEqual(
      expect.objectContaining({
        verdict: "differs",
        hub: [],
        file: ["a-b"],
        remarks: ["Docker Hub can not push `a/b`, which is no legal tag"],
      }),
    );
  });

  it("takes a group that took no part for empty on Docker Hub, where this file gives no tag", () => {
    const file = ["{ tag: '/^([0-9]+)(-rc)?$/', tags: ['{1}{2}'] }"];
    const rules = [hub("/^([0-9]+)(-rc)?$/", ["{\\1}{\\2}"], { kind: "tag" })];
    expect(compare("refs/tags/7-rc", rules, file)).toMatchObject({ verdict: "same", hub: ["7-rc"] });
    expect(compare("refs/tags/7", rules, file)).toMatchObject({
      verdict: "differs",
      hub: ["7"],
      file: [],
      remarks: [expect.stringContaining("{2} is empty here")],
    });
  });

  it("says why a `latest` out of a placeholder is not given", () => {
    const comparison = compare(
      "refs/heads/latest",
      [hub("/.*/", ["{sourceref}"])],
      ["{ branch: '**', tags: ['{sourceref}'] }"],
    );
    expect(comparison).toMatchObject({ verdict: "differs", hub: ["latest"], file: [] });
    expect(comparison?.remarks.join()).toContain("latest by accident");
  });

  it("knows that it does not know what an expression matches that is not run here", () => {
    const rules = [hub("main", ["a"]), hub("/^(?!main)/", ["{sourceref}"])];
    const given = ["{ branch: main, tags: [a] }"];
    expect(compare("refs/heads/main", rules, given)).toMatchObject({
      verdict: "unknown",
      remarks: ["line for /^(?!main)/ can not be run here"],
    });
    expect(compare("refs/tags/main", rules, given)).toMatchObject({ verdict: "same", remarks: [] });
  });

  it("says where two builds race for a tag", () => {
    const rules = [hub("main", ["a"]), hub("/main/", ["a"], { context: "/x", place: "line 9" })];
    const given = ["{ branch: main, tags: [a] }", "{ branch: '/main/', tags: [a], context: x }"];
    expect(compare("refs/heads/main", rules, given)).toMatchObject({
      verdict: "same",
      remarks: [expect.stringMatching(/^`a` comes from line for main and line 9: .* whichever ended last/)],
    });
  });

  it("takes a name on Docker Hub as it is written, whatever a glob would read into it", () => {
    const file = ["{ branch: '{a,b}', tags: [x] }"];
    expect(compare("refs/heads/a", [hub("{a,b}", ["x"])], file)).toMatchObject({
      verdict: "differs",
      hub: [],
      file: ["x"],
    });
    expect(compare("refs/heads/{a,b}", [hub("{a,b}", ["x"])], file)).toMatchObject({ verdict: "differs", hub: ["x"] });
  });

  it("does not explain what no rule is for", () => {
    expect(compare("refs/heads/main", [hub("main", ["a"])], ["{ branch: x, tags: [a] }"])?.remarks).toEqual([]);
  });

  it("gives nothing where there is no file", () => {
    expect(compare("refs/heads/main", [hub("main", ["a"])], [])).toMatchObject({ verdict: "differs", file: [] });
    expect(compare("refs/heads/other", [hub("main", ["a"])], [])).toMatchObject({ verdict: "same", file: [] });
  });

  it("leaves the merge queue's branches to Docker Hub", () => {
    expect(
      compare("refs/heads/gh-readonly-queue/main/x", [hub("/.*/", ["q"])], ["{ branch: '**', tags: [q] }"]),
    ).toMatchObject({
      verdict: "differs",
      hub: ["q"],
      file: [],
      remarks: [expect.stringContaining("merge queue")],
    });
  });

  it("keeps images apart, and grants other branches what the file gives", () => {
    const file =
      "version: 1\nimages: [{ name: a, rules: [{ branch: x, tags: [t] }] }, { name: b, rules: [{ branch: x, tags: [u] }] }]";
    const parsed = parseRepoConfig(file, { repositoryName: "x" });
    const sides = [
      { image: "a", rules: [hub("x", ["t"])] },
      { image: "b", rules: [hub("x", ["t"])] },
    ];
    expect(compareRefs([ref("refs/heads/x"), ref("refs/heads/y")], sides, parsed)).toMatchObject([
      { ref: "refs/heads/x", image: "a", verdict: "same" },
      { ref: "refs/heads/x", image: "b", verdict: "differs", hub: ["t"], file: ["u"] },
      { ref: "refs/heads/y", image: "a", verdict: "same" },
      { ref: "refs/heads/y", image: "b", verdict: "same" },
    ]);
  });
});
