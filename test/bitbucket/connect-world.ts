/** The Connect app's pages over real HTTP, with the real templates, on grants in memory. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import express from "express";
import type { ApiAnswer, ApiRequest } from "../../src/bitbucket/api.ts";
import { type ConnectClients, createConnectClients } from "../../src/bitbucket/clients.ts";
import { type ConnectAppOptions, createConnectApp } from "../../src/bitbucket/connect-app.ts";
import type { FramedBuild, FramedInstallation } from "../../src/bitbucket/framed-pages.ts";
import { qshOf, signJwt } from "../../src/bitbucket/jwt.ts";
import { lifecycleDelivery } from "../../src/bitbucket/lifecycle-delivery.ts";
import type { Outcome } from "../../src/core/model.ts";
import { ok } from "../../src/core/model.ts";
import { packageRoot } from "../../src/version.ts";
import { createViews } from "../../src/web/views.ts";
import { createFakeGrants, type FakeGrants } from "./fake-grants.ts";

/** The library judges expiry by the clock of the machine. */
export const NOW = Math.floor(Date.now() / 1000) * 1000;
export const PUBLIC_URL = "https://ci.example.com";
export const ACME = "{acf54878-1111-4222-8333-444455556666}";
export const OTHER = "{0def1234-1111-4222-8333-444455556666}";
export const OWNER = "{6ae3c307-1111-4222-8333-444455556666}";
export const MEMBER = "{504c3b62-1111-4222-8333-444455556666}";
export const REPOSITORY = "{99887766-1111-4222-8333-444455556666}";
export const CLIENT = "connection:7";
export const SECRET = "the secret of acme's install";
export const DESCRIPTOR = join(packageRoot, "atlassian-connect.json");

export const build: FramedBuild = {
  href: "/builds/b1",
  state: "succeeded",
  stateText: "Succeeded",
  image: "acme/api",
  publishes: true,
  tags: ["latest"],
  repository: "acme/api",
  pullRequest: null,
  ref: "main",
  kind: "branch",
  sha: "0123456",
  duration: "1 min 24 s",
  created: { iso: "2026-11-20T09:50:00Z", text: "2026-11-20 09:50:00 UTC", ago: "10 min ago" },
};

export const installation: FramedInstallation = {
  login: "acme",
  state: "active",
  namespace: "acme",
  repositories: [{ id: REPOSITORY, fullName: "acme/api", state: "linked" }],
};

export interface World {
  readonly url: string;
  readonly time: { now: number };
  readonly grants: FakeGrants;
  readonly clients: ConnectClients;
  /** What Bitbucket was asked. */
  readonly asked: ApiRequest[];
  readonly read: string[];
  /** What the page of settings was given. */
  readonly shown: { readonly formToken: string; readonly change: string | null }[];
  readonly lines: unknown[];
  get(url: string, init?: RequestInit): Promise<Response>;
  close(): Promise<void>;
}

export function answerOf(request: ApiRequest, status: number, body: unknown): Outcome<ApiAnswer> {
  return ok({ status, headers: new Headers(), body, bytes: null, request });
}

export function membersOf(workspace: string) {
  const member = (permission: string, uuid: string) => ({ permission, user: { uuid }, workspace: { uuid: workspace } });
  return { values: [member("owner", OWNER), member("member", MEMBER)] };
}

export async function createWorld(options: Partial<ConnectAppOptions> = {}): Promise<World> {
  const time = { now: NOW };
  const clock = { now: () => time.now };
  const grants = createFakeGrants(clock);
  await prove(grants, CLIENT, ACME, SECRET);
  const clients = createConnectClients({ grants, clock });
  const views = createViews(join(packageRoot, "views"), "test");
  const asked: ApiRequest[] = [];
  const read: string[] = [];
  const shown: World["shown"][number][] = [];
  const lines: unknown[] = [];
  const line = (...given: unknown[]) => void lines.push(given);
  const router = await createConnectApp({
    publicUrl: PUBLIC_URL,
    appKey: "wharfinger",
    appSecret: null,
    webUrl: "https://bitbucket.org",
    descriptor: DESCRIPTOR,
    environment: {},
    clients,
    signIn: false,
    access: {
      async callWith(_credential, request) {
        asked.push(request);
        return answerOf(request, 200, membersOf(ACME));
      },
    },
    readers: {
      async installation(workspace) {
        read.push(workspace);
        return workspace === ACME ? installation : null;
      },
      builds: async ({ repository }) => (repository === null || repository === REPOSITORY ? [build] : []),
    },
    settings: {
      async show({ workspace, formToken }, sent) {
        read.push(workspace);
        shown.push({ formToken, change: sent?.("change") ?? null });
        const repository = { fullName: "acme/api", state: "active" };
        return { status: 200, view: "bitbucket-repository", data: { title: "acme", repository, builds: [build] } };
      },
    },
    render: (view, data) => views.render(view, data),
    clock,
    log: { info: line, warn: line, error: line },
    ...options,
  });
  const app = express();
  app.use((_req, res, next) => {
    res.set("X-Frame-Options", "DENY").set("Content-Security-Policy", "frame-ancestors 'none'");
    next();
  });
  app.use(router);
  const server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  return {
    ...{ url, time, grants, clients, asked, read, shown, lines },
    get: (path, init = {}) => fetch(`${url}${path}`, { signal: AbortSignal.timeout(5_000), ...init }),
    close: () => new Promise((resolve, reject) => server.close((error) => (error ? reject(error) : resolve()))),
  };
}

export async function prove(grants: FakeGrants, clientKey: string, workspace: string, secret: string): Promise<void> {
  await grants.addConnectCandidate({ clientKey, workspace, secret });
  const [one] = await grants.claimConnectCandidates({ limit: 1, leaseMs: 1 });
  if (one === undefined) throw new Error("no candidate");
  const account = { kind: "organization", login: "acme" } as const;
  const delivery = lifecycleDelivery({
    event: "installed",
    host: "default",
    workspace: { uuid: workspace, slug: "acme", kind: "organization" },
    door: "connect",
    id: clientKey,
    nowMs: NOW,
  });
  await grants.proveConnectCandidate(one.id, account, delivery);
}

/** The address Bitbucket opens in the frame. */
export function configure(query: Record<string, string> = {}): string {
  return `/bitbucket/configure?${new URLSearchParams({ workspace: ACME, principal: ACME, user: OWNER, ...query })}`;
}

export function repositoryPage(query: Record<string, string> = {}): string {
  return `/bitbucket/repository?${new URLSearchParams({ repository: REPOSITORY, user: MEMBER, ...query })}`;
}

export function token(path: string, options: { key?: string; claims?: Record<string, unknown> } = {}): string {
  const iat = NOW / 1000;
  const qsh = qshOf("GET", path, PUBLIC_URL);
  const claims = { iss: CLIENT, aud: CLIENT, iat, exp: iat + 3600, qsh, ...options.claims };
  return signJwt({ key: options.key ?? SECRET, claims });
}

/** With a token for exactly this address. */
export function signed(path: string, options: Parameters<typeof token>[1] = {}): string {
  return `${path}${path.includes("?") ? "&" : "?"}jwt=${token(path, options)}`;
}
