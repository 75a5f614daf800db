import { plainText } from "../core/log-lines.ts";
import type { Failure, Sha } from "../core/model.ts";
import { CONFIG_FILE } from "../core/repo-config/config.ts";
import { type Trouble, troubleIn } from "../git/trouble.ts";

export interface CheckoutFailure {
  readonly ok: false;
  readonly failure: Failure;
  readonly retryable: boolean;
}

export function refused(message: string, retryable = false): CheckoutFailure {
  return { ok: false, retryable, failure: { class: "checkout", message } };
}

export function shorten(text: string): string {
  return text.length <= 200 ? text : `${text.slice(0, 200)}…`;
}

/** Worth another try later. */
const PASSING: readonly Trouble[] = ["internal-error", "unreachable", "disk-full"];

/** The commit that is built. */
export interface Wanted {
  readonly sha: Sha;
  /** Number of the pull request it is the head of; null: none. */
  readonly pull: number | null;
  readonly anonymous: boolean;
}

/** A submodule's commit. */
export interface WantedSubmodule {
  readonly sha: Sha;
  /** From the root of the built repository. */
  readonly path: string;
  readonly url: string;
  /** Who is let in there: the build's credential, everybody on its own Git host, everybody elsewhere. */
  readonly way: "credential" | "same-host" | "elsewhere";
  readonly trusted: boolean;
}

/** `said`: git's last lines. */
export function explain(said: readonly string[], wanted: Wanted): CheckoutFailure {
  return explainWith(said, `The commit ${wanted.sha} could not be fetched`, (trouble) => SENTENCES[trouble](wanted));
}

export function explainSubmodule(said: readonly string[], wanted: WantedSubmodule): CheckoutFailure {
  const what = `The submodule \`${shorten(plainText(wanted.path))}\` could not be fetched`;
  return explainWith(said, what, (trouble) => `${what}: ${SUBMODULE_SENTENCES[trouble](wanted)}`);
}

function explainWith(said: readonly string[], what: string, say: (trouble: Trouble) => string): CheckoutFailure {
  const trouble = troubleIn(said.join("\n"));
  if (trouble !== null) return refused(say(trouble), PASSING.includes(trouble));
  const last = said.filter((line) => line.trim() !== "").at(-1) ?? "git gave no reason";
  return refused(`${what}: ${shorten(plainText(last))}`);
}

const SENTENCES: Readonly<Record<Trouble, (wanted: Wanted) => string>> = {
  "commit-gone": ({ sha, pull }) =>
    pull === null
      ? `The commit ${sha} is not in the repository any more; it was probably force-pushed away. ` +
        "The push that replaced it gets its own build."
      : `The pull request #${pull} has moved on: the commit ${sha} is not there any more. ` +
        "What replaced it gets its own build.",
  "internal-error": () =>
    "The Git host answered with an internal error while the repository was fetched. Try again later.",
  unreachable: () => "The Git host could not be reached while the repository was fetched. Try again later.",
  "not-let-in": (wanted) =>
    goneSource(wanted) ??
    "The Git host refused to let this app read the repository. Check that the app is still installed on it, " +
      "with permission to read contents.",
  "not-there": (wanted) =>
    goneSource(wanted) ??
    "The Git host shows this app no such repository. Was it deleted, or taken out of the installation?",
  redirected: () =>
    "The Git host redirected the fetch to another address, which is not followed. Was the repository renamed? " +
    "The next push carries its new address.",
  unsafe: () => "The commit holds objects or paths that git refuses as unsafe. `git fsck --strict` shows which.",
  "disk-full": () => "The builder's disk is full. The operator has to make room.",
};

/** Hosts tell strangers alike whether a repository is private or not there. Null: it is not asked as one. */
function goneSource({ pull, anonymous }: Wanted): string | null {
  if (!anonymous) return null;
  const source = pull === null ? "The repository" : `The repository that the pull request #${pull} comes from`;
  return `${source} was deleted, or is not open to everybody: nothing can be fetched from it.`;
}

const SUBMODULE_SENTENCES: Readonly<Record<Trouble, (wanted: WantedSubmodule) => string>> = {
  "commit-gone": ({ sha, url }) =>
    `${url} has no commit ${sha} (any more), or gives out none by its hash. Was it pushed there?`,
  "internal-error": ({ url }) => `${url} answered with an internal error. Try again later.`,
  unreachable: ({ url, way }) =>
    way === "elsewhere"
      ? `${url} could not be reached from the build's network. Try again later.`
      : `${url} could not be reached. Try again later.`,
  "not-let-in": closedTo,
  "not-there": closedTo,
  redirected: ({ url }) =>
    `${url} leads to another address, which is not followed. Write the address it has now into .gitmodules.`,
  unsafe: ({ url, sha }) => `the commit ${sha} of ${url} holds objects or paths that git refuses as unsafe.`,
  "disk-full": () => "the builder's disk is full. The operator has to make room.",
};

function closedTo({ url, way, trusted }: WantedSubmodule): string {
  const closed = `${url} is not there, or not open to everybody.`;
  if (way === "credential") return `the Git host does not let this app read ${url}. Was it deleted?`;
  if (way === "elsewhere") return `${closed} What is private can be read on the repository's own Git host only.`;
  if (!trusted) return `${closed} Builds of pull requests from forks read nothing that is private.`;
  return (
    `${closed} If it is private, name it under \`repositories\` in ${CONFIG_FILE} and have an owner allow it ` +
    "(`wharfinger access allow`). If the image does not need it, set `update = none` in .gitmodules."
  );
}
