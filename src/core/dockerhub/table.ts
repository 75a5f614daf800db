/** Comma- or tab-separated text (RFC 4180), as spreadsheets and people write it. */

export interface TableRow {
  /** The line it begins on, 1-based; a quoted cell may hold line ends. */
  readonly line: number;
  /** Without the blanks around them. */
  readonly cells: readonly string[];
}

export type TableRead =
  | { readonly ok: true; readonly rows: readonly TableRow[] }
  | { readonly ok: false; readonly message: string };

/** Where reading is. */
interface Walk {
  readonly text: string;
  readonly separator: string;
  at: number;
  line: number;
}

/** The rows that are not blank. Takes time linear in the text. */
export function readTable(text: string): TableRead {
  const walk: Walk = { text, separator: separatorOf(text), at: 0, line: 1 };
  const rows: TableRow[] = [];
  while (walk.at < text.length) {
    const { line } = walk;
    const cells: string[] = [];
    do {
      const cell = text[walk.at] === '"' ? quotedCell(walk) : bareCell(walk);
      if (cell === null) return { ok: false, message: brokenQuotes(line) };
      cells.push(cell.trim());
    } while (skip(walk, walk.separator));
    if (!endLine(walk)) return { ok: false, message: brokenQuotes(line) };
    if (cells.some((cell) => cell !== "")) rows.push({ line, cells });
  }
  return { ok: true, rows };
}

function brokenQuotes(line: number): string {
  return `line ${line}: a quoted cell does not end where the next cell or line begins; inside quotes write "" for a quote`;
}

/** Tabs hardly stand in a header but between its cells. */
function separatorOf(text: string): "\t" | "," {
  const [header = ""] = text.trimStart().split(/[\r\n]/, 1);
  return header.includes("\t") ? "\t" : ",";
}

function bareCell(walk: Walk): string {
  const begin = walk.at;
  while (walk.at < walk.text.length && !isBoundary(walk, walk.text[walk.at] ?? "")) walk.at += 1;
  return walk.text.slice(begin, walk.at);
}

function isBoundary({ separator }: Walk, character: string): boolean {
  return character === separator || character === "\n" || character === "\r";
}

/** Null: the quote is never closed. */
function quotedCell(walk: Walk): string | null {
  let cell = "";
  walk.at += 1;
  for (;;) {
    const end = walk.text.indexOf('"', walk.at);
    if (end === -1) return null;
    cell += walk.text.slice(walk.at, end);
    walk.at = end + 1;
    if (!skip(walk, '"')) break;
    cell += '"';
  }
  walk.line += cell.split(/\r\n?|\n/).length - 1;
  // Blanks that follow the closing quote are nobody's text.
  while (walk.text[walk.at] === " ") walk.at += 1;
  return cell;
}

function skip(walk: Walk, expected: string): boolean {
  if (walk.text[walk.at] !== expected) return false;
  walk.at += 1;
  return true;
}

/** False: something else stands here, which only happens behind a closing quote. */
function endLine(walk: Walk): boolean {
  if (walk.at >= walk.text.length) return true;
  const carriage = skip(walk, "\r");
  const feed = skip(walk, "\n");
  walk.line += 1;
  return carriage || feed;
}
