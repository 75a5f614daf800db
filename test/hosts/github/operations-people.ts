/** Who may do what in a repository. */
import type { Role } from "./contract.ts";
import { type OperationHandler, repositoryFor } from "./operation.ts";
import { Refusal } from "./refusal.ts";
import { personOf } from "./repositories.ts";
import { collaboratorShape } from "./shapes.ts";
import { type AccountState, type RepositoryState, roleKey, type State } from "./state.ts";

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
  if (personOf(state, repository.owner).id === account.id) return { name: "admin", base: "admin" };
  return repository.private ? { name: "none", base: null } : { name: "read", base: "read" };
}
