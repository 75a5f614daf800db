import { type CliParts, EX_CONFIG, problemLines } from "./parts.ts";
import type { ExitCode } from "./terminal.ts";

/**
 * `wharfinger start`, `serve` and `work`. 78, and every problem at once, when something is missing or wrong. The first
 * `start`, which was told nothing at all, serves the setup wizard instead.
 */
export async function start<C>(parts: CliParts<C>, what: "start" | "serve" | "work"): Promise<ExitCode> {
  const { terminal } = parts;
  const setUp = what === "start" ? await parts.firstRun() : null;
  if (setUp !== null) return setUp();
  const read = await parts.config();
  const missing = await parts.startProblems();
  const problems = [...missing, ...(read.ok ? [] : read.problems)];
  if (!read.ok || problems.length > 0) {
    // The introduction is for somebody at the beginning, not for who mistyped one value.
    terminal.err(missing.length > 1 ? `${parts.startHelp()}\n\n` : "");
    terminal.err(`Not started. Missing or wrong:\n\n${problemLines(problems)}`);
    // One of them may be why something is missing: what the database holds was not read.
    for (const warning of read.ok ? read.warnings : []) terminal.err(`\nwarning: ${warning}\n`);
    return EX_CONFIG;
  }
  if (what !== "start" && !parts.severalProcesses(read.config)) {
    const wrong = `is SQLite, which one process works on: \`${what}\` needs PostgreSQL`;
    const todo = "give postgres://…, or run `wharfinger start`, which does everything";
    terminal.err(`Not started. Missing or wrong:\n\n${problemLines([{ variable: "DATABASE_URL", wrong, todo }])}`);
    return EX_CONFIG;
  }
  for (const warning of read.warnings) {
    terminal.err(`warning: ${warning}\n`);
  }
  return parts[what](read.config);
}
