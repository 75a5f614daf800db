/**
 * Paths as the file gives them, checked by their text alone: what links lead to is looked at when a checkout exists.
 */

export type CheckedPath =
  | { readonly ok: true; readonly path: string }
  | { readonly ok: false; readonly message: string };

const MAX_PATH = 512;

/** `a/./b//c/../d/` as `a/b/d`; the empty path as `.`. Leading `..` stay. */
export function normalizePath(path: string): string {
  const segments: string[] = [];
  for (const segment of path.split("/")) {
    if (segment === "" || segment === ".") continue;
    const last = segments.at(-1);
    if (segment === ".." && last !== undefined && last !== "..") segments.pop();
    else segments.push(segment);
  }
  return segments.length === 0 ? "." : segments.join("/");
}

/** A path relative to the repository's root that stays inside it. */
export function checkFolder(text: string): CheckedPath {
  const problem = textProblem(text);
  if (problem !== null) return { ok: false, message: problem };
  const path = normalizePath(text);
  return leaves(path) ? { ok: false, message: OUTSIDE } : { ok: true, path };
}

/** A file's path relative to `folder`; it may leave the folder, but not the repository. */
export function checkFileIn(folder: string, text: string): CheckedPath {
  const problem = textProblem(text);
  if (problem !== null) return { ok: false, message: problem };
  const path = normalizePath(text);
  if (text.endsWith("/") || /(?:^|\/)\.\.?$/.test(path))
    return { ok: false, message: "this names a folder, not a file" };
  return leaves(normalizePath(`${folder}/${path}`)) ? { ok: false, message: OUTSIDE } : { ok: true, path };
}

const OUTSIDE = "the path leads out of the repository";

function leaves(path: string): boolean {
  return path === ".." || path.startsWith("../");
}

function textProblem(text: string): string | null {
  if (text === "") return "the path is empty; the repository's root is `.`";
  if (text.length > MAX_PATH) return `a path may have ${MAX_PATH} characters`;
  if (/[\p{Cc}\p{Cs}]/u.test(text)) return "a path must not contain control characters";
  if (text.startsWith("/")) return "paths are relative: leave out the leading `/`; the repository's root is `.`";
  if (text.includes("\\")) return "a path uses `/` between folders, never a backslash";
  // Builders take `address#ref:folder` for a remote repository and `-…` for an option.
  if (/[#:]/.test(text)) return "a path must not contain `#` or `:`; the context is always a folder of this repository";
  if (/(?:^|\/)-/.test(text)) return "no part of a path may begin with `-`";
  return null;
}
