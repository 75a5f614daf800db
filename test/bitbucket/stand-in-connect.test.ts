/** The Connect app from consent to uninstall, on the stand-in: real lifecycle calls, tokens, webhooks and framed pages. */
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import express from "express";
import { createBitbucketAccess } from "../../src/bitbucket/access.ts";
import { createConnectEntrance } from "../../src/bitbucket/addon.ts";
import { createConnectClients } from "../../src/bitbucket/clients.ts";
import { createConnectApp } from "../../src/bitbucket/connect-app.ts";
import { createLifecycle } from "../../src/bitbucket/lifecycle.ts";
import { createProver } from "../../src/bitbucket/prove.ts";
import type { IncomingDelivery } from "../../src/engine/ports.ts";
import { createIntake } from "../../src/intake/receive.ts";
import { packageRoot } from "../../src/version.ts";
import { createViews } from "../../src/web/views.ts";
import {
  type BitbucketHost,
  createBitbucketHost,
  type HostRepository,
  type HostWorkspace,
  signJwt,
} from "../hosts/bitbucket/index.ts";
import { build, DESCRIPTOR } from "./connect-world.ts";
import { createFakeGrants, type FakeGrants } from "./fake-grants.ts";

const APP = "wharfinger";

interface Product {
  readonly url: string;
  readonly grants: FakeGrants;
  readonly time: { ahead: number };
  readonly received: IncomingDelivery[];
  readonly lines: string[];
  prove(): Promise<void>;
  close(): Promise<void>;
}

async function createProduct(bitbucket: BitbucketHost, appSecret: string | null): Promise<Product> {
  let handle: RequestListener = (_req, res) => void res.writeHead(503).end();
  const server = createServer((req, res) => handle(req, res));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const time = { ahead: 0 };
  const clock = { now: () => Date.now() + time.ahead };
  const grants = createFakeGrants(clock);
  const lines: string[] = [];
  const line = (fields: object, message: string) => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const log = { info: line, warn: line, error: line };
  const common = { host: "default", webUrl: bitbucket.url, appKey: APP, appSecret, grants, clock, log };
  const access = createBitbucketAccess({ ...common, apiUrl: bitbucket.apiUrl });
  const clients = createConnectClients({ grants, clock });
  const views = createViews(join(packageRoot, "views"), "test");
  const received: IncomingDelivery[] = [];
  const known = new Set<string>();
  const intake = createIntake({
    entrances: [createConnectEntrance({ ...common, baseUrl: url, clients })],
    inbox: {
      async accept(delivery) {
        if (known.has(delivery.deliveryId)) return "known";
        known.add(delivery.deliveryId);
        received.push(delivery);
        return "stored";
      },
    },
  });
  const app = express();
  app.use(createLifecycle({ ...common, baseUrl: url, clients, forget: access.forget, onCandidate: () => undefined }));
  app.use(
    await createConnectApp({
      signIn: true,
      ...common,
      publicUrl: url,
      descriptor: DESCRIPTOR,
      environment: {},
      clients,
      access,
      readers: {
        async installation(workspace) {
          const repositories = bitbucketRepositories(received);
          return { login: workspace, state: "active", namespace: "acme", repositories };
        },
        builds: async () => [build],
      },
      settings: {
        async show({ workspace }) {
          const repository = { fullName: `acme/api of ${workspace}`, state: "linked" };
          return { status: 200, view: "bitbucket-repository", data: { title: "acme", repository, builds: [build] } };
        },
      },
      render: (view, data) => views.render(view, data),
    }),
  );
  handle = (req, res) => {
    if (!intake.handle(req, res)) app(req, res);
  };
  const prover = createProver({ access, grants, clients, clock, log });
  return {
    ...{ url, grants, time, received, lines },
    async prove() {
      while (await prover.step());
    },
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        server.closeAllConnections();
      }),
  };
}

/** What the engine would have learnt of them. */
function bitbucketRepositories(received: readonly IncomingDelivery[]) {
  return received.flatMap(({ repositoryId, repositoryName }) =>
    repositoryId === null ? [] : [{ id: repositoryId, fullName: repositoryName ?? "", state: "linked" as const }],
  );
}

let bitbucket: BitbucketHost;
let acme: HostWorkspace;
let api: HostRepository;
let product: Product;

beforeEach(async () => {
  bitbucket = await createBitbucketHost();
  acme = bitbucket.workspace("acme");
  api = await bitbucket.repository(acme, "api", { private: true });
  await api.commit({ message: "Start", files: { "README.md": "hello" } });
  product = await createProduct(bitbucket, null);
});

