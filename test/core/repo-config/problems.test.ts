import { describe, expect, it } from "@jest/globals";

import { createProblems, MAX_ERRORS, MAX_REMARKS, nearest, shown } from "../../../src/core/repo-config/problems.ts";

describe("nearest", () => {
  const keys = ["branch", "tag", "tags", "dockerfile", "build_args", "cache"];

  it.each([
    ["brach", "branch"],
    ["barnch", "branch"],
    ["Branch", "branch"],
    ["dockerFile", "dockerfile"],
    ["docker_file", "dockerfile"],
    ["build-args", "build_args"],
    ["tga", "tag"],
    ["tags_", "tags"],
  ])("takes %s for %s", (given, word) => {
    expect(nearest(given, keys)).toBe(word);
  });

  it.each(["", "x", "foo", "environment", "b".repeat(5_000)])("does not guess at %j", (given) => {
    expect(nearest(given, keys)).toBeNull();
  });
});

describe("shown", () => {
  it("puts a text on one line, without control characters, and shortens it", () => {
    expect(shown("a\n\t b\u0007\u2028c")).toBe("a b c");
    expect(shown("😀".repeat(100))).toBe(`${"😀".repeat(59)}…`);
  });
});

describe("createProblems", () => {
  it("keeps the first errors and the first remarks, each up to their number", () => {
    const problems = createProblems();
    for (let index = 0; index < 100; index += 1) problems.warn([index], "w");
    expect([problems.list.length, problems.full]).toEqual([MAX_REMARKS, false]);
    for (let index = 0; index < 100; index += 1) problems.error([index], "e");
    expect([problems.list.length, problems.full]).toEqual([MAX_REMARKS + MAX_ERRORS, true]);
    expect(problems.list[0]).toEqual({ severity: "error", path: [0], at: "value", message: "e" });
  });
});
