/** Lets a workspace of the stand-in in at the program that runs, as people do. */
import { execFile } from "node:child_process";
import type { BitbucketHost, HostAccessToken, HostWorkspace } from "../hosts/bitbucket/index.ts";
import type { Door } from "./bitbucket-door.ts";
import type { Program } from "./program.ts";
import { eventually } from "./world.ts";

export interface Opened {
  readonly workspace: HostWorkspace;
  /** Of the connection. */
  readonly token: HostAccessToken | null;
  /** All that the command printed. */
  readonly printed: string;
}

/** Installs the add-on, or runs `wharfinger connect bitbucket`; `cwd`: not where a developer's .env may lie. */
export async function openProgramDoor(
  door: Door,
  workspace: HostWorkspace,
  { program, main, cwd, bitbucket }: { program: Program; main: string; cwd: string; bitbucket: BitbucketHost },
): Promise<Opened> {
  if (door === "connect") {
    const { status } = await bitbucket.install(workspace, { descriptor: `${program.url}/atlassian-connect.json` });
    if (status !== 204) throw new Error(`the install was answered ${status}`);
    await eventually("a proven install", () => (isProven(program, workspace) ? true : null), 30_000);
    return { workspace, token: null, printed: "" };
  }
  const token = bitbucket.accessToken({ workspace, scopes: ["account", "repository", "pullrequest", "webhook"] });
  const args = ["connect", "bitbucket", "--workspace", workspace.slug];
  const printed = await new Promise<string>((resolve, reject) => {
    const child = execFile(process.execPath, [main, ...args], { cwd, env: program.environment }, (error, out, err) => {
      if (error === null) resolve(`${out}${err}`);
      else reject(new Error(`wharfinger ${args.join(" ")}: ${out}${err}`));
    });
    child.stdin?.end(`${token.token}\n`);
  });
  return { workspace, token, printed };
}

function isProven(program: Program, { uuid }: HostWorkspace): boolean {
  const lines = program.output().split("\n");
  return lines.some((line) => line.includes("an install of the Connect app is proven") && line.includes(uuid));
}
