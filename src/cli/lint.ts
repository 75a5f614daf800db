import type { Diagnostic } from "../core/model.ts";
import { CONFIG_FILE, type ParsedConfig } from "../core/repo-config/config.ts";
import { parseRepoConfig } from "../core/repo-config/parse.ts";
import type { ExitCode, Terminal } from "./terminal.ts";

export interface LintOptions {
  /** `-` is standard input; null: `.wharfinger.yml` in the current folder. */
  readonly file: string | null;
  readonly json: boolean;
}

/** Stands for the repository's name, which a file alone does not tell: an image without a `name` is called this. */
const REPOSITORY = "this-repository";

/**
 * `wharfinger lint`: checks a config file as the server would. Problems go to standard output, one a line, as
 * `file:line:col: message`, so that editors and CI can pick them up.
 *
 * 0: nothing, or only warnings; 1: errors; 2: the file can not be read.
 */
export async function lint(options: LintOptions, terminal: Terminal): Promise<ExitCode> {
  const file = options.file ?? CONFIG_FILE;
  const read = await readText(file, terminal);
  if (!read.ok) {
    terminal.err(`lint: ${read.message}\n`);
    return 2;
  }
  const parsed = parseRepoConfig(read.text, { repositoryName: REPOSITORY });
  terminal.out(options.json ? jsonReport(file, parsed) : textReport(file, parsed));
  return parsed.config === null ? 1 : 0;
}

async function readText(
  file: string,
  terminal: Terminal,
): Promise<{ readonly ok: true; readonly text: string } | { readonly ok: false; readonly message: string }> {
  try {
    return { ok: true, text: file === "-" ? await terminal.stdin() : await terminal.readFile(file) };
  } catch (error) {
    return { ok: false, message: advice(file, error) };
  }
}

function advice(file: string, error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : null;
  if (code === "ENOENT") {
    const where =
      file === CONFIG_FILE ? "; run this in the root of a repository, or name the file: wharfinger lint FILE" : "";
    return `there is no file ${file}${where}`;
  }
  if (code === "EACCES") return `${file} may not be read: check its permissions`;
  if (code === "EISDIR") return `${file} is a folder; name the file in it: ${file.replace(/\/$/, "")}/${CONFIG_FILE}`;
  return `${file} can not be read: ${error instanceof Error ? error.message : String(error)}`;
}

function jsonReport(file: string, { config, diagnostics }: ParsedConfig): string {
  return `${JSON.stringify({ file, valid: config !== null, diagnostics }, null, 2)}\n`;
}

function textReport(file: string, { config, diagnostics }: ParsedConfig): string {
  const lines = diagnostics.map((diagnostic) => diagnosticLine(file, diagnostic));
  if (config !== null) {
    const rules = config.images.reduce((sum, image) => sum + image.rules.length, 0);
    lines.push(`${file} is valid: ${counted(config.images.length, "image")}, ${counted(rules, "rule")}`);
  }
  return lines.map((line) => `${line}\n`).join("");
}

function diagnosticLine(file: string, { severity, line, column, message }: Diagnostic): string {
  return `${file}:${line}:${column}: ${severity === "error" ? "" : `${severity}: `}${message}`;
}

function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}
