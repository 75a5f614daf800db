import { failed, type Outcome, ok } from "../core/model.ts";
import type { ConnectClient, Connection, GrantStore } from "../engine/grants-port.ts";
import type { Clock, CloneCredential } from "../engine/ports.ts";
import type { RateBudget } from "../engine/status.ts";
import { type Api, type ApiAnswer, type ApiRequest, createApi, type RateLimited, type Unauthorized } from "./api.ts";
import { createBudget } from "./budget.ts";
import { createTokens, type TokenClient } from "./tokens.ts";

/** What a call is about. Uuids in braces, lower case; `repository` null: the workspace as a whole. */
export interface AccessScope {
  readonly workspace: string;
  readonly repository: string | null;
}

/** A credential that is only being proven or looked at. `secret` null: the secret of the app itself. */
export type UnprovenCredential =
  | { readonly clientKey: string; readonly secret: string | null }
  | { readonly token: string };

/** The way to one Bitbucket, with whatever its workspaces have given us; host port and reporter share it. */
export interface BitbucketAccess {
  readonly host: string;
  readonly webUrl: string;
  readonly apiUrl: string;
  /**
   * One call with whatever opens this workspace (and repository, when the grant is a repository's). Fails for what has
   * nothing to do with the question: no answer, 5xx (see `mayTimeOut`), 429, a used-up budget, 401, no grant. Every other
   * answer, 403, 404 and 409 included, is a value for the caller to judge; `refusal` makes a failure of it.
   */
  call(scope: AccessScope, request: ApiRequest): Promise<Outcome<ApiAnswer>>;
  /**
   * Like `call`, with the Connect add-on's own right alone: access tokens act for nobody, and so may not ask who may do
   * what. Fails for good where the add-on is not installed.
   */
  callAsApp(workspace: string, request: ApiRequest): Promise<Outcome<ApiAnswer>>;
  /** Whether there is any grant that `call` would use for this scope. */
  opens(scope: AccessScope): Promise<boolean>;
  /** For reading one repository with git. */
  cloneCredential(scope: AccessScope & { readonly repository: string }): Promise<Outcome<CloneCredential>>;
  /**
   * One call with a credential nothing is known about; nothing is cached, no budget is kept. Its refusal is an answer too:
   * 400, 401 or 403, of the token exchange for a client (`answer.request` is then that of the exchange).
   */
  callWith(credential: UnprovenCredential, request: ApiRequest): Promise<Outcome<ApiAnswer>>;
  /** Forgets grants and tokens of a workspace. */
  forget(workspace: string): void;
  /** What is left of the hour's calls of everything that opens the workspace and was used since the start. */
  budgets(workspace: string): Promise<readonly RateBudget[]>;
}

export interface BitbucketAccessOptions {
  readonly host: string;
  /** `https://bitbucket.org`: where people look, git clones from, and tokens are exchanged. */
  readonly webUrl: string;
  /** `https://api.bitbucket.org`, without `/2.0`. */
  readonly apiUrl: string;
  readonly appKey: string;
  /** Of a registered app; null: every client brings its own. */
  readonly appSecret: string | null;
  readonly grants: Pick<GrantStore, "connectClientsOf" | "connectionsOf">;
  readonly clock: Clock;
  readonly userAgent?: string;
  readonly fetch?: typeof fetch;
  /** Milliseconds for one call. */
  readonly timeoutMs?: number;
}

/** Bitbucket takes this name beside tokens of every kind. */
const GIT_USER = "x-token-auth";

/** How long a grant that was taken back may still be used by somebody who was not told. */
const GRANTS_MS = 5_000;

/** Workspaces whose grants are remembered at a time. */
const MAX_REMEMBERED = 1_000;

/** Seconds. What was refused is for people to mend, so what waits for it should go on waiting. */
const REFUSED_WAIT = 60;

/** One thing that opens a workspace. */
type Grant =
  | { readonly door: "connection"; readonly key: string; readonly connection: Connection }
  | { readonly door: "connect"; readonly key: string; readonly client: ConnectClient };

type Attempt = Outcome<ApiAnswer> | Unauthorized | RateLimited;

