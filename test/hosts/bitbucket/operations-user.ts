/** What somebody's own token is told of them. */
import { type ApiRequest, type OperationHandler, paginate, unauthorized, type World } from "./operation.ts";
import { repositoryName, userShape } from "./payload-shapes.ts";
import { Refusal } from "./refusal.ts";
import { apiMembership } from "./shapes.ts";
import { effectivePermission, findWorkspace, type UserState } from "./state.ts";

function demandUser({ user }: ApiRequest): UserState {
  if (user === null) throw unauthorized();
  return user;
}

async function listWorkspaces(world: World, request: ApiRequest) {
  const user = demandUser(request);
  const own = world.state.workspaces.filter(({ members }) => members.has(user));
  const values = own.map(({ slug, uuid, members }) => ({
    type: "workspace_access",
    administrator: members.get(user) === "owner",
    workspace: { type: "workspace_base", slug, uuid },
  }));
  return { status: 200, body: paginate(world, request, values) };
}

function workspaceOfUser({ state }: World, request: ApiRequest) {
  const user = demandUser(request);
  const workspace = findWorkspace(state, request.params["workspace"] ?? "");
  const permission = workspace?.members.get(user);
  if (workspace === null || permission === undefined)
    throw new Refusal(403, "You do not have access to this workspace.");
  return { user, workspace, permission };
}

async function getPermission(world: World, request: ApiRequest) {
  const { user, workspace, permission } = workspaceOfUser(world, request);
  return { status: 200, body: apiMembership(world.state, workspace, user, permission) };
}

async function listRepositoryPermissions(world: World, request: ApiRequest) {
  const { user, workspace } = workspaceOfUser(world, request);
  const { state } = world;
  const values = state.repositories.flatMap((repository) => {
    const permission = effectivePermission(repository, user);
    if (repository.workspace !== workspace || repository.deleted || permission === null) return [];
    const about = { type: "repository_permission", permission };
    return [{ ...about, user: userShape(state, user), repository: repositoryName(state, repository) }];
  });
  return { status: 200, body: paginate(world, request, values) };
}

export const USER_OPERATIONS: Readonly<Record<string, OperationHandler>> = {
  "GET /user/workspaces": { person: true, handle: listWorkspaces },
  "GET /user/workspaces/{workspace}/permission": { person: true, handle: getPermission },
  "GET /user/workspaces/{workspace}/permissions/repositories": { person: true, handle: listRepositoryPermissions },
};
