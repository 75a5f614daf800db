/** Requests that a client may send again without their being done again. */
export interface IdempotencyStore {
  /**
   * Notes that `caller` begins a request under its `key`. `begun`: it is this one's to do. `running`: another one with this
   * key is being done. `done`: it was done, and answered so. `other`: the key stands for another request. A request that
   * was begun longer than {@link ABANDONED_MS} ago and has no answer counts as never begun: its process was killed.
   */
  beginOnce(request: OnceRequest): Promise<OnceState>;
  /** What it was answered with is kept for {@link KEPT_MS}. */
  endOnce(request: OnceRequest, answer: OnceAnswer): Promise<void>;
  /** Nothing came of it: the key is free again. */
  forgetOnce(request: OnceRequest): Promise<void>;
}

export interface OnceRequest {
  /** Id of the token, or `operator`. */
  readonly caller: string;
  readonly key: string;
  /** Digest of what is asked. */
  readonly fingerprint: string;
}

export interface OnceAnswer {
  readonly status: number;
  /** JSON; null: it held a secret, and is not kept. */
  readonly answer: string | null;
}

export type OnceState =
  | { readonly kind: "begun" }
  | { readonly kind: "running" }
  | { readonly kind: "other" }
  | ({ readonly kind: "done" } & OnceAnswer);

export const KEPT_MS = 24 * 60 * 60 * 1_000;
export const ABANDONED_MS = 60 * 1_000;
