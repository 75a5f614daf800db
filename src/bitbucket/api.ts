import { failed, type Outcome, ok } from "../core/model.ts";
import { errorSchema, oauthErrorSchema, pageSchema } from "./answers.ts";

/**
 * One call of Bitbucket's REST API or of its token exchange: bounded in time and size, following redirects only within
 * the API itself, and never repeated by itself.
 */
export interface Api {
  /**
   * Fails for what has nothing to do with the question: no answer, 5xx (see `mayTimeOut`), 429, 401. Every other answer,
   * 403 and 404 included, is a value for the caller to judge; {@link refusal} makes a failure of it. A redirect that leads
   * away from the API is not followed, and is the answer.
   */
  send(request: ApiRequest, authorization: string): Promise<Outcome<ApiAnswer> | Unauthorized | RateLimited>;
}

export interface ApiRequest {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** `/2.0/…`, encoded by {@link apiPath}; {@link TOKEN_PATH}; or the whole address of a next page. */
  readonly path: string;
  readonly body?: object;
  /** Instead of `body`: sent as `application/x-www-form-urlencoded`. */
  readonly form?: Readonly<Record<string, string>>;
  /** For files: an answer of more bytes has `bytes: null` instead of failing. */
  readonly maxBytes?: number;
  /** For what may be too much to list: a {@link TIMED_OUT} is an answer for the caller to judge instead of a failure. */
  readonly mayTimeOut?: true;
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

/** A 401: nothing was done, the credential is no good (any more). */
export interface Unauthorized {
  readonly ok: false;
  readonly unauthorized: true;
  readonly message: string;
  readonly answer: ApiAnswer;
}

/** A 429: nothing was done, nor will be for `retryAfter` seconds. */
export interface RateLimited {
  readonly ok: false;
  readonly rateLimited: true;
  readonly retryable: true;
  readonly retryAfter: number;
  readonly message: string;
}

export interface ApiOptions {
  /** `https://api.bitbucket.org`, without `/2.0`. */
  readonly apiUrl: string;
  /** `https://bitbucket.org`: tokens are exchanged there. */
  readonly webUrl: string;
  readonly userAgent: string;
  readonly fetch: typeof fetch;
  /** Milliseconds for a call with its redirects and its whole answer. */
  readonly timeoutMs: number;
}

/** Where a JWT becomes a token. It is on the site itself, not below the API. */
export const TOKEN_PATH = "/site/oauth2/access_token";

/** Bitbucket's own status for a list it could not gather in time; asked again, it would most likely not either. */
export const TIMED_OUT = 555;

const VERSION = "/2.0";

/** Bytes. The largest answer asked for is a page of 500 changed files. */
const MAX_ANSWER_BYTES = 16 * 1024 ** 2;

const MAX_REDIRECTS = 3;

/** Seconds to wait where Bitbucket limits the rate and does not say until when. */
const DEFAULT_WAIT = 60;
const MAX_WAIT = 2 * 60 * 60;

export function createApi(options: ApiOptions): Api {
  const site = options.webUrl.replace(/\/+$/, "");
  const root = `${options.apiUrl.replace(/\/+$/, "")}${VERSION}`;

  /** Whether a credential may be sent there. */
  function isOurs(address: string): boolean {
    return address === `${site}${TOKEN_PATH}` || isBelow(address, root);
  }

  function addressOf({ path }: ApiRequest): string {
    if (path === TOKEN_PATH) return `${site}${TOKEN_PATH}`;
    return path.startsWith(`${VERSION}/`) ? `${root}${path.slice(VERSION.length)}` : path;
  }

  /** The answer, or a sentence that says why there is none and never will be. */
  async function exchange(
    request: ApiRequest,
    authorization: string,
    signal: AbortSignal,
  ): Promise<ApiAnswer | string> {
    let address = addressOf(request);
    if (!isOurs(address)) return `${describe(request)} is not within Bitbucket's API; not called.`;
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
      const response = await options.fetch(address, {
        method: request.method,
        redirect: "manual",
        signal,
        headers: {
          accept: request.maxBytes === undefined ? "application/json" : "*/*",
          authorization,
          "user-agent": options.userAgent,
          ...contentOf(request).headers,
        },
        ...contentOf(request).body,
      });
      const location = redirectOf(response, request);
      const next = location !== null && URL.canParse(location, address) ? new URL(location, address).href : null;
      if (next === null || !isOurs(next)) return readAnswer(response, request, authorization);
      await response.body?.cancel();
      address = next;
    }
    return `Bitbucket redirected ${describe(request)} more than ${MAX_REDIRECTS} times.`;
  }

