/** The REST API and the website over HTTP: every request and answer is recorded and held to the API description. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { isGitPath } from "../git/http-backend.ts";
import { isObject } from "../json.ts";
import type { Matched } from "../openapi.ts";
import { createBitbucketConformance } from "./conformance.ts";
import { answerAuthorize, personOf } from "./consumer.ts";
import type { ApiCall, Effect, Injection } from "./contract.ts";
import { answerGit } from "./git-http.ts";
import { enter, isLimited, rateHeaders } from "./limits.ts";
import { type ApiAnswer, type OperationHandler, unauthorized, type World } from "./operation.ts";
import { ACCOUNT_OPERATIONS } from "./operations-account.ts";
import { GIT_OPERATIONS } from "./operations-git.ts";
import { HOOK_OPERATIONS } from "./operations-hooks.ts";
import { REPORT_OPERATIONS } from "./operations-reports.ts";
import { SOURCE_OPERATIONS } from "./operations-source.ts";
import { USER_OPERATIONS } from "./operations-user.ts";
import { pick } from "./query.ts";
import { Refusal } from "./refusal.ts";
import { headerRules, holdBody } from "./rules.ts";
import type { TokenState } from "./state.ts";
import { findToken, requireScope } from "./tokens.ts";

const OPERATIONS: Readonly<Record<string, OperationHandler>> = {
  ...ACCOUNT_OPERATIONS,
  ...GIT_OPERATIONS,
  ...HOOK_OPERATIONS,
  ...REPORT_OPERATIONS,
  ...SOURCE_OPERATIONS,
  ...USER_OPERATIONS,
};

/** A constant of the committed description; its validators are compiled once for all hosts of a test file. */
const CONFORMANCE = createBitbucketConformance();

const TOKEN_ENDPOINT = "/site/oauth2/access_token";

export interface Servers {
  /** Of the REST API, and of everything else. */
  readonly api: Server;
  readonly web: Server;
  inject(injection: Injection): void;
}

interface Incoming {
  readonly method: string;
  readonly url: URL;
  readonly body: Buffer;
  readonly headers: IncomingMessage["headers"];
  readonly matched: Matched | null;
}

