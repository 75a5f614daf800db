import { createHash } from "node:crypto";
import type { Annotation, BuildResult, CheckContent } from "../core/check.ts";
import { STATE_WORDS } from "../core/check-text.ts";
import { oneLine } from "../core/markdown.ts";
import { plainText } from "./plain-text.ts";

/**
 * What a commit on Bitbucket shows: a build status, and a Code Insights report with annotations. Bitbucket refuses the
 * whole request for one field that is too long, so every text is cut to its field's limit, in UTF-16 units: there are
 * never fewer of those than of characters.
 */

/** Of a status's key; documented. */
const MAX_KEY = 40;
/** Of a status's name, description and refname. */
const MAX_STATUS_TEXT = 255;
/** Of titles, of the summary of an annotation, and of the value of a field. */
const MAX_TITLE = 450;
/** Of the details of a report or an annotation, and of a path. */
const MAX_DETAILS = 2_000;
/** Fields of a report; documented. */
const MAX_FIELDS = 10;
/** Annotations in one request; documented. More requests would cost calls that other builds need. */
export const MAX_ANNOTATIONS = 100;

export interface BuildStatus {
  readonly key: string;
  readonly state: "INPROGRESS" | "SUCCESSFUL" | "FAILED" | "STOPPED";
  readonly name: string;
  readonly description: string;
  readonly url: string;
  /** Branch whose pull requests it belongs to; left out: all that have the commit. */
  readonly refname?: string;
}

export interface Report {
  readonly title: string;
  readonly details: string;
  readonly report_type: "TEST";
  readonly reporter: string;
  readonly result: "PASSED" | "FAILED" | "PENDING";
  readonly link: string;
  readonly data: readonly Field[];
}

export type Field =
  | { readonly title: string; readonly type: "TEXT"; readonly value: string }
  /** Milliseconds. */
  | { readonly title: string; readonly type: "DURATION" | "NUMBER"; readonly value: number };

export interface ReportAnnotation {
  readonly external_id: string;
  readonly annotation_type: "BUG" | "CODE_SMELL";
  readonly summary: string;
  readonly details?: string;
  readonly severity: "HIGH" | "MEDIUM" | "LOW";
  readonly result: "FAILED" | "PASSED";
  readonly link?: string;
  readonly path?: string;
  readonly line?: number;
}

/**
 * The same for the same name, and another for another: what is readable of the name, and a digest of all of it. It names
 * the check's status, its report and, with a number, its annotations.
 */
export function keyOf(name: string): string {
  const digest = createHash("sha256").update(name, "utf8").digest("hex").slice(0, 20);
  const readable = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, MAX_KEY - digest.length - 1)
    .replace(/^-|-$/g, "");
  return readable === "" ? digest : `${readable}-${digest}`;
}

/** One text for waiting and building: only the first of them is written. */
const UNDERWAY = "Waiting to be built, or being built: the details page says which.";

const STATES: Readonly<Record<NonNullable<CheckContent["conclusion"]>, BuildStatus["state"]>> = {
  success: "SUCCESSFUL",
  // Nothing was to be built, which must not hold up a merge that requires this status.
  neutral: "SUCCESSFUL",
  skipped: "SUCCESSFUL",
  failure: "FAILED",
  timed_out: "FAILED",
  cancelled: "STOPPED",
  // Green would let it be merged, red would blame somebody, and in progress it would be for ever where nobody approves.
  action_required: "STOPPED",
};

export function buildStatus(name: string, content: CheckContent): BuildStatus {
  const { conclusion, branch } = content;
  return {
    key: keyOf(name),
    state: conclusion === null ? "INPROGRESS" : STATES[conclusion],
    name: lineOf(name, MAX_STATUS_TEXT),
    description: lineOf(conclusion === null ? UNDERWAY : conclusionText(content), MAX_STATUS_TEXT),
    url: content.detailsUrl,
    ...(branch !== null && fits(branch, MAX_STATUS_TEXT) ? { refname: branch } : {}),
  };
}

/** A title may sum up that nothing was built; the summary says why, for each image. A status has no button. */
function conclusionText({ conclusion, title, summary }: CheckContent): string {
  if (conclusion === "action_required") return `${lineOf(title, 180)}. The details page says what it waits for.`;
  const reasons = conclusion === "skipped" ? plainText(summary).replace(/^- /gm, "").split("\n") : [];
  return reasons.length > 1 ? reasons.join("; ") : title;
}

/**
 * The report of a check that has ended; null: there is nothing to report beyond its status, as long as nothing was built
 * either. Whatever did not pass is FAILED: what was stopped has not shown that it can be built.
 */
export function buildReport(name: string, content: CheckContent): Report | null {
  const { conclusion, results, annotations } = content;
  const isHeld = conclusion === "action_required";
  if (conclusion === null || ((isHeld || results.length === 0) && annotations.length === 0)) return null;
  const left = annotations.length - MAX_ANNOTATIONS;
  const note = left > 0 ? `\n\n${left} more annotations are not shown here.` : "";
  const details = `${lineOf(content.title, MAX_TITLE)}\n\n${plainText(wellFormed(content.summary))}`;
  return {
    title: lineOf(name, MAX_TITLE),
    details: cut(details, MAX_DETAILS - note.length) + note,
    report_type: "TEST",
    reporter: "Wharfinger",
    result: isHeld ? "PENDING" : STATES[conclusion] === "SUCCESSFUL" ? "PASSED" : "FAILED",
    link: content.detailsUrl,
    data: fieldsOf(results),
  };
}

