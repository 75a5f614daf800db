import type { RuleMatch } from "../rules.ts";
import { isLegalTag, sanitizeTag } from "./grammar.ts";
import { type EntryTag, entryTags, type MetadataEntry } from "./metadata-action.ts";
import { type Holder, heldTags, versionPrefixOf } from "./newer-tags.ts";
import type { DroppedTag, RuleTags, TagContext, TagRemark } from "./rule-tags.ts";
import { versionText } from "./semver.ts";

/** An entry's tag once it is legal. */
interface LegalTag extends EntryTag {
  readonly tag: string;
}

/**
 * What a rule's entries in docker/metadata-action's words give. The action knows of no other tags, so there a backport
 * moves `latest` backwards; here a tag that a newer version has stays with it.
 */
export function metadataTags(match: RuleMatch, entries: readonly MetadataEntry[], context: TagContext): RuleTags {
  const { image, change, history } = context;
  const versionPrefix = versionPrefixOf(match.rule);
  const given = entryTags(entries, image.flavor, { ...context, versionPrefix });
  const dropped: DroppedTag[] = [];
  const remarks: TagRemark[] = [];
  const legal: LegalTag[] = [];
  for (const one of given.tags) {
    const tag = legalTag(one);
    if (typeof tag === "string") legal.push({ ...one, tag });
    else dropped.push({ template: one.from, reason: "invalid-tag", severity: "warning", why: tag.why });
  }
  const wanted = legal.flatMap(({ tag, moves }) => (moves === null ? [] : [{ tag, ...moves }]));
  if (wanted.length > 0 && !history.known) remarks.push(unknownHistory(change.name));
  const held = heldTags(wanted, context);
  const tags = new Set<string>();
  const versions = new Map<string, string>();
  for (const { tag, text, from, moves } of legal) {
    const holder = moves === null ? undefined : held.get(tag);
    if (holder !== undefined) {
      dropped.push({ template: from, reason: "older-than-published", severity: "warning", why: whyHeld(tag, holder) });
      continue;
    }
    if (tag !== text) remarks.push({ severity: "info", message: `${text} is published as ${tag}` });
    if (moves !== null && (!tags.has(tag) || versions.has(tag))) versions.set(tag, versionText(moves.version));
    if (moves === null) versions.delete(tag);
    tags.add(tag);
  }
  // What an entry is not for is worth a word only where nothing else came of the rule.
  const worth = given.idle.filter(({ severity }) => tags.size === 0 || severity === "warning");
  const idle = worth.map(
    ({ from, severity, why }) => ({ template: from, reason: "invalid-tag", severity, why }) as const,
  );
  return { tags: [...tags], versions, dropped: [...dropped, ...idle], remarks };
}

export function unknownHistory(name: string): TagRemark {
  const message = `the repository's other tags are not known: ${name} is taken as its only version`;
  return { severity: "warning", message };
}

function legalTag({ text, literal }: EntryTag): string | { readonly why: string } {
  const tag = isLegalTag(text) ? text : sanitizeTag(text);
  if (tag === null) return { why: "nothing of it is legal in an image tag (A-Z a-z 0-9 _ . -)" };
  if (tag === "latest" && !literal) {
    return { why: "it would be latest by accident; write type=raw,value=latest if that is meant" };
  }
  return tag;
}

function whyHeld(tag: string, holder: Holder): string {
  return holder === "unknown"
    ? `${tag} stays where it is: the repository has too many tags to compare it with`
    : `${tag} stays with ${versionText(holder)}, which is newer`;
}
