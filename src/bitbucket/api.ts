import type { Outcome } from "../core/model.ts";

export interface ApiRequest {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** `/2.0/…`, encoded by {@link apiPath}; `/site/oauth2/access_token`; or the whole address of a next page. */
  readonly path: string;
  readonly body?: object;
  /** Instead of `body`: sent as `application/x-www-form-urlencoded`. */
  readonly form?: Readonly<Record<string, string>>;
  /** For files: an answer of more bytes has `bytes: null` instead of failing. */
  readonly maxBytes?: number;
}

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed JSON; null when the answer has none. */
  readonly body: unknown;
  /** As it came; null: more than the request's `maxBytes`. */
  readonly bytes: Buffer | null;
  readonly request: ApiRequest;
}

/** An encoded path of the API: every element of `segments` is one segment, whatever characters it holds. */
export function apiPath(segments: readonly string[], query: Readonly<Record<string, string>> = {}): string {
  const search = new URLSearchParams(query).toString();
  return `/2.0/${segments.map(segment).join("/")}${search === "" ? "" : `?${search}`}`;
}

function segment(text: string): string {
  // A URL has no way to write these two: `%2e%2e` means the same as `..`. Callers must not pass them on.
  if (text === "." || text === "..") throw new Error("A path of the API can not contain . or ..");
  return encodeURIComponent(text);
}

/** The next page, which must be one of this API; the call refuses any other address. */
export declare function nextPage(answer: ApiAnswer): ApiRequest | null;

/** A failure for an answer that is not the one hoped for: asking again gives the same. */
export declare function refusal(answer: ApiAnswer): Outcome<never>;

/** Something that should not happen to Bitbucket's answers: a 200 of another shape. */
export declare function misshapen(answer: ApiAnswer): Outcome<never>;

/** Takes tokens out of a text that is going to be shown or logged. */
export declare function redact(text: string): string;
