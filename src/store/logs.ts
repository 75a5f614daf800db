import { createWriteStream, mkdirSync, openSync, rmSync } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Logger, LogStore, LogWriter } from "../engine/ports.ts";

const BUILD_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/;
const BLOCK_BYTES = 64 * 1024;
/** A tail is for people; lines longer than this together are cut at the front. */
const MAX_TAIL_BYTES = 1024 * 1024;

/**
 * One file for each build in `dir`, readable by this user only. A full disk costs the log, never the build: what could
 * not be written is told to `log` once.
 */
export function createLogStore(dir: string, log?: Logger): LogStore {
  mkdirSync(dir, { recursive: true, mode: 0o700 });

  function pathOf(buildId: string): string | null {
    return BUILD_ID.test(buildId) ? join(dir, `${buildId}.log`) : null;
  }

  return {
    open(buildId) {
      const path = pathOf(buildId);
      if (path === null) throw new RangeError("not a build id");
      const onError = (error: unknown) => log?.warn({ build: buildId, err: error }, "the build's log is incomplete");
      try {
        return createWriter(create(path), onError);
      } catch (error) {
        onError(error);
        return NO_LOG;
      }
    },

    async read(buildId, offset, limit) {
      return withFile(pathOf(buildId), null, async (file) => {
        const { size } = await file.stat();
        return { bytes: await readAt(file, Math.max(0, offset), Math.max(0, limit), size), size };
      });
    },

    async tail(buildId, lines) {
      return withFile(pathOf(buildId), [], (file) => readTail(file, lines));
    },

    async remove(buildId) {
      const path = pathOf(buildId);
      if (path !== null) await rm(path, { force: true });
    },
  };
}

/** A new file, not the old one emptied: a writer that lost its lease keeps writing to the old one, unseen. */
function create(path: string): number {
  rmSync(path, { force: true });
  return openSync(path, "wx", 0o600);
}

const NO_LOG: LogWriter = { write: () => undefined, close: () => Promise.resolve() };

function createWriter(fd: number, onError: (error: unknown) => void): LogWriter {
  const stream = createWriteStream("", { fd });
  const closed = new Promise<void>((resolve) => {
    stream.once("close", resolve);
  });
  stream.once("error", onError);
  return {
    write(text) {
      if (!stream.destroyed && !stream.writableEnded) stream.write(text);
    },
    close() {
      stream.end();
      return closed;
    },
  };
}

async function withFile<T>(path: string | null, absent: T, use: (file: FileHandle) => Promise<T>): Promise<T> {
  if (path === null) return absent;
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (error) {
    if (isMissing(error)) return absent;
    throw error;
  }
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

function isMissing(error: unknown): boolean {
  return typeof error === "object" && error !== null && "code" in error && error.code === "ENOENT";
}

/** Never allocates more than there is to read. */
async function readAt(file: FileHandle, offset: number, limit: number, size: number): Promise<Buffer> {
  const wanted = Math.max(0, Math.min(limit, size - offset));
  const bytes = Buffer.alloc(wanted);
  let filled = 0;
  while (filled < wanted) {
    const { bytesRead } = await file.read(bytes, filled, wanted - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}

async function readTail(file: FileHandle, lines: number): Promise<readonly string[]> {
  if (lines <= 0) return [];
  const { size } = await file.stat();
  const blocks: Buffer[] = [];
  let start = size;
  let newlines = 0;
  // One newline more than lines, because the last one usually ends the file.
  while (start > 0 && newlines <= lines && size - start < MAX_TAIL_BYTES) {
    const from = Math.max(0, start - BLOCK_BYTES);
    const block = await readAt(file, from, start - from, size);
    for (const byte of block) if (byte === 0x0a) newlines += 1;
    blocks.unshift(block);
    start = from;
  }
  const text = Buffer.concat(blocks).toString("utf8").replace(/\n$/, "");
  return text === "" ? [] : text.split("\n").slice(-lines);
}
