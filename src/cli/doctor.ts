import { oneLine } from "../core/markdown.ts";
import type { CheckResult, CliParts, ConfigProblem, DoctorCheck } from "./parts.ts";
import type { ExitCode, Terminal } from "./terminal.ts";

type NamedResult = CheckResult & { readonly name: string };

/** A check that says nothing for this long has its answer: something does not respond. */
const CHECK_TIMEOUT_MS = 20_000;

/** `wharfinger doctor`: tries everything, prints each with what to do. 1: something is wrong. */
export async function doctor<C>(options: { readonly json: boolean }, parts: CliParts<C>): Promise<ExitCode> {
  const read = await parts.config();
  const problems = [...(await parts.startProblems()), ...(read.ok ? [] : read.problems)];
  const results: NamedResult[] = problems.map(configResult);
  if (problems.length === 0 && read.ok) {
    results.push({ name: "configuration", ok: true, detail: read.warnings.join(" ") || "complete", todo: "" });
  }
  if (read.ok) {
    results.push(...(await Promise.all((await parts.checks(read.config)).map(runCheck))));
  }
  const ok = results.every((result) => result.ok);
  if (options.json) {
    const checks = results.map(({ name, ok, detail, todo }) => ({ name, ok, detail, todo: ok ? null : todo }));
    parts.terminal.out(`${JSON.stringify({ ok, checks }, null, 2)}\n`);
  } else {
    print(results, parts.terminal);
  }
  return ok ? 0 : 1;
}

function configResult({ variable, wrong, todo }: ConfigProblem): NamedResult {
  return { name: variable, ok: false, detail: wrong, todo };
}

async function runCheck(check: DoctorCheck): Promise<NamedResult> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<CheckResult>((resolve) => {
    timer = setTimeout(() => {
      resolve({ ok: false, detail: "did not answer within 20 s", todo: "see whether it is reachable from here" });
    }, CHECK_TIMEOUT_MS);
  });
  try {
    return { name: check.name, ...(await Promise.race([check.run(), silence])) };
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return { name: check.name, ok: false, detail, todo: "put this right and run doctor again" };
  } finally {
    clearTimeout(timer);
  }
}

function print(results: readonly NamedResult[], terminal: Terminal): void {
  const width = Math.max(...results.map(({ name }) => name.length));
  const paint = (color: number, text: string) => (terminal.color ? `\u001b[${color}m${text}\u001b[0m` : text);
  for (const { name, ok, detail, todo } of results) {
    const mark = ok ? paint(32, "ok     ") : paint(31, "problem");
    terminal.out(`${mark}  ${name.padEnd(width)}  ${oneLine(detail)}\n`);
    for (const step of ok || todo === "" ? [] : todo.split("\n")) {
      terminal.out(`${" ".repeat(9 + width)}  → ${oneLine(step)}\n`);
    }
  }
  const wrong = results.filter((result) => !result.ok).length;
  const summary = wrong === 0 ? "All is well." : `${wrong} ${wrong === 1 ? "problem" : "problems"}.`;
  terminal.out(`\n${summary}\n`);
}
