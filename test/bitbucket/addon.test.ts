import { describe, expect, it } from "@jest/globals";
import { createConnectEntrance } from "../../src/bitbucket/addon.ts";
import { createConnectClients } from "../../src/bitbucket/clients.ts";
import { appJwt, qshOf, signJwt } from "../../src/bitbucket/jwt.ts";
import { lifecycleDelivery } from "../../src/bitbucket/lifecycle-delivery.ts";
import type { Answer, IncomingDelivery } from "../../src/engine/ports.ts";
import { createFakeGrants } from "./fake-grants.ts";

const NOW = Date.parse("2026-11-20T10:00:00Z");
const SECONDS = NOW / 1000;
const BASE = "https://ci.example.com";
const PATH = "/bitbucket/webhooks";
const ACME = "{acf54878-1111-4222-8333-444455556666}";
const OTHER = "{0def1234-1111-4222-8333-444455556666}";
const REPOSITORY = "{99887766-1111-4222-8333-444455556666}";
const CLIENT = "connection:7";
const SECRET = "the secret of acme's installation";

/** An entrance, a clock that can be moved, and one proven client. */
async function world(options: { appSecret?: string; secret?: string | null; baseUrl?: string } = {}) {
  const time = { now: NOW };
  const clock = { now: () => time.now };
  const grants = createFakeGrants(clock);
  const secret = options.secret === undefined ? SECRET : options.secret;
  let asked = 0;
  const counted = {
    ...grants,
    connectClient(key: string) {
      asked += 1;
      return grants.connectClient(key);
    },
  };
  const clients = createConnectClients({ grants: counted, clock });
  const entrance = createConnectEntrance({
    host: "default",
    baseUrl: options.baseUrl ?? BASE,
    appKey: "wharfinger",
    appSecret: options.appSecret ?? null,
    clients,
    clock,
  });
  async function prove(clientKey: string, workspace: string, key: string | null) {
    await grants.addConnectCandidate({ clientKey, workspace, secret: key });
    const [one] = await grants.claimConnectCandidates({ limit: 1, leaseMs: 1 });
    if (one === undefined) throw new Error("no candidate");
    await grants.proveConnectCandidate(one.id, { kind: "organization", login: "acme" }, news(workspace, "installed"));
  }
  await prove(CLIENT, ACME, secret);
  return { time, grants, clients, entrance, prove, asked: () => asked };
}

function news(uuid: string, event: "installed" | "uninstalled"): IncomingDelivery {
  const workspace = { uuid, slug: "acme", kind: "organization" } as const;
  return lifecycleDelivery({ event, host: "default", workspace, door: "connect", id: event, nowMs: NOW });
}

type World = Awaited<ReturnType<typeof world>>;

function token(changes: Record<string, unknown> = {}, key = SECRET): string {
  const qsh = qshOf("POST", PATH, "");
  return signJwt({ key, claims: { iss: CLIENT, aud: CLIENT, iat: SECONDS, exp: SECONDS + 3600, qsh, ...changes } });
}

const push = {
  event: "repo:push",
  data: { repository: { uuid: REPOSITORY, full_name: "acme/api", workspace: { uuid: ACME } }, push: { changes: [] } },
};

interface Sent {
  readonly body?: unknown;
  readonly raw?: string | Buffer;
  readonly token?: string | null;
  readonly headers?: Record<string, string | string[] | undefined>;
  readonly method?: string;
  readonly path?: string;
  readonly url?: string;
}

async function send(to: World, sent: Sent = {}): Promise<IncomingDelivery | { answer: Answer } | null> {
  const shown = sent.token === undefined ? token() : sent.token;
  const opening = await to.entrance.open({
    method: sent.method ?? "POST",
    path: sent.path ?? PATH,
    url: sent.url ?? sent.path ?? PATH,
    headers: {
      "content-type": "application/json",
      "x-event-key": "repo:push",
      "x-request-uuid": "d-1",
      ...(shown === null ? {} : { authorization: `JWT ${shown}` }),
      ...sent.headers,
    },
  });
  if (opening === null || "answer" in opening) return opening;
  const bytes = Buffer.from(sent.raw ?? JSON.stringify(sent.body ?? push));
  opening.update(bytes);
  return opening.close(bytes);
}

async function statusOf(result: ReturnType<typeof send>): Promise<number | "accepted" | "not here"> {
  const one = await result;
  if (one === null) return "not here";
  return "answer" in one ? one.answer.status : "accepted";
}

