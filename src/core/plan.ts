import { type Draft, settle } from "./drafts.ts";
import type { UnusableChange } from "./events.ts";
import type { BuildPlan, Diagnostic, InstallationState, LinkState, RefChange, Repository, Skip } from "./model.ts";
import { judgePaths } from "./path-filter.ts";
import { closedGate, imagesRefusal, invalidFile, noTags, type Refusal } from "./refusals.ts";
import {
  CONFIG_FILE,
  type ConfigFact,
  type ImageConfig,
  type ParsedConfig,
  type RepoConfig,
} from "./repo-config/config.ts";
import { describeRule, judgeRule, type RuleMatch } from "./rules.ts";
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
  /** True: without a file, the default branch builds the root `Dockerfile` as `latest`. */
  readonly zeroConfig: boolean;
  /** ISO 8601, UTC; for `{date}`. */
  readonly now: string;
}

export interface ChangeFacts {
  readonly change: RefChange;
  readonly config: ConfigFact;
  /** The file at the tip of the default branch. Not needed for that branch, nor where nothing would be published. */
  readonly defaultBranchConfig: ConfigFact;
  /** Null: not known, then we build. */
  readonly changedPaths: readonly string[] | null;
  /** Names of all tags of the repository; null: not known. */
  readonly tags: readonly string[] | null;
}

/**
 * The one decision. Total and pure: same facts, same plan; never throws, waits, logs or reads a clock. Every change
 * leads to at least one request or skip for each image; where no image is known, to one skip without image.
 */
export function planBuilds(facts: PlanFacts): BuildPlan {
  const unusable = (facts.unusable ?? []).map(unusableSkip);
  if (facts.changes.length + unusable.length === 0) {
    const detail = "not built: the push moved no branch and no tag";
    return { requests: [], diagnostics: [], skips: [{ ...NOTHING, reason: "unsupported-event", detail }] };
  }
  const parts = facts.changes.map((change) => planChange(change, facts));
  const settled = settle(
    facts.repository,
    parts.flatMap((part) => part.drafts),
  );
  return {
    requests: settled.requests,
    skips: [...parts.flatMap((part) => part.skips), ...settled.skips, ...unusable],
    diagnostics: distinct(parts.flatMap((part) => part.diagnostics)),
  };
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
}

function planChange(facts: ChangeFacts, plan: PlanFacts): Part {
  const { change } = facts;
  if (change.after === null) {
    return refused(change, { reason: "ref-deleted", why: `${change.kind} ${change.name} was deleted` });
  }
  if (change.commit === null) {
    return refused(change, { reason: "no-commits", why: `${change.kind} ${change.name} points to no commit` });
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
  const refusal = imagesRefusal(change, config);
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
  };
}

/** What is the same for all images of a change. */
interface Scope {
  readonly defaultBranch: string | null;
  readonly history: VersionHistory;
  readonly now: string;
  readonly grants: Grants;
  readonly owners: ImageOwners;
}

function planImages(config: RepoConfig, facts: ChangeFacts, plan: PlanFacts): Part[] {
  const { defaultBranch } = plan.repository;
  const shared = { defaultBranch, history: createHistory(facts.tags), now: plan.now };
  const scope: Scope = { ...shared, grants: grantsFor({ ...shared, ...facts }), owners: plan.imageOwners };
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
      if (plan.zeroConfig && defaultBranch !== null && isDefaultBranch(change, defaultBranch)) {
        return usable(zeroConfig(plan.repository, defaultBranch));
      }
      const hint = config.hint === null ? "" : `; there is ${config.hint}: should it be called ${CONFIG_FILE}?`;
      return {
        ok: false,
        refusal: { reason: "config-missing", why: `there is no ${CONFIG_FILE} at this commit${hint}` },
      };
    }
    case "unreadable": {
      const message = `${CONFIG_FILE} can not be read: ${config.why}`;
      return { ok: false, refusal: invalidFile([{ severity: "error", line: 1, column: 1, message }]) };
    }
    case "gone": {
      const why = "the commit is not there any more; a newer push has replaced it";
      return { ok: false, refusal: { reason: "superseded", why } };
    }
    case "not-asked":
      return { ok: false, refusal: { reason: "config-missing", why: `${CONFIG_FILE} was not looked for` } };
  }
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
  for (const rule of image.rules) {
    const verdict = judgeRule(rule, change);
    if (!verdict.matches) {
      unmatched.push(skip(change, { reason: "no-match", why: verdict.why }, image.name, rule.path));
      continue;
    }
    const part = planMatch(verdict, facts, image, scope);
    drafts.push(...part.drafts);
    skips.push(...part.skips);
    diagnostics.push(...part.diagnostics);
  }
  // Rules that do not match are only worth a word where none does.
  if (drafts.length === 0 && skips.length === 0) {
    const why = "no rule of this image is for pushes to it";
    skips.push(...(unmatched.length > 0 ? unmatched : [skip(change, { reason: "no-match", why }, image.name)]));
  }
  return { drafts, skips, diagnostics };
}

