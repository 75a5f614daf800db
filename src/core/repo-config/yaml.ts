import { CORE_SCHEMA, load, YAMLException } from "js-yaml";
import { Lexer } from "yaml";

/** Either the file's plain data, or why it is not read any further and where. */
export type YamlRead =
  | { readonly ok: true; readonly text: string; readonly value: unknown }
  | { readonly ok: false; readonly text: string; readonly offset: number; readonly message: string };

const MAX_BYTES = 64 * 1024;

/**
 * The gate in front of everything else: text to plain data, in time linear in its length, or a refusal.
 *
 * js-yaml reads 64 KiB of anything in milliseconds, where a parser that keeps positions needs seconds for some texts
 * (https://github.com/eemeli/yaml compares every key with every other). Anchors are refused altogether: nothing here
 * needs them, and a small file with aliases can stand for gigabytes.
 *
 * The `text` of the answer is what offsets count in: the given one without byte order mark.
 */
export function readYaml(given: string): YamlRead {
  const text = given.startsWith("\ufeff") ? given.slice(1) : given;
  const refuse = (offset: number, message: string): YamlRead => ({ ok: false, text, offset, message });
  if (text.length > MAX_BYTES || new TextEncoder().encode(text).length > MAX_BYTES) {
    return refuse(0, "the file is larger than 64 KiB");
  }
  const odd = ODD.exec(text);
  if (odd !== null) return refuse(odd.index, oddMessage(odd[0]));
  const anchor = findAnchor(text);
  if (anchor !== null) return refuse(anchor.offset, anchorMessage(anchor.token));
  return parse(text, refuse);
}

/** What no text file holds: control characters, traces of a wrong encoding, a carriage return alone. */
const ODD = /[^\P{Cc}\t\n\r\u0085]|\p{Cs}|[\ufffd-\uffff]|\ufeff|\r(?!\n)/u;

function oddMessage(character: string): string {
  if (character === "\r") return "a line ends with a lone carriage return; end lines with LF or CRLF";
  if (character === "\ufffd" || /\p{Cs}/u.test(character)) return "the file is not UTF-8 text; save it as UTF-8";
  const code = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
  return `the file holds a character that is not text (U+${code})`;
}

// ------------------------------------------------------------------------------------------------- anchors

/** Cheap first look: `&` or `*` where a value could begin. Most files have none, and need no tokens. */
const ANCHOR_LIKE = /(?:^|[\s,:?[{-])[&*]/m;

/** Tokens of the lexer that stand for no text: beginning of a document, of a plain value, end of a broken list. */
const EMPTY_TOKENS: readonly string[] = ["\u0002", "\u0018", "\u001f"];

function findAnchor(text: string): { readonly offset: number; readonly token: string } | null {
  if (!ANCHOR_LIKE.test(text)) return null;
  let offset = 0;
  let scalar = false;
  for (const token of new Lexer().lex(text)) {
    if (!scalar && /^[&*]/.test(token)) return { offset, token };
    // The token after this mark is a value's own text, which may begin with anything.
    scalar = token === "\u001f";
    if (!EMPTY_TOKENS.includes(token)) offset += token.length;
  }
  return null;
}

function anchorMessage(token: string): string {
  if (token.startsWith("&")) {
    return "YAML anchors (`&name`) are not supported; a value that begins with `&` needs quotes";
  }
  const hint = token.length > 60 ? "" : `: write "${token}"`;
  return `a value that begins with \`*\` needs quotes${hint}; YAML aliases (\`*name\`) are not supported`;
}

// ------------------------------------------------------------------------------------------------- parsing

function parse(text: string, refuse: (offset: number, message: string) => YamlRead): YamlRead {
  try {
    const value: unknown = load(text, { schema: CORE_SCHEMA });
    const refusal = unwanted(value, new Set());
    return refusal === null
      ? { ok: true, text, value }
      : refuse(Math.max(0, text.search(/__proto__["']?\s*:/)), refusal);
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    // Without a place: more than one document.
    const offset = positionOf(error) ?? Math.max(0, text.lastIndexOf("\n---") + 1);
    return refuse(Math.min(offset, text.length), explain(error.reason, text, offset));
  }
}

/** js-yaml leaves `mark` out of some errors, whatever its declaration says. */
function positionOf(error: YAMLException): number | null {
  const mark: { readonly position: number } | undefined = error.mark;
  return mark?.position ?? null;
}

/** Keys and values. A file full of real images and rules stays below it, and what walks the data next is bounded. */
const MAX_VALUES = 10_000;

/**
 * What is refused although it parsed: too many values, the one key that means something to JavaScript, and, behind
 * {@link findAnchor} as a second line, data that stands in two places. `count` is how many values were seen.
 */
function unwanted(value: unknown, seen: Set<object>, count = { values: 0 }): string | null {
  count.values += 1;
  if (count.values > MAX_VALUES) return TOO_MANY;
  if (typeof value !== "object" || value === null) return null;
  if (seen.has(value)) return "YAML aliases are not supported";
  seen.add(value);
  if (Object.hasOwn(value, "__proto__")) return "`__proto__` can not be used as a key or name";
  const children: readonly unknown[] = Object.values(value);
  if (!Array.isArray(value)) count.values += children.length;
  for (const child of children) {
    const refusal = unwanted(child, seen, count);
    if (refusal !== null) return refusal;
  }
  return null;
}

const TOO_MANY = `the file holds more than ${MAX_VALUES} keys and values`;

const TAB = "a tab is used for indentation; YAML wants spaces";

const EXPLANATIONS: readonly [reason: RegExp, message: string][] = [
  [/^duplicated mapping key/, "this key was given before in the same place"],
  [/^nesting exceeded/, "the file is nested more than 100 deep"],
  [/^expected a single document/, "the file holds a second YAML document (after `---`); keep one"],
  [/^tab characters/, TAB],
  [/^unknown escape sequence/, "a backslash begins an escape inside double quotes; use single quotes: '{\\1}'"],
  [
    /^(?:unknown tag|undeclared tag|cannot resolve a node|unacceptable node kind)/,
    "YAML tags (`!name`) are not supported",
  ],
];

function explain(reason: string, text: string, offset: number): string {
  const known = EXPLANATIONS.find(([pattern]) => pattern.test(reason))?.[1];
  if (known !== undefined) return known;
  const line = text.slice(text.lastIndexOf("\n", offset - 1) + 1).split("\n", 1)[0] ?? "";
  if (/^ *\t/.test(line)) return TAB;
  const hint = /[{@`%]/.test(line)
    ? '; a value with braces or one that begins with @, ` or % needs quotes: "{version}"'
    : "";
  return `not valid YAML: ${reason}${hint}`;
}
