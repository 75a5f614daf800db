/** What is asked of Bitbucket about a pull request. */
import { z } from "zod";
import type { PullRequestEvent } from "../core/events.ts";
import { type Outcome, ok, parseSha } from "../core/model.ts";
import type { PullHead } from "../engine/ports.ts";
import type { BitbucketAccess } from "./access.ts";
import { apiPath, misshapen, refusal, repositorySegments, requiredScopes } from "./api.ts";

/** Stands for whichever workspace has a repository that is named by its uuid: forks move and are renamed. */
const ANY_WORKSPACE = { id: "{}" };

/** Of the repository of a commit the privacy is given only when it is asked for. */
const FIELDS = "hash,message,date,repository.is_private";

const text = z.string().nullish().catch(null);

const commitSchema = z.object({
  hash: z.string(),
  message: text,
  date: text,
  repository: z.object({ is_private: z.boolean().nullish() }).nullish().catch(null),
});

/**
 * The commit an event names by its first twelve digits, looked up where it is: in a fork's own repository. Null: it is not
 * there any more, or nobody but the fork's own people may read it, as the clone of a fork takes no credential.
 */
export async function readHead(
  access: Pick<BitbucketAccess, "call">,
  { installation, repository, source, target, fork }: PullRequestEvent,
): Promise<Outcome<PullHead | null>> {
  if (source.repository === null || source.commit === null) return ok(null);
  const segments = repositorySegments(fork ? ANY_WORKSPACE : installation, source.repository);
  const path = apiPath([...segments, "commit", source.commit], { fields: FIELDS });
  const answer = await access.call({ workspace: installation.id, repository: repository.id }, { method: "GET", path });
  if (!answer.ok) return answer;
  const { status } = answer.value;
  const isKeptOut = fork && status === 403 && requiredScopes(answer.value).length === 0;
  if (status === 404 || isKeptOut) return ok(null);
  if (status !== 200) return refusal(answer.value);
  const found = commitSchema.safeParse(answer.value.body);
  if (!found.success) return misshapen(answer.value);
  const { hash, message, date, repository: where } = found.data;
  const commit = parseSha(hash);
  // A branch may be called as a commit is abbreviated.
  if (commit === null || !commit.startsWith(source.commit)) return ok(null);
  if (fork && where?.is_private === true) return ok(null);
  return ok({ commit, message: message ?? "", committedAt: isoOf(date), target: parseSha(target.commit) });
}

function isoOf(date: string | null | undefined): string | null {
  const time = new Date(date ?? "");
  return Number.isNaN(time.getTime()) ? null : time.toISOString();
}
