import { describe, expect, it } from "@jest/globals";
import type { CheckContent } from "../../src/core/check.ts";
import { checkActions, checkOutput, keepHead, keepTail } from "../../src/github/check-output.ts";
import { createRandom } from "../support/mutate.ts";

const content: CheckContent = {
  status: "completed",
  conclusion: "success",
  title: "Built 1 image",
  summary: "It is there.",
  text: null,
  annotations: [],
  results: [],
  branch: null,
  detailsUrl: "https://wharfinger.test/builds/1",
  actions: [],
  startedAt: null,
  completedAt: null,
};

const annotation = { path: "Dockerfile", line: 3, level: "failure", message: "unknown instruction" } as const;

/** Whether no code block is left open, by a count that knows only the fence the text was made with. */
function isClosed(markdown: string, fence = "```"): boolean {
  return markdown.split("\n").filter((line) => line.startsWith(fence)).length % 2 === 0;
}

describe("the output of a check run", () => {
  it("carries what fits as it is", () => {
    expect(checkOutput({ ...content, text: "log" }, { annotate: true })).toEqual({
      title: "Built 1 image",
      summary: "It is there.",
      text: "log",
    });
  });

  it("always has a title and a summary, which GitHub requires", () => {
    expect(checkOutput({ ...content, title: "", summary: "", text: "" }, { annotate: true })).toEqual({
      title: "Wharfinger",
      summary: "Wharfinger",
    });
  });

  it("cuts a title between characters", () => {
    const { title } = checkOutput({ ...content, title: `${"a".repeat(253)}😀😀` }, { annotate: true });
    expect(title).toBe(`${"a".repeat(253)}…`);
    expect(checkOutput({ ...content, title: "😀".repeat(200) }, { annotate: true }).title).toMatch(/^(?:😀){127}…$/u);
  });

  it("keeps the beginning of a summary and the end of a text", () => {
    const lines = Array.from({ length: 20_000 }, (_, index) => `line ${index}`).join("\n");
    const { summary, text = "" } = checkOutput({ ...content, summary: lines, text: lines }, { annotate: true });
    expect(summary).toMatch(/^line 0\nline 1\n/);
    expect(summary).toMatch(/\nline \d+\n\n\*Shortened: .*\*$/);
    expect(text).toMatch(/^\*Shortened: .*\*\n\nline \d+\n/);
    expect(text).toMatch(/\nline 19999$/);
    for (const part of [summary, text]) expect(Buffer.byteLength(part)).toBeGreaterThan(65_000);
  });

  it("holds no halves of characters, which would make GitHub refuse the whole of it", () => {
    const half = "a\ud83d";
    const annotations = [{ ...annotation, message: half, path: half }];
    const output = checkOutput({ ...content, title: half, summary: half, text: half, annotations }, { annotate: true });
    expect(JSON.stringify(output)).not.toContain("ud83d");
  });

  it("shows 50 annotations and says how many there are more", () => {
    const annotations = Array.from({ length: 73 }, (_, index) => ({ ...annotation, line: index + 1 }));
    const output = checkOutput({ ...content, annotations, summary: "ä".repeat(60_000) }, { annotate: true });
    expect(output.annotations).toHaveLength(50);
    expect(output.annotations?.[0]).toEqual({
      path: "Dockerfile",
      start_line: 1,
      end_line: 1,
      annotation_level: "failure",
      message: "unknown instruction",
    });
    expect(output.summary).toMatch(/\n\n\*23 more annotations are not shown here\.\*$/);
    expect(Buffer.byteLength(output.summary)).toBeLessThanOrEqual(65_535);
  });

  it("leaves annotations out when they are there already", () => {
    expect(checkOutput({ ...content, annotations: [annotation] }, { annotate: false })).not.toHaveProperty(
      "annotations",
    );
  });

  it("cuts an annotation's message at 64 KB", () => {
    const output = checkOutput(
      { ...content, annotations: [{ ...annotation, message: "ü".repeat(40_000) }] },
      { annotate: true },
    );
    expect(output.annotations?.[0]?.message).toBe("ü".repeat(32_000));
  });
});

