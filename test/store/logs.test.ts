import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { LogStore } from "../../src/engine/ports.ts";
import { createLogStore } from "../../src/store/logs.ts";

let dir = "";
let logs: LogStore;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "wharfinger-logs-"));
  logs = createLogStore(join(dir, "logs"));
});

afterEach(async () => {
  await rm(dir, { recursive: true });
});

async function write(id: string, ...texts: string[]): Promise<void> {
  const writer = logs.open(id);
  for (const text of texts) writer.write(text);
  await writer.close();
}

describe("the log store", () => {
  it("gives back what was written, in parts, with the size", async () => {
    await write("b1", "one\n", "zwölf\n");
    expect(await logs.read("b1", 0, 1000)).toEqual({ bytes: Buffer.from("one\nzwölf\n"), size: 11 });
    expect(await logs.read("b1", 4, 3)).toEqual({ bytes: Buffer.from("zwölf").subarray(0, 3), size: 11 });
    expect(await logs.read("b1", 11, 1000)).toEqual({ bytes: Buffer.alloc(0), size: 11 });
    expect(await logs.read("b1", 999, 1000)).toEqual({ bytes: Buffer.alloc(0), size: 11 });
    expect(await logs.read("b1", -5, 3)).toEqual({ bytes: Buffer.from("one"), size: 11 });
  });

  it("allocates for what is there, not for what is asked", async () => {
    await write("b1", "small");
    expect((await logs.read("b1", 0, Number.MAX_SAFE_INTEGER))?.bytes.toString()).toBe("small");
  });

  it("has no log of a build that never ran", async () => {
    expect(await logs.read("never", 0, 10)).toBeNull();
    expect(await logs.tail("never", 10)).toEqual([]);
  });

  it("answers the last lines, with and without a newline at the end", async () => {
    await write("b1", "1\n2\n3\n");
    await write("b2", "1\n2\n3");
    await write("empty");
    expect(await logs.tail("b1", 2)).toEqual(["2", "3"]);
    expect(await logs.tail("b2", 2)).toEqual(["2", "3"]);
    expect(await logs.tail("b1", 99)).toEqual(["1", "2", "3"]);
    expect(await logs.tail("b1", 0)).toEqual([]);
    expect(await logs.tail("empty", 5)).toEqual([]);
  });

  it("finds the tail of a long log across blocks", async () => {
    const lines = Array.from({ length: 50_000 }, (_, index) => `line ${index} ${"ä".repeat(20)}`);
    await write("b1", `${lines.join("\n")}\n`);
    expect(await logs.tail("b1", 3_000)).toEqual(lines.slice(-3_000));
  });

  it("does not read a whole log for one endless line", async () => {
    await write("b1", "x".repeat(5_000_000));
    const tail = await logs.tail("b1", 1);
    expect(tail).toHaveLength(1);
    expect(tail[0]?.length).toBeLessThan(2_000_000);
  });

  it("starts anew, and a writer that lost its build can not write into the new log", async () => {
    const zombie = logs.open("b1");
    zombie.write("first attempt\n");
    const writer = logs.open("b1");
    writer.write("second attempt\n");
    zombie.write("zombie\n");
    await Promise.all([zombie.close(), writer.close()]);
    expect((await logs.read("b1", 0, 1000))?.bytes.toString()).toBe("second attempt\n");
  });

  it("ignores what is written after the end", async () => {
    const writer = logs.open("b1");
    await writer.close();
    writer.write("late");
    await writer.close();
    expect((await logs.read("b1", 0, 10))?.size).toBe(0);
  });

  it("keeps logs from everybody else", async () => {
    await write("b1", "secretive");
    expect((await stat(join(dir, "logs", "b1.log"))).mode & 0o777).toBe(0o600);
    expect((await stat(join(dir, "logs"))).mode & 0o777).toBe(0o700);
  });

  it("never leaves its folder", async () => {
    await writeFile(join(dir, "outside.log"), "outside");
    for (const id of ["../outside", "..", ".", "", "/etc/passwd", "a/b", "a\0b", "a\nb", "x".repeat(101)]) {
      expect(() => logs.open(id)).toThrow("not a build id");
      expect(await logs.read(id, 0, 10)).toBeNull();
      expect(await logs.tail(id, 10)).toEqual([]);
    }
    expect(await readdir(join(dir, "logs"))).toEqual([]);
  });

  it("survives a disk that takes nothing, and says so", async () => {
    const warnings: string[] = [];
    const log = {
      info: () => undefined,
      warn: (_: object, text: string) => warnings.push(text),
      error: () => undefined,
    };
    const broken = createLogStore(join(dir, "gone"), log);
    await rm(join(dir, "gone"), { recursive: true });
    const writer = broken.open("b1");
    writer.write("text");
    await writer.close();
    writer.write("more");
    expect(warnings).toEqual(["the build's log is incomplete"]);
  });
});
