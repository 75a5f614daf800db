import type { Annotation, BuildResult, CheckAction, CheckContent, CheckFacts } from "./check.ts";
import { checkSummary, checkText, secondsOf, type TextOptions } from "./check-text.ts";
import { fileTitle } from "./config-check-text.ts";
import { oneLine } from "./markdown.ts";
import {
  type Build,
  type BuildPlan,
  type Diagnostic,
  isFinal,
  type PlannedBuild,
  type Skip,
  type SkipReason,
  shownTags,
} from "./model.ts";
import { dockerfilePath } from "./path-filter.ts";
import { CONFIG_FILE } from "./repo-config/config.ts";

/** The check that stands for everything of a commit. */
export const CHECK_NAME = "wharfinger";

export interface ExplainOptions extends TextOptions {
  /** Page for a commit of several builds, or of none. */
  readonly commitUrl: string;
  /** ISO 8601, UTC. */
  readonly now: string;
}

/**
 * Reasons that alone make no check: the repository has no file of ours, does not want us now, or the commit is gone. A
 * check on every commit of such a repository would be noise, and one nobody can act on. A branch of the merge queue is
 * tested as the queue asks for it: a check that says "skipped" before that would let the queue merge untested.
 */
const QUIET: readonly SkipReason[] = [
  "config-missing",
  "not-linked",
  "no-namespace",
  "paused",
  "suspended",
  "archived",
  "ref-deleted",
  "superseded",
  "duplicate",
  "pull-request-closed",
  "merge-queue",
  "unsupported-event",
  "no-commits",
];

/** The checks of a commit: one for all, and with several images one more for each. */
export function checkNames(facts: CheckFacts): string[] {
  const images = new Set<string>();
  for (const { planned } of facts.builds) {
    images.add(planned.image);
  }
  for (const { image, reason } of facts.skips) {
    if (image !== null && !QUIET.includes(reason)) {
      images.add(image);
    }
  }
  return [CHECK_NAME, ...(images.size > 1 ? [...images].map((image) => `${CHECK_NAME}: ${image}`) : [])];
}

/** What the check `name` shows, or null when it should not be there. */
export function checkContent(name: string, facts: CheckFacts, options: ExplainOptions): CheckContent | null {
  const about = aboutOne(name, facts);
  const builds = withoutReplaced(about.builds);
  const skips = about.skips.filter((skip) => isWorthSaying(skip, builds));
  const { fileCheck } = about;
  if (builds.length === 0 && skips.length === 0 && fileCheck === undefined) {
    return null;
  }
  const matter = { builds, skips, ...(fileCheck !== undefined && { fileCheck }) };
  // What is held needs a person: the check has come to an end until somebody presses its button.
  const running = builds.some(({ state }) => !isFinal(state) && state !== "held");
  const held = builds.some(({ state }) => state === "held");
  const started = builds.flatMap(({ startedAt }) => startedAt ?? []).sort();
  const finished = builds.flatMap(({ finishedAt }) => finishedAt ?? []).sort();
  return {
    status: running ? (builds.every(({ state }) => isWaiting(state)) ? "queued" : "in_progress") : "completed",
    actions: held ? [APPROVE] : [],
    conclusion: running ? null : conclusionOf(matter),
    title: titleOf(matter),
    summary: checkSummary(matter, options),
    text: checkText(matter, options),
    annotations: [...problemsOf(matter).map(fileAnnotation), ...builds.flatMap(buildAnnotation)],
    results: builds.map(resultOf),
    branch: branchOf(about),
    detailsUrl: detailsOf(builds, options),
    startedAt: started[0] ?? null,
    completedAt: running ? null : (finished.at(-1) ?? options.now),
  };
}

/** For whom the host says may push; asked again when it is pressed. */
const APPROVE: CheckAction = {
  label: "Approve and build",
  description: "Build what is held at this commit",
  identifier: "approve",
};

