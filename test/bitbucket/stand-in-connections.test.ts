/** Connections made, rotated and ended on the stand-in: real HTTP, real signatures, the API held to its description. */

import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { createBitbucketAccess } from "../../src/bitbucket/access.ts";
import { createConnections } from "../../src/bitbucket/connections.ts";
import { createSignedWebhookEntrance } from "../../src/bitbucket/hooks.ts";
import type { ConnectionChange, Connections } from "../../src/engine/connections-port.ts";
import type { Entrance } from "../../src/engine/ports.ts";
import { OPERATOR } from "../contract/store.by.ts";
import {
  type BitbucketHost,
  createBitbucketHost,
  type HostRepository,
  type HostWorkspace,
} from "../hosts/bitbucket/index.ts";
import { createFakeGrants, type FakeGrants } from "./fake-grants.ts";

/** Milliseconds that were to be waited, which pass at once. */
let passed = 0;
const clock = { now: () => Date.now() + passed };
const NEEDED = ["repository", "pullrequest", "webhook"];
const quiet = () => undefined;

let host: BitbucketHost;
let server: Server;
let acme: HostWorkspace;
let api: HostRepository;
let grants: FakeGrants;
let connections: Connections;
/** Ids of the deliveries that the door has let in. */
let taken: string[];

