import type { Flavor } from "../tags/metadata-action.ts";
import type { RuleConfig } from "./config.ts";
import { type DataPath, type Problems, shown } from "./problems.ts";

/** A rule with the name of its image and the entry of `images` it stands in. */
export interface PlacedRule {
  readonly image: string;
  readonly entry: number;
  readonly rule: RuleConfig;
  readonly flavor: Flavor;
}

/**
 * Reports tags that two rules give to one image for exactly the same refs. Rules of one entry with equal inputs are one
 * build and may; otherwise the second would overwrite the first each time. Two entries of one name may not even then:
 * each has its own `paths`, and who reads the file could not tell which of them moves the tag. Rules whose patterns
 * merely overlap are judged for each event, by `settle`. Rules that do not publish are in nobody's way, here and there.
 */
export function reportCollisions(rules: readonly PlacedRule[], problems: Problems): void {
  const owners = new Map<string, PlacedRule & { readonly build: string }>();
  for (const placed of rules.filter(({ rule }) => rule.push)) {
    const candidate = { ...placed, build: buildKey(placed) };
    for (const [index, listed] of (placed.rule.tags ?? [null]).entries()) {
      const tag = typeof listed === "object" && listed !== null ? listed.source : listed;
      // One entry in two images' words gives the same tags only if both have the same flavor.
      const flavor = tag === listed ? null : placed.flavor;
      const key = JSON.stringify([placed.image, trigger(placed.rule.on), tag, flavor]);
      const owner = owners.get(key);
      if (owner === undefined) owners.set(key, candidate);
      else if (owner.build !== candidate.build) {
        problems.error(placeOf(placed, tag === null ? null : index), message(placed, owner, tag));
      }
    }
  }
}

/** Where the tag stands; a broken rule before this one may have been left out, so the list's positions do not tell. */
export function placeOf({ entry, rule }: PlacedRule, tag: number | null): DataPath {
  const index = Number(/\[(\d+)\]$/.exec(rule.path)?.[1]);
  const place: DataPath = ["images", entry, "rules", index];
  return tag === null ? place : [...place, "tags", tag];
}

function message(placed: PlacedRule, owner: PlacedRule, tag: string | null): string {
  const what = tag === null ? "the default tag" : `tag \`${shown(tag)}\``;
  return `${owner.rule.path} already gives ${what} to image \`${placed.image}\` for the same refs, from another entry or with other inputs; use another tag or image name`;
}

function trigger(on: RuleConfig["on"]): readonly (string | null)[] {
  return on.kind === "semver" ? [on.kind, on.range, on.prefix] : [on.kind, on.pattern.source];
}

/** Equal for rules of one image with equal inputs: they are merged into one build. */
function buildKey({ entry, rule }: PlacedRule): string {
  const { buildArgs, labels, ...rest } = rule.inputs;
  return JSON.stringify([entry, rest, Object.entries(buildArgs).sort(), Object.entries(labels).sort()]);
}
