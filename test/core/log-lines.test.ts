import { describe, expect, it } from "@jest/globals";
import { cleanLine, createLogLines, plainText } from "../../src/core/log-lines.ts";
import { createMasks, LONGEST_MASKED } from "../../src/core/masks.ts";
import { computedMs } from "../support/cpu-time.ts";

const PASSWORD = "ghs_s3cretS3cret";
const masks = createMasks([{ username: "x-access-token", password: PASSWORD }]);

function collect(maxBytes = 1_000_000) {
  let text = "";
  const log = createLogLines({
    write: (part) => {
      text += part;
    },
    mask: masks.mask,
    longestSecret: LONGEST_MASKED,
    maxBytes,
  });
  return { log, text: () => text };
}

describe("log lines", () => {
  it("are whole however the output is cut, characters of several bytes included", () => {
    const bytes = Buffer.from("one\ntwø → three\r\nlast");
    for (let cut = 0; cut <= bytes.length; cut++) {
      const { log, text } = collect();
      log.chunk(bytes.subarray(0, cut));
      log.chunk(bytes.subarray(cut));
      log.flush();
      expect(text()).toBe("one\ntwø → three\nlast\n");
    }
  });

  it("hide a secret in every form, wherever a chunk ends", () => {
    const basic = Buffer.from(`x-access-token:${PASSWORD}`).toString("base64");
    const bytes = Buffer.from(`a ${PASSWORD} b\nAuthorization: Basic ${basic}\n`);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const { log, text } = collect();
      log.chunk(bytes.subarray(0, cut));
      log.chunk(bytes.subarray(cut));
      expect(text()).toBe("a *** b\nAuthorization: Basic ***\n");
    }
  });

  it("hide a secret in a line too long to hold, and one that control characters cut apart", () => {
    for (const before of [16_370, 16_384, 16_400, 32_760]) {
      const { log, text } = collect();
      for (const part of [`${"x".repeat(before)}${PASSWORD.slice(0, 5)}`, PASSWORD.slice(5), "y".repeat(20_000)]) {
        log.chunk(Buffer.from(part));
      }
      log.flush();
      expect(text().replaceAll("\n", "")).toBe(`${"x".repeat(before)}***${"y".repeat(20_000)}`);
    }
    const { log, text } = collect();
    log.chunk(Buffer.from(`${PASSWORD.slice(0, 6)}\u001b[2K\u0000${PASSWORD.slice(6)}\n`));
    expect(text()).toBe("***\n");
  });

  it("show the last state of a progress bar, keep colours, drop what moves the cursor or turns text round", () => {
    expect(cleanLine("10 %\r50 %\r100 %\r")).toBe("100 %");
    expect(cleanLine("\u001b[31mred\u001b[0m \u001b[2J\u001b[1;1H\u001b]0;title\u0007plain\ttab")).toBe(
      "\u001b[31mred\u001b[0m plain\ttab",
    );
    expect(cleanLine("a\u0000\u0008\u202eb\u2066c\u009bd")).toBe("abcd");
    expect(plainText("\u001b[1;31mError\u001b[0m: no")).toBe("Error: no");
  });

  it("take linear time for lines made to be slow", () => {
    const begun = process.cpuUsage();
    cleanLine(`\u001b[${"0;".repeat(200_000)}`);
    cleanLine(`\u001b]${"x".repeat(400_000)}`);
    cleanLine("\u001b".repeat(400_000));
    expect(computedMs(begun)).toBeLessThan(2000);
  });

  it("end at the limit with a note, but keep the tail for the failure's sentence", () => {
    const { log, text } = collect(50);
    for (let line = 1; line <= 1000; line++) log.chunk(Buffer.from(`line ${line}\n`));
    expect(text()).toBe(
      "line 1\nline 2\nline 3\nline 4\nline 5\nline 6\nline 7\n[the log reached its limit of 50 bytes; the rest is left out]\n",
    );
    expect(log.tail().at(-1)).toBe("line 1000");
    expect(log.tail().length).toBe(200);
  });
});
