import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import jwt from "atlassian-jwt";
import { textAt } from "../json.ts";
import { type AppStub, createAppStub, descriptorOf, type Received } from "./app-stub.ts";
import { type BitbucketHost, createBitbucketHost, type HostInstall, type HostWorkspace } from "./index.ts";
import { readJwt, signJwt } from "./jwt.ts";
import { post } from "./post.ts";

let app: AppStub;
let host: BitbucketHost;
let acme: HostWorkspace;

beforeEach(async () => {
  app = await createAppStub();
  host = await createBitbucketHost();
  acme = host.workspace("acme");
});

afterEach(async () => {
  expect(host.violations).toEqual([]);
  await host.close();
  await app.close();
});

async function install(more: { readonly registered?: boolean; readonly workspace?: HostWorkspace } = {}) {
  const { workspace = acme, registered = false } = more;
  return host.install(workspace, { descriptor: `${app.url}/descriptor.json`, registered });
}

/** The JWT of what the app received last, held to the request by Atlassian's own library. */
function lastJwt(secret: string): Record<string, unknown> {
  const { method, path, headers } = last();
  const token = /^JWT (.+)$/.exec(headers.authorization ?? "")?.[1] ?? "";
  const claims = jwt.decodeSymmetric(token, secret, jwt.SymmetricAlgorithm.HS256);
  expect(claims.qsh).toBe(jwt.createQueryStringHash(jwt.fromMethodAndUrl(method, path), false, ""));
  return { ...claims };
}

function last(): Received {
  const received = app.received.at(-1);
  if (received === undefined) throw new Error("the app was sent nothing");
  return received;
}

/** Asks for a token as an app does. */
async function exchange(
  { clientKey, appKey, secret }: Pick<HostInstall, "clientKey" | "appKey" | "secret">,
  more: {
    readonly form?: Record<string, string>;
    readonly claims?: object;
    readonly header?: object;
    readonly query?: boolean;
  } = {},
) {
  const now = Math.floor(Date.now() / 1000);
  const request = jwt.fromMethodAndUrl("POST", "/site/oauth2/access_token");
  const qsh = jwt.createQueryStringHash(request, false, "");
  const token = signJwt(
    secret,
    { iss: appKey, sub: clientKey, iat: now, exp: now + 180, qsh, ...more.claims },
    more.header,
  );
  const response = await fetch(`${host.url}/site/oauth2/access_token${more.query ? `?jwt=${token}` : ""}`, {
    method: "POST",
    headers: more.query ? {} : { authorization: `JWT ${token}` },
    body: new URLSearchParams({ grant_type: "urn:bitbucket:oauth2:jwt", ...more.form }),
  });
  return { status: response.status, body: JSON.parse(await response.text()) };
}

async function asBearer(token: string, path: string): Promise<number> {
  const response = await fetch(`${host.apiUrl}/2.0${path}`, { headers: { authorization: `Bearer ${token}` } });
  await response.arrayBuffer();
  return response.status;
}

