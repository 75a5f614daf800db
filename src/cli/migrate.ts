import type { ExitCode, Terminal } from "./terminal.ts";

/** `wharfinger migrate`. */
export async function migrate(apply: () => Promise<readonly string[]>, terminal: Terminal): Promise<ExitCode> {
  const applied = await apply();
  if (applied.length === 0) {
    terminal.out("The database is up to date; nothing to do.\n");
  } else {
    terminal.out(`Applied:\n${applied.map((name) => `  ${name}\n`).join("")}`);
  }
  return 0;
}
