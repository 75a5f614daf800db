import type { BuildInputs, Change } from "./model.ts";
import { changedOf, touches } from "./paths.ts";
import { CONFIG_FILE, type ImageConfig, type RuleConfig } from "./repo-config/config.ts";
import { normalizePath } from "./repo-config/repository-path.ts";

export type PathVerdict =
  /** `remark`: something a person may wonder about, or null. `by`: the path that decided, and why it does; null: none. */
  | { readonly build: true; readonly remark: string | null; readonly by: string | null }
  /** `why`: a clause for people, with counts. */
  | { readonly build: false; readonly why: string };

const BUILD = { build: true, remark: null, by: null } as const satisfies PathVerdict;

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
    return { ...BUILD, remark: "built without looking at paths: which files changed is not known" };
  }
  if (change.kind === "branch" && change.before === null && changedPaths.length === 0) {
    return BUILD;
  }
  const touch = touches(paths, changedPaths);
  if (touch.hit) {
    return { ...BUILD, by: touch.pattern === null ? touch.path : `${touch.path} matches ${touch.pattern}` };
  }
  const always = changedOf(filesThatAlwaysCount(rule.inputs), changedPaths);
  return always === null
    ? { build: false, why: explainMiss(paths, touch) }
    : { ...BUILD, by: `${always} always counts` };
}

/** What says how the image is built, and which files the build sees: builders read both names, beside either. */
function filesThatAlwaysCount(inputs: Pick<BuildInputs, "context" | "dockerfile">): readonly string[] {
  const dockerfile = dockerfilePath(inputs);
  const names = [".dockerignore", ".containerignore"];
  const beside = names.map((suffix) => `${dockerfile}${suffix}`);
  const inContext = names.map((name) => normalizePath(`${inputs.context}/${name}`));
  return [CONFIG_FILE, dockerfile, ...beside, ...inContext];
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