function aboutOne(name: string, facts: CheckFacts): CheckFacts {
  if (name === CHECK_NAME) {
    return facts;
  }
  // The file is every image's: the check that stands for all of them tells of it.
  const own = (image: string | null): boolean => image !== null && name === `${CHECK_NAME}: ${image}`;
  return {
    builds: facts.builds.filter(({ planned }) => own(planned.image)),
    skips: facts.skips.filter(({ image }) => own(image)),
  };
}

/** A superseded build is no news where another of its image, from another ref at this commit, was finished or still may. */
function withoutReplaced(builds: readonly Build[]): readonly Build[] {
  const others = builds.filter(({ state }) => state !== "superseded");
  return builds.filter(
    (build) => build.state !== "superseded" || others.every(({ planned }) => planned.image !== build.planned.image),
  );
}

/** That one ref matches no rule is not worth a word where another ref at the same commit built the image. */
function isWorthSaying({ reason, image }: Skip, builds: readonly Build[]): boolean {
  return !QUIET.includes(reason) && !(reason === "no-match" && builds.some(({ planned }) => planned.image === image));
}

function resultOf(build: Build): BuildResult {
  const { image, digest, state } = build;
  return { image, tags: shownTags(build), digest, state, seconds: secondsOf(build) };
}

const BRANCH = "refs/heads/";

/**
 * Of all that is recorded, shown or not: a check that another ref's people look at, too, belongs to no one branch. A
 * fork's branch is none of this repository, whatever its name is.
 */
function branchOf({ builds, skips }: CheckFacts): string | null {
  if (builds.some(({ planned }) => planned.pull?.fork) || skips.some(({ reason }) => reason === "untrusted-fork")) {
    return null;
  }
  const refs = new Set([...builds.map(({ planned }) => planned.ref), ...skips.flatMap(({ ref }) => ref ?? [])]);
  const [only] = refs;
  return refs.size === 1 && only?.startsWith(BRANCH) ? only.slice(BRANCH.length) : null;
}

function isWaiting(state: Build["state"]): boolean {
  return state === "queued" || state === "held";
}

/** Of several ends the one that most needs a person. Superseded counts as cancelled: it must not satisfy a rule. */
function conclusionOf(matter: CheckFacts): NonNullable<CheckContent["conclusion"]> {
  const { builds, skips, fileCheck } = matter;
  const states = builds.map(({ state }) => state);
  // Merged, a broken file would stop all builds: who asks for this check does not want that.
  if (states.includes("failed") || brokenFile(matter) !== undefined || fileCheck?.effect === null) {
    return "failure";
  }
  if (states.includes("timed_out")) {
    return "timed_out";
  }
  if (states.includes("held")) {
    return "action_required";
  }
  if (states.includes("canceled") || builds.some((build) => build.state === "superseded" && build.tags === null)) {
    return "cancelled";
  }
  // Built and tested, but every tag has something newer by now.
  if (states.includes("superseded")) {
    return "neutral";
  }
  const looked = fileCheck !== undefined && skips.length === 0;
  return states.length > 0 || looked ? "success" : "skipped";
}

/**
 * That the file is broken by which it would be built. Not of a pull request that changes the file, which may be what puts
 * its target's right: there its own is judged.
 */
function brokenFile({ skips, fileCheck }: CheckFacts): Skip | undefined {
  const judged = fileCheck?.kind === "pull_request";
  return skips.find(({ reason, lane }) => {
    return reason === "config-invalid" && !(judged && lane?.startsWith("refs/pull/") === true);
  });
}

/** Characters of a title: hosts show one line of about this. */
const TITLE_LENGTH = 120;

function titleOf(matter: CheckFacts): string {
  const text = oneLine(titleText(matter));
  return text.length > TITLE_LENGTH ? `${text.slice(0, TITLE_LENGTH - 1)}…` : text;
}

