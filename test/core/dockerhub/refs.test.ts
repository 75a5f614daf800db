import { describe, expect, it } from "@jest/globals";
import { readRefs } from "../../../src/core/dockerhub/refs.ts";

const SHA = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

describe("readRefs", () => {
  it.each([
    ["git ls-remote", `${SHA}\trefs/heads/a/b`],
    ["git show-ref", `${SHA} refs/heads/a/b`],
    ["git for-each-ref", `${SHA} commit\trefs/heads/a/b`],
    ["refs alone", "refs/heads/a/b"],
  ])("reads what %s prints", (_, line) => {
    expect(readRefs(`\ufeff${line}\r\n\n`)).toEqual({
      ok: true,
      refs: [{ ref: "refs/heads/a/b", kind: "branch", name: "a/b" }],
    });
  });

  it("keeps branches and tags, each once, in their order", () => {
    const lines = ["HEAD", "refs/tags/v1", "refs/tags/v1^{}", "refs/pull/1/head", "refs/heads/x", "refs/tags/v1"];
    const read = readRefs(lines.map((line) => `${SHA}\t${line}`).join("\n"));
    expect(read.ok && read.refs.map(({ ref, kind }) => [ref, kind])).toEqual([
      ["refs/tags/v1", "tag"],
      ["refs/heads/x", "branch"],
    ]);
  });

  it.each([
    ["refs/heads/a\nmain\n", "line 2 is no ref: `main`; git ls-remote prints them"],
    ["refs/heads/a b", "line 1 is no ref: `refs/heads/a b`; git ls-remote prints them"],
    ["refs/heads/\u001b[31m", expect.stringContaining("line 1 is no ref")],
    ["", "there are no branches and no tags among the refs"],
    [`${SHA}\tHEAD\n`, "there are no branches and no tags among the refs"],
    [Array.from({ length: 100_001 }, (_, index) => `refs/tags/${index}`).join("\n"), "these are more than 100000 refs"],
  ])("refuses %.30j in one line", (text, message) => {
    expect(readRefs(text)).toEqual({ ok: false, message });
  });
});
