import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { LogStore } from "../../src/engine/ports.ts";
import { createLogStore } from "../../src/store/logs.ts";
import { logsContract } from "../contract/logs.contract.ts";

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

logsContract("files", async () => {
  const folder = await mkdtemp(join(tmpdir(), "wharfinger-logs-"));
  return { logs: createLogStore(folder), close: () => rm(folder, { recursive: true }) };
});

describe("log files", () => {
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