function titleText(matter: CheckFacts): string {
  const { builds, skips, fileCheck } = matter;
  const broken = brokenFile(matter);
  if (broken !== undefined) {
    return sentence(broken);
  }
  if (fileCheck !== undefined && (fileCheck.effect === null || builds.length + skips.length === 0)) {
    return fileTitle(fileCheck);
  }
  const among = (...states: Build["state"][]): Build[] => builds.filter(({ state }) => states.includes(state));
  for (const [word, group] of [
    ["failed", among("failed")],
    ["took too long", among("timed_out")],
    ["waiting for approval", among("held")],
    ["canceled", among("canceled")],
    ["superseded by a newer push", among("superseded").filter(({ tags }) => tags === null)],
    ["built, but older than what is published", among("superseded")],
    ["being built", among("running")],
    ["waiting to be built", among("queued")],
  ] as const) {
    const first = group[0];
    if (first !== undefined) {
      return builds.length === 1
        ? `${first.planned.image}: ${word}`
        : `${group.length} of ${builds.length} builds: ${word}`;
    }
  }
  const [only] = builds;
  if (only !== undefined) {
    const what = only.planned.push ? "built" : "tested";
    return builds.length === 1
      ? `${only.planned.image} ${what}: ${shownTags(only).join(", ")}`
      : `${builds.length} built`;
  }
  const [skip] = skips;
  const reasons = new Set(skips.map(({ detail }) => detail));
  return skip === undefined || reasons.size > 1 ? "not built" : sentence({ ...skip, image: null });
}

/** The page to go to first: of what broke, else of the only build. */
function detailsOf(builds: readonly Build[], options: ExplainOptions): string {
  const broken = builds.find(({ state }) => state === "failed" || state === "timed_out" || state === "held");
  const page = broken ?? (builds.length === 1 ? builds[0] : undefined);
  return page === undefined ? options.commitUrl : options.buildUrl(page.id);
}

/** Lines of the file at this commit, where that was looked at: a pull request is planned by another branch's file. */
function problemsOf({ skips, fileCheck }: CheckFacts): readonly Diagnostic[] {
  return fileCheck?.problems ?? skips.flatMap(({ problems }) => problems ?? []);
}

const LEVELS = { error: "failure", warning: "warning", info: "notice" } as const;

function fileAnnotation({ severity, line, message }: Diagnostic): Annotation {
  return { path: CONFIG_FILE, line, level: LEVELS[severity], message: oneLine(message) };
}

function buildAnnotation({ failure, planned }: Build): readonly Annotation[] {
  return failure?.line === undefined
    ? []
    : [
        {
          path: dockerfilePath(planned.inputs),
          line: failure.line,
          level: "failure",
          message: oneLine(failure.message),
        },
      ];
}

/** `api: not built: …` */
export function sentence(skip: Pick<Skip, "image" | "detail">): string {
  return skip.image === null ? skip.detail : `${skip.image}: ${skip.detail}`;
}

/** A plan in lines for terminals and logs: what is built, what is not and why, what else to know. */
export function planLines(plan: BuildPlan): readonly string[] {
  const requests = plan.requests.map(
    (planned) =>
      `${planned.image}: build ${placeOf(planned)} ${planned.push ? "as" : "without publishing"} ${planned.tags.join(", ")}`,
  );
  const held = plan.held.map(
    ({ hold, ...planned }) => `${planned.image}: hold ${placeOf(planned)}: ${hold.detail} (${hold.reason})`,
  );
  const skips = plan.skips.map((skip) => `${sentence(skip)} (${skip.reason})`);
  const diagnostics = plan.diagnostics.map(({ severity, line, column, message }) =>
    line === 1 && column === 1
      ? `${severity}: ${message}`
      : `${severity}: ${CONFIG_FILE}:${line}:${column}: ${message}`,
  );
  return [...requests, ...held, ...skips, ...diagnostics].map(oneLine);
}

function placeOf({ ref, sha, pull }: PlannedBuild): string {
  return `${pull === undefined ? ref : `pull request #${pull.number}`} at ${sha.slice(0, 7)}`;
}
