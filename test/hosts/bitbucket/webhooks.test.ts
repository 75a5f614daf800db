import { createHmac } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import jwt from "atlassian-jwt";
import { type AppStub, createAppStub, descriptorOf } from "./app-stub.ts";
import {
  type BitbucketHost,
  createBitbucketHost,
  type HostRepository,
  type HostWorkspace,
  sendRaw,
  signJwt,
} from "./index.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

let app: AppStub;
let host: BitbucketHost;
let acme: HostWorkspace;
let repository: HostRepository;

beforeEach(async () => {
  app = await createAppStub();
  host = await createBitbucketHost({ webhookTimeoutMs: 300 });
  acme = host.workspace("acme");
  repository = await host.repository(acme, "api");
});

afterEach(async () => {
  expect(host.violations).toEqual([]);
  await host.close();
  await app.close();
});

function addHook(more: object = {}) {
  return host.addHook({ workspace: acme, url: `${app.url}/hook`, events: ["repo:push"], ...more });
}

async function push() {
  return host.deliver("repo:push", { push: { changes: [] } }, { workspace: acme, repository });
}

describe("an ordinary webhook", () => {
  it("gets the bare payload with the headers of Bitbucket", async () => {
    const hook = addHook();
    const [delivery] = await push();
    expect(delivery).toMatchObject({ event: "repo:push", door: "webhook", attempts: 1, status: 204 });
    const [received] = app.received;
    expect(received?.body).toBe('{"push":{"changes":[]}}');
    expect(received?.headers).toMatchObject({
      "content-type": "application/json",
      "user-agent": "Bitbucket-Webhooks/2.0",
      "x-event-key": "repo:push",
      "x-attempt-number": "1",
      "x-hook-uuid": hook.uuid.slice(1, -1),
      "x-request-uuid": delivery?.requestUuid,
    });
    expect(delivery?.requestUuid).toMatch(UUID);
    expect(Date.parse(String(received?.headers["x-event-time"]))).toBeGreaterThan(Date.now() - 60_000);
    expect(Object.keys(received?.headers ?? {})).not.toContain("x-hub-signature");
    expect(received?.headers.authorization).toBeUndefined();
  });

  it("gets a signature of the exact bytes when it has a secret", async () => {
    addHook({ secret: "Gkvl$k$wyNpQAF42" });
    await host.deliver("repo:push", '{ "näme" : 1 }\n', { workspace: acme, repository });
    const expected = createHmac("sha256", "Gkvl$k$wyNpQAF42").update('{ "näme" : 1 }\n').digest("hex");
    expect(app.received[0]?.headers["x-hub-signature"]).toBe(`sha256=${expected}`);
    expect(app.received[0]?.body).toBe('{ "näme" : 1 }\n');
  });

  it("hears of its events and its repository only, while it is active", async () => {
    const other = await host.repository(acme, "other");
    const elsewhere = await host.repository(host.workspace("umbrella"), "api");
    addHook({ url: `${app.url}/all` });
    addHook({ workspace: undefined, repository, url: `${app.url}/one` });
    addHook({ url: `${app.url}/deletions`, events: ["repo:deleted"] });
    addHook({ url: `${app.url}/idle`, active: false });
    await host.deliver("repo:push", {}, { workspace: acme, repository: other });
    expect(app.received.map((one) => one.path)).toEqual(["/all"]);
    await host.deliver("repo:push", {}, { workspace: elsewhere.workspace, repository: elsewhere });
    expect(app.received).toHaveLength(1);
    await push();
    expect(app.received.map((one) => one.path).toSorted()).toEqual(["/all", "/all", "/one"]);
  });
});

