import { lstat, readdir, realpath } from "node:fs/promises";
import { join, sep } from "node:path";
import { plainText } from "../core/log-lines.ts";
import { parseSha, type Sha } from "../core/model.ts";
import { normalizePath } from "../core/repo-config/repository-path.ts";
import { gitEnvironment } from "../git/environment.ts";
import { type OpenedRepository, submoduleAddress } from "./checkout-address.ts";
import { fetchCommit, type Git } from "./checkout-git.ts";
import { type CheckoutFailure, explainSubmodule, refused, shorten } from "./checkout-words.ts";
import { errorCode } from "./errno.ts";

/** Submodules of submodules, and so on. */
const MAX_DEPTH = 5;
/** Of one build. */
const MAX_SUBMODULES = 100;
const TOO_MANY = `has more than ${MAX_SUBMODULES} submodules, which is the most that is fetched.`;

/** A repository that was fetched. */
interface Fetched {
  readonly url: string;
  readonly sha: Sha;
  readonly gitDir: string;
  /** From the root of the built repository; empty: it is that one. */
  readonly path: string;
}

export interface SubmoduleOptions {
  readonly git: Git;
  readonly root: Omit<Fetched, "path"> & {
    /** As git sees it. */
    readonly workTree: string;
    /** The same on the machine. */
    readonly folder: string;
  };
  readonly inputs: { readonly context: string; readonly dockerfile: string };
  readonly opened: readonly OpenedRepository[];
  readonly trusted: boolean;
  /** False: the build's commands get nowhere. */
  readonly hasNetwork: boolean;
  readonly say: (line: string) => void;
}

/** What `.gitmodules` says of one submodule. */
interface Entry {
  readonly path: string;
  readonly url: string | null;
  /** Its owner says that nobody needs it, with `update = none`. */
  readonly skipped: boolean;
}

/** One that is to be fetched. */
interface Submodule {
  /** From the root of the built repository. */
  readonly path: string;
  readonly sha: Sha;
  /** As written. */
  readonly address: string;
}

/**
 * Fetches the submodules of a commit, and theirs. git's own command for it is not used: it would follow whatever the
 * repository's file says. Here that file only gives paths and addresses, and both are judged; names of submodules are
 * never part of a path. What the build can not see, because it is outside of its context, is left out. Null: all is there.
 */
export async function fetchSubmodules(options: SubmoduleOptions): Promise<CheckoutFailure | null> {
  const { git, root } = options;
  const visible = await visibleFrom(root.folder, options.inputs);
  let count = 0;

  async function fetchOf(parent: Fetched, depth: number): Promise<CheckoutFailure | null> {
    const listed = await readSubmodules(options, parent, visible);
    if (!listed.ok) return listed;
    for (const submodule of listed.submodules) {
      if (depth > MAX_DEPTH) return about(submodule.path, `submodules are nested more than ${MAX_DEPTH} deep.`);
      count += 1;
      if (count > MAX_SUBMODULES) return about(submodule.path, `the build ${TOO_MANY}`);
      const fetched = await fetchOne(parent, submodule, `${root.gitDir}-${count}`);
      if ("failure" in fetched) return fetched;
      const failure = await fetchOf(fetched, depth + 1);
      if (failure !== null) return failure;
    }
    return null;
  }

  async function fetchOne(
    parent: Fetched,
    { path, sha, address }: Submodule,
    gitDir: string,
  ): Promise<Fetched | CheckoutFailure> {
    const place = { text: address, base: parent.url, source: root.url, opened: options.opened };
    const found = submoduleAddress(place);
    if (found.kind === "refused") return about(path, found.why);
    const { url } = found;
    if (found.kind === "elsewhere" && !options.hasNetwork) {
      return about(path, `${url} is on another host than the repository, and builds have no network here.`);
    }
    if (!(await isEmptyFolder(root.folder, path))) {
      return about(path, "its place is not an empty folder of its own.");
    }
    options.say(`submodule ${plainText(path)}: ${url} at ${sha}`);
    const credential = found.kind === "opened" ? found.credential : null;
    const network = found.kind === "elsewhere" ? "build" : "machine";
    const workTree = `${root.workTree}/${path}`;
    const { code, said } = await fetchCommit(git, { gitDir, workTree }, { url, credential, network }, sha);
    if (code !== 0) {
      const way = found.kind === "opened" ? "credential" : found.kind;
      return explainSubmodule(said, { sha, path, url, way, trusted: options.trusted });
    }
    if (said.at(-1)?.trim() !== sha) return about(path, `its checkout is not at the commit ${sha}.`);
    return { url, sha, gitDir, path };
  }

  return fetchOf({ ...root, path: "" }, 1);
}

function about(path: string, why: string): CheckoutFailure {
  return refused(`The submodule \`${shorten(plainText(path))}\` is not fetched: ${why}`);
}

type Listed = { readonly ok: true; readonly submodules: readonly Submodule[] } | CheckoutFailure;

