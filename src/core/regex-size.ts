/**
 * An upper estimate of what a regular expression compiles to, made before compiling it.
 *
 * Matching costs (instructions × length of the text) and compiling costs about 5 µs an instruction, and 512 characters
 * are enough to ask for half a million instructions: `(?:…){1000}`. RE2 itself only bounds the repeat counts. One look
 * at the text gives an estimate that may be too high, but never too low by more than a small factor; the caller checks
 * the real size after compiling.
 */
export function regexSize(regex: string): number {
  const ignoresCase = /\(\?[A-Za-z]*i/.test(regex);
  const groups: Group[] = [{ total: 0, last: 0 }];
  let at = 0;
  while (at < regex.length) {
    const token = nextToken(regex, at, ignoresCase);
    count(groups, token);
    at = token.end;
  }
  return groups.reduce((sum, group) => sum + group.total, 0);
}

interface Group {
  total: number;
  /** Size of the newest item: what a repeat count would multiply. */
  last: number;
}

type Token =
  | { readonly kind: "open" | "close"; readonly end: number }
  | { readonly kind: "item"; readonly size: number; readonly end: number }
  | { readonly kind: "repeat"; readonly times: number; readonly end: number };

/** Measured in instructions' worth of compile time: a Unicode class takes 0.1 to 0.3 ms. */
const UNICODE_CLASS = 50;
/** With `(?i)`, a class beyond ASCII is folded one character at a time: about 3 ms. */
const FOLDED_CLASS = 600;

function nextToken(regex: string, at: number, ignoresCase: boolean): Token {
  switch (regex[at]) {
    case "(":
      return openGroup(regex, at);
    case ")":
      return { kind: "close", end: at + 1 };
    case "\\":
      return { kind: "item", size: escapeSize(regex, at), end: at + 2 };
    case "[":
      return characterClass(regex, at, ignoresCase);
    default:
      return repeat(regex, at) ?? { kind: "item", size: 1, end: at + 1 };
  }
}

/** A parenthesis with what makes its group special: `(?:`, `(?i)`, `(?P<name>`. What RE2 refuses may be misread. */
const GROUP = /\((?:\?(?:P?<\w*>|[A-Za-z-]*:?))?/y;

function openGroup(regex: string, at: number): Token {
  GROUP.lastIndex = at;
  GROUP.exec(regex);
  return { kind: "open", end: GROUP.lastIndex };
}

function escapeSize(regex: string, at: number): number {
  const escaped = regex[at + 1];
  return escaped === "p" || escaped === "P" ? UNICODE_CLASS : 1;
}

const REPEAT = /\{(\d{1,4})(?:,(\d{0,4}))?\}/y;

function repeat(regex: string, at: number): Token | null {
  REPEAT.lastIndex = at;
  const found = REPEAT.exec(regex);
  return found === null
    ? null
    : { kind: "repeat", times: Math.max(1, Number(found[1]), Number(found[2] ?? 0)), end: REPEAT.lastIndex };
}

function characterClass(regex: string, start: number, ignoresCase: boolean): Token {
  let at = start + 1;
  let size = 1;
  if (regex[at] === "^") at += 1;
  // A bracket right at the beginning stands for itself.
  if (regex[at] === "]") at += 1;
  while (at < regex.length && regex[at] !== "]") {
    if (regex[at] === "\\") {
      size += escapeSize(regex, at) - 1;
      if (ignoresCase && /[xpP0-7]/.test(regex[at + 1] ?? "")) size += FOLDED_CLASS;
      at += 2;
    } else if (regex.startsWith("[:", at)) {
      const end = regex.indexOf(":]", at + 2);
      at = end === -1 ? at + 1 : end + 2;
    } else {
      if (ignoresCase && regex.charCodeAt(at) > 127) size += FOLDED_CLASS;
      at += 1;
    }
  }
  return { kind: "item", size, end: at + 1 };
}

function count(groups: Group[], token: Token): void {
  const group = groups.at(-1);
  if (group === undefined) throw new Error("the outermost group is never closed");
  if (token.kind === "item") {
    add(groups, token.size);
  } else if (token.kind === "repeat") {
    // Each optional copy needs one more instruction that may leave it out.
    const repeated = (group.last + 1) * token.times;
    group.total += repeated - group.last;
    group.last = repeated;
  } else if (token.kind === "open") {
    groups.push({ total: 0, last: 0 });
  } else if (groups.length > 1) {
    groups.pop();
    // Two instructions remember where a captured group begins and ends.
    add(groups, group.total + 2);
  }
}

function add(groups: Group[], size: number): void {
  const group = groups.at(-1);
  if (group === undefined) return;
  group.total += size;
  group.last = size;
}