describe("shortened Markdown", () => {
  const log = Array.from({ length: 500 }, (_, index) => `#${index} RUN make # *bold* <b>`).join("\n");

  it("closes a code block it cuts", () => {
    const head = keepHead(`Before\n\n\`\`\`\`text\n${log}\n\`\`\`\`\nAfter`, 1_000);
    expect(head).toMatch(/^Before\n\n````text\n#0 /);
    expect(head).toMatch(/\n````\n\n\*Shortened/);
    expect(isClosed(head)).toBe(true);
  });

  it("opens a code block it cuts into again, so that no log line becomes Markdown", () => {
    const tail = keepTail(`Before\n\n~~~~~text\n${log}\n~~~~~\nAfter`, 1_000);
    expect(tail).toMatch(/^\*Shortened: .*\*\n\n~~~~~\n#/);
    expect(tail).toMatch(/#499 .*\n~~~~~\nAfter$/);
  });

  it("does not take a shorter fence or one with words for the end of a block", () => {
    const tail = keepTail(`\`\`\`\`\n\`\`\`\n\`\`\`\` not an end\n~~~~\n${log}`, 1_000);
    expect(tail).toMatch(/\*\n\n````\n#/);
    const closed = keepTail(`\`\`\`\none\n\`\`\`\`  \n${log}`, 1_000);
    expect(closed).toMatch(/\*\n\n#/);
  });

  it("keeps part of a line that is longer than the limit", () => {
    expect(keepHead(`Title\n${"x".repeat(5_000)}`, 1_000)).toMatch(/^Title\nx{900,}/);
    expect(keepTail(`${"x".repeat(5_000)}\nend`, 1_000)).toMatch(/x{900,}\nend$/);
  });

  it("stays within its bytes and whole in its characters, whatever it is given", () => {
    const random = createRandom(7);
    const pieces = ["a", "ä", "€", "😀", "\n", "```\n", "````text\n", "~~~\n", " ", "\n\n", "x".repeat(90)];
    for (let round = 0; round < 2_000; round += 1) {
      const length = 1 + Math.floor(random() * 120);
      const text = Array.from({ length }, () => pieces[Math.floor(random() * pieces.length)]).join("");
      const limit = 200 + Math.floor(random() * 300);
      for (const part of [keepHead(text, limit), keepTail(text, limit)]) {
        expect(Buffer.byteLength(part)).toBeLessThanOrEqual(
          Math.max(limit, Buffer.byteLength(text) <= limit ? limit : 0),
        );
        // Half a character would have become a replacement character.
        expect(part).not.toContain("\ufffd");
      }
    }
  });

  it("keeps its limit with an absurdly long fence", () => {
    for (const length of [400, 600, 2_000]) {
      const fence = "`".repeat(length);
      expect(Buffer.byteLength(keepHead(`${fence}\n${log}`, 1_000))).toBeLessThanOrEqual(1_000);
      expect(Buffer.byteLength(keepTail(`${fence}\n${log}`, 1_000))).toBeLessThanOrEqual(1_000);
    }
  });
});

describe("the buttons of a check run", () => {
  const approve = { label: "Approve", description: "Build this commit once", identifier: "approve" } as const;

  it("are as they are where they fit", () => {
    const full = { label: "l".repeat(20), description: "d".repeat(40), identifier: "approve" } as const;
    expect(checkActions([approve, full])).toEqual([approve, full]);
    expect(checkActions([])).toEqual([]);
  });

  it("are three at the most, with texts of 20 and 40 characters, none of them cut in half", () => {
    const long = { ...approve, label: `${"l".repeat(18)}😀😀`, description: "d".repeat(41) };
    const [first, ...more] = checkActions([long, approve, approve, approve]);
    expect(first).toEqual({ label: `${"l".repeat(18)}…`, description: `${"d".repeat(39)}…`, identifier: "approve" });
    expect(more).toEqual([approve, approve]);
  });
});
