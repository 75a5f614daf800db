/** The builder's API over a real database and real logs, with a clock that moves when a test says so. */
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildRequest } from "../../src/core/build-request.ts";
import type { Failure, PlannedBuild } from "../../src/core/model.ts";
import type { Variables } from "../../src/core/variables.ts";
import { type BuilderDesk, createBuilderDesk } from "../../src/engine/builder-desk.ts";
import { createOutsideExchange } from "../../src/engine/credentials.ts";
import type { FurtherAccess } from "../../src/engine/further-repositories.ts";
import type { SignInWith } from "../../src/engine/registries.ts";
import { createRequestVerifier } from "../../src/engine/signing.ts";
import type { Store } from "../../src/engine/store-port.ts";
import { withVariables } from "../../src/engine/variables.ts";
import { createStagingNames } from "../../src/registry/staging.ts";
import { createLogStore } from "../../src/store/logs.ts";
import { openStore } from "../../src/store/store.ts";
import { packageRoot } from "../../src/version.ts";
import { createMetrics } from "../../src/web/metrics.ts";
import { createViews } from "../../src/web/views.ts";
import { createWeb } from "../../src/web/web.ts";
import {
  change,
  delivery,
  record,
  recordCovered,
  request,
  type TestClock,
  testClock,
} from "../contract/store.samples.ts";
import { hostOf, recordingLog } from "../engine/fakes.ts";
import { NO_ACCESS_TOKENS } from "../support/no-access-tokens.ts";
import { NO_API_TOKENS } from "../support/no-api-tokens.ts";
import { requestParts } from "../support/request-parts.ts";

export const BUILDER_TOKEN = "the-token-of-all-builders-4711-0815";
export const CLONE = { username: "x-access-token", password: "ghs_a-clone-token-that-nobody-may-see" };
const LIMITS = { seconds: 600, memoryBytes: 1024 ** 3, logBytes: 2_000 };

export interface Claimed {
  readonly build: string;
  readonly attempt: number;
  readonly request: { readonly document: string };
  readonly lease: { readonly token: string; readonly seconds: number; readonly heartbeatSeconds: number };
}

export interface BuilderWorld {
  readonly url: string;
  readonly store: Store;
  readonly clock: TestClock;
  readonly desk: BuilderDesk;
  /** Public key of those who sign requests, PEM. */
  readonly publicKey: string;
  queue(planned?: Partial<PlannedBuild>): Promise<string>;
  /** Posts JSON, or a text as it is. */
  post(path: string, token: string | null, body?: unknown, headers?: Record<string, string>): Promise<Response>;
  claim(body?: object): Promise<Claimed>;
  logOf(build: string): Promise<string>;
  failureOf(build: string): Promise<Failure | null | undefined>;
  close(): Promise<void>;
}

export interface BuilderWorldOptions {
  /** Left out: the registry trusts our tokens. */
  readonly signIn?: SignInWith;
  readonly host?: Parameters<typeof hostOf>[1];
  readonly further?: FurtherAccess;
  /** What owners have set, at that moment; left out: nothing. */
  set?(): Variables;
}

const NOTHING_SET: Variables = { variables: {}, secrets: {} };

export async function openBuilderWorld(options: BuilderWorldOptions = {}): Promise<BuilderWorld> {
  const folder = await mkdtemp(join(tmpdir(), "wharfinger-builder-"));
  const clock = testClock();
  const store = await openStore({ url: "sqlite::memory:", clock });
  const logs = createLogStore(join(folder, "logs"));
  const { log } = recordingLog();
  const { signer } = requestParts();
  const staging = createStagingNames("staging/{build}").of;
  const verify = createRequestVerifier([signer.publicKey]);
  const host = hostOf([], { cloneCredential: async () => ({ ok: true, value: CLONE }), ...options.host });
  const exchange = createOutsideExchange({
    hosts: [host],
    registries: { signIn: async () => options.signIn ?? { kind: "lease" } },
    ...(options.further && { further: options.further }),
  });
  const desk = createBuilderDesk({
    store,
    logs,
    verify: async (signed) => verify(signed),
    exchange: withVariables(exchange, {
      variablesOf: async () => ({ installation: options.set?.() ?? NOTHING_SET, repository: NOTHING_SET }),
    }),
    clock,
    log,
    worker: "test",
    leaseMs: 15_000,
    heartbeatMs: 5_000,
    pollMs: 20,
    onChange: () => undefined,
  });
  const app = createWeb({
    store,
    authorizer: { may: () => Promise.reject(new Error("nobody is asked in this test")) },
    surveys: { within: async () => [] },
    preview: async () => null,
    logs,
    adminToken: null,
    publicUrl: "http://localhost:3000",
    clock,
    log,
    ready: async () => [],
    metrics: createMetrics(),
    apiTokens: NO_API_TOKENS,
    accessTokens: NO_ACCESS_TOKENS,
    registryHost: async () => "registry.test",
    sessions: store,
    builder: { desk, token: BUILDER_TOKEN },
    views: createViews(join(packageRoot, "views"), "1.2.3"),
    stopping: new AbortController().signal,
  });
  const server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  let queued = 0;

  async function post(
    path: string,
    token: string | null,
    body: unknown = {},
    headers: Record<string, string> = {},
  ): Promise<Response> {
    const type = typeof body === "string" ? "text/plain" : "application/json";
    return await fetch(`${url}/builder/v1/${path}`, {
      method: "POST",
      headers: { "content-type": type, ...(token !== null && { authorization: `Bearer ${token}` }), ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
  }

  return {
    url,
    store,
    clock,
    desk,
    publicKey: signer.publicKey,
    async queue(planned = {}) {
      queued += 1;
      await store.append([delivery(`push-${queued}`)]);
      const moved = change(null, `${queued}`, `refs/heads/b${queued}`);
      const id = (await store.findDelivery(`push-${queued}`))?.id ?? "";
      const settings = { registry: "registry.test", network: "none", limits: LIMITS, staging } as const;
      const plan = record([moved], [request(moved, "api", planned)], {
        write: (build, origin) => signer.sign(buildRequest(build, origin, settings)),
      });
      return (await recordCovered(store, id, plan))[0]?.id ?? "";
    },
    post,
    async claim(body = {}) {
      const answer = await post("claim", BUILDER_TOKEN, body);
      if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`);
      return (await answer.json()) as Claimed;
    },
    async logOf(build) {
      return (await logs.read(build, 0, 1024 ** 2))?.bytes.toString("utf8") ?? "";
    },
    failureOf: async (build) => (await store.getBuild(build))?.failure,
    async close() {
      await desk.stop();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await store.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