  return {
    async send(request, authorization) {
      const signal = AbortSignal.timeout(options.timeoutMs);
      let answer: ApiAnswer | string;
      try {
        answer = await exchange(request, authorization, signal);
      } catch (error) {
        const cause = withoutSecret(causeOf(error, signal, options.timeoutMs), authorization).slice(0, 200);
        return failed(`Bitbucket did not answer ${describe(request)}: ${cause}.`, { retryable: true });
      }
      if (typeof answer === "string") return failed(answer, { retryable: false });
      return judge(answer);
    },
  };
}

/** An encoded path of the API: every element of `segments` is one segment, whatever characters it holds. */
export function apiPath(segments: readonly string[], query: Readonly<Record<string, string>> = {}): string {
  const search = new URLSearchParams(query).toString();
  return `${VERSION}/${segments.map(segment).join("/")}${search === "" ? "" : `?${search}`}`;
}

function segment(text: string): string {
  // A URL has no way to write these two: `%2e%2e` means the same as `..`. Callers must not pass them on.
  if (text === "." || text === "..") throw new Error("A path of the API can not contain . or ..");
  return encodeURIComponent(text);
}

/**
 * Segments of a repository's resources, by ids: names may be somebody else's by now, and what they grant or tag must not
 * be taken for the repository's.
 */
export function repositorySegments(workspace: { readonly id: string }, repository: { readonly id: string }): string[] {
  return ["repositories", workspace.id, repository.id];
}

/** The page after this one. Its address is Bitbucket's word; a call refuses one that is not within the API. */
export function nextPage(answer: ApiAnswer): ApiRequest | null {
  const page = pageSchema.safeParse(answer.body);
  return page.success && page.data.next ? { method: "GET", path: page.data.next } : null;
}

/** A failure for an answer that is not the one hoped for: asking again gives the same. */
export function refusal(answer: ApiAnswer): Outcome<never> {
  const required = requiredScopes(answer);
  const wanted =
    required.length === 0
      ? ""
      : ` What was granted lacks a scope; the call needs: ${redact(required.join(", ")).slice(0, 200)}.`;
  return failed(`${sentenceOf(answer)}${wanted}`, { retryable: false });
}

/** Scopes whose lack an answer complains of; empty: it complains of something else. */
export function requiredScopes(answer: ApiAnswer): readonly string[] {
  const error = answer.status === 403 ? errorSchema.safeParse(answer.body) : null;
  const detail = error?.success ? error.data.error.detail : null;
  return typeof detail === "object" ? (detail?.required ?? []) : [];
}

/** Something that should not happen to Bitbucket's answers: a 200 of another shape. */
export function misshapen(answer: ApiAnswer): Outcome<never> {
  return failed(`Bitbucket's answer to ${describe(answer.request)} is not of the documented shape.`, {
    retryable: false,
  });
}

/** Takes tokens out of a text that is going to be shown or logged. */
export function redact(text: string): string {
  return text
    .replace(/\bAT(?:CTT|ATT|BB|OA)[\w=+/.-]{16,}/g, "[token]")
    .replace(/\beyJ[\w-]+\.[\w-]+\.[\w-]+/g, "[token]");
}

/** What Connect gives out has no form to know it by: the secret of the call itself is looked for, too. */
function withoutSecret(text: string, authorization: string): string {
  const secret = authorization.slice(authorization.indexOf(" ") + 1);
  return redact(secret === "" ? text : text.replaceAll(secret, "[token]"));
}

function contentOf({ body, form }: ApiRequest) {
  if (form !== undefined) {
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    return { headers, body: { body: new URLSearchParams(form).toString() } };
  }
  if (body === undefined) return { headers: {}, body: {} };
  return { headers: { "content-type": "application/json" }, body: { body: JSON.stringify(body) } };
}

