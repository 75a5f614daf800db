import { z } from "zod";

/** How a registry wants to be signed in to. */
export type Challenge =
  | { readonly scheme: "basic" }
  | { readonly scheme: "bearer"; readonly realm: string; readonly service: string | null };

/** Reads a `WWW-Authenticate` header; null: nothing this program can answer. */
export function parseChallenge(header: string | null): Challenge | null {
  const scheme = /^\s*(\w+)/.exec(header ?? "")?.[1]?.toLowerCase();
  if (scheme === "basic") return { scheme: "basic" };
  if (scheme !== "bearer") return null;
  const parameters = new Map<string, string>();
  for (const [, name = "", value = ""] of (header ?? "").matchAll(/(\w+)="([^"]*)"/g)) {
    parameters.set(name.toLowerCase(), value);
  }
  const realm = parameters.get("realm") ?? "";
  if (!URL.canParse(realm) || !/^https?:$/.test(new URL(realm).protocol)) return null;
  return { scheme: "bearer", realm, service: parameters.get("service") ?? null };
}

/** The token services of different registries use one name or the other. */
const TokenAnswer = z.object({
  token: z.string().min(1).optional(),
  access_token: z.string().min(1).optional(),
  expires_in: z.number().positive().optional(),
});

/** A token and the seconds it lives; null when the text holds none. */
export function parseToken(text: string): { readonly token: string; readonly seconds: number } | null {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return null;
  }
  const answer = TokenAnswer.safeParse(document);
  const token = answer.data?.token ?? answer.data?.access_token;
  // Header injection: a token is one word of printable ASCII.
  if (token === undefined || !/^[\x21-\x7e]+$/.test(token)) return null;
  return { token, seconds: answer.data?.expires_in ?? 60 };
}
