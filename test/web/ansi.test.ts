import { describe, expect, it } from "@jest/globals";
import { ansiToHtml } from "../../src/web/ansi.ts";
import { computedMs } from "../support/cpu-time.ts";

const ESC = "\u001b";

describe("ansiToHtml", () => {
  it.each<[string, string, string]>([
    ["leaves plain text", "a\nb\tc", "a\nb\tc"],
    ["escapes markup", `<img src=x onerror="alert(1)">&'`, "&lt;img src=x onerror=&quot;alert(1)&quot;&gt;&amp;&#39;"],
    ["makes colours classes", `${ESC}[31mred${ESC}[0m.`, '<span class="c1">red</span>.'],
    ["knows bright colours", `${ESC}[92mok${ESC}[39m.`, '<span class="c10">ok</span>.'],
    [
      "joins styles",
      `${ESC}[1;4;33mx${ESC}[22;24my`,
      '<span class="c3 bold underline">x</span><span class="c3">y</span>',
    ],
    ["takes an empty sequence as a reset", `${ESC}[2mx${ESC}[my`, '<span class="dim">x</span>y'],
    ["keeps a colour over lines", `${ESC}[32ma\nb`, '<span class="c2">a</span>\n<span class="c2">b</span>'],
    ["keeps empty lines", "a\n\nb\n", "a\n\nb\n"],
    ["finds the nearest of 256 colours", `${ESC}[38;5;196mx`, '<span class="c9">x</span>'],
    ["finds the nearest of RGB colours", `${ESC}[38;2;0;120;0mx`, '<span class="c2">x</span>'],
    [
      "does not take the parts of an extended colour for styles",
      `${ESC}[38;5;1;3mx`,
      '<span class="c1 italic">x</span>',
    ],
    ["shows text that asks to be hidden", `${ESC}[8;30;40mpassword`, '<span class="c0">password</span>'],
    ["ignores background colours, with their parts", `${ESC}[48;5;1mx`, "x"],
    ["drops cursor movements", `a${ESC}[2K${ESC}[1Ab`, "ab"],
    ["drops window titles", `${ESC}]0;title\u0007text`, "text"],
    ["drops links, keeping their text", `${ESC}]8;;javascript:alert(1)${ESC}\\click${ESC}]8;;${ESC}\\`, "click"],
    ["lets an open title swallow its own line only", `${ESC}]0;oops\nnext`, "\nnext"],
    ["escapes what would break out of the class", `${ESC}[31"><script>mx`, "&gt;&lt;script&gt;mx"],
    ["survives numbers without sense", `${ESC}[99999999999999999999;38;5mx`, "x"],
    ["drops a sequence that is cut off", `x${ESC}[3`, "x"],
    ["makes other control characters visible", "a\u0008b\u0000", "a⟨U+0008⟩b⟨U+0000⟩"],
    ["makes reordering visible", "a\u202eb", "a⟨U+202E⟩b"],
    ["takes CRLF as a line break", "a\r\nb", "a\nb"],
  ])("%s", (_, text, html) => {
    expect(ansiToHtml(text).join("\n")).toBe(html);
  });

  it.each([
    ["open sequences", `${ESC}[`.repeat(200_000)],
    ["styles without text", `${ESC}[31m`.repeat(80_000)],
    ["open titles", `${ESC}]0;`.repeat(100_000)],
    ["long parameters", `${ESC}[${"1;".repeat(200_000)}`],
  ])("takes 400 kB of %s in time that grows with their length", (_, text) => {
    const start = process.cpuUsage();
    const html = ansiToHtml(text).join("");
    expect(computedMs(start)).toBeLessThan(2_000);
    expect(html).not.toContain("<span");
  });
});
