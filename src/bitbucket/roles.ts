/** Who somebody is towards a workspace. */
import { type Actor, failed, type HostId, type Outcome, ok } from "../core/model.ts";
import { type HostRole, roleInRepository } from "../core/roles.ts";
import type { BitbucketAccess } from "./access.ts";
import { type ApiAnswer, type ApiRequest, apiPath, misshapen, nextPage, refusal } from "./api.ts";
import { membershipsSchema } from "./members.ts";
import { readOwners } from "./owners.ts";
import { readPermission } from "./permission.ts";
import { parseUuid } from "./uuid.ts";

/** Of 100 people each: Bitbucket can list those of one permission, but not look for one person. */
const MAX_PAGES = 10;

/** The workspace's own people. A collaborator was let into single repositories, where they are asked after. */
const MEMBERS: ReadonlySet<string> = new Set(["owner", "create-project", "member"]);

type Access = Pick<BitbucketAccess, "callAsApp">;

export async function readRole(
  access: Access,
  installation: HostId,
  repository: HostId | null,
  actor: Actor,
): Promise<Outcome<HostRole>> {
  if (repository !== null) {
    const permission = await readPermission(access, installation, repository, actor);
    return permission.ok ? ok(roleInRepository(permission.value)) : permission;
  }
  const user = parseUuid(actor.id);
  if (user === null) return ok("none");
  const { id: workspace } = installation;
  const ask = (request: ApiRequest) => access.callAsApp(workspace, request);
  const owners = await readOwners(ask, workspace);
  if (!owners.ok) return owners;
  if (owners.value.has(user)) return ok("owner");
  const member = await isMember(ask, workspace, user);
  if (!member.ok) return member;
  return ok(member.value ? "read" : "none");
}

async function isMember(
  ask: (request: ApiRequest) => Promise<Outcome<ApiAnswer>>,
  workspace: string,
  user: string,
): Promise<Outcome<boolean>> {
  const path = apiPath(["workspaces", workspace, "permissions"], { pagelen: "100" });
  let request: ApiRequest | null = { method: "GET", path };
  for (let page = 0; request !== null; page += 1) {
    if (page === MAX_PAGES) return failed("The workspace has more people than are looked at.", { retryable: false });
    const answer: Outcome<ApiAnswer> = await ask(request);
    if (!answer.ok) return answer;
    if (answer.value.status !== 200) return refusal(answer.value);
    const listed = membershipsSchema.safeParse(answer.value.body);
    if (!listed.success) return misshapen(answer.value);
    const found = listed.data.values.some(
      (one) =>
        one.user.uuid === user && (one.workspace?.uuid ?? workspace) === workspace && MEMBERS.has(one.permission),
    );
    if (found) return ok(true);
    request = nextPage(answer.value);
  }
  return ok(false);
}
