/** The API over a real database with two installations, one of everything in the first, and something in the other. */

import type { ApiTokenRole } from "../../src/core/api-tokens.ts";
import { type HostId, ok } from "../../src/core/model.ts";
import { DEFAULT_REGISTRY_SETTINGS } from "../../src/core/registry-settings.ts";
import { createAccessTokens } from "../../src/engine/access-tokens.ts";
import { type ApiTokens, createApiTokens } from "../../src/engine/api-tokens.ts";
import { type BuildActions, createBuildActions } from "../../src/engine/build-actions.ts";
import { createNamespaceDesk } from "../../src/engine/namespace-desk.ts";
import { createNoticeDesk } from "../../src/engine/notices.ts";
import type { Notifier } from "../../src/engine/notices-port.ts";
import { createPauses } from "../../src/engine/pauses.ts";
import type { RegistryDesk, ShownRegistry } from "../../src/engine/registry-desk.ts";
import { createStatus } from "../../src/engine/status.ts";
import { type OpenedStore, openStore } from "../../src/store/store.ts";
import { createVault } from "../../src/store/vault.ts";
import {
  account,
  change,
  delivery,
  give,
  held,
  installationId,
  pull,
  record,
  repository,
  request,
  sha,
  type TestClock,
  testClock,
  writeRequest,
} from "../contract/store.samples.ts";
import { hostOf, recordingLog } from "../engine/fakes.ts";
import { REGISTRY } from "./known-registry.ts";
import { openSite, type Site, type World } from "./world.ts";

export const ACME = account("17", "acme");
export const OTHER = account("18", "other");
export const SEVEN = installationId("7");
export const EIGHT = installationId("8");
export const API = repository("1");
export const LIB = repository("2");
export const THEIRS = repository("3");

const OPERATOR = { kind: "operator" } as const;

const SHOWN: ShownRegistry = {
  name: "hub",
  host: "hub.example.com",
  settings: { ...DEFAULT_REGISTRY_SETTINGS, url: "https://hub.example.com", kind: "basic" },
  username: "robot",
  credentials: [{ namespace: "acme", username: "acme-robot" }],
  namespaces: ["acme"],
};

/** Takes all that is sent. */
const quiet = (kind: Notifier["kind"]): Notifier => ({ kind, check: async () => ok(true), send: async () => ok(true) });

const done = async () => ({ ok: true, value: true }) as const;
const DESK: RegistryDesk = {
  list: async () => [SHOWN],
  save: async () => ({ ok: true, value: SHOWN }),
  test: async () => ({ ok: true, value: [{ what: "sign in", ok: true, detail: "it works", todo: "" }] }),
  remove: done,
  setCredential: done,
  removeCredential: done,
  use: done,
};

