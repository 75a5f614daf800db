import { createLogLines, type LogLines } from "../core/log-lines.ts";
import { LONGEST_MASKED, type Masks } from "../core/masks.ts";
import { type GitNetwork, TOOL_PATH } from "../git/environment.ts";
import type { Git } from "./checkout-git.ts";
import type { Exit } from "./process.ts";
import { quoted } from "./sh.ts";

/** Bytes. What is read is listings and .gitmodules. */
const MAX_READ = 1024 ** 2;

/** git in the sandbox that `run` makes. */
export function createGit(options: {
  /** Name or path of the tool. */
  readonly tool: string;
  readonly masks: Masks;
  /** For the last words of what failed. */
  readonly log: Pick<LogLines, "line">;
  run(
    command: readonly [string, ...string[]],
    env: Readonly<Record<string, string>>,
    output: Pick<LogLines, "chunk" | "flush" | "tail">,
    network: GitNetwork,
  ): Promise<Pick<Exit, "code">>;
}): Git {
  const { tool, masks, log, run } = options;

  function inShell(script: string): readonly [string, ...string[]] {
    return ["sh", "-c", script];
  }
  function words(args: readonly string[]): string {
    return [tool, ...args].map(quoted).join(" ");
  }
  function environment(env: Readonly<Record<string, string>>): Record<string, string> {
    return { ...env, PATH: TOOL_PATH, HOME: "/nonexistent" };
  }

  return {
    async run(commands, env, network) {
      const said = createLogLines({
        write: () => undefined,
        mask: masks.mask,
        longestSecret: LONGEST_MASKED,
        maxBytes: 65_536,
      });
      const { code } = await run(inShell(commands.map(words).join(" && ")), environment(env), said, network);
      if (code !== 0) for (const line of said.tail()) log.line(line);
      return { code, said: said.tail() };
    },
    async read(args, env) {
      const chunks: Buffer[] = [];
      let size = 0;
      const output = {
        chunk(bytes: Uint8Array) {
          size += bytes.length;
          if (size <= MAX_READ) chunks.push(Buffer.from(bytes));
        },
        flush: () => undefined,
        tail: () => [],
      };
      // What it complains of must not stand between what it lists.
      const { code } = await run(inShell(`${words(args)} 2>/dev/null`), environment(env), output, "machine");
      return code === 0 && size <= MAX_READ ? Buffer.concat(chunks) : null;
    },
  };
}
