import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { isLegalTag, MAX_TAG_LENGTH, sanitizeTag } from "../../../src/core/tags/grammar.ts";

describe("image tags", () => {
  it.each(["latest", "1.0", "_x", "A-b.c_d", "x".repeat(128)])("accept %j", (tag) => {
    expect(isLegalTag(tag)).toBe(true);
  });

  it.each(["", ".x", "-x", "a/b", "a b", "é", "x".repeat(129), "a\n", "latest\n"])("refuse %j", (tag) => {
    expect(isLegalTag(tag)).toBe(false);
  });
});

describe("making a tag legal", () => {
  it.each([
    ["feature/x", "feature-x"],
    ["1.0.0+build.5", "1.0.0-build.5"],
    ["#42 fix", "42-fix"],
    ["-rf", "rf"],
    ["..a", "a"],
    ["a//b", "a-b"],
    ["größe", "gr-e"],
    ["x🙂y", "x-y"],
    ["_hidden", "_hidden"],
    ["ok-1.2_3", "ok-1.2_3"],
  ])("makes %j %j", (text, tag) => {
    expect(sanitizeTag(text)).toBe(tag);
  });

  it.each(["", "...", "日本語", "/", "-"])("gives no tag when nothing of %j is left", (text) => {
    expect(sanitizeTag(text)).toBeNull();
  });

  it("cuts what is too long", () => {
    expect(sanitizeTag("a".repeat(300))).toHaveLength(MAX_TAG_LENGTH);
  });

  it("gives a legal tag or none, changes no legal tag, and has nothing left to do the second time", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
        const tag = sanitizeTag(text);
        if (tag === null) return;
        expect(isLegalTag(tag)).toBe(true);
        expect(sanitizeTag(tag)).toBe(tag);
        if (isLegalTag(text)) expect(tag).toBe(text);
      }),
    );
  });
});
