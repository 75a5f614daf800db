import type { Annotation, CheckAction, CheckContent } from "../core/check.ts";

/** What a check run shows, within the limits of GitHub's Checks API. */
export interface CheckOutput {
  readonly title: string;
  readonly summary: string;
  readonly text?: string;
  readonly annotations?: readonly {
    readonly path: string;
    readonly start_line: number;
    readonly end_line: number;
    readonly annotation_level: Annotation["level"];
    readonly message: string;
  }[];
}

/**
 * Documented as characters; counted here as bytes of UTF-8, since nothing says whether GitHub counts code points, UTF-16
 * units or bytes, and the bytes are never fewer.
 */
const MAX_TEXT_BYTES = 65_535;

/** UTF-16 units. */
const MAX_TITLE = 255;

/** Bytes: 64 KB are documented. */
const MAX_MESSAGE_BYTES = 64_000;

/** In one request; later ones would be added to those, not replace them. */
const MAX_ANNOTATIONS = 50;

const MAX_ACTIONS = 3;

/** UTF-16 units: GitHub says characters, which are never more. */
const MAX_LABEL = 20;
const MAX_DESCRIPTION = 40;

const SHORTENED = "*Shortened: the details page has all of it.*";

export function checkOutput(content: CheckContent, options: { readonly annotate: boolean }): CheckOutput {
  const left = content.annotations.length - MAX_ANNOTATIONS;
  const note = left > 0 ? `\n\n*${left} more annotations are not shown here.*` : "";
  const title = cutText(wellFormed(content.title) || "Wharfinger", MAX_TITLE);
  const summary = keepHead(wellFormed(content.summary) || title, MAX_TEXT_BYTES - note.length) + note;
  const annotations = options.annotate ? content.annotations.slice(0, MAX_ANNOTATIONS) : [];
  return {
    title,
    summary,
    ...(content.text === null || content.text === ""
      ? {}
      : { text: keepTail(wellFormed(content.text), MAX_TEXT_BYTES) }),
    ...(annotations.length === 0 ? {} : { annotations: annotations.map(toWire) }),
  };
}

/** The buttons beside a check. Their identifiers are ours, and short. */
export function checkActions(actions: readonly CheckAction[]): readonly CheckAction[] {
  return actions.slice(0, MAX_ACTIONS).map(({ label, description, identifier }) => ({
    label: cutText(wellFormed(label), MAX_LABEL),
    description: cutText(wellFormed(description), MAX_DESCRIPTION),
    identifier,
  }));
}

function toWire(annotation: Annotation): NonNullable<CheckOutput["annotations"]>[number] {
  return {
    path: wellFormed(annotation.path),
    start_line: annotation.line,
    end_line: annotation.line,
    annotation_level: annotation.level,
    message: headOf(wellFormed(annotation.message), MAX_MESSAGE_BYTES),
  };
}

/** Half a surrogate pair is not text: as JSON it would be refused, and with it the whole report. */
function wellFormed(text: string): string {
  return Buffer.from(text, "utf8").toString("utf8");
}

function cutText(text: string, maxLength: number): string {
  return text.length <= maxLength ? text : `${text.slice(0, maxLength - 1).replace(/[\ud800-\udbff]$/, "")}…`;
}

/** The beginning of a Markdown text, cut after a line; a code block that was open there is closed. */
export function keepHead(markdown: string, maxBytes: number): string {
  if (Buffer.byteLength(markdown) <= maxBytes) return markdown;
  const room = roomIn(markdown, maxBytes);
  if (room === null) return SHORTENED;
  const head = headOf(markdown, room);
  const lineEnd = head.lastIndexOf("\n");
  // A line that fills most of it is cut rather than lost.
  const kept = lineEnd > head.length / 2 ? head.slice(0, lineEnd) : head;
  const fence = openFence(kept);
  return `${kept}${fence === null ? "" : `\n${fence}`}\n\n${SHORTENED}`;
}

/** The end of a Markdown text, cut before a line; a code block that was open there is opened again. */
export function keepTail(markdown: string, maxBytes: number): string {
  if (Buffer.byteLength(markdown) <= maxBytes) return markdown;
  const room = roomIn(markdown, maxBytes);
  if (room === null) return SHORTENED;
  const tail = tailOf(markdown, room);
  const lineEnd = tail.indexOf("\n");
  const kept = lineEnd >= 0 && lineEnd < tail.length / 2 ? tail.slice(lineEnd + 1) : tail;
  const fence = openFence(markdown.slice(0, markdown.length - kept.length));
  return `${SHORTENED}\n\n${fence === null ? "" : `${fence}\n`}${kept}`;
}

const OPENING = /^ {0,3}(`{3,}(?=[^`]*$)|~{3,})/;

/**
 * The run of backticks or tildes of the code block (CommonMark 4.5) that is open at the end of a text; null: none. Without
 * it log lines would turn into Markdown.
 */
function openFence(markdown: string): string | null {
  let open: string | null = null;
  for (const line of markdown.split("\n")) {
    if (open === null) open = OPENING.exec(line)?.[1] ?? null;
    else if (closes(line, open)) open = null;
  }
  return open;
}

function closes(line: string, open: string): boolean {
  const mark = /^ {0,3}(`+|~+)[ \t]*$/.exec(line)?.[1];
  return mark !== undefined && mark[0] === open[0] && mark.length >= open.length;
}

/**
 * Bytes left beside the note and one more fence. Null when a fence, which is as long as a log makes it be, would take
 * most of them.
 */
function roomIn(markdown: string, maxBytes: number): number | null {
  let longestFence = 0;
  for (const line of markdown.split("\n")) longestFence = Math.max(longestFence, OPENING.exec(line)?.[1]?.length ?? 0);
  // Four line ends.
  const room = maxBytes - SHORTENED.length - longestFence - 4;
  return room < maxBytes / 2 ? null : room;
}

/** At most so many bytes of UTF-8 from the beginning, never half a character. */
function headOf(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text, "utf8");
  if (bytes.length <= maxBytes) return text;
  let end = Math.max(maxBytes, 0);
  while (end > 0 && isContinuation(bytes[end])) end -= 1;
  return bytes.toString("utf8", 0, end);
}

/** At most so many bytes of UTF-8 from the end, never half a character. */
function tailOf(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text, "utf8");
  if (bytes.length <= maxBytes) return text;
  let start = bytes.length - Math.max(maxBytes, 0);
  while (start < bytes.length && isContinuation(bytes[start])) start += 1;
  return bytes.toString("utf8", start);
}

/** True for the bytes of a UTF-8 character after its first. */
function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}
