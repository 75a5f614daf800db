import {
  type BitbucketAccess,
  type BitbucketAccessOptions,
  createBitbucketAccess,
} from "../../src/bitbucket/access.ts";
import type { ConnectClient, Connection } from "../../src/engine/grants-port.ts";

export interface Call {
  readonly method: string;
  readonly url: string;
  /** Path and query, whatever the origin. */
  readonly path: string;
  /** Of a GET: the query, by name. */
  readonly query: Readonly<Record<string, string>>;
  readonly authorization: string;
  readonly headers: Headers;
  /** As it was sent; null: none. */
  readonly body: string | null;
}

export type Answer = {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
};

export type Answering = (call: Call, count: number) => Answer | Promise<Answer>;

export interface RecordedFetch {
  readonly fetch: typeof fetch;
  readonly calls: readonly Call[];
  /** The calls that were not for a token. */
  asked(): readonly Call[];
  paths(): readonly string[];
}

export const API_URL = "https://api.bitbucket.test";
export const WEB_URL = "https://bitbucket.test";
export const NOW = Date.parse("2026-11-20T10:00:00Z");

export const ACME = "{aaaaaaaa-0000-4000-8000-000000000001}";
export const OTHER = "{bbbbbbbb-0000-4000-8000-000000000002}";
export const REPO = "{cccccccc-0000-4000-8000-000000000003}";
export const OTHER_REPO = "{dddddddd-0000-4000-8000-000000000004}";
/** Both, as they stand in a path. */
export const REPO_PATH = `/2.0/repositories/${encodeURIComponent(ACME)}/${encodeURIComponent(REPO)}`;

export const CLIENT: ConnectClient = {
  clientKey: `ari:cloud:bitbucket::app/${ACME}/wharfinger`,
  workspace: ACME,
  kind: "organization",
  login: "acme",
  state: "active",
  secret: "secret-of-the-client",
};

export const CONNECTION: Connection = {
  id: "whole",
  workspace: ACME,
  kind: "organization",
  login: "acme",
  repository: null,
  secrets: ["webhook-secret"],
  token: `ATCTT3${"w".repeat(40)}`,
  hook: null,
  createdAt: "2026-11-20T10:00:00.000Z",
};

export const OF_ONE: Connection = {
  ...CONNECTION,
  id: "one",
  repository: { id: REPO, fullName: "acme/api" },
  token: `ATCTT3${"r".repeat(40)}`,
};

/** Bitbucket's way of refusing. */
export function refused(status: number, message: string, detail?: unknown): Answer {
  return { status, body: { type: "error", error: { message, ...(detail === undefined ? {} : { detail }) } } };
}

export const NOT_FOUND = refused(404, "Resource not found");

/** A fetch that asks `answer` and keeps what it was asked. A thrown error is a broken connection. */
export function recordFetch(answer: Answering): RecordedFetch {
  const calls: Call[] = [];
  const asked = () => calls.filter((call) => !call.path.startsWith("/site/"));
  return {
    calls,
    asked,
    paths: () => asked().map((call) => call.path),
    fetch: async (input, init) => {
      const url = new URL(String(input));
      const headers = new Headers(init?.headers);
      const call: Call = {
        method: init?.method ?? "GET",
        url: url.href,
        path: url.pathname + url.search,
        query: Object.fromEntries(url.searchParams),
        authorization: headers.get("authorization") ?? "",
        headers,
        body: typeof init?.body === "string" ? init.body : null,
      };
      calls.push(call);
      const { signal } = init ?? {};
      const given = await Promise.race([
        answer(call, calls.length),
        new Promise<never>((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason))),
      ]);
      return new Response(bodyOf(given.body), { status: given.status, headers: { ...given.headers } });
    },
  };
}

function bodyOf(body: unknown): ConstructorParameters<typeof Response>[0] {
  if (body === undefined) return null;
  if (typeof body === "string" || body instanceof ReadableStream) return body;
  return body instanceof Uint8Array ? Buffer.from(body) : JSON.stringify(body);
}

let minted = 0;

/** An answer to a request for a token, each time another one, of a form that nothing recognises. */
export function mintAnswer(lifeSeconds = 7_200): Answer & { readonly token: string } {
  minted += 1;
  const token = `minted-${String(minted).padStart(20, "0")}=`;
  return {
    status: 200,
    token,
    body: { access_token: token, expires_in: lifeSeconds, token_type: "bearer", scopes: "" },
  };
}

export interface Granted {
  readonly clients?: readonly ConnectClient[];
  readonly connections?: readonly Connection[];
}

/** Grants as they are given, and may be changed on the way. */
export function grantsOf(granted: Granted) {
  const state = { clients: granted.clients ?? [], connections: granted.connections ?? [], reads: 0 };
  return {
    state,
    grants: {
      connectClientsOf: async (workspace: string) => {
        state.reads += 1;
        return state.clients.filter((client) => client.workspace === workspace);
      },
      connectionsOf: async (workspace: string) => state.connections.filter((one) => one.workspace === workspace),
    },
  };
}

/** Access whose token requests succeed and whose other calls get `answer`; one Connect client unless said otherwise. */
export function accessAnswering(
  answer: Answering,
  granted: Granted = { clients: [CLIENT] },
  options: Partial<BitbucketAccessOptions> = {},
) {
  let asked = 0;
  const network = recordFetch((call) => {
    if (call.path.startsWith("/site/")) return mintAnswer();
    asked += 1;
    return answer(call, asked);
  });
  const clock = { time: NOW, now: () => clock.time };
  const { grants, state } = grantsOf(granted);
  const access: BitbucketAccess = createBitbucketAccess({
    host: "default",
    webUrl: WEB_URL,
    apiUrl: API_URL,
    appKey: "wharfinger",
    appSecret: null,
    grants,
    clock,
    fetch: network.fetch,
    ...options,
  });
  return { access, network, clock, grants, state };
}
