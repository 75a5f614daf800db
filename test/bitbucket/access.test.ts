import { describe, expect, it } from "@jest/globals";
import { verifyJwt } from "../../src/bitbucket/jwt.ts";
import {
  ACME,
  type Answering,
  accessAnswering,
  CLIENT,
  CONNECTION,
  mintAnswer,
  NOT_FOUND,
  NOW,
  OF_ONE,
  OTHER,
  OTHER_REPO,
  REPO,
  REPO_PATH,
  recordFetch,
  refused,
  WEB_URL,
} from "./recorded-fetch.ts";

const scope = { workspace: ACME, repository: REPO };
const whole = { workspace: ACME, repository: null };
const get = { method: "GET", path: REPO_PATH } as const;
const put = { method: "PUT", path: `${REPO_PATH}/commit/1/reports/x`, body: {} } as const;
const fine: Answering = () => ({ status: 200, body: {} });

function bearers(side: ReturnType<typeof accessAnswering>): readonly string[] {
  return side.network.asked().map((call) => call.authorization);
}

describe("what opens a call", () => {
  const cases = [
    ["the workspace's connection first", { clients: [CLIENT], connections: [OF_ONE, CONNECTION] }, CONNECTION.token],
    ["the repository's connection second", { clients: [CLIENT], connections: [OF_ONE] }, OF_ONE.token],
  ] as const;
  it.each(cases)("is %s", async (_, granted, token) => {
    const side = accessAnswering(fine, granted);
    expect(await side.access.call(scope, get)).toMatchObject({ ok: true });
    expect(bearers(side)).toEqual([`Bearer ${token}`]);
    expect(side.network.calls).toHaveLength(1);
  });

  it("is the client where there is no connection, with a token its secret was exchanged for", async () => {
    const side = accessAnswering(fine);
    expect(await side.access.call(scope, get)).toMatchObject({ ok: true });
    expect(bearers(side)).toEqual([expect.stringMatching(/^Bearer minted-/)]);
    const [exchange] = side.network.calls;
    expect(exchange).toMatchObject({ method: "POST", url: `${WEB_URL}/site/oauth2/access_token` });
    expect(exchange?.body).toBe("grant_type=urn%3Abitbucket%3Aoauth2%3Ajwt");
    expect(exchange?.headers.get("content-type")).toBe("application/x-www-form-urlencoded");
    const [scheme, jwt = ""] = exchange?.authorization.split(" ") ?? [];
    expect(scheme).toBe("JWT");
    const claims: unknown = JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString());
    expect(claims).toMatchObject({ iss: "wharfinger", sub: CLIENT.clientKey });
    const expected = {
      clientKey: "wharfinger",
      method: "POST",
      url: "/site/oauth2/access_token",
      baseUrl: WEB_URL,
      nowMs: NOW,
    };
    expect(verifyJwt(jwt, { ...expected, secrets: [CLIENT.secret ?? ""] })).toMatchObject({ ok: true });
    expect(verifyJwt(jwt, { ...expected, secrets: ["another"] })).toMatchObject({ ok: false });
  });

  it("is never a connection of another repository, nor a repository's for the workspace", async () => {
    const side = accessAnswering(fine, { connections: [OF_ONE] });
    for (const other of [{ ...scope, repository: OTHER_REPO }, whole]) {
      expect(await side.access.opens(other)).toBe(false);
      expect(await side.access.call(other, get)).toMatchObject({ ok: false, retryable: true });
    }
    expect(await side.access.opens(scope)).toBe(true);
    expect(side.network.calls).toEqual([]);
  });

  it("is never another workspace's, whatever the store hands out", async () => {
    const strangers = {
      clients: [{ ...CLIENT, workspace: OTHER }],
      connections: [{ ...CONNECTION, workspace: OTHER }],
    };
    const grants = {
      connectClientsOf: async () => strangers.clients,
      connectionsOf: async () => strangers.connections,
    };
    const side = accessAnswering(fine, {}, { grants });
    expect(await side.access.call(scope, get)).toMatchObject({ ok: false });
    expect(await side.access.cloneCredential(scope)).toMatchObject({ ok: false });
    expect(side.network.calls).toEqual([]);
  });

  it("is asked of the store every five seconds at most, and at once when it was forgotten", async () => {
    const side = accessAnswering(fine, { connections: [CONNECTION] });
    await side.access.call(scope, get);
    side.state.connections = [];
    side.clock.time += 4_999;
    expect(await side.access.call(scope, get)).toMatchObject({ ok: true });
    expect(side.state.reads).toBe(1);
    side.clock.time += 1;
    expect(await side.access.call(scope, get)).toMatchObject({ ok: false });
    side.state.connections = [CONNECTION];
    expect(await side.access.call(scope, get)).toMatchObject({ ok: false });
    side.access.forget(ACME);
    expect(await side.access.call(scope, get)).toMatchObject({ ok: true });
  });

  it("is asked of the store anew when the clock was set back", async () => {
    const side = accessAnswering(fine, { connections: [CONNECTION] });
    await side.access.call(scope, get);
    side.state.connections = [];
    side.clock.time -= 1;
    expect(await side.access.call(scope, get)).toMatchObject({ ok: false });
  });

  it("is asked for again after the store failed", async () => {
    let fails = true;
    const grants = {
      connectClientsOf: async () => [CLIENT],
      connectionsOf: async () => {
        if (fails) throw new Error("the database is away");
        return [];
      },
    };
    const { access } = accessAnswering(fine, {}, { grants });
    await expect(access.call(scope, get)).rejects.toThrow("away");
    fails = false;
    expect(await access.call(scope, get)).toMatchObject({ ok: true });
  });
});

