import { RE2JS, RE2JSException } from "re2js";

import { hasGlobCharacters, translateGlob, unsupportedGlob } from "./globs.ts";
import { regexSize } from "./regex-size.ts";

/** A compiled exact name, glob or `/regex/`; all run on one linear-time engine. */
export interface Pattern {
  /** As written in the file. */
  readonly source: string;
  /** Null: no match. Captures by number ("1".."9") and by name. */
  match(subject: string): Readonly<Record<string, string>> | null;
}

/** `ref`: exact name, glob or `/regex/`. `path`: exact path or glob, never a regex. */
export type PatternKind = "ref" | "path";

export type CompiledPattern =
  | {
      readonly ok: true;
      readonly pattern: Pattern;
      /** Sentences: legal, but perhaps not what was meant. */
      readonly remarks: readonly string[];
      /** What `/regex/` captures; nothing for names and globs. */
      readonly captures: { readonly count: number; readonly names: readonly string[] };
      /** What compiling and matching cost, in instructions of the program. 0 for an exact name. */
      readonly size: number;
    }
  | { readonly ok: false; readonly message: string };

type Refusal = Extract<CompiledPattern, { ok: false }>;

const MAX_PATTERN = 512;
/** A longer subject matches nothing. Git hosts end far below for refs; `touches` counts such a path as changed. */
export const MAX_SUBJECT = 1024;
/** Real expressions need some tens; at the limit a match against the longest subject takes about 20 ms. */
const MAX_SIZE = 1000;

/**
 * Compiles one pattern of `.wharfinger.yml`. Never throws for what the text is.
 *
 * A ref pattern between slashes is a regular expression in RE2's syntax and is searched, as Docker Hub does it; all
 * other patterns match the whole name.
 */
export function compilePattern(source: string, kind: PatternKind): CompiledPattern {
  const problem = generalProblem(source) ?? (kind === "ref" ? refProblem(source) : pathProblem(source));
  if (problem !== null) return { ok: false, message: problem };
  if (kind === "ref" && source.startsWith("/")) return compileRegex(source);
  const unsupported = unsupportedGlob(source);
  if (unsupported !== null) return { ok: false, message: unsupported };
  return hasGlobCharacters(source) ? compileGlob(source, kind) : exact(source, kind);
}

function generalProblem(source: string): string | null {
  if (source === "") return "a pattern must not be empty";
  if (source.length > MAX_PATTERN) {
    return `a pattern may have ${MAX_PATTERN} characters; this one has ${source.length}`;
  }
  if (/[\p{Cc}\p{Cs}]/u.test(source)) return "a pattern must not contain control characters";
  return null;
}

function refProblem(source: string): string | null {
  const opens = source.startsWith("/");
  const closes = source.endsWith("/");
  if (opens && closes) return source.length < 3 ? "the regular expression between the slashes is empty" : null;
  if (!opens && !closes) return null;
  const bare = opens ? source.slice(1) : source.slice(0, -1);
  const which = opens
    ? "begins with a slash but does not end with one"
    : "ends with a slash but does not begin with one";
  return `the pattern ${which}; for a regular expression write '/${bare}/', for a name or glob '${bare}'`;
}

function pathProblem(source: string): string | null {
  if (source.startsWith("/")) {
    return "paths are globs relative to the root of the repository, never regular expressions: leave out the leading `/`";
  }
  if (source.startsWith("!")) return "a leading `!` (negation) is not supported; list the path under `exclude`";
  if (/^\.\.?(?:\/|$)/.test(source))
    return "paths are relative to the root of the repository: leave out `./` and `../`";
  if (source.endsWith("/")) return `a folder matches nothing by itself; write '${source}**' for everything in it`;
  return null;
}

/** The name itself, whatever its characters mean in a pattern. */
export function exactPattern(name: string): Pattern {
  return { source: name, match: (subject) => (subject === name ? {} : null) };
}

function exact(source: string, kind: PatternKind): CompiledPattern {
  const pattern = exactPattern(source);
  return { ok: true, pattern, remarks: nameRemarks(source, kind), captures: { count: 0, names: [] }, size: 0 };
}

function compileGlob(source: string, kind: PatternKind): CompiledPattern {
  const glob = translateGlob(source);
  if (!glob.ok) return glob;
  const engine = compileRe2(glob.regex);
  if (!(engine instanceof RE2JS)) return engine;
  const pattern: Pattern = {
    source,
    match: (subject) => (subject.length <= MAX_SUBJECT && engine.test(subject) ? {} : null),
  };
  return {
    ok: true,
    pattern,
    remarks: nameRemarks(source, kind),
    captures: { count: 0, names: [] },
    size: engine.programSize(),
  };
}

function compileRegex(source: string): CompiledPattern {
  const regex = source.slice(1, -1);
  if (regex.includes("\\Q"))
    return { ok: false, message: "`\\Q…\\E` is not supported; escape the characters one by one" };
  const estimate = regexSize(regex);
  if (estimate > MAX_SIZE) return tooLarge();
  const engine = compileRe2(regex);
  if (!(engine instanceof RE2JS)) return engine;
  const match = rememberingLast((subject) => (subject.length <= MAX_SUBJECT ? capturesOf(engine, subject) : null));
  const pattern: Pattern = { source, match };
  const names = Object.keys(engine.namedGroups());
  const captures = { count: Math.min(9, engine.groupCount()), names };
  return { ok: true, pattern, remarks: regexRemarks(regex), captures, size: Math.max(estimate, engine.programSize()) };
}

