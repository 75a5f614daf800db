import type { Comparison } from "../core/dockerhub/compare.ts";
import { type Import, importDockerHub } from "../core/dockerhub/import.ts";
import type { Finding } from "../core/dockerhub/rules.ts";
import { oneLine } from "../core/markdown.ts";
import { listed } from "../core/repo-config/problems.ts";
import type { ExitCode, Terminal } from "./terminal.ts";

export interface ImportOptions {
  /** `-` is standard input. */
  readonly file: string;
  /** What `git ls-remote` printed; null: compare nothing. */
  readonly refs: string | null;
}

/**
 * `wharfinger import dockerhub`: build rules in, `.wharfinger.yml` on standard output, a report on standard error.
 *
 * 0: everything was taken over; 1: something was not, or a ref gets other tags; 2: unusable input, one line.
 */
export async function importRules(options: ImportOptions, terminal: Terminal): Promise<ExitCode> {
  function unusable(message: string): ExitCode {
    terminal.err(`import: ${oneLine(message)}\n`);
    return 2;
  }
  if (options.file === "-" && options.refs === "-") {
    return unusable("only one of FILE and --refs can be standard input (-)");
  }
  const rules = await read(options.file, terminal);
  if (!rules.ok) return unusable(rules.message);
  const refs = options.refs === null ? null : await read(options.refs, terminal);
  if (refs?.ok === false) return unusable(`--refs: ${refs.message}`);
  const result = importDockerHub(rules.text, refs === null ? null : refs.text);
  if (!result.ok) {
    const name = result.input === "rules" ? options.file : `--refs ${options.refs}`;
    return unusable(`${name}: ${result.message}`);
  }
  terminal.err(
    report(result.value)
      .map((line) => `${oneLine(line)}\n`)
      .join(""),
  );
  if (result.value.file !== null) terminal.out(result.value.file);
  return result.value.complete ? 0 : 1;
}

async function read(
  path: string,
  terminal: Terminal,
): Promise<{ readonly ok: true; readonly text: string } | { readonly ok: false; readonly message: string }> {
  try {
    return { ok: true, text: await (path === "-" ? terminal.stdin() : terminal.readFile(path)) };
  } catch (error) {
    return { ok: false, message: `${path} can not be read: ${error instanceof Error ? error.message : String(error)}` };
  }
}

function report({ file, rules, findings, comparisons }: Import): readonly string[] {
  return [
    `${rules.taken} of ${rules.given} rules taken over${file === null ? "; no file, because none is left for it" : ""}`,
    ...findings.map(findingLine),
    "no rule tells of hooks/ and *.test.yml beside the Dockerfile: they do not run here",
    ...(comparisons === null ? [] : comparisonLines(comparisons)),
  ];
}

function findingLine({ kind, place, message }: Finding): string {
  return `${place === null ? "" : `${place}: `}${kind === "note" ? "note: " : ""}${message}`;
}

function comparisonLines(comparisons: readonly Comparison[]): readonly string[] {
  const several = new Set(comparisons.map(({ image }) => image)).size > 1;
  function count(wanted: Comparison["verdict"]): number {
    return comparisons.filter(({ verdict }) => verdict === wanted).length;
  }
  const unknown = count("unknown");
  return [
    ...comparisons.map((comparison) => comparisonLine(comparison, several)),
    `${count("same")} same, ${count("differs")} different${unknown === 0 ? "" : `, ${unknown} unknown`}`,
  ];
}

function comparisonLine({ ref, image, verdict, hub, file, remarks }: Comparison, several: boolean): string {
  const place = several ? `${ref} (${image})` : ref;
  const tags = verdict === "same" ? shownTags(hub) : `Docker Hub ${shownTags(hub)}, this file ${shownTags(file)}`;
  return `${verdict}: ${place}: ${tags}${remarks.length === 0 ? "" : `; ${remarks.join("; ")}`}`;
}

function shownTags(tags: readonly string[]): string {
  return tags.length === 0 ? "nothing" : listed(tags);
}
