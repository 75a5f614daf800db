import type { RepoConfig } from "./config.ts";
import type { DataPath, Problems } from "./problems.ts";
import type { FileFields } from "./schema.ts";

const DEFAULT_SKIP: readonly string[] = ["[skip ci]", "[ci skip]", "[skip build]"];

/** What stands beside `images`, with defaults. Null: the file's shape was wrong, and that was said. */
export function resolveSettings(fields: FileFields | null, problems: Problems): Omit<RepoConfig, "images"> {
  checkRepositories(fields?.repositories ?? [], ["repositories"], problems);
  checkSkip(fields?.skip ?? [], ["skip"], problems);
  return {
    repositories: fields?.repositories ?? [],
    forks: fields?.pull_requests?.forks ?? "approve",
    skip: fields?.skip ?? DEFAULT_SKIP,
  };
}

/** `owner/name` as both hosts spell them; neither part may be `.` or `..`. */
const REPOSITORY = /^(?!\.{1,2}\/)[A-Za-z0-9_.-]{1,100}\/(?!\.{1,2}$)[A-Za-z0-9_.-]{1,100}$/;

function checkRepositories(repositories: readonly string[], path: DataPath, problems: Problems): void {
  for (const [index, repository] of repositories.entries()) {
    if (!REPOSITORY.test(repository)) {
      problems.error([...path, index], "not a repository: write `owner/name`, without address or `.git`");
    } else if (repositories.indexOf(repository) !== index) {
      problems.warn([...path, index], "this repository is listed twice");
    }
  }
}

const MAX_SKIP = 100;

function checkSkip(texts: readonly string[], path: DataPath, problems: Problems): void {
  for (const [index, text] of texts.entries()) {
    if (text.trim() === "")
      problems.error([...path, index], "an empty text would stand in every message; for none write `skip: []`");
    else if (text.length > MAX_SKIP) problems.error([...path, index], `a text may have ${MAX_SKIP} characters`);
  }
}