export function createServers(world: World): Servers {
  const { state } = world;
  const injections: { injection: Injection; left: number }[] = [];

  /** Records a call and does what an injection says, or `perform`. */
  async function call(
    request: IncomingMessage,
    response: ServerResponse,
    { method, url, headers, matched }: Omit<Incoming, "body">,
    perform: () => Promise<ApiAnswer>,
  ): Promise<void> {
    const entry: { -readonly [K in keyof ApiCall]: ApiCall[K] } = {
      method,
      path: url.pathname + url.search,
      route: matched?.operation.route ?? null,
      token: tokenKind(headers.authorization),
      status: 0,
      at: Date.now(),
    };
    state.calls.push(entry);
    const effect = takeInjection(entry);
    if (effect !== null && "hang" in effect) return;
    if (effect !== null && "reset" in effect) {
      request.socket.destroy();
      return;
    }
    let answer = effect !== null && "status" in effect ? injectedAnswer(effect) : await perform();
    if (effect !== null && "afterwards" in effect) {
      if (effect.afterwards === "reset") {
        request.socket.destroy();
        return;
      }
      answer = injectedAnswer(effect.afterwards);
    }
    entry.status = send(response, answer);
  }

  function tokenKind(authorization: string | undefined): ApiCall["token"] {
    if (authorization === undefined) return "none";
    const [scheme = "", credential = ""] = authorization.split(" ");
    if (scheme.toUpperCase() === "JWT") return "jwt";
    return state.tokens.get(credential)?.kind ?? "other";
  }

  function takeGitInjection(call: { readonly method: string; readonly path: string }): Effect | null {
    return takeInjection({ ...call, route: null }, "git");
  }

  function takeInjection(call: Parameters<Injection["match"]>[0], kind: "api" | "git" = "api"): Effect | null {
    const found = injections.find(({ injection, left }) => {
      return left > 0 && (injection.of ?? "api") === kind && injection.match(call);
    });
    if (found === undefined) return null;
    found.left -= 1;
    return found.injection.effect;
  }

  async function answerApi(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", state.apiUrl);
    const method = request.method ?? "";
    const path = url.pathname.startsWith("/2.0/") ? url.pathname.slice("/2.0".length) : null;
    const matched = path === null ? null : CONFORMANCE.match(method, path);
    const incoming = { method, url, headers: request.headers, matched, body: await readBody(request) };
    await call(request, response, incoming, () => perform(incoming));
  }

  /** Checks the request, does what it asks, checks the answer. */
  async function perform(incoming: Incoming): Promise<ApiAnswer> {
    const { matched, url, headers } = incoming;
    const name = matched?.operation.name ?? `${incoming.method} ${url.pathname}`;
    const violate = (problem: string) => state.violations.push(`${name}: ${problem}`);
    let token: TokenState | null = null;
    let answer: ApiAnswer;
    try {
      for (const problem of headerRules(headers, incoming.body.length > 0)) violate(problem);
      const handler = OPERATIONS[name];
      if (matched === null || handler === undefined) {
        violate("there is no such operation in the API description");
        throw new Refusal(404, "Resource not found");
      }
      const user = handler.person === true ? personOf(state, headers.authorization) : null;
      if (user === null) token = identify(handler, headers.authorization);
      if (isLimited(url.pathname)) enter(state, token);
      for (const scope of CONFORMANCE.scopes(matched.operation))
        requireScope(user === null ? token : state.consumer, scope);
      const body = readRequest(incoming, matched, violate);
      answer = await handler.handle(world, {
        method: incoming.method,
        params: matched.params,
        query: url.searchParams,
        path: url.pathname + url.search,
        body,
        headers,
        token,
        user,
      });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      answer = { status: error.status, body: error.body(), headers: error.headers };
    }
    if (matched !== null && !isBytes(answer)) {
      // The metadata of one file has another shape than the list the description gives.
      const meta = name.includes("/src/") && answer.status === 200 && url.searchParams.get("format") === "meta";
      const body = meta ? { values: [answer.body] } : answer.body;
      for (const problem of CONFORMANCE.answer(matched.operation, answer.status, plain(body))) {
        violate(`our own answer ${answer.status}: ${problem}`);
      }
    }
    const told = {
      ...(isLimited(url.pathname) ? rateHeaders(state, token) : {}),
      ...(token === null ? {} : { "x-oauth-scopes": token.scopes.join(", ") }),
    };
    return { ...chosen(answer, url.searchParams.get("fields")), headers: { ...told, ...answer.headers } };
  }

  function identify(handler: OperationHandler, authorization: string | undefined): TokenState | null {
    if (authorization === undefined) {
      if (handler.anonymous === true) return null;
      throw unauthorized();
    }
    const [scheme = "", credential = ""] = authorization.split(" ");
    if (handler.jwt === true && scheme.toUpperCase() === "JWT") return null;
    if (handler.jwt === true || scheme.toLowerCase() !== "bearer") throw unauthorized();
    return findToken(state, credential);
  }

  /** The body. Refuses one, or parameters, that Bitbucket would refuse. */
  function readRequest({ url, body }: Incoming, matched: Matched, violate: (problem: string) => void): unknown {
    const { unknown, invalid } = CONFORMANCE.parameters(matched, url.searchParams);
    for (const problem of unknown) violate(problem);
    const parsed = parseBody(body, violate);
    const problems = [...invalid, ...CONFORMANCE.body(matched.operation, parsed)];
    for (const problem of problems) violate(problem);
    if (problems.length > 0) throw new Refusal(400, `Bad request: ${problems.join("; ")}`);
    try {
      holdBody(matched.operation.name, parsed);
    } catch (error) {
      if (error instanceof Refusal) violate(error.message);
      throw error;
    }
    return parsed;
  }

  function parseBody(body: Buffer, violate: (problem: string) => void): unknown {
    if (body.length === 0) return undefined;
    try {
      return JSON.parse(body.toString("utf8"));
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      violate("the body is not JSON");
      throw new Refusal(400, "Bad request: the body is not JSON");
    }
  }

  async function answerWeb(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", state.url);
    if (isGitPath(url.pathname)) return answerGit(state, request, response, takeGitInjection);
    const method = request.method ?? "";
    const body = await readBody(request);
    if (method === "POST" && url.pathname === TOKEN_ENDPOINT) {
      const { headers } = request;
      const incoming = { method, url, headers, matched: null };
      return call(request, response, incoming, async () => {
        try {
          return world.connect.token({ headers, path: url.pathname + url.search, body });
        } catch (error) {
          if (!(error instanceof Refusal)) throw error;
          return { status: error.status, body: error.body(), headers: error.headers };
        }
      });
    }
    const page = answerAuthorize(state, { method, url, body }) ?? (await world.connect.page({ method, url, body }));
    send(response, page ?? { status: 404, body: new Refusal(404).body() });
  }

  function listener(answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>) {
    return createServer((request, response) => {
      answer(request, response).catch((error: unknown) => {
        // A bug of the stand-in must fail the test that met it, not vanish in a 500.
        const told = error instanceof Error ? (error.stack ?? error.message) : String(error);
        state.violations.push(`the stand-in failed: ${told}`);
        if (response.headersSent) response.destroy();
        else send(response, { status: 500, body: new Refusal(500).body() });
      });
    });
  }

  return {
    api: listener(answerApi),
    web: listener(answerWeb),
    inject(injection) {
      injections.push({ injection, left: injection.times ?? 1 });
    },
  };
}

function chosen(answer: ApiAnswer, fields: string | null): ApiAnswer {
  if (answer.status >= 300 || !isObject(answer.body) || isBytes(answer)) return answer;
  return { ...answer, body: pick(answer.body, answer.full ?? answer.body, fields) };
}

function isBytes({ body }: ApiAnswer): boolean {
  return body instanceof Uint8Array;
}

function send(response: ServerResponse, answer: ApiAnswer): number {
  const { body } = answer;
  const bytes = body instanceof Uint8Array;
  const text = body === undefined ? "" : bytes ? body : JSON.stringify(body);
  response.writeHead(answer.status, {
    ...(body === undefined ? {} : { "content-type": "application/json; charset=utf-8" }),
    ...answer.headers,
  });
  response.end(text);
  return answer.status;
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

function injectedAnswer(effect: Extract<Effect, { readonly status: number }>): ApiAnswer {
  const body = effect.body ?? { type: "error", error: { message: `Injected ${effect.status}` } };
  return { status: effect.status, body, headers: effect.headers ?? {} };
}

/** As the caller will read it: without what JSON drops. */
function plain(body: unknown): unknown {
  return body === undefined ? undefined : JSON.parse(JSON.stringify(body));
}
