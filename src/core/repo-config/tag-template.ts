import { isLegalTag, MAX_TAG_LENGTH } from "../tags/grammar.ts";
import { placeholders, withoutPlaceholders } from "../tags/native.ts";
import type { RuleConfig } from "./config.ts";
import { listed, nearest, shown } from "./problems.ts";

type RuleKind = RuleConfig["on"]["kind"];

/** What a template may refer to besides the placeholders every rule has. */
export interface TemplateScope {
  readonly kind: RuleKind;
  /** Of the rule's `/regex/`. */
  readonly captures: { readonly count: number; readonly names: readonly string[] };
}

export interface TemplateRemark {
  readonly severity: "error" | "warning";
  readonly message: string;
}

const EVERYWHERE = ["sourceref", "sha", "sha7", "date"];

/** Placeholders that have a value for each kind of rule. */
export const PLACEHOLDERS: Readonly<Record<RuleKind, readonly string[]>> = {
  branch: [...EVERYWHERE, "branch"],
  tag: [...EVERYWHERE, "tag"],
  semver: [...EVERYWHERE, "tag", "version", "major", "minor", "patch"],
  pull_request: [...EVERYWHERE, "branch", "pr"],
};

/** What each stands for, for the documents. */
export const PLACEHOLDER_MEANINGS: Readonly<Record<string, string>> = {
  sourceref: "the whole name of the branch or tag; of a pull request that of its source branch",
  sha: "the commit",
  sha7: "the commit's first seven digits",
  date: "the day in UTC on which the build was planned, `20261120`",
  branch: "the branch; of a pull request its source branch",
  tag: "the tag",
  version: "the version",
  major: "its first number",
  minor: "its second number",
  patch: "its third number",
  pr: "the number of the pull request",
};

/** Where a placeholder does have a value, for those that ask for it elsewhere. */
const BELONGS_TO: Readonly<Record<string, string>> = {
  branch: "`branch` rules",
  tag: "`tag` and `semver` rules",
  pr: "`pull_request` rules",
  version: "`semver` rules",
  major: "`semver` rules",
  minor: "`semver` rules",
  patch: "`semver` rules",
};

const MAX_TEMPLATE = 256;

/** Everything that can be said of a tag template before there is anything to fill in. */
export function checkTemplate(template: string, scope: TemplateScope): readonly TemplateRemark[] {
  if (template === "") return [error("a tag must not be empty")];
  if (template.length > MAX_TEMPLATE)
    return [error(`a tag may have ${MAX_TAG_LENGTH} characters; this template has ${template.length}`)];
  if (template.includes("{{")) {
    return [
      error("`{{…}}` belongs to entries with `type=`, as in `type=semver,pattern={{version}}`; here write `{version}`"),
    ];
  }
  const literal = withoutPlaceholders(template);
  if (/[{}]/.test(literal)) return [error("a `{` or `}` stands alone; placeholders look like `{sha7}`")];
  if (literal === template) return literalProblem(template);
  const names = placeholders(template);
  const problems = names.map((name) => placeholderProblem(name, scope)).filter((message) => message !== null);
  return problems.length > 0 ? problems.map(error) : remarks(literal, names, scope).map(warning);
}

function literalProblem(tag: string): readonly TemplateRemark[] {
  if (isLegalTag(tag)) return [];
  if (tag.length > MAX_TAG_LENGTH) {
    return [error(`a tag may have ${MAX_TAG_LENGTH} characters; this one has ${tag.length}`)];
  }
  return [error("not a legal image tag: letters, digits, `_`, `.` and `-`, and no `.` or `-` at the beginning")];
}

/** Legal, but worth a look. `literal` is the template without its placeholders. */
function remarks(literal: string, names: readonly string[], scope: TemplateScope): readonly string[] {
  const hidden = names.filter((name) => PLACEHOLDERS[scope.kind].includes(name) && scope.captures.names.includes(name));
  return [
    ...hidden.map((name) => `\`{${name}}\` is the pattern's group of that name here, not the usual placeholder`),
    ...(/[^A-Za-z0-9_.-]/.test(literal) ? ["characters that are not legal in a tag become `-`"] : []),
  ];
}

function placeholderProblem(name: string, scope: TemplateScope): string | null {
  if (/^\d+$/.test(name)) return groupProblem(name, scope);
  const here = PLACEHOLDERS[scope.kind];
  if (here.includes(name) || scope.captures.names.includes(name)) return null;
  const allowed = [...here, ...groupNumbers(scope), ...scope.captures.names];
  const owner = Object.hasOwn(BELONGS_TO, name) ? BELONGS_TO[name] : undefined;
  if (owner !== undefined) {
    return `\`{${name}}\` has a value only in ${owner}, not in a \`${scope.kind}\` rule; allowed: ${braced(allowed)}`;
  }
  const guess = nearest(name, allowed);
  const hint = guess === null ? "" : `; did you mean \`{${guess}}\`?`;
  return `unknown placeholder \`{${shown(name)}}\`${hint}${hint === "" ? ";" : ""} allowed: ${braced(allowed)}`;
}

function groupProblem(digits: string, scope: TemplateScope): string | null {
  const group = Number(digits);
  if (!/^[1-9]$/.test(digits)) return "groups are `{1}` to `{9}`; name further ones: `(?P<name>…)`";
  if (group <= scope.captures.count) return null;
  return `\`{${group}}\` can not have a value: ${groupCount(scope)}`;
}

function groupCount({ kind, captures: { count } }: TemplateScope): string {
  if (kind === "semver")
    return "a version range has no groups; the version's parts are `{major}`, `{minor}`, `{patch}`";
  if (count === 0) return "the pattern has no group; a `/regex/` with parentheses has some";
  return count === 1 ? "the pattern has one group" : `the pattern has ${count} groups`;
}

function groupNumbers(scope: TemplateScope): readonly string[] {
  return Array.from({ length: scope.captures.count }, (_, index) => String(index + 1));
}

function braced(names: readonly string[]): string {
  return listed(names.map((name) => `{${name}}`));
}

function error(message: string): TemplateRemark {
  return { severity: "error", message };
}

function warning(message: string): TemplateRemark {
  return { severity: "warning", message };
}
