import { describe, expect, it } from "@jest/globals";
import type { Change } from "../../src/core/model.ts";
import { dockerfilePath, judgePaths } from "../../src/core/path-filter.ts";
import { branch, inputs, pattern, pull, rule, sha, tag } from "./samples.ts";

function judge(
  changedPaths: readonly string[] | null,
  paths: { include?: string[]; exclude?: string[] } | null,
  change: Change = branch("main"),
) {
  const compiled = paths && {
    include: (paths.include ?? []).map((source) => pattern(source, "path")),
    exclude: (paths.exclude ?? []).map((source) => pattern(source, "path")),
  };
  const api = rule({ branch: "main" }, null, { inputs: { ...inputs, context: "services/api" } });
  return judgePaths({ paths: compiled }, api, { change, changedPaths });
}

const API = { include: ["services/api/**"] };

const NONE = { exclude: ["**"] };

describe("a push is built, by the path that decides", () => {
  it.each([
    ["without a filter", ["a"], null, null],
    ["when a file matches", ["README.md", "services/api/a/b.go"], API, "services/api/a/b.go matches services/api/**"],
    [
      "when a file was renamed out of it",
      ["web/b.go", "services/api/b.go"],
      API,
      "services/api/b.go matches services/api/**",
    ],
    ["when a submodule in it moved", ["services/api"], API, "services/api matches services/api/**"],
    ["when anything but the excluded changed", ["a.md", "a.go"], { exclude: ["**/*.md"] }, "a.go"],
    ["when the config file changed", [".wharfinger.yml"], API, ".wharfinger.yml always counts"],
    ["when the Dockerfile changed", ["services/api/Dockerfile"], NONE, "services/api/Dockerfile always counts"],
    ["when a submodule with the Dockerfile moved", ["services/"], NONE, "services/api/Dockerfile always counts"],
    [
      "when the context's ignore file changed",
      ["services/api/.dockerignore"],
      NONE,
      "services/api/.dockerignore always counts",
    ],
    ["so for its other name", ["services/api/.containerignore"], NONE, "services/api/.containerignore always counts"],
    [
      "when the Dockerfile's own changed",
      ["services/api/Dockerfile.dockerignore"],
      NONE,
      "services/api/Dockerfile.dockerignore always counts",
    ],
    [
      "so for its other name",
      ["services/api/Dockerfile.containerignore"],
      NONE,
      "services/api/Dockerfile.containerignore always counts",
    ],
  ])("%s: %j", (_, changed, paths, by) => {
    expect(judge(changed, paths)).toEqual({ build: true, remark: null, by });
  });

  it("when it is not known which files changed, and says so", () => {
    expect(judge(null, API)).toEqual({ build: true, remark: expect.stringContaining("not known"), by: null });
  });

  it.each([
    ["../Dockerfile", "services/Dockerfile", true],
    ["../Dockerfile", "services/Dockerfile.dockerignore", true],
    ["../Dockerfile", "services/api/.dockerignore", true],
    ["../Dockerfile", "services/.dockerignore", false],
    ["../Dockerfile", "services/api/Dockerfile", false],
  ])("by what belongs to the Dockerfile %s: %s %s", (dockerfile, changed, build) => {
    const apart = rule({ branch: "main" }, null, { inputs: { ...inputs, context: "services/api", dockerfile } });
    const paths = { include: [pattern("web/**", "path")], exclude: [] };
    const facts = { change: branch("main"), changedPaths: [changed] };
    expect(judgePaths({ paths }, apart, facts).build).toBe(build);
  });

  it("when a pull request touched it; and not when it touched nothing", () => {
    expect(judge(["services/api/x"], API, pull())).toMatchObject({ build: true });
    expect(judge([], API, pull())).toMatchObject({ build: false });
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
    [["services/README.md"], { include: ["services/*/**"] }, "1 file changed, and it does not match services/*/**"],
    [["services/api/Dockerfile.md", ".dockerignore"], { include: ["x"] }, "2 files changed, none of them matches x"],
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
