import type { Outcome } from "../core/model.ts";
import type { GrantStore } from "../engine/grants-port.ts";
import type { Clock, CloneCredential } from "../engine/ports.ts";
import type { ApiAnswer, ApiRequest } from "./api.ts";

/** What a call is about. Uuids in braces, lower case; `repository` null: the workspace as a whole. */
export interface AccessScope {
  readonly workspace: string;
  readonly repository: string | null;
}

/** A credential that is only being proven or looked at. `secret` null: the secret of the app itself. */
export type UnprovenCredential =
  | { readonly clientKey: string; readonly secret: string | null }
  | { readonly token: string };

/** The way to one Bitbucket, with whatever its workspaces have given us; host port and reporter share it. */
export interface BitbucketAccess {
  readonly host: string;
  readonly webUrl: string;
  readonly apiUrl: string;
  /**
   * One call with whatever opens this workspace (and repository, when the grant is a repository's). Fails for what has
   * nothing to do with the question: no answer, 5xx, 429, a used-up budget, 401, no grant. Every other answer, 403, 404
   * and 409 included, is a value for the caller to judge; `refusal` makes a failure of it.
   */
  call(scope: AccessScope, request: ApiRequest): Promise<Outcome<ApiAnswer>>;
  /** Whether there is any grant that `call` would use for this scope. */
  opens(scope: AccessScope): Promise<boolean>;
  cloneCredential(scope: AccessScope & { readonly repository: string }): Promise<Outcome<CloneCredential>>;
  /**
   * One call with a credential nothing is known about; nothing is cached, no budget is kept. Its refusal is an answer too:
   * 400, 401 or 403, of the token exchange for a client (`answer.request` is then that of the exchange).
   */
  callWith(credential: UnprovenCredential, request: ApiRequest): Promise<Outcome<ApiAnswer>>;
  /** Forgets grants and tokens of a workspace. */
  forget(workspace: string): void;
}

export interface BitbucketAccessOptions {
  readonly host: string;
  /** `https://bitbucket.org`: where people look, git clones from, and tokens are exchanged. */
  readonly webUrl: string;
  /** `https://api.bitbucket.org`, without `/2.0`. */
  readonly apiUrl: string;
  /** Null: there is no Connect app. */
  readonly appKey: string | null;
  /** Of a registered app; null: every client brings its own. */
  readonly appSecret: string | null;
  readonly grants: Pick<GrantStore, "connectClientsOf" | "connectionsOf">;
  readonly clock: Clock;
  readonly userAgent?: string;
  readonly fetch?: typeof fetch;
  /** Milliseconds for one call. */
  readonly timeoutMs?: number;
}

export declare function createBitbucketAccess(options: BitbucketAccessOptions): BitbucketAccess;
