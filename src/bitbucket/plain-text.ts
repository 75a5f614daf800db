import { oneLine } from "../core/markdown.ts";

/**
 * The text of a check's Markdown (core/check-text.ts, core/markdown.ts), for fields that show characters as they are: code
 * spans and escapes are taken off, addresses of links dropped, rows of tables become lines. It reads what this program
 * writes, not all of Markdown.
 */
export function plainText(markdown: string): string {
  const lines: string[] = [];
  let fence: string | null = null;
  for (const line of markdown.split("\n")) {
    if (fence !== null) {
      if (line === fence) fence = null;
      else lines.push(oneLine(line));
    } else if (FENCE.test(line)) {
      fence = FENCE.exec(line)?.[1] ?? null;
    } else if (TABLE_RULE.test(line)) {
      // What stands above it are the names of the columns.
      lines.pop();
    } else {
      lines.push(plainLine(line));
    }
  }
  return lines
    .join("\n")
    .replace(/\n{3,}/g, "\n\n")
    .trim();
}

const FENCE = /^(`{3,})\w*$/;
const TABLE_RULE = /^\|(?: --- \|)+$/;

function plainLine(line: string): string {
  const row = /^\| (.*) \|$/.exec(line)?.[1];
  const cells = row === undefined ? [line.replace(/^#+ /, "")] : row.split(" | ");
  return cells
    .map((cell) => oneLine(inline(cell)))
    .filter((cell) => cell !== "")
    .join(" · ");
}

/** In this order: an escaped character, the space put between two, a code span, the two ends of a link. */
const MARKS = /\\([\\`*_[\]()<>|~&!$#:+=-])|&#8203;|(?<!`)(`+)(?!`)(.*?)(?<!`)\2(?!`)|\[|\]\([^()\s]*\)/g;

function inline(text: string): string {
  return text.replace(MARKS, (_, escaped?: string, ticks?: string, code?: string) => {
    if (escaped !== undefined) return escaped;
    // Longer fences have a space on either side.
    if (code !== undefined) return ticks === "`" ? code : code.slice(1, -1);
    return "";
  });
}