export function createBitbucketAccess(options: BitbucketAccessOptions): BitbucketAccess {
  const { host, webUrl, apiUrl, appKey, appSecret, clock } = options;
  const api: Api = createApi({
    apiUrl,
    webUrl,
    userAgent: options.userAgent ?? "wharfinger",
    fetch: options.fetch ?? fetch,
    timeoutMs: options.timeoutMs ?? 15_000,
  });
  const tokens = createTokens({ api, appKey, clock });
  const budget = createBudget({ clock });
  const grants = createGrantCache(options);

  /** By how much they open. */
  async function grantsFor({ workspace, repository }: AccessScope) {
    const known = await grants.of(workspace);
    const connections = known.filter((grant) => grant.door === "connection");
    return {
      workspaces: connections.filter(({ connection }) => connection.repository === null),
      repositories: connections.filter(
        ({ connection }) => repository !== null && connection.repository?.id === repository,
      ),
      clients: known.filter((grant) => grant.door === "connect"),
    };
  }

  /** Connections before clients: Bitbucket may give them more calls. */
  async function callers(scope: AccessScope): Promise<readonly Grant[]> {
    const { workspaces, repositories, clients } = await grantsFor(scope);
    return [...workspaces, ...repositories, ...clients];
  }

  /** The narrowest first: git on a builder needs one repository, for a while. */
  async function cloners(scope: AccessScope): Promise<readonly Grant[]> {
    const { workspaces, repositories, clients } = await grantsFor(scope);
    return [...clients, ...repositories, ...workspaces];
  }

  function tokenClient(client: ConnectClient): TokenClient | null {
    const secret = client.secret ?? appSecret;
    return secret === null || secret === ""
      ? null
      : { clientKey: client.clientKey, workspace: client.workspace, secret };
  }

  /** With the grant's token; what is cached of it is dropped when it is refused. */
  async function attempt(grant: Grant, request: ApiRequest): Promise<Attempt> {
    if (grant.door === "connection") return api.send(request, `Bearer ${grant.connection.token}`);
    const client = tokenClient(grant.client);
    if (client === null) return noSecret(grant.client.login);
    const token = await tokens.get(client, null);
    if (!token.ok) return token;
    const answer = await api.send(request, `Bearer ${token.value}`);
    if ("unauthorized" in answer) tokens.refused(client, token.value);
    return answer;
  }

  /** Within the grant's budget. */
  async function callOnce(grant: Grant, request: ApiRequest): Promise<Attempt> {
    const wait = budget.take(grant.key, request.method === "GET" ? "read" : "write");
    if (wait !== null) return usedUp(grant, wait);
    const answer = await attempt(grant, request);
    if (answer.ok) learnLimit(grant, answer.value);
    if ("rateLimited" in answer) budget.pause(grant.key, answer.retryAfter);
    return answer;
  }

  /** A client's token that is refused is replaced, once: a 401 means nothing was done. */
  async function callThrough(grant: Grant, request: ApiRequest): Promise<Attempt> {
    const answer = await callOnce(grant, request);
    const mayBeOld = grant.door === "connect" && "unauthorized" in answer && !isExchange(answer.answer);
    return mayBeOld ? callOnce(grant, request) : answer;
  }

  /** With the first that is not refused. Null: there is none. */
  async function callWithAny(known: readonly Grant[], request: ApiRequest): Promise<Outcome<ApiAnswer> | null> {
    let refused: string | null = null;
    for (const grant of known) {
      const answer = await callThrough(grant, request);
      if (!("unauthorized" in answer)) return answer;
      // Nothing was done: the next may do it.
      refused ??= `${answer.message} ${adviceFor(grant)}`;
    }
    return refused === null ? null : failed(refused, { retryable: true, retryAfter: REFUSED_WAIT });
  }

  /** A client's calls stay what they are: only access tokens are given more in large workspaces. */
  function learnLimit(grant: Grant, { headers }: ApiAnswer): void {
    const said = headers.get("x-ratelimit-limit") ?? "";
    if (grant.door === "connection" && /^\d{1,9}$/.test(said)) budget.setLimit(grant.key, Number(said));
  }

  return {
    host,
    webUrl,
    apiUrl,
    call: async (scope, request) => (await callWithAny(await callers(scope), request)) ?? noGrant(),
    async callAsApp(workspace, request) {
      const { clients } = await grantsFor({ workspace, repository: null });
      return (await callWithAny(clients, request)) ?? noApp();
    },
    opens: async (scope) => (await callers(scope)).length > 0,
    async cloneCredential(scope) {
      let refused: Outcome<never> = noGrant();
      for (const grant of await cloners(scope)) {
        if (grant.door === "connection") return ok({ username: GIT_USER, password: grant.connection.token });
        const client = tokenClient(grant.client);
        const token = client === null ? noSecret(grant.client.login) : await tokens.get(client, scope.repository);
        if (token.ok) return ok({ username: GIT_USER, password: token.value });
        if (!("unauthorized" in token)) return token;
        refused = failed(`${token.message} ${adviceFor(grant)}`, { retryable: true, retryAfter: REFUSED_WAIT });
      }
      return refused;
    },
    async callWith(credential, request) {
      let token: Outcome<string> | Unauthorized;
      if ("token" in credential) {
        token = ok(credential.token);
      } else {
        const secret = credential.secret ?? appSecret;
        if (secret === null || secret === "") return noSecret(credential.clientKey);
        token = await tokens.exchange({ clientKey: credential.clientKey, secret });
      }
      if (!token.ok) return "unauthorized" in token ? ok(token.answer) : token;
      const answer = await api.send(request, `Bearer ${token.value}`);
      return "unauthorized" in answer ? ok(answer.answer) : answer;
    },
    forget(workspace) {
      grants.forget(workspace);
      tokens.forget(workspace);
    },
    async budgets(workspace) {
      const at = new Date(clock.now()).toISOString();
      return (await grants.of(workspace)).flatMap((grant) => {
        const known = budget.left(grant.key);
        const of = grant.door === "connect" ? "the add-on" : `connection ${grant.connection.id}`;
        return known === null ? [] : [{ of, ...known, resetsAt: null, at }];
      });
    },
  };
}

