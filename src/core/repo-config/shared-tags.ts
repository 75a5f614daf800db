import { hasGlobCharacters } from "../globs.ts";
import { placeholders, renderTag } from "../tags/native.ts";
import { type PlacedRule, placeOf } from "./collisions.ts";
import type { RuleConfig } from "./config.ts";
import { isMetadataText } from "./metadata-entry.ts";
import { type Problems, shown } from "./problems.ts";

/**
 * Remarks on tags that several branches share, so that each push takes the tag from the branch before. Where rules name
 * their branches this is seen here, also where two names become one tag (`feature/x`, `feature-x`). A glob may always
 * match two such names, so of globs only tags are worth a word that are the same for all. Branches and versions share
 * `latest` on purpose, and so do tags one after the other.
 */
export function remarkSharedTags(rules: readonly PlacedRule[], problems: Problems): void {
  const owners = new Map<string, { readonly rule: RuleConfig; readonly name: string }>();
  for (const placed of rules) {
    const { rule, image } = placed;
    if (!rule.push || (rule.on.kind !== "branch" && rule.on.kind !== "pull_request")) continue;
    const name = rule.on.kind === "branch" ? exactName(rule.on.pattern.source) : null;
    for (const [index, template] of (rule.tags ?? ["{sourceref}"]).entries()) {
      // A text that is meant as an entry is a broken one, which was reported.
      if (typeof template !== "string" || template === "" || isMetadataText(template)) continue;
      const place = placeOf(placed, rule.tags === null ? null : index);
      if (name === null) {
        if (isSameForAll(template)) problems.add({ severity: "info", path: place, at: "value", message: forAll(rule) });
        continue;
      }
      const rendered = renderTag(template, new Map(["sourceref", "branch"].map((key) => [key, name])));
      if (!rendered.ok) continue;
      const key = JSON.stringify([image, rendered.tag]);
      const owner = owners.get(key);
      if (owner === undefined) owners.set(key, { rule, name });
      else if (owner.name !== name) problems.warn(place, forBoth(rendered.tag, owner, name));
    }
  }
}

/** `{date}` alone tells no branch from another. */
function isSameForAll(template: string): boolean {
  return placeholders(template).every((name) => name === "date");
}

function forAll({ on }: RuleConfig): string {
  const what = on.kind === "pull_request" ? "pull requests" : "branches";
  return `all ${what} that the rule matches share this tag: the last push has it`;
}

function forBoth(tag: string, owner: { readonly rule: RuleConfig; readonly name: string }, name: string): string {
  return `the branches \`${shown(owner.name)}\` (${owner.rule.path}) and \`${shown(name)}\` share the tag \`${shown(tag)}\`: the last push has it`;
}

/** The one name a pattern matches; null: there may be several. */
function exactName(source: string): string | null {
  if (!source.startsWith("/")) return hasGlobCharacters(source) ? null : source;
  const body = /^\/\^((?:[^\\^$.|?*+()[\]{}]|\\[^A-Za-z0-9])*)\$\/$/.exec(source)?.[1];
  return body?.replace(/\\(.)/g, "$1") ?? null;
}
