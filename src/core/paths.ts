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
  const [included, ignored] = [filter.include.map(withBeginning), filter.exclude.map(withBeginning)];
  let excluded = 0;
  for (const one of changed) {
    const { path, submodule } = read(one);
    if (path.length > MAX_SUBJECT) return { hit: true, path, pattern: null };
    const include = included.find((glob) => includes(glob, path, submodule));
    if (include === undefined && included.length > 0) continue;
    if (ignored.some((glob) => excludes(glob, path, submodule))) excluded += 1;
    else return { hit: true, path, pattern: include?.pattern.source ?? null };
  }
  return { hit: false, changed: changed.length, excluded };
}

/** Whether one of the files changed, or a folder above it did as a whole; see {@link includes}. Null: none did. */
export function changedOf(files: readonly string[], changed: readonly string[]): string | null {
  return files.find((file) => changed.some((one) => isOrHolds(read(one).path, file))) ?? null;
}

function isOrHolds(path: string, file: string): boolean {
  return file === path || file.startsWith(`${path}/`);
}

/** Git has no paths of folders, so one with a `/` at its end is how a host marks the pointer of a submodule. */
function read(changed: string): { readonly path: string; readonly submodule: boolean } {
  const submodule = changed.endsWith("/");
  return { path: submodule ? changed.slice(0, -1) : changed, submodule };
}

/**
 * The pointer of a submodule is one path, that of its folder, and stands for all that is in it. Hosts do not always mark
 * it, but a path that a pattern names as a folder can be nothing else, or a link or file in place of the folder: to
 * `libs/foo/**`, and to `libs/foo/go.mod`, the path `libs/foo` counts.
 */
function includes({ pattern, beginning }: Glob, path: string, submodule: boolean): boolean {
  if (pattern.match(path) !== null || beginning.startsWith(`${path}/`)) return true;
  if (!submodule) return false;
  const inside = `${path}/`;
  const { source } = pattern;
  const isFolder = /(?:^|\/)\*\*$/.test(source) && source.indexOf("**") === source.length - 2;
  if (isFolder && depthOf(inside) >= depthOf(source)) return matchesAll(pattern, path);
  // What the submodule holds is not known: only the folder at the pattern's beginning can rule it out.
  return inside.startsWith(beginning.slice(0, beginning.lastIndexOf("/") + 1));
}

function depthOf(path: string): number {
  return path.split("/").length;
}

/** All of it, for the pointer of a submodule. */
function excludes({ pattern, beginning }: Glob, path: string, submodule: boolean): boolean {
  if (pattern.match(path) !== null) return true;
  return (submodule || beginning.startsWith(`${path}/`)) && matchesAll(pattern, path);
}

/** Whether a pattern matches every file below a folder. */
function matchesAll(pattern: Pattern, folder: string): boolean {
  return [ANY_NAME, `${ANY_NAME}/${ANY_NAME}`].every((file) => pattern.match(`${folder}/${file}`) !== null);
}

interface Glob {
  readonly pattern: Pattern;
  /** What comes before anything that is not meant letter by letter. */
  readonly beginning: string;
}

function withBeginning(pattern: Pattern): Glob {
  const end = pattern.source.search(/[*?[{]/);
  return { pattern, beginning: end === -1 ? pattern.source : pattern.source.slice(0, end) };
}

/** No pattern may hold a control character: what matches this matches any name that is as long, and with `*` any. */
const ANY_NAME = "\u0001".repeat(40);
