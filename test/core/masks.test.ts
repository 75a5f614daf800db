import { describe, expect, it } from "@jest/globals";
import { createLogLines } from "../../src/core/log-lines.ts";
import { createMasks, isMaskable, LONGEST_MASKED } from "../../src/core/masks.ts";
import { computedMs } from "../support/cpu-time.ts";

const PASSWORD = "p@ss/w+rd <é>'\"\\&";
const LONG = Array.from({ length: 40 }, (_, n) => `${n}·secret/part`).join("+");
const KEY = `-----BEGIN KEY-----\n${"Zm9vYmFy".repeat(8)}\n${"QmF6cXV4".repeat(5)}\n-----END KEY-----\n`;

function base64(text: string | Buffer): string {
  return Buffer.from(text).toString("base64");
}

/** What somebody sees of a build that prints this, written in chunks of so many bytes. */
function logOf(printed: string, secrets: readonly string[], size = printed.length): string {
  let text = "";
  const log = createLogLines({
    write: (part) => {
      text += part;
    },
    mask: createMasks([], secrets).mask,
    longestSecret: LONGEST_MASKED,
    maxBytes: 1_000_000,
  });
  const bytes = Buffer.from(printed);
  for (let at = 0; at < bytes.length; at += size) log.chunk(bytes.subarray(at, at + size));
  log.flush();
  return text;
}

