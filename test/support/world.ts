/**
 * The real program on a stand-in GitHub, with a builder and a registry that are values of the test: signed requests go
 * in at the socket, check runs come out at the stand-in.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createBitbucketParts } from "../../src/bitbucket-parts.ts";
import type { BitbucketConfig } from "../../src/config-bitbucket.ts";
import type { NamespacePolicy } from "../../src/core/lifecycle/claim.ts";
import type { BuildContext, BuildEnd, Builder, Clock, Logger } from "../../src/engine/ports.ts";
import { createGithubParts } from "../../src/parts.ts";
import { startServer } from "../../src/server.ts";
import type { Parts, Running, ServerSettings } from "../../src/server-parts.ts";
import { createIdentities } from "../../src/sign-in-parts.ts";
import { createLogStore } from "../../src/store/logs.ts";
import { migrateStore, type OpenedStore, openStore } from "../../src/store/store.ts";
import { createVault } from "../../src/store/vault.ts";
import { registryOf } from "../engine/fakes.ts";
import { type BitbucketHost, createBitbucketHost } from "../hosts/bitbucket/index.ts";
import { createGithubHost, type GithubHost } from "../hosts/github/index.ts";
import { createFlowDatabase } from "./flow-database.ts";
import { freePort } from "./free-port.ts";
import { requestParts } from "./request-parts.ts";
import { soleRegistry } from "./sole-registry.ts";

export const SECRET = "a webhook secret of more than thirty-two characters";
export const GHES_SECRET = "the webhook secret of another host, as long as the first";
export const ADMIN_TOKEN = "an-admin-token-of-more-than-thirty-two-characters";
const VIEWS = fileURLToPath(new URL("../../views", import.meta.url));

/** A clock that runs with the machine's, from a moment that can be moved on. */
export interface TestClock extends Clock {
  advance(ms: number): void;
}

export function createTestClock(): TestClock {
  let ahead = 0;
  return {
    now: () => Date.now() + ahead,
    advance(ms) {
      ahead += ms;
    },
  };
}

export interface LogLine {
  readonly level: "info" | "warn" | "error";
  readonly message: string;
  readonly fields: object;
}

export interface World {
  readonly github: GithubHost;
  /** Throws unless the options asked for it. */
  readonly bitbucket: BitbucketHost;
  /** Throws unless the options asked for it. */
  readonly ghes: GithubHost;
  readonly clock: TestClock;
  readonly lines: readonly LogLine[];
  /** Requests the builder was given, in order. */
  readonly built: readonly BuildContext[];
  readonly url: string;
  /** The program's own, for looking, and for setting things no surface sets yet. */
  store(): OpenedStore;
  api<T>(path: string): Promise<T>;
  /** Stops the program as SIGTERM does, and starts it again on the same data. */
  restart(): Promise<void>;
  stop(): Promise<void>;
  close(): Promise<void>;
}

export interface WorldOptions {
  readonly build?: (context: BuildContext) => Promise<BuildEnd>;
  readonly concurrency?: number;
  /** Also a stand-in for Bitbucket, with the Connect add-on served. */
  readonly bitbucket?: boolean;
  /** Also a stand-in for a GitHub Enterprise Server, which is the further host `ghes`. */
  readonly enterprise?: boolean;
  /** Replaces parts before the program starts, e.g. with ones that fail. */
  readonly parts?: (parts: Parts) => Parts;
  /** By `hostKey`. */
  readonly operators?: (github: GithubHost) => readonly string[];
  readonly leaseMs?: number;
  readonly stopGraceMs?: number;
  /** Between two looks for what hosts could not deliver; left out: the product's own. */
  readonly missedMs?: number;
  /** Left out: branches and tags are hardly ever compared. */
  readonly comparing?: ServerSettings["comparing"];
  /** Left out: accounts of GitHub, or of Bitbucket where there is one, get theirs by themselves. */
  readonly namespaces?: NamespacePolicy;
}

/** A digest that says which commit it stands for. */
export function digestOf(sha: string): string {
  return `sha256:${sha.slice(0, 32).padEnd(64, "0")}`;
}

async function buildAtOnce(context: BuildContext): Promise<BuildEnd> {
  context.step("build");
  context.log(`building ${context.request.source.sha}`);
  return { kind: "built", image: { digest: context.request.image.push ? digestOf(context.request.source.sha) : null } };
}

