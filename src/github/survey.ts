/** What there is to build in a repository that may have no file. */
import { isCalledDockerfile } from "../core/dockerfile-name.ts";
import { type HostId, type Outcome, ok, type Repository } from "../core/model.ts";
import { CONFIG_FILE } from "../core/repo-config/config.ts";
import type { Survey } from "../engine/ports.ts";
import type { GithubAccess } from "./access.ts";
import { apiPath, misshapen, refusal, repositorySegments } from "./api.ts";
import { readScope } from "./facts.ts";
import { defaultBranchSchema, treeSchema } from "./payloads.ts";

const MAX_DOCKERFILES = 100;

/** Git's mode of a symbolic link, which is a blob to GitHub. */
const LINK = "120000";

/** One call for all folders, and one before it where nobody has told the default branch yet. Null: no commits, no such branch, not visible any more, or too much for one answer. */
export async function readSurvey(
  access: GithubAccess,
  installation: HostId,
  repository: Repository,
): Promise<Outcome<Survey | null>> {
  const named =
    repository.defaultBranch === null
      ? await askBranch(access, installation, repository)
      : ok(repository.defaultBranch);
  if (!named.ok) return named;
  if (named.value === null) return ok(null);
  const defaultBranch = named.value;
  const answer = await access.asInstallation(readScope(installation, repository), {
    method: "GET",
    // By its whole name: anybody who may push can make a tag called `main` or `heads/main`, but GitHub lets none begin
    // with `refs/`.
    path: apiPath([...repositorySegments(repository), "git", "trees", `refs/heads/${defaultBranch}`], {
      recursive: "1",
    }),
    mayBeTooLarge: true,
  });
  if (!answer.ok) return answer;
  const { status, tooLarge, body } = answer.value;
  // 409: a repository without commits.
  if (status === 404 || status === 409) return ok(null);
  if (status !== 200) return refusal(answer.value);
  if (tooLarge) return ok(null);
  const result = treeSchema.safeParse(body);
  if (!result.success) return misshapen(answer.value);
  const { tree, truncated } = result.data;
  // What a list that was cut does not name may be there all the same.
  if (truncated) return ok(null);
  const files = tree.filter(({ type }) => type === "blob");
  const dockerfiles = files.filter(({ mode, path }) => mode !== LINK && isCalledDockerfile(path));
  return ok({
    defaultBranch,
    // GitHub follows a link when the file is read.
    hasFile: files.some(({ path }) => path === CONFIG_FILE),
    dockerfiles: dockerfiles
      .map(({ path }) => path)
      .sort()
      .slice(0, MAX_DOCKERFILES),
  });
}

/** The events of an installation name its repositories, and no more of them. Null: it is gone. */
async function askBranch(
  access: GithubAccess,
  installation: HostId,
  repository: Repository,
): Promise<Outcome<string | null>> {
  const path = apiPath(repositorySegments(repository));
  const answer = await access.asInstallation(readScope(installation, repository), { method: "GET", path });
  if (!answer.ok) return answer;
  if (answer.value.status === 404) return ok(null);
  if (answer.value.status !== 200) return refusal(answer.value);
  const result = defaultBranchSchema.safeParse(answer.value.body);
  return result.success ? ok(result.data.default_branch || null) : misshapen(answer.value);
}