describe("the door for the Connect app's webhooks", () => {
  it("takes a delivery and reads out what the journal needs", async () => {
    expect(await send(await world())).toEqual({
      provider: "bitbucket",
      host: "default",
      deliveryId: "d-1",
      event: "repo:push",
      action: null,
      stream: `repo:${ACME}/${REPOSITORY}`,
      repositoryId: REPOSITORY,
      repositoryName: "acme/api",
      installationId: ACME,
      receivedAt: NOW,
      body: Buffer.from(JSON.stringify(push)),
    });
  });

  it("answers on its own path only", async () => {
    const to = await world();
    for (const path of [`${PATH}/`, "/bitbucket", "/BITBUCKET/WEBHOOKS", "/webhooks/bitbucket/x"]) {
      expect(to.entrance.open({ method: "POST", path, url: path, headers: {} })).toBeNull();
    }
  });

  it.each<[string, Sent, number]>([
    ["another method", { method: "GET" }, 405],
    ["a form", { headers: { "content-type": "application/x-www-form-urlencoded" } }, 415],
    ["no event", { headers: { "x-event-key": undefined } }, 400],
    ["an event of our own journal", { headers: { "x-event-key": "installed" } }, 400],
    ["two events", { headers: { "x-event-key": ["repo:push", "repo:push"] } }, 400],
    ["no delivery id", { headers: { "x-request-uuid": undefined } }, 400],
  ])("refuses %s", async (_, sent, status) => {
    expect(await statusOf(send(await world(), sent))).toBe(status);
  });

  it.each<[string, Sent]>([
    ["no token", { token: null }],
    ["a token in the address", { token: null, url: `${PATH}?jwt=${token()}` }],
    ["a token of another kind", { token: null, headers: { authorization: `Bearer ${token()}` } }],
    ["what is no token", { token: "a.b.c" }],
    ["a forged token", { token: token({}, "a secret of somebody else") }],
    ["a token of an unknown client", { token: token({ iss: "connection:8", aud: "connection:8" }) }],
    ["a token of a client of another app", { token: token({ iss: `ari:cloud:bitbucket::app/${ACME}/other` }) }],
    ["a token whose issuer is a path", { token: token({ iss: "../../etc" }) }],
    ["a token without expiry", { token: token({ exp: undefined }) }],
    ["an expired token", { token: token({ iat: SECONDS - 7_200, exp: SECONDS - 60 }) }],
    ["a token of the future", { token: token({ iat: SECONDS + 61 }) }],
    ["a token for another audience", { token: token({ aud: "connection:8" }) }],
    ["a token of another request", { token: token({ qsh: qshOf("POST", "/bitbucket/uninstalled", "") }) }],
    ["a token without a request", { token: token({ qsh: undefined }) }],
    ["a token for this path with a query", { url: `${PATH}?a=1` }],
    ["our own token", { token: ourToken() }],
    ["alg none", { token: token().replace(/^[^.]+/, encode({ alg: "none", typ: "JWT" })) }],
  ])("refuses %s before any of the body is read", async (_, sent) => {
    const to = await world();
    const result = await send({ ...to, entrance: unread(to.entrance) }, sent);
    expect(result).toMatchObject({ answer: { status: 401, body: { error: { code: "bad-token" } } } });
  });

  it("says the same to all it refuses", async () => {
    const to = await world();
    const unknown = await send(to, { token: token({ iss: "connection:8", aud: "connection:8" }) });
    expect(await send(to, { token: token({ exp: SECONDS - 60 }) })).toEqual(unknown);
  });

  it("refuses an install that nobody has proven yet", async () => {
    const to = await world();
    await to.grants.addConnectCandidate({ clientKey: "connection:9", workspace: OTHER, secret: "squatter's" });
    const claims = { iss: "connection:9", aud: "connection:9" };
    expect(await statusOf(send(to, { token: token(claims, "squatter's") }))).toBe(401);
  });

  it("refuses a removed install", async () => {
    const to = await world();
    await to.grants.removeConnectClient(CLIENT, news(ACME, "uninstalled"));
    expect(await statusOf(send(to))).toBe(401);
  });

  it.each<[string, Sent]>([
    ["not JSON", { raw: "{" }],
    ["a list", { raw: "[]" }],
    ["not UTF-8", { raw: Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]) }],
    ["the body of an ordinary webhook", { body: push.data }],
    ["an envelope without data", { body: { event: "repo:push" } }],
    ["an envelope whose data is a list", { body: { event: "repo:push", data: [] } }],
    ["an envelope of another event", { body: { ...push, event: "repo:deleted" } }],
    ["an envelope without event", { body: { data: push.data } }],
  ])("answers 400 to %s", async (_, sent) => {
    expect(await statusOf(send(await world(), sent))).toBe(400);
  });

  it.each([
    ["workspace", { uuid: REPOSITORY, workspace: { uuid: OTHER } }],
    ["owner", { uuid: REPOSITORY, owner: { uuid: OTHER } }],
    ["workspace, whoever its owner is", { uuid: REPOSITORY, workspace: { uuid: OTHER }, owner: { uuid: ACME } }],
    ["workspace that is no uuid", { uuid: REPOSITORY, workspace: { uuid: "acme" } }],
  ])("refuses a repository of another %s", async (_, repository) => {
    const body = { event: "repo:push", data: { ...push.data, repository } };
    expect(await statusOf(send(await world(), { body }))).toBe(403);
  });

  it.each([
    ["without braces and in capitals", { workspace: { uuid: ACME.slice(1, -1).toUpperCase() } }],
    ["as its owner", { owner: { uuid: ACME } }],
    ["not at all", {}],
  ])("takes a repository that names its workspace %s", async (_, repository) => {
    const body = { event: "repo:push", data: { ...push.data, repository: { uuid: REPOSITORY, ...repository } } };
    const stream = `repo:${ACME}/${REPOSITORY}`;
    expect(await send(await world(), { body })).toMatchObject({ installationId: ACME, stream });
  });

  it("takes a pull request whatever workspace it comes from", async () => {
    const source = { repository: { uuid: "{00000000-1111-4222-8333-444455556666}", workspace: { uuid: OTHER } } };
    const body = {
      event: "pullrequest:created",
      data: { repository: push.data.repository, pullrequest: { source } },
    };
    const headers = { "x-event-key": "pullrequest:created" };
    expect(await statusOf(send(await world(), { body, headers }))).toBe("accepted");
  });

  it("takes what was signed with the secret of the app, where there is one", async () => {
    const app = "the secret of the registered app";
    expect(await statusOf(send(await world(), { token: token({}, app) }))).toBe(401);
    expect(await statusOf(send(await world({ appSecret: app }), { token: token({}, app) }))).toBe("accepted");
    expect(await statusOf(send(await world({ appSecret: app, secret: null }), { token: token({}, app) }))).toBe(
      "accepted",
    );
    expect(await statusOf(send(await world({ secret: null }), { token: token({}, app) }))).toBe(401);
  });

  it("gives a delivery that is played again the same name, which the journal keeps once", async () => {
    const to = await world();
    const [first, second] = [
      await send(to),
      await send(to, { body: { ...push, data: { ...push.data, again: true } } }),
    ];
    if (first === null || second === null || "answer" in first || "answer" in second) throw new Error("was refused");
    expect([second.provider, second.host, second.deliveryId]).toEqual([first.provider, first.host, first.deliveryId]);
  });
});

