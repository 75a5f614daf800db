import { timingSafeEqual } from "node:crypto";
import { parse as parseQuery } from "node:querystring";
import { createQueryStringHash, decodeSymmetric, encodeSymmetric, SymmetricAlgorithm } from "atlassian-jwt";

/**
 * The JSON Web Tokens that Bitbucket and a Connect app show each other: HS256 with the secret of an installation, bound to
 * one method and address by a hash (`qsh`). They do not cover the body of a request: what is in it is asked again.
 */

export type Claims = Readonly<Record<string, unknown>>;

export type Verdict = { readonly ok: true; readonly claims: Claims } | { readonly ok: false; readonly why: JwtProblem };

/** Codes for logs and tests; answers do not tell them apart. */
export type JwtProblem =
  | "malformed"
  | "algorithm"
  | "signature"
  | "issuer"
  | "audience"
  | "no-expiry"
  | "expired"
  | "not-yet"
  | "query-hash";

export interface Expectation {
  /** Any of them may have signed. None, or only empty ones: nothing is accepted. */
  readonly secrets: readonly string[];
  readonly clientKey: string;
  readonly method: string;
  /** Path and query as they were received. */
  readonly url: string;
  /** The address the app is known under; its path is not part of the hash. */
  readonly baseUrl: string;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  /** Bitbucket's clock has been seen ahead of others. */
  readonly skewSeconds?: number;
}

/** Bitbucket's have some 400 characters. */
const MAX_TOKEN_LENGTH = 4_096;

/** Three parts in base64url; the last is 32 bytes. */
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]{43}$/;

const HASH = /^[0-9a-f]{64}$/;

/** Seconds. Bitbucket gives its own an hour; ours are used at once. */
const APP_TOKEN_LIFE = 180;

/** Hash of a request's method, path and query, the parameter `jwt` left out, in Atlassian's canonical form. */
export function qshOf(method: string, url: string, baseUrl: string): string {
  const mark = url.indexOf("?");
  const pathname = withoutPrefix(mark === -1 ? url : url.slice(0, mark), baseUrl);
  // No limit to the number of parameters: any beyond one would not be part of the hash.
  const query = mark === -1 ? {} : parseQuery(url.slice(mark + 1), "&", "=", { maxKeys: 0 });
  return createQueryStringHash({ method, pathname, query }, false, "");
}

/** The library would take `/app` off `/apples`, too. */
function withoutPrefix(path: string, baseUrl: string): string {
  const prefix = URL.canParse(baseUrl) ? new URL(baseUrl).pathname.replace(/\/+$/, "") : "";
  if (prefix === "" || (path !== prefix && !path.startsWith(`${prefix}/`))) return path;
  return path.slice(prefix.length);
}

/** Throws when the key is empty: anybody could sign with that. */
export function signJwt({ key, claims }: { readonly key: string; readonly claims: Claims }): string {
  return encodeSymmetric(claims, key, SymmetricAlgorithm.HS256);
}

/** What we show Bitbucket as one of its clients, for one request. `path` is below Bitbucket's address, with the query. */
export function appJwt(request: {
  readonly appKey: string;
  readonly clientKey: string;
  readonly secret: string;
  readonly method: string;
  readonly path: string;
  readonly nowMs: number;
}): string {
  const iat = Math.floor(request.nowMs / 1000);
  return signJwt({
    key: request.secret,
    claims: {
      iss: request.appKey,
      sub: request.clientKey,
      iat,
      exp: iat + APP_TOKEN_LIFE,
      qsh: qshOf(request.method, request.path, ""),
    },
  });
}

/** The token of an `Authorization: JWT …` header; null when there is none. */
export function readAuthorization(header: string | readonly string[] | undefined): string | null {
  return typeof header === "string" ? (/^JWT ([\w.-]+)$/.exec(header)?.[1] ?? null) : null;
}

/** Whom a token says it is from. Nothing of it is proven: only good to find the secret to verify it with. */
export function readIssuer(token: string): string | null {
  const issuer = readParts(token)?.claims["iss"];
  return typeof issuer === "string" && issuer !== "" ? issuer : null;
}

/** The only way to believe a token. Never throws. */
export function verifyJwt(token: string, expected: Expectation): Verdict {
  const parts = readParts(token);
  if (parts === null) return { ok: false, why: "malformed" };
  // A key id would name a key of its sender's choice; there is only the one we have.
  if (parts.header["alg"] !== "HS256" || "kid" in parts.header || "crit" in parts.header) {
    return { ok: false, why: "algorithm" };
  }
  if (!isSigned(token, expected.secrets)) return { ok: false, why: "signature" };
  const why = problemOf(parts.claims, expected);
  return why === null ? { ok: true, claims: parts.claims } : { ok: false, why };
}

/** Tries every secret, also after a match: the time taken tells neither whether nor which one matched. */
function isSigned(token: string, secrets: readonly string[]): boolean {
  let matches = 0;
  for (const secret of secrets) matches += isSignedWith(token, secret) ? 1 : 0;
  return matches > 0;
}

function isSignedWith(token: string, secret: string): boolean {
  try {
    decodeSymmetric(token, secret, SymmetricAlgorithm.HS256);
    return true;
  } catch {
    // The library's way to say no, to empty secrets, too. Its message quotes the token, so it is told to nobody.
    return false;
  }
}

function problemOf(claims: Claims, expected: Expectation): JwtProblem | null {
  const { iss, aud, exp, iat, nbf, qsh } = claims;
  const now = Math.floor(expected.nowMs / 1000);
  const skew = expected.skewSeconds ?? 60;
  if (iss !== expected.clientKey) return "issuer";
  if (aud !== undefined && !isAudience(aud, expected.clientKey)) return "audience";
  if (typeof exp !== "number") return "no-expiry";
  if (exp + skew <= now) return "expired";
  if (![iat, nbf].every((from) => from === undefined || (typeof from === "number" && from - skew <= now))) {
    return "not-yet";
  }
  const hash = qshOf(expected.method, expected.url, expected.baseUrl);
  return typeof qsh === "string" && HASH.test(qsh) && timingSafeEqual(Buffer.from(qsh), Buffer.from(hash))
    ? null
    : "query-hash";
}

function isAudience(aud: unknown, clientKey: string): boolean {
  return Array.isArray(aud) ? aud.includes(clientKey) : aud === clientKey;
}

function readParts(token: string): { readonly header: Claims; readonly claims: Claims } | null {
  if (token.length > MAX_TOKEN_LENGTH || !TOKEN.test(token)) return null;
  const [header, claims] = token.split(".").map(readPart);
  return header && claims ? { header, claims } : null;
}

function readPart(text: string): Claims | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : null;
  } catch {
    // Not JSON, and so not a token.
    return null;
  }
}
