/** Bare repositories on disk, written with git itself so that hashes, packs and diffs are the real ones. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile } from "node:fs/promises";
import { join } from "node:path";

/** Contents of a file, null to delete it, or something else a tree may hold. */
export type TreeEntry =
  | string
  | Uint8Array
  | null
  | { readonly symlink: string }
  | { readonly submodule: string }
  | { readonly executable: string };

export const ZERO = "0".repeat(40);

/** Nothing of the machine's own configuration may change what a test sees. */
export function gitEnvironment(): NodeJS.ProcessEnv {
  return {
    PATH: process.env["PATH"],
    HOME: "/nonexistent",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_TERMINAL_PROMPT: "0",
    LC_ALL: "C",
  };
}

export interface GitResult {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export async function runGit(gitDir: string, args: readonly string[], input: string | Buffer = ""): Promise<GitResult> {
  const child = spawn("git", ["--git-dir", gitDir, ...args], { env: gitEnvironment() });
  // A git that stops reading early says why on stderr; the broken pipe adds nothing.
  child.stdin.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") child.emit("error", error);
  });
  child.stdin.end(input);
  const [stdout, stderr] = await Promise.all([collect(child.stdout), collect(child.stderr), once(child, "close")]);
  return { code: child.exitCode ?? -1, stdout, stderr: stderr.toString("utf8") };
}

/** Standard output; throws when git fails. */
export async function git(gitDir: string, args: readonly string[], input: string | Buffer = ""): Promise<Buffer> {
  const { code, stdout, stderr } = await runGit(gitDir, args, input);
  if (code !== 0) throw new Error(`git ${args.join(" ")}: ${stderr.trim()}`);
  return stdout;
}

