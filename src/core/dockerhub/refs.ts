import { shown } from "../repo-config/problems.ts";

export interface Ref {
  /** `refs/heads/main` */
  readonly ref: string;
  readonly kind: "branch" | "tag";
  readonly name: string;
}

export type RefsRead =
  | { readonly ok: true; readonly refs: readonly Ref[] }
  | { readonly ok: false; readonly message: string };

const MAX_REFS = 100_000;

/** What `git ls-remote`, `git show-ref` and `git for-each-ref` print: hash and type may stand before the ref. */
const LINE = /^(?:[0-9a-f]{40,64}[ \t]+(?:[a-z]+[ \t]+)?)?(HEAD|refs\/[^\s\p{Cc}]+)$/u;
const BUILT = /^refs\/(heads|tags)\/(.+)$/;

/** Branches and tags, each once, in the order given. Other refs (`HEAD`, pull requests) never started a build. */
export function readRefs(given: string): RefsRead {
  const lines = given.replace(/^\ufeff/, "").split(/\r\n?|\n/);
  const refs = new Map<string, Ref>();
  for (const [index, line] of lines.entries()) {
    if (line.trim() === "") continue;
    const ref = LINE.exec(line.trim())?.[1];
    if (ref === undefined) {
      return { ok: false, message: `line ${index + 1} is no ref: \`${shown(line)}\`; git ls-remote prints them` };
    }
    const [, folder, name] = BUILT.exec(ref) ?? [];
    // `refs/tags/v1^{}` is the commit that an annotated tag points to, printed beside the tag.
    if (name === undefined || name.endsWith("^{}")) continue;
    refs.set(ref, { ref, kind: folder === "heads" ? "branch" : "tag", name });
    if (refs.size > MAX_REFS) return { ok: false, message: `these are more than ${MAX_REFS} refs` };
  }
  if (refs.size === 0) return { ok: false, message: "there are no branches and no tags among the refs" };
  return { ok: true, refs: [...refs.values()] };
}
