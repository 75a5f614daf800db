import type { Change, SkipReason } from "../model.ts";
import type { ImageConfig, RuleConfig, TagEntry } from "../repo-config/config.ts";
import type { RuleMatch } from "../rules.ts";
import { metadataTags, unknownHistory } from "./metadata-tags.ts";
import { isMoving, placeholders, renderTag, tagValues } from "./native.ts";
import { isMetadataEntry } from "./newer-tags.ts";
import { isPrerelease, type Line, type VersionHistory, versionText } from "./semver.ts";

/** The tags one matched rule gives, and what became of the others. */
export interface RuleTags {
  /** Legal, distinct, in the order of the file. */
  readonly tags: readonly string[];
  /** Of these, each that moves from version to version, and the version it moves to now. */
  readonly versions: ReadonlyMap<string, string>;
  readonly dropped: readonly DroppedTag[];
  readonly remarks: readonly TagRemark[];
}

export interface DroppedTag {
  readonly template: string;
  readonly reason: Extract<SkipReason, "invalid-tag" | "older-than-published">;
  /** `info`: as it should be, e.g. no `latest` from a pre-release. `warning`: probably not what the rule was meant to do. */
  readonly severity: "warning" | "info";
  /** A clause for people. */
  readonly why: string;
}

export interface TagRemark {
  readonly severity: "warning" | "info";
  readonly message: string;
}

export interface TagContext {
  readonly image: ImageConfig;
  readonly change: Change;
  readonly defaultBranch: string | null;
  readonly history: VersionHistory;
  /** ISO 8601. */
  readonly now: string;
}

/** The rule's templates, or what it means to leave `tags` out. */
export function templatesOf(
  rule: Pick<RuleConfig, "tags" | "on">,
  change: Pick<Change, "name">,
  defaultBranch: string | null,
): readonly TagEntry[] {
  if (rule.tags !== null) {
    return rule.tags;
  }
  switch (rule.on.kind) {
    case "branch":
      return change.name === defaultBranch ? ["latest"] : ["{sourceref}"];
    case "tag":
      return ["{sourceref}"];
    case "semver":
      return ["{version}"];
    case "pull_request":
      return ["pr-{pr}"];
  }
}

/** Entries in docker/metadata-action's words follow the native ones. */
export function ruleTags(match: RuleMatch, context: TagContext): RuleTags {
  const listed = templatesOf(match.rule, context.change, context.defaultBranch);
  const native = nativeTags(match, listed.filter(isTemplate), context);
  const entries = listed.filter(isMetadataEntry);
  return entries.length === 0 ? native : joined(native, metadataTags(match, entries, context));
}

function isTemplate(entry: TagEntry): entry is string {
  return !isMetadataEntry(entry);
}

function joined(first: RuleTags, second: RuleTags): RuleTags {
  const versions = new Map([...first.versions, ...second.versions]);
  // A tag that one of them lets follow pushes does not move by version.
  for (const { tags, versions: moved } of [first, second]) {
    for (const tag of tags) if (!moved.has(tag)) versions.delete(tag);
  }
  const remarks = [...first.remarks, ...second.remarks];
  return {
    tags: [...new Set([...first.tags, ...second.tags])],
    versions,
    dropped: [...first.dropped, ...second.dropped],
    remarks: remarks.filter(({ message }, at) => remarks.findIndex((other) => other.message === message) === at),
  };
}

function nativeTags(match: RuleMatch, templates: readonly string[], context: TagContext): RuleTags {
  const values = tagValues(context.change, match, context.now);
  const tags = new Set<string>();
  const versions = new Map<string, string>();
  const dropped: DroppedTag[] = [];
  const remarks = historyRemarks(match, templates, context);
  for (const template of templates) {
    const rendered = renderTag(template, values);
    if (!rendered.ok) {
      dropped.push({ template, reason: "invalid-tag", severity: "warning", why: rendered.why });
      continue;
    }
    const refusal = refuseMove(template, rendered.tag, match, context);
    if (refusal !== null) {
      dropped.push(refusal);
      continue;
    }
    if (rendered.tag !== rendered.written) {
      remarks.push({ severity: "info", message: `${rendered.written} is published as ${rendered.tag}` });
    }
    tags.add(rendered.tag);
    if (match.version !== null && isMoving(template)) {
      versions.set(rendered.tag, versionText(match.version));
    }
  }
  return { tags: [...tags], versions, dropped, remarks };
}

/** Null: the tag may be published. Only tags of semver rules move by version; a branch's `latest` follows the branch. */
function refuseMove(template: string, tag: string, match: RuleMatch, context: TagContext): DroppedTag | null {
  const { version, rule } = match;
  if (version === null || rule.on.kind !== "semver" || !isMoving(template)) {
    return null;
  }
  if (isPrerelease(version)) {
    const why = `${versionText(version)} is a pre-release, which publishes only tags that carry its whole version`;
    return { template, reason: "invalid-tag", severity: "info", why };
  }
  if (tag === "0") {
    const why = "versions 0.x promise nothing to each other, so there is no tag 0";
    return { template, reason: "invalid-tag", severity: "info", why };
  }
  const { prefix } = rule.on;
  const ranges = rangesPublishing(template, prefix, context.image);
  const newer = context.history.newer(version, { prefix, line: lineOf(template), ranges });
  if (newer === null) {
    return null;
  }
  const why = `${tag} stays with ${versionText(newer)}, which is newer`;
  return { template, reason: "older-than-published", severity: "info", why };
}

function lineOf(template: string): Line {
  const names = placeholders(template);
  return { major: names.includes("major"), minor: names.includes("minor"), patch: names.includes("patch") };
}

/** Several rules may move one tag, each in its own range (`1.x` and `2.x` both publish `latest`): all of them count. */
function rangesPublishing(template: string, prefix: string | null, image: ImageConfig): readonly string[] {
  return image.rules.flatMap(({ on, tags }) =>
    on.kind === "semver" && on.prefix === prefix && tags?.includes(template) ? [on.range] : [],
  );
}

function historyRemarks(match: RuleMatch, templates: readonly string[], { history, change }: TagContext): TagRemark[] {
  if (match.rule.on.kind !== "semver") {
    return [];
  }
  if (!history.known && templates.some(isMoving)) {
    return [unknownHistory(change.name)];
  }
  const twin = history.twin(change.name, match.rule.on.prefix);
  return twin === null
    ? []
    : [{ severity: "warning", message: `tags ${change.name} and ${twin} are the same version and share image tags` }];
}
