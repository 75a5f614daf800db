/** Command lines to try, for the end of a command's help. */
export function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ wharfinger ${line}\n`).join("")}`.trimEnd();
}
