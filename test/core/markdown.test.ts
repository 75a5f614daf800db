import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { codeSpan, escapeMarkdown, fenced, oneLine } from "../../src/core/markdown.ts";

const ESC = String.fromCharCode(0x1b);

describe("one line", () => {
  it.each([
    ["a\r\nb\tc\n\nd", "a b c d"],
    [`${ESC}[31mred${ESC}[0m`, "red"],
    [`${ESC}]8;;https://evil.example${String.fromCharCode(7)}link${ESC}]8;;${ESC}\\`, "link"],
    [`${ESC}]0;never closed`, ""],
    ["a\u0000\u0007\u009bb", "ab"],
    ["user\u202egnp.exe\u200b\u2066", "usergnp.exe"],
    ["a\u2028b", "a b"],
  ])("%j is %j", (text, line) => {
    expect(oneLine(text)).toBe(line);
  });
});

describe("text for Markdown", () => {
  it.each([
    ["plain words, 3 files", "plain words, 3 files"],
    ["@everyone", "@&#8203;everyone"],
    ["fixes #12", "fixes \\#&#8203;12"],
    ["GH-12", "GH-&#8203;12"],
    ["see https://evil.example/x", "see https\\:&#8203;//evil.example/x"],
    ["www.evil.example", "www.&#8203;evil.example"],
    ["a@evil.example", "a@&#8203;evil.example"],
    ["[click](javascript:x)", "\\[click\\]\\(javascript\\:x\\)"],
    ["![](x)", "\\!\\[\\]\\(x\\)"],
    ["<img src=x onerror=y>", "\\<img src=x onerror=y\\>"],
    ["&lt;b&gt;", "\\&lt;b\\&gt;"],
    ["a | b", "a \\| b"],
    ["a\\| b", "a\\\\\\| b"],
    ["`code` *b* _i_ ~s~ $m$", "\\`code\\` \\*b\\* \\_i\\_ \\~s\\~ \\$m\\$"],
    ["a\n\n# heading\n---", "a \\#&#8203; heading ---"],
    ["- item", "\\- item"],
    ["1. item", "1&#8203;. item"],
    ["services/api/**", "services/api/\\*\\*"],
  ])("%j becomes %j", (text, escaped) => {
    expect(escapeMarkdown(text)).toBe(escaped);
  });

  it("holds no line break and no bare character that opens anything, whatever the text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const escaped = escapeMarkdown(text);
        expect(escaped).not.toMatch(/[\n\r]/);
        expect(escaped.replace(/\\./g, "").replaceAll("&#8203;", "")).not.toMatch(/[\\`*_[\]()<>|~&!$#]/);
        expect(escaped).not.toMatch(/@(?!&#8203;)/);
      }),
    );
  });
});

describe("a code span", () => {
  it.each([
    ["latest", "`latest`"],
    ["a`b", "`` a`b ``"],
    ["``", "``` `` ```"],
    ["a|b\\", "`ab`"],
    ["a\nb", "`a b`"],
    ["", ""],
  ])("of %j is %j", (text, span) => {
    expect(codeSpan(text)).toBe(span);
  });
});

describe("a fence", () => {
  it("is longer than what is inside", () => {
    const block = fenced(["a", "```", "`````", "# not a heading"], "text");
    expect(block).toBe("``````text\na\n```\n`````\n# not a heading\n``````");
  });

  it("keeps one line one line, and takes out escapes", () => {
    expect(fenced([`${ESC}[1mbold${ESC}[0m\r\nnext`, "tab\there"])).toBe("```\nbold next\ntab\there\n```");
  });

  it("is closed by nothing inside, whatever it is", () => {
    const line = fc.oneof(fc.string({ unit: "binary" }), fc.stringMatching(/^ {0,3}`{0,9}~{0,9}[a-z]?$/));
    fc.assert(
      fc.property(fc.array(line, { maxLength: 6 }), (lines) => {
        const block = fenced(lines).split("\n");
        const fence = block[0] ?? "";
        expect(fence).toMatch(/^`{3,}$/);
        expect(block.at(-1)).toBe(fence);
        expect(block).toHaveLength(lines.length + 2);
        expect(block.slice(1, -1).filter((one) => one.includes(fence))).toEqual([]);
      }),
    );
  });
});
