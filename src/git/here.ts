/** Whether git is there, and does what it is asked for here. */
import { gitEnvironment, TOOL_PATH } from "./environment.ts";
import { runLimited } from "./process.ts";

/** The first that takes its settings from the environment, and lets those of users be left out. */
const OLDEST = [2, 32] as const;

export type GitHere =
  | { readonly kind: "usable" | "too-old"; readonly version: string }
  /** `alone`: it is there, and can not speak to hosts. */
  | { readonly kind: "missing" | "alone" };

/** `git`: name or path of the tool. */
export async function findGit(git = "git"): Promise<GitHere> {
  const asked = await ask(git, "version");
  const [, version, major, minor] = /^git version ((\d+)\.(\d+)\S*)/.exec(asked.said) ?? [];
  if (asked.code !== 0 || version === undefined) return { kind: "missing" };
  const newer = Number(major) - OLDEST[0] || Number(minor) - OLDEST[1];
  if (newer < 0) return { kind: "too-old", version };
  // Without an address it only says what it wants. Some packages come without it.
  const helper = await ask(git, "remote-https");
  return / is not a git command/.test(helper.said) ? { kind: "alone" } : { kind: "usable", version };
}

async function ask(git: string, word: string): Promise<{ readonly code: number | null; readonly said: string }> {
  const nowhere = { gitDir: "/nonexistent", workTree: "/nonexistent" };
  const said: Buffer[] = [];
  const end = await runLimited({
    command: [git, word],
    env: { ...gitEnvironment(nowhere, null), PATH: TOOL_PATH, HOME: "/nonexistent" },
    maxData: 256 * 1_024,
    maxBytes: 65_536,
    timeoutMs: 10_000,
    signal: new AbortController().signal,
    output: (chunk) => said.push(chunk),
    errors: (chunk) => said.push(chunk),
    trace: () => undefined,
  });
  return { code: end.kind === "ended" ? end.code : null, said: Buffer.concat(said).toString("utf8") };
}
