/** What is true of one repository now, for an installation. */
import { type HostId, type Outcome, ok, parseSha, type Repository } from "../core/model.ts";
import type { RepositoryNow, Tip } from "../engine/ports.ts";
import type { GithubAccess } from "./access.ts";
import { apiPath, misshapen, refusal, repositorySegments } from "./api.ts";
import { readRepositories, readScope } from "./facts.ts";
import { namedCommitSchema, repositoryNowSchema } from "./payloads.ts";
import type { TokenScope } from "./tokens.ts";
import { toRepository } from "./words.ts";

/**
 * Public repositories answer to every token; that the installation covers this one is shown by GitHub giving out a token
 * for it. Therefore one of its own, which is not kept: it would still be good when the repository has moved on.
 */
export async function readRepository(
  access: GithubAccess,
  installation: HostId,
  id: HostId,
): Promise<Outcome<RepositoryNow | null>> {
  const scope: TokenScope = {
    installationId: installation.id,
    repositoryIds: [id.id],
    permissions: { contents: "read", metadata: "read" },
  };
  const token = await access.tokens.get(scope);
  if (!token.ok) return token.retryable ? token : whyRefused(access, installation, id, token);
  const answer = await access.asInstallation(scope, { method: "GET", path: apiPath(repositorySegments(id)) });
  access.tokens.refused(scope, token.value);
  if (!answer.ok) return answer;
  if (answer.value.status === 404) return ok(null);
  if (answer.value.status !== 200) return refusal(answer.value);
  const result = repositoryNowSchema.safeParse(answer.value.body);
  if (!result.success || result.data.id !== id.id) return misshapen(answer.value);
  return ok({ ...toRepository(result.data, access), archived: result.data.archived ?? false });
}

/** GitHub refuses a token in the same words for a repository that is not covered and for rights that are not granted. */
async function whyRefused(
  access: GithubAccess,
  installation: HostId,
  id: HostId,
  refused: Outcome<never>,
): Promise<Outcome<null>> {
  const listed = await readRepositories(access, installation);
  if (!listed.ok) return listed;
  return listed.value.some((one) => one.id === id.id) ? refused : ok(null);
}

/** Asked for by its whole name, as in every other question: anybody who may push can make a tag called `heads/main`. */
export async function readTip(
  access: GithubAccess,
  installation: HostId,
  repository: Repository,
  ref: string,
): Promise<Outcome<Tip | null>> {
  const answer = await access.asInstallation(readScope(installation, repository), {
    method: "GET",
    // The files of a commit come in pages, and nobody reads them.
    path: apiPath([...repositorySegments(repository), "commits", ref], { per_page: "1" }),
  });
  if (!answer.ok) return answer;
  // 409: a repository without commits; 422: no such ref.
  if ([404, 409, 422].includes(answer.value.status)) return ok(null);
  if (answer.value.status !== 200) return refusal(answer.value);
  const result = namedCommitSchema.safeParse(answer.value.body);
  const commit = result.success ? parseSha(result.data.sha) : null;
  if (!result.success || commit === null) return misshapen(answer.value);
  const { message, committer } = result.data.commit;
  const made = new Date(committer?.date ?? "");
  return ok({ commit, message, committedAt: Number.isNaN(made.getTime()) ? null : made.toISOString() });
}
