import { spawn } from "node:child_process";
import { once } from "node:events";

export interface CommandOptions {
  readonly cwd: string;
  /** What it reads from standard input. */
  readonly input: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Runs one command of the program as an operator would; `output` is everything it printed. */
export async function runCommand(
  main: string,
  args: readonly string[],
  { cwd, input, env }: CommandOptions,
): Promise<{ readonly code: number | null; readonly output: string }> {
  const child = spawn(process.execPath, ["--enable-source-maps", main, ...args], {
    cwd,
    env,
    stdio: ["pipe", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString("utf8");
    });
  }
  child.stdin.end(input);
  const [code] = (await once(child, "close")) as [number | null];
  return { code, output };
}