describe("a Connect app", () => {
  it("gets the payload in an envelope, with a JWT for the request", async () => {
    const { install } = await host.install(acme, { descriptor: descriptorOf(app.url) });
    const [delivery] = await push();
    expect(delivery).toMatchObject({ door: "connect", status: 204 });
    const received = app.received.at(-1);
    expect(received?.path).toBe("/hook");
    expect(received?.body).toBe('{"event":"repo:push","data":{"push":{"changes":[]}}}');
    expect(received?.headers["x-hook-uuid"]).toMatch(UUID);
    expect(Object.keys(received?.headers ?? {})).not.toContain("x-hub-signature");
    const token = /^JWT (.+)$/.exec(received?.headers.authorization ?? "")?.[1] ?? "";
    const claims = jwt.decodeSymmetric(token, install.secret, jwt.SymmetricAlgorithm.HS256);
    expect(Object.keys(claims).toSorted()).toEqual(["aud", "exp", "iat", "iss", "qsh"]);
    expect(claims).toMatchObject({ iss: install.clientKey, aud: [install.clientKey], exp: claims.iat + 3600 });
    expect(claims.qsh).toBe(jwt.createQueryStringHash(jwt.fromMethodAndUrl("POST", "/hook"), false, ""));
    expect(host.jwt(install, "POST", `${app.url}/hook`).split(".")[0]).toBe(token.split(".")[0]);
  });

  it("hears nothing of other workspaces, other events, before its install and after its end", async () => {
    app.answers.push(500);
    const { install } = await host.install(acme, { descriptor: descriptorOf(app.url) });
    expect(await push()).toEqual([]);
    await host.install(acme, { descriptor: descriptorOf(app.url) });
    const umbrella = host.workspace("umbrella");
    expect(await host.deliver("repo:push", {}, { workspace: umbrella })).toEqual([]);
    expect(await host.deliver("repo:fork", {}, { workspace: acme, repository })).toEqual([]);
    expect(await push()).toHaveLength(1);
    await host.uninstall(install);
    expect(await push()).toEqual([]);
  });

  it("gets bytes as a test gave them, inside an envelope or as one", async () => {
    await host.install(acme, { descriptor: descriptorOf(app.url) });
    await host.deliver("repo:push", "{ }", { workspace: acme });
    await host.deliver("repo:push", '{"event":"repo:deleted", "data":1}', { workspace: acme });
    await host.deliver("repo:push", "{", { workspace: acme });
    expect(app.received.slice(1).map((one) => one.body)).toEqual([
      '{"event":"repo:push","data":{ }}',
      '{"event":"repo:deleted", "data":1}',
      '{"event":"repo:push","data":{}',
    ]);
  });
});

it("leaves room for forgers: any bytes, any headers, any signature", async () => {
  const { install } = await host.install(acme, { descriptor: descriptorOf(app.url) });
  app.answers.push(401);
  const forged = signJwt("guessed", { iss: install.clientKey });
  const answer = await sendRaw(`${app.url}/hook?a=%`, {
    method: "PUT",
    headers: { Authorization: [`JWT ${forged}`], "X-Event-Key": ["repo:push", "repo:push"] },
    body: Uint8Array.of(0xff, 0x00),
  });
  expect(answer.status).toBe(401);
  const received = app.received.at(-1);
  expect(received?.method).toBe("PUT");
  expect(received?.path).toBe("/hook?a=%");
  expect(received?.headers).toMatchObject({ authorization: `JWT ${forged}`, "x-event-key": "repo:push, repo:push" });
  await app.close();
  await expect(sendRaw(`${app.url}/hook`)).rejects.toThrow();
  app = await createAppStub();
});

