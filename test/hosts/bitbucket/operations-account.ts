/** Operations on workspaces, whom they belong to, their repositories, and the app's own install. */
import {
  type ApiRequest,
  type OperationHandler,
  paginate,
  repositoryFor,
  type World,
  workspaceFor,
} from "./operation.ts";
import { ownerShape, repositoryName, userShape } from "./payload-shapes.ts";
import { Refusal } from "./refusal.ts";
import { apiMembership, apiRepository, apiWorkspace } from "./shapes.ts";
import { effectivePermission, findWorkspace } from "./state.ts";
import { reaches } from "./tokens.ts";

/** Access tokens act for nobody, and so may not ask who may do what. */
function refuseAccessTokens({ token }: ApiRequest): void {
  if (token?.kind === "access")
    throw new Refusal(403, "This API is not accessible with this authentication mechanism.");
}

async function getWorkspace({ state }: World, { params }: ApiRequest) {
  const workspace = findWorkspace(state, params["workspace"] ?? "");
  if (workspace === null) throw new Refusal(404, `No workspace with identifier '${params["workspace"] ?? ""}'.`);
  return { status: 200, body: apiWorkspace(state, workspace) };
}

async function listMembers(world: World, request: ApiRequest) {
  refuseAccessTokens(request);
  const workspace = workspaceFor(world, request);
  const members = [...workspace.members].map(([user, permission]) =>
    apiMembership(world.state, workspace, user, permission),
  );
  return { status: 200, body: paginate(world, request, members) };
}

async function listRepositoryPermissions(world: World, request: ApiRequest) {
  refuseAccessTokens(request);
  workspaceFor(world, request);
  const repository = repositoryFor(world, request, "inside");
  const { state } = world;
  const permissions = state.users.flatMap((user) => {
    const permission = effectivePermission(repository, user);
    const about = { type: "repository_permission", permission };
    if (permission === null) return [];
    return [{ ...about, user: userShape(state, user), repository: repositoryName(state, repository) }];
  });
  return { status: 200, body: paginate(world, request, permissions) };
}

async function listRepositories(world: World, request: ApiRequest) {
  const { state } = world;
  const { params, token } = request;
  const workspace = findWorkspace(state, params["workspace"] ?? "");
  if (workspace === null) throw new Refusal(404, `No workspace with identifier '${params["workspace"] ?? ""}'.`);
  const seen = state.repositories.filter(
    (item) =>
      item.workspace === workspace && !item.deleted && (!item.private || (token !== null && reaches(token, item))),
  );
  const shapes = await Promise.all(seen.map((item) => apiRepository(state, item)));
  return {
    status: 200,
    body: paginate(
      world,
      request,
      shapes.map(({ body }) => body),
    ),
  };
}

async function getRepository(world: World, request: ApiRequest) {
  return { status: 200, ...(await apiRepository(world.state, repositoryFor(world, request))) };
}

/** A person's token is theirs, a Connect token acts as the workspace; the other kinds are nobody. */
async function getUser({ state }: World, { token, user }: ApiRequest) {
  if (user !== null) return { status: 200, body: userShape(state, user) };
  if (token === null || token.kind === "access" || token.repository !== null) {
    throw new Refusal(401, "This API is not accessible with this authentication mechanism.");
  }
  return { status: 200, body: ownerShape(state, token.workspace) };
}

async function deleteAddon({ connect }: World, { headers, method, path }: ApiRequest) {
  connect.clientOf(headers.authorization ?? "", method, path).active = false;
  return { status: 204 };
}

export const ACCOUNT_OPERATIONS: Readonly<Record<string, OperationHandler>> = {
  "GET /workspaces/{workspace}": { anonymous: true, handle: getWorkspace },
  "GET /workspaces/{workspace}/permissions": { handle: listMembers },
  "GET /workspaces/{workspace}/permissions/repositories/{repo_slug}": { handle: listRepositoryPermissions },
  "GET /repositories/{workspace}": { anonymous: true, handle: listRepositories },
  "GET /repositories/{workspace}/{repo_slug}": { anonymous: true, handle: getRepository },
  "GET /user": { person: true, handle: getUser },
  "DELETE /addon": { jwt: true, handle: deleteAddon },
};
