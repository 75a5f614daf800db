import { failed, type Outcome, ok } from "../core/model.ts";
import type { Clock } from "../engine/ports.ts";
import { errorSchema } from "./payloads.ts";

/**
 * One call of GitHub's REST API: bounded in time and size, following redirects only within the API itself, and never
 * repeated by itself. Octokit is not used here: it bounds neither, follows redirects anywhere, and its plugins repeat
 * POST requests, which makes check runs appear twice.
 */
export interface Api {
  /**
   * Fails for what has nothing to do with the question: no answer, 5xx, 429, a rate limit, 401. Every other answer,
   * 404 and 422 included, is a value for the caller to judge; {@link refusal} makes a failure of it. `authorization` null:
   * what anybody may ask.
   */
  send(request: ApiRequest, authorization: string | null): Promise<Outcome<ApiAnswer> | Unauthorized>;
}

export interface ApiRequest {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  /** Below the API's address, encoded by {@link apiPath}; or the whole address a `Link` header gave. */
  readonly path: string;
  readonly body?: object;
  /** For what may be too much to list: an answer of more than {@link MAX_ANSWER_BYTES} has no body instead of failing. */
  readonly mayBeTooLarge?: true;
  /** For ids above 2^53: integers of 16 digits and more are strings of them in the answer. */
  readonly largeIds?: true;
}

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed JSON; null when the answer has none. */
  readonly body: unknown;
  /** There was more to read than {@link MAX_ANSWER_BYTES}; `body` is null. */
  readonly tooLarge: boolean;
  readonly request: ApiRequest;
}

/** A 401: nothing was done, the credential is no good (any more). */
export interface Unauthorized {
  readonly ok: false;
  readonly unauthorized: true;
  readonly message: string;
}

export interface ApiOptions {
  /** `https://api.github.com`, `https://ghes.example/api/v3`. */
  readonly apiUrl: string;
  readonly clock: Clock;
  readonly userAgent: string;
  readonly fetch: typeof fetch;
  /** Milliseconds for a call with its redirects and its whole answer. */
  readonly timeoutMs: number;
}

/** Version whose answers this program was written for; without the header GitHub picks one. */
const API_VERSION = "2022-11-28";

/**
 * Bytes. A comparison carries up to 300 files with their patches, a tree up to 100 000 entries; anything larger is not an
 * answer to wait for.
 */
const MAX_ANSWER_BYTES = 32 * 1024 ** 2;

const MAX_REDIRECTS = 3;

/** Seconds to wait where GitHub limits the rate and does not say until when (its own advice: at least a minute). */
const DEFAULT_WAIT = 60;
const MAX_WAIT = 2 * 60 * 60;

export function createApi(options: ApiOptions): Api {
  const base = options.apiUrl.replace(/\/+$/, "");
  return {
    async send(request, authorization) {
      const signal = AbortSignal.timeout(options.timeoutMs);
      let answer: ApiAnswer | string;
      try {
        answer = await exchange(options, base, request, authorization, signal);
      } catch (error) {
        return failed(`GitHub did not answer ${describe(request)}: ${causeOf(error, signal, options.timeoutMs)}.`, {
          retryable: true,
        });
      }
      if (typeof answer === "string") return failed(answer, { retryable: false });
      return judge(answer, options.clock);
    },
  };
}

/** An encoded path of the API: every element of `segments` is one segment, whatever characters it holds. */
export function apiPath(segments: readonly string[], query: Readonly<Record<string, string>> = {}): string {
  const search = new URLSearchParams(query).toString();
  return `/${segments.map(segment).join("/")}${search === "" ? "" : `?${search}`}`;
}

function segment(text: string): string {
  // A URL has no way to write these two: `%2e%2e` means the same as `..`. Callers must not pass them on.
  if (text === "." || text === "..") throw new Error("A path of the API can not contain . or ..");
  return encodeURIComponent(text);
}

