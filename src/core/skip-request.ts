import type { Change } from "./model.ts";

/** How far into a message a token counts: a title, not a changelog that quotes one. In UTF-16 units. */
const HEAD_LENGTH = 250;

const TRAILER = /^[A-Za-z0-9-]+: /;

/**
 * The text by which a head commit's message asks for no build, or null. Its first 250 characters and the trailers of
 * its last paragraph count, in any case of letters. Tags are never skipped: who sets one wants it built, whatever the
 * commit once said about its branch.
 */
export function asksForSkip(change: Pick<Change, "kind" | "message">, tokens: readonly string[]): string | null {
  if (change.kind !== "branch") {
    return null;
  }
  const paragraphs = change.message.split(/\r?\n\s*\n/);
  const trailers = paragraphs.length < 2 ? [] : (paragraphs.at(-1) ?? "").split(/\r?\n/).filter((l) => TRAILER.test(l));
  const heard = [change.message.slice(0, HEAD_LENGTH), ...trailers].join("\n").toLowerCase();
  return tokens.find((token) => token.trim() !== "" && heard.includes(token.toLowerCase())) ?? null;
}
