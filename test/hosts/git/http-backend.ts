/** Git over smart HTTP: `git http-backend` as a CGI program. Who may use it is for its callers to say. */
import { spawn } from "node:child_process";
import type { IncomingMessage, ServerResponse } from "node:http";
import { basename, dirname } from "node:path";
import { pipeline } from "node:stream/promises";
import { gitEnvironment } from "./git.ts";

const GIT_PATH = /^\/([^/]+)\/([^/]+?)(?:\.git)?\/(info\/refs|git-upload-pack|git-receive-pack|HEAD|objects\/.+)$/;

export function isGitPath(pathname: string): boolean {
  return GIT_PATH.test(pathname);
}

/** Parts of a path that {@link isGitPath}, as sent. */
export function readGitPath(pathname: string): {
  readonly owner: string;
  readonly name: string;
  readonly service: string;
} {
  const [, owner = "", name = "", service = ""] = GIT_PATH.exec(pathname) ?? [];
  return { owner, name, service };
}

/** What tests put in the place of an answer. To read changes nothing: answers that are lost afterwards are lost. */
type Injected =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: unknown }
  | { readonly hang: true }
  | { readonly reset: true };

export function answerInjected(
  effect: Injected | { readonly afterwards: "reset" | Extract<Injected, { readonly status: number }> },
  response: ServerResponse,
): void {
  if ("afterwards" in effect)
    answerInjected(effect.afterwards === "reset" ? { reset: true } : effect.afterwards, response);
  else if ("reset" in effect) response.socket?.destroy();
  else if ("status" in effect) {
    response.writeHead(effect.status, { "content-type": "text/plain", ...effect.headers });
    response.end(String(effect.body ?? `Injected ${effect.status}`));
  }
}

/** Lets git answer for a bare repository. Resolves when the answer is out. */
export async function runBackend(
  asked: { readonly gitDir: string; readonly service: string; readonly query: string; readonly user: string },
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
      GIT_PROJECT_ROOT: dirname(asked.gitDir),
      GIT_HTTP_EXPORT_ALL: "1",
      PATH_INFO: `/${basename(asked.gitDir)}/${asked.service}`,
      QUERY_STRING: asked.query,
      REQUEST_METHOD: request.method,
      REMOTE_ADDR: "127.0.0.1",
      REMOTE_USER: asked.user,
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
