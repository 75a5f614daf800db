import { settle } from "./drafts.ts";
import type { UnusableChange } from "./events.ts";
import type {
  BuildPlan,
  Change,
  Diagnostic,
  Installation,
  LinkState,
  Policy,
  PullRequest,
  Repository,
  Skip,
} from "./model.ts";
import type { Pause } from "./pause.ts";
import { planImage } from "./plan-image.ts";
import { type Buildable, joinParts, type Part, refused } from "./plan-part.ts";
import { closedGate, imagesRefusal, invalidFile, onlyPullRequests, type Refusal } from "./refusals.ts";
import { CONFIG_FILE, type ConfigFact, type ParsedConfig, type RepoConfig } from "./repo-config/config.ts";
import { subjectOf } from "./rules.ts";
import { createHistory } from "./tags/semver.ts";
import { traceOf, traceSkip } from "./trace.ts";
import { grantsFor, type ImageOwners, isDefaultBranch } from "./trust.ts";
import { zeroConfig } from "./zero-config.ts";

/** Everything the one decision looks at. The engine gathers it; the planner never fetches. */
export interface PlanFacts {
  readonly repository: Repository;
  /** Null: no such installation is known. */
  readonly installation: Pick<Installation, "state" | "namespace" | "claim"> | null;
  readonly link: LinkState;
  /** Where one of the two is paused: the widest pause that is the reason. */
  readonly pause?: Pause | null;
  readonly changes: readonly ChangeFacts[];
  /** Left out: none. */
  readonly unusable?: readonly UnusableChange[];
  /** Of the images that publishedImages (needed-facts.ts) names. */
  readonly imageOwners: ImageOwners;
  readonly policy: Policy;
  /** ISO 8601, UTC; for `{date}`. */
  readonly now: string;
}

export interface ChangeFacts {
  readonly change: Change;
  /** At the commit; for a pull request at the tip of the branch it is to be merged into. */
  readonly config: ConfigFact;
  /** At the tip of the default branch. Not needed where that is `config` already, nor where nothing would be published. */
  readonly defaultBranchConfig: ConfigFact;
  /** Null: not known, then we build. */
  readonly changedPaths: readonly string[] | null;
  /** Names of all tags of the repository; null: not known. */
  readonly tags: readonly string[] | null;
}

/**
 * The one decision. Total and pure: same facts, same plan; never throws, waits, logs or reads a clock. Every change
 * leads to at least one request, held build or skip for each image; where no image is known, to one skip without image.
 */
export function planBuilds(facts: PlanFacts): BuildPlan {
  const unusable = (facts.unusable ?? []).map(unusableSkip);
  if (facts.changes.length + unusable.length === 0) {
    const detail = "not built: the push moved no branch and no tag";
    return planOfSkip({ ...NOTHING, reason: "unsupported-event", detail });
  }
  const { drafts, skips, diagnostics, trace } = joinParts(facts.changes.map((change) => planChange(change, facts)));
  const { requests, held, skips: lost, fates } = settle(facts.repository, drafts, facts.policy.brake);
  return {
    requests,
    held,
    skips: [...skips, ...lost, ...unusable],
    diagnostics: distinct(diagnostics),
    trace: [...traceOf(trace, fates), ...unusable.map((skip) => traceSkip(skip))],
  };
}

/** A plan in which nothing is built, and why. */
export function planOfSkip(skip: Skip): BuildPlan {
  return { requests: [], held: [], skips: [skip], diagnostics: [], trace: [traceSkip(skip)] };
}

const NOTHING = { ref: null, sha: null, image: null, rule: null } as const;

function unusableSkip({ kind, ref, name }: UnusableChange): Skip {
  const detail = `not built: the event does not say in full which commits ${kind} ${name} moved between`;
  return { ...NOTHING, ref, reason: "no-commits", detail };
}

function planChange(facts: ChangeFacts, plan: PlanFacts): Part {
  const { change } = facts;
  const left = whatIsLeft(change);
  const closed = closedGate(plan);
  // Nobody asked for a head that is not told in full, so that it may well be there once something is built again.
  if (closed !== null && ("change" in left || left.unasked)) return refused(change, closed);
  if ("refusal" in left) return refused(change, left.refusal);
  const file = configOf(facts, plan);
  if (!file.ok) return { ...refused(change, file.refusal), diagnostics: file.refusal.problems ?? [] };
  const part = planImages(left.change, file.config, facts, plan);
  return { ...part, diagnostics: [...file.diagnostics, ...part.diagnostics] };
}

