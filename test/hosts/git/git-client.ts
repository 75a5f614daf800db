/** A git client for the stand-ins' own tests, with nothing of the machine's configuration. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Runs git with a token as its password (null: none). Rejects with git's `stderr`. */
export async function runClient(
  args: readonly string[],
  password: string | null,
  user = "x-access-token",
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const credentials = Buffer.from(`${user}:${password ?? ""}`).toString("base64");
  const env = {
    PATH: process.env["PATH"],
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_TERMINAL_PROMPT: "0",
    LC_ALL: "C",
    ...(password === null
      ? {}
      : {
          GIT_CONFIG_COUNT: "1",
          GIT_CONFIG_KEY_0: "http.extraheader",
          GIT_CONFIG_VALUE_0: `Authorization: Basic ${credentials}`,
        }),
  };
  return run("git", [...args], { env });
}