afterEach(async () => {
  expect(bitbucket.violations).toEqual([]);
  for (const secret of [...bitbucket.issuedTokens, ...bitbucket.installs.map((install) => install.secret)]) {
    expect(product.lines.join("\n")).not.toContain(secret);
  }
  await product.close();
  await bitbucket.close();
});

const descriptor = () => `${product.url}/atlassian-connect.json`;
const install = (workspace = acme) => bitbucket.install(workspace, { descriptor: descriptor() });
const client = (clientKey: string) => product.grants.connectClient(clientKey);
const push = () => api.push([{ branch: "main", files: { Dockerfile: `FROM scratch # ${Math.random()}\n` } }]);

/** Status and text of what Bitbucket shows in its frame, which may load Bitbucket's script and does. */
async function framed(...given: Parameters<BitbucketHost["framePage"]>): Promise<{ status: number; text: string }> {
  const page = await (await fetch(bitbucket.framePage(...given))).text();
  const source = /<iframe src="([^"]+)"/.exec(page)?.[1]?.replaceAll("&amp;", "&");
  if (source === undefined) throw new Error("Bitbucket shows no frame");
  const answer = await fetch(source);
  const policy = answer.headers.get("content-security-policy")?.split("; ");
  expect(policy).toContain(`frame-ancestors ${bitbucket.url}`);
  const text = await answer.text();
  const script = /<script src="(https?:[^"]+)"/.exec(text)?.[1] ?? "";
  expect(policy).toContain(`script-src 'self' ${new URL(script).origin}`);
  expect((await fetch(script)).headers.get("content-type")).toMatch(/^text\/javascript/);
  return { status: answer.status, text };
}