/** `unasked`: only because nobody asked its host. */
type Left = { readonly change: Buildable } | { readonly refusal: Refusal; readonly unasked: boolean };

/** The change, if there is something to build, or why there is not, whatever any file says. */
function whatIsLeft(change: Change): Left {
  const subject = change.kind === "pull_request" ? `pull request #${change.pull.number}` : subjectOf(change);
  const { after, commit } = change;
  if (change.kind === "pull_request") {
    if (change.pull.closed) return nothing("pull-request-closed", closedText(change.pull));
    if (change.pull.checkout === null) return nothing("no-commits", `what ${subject} comes from is gone`);
    if (after === null || commit === null) {
      const why = `the event does not say at which commit ${subject} is`;
      return { refusal: { reason: "no-commits", why }, unasked: true };
    }
  }
  if (after === null) return nothing("ref-deleted", `${subject} was deleted`);
  if (commit === null) return nothing("no-commits", `${subject} points to no commit`);
  return { change: { ...change, after, commit } };
}

function nothing(reason: Refusal["reason"], why: string): Left {
  return { refusal: { reason, why }, unasked: false };
}

/** A queue that wants nothing more of a pull request has merged it, or put it back. */
function closedText({ number, queued }: PullRequest): string {
  return queued ? `pull request #${number} is not in the merge queue any more` : `pull request #${number} was closed`;
}

function planImages(change: Buildable, config: RepoConfig, facts: ChangeFacts, plan: PlanFacts): Part {
  const { repository, policy, now } = plan;
  const { defaultBranch } = repository;
  if (config.images.length === 0) {
    return refused(change, { reason: "no-match", why: `${CONFIG_FILE} names no images` });
  }
  const refusal = imagesRefusal(change, config) ?? onlyPullRequests(change, policy, defaultBranch);
  if (refusal !== null) {
    const names = [...new Set(config.images.map(({ name }) => name))];
    return joinParts(names.map((image) => refused(change, refusal, { image })));
  }
  const shared = { change, defaultBranch, history: createHistory(facts.tags), now };
  const grants = grantsFor({ ...shared, defaultBranchConfig: facts.defaultBranchConfig });
  const { changedPaths } = facts;
  const scope = { ...shared, changedPaths, grants, owners: plan.imageOwners, config, policy };
  return joinParts(config.images.map((image) => planImage(image, scope)));
}

type ConfigAnswer =
  | { readonly ok: true; readonly config: RepoConfig; readonly diagnostics: readonly Diagnostic[] }
  | { readonly ok: false; readonly refusal: Refusal };

function configOf({ change, config }: ChangeFacts, plan: PlanFacts): ConfigAnswer {
  switch (config.kind) {
    case "read":
      return usable(config.parsed);
    case "missing": {
      const { defaultBranch } = plan.repository;
      if (plan.policy.zeroConfig && defaultBranch !== null && isDefaultBranch(change, defaultBranch)) {
        return usable(zeroConfig(plan.repository, defaultBranch));
      }
      const place = change.kind === "pull_request" ? `on ${change.pull.target}` : "at this commit";
      const hint = config.hint === null ? "" : `; there is ${config.hint}: should it be called ${CONFIG_FILE}?`;
      return { ok: false, refusal: { reason: "config-missing", why: `there is no ${CONFIG_FILE} ${place}${hint}` } };
    }
    case "unreadable": {
      const message = `${CONFIG_FILE} can not be read: ${config.why}`;
      return { ok: false, refusal: invalidFile([{ severity: "error", line: 1, column: 1, message }]) };
    }
    case "gone":
      return { ok: false, refusal: goneRefusal(change) };
    case "not-asked":
      return { ok: false, refusal: { reason: "config-missing", why: `${CONFIG_FILE} was not looked for` } };
  }
}

function goneRefusal(change: Change): Refusal {
  return change.kind === "pull_request"
    ? { reason: "no-commits", why: `${change.pull.target}, which it is to be merged into, is not there any more` }
    : { reason: "superseded", why: "the commit is not there any more; a newer push has replaced it" };
}

function usable({ config, diagnostics }: ParsedConfig): ConfigAnswer {
  return config === null ? { ok: false, refusal: invalidFile(diagnostics) } : { ok: true, config, diagnostics };
}

/** Changes of one event mostly carry the same file, and with it the same remarks. */
export function distinct(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  return [...new Map(diagnostics.map((one) => [JSON.stringify(one), one])).values()];
}
