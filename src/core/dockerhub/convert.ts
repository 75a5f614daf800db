/** One of Docker Hub's rules in this file's words, where both mean the same. */
import { hasGlobCharacters, unsupportedGlob } from "../globs.ts";
import { compilePattern } from "../patterns.ts";
import { listed, shown } from "../repo-config/problems.ts";
import { checkFileIn, checkFolder, normalizePath } from "../repo-config/repository-path.ts";
import { isLegalTag } from "../tags/grammar.ts";
import type { HubRule } from "./rules.ts";

/** A rule as it will stand in the file. */
export interface TakenRule {
  readonly kind: "branch" | "tag";
  readonly pattern: string;
  readonly tags: readonly string[];
  readonly context: string;
  readonly dockerfile: string;
  readonly cache: boolean;
}

export interface Conversion {
  /** Null: nothing of the rule is in the file. */
  readonly rule: TakenRule | null;
  /** Sentences: what of it is not in the file, and what to do. */
  readonly lost: readonly string[];
  /** Sentences: what was decided. */
  readonly notes: readonly string[];
}

/** Not for rules whose Autobuild is off. */
export function convertRule(rule: HubRule): Conversion {
  const source = convertSource(rule);
  if (!source.ok) return nothing(source.message);
  const inputs = convertPaths(rule);
  if (!inputs.ok) return nothing(inputs.message);
  const problems = new Map([...new Set(rule.tags)].map((tag) => [tag, tagProblem(tag, source.captures)] as const));
  const lost = [...problems].flatMap(([tag, problem]) =>
    problem === null ? [] : [`no tag \`${shown(tag)}\`: ${problem}`],
  );
  const tags = [...problems].flatMap(([tag, problem]) => (problem === null ? [tag] : []));
  const { kind, caching: cache } = rule;
  const { pattern } = source;
  const { context, dockerfile } = inputs;
  return {
    rule: tags.length === 0 ? null : { kind, pattern, tags, context, dockerfile, cache },
    lost,
    notes: tags.length === 0 ? [] : [...source.notes, ...inputs.notes],
  };
}

function nothing(message: string): Conversion {
  return { rule: null, lost: [message], notes: [] };
}

type Refusal = { readonly ok: false; readonly message: string };

// -------------------------------------------------------------------------------------------------- source

interface Source {
  readonly ok: true;
  readonly pattern: string;
  readonly captures: Captures;
  readonly notes: readonly string[];
}

interface Captures {
  readonly count: number;
  readonly names: readonly string[];
}

export function isHubRegex(source: string): boolean {
  return source.length > 2 && source.startsWith("/") && source.endsWith("/");
}

function convertSource({ kind, source }: HubRule): Source | Refusal {
  const regex = isHubRegex(source);
  if (!regex && !isRefName(source)) return { ok: false, message: noRef(kind, source) };
  // What a glob reads into a name, Docker Hub takes as it is written.
  const special = !regex && (hasGlobCharacters(source) || unsupportedGlob(source) !== null);
  const pattern = special ? `/^${source.replace(/[\\^$.|?*+()[\]{}/]/g, "\\$&")}$/` : source;
  const compiled = compilePattern(pattern, "ref");
  if (!compiled.ok) {
    const wayOut = regex ? `; in its place write names or globs by hand, as in \`${kind}: "{a,b}"\`` : "";
    return { ok: false, message: `${compiled.message}${wayOut}` };
  }
  const notes = special ? ["written as a regular expression, because the name holds characters of globs"] : [];
  return { ok: true, pattern, captures: compiled.captures, notes };
}