/**
 * Segments of a repository's resources, by its id: the way GitHub's own redirects and page links go. Its name may be
 * somebody else's by now, and what they grant or tag must not be taken for the repository's.
 */
export function repositorySegments(repository: { readonly id: string }): string[] {
  return ["repositories", repository.id];
}

/** The next page's address, if it is one of this API. */
export function nextPage(answer: ApiAnswer): ApiRequest | null {
  const link = /<([^<>]+)>\s*;[^,]*\brel="?next"?/.exec(answer.headers.get("link") ?? "");
  return link?.[1] === undefined ? null : { method: "GET", path: link[1] };
}

/** A failure for an answer that is not the one hoped for: asking again gives the same. */
export function refusal(answer: ApiAnswer): Outcome<never> {
  const accepted = answer.headers.get("x-accepted-github-permissions");
  const wanted = answer.status === 403 && accepted !== null ? ` The call needs one of: ${accepted}.` : "";
  const message = `GitHub answered ${answer.status} to ${describe(answer.request)}${detailOf(answer)}.${wanted}`;
  return failed(message, { retryable: false });
}

/** Something that should not happen to GitHub's answers: a 200 of another shape. */
export function misshapen(answer: ApiAnswer): Outcome<never> {
  return failed(`GitHub's answer to ${describe(answer.request)} is not of the documented shape.`, { retryable: false });
}

/** Takes tokens out of a text that is going to be shown or logged. */
export function redact(text: string): string {
  return text
    .replace(/\bgh[a-z]_[\w.-]{36,}/g, "[token]")
    .replace(/\bgithub_pat_\w{36,}/g, "[token]")
    .replace(/\beyJ[\w-]+\.[\w-]+\.[\w-]+/g, "[token]");
}

