import { type GitNetwork, type GitPlace, type GitRemote, gitEnvironment } from "../git/environment.ts";

/** git inside the sandbox of a build. */
export interface Git {
  /** Runs commands until one fails: the last one's exit code, and the last lines they said. */
  run(
    commands: readonly (readonly string[])[],
    env: Readonly<Record<string, string>>,
    network: GitNetwork,
  ): Promise<{ readonly code: number | null; readonly said: readonly string[] }>;
  /** What one command that needs no network writes to its standard output; null: it failed, or wrote more than 1 MiB. */
  read(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Buffer | null>;
}

/**
 * Fetches one commit, by its hash, and writes its files to the work tree. No large file storage, no tags, no hooks;
 * objects are checked as they arrive. The credential travels in git's environment only, and to the remote's address only.
 */
export function fetchCommit(git: Git, place: GitPlace, remote: GitRemote, sha: string): ReturnType<Git["run"]> {
  const format = sha.length === 64 ? "sha256" : "sha1";
  const what = ["--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head"];
  const commands: readonly (readonly string[])[] = [
    ["init", "--quiet", `--object-format=${format}`],
    ["fetch", ...what, "--", remote.url, sha],
    // Without ref names there is nothing a name in the repository could be mistaken for.
    ["checkout", "--quiet", "--force", "--detach", sha, "--"],
    ["rev-parse", "--verify", "--quiet", "HEAD"],
  ];
  return git.run(commands, gitEnvironment(place, remote), remote.network);
}
