/** Lifecycle calls over real HTTP, on grants in memory, with a clock that can be moved. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import express from "express";
import { createConnectClients } from "../../src/bitbucket/clients.ts";
import { qshOf, signJwt } from "../../src/bitbucket/jwt.ts";
import { createLifecycle, type LifecycleOptions } from "../../src/bitbucket/lifecycle.ts";
import { createFakeGrants, type FakeGrants } from "./fake-grants.ts";

export const NOW = Date.parse("2026-11-20T10:00:00Z");
export const BASE = "https://ci.example.com";
export const ACME = "{acf54878-1111-4222-8333-444455556666}";
export const OTHER = "{0def1234-1111-4222-8333-444455556666}";
export const APP = "wharfinger";
export const REGISTERED = `ari:cloud:bitbucket::app/${ACME}/${APP}`;
export const SECRET = "the secret Bitbucket gave to acme's install";

/** As Bitbucket sends it when a workspace installs the app. */
export function install(changes: Record<string, unknown> = {}): Record<string, unknown> {
  const principal = { type: "team", username: "acme", display_name: "Acme", uuid: ACME };
  return {
    productType: "bitbucket",
    eventType: "installed",
    key: APP,
    baseUrl: "https://bitbucket.org",
    baseApiUrl: "https://api.bitbucket.org",
    clientKey: REGISTERED,
    sharedSecret: SECRET,
    publicKey: "MIGfMA0",
    actor: { type: "user", uuid: "6ae3c307-1111-4222-8333-444455556666", account_id: "6059" },
    principal,
    user: principal,
    ...changes,
  };
}

export function uninstall(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return install({ eventType: "uninstalled", sharedSecret: undefined, actor: undefined, ...changes });
}

/** A lifecycle token as Bitbucket makes it. */
export function token(
  event: "installed" | "uninstalled",
  options: { key?: string; clientKey?: string; now?: number; claims?: Record<string, unknown> } = {},
): string {
  const { key = SECRET, clientKey = REGISTERED, claims } = options;
  const iat = Math.floor((options.now ?? NOW) / 1000);
  const qsh = qshOf("POST", `/bitbucket/${event}`, "");
  return signJwt({ key, claims: { iss: clientKey, aud: clientKey, iat, exp: iat + 3600, qsh, ...claims } });
}

export interface LogLine {
  readonly level: string;
  readonly fields: object;
  readonly message: string;
}

export interface World {
  readonly url: string;
  readonly time: { now: number };
  readonly grants: FakeGrants;
  readonly lines: LogLine[];
  readonly forgotten: string[];
  readonly woken: () => number;
  /** Status and parsed body. */
  post(
    event: string,
    body: unknown,
    options?: { token?: string | undefined; raw?: string | Buffer; headers?: Record<string, string>; query?: string },
  ): Promise<{ status: number; body: unknown; headers: Headers }>;
  /** What the prover would do for whoever shows this secret. */
  proveWith(secret: string | null): Promise<void>;
  close(): Promise<void>;
}

export async function createWorld(options: Partial<LifecycleOptions> = {}): Promise<World> {
  const time = { now: NOW };
  const clock = { now: () => time.now };
  const grants = createFakeGrants(clock);
  const lines: LogLine[] = [];
  const forgotten: string[] = [];
  const line = (level: string) => (fields: object, message: string) => void lines.push({ level, fields, message });
  let woken = 0;
  const clients = createConnectClients({ grants, clock });
  const router = createLifecycle({
    host: "default",
    baseUrl: BASE,
    appKey: APP,
    appSecret: null,
    webUrl: "https://bitbucket.org",
    grants,
    clients,
    forget: (workspace) => void forgotten.push(workspace),
    onCandidate: () => {
      woken += 1;
    },
    clock,
    log: { info: line("info"), warn: line("warn"), error: line("error") },
    limits: { perSender: 10_000, inAll: 10_000 },
    ...options,
  });
  const app = express();
  app.use(router);
  app.use((_req, res) => void res.status(404).json({ error: { code: "not-here" } }));
  const server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;

  return {
    url: `http://127.0.0.1:${port}/bitbucket`,
    time,
    grants,
    lines,
    forgotten,
    woken: () => woken,
    async post(event, body, sent = {}) {
      const answer = await fetch(`http://127.0.0.1:${port}/bitbucket/${event}${sent.query ?? ""}`, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          ...(sent.token === undefined ? {} : { authorization: `JWT ${sent.token}` }),
          ...sent.headers,
        },
        body: sent.raw === undefined ? JSON.stringify(body) : new Uint8Array(Buffer.from(sent.raw)),
      });
      const text = await answer.text();
      return { status: answer.status, body: text === "" ? null : JSON.parse(text), headers: answer.headers };
    },
    async proveWith(secret) {
      const candidates = await grants.claimConnectCandidates({ limit: 1_000, leaseMs: 0 });
      const genuine = candidates.find((candidate) => candidate.secret === secret);
      if (genuine === undefined) throw new Error("nobody has shown this secret");
      await grants.proveConnectCandidate(
        genuine.id,
        { kind: "organization", login: "acme" },
        {
          provider: "bitbucket",
          host: "default",
          deliveryId: `installed-${genuine.id}`,
          event: "installed",
          action: null,
          stream: `installation:${genuine.workspace}`,
          repositoryId: null,
          repositoryName: null,
          installationId: genuine.workspace,
          receivedAt: time.now,
          body: Buffer.from("{}"),
        },
      );
    },
    close: () => new Promise((resolve, reject) => server.close((error) => (error ? reject(error) : resolve()))),
  };
}