/** Those with a commit and an address. What has an entry and no commit, or a commit and no entry, is none. */
async function readSubmodules(
  options: SubmoduleOptions,
  parent: Fetched,
  visible: (path: string) => boolean,
): Promise<Listed> {
  // Most have none, and git need not be asked.
  if (!(await isThere(join(options.root.folder, parent.path, ".gitmodules")))) return { ok: true, submodules: [] };
  const place = { gitDir: parent.gitDir, workTree: options.root.workTree };
  const read = (args: readonly string[]) => options.git.read(args, gitEnvironment(place, null));
  const where = parent.path === "" ? "the repository" : `the submodule \`${shorten(plainText(parent.path))}\``;
  const unusable = refused(`The file .gitmodules of ${where} can not be read.`);

  const file = await read(["ls-tree", "-z", "--full-tree", parent.sha, "--", ".gitmodules"]);
  if (file === null) return unusable;
  const [found] = treeEntries(file);
  if (found === undefined) return { ok: true, submodules: [] };
  // A link would be followed by other tools, and be read as what it says here.
  if (found.mode !== "100644" && found.mode !== "100755") return unusable;
  const text = await read(["config", "--null", "--blob", `${parent.sha}:.gitmodules`, "--list"]);
  const entries = text === null ? null : parseEntries(text.toString("utf8"));
  if (entries === null) return unusable;
  const fromRoot = (path: string) => (parent.path === "" ? path : `${parent.path}/${path}`);
  const bad = entries.find(({ path }) => !isPlainPath(path));
  if (bad !== undefined) return about(bad.path, "its path is not a plain path inside the repository.");
  const wanted = entries.filter(({ path, skipped }) => !skipped && visible(fromRoot(path)));
  if (wanted.length > MAX_SUBMODULES) return refused(`The file .gitmodules of ${where} ${TOO_MANY}`);

  const submodules: Submodule[] = [];
  for (const { path, url } of wanted) {
    const tree = await read(["ls-tree", "-z", "--full-tree", parent.sha, "--", path]);
    if (tree === null) return unusable;
    const [entry] = treeEntries(tree);
    const sha = entry?.mode === "160000" ? parseSha(entry.sha) : null;
    if (sha === null) continue;
    const full = fromRoot(path);
    if (url === null) return about(full, "the file .gitmodules gives no address for it.");
    submodules.push({ path: full, sha, address: url });
  }
  return { ok: true, submodules };
}

function treeEntries(out: Buffer): readonly { readonly mode: string; readonly sha: string; readonly path: string }[] {
  return out
    .toString("utf8")
    .split("\0")
    .flatMap((line) => {
      const [, mode, sha, path] = /^(\d{6}) [a-z]+ ([0-9a-f]+)\t(.+)$/s.exec(line) ?? [];
      return mode === undefined || sha === undefined || path === undefined ? [] : [{ mode, sha, path }];
    });
}

/**
 * `git config --null --list`: a key, a line feed, a value. Null: two entries say different things of one submodule, or
 * one path is given twice: git takes the first or the last, depending on who asks.
 */
function parseEntries(text: string): readonly Entry[] | null {
  const byName = new Map<string, Map<string, string>>();
  for (const item of text.split("\0")) {
    const end = item.indexOf("\n");
    const [, name, key] = /^submodule\.(.*)\.(path|url|update)$/s.exec(end < 0 ? item : item.slice(0, end)) ?? [];
    if (name === undefined || key === undefined) continue;
    const entry = byName.get(name) ?? new Map<string, string>();
    const value = end < 0 ? "" : item.slice(end + 1);
    if (entry.has(key) && entry.get(key) !== value) return null;
    byName.set(name, entry.set(key, value));
  }
  const entries = [...byName.values()].flatMap((entry): Entry[] => {
    const path = entry.get("path")?.replace(/\/+$/, "");
    if (path === undefined) return [];
    return [{ path, url: entry.get("url") ?? null, skipped: entry.get("update") === "none" }];
  });
  return new Set(entries.map(({ path }) => path)).size === entries.length ? entries : null;
}

/** git itself writes nothing outside of a work tree; that this one begins where it should is up to us. */
function isPlainPath(path: string): boolean {
  if (path.length > 512 || /[\\\p{Cc}\p{Cf}]/u.test(path)) return false;
  return path.split("/").every((part) => !/^(?:|\.\.?|\.git|git~\d+|-.*)$/i.test(part));
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
}

/** The folder git made for the submodule: on its way is no link, also none that another submodule brought along. */
async function isEmptyFolder(root: string, path: string): Promise<boolean> {
  const real = await realpath(root);
  try {
    return (await realpath(join(real, path))) === join(real, path) && (await readdir(join(real, path))).length === 0;
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "ELOOP"].includes(errorCode(error) ?? "")) return false;
    throw error;
  }
}

/** Whether a build with these inputs can see what is at a path: in its context, or on the way to that or the Dockerfile. */
async function visibleFrom(
  root: string,
  { context, dockerfile }: SubmoduleOptions["inputs"],
): Promise<(path: string) => boolean> {
  const contexts = [normalizePath(context), ...(await ledTo(root, context))];
  const files = [normalizePath(`${context}/${dockerfile}`), ...(await ledTo(root, `${context}/${dockerfile}`))];
  return (path) =>
    contexts.some((folder) => folder === "." || isWithin(path, folder) || isWithin(folder, path)) ||
    files.some((file) => isWithin(file, path));
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

/** Where links lead inside the repository, as far as it was fetched. */
async function ledTo(root: string, path: string): Promise<readonly string[]> {
  const real = await realpath(root);
  const found = await realpath(join(real, path)).catch(() => null);
  if (found === real) return ["."];
  return found?.startsWith(real + sep) ? [found.slice(real.length + 1)] : [];
}
