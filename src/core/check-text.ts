/** The Markdown of a check: what was built, what was not, what broke and what to do. */
import type { CheckFacts } from "./check.ts";
import { fileSection } from "./config-check-text.ts";
import { failureAdvice } from "./failure-advice.ts";
import { codeSpan, escapeMarkdown, fenced } from "./markdown.ts";
import { type Build, type Failure, type Skip, shownTags } from "./model.ts";
import { reproduceLines, shellQuote } from "./reproduce.ts";

export interface TextOptions {
  buildUrl(id: string): string;
  /** The last lines of a build's log; empty when there is none. */
  logTail(buildId: string): readonly string[];
  /** Host and port of a build's registry, as image names carry it; null: it is not known any more. */
  registry(build: Build): string | null;
}

/** Lines about what is not built; a file may hold thousands of rules. */
const MAX_SKIPS = 50;

export function checkSummary({ builds, skips, fileCheck }: CheckFacts, options: TextOptions): string {
  const told = skips.some(({ reason, lane }) => reason === "config-invalid" && lane === undefined);
  const file = fileCheck === undefined ? null : fileSection(fileCheck, { told });
  return [
    ...(builds.length === 0 ? [] : [table(builds, options)]),
    ...builds.flatMap((build) => pullCommand(build, options)),
    ...builds.flatMap(olderTags),
    ...holds(builds),
    ...builds.flatMap(failureSection),
    ...(skips.length === 0 ? [] : [skipList(skips)]),
    ...(file === null ? [] : [file]),
  ].join("\n\n");
}

/** The ends of the logs of what broke; null when there is nothing of it. */
export function checkText({ builds }: CheckFacts, options: TextOptions): string | null {
  const sections = builds.filter(isBroken).flatMap((build) => {
    const lines = options.logTail(build.id);
    return lines.length === 0 ? [] : [`#### Log of ${codeSpan(build.image)}, its end\n\n${fenced(lines, "text")}`];
  });
  return sections.length === 0 ? null : sections.join("\n\n");
}

function table(builds: readonly Build[], options: TextOptions): string {
  const rows = builds.map((build) => {
    const image = `[${codeSpan(build.image)}](${options.buildUrl(build.id)})`;
    const tags = shownTags(build).map(codeSpan).join(" ");
    return `| ${image} | ${tags} | ${result(build)} | ${duration(build)} |`;
  });
  return ["| image | tags | digest | duration |", "| --- | --- | --- | --- |", ...rows].join("\n");
}

export const STATE_WORDS: Readonly<Record<Build["state"], string>> = {
  queued: "waiting",
  held: "waiting for approval",
  running: "being built",
  succeeded: "tested, not published",
  failed: "failed",
  canceled: "canceled",
  superseded: "superseded by a newer push",
  timed_out: "took too long",
};

function result({ digest, state }: Build): string {
  return digest === null ? STATE_WORDS[state] : codeSpan(digest);
}

/** Whole seconds a build took; null while it runs. */
export function secondsOf({ startedAt, finishedAt }: Pick<Build, "startedAt" | "finishedAt">): number | null {
  return startedAt === null || finishedAt === null
    ? null
    : Math.max(0, Math.round((Date.parse(finishedAt) - Date.parse(startedAt)) / 1000));
}

/** `1 min 12 s`; empty while it runs. */
function duration(build: Build): string {
  const seconds = secondsOf(build);
  if (seconds === null) {
    return "";
  }
  const minutes = Math.floor(seconds / 60);
  return minutes === 0 ? `${seconds} s` : `${minutes} min ${seconds % 60} s`;
}

function pullCommand(build: Build, options: TextOptions): readonly string[] {
  const { digest, image } = build;
  const registry = digest === null ? null : options.registry(build);
  return registry === null ? [] : [fenced([`docker pull ${shellQuote(`${registry}/${image}@${digest}`)}`], "sh")];
}

/** Tags that something newer has. */
function olderTags({ image, tags }: Build): readonly string[] {
  if (tags === null || tags.older.length === 0) return [];
  const lines = tags.older.map(({ tag, why }) => {
    return `- ${codeSpan(`${image}:${tag}`)} was not moved. ${escapeMarkdown(why)} (older-than-published)`;
  });
  return [lines.join("\n")];
}

/** What held builds wait for; mostly the same for all. */
function holds(builds: readonly Build[]): readonly string[] {
  const details = builds.flatMap(({ state, hold }) => (state === "held" && hold !== null ? [hold.detail] : []));
  return [...new Set(details)].map(escapeMarkdown);
}

function isBroken({ state }: Build): boolean {
  return state === "failed" || state === "timed_out";
}

/** Classes that the same commands show on another machine; the others are about this service. */
const REPEATABLE: readonly Failure["class"][] = ["dockerfile", "build", "test", "timeout", "out-of-memory"];

function failureSection(build: Build): readonly string[] {
  if (!isBroken(build)) {
    return [];
  }
  const failure = build.failure ?? UNKNOWN_FAILURE[build.state === "timed_out" ? "timed_out" : "failed"];
  const title = `#### ${codeSpan(build.image)}: ${failure.class}`;
  const commands = reproduceLines({ ...build, failure });
  return [
    `${title}\n\n${escapeMarkdown(failure.message)}\n\n${failureAdvice(failure.class)}`,
    ...(REPEATABLE.includes(failure.class) ? [fenced(commands, "sh")] : []),
  ];
}

/** A build that ended without a word about why, e.g. because its worker died. */
const UNKNOWN_FAILURE: Readonly<Record<"failed" | "timed_out", Failure>> = {
  failed: { class: "internal", message: "The build ended without saying why." },
  timed_out: { class: "timeout", message: "The build was stopped at its time limit." },
};

function skipList(skips: readonly Skip[]): string {
  const lines = skipLines(skips);
  const rest = lines.length - MAX_SKIPS;
  return [...lines.slice(0, MAX_SKIPS), ...(rest > 0 ? [`- … and ${rest} more`] : [])].join("\n");
}

/** One line for each image and reason: that none of ten rules matches is said once. */
function skipLines(skips: readonly Skip[]): readonly string[] {
  const groups = new Map<string, { readonly first: Skip; count: number }>();
  for (const skip of skips) {
    const place = JSON.stringify([skip.ref, skip.image, skip.reason]);
    const group = groups.get(place);
    if (group === undefined) {
      groups.set(place, { first: skip, count: 1 });
    } else {
      group.count += 1;
    }
  }
  return [...groups.values()].map(({ first, count }) => {
    const image = first.image === null ? "" : `${codeSpan(first.image)}: `;
    return `- ${image}${escapeMarkdown(first.detail)}${others(count - 1)} (${first.reason})`;
  });
}

function others(count: number): string {
  return count === 0 ? "" : `; the same for ${count} more rule${count === 1 ? "" : "s"}`;
}