function planMatch(match: RuleMatch, facts: ChangeFacts, image: ImageConfig, scope: Scope): Part {
  const { change } = facts;
  const { rule } = match;
  const paths = judgePaths(image, rule, facts);
  const diagnostics: Diagnostic[] = [];
  function note(severity: Diagnostic["severity"], message: string): void {
    // About the event, not about a place in the file: hence the file's beginning.
    diagnostics.push({ severity, line: 1, column: 1, message: `${image.name}: ${message}` });
  }
  if (!paths.build) {
    return refused(change, { reason: "paths-unchanged", why: paths.why }, image.name, rule.path);
  }
  if (paths.remark !== null) {
    note("info", paths.remark);
  }
  const foreign = rule.push ? ownershipRefusal(image.name, scope.owners) : null;
  if (foreign !== null) {
    return refused(change, { reason: "image-not-owned", why: foreign }, image.name, rule.path);
  }
  const wanted = ruleTags(match, { ...scope, image, change });
  const { dropped, remarks } = wanted;
  for (const remark of remarks) {
    note(remark.severity, remark.message);
  }
  if (wanted.tags.length === 0) {
    const part = refused(change, noTags(dropped, describeRule(rule)), image.name, rule.path);
    return { ...part, diagnostics };
  }
  for (const { template, severity, why } of dropped) {
    note(severity, `no tag from ${template}: ${why}`);
  }
  if (!rule.push || scope.grants.kind === "all") {
    const versions = rule.push ? wanted.versions : new Map<string, string>();
    return { drafts: [{ change, image, rule, tags: wanted.tags, versions }], skips: [], diagnostics };
  }
  const granted = judgeTags(scope.grants, image.name, wanted);
  if (granted.refused.length === 0) {
    return { drafts: [{ change, image, rule, ...granted }], skips: [], diagnostics };
  }
  const why = grantRefusal(scope.grants, image.name, granted.refused, { ...scope, change });
  const lost = skip(change, { reason: "tag-not-granted", why }, image.name, rule.path);
  if (granted.tags.length === 0) {
    return { drafts: [], skips: [lost], diagnostics };
  }
  note("warning", why);
  // Built with the others: what is missing still has to be said where the build is shown.
  const skips = [{ ...lost, detail: `not published: ${why}` }];
  return { drafts: [{ change, image, rule, ...granted }], skips, diagnostics };
}

function refused(change: RefChange, refusal: Refusal, image: string | null = null, rule: string | null = null): Part {
  return { drafts: [], skips: [skip(change, refusal, image, rule)], diagnostics: [] };
}

function skip(change: RefChange, refusal: Refusal, image: string | null = null, rule: string | null = null): Skip {
  const { reason, why, problems } = refusal;
  const { ref, commit: sha } = change;
  return { ref, sha, image, rule, reason, detail: `not built: ${why}`, ...(problems && { problems }) };
}

/** Changes of one event mostly carry the same file, and with it the same remarks. */
export function distinct(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  return [...new Map(diagnostics.map((one) => [JSON.stringify(one), one])).values()];
}
