import { type Actor, failed, type HostId, type Outcome, ok } from "../core/model.ts";
import type { Permission } from "../core/roles.ts";
import type { BitbucketAccess } from "./access.ts";
import { type ApiAnswer, type ApiRequest, apiPath, misshapen, nextPage, refusal } from "./api.ts";
import { repositoryPermissionsSchema } from "./members.ts";
import { readOwners } from "./owners.ts";
import { parseUuid } from "./uuid.ts";

/** Of 100 people each, should Bitbucket not look for the one by itself. */
const MAX_PAGES = 10;

/** As Bitbucket spells them, the least first. */
const LEVELS: readonly Permission[] = ["none", "read", "write", "admin"];

type Access = Pick<BitbucketAccess, "callAsApp">;

/**
 * What somebody may do in a repository, as Bitbucket says now. It tells only who administers the repository itself; who
 * owns the workspace is told more readily, and may do everything there.
 */
export async function readPermission(
  access: Access,
  installation: HostId,
  repository: HostId,
  actor: Actor,
): Promise<Outcome<Permission>> {
  const user = parseUuid(actor.id);
  if (user === null) return ok("none");
  const listed = await readListed(access, installation, repository, user);
  // Of a repository that is gone nobody is anything, owners included.
  if (listed.ok && listed.value !== "none") return ok(listed.value ?? "none");
  const owners = await readOwners((request) => access.callAsApp(installation.id, request), installation.id);
  if (owners.ok && owners.value.has(user)) return ok("admin");
  // Where the first question has no answer, not to be an owner means nothing.
  if (!listed.ok) return listed;
  return owners.ok ? ok("none") : owners;
}

/** `none`: not listed. Null: there is no such repository. Fails where the app may not know. */
async function readListed(
  access: Access,
  installation: HostId,
  repository: HostId,
  user: string,
): Promise<Outcome<Permission | null>> {
  const segments = ["workspaces", installation.id, "permissions", "repositories", repository.id];
  const query = { q: `user.uuid="${user}"`, pagelen: "100" };
  let request: ApiRequest | null = { method: "GET", path: apiPath(segments, query) };
  let highest = 0;
  for (let page = 0; request !== null; page += 1) {
    if (page === MAX_PAGES) return failed("More people are listed than are looked at.", { retryable: false });
    const answer: Outcome<ApiAnswer> = await access.callAsApp(installation.id, request);
    if (!answer.ok) return answer;
    if (answer.value.status === 404) return ok(null);
    if (answer.value.status !== 200) return refusal(answer.value);
    const listed = repositoryPermissionsSchema.safeParse(answer.value.body);
    if (!listed.success) return misshapen(answer.value);
    for (const one of listed.data.values) {
      // Whether the filter was understood is not for the filter to say.
      const isAbout = one.user.uuid === user && (one.repository?.uuid ?? repository.id) === repository.id;
      if (isAbout) highest = Math.max(highest, LEVELS.indexOf(one.permission ?? "none"));
    }
    request = nextPage(answer.value);
  }
  return ok(LEVELS[highest] ?? "none");
}
