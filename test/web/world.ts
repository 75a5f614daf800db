import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { AuditRecord, Decider } from "../../src/core/audit.ts";
import type { SignedRequest } from "../../src/core/build-request.ts";
import {
  type Build,
  DEFAULT_POLICY,
  type HostId,
  hostKey,
  type Installation,
  type Policy,
  type Repository,
  type Sha,
} from "../../src/core/model.ts";
import type { Scope } from "../../src/core/pause.ts";
import type { Receipt } from "../../src/core/receipt.ts";
import type { Badges } from "../../src/engine/badges.ts";
import type { BuildActions } from "../../src/engine/build-actions.ts";
import type { Identity } from "../../src/engine/identity-port.ts";
import type { NamespaceDesk } from "../../src/engine/namespace-desk.ts";
import type { NoticeDesk } from "../../src/engine/notices.ts";
import type { ListedPause } from "../../src/engine/pause-port.ts";
import type { RegistryDesk } from "../../src/engine/registry-desk.ts";
import {
  BadCursor,
  type Delivery,
  type ListedRepository,
  type Page,
  type PageQuery,
} from "../../src/engine/store-port.ts";
import { packageRoot } from "../../src/version.ts";
import type { AccessApiStore } from "../../src/web/api-access.ts";
import type { VariablesApiStore } from "../../src/web/api-variables.ts";
import { createMetrics } from "../../src/web/metrics.ts";
import type { RegistryDoors } from "../../src/web/registry.ts";
import { createViews } from "../../src/web/views.ts";
import { createWeb, type WebOptions } from "../../src/web/web.ts";
import { memorySessions } from "../support/memory-sessions.ts";
import { NO_ACCESS_TOKENS } from "../support/no-access-tokens.ts";
import { NO_API_TOKENS } from "../support/no-api-tokens.ts";
import { demandDocumented } from "./openapi-check.ts";

export const NOW = Date.parse("2026-11-20T12:00:00Z");
export const TOKEN = "correct-horse-battery-staple-4711";
export const SHA = "0123456789abcdef0123456789abcdef01234567" as Sha;
export const DIGEST = `sha256:${"ab".repeat(32)}`;

export const repository: Repository = {
  provider: "github",
  host: "default",
  id: "186853002",
  fullName: "acme/api",
  private: true,
  defaultBranch: "main",
  cloneUrl: "https://github.com/acme/api.git",
  webUrl: "https://github.com/acme/api",
};

export function aBuild(changes: Partial<Build> = {}, planned: Partial<Build["planned"]> = {}): Build {
  return {
    id: "b1",
    registry: "default",
    state: "succeeded",
    repository,
    installation: { provider: "github", host: "default", id: "7" },
    deliveryId: "1",
    image: "acme/api",
    digest: DIGEST,
    tags: null,
    requestDigest: null,
    hold: null,
    approval: null,
    trigger: "event",
    attempt: 1,
    steps: [
      { name: "checkout", startedAt: "2026-11-20T11:50:00Z", finishedAt: "2026-11-20T11:50:01Z" },
      { name: "build", startedAt: "2026-11-20T11:50:01Z", finishedAt: "2026-11-20T11:51:20Z" },
    ],
    failure: null,
    createdAt: "2026-11-20T11:49:58Z",
    startedAt: "2026-11-20T11:50:00Z",
    finishedAt: "2026-11-20T11:51:24Z",
    ...changes,
    planned: {
      key: "k",
      image: "api",
      tags: ["latest"],
      ref: "refs/heads/main",
      kind: "branch",
      before: null,
      after: SHA,
      sha: SHA,
      rules: ["images[0].rules[0]"],
      push: true,
      trust: "trusted",
      supersede: "newest",
      inputs: {
        context: ".",
        dockerfile: "Dockerfile",
        target: null,
        testTarget: null,
        buildArgs: {},
        platforms: [],
        labels: {},
        cache: true,
      },
      ...planned,
    },
  };
}

