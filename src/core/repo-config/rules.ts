import { validRange } from "semver";

import {
  type CompiledPattern,
  type CompiledSearch,
  compilePattern,
  compileSearch,
  type Pattern,
  type PatternKind,
} from "../patterns.ts";
import type { InputsConfig, RuleConfig, TagEntry } from "./config.ts";
import { entryRemarks } from "./idle-entry.ts";
import { resolveInputs } from "./inputs.ts";
import { isMetadataText, readMetadataEntry } from "./metadata-entry.ts";
import { type DataPath, listed, type Problems } from "./problems.ts";
import type { RuleFields } from "./schema.ts";
import type { Shaped } from "./shape.ts";
import { checkTemplate, type TemplateScope } from "./tag-template.ts";

/** What checking one file carries along. */
export interface Scope {
  readonly problems: Problems;
  /** By kind and text: monorepos repeat the same few patterns in every image. */
  readonly compiled: Map<string, CompiledPattern>;
  readonly searches: Map<string, CompiledSearch>;
  /** Instructions that the file's patterns may still compile to. */
  patternBudget: number;
}

/** A hundred images with three globs of their own need half of it; compiling it all takes 0.1 s, cold 0.3 s. */
const PATTERN_BUDGET = 10_000;

export function createScope(problems: Problems): Scope {
  return { problems, compiled: new Map(), searches: new Map(), patternBudget: PATTERN_BUDGET };
}

const TRIGGERS = ["branch", "tag", "semver", "pull_request"] as const;
type Trigger = (typeof TRIGGERS)[number];

const NO_CAPTURES: TemplateScope["captures"] = { count: 0, names: [] };

/** One rule over its image's inputs; null after saying what is wrong with it. */
export function resolveRule(
  { data: fields, complete }: Shaped<RuleFields>,
  base: InputsConfig,
  path: DataPath,
  scope: Scope,
): RuleConfig | null {
  const { problems } = scope;
  const inputs = resolveInputs(fields, base, path, problems);
  const trigger = onlyTrigger(fields, complete, path, problems);
  if (complete && fields.prefix !== undefined && fields.semver === undefined) {
    problems.error([...path, "prefix"], "`prefix` belongs to `semver` rules", "key");
  }
  if (trigger === null) return null;
  if (fields.supersede !== undefined && (trigger === "tag" || trigger === "semver")) {
    problems.warn([...path, "supersede"], "this has no effect: tags never replace each other, each is built", "key");
  }
  const resolved = resolveTrigger(trigger, fields, path, scope);
  if (resolved === null) return null;
  const tags = resolveTags(fields.tags ?? [], { kind: trigger, captures: resolved.captures }, [...path, "tags"], scope);
  for (const [index, tag] of tags.entries()) {
    for (const remark of typeof tag === "string" ? [] : entryRemarks(tag, resolved.on)) {
      problems.warn([...path, "tags", index], remark);
    }
  }
  return {
    path: pathText(path),
    on: resolved.on,
    tags: fields.tags === undefined ? null : tags,
    inputs,
    push: fields.push ?? trigger !== "pull_request",
    ...(fields.supersede !== undefined && { supersede: fields.supersede }),
  };
}

/** `images[0].rules[1]` */
function pathText(path: DataPath): string {
  return path.map((step, depth) => (typeof step === "number" ? `[${step}]` : depth === 0 ? step : `.${step}`)).join("");
}

function onlyTrigger(fields: RuleFields, complete: boolean, path: DataPath, problems: Problems): Trigger | null {
  const given = TRIGGERS.filter((key) => fields[key] !== undefined);
  const [trigger, second] = given;
  if (trigger === undefined) {
    // Otherwise it may be among the keys that were reported already, `brach` or `branch: 1.0`.
    if (complete) problems.error(path, `the rule does not say what it is for: give it one of ${listed(TRIGGERS)}`);
    return null;
  }
  if (second !== undefined) {
    problems.error(
      [...path, second],
      `a rule has exactly one of ${listed(TRIGGERS)}; this one has ${listed(given)}: write two rules`,
      "key",
    );
    return null;
  }
  return trigger;
}

interface ResolvedTrigger {
  readonly on: RuleConfig["on"];
  readonly captures: TemplateScope["captures"];
}

