import { type Draft, type Settled, settle } from "./drafts.ts";
import type { UnusableChange } from "./events.ts";
import {
  type BuildPlan,
  type Change,
  type Diagnostic,
  type InstallationState,
  type LinkState,
  laneOf,
  type Policy,
  type Repository,
  type Skip,
} from "./model.ts";
import { judgePaths } from "./path-filter.ts";
import { judgePull, type PullVerdict } from "./pulls.ts";
import { closedGate, imagesRefusal, invalidFile, noTags, onlyPullRequests, type Refusal } from "./refusals.ts";
import {
  CONFIG_FILE,
  type ConfigFact,
  type ImageConfig,
  type ParsedConfig,
  type RepoConfig,
} from "./repo-config/config.ts";
import { describeRule, judgeRule, type RuleMatch, subjectOf } from "./rules.ts";
import { ruleTags } from "./tags/rule-tags.ts";
import { createHistory, type VersionHistory } from "./tags/semver.ts";
import {
  type Grants,
  grantRefusal,
  grantsFor,
  type ImageOwners,
  isDefaultBranch,
  judgeTags,
  ownershipRefusal,
} from "./trust.ts";
import { type Trace, traceBuild, traceOf, traceSkip } from "./trace.ts";
import { zeroConfig } from "./zero-config.ts";

/** Everything the one decision looks at. The engine gathers it; the planner never fetches. */
export interface PlanFacts {
  readonly repository: Repository;
  /** Null: no such installation is known. */
  readonly installation: { readonly state: InstallationState; readonly namespace: string | null } | null;
  readonly link: LinkState;
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
  const parts = facts.changes.map((change) => planChange(change, facts));
  const drafts = parts.flatMap((part) => part.drafts);
  const settled = braked(settle(facts.repository, drafts), facts.policy);
  return {
    requests: settled.requests,
    held: settled.held,
    skips: [...parts.flatMap((part) => part.skips), ...settled.skips, ...unusable],
    diagnostics: distinct(parts.flatMap((part) => part.diagnostics)),
    trace: [
      ...traceOf(
        parts.flatMap((part) => part.trace),
        settled,
      ),
      ...unusable.map((skip) => traceSkip(skip)),
    ],
  };
}

/** A plan in which nothing is built, and why. */
export function planOfSkip(skip: Skip): BuildPlan {
  return { requests: [], held: [], skips: [skip], diagnostics: [], trace: [traceSkip(skip)] };
}

/** A mistake that asks for a hundred builds at once is stopped before it costs them. */
function braked({ requests, held, skips }: Settled, { brake }: Policy): Settled {
  if (requests.length <= brake) return { requests, held, skips };
  const detail = `One delivery asks for ${requests.length} builds; this installation lets ${brake} run without a click.`;
  const stopped = requests.map((request) => ({ ...request, hold: { reason: "brake", detail } as const }));
  return { requests: [], held: [...stopped, ...held], skips };
}

const NOTHING = { ref: null, sha: null, image: null, rule: null } as const;

function unusableSkip({ kind, ref, name }: UnusableChange): Skip {
  const detail = `not built: the event does not say in full which commits ${kind} ${name} moved between`;
  return { ...NOTHING, ref, reason: "no-commits", detail };
}

/** What one change, or one image of it, leads to before requests of equal work are joined. */
interface Part {
  readonly drafts: readonly Draft[];
  readonly skips: readonly Skip[];
  readonly diagnostics: readonly Diagnostic[];
  readonly trace: readonly Trace[];
}

function planChange(facts: ChangeFacts, plan: PlanFacts): Part {
  const { change } = facts;
  const gone = nothingLeft(change);
  if (gone !== null) {
    return refused(change, gone);
  }
  const closed = closedGate(plan);
  if (closed !== null) {
    return refused(change, closed);
  }
  const file = configOf(facts, plan);
  if (!file.ok) {
    const part = refused(change, file.refusal);
    return { ...part, diagnostics: file.refusal.problems ?? [] };
  }
  const { config, diagnostics } = file;
  const refusal = imagesRefusal(change, config) ?? onlyPullRequests(change, plan.policy, plan.repository.defaultBranch);
  const parts =
    refusal === null
      ? planImages(config, facts, plan)
      : config.images.map(({ name }) => refused(change, refusal, name));
  if (parts.length === 0) {
    parts.push(refused(change, { reason: "no-match", why: `${CONFIG_FILE} names no images` }));
  }
  return {
    drafts: parts.flatMap((part) => part.drafts),
    skips: parts.flatMap((part) => part.skips),
    diagnostics: [...diagnostics, ...parts.flatMap((part) => part.diagnostics)],
    trace: parts.flatMap((part) => part.trace),
  };
}

