/**
 * API tokens: with one, a program asks the JSON API about one installation (`Authorization: Bearer wha_…`) and may there
 * what its role says. A token is `wha_`, its id, `_` and its secret; of the whole only a hash is kept.
 */
import { makeTokenText, TOKEN_DAYS, TOKEN_NAME } from "./access-tokens.ts";
import type { HostRole } from "./roles.ts";

/** What a token may: as a person with this role on the host. */
export type ApiTokenRole = Exclude<HostRole, "none">;

export const API_TOKEN_ROLES: readonly ApiTokenRole[] = ["read", "write", "owner"];

const TOKEN = /^wha_([a-z2-7]{16})_[a-z2-7]{32}$/;
const ID = /^[a-z2-7]{16}$/;

/** The id in a token; null: this is no API token, whoever sent it. */
export function apiTokenId(text: string): string | null {
  return TOKEN.exec(text)?.[1] ?? null;
}

/** As logs and lists show it: what a token begins with, and nothing of its secret. */
export function shownApiTokenId(id: string): string {
  return `wha_${id}`;
}

/** The id somebody means, with or without `wha_`; null: it is none. */
export function parseApiTokenId(text: string): string | null {
  const id = text.replace(/^wha_/, "");
  return ID.test(id) ? id : null;
}

export function makeApiToken(id: Uint8Array, secret: Uint8Array): { readonly id: string; readonly text: string } {
  return makeTokenText("wha", id, secret);
}

/** What somebody asks for. */
export interface ApiTokenWish {
  /** What it is for, for people; once among the tokens of an installation that still work. */
  readonly name: string;
  readonly role: ApiTokenRole;
  readonly days: number;
}

export type ParsedApiTokenWish =
  | { readonly ok: true; readonly wish: ApiTokenWish }
  /** A clause: what is wrong, and what is wanted. `field`: null where it is not about one. */
  | { readonly ok: false; readonly field: keyof ApiTokenWish | null; readonly message: string };

const KEYS = ["name", "role", "days"];

/** Of a JSON body, a form, or what a command line was given. Without a role: `read`. */
export function parseApiTokenWish(given: unknown): ParsedApiTokenWish {
  if (typeof given !== "object" || given === null || Array.isArray(given)) return wrong(null, "send a JSON object");
  const unknown = Object.keys(given).find((key) => !KEYS.includes(key));
  if (unknown !== undefined) {
    return wrong(null, `there is no key ${JSON.stringify(unknown)}; allowed: ${KEYS.join(", ")}`);
  }
  const values = new Map<string, unknown>(Object.entries(given));
  const name = values.get("name");
  if (typeof name !== "string" || !TOKEN_NAME.test(name)) {
    return wrong("name", "a token needs a name: 1 to 64 letters, digits, spaces, `.`, `_` or `-`, e.g. nightly-report");
  }
  const asked = values.get("role") ?? "read";
  const role = API_TOKEN_ROLES.find((known) => known === asked);
  if (role === undefined) return wrong("role", `role can be ${API_TOKEN_ROLES.join(", ")}`);
  const days = values.get("days") ?? TOKEN_DAYS.usual;
  if (typeof days !== "number" || !Number.isInteger(days) || days < TOKEN_DAYS.least || days > TOKEN_DAYS.most) {
    return wrong("days", `days must be a whole number from ${TOKEN_DAYS.least} to ${TOKEN_DAYS.most}`);
  }
  return { ok: true, wish: { name, role, days } };
}

function wrong(field: keyof ApiTokenWish | null, message: string): ParsedApiTokenWish {
  return { ok: false, field, message };
}