beforeEach(async () => {
  host = await createBitbucketHost();
  acme = host.workspace("acme");
  api = await host.repository(acme, "api", { private: true });
  await api.commit({ message: "Start", files: { "README.md": "hello" } });
  grants = createFakeGrants(clock);
  const entrance = createSignedWebhookEntrance({ host: "default", grants, clock });
  taken = [];
  server = createServer((request, response) => {
    void judge(entrance, request).then(({ status, deliveryId }) => {
      if (deliveryId !== null) taken.push(deliveryId);
      response.writeHead(status).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const publicUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { url: webUrl, apiUrl } = host;
  const access = createBitbucketAccess({
    host: "default",
    webUrl,
    apiUrl,
    appKey: "wharfinger",
    appSecret: null,
    grants,
    clock,
  });
  connections = createConnections({
    by: OPERATOR,
    access,
    grants,
    publicUrl,
    clock,
    wait: async (milliseconds) => {
      passed += milliseconds;
    },
  });
});

afterEach(async () => {
  await host.close();
  await new Promise((resolve) => server.close(resolve));
});

/** What the door answers; a delivery that it lets in is 202. */
async function judge(entrance: Entrance, request: IncomingMessage) {
  const { method = "", url = "", headers } = request;
  const body = await buffer(request);
  const opening = await entrance.open({ method, path: url, url, headers });
  if (opening === null) return { status: 404, deliveryId: null };
  if ("answer" in opening) return { status: opening.answer.status, deliveryId: null };
  opening.update(body);
  const judged = opening.close(body);
  return "answer" in judged
    ? { status: judged.answer.status, deliveryId: null }
    : { status: 202, deliveryId: judged.deliveryId };
}

function tokenOf(scopes: readonly string[], of: object = { workspace: acme }): string {
  return host.accessToken({ ...of, scopes }).token;
}

async function connect(token: string, repository: string | null = null): Promise<ConnectionChange> {
  const made = await connections.connect({ workspace: "acme", repository }, token, quiet);
  if (!made.ok) throw new Error(made.message);
  return made.value;
}

async function refused(scopes: readonly string[], of?: object, repository: string | null = null): Promise<string> {
  const made = await connections.connect({ workspace: "acme", repository }, tokenOf(scopes, of), quiet);
  expect(await grants.listConnections()).toEqual([]);
  expect(host.hooks).toEqual([]);
  return made.ok ? "" : made.message;
}

/** The answers to one push. */
async function push(): Promise<readonly (number | null)[]> {
  const { deliveries } = await api.push([{ branch: "main", files: { "README.md": `${Math.random()}` } }]);
  return deliveries.map(({ status }) => status);
}

describe("a connection on the stand-in", () => {
  it("lives: connected, heard, rotated, its token replaced, disconnected", async () => {
    const { connection, byHand } = await connect(tokenOf(NEEDED));
    expect(byHand).toBeNull();
    expect(host.hooks).toMatchObject([
      { uuid: connection.hook, url: connection.url, active: true, workspace: { slug: "acme" }, repository: null },
    ]);
    expect(host.hooks[0]?.events).toEqual(
      expect.arrayContaining(["repo:push", "pullrequest:rejected", "repo:created"]),
    );
    expect(await push()).toEqual([202]);

    const before = host.hooks[0]?.secret;
    expect(before).toMatch(/^[0-9a-f]{64}$/);
    expect(await connections.rotate(connection.id, quiet)).toMatchObject({ ok: true, value: { byHand: null } });
    expect(host.hooks[0]?.secret).not.toBe(before);
    // The door has remembered the secret before.
    expect(await push()).toEqual([202]);
    expect(await connections.finishRotation(connection.id)).toMatchObject({ ok: true });

    expect(await connections.replaceToken(connection.id, tokenOf(NEEDED), quiet)).toMatchObject({ ok: true });
    const stored = await grants.connection(connection.id);
    if (stored === null) throw new Error("gone");
    expect(await connections.examine(stored)).toEqual({ ok: true, value: [] });

    expect(await connections.disconnect(connection.id, quiet)).toMatchObject({ ok: true, value: { left: null } });
    expect(host.hooks).toEqual([]);
    expect(taken).toHaveLength(2);
    expect(host.violations).toEqual([]);
  });

  it("of one repository needs no more than a token of that repository", async () => {
    const { connection } = await connect(tokenOf(NEEDED, { repository: api }), "api");
    expect(connection.repository).toEqual({ id: api.uuid, fullName: "acme/api" });
    expect(host.hooks[0]?.events).not.toContain("repo:created");
    expect(await push()).toEqual([202]);
    expect(await connections.disconnect(connection.id, quiet)).toMatchObject({ ok: true, value: { left: null } });
    expect(host.violations).toEqual([]);
  });

  it("works with a webhook somebody makes by hand from what is printed", async () => {
    const { byHand, connection } = await connect(tokenOf(["pullrequest"]));
    if (byHand === null) throw new Error("nothing to enter");
    expect(byHand.why).toContain("scope webhook");
    const { url, secret } = byHand;
    const hook = host.addHook({ workspace: acme, url, secret, events: byHand.events.map(({ event }) => event) });
    expect(await push()).toEqual([202]);
    // Nothing may be done about it, and that is said.
    const ended = await connections.disconnect(connection.id, quiet);
    expect(ended).toMatchObject({ ok: true, value: { left: expect.stringContaining(url) } });
    expect(host.hooks).toEqual([hook]);
    expect(host.violations).toEqual([]);
  });

  it("is not made with a token that lacks a scope, or is of something else", async () => {
    expect(await refused(["webhook"])).toContain("lacks the scope repository");
    expect(await refused(["repository", "webhook"])).toContain("lacks the scope pullrequest");
    expect(await refused([], { repository: api }, "api")).toContain("scope repository");
    const other = host.workspace("other");
    expect(await refused(NEEDED, { workspace: other })).not.toBe("");
    expect(await refused(NEEDED, { workspace: other }, "api")).toContain("knows no repository acme/api");
    const revoked = host.accessToken({ workspace: acme, scopes: NEEDED });
    host.revoke(revoked);
    const made = await connections.connect({ workspace: "acme", repository: null }, revoked.token, quiet);
    expect(made).toMatchObject({ ok: false, message: expect.stringContaining("does not take this token") });
    expect(host.violations).toEqual([]);
  });

  it("is not made with another workspace's token where everything is public", async () => {
    await host.setPrivate(api, false);
    const other = host.workspace("other");
    expect(await refused(NEEDED, { workspace: other })).toContain("Nothing shows whether the token belongs there");
    expect(await refused(NEEDED, { workspace: other }, "api")).toContain("Nothing shows");
    expect((await connect(tokenOf(NEEDED))).byHand).toBeNull();
  });

  it("leaves no second webhook when the answer to its creation is lost", async () => {
    host.inject({ match: ({ method }) => method === "POST", effect: { afterwards: "reset" } });
    const { connection } = await connect(tokenOf(NEEDED));
    expect(host.hooks.map(({ uuid }) => uuid)).toEqual([connection.hook]);
    expect(await push()).toEqual([202]);
  });

  it("leaves nothing when the webhook can not be created", async () => {
    host.inject({ match: ({ method }) => method === "POST", effect: { status: 503 } });
    expect(await refused(NEEDED)).toContain("the connection was dropped again");
    expect(grants.deliveries.map(({ event }) => event)).toEqual(["connected", "disconnected"]);
  });

  it("outlives renames, as it goes by uuids", async () => {
    const { connection } = await connect(tokenOf(NEEDED));
    host.renameWorkspace(acme, "apex");
    await host.rename(api, "service");
    expect(await connections.rotate(connection.id, quiet)).toMatchObject({ ok: true, value: { byHand: null } });
    expect(await connections.disconnect(connection.id, quiet)).toMatchObject({ ok: true, value: { left: null } });
    expect(host.violations).toEqual([]);
  });

  it("asks for nothing in an address that is secret", async () => {
    const token = tokenOf(NEEDED);
    const { connection } = await connect(token);
    const secret = (await grants.connection(connection.id))?.secrets[0] ?? "";
    expect(secret).toHaveLength(64);
    for (const { path } of host.calls) {
      expect(path).not.toContain(token);
      expect(path).not.toContain(secret);
    }
  });
});
