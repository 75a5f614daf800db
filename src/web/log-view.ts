/** Logs as pages show them: numbered lines that can be linked to. */
import type { LogStore } from "../engine/ports.ts";
import { ansiToHtml } from "./ansi.ts";

type Logs = Pick<LogStore, "read">;

/** Where a line begins. */
export interface LogPlace {
  /** Bytes before it. */
  readonly offset: number;
  /** Its number; the first is 1. */
  readonly line: number;
}

export interface LogPart {
  /** `<li id="L12">…</li>`, one for each line. */
  readonly html: string;
  /** Where what comes after begins. */
  readonly next: LogPlace;
}

/** Bytes read at a time: more than the longest line a log has (core/log-lines.ts). */
const CHUNK = 256 * 1024;
/** A page shows this much of a log's end, and at most so many lines; more makes browsers slow. */
const SHOWN_BYTES = 256 * 1024;
const SHOWN_LINES = 4_000;
const LINE_FEED = 0x0a;

export const LOG_BEGIN: LogPlace = { offset: 0, line: 1 };

/**
 * Whole lines from a place on; null: there are none yet. `ended`: nothing more will be written, so the last line counts
 * as whole however it ends.
 */
export async function nextLines(logs: Logs, buildId: string, from: LogPlace, ended: boolean): Promise<LogPart | null> {
  const read = await logs.read(buildId, from.offset, CHUNK);
  if (read === null || read.bytes.length === 0) return null;
  const { bytes } = read;
  const isAll = ended && from.offset + bytes.length >= read.size;
  const whole = isAll ? bytes.length : bytes.lastIndexOf(LINE_FEED) + 1;
  if (whole > 0) return part(bytes.subarray(0, whole), from);
  // No log of ours has such a line; whoever follows one that has must not wait for its end for ever.
  return bytes.length < CHUNK ? null : part(bytes, from);
}

export interface LogEnd extends LogPart {
  /** Lines before those shown. */
  readonly left: number;
}

/** The last lines of a log, as many as a page bears. */
export async function lastLines(logs: Logs, buildId: string, ended: boolean): Promise<LogEnd> {
  const size = (await logs.read(buildId, 0, 0))?.size ?? 0;
  const from = await lineAfter(logs, buildId, Math.max(0, size - SHOWN_BYTES));
  const bytes = (await logs.read(buildId, from.offset, SHOWN_BYTES))?.bytes ?? Buffer.alloc(0);
  const whole = ended ? bytes.length : bytes.lastIndexOf(LINE_FEED) + 1;
  const begin = beginOfLast(bytes, whole);
  const place = { offset: from.offset + begin, line: from.line + linesIn(bytes.subarray(0, begin)) };
  return { ...part(bytes.subarray(begin, whole), place), left: place.line - 1 };
}

/** The first line that begins at this byte or after it. Reads all before it: lines are numbered from the log's beginning. */
async function lineAfter(logs: Logs, buildId: string, byte: number): Promise<LogPlace> {
  if (byte === 0) return LOG_BEGIN;
  let line = 1;
  for (let at = 0; ; ) {
    const bytes = (await logs.read(buildId, at, CHUNK))?.bytes ?? Buffer.alloc(0);
    const before = bytes.subarray(0, Math.max(0, byte - 1 - at));
    line += linesIn(before);
    const feed = bytes.indexOf(LINE_FEED, before.length);
    if (feed >= 0) return { offset: at + feed + 1, line: line + 1 };
    if (bytes.length === 0) return { offset: at, line };
    at += bytes.length;
  }
}

/** Where the last {@link SHOWN_LINES} of the first `end` bytes begin. */
function beginOfLast(bytes: Buffer, end: number): number {
  // The last line's own line feed separates it from nothing.
  let begin = end - 1;
  for (let lines = 0; lines < SHOWN_LINES; lines += 1) {
    if (begin <= 0) return 0;
    begin = bytes.lastIndexOf(LINE_FEED, begin - 1);
    if (begin < 0) return 0;
  }
  return begin + 1;
}

function linesIn(bytes: Buffer): number {
  let lines = 0;
  for (let at = bytes.indexOf(LINE_FEED); at >= 0; at = bytes.indexOf(LINE_FEED, at + 1)) lines += 1;
  return lines;
}

function part(bytes: Buffer, from: LogPlace): LogPart {
  if (bytes.length === 0) return { html: "", next: from };
  const lines = ansiToHtml(bytes.toString("utf8").replace(/\n$/, ""));
  return {
    html: lines.map((html, index) => lineHtml(from.line + index, html)).join(""),
    next: { offset: from.offset + bytes.length, line: from.line + lines.length },
  };
}

function lineHtml(number: number, html: string): string {
  return `<li id="L${number}"><a href="#L${number}">${number}</a>${html}</li>`;
}
