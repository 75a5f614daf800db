/** Reading commits, trees and differences out of a bare repository. */
import { fields, git, lines, resolveCommit, runGit } from "./git.ts";

export interface CommitData {
  readonly sha: string;
  readonly tree: string;
  readonly parents: readonly string[];
  readonly author: Signature;
  readonly committer: Signature;
  readonly message: string;
}

export interface Signature {
  readonly name: string;
  readonly email: string;
  /** ISO 8601. */
  readonly date: string;
}

export interface FileChange {
  readonly status: "added" | "removed" | "modified" | "renamed" | "changed";
  readonly path: string;
  /** Before a rename. */
  readonly previous: string | null;
  /** The blob, of the removed file when there is no new one. */
  readonly blob: string;
  readonly additions: number;
  readonly deletions: number;
  /** The pointer of a submodule moved: where it led and leads now, null where there was or is none. Null: a file. */
  readonly pointer: { readonly from: string | null; readonly to: string | null } | null;
}

export interface TreeItem {
  readonly mode: string;
  readonly type: "blob" | "tree" | "commit";
  readonly sha: string;
  /** 0 for anything but a blob. */
  readonly size: number;
  /** From the root. */
  readonly path: string;
}

const FORMAT = ["%H", "%T", "%P", "%an", "%ae", "%aI", "%cn", "%ce", "%cI", "%B"].join("%x00");

/** What `git log` selects, newest first. */
export async function readCommits(gitDir: string, selection: readonly string[]): Promise<readonly CommitData[]> {
  const out = await git(gitDir, ["log", "-z", `--format=${FORMAT}%x00`, ...selection, "--"]);
  const values = out.toString("utf8").split("\0");
  const commits: CommitData[] = [];
  // Ten fields, each ended by a NUL, then the NUL between two commits.
  for (let index = 0; index + 10 < values.length; index += 11) {
    const [sha = "", tree = "", parents = "", ...rest] = values.slice(index, index + 10);
    const [an = "", ae = "", ad = "", cn = "", ce = "", cd = "", message = ""] = rest;
    commits.push({
      sha,
      tree,
      parents: parents === "" ? [] : parents.split(" "),
      author: { name: an, email: ae, date: ad },
      committer: { name: cn, email: ce, date: cd },
      message: message.replace(/\n$/, ""),
    });
  }
  return commits;
}

export async function readCommit(gitDir: string, sha: string): Promise<CommitData> {
  const [commit] = await readCommits(gitDir, ["--max-count=1", sha]);
  if (commit === undefined) throw new Error(`no commit ${sha}`);
  return commit;
}

/** The empty tree, which git knows in every repository. */
export const EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

/** Files that differ between two commits or trees, renames found as GitHub does. */
export async function changedFiles(gitDir: string, from: string, to: string): Promise<readonly FileChange[]> {
  const [raw, stat] = await Promise.all([
    git(gitDir, ["diff-tree", "-r", "-z", "-M", "--raw", "--no-abbrev", from, to]),
    git(gitDir, ["diff-tree", "-r", "-z", "-M", "--numstat", from, to]),
  ]);
  const counts = readCounts(fields(stat));
  const words = fields(raw);
  const changes: FileChange[] = [];
  for (let index = 0; index < words.length; ) {
    const [oldMode = "", newMode = "", oldBlob = "", newBlob = "", letter = ""] = (words[index] ?? "")
      .slice(1)
      .split(" ");
    const renamed = letter.startsWith("R");
    const previous = renamed ? (words[index + 1] ?? "") : null;
    const path = words[index + (renamed ? 2 : 1)] ?? "";
    index += renamed ? 3 : 2;
    changes.push({
      status: statusOf(letter, oldMode, newMode, oldBlob === newBlob),
      path,
      previous,
      blob: letter === "D" ? oldBlob : newBlob,
      pointer: pointerOf(letter === "D" ? oldMode : newMode, oldMode === SUBMODULE ? oldBlob : null, newBlob),
      ...(counts.get(path) ?? { additions: 0, deletions: 0 }),
    });
  }
  return changes;
}

const SUBMODULE = "160000";

function pointerOf(mode: string, from: string | null, to: string): FileChange["pointer"] {
  if (mode !== SUBMODULE) return null;
  return { from, to: /^0+$/.test(to) ? null : to };
}

function statusOf(letter: string, oldMode: string, newMode: string, sameContent: boolean): FileChange["status"] {
  if (letter === "A") return "added";
  if (letter === "D") return "removed";
  if (letter.startsWith("R")) return "renamed";
  // GitHub's "changed" is a new mode or type without new contents.
  return letter === "T" || (oldMode !== newMode && sameContent) ? "changed" : "modified";
}

