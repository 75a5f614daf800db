/**
 * Access tokens: with one, people and clusters sign in to the registry as a namespace (`docker login -u acme`, the token for
 * a password). A token is `whf_`, its id, `_` and its secret. The id is no secret; of the whole only a hash is kept.
 */

/** `push`: pulls as well. */
export type TokenAccess = "pull" | "push";

/** 80 bits, so that nobody meets the id of another's token by trying. */
export const TOKEN_ID_BYTES = 10;
/** 160 bits: a hash without salt or delay keeps it, and no number of guesses matters. */
export const TOKEN_SECRET_BYTES = 20;

/** Digits of RFC 4648's base32 in lower case: a double click selects all of a token. */
const DIGITS = "abcdefghijklmnopqrstuvwxyz234567";
const TOKEN = /^whf_([a-z2-7]{16})_[a-z2-7]{32}$/;
const ID = /^[a-z2-7]{16}$/;

/** The id in a token; null: this is no token, whoever sent it. */
export function accessTokenId(text: string): string | null {
  return TOKEN.exec(text)?.[1] ?? null;
}

/** As logs and lists show it: what a token begins with, and nothing of its secret. */
export function shownTokenId(id: string): string {
  return `whf_${id}`;
}

/** The id somebody means, with or without `whf_`; null: it is none. */
export function parseTokenId(text: string): string | null {
  const id = text.replace(/^whf_/, "");
  return ID.test(id) ? id : null;
}

/** Of {@link TOKEN_ID_BYTES} and {@link TOKEN_SECRET_BYTES} random bytes. */
export function makeAccessToken(id: Uint8Array, secret: Uint8Array): { readonly id: string; readonly text: string } {
  return makeTokenText("whf", id, secret);
}

/** `<prefix>_<id>_<secret>`: scanners of repositories know a token by its prefix. */
export function makeTokenText(
  prefix: "whf" | "wha",
  id: Uint8Array,
  secret: Uint8Array,
): { readonly id: string; readonly text: string } {
  if (id.length !== TOKEN_ID_BYTES || secret.length !== TOKEN_SECRET_BYTES) {
    throw new Error("a token has 10 bytes of id and 20 of secret");
  }
  const shown = base32(id);
  return { id: shown, text: `${prefix}_${shown}_${base32(secret)}` };
}

/** Of a number of bytes that five divides, so that nothing has to be filled up. */
function base32(bytes: Uint8Array): string {
  let [text, bits, held] = ["", 0, 0];
  for (const byte of bytes) {
    held = (held << 8) | byte;
    for (bits += 8; bits >= 5; bits -= 5) text += DIGITS[(held >>> (bits - 5)) & 31];
    held &= 31;
  }
  return text;
}

const DAY_MS = 24 * 60 * 60 * 1_000;

/** Days a token may live. There is none that lives for good: what nobody renews is what nobody uses. */
export const TOKEN_DAYS = { least: 1, usual: 90, most: 366 } as const;

/** Milliseconds since 1970, a whole second: tokens of the registry count in seconds, and none outlives what it was given for. */
export function tokenExpiry(now: number, days: number): number {
  return Math.floor(now / 1_000) * 1_000 + days * DAY_MS;
}

/** What somebody asks for. */
export interface TokenWish {
  /** What it is for, for people; once among the tokens of a namespace that still work. */
  readonly name: string;
  readonly access: TokenAccess;
  readonly days: number;
  /** Key of the account it is made for, where several may write to the namespace; null: the only one. */
  readonly account: string | null;
}

/** ASCII, so that no two names look the same. */
export const TOKEN_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9 ._-]{0,62}[A-Za-z0-9._-])?$/;

export type ParsedWish =
  | { readonly ok: true; readonly wish: TokenWish }
  | { readonly ok: false; readonly message: string };

const KEYS = ["name", "access", "days", "account"];

/** Of a JSON body, or of what a command line was given. */
export function parseTokenWish(given: unknown): ParsedWish {
  if (typeof given !== "object" || given === null || Array.isArray(given)) return wrong("send a JSON object");
  const unknown = Object.keys(given).find((key) => !KEYS.includes(key));
  if (unknown !== undefined) return wrong(`there is no key ${JSON.stringify(unknown)}; allowed: ${KEYS.join(", ")}`);
  const values = new Map<string, unknown>(Object.entries(given));
  const name = values.get("name");
  if (typeof name !== "string" || !TOKEN_NAME.test(name)) {
    return wrong("a token needs a name: 1 to 64 letters, digits, spaces, `.`, `_` or `-`, e.g. cluster-eu");
  }
  const access = values.get("access") ?? "pull";
  if (access !== "pull" && access !== "push") return wrong("access can be pull, or push (which pulls as well)");
  const days = values.get("days") ?? TOKEN_DAYS.usual;
  if (typeof days !== "number" || !Number.isInteger(days) || days < TOKEN_DAYS.least || days > TOKEN_DAYS.most) {
    return wrong(`days must be a whole number from ${TOKEN_DAYS.least} to ${TOKEN_DAYS.most}`);
  }
  const account = values.get("account") ?? null;
  if (account !== null && typeof account !== "string") return wrong("account must be a key like github:default:123");
  return { ok: true, wish: { name, access, days, account } };
}

function wrong(message: string): ParsedWish {
  return { ok: false, message };
}

/**
 * How the account a token was made for stands. `lost`: it may not write to the namespace (any more); `suspended`,
 * `removed`: so its installation is. Anything but `good` refuses: what is not known to be allowed is not.
 */
export type AccountStanding = "good" | "lost" | "suspended" | "removed";

/** Why a token with the right secret is refused. Logged; whoever signs in is not told. */
export type TokenRefusal =
  | "revoked"
  | "expired"
  | "other-namespace"
  | "other-registry"
  | "namespace-lost"
  | "installation-suspended"
  | "installation-removed";

/** Null: it signs in. Times are milliseconds since 1970. */
export function tokenRefusal(
  token: {
    readonly namespace: string;
    /** Name of the registry its namespace is in now. */
    readonly registry: string;
    readonly expiresAt: number;
    readonly revoked: boolean;
    readonly standing: AccountStanding;
  },
  at: { readonly registry: string; readonly username: string },
  now: number,
): TokenRefusal | null {
  if (token.namespace !== at.username) return "other-namespace";
  if (token.registry !== at.registry) return "other-registry";
  if (token.revoked) return "revoked";
  if (token.expiresAt <= now) return "expired";
  switch (token.standing) {
    case "good":
      return null;
    case "lost":
      return "namespace-lost";
    case "suspended":
    case "removed":
      return `installation-${token.standing}`;
  }
}

/** Whether an image lies in a namespace: by whole components, `acme-evil/api` does not lie in `acme`. */
export function inNamespace(image: string, namespace: string): boolean {
  const [own, parts] = [namespace.split("/"), image.split("/")];
  return parts.length > own.length && own.every((part, index) => part === parts[index]);
}