export function aDelivery(changes: Partial<Delivery> = {}): Delivery {
  return {
    id: "1",
    provider: "github",
    host: "default",
    deliveryId: "0b989ba4-242f-11e5-81e1-c7b6966d2516",
    event: "push",
    action: null,
    repositoryId: "186853002",
    repositoryName: "acme/api",
    installationId: "7",
    receivedAt: "2026-11-20T11:49:57Z",
    outcome: "planned",
    note: null,
    attempts: 1,
    builds: ["b1"],
    decisions: [
      {
        ref: "refs/heads/main",
        sha: SHA,
        image: "api",
        rule: "images[0].rules[0]",
        build: "b1",
        reason: null,
        detail: "The branch main is built as latest.",
      },
    ],
    trace: [
      {
        ref: "refs/heads/main",
        image: "api",
        rule: "images[0].rules[0]",
        verdict: "build",
        reason: null,
        facts: { rule: "branch main", change: "branch main", trust: "trusted", tags: "latest" },
        detail: "built and published as latest",
      },
    ],
    ...changes,
  };
}

export const installation: Installation = {
  provider: "github",
  host: "default",
  id: "7",
  account: { provider: "github", host: "default", id: "9", login: "acme", kind: "organization" },
  state: "active",
  namespace: "acme",
  permissions: { checks: "write" },
  policy: DEFAULT_POLICY,
};

export interface World {
  readonly builds: readonly Build[];
  readonly requests: ReadonlyMap<string, SignedRequest>;
  readonly deliveries: readonly Delivery[];
  /** Who approved what, as the store was told. */
  readonly approvals: { readonly id: string; readonly by: Decider }[];
  /** What {@link World.approvals} releases; the builds themselves stay as they are here. */
  readonly released: readonly string[];
  readonly installations: readonly Installation[];
  /** Newest first. */
  readonly audit: readonly AuditRecord[];
  readonly receipts: readonly Receipt[];
  readonly access: AccessApiStore;
  readonly variables: Omit<VariablesApiStore, "getInstallation">;
  /** Of the first installation. */
  readonly repositories: readonly ListedRepository[];
  readonly surveys: WebOptions["surveys"];
  readonly authorizer: WebOptions["authorizer"];
  /** Those there are, by what they are of; what is paused or resumed meanwhile is noted in {@link World.pausing}. */
  readonly pauses: readonly ListedPause[];
  readonly pausing: unknown[];
  readonly preview: WebOptions["preview"];
  readonly log: string;
  readonly adminToken: string | null;
  readonly publicUrl: string;
  readonly ready: WebOptions["ready"];
  readonly clock: { now(): number };
  readonly logs: WebOptions["logs"] | null;
  readonly registry: RegistryDoors;
  /** Null: namespaces are not decided about over the API. */
  readonly namespaceDesk: NamespaceDesk | null;
  /** Left out: settings show and change what is in the database only. */
  readonly settings?: NonNullable<WebOptions["settings"]>;
  /** Null: registries are not looked after over the API. */
  readonly registryDesk: RegistryDesk | null;
  readonly accessTokens: WebOptions["accessTokens"];
  /** Null: there are none. */
  readonly badges: Badges | null;
  readonly apiTokens: WebOptions["apiTokens"];
  /** Null: who is told of builds is not decided over the API. */
  readonly noticeDesk: NoticeDesk | null;
  /** Null: the usual. */
  readonly tokenRate: number | null;
  /** Null: nobody starts, repeats or cancels builds. */
  readonly buildActions: BuildActions | null;
  /** Null: there are no pages of the instance itself. */
  readonly operations: NonNullable<WebOptions["operations"]> | null;
  /** Null: just these lists. */
  readonly store: WebOptions["store"] | null;
  /** Null: kept in memory. */
  readonly sessions: WebOptions["sessions"] | null;
  readonly operators: ReadonlySet<string>;
  readonly identities: readonly Identity[];
  readonly stopping: AbortSignal;
  /** Set: every question to the store fails with it. */
  readonly broken: Error | null;
}

