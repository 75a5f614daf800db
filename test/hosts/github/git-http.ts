/** Git over smart HTTP: `git http-backend` as a CGI program behind the tokens of the API. Read only. */
import { spawn } from "node:child_process";
import type { IncomingMessage, ServerResponse } from "node:http";
import { basename } from "node:path";
import { pipeline } from "node:stream/promises";
import { gitEnvironment } from "./git.ts";
import { Refusal } from "./refusal.ts";
import { findRepository, type RepositoryState, type State } from "./state.ts";
import { allows, findToken, reaches } from "./tokens.ts";

const GIT_PATH = /^\/([^/]+)\/([^/]+?)(?:\.git)?\/(info\/refs|git-upload-pack|git-receive-pack)$/;

export function isGitPath(pathname: string): boolean {
  return GIT_PATH.test(pathname);
}

/** Answers one request for a path that {@link isGitPath}. Resolves when the answer is out. */
export async function answerGit(state: State, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", state.url);
  response.once("close", () => {
    const { statusCode: status } = response;
    state.gitCalls.push({ method: request.method ?? "", path: url.pathname + url.search, status, at: Date.now() });
  });
  try {
    const { repository, moved, service } = authorizeGit(state, request, url);
    if (moved) {
      const location = `${repository.cloneUrl}/${service}${url.search}`;
      throw new Refusal(301, "Moved Permanently", { headers: { location } });
    }
    await runBackend(state, repository, service, url, request, response);
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
  const [, owner = "", name = "", service = ""] = GIT_PATH.exec(url.pathname) ?? [];
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
  if (service === "info/refs" && url.searchParams.get("service") !== "git-upload-pack") throw new Refusal(404);
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

async function runBackend(
  state: State,
  repository: RepositoryState,
  service: string,
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const header = (name: string) => {
    const value = request.headers[name];
    return typeof value === "string" ? value : undefined;
  };
  const child = spawn("git", ["http-backend"], {
    stdio: ["pipe", "pipe", "ignore"],
    env: withoutUndefined({
      ...gitEnvironment(),
      GIT_PROJECT_ROOT: state.folder,
      GIT_HTTP_EXPORT_ALL: "1",
      PATH_INFO: `/${basename(repository.gitDir)}/${service}`,
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: request.method,
      REMOTE_ADDR: "127.0.0.1",
      REMOTE_USER: "x-access-token",
      CONTENT_TYPE: header("content-type"),
      CONTENT_LENGTH: header("content-length"),
      HTTP_CONTENT_ENCODING: header("content-encoding"),
      GIT_PROTOCOL: header("git-protocol"),
    }),
  });
  const ended = new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", () => resolve());
  });
  response.once("close", () => child.kill());
  // A client that goes away, or a backend that has read enough, ends the transfer; both sides see it by themselves.
  const sent = pipeline(request, child.stdin).catch(ignoreClosed);
  await Promise.all([sent, relay(child.stdout, response).catch(ignoreClosed), ended]);
}

function ignoreClosed(error: unknown): void {
  const code = error instanceof Error && "code" in error ? error.code : null;
  const closed = ["EPIPE", "ECONNRESET", "ERR_STREAM_PREMATURE_CLOSE", "ERR_STREAM_DESTROYED"];
  if (typeof code !== "string" || !closed.includes(code)) throw error;
}

function withoutUndefined(values: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

/** A CGI answer: header lines, an empty line, then the body as it comes. */
async function relay(output: AsyncIterable<Buffer>, response: ServerResponse): Promise<void> {
  let head: Buffer | null = Buffer.alloc(0);
  for await (const chunk of output) {
    let body: Buffer = chunk;
    if (head !== null) {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf("\r\n\r\n");
      if (end < 0) continue;
      writeHead(response, head.subarray(0, end).toString("latin1"));
      body = head.subarray(end + 4);
      head = null;
    }
    if (!response.write(body)) await drained(response);
  }
  response.end();
}

/** Also resolves when the client went away: the next write then finds out. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off("drain", done);
      response.off("close", done);
      resolve();
    };
    response.once("drain", done);
    response.once("close", done);
    if (response.destroyed) done();
  });
}

function writeHead(response: ServerResponse, text: string): void {
  for (const line of text.split("\r\n")) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (name === "status") response.statusCode = Number.parseInt(value, 10);
    else response.setHeader(name, value);
  }
}