export interface ApiWorld {
  readonly store: OpenedStore;
  readonly clock: TestClock;
  readonly site: Site;
  readonly tokens: ApiTokens;
  /** Of {@link SEVEN}, unless said otherwise: the text of a new token. */
  token(role: ApiTokenRole, of?: HostId): Promise<string>;
  /** Builds and deliveries by what they are: `queued` and `held` are of {@link SEVEN}, `theirs` of {@link EIGHT}. */
  readonly builds: Readonly<Record<"queued" | "held" | "theirs", string>>;
  readonly deliveries: Readonly<Record<"queued" | "held" | "theirs", string>>;
  /** Asks with a token; answers status, headers and what came as JSON (null: nothing). */
  ask(
    token: string | null,
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<{ readonly status: number; readonly headers: Headers; readonly json: unknown }>;
  close(): Promise<void>;
}

export async function openApi(changes: Partial<World> = {}): Promise<ApiWorld> {
  const clock = testClock();
  const { log } = recordingLog();
  const store = await openStore({ url: "sqlite::memory:", clock, vault: createVault([Buffer.alloc(32, 7)]) });
  for (const [id, whose, repositories] of [
    [SEVEN, ACME, [API, LIB]],
    [EIGHT, OTHER, [THEIRS]],
  ] as const) {
    await store.saveInstallation({ id, account: whose, state: "active", permissions: { checks: "write" } });
    await store.linkRepositories(id, repositories, { complete: true });
    await give(store, whose, whose.login);
  }
  const queued = await planned(store, "first", record([change(null, "a")], [request(change(null, "a"))]));
  const moved = pull(4, "b");
  const stopped = await planned(store, "second", record([moved], [], { held: [held(moved)] }));
  const elsewhere = { repository: THEIRS, installation: EIGHT, namespace: "other" };
  const theirs = await planned(store, "third", record([change(null, "c")], [request(change(null, "c"))], elsewhere));
  const registries = { ofNamespace: async (name: string) => (name === "acme" ? REGISTRY : null) };
  const tokens = createApiTokens({ store, clock, log });
  const site = await openSite({
    ...{ store, sessions: store, clock, registryDesk: DESK, apiTokens: tokens },
    operations: {
      store,
      status: createStatus({
        ...{ store, clock, pauses: createPauses(clock), watches: [] },
        permissions: () => null,
        refusals: { list: () => [] },
      }),
      builders: () => ({ here: null, asked: null }),
      connections: async () => [],
    },
    buildActions: actionsOn(store, clock),
    noticeDesk: createNoticeDesk({ store, notifiers: [quiet("email"), quiet("webhook")], clock }),
    namespaceDesk: createNamespaceDesk({
      store,
      registries: { forAccount: async () => ({ registry: "default" }) },
      policy: { kind: "approve" },
      clock,
      log,
    }),
    accessTokens: createAccessTokens({ store, registries, clock }),
    preview: async () => ({ queued: 1, running: 0, lanes: [], further: 0 }),
    ...changes,
  });
  let made = 0;
  return {
    ...{ store, clock, site, tokens },
    builds: { queued: queued.build, held: stopped.build, theirs: theirs.build },
    deliveries: { queued: queued.delivery, held: stopped.delivery, theirs: theirs.delivery },
    async token(role, of = SEVEN) {
      made += 1;
      const token = await tokens.make(of, { name: `token ${made}`, role, days: 30 }, OPERATOR);
      if (token.kind !== "made") throw new Error(token.why);
      return token.secret;
    },
    async ask(token, method, path, body, headers = {}) {
      const answer = await site.api(`/api/v1${path}`, {
        method,
        headers: {
          ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { "Content-Type": "application/json" }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await answer.text();
      const json: unknown = /^application\/json/.test(answer.headers.get("content-type") ?? "")
        ? JSON.parse(text)
        : null;
      return { status: answer.status, headers: answer.headers, json };
    },
    async close() {
      await site.close();
      await store.close();
    },
  };
}

/** Of a host that has every branch, and no tag. Nobody plans what is ordered, so nobody waits for that. */
function actionsOn(store: OpenedStore, clock: TestClock): BuildActions {
  const host = hostOf([], {
    repository: async (_installation, { id }) => ok({ ...repository(id), archived: false }),
    tip: async (_installation, _repository, ref) =>
      ok(ref.startsWith("refs/heads/") ? { commit: sha("tip"), message: "", committedAt: null } : null),
  });
  const nothing = () => undefined;
  const actions = createBuildActions({
    ...{ store, clock, hosts: [host], pauses: createPauses(clock), write: writeRequest },
    ...{ prepare: async () => undefined, onOrdered: nothing, onChange: nothing },
  });
  return { ...actions, planned: (id) => actions.planned(id, 0) };
}

async function planned(store: OpenedStore, name: string, plan: ReturnType<typeof record>) {
  const { installation, repository: of } = plan;
  await store.append([
    delivery(name, { installationId: installation.id, repositoryId: of.id, repositoryName: of.fullName }),
  ]);
  const [claimed] = await store.claimDeliveries({ limit: 1, leaseMs: 1_000 });
  if (claimed === undefined) throw new Error("what was journalled can be claimed");
  const [build] = await store.recordPlan(claimed.delivery.id, plan);
  if (build === undefined) throw new Error("what was planned is a build");
  return { delivery: claimed.delivery.id, build: build.id };
}
