import type { AccountStanding, TokenAccess } from "../core/access-tokens.ts";
import type { By } from "../core/audit.ts";
import type { HostId } from "../core/model.ts";
import type { Page, PageQuery } from "./store-port.ts";

/** An access token as it may be shown: nothing of its secret. */
export interface AccessToken {
  /** Without `whf_`. */
  readonly id: string;
  readonly namespace: string;
  /** Whose right to the namespace it stands on. */
  readonly account: HostId;
  readonly name: string;
  readonly access: TokenAccess;
  readonly by: By;
  /** This and the others: ISO 8601, UTC. */
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly revokedAt: string | null;
  /** To the minute; null: never. */
  readonly lastUsedAt: string | null;
}

export interface NewAccessToken {
  readonly id: string;
  /** SHA-256 of the whole token, in hex. */
  readonly hash: string;
  readonly namespace: string;
  readonly account: HostId;
  readonly name: string;
  readonly access: TokenAccess;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** What signing in is judged by. */
export interface AccessTokenRecord {
  readonly token: AccessToken;
  readonly hash: string;
  /** How its account stands now. */
  readonly standing: AccountStanding;
  /** Name of the registry its namespace is in now; images of the same name in another one are not its own. */
  readonly registry: string;
}

/** An account that may write to a namespace. */
export interface NamespaceAccount {
  readonly account: HostId;
  /** As it was called last; null: never installed. */
  readonly login: string | null;
  readonly standing: AccountStanding;
}

/** What became of the wish to push to an image. `full`: people push to too many images of the namespace already. */
export type PushClaim = "granted" | "owned" | "full";

export interface AccessTokenStore {
  /** Who may write to the namespace; empty: nobody, or there is no such namespace. */
  namespaceAccounts(namespace: string): Promise<readonly NamespaceAccount[]>;
  /**
   * Keeps a token. `name-taken`: another one of the namespace that still works is called so; `too-many` of those;
   * `no-standing`: the account may not write to the namespace now. Audited.
   */
  saveAccessToken(token: NewAccessToken, by: By): Promise<"saved" | "name-taken" | "too-many" | "no-standing">;
  /** By its id; null: there is none. */
  accessToken(id: string): Promise<AccessTokenRecord | null>;
  /** It was used now. Written at most once a minute. */
  accessTokenUsed(id: string): Promise<void>;
  /** Of one namespace, newest first; those that do not work any more, too. */
  listAccessTokens(query: PageQuery & { readonly namespace: string }): Promise<Page<AccessToken>>;
  /** For good. What was revoked before stays as it was. Null: the namespace has no such token. Audited. */
  revokeAccessToken(namespace: string, id: string, by: By): Promise<AccessToken | null>;
  /**
   * Which of the images somebody with this token may push to: those no repository owns. From here on no repository can
   * take them: they are recorded as pushed by people. The names are those of images in the token's namespace.
   */
  claimPushes(
    token: Pick<AccessToken, "id" | "namespace">,
    images: readonly string[],
  ): Promise<ReadonlyMap<string, PushClaim>>;
}

/** Of a namespace, that work. */
export const MAX_TOKENS = 100;
/** Of a namespace, that people may push to: each is a row for good. */
export const MAX_PUSHED_IMAGES = 1_000;
