/** Reads where all branches and tags of a repository are, in one exchange: `git ls-remote`. */
import { isUtf8 } from "node:buffer";
import { createLogLines, plainText } from "../core/log-lines.ts";
import { createMasks, LONGEST_MASKED } from "../core/masks.ts";
import { failed, type Outcome, ok, parseSha, type Sha } from "../core/model.ts";
import type { Refs, RefTip } from "../core/reconcile.ts";
import type { CloneCredential } from "../engine/ports.ts";
import type { RefReader } from "../engine/reconcile-port.ts";
import { cleanUrl, gitEnvironment, TOOL_PATH } from "./environment.ts";
import { runLimited } from "./process.ts";
import { type Trouble, troubleIn } from "./trouble.ts";

const MAX_REFS = 50_000;
/** Bytes that are read for each of them at the most: names have 255 on the hosts there are. */
const MAX_BYTES_PER_REF = 1_024;
const TIMEOUT_MS = 60_000;
/** KiB that git may take. It keeps what it is told, and says nothing of it before it has been told everything. */
const MAX_DATA = 256 * 1_024;

/**
 * Only a server that speaks git's own protocol says when its list is at its end. Of any other answer git takes what looks
 * like a list, and an empty page for an empty repository: all branches would seem to be gone.
 */
const SPEAKS_GIT = /packet: +[a-z-]+< (?:version [12]|# service=git-upload-pack)$/m;

export interface RefReaderOptions {
  /** What a push of an annotated tag is told as: the tag object, or the commit it leads to. */
  readonly told: "object" | "commit";
  /** Name or path of the tool. */
  readonly git?: string;
  /** Where there are more, none is compared. */
  readonly maxRefs?: number;
  /** For everything, from the start of git to its end. */
  readonly timeoutMs?: number;
}

export function createRefReader(options: RefReaderOptions): RefReader {
  const { told, git = "git", maxRefs = MAX_REFS, timeoutMs = TIMEOUT_MS } = options;
  const maxBytes = maxRefs * MAX_BYTES_PER_REF + 65_536;
  const tooMany = () =>
    failed(
      `The repository has more than ${maxRefs.toLocaleString("en-US")} branches and tags, which are not compared.`,
      {
        retryable: false,
      },
    );

  return {
    async read(url, credential, signal) {
      const clean = cleanUrl(url);
      if (clean === null)
        return failed("The repository's address for git is not an http or https address.", { retryable: false });
      const { mask } = createMasks([credential]);
      const said = createLogLines({ write: () => undefined, mask, longestSecret: LONGEST_MASKED, maxBytes: 0 });
      const listed: Buffer[] = [];
      let packets = "";
      const end = await runLimited({
        command: [git, "ls-remote", "--heads", "--tags", "--", clean],
        env: environment(clean, credential),
        maxData: MAX_DATA,
        maxBytes,
        timeoutMs,
        signal,
        output: (chunk) => listed.push(chunk),
        errors: said.chunk,
        // The protocol is named in its first packets.
        trace: (chunk) => {
          if (packets.length < 65_536) packets += chunk.toString("latin1");
        },
      });
      said.flush();
      switch (end.kind) {
        case "not-started":
          return failed(`git can not be started (${end.why}).`, { retryable: true });
        case "stopped":
          return failed("Reading the branches and tags was stopped.", { retryable: true });
        case "too-slow":
          return failed(`The Git host did not list branches and tags within ${timeoutMs / 1_000} seconds.`, {
            retryable: true,
          });
        case "too-much":
          return tooMany();
        case "ended":
          if (end.code !== 0) return explain(said.tail(), end.code, git) ?? tooMany();
          if (!SPEAKS_GIT.test(packets)) return NO_GIT_THERE;
          return parseRefs(Buffer.concat(listed), told, maxRefs) ?? tooMany();
      }
    },
  };
}

function environment(url: string, credential: CloneCredential): Readonly<Record<string, string>> {
  // In no repository, whatever is around: nobody's settings count, and none of its remotes.
  const nowhere = { gitDir: "/nonexistent", workTree: "/nonexistent" };
  return {
    ...gitEnvironment(nowhere, { url, credential, network: "machine" }),
    PATH: TOOL_PATH,
    HOME: "/nonexistent",
    // Packets as they come, on their own way out. They hold no headers, and so no credential.
    GIT_TRACE_PACKET: "3",
  };
}

/** Null: more than `maxRefs`. */
function parseRefs(listed: Buffer, told: RefReaderOptions["told"], maxRefs: number): Outcome<Refs> | null {
  const objects = new Map<string, Sha>();
  const commits = new Map<string, Sha>();
  for (const line of linesOf(listed)) {
    const tab = line.indexOf("\t");
    const sha = parseSha(line.toString("latin1", 0, Math.max(tab, 0)));
    if (sha === null) return MISSHAPEN;
    const name = line.subarray(tab + 1);
    // Neither a host's events nor a config file can name it, and two such names may read alike.
    if (!isUtf8(name)) continue;
    const [, ref = "", peeled] = /^(.*?)(\^\{\})?$/s.exec(name.toString("utf8")) ?? [];
    if (!REF.test(ref)) continue;
    const known = peeled === undefined ? objects : commits;
    // The same twice is nothing new. In two places at once it can not be.
    if ((known.get(ref) ?? sha) !== sha) return MISSHAPEN;
    known.set(ref, sha);
    if (objects.size > maxRefs) return null;
  }
  const refs = new Map<string, RefTip>();
  for (const [ref, object] of objects) {
    const commit = commits.get(ref) ?? object;
    refs.set(ref, { object: told === "commit" ? commit : object, commit });
  }
  return ok(refs);
}

/** A branch or tag, called as git lets anybody call one: it is put into addresses, sentences and pages. */
const REF =
  /^refs\/(?:heads|tags)\/(?!.*(?:\.\.|@\{|\/[./]|[./]$|\.lock(?:\/|$)))[^\p{Cc} ~^:?*[\\/.][^\p{Cc} ~^:?*[\\]*$/u;

function* linesOf(text: Buffer): Generator<Buffer> {
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf(10, at);
    yield text.subarray(at, end < 0 ? text.length : end);
    at = end < 0 ? text.length : end + 1;
  }
}

const MISSHAPEN = failed("The Git host listed branches and tags in a way that can not be read.", { retryable: true });

const NO_GIT_THERE = failed("What answers at the repository's address does not speak git.", { retryable: true });

/** `said`: git's last lines. Null: what it was told was too much for it. */
function explain(said: readonly string[], code: number | null, git: string): Outcome<never> | null {
  // What the host wrote is the host's, and says nothing of how it went.
  const own = said.filter((line) => !/^remote:/.test(line));
  // Nor do names in its address.
  const text = own.join("\n").replace(/'https?:[^']*'/g, "");
  if (/^fatal: out of memory/im.test(text)) return null;
  const known = ALSO.find(([words]) => words.test(text))?.[1];
  if (known !== undefined) return known;
  if (code === 126 || code === 127 || NO_HTTPS.test(text)) {
    return failed(`${git} is missing on this machine. Install it: \`apt-get install git\`.`, { retryable: false });
  }
  const trouble = troubleIn(text);
  if (trouble !== null && SENTENCES[trouble] !== undefined) return SENTENCES[trouble];
  const last = plainText(own.filter((line) => line.trim() !== "").at(-1) ?? "git gave no reason").slice(0, 200);
  return failed(`The branches and tags could not be read (${last}).`, { retryable: true });
}

/** Some packages of git leave out what speaks to hosts. */
const NO_HTTPS = /'remote-https?' is not a git command|unable to find remote helper/i;

/** What is worth other words than where a commit is fetched. */
const ALSO: readonly (readonly [RegExp, Outcome<never>])[] = [
  [
    /returned error: 429/,
    failed("The Git host was asked too often, and wants to be left alone for a while.", { retryable: true }),
  ],
  [
    /certificate/i,
    failed(
      "git does not trust the certificate of the Git host. Add the authority that signed it to those of this machine.",
      { retryable: true },
    ),
  ],
  [/not valid: is this a git repository/, NO_GIT_THERE],
];

const SENTENCES: Readonly<Partial<Record<Trouble, Outcome<never>>>> = {
  "internal-error": failed("The Git host answered with an internal error when it was asked for branches and tags.", {
    retryable: true,
  }),
  unreachable: failed("The Git host could not be reached for branches and tags.", { retryable: true }),
  "not-let-in": failed(
    "The Git host gave no access: it does not let this app read the repository. Is the app still installed on it, with " +
      "permission to read contents?",
    { retryable: false },
  ),
  "not-there": failed(
    "The Git host gave no access: it shows this app no such repository. Was it deleted, or taken out of the installation?",
    { retryable: false },
  ),
  redirected: failed(
    "The Git host redirected git to another address, which is not followed. Was the repository renamed? The next push " +
      "carries its new address.",
    { retryable: false },
  ),
};
