/**
 * The JWTs of Connect, both ways. Written from the protocol and not on top of the library the product uses, so that a
 * mistake there is not made twice and cancelled out.
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { isObject, type JsonObject } from "../json.ts";

/** Seconds a JWT of the host lives. */
const LIFETIME = 3600;

/**
 * Hash of the request a JWT was made for. `base`: what the other side is mounted at; its path is no part of the hash.
 * The body is not covered.
 */
export function queryStringHash(method: string, url: URL, base: string): string {
  return createHash("sha256")
    .update(`${method.toUpperCase()}&${canonicalPath(url, base)}&${canonicalQuery(url.searchParams)}`)
    .digest("hex");
}

function canonicalPath(url: URL, base: string): string {
  const prefix = new URL(base).pathname.replace(/\/$/, "");
  const inside = url.pathname === prefix || url.pathname.startsWith(`${prefix}/`);
  const path = (inside ? url.pathname.slice(prefix.length) : url.pathname).replace(/\/$/, "");
  return path === "" ? "/" : path.replaceAll("&", "%26");
}

function canonicalQuery(query: URLSearchParams): string {
  const names = [...new Set(query.keys())].filter((name) => name !== "jwt");
  return names
    .map((name) => [encode(name), query.getAll(name).map(encode).toSorted().join(",")] as const)
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, values]) => `${name}=${values}`)
    .join("&");
}

/** RFC 3986: everything but letters, digits and `-._~`. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** What the host sends to an app with `secret`: five claims and no more; `seconds` since 1970. */
export function hostJwt(
  client: { readonly clientKey: string; readonly secret: string },
  request: { readonly method: string; readonly url: URL; readonly base: string },
  seconds: number,
): string {
  const { clientKey, secret } = client;
  return signJwt(secret, {
    iss: clientKey,
    iat: seconds,
    qsh: queryStringHash(request.method, request.url, request.base),
    aud: clientKey,
    exp: seconds + LIFETIME,
  });
}

/** The signature is always HMAC with SHA-256, whatever a forger's `header` says. */
export function signJwt(secret: string, claims: object, header: object = { alg: "HS256", typ: "JWT" }): string {
  const head = encodePart(header);
  const body = encodePart(claims);
  return `${head}.${body}.${createHmac("sha256", secret).update(`${head}.${body}`).digest("base64url")}`;
}

function encodePart(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

export interface ReadJwt {
  readonly header: JsonObject;
  readonly claims: JsonObject;
  /** Whether it was signed with this secret, by HS256 and nothing else. */
  signedWith(secret: string): boolean;
}

/** Null: no JWT. */
export function readJwt(token: string): ReadJwt | null {
  const [head = "", body = "", signature = "", ...more] = token.split(".");
  const header = decodePart(head);
  const claims = decodePart(body);
  if (more.length > 0 || !isObject(header) || !isObject(claims)) return null;
  return {
    header,
    claims,
    signedWith(secret) {
      const wanted = createHmac("sha256", secret).update(`${head}.${body}`).digest();
      const given = Buffer.from(signature, "base64url");
      return header["alg"] === "HS256" && given.length === wanted.length && timingSafeEqual(given, wanted);
    },
  };
}

function decodePart(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
