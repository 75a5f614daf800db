/**
 * Characters that have no glyph, or change how those beside them are ordered: controls, bidirectional overrides,
 * zero-width and other ignorable ones, odd spaces, private use, lone surrogates. In a ref or file name they exist to deceive.
 */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}\p{Default_Ignorable_Code_Point}]|(?! )\p{Zs}/gu;

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/**
 * Text for HTML, in elements and quoted attributes alike. Every interpolation of every page goes through it, so that no
 * template can forget. Hidden characters become visible: `⟨U+202E⟩`. Line breaks and tabs stay.
 */
export function escapeHtml(value: unknown): string {
  return visible(String(value ?? "")).replace(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
}

/** The text with every hidden character written out. */
export function visible(text: string): string {
  return text.replace(HIDDEN, (character) => {
    if (character === "\n" || character === "\t") {
      return character;
    }
    const code = character.codePointAt(0) ?? 0;
    return `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
  });
}
