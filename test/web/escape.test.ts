import { describe, expect, it } from "@jest/globals";
import { escapeHtml, visible } from "../../src/web/escape.ts";

describe("escapeHtml", () => {
  it("escapes for elements and for attributes in either quotes", () => {
    expect(escapeHtml(`<a b="c" d='e'>&amp;`)).toBe("&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;amp;");
  });

  it("shows nothing for nothing, and numbers as they are", () => {
    expect([escapeHtml(null), escapeHtml(undefined), escapeHtml(0)]).toEqual(["", "", "0"]);
  });
});

describe("visible", () => {
  it.each([
    ["a bidirectional override", "\u202e", "⟨U+202E⟩"],
    ["an isolate", "\u2066", "⟨U+2066⟩"],
    ["a zero-width space", "\u200b", "⟨U+200B⟩"],
    ["a byte order mark", "\ufeff", "⟨U+FEFF⟩"],
    ["a soft hyphen", "\u00ad", "⟨U+00AD⟩"],
    ["a space that does not break", "\u00a0", "⟨U+00A0⟩"],
    ["a filler that looks like nothing", "\u3164", "⟨U+3164⟩"],
    ["a tag character beyond the first plane", "\u{e0041}", "⟨U+E0041⟩"],
    ["an escape", "\u001b", "⟨U+001B⟩"],
    ["a carriage return", "\r", "⟨U+000D⟩"],
    ["a lone surrogate", "\ud800", "⟨U+D800⟩"],
  ])("writes out %s", (_, character, shown) => {
    expect(visible(`x${character}y`)).toBe(`x${shown}y`);
  });

  it("leaves letters of all scripts, emoji, spaces, tabs and line breaks", () => {
    const text = "main über 日本 עברית 🚢\t-\n";
    expect(visible(text)).toBe(text);
  });
});
