import { chown, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { type Launch, runInSandbox } from "../../src/builders/process.ts";

describe("a sandbox", () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "wharfinger-sandbox-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function run(command: Launch["command"], more: Partial<Launch> = {}) {
    let said = "";
    const exit = await runInSandbox({
      command,
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", GREETING: "hello" },
      binds: [{ folder, name: "work" }],
      idBase: 300_000,
      network: null,
      cgroup: null,
      maxFileBytes: null,
      output: (chunk) => {
        said += chunk.toString();
      },
      signal: new AbortController().signal,
      graceMs: 10_000,
      ...more,
    });
    return { exit, said };
  }

  it("gives the tool's exit code and its output in order, both channels together", async () => {
    const { exit, said } = await run(["sh", "-c", "echo one; echo two >&2; echo $GREETING; exit 7"]);
    expect({ exit, said }).toEqual({ exit: { code: 7, signal: null, started: true }, said: "one\ntwo\nhello\n" });
  });

  it("makes root inside an ordinary user outside, who can not read root's files", async () => {
    await writeFile(join(folder, "secret"), "x", { mode: 0o600 });
    const { said } = await run([
      "sh",
      "-c",
      "id -u; cat /mnt/work/secret; cat /etc/shadow; touch /mnt/work/../mine && echo made",
    ]);
    expect(said).toMatch(/^0\n/);
    expect(said.match(/Permission denied/g)?.length).toBe(3);
  });

  it("shows bound folders, whose owner inside is root when their owner outside is the first id", async () => {
    const inner = join(folder, "inner");
    await mkdir(inner);
    await chown(inner, 300_000, 300_000);
    const { exit, said } = await run(["sh", "-c", "ls /mnt; echo text > /mnt/inner/file"], {
      binds: [{ folder: inner, name: "inner" }],
    });
    expect({ code: exit.code, said }).toEqual({ code: 0, said: "inner\n" });
    expect(await readFile(join(inner, "file"), "utf8")).toBe("text\n");
    expect((await stat(join(inner, "file"))).uid).toBe(300_000);
  });

  it("ends at once when it is told to, though the tool has no handler for signals", async () => {
    const stop = new AbortController();
    const begun = performance.now();
    const { exit } = await run(["sh", "-c", "echo ready; exec sleep 1000"], {
      signal: stop.signal,
      output: () => stop.abort(),
    });
    expect(exit.code).not.toBe(0);
    expect(performance.now() - begun).toBeLessThan(60_000);
  });

  it("lets no file grow over the limit", async () => {
    const { said } = await run(["sh", "-c", "cat /dev/zero > /tmp/$$ || wc -c < /tmp/$$; rm /tmp/$$"], {
      maxFileBytes: 1_000_000,
    });
    // The shell counts in blocks of 512.
    expect(said).toMatch(/^1000448$/m);
  });

  it("is killed after the grace when the tool ignores the polite signal, with all it started", async () => {
    const stop = new AbortController();
    const { exit } = await run(["sh", "-c", "trap '' TERM; sleep 1000 & echo ready; sleep 1000; sleep 1000"], {
      signal: stop.signal,
      graceMs: 300,
      output: () => stop.abort(),
    });
    expect(exit.signal).toBe("SIGKILL");
  });

  it("does not begin when it is stopped before", async () => {
    const { exit, said } = await run(["sh", "-c", "echo begun"], { signal: AbortSignal.abort() });
    expect(exit.code).not.toBe(0);
    expect(said).not.toContain("begun");
  });

  it("says why when it can not be made", async () => {
    const { exit, said } = await run(["true"], { binds: [{ folder: join(folder, "nowhere"), name: "x" }] });
    expect(exit.started).toBe(false);
    expect(said).toContain("nowhere");
  });
});