describe("a refused credential", () => {
  const expired = refused(401, "Access token expired.");

  it("of a client is replaced, once", async () => {
    const lucky = accessAnswering((_, count) => (count === 1 ? expired : { status: 200, body: {} }));
    expect(await lucky.access.call(scope, put)).toMatchObject({ ok: true });
    const [first, second] = bearers(lucky);
    expect(first).not.toBe(second);
    const unlucky = accessAnswering(() => expired);
    expect(await unlucky.access.call(scope, put)).toMatchObject({
      ok: false,
      retryable: true,
      retryAfter: 60,
      message: expect.stringContaining("install it again"),
    });
    expect(bearers(unlucky)).toHaveLength(2);
  });

  it("of a connection is not repeated, and says which one to mend", async () => {
    const side = accessAnswering(() => expired, { connections: [CONNECTION] });
    expect(await side.access.call(scope, put)).toMatchObject({
      ok: false,
      retryable: true,
      message: expect.stringMatching(/expired.*connection whole.*connect acme again/),
    });
    expect(bearers(side)).toHaveLength(1);
  });

  it("leaves the call to the next grant: nothing was done", async () => {
    const side = accessAnswering(
      (call) => (call.authorization.includes("ATCTT") ? expired : { status: 200, body: {} }),
      { clients: [CLIENT], connections: [CONNECTION, OF_ONE] },
    );
    expect(await side.access.call(scope, put)).toMatchObject({ ok: true });
    expect(bearers(side)).toEqual([
      `Bearer ${CONNECTION.token}`,
      `Bearer ${OF_ONE.token}`,
      expect.stringMatching(/^Bearer minted-/),
    ]);
  });

  it.each([403, 404, 500, 429])("is not what a %i means", async (status) => {
    const side = accessAnswering(() => refused(status, "No"), { clients: [CLIENT], connections: [CONNECTION] });
    await side.access.call(scope, put);
    expect(bearers(side)).toEqual([`Bearer ${CONNECTION.token}`]);
  });

  it.each([400, 401, 403, 404, 204])("may be the exchange's word (%i), which is asked for once", async (status) => {
    const network = recordFetch(() => ({ status, ...(status === 204 ? {} : { body: { error: "invalid_grant" } }) }));
    const { access } = accessAnswering(fine, undefined, { fetch: network.fetch });
    expect(await access.call(scope, get)).toMatchObject({
      ok: false,
      retryable: true,
      retryAfter: 60,
      message: expect.stringContaining("install it again"),
    });
    expect(network.calls).toHaveLength(1);
  });
});