/** Why there is nothing to build, whatever any file says; null: there is. */
function nothingLeft(change: Change): Refusal | null {
  if (change.kind === "pull_request") {
    const what = `pull request #${change.pull.number}`;
    if (change.after === null) return { reason: "pull-request-closed", why: `${what} was closed` };
    const gone = change.pull.checkout === null || change.commit === null;
    return gone ? { reason: "no-commits", why: `what ${what} comes from is gone` } : null;
  }
  if (change.after === null) return { reason: "ref-deleted", why: `${subjectOf(change)} was deleted` };
  return change.commit === null ? { reason: "no-commits", why: `${subjectOf(change)} points to no commit` } : null;
}

/** What is the same for all images of a change. */
interface Scope {
  readonly defaultBranch: string | null;
  readonly history: VersionHistory;
  readonly now: string;
  readonly grants: Grants;
  readonly owners: ImageOwners;
  readonly config: RepoConfig;
  readonly policy: Policy;
}

function planImages(config: RepoConfig, facts: ChangeFacts, plan: PlanFacts): Part[] {
  const { defaultBranch } = plan.repository;
  const shared = { defaultBranch, history: createHistory(facts.tags), now: plan.now };
  const grants = grantsFor({ ...shared, ...facts });
  const scope: Scope = { ...shared, grants, owners: plan.imageOwners, config, policy: plan.policy };
  return config.images.map((image) => planImage(image, facts, scope));
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
      const hint = config.hint === null ? "" : `; there is ${config.hint}: should it be called ${CONFIG_FILE}?`;
      return {
        ok: false,
        refusal: { reason: "config-missing", why: `there is no ${CONFIG_FILE} ${placeOf(change)}${hint}` },
      };
    }
    case "unreadable": {
      const message = `${CONFIG_FILE} can not be read: ${config.why}`;
      return { ok: false, refusal: invalidFile([{ severity: "error", line: 1, column: 1, message }]) };
    }
    case "gone": {
      const why = `${placeOf(change) === HERE ? "the commit" : "its target"} is not there any more; a newer push has replaced it`;
      return { ok: false, refusal: { reason: "superseded", why } };
    }
    case "not-asked":
      return { ok: false, refusal: { reason: "config-missing", why: `${CONFIG_FILE} was not looked for` } };
  }
}

const HERE = "at this commit";

function placeOf(change: Change): string {
  return change.kind === "pull_request" ? `on ${change.pull.target}` : HERE;
}

function usable({ config, diagnostics }: ParsedConfig): ConfigAnswer {
  return config === null ? { ok: false, refusal: invalidFile(diagnostics) } : { ok: true, config, diagnostics };
}

function planImage(image: ImageConfig, facts: ChangeFacts, scope: Scope): Part {
  const { change } = facts;
  const drafts: Draft[] = [];
  const skips: Skip[] = [];
  const unmatched: Skip[] = [];
  const diagnostics: Diagnostic[] = [];
  const trace: Trace[] = [];
  for (const rule of image.rules) {
    const verdict = judgeRule(rule, change);
    if (!verdict.matches) {
      const miss = skip(change, { reason: "no-match", why: verdict.why }, image.name, rule.path);
      unmatched.push(miss);
      trace.push(traceSkip(miss, { rule: describeRule(rule), change: subjectOf(change) }));
      continue;
    }
    const part = planMatch(verdict, facts, image, scope);
    drafts.push(...part.drafts);
    skips.push(...part.skips);
    diagnostics.push(...part.diagnostics);
    trace.push(...part.trace);
  }
  // Rules that do not match are only worth a word where none does.
  if (drafts.length === 0 && skips.length === 0) {
    const none = skip(change, { reason: "no-match", why: "the image has no rules" }, image.name);
    skips.push(...(unmatched.length > 0 ? unmatched : [none]));
    if (trace.length === 0) trace.push(traceSkip(none));
  }
  return { drafts, skips, diagnostics, trace };
}

/** What a push may do that no pull request has to do with. */
function pushVerdict(rule: RuleMatch["rule"]): Extract<PullVerdict, { readonly ok: true }> {
  return { ok: true, trust: "trusted", push: rule.push, hold: null, remark: null };
}

