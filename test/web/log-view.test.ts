import { describe, expect, it } from "@jest/globals";
import { LOG_BEGIN, lastLines, nextLines } from "../../src/web/log-view.ts";

function logsOf(text: string) {
  const all = Buffer.from(text);
  return {
    read: async (_id: string, from: number, limit: number) => ({
      bytes: all.subarray(from, from + limit),
      size: all.length,
    }),
  };
}

const numbers = (html: string) => [...html.matchAll(/<li id="L(\d+)">/g)].map((match) => Number(match[1]));

describe("lastLines", () => {
  it.each<[string, string, boolean, number[], number]>([
    ["nothing", "", false, [], 1],
    ["whole lines", "a\nb\n", false, [1, 2], 3],
    ["no line that is still written", "a\nb", false, [1], 2],
    ["the last line however it ends, once there is no more", "a\nb", true, [1, 2], 3],
    ["empty lines", "\n\na\n\n", false, [1, 2, 3, 4], 5],
  ])("shows %s", async (_, text, ended, lines, next) => {
    const end = await lastLines(logsOf(text), "b", ended);
    expect([numbers(end.html), end.next.line, end.left]).toEqual([lines, next, 0]);
  });

  it.each([3_999, 4_000, 4_001, 9_000])("shows at most 4000 of %d lines, the last", async (count) => {
    const text = Array.from({ length: count }, (_, index) => `${index + 1}\n`).join("");
    const end = await lastLines(logsOf(text), "b", false);
    const shown = numbers(end.html);
    expect([shown.length, shown.at(-1)]).toEqual([Math.min(4_000, count), count]);
    expect(end.html).toContain(`</a>${count}</li>`);
    expect(end.left).toBe(count - shown.length);
    expect(end.next).toEqual({ offset: text.length, line: count + 1 });
  });

  it.each([262_143, 262_144, 262_145, 262_160, 600_000])(
    "numbers the lines of a log of %d bytes right",
    async (size) => {
      const text = `${"0123456789abcde\n".repeat(40_000).slice(0, size - 1)}\n`;
      const lines = text.split("\n").slice(0, -1);
      const end = await lastLines(logsOf(text), "b", false);
      const shown = numbers(end.html);
      expect(shown.at(-1)).toBe(lines.length);
      expect(end.left + shown.length).toBe(lines.length);
      expect(shown[0]).toBe(end.left + 1);
      expect(end.next.offset).toBe(size);
    },
  );

  it("shows nothing of a single line that is longer than a page bears, and goes on after it", async () => {
    const end = await lastLines(logsOf("x".repeat(700_000)), "b", true);
    expect(end.html).toBe("");
    expect(end.next.offset).toBe(700_000);
  });

  it("shows all where there is no log yet", async () => {
    expect(await lastLines({ read: async () => null }, "b", false)).toEqual({ html: "", next: LOG_BEGIN, left: 0 });
  });
});

describe("nextLines", () => {
  it("gives lines as they become whole, and never cuts a character", async () => {
    expect(await nextLines(logsOf("ü"), "b", LOG_BEGIN, false)).toBeNull();
    const part = await nextLines(logsOf("ü\nä"), "b", LOG_BEGIN, false);
    expect(part).toEqual({ html: '<li id="L1"><a href="#L1">1</a>ü</li>', next: { offset: 3, line: 2 } });
  });

  it("goes on where it ended, over any number of reads", async () => {
    const text = "0123456789\n".repeat(100_000);
    let place = LOG_BEGIN;
    let lines = 0;
    for (let part = await nextLines(logsOf(text), "b", place, true); part !== null; ) {
      lines += numbers(part.html).length;
      place = part.next;
      part = await nextLines(logsOf(text), "b", place, true);
    }
    expect([lines, place]).toEqual([100_000, { offset: text.length, line: 100_001 }]);
  });

  it("does not wait for ever for the end of a line that is longer than any", async () => {
    const part = await nextLines(logsOf("x".repeat(300_000)), "b", LOG_BEGIN, false);
    expect(part?.next).toEqual({ offset: 262_144, line: 2 });
  });
});
