import { lstat, readdir, realpath } from "node:fs/promises";
import { basename, dirname, join, relative, sep } from "node:path";
import { plainText } from "../core/log-lines.ts";
import { type Failure, parseSha, type Sha } from "../core/model.ts";
import type { CloneCredential } from "../engine/ports.ts";
import { errorCode } from "./errno.ts";

/**
 * Runs git inside one sandbox, command after command until one fails: resolves to the last one's exit code and the last
 * lines they said.
 */
export type RunGit = (
  commands: readonly (readonly string[])[],
  env: Readonly<Record<string, string>>,
) => Promise<{ readonly code: number | null; readonly said: readonly string[] }>;

export type Checkout = { readonly ok: true } | CheckoutFailure;

interface CheckoutFailure {
  readonly ok: false;
  readonly failure: Failure;
  readonly retryable: boolean;
}

/**
 * Fetches one commit and writes its files to `workTree`; git's own data stays in `gitDir`, outside of what is built.
 *
 * Paths are as git sees them. No submodules, no large file storage, no tags, no hooks; objects are checked as they
 * arrive. The credential travels in git's environment only, and to `cloneUrl` only: redirects are not followed. Without
 * one git neither asks for it nor looks for another.
 *
 * The commit is asked for by its hash, never by the ref that led to it: a ref may lead elsewhere by now, and what was
 * planned and approved is the commit. A host that does not hand it out any more fails the build.
 */
export async function checkout(options: {
  readonly cloneUrl: string;
  readonly sha: string;
  /** Number of the pull request it is the head of, for messages; null: none. */
  readonly pull: number | null;
  readonly gitDir: string;
  readonly workTree: string;
  readonly credential: CloneCredential | null;
  readonly git: RunGit;
}): Promise<Checkout> {
  const sha = parseSha(options.sha);
  if (sha === null) return refused(`"${shorten(options.sha)}" is not a full commit hash.`);
  const url = cleanUrl(options.cloneUrl);
  if (url === null) return refused("The repository's clone address is not an http or https address.");

  const env = { ...fixedEnvironment(options), ...configEnvironment(url, options.credential) };
  const format = sha.length === 64 ? "sha256" : "sha1";
  const commands: readonly (readonly string[])[] = [
    ["init", "--quiet", `--object-format=${format}`],
    ["fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--", url, sha],
    // Without ref names there is nothing a name in the repository could be mistaken for.
    ["checkout", "--quiet", "--force", "--detach", sha, "--"],
    ["rev-parse", "--verify", "--quiet", "HEAD"],
  ];
  const { code, said } = await options.git(commands, env);
  if (code !== 0) return explain(said, { sha, pull: options.pull, anonymous: options.credential === null });
  const found = said.at(-1)?.trim() ?? "";
  if (found !== sha)
    return refused(`The checkout is at ${shorten(found)}, not at the commit ${sha} that was asked for.`);
  return { ok: true };
}

/** The address without user and password; null unless it is http(s). */
function cleanUrl(text: string): string | null {
  if (!URL.canParse(text)) return null;
  const url = new URL(text);
  if (url.protocol !== "https:" && url.protocol !== "http:") return null;
  url.username = "";
  url.password = "";
  return url.href;
}

function fixedEnvironment(options: { readonly gitDir: string; readonly workTree: string }): Record<string, string> {
  return {
    GIT_DIR: options.gitDir,
    GIT_WORK_TREE: options.workTree,
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_ATTR_NOSYSTEM: "1",
    GIT_TERMINAL_PROMPT: "0",
    GIT_TEMPLATE_DIR: "",
    GIT_ALLOW_PROTOCOL: "http:https",
    LC_ALL: "C.UTF-8",
  };
}

function configEnvironment(url: string, credential: CloneCredential | null): Record<string, string> {
  const settings: [key: string, value: string][] = [
    ["core.hooksPath", "/dev/null"],
    ["core.fsmonitor", "false"],
    ["core.protectHFS", "true"],
    ["core.protectNTFS", "true"],
    ["credential.helper", ""],
    ["gc.auto", "0"],
    ["http.followRedirects", "false"],
    // A transfer slower than 1 kB/s for a minute is a stalled one.
    ["http.lowSpeedLimit", "1000"],
    ["http.lowSpeedTime", "60"],
    ["protocol.allow", "never"],
    ["protocol.http.allow", "always"],
    ["protocol.https.allow", "always"],
    ["submodule.recurse", "false"],
    ["transfer.fsckObjects", "true"],
  ];
  if (credential !== null) {
    const basic = Buffer.from(`${credential.username}:${credential.password}`).toString("base64");
    settings.push([`http.${url}.extraHeader`, `Authorization: Basic ${basic}`]);
  }
  const numbered = settings.flatMap(([key, value], index) => [
    [`GIT_CONFIG_KEY_${index}`, key],
    [`GIT_CONFIG_VALUE_${index}`, value],
  ]);
  return { GIT_CONFIG_COUNT: String(settings.length), ...Object.fromEntries(numbered) };
}

