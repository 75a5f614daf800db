import { createAppAuth } from "@octokit/auth-app";
import { failed, type Outcome, ok } from "../core/model.ts";
import type { Clock } from "../engine/ports.ts";
import { type Api, type ApiAnswer, apiPath, misshapen, refusal } from "./api.ts";
import { tokenSchema } from "./payloads.ts";

/**
 * Installation tokens, each for exactly the rights somebody asked for.
 *
 * Minted here, not by @octokit/auth-app: version 8.3.1 shares requests in flight between all its instances by
 * installation id alone, so that the token of one host or App can be handed to another, and its cache takes a permission
 * for a repository of the same name. Only the App's own JWT comes from there.
 */
export interface Tokens {
  /** A token with more than ten minutes to live. */
  get(scope: TokenScope): Promise<Outcome<string>>;
  /** Forgets one token, because GitHub refused it. A newer token of the same scope stays. */
  refused(scope: TokenScope, token: string): void;
  /** Forgets all tokens of an installation, those on their way included. */
  forget(installationId: string): void;
}

export interface TokenScope {
  readonly installationId: string;
  /** Ids of the repositories; `all` only where the question is which repositories there are. */
  readonly repositoryIds: readonly string[] | "all";
  readonly permissions: Readonly<Record<string, "read" | "write">>;
}

/** The App's own credential, for `/app` and for minting; lives ten minutes, made anew for each call. */
export type AppJwt = () => Promise<string>;

export function createAppJwt(options: { readonly appId: number; readonly privateKey: string }): AppJwt {
  const auth = createAppAuth({ appId: options.appId, privateKey: options.privateKey });
  return async function appJwt() {
    return (await auth({ type: "app" })).token;
  };
}

export interface TokenOptions {
  readonly host: string;
  readonly appId: number;
  readonly jwt: AppJwt;
  readonly api: Api;
  readonly clock: Clock;
}

/** Longer than a clone should take: a token handed out must outlive what it is for. */
const MIN_LIFE_MS = 10 * 60_000;

/** Bounds the memory; one build uses two scopes for an hour. */
const MAX_CACHED = 10_000;

interface Minted {
  readonly installationId: string;
  readonly token: string;
  readonly expiresAt: number;
}

export function createTokens(options: TokenOptions): Tokens {
  const cached = new Map<string, Minted>();
  const pending = new Map<string, { readonly installationId: string; readonly minted: Promise<Outcome<Minted>> }>();

  async function mintOnce(key: string, scope: TokenScope): Promise<Outcome<Minted>> {
    const minted = mint(options, scope);
    const entry = { installationId: scope.installationId, minted };
    pending.set(key, entry);
    try {
      const result = await minted;
      // Forgotten meanwhile: whoever waited may try it, nobody else gets it.
      if (result.ok && pending.get(key) === entry) remember(key, result.value);
      return result;
    } finally {
      if (pending.get(key) === entry) pending.delete(key);
    }
  }

  function remember(key: string, minted: Minted): void {
    cached.delete(key);
    cached.set(key, minted);
    for (const oldest of cached.keys()) {
      if (cached.size <= MAX_CACHED) break;
      cached.delete(oldest);
    }
  }

  return {
    async get(scope) {
      const key = scopeKey(options, scope);
      const known = cached.get(key);
      if (known !== undefined && known.expiresAt - options.clock.now() >= MIN_LIFE_MS) return ok(known.token);
      const result = await (pending.get(key)?.minted ?? mintOnce(key, scope));
      return result.ok ? ok(result.value.token) : result;
    },
    refused(scope, token) {
      const key = scopeKey(options, scope);
      if (cached.get(key)?.token === token) cached.delete(key);
    },
    forget(installationId) {
      for (const [key, minted] of cached) if (minted.installationId === installationId) cached.delete(key);
      for (const [key, entry] of pending) if (entry.installationId === installationId) pending.delete(key);
    },
  };
}

/** Everything a token depends on, in a form in which no two different scopes read the same. */
function scopeKey(options: TokenOptions, scope: TokenScope): string {
  const repositories = scope.repositoryIds === "all" ? "all" : [...scope.repositoryIds].sort();
  const permissions = Object.entries(scope.permissions).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([options.host, options.appId, scope.installationId, repositories, permissions]);
}

async function mint(options: TokenOptions, scope: TokenScope): Promise<Outcome<Minted>> {
  const first = await askForToken(options, scope);
  // Nothing but a token comes into being by asking, so asking again is harmless; once, for a passing fault.
  const answer = first.ok || !first.retryable || first.retryAfter !== null ? first : await askForToken(options, scope);
  if (!answer.ok) return answer;
  if (answer.value.status !== 201) return mintRefusal(answer.value, scope);
  const result = tokenSchema.safeParse(answer.value.body);
  if (!result.success) return misshapen(answer.value);
  return ok({
    installationId: scope.installationId,
    token: result.data.token,
    expiresAt: Date.parse(result.data.expires_at),
  });
}

async function askForToken(options: TokenOptions, scope: TokenScope): Promise<Outcome<ApiAnswer>> {
  const answer = await options.api.send(
    {
      method: "POST",
      path: apiPath(["app", "installations", scope.installationId, "access_tokens"]),
      body: {
        ...(scope.repositoryIds === "all" ? {} : { repository_ids: scope.repositoryIds.map(Number) }),
        permissions: scope.permissions,
      },
    },
    `Bearer ${await options.jwt()}`,
  );
  return "unauthorized" in answer ? appRefused(answer.message) : answer;
}

/** The App's key or clock is wrong: the operator's to mend, so what waits for it should go on waiting. */
export function appRefused(message: string): Outcome<never> {
  return failed(`${message} Check APP_ID, PRIVATE_KEY and this machine's clock.`, { retryable: true, retryAfter: 60 });
}

function mintRefusal(answer: ApiAnswer, scope: TokenScope): Outcome<never> {
  const refused = refusal(answer);
  if (refused.ok || answer.status !== 422) return refused;
  const wanted = Object.entries(scope.permissions).map(([name, level]) => `${name}: ${level}`);
  const what = scope.repositoryIds.length === 1 ? "this repository" : "these repositories";
  const advice = `The installation must cover ${what} and grant ${wanted.join(", ")}; an owner may have to accept it.`;
  return failed(`${refused.message} ${advice}`, { retryable: false });
}
