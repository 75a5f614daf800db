/** Cookies of this site, and what is made of the secrets in them. */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { Request } from "express";

export interface Cookie {
  /** Values of Set-Cookie. */
  set(value: string, seconds: number): string;
  clear(): string;
  /** All a request brings: other sites of the domain may have planted some where the address is not HTTPS. */
  read(req: Request): readonly string[];
}

/** `secure`: the site's address is HTTPS. */
export function createCookie(name: string, secure: boolean): Cookie {
  // `__Host-`: browsers take it over HTTPS only, for this host alone; no neighbour's subdomain can plant one.
  const full = secure ? `__Host-${name}` : name;
  const attributes = `Path=/; HttpOnly; SameSite=Lax${secure ? "; Secure" : ""}`;
  return {
    set: (value, seconds) => `${full}=${value}; ${attributes}; Max-Age=${seconds}`,
    clear: () => `${full}=; ${attributes}; Max-Age=0`,
    read: (req) =>
      (req.headers.cookie ?? "")
        .split(";", 64)
        .map((pair) => pair.trim())
        .filter((pair) => pair.startsWith(`${full}=`))
        .map((pair) => pair.slice(full.length + 1)),
  };
}

/** 256 bits. */
export function newSecret(): string {
  return randomBytes(32).toString("base64url");
}

/** What may be kept or sent in place of a secret; another one for each purpose. 43 characters. */
export function derived(secret: string, purpose: string): string {
  return createHash("sha256").update(`${purpose}\n${secret}`).digest("base64url");
}

/** Equal or not in the same time, whatever the lengths. */
export function sameSecret(given: string, expected: string): boolean {
  const hash = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(hash(given), hash(expected));
}
