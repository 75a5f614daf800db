/** Key files in the data folder. */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

/**
 * The text of `name` in the folder; what `make` makes when there is no such file, which from then on only this user can
 * read. Two processes that start at once get the same text: the file appears complete, by a hard link, or not at all.
 * Throws an error that says what to do when others can read it.
 */
export function ensureKeyFile(dataDir: string, name: string, make: () => string): string {
  const path = join(dataDir, name);
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const found = read(path);
  if (found !== null) return found;
  write(path, make());
  return read(path) ?? missing(path);
}

/** The text of a key file; null: there is none. Throws as {@link ensureKeyFile} does. */
export function readKeyFile(dataDir: string, name: string): string | null {
  return read(join(dataDir, name));
}

/** Puts `text` in the place of what the file held, whole or not at all. */
export function replaceKeyFile(dataDir: string, name: string, text: string): void {
  const path = join(dataDir, name);
  const temporary = writeBeside(path, text);
  renameSync(temporary, path);
}

/** Does nothing where there is no such file. */
export function removeKeyFile(dataDir: string, name: string): void {
  rmSync(join(dataDir, name), { force: true });
}

function read(path: string): string | null {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    throw error;
  }
  if ((statSync(path).mode & 0o077) !== 0) throw new Error(`${path} can be read by others. Do: chmod 600 ${path}`);
  return text;
}

function write(path: string, text: string): void {
  const temporary = writeBeside(path, text);
  try {
    linkSync(temporary, path);
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
  } finally {
    unlinkSync(temporary);
  }
}

/** Writes a new file that only this user can read; answers its path. */
function writeBeside(path: string, text: string): string {
  const temporary = `${path}.${process.pid}.${randomBytes(6).toString("hex")}`;
  const file = openSync(temporary, "wx", 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } catch (error) {
    unlinkSync(temporary);
    throw error;
  } finally {
    closeSync(file);
  }
  return temporary;
}

function missing(path: string): never {
  throw new Error(`${path} disappeared while it was made. Is something deleting from the data folder?`);
}

/** By shape: an error of Node's own is no instance of another context's `Error`, which a test runner's is. */
function codeOf(error: unknown): unknown {
  return typeof error === "object" && error !== null && "code" in error ? error.code : null;
}
