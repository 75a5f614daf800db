/**
 * Tag entries in the words of docker/metadata-action: what each gives for one branch or tag, in which order, and
 * whether `latest` comes with them. The meaning of each is its documentation's; what the action's documentation leaves
 * open follows what it does. https://github.com/docker/metadata-action#tags-input
 */
import semver, { type SemVer } from "semver";
import type { Change, RefChange } from "../model.ts";
import type { Search } from "../patterns.ts";
import {
  type Expression,
  type ExpressionValues,
  expressionNames,
  renderTemplate,
  type Template,
} from "./expressions.ts";
import { isPrerelease, parseVersion, type Reading } from "./semver.ts";

interface CommonAttributes {
  /** As written in the file. */
  readonly source: string;
  readonly enable: "always" | "never" | "default-branch" | "not-default-branch";
  /** Higher comes first. */
  readonly priority: number;
  /** Null: not given, so that the flavor's counts. */
  readonly prefix: Template | null;
  readonly suffix: Template | null;
}

export type MetadataEntry = CommonAttributes &
  (
    | { readonly type: "semver"; readonly pattern: Template; readonly value: Template; readonly match: Search | null }
    /** `every`: of all matches, number `group` counts (the flag `g`), not a group of the first. */
    | {
        readonly type: "match";
        readonly search: Search;
        readonly every: boolean;
        readonly group: number;
        readonly value: Template;
      }
    /** Null: the default branch. */
    | { readonly type: "edge"; readonly branch: string | null }
    | { readonly type: "ref"; readonly event: "branch" | "tag" | "pr" }
    | { readonly type: "raw"; readonly value: Template }
    | { readonly type: "sha"; readonly format: "short" | "long" }
  );

/** What is the same for all such entries of an image. */
export interface Flavor {
  readonly latest: "auto" | "true" | "false";
  readonly prefix: Template;
  readonly suffix: Template;
  /** Whether `latest` gets them, too. */
  readonly prefixOnLatest: boolean;
  readonly suffixOnLatest: boolean;
}

export const DEFAULT_FLAVOR: Flavor = {
  latest: "auto",
  prefix: [],
  suffix: [],
  prefixOnLatest: false,
  suffixOnLatest: false,
};

export interface EntryContext {
  readonly change: EntryChange;
  readonly defaultBranch: string | null;
  /** ISO 8601. */
  readonly now: string;
  /** Of the semver rule the entries stand in; else null. */
  readonly versionPrefix: string | null;
}

type Told = Pick<Change, "name" | "commit" | "committedAt" | "baseBranch">;

/** What of a change entries look at. */
export type EntryChange =
  | (Told & Pick<RefChange, "kind">)
  | (Told & { readonly kind: "pull_request"; readonly pull: { readonly target: string } });

/** One tag that an entry gives. */
export interface EntryTag {
  /** The entry as written, or what stands for the flavor. */
  readonly from: string;
  /** Before it is made legal; never empty. */
  readonly text: string;
  /** The version it moves to, and how others are read to compare with; null: it does not move by version. */
  readonly moves: { readonly version: SemVer; readonly reading: Reading } | null;
  /** True: written without anything that a branch or tag could fill in. */
  readonly literal: boolean;
}

/** An entry that gives nothing here. */
export interface IdleEntry {
  readonly from: string;
  readonly severity: "warning" | "info";
  /** A clause for people. */
  readonly why: string;
}

export interface EntryTags {
  /** By priority, `latest` at the end; the same text may come twice. */
  readonly tags: readonly EntryTag[];
  readonly idle: readonly IdleEntry[];
}

export function entryTags(entries: readonly MetadataEntry[], flavor: Flavor, context: EntryContext): EntryTags {
  const tags: EntryTag[] = [];
  const idle: IdleEntry[] = [];
  let first: Given | null = null;
  const values = globalValues(context);
  for (const entry of byPriority(entries)) {
    const answer = isEnabled(entry, values)
      ? giveTag(entry, flavor, context, values)
      : nothing("it is not enabled here");
    if ("why" in answer) {
      idle.push({ from: entry.source, severity: answer.severity, why: answer.why });
      continue;
    }
    tags.push({
      from: entry.source,
      text: answer.text,
      moves: answer.fixed ? null : answer.moves,
      literal: answer.literal,
    });
    first ??= answer;
  }
  // The first entry that gives a tag decides, so a `raw` before a `semver` keeps `latest` away.
  if (first !== null && (flavor.latest === "true" || (flavor.latest === "auto" && first.latest))) {
    tags.push(latestTag(flavor, first, values));
  }
  return { tags, idle };
}

/** Entries of equal priority stay in the order of the file. */
export function byPriority(entries: readonly MetadataEntry[]): readonly MetadataEntry[] {
  return [...entries].sort((a, b) => b.priority - a.priority);
}

