import { describe, expect, it } from "@jest/globals";
import { asksForSkip } from "../../src/core/skip-request.ts";
import { branch, tag } from "./samples.ts";

const TOKENS = ["[skip ci]", "[skip build]"];

describe("a commit message asks for no build", () => {
  it.each([
    "Fix typo [skip ci]",
    "[skip build]",
    "Fix typo\n\n[Skip CI]",
    `Title\n\n${"x".repeat(400)}\n\nReason: docs only [skip ci]`,
    `Title\r\n\r\n${"x".repeat(400)}\r\n\r\nReason: docs only [skip ci]\r\nSigned-off-by: A`,
  ])("%j", (message) => {
    expect(asksForSkip(branch("main", { message }), TOKENS)).not.toBeNull();
  });
});

describe("a commit message does not ask for that", () => {
  it.each([
    "",
    "Fix skip ci",
    `Title\n\n${"x".repeat(400)} [skip ci]`,
    `Title\n\n${"x".repeat(400)}\n\nthe last words [skip ci]`,
    `Title\n\n${"x".repeat(400)}\n\nReason: [skip ci]\n\nand more`,
    `${"x".repeat(250)}[skip ci]`,
    // A message of one paragraph is a title: it has no trailers.
    `${"x".repeat(300)}\nReason: [skip ci]`,
  ])("%j", (message) => {
    expect(asksForSkip(branch("main", { message }), TOKENS)).toBeNull();
  });

  it("when it belongs to a tag", () => {
    expect(asksForSkip(tag("v1", { message: "[skip ci]" }), TOKENS)).toBeNull();
  });

  it("when the file lists no tokens, or empty ones", () => {
    expect(asksForSkip(branch("main", { message: "[skip ci]" }), [])).toBeNull();
    expect(asksForSkip(branch("main", { message: "[skip ci]" }), ["", " "])).toBeNull();
  });
});

it("answers with the token that counts", () => {
  expect(asksForSkip(branch("main", { message: "x [SKIP BUILD]" }), TOKENS)).toBe("[skip build]");
});
