/** What Docker Hub would have pushed for a ref, beside what a file gives to it. */
import { DEFAULT_POLICY, parseSha, type RefChange, type Repository, type Sha } from "../model.ts";
import { compilePattern, exactPattern, type Pattern } from "../patterns.ts";
import { planBuilds } from "../plan.ts";
import type { ConfigFact, ParsedConfig } from "../repo-config/config.ts";
import { shown } from "../repo-config/problems.ts";
import { isLegalTag } from "../tags/grammar.ts";
import { isHubRegex } from "./convert.ts";
import type { Ref } from "./refs.ts";
import type { HubRule } from "./rules.ts";

export interface Comparison {
  readonly ref: string;
  /** The image's name in the file. */
  readonly image: string;
  /** `unknown`: a rule that says it can not be run here. */
  readonly verdict: "same" | "differs" | "unknown";
  /** Tags on Docker Hub. */
  readonly hub: readonly string[];
  readonly file: readonly string[];
  /** Clauses: why there is not more. */
  readonly remarks: readonly string[];
}

export interface Side {
  /** The image's name in the file. */
  readonly image: string;
  /** Those of them with Autobuild, also those that are not in the file. */
  readonly rules: readonly HubRule[];
}

/** For each ref one comparison of each image, in order. `file` null: there is none. */
export function compareRefs(
  refs: readonly Ref[],
  sides: readonly Side[],
  file: ParsedConfig | null,
): readonly Comparison[] {
  const judges = sides.map(({ image, rules }) => ({ image, rules: rules.map(judgeOf) }));
  return refs.flatMap((ref) => {
    const given = file === null ? NOTHING : givenBy(file, ref);
    return judges.map(({ image, rules }) => compare(ref, image, rules, given));
  });
}

// ---------------------------------------------------------------------------------------------- Docker Hub

interface Judge {
  readonly rule: HubRule;
  /** Null: this engine does not run the expression. */
  readonly pattern: Pattern | null;
}

function judgeOf(rule: HubRule): Judge {
  if (!isHubRegex(rule.source)) return { rule, pattern: exactPattern(rule.source) };
  const compiled = compilePattern(rule.source, "ref");
  return { rule, pattern: compiled.ok ? compiled.pattern : null };
}

interface Pushed {
  /** Tag to the rules that push it. */
  readonly tags: Map<string, HubRule[]>;
  readonly illegal: string[];
  readonly unknown: string[];
}

function pushedFor(ref: Ref, judges: readonly Judge[]): Pushed {
  const pushed: Pushed = { tags: new Map(), illegal: [], unknown: [] };
  for (const { rule, pattern } of judges) {
    if (rule.kind !== ref.kind) continue;
    const captures = pattern === null ? null : pattern.match(ref.name);
    if (pattern === null) pushed.unknown.push(rule.place);
    if (captures === null) continue;
    for (const template of new Set(rule.tags)) {
      const tag = fill(template, ref.name, captures);
      if (!isLegalTag(tag)) pushed.illegal.push(tag);
      else pushed.tags.set(tag, [...(pushed.tags.get(tag) ?? []), rule]);
    }
  }
  return pushed;
}

/** A group that took no part is empty. Anything else in braces stays, and is no legal tag. */
function fill(template: string, name: string, captures: Readonly<Record<string, string>>): string {
  return template.replace(/\{(?:sourceref|\\([1-9]))\}/g, (_, group: string | undefined) =>
    group === undefined ? name : (captures[group] ?? ""),
  );
}

// ------------------------------------------------------------------------------------------------ the file

interface Given {
  /** Image and tags. */
  readonly tags: ReadonlyMap<string, ReadonlySet<string>>;
  readonly remarks: ReadonlyMap<string, readonly string[]>;
}

const NOTHING: Given = { tags: new Map(), remarks: new Map() };

/** A push is thought up for each ref; no tag here is made of a hash or a day. */
const NOW = "1970-01-01T00:00:00Z";
const REPOSITORY: Repository = {
  provider: "github",
  host: "default",
  id: "1",
  fullName: "import/import",
  private: true,
  // Any but null: the same file stands on every branch here, so it grants what it gives.
  defaultBranch: "main",
  cloneUrl: "",
  webUrl: "",
};

function givenBy(parsed: ParsedConfig, ref: Ref): Given {
  const config: ConfigFact = { kind: "read", parsed };
  const plan = planBuilds({
    repository: REPOSITORY,
    installation: { state: "active", namespace: "import" },
    link: "linked",
    changes: [{ change: created(ref), config, defaultBranchConfig: config, changedPaths: null, tags: null }],
    imageOwners: new Map(),
    policy: DEFAULT_POLICY,
    now: NOW,
  });
  const tags = new Map<string, Set<string>>();
  for (const request of plan.requests) {
    tags.set(request.image, new Set([...(tags.get(request.image) ?? []), ...request.tags]));
  }
  const remarks = new Map<string, string[]>();
  for (const { image, reason, detail } of plan.skips) {
    if (image === null || reason === "no-match") continue;
    remarks.set(image, [...(remarks.get(image) ?? []), detail]);
  }
  return { tags, remarks };
}

function created({ ref, kind, name }: Ref): RefChange {
  const commit = someCommit();
  return { ref, kind, name, before: null, after: commit, commit, forced: false, message: "" };
}

function someCommit(): Sha {
  const sha = parseSha("1".repeat(40));
  if (sha === null) throw new Error("forty digits are a hash");
  return sha;
}

// -------------------------------------------------------------------------------------------------- verdict

function compare(ref: Ref, image: string, judges: readonly Judge[], given: Given): Comparison {
  const pushed = pushedFor(ref, judges);
  const file = [...(given.tags.get(image) ?? [])];
  const hub = [...pushed.tags.keys()];
  const same = hub.length === file.length && hub.every((tag) => file.includes(tag));
  const remarks = [
    ...pushed.unknown.map((place) => `${place} can not be run here`),
    ...pushed.illegal.map((tag) => `Docker Hub can not push \`${shown(tag)}\`, which is no legal tag`),
    ...[...pushed.tags].flatMap(([tag, rules]) => raced(tag, rules)),
    ...(same ? [] : (given.remarks.get(image) ?? [])),
  ];
  const verdict = pushed.unknown.length > 0 ? "unknown" : same ? "same" : "differs";
  return { ref: ref.ref, image, verdict, hub, file, remarks };
}

/** Docker Hub builds each rule by itself; here rules with equal inputs are one build, and else the first one wins. */
function raced(tag: string, rules: readonly HubRule[]): readonly string[] {
  const inputs = new Set(rules.map(({ context, dockerfile }) => JSON.stringify([context, dockerfile])));
  if (inputs.size < 2) return [];
  const places = rules.map(({ place }) => place).join(" and ");
  return [`\`${tag}\` comes from ${places}: on Docker Hub from whichever ended last, here from the first`];
}