/** `-z --numstat`: `added TAB deleted TAB path`, for renames an empty path and then the two names. `-`: binary. */
function readCounts(words: readonly string[]): Map<string, { additions: number; deletions: number }> {
  const counts = new Map<string, { additions: number; deletions: number }>();
  for (let index = 0; index < words.length; index += 1) {
    const [added = "", deleted = "", name = ""] = (words[index] ?? "").split("\t");
    if (name === "") index += 2;
    const path = name === "" ? (words[index] ?? "") : name;
    counts.set(path, { additions: Number.parseInt(added, 10) || 0, deletions: Number.parseInt(deleted, 10) || 0 });
  }
  return counts;
}

/** The entry at a path of a commit; null: nothing there. The root is a tree. */
export async function treeItem(gitDir: string, commit: string, path: string): Promise<TreeItem | null> {
  if (path === "") {
    const sha = (await git(gitDir, ["rev-parse", `${commit}^{tree}`])).toString("ascii").trim();
    return { mode: "040000", type: "tree", sha, size: 0, path: "" };
  }
  // A pathspec ending in a slash, or one that climbs, would mean something else to git than to GitHub.
  if (path.split("/").some((part) => part === "" || part === "." || part === "..")) return null;
  const out = await git(gitDir, ["--literal-pathspecs", "ls-tree", "-z", "--long", "--full-tree", commit, "--", path]);
  return readTree(out, "")[0] ?? null;
}

/** Everything below a commit's root, folders included, each before what is in it. */
export async function allTreeItems(gitDir: string, commit: string): Promise<readonly TreeItem[]> {
  return readTree(await git(gitDir, ["ls-tree", "-r", "-t", "-z", "--long", "--full-tree", commit]), "");
}

export async function treeItems(gitDir: string, tree: TreeItem): Promise<readonly TreeItem[]> {
  return readTree(await git(gitDir, ["ls-tree", "-z", "--long", tree.sha]), tree.path === "" ? "" : `${tree.path}/`);
}

function readTree(out: Buffer, prefix: string): TreeItem[] {
  return fields(out).map((line) => {
    const tab = line.indexOf("\t");
    const [mode = "", type = "", sha = "", size = ""] = line.slice(0, tab).split(/ +/);
    return {
      mode,
      type: type === "tree" || type === "commit" ? type : "blob",
      sha,
      size: Number.parseInt(size, 10) || 0,
      path: prefix + line.slice(tab + 1),
    };
  });
}

export async function readBlob(gitDir: string, sha: string): Promise<Buffer> {
  return git(gitDir, ["cat-file", "blob", sha]);
}

/** Address of the submodule at a path, as `.gitmodules` of the commit says. */
export async function submoduleUrl(gitDir: string, commit: string, path: string): Promise<string | null> {
  const pattern = "^submodule\\..*\\.(path|url)$";
  const { code, stdout } = await runGit(gitDir, [
    "config",
    "-z",
    "--blob",
    `${commit}:.gitmodules`,
    "--get-regexp",
    pattern,
  ]);
  if (code !== 0) return null;
  const entries = fields(stdout).map((entry) => entry.split("\n"));
  const key = entries.find(([name, value]) => name?.endsWith(".path") && value === path)?.[0];
  const wanted = key?.replace(/\.path$/, ".url");
  return entries.find(([name]) => name === wanted)?.[1] ?? null;
}

export interface Comparison {
  readonly base: string;
  readonly head: string;
  readonly mergeBase: string;
  readonly ahead: number;
  readonly behind: number;
  /** Since the merge base, oldest first. */
  readonly commits: readonly CommitData[];
  readonly files: readonly FileChange[];
}

/** `missing`: a name that is not there; `unrelated`: no common ancestor. */
export async function compare(
  gitDir: string,
  base: string,
  head: string,
): Promise<Comparison | "missing" | "unrelated"> {
  const [from, to] = await Promise.all([resolveCommit(gitDir, base), resolveCommit(gitDir, head)]);
  if (from === null || to === null) return "missing";
  const found = await runGit(gitDir, ["merge-base", from, to]);
  if (found.code !== 0) return "unrelated";
  const mergeBase = found.stdout.toString("ascii").trim();
  const [commits, behind, files] = await Promise.all([
    readCommits(gitDir, [`${from}..${to}`]),
    git(gitDir, ["rev-list", "--count", `${to}..${from}`]),
    changedFiles(gitDir, mergeBase, to),
  ]);
  return {
    base: from,
    head: to,
    mergeBase,
    ahead: commits.length,
    behind: Number(lines(behind)[0]),
    commits: commits.toReversed(),
    files,
  };
}

/** `ancestor` is `commit` itself or lies behind it. */
export async function isAncestor(gitDir: string, ancestor: string, commit: string): Promise<boolean> {
  return (await runGit(gitDir, ["merge-base", "--is-ancestor", ancestor, commit])).code === 0;
}