describe("the secret of a client", () => {
  it("may be the app's", async () => {
    const network = recordFetch((call) => (call.path.startsWith("/site/") ? mintAnswer() : { status: 200, body: {} }));
    const granted = { clients: [{ ...CLIENT, secret: null }] };
    const { access } = accessAnswering(fine, granted, { appSecret: "app-wide", fetch: network.fetch });
    expect(await access.call(scope, get)).toMatchObject({ ok: true });
    const jwt = network.calls[0]?.authorization.replace("JWT ", "") ?? "";
    const expected = {
      clientKey: "wharfinger",
      method: "POST",
      url: "/site/oauth2/access_token",
      baseUrl: WEB_URL,
      nowMs: NOW,
    };
    expect(verifyJwt(jwt, { ...expected, secrets: ["app-wide"] })).toMatchObject({ ok: true });
  });

  it("that nobody has is asked of the operator", async () => {
    const side = accessAnswering(fine, { clients: [{ ...CLIENT, secret: null }] });
    const wanted = { ok: false, retryable: true, message: expect.stringContaining("BITBUCKET_APP_SECRET") };
    expect(await side.access.call(scope, get)).toMatchObject(wanted);
    expect(await side.access.cloneCredential(scope)).toMatchObject(wanted);
    expect(await side.access.callWith({ clientKey: "k", secret: null }, get)).toMatchObject(wanted);
    expect(side.network.calls).toEqual([]);
  });
});

describe("the calls of an hour", () => {
  it("end before Bitbucket says so, reading first", async () => {
    const side = accessAnswering(fine);
    for (let count = 0; count < 900; count += 1) await side.access.call(scope, get);
    expect(await side.access.call(scope, get)).toMatchObject({
      ok: false,
      retryable: true,
      retryAfter: 3_600,
      message: expect.stringContaining("acme"),
    });
    expect(side.network.asked()).toHaveLength(900);
    expect(await side.access.call(scope, put)).toMatchObject({ ok: true });
    side.clock.time += 60 * 60_000;
    expect(await side.access.call(scope, get)).toMatchObject({ ok: true });
  });

  it("of an access token are as many as Bitbucket says, those of a client are not", async () => {
    const answer: Answering = () => ({ status: 200, body: {}, headers: { "x-ratelimit-limit": "10" } });
    const connected = accessAnswering(answer, { connections: [CONNECTION] });
    for (let count = 0; count < 9; count += 1) await connected.access.call(scope, get);
    expect(await connected.access.call(scope, get)).toMatchObject({ ok: false });
    const installed = accessAnswering(answer);
    for (let count = 0; count < 20; count += 1) await installed.access.call(scope, get);
    expect(installed.network.asked()).toHaveLength(20);
  });

  it("stop for all after a 429, as long as it says", async () => {
    const side = accessAnswering((_, count) =>
      count === 1 ? { status: 429, headers: { "retry-after": "30" } } : { status: 200, body: {} },
    );
    expect(await side.access.call(scope, get)).toMatchObject({ ok: false, retryAfter: 30 });
    side.clock.time += 10_000;
    expect(await side.access.call(scope, put)).toMatchObject({ ok: false, retryable: true, retryAfter: 20 });
    expect(side.network.asked()).toHaveLength(1);
    side.clock.time += 20_000;
    expect(await side.access.call(scope, put)).toMatchObject({ ok: true });
  });

  it("are counted for each workspace by itself", async () => {
    const clients = [
      CLIENT,
      { ...CLIENT, workspace: OTHER, clientKey: `ari:cloud:bitbucket::app/${OTHER}/wharfinger` },
    ];
    const side = accessAnswering((_, count) => (count === 1 ? { status: 429 } : { status: 200, body: {} }), {
      clients,
    });
    expect(await side.access.call(scope, get)).toMatchObject({ ok: false });
    expect(await side.access.call({ ...scope, workspace: OTHER }, get)).toMatchObject({ ok: true });
  });
});