export interface Site {
  readonly url: string;
  readonly logged: unknown[];
  /** Asks with the operator's token, unless `init` has another. Rejects where the answer is not as the document tells. */
  api(path: string, init?: RequestInit): Promise<Response>;
  /** Signs in and answers the cookie. */
  signIn(): Promise<string>;
  /** Asks for a page as a signed-in browser does. */
  page(path: string): Promise<Response>;
  close(): Promise<void>;
}

export const browser = { Accept: "text/html,application/xhtml+xml,*/*;q=0.8" };

const NO_VARIABLES: World["variables"] = {
  listVariables: async () => [],
  saveVariable: async () => ({ kind: "unknown" }),
  removeVariable: async () => false,
};

const NO_ACCESS: AccessApiStore = {
  allowAccess: async () => "not-covered",
  disallowAccess: async () => false,
  listAccess: async () => ({ items: [], next: null }),
};

/** The web room on a free port, over a store that is just these lists. */
export async function openSite(changes: Partial<World> = {}): Promise<Site> {
  const world: World = {
    builds: [aBuild()],
    deliveries: [aDelivery()],
    approvals: [],
    released: [],
    installations: [installation],
    audit: [],
    receipts: [],
    access: NO_ACCESS,
    variables: NO_VARIABLES,
    repositories: [],
    surveys: { within: async (_ms, _installation, repositories) => repositories.map(() => null) },
    pauses: [],
    pausing: [],
    preview: async () => null,
    authorizer: { may: () => Promise.reject(new Error("nobody is asked in this test")) },
    log: "STEP 1/2: FROM scratch\n",
    adminToken: TOKEN,
    publicUrl: "http://localhost:3000",
    ready: () => Promise.resolve([{ name: "database", ok: true, detail: "writable" }]),
    clock: { now: () => NOW },
    logs: null,
    registry: { tokens: null, events: null },
    namespaceDesk: null,
    registryDesk: null,
    accessTokens: NO_ACCESS_TOKENS,
    apiTokens: NO_API_TOKENS,
    noticeDesk: null,
    tokenRate: null,
    buildActions: null,
    operations: null,
    store: null,
    sessions: null,
    operators: new Set(),
    identities: [],
    stopping: new AbortController().signal,
    badges: null,
    requests: new Map(),
    broken: null,
    ...changes,
  };
  const logged: unknown[] = [];
  const note = (fields: object) => {
    logged.push(fields);
  };
  const app = createWeb({
    store: world.store ?? createStore(world),
    authorizer: world.authorizer,
    sessions: world.sessions ?? memorySessions(world.clock),
    operators: world.operators,
    identities: world.identities,
    surveys: world.surveys,
    preview: world.preview,
    logs: world.logs ?? createLogs(world),
    adminToken: world.adminToken,
    publicUrl: world.publicUrl,
    clock: world.clock,
    log: { info: note, warn: note, error: note },
    ready: world.ready,
    metrics: createMetrics(),
    accessTokens: world.accessTokens,
    apiTokens: world.apiTokens,
    ...(world.noticeDesk === null ? {} : { noticeDesk: world.noticeDesk }),
    ...(world.tokenRate === null ? {} : { tokenRate: world.tokenRate }),
    registryHost: async () => "registry.example.com",
    registry: world.registry,
    ...(world.buildActions === null ? {} : { buildActions: world.buildActions }),
    ...(world.badges === null ? {} : { badges: world.badges }),
    ...(world.operations === null ? {} : { operations: world.operations }),
    ...(world.namespaceDesk === null ? {} : { namespaceDesk: world.namespaceDesk }),
    ...(world.settings === undefined ? {} : { settings: world.settings }),
    ...(world.registryDesk === null ? {} : { registryDesk: world.registryDesk }),
    views: createViews(join(packageRoot, "views"), "1.2.3"),
    stopping: world.stopping,
  });
  const server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  let cookie: string | null = null;
  const site: Site = {
    url,
    logged,
    async api(path, init = {}) {
      const answer = await fetch(url + path, {
        ...init,
        headers: { Authorization: `Bearer ${TOKEN}`, ...init.headers },
      });
      // A log may be as long as it likes, and break off.
      if (!/\/log(?:\?|$)/.test(path)) await demandDocumented(init.method ?? "GET", url + path, answer);
      return answer;
    },
    async signIn() {
      const body = new URLSearchParams({ token: TOKEN });
      const answer = await fetch(`${url}/auth/token`, { method: "POST", body, redirect: "manual", headers: browser });
      return String(answer.headers.get("set-cookie")).split(";")[0] ?? "";
    },
    async page(path) {
      cookie ??= await site.signIn();
      return fetch(url + path, { redirect: "manual", headers: { ...browser, Cookie: cookie } });
    },
    close: () => closeServer(server),
  };
  return site;
}

