/** What there is to build in a repository that may have no file. */
import { isCalledDockerfile } from "../core/dockerfile-name.ts";
import { type HostId, type Outcome, ok, type Repository } from "../core/model.ts";
import { CONFIG_FILE } from "../core/repo-config/config.ts";
import type { Survey } from "../engine/ports.ts";
import type { GithubAccess } from "./access.ts";
import { apiPath, misshapen, refusal, repositorySegments } from "./api.ts";
import { readScope } from "./facts.ts";
import { treeSchema } from "./payloads.ts";

const MAX_DOCKERFILES = 100;

/** Git's mode of a symbolic link, which is a blob to GitHub. */
const LINK = "120000";

/** One call, for all folders. Null: no commits, no such branch, not visible any more, or too much for one answer. */
export async function readSurvey(
  access: GithubAccess,
  installation: HostId,
  repository: Repository,
): Promise<Outcome<Survey | null>> {
  const { defaultBranch } = repository;
  if (defaultBranch === null) return ok(null);
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
    // GitHub follows a link when the file is read.
    hasFile: files.some(({ path }) => path === CONFIG_FILE),
    dockerfiles: dockerfiles
      .map(({ path }) => path)
      .sort()
      .slice(0, MAX_DOCKERFILES),
  });
}