function tooLarge(): Refusal {
  return { ok: false, message: "the pattern is too large: use smaller repeat counts or fewer Unicode classes" };
}

function compileRe2(regex: string): RE2JS | Refusal {
  try {
    const engine = RE2JS.compile(regex);
    return engine.programSize() > MAX_SIZE ? tooLarge() : engine;
  } catch (error) {
    if (error instanceof RE2JSException) return { ok: false, message: explainSyntax(error.message) };
    throw error;
  }
}

function explainSyntax(message: string): string {
  const reason = message.replace(/^error parsing regexp: /, "");
  if (/\(\?<?[=!]/.test(reason)) {
    return "look-around such as `(?=…)` or `(?!…)` does not exist in RE2 syntax; use several rules, or capture what you need";
  }
  if (/invalid escape sequence: `\\[1-9]/.test(reason))
    return "back-references such as `\\1` do not exist in RE2 syntax";
  return `not a regular expression in RE2 syntax: ${reason}`;
}

/** A regular expression that is asked for whole matches and any group: `type=match` of docker/metadata-action. */
export interface Search {
  /** As written. */
  readonly source: string;
  /** Instructions of its program: what matching one character costs at most. */
  readonly size: number;
  /** The groups of match number `nth`, from 0; group 0 is the whole. A group that took no part is null. Null: no match. */
  find(subject: string, nth: number): readonly (string | null)[] | null;
}

export type CompiledSearch =
  | { readonly ok: true; readonly search: Search; readonly groups: number }
  | { readonly ok: false; readonly message: string };

/** Compiles `regex` in RE2's syntax, without slashes around it. Never throws for what the text is. */
export function compileSearch(regex: string, source: string): CompiledSearch {
  const problem = generalProblem(regex);
  if (problem !== null) return { ok: false, message: problem };
  if (regexSize(regex) > MAX_SIZE) return tooLarge();
  const engine = compileRe2(regex);
  if (!(engine instanceof RE2JS)) return engine;
  const find: Search["find"] = (subject, nth) => {
    if (subject.length > MAX_SUBJECT) return null;
    const matcher = engine.matcher(subject);
    for (let at = 0; at <= nth; at += 1) {
      if (!matcher.find()) return null;
    }
    return Array.from({ length: matcher.groupCount() + 1 }, (_, group) => matcher.group(group));
  };
  const size = Math.max(regexSize(regex), engine.programSize());
  return { ok: true, search: { source, size, find }, groups: engine.groupCount() };
}

function capturesOf(engine: RE2JS, subject: string): Readonly<Record<string, string>> | null {
  const matcher = engine.matcher(subject);
  if (!matcher.find()) return null;
  const captures: [string, string][] = [];
  for (let group = 1; group <= Math.min(9, matcher.groupCount()); group += 1) {
    const text = matcher.group(group);
    if (text !== null) captures.push([String(group), text]);
  }
  for (const [name, group] of Object.entries(engine.namedGroups())) {
    const text = matcher.group(group);
    if (text !== null) captures.push([name, text]);
  }
  // fromEntries defines properties of its own, also for a group called `__proto__`.
  return Object.fromEntries(captures);
}

/**
 * Captures take milliseconds where the engine must leave its fast paths, and a file may repeat one pattern in thousands
 * of rules that are all asked about one ref: the last answer is kept.
 */
function rememberingLast(match: Pattern["match"]): Pattern["match"] {
  let last: { readonly subject: string; readonly answer: ReturnType<Pattern["match"]> } | null = null;
  return (subject) => {
    if (last === null || last.subject !== subject) last = { subject, answer: match(subject) };
    return last.answer;
  };
}

function nameRemarks(source: string, kind: PatternKind): readonly string[] {
  if (kind === "path") return [];
  const remarks: string[] = [];
  const prefix = /^refs\/(?:heads|tags)\//.exec(source)?.[0];
  if (prefix !== undefined) remarks.push(`names are matched without \`${prefix}\`: leave it out`);
  // git-check-ref-format
  if (/[ ~^:]/.test(source)) remarks.push("matches nothing: no branch or tag has a space, `~`, `^` or `:` in its name");
  if (/^[^{[]*,/.test(source))
    remarks.push("this is one name with a comma; for several write `{a,b}` or several rules");
  return remarks;
}

function regexRemarks(regex: string): readonly string[] {
  const body = regex.replace(/^\(\?[A-Za-z]+\)/, "");
  const begins = /^(?:\^|\\A)/.test(body);
  const ends = /(?:^|[^\\])(?:\\\\)*\$$/.test(body) || body.endsWith("\\z");
  if (begins && ends) return [];
  const missing = begins ? "no `$` at the end" : ends ? "no `^` at the beginning" : "neither `^` nor `$`";
  return [`the regular expression has ${missing}, so it also matches names that merely contain it`];
}
