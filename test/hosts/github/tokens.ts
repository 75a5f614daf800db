/** Who calls, and what they may do: the app's JWTs, installation tokens, the permissions and repositories of both. */
import { createHmac, randomBytes, verify } from "node:crypto";
import { isObject } from "../json.ts";
import type { HostRepository, Permissions, TokenFormat } from "./contract.ts";
import { Refusal } from "./refusal.ts";
import {
  type AccountState,
  covers,
  type InstallationState,
  type InstallationToken,
  type RepositoryState,
  type State,
} from "./state.ts";

const HOUR = 60 * 60 * 1000;
/** Seconds the caller's clock may be ahead of ours. */
const SKEW = 60;
/** Seconds a JWT may live. */
const LONGEST_JWT = 600;
const LEVELS = ["read", "write", "admin"];

/** Refuses anything but a fresh JWT signed by the app's key. `now`: milliseconds. */
export function verifyAppJwt(state: State, token: string, now: number): void {
  const [header = "", payload = "", signature = "", ...more] = token.split(".");
  const refusal = new Refusal(401, "A JSON web token could not be decoded");
  if (more.length > 0 || signature === "") throw refusal;
  const head = decodePart(header);
  const claims = decodePart(payload);
  if (!isObject(head) || !isObject(claims) || head["alg"] !== "RS256") throw refusal;
  const signed = Buffer.from(`${header}.${payload}`);
  if (!verify("RSA-SHA256", signed, state.publicKey, Buffer.from(signature, "base64url"))) throw refusal;
  const { iss, iat, exp } = claims;
  if (String(iss) !== String(state.appId) && iss !== state.clientId) {
    throw new Refusal(401, "'Issuer' claim ('iss') must be an Integer");
  }
  const seconds = Math.floor(now / 1000);
  if (typeof iat !== "number" || !Number.isInteger(iat) || iat > seconds + SKEW) {
    throw new Refusal(
      401,
      "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
    );
  }
  if (typeof exp !== "number" || !Number.isInteger(exp) || exp <= seconds) {
    throw new Refusal(
      401,
      "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires",
    );
  }
  if (exp > seconds + LONGEST_JWT) throw new Refusal(401, "'Expiration time' claim ('exp') is too far in the future");
}

function decodePart(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

export interface Wanted {
  readonly repositoryIds?: readonly number[];
  readonly repositories?: readonly string[];
  readonly permissions?: Permissions;
  readonly format: TokenFormat;
}

/** Makes a token of an installation, narrowed as asked. */
export function mintToken(
  state: State,
  installation: InstallationState,
  wanted: Wanted,
): { readonly token: string; readonly data: InstallationToken } {
  if (installation.suspended) throw new Refusal(403, "This installation has been suspended");
  const permissions = wanted.permissions === undefined ? installation.permissions : withMetadata(wanted.permissions);
  for (const [name, level] of Object.entries(permissions)) {
    if (!allows(installation.permissions, name, level)) {
      throw new Refusal(422, "The permissions requested are not granted to this installation.");
    }
  }
  const token = wanted.format === "classic" ? classicToken() : statelessToken(state);
  const data = {
    installation,
    repositoryIds: narrowedIds(state, installation, wanted),
    permissions,
    // Whole seconds: that is what `expires_at` can say.
    expiresAt: Math.floor((state.now() + HOUR) / 1000) * 1000,
  };
  state.tokens.set(token, data);
  return { token, data };
}

/** Every token may read metadata. */
function withMetadata(permissions: Permissions): Permissions {
  return { metadata: "read", ...permissions };
}

function narrowedIds(state: State, installation: InstallationState, wanted: Wanted): ReadonlySet<number> | null {
  if (wanted.repositoryIds === undefined && wanted.repositories === undefined) return null;
  const covered = state.repositories.filter((repository) => covers(installation, repository));
  const byId = (wanted.repositoryIds ?? []).map((id) => covered.find((repository) => repository.id === id));
  const byName = (wanted.repositories ?? []).map((name) =>
    covered.find((repository) => repository.name.toLowerCase() === name.toLowerCase()),
  );
  const found = [...byId, ...byName];
  // An empty list must not come to mean "all".
  if (found.length === 0 || found.includes(undefined)) {
    throw new Refusal(
      422,
      "There is at least one repository that does not exist or is not accessible to the parent installation.",
    );
  }
  return new Set(found.flatMap((repository) => (repository === undefined ? [] : [repository.id])));
}

function classicToken(): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  return `ghs_${Array.from(randomBytes(36), (byte) => alphabet[byte % alphabet.length]).join("")}`;
}

/** Longer, and with the dots, hyphens and underscores of a JWT. */
function statelessToken(state: State): string {
  const header = Buffer.from('{"alg":"HS256","typ":"JWT"}').toString("base64url");
  const payload = Buffer.from(JSON.stringify({ jti: randomBytes(155).toString("hex") })).toString("base64url");
  const signature = createHmac("sha256", randomBytes(32)).update(`${header}.${payload}`).digest("base64url");
  return `ghs_${state.appId}_${header}.${payload}.${signature}`;
}

/** Whose token it is, or a 401. */
export function findUser(state: State, authorization: string | undefined): AccountState {
  const token = /^(?:Bearer|token) (\S+)$/i.exec(authorization ?? "")?.[1];
  const found = token === undefined ? undefined : state.userTokens.get(token);
  if (found === undefined || found.expiresAt <= state.now()) throw new Refusal(401, "Bad credentials");
  return found.account;
}

/** The app itself, by its client id and secret; or a 404, which is what GitHub says. */
export function demandClient(state: State, authorization: string | undefined): void {
  const pair = Buffer.from(`${state.clientId}:${state.clientSecret}`).toString("base64");
  if (authorization !== `Basic ${pair}`) throw new Refusal(404);
}

/** The living token, or a 401. */
export function findToken(state: State, token: string, now: number): InstallationToken {
  const found = state.tokens.get(token);
  if (found === undefined || found.expiresAt <= now || found.installation.removed)
    throw new Refusal(401, "Bad credentials");
  if (found.installation.suspended) throw new Refusal(403, "This installation has been suspended");
  return found;
}

/** The token may see the repository at all. */
export function reaches(token: InstallationToken, repository: HostRepository): boolean {
  if (token.repositoryIds !== null && !token.repositoryIds.has(repository.id)) return false;
  return covers(token.installation, repository);
}

export function allows(permissions: Permissions, name: string, level: string): boolean {
  return LEVELS.indexOf(permissions[name] ?? "") >= LEVELS.indexOf(level);
}

/**
 * Refuses what GitHub refuses: a private repository outside the token does not exist for it, a public one may be read
 * by anybody, and inside the token the permission decides.
 */
export function authorize(
  token: InstallationToken,
  repository: RepositoryState,
  permission: string,
  level: "read" | "write",
): void {
  const inside = reaches(token, repository);
  if (!inside && repository.private) throw new Refusal(404);
  if (!repository.private && level === "read") return;
  if (inside && repository.archived && level === "write") {
    throw new Refusal(403, "Repository was archived so is read-only.");
  }
  if (!inside || !allows(token.permissions, permission, level)) {
    throw new Refusal(403, "Resource not accessible by integration", {
      headers: { "x-accepted-github-permissions": `${permission}=${level}` },
    });
  }
}