describe("a credential for a clone", () => {
  it("is a token for reading this one repository, where there is a client", async () => {
    const side = accessAnswering(fine, { clients: [CLIENT], connections: [CONNECTION, OF_ONE] });
    const credential = await side.access.cloneCredential(scope);
    expect(credential).toMatchObject({
      ok: true,
      value: { username: "x-token-auth", password: expect.stringMatching(/^minted-/) },
    });
    const form = new URLSearchParams(side.network.calls[0]?.body ?? "");
    expect(Object.fromEntries(form)).toEqual({
      grant_type: "urn:bitbucket:oauth2:jwt",
      scope: "repository",
      bitbucket_repository: REPO,
    });
    // It serves again, and is not what the API is called with.
    expect(await side.access.cloneCredential(scope)).toEqual(credential);
    expect(await side.access.cloneCredential({ ...scope, repository: OTHER_REPO })).not.toEqual(credential);
    expect(side.network.calls).toHaveLength(2);
  });

  it("is a connection's token otherwise, a repository's before the workspace's", async () => {
    const both = accessAnswering(fine, { connections: [CONNECTION, OF_ONE] });
    expect(await both.access.cloneCredential(scope)).toMatchObject({ value: { password: OF_ONE.token } });
    const other = { ...scope, repository: OTHER_REPO };
    expect(await both.access.cloneCredential(other)).toMatchObject({ value: { password: CONNECTION.token } });
    expect(both.network.calls).toEqual([]);
  });

  it("is a connection's token when the client is not installed any more", async () => {
    const network = recordFetch(() => refused(401, "No"));
    const granted = { clients: [CLIENT], connections: [CONNECTION] };
    const { access } = accessAnswering(fine, granted, { fetch: network.fetch });
    expect(await access.cloneCredential(scope)).toMatchObject({ value: { password: CONNECTION.token } });
  });

  it("waits where Bitbucket is away, and is not there where nothing opens the repository", async () => {
    const network = recordFetch(() => ({ status: 503 }));
    const granted = { clients: [CLIENT], connections: [CONNECTION] };
    const { access } = accessAnswering(fine, granted, { fetch: network.fetch });
    expect(await access.cloneCredential(scope)).toMatchObject({ ok: false, retryable: true });
    expect(await accessAnswering(fine, {}).access.cloneCredential(scope)).toMatchObject({ ok: false });
  });
});

describe("a call with a credential that is being proven", () => {
  const client = { clientKey: CLIENT.clientKey, secret: "claimed" };

  it("uses that and leaves nothing behind", async () => {
    const side = accessAnswering(fine, {});
    expect(await side.access.callWith(client, get)).toMatchObject({ ok: true, value: { status: 200 } });
    expect(await side.access.callWith(client, get)).toMatchObject({ ok: true });
    expect(new Set(bearers(side)).size).toBe(2);
    expect(await side.access.callWith({ token: "shown" }, get)).toMatchObject({ ok: true });
    expect(bearers(side).at(-1)).toBe("Bearer shown");
    expect(await side.access.call(scope, get)).toMatchObject({ ok: false });
  });

  it("does not lend its token to the client of that name", async () => {
    const side = accessAnswering(fine);
    await side.access.callWith(client, get);
    await side.access.call(scope, get);
    expect(new Set(bearers(side)).size).toBe(2);
  });

  it("answers with the refusal, of the exchange or of the call", async () => {
    const called = accessAnswering(() => refused(401, "Expired"), {});
    for (const credential of [client, { token: "shown" }]) {
      expect(await called.access.callWith(credential, get)).toMatchObject({
        ok: true,
        value: { status: 401, request: { path: get.path } },
      });
    }
    const network = recordFetch(() => ({ status: 400, body: { error: "invalid_grant" } }));
    const exchanged = accessAnswering(fine, {}, { fetch: network.fetch });
    expect(await exchanged.access.callWith(client, get)).toMatchObject({
      ok: true,
      value: { status: 400, request: { path: "/site/oauth2/access_token" } },
    });
  });

  it("fails where nothing was said about it", async () => {
    for (const answer of [{ status: 503 }, { status: 429 }, { status: 200, body: { access_token: 1 } }]) {
      const network = recordFetch(() => answer);
      const { access } = accessAnswering(fine, {}, { fetch: network.fetch });
      expect(await access.callWith(client, get)).toMatchObject({ ok: false });
    }
    const { access } = accessAnswering(() => NOT_FOUND, {});
    expect(await access.callWith(client, get)).toMatchObject({ ok: true, value: { status: 404 } });
  });
});

describe("what is left of an hour's calls", () => {
  it("is told of each grant that was used, and of no other workspace", async () => {
    const answer: Answering = () => ({ status: 200, body: {}, headers: { "x-ratelimit-limit": "10" } });
    const side = accessAnswering(answer, { clients: [CLIENT], connections: [CONNECTION] });
    expect(await side.access.budgets(ACME)).toEqual([]);
    await side.access.call(whole, get);
    await side.access.callAsApp(ACME, get);
    expect(await side.access.budgets(ACME)).toEqual([
      { of: `connection ${CONNECTION.id}`, limit: 10, left: 9, resetsAt: null, at: new Date(NOW).toISOString() },
      { of: "the add-on", limit: 1_000, left: 999, resetsAt: null, at: new Date(NOW).toISOString() },
    ]);
    expect(await side.access.budgets(OTHER)).toEqual([]);
  });
});
