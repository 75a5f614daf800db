/** The REST API over HTTP: every request and answer is recorded and held to the API description. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { isGitPath } from "../git/http-backend.ts";
import type { Matched } from "../openapi.ts";
import { conditional } from "./conditional.ts";
import { createGithubConformance } from "./conformance.ts";
import type { ApiCall, Effect, Injection } from "./contract.ts";
import { withDeliveryIds } from "./delivery-ids.ts";
import { answerGit } from "./git-http.ts";
import { answerInstall } from "./installs.ts";
import { type Caller, count, enter, rateHeaders, rateOf } from "./limits.ts";
import { answerManifest, MANIFEST_OPERATIONS } from "./manifest.ts";
import { answerOAuth } from "./oauth.ts";
import type { ApiAnswer, ApiRequest, OperationHandler, World } from "./operation.ts";
import { APP_OPERATIONS } from "./operations-app.ts";
import { CHECK_OPERATIONS } from "./operations-checks.ts";
import { GIT_OPERATIONS } from "./operations-git.ts";
import { PEOPLE_OPERATIONS } from "./operations-people.ts";
import { TREE_OPERATIONS } from "./operations-trees.ts";
import { USER_OPERATIONS } from "./operations-users.ts";
import { Refusal } from "./refusal.ts";
import { bodyRules, headerRules } from "./rules.ts";
import { demandClient, findToken, findUser, verifyAppJwt } from "./tokens.ts";
import { ENTERPRISE_VERSION } from "./webhooks.ts";

const OPERATIONS: Readonly<Record<string, OperationHandler>> = {
  ...APP_OPERATIONS,
  ...GIT_OPERATIONS,
  ...CHECK_OPERATIONS,
  ...PEOPLE_OPERATIONS,
  ...TREE_OPERATIONS,
  ...USER_OPERATIONS,
  ...MANIFEST_OPERATIONS,
};

/** A constant of the committed description; its validators are compiled once for all hosts of a test file. */
const CONFORMANCE = createGithubConformance();

export interface ApiServer {
  readonly server: Server;
  inject(injection: Injection): void;
}

interface Incoming {
  readonly method: string;
  /** Without the base path; an address by repository id is written out. */
  readonly url: URL;
  readonly body: Buffer;
  readonly headers: IncomingMessage["headers"];
  readonly matched: Matched | null;
}

