/** git itself, without a sandbox, but with the environment it is given: nothing of this machine's own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Git } from "../../src/builders/checkout-git.ts";
import type { GitNetwork } from "../../src/git/environment.ts";

export interface LocalGit extends Git {
  /** Arguments, environment and network of every command so far. */
  readonly calls: readonly {
    readonly args: readonly string[];
    readonly env: Readonly<Record<string, string>>;
    readonly network: GitNetwork | null;
  }[];
}

export function createLocalGit(): LocalGit {
  const calls: LocalGit["calls"][number][] = [];

  async function git(
    args: readonly string[],
    env: Readonly<Record<string, string>>,
    heed: readonly ("stdout" | "stderr")[],
  ) {
    const child = spawn("git", args, {
      cwd: "/",
      env: { ...env, PATH: process.env["PATH"] },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const chunks: Buffer[] = [];
    for (const name of ["stdout", "stderr"] as const) {
      child[name].on("data", (chunk: Buffer) => {
        if (heed.includes(name)) chunks.push(chunk);
      });
    }
    const [code] = (await once(child, "close")) as [number | null];
    return { code, out: Buffer.concat(chunks) };
  }

  return {
    calls,
    async run(commands, env, network) {
      let said = "";
      for (const args of commands) {
        calls.push({ args, env, network });
        const { code, out } = await git(args, env, ["stdout", "stderr"]);
        said += out.toString("utf8");
        if (code !== 0) return { code, said: said.trimEnd().split("\n") };
      }
      return { code: 0, said: said.trimEnd().split("\n") };
    },
    async read(args, env) {
      calls.push({ args, env, network: null });
      const { code, out } = await git(args, env, ["stdout"]);
      return code === 0 ? out : null;
    },
  };
}