/** What the messages are about. */
interface Wanted {
  readonly sha: Sha;
  readonly pull: number | null;
  readonly anonymous: boolean;
}

/** git's words, matched in this order. */
const EXPLANATIONS: readonly {
  readonly words: RegExp;
  readonly retryable: boolean;
  readonly say: (wanted: Wanted) => string;
}[] = [
  {
    words: /not our ref|unadvertised object|couldn't find remote ref|remote error: .*no such/i,
    retryable: false,
    say: ({ sha, pull }) =>
      pull === null
        ? `The commit ${sha} is not in the repository any more; it was probably force-pushed away. ` +
          "The push that replaced it gets its own build."
        : `The pull request #${pull} has moved on: the commit ${sha} is not there any more. ` +
          "What replaced it gets its own build.",
  },
  {
    words: /requested URL returned error: 5\d\d|error: RPC failed; HTTP 5\d\d/i,
    retryable: true,
    say: () => "The Git host answered with an internal error while the repository was fetched. Try again later.",
  },
  {
    words:
      /could not resolve host|failed to connect|couldn't connect|connection (?:refused|reset|timed out)|timed out|early EOF|unexpected disconnect|transfer closed|operation too slow|returned error: 429/i,
    retryable: true,
    say: () => "The Git host could not be reached while the repository was fetched. Try again later.",
  },
  {
    words: /authentication failed|could not read username|returned error: 40[13]/i,
    retryable: false,
    say: (wanted) =>
      goneSource(wanted) ??
      "The Git host refused to let this app read the repository. Check that the app is still installed on it, " +
        "with permission to read contents.",
  },
  {
    words: /repository .*not found|returned error: 404/i,
    retryable: false,
    say: (wanted) =>
      goneSource(wanted) ??
      "The Git host shows this app no such repository. Was it deleted, or taken out of the installation?",
  },
  {
    words: /returned error: 3\d\d|unable to update url base from redirection/i,
    retryable: false,
    say: () =>
      "The Git host redirected the fetch to another address, which is not followed. Was the repository renamed? " +
      "The next push carries its new address.",
  },
  {
    words: /fsck error|fsck-objects|invalid path|unable to create file/i,
    retryable: false,
    say: () => "The commit holds objects or paths that git refuses as unsafe. `git fsck --strict` shows which.",
  },
  {
    words: /no space left on device/i,
    retryable: true,
    say: () => "The builder's disk is full. The operator has to make room.",
  },
];

/** Hosts tell strangers alike whether a repository is private or not there. Null: it is not asked as one. */
function goneSource({ pull, anonymous }: Wanted): string | null {
  if (!anonymous) return null;
  const source = pull === null ? "The repository" : `The repository that the pull request #${pull} comes from`;
  return `${source} was deleted, or is not open to everybody: nothing can be fetched from it.`;
}

function explain(said: readonly string[], wanted: Wanted): CheckoutFailure {
  const { sha } = wanted;
  const text = said.join("\n");
  const known = EXPLANATIONS.find(({ words }) => words.test(text));
  if (known !== undefined) return refused(known.say(wanted), known.retryable);
  const last = said.filter((line) => line.trim() !== "").at(-1) ?? "git gave no reason";
  return refused(`The commit ${sha} could not be fetched: ${shorten(plainText(last))}`);
}

function refused(message: string, retryable = false): CheckoutFailure {
  return { ok: false, retryable, failure: { class: "checkout", message } };
}

function shorten(text: string): string {
  return text.length <= 200 ? text : `${text.slice(0, 200)}…`;
}

export type BuildFiles =
  /** Both relative to the work tree, links followed. */
  | { readonly ok: true; readonly context: string; readonly dockerfile: string }
  | { readonly ok: false; readonly failure: Failure };

/** Bytes. It is read into memory. */
const MAX_DOCKERFILE = 1024 ** 2;

