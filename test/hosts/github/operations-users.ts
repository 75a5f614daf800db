/** What somebody's own token is told, and how the app gives one back. */
import { isObject, textAt } from "../json.ts";
import { type ApiRequest, type OperationHandler, paginate } from "./operation.ts";
import { Refusal } from "./refusal.ts";
import { installationShape, ownShape } from "./shapes.ts";
import { type AccountState, type InstallationState, membershipOf, roleKey, type State } from "./state.ts";

export const USER_OPERATIONS: Readonly<Record<string, OperationHandler>> = {
  "GET /user": {
    identity: "user",
    handle: async ({ state }, request) => ({ status: 200, body: ownShape(state, userOf(request)) }),
  },

  "GET /user/installations": {
    identity: "user",
    async handle({ state }, request) {
      const user = userOf(request);
      const seen = state.installations.filter((one) => !one.removed && shows(state, one, user));
      const { page, headers } = paginate(state, request, seen);
      const installations = page.map((one) => installationShape(state, one));
      return { status: 200, body: { total_count: seen.length, installations }, headers };
    },
  },

  "DELETE /applications/{client_id}/token": {
    identity: "client",
    async handle({ state }, { params, body }) {
      if (params["client_id"] !== state.clientId) throw new Refusal(404);
      const token = isObject(body) ? (textAt(body, "access_token") ?? "") : "";
      if (!state.userTokens.delete(token)) throw new Refusal(422, "Validation Failed");
      return { status: 204 };
    },
  },
};

function userOf({ user }: ApiRequest): AccountState {
  if (user === null) throw new Refusal(401, "Requires authentication");
  return user;
}

/** "that the authenticated user has explicit permission to access": their own, their organizations', their repositories'. */
function shows(state: State, { account, repositories }: InstallationState, user: AccountState): boolean {
  if (account.id === user.id) return true;
  if (account.type === "Organization" && membershipOf(state, account, user)?.state === "active") return true;
  const covered =
    repositories === "all" ? state.repositories.filter(({ owner }) => owner.id === account.id) : repositories;
  return covered.some((repository) => (state.roles.get(roleKey(repository, user)) ?? null) !== null);
}