function fieldsOf(results: readonly BuildResult[]): readonly Field[] {
  const [only] = results;
  if (results.length === 1 && only !== undefined) return fieldsOfOne(only);
  const rest = results.length - MAX_FIELDS;
  const shown = rest > 0 ? results.slice(0, MAX_FIELDS - 1) : results;
  return [
    ...shown.map((result) => textField(result.image, lineOfOne(result))),
    ...(rest > 0 ? [{ title: "More images", type: "NUMBER", value: rest + 1 } as const] : []),
  ];
}

function fieldsOfOne({ image, tags, digest, state, seconds }: BuildResult): readonly Field[] {
  return [
    textField("Image", image),
    ...(tags.length === 0 ? [] : [textField("Tags", listOf(tags, MAX_TITLE))]),
    digest === null ? textField("Result", STATE_WORDS[state]) : textField("Digest", digest),
    ...(seconds === null ? [] : [{ title: "Duration", type: "DURATION", value: seconds * 1_000 } as const]),
  ];
}

/** `latest, 1.2 · sha256:… · 72 s`; the digest, which is what counts, is not cut. */
function lineOfOne({ tags, digest, state, seconds }: BuildResult): string {
  const rest = [digest ?? STATE_WORDS[state], ...(seconds === null ? [] : [`${seconds} s`])].join(" · ");
  return tags.length === 0 ? rest : `${listOf(tags, MAX_TITLE - rest.length - 3)} · ${rest}`;
}

function textField(title: string, value: string): Field {
  return { title: lineOf(title, MAX_TITLE), type: "TEXT", value: lineOf(value, MAX_TITLE) };
}

/** As many as there is room for, and how many there are besides. */
function listOf(items: readonly string[], max: number): string {
  const all = items.join(", ");
  if (all.length <= max) return all;
  let text = "";
  for (const [index, item] of items.entries()) {
    const more = ` and ${items.length - index} more`;
    if (text.length + item.length + 2 + more.length > max) return `${text}${more}`.trim();
    text += `${text === "" ? "" : ", "}${item}`;
  }
  return text;
}

const LEVELS = {
  failure: { order: 0, annotation_type: "BUG", severity: "HIGH" },
  warning: { order: 1, annotation_type: "CODE_SMELL", severity: "MEDIUM" },
  notice: { order: 2, annotation_type: "CODE_SMELL", severity: "LOW" },
} as const satisfies Record<Annotation["level"], object>;

/** The gravest first. They are numbered, so that those of another run of the check take the places of these. */
export function reportAnnotations(
  name: string,
  { annotations, detailsUrl }: CheckContent,
): readonly ReportAnnotation[] {
  return annotations
    .toSorted((one, other) => LEVELS[one.level].order - LEVELS[other.level].order)
    .slice(0, MAX_ANNOTATIONS)
    .map(({ path, line, level, message }, index) => {
      const { order: _, ...grade } = LEVELS[level];
      const text = oneLine(wellFormed(message)) || "The details page says more.";
      return {
        external_id: annotationId(name, index),
        ...grade,
        result: "FAILED",
        summary: cut(text, MAX_TITLE),
        ...(text.length > MAX_TITLE ? { details: cut(text, MAX_DETAILS) } : {}),
        link: detailsUrl,
        ...placeOf(path, line),
      };
    });
}

/** A path that can not be written is left out, and the annotation stands beside the files: cut, it would be another. */
function placeOf(path: string, line: number): Pick<ReportAnnotation, "path" | "line"> {
  return fits(path, MAX_DETAILS) ? { path, line } : {};
}

/** What an earlier run of the check has found on a line, and the last one did not. */
export function resolvedAnnotation(stale: { external_id: string; path?: string; line?: number }): ReportAnnotation {
  const { external_id, path, line } = stale;
  return {
    external_id,
    annotation_type: "CODE_SMELL",
    summary: "Found by an earlier run of this check, and not by the last one.",
    severity: "LOW",
    result: "PASSED",
    ...(path === undefined ? {} : { path }),
    ...(line === undefined || line < 1 ? {} : { line }),
  };
}

function annotationId(name: string, index: number): string {
  return `${keyOf(name)}-${index + 1}`;
}

/** As it is: not empty, of one line, of whole characters, and not too long. */
function fits(text: string, max: number): boolean {
  return text !== "" && text.length <= max && text === lineOf(text, max);
}

/** One line of whole characters. */
function lineOf(text: string, max: number): string {
  return cut(oneLine(wellFormed(text)), max);
}

/** Half a surrogate pair is not text: as JSON it would be refused, and with it the whole request. */
function wellFormed(text: string): string {
  return Buffer.from(text, "utf8").toString("utf8");
}

/** Never half a character. */
function cut(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max - 1).replace(/[\ud800-\udbff]$/, "")}…`;
}