/** The answer, or a sentence that says why there is none and never will be. */
async function exchange(
  options: ApiOptions,
  base: string,
  request: ApiRequest,
  authorization: string | null,
  signal: AbortSignal,
): Promise<ApiAnswer | string> {
  let address = request.path.startsWith("/") ? `${base}${request.path}` : request.path;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
    if (!isBelow(address, base)) return `GitHub sent ${describe(request)} away from its API; not followed.`;
    const response = await options.fetch(address, {
      method: request.method,
      redirect: "manual",
      signal,
      headers: {
        accept: "application/vnd.github+json",
        ...(authorization === null ? {} : { authorization }),
        "user-agent": options.userAgent,
        "x-github-api-version": API_VERSION,
        ...(request.body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
    });
    const location = redirectOf(response, request);
    if (location === null) {
      const text = await readText(response);
      const tooLarge = text === null;
      if (tooLarge && !request.mayBeTooLarge) {
        return `GitHub's answer to ${describe(request)} is larger than ${MAX_ANSWER_BYTES} bytes.`;
      }
      const { status, headers } = response;
      return { status, headers, body: tooLarge ? null : parseJson(text, request), tooLarge, request };
    }
    await response.body?.cancel();
    if (!URL.canParse(location, address)) return `GitHub redirected ${describe(request)} to an unusable address.`;
    address = new URL(location, address).href;
  }
  return `GitHub redirected ${describe(request)} more than ${MAX_REDIRECTS} times.`;
}

/** Renamed and moved repositories redirect; 307 and 308 keep method and body, 301 and 302 are for reading only. */
function redirectOf(response: Response, request: ApiRequest): string | null {
  const follows =
    response.status === 307 ||
    response.status === 308 ||
    (request.method === "GET" && (response.status === 301 || response.status === 302));
  return follows ? response.headers.get("location") : null;
}

function isBelow(address: string, base: string): boolean {
  if (!URL.canParse(address)) return false;
  const root = new URL(base);
  const url = new URL(address);
  const path = root.pathname.replace(/\/+$/, "");
  return url.origin === root.origin && url.pathname.startsWith(`${path}/`) && url.username === "";
}

/** Null when there is more than {@link MAX_ANSWER_BYTES}. */
async function readText(response: Response): Promise<string | null> {
  if (response.body === null) return "";
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Leaving the loop early cancels the rest of the body.
  for await (const chunk of response.body) {
    size += chunk.byteLength;
    if (size > MAX_ANSWER_BYTES) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Strings, passed over whole, and integers that a number may not hold. */
const LARGE = /"[^"\\]*(?:\\.[^"\\]*)*"|(?<![\d.eE+-])-?\d{16,}(?![\d.eE])/g;

function parseJson(text: string, { largeIds }: Pick<ApiRequest, "largeIds">): unknown {
  if (text === "") return null;
  try {
    return JSON.parse(largeIds ? text.replace(LARGE, (found) => (found.startsWith('"') ? found : `"${found}"`)) : text);
  } catch {
    // A proxy's error page, say. The status is judged without it, and a 200 without JSON fails its schema.
    return null;
  }
}

function judge(answer: ApiAnswer, clock: Clock): Outcome<ApiAnswer> | Unauthorized {
  const message = `GitHub answered ${answer.status} to ${describe(answer.request)}${detailOf(answer)}.`;
  if (answer.status === 401) return { ok: false, unauthorized: true, message };
  if (answer.status >= 500) return failed(message, { retryable: true, retryAfter: secondsOf(answer) });
  if (isRateLimited(answer)) return failed(message, { retryable: true, retryAfter: rateWait(answer, clock) });
  return ok(answer);
}

/** GitHub says 403 both for "not allowed" and, older, for "not now". */
function isRateLimited(answer: ApiAnswer): boolean {
  if (answer.status === 429) return true;
  if (answer.status !== 403) return false;
  return (
    answer.headers.has("retry-after") ||
    answer.headers.get("x-ratelimit-remaining") === "0" ||
    /\b(?:rate limit|abuse detection)\b/i.test(detailOf(answer))
  );
}

function rateWait(answer: ApiAnswer, clock: Clock): number {
  const asked = secondsOf(answer);
  if (asked !== null) return asked;
  const reset = Number(answer.headers.get("x-ratelimit-reset"));
  // A secondary limit carries the primary one's headers too; only an exhausted primary limit ends at the reset.
  if (answer.headers.get("x-ratelimit-remaining") !== "0" || !Number.isFinite(reset) || reset <= 0) return DEFAULT_WAIT;
  return Math.min(Math.max(Math.ceil(reset - clock.now() / 1_000), 1), MAX_WAIT);
}

/** `retry-after`, in seconds; null when it is absent or not a number of seconds. */
function secondsOf(answer: ApiAnswer): number | null {
  const text = answer.headers.get("retry-after");
  return text !== null && /^\d{1,6}$/.test(text) ? Math.min(Math.max(Number(text), 1), MAX_WAIT) : null;
}

/** GitHub's own words, without tokens and shortened: `: Not Found (details)`. */
function detailOf(answer: ApiAnswer): string {
  const error = errorSchema.safeParse(answer.body);
  if (!error.success) return "";
  const details = (error.data.errors ?? []).flatMap((item) => item.message ?? item.code ?? []).join("; ");
  // In this order: half a token would no longer look like one.
  return `: ${redact(`${error.data.message}${details === "" ? "" : ` (${details})`}`).slice(0, 500)}`;
}

/** Without the query, which may hold more than belongs into a message. */
function describe(request: ApiRequest): string {
  return `${request.method} ${request.path.split("?")[0]}`;
}

function causeOf(error: unknown, signal: AbortSignal, timeoutMs: number): string {
  if (signal.aborted) return `no answer within ${timeoutMs} ms`;
  const cause: unknown = error instanceof Error ? (error.cause ?? error) : error;
  if (!(cause instanceof Error)) return "the connection failed";
  return redact("code" in cause && typeof cause.code === "string" ? cause.code : cause.message).slice(0, 200);
}
