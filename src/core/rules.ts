import type { SemVer } from "semver";
import type { Change, RefChange } from "./model.ts";
import type { RuleConfig } from "./repo-config/config.ts";
import { parseRange, parseVersion } from "./tags/semver.ts";

/** A rule that a change matches, and what its pattern took from the name. */
export interface RuleMatch {
  readonly rule: RuleConfig;
  /** By number ("1".."9") and by name; a group that took no part is missing. */
  readonly captures: Readonly<Record<string, string>>;
  /** Set exactly for semver rules. */
  readonly version: SemVer | null;
}

export type RuleVerdict =
  | ({ readonly matches: true } & RuleMatch)
  /** `why`: a clause for people. */
  | { readonly matches: false; readonly why: string };

/**
 * Branches GitHub makes for its merge queue, and deletes again. They hold commits that may never reach the branch they
 * are named after, so `**` must not publish them. docs.github.com, "Managing a merge queue".
 */
const MERGE_QUEUE_PREFIX = "refs/heads/gh-readonly-queue/";

export function isMergeQueue(change: Pick<RefChange, "ref">): boolean {
  return change.ref.startsWith(MERGE_QUEUE_PREFIX);
}

/** `branch release/*`, `versions >=1.0.0`: the rule in the file's words. */
export function describeRule(rule: Pick<RuleConfig, "on">): string {
  const { on } = rule;
  switch (on.kind) {
    case "branch":
    case "tag":
      return `${on.kind} ${on.pattern.source}`;
    case "semver":
      return on.prefix === null ? `versions ${on.range}` : `versions ${on.range} after ${on.prefix}`;
    case "pull_request":
      return `pull requests into ${on.pattern.source}`;
  }
}

/** `branch main`, `pull request #5 into main`. */
export function subjectOf(change: Subject): string {
  return change.kind === "pull_request"
    ? `pull request #${change.name} into ${change.pull.target}`
    : `${change.kind} ${change.name}`;
}

/** What of a change rules look at. */
export type Subject =
  | Pick<RefChange, "kind" | "name">
  | (Pick<Extract<Change, { readonly kind: "pull_request" }>, "kind" | "name"> & {
      readonly pull: { readonly target: string };
    });

/** Kinds never cross: a branch named like a tag matches no tag rule, and a push matches no pull-request rule. */
export function judgeRule(rule: RuleConfig, change: Subject): RuleVerdict {
  const { on } = rule;
  const subject = subjectOf(change);
  switch (on.kind) {
    case "branch":
    case "tag": {
      const captures = on.kind === change.kind ? on.pattern.match(change.name) : null;
      return captures === null
        ? { matches: false, why: `${subject} does not match ${describeRule(rule)}` }
        : { matches: true, rule, captures, version: null };
    }
    case "semver": {
      const version = change.kind === "tag" ? parseVersion(change.name, on.prefix) : null;
      if (version === null) {
        return { matches: false, why: `${subject} does not name a version (${describeRule(rule)})` };
      }
      return parseRange(on.range)?.test(version) === true
        ? { matches: true, rule, captures: {}, version }
        : { matches: false, why: `${subject} is not in the range ${on.range}` };
    }
    case "pull_request": {
      if (change.kind !== "pull_request") {
        return { matches: false, why: `${subject} was pushed; the rule is for ${describeRule(rule)}` };
      }
      const captures = on.pattern.match(change.pull.target);
      return captures === null
        ? { matches: false, why: `${subject} does not match ${describeRule(rule)}` }
        : { matches: true, rule, captures, version: null };
    }
  }
}
