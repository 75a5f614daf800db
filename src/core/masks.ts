import { cleanLine } from "./log-lines.ts";

/** What stands where a secret was. */
export const MASK = "***";

/** Characters. Shorter ones would blacken ordinary words. */
export const SHORTEST_MASKED = 4;

/** Characters. What is longer is looked for in pieces, so that no line has to be held back for more. */
export const LONGEST_MASKED = 64;

export interface Masks {
  mask(text: string): string;
}

export interface Credential {
  readonly username: string;
  readonly password: string;
}

/**
 * Hides secrets in lines of text, in the forms tools print them: as they are, URL-encoded, as JSON and shells quote them,
 * and base64, alone or among other text, in one line or several. Of a secret with several lines each is hidden by itself,
 * but for those that are shorter than {@link SHORTEST_MASKED}. A net under the real rule, which is that no tool is given a
 * secret where it could print it: whoever wants to show one finds a form that is not among these.
 *
 * At each character of a text it looks for at most {@link LONGEST_MASKED} lengths, however many secrets there are.
 */
export function createMasks(credentials: readonly Credential[], secrets: readonly string[] = []): Masks {
  const pieces = new Set<string>();
  /** By how pieces begin: their lengths, the longest first. */
  const lengths = new Map<string, number[]>();

  for (const form of formsOf(credentials, secrets)) {
    for (const piece of cut(form)) {
      if (pieces.has(piece)) continue;
      pieces.add(piece);
      const begin = piece.slice(0, SHORTEST_MASKED);
      const known = lengths.get(begin) ?? [];
      if (!known.includes(piece.length))
        lengths.set(
          begin,
          [...known, piece.length].sort((one, other) => other - one),
        );
    }
  }

  /** Where the longest piece that begins here ends; null: none does. */
  function endOf(text: string, start: number): number | null {
    const found = lengths
      .get(text.slice(start, start + SHORTEST_MASKED))
      ?.find((length) => pieces.has(text.slice(start, start + length)));
    return found === undefined ? null : start + found;
  }

  return {
    mask(text) {
      if (lengths.size === 0) return text;
      let masked = "";
      let hidden = 0;
      for (let at = 0; at <= text.length - SHORTEST_MASKED; at++) {
        const end = endOf(text, at);
        if (end === null || end <= hidden) continue;
        // Pieces that overlap or touch are one: none may leave the other's end behind.
        if (at > hidden || hidden === 0) masked += text.slice(hidden, at) + MASK;
        hidden = end;
      }
      return masked + text.slice(hidden);
    },
  };
}

/** Whether there is anything of it that is looked for. */
export function isMaskable(secret: string): boolean {
  return linesOf(secret).some((line) => line.length >= SHORTEST_MASKED);
}

function* formsOf(credentials: readonly Credential[], secrets: readonly string[]): Generator<string> {
  for (const { username, password } of credentials) {
    // Basic authentication as a whole.
    if (password.length >= SHORTEST_MASKED) yield* base64(`${username}:${password}`);
  }
  for (const secret of [...credentials.map(({ password }) => password), ...secrets]) {
    const lines = linesOf(secret);
    for (const text of lines.length > 1 || lines[0] !== secret ? [secret, ...lines] : [secret]) {
      if (text.length >= SHORTEST_MASKED) yield* encodings(text);
    }
  }
}

/** A log is shown line by line, without control characters, and often indented. */
function linesOf(secret: string): readonly string[] {
  return secret.split(/[\r\n]+/).map((line) => cleanLine(line).trim());
}

function* encodings(text: string): Generator<string> {
  yield text;
  yield* json(text);
  yield* url(text);
  yield* base64(text);
  // As `set -x` shows a word with quotes in it.
  for (const quote of ["'\\''", "'\"'\"'"]) yield text.replaceAll("'", quote);
}

function* json(text: string): Generator<string> {
  const quoted = JSON.stringify(text).slice(1, -1);
  yield quoted;
  yield quoted.replaceAll("/", "\\/");
  // As Go writes it.
  yield quoted.replace(/[<>&\u2028\u2029]/g, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`);
  // As Python writes it.
  yield quoted.replace(/[^\0-\x7f]/g, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function* url(text: string): Generator<string> {
  // Half a character throws.
  const loose = encodeURIComponent(text.replace(/\p{Cs}/gu, "\ufffd"));
  const strict = loose.replace(/[!'()*]/g, (found) => `%${found.charCodeAt(0).toString(16).toUpperCase()}`);
  const path = strict.replaceAll("%2F", "/");
  for (const form of [loose, strict, path, strict.replaceAll("%20", "+")]) {
    yield form;
    yield form.replace(/%[0-9A-F]{2}/g, (found) => found.toLowerCase());
  }
}

/** Columns at which base64(1) and PEM break lines. */
const COLUMNS = [76, 64];

function* base64(text: string): Generator<string> {
  const bytes = Buffer.from(text, "utf8");
  const whole = bytes.toString("base64");
  for (const form of [whole, ...COLUMNS.flatMap((width) => whole.match(new RegExp(`.{1,${width}}`, "g")) ?? [])]) {
    yield* alphabets(form);
    yield* alphabets(form.replace(/=+$/, ""));
  }
  // Among other text it begins at one of three places in a group of four letters; those that others share are left out.
  for (const before of [0, 1, 2]) {
    const shifted = Buffer.concat([Buffer.alloc(before), bytes]).toString("base64");
    const bits = (before + bytes.length) * 8;
    yield* alphabets(shifted.slice(Math.ceil((before * 8) / 6), Math.floor(bits / 6)));
  }
}

function alphabets(form: string): readonly string[] {
  return [form, form.replaceAll("+", "-").replaceAll("/", "_")];
}

/** Pieces that together are the form, about equally long: none so short that it is not looked for. */
function cut(form: string): readonly string[] {
  const length = Math.ceil(form.length / Math.ceil(form.length / LONGEST_MASKED));
  return form.length < SHORTEST_MASKED ? [] : (form.match(new RegExp(`.{1,${length}}`, "gs")) ?? []);
}
