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
  return new Translator(glob).translate();
}

export function hasGlobCharacters(text: string): boolean {
  return /[*?[{}]/.test(text);
}

export function escapeRegex(text: string): string {
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

/** One walk over a glob. A table of where we are, not a service: it is made, used once and dropped. */
class Translator {
  readonly #glob: string;
  #at = 0;
  #regex = "";
  /** For each open brace: whether it stood at the beginning of a segment, and whether a comma was seen. */
  readonly #braces: { readonly segmentStart: boolean; comma: boolean }[] = [];
  #segmentStart = true;

  constructor(glob: string) {
    this.#glob = glob;
  }

  translate(): GlobTranslation {
    while (this.#at < this.#glob.length) {
      const problem = this.#step();
      if (problem !== null) return { ok: false, message: problem };
    }
    if (this.#braces.length > 0) return { ok: false, message: "a `{` is never closed" };
    return { ok: true, regex: `^(?:${this.#regex})$` };
  }

  #step(): string | null {
    switch (this.#glob[this.#at]) {
      case "*":
        return this.#star();
      case "?":
        return this.#emit("[^/]", 1);
      case "[":
        return this.#class();
      case "{":
        return this.#openBrace();
      case "}":
        return this.#closeBrace();
      case ",":
        return this.#comma();
      default:
        return this.#literal();
    }
  }

  #emit(regex: string, length: number, segmentStart = false): null {
    this.#regex += regex;
    this.#at += length;
    this.#segmentStart = segmentStart;
    return null;
  }

  #literal(): null {
    // By code point: half a surrogate pair is not a character to the engine.
    const character = String.fromCodePoint(this.#glob.codePointAt(this.#at) ?? 0);
    return this.#emit(escapeRegex(character), character.length, character === "/");
  }

  #star(): null {
    if (this.#glob[this.#at + 1] !== "*") return this.#emit("[^/]*", 1);
    const next = this.#glob[this.#at + 2];
    // `**/` is any number of whole folders, none included; at the end `/**` is everything below, so not nothing.
    if (this.#segmentStart && next === "/") return this.#emit("(?:(?s:.*)/)?", 3, true);
    const last = next === undefined || (this.#braces.length > 0 && (next === "," || next === "}"));
    return this.#emit(this.#segmentStart && last ? "(?s:.+)" : "(?s:.*)", 2);
  }

  #openBrace(): string | null {
    if (this.#braces.length === MAX_NESTING) return `braces are nested more than ${MAX_NESTING} deep`;
    this.#braces.push({ segmentStart: this.#segmentStart, comma: false });
    return this.#emit("(?:", 1, this.#segmentStart);
  }

  #comma(): null {
    const brace = this.#braces.at(-1);
    if (brace === undefined) return this.#emit(",", 1);
    brace.comma = true;
    return this.#emit("|", 1, brace.segmentStart);
  }

  #closeBrace(): string | null {
    const brace = this.#braces.pop();
    if (brace === undefined) return "a `}` has no `{` before it; to match the character write `[}]`";
    if (!brace.comma) return "braces list alternatives: `{a,b}`; to match the character write `[{]`";
    return this.#emit(")", 1, this.#glob[this.#at - 1] === "/");
  }

  #class(): string | null {
    const negated = this.#glob[this.#at + 1] === "!";
    const begin = this.#at + (negated ? 2 : 1);
    // A bracket right at the beginning stands for itself.
    const end = this.#glob.indexOf("]", begin + 1);
    if (end === -1) return "a `[` is never closed; to match the character write `[[]`";
    const body = this.#glob.slice(begin, end);
    if (body.startsWith("^")) return "to match any other character write `[!…]`, not `[^…]`";
    if (body.includes("[:")) return "named classes such as `[[:alpha:]]` are not supported; write ranges, `[a-z]`";
    if (body.includes("/")) return "a `/` can not stand between brackets";
    const ranges = classRanges(body);
    if (ranges === null) return `the range in \`[${body}]\` runs backwards`;
    return this.#emit(negated ? `[^/${ranges}]` : `[${ranges}]`, end + 1 - this.#at);
  }
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
