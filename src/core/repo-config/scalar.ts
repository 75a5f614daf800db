/** Read as text by YAML 1.1 and 1.2 alike, also in a list in brackets. */
const PLAIN = /^[A-Za-z_][A-Za-z0-9_./-]*$/;
const NOT_TEXT = /^(?:y|n|yes|no|on|off|true|false|null)$/i;
/** What is seen where it stands; anything else is escaped. Some letters and marks have no glyph. */
const VISIBLE = /^(?:(?!\p{Default_Ignorable_Code_Point})[\p{L}\p{M}\p{N}\p{P}\p{S} ])*$/u;

/** A text as one YAML scalar on one line. */
export function scalar(text: string): string {
  if (PLAIN.test(text) && !NOT_TEXT.test(text)) return text;
  if (VISIBLE.test(text) && !/["\\]/.test(text)) return `"${text}"`;
  if (VISIBLE.test(text)) return `'${text.replaceAll("'", "''")}'`;
  const escaped = [...text].map((character) =>
    VISIBLE.test(character) ? escapeVisible(character) : escapeHidden(character),
  );
  return `"${escaped.join("")}"`;
}

function escapeVisible(character: string): string {
  return character === '"' || character === "\\" ? `\\${character}` : character;
}

function escapeHidden(character: string): string {
  const code = (character.codePointAt(0) ?? 0).toString(16);
  return code.length > 4 ? `\\U${code.padStart(8, "0")}` : `\\u${code.padStart(4, "0")}`;
}
