import type { BuildInputs, Change } from "./model.ts";
import { touches } from "./paths.ts";
import { CONFIG_FILE, type ImageConfig, type RuleConfig } from "./repo-config/config.ts";
import { normalizePath } from "./repo-config/repository-path.ts";

export type PathVerdict =
  /** `remark`: something a person may wonder about, or null. */
  | { readonly build: true; readonly remark: string | null }
  /** `why`: a clause for people, with counts. */
  | { readonly build: false; readonly why: string };

const BUILD: PathVerdict = { build: true, remark: null };

/**
 * Whether the files a change touched concern an image. Not knowing them means building: a build too many costs minutes,
 * one too few an outdated image nobody notices. A tag is a statement about the whole tree, so paths say nothing of it; a
 * new branch without commits of its own touches nothing, and is new all the same.
 */
export function judgePaths(
  image: Pick<ImageConfig, "paths">,
  rule: Pick<RuleConfig, "inputs">,
  facts: { readonly change: Pick<Change, "kind" | "before">; readonly changedPaths: readonly string[] | null },
): PathVerdict {
  const { paths } = image;
  const { change, changedPaths } = facts;
  if (paths === null || change.kind === "tag") {
    return BUILD;
  }
  if (changedPaths === null) {
    return { build: true, remark: "built without looking at paths: which files changed is not known" };
  }
  if (change.kind === "branch" && change.before === null && changedPaths.length === 0) {
    return BUILD;
  }
  const always = [CONFIG_FILE, dockerfilePath(rule.inputs)];
  const touch = touches(paths, changedPaths);
  if (touch.hit || changedPaths.some((path) => always.includes(path))) {
    return BUILD;
  }
  return { build: false, why: explainMiss(paths, touch) };
}

/** Repository-relative path of the Dockerfile, which the file gives relative to the context. */
export function dockerfilePath(inputs: Pick<BuildInputs, "context" | "dockerfile">): string {
  return normalizePath(`${inputs.context}/${inputs.dockerfile}`);
}

function explainMiss(
  { include, exclude }: NonNullable<ImageConfig["paths"]>,
  { changed, excluded }: { readonly changed: number; readonly excluded: number },
): string {
  const count = changed === 1 ? "1 file changed" : `${changed} files changed`;
  if (changed === 0) {
    return count;
  }
  const one = changed === 1;
  if (excluded === changed) {
    return `${count}, ${one ? "and it is" : "all"} excluded by ${listOf(exclude)}`;
  }
  const miss = `${one ? "and it does not match" : `none of ${excluded > 0 ? "the others" : "them"} matches`} ${listOf(include)}`;
  return excluded > 0 ? `${count}, ${excluded} excluded by ${listOf(exclude)}, ${miss}` : `${count}, ${miss}`;
}

/** As many patterns as a line of a table bears. */
const SHOWN = 5;

function listOf(patterns: readonly { readonly source: string }[]): string {
  const shown = patterns.slice(0, SHOWN).map(({ source }) => source);
  const rest = patterns.length - shown.length;
  return rest > 0 ? `${shown.join(", ")} and ${rest} more` : shown.join(", ");
}
