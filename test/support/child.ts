import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A program of this repository, in a process of its own that may be killed. */
export interface Child {
  readonly pid: number;
  /** The first line it printed. */
  readonly firstLine: string;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
}

/** Starts a TypeScript file; resolves when it printed its first line, rejects when it ends before. */
export async function startChild(program: URL, args: readonly string[]): Promise<Child> {
  const loader = new URL("./ts-loader.mjs", import.meta.url).href;
  const options = ["--import", loader, "--disable-warning=ExperimentalWarning"];
  const child = spawn(process.execPath, [...options, fileURLToPath(program), ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    // HOME: where the compiler of the loader keeps what it unpacks; without one that is a folder in /tmp.
    env: { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "" },
  });
  const exited = once(child, "exit");
  const firstLine = await Promise.race([readLine(child), exited.then(() => null)]);
  const { pid } = child;
  if (firstLine === null || pid === undefined) throw new Error(`${program.pathname} ended before it was ready`);
  return {
    pid,
    firstLine,
    async kill() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

async function readLine(child: ChildProcess): Promise<string | null> {
  if (child.stdout === null) return null;
  const lines = createInterface({ input: child.stdout });
  for await (const line of lines) return line;
  return null;
}