describe("looking clients up", () => {
  it("does not ask for what can not be a client of this app", async () => {
    const to = await world();
    for (const iss of ["", "acme", "connection:", `ari:cloud:bitbucket::app/${ACME}/other`, "x".repeat(1_000)]) {
      expect(await statusOf(send(to, { token: token({ iss }) }))).toBe(401);
    }
    expect(to.asked()).toBe(0);
  });

  it("asks once for a burst, and again after some seconds", async () => {
    const to = await world();
    await Promise.all(Array.from({ length: 50 }, () => send(to)));
    expect(to.asked()).toBe(1);
    to.time.now += 5_000;
    await send(to);
    expect(to.asked()).toBe(2);
  });

  it("stops a removed client at once where it was removed, and elsewhere after five seconds", async () => {
    const to = await world();
    await send(to);
    await to.grants.removeConnectClient(CLIENT, news(ACME, "uninstalled"));
    to.time.now += 4_999;
    expect(await statusOf(send(to))).toBe("accepted");
    to.clients.forget(CLIENT);
    expect(await statusOf(send(to))).toBe(401);
  });

  it("does not remember what was asked before it was told to forget", async () => {
    const settle: { resolve(value: null): void; reject(error: Error): void }[] = [];
    const connectClient = () => new Promise<null>((resolve, reject) => settle.push({ resolve, reject }));
    const clients = createConnectClients({ grants: { connectClient }, clock: { now: () => NOW } });
    const early = clients.find(CLIENT);
    clients.forget(CLIENT);
    const late = clients.find(CLIENT);
    settle[0]?.reject(new Error("the database is away"));
    await expect(early).rejects.toThrow("away");
    settle[1]?.resolve(null);
    await late;
    await clients.find(CLIENT);
    expect(settle).toHaveLength(2);
  });

  it("asks again after a failure, and keeps no more than so many strangers", async () => {
    const keys: string[] = [];
    const connectClient = async (key: string) => {
      keys.push(key);
      if (keys.length === 1) throw new Error("the database is away");
      return null;
    };
    const clients = createConnectClients({ grants: { connectClient }, clock: { now: () => NOW } });
    await expect(clients.find(CLIENT)).rejects.toThrow("away");
    for (let n = 1; n <= 1_001; n += 1) await clients.find(`connection:${n}`);
    await clients.find("connection:1001");
    expect(keys).toHaveLength(1_002);
    await clients.find("connection:1");
    expect(keys).toHaveLength(1_003);
  });
});

function ourToken(): string {
  return appJwt({ appKey: "wharfinger", clientKey: CLIENT, secret: SECRET, method: "POST", path: PATH, nowMs: NOW });
}

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString("base64url");
}

/** Fails the test where the entrance wants to see the body. */
function unread(entrance: World["entrance"]): World["entrance"] {
  return {
    async open(request) {
      const opening = await entrance.open(request);
      if (opening === null || !("answer" in opening)) throw new Error("the body would have been read");
      return opening;
    },
  };
}