/**
 * Finds the context folder and the Dockerfile inside the checkout and refuses what would leave it: absolute paths, `..`,
 * and links whose end lies outside. Nobody else writes to the checkout, so what is found here is what is built.
 */
export async function resolveFiles(
  workTree: string,
  inputs: { readonly context: string; readonly dockerfile: string },
): Promise<BuildFiles> {
  const root = await realpath(workTree);
  const context = await follow(root, root, inputs.context, "context");
  if (!context.ok) return context;
  if (!(await lstat(context.path)).isDirectory()) return wrong(`The context \`${inputs.context}\` is not a folder.`);

  const dockerfile = await follow(root, context.path, inputs.dockerfile, "Dockerfile");
  if (!dockerfile.ok) return dockerfile;
  const found = await lstat(dockerfile.path);
  if (!found.isFile()) return wrong(`The Dockerfile \`${inputs.dockerfile}\` is not a regular file.`);
  if (found.size > MAX_DOCKERFILE) {
    return wrong(`The Dockerfile \`${inputs.dockerfile}\` is larger than ${MAX_DOCKERFILE / 1024} KiB.`);
  }
  const own = basename(dockerfile.path);
  for (const suffix of [".dockerignore", ".containerignore"]) {
    // Of the context, and of this Dockerfile, which the tool reads in its place.
    for (const [folder, name] of [
      [context.path, suffix],
      [dirname(dockerfile.path), `${own}${suffix}`],
    ] as const) {
      const ignore = await follow(root, folder, name, "ignore file");
      if (!ignore.ok && ignore.reason === "outside") return ignore;
    }
  }
  return { ok: true, context: relative(root, context.path) || ".", dockerfile: relative(root, dockerfile.path) };
}

type Followed =
  | { readonly ok: true; readonly path: string }
  | { readonly ok: false; readonly reason: "illegal" | "outside" | "missing"; readonly failure: Failure };

async function follow(root: string, from: string, path: string, what: string): Promise<Followed> {
  const segments = path.split("/");
  if (path === "" || path.startsWith("/") || /[\\\p{Cc}]/u.test(path) || segments.includes("..")) {
    const rule = "Paths are relative, with `/`, and never contain `..`.";
    return { reason: "illegal", ...wrong(`The ${what} path \`${shorten(plainText(path))}\` is not allowed. ${rule}`) };
  }
  try {
    const real = await realpath(join(from, path));
    if (real === root || real.startsWith(root + sep)) return { ok: true, path: real };
    const message = `The ${what} \`${path}\` is a link that leads out of the repository.`;
    return { reason: "outside", ...wrong(message) };
  } catch (error) {
    const code = errorCode(error);
    if (code === "ELOOP") {
      return { reason: "missing", ...wrong(`The ${what} \`${path}\` is a link that leads in a circle.`) };
    }
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ENAMETOOLONG") {
      const hint = await whatIsThere(root, from, segments);
      return { reason: "missing", ...wrong(`There is no ${what} \`${shorten(path)}\` at this commit.${hint}`) };
    }
    throw error;
  }
}

/** Says which names the first missing part of the path could have meant. */
async function whatIsThere(root: string, from: string, segments: readonly string[]): Promise<string> {
  let folder = from;
  for (const [index, segment] of segments.entries()) {
    const names = await readdir(folder).catch(() => null);
    if (names === null) return "";
    if (names.includes(segment) || segment === "." || segment === "") {
      const next = await realpath(join(folder, segment)).catch(() => null);
      if (next === null || !(next === root || next.startsWith(root + sep))) return "";
      folder = next;
      continue;
    }
    const here = relative(root, folder) || "the repository's root";
    const wanted = segment.toLowerCase();
    const near = names
      .filter((name) => name !== ".git" && (similar(name.toLowerCase(), wanted) || /dockerfile/i.test(name)))
      .slice(0, 5)
      .map((name) => `\`${plainText(name)}\``);
    const there = near.length > 0 ? near.join(", ") : "nothing with a similar name";
    return index === 0 || folder !== from ? ` In ${here} there is ${there}.` : "";
  }
  return "";
}

function similar(a: string, b: string): boolean {
  return a.startsWith(b.slice(0, 4)) || b.startsWith(a) || a.endsWith(b.slice(-4));
}

function wrong(message: string): { readonly ok: false; readonly failure: Failure } {
  return { ok: false, failure: { class: "dockerfile", message } };
}
