/** Git over smart HTTP behind the tokens of the API. Read only. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { answerInjected, readGitPath, runBackend } from "../git/http-backend.ts";
import type { Effect } from "./contract.ts";
import { Refusal } from "./refusal.ts";
import { allowsScope } from "./scopes.ts";
import { findRepository, type RepositoryState, type State, type TokenState } from "./state.ts";
import { findToken, reaches } from "./tokens.ts";

/** Answers one request for a path of git's. Resolves when the answer is out. */
export async function answerGit(
  state: State,
  request: IncomingMessage,
  response: ServerResponse,
  injected: (call: { readonly method: string; readonly path: string }) => Effect | null,
): Promise<void> {
  const url = new URL(request.url ?? "/", state.url);
  const call = { method: request.method ?? "", path: url.pathname + url.search };
  response.once("close", () => {
    const status = response.headersSent ? response.statusCode : 0;
    state.gitCalls.push({ ...call, status, at: Date.now() });
  });
  const effect = injected(call);
  if (effect !== null) {
    answerInjected(effect, response);
    return;
  }
  try {
    const { repository, service } = authorize(state, request, url);
    const asked = { gitDir: repository.gitDir, service, query: url.search.slice(1), user: "x-token-auth" };
    await runBackend(asked, request, response);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    response.writeHead(error.status, { "content-type": "text/plain", ...error.headers });
    response.end(error.message);
  }
}

function authorize(
  state: State,
  { headers: { authorization } }: IncomingMessage,
  url: URL,
): { readonly repository: RepositoryState; readonly service: string } {
  const { owner, name, service } = readGitPath(url.pathname);
  const found = findRepository(state, decodeURIComponent(owner), decodeURIComponent(name));
  const token = authorization === undefined ? null : gitToken(state, authorization);
  const open = found !== null && !found.private;
  const inside = found !== null && token !== null && reaches(token, found);
  // Without credentials a private repository and none at all look alike.
  if (!open && token === null) throw unauthorized();
  if (found === null || (!open && !inside)) throw new Refusal(404, "Repository not found");
  if (!open && token !== null && !allowsScope(token.scopes, "repository")) {
    throw new Refusal(403, "Your credentials lack one or more required privilege scopes.");
  }
  if (service === "git-receive-pack" || url.searchParams.get("service") === "git-receive-pack") {
    throw new Refusal(403, "You may not push here");
  }
  // The protocol before 2010, which asks for files one by one, is not spoken.
  const smart = service === "info/refs" && url.searchParams.get("service") === "git-upload-pack";
  if (!smart && service !== "git-upload-pack") throw new Refusal(404);
  return { repository: found, service };
}

function unauthorized(): Refusal {
  return new Refusal(401, "Authentication required", {
    headers: { "www-authenticate": 'Basic realm="Bitbucket.org HTTP"' },
  });
}

function gitToken(state: State, authorization: string): TokenState {
  const [scheme = "", encoded = ""] = authorization.split(" ");
  const [user, ...rest] = Buffer.from(encoded, "base64").toString("utf8").split(":");
  if (scheme.toLowerCase() !== "basic" || user !== "x-token-auth") throw unauthorized();
  try {
    return findToken(state, rest.join(":"));
  } catch (error) {
    throw error instanceof Refusal && error.status === 401 ? unauthorized() : error;
  }
}
