import { createPrivateKey } from "node:crypto";
import { failed, type Outcome } from "../core/model.ts";
import type { Clock } from "../engine/ports.ts";
import { type ApiAnswer, type ApiRequest, createApi, redact } from "./api.ts";
import { createRates, type Rates } from "./rates.ts";
import { appRefused, createAppJwt, createTokens, type TokenScope, type Tokens } from "./tokens.ts";

/** The way to one GitHub host as one App; the host port and the reporter share it, and with it the tokens. */
export interface GithubAccess {
  readonly host: string;
  readonly appId: number;
  readonly privateKey: string;
  readonly apiUrl: string;
  readonly tokens: Tokens;
  /** A call with a token of exactly this scope. A token GitHub refuses is replaced once: a 401 means nothing was done. */
  asInstallation(scope: TokenScope, request: ApiRequest): Promise<Outcome<ApiAnswer>>;
  /** A call as the App itself. */
  asApp(request: ApiRequest): Promise<Outcome<ApiAnswer>>;
  /** What GitHub said of an installation's rate limit, with whatever it was asked last. */
  readonly rateOf: Rates["of"];
}

export interface GithubAccessOptions {
  readonly host: string;
  readonly appId: number;
  /** PEM, PKCS#1 or PKCS#8. */
  readonly privateKey: string;
  readonly apiUrl: string;
  readonly clock: Clock;
  readonly userAgent?: string;
  readonly fetch?: typeof fetch;
  /** Milliseconds for one call. */
  readonly timeoutMs?: number;
}

/** Throws when the private key is not one: otherwise the first delivery would find out. */
export function createGithubAccess(options: GithubAccessOptions): GithubAccess {
  const privateKey = checkedKey(options.privateKey);
  const api = createApi({
    apiUrl: options.apiUrl,
    clock: options.clock,
    userAgent: options.userAgent ?? "wharfinger",
    fetch: options.fetch ?? fetch,
    timeoutMs: options.timeoutMs ?? 15_000,
  });
  const { host, appId, clock } = options;
  const jwt = createAppJwt({ appId, privateKey });
  const tokens = createTokens({ host, appId, jwt, api, clock });
  const rates = createRates(clock);

  async function attempt(scope: TokenScope, request: ApiRequest) {
    const token = await tokens.get(scope);
    if (!token.ok) return token;
    const answer = await api.send(request, `Bearer ${token.value}`);
    if ("unauthorized" in answer) tokens.refused(scope, token.value);
    if (answer.ok) rates.note(scope.installationId, answer.value);
    return answer;
  }

  return {
    host,
    appId,
    privateKey,
    apiUrl: options.apiUrl,
    tokens,
    async asInstallation(scope, request) {
      const first = await attempt(scope, request);
      if (!("unauthorized" in first)) return first;
      const second = await attempt(scope, request);
      if (!("unauthorized" in second)) return second;
      // A token not yet known everywhere at GitHub, most likely: a revoked installation would not have got a new one.
      return failed(second.message, { retryable: true, retryAfter: 5 });
    },
    async asApp(request) {
      const answer = await api.send(request, `Bearer ${await jwt()}`);
      return "unauthorized" in answer ? appRefused(answer.message) : answer;
    },
    rateOf: rates.of,
  };
}

function checkedKey(pem: string): string {
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType === "rsa") return pem;
  } catch (error) {
    throw new Error(`The GitHub App's private key can not be read: ${redact(String(error))}`);
  }
  throw new Error("The GitHub App's private key is not an RSA key.");
}
