/** Who may do what in a repository, and who belongs to an organization. */
import type { HostAccount, Role } from "./contract.ts";
import { installationToken, type OperationHandler, repositoryFor } from "./operation.ts";
import { Refusal } from "./refusal.ts";
import { collaboratorShape, membershipShape } from "./shapes.ts";
import { type AccountState, membershipOf, type RepositoryState, roleKey, type State } from "./state.ts";
import { allows } from "./tokens.ts";

export const PEOPLE_OPERATIONS: Readonly<Record<string, OperationHandler>> = {
  "GET /repos/{owner}/{repo}/collaborators/{username}/permission": {
    identity: "installation",
    async handle(world, request) {
      const { state } = world;
      const repository = repositoryFor(world, request, "metadata", "read");
      const login = (request.params["username"] ?? "").toLowerCase();
      // A login its owner gave up leads nowhere, or to whoever took it.
      const account = state.accounts.find((item) => item.type === "User" && item.login.toLowerCase() === login);
      if (account === undefined) throw new Refusal(404);
      const { name, base } = roleOf(state, repository, account);
      const user = collaboratorShape(state, account, name);
      return { status: 200, body: { permission: base === null ? "none" : OLD_ROLES[base], role_name: name, user } };
    },
  },

  "GET /orgs/{org}/memberships/{username}": {
    identity: "installation",
    async handle({ state }, request) {
      const { installation, permissions } = installationToken(request);
      const named = (type: AccountState["type"], login = "") =>
        state.accounts.find((item) => item.type === type && item.login.toLowerCase() === login.toLowerCase());
      const organization = named("Organization", request.params["org"]);
      if (organization === undefined) throw new Refusal(404);
      // What was granted is for the account that granted it.
      if (!allows(permissions, "members", "read") || installation.account.id !== organization.id) {
        throw new Refusal(403, "Resource not accessible by integration");
      }
      const user = named("User", request.params["username"]);
      const membership = user === undefined ? null : membershipOf(state, organization, user);
      if (user === undefined || membership === null) throw new Refusal(404);
      return { status: 200, body: membershipShape(state, organization, user, membership) };
    },
  },
};

/** The words `permission` had before there were more roles. */
const OLD_ROLES: Readonly<Record<Role, string>> = {
  read: "read",
  triage: "read",
  write: "write",
  maintain: "write",
  admin: "admin",
};

function roleOf(
  state: State,
  repository: RepositoryState,
  account: AccountState,
): { readonly name: string; readonly base: Role | null } {
  const known = state.roles.get(roleKey(repository, account));
  if (known !== undefined) return typeof known === "string" ? { name: known, base: known } : known;
  if (administers(state, repository.owner, account)) return { name: "admin", base: "admin" };
  return repository.private ? { name: "none", base: null } : { name: "read", base: "read" };
}

/** Owners of an organization administer all its repositories. */
function administers(state: State, owner: HostAccount, account: AccountState): boolean {
  if (owner.type === "User") return owner.id === account.id;
  const membership = membershipOf(state, owner, account);
  return membership?.role === "admin" && membership.state === "active";
}
