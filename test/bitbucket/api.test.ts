import { describe, expect, it } from "@jest/globals";
import { apiPath, nextPage, redact, refusal, requiredScopes } from "../../src/bitbucket/api.ts";
import { ACME, API_URL, accessAnswering, NOT_FOUND, REPO, REPO_PATH, recordFetch, refused } from "./recorded-fetch.ts";

const scope = { workspace: ACME, repository: REPO };
const get = { method: "GET", path: REPO_PATH } as const;
const post = { method: "POST", path: `${REPO_PATH}/commit/1/statuses/build`, body: { key: "k" } } as const;

describe("a call of Bitbucket's API", () => {
  it("names its media type, program and token", async () => {
    const { access, network } = accessAnswering(() => ({ status: 201, body: {} }));
    expect(await access.call(scope, post)).toMatchObject({ ok: true, value: { status: 201 } });
    const [call] = network.asked();
    expect(Object.fromEntries(call?.headers ?? [])).toEqual({
      accept: "application/json",
      authorization: expect.stringMatching(/^Bearer minted-/),
      "content-type": "application/json",
      "user-agent": "wharfinger",
    });
    expect([call?.url, call?.body]).toEqual([`${API_URL}${post.path}`, '{"key":"k"}']);
  });

  it.each([400, 403, 404, 409, 410, 415])("leaves the judgement of a %i to its caller", async (status) => {
    const { access } = accessAnswering(() => refused(status, "No"));
    expect(await access.call(scope, get)).toMatchObject({ ok: true, value: { status } });
  });

  it.each([
    ["with a time", { "retry-after": "30" }, 30],
    ["without one", {}, 60],
    ["with a date", { "retry-after": "Fri, 20 Nov 2026 10:00:00 GMT" }, 60],
    ["with an endless time", { "retry-after": "999999" }, 7_200],
    ["with none left to wait", { "retry-after": "0" }, 1],
  ])("says how long to wait after a 429 %s", async (_, headers, retryAfter) => {
    const { access, network } = accessAnswering(() => ({ status: 429, headers }));
    expect(await access.call(scope, get)).toMatchObject({ ok: false, retryable: true, retryAfter });
    expect(network.asked()).toHaveLength(1);
  });

  it.each([500, 502, 503, 504, 555])("may be asked again after a %i, but does not do it by itself", async (status) => {
    const { access, network } = accessAnswering(() => ({ status, body: "<h1>Unicorn</h1>" }));
    expect(await access.call(scope, post)).toMatchObject({ ok: false, retryable: true, retryAfter: null });
    expect(network.asked()).toHaveLength(1);
  });

  it("may be asked again after a broken connection, but does not do it by itself", async () => {
    const { access, network } = accessAnswering(() => {
      throw new TypeError("fetch failed", { cause: Object.assign(new Error("reset"), { code: "ECONNRESET" }) });
    });
    expect(await access.call(scope, get)).toMatchObject({
      ok: false,
      retryable: true,
      message: expect.stringContaining("ECONNRESET"),
    });
    expect(network.asked()).toHaveLength(1);
  });

  it("ends when Bitbucket does not answer", async () => {
    const never = () => new Promise<never>(() => undefined);
    const { access } = accessAnswering(never, undefined, { timeoutMs: 50 });
    expect(await access.call(scope, get)).toMatchObject({
      ok: false,
      retryable: true,
      message: expect.stringContaining("within 50 ms"),
    });
  });

  it("does not take in an answer without end", async () => {
    let sent = 0;
    let cancelled = false;
    const endless = new ReadableStream({
      pull(controller) {
        sent += 1024 ** 2;
        controller.enqueue(new Uint8Array(1024 ** 2));
      },
      cancel() {
        cancelled = true;
      },
    });
    const { access } = accessAnswering(() => ({ status: 200, body: endless }));
    expect(await access.call(scope, get)).toMatchObject({
      ok: false,
      retryable: false,
      message: expect.stringContaining("larger than"),
    });
    expect(cancelled).toBe(true);
    expect(sent).toBeLessThan(20 * 1024 ** 2);
  });

  it("says of a file that it is too large, and gives no half of it", async () => {
    const file = { ...get, maxBytes: 4 };
    const read = async (body: string) => accessAnswering(() => ({ status: 200, body })).access.call(scope, file);
    expect(await read("1234")).toMatchObject({ ok: true, value: { bytes: Buffer.from("1234") } });
    expect(await read("12345")).toMatchObject({ ok: true, value: { bytes: null, body: null } });
  });

  it("follows a redirect within the API", async () => {
    const { access, network } = accessAnswering((call) =>
      call.path === get.path
        ? { status: 301, headers: { location: `${API_URL}/2.0/repositories/acme/renamed` } }
        : { status: 200, body: { uuid: REPO } },
    );
    expect(await access.call(scope, get)).toMatchObject({ ok: true, value: { body: { uuid: REPO } } });
    expect(network.paths()).toEqual([get.path, "/2.0/repositories/acme/renamed"]);
  });

  it.each([
    "https://elsewhere.test/2.0/x",
    "http://api.bitbucket.test/2.0/x",
    "https://api.bitbucket.test.elsewhere.test/2.0/x",
    "https://api.bitbucket.test:8443/2.0/x",
    "https://user@api.bitbucket.test/2.0/x",
    "https://:pass@api.bitbucket.test/2.0/x",
    "https://api.bitbucket.test/1.0/x",
    "https://api.bitbucket.test/2.0/../internal",
    "https://api.bitbucket.test/2.0evil/x",
    "//elsewhere.test/2.0/x",
    "http://[",
  ])("carries no token to %s, neither redirected nor by the next page's address", async (address) => {
    const moved = accessAnswering(() => ({ status: 301, headers: { location: address } }));
    expect(await moved.access.call(scope, get)).toMatchObject({ ok: true, value: { status: 301 } });
    expect(moved.network.asked()).toHaveLength(1);
    const paged = accessAnswering(() => ({ status: 200, body: { next: address } }));
    const first = await paged.access.call(scope, get);
    const next = first.ok ? nextPage(first.value) : null;
    if (next === null) throw new Error("There is no next page.");
    expect(await paged.access.call(scope, next)).toMatchObject({ ok: false, retryable: false });
    expect(paged.network.asked()).toHaveLength(1);
  });

  it("does not follow in circles", async () => {
    const { access, network } = accessAnswering((call) => ({ status: 301, headers: { location: call.url } }));
    expect(await access.call(scope, get)).toMatchObject({ ok: false, retryable: false });
    expect(network.asked()).toHaveLength(4);
  });

  it("repeats what it writes only where Bitbucket says so", async () => {
    const location = `${API_URL}/2.0/repositories/x/y/commit/1/statuses/build`;
    const moved = accessAnswering((_, count) =>
      count === 1 ? { status: 307, headers: { location } } : { status: 201, body: {} },
    );
    expect(await moved.access.call(scope, post)).toMatchObject({ ok: true, value: { status: 201 } });
    expect(moved.network.asked().map((call) => [call.method, call.body])).toEqual([
      ["POST", '{"key":"k"}'],
      ["POST", '{"key":"k"}'],
    ]);
    const found = accessAnswering(() => ({ status: 301, headers: { location } }));
    expect(await found.access.call(scope, post)).toMatchObject({ ok: true, value: { status: 301 } });
    expect(found.network.asked()).toHaveLength(1);
  });

  it("never shows a token, whatever Bitbucket or the network say", async () => {
    const echo = (token: string) => `${"x".repeat(480)} ${token} and ATCTT3${"a".repeat(40)} and eyJhb.eyJp.c2ln`;
    for (const status of [401, 403, 429, 500]) {
      const side = accessAnswering((call) => refused(status, echo(call.authorization.replace("Bearer ", ""))));
      const answer = await side.access.call(scope, get);
      const outcome = answer.ok ? refusal(answer.value) : answer;
      expect(outcome).toMatchObject({ ok: false, message: expect.stringContaining("[token]") });
      expect(JSON.stringify(outcome)).not.toMatch(/minted|ATCTT|eyJ/);
    }
    const { access } = accessAnswering((call) => {
      throw new Error(`failed with ${call.authorization}`);
    });
    expect(await access.call(scope, get)).toMatchObject({
      message: expect.stringContaining("failed with Bearer [token]"),
    });
  });

  it("keeps queries out of its messages", async () => {
    const { access } = accessAnswering(() => ({ status: 500 }));
    const outcome = await access.call(scope, { method: "GET", path: `${REPO_PATH}?q=private` });
    expect(outcome).toMatchObject({ message: `Bitbucket answered 500 to GET ${REPO_PATH}.` });
  });
});

