/** What the rules of one image make of one change. */
import type { Draft } from "./drafts.ts";
import type { Diagnostic, Policy } from "./model.ts";
import { judgePaths } from "./path-filter.ts";
import { type Buildable, joinParts, type Part, refused, skipOf } from "./plan-part.ts";
import { judgeChange, type Permit } from "./pulls.ts";
import { noTags, type Refusal } from "./refusals.ts";
import type { ImageConfig, RepoConfig } from "./repo-config/config.ts";
import { describeRule, judgeRule, type RuleMatch, subjectOf } from "./rules.ts";
import { ruleTags } from "./tags/rule-tags.ts";
import type { VersionHistory } from "./tags/semver.ts";
import { type Grants, grantRefusal, type ImageOwners, judgeTags, ownershipRefusal } from "./trust.ts";

/** What is the same for all images of a change. */
export interface Scope {
  readonly change: Buildable;
  /** Null: not known, then we build. */
  readonly changedPaths: readonly string[] | null;
  readonly defaultBranch: string | null;
  readonly history: VersionHistory;
  /** ISO 8601, UTC. */
  readonly now: string;
  readonly grants: Grants;
  readonly owners: ImageOwners;
  readonly config: Pick<RepoConfig, "forks" | "repositories">;
  readonly policy: Policy;
}

export function planImage(image: ImageConfig, scope: Scope): Part {
  const { change } = scope;
  if (image.rules.length === 0) {
    return refused(change, { reason: "no-match", why: "the image has no rules" }, { image: image.name });
  }
  const matched: Part[] = [];
  const unmatched: Part[] = [];
  const inOrder = image.rules.map((rule) => {
    const verdict = judgeRule(rule, change);
    const part = verdict.matches
      ? planMatch(verdict, image, scope)
      : refused(
          change,
          { reason: "no-match", why: verdict.why },
          { image: image.name, rule: rule.path },
          { change: subjectOf(change), rule: describeRule(rule) },
        );
    (verdict.matches ? matched : unmatched).push(part);
    return part;
  });
  // Rules that do not match are only worth a word where none does; the trace has them all.
  const told = joinParts(matched.length > 0 ? matched : unmatched);
  return { ...told, trace: inOrder.flatMap(({ trace }) => trace) };
}

/** What is noticed on the way to a verdict. */
interface Notes {
  /** What it was decided by. */
  readonly facts: Record<string, string>;
  readonly remarks: { readonly severity: Diagnostic["severity"]; readonly message: string }[];
}

function planMatch(match: RuleMatch, image: ImageConfig, scope: Scope): Part {
  const { change } = scope;
  const place = { image: image.name, rule: match.rule.path };
  const notes: Notes = { facts: factsOf(match, scope), remarks: [] };
  const answer = draftOf(match, image, scope, notes);
  // About the event, not about a place in the file: hence the file's beginning.
  const diagnostics = notes.remarks.map(({ severity, message }) => {
    return { severity, line: 1, column: 1, message: `${image.name}: ${message}` };
  });
  if (isRefusal(answer)) {
    return { ...refused(change, answer, place, notes.facts), diagnostics };
  }
  const { draft, lost } = answer;
  // Built with the other tags: what is missing still has to be said where the build is shown.
  const skips = lost === null ? [] : [{ ...skipOf(change, lost, place), detail: `not published: ${lost.why}` }];
  return { drafts: [draft], skips, diagnostics, trace: [{ draft, facts: notes.facts }] };
}

function factsOf({ rule, captures }: RuleMatch, { change }: Scope): Record<string, string> {
  const taken = Object.entries(captures).map(([name, text]) => [`capture ${name}`, text]);
  return { change: subjectOf(change), rule: describeRule(rule), ...Object.fromEntries(taken) };
}

function isRefusal(answer: object): answer is Refusal {
  return "reason" in answer;
}

/** The first thing that speaks against a build, or the build. `lost`: why it does not get all of its tags; null: it does. */
function draftOf(
  match: RuleMatch,
  image: ImageConfig,
  scope: Scope,
  notes: Notes,
): Refusal | { readonly draft: Draft; readonly lost: Refusal | null } {
  const { change, owners } = scope;
  const { rule } = match;
  const permit = permitOf(match, scope, notes);
  if (isRefusal(permit)) return permit;
  const unchanged = pathsRefusal(match, image, scope, notes);
  if (unchanged !== null) return unchanged;
  if (permit.remark !== null) notes.remarks.push({ severity: "info", message: permit.remark });
  const foreign = permit.push ? ownershipRefusal(image.name, owners) : null;
  if (foreign !== null) return { reason: "image-not-owned", why: foreign };
  const given = tagsOf(match, permit, image, scope, notes);
  if (isRefusal(given)) return given;
  const { push, trust, hold } = permit;
  const { tags, versions, lost } = given;
  const { repositories } = scope.config;
  return { draft: { change, image, rule, push, trust, hold, tags, versions, repositories }, lost };
}

function permitOf({ rule }: RuleMatch, { change, config, policy }: Scope, { facts }: Notes): Permit | Refusal {
  const permit = judgeChange(change, rule, config, policy);
  if (change.kind === "pull_request" && change.pull.fork) {
    facts["forks"] = `${config.forks} by the file, ${policy.forks} by the installation`;
  }
  if (!isRefusal(permit)) {
    facts["trust"] = permit.trust;
    facts["push"] = permit.push ? "yes" : "no";
  }
  return permit;
}

function pathsRefusal({ rule }: RuleMatch, image: ImageConfig, scope: Scope, notes: Notes): Refusal | null {
  const { change, changedPaths } = scope;
  if (image.paths !== null && change.kind !== "tag") {
    notes.facts["changed paths"] = changedPaths === null ? "not known" : String(changedPaths.length);
  }
  const verdict = judgePaths(image, rule, { change, changedPaths });
  if (!verdict.build) return { reason: "paths-unchanged", why: verdict.why };
  if (verdict.by !== null) notes.facts["path"] = verdict.by;
  if (verdict.remark !== null) notes.remarks.push({ severity: "info", message: verdict.remark });
  return null;
}

/** The tags that may be published, or, of what is only tested, all it would have. */
function tagsOf(
  match: RuleMatch,
  { push }: Permit,
  image: ImageConfig,
  scope: Scope,
  { facts, remarks }: Notes,
): Refusal | (Pick<Draft, "tags" | "versions"> & { readonly lost: Refusal | null }) {
  const { grants } = scope;
  const wanted = ruleTags(match, { ...scope, image });
  remarks.push(...wanted.remarks);
  if (wanted.tags.length === 0) return noTags(wanted.dropped, describeRule(match.rule));
  for (const { template, severity, why } of wanted.dropped) {
    remarks.push({ severity, message: `no tag from ${template}: ${why}` });
  }
  if (!push) return { tags: wanted.tags, versions: new Map(), lost: null };
  if (grants.kind === "all") return { tags: wanted.tags, versions: wanted.versions, lost: null };
  const granted = judgeTags(grants, image.name, wanted);
  if (granted.refused.length === 0) return { ...granted, lost: null };
  const why = grantRefusal(grants, image.name, granted.refused, scope);
  facts["tags not granted"] = granted.refused.join(", ");
  const lost: Refusal = { reason: "tag-not-granted", why };
  if (granted.tags.length === 0) return lost;
  remarks.push({ severity: "warning", message: why });
  return { ...granted, lost };
}