interface Given {
  readonly text: string;
  readonly moves: EntryTag["moves"];
  /** True: no other version gives this tag. */
  readonly fixed: boolean;
  readonly literal: boolean;
  /** Whether `latest=auto` takes it for a release. */
  readonly latest: boolean;
}

type Idle = Pick<IdleEntry, "severity" | "why">;

function nothing(why: string, severity: IdleEntry["severity"] = "info"): Idle {
  return { severity, why };
}

function globalValues({ change, defaultBranch, now }: EntryContext): ExpressionValues {
  const isDefault = change.kind === "branch" && change.name === defaultBranch;
  const own: readonly (readonly ["branch" | "tag", string])[] =
    change.kind === "pull_request" ? [] : [[change.kind, change.name]];
  return {
    texts: new Map([
      ...own,
      ["sha", change.commit?.slice(0, 7) ?? ""],
      ["base_ref", baseOf(change)],
      ["is_default_branch", String(isDefault)],
      ["is_not_default_branch", String(!isDefault)],
    ]),
    now,
    committedAt: change.committedAt ?? null,
  };
}

/** Empty for a branch, as the action documents it. */
function baseOf(change: EntryChange): string {
  if (change.kind === "pull_request") return change.pull.target;
  return change.kind === "tag" ? (change.baseBranch ?? "") : "";
}

function isEnabled({ enable }: MetadataEntry, { texts }: ExpressionValues): boolean {
  switch (enable) {
    case "always":
      return true;
    case "never":
      return false;
    case "default-branch":
      return texts.get("is_default_branch") === "true";
    case "not-default-branch":
      return texts.get("is_default_branch") !== "true";
  }
}

/** What an entry's own part gives, before prefix and suffix. `names`: the expressions it is made of. */
interface Core {
  readonly text: string | null;
  readonly version: SemVer | null;
  readonly names: readonly Expression["name"][];
  readonly literal: boolean;
  readonly latest: boolean;
}

function giveTag(entry: MetadataEntry, flavor: Flavor, context: EntryContext, values: ExpressionValues): Given | Idle {
  const core = coreOf(entry, context, values);
  if ("why" in core) return core;
  const [before, after] = [entry.prefix ?? flavor.prefix, entry.suffix ?? flavor.suffix];
  const [prefix, suffix] = [renderTemplate(before, values), renderTemplate(after, values)];
  if (core.text === null || prefix === null || suffix === null)
    return nothing("the moment of planning is not known", "warning");
  const text = `${prefix}${core.text}${suffix}`;
  if (text === "") return nothing("it is empty here");
  const around = [...expressionNames(before), ...expressionNames(after)];
  const { version } = core;
  return {
    text,
    moves: version === null ? null : { version, reading: readingOf(entry, context.versionPrefix) },
    fixed: [...core.names, ...around].some((name) => PINNED.includes(name)),
    literal: core.literal && around.length === 0,
    latest: core.latest,
  };
}

/** Expressions that name one ref, version, commit or day: a tag with one of them never has to move. */
const PINNED: readonly Expression["name"][] = ["branch", "tag", "sha", "version", "raw", "date", "commit_date"];

function coreOf(entry: MetadataEntry, context: EntryContext, values: ExpressionValues): Core | Idle {
  const { change, defaultBranch, versionPrefix } = context;
  const version = change.kind === "tag" ? parseVersion(change.name, versionPrefix) : null;
  const plain = { version, names: [], literal: false, latest: false };
  switch (entry.type) {
    case "semver":
      return semverCore(entry, context, values);
    case "match":
      return matchCore(entry, context, values);
    case "edge": {
      const branch = entry.branch ?? defaultBranch;
      return change.kind === "branch" && change.name === branch
        ? { ...plain, text: "edge", literal: true }
        : nothing(`it is for pushes to ${branch ?? "the default branch"}`);
    }
    case "ref":
      return entry.event === (change.kind === "pull_request" ? "pr" : change.kind)
        ? { ...plain, text: change.name, names: ["branch"], latest: change.kind === "tag" }
        : nothing(`it is for ${entry.event === "pr" ? "pull requests" : entry.event === "tag" ? "tags" : "branches"}`);
    case "raw": {
      const names = expressionNames(entry.value);
      return { ...plain, text: renderTemplate(entry.value, values), names, literal: names.length === 0 };
    }
    case "sha": {
      if (change.commit === null) return nothing("there is no commit");
      const text = entry.format === "long" ? change.commit : change.commit.slice(0, 7);
      return { ...plain, text, names: ["sha"] };
    }
  }
}

/** The text an entry looks at: its `value` if it gives one, else the tag's name; null: neither. */
function subjectOf(value: Template, { change }: EntryContext, values: ExpressionValues): string | null {
  const given = value.length > 0 ? (renderTemplate(value, values) ?? "") : "";
  // An expression that is empty here still is a value: the action looks at what is written.
  return value.length > 0 ? given : change.kind === "tag" ? change.name : null;
}