describe("masks", () => {
  it("leave text alone when the password is too short to be one", () => {
    expect(createMasks([{ username: "a", password: "abc" }], ["xyz", ""]).mask("abc xyz abc")).toBe("abc xyz abc");
    expect(createMasks([]).mask("abcd")).toBe("abcd");
  });

  it("hide the longer of two secrets whole when one begins with the other, and both where they overlap", () => {
    const both = createMasks([], ["hunter22", "hunter22-and-more", "more-and-more"]);
    expect(both.mask("hunter22-and-more hunter22")).toBe("*** ***");
    expect(both.mask("(hunter22-and-more-and-more)")).toBe("(***)");
    expect(both.mask("hunter22hunter22.")).toBe("***.");
  });

  it.each<[string, string]>([
    ["as it is", PASSWORD],
    ["in JSON", JSON.stringify(PASSWORD).slice(1, -1)],
    ["in JSON with escaped slashes", JSON.stringify(PASSWORD).slice(1, -1).replaceAll("/", "\\/")],
    ["in JSON as Go writes it", "p@ss/w+rd \\u003cé\\u003e'\\\"\\\\\\u0026"],
    ["in JSON as Python writes it", "p@ss/w+rd <\\u00e9>'\\\"\\\\&"],
    ["in an address", encodeURIComponent(PASSWORD)],
    ["in an address, in lower case", "p%40ss%2fw%2brd%20%3c%c3%a9%3e'%22%5c%26"],
    ["in an address, as RFC 3986 has it", "p%40ss%2Fw%2Brd%20%3C%C3%A9%3E%27%22%5C%26"],
    ["in a path", "p%40ss/w%2Brd%20%3C%C3%A9%3E%27%22%5C%26"],
    ["in a form", "p%40ss%2Fw%2Brd+%3C%C3%A9%3E%27%22%5C%26"],
    ["in base64", base64(PASSWORD)],
    ["in base64 without padding", base64(PASSWORD).replace(/=+$/, "")],
    ["in base64 for addresses", Buffer.from(PASSWORD).toString("base64url")],
    ["as dash shows it with set -x", `p@ss/w+rd <é>'"'"'"\\&`],
    ["as bash shows it with set -x", `p@ss/w+rd <é>'\\''"\\&`],
  ])("hide a secret %s", (_how, printed) => {
    expect(logOf(`[${printed}]\n`, [PASSWORD])).toBe("[***]\n");
    for (const size of [1, 3, 7]) expect(logOf(`[${printed}]\n`, [PASSWORD], size)).toBe("[***]\n");
  });

  it("hide a secret in the base64 of other text, wherever it begins and ends there", () => {
    const core = "abcdefgh";
    for (const before of ["", "1", "22", "333", "user:"]) {
      for (const after of ["", "1", "22", "333"]) {
        const shown = createMasks([], [core]).mask(base64(before + core + after));
        // At most a letter on either side depends on the secret.
        const [left = "", right = ""] = shown.split("***");
        expect(shown).toContain("***");
        expect(left.length).toBeLessThanOrEqual(Math.ceil((before.length * 8) / 6));
        expect(right.length).toBeLessThanOrEqual(Math.ceil((after.length * 8) / 6) + 3);
      }
    }
  });

  it("hide Basic authentication whole", () => {
    const { mask } = createMasks([{ username: "x", password: "hunter22" }]);
    expect(mask(`Authorization: Basic ${base64("x:hunter22")}`)).toBe("Authorization: Basic ***");
  });

  it("hide a long secret however its output is cut, and in a line too long to hold", () => {
    for (const form of [LONG, base64(LONG), encodeURIComponent(LONG)]) {
      for (let size = 1; size < 200; size += 13) expect(logOf(`${form}\n`, [LONG], size)).toBe("***\n");
      for (const before of [16_000, 16_384, 16_440, 32_700]) {
        const shown = logOf(`${"x".repeat(before)}${form}${"y".repeat(20_000)}`, [LONG], 1_000);
        expect(shown.replaceAll("\n", "").replace(/(\*{3})+/, "!")).toBe(`${"x".repeat(before)}!${"y".repeat(20_000)}`);
      }
    }
  });

  it("hide the second half of a secret after so many others that the line becomes short", () => {
    const secrets = ["A".repeat(60), "hunter22hunter33"];
    const shown = logOf(`${"A".repeat(60).repeat(300)}hunter22`, secrets) + logOf("hunter33", secrets);
    expect(shown).toContain("hunter22");
    const whole = logOf(`${"A".repeat(60).repeat(300)}hunter22hunter33`, secrets, 18_008);
    expect(whole).not.toMatch(/hunter/);
  });

  it("hide each line of a secret with several, its base64 as tools wrap it, and the whole in one line", () => {
    expect(logOf(KEY, [KEY])).toBe("***\n***\n***\n***\n");
    expect(logOf(KEY.replaceAll("\n", "\r\n"), [KEY])).toBe("***\n***\n***\n***\n");
    expect(logOf(KEY.replace(/^/gm, "    key: "), [KEY])).not.toMatch(/Zm9v|QmF6/);
    expect(logOf(KEY, [KEY.replaceAll("\n", "\r\n")])).toBe("***\n***\n***\n***\n");
    for (const width of [64, 76]) {
      const wrapped = base64(KEY).replace(new RegExp(`.{${width}}`, "g"), "$&\n");
      expect(logOf(wrapped, [KEY]).trim().split("\n")).toEqual(Array.from(wrapped.trim().split("\n"), () => "***"));
    }
    for (const line of [JSON.stringify(KEY), encodeURIComponent(KEY), base64(KEY)]) {
      expect(logOf(line, [KEY])).toMatch(/^"?\*\*\*"?\n$/);
    }
  });

  it("show lines that are too short to hide, and say beforehand what can not be hidden at all", () => {
    expect(logOf("{\nsecret\n}\n", ["{\nsecret\n}"])).toBe("{\n***\n}\n");
    expect(["abcd", " abcd ", "a\nabcd", "1\r2\rabcd"].map(isMaskable)).toEqual([true, true, true, true]);
    expect(["", "abc", "    ", "\n\n\n\n", "abc\ndef\n", "a\u0000\u0000\u0000b"].map(isMaskable)).toEqual(
      Array.from({ length: 6 }, () => false),
    );
  });

  it("hide what escapes, colours and control characters cut apart, or what has them itself", () => {
    expect(logOf("hun\u001b[31mter\u001b[0m22 \u001b[32mok\u001b[0m\n", ["hunter22"])).toBe("*** ok\n");
    expect(logOf("\u001b[32mok\u001b[0m hunter22\n", ["hunter22"])).toBe("\u001b[32mok\u001b[0m ***\n");
    expect(logOf("hun\u0000ter\u001b[2K22\n", ["hunter22"])).toBe("***\n");
    expect(logOf("hun\u0007ter\u202e22\n", ["hun\u0007ter\u202e22"])).toBe("***\n");
    expect(logOf("state 1\rhunter22\n", ["before\rhunter22"])).toBe("***\n");
  });

  it("take about the same time for secrets made to be slow", () => {
    const lines = Array.from({ length: 9_000 }, (_, n) => `aaaa${n}`).join("\n");
    const begun = process.cpuUsage();
    const { mask } = createMasks([], [lines, "a".repeat(30_000)]);
    const made = computedMs(begun);
    expect(mask("a".repeat(100_000))).toBe("***");
    expect(mask("aaaaX".repeat(20_000))).toBe("aaaaX".repeat(20_000));
    expect(made).toBeLessThan(20_000);
    expect(computedMs(begun) - made).toBeLessThan(20_000);
  });
});
