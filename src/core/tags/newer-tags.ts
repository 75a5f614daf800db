import type { SemVer } from "semver";
import { regexSize } from "../regex-size.ts";
import type { ImageConfig, RuleConfig, TagEntry } from "../repo-config/config.ts";
import { judgeRule, type RuleMatch } from "../rules.ts";
import { sanitizeTag } from "./grammar.ts";
import { type EntryContext, entryTags, type MetadataEntry, workOf } from "./metadata-action.ts";
import { isMoving, renderTag, tagValues } from "./native.ts";
import { isPrerelease, type Reading, type VersionHistory } from "./semver.ts";

export function isMetadataEntry(entry: TagEntry): entry is MetadataEntry {
  return typeof entry !== "string";
}

/** A tag somebody wants to move to a version. */
export interface WantedMove {
  readonly tag: string;
  readonly version: SemVer;
  readonly reading: Reading;
}

/** Why a tag stays: with this version, or because there is too much to compare it with. */
export type Holder = SemVer | "unknown";

export interface NewerFacts {
  readonly image: ImageConfig;
  readonly history: VersionHistory;
  readonly defaultBranch: string | null;
  /** ISO 8601. */
  readonly now: string;
}

/**
 * Of tags that want to move, those that stay: where another tag of the repository is a higher version, and a rule of the
 * image gives it the same tag. Each tag of the repository is asked once, from the highest version down, and only as long
 * as there is something to find.
 */
export function heldTags(wanted: readonly WantedMove[], facts: NewerFacts): ReadonlyMap<string, Holder> {
  const held = new Map<string, Holder>();
  const readings = new Map(wanted.map(({ reading }) => [reading.key, reading]));
  for (const reading of readings.values()) {
    const pending = new Map(
      wanted.filter((one) => one.reading.key === reading.key).map((one) => [one.tag, one.version]),
    );
    const lowest = [...pending.values()].reduce((low, one) => (one.compare(low) < 0 ? one : low));
    hold(pending, facts.history.above(lowest, reading), facts, held);
  }
  return held;
}

function hold(
  pending: Map<string, SemVer>,
  newer: ReturnType<VersionHistory["above"]>,
  facts: NewerFacts,
  held: Map<string, Holder>,
): void {
  let affordable = newer !== null;
  for (const { name, version } of newer ?? []) {
    if (pending.size === 0) return;
    const given = tagsGivenTo(name, facts);
    if (given === null) {
      affordable = false;
      break;
    }
    for (const [tag, own] of pending) {
      if (given.has(tag) && version.compare(own) > 0) {
        held.set(tag, version);
        pending.delete(tag);
      }
    }
  }
  if (!affordable) {
    for (const tag of pending.keys()) held.set(tag, "unknown");
  }
}

/** All tags that the image's rules would give to a tag of this name; null: too much work. */
function tagsGivenTo(name: string, facts: NewerFacts): ReadonlySet<string> | null {
  const change = { kind: "tag", name, ref: `refs/tags/${name}`, commit: null } as const;
  const given = new Set<string>();
  for (const rule of facts.image.rules) {
    if (!rule.push || rule.on.kind === "branch" || rule.on.kind === "pull_request") continue;
    if (!facts.history.afford(judgingWork(rule, name))) return null;
    const match = judgeRule(rule, change);
    if (!match.matches) continue;
    const entries = (rule.tags ?? []).filter(isMetadataEntry);
    if (!facts.history.afford(workOf(entries, name))) return null;
    const context: EntryContext = { ...facts, change, versionPrefix: versionPrefixOf(rule) };
    for (const { text } of entryTags(entries, facts.image.flavor, context).tags) {
      const tag = sanitizeTag(text);
      if (tag !== null) given.add(tag);
    }
    for (const tag of nativeTags(match, change, facts.now)) given.add(tag);
  }
  return given;
}

export function versionPrefixOf({ on }: RuleConfig): string | null {
  return on.kind === "semver" ? on.prefix : null;
}

/** A match takes some 20 ns for each instruction and character; a range costs what a short pattern does. */
function judgingWork({ on }: RuleConfig, name: string): number {
  if (on.kind === "semver") return 1000;
  const source = on.kind === "tag" ? on.pattern.source : "";
  return 100 + name.length * (source.startsWith("/") ? regexSize(source) : 10 + 4 * source.length);
}

function nativeTags(match: RuleMatch, change: Parameters<typeof tagValues>[0], now: string): readonly string[] {
  const values = tagValues(change, match, now);
  const early = match.version !== null && isPrerelease(match.version);
  return (match.rule.tags ?? []).flatMap((template) => {
    if (isMetadataEntry(template) || (early && isMoving(template))) return [];
    const rendered = renderTag(template, values);
    return rendered.ok ? [rendered.tag] : [];
  });
}
