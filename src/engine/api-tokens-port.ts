import type { ApiTokenRole } from "../core/api-tokens.ts";
import type { By } from "../core/audit.ts";
import type { HostId } from "../core/model.ts";
import type { HostState, Page, PageQuery } from "./store-port.ts";

/** An API token as it may be shown: nothing of its secret. */
export interface ApiToken {
  /** Without `wha_`. */
  readonly id: string;
  readonly installation: HostId;
  readonly name: string;
  readonly role: ApiTokenRole;
  readonly by: By;
  /** This and the others: ISO 8601, UTC. */
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly revokedAt: string | null;
  /** To the minute; null: never. */
  readonly lastUsedAt: string | null;
}

export interface NewApiToken {
  readonly id: string;
  /** SHA-256 of the whole token, in hex. */
  readonly hash: string;
  readonly installation: HostId;
  readonly name: string;
  readonly role: ApiTokenRole;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** What a request with a token is judged by. */
export interface ApiTokenRecord {
  readonly token: ApiToken;
  readonly hash: string;
  /** How its installation stands at its host; a pause stops builds, and nothing else. */
  readonly standing: HostState;
}

export interface ApiTokenStore {
  /**
   * Keeps a token. `name-taken`: another one of the installation that still works is called so; `too-many` of those;
   * `no-installation`: it is not known, removed or suspended. Audited.
   */
  saveApiToken(token: NewApiToken, by: By): Promise<"saved" | "name-taken" | "too-many" | "no-installation">;
  /** By its id; null: there is none. */
  apiToken(id: string): Promise<ApiTokenRecord | null>;
  /** It was used now. Written at most once a minute. */
  apiTokenUsed(id: string): Promise<void>;
  /** Of one installation, newest first; those that do not work any more, too. */
  listApiTokens(query: PageQuery & { readonly installation: HostId }): Promise<Page<ApiToken>>;
  /** For good. What was revoked before stays as it was. Null: the installation has no such token. Audited. */
  revokeApiToken(installation: HostId, id: string, by: By): Promise<ApiToken | null>;
}

/** Of an installation, that work. */
export const MAX_API_TOKENS = 100;
