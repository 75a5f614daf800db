import { failed, type Outcome, ok } from "../core/model.ts";
import type { Clock } from "../engine/ports.ts";
import { readUpTo, refusal, unreachable, withDeadline } from "./answers.ts";
import { parseChallenge } from "./challenge.ts";
import { type Credential, createSignIn, type IssueToken } from "./sign-in.ts";

export interface SessionOptions {
  /** `https://registry.example.com`, `http://127.0.0.1:5000`, or `docker.io`. */
  readonly url: string;
  /** Null: the registry is asked without credentials. */
  readonly username: string | null;
  readonly password: string | null;
  /** Tokens for a registry that trusts this program's own token service: the service it names is not asked then. */
  readonly issue?: IssueToken;
  /** For tests. */
  readonly fetch?: typeof fetch;
  readonly clock?: Clock;
  /** Milliseconds one request may take, its body included. */
  readonly timeoutMs?: number;
  /** Waits for so many milliseconds, or until the signal fires. */
  readonly pause?: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
}

export interface Question {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Path and query at the registry. */
  readonly path: string;
  /** What a token must open; none: signing in is enough. */
  readonly scopes: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | AsyncIterable<Uint8Array>;
  /** Of the body of a good answer; of another one the beginning is read. */
  readonly maxBytes?: number;
  /** Storage behind the registry may answer instead; it gets no credentials. */
  readonly follow?: boolean;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Answer {
  readonly status: number;
  readonly ok: boolean;
  readonly headers: Headers;
  readonly bytes: Buffer;
}

/** Sends requests to one registry, signing in when it asks for that. */
export interface Session {
  /** Host and port as image names carry it. */
  readonly name: string;
  readonly credential: Credential | null;
  ask(question: Question): Promise<Outcome<Answer>>;
  /** As {@link ask}, with the answer's body still to come: it ends, at the latest, when `use` does. */
  open<T>(question: Question, use: (response: Response) => Promise<Outcome<T>>): Promise<Outcome<T>>;
  /** Path and query of an address the registry gave; null if it leads elsewhere. */
  pathOf(location: string | null): string | null;
  /** Host and port of the token service the registry named last; null: it named none, or ours makes its tokens. */
  realm(): string | null;
  /** Failures, in the registry's own words. */
  refusal(answer: Answer): Outcome<never>;
  denied(why: string): Outcome<never>;
}

/** Bytes. */
const MAX_ANSWER = 64 * 1024;

/**
 * Milliseconds to wait before reading again after a 500. A registry that keeps its data in files answers one to whoever
 * reads a link while it is written; moments later it answers as it should.
 */
const RACE_PAUSES = [20, 60, 150, 300] as const;

/**
 * Credentials go to the configured registry and, for token authentication, to the token service that registry names;
 * redirects are followed without them, and only where a question says so.
 */
export function createSession(options: SessionOptions): Session {
  const { base, name } = parseAddress(options.url);
  const send = options.fetch ?? fetch;
  const pause = options.pause ?? sleep;
  const timeoutMs = options.timeoutMs ?? 15_000;
  const credential =
    options.username === null ? null : { username: options.username, password: options.password ?? "" };
  const signIn = createSignIn({
    base,
    name,
    credential,
    issue: options.issue ?? null,
    send,
    clock: options.clock ?? Date,
    timeoutMs,
  });

  async function open<T>(question: Question, use: (response: Response) => Promise<Outcome<T>>): Promise<Outcome<T>> {
    const { scopes, signal } = question;
    const held = await signIn.header(scopes, signal);
    if (!held.ok) return held;
    let authorization = held.value;
    let refused = false;
    const pauses = question.method === "GET" || question.method === "HEAD" ? [...RACE_PAUSES] : [];
    for (;;) {
      const end = await once(question, authorization, async (response, moved) => {
        // What storage behind the registry demands is nothing to sign in for: it would name a place for the password.
        const unsigned = response.status === 401 && !refused && !moved;
        const again = unsigned || (response.status === 500 && pauses.length > 0);
        if (!again) return await use(response);
        await response.body?.cancel();
        return { status: response.status, challenge: response.headers.get("www-authenticate") };
      });
      if (!("challenge" in end)) return end;
      if (end.status === 500) {
        await pause(pauses.shift() ?? 0, signal);
        continue;
      }
      refused = true;
      const challenge = parseChallenge(end.challenge);
      if (challenge === null) return signIn.denied("it names no way to sign in that this program knows");
      const grant = await signIn.answer(challenge, authorization, scopes, signal);
      if (!grant.ok) return grant;
      authorization = grant.value;
      if (question.body !== undefined && !Buffer.isBuffer(question.body)) {
        return failed(`The registry ${name} wants a new sign-in before it takes data.`, { retryable: true });
      }
    }
  }

  async function once<T>(
    question: Question,
    authorization: string | null,
    use: (response: Response, moved: boolean) => Promise<T>,
  ): Promise<T | Outcome<never>> {
    // Not resolved against the base: a path that begins with two slashes would be another host.
    const address = base.origin + question.path;
    const init: RequestInit = {
      method: question.method,
      headers: { ...question.headers, ...(authorization === null ? {} : { authorization }) },
      redirect: "manual",
      ...(question.body === undefined ? {} : { body: question.body, duplex: "half" }),
    };
    try {
      return await withDeadline(question.timeoutMs ?? timeoutMs, question.signal, async (signal) => {
        const response = await send(address, { ...init, signal });
        const location = response.headers.get("location");
        if (question.follow !== true || response.status < 300 || response.status > 399 || location === null) {
          return await use(response, false);
        }
        await response.body?.cancel();
        const headers = { ...question.headers };
        return await use(await send(new URL(location, address).href, { headers, redirect: "manual", signal }), true);
      });
    } catch (error) {
      return unreachable(`registry ${name}`, error, question.signal);
    }
  }

  return {
    name,
    credential,
    open,

    async ask(question) {
      const maxBytes = question.maxBytes ?? MAX_ANSWER;
      return await open(question, async (response) => {
        const { status, headers } = response;
        const { bytes, complete } = await readUpTo(response, response.ok ? maxBytes : MAX_ANSWER);
        if (complete || !response.ok) return ok({ status, ok: response.ok, headers, bytes });
        return failed(`The registry ${name} answered with more than ${maxBytes} bytes.`, { retryable: false });
      });
    },

    pathOf(location) {
      if (location === null || !URL.canParse(location, base.href)) return null;
      const url = new URL(location, base);
      // Not the scheme: a registry behind a proxy that ends TLS may not know that it is reached over https.
      return url.host === base.host && /^https?:$/.test(url.protocol) ? url.pathname + url.search : null;
    },

    realm: signIn.realm,
    refusal: (answer) => refusal(`The registry ${name}`, answer, signIn.hide),
    denied: signIn.denied,
  };
}

/** Docker Hub has one name in image names and another address; everything else is reached where its name says. */
function parseAddress(text: string): { readonly base: URL; readonly name: string } {
  const url = new URL(/^https?:\/\//.test(text) ? text : `https://${text}`);
  if (url.username !== "" || url.password !== "") throw new Error("a registry's address must not contain credentials");
  if (["docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"].includes(url.host)) {
    return { base: new URL("https://registry-1.docker.io"), name: "docker.io" };
  }
  return { base: new URL(url.origin), name: url.host };
}

async function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    }
    signal?.addEventListener("abort", done);
    if (signal?.aborted === true) done();
  });
}
