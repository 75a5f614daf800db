import { escapeHtml } from "./escape.ts";

/**
 * Terminal text as HTML, a line each. Colours become classes (`c1` … `c15`, `bold` …), because the pages' content policy
 * forbids inline styles; one that was not ended goes on in the next line. Other escape sequences are dropped, anything
 * else is escaped. Background, inverse and hidden text are left out on purpose: they could make part of a log unreadable.
 * Linear in the length of the text.
 */
export function ansiToHtml(text: string): readonly string[] {
  let style = PLAIN;
  return text.split(/\r?\n/).map((line) => {
    let html = "";
    let from = 0;
    for (const match of line.matchAll(SEQUENCE)) {
      html += span(line.slice(from, match.index), style);
      from = match.index + match[0].length;
      if (match[1] !== undefined) {
        style = applySgr(style, match[1]);
      }
    }
    return html + span(line.slice(from), style);
  });
}

interface Style {
  readonly color: number | null;
  readonly bold: boolean;
  readonly dim: boolean;
  readonly italic: boolean;
  readonly underline: boolean;
}

const PLAIN: Style = { color: null, bold: false, dim: false, italic: false, underline: false };

/**
 * CSI sequences (with the parameters of SGR captured), OSC and other strings up to their end or the line's, and two
 * character escapes. No part can be read in two ways, so it can not backtrack.
 */
const SEQUENCE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: terminal sequences are made of them
  /\u001b(?:\[(?:([\d;:]*)m|[0-?]*[ -/]*[@-~]?)|[\]PX^_][^\u0007\u001b\n]*(?:\u0007|\u001b\\)?|[ -/]*[0-OQ-WYZ\\`-~]?)/g;

function span(text: string, style: Style): string {
  if (text === "") {
    return "";
  }
  const html = escapeHtml(text);
  const classes = [
    ...(style.color === null ? [] : [`c${style.color}`]),
    ...(["bold", "dim", "italic", "underline"] as const).filter((name) => style[name]),
  ];
  return classes.length === 0 ? html : `<span class="${classes.join(" ")}">${html}</span>`;
}

/** Parameters of "select graphic rendition" (ECMA-48 8.3.117), with the common 256-colour and RGB additions. */
function applySgr(before: Style, parameters: string): Style {
  const codes = parameters.split(/[;:]/, 32).map(Number);
  let style = before;
  for (let index = 0; index < codes.length; index += 1) {
    const code = codes[index] ?? 0;
    if (code === 38 || code === 48) {
      const extended = extendedColor(codes.slice(index + 1, index + 5));
      index += extended.used;
      style = code === 38 && extended.color !== null ? { ...style, color: extended.color } : style;
    } else {
      style = applyCode(style, code);
    }
  }
  return style;
}

function applyCode(style: Style, code: number): Style {
  if (code >= 30 && code <= 37) return { ...style, color: code - 30 };
  if (code >= 90 && code <= 97) return { ...style, color: code - 90 + 8 };
  switch (code) {
    case 0:
      return PLAIN;
    case 1:
      return { ...style, bold: true };
    case 2:
      return { ...style, dim: true };
    case 3:
      return { ...style, italic: true };
    case 4:
      return { ...style, underline: true };
    case 22:
      return { ...style, bold: false, dim: false };
    case 23:
      return { ...style, italic: false };
    case 24:
      return { ...style, underline: false };
    case 39:
      return { ...style, color: null };
    default:
      return style;
  }
}

/** `5;n` or `2;r;g;b` as the nearest of the sixteen colours, and how many parameters it took. */
function extendedColor(rest: readonly number[]): { readonly color: number | null; readonly used: number } {
  const [mode, a, b = 0, c = 0] = rest;
  if (a === undefined) {
    return { color: null, used: rest.length };
  }
  if (mode === 2) {
    return { color: nearest(a, b, c), used: 4 };
  }
  if (mode !== 5) {
    return { color: null, used: 1 };
  }
  if (a < 16) {
    return { color: a, used: 2 };
  }
  if (a >= 232) {
    return { color: a < 244 ? 8 : 7, used: 2 };
  }
  const level = (value: number) => (value % 6) * 51;
  const cube = a - 16;
  return { color: nearest(level(Math.floor(cube / 36)), level(Math.floor(cube / 6)), level(cube)), used: 2 };
}

function nearest(red: number, green: number, blue: number): number {
  const strongest = Math.max(red, green, blue);
  const on = (value: number) => (value > strongest / 2 && value > 40 ? 1 : 0);
  return on(red) + 2 * on(green) + 4 * on(blue) + (strongest > 200 ? 8 : 0);
}
