/** What is asked of GitHub for the sake of pull requests alone. */
import type { PullRequestEvent } from "../core/events.ts";
import { type Actor, type HostId, type Outcome, ok, parseSha, type Repository } from "../core/model.ts";
import type { Permission } from "../core/roles.ts";
import type { PullHead } from "../engine/ports.ts";
import type { GithubAccess } from "./access.ts";
import { apiPath, misshapen, refusal, repositorySegments } from "./api.ts";
import { readScope } from "./facts.ts";
import { gitCommitSchema, permissionSchema } from "./payloads.ts";
import type { TokenScope } from "./tokens.ts";

/**
 * Events name the head in full and leave out its message. The repository it goes to has the commit also where it is a
 * fork's.
 */
export async function readHead(access: GithubAccess, event: PullRequestEvent): Promise<Outcome<PullHead | null>> {
  const { installation, repository, source, target } = event;
  const commit = parseSha(source.commit);
  if (commit === null) return ok(null);
  const answer = await access.asInstallation(readScope(installation, repository), {
    method: "GET",
    path: apiPath([...repositorySegments(repository), "git", "commits", commit]),
  });
  if (!answer.ok) return answer;
  if (answer.value.status === 404) return ok(null);
  if (answer.value.status !== 200) return refusal(answer.value);
  const result = gitCommitSchema.safeParse(answer.value.body);
  if (!result.success) return misshapen(answer.value);
  const { message, committer } = result.data;
  const made = new Date(committer?.date ?? "");
  const committedAt = Number.isNaN(made.getTime()) ? null : made.toISOString();
  return ok({ commit, message, committedAt, target: parseSha(target.commit) });
}

/** GitHub's own mapping of roles: `maintain` may push, `triage` may not. A word not among these allows nothing. */
const PERMISSIONS: ReadonlyMap<string, Permission> = new Map([
  ["admin", "admin"],
  ["maintain", "write"],
  ["write", "write"],
  ["triage", "read"],
  ["read", "read"],
]);

/**
 * GitHub answers for whoever has the login now. Since the actor acted it may have become somebody else's: what the answer
 * grants counts only where it names the actor's id.
 */
export async function readPermission(
  access: GithubAccess,
  installation: HostId,
  repository: Repository,
  actor: Actor,
): Promise<Outcome<Permission>> {
  // No login of anybody's, and as a part of an address it would lead elsewhere.
  if (actor.login === "." || actor.login === "..") return ok("none");
  const answer = await access.asInstallation(metadataScope(installation, repository), {
    method: "GET",
    path: apiPath([...repositorySegments(repository), "collaborators", actor.login, "permission"]),
  });
  if (!answer.ok) return answer;
  if (answer.value.status === 404) return ok("none");
  if (answer.value.status !== 200) return refusal(answer.value);
  const result = permissionSchema.safeParse(answer.value.body);
  if (!result.success) return misshapen(answer.value);
  const { user, permission } = result.data;
  return ok(user?.id === actor.id ? (PERMISSIONS.get(permission) ?? "none") : "none");
}

function metadataScope(installation: HostId, repository: HostId): TokenScope {
  return { installationId: installation.id, repositoryIds: [repository.id], permissions: { metadata: "read" } };
}
