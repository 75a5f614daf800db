import { MAX_SUBJECT, type Pattern } from "./patterns.ts";

/** An image's `paths`. An empty `include` means every path. */
export interface PathFilter {
  readonly include: readonly Pattern[];
  readonly exclude: readonly Pattern[];
}

/** Whether a change concerns an image, with what an explanation needs to say so. */
export type Touch =
  /** The first file that counts and the glob it matched. Both null without a filter; `pattern` without `include`. */
  | { readonly hit: true; readonly path: string | null; readonly pattern: string | null }
  /** None of the `changed` files counts; `excluded` of them would, but for `exclude`. */
  | { readonly hit: false; readonly changed: number; readonly excluded: number };

/**
 * Whether any changed path counts for an image. `exclude` wins, file by file. Without a filter everything counts, even
 * a change of no files. A path too long for patterns counts: what can not be judged is built.
 */
export function touches(filter: PathFilter | null, changed: readonly string[]): Touch {
  if (filter === null) return { hit: true, path: null, pattern: null };
  let excluded = 0;
  for (const path of changed) {
    if (path.length > MAX_SUBJECT) return { hit: true, path, pattern: null };
    const include = filter.include.find((pattern) => pattern.match(path) !== null);
    if (include === undefined && filter.include.length > 0) continue;
    if (filter.exclude.some((pattern) => pattern.match(path) !== null)) excluded += 1;
    else return { hit: true, path, pattern: include?.source ?? null };
  }
  return { hit: false, changed: changed.length, excluded };
}
