import { type BitbucketAccess, createBitbucketAccess } from "../../src/bitbucket/access.ts";
import type { Clock } from "../../src/engine/ports.ts";
import { createFakeGrants, type FakeGrants } from "./fake-grants.ts";

export interface Asked {
  readonly method: string;
  /** Without the query, decoded. */
  readonly path: string;
  readonly token: string;
  /** Parsed; null: none. */
  readonly body: unknown;
}

/** `drop`: the connection breaks after whatever the function did. */
export type Given = { readonly status: number; readonly body?: unknown } | "drop";

export type Routes = Record<string, Given | ((asked: Asked) => Given)>;

export const CLOCK: Clock = { now: () => Date.parse("2026-11-20T10:00:00Z") };

/** What Bitbucket answers to a token that lacks a scope. */
export function lacking(...required: readonly string[]): Given {
  const detail = { required, granted: ["snippet"] };
  const message = "Your credentials lack one or more required privilege scopes.";
  return { status: 403, body: { type: "error", error: { message, detail } } };
}

export const NOT_FOUND: Given = { status: 404, body: { type: "error", error: { message: "Not found" } } };

/** An API that answers by `METHOD path`; what is not among the routes is not found. */
export function createFakeBitbucket(routes: Routes): {
  readonly access: BitbucketAccess;
  readonly grants: FakeGrants;
  readonly asked: readonly Asked[];
} {
  const asked: Asked[] = [];
  const grants = createFakeGrants(CLOCK);
  const access = createBitbucketAccess({
    host: "default",
    webUrl: "https://bitbucket.test",
    apiUrl: "https://api.bitbucket.test",
    appKey: "wharfinger",
    appSecret: null,
    grants,
    clock: CLOCK,
    fetch: async (input, init) => {
      const url = new URL(String(input));
      const method = init?.method ?? "GET";
      const call: Asked = {
        method,
        path: decodeURIComponent(url.pathname.replace(/^\/2\.0/, "")),
        token: (new Headers(init?.headers).get("authorization") ?? "").replace(/^Bearer /, ""),
        body: typeof init?.body === "string" ? JSON.parse(init.body) : null,
      };
      asked.push(call);
      const route = routes[`${method} ${call.path}`] ?? NOT_FOUND;
      const given = typeof route === "function" ? route(call) : route;
      if (given === "drop") throw new TypeError("fetch failed");
      return new Response(given.body === undefined ? null : JSON.stringify(given.body), { status: given.status });
    },
  });
  return { access, grants, asked };
}