describe("the Connect app on Bitbucket", () => {
  it("is installed, proven, and then heard", async () => {
    const { install: made, status } = await install();
    expect(status).toBe(204);
    expect((await push()).deliveries).toMatchObject([{ door: "connect", status: 401 }]);
    await product.prove();
    expect(await client(made.clientKey)).toMatchObject({
      workspace: acme.uuid,
      login: "acme",
      kind: "organization",
      state: "active",
    });
    expect(product.grants.deliveries).toMatchObject([{ event: "installed", installationId: acme.uuid }]);
    const { deliveries } = await push();
    expect(deliveries).toMatchObject([{ door: "connect", status: 202 }]);
    expect(product.received).toMatchObject([
      { event: "repo:push", installationId: acme.uuid, repositoryId: api.uuid, repositoryName: "acme/api" },
    ]);
    const again = await bitbucket.redeliver(deliveries[0]?.requestUuid ?? "");
    expect([again.status, product.received.length]).toEqual([200, 1]);
  });

  it("is installed by the real workspace although its client key was squatted before and after", async () => {
    const squat = (clientKey: string, secret: string) =>
      fetch(`${product.url}/bitbucket/installed`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          productType: "bitbucket",
          eventType: "installed",
          key: APP,
          baseUrl: bitbucket.url,
          clientKey,
          sharedSecret: secret,
          principal: { type: "team", uuid: acme.uuid, username: "acme" },
        }),
      });
    const registered = `ari:cloud:bitbucket::app/${acme.uuid}/${APP}`;
    expect((await squat(registered, "squatter")).status).toBe(204);
    await product.prove();
    expect(await client(registered)).toBeNull();
    await bitbucket.register(descriptor());
    const { install: made, status } = await bitbucket.install(acme, { descriptor: descriptor(), registered: true });
    expect([made.clientKey, status]).toEqual([registered, 204]);
    expect((await squat(registered, "another squatter")).status).toBe(204);
    await product.prove();
    expect(await client(registered)).toMatchObject({ secret: made.secret, state: "active" });
    expect((await squat(registered, "late squatter")).status).toBe(401);
    expect((await push()).deliveries).toMatchObject([{ status: 202 }]);
    expect(await client(registered)).toMatchObject({ secret: made.secret });
  });

  it("does not give one workspace to whoever has installed it in another", async () => {
    const mallory = bitbucket.workspace("mallory");
    const { install: theirs } = await install(mallory);
    const answer = await fetch(`${product.url}/bitbucket/installed`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        productType: "bitbucket",
        eventType: "installed",
        key: APP,
        baseUrl: bitbucket.url,
        clientKey: theirs.clientKey,
        sharedSecret: theirs.secret,
        principal: { type: "team", uuid: acme.uuid, username: "acme" },
      }),
    });
    expect(answer.status).toBe(204);
    await product.prove();
    expect(await client(theirs.clientKey)).toMatchObject({ workspace: mallory.uuid });
    expect(product.grants.deliveries.map(({ installationId }) => installationId)).toEqual([mallory.uuid]);
  });

  it("refuses a token of one workspace for the events of another", async () => {
    const other = bitbucket.workspace("other");
    const { install: theirs } = await install(other);
    await product.prove();
    const url = `${product.url}/bitbucket/webhooks`;
    const repository = { uuid: api.uuid, full_name: "acme/api", workspace: { uuid: acme.uuid } };
    const headers = {
      "content-type": "application/json",
      "x-event-key": "repo:push",
      "x-request-uuid": "forged-1",
      authorization: `JWT ${bitbucket.jwt(theirs, "POST", url)}`,
    };
    const body = JSON.stringify({ event: "repo:push", data: { repository, push: { changes: [] } } });
    expect((await fetch(url, { method: "POST", headers, body })).status).toBe(403);
    const forged = signJwt("not their secret", { iss: theirs.clientKey, exp: Math.floor(Date.now() / 1000) + 60 });
    const answer = await fetch(url, { method: "POST", headers: { ...headers, authorization: `JWT ${forged}` }, body });
    expect([answer.status, product.received]).toEqual([401, []]);
  });

  it("is installed anew, renamed, removed and installed again, each signed with the secret before", async () => {
    const { install: made } = await install();
    await product.prove();
    bitbucket.renameWorkspace(acme, "acme-renamed");
    expect((await install()).status).toBe(204);
    expect(await client(made.clientKey)).toMatchObject({ secret: made.secret, login: "acme" });
    expect((await push()).deliveries).toMatchObject([{ status: 202 }]);
    expect((await bitbucket.uninstall(made)).status).toBe(204);
    expect(await client(made.clientKey)).toMatchObject({ state: "removed", secret: made.secret });
    expect((await install()).status).toBe(204);
    expect(await client(made.clientKey)).toMatchObject({ state: "active", secret: made.secret });
    expect(product.grants.deliveries.map(({ event }) => event)).toEqual([
      "installed",
      "installed",
      "uninstalled",
      "installed",
    ]);
    expect((await push()).deliveries).toMatchObject([{ status: 202 }]);
  });

  it("waits for a Bitbucket that is away, and then proves the install", async () => {
    const { install: made } = await install();
    bitbucket.inject({ match: () => true, times: 3, effect: { status: 503 } });
    await product.prove();
    expect(await client(made.clientKey)).toBeNull();
    product.time.ahead = 60_000;
    await product.prove();
    product.time.ahead = 180_000;
    await product.prove();
    product.time.ahead = 600_000;
    await product.prove();
    expect(await client(made.clientKey)).toMatchObject({ state: "active" });
  });

  it("shows its pages in Bitbucket's: settings to owners, builds to whoever sees the repository", async () => {
    const { install: made } = await install();
    const owner = bitbucket.user("acme-owner");
    const mona = bitbucket.user("mona");
    bitbucket.setPermission(acme, mona, "member");
    bitbucket.setRepositoryPermission(api, mona, "read");
    expect((await framed(made, "configure", { user: owner })).status).toBe(401);
    await product.prove();
    await push();
    expect(await framed(made, "configure", { user: owner })).toMatchObject({
      status: 200,
      text: expect.stringContaining("acme/api"),
    });
    expect((await framed(made, "configure", { user: mona })).status).toBe(403);
    expect(await framed(made, "repository", { user: mona, repository: api })).toMatchObject({
      status: 200,
      text: expect.stringContaining("Images of acme/api"),
    });
  });

  it("welcomes whoever has installed it", async () => {
    const { install: made } = await install();
    const landed = await fetch(bitbucket.landing(made));
    expect([landed.status, await landed.text()]).toEqual([
      200,
      expect.stringContaining('href="/installations/bitbucket/default/%7B'),
    ]);
  });
});

describe("with the secret of the app", () => {
  it("is installed by persons, whose installs bring none", async () => {
    await product.close();
    const secret = bitbucket.appSecret(APP);
    product = await createProduct(bitbucket, secret);
    const jane = bitbucket.workspace("jane", { kind: "user" });
    await bitbucket.register(descriptor());
    const { install: made, status } = await bitbucket.install(jane, { descriptor: descriptor(), registered: true });
    expect(status).toBe(204);
    await product.prove();
    expect(await client(made.clientKey)).toMatchObject({ kind: "user", login: "jane", secret: null, state: "active" });
    const mine = await bitbucket.repository(jane, "blog");
    const { deliveries } = await mine.push([{ branch: "main", files: { "README.md": "hello" } }]);
    expect(deliveries).toMatchObject([{ status: 202 }]);
    expect((await bitbucket.uninstall(made)).status).toBe(204);
    expect(await client(made.clientKey)).toMatchObject({ state: "removed" });
  });
});