/** https://git-scm.com/docs/git-check-ref-format, for the name behind `refs/heads/`. */
function isRefName(name: string): boolean {
  if (/[\p{Cc} ~^:?*[\\]|\.\.|@\{|\/\/|\.$|^\/|\/$/u.test(name)) return false;
  return !/(?:^|\/)\.|\.lock(?:\/|$)/.test(name);
}

function noRef(kind: string, source: string): string {
  const text = shown(source);
  const hint = /[\\^$()|+]|\[.*\]/.test(source)
    ? `; Docker Hub takes a regular expression only between slashes: \`/${text}/\``
    : /[*?]/.test(source)
      ? `; if a glob was meant, write \`${kind}: "${text}"\` by hand`
      : "";
  return `no ${kind} can be called \`${text}\`, so Docker Hub built nothing for it${hint}`;
}

// ---------------------------------------------------------------------------------------------------- tags

const PLACEHOLDER = /\{([^{}]*)\}/g;

/** Null: the same here as on Docker Hub, whatever the ref is called. */
function tagProblem(tag: string, { count, names }: Captures): string | null {
  const literal = tag.replace(PLACEHOLDER, "");
  if (/[^A-Za-z0-9_.-]/.test(literal) || (literal === tag && !isLegalTag(tag)) || /^[.-]/.test(tag)) {
    return "not a legal image tag, so Docker Hub could not push it";
  }
  for (const [, name = ""] of tag.matchAll(PLACEHOLDER)) {
    if (name !== "sourceref" && !/^\\[1-9]$/.test(name)) {
      return `Docker Hub knows \`{sourceref}\` and \`{\\1}\` to \`{\\9}\`, not \`{${shown(name)}}\``;
    }
    const group = name.replace("\\", "");
    if (name !== group && Number(group) > count) {
      return `the source has ${count === 0 ? "no group" : `${count} ${count === 1 ? "group" : "groups"}`}, so there is no \`{${name}}\``;
    }
    if (names.includes(group))
      return `the source calls a group \`${group}\`, which here takes the place of \`{${name}}\``;
  }
  return null;
}

// --------------------------------------------------------------------------------------------------- paths

interface Paths {
  readonly ok: true;
  readonly context: string;
  readonly dockerfile: string;
  readonly notes: readonly string[];
}

/**
 * The Dockerfile's location is relative to the build context; with a blank context it is relative to the root, and its
 * folder is the context. A location that ends in `/` is the folder of a file called `Dockerfile`.
 */
function convertPaths(rule: HubRule): Paths | Refusal {
  const location = rule.dockerfile.replace(/^\/+/, "");
  const file = location === "" || location.endsWith("/") ? `${location}Dockerfile` : location;
  const folder = rule.context === "" ? "." : rule.context.replace(/^\/+/, "");
  const context = checkFolder(folder === "" ? "." : folder);
  if (!context.ok) return { ok: false, message: `Build Context \`${shown(rule.context)}\`: ${context.message}` };
  const dockerfile = checkFileIn(context.path, file);
  if (!dockerfile.ok) {
    return { ok: false, message: `Dockerfile location \`${shown(rule.dockerfile)}\`: ${dockerfile.message}` };
  }
  const { path } = dockerfile;
  const notes = pathNotes(rule.context, context.path, path);
  if (rule.context !== "") return { ok: true, context: context.path, dockerfile: path, notes };
  const slash = path.lastIndexOf("/");
  return { ok: true, context: slash === -1 ? "." : path.slice(0, slash), dockerfile: path.slice(slash + 1), notes };
}

function pathNotes(given: string, context: string, dockerfile: string): readonly string[] {
  const notes: string[] = [];
  const folder = dockerfile.slice(0, Math.max(0, dockerfile.lastIndexOf("/")));
  if (given === "" && folder !== "")
    notes.push(`the build context is blank: it is the Dockerfile's folder, \`${folder}\``);
  const name = dockerfile.slice(dockerfile.lastIndexOf("/") + 1);
  if (!/dockerfile|containerfile|\./i.test(name)) {
    notes.push(`\`${shown(dockerfile)}\` is taken for a file; if it is a folder, add ${listed(["/Dockerfile"])}`);
  }
  if (context !== "." && dockerfile.startsWith(`${context}/`)) {
    const twice = normalizePath(`${context}/${dockerfile}`);
    notes.push(`the Dockerfile's location is relative to the context, so this builds ${listed([shown(twice)])}`);
  }
  return notes;
}