type SemverEntry = Extract<MetadataEntry, { readonly type: "semver" }>;
type MatchEntry = Extract<MetadataEntry, { readonly type: "match" }>;

function semverCore(entry: SemverEntry, context: EntryContext, values: ExpressionValues): Core | Idle {
  const subject = subjectOf(entry.value, context, values);
  if (subject === null) return nothing("it is for tags");
  const raw = versionPart(subject, entry.match);
  const version = raw === null ? null : semver.parse(raw);
  if (raw === null || version === null) return nothing(`${subject} is not a semantic version`, "warning");
  const names = expressionNames(entry.pattern);
  const [only] = entry.pattern.length === 1 ? names : [];
  // A pre-release must not move what releases move, so it gives its whole version whatever the pattern says.
  const early = isPrerelease(version);
  const pattern: Template = early && only !== "raw" ? [{ name: "version" }] : entry.pattern;
  const { major, minor, patch } = version;
  const parts = { raw, version: version.version, major: String(major), minor: String(minor), patch: String(patch) };
  const texts: ExpressionValues["texts"] = new Map([
    ["raw", parts.raw],
    ["version", parts.version],
    ["major", parts.major],
    ["minor", parts.minor],
    ["patch", parts.patch],
  ]);
  const text = renderTemplate(pattern, { ...values, texts });
  if (text === "0" && names.includes("major")) {
    return nothing("versions 0.x promise nothing to each other, so there is no tag 0");
  }
  return { text, version, names: expressionNames(pattern), literal: names.length === 0, latest: !early };
}

/** Null: the expression matches and has no first group. */
function versionPart(subject: string, match: Search | null): string | null {
  const groups = match?.find(subject, 0) ?? null;
  const part = groups === null ? subject : (groups[1] ?? null);
  return part?.replaceAll("/", "-") ?? null;
}

function matchCore(entry: MatchEntry, context: EntryContext, values: ExpressionValues): Core | Idle {
  const subject = subjectOf(entry.value, context, values);
  if (subject === null) return nothing("it is for tags");
  const text = matchPart(subject, entry);
  if (text === null) {
    const what = entry.search.find(subject, 0) === null ? "does not match" : `gives no group ${entry.group} of`;
    return nothing(`${entry.search.source} ${what} ${subject}`, "warning");
  }
  const version = parseVersion(subject, context.versionPrefix) ?? parseVersion(text, null);
  return { text, version, names: [], literal: false, latest: true };
}

function matchPart(subject: string, { search, every, group }: MatchEntry): string | null {
  return (every ? search.find(subject, group)?.[0] : search.find(subject, 0)?.[group]) ?? null;
}

/** How the entry sees a version in the name of a tag, for all the tags its own is compared with. */
function readingOf(entry: MetadataEntry, prefix: string | null): Reading {
  switch (entry.type) {
    case "semver": {
      const { match } = entry;
      return {
        key: `semver ${match?.source ?? ""}`,
        cost: (length) => READ + length * (match?.size ?? 0),
        parse: (name) => semver.parse(versionPart(name, match)),
      };
    }
    case "match": {
      const { search, group } = entry;
      return {
        key: JSON.stringify(["match", search.source, group, prefix]),
        cost: (length) => READ + length * search.size * (entry.every ? group + 1 : 1),
        parse(name) {
          const text = matchPart(name, entry);
          return text === null ? null : (parseVersion(name, prefix) ?? parseVersion(text, null));
        },
      };
    }
    default:
      return { key: JSON.stringify([prefix]), cost: () => READ, parse: (name) => parseVersion(name, prefix) };
  }
}

/** Steps that reading a version takes. */
const READ = 100;

function latestTag(flavor: Flavor, { moves }: Given, values: ExpressionValues): EntryTag {
  const prefix = flavor.prefixOnLatest ? (renderTemplate(flavor.prefix, values) ?? "") : "";
  const suffix = flavor.suffixOnLatest ? (renderTemplate(flavor.suffix, values) ?? "") : "";
  return { from: `flavor latest=${flavor.latest}`, text: `${prefix}latest${suffix}`, moves, literal: true };
}

/** Upper estimate of what {@link entryTags} takes for a tag of this name, in steps of 20 ns. */
export function workOf(entries: readonly MetadataEntry[], name: string): number {
  return entries.reduce((sum, entry) => {
    const search = entry.type === "match" ? entry.search : entry.type === "semver" ? entry.match : null;
    const times = entry.type === "match" && entry.every ? entry.group + 1 : 1;
    return sum + RENDER + name.length * (search?.size ?? 0) * times;
  }, 0);
}

/** Steps that making one tag takes. */
const RENDER = 250;

/** Whether which other versions there are can matter to a change of this kind. */
export function mayMoveByVersion(entry: MetadataEntry, flavor: Flavor, kind: Change["kind"]): boolean {
  if (kind === "tag") return entry.type !== "edge" || flavor.latest !== "false";
  return (entry.type === "semver" || entry.type === "match") && entry.value.length > 0;
}