function isExchange(answer: ApiAnswer): boolean {
  return answer.request.form !== undefined;
}

function adviceFor(grant: Grant): string {
  return grant.door === "connection"
    ? `The access token of connection ${grant.connection.id} was refused: connect ${grant.connection.login} again with a new one.`
    : `The add-on is not installed on ${grant.client.login} any more, or its secret changed: install it again.`;
}

function usedUp(grant: Grant, seconds: number): Outcome<never> {
  const login = grant.door === "connection" ? grant.connection.login : grant.client.login;
  return failed(`The calls of Bitbucket's API that ${login} has in an hour are used up.`, {
    retryable: true,
    retryAfter: seconds,
  });
}

/** Asked again it may be there: somebody installs or connects, and what waits is not lost. */
function noGrant(): Outcome<never> {
  return failed("Nothing opens this workspace (any more): install the add-on or connect it.", {
    retryable: true,
    retryAfter: REFUSED_WAIT,
  });
}

function noApp(): Outcome<never> {
  const message =
    "Bitbucket says who may do what only where the Connect add-on is installed, or to people themselves when they sign in, " +
    "which counts for a quarter of an hour. Sign in again.";
  return failed(message, { retryable: false });
}

function noSecret(client: string): Outcome<never> {
  return failed(`The add-on on ${client} has no secret of its own. Set BITBUCKET_APP_SECRET to the app's.`, {
    retryable: true,
    retryAfter: REFUSED_WAIT,
  });
}

/** Grants as they were some seconds ago: one delivery asks for them many times. */
function createGrantCache({ grants, clock }: Pick<BitbucketAccessOptions, "grants" | "clock">) {
  const remembered = new Map<string, { readonly at: number; readonly grants: Promise<readonly Grant[]> }>();

  async function read(workspace: string): Promise<readonly Grant[]> {
    const [clients, connections] = await Promise.all([
      grants.connectClientsOf(workspace),
      grants.connectionsOf(workspace),
    ]);
    // What is somebody else's must not be used, whoever mixed it up.
    const isOurs = (grant: { readonly workspace: string }) => grant.workspace === workspace;
    return [
      ...connections
        .filter(isOurs)
        .map((connection) => ({ door: "connection", key: connection.id, connection }) as const),
      ...clients.filter(isOurs).map((client) => ({ door: "connect", key: client.clientKey, client }) as const),
    ];
  }

  return {
    async of(workspace: string): Promise<readonly Grant[]> {
      const now = clock.now();
      const known = remembered.get(workspace);
      // A clock that was set back makes nothing fresh for longer.
      if (known !== undefined && now >= known.at && now - known.at < GRANTS_MS) return known.grants;
      const entry = { at: now, grants: read(workspace) };
      remembered.delete(workspace);
      remembered.set(workspace, entry);
      for (const oldest of remembered.keys()) {
        if (remembered.size <= MAX_REMEMBERED) break;
        remembered.delete(oldest);
      }
      try {
        return await entry.grants;
      } catch (error) {
        if (remembered.get(workspace) === entry) remembered.delete(workspace);
        throw error;
      }
    },
    forget: (workspace: string) => void remembered.delete(workspace),
  };
}