/** 307 and 308 keep method and body, 301 and 302 are for reading only. A JWT is made for one address and goes no further. */
function redirectOf(response: Response, request: ApiRequest): string | null {
  if (request.path === TOKEN_PATH) return null;
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
  return (
    url.origin === root.origin && url.pathname.startsWith(`${root.pathname}/`) && url.username + url.password === ""
  );
}

async function readAnswer(response: Response, request: ApiRequest, authorization: string): Promise<ApiAnswer | string> {
  const bytes = await readBytes(response, request.maxBytes ?? MAX_ANSWER_BYTES);
  if (bytes === null && request.maxBytes === undefined) {
    return `Bitbucket's answer to ${describe(request)} is larger than ${MAX_ANSWER_BYTES} bytes.`;
  }
  const { status, headers } = response;
  const text = bytes === null ? "" : bytes.toString("utf8");
  // What refuses is quoted, in messages and logs.
  const body = parseJson(status < 400 ? text : withoutSecret(text, authorization));
  return { status, headers, body, bytes, request };
}

/** Null when there are more than `limit`. */
async function readBytes(response: Response, limit: number): Promise<Buffer | null> {
  if (response.body === null) return Buffer.alloc(0);
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Leaving the loop early cancels the rest of the body.
  for await (const chunk of response.body) {
    size += chunk.byteLength;
    if (size > limit) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parseJson(text: string): unknown {
  if (text === "") return null;
  try {
    return JSON.parse(text);
  } catch {
    // A file, or a proxy's error page. The status is judged without it, and a 200 without JSON fails its schema.
    return null;
  }
}

function judge(answer: ApiAnswer): Outcome<ApiAnswer> | Unauthorized | RateLimited {
  const message = sentenceOf(answer);
  const asked = secondsOf(answer);
  if (answer.status === 401) return { ok: false, unauthorized: true, message, answer };
  if (answer.status === 429) {
    return { ok: false, rateLimited: true, retryable: true, retryAfter: asked ?? DEFAULT_WAIT, message };
  }
  if (answer.status === TIMED_OUT && answer.request.mayTimeOut) return ok(answer);
  if (answer.status >= 500) return failed(message, { retryable: true, retryAfter: asked });
  return ok(answer);
}

/** `retry-after`, in seconds; null when it is absent or not a number of seconds. */
function secondsOf(answer: ApiAnswer): number | null {
  const text = answer.headers.get("retry-after");
  return text !== null && /^\d{1,6}$/.test(text) ? Math.min(Math.max(Number(text), 1), MAX_WAIT) : null;
}

/** What Bitbucket answered, in its own words. */
export function sentenceOf(answer: ApiAnswer): string {
  return `Bitbucket answered ${answer.status} to ${describe(answer.request)}${detailOf(answer)}.`;
}

/** Bitbucket's own words, without tokens and shortened: `: Not Found (details)`. */
function detailOf(answer: ApiAnswer): string {
  const words = wordsOf(answer.body);
  // In this order: half a token would no longer look like one.
  return words === null ? "" : `: ${redact(words).slice(0, 500).replace(/\.$/, "")}`;
}

function wordsOf(body: unknown): string | null {
  const error = errorSchema.safeParse(body);
  if (error.success) {
    const { message, detail } = error.data.error;
    return typeof detail === "string" && detail !== "" ? `${message} (${detail})` : message;
  }
  const refused = oauthErrorSchema.safeParse(body);
  return refused.success ? (refused.data.error_description ?? refused.data.error) : null;
}

/** Without the query, which may hold more than belongs into a message. */
function describe(request: ApiRequest): string {
  return `${request.method} ${request.path.split("?")[0]}`;
}

function causeOf(error: unknown, signal: AbortSignal, timeoutMs: number): string {
  if (signal.aborted) return `no answer within ${timeoutMs} ms`;
  const cause: unknown = error instanceof Error ? (error.cause ?? error) : error;
  if (!(cause instanceof Error)) return "the connection failed";
  return "code" in cause && typeof cause.code === "string" ? cause.code : cause.message;
}
