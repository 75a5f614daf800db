import { randomUUID, sign } from "node:crypto";
import type { Answer, Clock } from "../engine/ports.ts";
import { type AdmissionOptions, type Credential, createAdmission, subjectOf } from "./admission.ts";
import type { StagingNames } from "./staging.ts";
import { type Access, grant, parseScopes } from "./token-grants.ts";
import { type KidFormat, keyHeader, type TokenKey } from "./token-keys.ts";

export interface TokenServiceOptions {
  /** `issuer` and `service` as the registry's configuration has them. */
  readonly issuer: string;
  readonly service: string;
  readonly keys: { readonly current: TokenKey };
  /** Null: nobody is let in, and the service makes tokens for itself only. */
  readonly guests: Pick<AdmissionOptions, "accounts" | "log"> | null;
  readonly staging: Pick<StagingNames, "has">;
  readonly clock: Clock;
  /** Default `libtrust`. */
  readonly kidFormat?: KidFormat;
}

export interface TokenRequest {
  readonly query: URLSearchParams;
  /** The `Authorization` header. */
  readonly authorization: string | undefined;
  /** The address it comes from, as far as that is known. */
  readonly from: string;
}

export interface TokenService {
  /** `GET /registry/token`. Rejects only with what the accounts reject with. */
  answer(request: TokenRequest): Promise<Answer>;
  /** A token for this service itself, with all these scopes: `repository:acme/api:pull,push`, … */
  issue(scopes: readonly string[]): Promise<{ readonly token: string; readonly seconds: number }>;
}

/**
 * How long a token lives, at most; the lease of a build ends it earlier. Registries grant another {@link LEEWAY_SECONDS},
 * so a token can be used for at most 6 minutes after it was given out.
 */
export const TOKEN_SECONDS = 300;
/** Registries accept tokens this long after their end. Clients count on at least as much, whatever a token says. */
export const LEEWAY_SECONDS = 60;

/** Subject of the tokens the service gives itself; what a registry calls the actor. */
export const SERVICE_USER = "wharfinger";

/** Characters of a name and password in base64. Longer ones are nobody's. */
const MAX_BASIC = 1_024;

/**
 * Gives out tokens for a Docker registry (Distribution's token authentication).
 * https://distribution.github.io/distribution/spec/auth/token/
 */
export function createTokenService(options: TokenServiceOptions): TokenService {
  const { issuer, service, staging, clock } = options;
  const admission = options.guests && createAdmission({ ...options.guests, staging, clock });
  const key = options.keys.current;
  const head = encode({ typ: "JWT", alg: "ES256", ...keyHeader(key, options.kidFormat ?? "libtrust") });

  function make(subject: string, access: readonly Access[], until: number) {
    const now = Math.floor(clock.now() / 1_000);
    const seconds = Math.min(TOKEN_SECONDS, Math.ceil(until / 1_000) - now);
    const times = { iat: now, nbf: now, exp: now + seconds };
    // `aud` as a list is allowed by RFC 7519, and not understood by registries of version 2.
    const claims = { iss: issuer, sub: subject, aud: service, ...times, jti: randomUUID(), access };
    const signed = `${head}.${encode(claims)}`;
    const signature = sign("sha256", Buffer.from(signed), { key: key.privateKey, dsaEncoding: "ieee-p1363" });
    return { token: `${signed}.${signature.toString("base64url")}`, seconds, issuedAt: now };
  }

  return {
    async answer({ query, authorization, from }) {
      const services = query.getAll("service");
      if (services.some((name) => name !== service)) {
        return refusal(400, "UNSUPPORTED", "This token service does not serve that registry.");
      }
      const basic = authorization === undefined ? null : parseBasic(authorization);
      if (authorization !== undefined && basic === null) return unauthorized();
      // Whoever names an account wants to be that one: neither somebody else nor nobody.
      if (query.getAll("account").some((name) => name !== basic?.username)) return unauthorized();
      if (admission === null) return unauthorized();
      const guest = basic === null ? ({ kind: "anonymous" } as const) : await admission.signIn(basic, from);
      if (guest === "wrong") return unauthorized();
      if (guest === "slow-down") return slowDown();
      const access = await admission.scopes(guest, parseScopes(query.getAll("scope")));
      const until = guest.kind === "anonymous" ? Number.POSITIVE_INFINITY : guest.until;
      // Here, and not before: the lease may have ended while the accounts were asked.
      if (until <= clock.now()) return unauthorized();
      const { token, seconds, issuedAt } = make(subjectOf(guest), access, until);
      return {
        status: 200,
        body: {
          token,
          access_token: token,
          expires_in: seconds,
          issued_at: new Date(issuedAt * 1_000).toISOString(),
        },
        headers: { "Cache-Control": "no-store" },
      };
    },

    async issue(scopes) {
      const access = grant(parseScopes(scopes), { kind: "service" }, OWN_FACTS);
      const { token, seconds } = make(SERVICE_USER, access, Number.POSITIVE_INFINITY);
      return { token, seconds };
    },
  };
}

/** The service may do everything; nobody has to be asked. */
const OWN_FACTS = { staging: { has: () => false }, pullable: new Set<string>(), pushable: new Set<string>() };

/** RFC 7617; null: something else, or longer than any of ours. */
function parseBasic(header: string): Credential | null {
  const encoded = /^Basic +([A-Za-z0-9+/]+={0,2})$/i.exec(header)?.[1];
  if (encoded === undefined || encoded.length > MAX_BASIC) return null;
  const text = Buffer.from(encoded, "base64").toString("utf8");
  const [, username, password] = /^([\x21-\x39\x3b-\x7e]+):([\x21-\x7e]+)$/.exec(text) ?? [];
  return username === undefined || password === undefined ? null : { username, password };
}

function unauthorized(): Answer {
  return {
    ...refusal(401, "UNAUTHORIZED", "User name or password is wrong, or what they were given for has ended."),
    headers: { "Cache-Control": "no-store", "WWW-Authenticate": 'Basic realm="wharfinger registry"' },
  };
}

function slowDown(): Answer {
  const message = "Too many wrong access tokens came from this address. Wait a minute.";
  return {
    ...refusal(429, "TOOMANYREQUESTS", message),
    headers: { "Cache-Control": "no-store", "Retry-After": "60" },
  };
}

/** In the registry API's own form, which its clients show. */
function refusal(status: number, code: string, message: string): Answer {
  return { status, body: { errors: [{ code, message, detail: null }] }, headers: { "Cache-Control": "no-store" } };
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
