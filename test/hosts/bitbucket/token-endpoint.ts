/** `POST /site/oauth2/access_token`: an app's JWT for a token of its install. */
import type { IncomingHttpHeaders } from "node:http";
import { clientOf } from "./clients.ts";
import { exchangeCode } from "./consumer.ts";
import type { ApiAnswer } from "./operation.ts";
import { Refusal } from "./refusal.ts";
import { allowsScope } from "./scopes.ts";
import type { InstallState, RepositoryState, State } from "./state.ts";
import { mintToken } from "./tokens.ts";

const GRANT = "urn:bitbucket:oauth2:jwt";

/** Refusals here are OAuth's, not the API's. */
function refused(status: 400 | 401, error: string, description: string): ApiAnswer {
  return { status, body: { error, error_description: description } };
}

export function answerTokenRequest(
  state: State,
  request: { readonly headers: IncomingHttpHeaders; readonly path: string; readonly body: Buffer },
): ApiAnswer {
  const type = request.headers["content-type"] ?? "";
  const form = new URLSearchParams(
    /^application\/x-www-form-urlencoded\b/.test(type) ? request.body.toString("utf8") : "",
  );
  const grant = form.get("grant_type");
  if (grant === null) return refused(400, "invalid_request", "Missing grant_type parameter");
  if (grant === "authorization_code") return exchangeCode(state, request.headers.authorization, form);
  if (grant !== GRANT) return refused(400, "unsupported_grant_type", `Unsupported grant type: ${grant}`);
  const install = identify(state, request);
  if (install === null) return refused(401, "unauthorized_client", "Invalid JWT");
  const scopes = narrowed(install, form.get("scope"));
  if (scopes === null) return refused(400, "invalid_scope", "The app was not granted what the scope parameter names");
  const repository = repositoryOf(state, install, form.get("bitbucket_repository"));
  if (repository === "unknown") return refused(400, "invalid_request", "No such repository in the app's workspace");
  const { token } = mintToken(state, install, { scopes, repository });
  const body = { access_token: token, expires_in: state.tokenSeconds, scopes: scopes.join(" "), token_type: "bearer" };
  // There is no refresh token: the JWT is one.
  return { status: 200, body, headers: { "cache-control": "no-store" } };
}

/** Only the header counts: a JWT in the address is not looked at. */
function identify(
  state: State,
  { headers, path }: { readonly headers: IncomingHttpHeaders; readonly path: string },
): InstallState | null {
  try {
    return clientOf(state, headers.authorization, "POST", path, state.url);
  } catch (error) {
    if (error instanceof Refusal) return null;
    throw error;
  }
}

/** Null: more than was granted. */
function narrowed(install: InstallState, scope: string | null): readonly string[] | null {
  if (scope === null) return install.scopes;
  const wanted = scope.split(/[ ,]+/).filter((one) => one !== "");
  return wanted.length > 0 && wanted.every((one) => allowsScope(install.scopes, one)) ? wanted : null;
}

function repositoryOf(state: State, install: InstallState, uuid: string | null): RepositoryState | null | "unknown" {
  if (uuid === null) return null;
  const found = state.repositories.find(
    (item) => !item.deleted && item.uuid === uuid && item.workspace === install.workspace,
  );
  return found ?? "unknown";
}