async function collect(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const SETTINGS = `
[http]
\treceivepack = false
[uploadpack]
\tallowFilter = true
\tallowAnySHA1InWant = true
[gc]
\tauto = 0
`;

export async function createRepository(gitDir: string, defaultBranch: string): Promise<void> {
  await git(gitDir, ["init", "--quiet", "--bare", "--template=", `--initial-branch=${defaultBranch}`, gitDir]);
  await appendFile(join(gitDir, "config"), SETTINGS);
}

export interface Author {
  readonly name: string;
  readonly email: string;
}

/** Makes a commit and points `refs/heads/<branch>` to it, wherever that pointed before. */
export async function commitFiles(
  gitDir: string,
  commit: {
    readonly branch: string;
    readonly parent: string | null;
    readonly message: string;
    readonly author: Author;
    /** Seconds since 1970. */
    readonly at: number;
    readonly files: Readonly<Record<string, TreeEntry>>;
  },
): Promise<string> {
  const person = `${commit.author.name} <${commit.author.email}> ${commit.at} +0000`;
  const parts: (string | Buffer)[] = [
    // Without the reset, a first commit on an existing branch would become a child of its tip.
    `reset refs/heads/${commit.branch}\n`,
    ...(commit.parent === null ? [] : [`from ${commit.parent}\n\n`]),
    `commit refs/heads/${commit.branch}\nmark :1\nauthor ${person}\ncommitter ${person}\n`,
    ...data(commit.message),
    ...Object.entries(commit.files).flatMap(([path, entry]) => change(path, entry)),
    "\nget-mark :1\n",
  ];
  const script = Buffer.concat(parts.map((part) => Buffer.from(part)));
  const out = await git(
    gitDir,
    ["fast-import", "--quiet", "--force", "--done"],
    Buffer.concat([script, Buffer.from("done\n")]),
  );
  return out.toString("ascii").trim();
}

function change(path: string, entry: TreeEntry): (string | Buffer)[] {
  const name = `"${path.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`;
  if (entry === null) return [`D ${name}\n`];
  if (typeof entry === "string" || ArrayBuffer.isView(entry)) return [`M 100644 inline ${name}\n`, ...data(entry)];
  if ("symlink" in entry) return [`M 120000 inline ${name}\n`, ...data(entry.symlink)];
  if ("submodule" in entry) return [`M 160000 ${entry.submodule} ${name}\n`];
  return [`M 100755 inline ${name}\n`, ...data(entry.executable)];
}

function data(content: string | Uint8Array): (string | Buffer)[] {
  const bytes = Buffer.from(content);
  return [`data ${bytes.length}\n`, bytes, "\n"];
}

/** Hash a full ref points to, not peeled; null: there is none. */
export async function readRef(gitDir: string, ref: string): Promise<string | null> {
  const { code, stdout } = await runGit(gitDir, ["rev-parse", "--quiet", "--verify", "--end-of-options", ref]);
  return code === 0 && ref.startsWith("refs/") ? stdout.toString("ascii").trim() : null;
}

/** Points a full ref to an object; null deletes it. */
export async function writeRef(gitDir: string, ref: string, sha: string | null): Promise<void> {
  await git(gitDir, sha === null ? ["update-ref", "-d", ref] : ["update-ref", ref, sha]);
}

/** Makes a tag object for a commit. */
export async function createTagObject(
  gitDir: string,
  tag: {
    readonly name: string;
    readonly sha: string;
    readonly message: string;
    readonly author: Author;
    readonly at: number;
  },
): Promise<string> {
  const tagger = `tagger ${tag.author.name} <${tag.author.email}> ${tag.at} +0000`;
  const text = `object ${tag.sha}\ntype commit\ntag ${tag.name}\n${tagger}\n\n${tag.message}\n`;
  return (await git(gitDir, ["mktag"], text)).toString("ascii").trim();
}

/** The merge of two commits, as a commit; null: they conflict. */
export async function mergeCommits(
  gitDir: string,
  merge: { readonly base: string; readonly head: string; readonly author: Author; readonly at: number },
): Promise<string | null> {
  const { base, head, author, at } = merge;
  const { code, stdout, stderr } = await runGit(gitDir, ["merge-tree", "--write-tree", base, head]);
  if (code === 1) return null;
  if (code !== 0) throw new Error(`git merge-tree: ${stderr.trim()}`);
  const tree = lines(stdout)[0] ?? "";
  const person = `${author.name} <${author.email}> ${at} +0000`;
  const parents = `parent ${base}\nparent ${head}\n`;
  const text = `tree ${tree}\n${parents}author ${person}\ncommitter ${person}\n\nMerge ${head} into ${base}\n`;
  return (await git(gitDir, ["hash-object", "-t", "commit", "-w", "--stdin"], text)).toString("ascii").trim();
}

/** All branches, tags and refs of pull requests: full name, hash, type of the object (`commit`, `tag`). */
export async function listRefs(gitDir: string): Promise<readonly { ref: string; sha: string; type: string }[]> {
  const format = "--format=%(refname)%00%(objectname)%00%(objecttype)";
  const out = await git(gitDir, ["for-each-ref", format, "refs/heads", "refs/tags", "refs/pull"]);
  return lines(out).map((line) => {
    const [ref = "", sha = "", type = ""] = line.split("\0");
    return { ref, sha, type };
  });
}

/**
 * The commit a name stands for on GitHub: a full or abbreviated hash, a branch, a tag, or `heads/…` and `tags/…`. Git's
 * own richer syntax (`main~1`, `:/text`) is not understood there and must not be here.
 */
export async function resolveCommit(gitDir: string, name: string): Promise<string | null> {
  if (!/^[^\s:^~?*[\\@{]+$/u.test(name) || name.startsWith("-") || name.includes("..")) return null;
  const candidates = [`refs/heads/${name}`, `refs/tags/${name}`, `refs/${name}`];
  if (name.startsWith("refs/")) candidates.push(name);
  if (/^[0-9a-f]{7,40}$/.test(name)) candidates.unshift(name);
  const input = candidates.map((candidate) => `${candidate}^{commit}\n`).join("");
  const out = await git(gitDir, ["cat-file", "--batch-check=%(objectname) %(objecttype)"], input);
  const found = lines(out).find((line) => /^[0-9a-f]{40} commit$/.test(line));
  return found?.slice(0, 40) ?? null;
}

export function lines(text: Buffer): string[] {
  return text
    .toString("utf8")
    .split("\n")
    .filter((line) => line !== "");
}

/** Fields of NUL-terminated output. */
export function fields(text: Buffer): string[] {
  return text.toString("utf8").split("\0").slice(0, -1);
}
