import type { Change, Diagnostic, Installation, LinkState, Policy, SkipReason } from "./model.ts";
import { type Pause, pauseAdvice, pauseText } from "./pause.ts";
import { CONFIG_FILE, type RepoConfig } from "./repo-config/config.ts";
import { isMergeQueue } from "./rules.ts";
import { asksForSkip } from "./skip-request.ts";
import type { DroppedTag } from "./tags/rule-tags.ts";

/** Why something is not built, before it is known what: a skip without its place. */
export interface Refusal {
  readonly reason: SkipReason;
  /** What follows "not built: ". */
  readonly why: string;
  readonly problems?: readonly Diagnostic[];
}

/** Why nothing of this repository is built at all, or null. The order is that of what a person has to put right first. */
export function closedGate({
  installation,
  link,
  pause = null,
}: {
  readonly installation: Pick<Installation, "state" | "namespace" | "claim"> | null;
  readonly link: LinkState;
  /** The widest of those that hold it up; null or left out: not known more closely. */
  readonly pause?: Pause | null;
}): Refusal | null {
  if (installation === null) {
    return { reason: "not-linked", why: "no installation of this app is known for the repository" };
  }
  if (installation.state === "removed") {
    return { reason: "not-linked", why: "the app was removed from this account" };
  }
  if (link === "unlinked") {
    return { reason: "not-linked", why: "the installation does not cover this repository" };
  }
  if (installation.state === "suspended") {
    return { reason: "suspended", why: "the installation is suspended" };
  }
  if (link === "archived") {
    return { reason: "archived", why: "the repository is archived" };
  }
  if (installation.state === "paused" || link === "paused") {
    const what = link === "paused" ? "this repository" : "this installation";
    const told = pause === null ? `builds of ${what} are paused` : `${pauseText(pause)}; ${pauseAdvice(pause)}`;
    return { reason: "paused", why: told };
  }
  if (installation.namespace === null) {
    const why = installation.claim?.why ?? "the operator gives it one";
    return { reason: "no-namespace", why: `the installation has no namespace in the registry yet: ${why}` };
  }
  return null;
}

/** Errors that a sentence bears; all of them are in `problems`. */
const TOLD_ERRORS = 5;

export function invalidFile(diagnostics: readonly Diagnostic[]): Refusal {
  const errors = diagnostics.filter(({ severity }) => severity === "error");
  const told = errors.slice(0, TOLD_ERRORS).map(({ line, column, message }) => `${line}:${column}: ${message}`);
  const more = errors.length > told.length ? [`and ${errors.length - told.length} more`] : [];
  const count = errors.length === 1 ? "an error" : `${errors.length} errors`;
  return {
    reason: "config-invalid",
    why: `${CONFIG_FILE} has ${count}: ${[...told, ...more].join("; ")}`,
    problems: diagnostics,
  };
}

/** Why none of the file's images is built for this change. */
export function imagesRefusal(change: Change, config: RepoConfig): Refusal | null {
  if (change.kind === "branch" && isMergeQueue(change)) {
    const why = "this is a branch of the merge queue: it is tested as the queue asks for it, and never published";
    return { reason: "merge-queue", why };
  }
  const token = asksForSkip(change, config.skip);
  return token === null ? null : { reason: "skip-requested", why: `the commit message says ${token}` };
}

/** Where branches are built through pull requests only: why this one is not, or null. The default branch always is. */
export function onlyPullRequests(
  change: Change,
  { onlyPullRequests: only }: Policy,
  defaultBranch: string | null,
): Refusal | null {
  if (!only || change.kind !== "branch" || change.name === defaultBranch) return null;
  const why = `this installation builds branches through pull requests only, and ${change.name} is not the default branch`;
  return { reason: "pull-requests-only", why };
}

/** A rule matched, and none of its tags may be published. */
export function noTags(dropped: readonly DroppedTag[], rule: string): Refusal {
  const held = dropped.some(({ reason }) => reason === "older-than-published");
  const whys = dropped.map(({ template, why }) => `no tag from ${template}: ${why}`);
  return {
    reason: held ? "older-than-published" : "invalid-tag",
    why: whys.length > 0 ? whys.join("; ") : `the rule for ${rule} lists no tags`,
  };
}
