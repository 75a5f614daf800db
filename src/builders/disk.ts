import { execFile } from "node:child_process";
import { readdir, statfs } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

/**
 * Stops a build that writes too much. A watch, not a wall: a disk image of its own per build would be one, but layers
 * are shared by the builds of a repository, and loop devices are few and absent in containers. What a build writes
 * between two looks comes on top of the limit; one file alone can not be larger than it (see `maxFileBytes`).
 */
export interface DiskWatch {
  /** Aborted when the limit is passed. */
  readonly signal: AbortSignal;
  stop(): Promise<void>;
}

/** Milliseconds between two looks at the file system as a whole, which cost nothing. */
const INTERVAL = 200;
/** Measuring the build's folders takes reading them: only when this part of the limit was written by anybody. */
const WORTH = 1 / 16;
/** The limit is also looked at this often, in milliseconds, when others free as much as the build takes. */
const AT_LEAST = 10_000;

/**
 * Counts what is new since it was called: layers (those of a build of the same repository beside this one, too), what
 * lies in `tmp`, cache mounts among it, and the job's own folder.
 */
export function watchDisk(options: {
  /** Folder of the cache scope. */
  readonly scope: string;
  /** Of the job. */
  readonly folder: string;
  readonly maxBytes: number;
}): DiskWatch {
  const over = new AbortController();
  const stopped = new AbortController();
  const layers = join(options.scope, "root/overlay");
  const tmp = join(options.scope, "tmp");

  async function watch(): Promise<void> {
    const old = new Set(await namesIn(layers));
    const before = await size([tmp]);
    let free = await freeBytes(options.scope);
    let measured = performance.now();
    for (;;) {
      await sleep(INTERVAL, undefined, { signal: stopped.signal });
      const now = await freeBytes(options.scope);
      if (free - now < options.maxBytes * WORTH && performance.now() - measured < AT_LEAST) continue;
      const added = (await namesIn(layers)).filter((name) => !old.has(name)).map((name) => join(layers, name));
      const used = (await size([...added, tmp, options.folder])) - before;
      free = now;
      measured = performance.now();
      if (used > options.maxBytes) {
        over.abort();
        return;
      }
    }
  }

  const watching = watch().catch((error: unknown) => {
    if (!stopped.signal.aborted) throw error;
  });
  // Reported by stop(): until then nobody listens.
  watching.catch(() => undefined);
  return {
    signal: over.signal,
    async stop() {
      stopped.abort();
      await watching;
    },
  };
}

async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

async function namesIn(folder: string): Promise<readonly string[]> {
  // Before the first build of a repository there are no layers.
  return await readdir(folder).catch(() => []);
}

const run = promisify(execFile);

/** Bytes on the disk. Files may vanish meanwhile: what du(1) says of them goes to standard error, and it fails. */
async function size(paths: readonly string[]): Promise<number> {
  const options = { cwd: "/", maxBuffer: 16 * 1024 ** 2 };
  const args = ["--summarize", "--total", "--block-size=1", "--one-file-system", "--", ...paths];
  const said = await run("du", args, options).catch((error: unknown) => outputOf(error));
  return Number(/^(\d+)\ttotal$/m.exec(said.stdout)?.[1] ?? 0);
}

function outputOf(error: unknown): { readonly stdout: string } {
  if (typeof error !== "object" || error === null || !("stdout" in error)) throw error;
  return { stdout: String(error.stdout) };
}
