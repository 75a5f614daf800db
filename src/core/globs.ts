export type GlobTranslation =
  | { readonly ok: true; readonly regex: string }
  | { readonly ok: false; readonly message: string };

/** Alternatives inside alternatives: deeper is no longer readable. */
const MAX_NESTING = 5;

/**
 * A glob as an anchored RE2 expression.
 *
 * `*` and `?` stay inside one segment, `**` crosses segments and may match none of them, `[…]` and `[!…]` are one
 * character of a segment, `{a,b}` is one of several. Everything else stands for itself; see {@link unsupportedGlob}.
 */
export function translateGlob(glob: string): GlobTranslation {
  const walk: Walk = { glob, at: 0, regex: "", segmentStart: true, braces: [] };
  while (walk.at < glob.length) {
    const problem = step(walk);
    if (problem !== null) return { ok: false, message: problem };
  }
  if (walk.braces.length > 0) return { ok: false, message: "a `{` is never closed" };
  return { ok: true, regex: `^(?:${walk.regex})$` };
}

export function hasGlobCharacters(text: string): boolean {
  return /[*?[{}]/.test(text);
}

function escapeRegex(text: string): string {
  return text.replace(/[\\^$.|?*+()[\]{}]/g, "\\$&");
}

/**
 * What other tools give a meaning that is not supported here, also in a name without glob characters; null: nothing.
 * It is refused, because matching it literally would surprise.
 */
export function unsupportedGlob(glob: string): string | null {
  if (glob.startsWith("!")) return "a leading `!` (negation) is not supported";
  if (glob.includes("\\"))
    return "a backslash has no meaning in a glob; to match a special character write it as `[*]`";
  if (/[@!+?*]\(/.test(glob)) return "extended globs such as `@(a|b)` are not supported; write `{a,b}`";
  if (glob.includes("***")) return "`***` has no meaning; `**` crosses folders";
  return null;
}

/** One walk over a glob: where it is, and what it has written. */
interface Walk {
  readonly glob: string;
  at: number;
  regex: string;
  segmentStart: boolean;
  /** For each open brace: whether it stood at the beginning of a segment, and whether a comma was seen. */
  readonly braces: { readonly segmentStart: boolean; comma: boolean }[];
}

/** Takes one step; null, or why the glob is refused. */
function step(walk: Walk): string | null {
  switch (walk.glob[walk.at]) {
    case "*":
      return star(walk);
    case "?":
      return emit(walk, "[^/]", 1);
    case "[":
      return characterClass(walk);
    case "{":
      return openBrace(walk);
    case "}":
      return closeBrace(walk);
    case ",":
      return comma(walk);
    default:
      return literal(walk);
  }
}

function emit(walk: Walk, regex: string, length: number, segmentStart = false): null {
  walk.regex += regex;
  walk.at += length;
  walk.segmentStart = segmentStart;
  return null;
}

function literal(walk: Walk): null {
  // By code point: half a surrogate pair is not a character to the engine.
  const character = String.fromCodePoint(walk.glob.codePointAt(walk.at) ?? 0);
  return emit(walk, escapeRegex(character), character.length, character === "/");
}

function star(walk: Walk): null {
  if (walk.glob[walk.at + 1] !== "*") return emit(walk, "[^/]*", 1);
  const next = walk.glob[walk.at + 2];
  // `**/` is any number of whole folders, none included; at the end `/**` is everything below, so not nothing.
  if (walk.segmentStart && next === "/") return emit(walk, "(?:(?s:.*)/)?", 3, true);
  const last = next === undefined || (walk.braces.length > 0 && (next === "," || next === "}"));
  return emit(walk, walk.segmentStart && last ? "(?s:.+)" : "(?s:.*)", 2);
}

function openBrace(walk: Walk): string | null {
  if (walk.braces.length === MAX_NESTING) return `braces are nested more than ${MAX_NESTING} deep`;
  walk.braces.push({ segmentStart: walk.segmentStart, comma: false });
  return emit(walk, "(?:", 1, walk.segmentStart);
}

function comma(walk: Walk): null {
  const brace = walk.braces.at(-1);
  if (brace === undefined) return emit(walk, ",", 1);
  brace.comma = true;
  return emit(walk, "|", 1, brace.segmentStart);
}

function closeBrace(walk: Walk): string | null {
  const brace = walk.braces.pop();
  if (brace === undefined) return "a `}` has no `{` before it; to match the character write `[}]`";
  if (!brace.comma) return "braces list alternatives: `{a,b}`; to match the character write `[{]`";
  return emit(walk, ")", 1, walk.glob[walk.at - 1] === "/");
}

function characterClass(walk: Walk): string | null {
  const negated = walk.glob[walk.at + 1] === "!";
  const begin = walk.at + (negated ? 2 : 1);
  // A bracket right at the beginning stands for itself.
  const end = walk.glob.indexOf("]", begin + 1);
  if (end === -1) return "a `[` is never closed; to match the character write `[[]`";
  const body = walk.glob.slice(begin, end);
  if (body.startsWith("^")) return "to match any other character write `[!…]`, not `[^…]`";
  if (body.includes("[:")) return "named classes such as `[[:alpha:]]` are not supported; write ranges, `[a-z]`";
  if (body.includes("/")) return "a `/` can not stand between brackets";
  const ranges = classRanges(body);
  if (ranges === null) return `the range in \`[${body}]\` runs backwards`;
  return emit(walk, negated ? `[^/${ranges}]` : `[${ranges}]`, end + 1 - walk.at);
}

/** The inside of an RE2 class for the inside of a glob's; null when a range runs backwards. */
function classRanges(body: string): string | null {
  const characters = [...body];
  let ranges = "";
  for (let at = 0; at < characters.length; at += 1) {
    const from = characters[at] ?? "";
    const to = characters[at + 2];
    if (characters[at + 1] !== "-" || to === undefined) {
      ranges += escapeInClass(from);
      continue;
    }
    const range = rangeWithoutSlash(from, to);
    if (range === null) return null;
    ranges += range;
    at += 2;
  }
  return ranges;
}

/** A class never matches `/`, also not in the middle of a range such as `[+-9]`. */
function rangeWithoutSlash(from: string, to: string): string | null {
  if ((from.codePointAt(0) ?? 0) > (to.codePointAt(0) ?? 0)) return null;
  if (from < "/" && to > "/") return `${escapeInClass(from)}-\\.0-${escapeInClass(to)}`;
  return `${escapeInClass(from)}-${escapeInClass(to)}`;
}

function escapeInClass(character: string): string {
  return /[\\\]^[-]/.test(character) ? `\\${character}` : character;
}
