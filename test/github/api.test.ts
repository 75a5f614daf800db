import { describe, expect, it } from "@jest/globals";
import { apiPath, redact } from "../../src/github/api.ts";
import type { TokenScope } from "../../src/github/tokens.ts";
import { API_URL, accessAnswering, NOW } from "./recorded-fetch.ts";

const scope: TokenScope = { installationId: "7", repositoryIds: ["5"], permissions: { contents: "read" } };
const get = { method: "GET", path: "/repos/acme/api" } as const;
const post = { method: "POST", path: "/repos/acme/api/check-runs", body: { name: "wharfinger" } } as const;

const STATELESS = `ghs_42_eyJhbGciOi.${"a-_".repeat(100)}.${"b".repeat(200)}`;

describe("a call of GitHub's API", () => {
  it("names its version, media type, program and token", async () => {
    const { access, network } = accessAnswering(() => ({ status: 200, body: {} }));
    expect(await access.asInstallation(scope, post)).toMatchObject({ ok: true, value: { status: 200 } });
    const [call] = network.asked();
    expect(Object.fromEntries(call?.headers ?? [])).toEqual({
      accept: "application/vnd.github+json",
      authorization: expect.stringMatching(/^Bearer ghs_\d{36}$/),
      "content-type": "application/json",
      "user-agent": "wharfinger",
      "x-github-api-version": "2022-11-28",
    });
    expect(call?.body).toEqual({ name: "wharfinger" });
  });

  it.each([404, 403, 409, 410, 422, 451])("leaves the judgement of a %i to its caller", async (status) => {
    const { access } = accessAnswering(() => ({ status, body: { message: "No" } }));
    expect(await access.asInstallation(scope, get)).toMatchObject({ ok: true, value: { status } });
  });

  const reset = { "x-ratelimit-reset": String(NOW / 1_000 + 300) };
  it.each([
    ["429 with a time", { status: 429, headers: { "retry-after": "30" } }, 30],
    ["429 without one", { status: 429 }, 60],
    ["429 with a date", { status: 429, headers: { "retry-after": "Fri, 20 Nov 2026 10:00:00 GMT" } }, 60],
    ["429 with an endless time", { status: 429, headers: { "retry-after": "999999" } }, 7_200],
    ["an exhausted limit", { status: 403, headers: { "x-ratelimit-remaining": "0", ...reset } }, 300],
    [
      "a limit that has just ended",
      { status: 403, headers: { "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1" } },
      1,
    ],
    ["a secondary limit with a time", { status: 403, headers: { "retry-after": "5", ...reset } }, 5],
    [
      "a secondary limit without one",
      {
        status: 403,
        headers: { "x-ratelimit-remaining": "4000", ...reset },
        body: { message: "You have exceeded a secondary rate limit." },
      },
      60,
    ],
  ])("says how long to wait after %s", async (_, answer, retryAfter) => {
    const { access, network } = accessAnswering(() => answer);
    expect(await access.asInstallation(scope, get)).toMatchObject({ ok: false, retryable: true, retryAfter });
    expect(network.asked()).toHaveLength(1);
  });

  it.each([500, 502, 503, 504])("may be asked again after a %i, but does not do it by itself", async (status) => {
    const { access, network } = accessAnswering(() => ({ status, body: "<h1>Unicorn</h1>" }));
    expect(await access.asInstallation(scope, post)).toMatchObject({ ok: false, retryable: true, retryAfter: null });
    expect(network.asked()).toHaveLength(1);
  });

  it("may be asked again after a broken connection, but does not do it by itself", async () => {
    const { access, network } = accessAnswering(() => {
      throw new TypeError("fetch failed", { cause: Object.assign(new Error("reset"), { code: "ECONNRESET" }) });
    });
    const outcome = await access.asInstallation(scope, post);
    expect(outcome).toMatchObject({ ok: false, retryable: true, message: expect.stringContaining("ECONNRESET") });
    expect(network.asked()).toHaveLength(1);
  });

  it("ends when GitHub does not answer", async () => {
    const { access } = accessAnswering(() => new Promise<never>(() => undefined), { timeoutMs: 50 });
    expect(await access.asInstallation(scope, get)).toMatchObject({
      ok: false,
      retryable: true,
      message: expect.stringContaining("within 50 ms"),
    });
  });

  it("takes a new token after a 401, once", async () => {
    const lucky = accessAnswering((_, count) => (count === 1 ? { status: 401 } : { status: 200, body: {} }));
    expect(await lucky.access.asInstallation(scope, post)).toMatchObject({ ok: true });
    const [first, second] = lucky.network.asked().map((call) => call.headers.get("authorization"));
    expect(first).not.toBe(second);
    const unlucky = accessAnswering(() => ({ status: 401, body: { message: "Bad credentials" } }));
    expect(await unlucky.access.asInstallation(scope, post)).toMatchObject({
      ok: false,
      retryable: true,
      retryAfter: 5,
    });
    expect(unlucky.network.asked()).toHaveLength(2);
  });

  it("follows a renamed repository", async () => {
    const { access, network } = accessAnswering((call) =>
      call.path.startsWith("/repos/")
        ? { status: 301, headers: { location: `${API_URL}/repositories/5` } }
        : { status: 200, body: { id: 5 } },
    );
    expect(await access.asInstallation(scope, get)).toMatchObject({ ok: true, value: { body: { id: 5 } } });
    expect(network.asked().map((call) => call.path)).toEqual(["/repos/acme/api", "/repositories/5"]);
  });

  it.each([
    "https://elsewhere.test/repositories/5",
    "http://api.github.test/repositories/5",
    "https://api.github.test.elsewhere.test/",
    "https://user@api.github.test/repositories/5",
    "//elsewhere.test/repositories/5",
    "http://[",
  ])("carries no token to %s", async (location) => {
    const { access, network } = accessAnswering(() => ({ status: 301, headers: { location } }));
    expect(await access.asInstallation(scope, get)).toMatchObject({ ok: false, retryable: false });
    expect(network.asked()).toHaveLength(1);
  });

  it("stays below the API's path on an enterprise server", async () => {
    const apiUrl = "https://ghes.test/api/v3";
    const { access, network } = accessAnswering(
      () => ({ status: 302, headers: { location: "https://ghes.test/api/v3evil" } }),
      { apiUrl },
    );
    expect(await access.asInstallation(scope, get)).toMatchObject({ ok: false });
    expect(network.asked().map((call) => call.url)).toEqual([`${apiUrl}/repos/acme/api`]);
  });

  it("does not follow in circles", async () => {
    const { access, network } = accessAnswering((call) => ({ status: 301, headers: { location: call.url } }));
    expect(await access.asInstallation(scope, get)).toMatchObject({ ok: false, retryable: false });
    expect(network.asked()).toHaveLength(4);
  });

  it("repeats what it writes only where GitHub says so", async () => {
    const moved = accessAnswering((_, count) =>
      count === 1
        ? { status: 307, headers: { location: `${API_URL}/repositories/5/check-runs` } }
        : { status: 201, body: {} },
    );
    expect(await moved.access.asInstallation(scope, post)).toMatchObject({ ok: true, value: { status: 201 } });
    expect(moved.network.asked().map((call) => [call.method, call.body])).toEqual([
      ["POST", post.body],
      ["POST", post.body],
    ]);
    const found = accessAnswering(() => ({ status: 301, headers: { location: `${API_URL}/elsewhere` } }));
    expect(await found.access.asInstallation(scope, post)).toMatchObject({ ok: true, value: { status: 301 } });
    expect(found.network.asked()).toHaveLength(1);
  });

  it("never shows a token, whatever GitHub or the network say", async () => {
    const echo = `${STATELESS} and ghs_${"a".repeat(36)} and ghp_${"b".repeat(36)}`;
    const answers = [
      { status: 500, body: { message: echo } },
      { status: 429, body: { message: echo } },
      { status: 401, body: { message: echo } },
    ];
    for (const answer of answers) {
      const outcome = await accessAnswering(() => answer).access.asInstallation(scope, get);
      expect(outcome).toMatchObject({ ok: false, message: expect.stringContaining("[token] and [token]") });
      expect(JSON.stringify(outcome)).not.toMatch(/gh[sp]_/);
    }
    const { access, network } = accessAnswering((call) => {
      throw new Error(`failed with ${call.headers.get("authorization")}`);
    });
    const outcome = await access.asInstallation(scope, get);
    expect(network.asked()).toHaveLength(1);
    expect(outcome).toMatchObject({ ok: false, message: expect.stringContaining("failed with Bearer [token]") });
  });
});

describe("a path of the API", () => {
  it("keeps every segment one segment", () => {
    expect(apiPath(["repos", "acme", "api", "contents", "a b", "c/d", "e?f#g", "%2e", "ü"], { ref: "a&b" })).toBe(
      "/repos/acme/api/contents/a%20b/c%2Fd/e%3Ff%23g/%252e/%C3%BC?ref=a%26b",
    );
  });

  it.each([".", ".."])("can not be made with %p", (segment) => {
    expect(() => apiPath(["repos", segment])).toThrow("can not contain");
  });
});

describe("redaction", () => {
  it.each([
    [`ghs_${"a".repeat(36)}`, "[token]"],
    [STATELESS, "[token]"],
    [`x-access-token:${STATELESS}@github.com`, "x-access-token:[token]@github.com"],
    [`github_pat_${"A1_".repeat(20)}`, "[token]"],
    ["Bearer eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOjQyfQ.c2ln-_bmF0dXJl", "Bearer [token]"],
    ["ghs_short and nothing else", "ghs_short and nothing else"],
  ])("makes of %s %s", (text, redacted) => {
    expect(redact(text)).toBe(redacted);
  });
});
