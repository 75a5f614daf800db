import { describe, expect, it } from "@jest/globals";
import { asksForSkip } from "../../src/core/skip-request.ts";
import { branch, pull, tag } from "./samples.ts";

const TOKENS = ["[skip ci]", "[skip build]"];
const LONG = "x".repeat(400);

describe("a commit message asks for no build", () => {
  it.each<[message: string, by: string]>([
    ["Fix typo [skip ci]", "[skip ci]"],
    ["[skip build]", "[skip build]"],
    ["x [SKIP BUILD]", "[skip build]"],
    ["Fix typo\n\n[Skip CI]", "[skip ci]"],
    ['Revert "Fix typo [skip ci]"', "[skip ci]"],
    [`Title\n\n${LONG}\n\nReason: docs only [skip ci]`, "[skip ci]"],
    [`Title\r\n\r\n${LONG}\r\n\r\nReason: docs only [skip ci]\r\nSigned-off-by: A`, "[skip ci]"],
    ["Fix typo [no ci]", "[no ci]"],
    ["Fix typo [No CI]", "[no ci]"],
    [`Title\n\n${LONG}\n\nReason: [no ci]`, "[no ci]"],
    // As GitHub documents it: two blank lines before the trailer, with or without a space in it.
    ["Title\n\n\nskip-checks: true", "skip-checks: true"],
    ["Title\n\n\nskip-checks:true", "skip-checks: true"],
    ["Title\n\nskip-checks: true", "skip-checks: true"],
    ["Title\r\n\r\n\r\nSkip-Checks: TRUE\r\n", "skip-checks: true"],
    ["Title\n\nskip-checks:   true  \n\n\n", "skip-checks: true"],
    [`Title\n\n${LONG}\n\nSigned-off-by: A\nskip-checks: true\nCo-authored-by: B`, "skip-checks: true"],
  ])("%j", (message, by) => {
    expect(asksForSkip(branch("main", { message }), TOKENS)).toBe(by);
  });

  it("also where it is the head of a pull request", () => {
    expect(asksForSkip(pull({}, { message: "x [skip ci]" }), TOKENS)).toBe("[skip ci]");
    expect(asksForSkip(pull({}, { message: "x\n\nskip-checks: true" }), TOKENS)).toBe("skip-checks: true");
  });

  it("by a text of the file's own, and then not by what it does not list", () => {
    const file = ["[no image]"];
    expect(asksForSkip(branch("main", { message: "x [no image]" }), file)).toBe("[no image]");
    expect(asksForSkip(branch("main", { message: "x [skip ci]" }), file)).toBeNull();
    expect(asksForSkip(branch("main", { message: "x [no ci]" }), file)).toBe("[no ci]");
    expect(asksForSkip(branch("main", { message: "x\n\nskip-checks: true" }), file)).toBe("skip-checks: true");
  });
});

describe("a commit message does not ask for that", () => {
  it.each([
    "",
    "\n\n",
    "Fix skip ci",
    "[skip\nci]",
    "[skip  ci]",
    "[skip\u200bci]",
    "skip ci]",
    `Title\n\n${LONG} [skip ci]`,
    `Title\n\n${LONG}\n\nthe last words [skip ci]`,
    `Title\n\n${LONG}\n\nReason: [skip ci]\n\nand more`,
    `${"x".repeat(250)}[skip ci]`,
    `${"x".repeat(245)}[skip ci]`,
    // A message of one paragraph is a title: it has no trailers.
    `${"x".repeat(300)}\nReason: [skip ci]`,
    "skip-checks: true",
    "Title\nskip-checks: true",
    "Title\n\nskip-checks: false",
    "Title\n\nskip-checks: true, please",
    "Title\n\nskip-checks: trueish",
    "Title\n\nno-skip-checks: true",
    "Title\n\n> skip-checks: true",
    "Title\n\nwrite skip-checks: true to skip",
    "Title\n\nskip-checks: true\n\nis what one would write",
    "Title\n\nskip-checks:\ntrue",
    "Title\n\nskip-checks: \u2028true",
  ])("%j", (message) => {
    expect(asksForSkip(branch("main", { message }), TOKENS)).toBeNull();
  });

  it.each(["[skip ci]", "[no ci]", "x\n\nskip-checks: true"])("when it belongs to a tag: %j", (message) => {
    expect(asksForSkip(tag("v1", { message }), TOKENS)).toBeNull();
  });

  it("when a merge queue wants to merge it", () => {
    expect(asksForSkip(pull({ queued: true }, { message: "x [skip ci]\n\nskip-checks: true" }), TOKENS)).toBeNull();
  });

  it("when a stranger wrote it, whose check would then count as passed", () => {
    expect(asksForSkip(pull({ fork: true }, { message: "x [skip ci]\n\nskip-checks: true" }), TOKENS)).toBeNull();
  });

  it.each(["[skip ci]", "[no ci]", "x\n\nskip-checks: true"])("when the file lists no texts: %j", (message) => {
    expect(asksForSkip(branch("main", { message }), [])).toBeNull();
  });

  it("by an empty text, which would stand in every message", () => {
    expect(asksForSkip(branch("main", { message: "Fix" }), ["", " "])).toBeNull();
  });
});

it.each([
  ["line ends", "\n".repeat(1_000_000)],
  ["blank lines that end in text", `x\n${" ".repeat(1_000_000)}x`],
  ["carriage returns", `x\n${"\r".repeat(1_000_000)}x`],
  ["almost blank lines", "\n \t x".repeat(250_000)],
  ["trailers", `x\n\n${"skip-checks: \t \t \n".repeat(100_000)}`],
  ["blanks before what is not true", `x\n\nskip-checks:${" \t".repeat(500_000)}x`],
])("a megabyte of %s is judged soon", (_, message) => {
  const before = process.cpuUsage();
  expect(asksForSkip(branch("main", { message }), TOKENS)).toBeNull();
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1_000).toBeLessThan(500);
});
