import { type Draft, settle } from "./drafts.ts";
import type { BuildPlan, Diagnostic, InstallationState, LinkState, RefChange, Repository, Skip } from "./model.ts";
import { judgePaths } from "./path-filter.ts";
import { closedGate, imagesRefusal, invalidFile, noTags, type Refusal } from "./refusals.ts";
import { CONFIG_FILE, type ImageConfig, type ParsedConfig, type RepoConfig } from "./repo-config/config.ts";
import { describeRule, isMergeQueue, judgeRule, type RuleMatch } from "./rules.ts";
import { asksForSkip } from "./skip-request.ts";
import { isMoving, ruleTags, type TagContext, templatesOf } from "./tags/rule-tags.ts";
import { createHistory, type VersionHistory } from "./tags/semver.ts";
import { zeroConfig } from "./zero-config.ts";

/** Everything the one decision looks at. The engine gathers it; the planner never fetches. */
export interface PlanFacts {
  readonly repository: Repository;
  /** Null: no such installation is known. */
  readonly installation: { readonly state: InstallationState; readonly namespace: string | null } | null;
  readonly link: LinkState;
  readonly changes: readonly ChangeFacts[];
  /** True: without a file, the default branch builds the root `Dockerfile` as `latest`. */
  readonly zeroConfig: boolean;
  /** ISO 8601, UTC; for `{date}`. */
  readonly now: string;
}

export interface ChangeFacts {
  readonly change: RefChange;
  readonly config: ConfigFact;
  /** Null: not known, then we build. */
  readonly changedPaths: readonly string[] | null;
  /** Names of all tags of the repository; null: not known. */
  readonly tags: readonly string[] | null;
}

export type ConfigFact =
  /** {@link needsConfig} said it is not needed. */
  | { readonly kind: "not-asked" }
  | { readonly kind: "read"; readonly parsed: ParsedConfig }
  /** `hint`: a file with a similar name that is there. */
  | { readonly kind: "missing"; readonly hint: string | null }
  | { readonly kind: "unreadable"; readonly why: string }
  /** The commit is not there any more (force-pushed away before we looked). */
  | { readonly kind: "gone" };

/** Whether the file at the change's commit could matter at all. */
export function needsConfig(facts: Pick<PlanFacts, "installation" | "link">, change: RefChange): boolean {
  return change.after !== null && change.commit !== null && closedGate(facts) === null;
}

/** Which further facts a rule asks for. Each costs a call to the host, so only where the answer can change the plan. */
export function neededFacts(
  change: RefChange,
  config: RepoConfig,
): { readonly changedPaths: boolean; readonly tags: boolean } {
  if (isMergeQueue(change) || asksForSkip(change, config.skip) !== null) {
    return { changedPaths: false, tags: false };
  }
  const matched = (image: ImageConfig): boolean => image.rules.some((rule) => judgeRule(rule, change).matches);
  const moves = ({ rules }: ImageConfig): boolean =>
    rules.some(
      (rule) =>
        rule.on.kind === "semver" &&
        judgeRule(rule, change).matches &&
        templatesOf(rule, change, null).some((template) => isMoving(template)),
    );
  return {
    changedPaths: change.kind === "branch" && config.images.some((image) => image.paths !== null && matched(image)),
    tags: change.kind === "tag" && config.images.some(moves),
  };
}

/**
 * The one decision. Total and pure: same facts, same plan; never throws, waits, logs or reads a clock. Every change
 * leads to at least one request or skip for each image; where no image is known, to one skip without image.
 */
export function planBuilds(facts: PlanFacts): BuildPlan {
  if (facts.changes.length === 0) {
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
    skips: [...parts.flatMap((part) => part.skips), ...settled.skips],
    diagnostics: distinct(parts.flatMap((part) => part.diagnostics)),
  };
}

const NOTHING = { ref: null, sha: null, image: null, rule: null } as const;

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
  const history = createHistory(facts.tags);
  const parts = config.images.map((image) =>
    refusal === null ? planImage(image, facts, plan, history) : refused(change, refusal, image.name),
  );
  if (parts.length === 0) {
    parts.push(refused(change, { reason: "no-match", why: `${CONFIG_FILE} names no images` }));
  }
  return {
    drafts: parts.flatMap((part) => part.drafts),
    skips: parts.flatMap((part) => part.skips),
    diagnostics: [...diagnostics, ...parts.flatMap((part) => part.diagnostics)],
  };
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
      if (plan.zeroConfig && change.kind === "branch" && change.name === defaultBranch) {
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

function planImage(image: ImageConfig, facts: ChangeFacts, plan: PlanFacts, history: VersionHistory): Part {
  const { change } = facts;
  const drafts: Draft[] = [];
  const skips: Skip[] = [];
  const unmatched: Skip[] = [];
  const diagnostics: Diagnostic[] = [];
  const context: TagContext = {
    image,
    change,
    defaultBranch: plan.repository.defaultBranch,
    history,
    now: plan.now,
  };
  for (const rule of image.rules) {
    const verdict = judgeRule(rule, change);
    if (!verdict.matches) {
      unmatched.push(skip(change, { reason: "no-match", why: verdict.why }, image.name, rule.path));
      continue;
    }
    const part = planMatch(verdict, facts, context);
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

function planMatch(match: RuleMatch, facts: ChangeFacts, context: TagContext): Part {
  const { change } = facts;
  const { image } = context;
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
  const { tags, dropped, remarks } = ruleTags(match, context);
  for (const remark of remarks) {
    note(remark.severity, remark.message);
  }
  if (tags.length === 0) {
    const part = refused(change, noTags(dropped, describeRule(rule)), image.name, rule.path);
    return { ...part, diagnostics };
  }
  for (const { template, severity, why } of dropped) {
    note(severity, `no tag from ${template}: ${why}`);
  }
  return { drafts: [{ change, image, rule, tags }], skips: [], diagnostics };
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
