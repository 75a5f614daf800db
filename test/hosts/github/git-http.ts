/** Git over smart HTTP behind the tokens of the API. Read only. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { answerInjected, readGitPath, runBackend } from "../git/http-backend.ts";
import type { Effect } from "./contract.ts";
import { Refusal } from "./refusal.ts";
import { findRepository, type RepositoryState, type State } from "./state.ts";
import { allows, findToken, reaches } from "./tokens.ts";

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
    const { repository, moved, service } = authorizeGit(state, request, url);
    if (moved) {
      const location = `${repository.cloneUrl}/${service}${url.search}`;
      throw new Refusal(301, "Moved Permanently", { headers: { location } });
    }
    const asked = { gitDir: repository.gitDir, service, query: url.search.slice(1), user: "x-access-token" };
    await runBackend(asked, request, response);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    response.writeHead(error.status, { "content-type": "text/plain", ...error.headers });
    response.end(error.message);
  }
}

function authorizeGit(
  state: State,
  request: IncomingMessage,
  url: URL,
): { readonly repository: RepositoryState; readonly moved: boolean; readonly service: string } {
  const { owner, name, service } = readGitPath(url.pathname);
  const named = findRepository(state, owner, name);
  const found = named?.repository ?? null;
  const { authorization } = request.headers;
  if (authorization === undefined) {
    // Without credentials a private repository and none at all look alike.
    if (found === null || found.private) throw unauthorized();
  } else {
    const token = findGitToken(state, authorization);
    if (found === null || (found.private && !reaches(token, found))) throw new Refusal(404, "Repository not found.");
    if (found.private && !allows(token.permissions, "contents", "read")) {
      throw new Refusal(403, "Resource not accessible by integration");
    }
  }
  if (service === "git-receive-pack" || url.searchParams.get("service") === "git-receive-pack") {
    throw new Refusal(403, "Write access to repository not granted.");
  }
  // The protocol before 2010, which asks for files one by one, is not spoken.
  const smart = service === "info/refs" && url.searchParams.get("service") === "git-upload-pack";
  if (!smart && service !== "git-upload-pack") throw new Refusal(404);
  return { repository: found, moved: named?.moved === true, service };
}

function unauthorized(): Refusal {
  return new Refusal(401, "Authentication required.", { headers: { "www-authenticate": 'Basic realm="GitHub"' } });
}

function findGitToken(state: State, authorization: string) {
  const [scheme = "", encoded = ""] = authorization.split(" ");
  const [user, ...rest] = Buffer.from(encoded, "base64").toString("utf8").split(":");
  if (scheme.toLowerCase() !== "basic" || user !== "x-access-token") throw unauthorized();
  try {
    return findToken(state, rest.join(":"), state.now());
  } catch (error) {
    throw error instanceof Refusal && error.status === 401 ? unauthorized() : error;
  }
}