function createStore(world: World): WebOptions["store"] {
  const ask = <T>(answer: () => T): Promise<T> =>
    world.broken === null ? Promise.resolve().then(answer) : Promise.reject(world.broken);
  const installations = new Map(world.installations.map((one) => [hostKey(one), one]));
  const isKnown = (scope: Scope) => {
    if (scope.kind === "instance") return true;
    if (scope.kind === "installation") return installations.has(hostKey(scope.id));
    return world.repositories.some((one) => hostKey(one) === hostKey(scope.id));
  };
  return {
    approveBuild: (id, by) =>
      ask(() => {
        world.approvals.push({ id, by });
        return world.released;
      }),
    getInstallation: (id) => ask(() => installations.get(hostKey(id)) ?? null),
    findRepositories: (name) =>
      ask(() => {
        const [first] = world.installations;
        const named = world.repositories.filter(({ fullName }) => fullName === name);
        return first === undefined ? [] : named.map((one) => ({ ...one, installation: first }));
      }),
    setPolicy: (id: HostId, changes: Partial<Policy>) =>
      ask(() => {
        const found = installations.get(hostKey(id));
        if (found === undefined) return null;
        const policy = { ...found.policy, ...changes };
        installations.set(hostKey(id), { ...found, policy });
        return policy;
      }),
    receipt: (id) => ask(() => world.receipts.find(({ installation: of }) => hostKey(of) === hostKey(id)) ?? null),
    listReceipts: (query) => ask(() => pageOf(world.receipts, query)),
    ...world.variables,
    ...world.access,
    listAudit: ({ installation: of, ...query }) =>
      ask(() => {
        const own = (one: AuditRecord) =>
          of === undefined || (one.installation !== null && hostKey(one.installation) === hostKey(of));
        return pageOf(world.audit.filter(own), query);
      }),
    listBuilds: (query) =>
      ask(() =>
        pageOf(
          world.builds.filter((build) => {
            const { deliveryId = build.deliveryId, repository: of = build.repository } = query;
            const { installation: whose = build.installation, installations = [whose] } = query;
            const own = installations.some((one) => hostKey(one) === hostKey(build.installation));
            return own && build.deliveryId === deliveryId && build.repository.id === of.id;
          }),
          query,
        ),
      ),
    linkState: (of, one) =>
      ask(() => {
        const first = world.installations[0];
        const found = world.repositories.find((known) => hostKey(known) === hostKey(one));
        return first !== undefined && hostKey(first) === hostKey(of) && found !== undefined ? found.link : "unlinked";
      }),
    namespaceAccounts: (name) =>
      ask(() =>
        [...installations.values()]
          .filter(({ namespace }) => namespace === name)
          .map(({ account }) => ({ account, login: account.login, standing: "good" })),
      ),
    // No test of these lists sends a key.
    beginOnce: () => Promise.reject(new Error("nothing is done once in this test")),
    endOnce: () => Promise.reject(new Error("nothing is done once in this test")),
    forgetOnce: () => Promise.reject(new Error("nothing is done once in this test")),
    requestKeys: () => ask(() => [{ keyId: "0123456789abcdef", publicKey: "-----BEGIN PUBLIC KEY-----" }]),
    buildRequest: (id) => ask(() => world.requests.get(id) ?? null),
    getBuild: (id) => ask(() => world.builds.find((build) => build.id === id) ?? null),
    listDeliveries: ({ installation: of, installations: all = of && [of], ...query }) =>
      ask(() =>
        pageOf(
          world.deliveries.filter(({ provider, host, installationId: id }) => {
            return (
              all === undefined || all.some((one) => id !== null && hostKey({ provider, host, id }) === hostKey(one))
            );
          }),
          query,
        ),
      ),
    getDelivery: (id) => ask(() => world.deliveries.find((delivery) => delivery.id === id) ?? null),
    findDelivery: (id) =>
      ask(() => world.deliveries.find((delivery) => delivery.id === id || delivery.deliveryId === id) ?? null),
    pause: (scope, options) =>
      ask(() => {
        world.pausing.push({ scope, ...options });
        const { by, stop: stops } = options;
        const pause = { kind: scope.kind, since: "2026-11-20T10:00:00.000Z", by, stops };
        return isKnown(scope) ? { pause, began: true, stopped: stops ? 2 : 0 } : null;
      }),
    resume: (scope, by) =>
      ask(() => {
        world.pausing.push({ scope, by });
        const nothing = { ended: null, remaining: [], deliveries: [], lanes: [], lost: [] };
        return isKnown(scope) ? nothing : null;
      }),
    listPauses: () => ask(() => world.pauses),
    countBuilds: (scope) => ask(() => (isKnown(scope) ? { queued: 3, running: 1 } : null)),
    pausesOf: ({ installation: of, repository }) =>
      ask(() => {
        const keys = [of, repository].flatMap((id) => (id === undefined ? [] : [hostKey(id)]));
        return world.pauses.filter(({ scope }) => scope.kind === "instance" || keys.includes(hostKey(scope.id)));
      }),
    repositoryOf: (id) =>
      ask(() => {
        const found = world.repositories.find((one) => hostKey(one) === hostKey(id));
        const [of] = world.installations;
        return found === undefined || of === undefined ? null : { repository: found, installation: of };
      }),
    repositoriesOf: (_installation, limit, offset = 0) => ask(() => world.repositories.slice(offset, offset + limit)),
    countRepositories: ([first]) =>
      ask(() => new Map(first === undefined ? [] : [[hostKey(first), world.repositories.length]])),
    listInstallations: (query) => ask(() => pageOf([...installations.values()], query)),
    stats: () =>
      ask(() => ({
        deliveriesPending: 3,
        oldestPending: "2026-11-20T11:59:30Z",
        builds: { queued: 2, running: 1, succeeded: 5, failed: 0, canceled: 0, superseded: 0, timed_out: 0, held: 0 },
        oldestQueued: null,
        checksDue: 4,
        missed: [
          {
            provider: "github",
            host: "default",
            lookedAt: "2026-11-20T11:58:00Z",
            problem: null,
            fetched: 3,
            lost: 0,
          },
        ],
        comparisons: {
          repositories: 14,
          compared: 12,
          late: 2,
          failing: 1,
          problem: "The host is away.",
          lastAt: "2026-11-20T11:59:15Z",
          found: 3,
        },
      })),
  };
}

/** Cursors are `after-<index>`. */
function pageOf<T>(all: readonly T[], query: PageQuery): Page<T> {
  const index = query.cursor === null ? 0 : Number(/^after-(\d+)$/.exec(query.cursor)?.[1] ?? Number.NaN);
  if (Number.isNaN(index)) {
    throw new BadCursor();
  }
  const end = index + query.limit;
  return { items: all.slice(index, end), next: end < all.length ? `after-${end}` : null };
}

function createLogs(world: World): WebOptions["logs"] {
  const all = Buffer.from(world.log);
  return {
    read: (buildId, offset, limit) =>
      Promise.resolve(buildId === "b1" ? { bytes: all.subarray(offset, offset + limit), size: all.length } : null),
  };
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
