/** What `wharfinger doctor` tries of git, where no builder here needs it anyway. */
import type { CheckResult } from "./cli/parts.ts";
import { findGit } from "./git/here.ts";

/** `git`: name or path of the tool. */
export async function checkGit(git?: string): Promise<CheckResult> {
  const found = await findGit(git);
  const without = "branches and tags can not be compared, and changes that hosts do not tell of are not found";
  const todo = "Install it where `start` or `serve` runs: apt-get install git";
  switch (found.kind) {
    case "usable":
      return { ok: true, detail: `${found.version}, to compare branches and tags`, todo: "" };
    case "too-old":
      return { ok: false, detail: `${found.version} is too old: ${without}`, todo: "Install git 2.32 or newer." };
    case "alone":
      return { ok: false, detail: `it can not speak to hosts (no git-remote-https): ${without}`, todo };
    case "missing":
      return { ok: false, detail: `it is missing: ${without}`, todo };
  }
}
