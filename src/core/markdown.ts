/**
 * Text of strangers, made harmless for Markdown as GitHub and Bitbucket read it. Branch names, patterns, Dockerfiles and
 * logs end up on pages people trust; none of them may mention, link, load or rearrange anything.
 */

const ESC = String.fromCharCode(0x1b);
const BEL = String.fromCharCode(0x07);

/** Terminal escapes (colours; titles and hyperlinks), then every other control character but tab and line feed. */
const CONTROL = new RegExp(
  `${ESC}\\[[0-?]*[ -/]*[@-~]|${ESC}\\][^${BEL}${ESC}]*(?:${BEL}|${ESC}\\\\)?|[^\\P{Cc}\\t\\n]`,
  "gu",
);

/** Characters that turn the direction of text, or hide: "Trojan source". */
const INVISIBLE = /[\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** One line without control characters. */
export function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").replace(CONTROL, "").replace(INVISIBLE, "").trim();
}

/**
 * Text to stand in a line or a table cell. Punctuation that means something is escaped; hosts look for mentions, issues
 * and addresses after that, in the finished text, so a zero-width space takes those apart.
 */
export function escapeMarkdown(text: string): string {
  return oneLine(text)
    .replace(/[\\`*_[\]()<>|~&!$#:]|^[-+=]|^\d+(?=[.)])/g, escapeOne)
    .replace(/@|\\#|\\:(?=\/)|\bwww\.|\bGH-(?=\d)/gi, "$&&#8203;");
}

/** A number at the beginning would start a list: there the character behind it is what to escape. */
function escapeOne(found: string): string {
  return /^\d/.test(found) ? `${found}&#8203;` : `\\${found}`;
}

/** A code span. Registry and git names hold no `|`; one that does loses it, as it would end a table's cell. */
export function codeSpan(text: string): string {
  const line = oneLine(text).replace(/[|\\]/g, "");
  if (line === "") {
    return "";
  }
  const ticks = "`".repeat(longestRun(line) + 1);
  return ticks.length > 1 ? `${ticks} ${line} ${ticks}` : `${ticks}${line}${ticks}`;
}

/** A fenced block that nothing inside can close: its fence is longer than any run of backticks there. */
export function fenced(lines: readonly string[], language = ""): string {
  const body = lines.map((line) =>
    line
      .replace(/\r\n?|[\n\u2028\u2029]/g, " ")
      .replace(CONTROL, "")
      .replace(INVISIBLE, ""),
  );
  const fence = "`".repeat(Math.max(3, longestRun(body.join("\n")) + 1));
  return [`${fence}${language}`, ...body, fence].join("\n");
}

function longestRun(text: string): number {
  return (text.match(/`+/g) ?? []).reduce((longest, run) => Math.max(longest, run.length), 0);
}
