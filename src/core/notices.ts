/** What people are told of builds by e-mail and chat: that one failed, and that it works again. */
import { adviceElsewhere } from "./failure-advice.ts";
import { oneLine } from "./markdown.ts";
import type { Build, BuildState } from "./model.ts";

/** `failed`: each build that failed or timed out. `fixed`: the first that succeeded after one that did not. */
export const NOTICE_EVENTS = ["failed", "fixed"] as const;

export type NoticeEvent = (typeof NOTICE_EVENTS)[number];

export const NOTICE_KINDS = ["email", "webhook"] as const;

export type NoticeKind = (typeof NOTICE_KINDS)[number];

/**
 * What is to be told of a build that has ended; null: nothing. `before`: how the build of the same image and branch or tag
 * ended that was the last to finish before it. Of pull requests nothing is told: whoever waits for them looks at them.
 */
export function noticeOf(
  build: { readonly kind: Build["planned"]["kind"]; readonly state: BuildState },
  before: BuildState | null,
): NoticeEvent | null {
  if (build.kind === "pull_request") return null;
  if (isBroken(build.state)) return "failed";
  return build.state === "succeeded" && before !== null && isBroken(before) ? "fixed" : null;
}

function isBroken(state: BuildState): boolean {
  return state === "failed" || state === "timed_out";
}

export interface Notice {
  /** One line. */
  readonly subject: string;
  /** Plain text. */
  readonly text: string;
  /** For chats: a line, then what went wrong, in the few marks Slack's `mrkdwn` and its like share. */
  readonly chat: string;
}

/** `tail`: the log's last lines, masked already. */
export function noticeText(
  event: NoticeEvent,
  build: Build,
  { url, tail }: { readonly url: string; readonly tail: readonly string[] },
): Notice {
  const { image, repository, planned, failure } = build;
  const where = `${planned.kind} ${planned.ref.replace(/^refs\/(?:heads|tags)\//, "")}`;
  const subject = clean(
    `${image} ${event === "failed" ? "failed" : "works again"}: ${where} of ${repository.fullName}`,
  );
  const commit = `Commit:  ${planned.sha}`;
  const link = `${escapeChat(subject)}\n${url}`;
  if (event === "fixed") {
    const text = [`${subject}.`, "", commit, `Build:   ${url}`, ""].join("\n");
    return { subject, text, chat: link };
  }
  const what = failure === null ? "It did not come to its end." : `${failure.class}: ${failure.message}`;
  const advice = failure === null ? "" : adviceElsewhere(failure.class);
  const log = tail.length === 0 ? [] : ["", "The end of its log:", "", ...tail.map((line) => `    ${plain(line)}`)];
  return {
    subject,
    text: [
      `${subject}.`,
      "",
      plain(what),
      ...(advice === "" ? [] : ["", advice]),
      "",
      commit,
      `Build:   ${url}`,
      ...log,
      "",
    ].join("\n"),
    chat: `${link}\n${escapeChat(clean(what).slice(0, CHAT_LENGTH))}`,
  };
}

/** What a chat shows of a failure; the rest is behind the link. */
const CHAT_LENGTH = 500;

function clean(text: string): string {
  return oneLine(plain(text)).slice(0, 300);
}

/** Without colours and other control characters: what was said in a log must not do anything in a mail reader. */
function plain(text: string): string {
  return text.replace(ESCAPES, "").replace(CONTROLS, "");
}

const ESCAPES = new RegExp(`${String.fromCharCode(27)}\\[[0-9;:]*[A-Za-z]`, "g");
/** All but line breaks and tabs; and what turns the direction of text around. */
const CONTROLS = /(?![\n\t])\p{Cc}|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** Slack's three: nobody is mentioned, and nothing is a link, because a commit's author wrote so. */
function escapeChat(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

export type ParsedEvents =
  | { readonly ok: true; readonly events: readonly NoticeEvent[] }
  | { readonly ok: false; readonly message: string };

/** `failed,fixed`, as typed. */
export function parseNoticeEvents(text: string): ParsedEvents {
  const words = text.split(",").map((word) => word.trim());
  const events = NOTICE_EVENTS.filter((event) => words.includes(event));
  const unknown = words.find((word) => !NOTICE_EVENTS.some((event) => event === word));
  if (unknown === undefined) return { ok: true, events };
  return { ok: false, message: `${JSON.stringify(unknown)} is none of ${NOTICE_EVENTS.join(", ")}.` };
}

/** The HTML standard's idea of an address, a little shorter: no comments, quotes or lists, nothing that ends a header. */
const EMAIL =
  /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/;

export function isEmail(text: string): boolean {
  return text.length <= 254 && EMAIL.test(text);
}
