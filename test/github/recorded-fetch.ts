import { generateKeyPairSync } from "node:crypto";
import { createGithubAccess, type GithubAccess, type GithubAccessOptions } from "../../src/github/access.ts";

export interface Call {
  readonly method: string;
  readonly url: string;
  /** Path and query below the API's address. */
  readonly path: string;
  readonly headers: Headers;
  /** Parsed; null: none. */
  readonly body: unknown;
}

export type Answer = { status: number; body?: unknown; headers?: Record<string, string> };

export interface RecordedFetch {
  readonly fetch: typeof fetch;
  readonly calls: readonly Call[];
  /** The calls that were not for a token. */
  asked(): readonly Call[];
}

export const API_URL = "https://api.github.test";

/** A fetch that asks `answer` and keeps what it was asked. A thrown error is a broken connection. */
export function recordFetch(answer: (call: Call, count: number) => Answer | Promise<Answer>): RecordedFetch {
  const calls: Call[] = [];
  return {
    calls,
    asked: () => calls.filter((call) => !call.path.endsWith("/access_tokens")),
    fetch: async (input, init) => {
      const url = String(input);
      const call: Call = {
        method: init?.method ?? "GET",
        url,
        path: url.replace(/^https:\/\/[^/]+/, ""),
        headers: new Headers(init?.headers),
        body: typeof init?.body === "string" ? JSON.parse(init.body) : null,
      };
      calls.push(call);
      const { signal } = init ?? {};
      const given = await Promise.race([
        answer(call, calls.length),
        new Promise<never>((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason))),
      ]);
      const text =
        given.body === undefined ? null : typeof given.body === "string" ? given.body : JSON.stringify(given.body);
      return new Response(text, { status: given.status, headers: given.headers ?? {} });
    },
  };
}

const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });

export const PRIVATE_KEY = privateKey.export({ type: "pkcs1", format: "pem" }).toString();

export const NOW = Date.parse("2026-11-20T10:00:00Z");

let minted = 0;

/** An answer to a request for a token, each time another one. */
export function mintAnswer(lifeMs = 60 * 60_000, now = NOW): Answer & { readonly token: string } {
  minted += 1;
  const token = `ghs_${String(minted).padStart(36, "0")}`;
  return { status: 201, token, body: { token, expires_at: new Date(now + lifeMs).toISOString(), permissions: {} } };
}

/** Access whose token requests succeed and whose other calls get `answer`. */
export function accessAnswering(
  answer: (call: Call, count: number) => Answer | Promise<Answer>,
  options: Partial<GithubAccessOptions> = {},
): { readonly access: GithubAccess; readonly network: RecordedFetch } {
  let asked = 0;
  const network = recordFetch((call) => {
    if (call.path.endsWith("/access_tokens")) return mintAnswer();
    asked += 1;
    return answer(call, asked);
  });
  const access = createGithubAccess({
    host: "default",
    appId: 42,
    privateKey: PRIVATE_KEY,
    apiUrl: API_URL,
    clock: { now: () => NOW },
    fetch: network.fetch,
    ...options,
  });
  return { access, network };
}