describe("the token exchange", () => {
  it("is not redirected anywhere, not even within the site", async () => {
    for (const location of ["https://bitbucket.test/site/oauth2/access_token", "https://elsewhere.test/"]) {
      const network = recordFetch(() => ({ status: 307, headers: { location } }));
      const { access } = accessAnswering(() => NOT_FOUND, undefined, { fetch: network.fetch });
      expect(await access.call(scope, get)).toMatchObject({ ok: false });
      expect(network.calls).toHaveLength(1);
    }
  });

  it("happens at the configured site, whatever the path of the API is", async () => {
    const { access, network } = accessAnswering(() => ({ status: 200, body: {} }), undefined, {
      apiUrl: "https://gate.test/bitbucket/",
      webUrl: "https://bitbucket.test/",
    });
    expect(await access.call(scope, get)).toMatchObject({ ok: true });
    expect(network.calls.map((call) => call.url)).toEqual([
      "https://bitbucket.test/site/oauth2/access_token",
      `https://gate.test/bitbucket${REPO_PATH}`,
    ]);
  });
});

describe("a refusal", () => {
  it("names the scopes that are missing, and takes nothing else for that", async () => {
    const answer = async (status: number, detail: unknown) => {
      const { access } = accessAnswering(() => refused(status, "No", detail));
      const outcome = await access.call(scope, get);
      if (!outcome.ok) throw new Error(outcome.message);
      return outcome.value;
    };
    const lacking = await answer(403, { required: ["repository"], granted: ["account"] });
    expect(requiredScopes(lacking)).toEqual(["repository"]);
    expect(refusal(lacking)).toMatchObject({ retryable: false, message: expect.stringContaining("needs: repository") });
    for (const [status, detail] of [
      [404, { required: ["repository"] }],
      [403, "You may not"],
      [403, { granted: [] }],
      [403, { required: "all" }],
      [403, undefined],
    ] as const) {
      expect(requiredScopes(await answer(status, detail))).toEqual([]);
    }
    expect(refusal(await answer(403, "ask an admin"))).toMatchObject({
      message: expect.stringContaining("403 to GET /2.0/repositories"),
    });
  });
});

describe("a path of the API", () => {
  it("keeps every segment one segment", () => {
    expect(apiPath(["repositories", ACME, "c/d", "e?f#g", "%2e", "ü", ""], { fields: "a&b" })).toBe(
      `/2.0/repositories/${encodeURIComponent(ACME)}/c%2Fd/e%3Ff%23g/%252e/%C3%BC/?fields=a%26b`,
    );
  });

  it.each([".", ".."])("can not be made with %p", (segment) => {
    expect(() => apiPath(["repositories", segment])).toThrow("can not contain");
  });
});

describe("redaction", () => {
  it.each([
    [`ATCTT3${"xFfGF0".repeat(30)}=AB12`, "[token]"],
    [`x-token-auth:ATCTT3${"x-_".repeat(20)}@bitbucket.org`, "x-token-auth:[token]@bitbucket.org"],
    [`ATATT3${"a".repeat(60)}`, "[token]"],
    ["JWT eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOjQyfQ.c2ln-_bmF0dXJl", "JWT [token]"],
    ["ATTACHMENT and ATCTT3 and nothing else", "ATTACHMENT and ATCTT3 and nothing else"],
  ])("makes of %s %s", (text, redacted) => {
    expect(redact(text)).toBe(redacted);
  });
});
