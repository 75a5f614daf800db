import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { LogStore } from "../../src/engine/ports.ts";

/** Holds a place for logs to what the port promises. Each test gets one that is empty. */
export function logsContract(
  name: string,
  open: () => Promise<{ readonly logs: LogStore; close(): Promise<void> }>,
): void {
  describe(`logs in ${name}`, () => {
    let logs: LogStore;
    let close: () => Promise<void>;

    beforeEach(async () => {
      ({ logs, close } = await open());
    });

    afterEach(() => close());

    async function write(id: string, ...texts: string[]): Promise<void> {
      const writer = logs.open(id);
      for (const text of texts) writer.write(text);
      await writer.close();
    }

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

    it("forgets the log it is told to, and no other", async () => {
      await write("b1", "one");
      await write("b2", "two");
      await logs.remove("b1");
      await logs.remove("b1");
      await logs.remove("never");
      await logs.remove("../b2");
      expect(await logs.read("b1", 0, 10)).toBeNull();
      expect((await logs.read("b2", 0, 10))?.bytes.toString()).toBe("two");
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
      await until(async () => (await logs.read("b1", 0, 1)) !== null);
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
  });
}

async function until(met: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!(await met())) {
    if (Date.now() > deadline) throw new Error("it did not happen within 5 s");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