function resolveTrigger(kind: Trigger, fields: RuleFields, path: DataPath, scope: Scope): ResolvedTrigger | null {
  const text = fields[kind] ?? "";
  const here = [...path, kind];
  if (kind === "semver") return resolveSemver(text, fields.prefix ?? null, path, scope.problems);
  const compiled = resolvePattern(text, "ref", here, scope);
  return compiled === null ? null : { on: { kind, pattern: compiled.pattern }, captures: compiled.captures };
}

/** Long enough for any real range; the library's own expressions are not linear. */
const MAX_RANGE = 128;
const MAX_PREFIX = 128;

function resolveSemver(
  range: string,
  prefix: string | null,
  path: DataPath,
  problems: Problems,
): ResolvedTrigger | null {
  const message = rangeProblem(range);
  if (message !== null) problems.error([...path, "semver"], message);
  if (prefix !== null && (prefix.length > MAX_PREFIX || /[\p{Cc}\p{Cs}\s*?[\]\\^~:]/u.test(prefix))) {
    problems.error(
      [...path, "prefix"],
      "the prefix is what tags begin with, letter by letter, such as `api/v`; it is no pattern",
    );
    return null;
  }
  return message === null ? { on: { kind: "semver", range, prefix }, captures: NO_CAPTURES } : null;
}

function rangeProblem(range: string): string | null {
  if (range.trim() === "") return 'the range is empty; for every version write "*"';
  if (range.length > MAX_RANGE) return `a version range may have ${MAX_RANGE} characters`;
  return validRange(range) === null ? 'not a version range; write for example ">=1.0.0", "^2.1" or "1.x || 2.x"' : null;
}

/** Compiles a pattern out of the file's budget; null after saying what is wrong with it. */
export function resolvePattern(
  text: string,
  kind: PatternKind,
  path: DataPath,
  scope: Scope,
): { readonly pattern: Pattern; readonly captures: TemplateScope["captures"] } | null {
  const { problems } = scope;
  const compiled = compileWithin(text, kind, scope);
  if (!compiled.ok) {
    problems.error(path, compiled.message);
    return null;
  }
  const severity = text.startsWith("/") ? "info" : "warning";
  for (const message of compiled.remarks) problems.add({ severity, path, at: "value", message });
  return compiled;
}

function compileWithin(text: string, kind: PatternKind, scope: Scope): CompiledPattern {
  const key = `${kind} ${text}`;
  const known = scope.compiled.get(key);
  if (known !== undefined) return known;
  if (scope.patternBudget <= 0) return TOO_LARGE_TOGETHER;
  const compiled = compilePattern(text, kind);
  scope.compiled.set(key, compiled);
  if (compiled.ok) scope.patternBudget -= compiled.size;
  return compiled;
}

const TOO_LARGE_TOGETHER = {
  ok: false,
  message: "the patterns of this file are too large together; use fewer or simpler ones",
} as const;

function searchWithin(regex: string, source: string, scope: Scope): CompiledSearch {
  const key = JSON.stringify([regex, source]);
  const known = scope.searches.get(key);
  if (known !== undefined) return known;
  if (scope.patternBudget <= 0) return TOO_LARGE_TOGETHER;
  const compiled = compileSearch(regex, source);
  scope.searches.set(key, compiled);
  if (compiled.ok) scope.patternBudget -= compiled.search.size;
  return compiled;
}

/** The tags as rules have them; what is wrong with one was reported. */
function resolveTags(tags: readonly string[], scope: TemplateScope, path: DataPath, file: Scope): readonly TagEntry[] {
  const { problems } = file;
  return tags.map((text, index) => {
    const here = [...path, index];
    if (tags.indexOf(text) !== index) problems.warn(here, "this tag is listed twice");
    if (isMetadataText(text)) return resolveEntry(text, here, file);
    for (const { severity, message } of checkTemplate(text, scope))
      problems.add({ severity, path: here, at: "value", message });
    return text;
  });
}

function resolveEntry(text: string, path: DataPath, scope: Scope): TagEntry {
  const read = readMetadataEntry(text, (regex, source) => searchWithin(regex, source, scope));
  for (const message of read.ok ? [] : read.messages) scope.problems.error(path, message);
  for (const message of read.ok ? read.warnings : []) scope.problems.warn(path, message);
  // A broken one keeps its place in the list: the file is refused, and the others are still looked at.
  return read.ok ? read.entry : text;
}
