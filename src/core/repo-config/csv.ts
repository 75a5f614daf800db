/**
 * The fields of one line of comma-separated values; null when its quotes are broken. A field that begins with `"` ends
 * with the next single one, and `""` inside stands for one. Elsewhere a quote has no business, as RFC 4180 says.
 */
export function csvFields(line: string): readonly string[] | null {
  const fields: string[] = [];
  for (let at = 0; at <= line.length; ) {
    if (line.charAt(at) === '"') {
      const field = quotedField(line, at);
      if (field === null) return null;
      fields.push(field.text);
      at = field.end + 1;
    } else {
      const comma = line.indexOf(",", at);
      const end = comma === -1 ? line.length : comma;
      const text = line.slice(at, end);
      if (text.includes('"')) return null;
      fields.push(text);
      at = end + 1;
    }
  }
  return fields;
}

/** `end`: the comma behind it, or the end of the line. */
function quotedField(line: string, open: number): { readonly text: string; readonly end: number } | null {
  let text = "";
  for (let at = open + 1; ; ) {
    const quote = line.indexOf('"', at);
    if (quote === -1) return null;
    text += line.slice(at, quote);
    const next = line.charAt(quote + 1);
    if (next === "" || next === ",") return { text, end: quote + 1 };
    if (next !== '"') return null;
    text += '"';
    at = quote + 2;
  }
}

export interface Attribute {
  /** In lower case; null: the field has no `=`. */
  readonly key: string | null;
  readonly value: string;
}

/** `key=value` in each field, in order. Null when the quotes are broken. */
export function csvAttributes(line: string): readonly Attribute[] | null {
  return (
    csvFields(line)
      ?.map(attribute)
      .filter(({ key, value }) => key !== null || value !== "") ?? null
  );
}

function attribute(field: string): Attribute {
  // Not at the beginning: such a field has no key either.
  const equals = field.indexOf("=", 1);
  return equals === -1
    ? { key: null, value: field.trim() }
    : { key: field.slice(0, equals).trim().toLowerCase(), value: field.slice(equals + 1).trim() };
}