export function createApiServer(world: World, basePath: string): ApiServer {
  const { state } = world;
  const injections: { injection: Injection; left: number }[] = [];

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const address = new URL(request.url ?? "/", "http://127.0.0.1");
    if (isGitPath(address.pathname)) return answerGit(state, request, response, takeGitInjection);
    const body = await readBody(request);
    const method = request.method ?? "";
    const page =
      answerOAuth(state, { method, url: address, body, headers: request.headers }) ??
      answerManifest(state, { method, url: address, body }) ??
      answerInstall(world, { method, url: address, body });
    if (page !== null) {
      send(response, page);
      return;
    }
    const url = apiUrl(address);
    const matched = url === null ? null : CONFORMANCE.match(method, url.pathname);
    const incoming = { method, url: url ?? address, body, headers: request.headers, matched };
    const token = tokenKind(request.headers.authorization);
    const path = (url === null ? address.pathname : address.pathname.slice(basePath.length)) + address.search;
    const call: { -readonly [K in keyof ApiCall]: ApiCall[K] } = {
      method,
      path,
      route: matched?.operation.route ?? null,
      token,
      status: 0,
      at: Date.now(),
    };
    state.calls.push(call);
    const effect = takeInjection(call);
    if (effect !== null && "hang" in effect) return;
    if (effect !== null && "reset" in effect) {
      request.socket.destroy();
      return;
    }
    const injected = effect !== null && "status" in effect;
    let answer: ApiAnswer = injected ? injectedAnswer(effect) : await perform(incoming);
    if (effect !== null && "afterwards" in effect) {
      if (effect.afterwards === "reset") {
        request.socket.destroy();
        return;
      }
      answer = injectedAnswer(effect.afterwards);
    }
    call.status = send(response, answer);
  }

  /** The address as the operations know it; null: outside the base path. */
  function apiUrl(address: URL): URL | null {
    if (address.pathname !== basePath && !address.pathname.startsWith(`${basePath}/`)) return null;
    const path = address.pathname.slice(basePath.length);
    // Where 301s for renamed repositories lead.
    const byId = /^\/repositories\/(\d+)(\/.*)?$/.exec(path);
    const repository = state.repositories.find((item) => item.id === Number(byId?.[1]));
    const rest = byId?.[2] ?? "";
    const url = new URL(address);
    // One that is gone is as one that never was: no account is called so.
    if (byId !== null) url.pathname = `/repos/${repository?.fullName ?? `-/${byId[1]}`}${rest}`;
    else url.pathname = path;
    return url;
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

  /** Checks the request, does what it asks, checks the answer. */
  async function perform(incoming: Incoming): Promise<ApiAnswer> {
    const { matched } = incoming;
    const name = matched?.operation.name ?? `${incoming.method} ${incoming.url.pathname}`;
    const violate = (problem: string) => state.violations.push(`${name}: ${problem}`);
    let caller: Caller | null = null;
    let answer: ApiAnswer;
    try {
      if (matched === null) violate("there is no such operation in the API description");
      const handler = OPERATIONS[name];
      // The app's client secret goes as Basic, which is for nothing else.
      for (const problem of handler?.identity === "client" ? [] : headerRules(incoming.headers)) violate(problem);
      if (!incoming.headers["user-agent"]) throw new Refusal(403, "Request forbidden by administrative rules.");
      if (matched === null || handler === undefined) throw new Refusal(404);
      const { authorization } = incoming.headers;
      const user = handler.identity === "user" ? findUser(state, authorization) : null;
      if (handler.identity === "client") demandClient(state, authorization);
      else if (user === null) caller = identify(handler, authorization);
      const ask = () => handler.handle(world, { ...readRequest(incoming, matched, caller, violate), user });
      answer = name === "GET /rate_limit" ? await ask() : await limited(caller, incoming.method, ask);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      answer = { status: error.status, body: error.body(), headers: error.headers };
    }
    answer = conditional(incoming.method, incoming.headers, answer);
    if (matched !== null) {
      for (const problem of CONFORMANCE.answer(matched.operation, answer.status, plain(answer.body))) {
        violate(`our own answer ${answer.status}: ${problem}`);
      }
    }
    if (caller === null) return answer;
    if (counts(name, answer)) count(state, caller);
    return { ...answer, headers: { ...rateHeaders(rateOf(state, caller)), ...answer.headers } };
  }

  async function limited(caller: Caller | null, method: string, ask: () => Promise<ApiAnswer>): Promise<ApiAnswer> {
    if (caller === null) return ask();
    const visit = enter(state, caller, method);
    try {
      return await ask();
    } finally {
      visit.leave();
    }
  }

  /** Null: anybody. */
  function identify(handler: OperationHandler, authorization: string | undefined): Caller | null {
    const credential = /^(?:Bearer|token) (\S+)$/i.exec(authorization ?? "")?.[1];
    if (credential === undefined) {
      if (handler.identity === "any" && authorization === undefined) return null;
      throw new Refusal(401, authorization === undefined ? "Requires authentication" : "Bad credentials");
    }
    const kind = tokenKind(authorization);
    if (handler.identity === "app" || (handler.identity === "any" && kind === "app")) {
      verifyAppJwt(state, credential, Date.now());
      return "app";
    }
    return findToken(state, credential, state.now());
  }

  /** Refuses a body or parameters that GitHub would refuse. */
  function readRequest(
    { method, url, body, headers }: Incoming,
    matched: Matched,
    caller: Caller | null,
    violate: (problem: string) => void,
  ): Omit<ApiRequest, "user"> {
    const { unknown, invalid } = CONFORMANCE.parameters(matched, url.searchParams);
    for (const problem of unknown) violate(problem);
    const parsed = parseBody(body, violate);
    const shape = CONFORMANCE.body(matched.operation, parsed);
    const problems = [...invalid, ...shape, ...(shape.length > 0 ? [] : bodyRules(matched.operation.name, parsed))];
    for (const problem of problems) violate(problem);
    if (problems.length > 0) throw new Refusal(422, `Invalid request.\n\n${problems.join("\n")}`);
    return {
      params: matched.params,
      query: url.searchParams,
      body: parsed,
      path: url.pathname + url.search,
      method,
      headers,
      caller,
      token: caller === "app" ? null : caller,
    };
  }

  function parseBody(body: Buffer, violate: (problem: string) => void): unknown {
    if (body.length === 0) return undefined;
    try {
      return JSON.parse(body.toString("utf8"));
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      violate("the body is not JSON");
      throw new Refusal(400, "Problems parsing JSON");
    }
  }

  function send(response: ServerResponse, answer: ApiAnswer): number {
    const { body } = answer;
    const text = body === undefined ? "" : body instanceof Uint8Array ? body : withDeliveryIds(JSON.stringify(body));
    response.writeHead(answer.status, {
      ...(text === "" ? {} : { "content-type": "application/json; charset=utf-8" }),
      "x-github-media-type": "github.v3; format=json",
      "x-github-request-id": "0000:0000:0000:0000:00000000",
      ...(state.enterprise ? { "x-github-enterprise-version": `enterprise-server@${ENTERPRISE_VERSION}` } : {}),
      ...answer.headers,
    });
    response.end(text);
    return answer.status;
  }

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      // A bug of the stand-in must fail the test that met it, not vanish in a 500.
      state.violations.push(`the stand-in failed: ${error instanceof Error ? (error.stack ?? error.message) : error}`);
      if (response.headersSent) response.destroy();
      else send(response, { status: 500, body: { message: "Server Error" } });
    });
  });

  return {
    server,
    inject(injection) {
      injections.push({ injection, left: injection.times ?? 1 });
    },
  };
}

function tokenKind(authorization: string | undefined): ApiCall["token"] {
  const credential = /^(?:Bearer|token) (\S+)$/i.exec(authorization ?? "")?.[1];
  if (credential === undefined) return authorization === undefined ? "none" : "other";
  if (credential.startsWith("ghs_")) return "installation";
  return credential.split(".").length === 3 ? "app" : "other";
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

function injectedAnswer(effect: Extract<Effect, { readonly status: number }>): ApiAnswer {
  const body = effect.body ?? { message: `Injected ${effect.status}` };
  return { status: effect.status, body, headers: effect.headers ?? {} };
}

/** As the caller will read it: without what JSON drops. */
function plain(body: unknown): unknown {
  return body === undefined ? undefined : JSON.parse(JSON.stringify(body));
}

/** Neither a 304, nor asking how much is left, nor a refusal for having asked too much takes from the allowance. */
function counts(operation: string, answer: ApiAnswer): boolean {
  const limited = (answer.status === 403 || answer.status === 429) && /rate limit/.test(JSON.stringify(answer.body));
  return operation !== "GET /rate_limit" && answer.status !== 304 && !limited;
}
