import type { Change, PullRequest } from "./model.ts";

/** How far into a message a token counts: a title, not a changelog that quotes one. In UTF-16 units. */
const HEAD_LENGTH = 250;

/** Beside the file's own, unless that lists none. */
const ALWAYS = "[no ci]";

const TRAILER = /^[A-Za-z0-9-]+: /;

/** https://docs.github.com/en/actions/managing-workflow-runs/skipping-workflow-runs, where the blank may be missing. */
const SKIP_CHECKS = /^skip-checks:[ \t]*true[ \t]*$/i;

/** What of a change is looked at. */
export type Messaged = Pick<Change, "message"> &
  (
    | { readonly kind: "branch" | "tag" }
    | { readonly kind: "pull_request"; readonly pull: Pick<PullRequest, "queued" | "fork"> }
  );

/**
 * The text by which a head commit's message asks for no build, or null. Its first 250 characters and the trailers of
 * its last paragraph count, in any case of letters. Tags are never skipped: who sets one wants it built, whatever the
 * commit once said about its branch. Neither is what a merge queue wants to merge: it would go in untested. And a
 * stranger's message decides nothing: a check that ends as skipped satisfies a rule that requires it.
 */
export function asksForSkip(change: Messaged, tokens: readonly string[]): string | null {
  if (tokens.length === 0 || change.kind === "tag") return null;
  if (change.kind === "pull_request" && (change.pull.queued || change.pull.fork)) return null;
  const paragraphs = change.message.trimEnd().split(/\r?\n\s*\n/);
  // A message of one paragraph is a title: it has no trailers.
  const last = paragraphs.length < 2 ? [] : (paragraphs.at(-1) ?? "").split(/\r?\n/);
  const heard = [change.message.slice(0, HEAD_LENGTH), ...last.filter((line) => TRAILER.test(line))];
  const text = heard.join("\n").toLowerCase();
  const token = [...tokens, ALWAYS].find((one) => one.trim() !== "" && text.includes(one.toLowerCase()));
  return token ?? (last.some((line) => SKIP_CHECKS.test(line)) ? "skip-checks: true" : null);
}
