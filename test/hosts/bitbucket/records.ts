/** What the stand-in writes down of what it sent and was asked, and the faults it can be made to have. */

/** One call of `installed` or `uninstalled`. Bitbucket sends it once, whatever comes of it. */
export interface LifecycleCallback {
  readonly event: "installed" | "uninstalled";
  readonly clientKey: string;
  readonly url: string;
  readonly requestHeaders: Readonly<Record<string, string>>;
  readonly body: string;
  readonly status: number | null;
  readonly responseBody: string;
}

/** An event that no listener gets because its payload is larger than Bitbucket sends. */
export interface UnsentDelivery {
  readonly event: string;
  readonly door: "connect" | "webhook";
  readonly url: string;
  readonly bytes: number;
}

/** One event to one listener, after its last attempt. */
export interface EventDelivery {
  readonly event: string;
  readonly requestUuid: string;
  readonly door: "connect" | "webhook";
  readonly attempts: number;
  /** Answer to the last attempt; null: none in time, or not reachable. */
  readonly status: number | null;
}

/** One attempt of a delivery. */
export interface DeliveryAttempt {
  readonly requestUuid: string;
  readonly event: string;
  readonly door: "connect" | "webhook";
  /** From 1. */
  readonly attempt: number;
  readonly url: string;
  readonly requestHeaders: Readonly<Record<string, string>>;
  /** The exact bytes that were sent. */
  readonly body: string;
  readonly status: number | null;
  readonly responseBody: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** One call of the REST API or of the token endpoint. */
export interface ApiCall {
  readonly method: string;
  /** As sent, with query: `/2.0/repositories/…`, `/site/oauth2/access_token`. */
  readonly path: string;
  /** Path of the API description, e.g. `/repositories/{workspace}/{repo_slug}`; null: there is no such operation. */
  readonly route: string | null;
  readonly token: "connect" | "access" | "jwt" | "other" | "none";
  /** 0 when the answer was withheld by an injection. */
  readonly status: number;
  /** Milliseconds since 1970. */
  readonly at: number;
}

export interface GitCall {
  readonly method: string;
  readonly path: string;
  /** 0 when there was no answer. */
  readonly status: number;
  readonly at: number;
}

export type InjectedAnswer = {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
};

export type Effect =
  | InjectedAnswer
  /** Never answers. */
  | { readonly hang: true }
  /** Cuts the connection without doing anything. */
  | { readonly reset: true }
  /** Does what was asked, then loses the answer. */
  | { readonly afterwards: "reset" | InjectedAnswer };

export interface Injection {
  /** Of the REST API and the token endpoint (default), or of git, whose paths have no `route`. */
  readonly of?: "api" | "git";
  readonly match: (call: { readonly method: string; readonly path: string; readonly route: string | null }) => boolean;
  /** Default: 1. */
  readonly times?: number;
  readonly effect: Effect;
}