describe("an app nobody registered", () => {
  it("is told of its first install without a JWT", async () => {
    const { install: made, status } = await install();
    expect(status).toBe(204);
    expect(made).toMatchObject({ active: true, appKey: "an-app", scopes: ["account", "pullrequest"] });
    expect(made.clientKey).toMatch(/^connection:\d+$/);
    const { method, path, headers } = last();
    expect([method, path, headers.authorization]).toEqual(["POST", "/installed", undefined]);
    expect(headers["content-type"]).toBe("application/json");
    expect(headers["user-agent"]).toMatch(/^python-requests\//);
    const { actor, ...payload } = last().json();
    expect(payload).toMatchObject({
      productType: "bitbucket",
      eventType: "installed",
      key: "an-app",
      baseUrl: host.url,
      baseApiUrl: host.apiUrl,
      clientKey: made.clientKey,
      sharedSecret: made.secret,
      principal: { type: "team", username: "acme", uuid: acme.uuid, is_active: true },
    });
    expect(payload["user"]).toEqual(payload["principal"]);
    expect(actor).toEqual({
      type: "user",
      uuid: expect.stringMatching(/^[0-9a-f-]{36}$/),
      account_id: expect.any(String),
    });
    expect(host.callbacks).toMatchObject([{ event: "installed", status: 204, clientKey: made.clientKey }]);
  });

  it("is told of each later one with a JWT of the secret before, of uninstalls too", async () => {
    const { install: made } = await install();
    const first = made.secret;
    await install();
    const second = made.secret;
    expect(lastJwt(first)).toMatchObject({ iss: made.clientKey, aud: [made.clientKey] });
    expect(last().json()).toMatchObject({ clientKey: made.clientKey, sharedSecret: second });

    expect((await host.uninstall(made)).status).toBe(204);
    lastJwt(second);
    expect(last().path).toBe("/uninstalled");
    expect(last().json()).toMatchObject({ eventType: "uninstalled", clientKey: made.clientKey });
    for (const absent of ["sharedSecret", "actor"]) expect(Object.keys(last().json())).not.toContain(absent);
    expect(made.active).toBe(false);

    await install();
    lastJwt(second);
    expect(last().json()).toMatchObject({ clientKey: made.clientKey, sharedSecret: made.secret });
    expect(new Set([first, second, made.secret]).size).toBe(3);
    expect(made.active).toBe(true);
  });

  it("is not installed by an app that refuses, and the next call is unsigned again", async () => {
    app.answers.push(500);
    const { install: made, status } = await install();
    expect([status, made.active]).toEqual([500, false]);
    await expect(host.uninstall(made)).rejects.toThrow(/not installed/);
    await install();
    expect(last().headers.authorization).toBeUndefined();
    expect(made.active).toBe(true);
  });

  it("keeps its secret when it refuses another", async () => {
    const { install: made } = await install();
    const first = made.secret;
    app.answers.push(401);
    expect((await install()).status).toBe(401);
    expect([made.secret, made.active]).toEqual([first, true]);
    expect((await exchange(made)).status).toBe(200);
  });

  it("is not told in time, or not reached, as one that refuses", async () => {
    app.answers.push("cut");
    expect(await install()).toMatchObject({ status: null, install: { active: false } });
  });
});

describe("a registered app", () => {
  it("has a predictable client key and one secret, which signs the first install too", async () => {
    const secret = host.appSecret("an-app");
    const { install: made } = await install({ registered: true });
    expect(made.clientKey).toBe(`ari:cloud:bitbucket::app/${acme.uuid}/an-app`);
    expect(lastJwt(secret)).toMatchObject({ iss: made.clientKey });
    expect(last().json()).toMatchObject({ sharedSecret: secret });
    const { install: other } = await install({ registered: true, workspace: host.workspace("umbrella") });
    expect(other.secret).toBe(secret);
    await host.uninstall(made);
    lastJwt(secret);
  });

  it("of a person gets neither secret nor user name", async () => {
    const mona = host.workspace("mona", { kind: "user" });
    const { install: made } = await install({ registered: true, workspace: mona });
    lastJwt(host.appSecret("an-app"));
    expect(made.clientKey).toContain(mona.uuid);
    const payload = last().json();
    expect(Object.keys(payload)).not.toContain("sharedSecret");
    expect(payload["principal"]).toMatchObject({ type: "user", uuid: mona.uuid, account_id: expect.any(String) });
    expect(Object.keys(Object(payload["principal"]))).not.toContain("username");
  });
});

describe("a descriptor", () => {
  it("is read anew with each install", async () => {
    await install();
    app.descriptor = descriptorOf(app.url, { scopes: ["repository"], modules: {} });
    const { install: made } = await install();
    expect(made.scopes).toEqual(["repository"]);
  });

  it("that is refused, or not there, installs nothing", async () => {
    const modules = { webhooks: [{ event: "pullrequest:created", url: "/hook" }] };
    const descriptor = descriptorOf(app.url, { scopes: ["repository"], modules });
    await expect(host.install(acme, { descriptor })).rejects.toThrow(/pullrequest/);
    app.answers.push(404);
    await expect(host.install(acme, { descriptor: `${app.url}/elsewhere.json` })).rejects.toThrow(/404/);
    app.answers.push(200);
    await expect(host.install(acme, { descriptor: `${app.url}/elsewhere.json` })).rejects.toThrow(/JSON/);
    expect(host.installs).toEqual([]);
    expect(host.callbacks).toEqual([]);
  });
});

describe("the token endpoint", () => {
  it("gives a token of what was granted, for a time, and none to refresh it", async () => {
    const { install: made } = await install();
    const { status, body } = await exchange(made);
    expect(status).toBe(200);
    expect(body).toEqual({
      access_token: expect.any(String),
      expires_in: 7200,
      scopes: "account pullrequest",
      token_type: "bearer",
    });
    expect(host.issuedTokens).toEqual([body.access_token]);
    expect(await asBearer(body.access_token, `/workspaces/${acme.slug}/permissions`)).toBe(200);
    host.advance(7_200_000);
    expect(await asBearer(body.access_token, `/workspaces/${acme.slug}/permissions`)).toBe(401);
  });

  it("knows a new secret once the app has taken it, not while it is told", async () => {
    const seen: number[] = [];
    app.onRequest = async (received) => {
      const secret = textAt(received.json(), "sharedSecret") ?? "";
      const clientKey = textAt(received.json(), "clientKey") ?? "";
      seen.push((await exchange({ appKey: "an-app", clientKey, secret })).status);
    };
    const { install: made } = await install();
    expect(seen).toEqual([401]);
    expect((await exchange(made)).status).toBe(200);
    const early = await createBitbucketHost({ commitBeforeCallback: true });
    const late = host;
    host = early;
    await install({ workspace: early.workspace("acme") });
    host = late;
    await early.close();
    expect(seen).toEqual([401, 200]);
  });

  it("can narrow a token to scopes", async () => {
    const { install: made } = await install();
    expect((await exchange(made, { form: { scope: "repository" } })).body.scopes).toBe("repository");
    expect((await exchange(made, { form: { scope: "repository:write" } })).status).toBe(400);
  });

  it("can narrow a token to one repository, and then nothing of the workspace", async () => {
    const { install: made } = await install();
    const one = await host.repository(acme, "one", { private: true });
    const two = await host.repository(acme, "two", { private: true });
    const elsewhere = await host.repository(host.workspace("umbrella"), "three");
    const { body } = await exchange(made, { form: { bitbucket_repository: one.uuid } });
    expect(await asBearer(body.access_token, `/repositories/acme/one`)).toBe(200);
    expect(await asBearer(body.access_token, `/repositories/acme/two`)).toBe(404);
    expect(await asBearer(body.access_token, `/workspaces/acme/permissions`)).toBe(403);
    expect(two.private).toBe(true);
    expect((await exchange(made, { form: { bitbucket_repository: elsewhere.uuid } })).status).toBe(400);
    expect((await exchange(made, { form: { bitbucket_repository: "{}" } })).status).toBe(400);
  });

  it.each([
    ["another secret", { secret: "x".repeat(43) }, {}],
    ["another app's key", { appKey: "another-app" }, {}],
    ["another client key", { clientKey: "connection:999" }, {}],
    ["a JWT that has run out", {}, { claims: { exp: Math.floor(Date.now() / 1000) - 1 } }],
    ["a JWT that never runs out", {}, { claims: { exp: undefined } }],
    ["a JWT of the future", {}, { claims: { iat: Math.floor(Date.now() / 1000) + 600 } }],
    ["a JWT for another request", {}, { claims: { qsh: "0".repeat(64) } }],
    ["a JWT that says it is signed with nothing", {}, { header: { alg: "none", typ: "JWT" } }],
    ["a JWT in the address", {}, { query: true }],
  ])("refuses %s", async (_, client, more) => {
    const { install: made } = await install();
    expect((await exchange({ ...made, ...client }, more)).status).toBe(401);
    expect(host.issuedTokens).toEqual([]);
  });

  it("takes a JWT without a hash of the request, and refuses another grant", async () => {
    const { install: made } = await install();
    expect((await exchange(made, { claims: { qsh: undefined } })).status).toBe(200);
    expect((await exchange(made, { form: { grant_type: "client_credentials" } })).status).toBe(400);
  });

  it("gives nothing for an app that was uninstalled, whose tokens end with it for good", async () => {
    const { install: made } = await install();
    const { body } = await exchange(made);
    await host.uninstall(made);
    expect((await exchange(made)).status).toBe(401);
    expect(await asBearer(body.access_token, "/workspaces/acme/permissions")).toBe(401);
    await install();
    expect(await asBearer(body.access_token, "/workspaces/acme/permissions")).toBe(401);
  });
});

it("does not look at a JWT in the address of an API call: the caller is nobody", async () => {
  const other = await createBitbucketHost();
  const workspace = other.workspace("acme");
  await other.repository(workspace, "hidden", { private: true });
  const { install: made } = await other.install(workspace, { descriptor: descriptorOf(app.url) });
  const url = `${other.apiUrl}/2.0/repositories/acme`;
  const token = signJwt(made.secret, { iss: made.appKey, sub: made.clientKey, exp: Date.now() });
  const response = await fetch(`${url}?jwt=${token}`);
  expect([response.status, JSON.parse(await response.text())]).toMatchObject([200, { values: [] }]);
  expect(other.violations).toEqual([expect.stringContaining("query parameter jwt")]);
  await other.close();
});

describe("where a browser goes after the consent", () => {
  it("is the address asked for, with client key and JWT", async () => {
    const { install: made } = await install();
    const url = new URL(host.landing(made, `${app.url}/setup?state=abc`));
    expect(url.pathname).toBe("/setup");
    expect(url.searchParams.get("client_key")).toBe(made.clientKey);
    expect(url.searchParams.get("state")).toBe("abc");
    const request = jwt.fromMethodAndUrl("GET", url.pathname + url.search);
    const token = readJwt(url.searchParams.get("jwt") ?? "");
    expect(token?.signedWith(made.secret)).toBe(true);
    expect(token?.claims["qsh"]).toBe(jwt.createQueryStringHash(request, false, ""));
    expect(() => host.landing(made, "https://elsewhere.example/")).toThrow(/baseUrl/);
  });

  it("is otherwise the one of the descriptor", async () => {
    const { install: made } = await install();
    const url = new URL(host.landing(made));
    expect(url.pathname).toBe("/landing");
    expect(Object.fromEntries(url.searchParams)).toMatchObject({ uuid: acme.uuid, type: "team", name: "acme" });
  });
});

it("answers an address nobody listens at with nothing", async () => {
  const { url } = app;
  await app.close();
  expect(await post(url, {}, "", AbortSignal.timeout(5_000))).toEqual({ status: null, body: "" });
  app = await createAppStub();
});