describe("a delivery", () => {
  it.each([500, 503, "cut"] as const)("that is answered %s is sent twice more, as the same request", async (answer) => {
    addHook({ secret: "secret" });
    app.answers.push(answer, answer, 202);
    const [delivery] = await push();
    expect(delivery).toMatchObject({ attempts: 3, status: 202 });
    const sent = (name: string) => app.received.map((one) => one.headers[name]);
    expect(sent("x-attempt-number")).toEqual(["1", "2", "3"]);
    expect(new Set(sent("x-request-uuid"))).toEqual(new Set([delivery?.requestUuid]));
    expect(new Set(sent("x-hub-signature")).size).toBe(1);
    expect(host.deliveries.map((attempt) => attempt.status)).toEqual([
      ...Array(2).fill(answer === "cut" ? null : answer),
      202,
    ]);
  });

  it("is given up after three attempts", async () => {
    addHook();
    app.answers.push(500, 502, 504, 200);
    expect(await push()).toMatchObject([{ attempts: 3, status: 504 }]);
    expect(app.received).toHaveLength(3);
  });

  it("is sent again when it is not answered in time", async () => {
    addHook();
    app.answers.push("hang", 204);
    expect(await push()).toMatchObject([{ attempts: 2, status: 204 }]);
    expect(host.deliveries[0]).toMatchObject({ status: null, attempt: 1 });
  });

  it.each([301, 400, 401, 404, 413, 429])("that is answered %i is not sent again", async (answer) => {
    addHook();
    app.answers.push(answer);
    expect(await push()).toMatchObject([{ attempts: 1, status: answer }]);
    expect(app.received).toHaveLength(1);
  });

  it("waits between attempts as long as the host is told to", async () => {
    const slow = await createBitbucketHost({ retryDelayMs: 200 });
    const workspace = slow.workspace("acme");
    slow.addHook({ workspace, url: `${app.url}/hook`, events: ["repo:push"] });
    app.answers.push(500);
    const begun = performance.now();
    await slow.deliver("repo:push", {}, { workspace });
    expect(performance.now() - begun).toBeGreaterThan(190);
    app.answers.push(500);
    const late = slow.deliver("repo:push", {}, { workspace });
    await slow.close();
    expect(await late).toMatchObject([{ attempts: expect.any(Number) }]);
  });

  it("is not sent when it is larger than 256 KB, and nobody is told", async () => {
    addHook();
    const filled = (bytes: number) => `{"a":"${"x".repeat(bytes - 8)}"}`;
    expect(await host.deliver("repo:push", filled(256 * 1024), { workspace: acme })).toHaveLength(1);
    expect(await host.deliver("repo:push", filled(256 * 1024 + 1), { workspace: acme })).toEqual([]);
    expect(app.received).toHaveLength(1);
    expect(host.unsent).toEqual([
      { event: "repo:push", door: "webhook", url: `${app.url}/hook`, bytes: 256 * 1024 + 1 },
    ]);
  });

  it("to a Connect app counts the envelope, too", async () => {
    await host.install(acme, { descriptor: descriptorOf(app.url) });
    addHook();
    const envelope = '{"event":"repo:push","data":}'.length;
    const filled = (bytes: number) => `{"a":"${"x".repeat(bytes - 8)}"}`;
    const doors = async (bytes: number) =>
      (await host.deliver("repo:push", filled(bytes), { workspace: acme, repository })).map(({ door }) => door);
    expect(await doors(256 * 1024 - envelope)).toEqual(["connect", "webhook"]);
    expect(await doors(256 * 1024 - envelope + 1)).toEqual(["webhook"]);
    expect(await doors(256 * 1024 + 1)).toEqual([]);
    expect(host.unsent.map(({ door, bytes }) => [door, bytes])).toEqual([
      ["connect", 256 * 1024 + 1],
      ["connect", 256 * 1024 + envelope + 1],
      ["webhook", 256 * 1024 + 1],
    ]);
  });

  it("is not sent of a push that is told in more than 256 KB, though its refs have moved", async () => {
    addHook();
    const { sha } = await repository.commit({ files: { a: "1" } });
    const tags = (count: number) => Array.from({ length: count }, (_, n) => ({ tag: `v${n}`, to: sha }));
    expect((await repository.push(tags(10))).deliveries).toHaveLength(1);
    const big = await repository.push(tags(200).map((one) => ({ ...one, tag: `${one.tag}-${"x".repeat(150)}` })));
    expect(big.deliveries).toEqual([]);
    expect(app.received).toHaveLength(1);
    expect(host.unsent).toMatchObject([{ event: "repo:push", door: "webhook" }]);
    expect(await repository.ref(`refs/tags/v199-${"x".repeat(150)}`)).toBe(sha);
  });

  it("can be sent again later: the same name and bytes, signed with the secret of that time", async () => {
    const { install } = await host.install(acme, { descriptor: descriptorOf(app.url) });
    const [first] = await push();
    await host.install(acme, { descriptor: descriptorOf(app.url) });
    expect(await host.redeliver(first?.requestUuid ?? "")).toMatchObject({ requestUuid: first?.requestUuid });
    const [one, other] = app.received.filter((received) => received.path === "/hook");
    expect(other?.body).toBe(one?.body);
    expect(other?.headers["x-request-uuid"]).toBe(one?.headers["x-request-uuid"]);
    const token = /^JWT (.+)$/.exec(other?.headers.authorization ?? "")?.[1] ?? "";
    expect(jwt.decodeSymmetric(token, install.secret, jwt.SymmetricAlgorithm.HS256).iss).toBe(install.clientKey);
    await expect(host.redeliver("none")).rejects.toThrow(/no delivery/);
  });
});
