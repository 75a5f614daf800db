/** Objects of git, each read once: what one is never changes. A list of many tags would be as many processes. */
import { git } from "../git/git.ts";
import { type CommitData, readCommit } from "../git/git-read.ts";
import type { State } from "./state.ts";

export interface Annotation {
  readonly message: string;
  /** `Name <address>`. */
  readonly tagger: string;
  readonly date: string;
}

/** The commit behind an object, and what the tag object on the way to it says. */
export interface Peeled {
  readonly sha: string;
  readonly annotation: Annotation | null;
}

export function peel({ peeled }: State, gitDir: string, object: string): Promise<Peeled> {
  return once(peeled, `${gitDir} ${object}`, () => readPeeled(gitDir, object));
}

export function commitOf({ commits }: State, gitDir: string, sha: string): Promise<CommitData> {
  return once(commits, `${gitDir} ${sha}`, () => readCommit(gitDir, sha));
}

function once<T>(known: Map<string, Promise<T>>, key: string, read: () => Promise<T>): Promise<T> {
  const found = known.get(key);
  if (found !== undefined) return found;
  const reading = read();
  known.set(key, reading);
  // What is not there may come yet.
  reading.catch(() => known.delete(key));
  return reading;
}

async function readPeeled(gitDir: string, object: string): Promise<Peeled> {
  const type = (await git(gitDir, ["cat-file", "-t", object])).toString("ascii").trim();
  if (type !== "tag") return { sha: object, annotation: null };
  const sha = (await git(gitDir, ["rev-parse", "--verify", `${object}^{commit}`])).toString("ascii").trim();
  const text = (await git(gitDir, ["cat-file", "tag", object])).toString("utf8");
  const [, tagger = "", seconds = "0"] = /^tagger (.*) (\d+) [+-]\d{4}$/m.exec(text) ?? [];
  const date = new Date(Number(seconds) * 1000).toISOString().replace(".000Z", "+00:00");
  return { sha, annotation: { message: text.slice(text.indexOf("\n\n") + 2), tagger, date } };
}
