import { describe, expect, it } from "@jest/globals";
import { dockerfilePath, judgePaths } from "../../src/core/path-filter.ts";
import { branch, inputs, pattern, rule, sha, tag } from "./samples.ts";

function judge(
  changedPaths: readonly string[] | null,
  paths: { include?: string[]; exclude?: string[] } | null,
  change = branch("main"),
) {
  const compiled = paths && {
    include: (paths.include ?? []).map((source) => pattern(source, "path")),
    exclude: (paths.exclude ?? []).map((source) => pattern(source, "path")),
  };
  const api = rule({ branch: "main" }, null, { inputs: { ...inputs, context: "services/api" } });
  return judgePaths({ paths: compiled }, api, { change, changedPaths });
}

const API = { include: ["services/api/**"] };

describe("a push is built", () => {
  it.each([
    ["without a filter", ["a"], null],
    ["when a file matches", ["README.md", "services/api/a/b.go"], API],
    ["when the config file changed", [".wharfinger.yml"], API],
    ["when the Dockerfile changed, excluded or not", ["services/api/Dockerfile"], { exclude: ["**"] }],
    ["when anything but the excluded changed", ["a.md", "a.go"], { exclude: ["**/*.md"] }],
  ])("%s", (_, changed, paths) => {
    expect(judge(changed, paths)).toEqual({ build: true, remark: null });
  });

  it("when it is not known which files changed, and says so", () => {
    expect(judge(null, API)).toEqual({ build: true, remark: expect.stringContaining("not known") });
  });

  it("when a branch is new and has no commits of its own", () => {
    expect(judge([], API, branch("new", { before: null }))).toMatchObject({ build: true });
  });

  it("when it is a tag, whatever changed", () => {
    expect(judge(["README.md"], API, tag("v1", { before: sha("a") }))).toMatchObject({ build: true });
  });
});

describe("a push is not built, and the counts are told", () => {
  it.each([
    [["a", "b", "c"], API, "3 files changed, none of them matches services/api/**"],
    [["a"], API, "1 file changed, and it does not match services/api/**"],
    [[], API, "0 files changed"],
    [["a.md"], { exclude: ["**/*.md"] }, "1 file changed, and it is excluded by **/*.md"],
    [["a.md", "b.md"], { exclude: ["**/*.md"] }, "2 files changed, all excluded by **/*.md"],
    [
      ["a", "services/api/x.md"],
      { ...API, exclude: ["**/*.md"] },
      "2 files changed, 1 excluded by **/*.md, none of the others matches services/api/**",
    ],
    [
      ["x"],
      { include: ["a", "b", "c", "d", "e", "f", "g"] },
      "1 file changed, and it does not match a, b, c, d, e and 2 more",
    ],
  ])("%j with %j", (changed, paths, why) => {
    expect(judge(changed, paths)).toEqual({ build: false, why });
  });

  it("for a new branch whose files are known and elsewhere", () => {
    expect(judge(["docs/x"], API, branch("new", { before: null }))).toMatchObject({ build: false });
  });

  it("for another Dockerfile than the image's", () => {
    expect(judge(["Dockerfile"], API)).toMatchObject({ build: false });
  });
});

it.each([
  [".", "Dockerfile", "Dockerfile"],
  ["services/api", "Dockerfile", "services/api/Dockerfile"],
  ["./services//api/", "./docker/Dockerfile", "services/api/docker/Dockerfile"],
  ["services/api", "../Dockerfile", "services/Dockerfile"],
])("joins context %s and dockerfile %s to %s", (context, dockerfile, path) => {
  expect(dockerfilePath({ context, dockerfile })).toBe(path);
});