export async function createWorld(options: WorldOptions = {}): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), "wharfinger-world-"));
  const database = await createFlowDatabase(folder);
  const github = await createGithubHost();
  const ghes = options.enterprise ? await createGithubHost({ basePath: "/api/v3" }) : null;
  const bitbucket = options.bitbucket ? await createBitbucketHost() : null;
  const vault = createVault([Buffer.alloc(32, 7)]);
  const clock = createTestClock();
  const lines: LogLine[] = [];
  const log = recordingLogger(lines);
  const built: BuildContext[] = [];
  const build = options.build ?? buildAtOnce;
  const builder: Builder = {
    name: "test",
    check: async () => [],
    build(context) {
      built.push(context);
      return build(context);
    },
  };
  // A restart finds the key it left.
  const request = requestParts();
  let store: OpenedStore | null = null;
  // It comes back where it was: Bitbucket keeps the address an app was installed from.
  const port = await freePort();
  let running: Running | null = null;

  async function start(): Promise<void> {
    await migrateStore(database.url);
    store = await openStore({ url: database.url, clock, vault });
    const publicUrl = bitbucket === null ? "http://wharfinger.test" : `http://127.0.0.1:${port}`;
    const { addon, ...hostParts } =
      bitbucket === null
        ? { addon: null }
        : createBitbucketParts(bitbucketConfig(bitbucket), { grants: store, publicUrl, log, clock, environment: {} });
    const further = ghes === null ? [] : [{ ...githubConfig(ghes), host: "ghes", webhookSecrets: [GHES_SECRET] }];
    const parts: Parts = {
      store,
      logs: createLogStore(join(folder, "logs")),
      registries: soleRegistry(registryOf()),
      ...request,
      builder,
      hosts: [
        ...[githubConfig(github), ...further].map((one) => createGithubParts(one, log, clock)),
        ...("host" in hostParts ? [hostParts] : []),
      ],
      addon,
      identities: createIdentities(
        {
          github: githubConfig(github),
          githubHosts: further,
          bitbucket: bitbucket === null ? NO_BITBUCKET : bitbucketConfig(bitbucket),
          publicUrl,
        },
        { grants: store, clock, log },
      ),
      clock,
      log,
    };
    running = await startServer(options.parts?.(parts) ?? parts, {
      host: "127.0.0.1",
      port,
      publicUrl,
      adminToken: ADMIN_TOKEN,
      operators: options.operators?.(github) ?? [],
      views: VIEWS,
      namespaces: options.namespaces ?? {
        kind: "automatic",
        provider: bitbucket === null ? "github" : "bitbucket",
        host: "default",
      },
      builds: {
        concurrency: options.concurrency ?? 2,
        network: "none",
        timeoutSeconds: 60,
        memoryBytes: 256 * 1024 ** 2,
        logBytes: 1024 ** 2,
      },
      retention: { bodiesDays: 30, deliveriesDays: 400, uninstalledDays: 30 },
      ...(options.leaseMs === undefined ? {} : { leaseMs: options.leaseMs }),
      ...(options.missedMs === undefined ? {} : { missedMs: options.missedMs }),
      comparing: { spacingMs: 0, ...(options.comparing ?? { everyMs: 3_600_000, graceMs: 120_000 }) },
      stopGraceMs: options.stopGraceMs ?? 50,
    });
    github.setWebhook({ url: `${running.url}/webhooks/github`, secret: SECRET });
    if (bitbucket !== null) bitbucket.consumer.callbackUrl = `${publicUrl}/auth/bitbucket/callback`;
    github.setCallbackUrls([`${publicUrl}/auth/github/callback`]);
    ghes?.setWebhook({ url: `${running.url}/webhooks/github/ghes`, secret: GHES_SECRET });
    ghes?.setCallbackUrls([`${publicUrl}/auth/github/ghes/callback`]);
  }

  function now(): Running {
    if (running === null) throw new Error("the world is stopped");
    return running;
  }

  async function stop(): Promise<void> {
    await running?.stop();
    running = null;
    store = null;
  }

  await start();
  return {
    github,
    get bitbucket() {
      if (bitbucket === null) throw new Error("this world has no Bitbucket");
      return bitbucket;
    },
    get ghes() {
      if (ghes === null) throw new Error("this world has no Enterprise Server");
      return ghes;
    },
    clock,
    lines,
    built,
    get url() {
      return now().url;
    },
    store() {
      if (store === null) throw new Error("the world is stopped");
      return store;
    },
    async api<T>(path: string): Promise<T> {
      const response = await fetch(`${now().url}/api/v1${path}`, {
        headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
      });
      if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
      return (await response.json()) as T;
    },
    async restart() {
      await stop();
      await start();
    },
    stop,
    async close() {
      await stop();
      await github.close();
      await ghes?.close();
      await bitbucket?.close();
      await database.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function githubConfig(github: GithubHost) {
  return {
    host: "default",
    appId: github.appId,
    privateKey: github.privateKey,
    webhookSecrets: [SECRET],
    privateKeyPath: null,
    clientId: github.clientId,
    clientSecret: github.clientSecret,
    url: github.url,
    apiUrl: github.apiUrl,
  };
}

export const APP_KEY = "wharfinger-test";

const NO_BITBUCKET: BitbucketConfig = {
  url: "https://bitbucket.org",
  apiUrl: "https://api.bitbucket.org",
  appKey: APP_KEY,
  appSecret: null,
  clientId: null,
  clientSecret: null,
  connect: false,
};

function bitbucketConfig(bitbucket: BitbucketHost): BitbucketConfig {
  const { url, apiUrl, consumer } = bitbucket;
  const { clientId, clientSecret } = consumer;
  return { url, apiUrl, appKey: APP_KEY, appSecret: null, clientId, clientSecret, connect: true };
}

function recordingLogger(lines: LogLine[]): Logger {
  const at = (level: LogLine["level"]) => (fields: object, message: string) => {
    lines.push({ level, message, fields });
  };
  return { info: at("info"), warn: at("warn"), error: at("error") };
}

/** Asks until the answer is not null; fails with `what` after the deadline. */
export async function eventually<T>(
  what: string,
  ask: () => T | null | Promise<T | null>,
  deadlineMs = 60_000,
): Promise<T> {
  const deadline = Date.now() + deadlineMs;
  for (;;) {
    const answer = await ask();
    if (answer !== null) return answer;
    if (Date.now() > deadline) throw new Error(`waited ${deadlineMs} ms in vain: ${what}`);
    await sleep(10);
  }
}
