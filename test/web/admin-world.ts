/** Pages of the instance itself, over a real database. */

import type { By } from "../../src/core/audit.ts";
import { hostKey } from "../../src/core/model.ts";
import { DEFAULT_REGISTRY_SETTINGS } from "../../src/core/registry-settings.ts";
import type { Pauses } from "../../src/engine/pauses.ts";
import type { RegistryDesk, ShownRegistry } from "../../src/engine/registry-desk.ts";
import { createRefusals, createStatus, type RateBudget } from "../../src/engine/status.ts";
import { createGithubPermissionBook } from "../../src/github/permission-book.ts";
import type { OpenedStore } from "../../src/store/store.ts";
import type { Builders, ListedConnection } from "../../src/web/operations.ts";
import { testClock } from "../contract/store.samples.ts";
import { openSettings, type SettingsWorld } from "./settings-world.ts";
import type { World } from "./world.ts";

export const DEFAULT: ShownRegistry = {
  name: "default",
  host: "registry.example.com",
  settings: { ...DEFAULT_REGISTRY_SETTINGS, url: "https://registry.example.com", kind: "token" },
  username: null,
  credentials: [],
  namespaces: ["acme"],
};

export const HUB: ShownRegistry = {
  name: "hub",
  host: "index.docker.io",
  settings: {
    ...DEFAULT_REGISTRY_SETTINGS,
    url: "https://index.docker.io",
    kind: "basic",
    accounts: ["github:default"],
  },
  username: "harbourmaster",
  credentials: [{ namespace: "acme", username: "acme-bot" }],
  namespaces: [],
};

/** A desk that does what it is told, but for what the test has it refuse; it takes down what it was told. */
export interface TestDesk extends RegistryDesk {
  readonly told: unknown[];
  registries: ShownRegistry[];
  refusal: Extract<Awaited<ReturnType<RegistryDesk["remove"]>>, { ok: false }> | null;
}

export function createTestDesk(): TestDesk {
  const answer = <T>(what: string, value: T, ...given: readonly unknown[]) => {
    desk.told.push([what, ...given]);
    return Promise.resolve(desk.refusal ?? ({ ok: true, value } as const));
  };
  const desk: TestDesk = {
    told: [],
    registries: [DEFAULT, HUB],
    refusal: null,
    list: async () => desk.registries,
    save: (name, given, credential, by) => answer("save", { ...HUB, name }, name, given, credential, by),
    remove: (name, by) => answer("remove", true, name, by),
    test: (name) =>
      answer(
        "test",
        [
          { what: 'sign in as "harbourmaster"', ok: true, detail: "works", todo: "" },
          {
            what: "push to staging/check",
            ok: false,
            detail: "denied: <b>no</b>",
            todo: "Give it a token that may push.",
          },
        ],
        name,
      ),
    setCredential: (name, namespace, credential, by) => answer("credential", true, name, namespace, credential, by),
    removeCredential: (name, namespace, by) => answer("forget", true, name, namespace, by),
    use: (name, namespace, by) => answer("use", true, name, namespace, by),
  };
  return desk;
}

export interface AdminWorld extends SettingsWorld {
  readonly desk: TestDesk;
  readonly refusals: ReturnType<typeof createRefusals>;
  /** By {@link hostKey}. */
  readonly budgets: Map<string, readonly RateBudget[]>;
  /** Milliseconds until a host may be asked, by {@link hostKey}. */
  readonly waits: Map<string, number>;
  readonly connections: ListedConnection[];
  builders: Builders;
}

export const OPERATOR: By = { kind: "operator" };

export async function openAdmin(changes: Partial<World> = {}): Promise<AdminWorld> {
  // The database is opened by the world below, and nobody asks before.
  const opened: { store: OpenedStore | null; clock: { now(): number } } = { store: null, clock: testClock() };
  const store = () => {
    if (opened.store === null) throw new Error("no store is open");
    return opened.store;
  };
  const clock = { now: () => opened.clock.now() };
  const refusals = createRefusals(clock);
  const own = {
    desk: createTestDesk(),
    refusals,
    budgets: new Map<string, readonly RateBudget[]>(),
    waits: new Map<string, number>(),
    connections: [] as ListedConnection[],
    builders: { here: { builder: "buildah", worker: "host:1", concurrency: 2 }, asked: null } as Builders,
  };
  const pauses: Pick<Pauses, "left"> = { left: (id) => own.waits.get(hostKey(id)) ?? 0 };
  const status = createStatus({
    store: {
      stats: () => store().stats(),
      standings: (of) => store().standings(of),
    },
    watches: [{ provider: "github", host: "default", budgets: async (id) => own.budgets.get(hostKey(id)) ?? [] }],
    pauses,
    permissions: createGithubPermissionBook("https://github.com"),
    refusals,
    clock,
  });
  const world = await openSettings({
    registryDesk: own.desk,
    operations: {
      status,
      store: {
        workload: (limit) => store().workload(limit),
        failures: (since) => store().failures(since),
        auditAfter: (after, query) => store().auditAfter(after, query),
      },
      builders: () => own.builders,
      connections: async () => own.connections,
    },
    ...changes,
  });
  opened.store = world.store;
  opened.clock = world.clock;
  return Object.assign(own, world);
}