function planMatch(match: RuleMatch, facts: ChangeFacts, image: ImageConfig, scope: Scope): Part {
  const { change } = facts;
  const { rule } = match;
  const diagnostics: Diagnostic[] = [];
  const seen: Record<string, string> = { rule: describeRule(rule), change: subjectOf(change) };
  function note(severity: Diagnostic["severity"], message: string): void {
    // About the event, not about a place in the file: hence the file's beginning.
    diagnostics.push({ severity, line: 1, column: 1, message: `${image.name}: ${message}` });
  }
  function refuse(refusal: Refusal): Part {
    return { ...refused(change, refusal, image.name, rule.path, seen), diagnostics };
  }
  for (const [name, text] of Object.entries(match.captures)) seen[`capture ${name}`] = text;
  if (image.paths !== null && change.kind !== "tag") {
    seen["changed paths"] = facts.changedPaths === null ? "not known" : String(facts.changedPaths.length);
  }
  const paths = judgePaths(image, rule, facts);
  if (!paths.build) {
    return refuse({ reason: "paths-unchanged", why: paths.why });
  }
  if (paths.remark !== null) {
    note("info", paths.remark);
  }
  const may = change.kind === "pull_request" ? judgePull(change, rule, scope.config, scope.policy) : pushVerdict(rule);
  if (!may.ok) {
    return refuse(may.refusal);
  }
  if (may.remark !== null) {
    note("info", may.remark);
  }
  const { push, trust, hold } = may;
  seen["trust"] = trust;
  const foreign = push ? ownershipRefusal(image.name, scope.owners) : null;
  if (foreign !== null) {
    return refuse({ reason: "image-not-owned", why: foreign });
  }
  const wanted = ruleTags(match, { ...scope, image, change });
  const { dropped, remarks } = wanted;
  for (const remark of remarks) {
    note(remark.severity, remark.message);
  }
  if (wanted.tags.length === 0) {
    return refuse(noTags(dropped, describeRule(rule)));
  }
  for (const { template, severity, why } of dropped) {
    note(severity, `no tag from ${template}: ${why}`);
  }
  const draft = { change, image, rule, push, trust, hold };
  if (!push || scope.grants.kind === "all") {
    const versions = push ? wanted.versions : new Map<string, string>();
    return drafted({ ...draft, tags: wanted.tags, versions }, [], diagnostics, seen);
  }
  const granted = judgeTags(scope.grants, image.name, wanted);
  if (granted.refused.length === 0) {
    return drafted({ ...draft, ...granted }, [], diagnostics, seen);
  }
  const why = grantRefusal(scope.grants, image.name, granted.refused, { ...scope, change });
  seen["tags not granted"] = granted.refused.join(", ");
  const lost = refuse({ reason: "tag-not-granted", why });
  if (granted.tags.length === 0) {
    return lost;
  }
  note("warning", why);
  // Built with the others: what is missing still has to be said where the build is shown.
  const skips = lost.skips.map((one) => ({ ...one, detail: `not published: ${why}` }));
  return drafted({ ...draft, ...granted }, skips, diagnostics, seen);
}

function drafted(
  draft: Draft,
  skips: readonly Skip[],
  diagnostics: readonly Diagnostic[],
  facts: Readonly<Record<string, string>>,
): Part {
  return { drafts: [draft], skips, diagnostics, trace: [traceBuild(draft, facts)] };
}

function refused(
  change: Change,
  refusal: Refusal,
  image: string | null = null,
  rule: string | null = null,
  facts: Readonly<Record<string, string>> = {},
): Part {
  const made = skip(change, refusal, image, rule);
  return { drafts: [], skips: [made], diagnostics: [], trace: [traceSkip(made, facts)] };
}

function skip(change: Change, refusal: Refusal, image: string | null = null, rule: string | null = null): Skip {
  const { reason, why, problems } = refusal;
  const { ref, commit: sha } = change;
  const lane = laneOf(change);
  const detail = `not built: ${why}`;
  return { ref, ...(lane !== ref && { lane }), sha, image, rule, reason, detail, ...(problems && { problems }) };
}

/** Changes of one event mostly carry the same file, and with it the same remarks. */
export function distinct(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  return [...new Map(diagnostics.map((one) => [JSON.stringify(one), one])).values()];
}
