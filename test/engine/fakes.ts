import type { CheckFacts } from "../../src/core/check.ts";
import type { HostEvent, PullRequestEvent, PushEvent } from "../../src/core/events.ts";
import {
  type Build,
  DEFAULT_POLICY,
  failed,
  type HostId,
  type Installation,
  type Outcome,
  ok,
} from "../../src/core/model.ts";
import type { FetchedFile, Host, Logger, Registry } from "../../src/engine/ports.ts";
import type { ClaimedDelivery, Delivery } from "../../src/engine/store-port.ts";
import { account, change, installationId, repository, request, sha } from "../contract/store.samples.ts";

export interface Line {
  readonly level: "info" | "warn" | "error";
  readonly message: string;
  readonly fields: object;
}

export function recordingLog(): { readonly log: Logger; readonly lines: Line[] } {
  const lines: Line[] = [];
  const at = (level: Line["level"]) => (fields: object, message: string) => {
    lines.push({ level, message, fields });
  };
  return { lines, log: { info: at("info"), warn: at("warn"), error: at("error") } };
}

/** A promise that somebody else settles. */
export function deferred<T = void>(): { readonly promise: Promise<T>; resolve(value: T): void } {
  let settle: (value: T) => void = () => undefined;
  const promise = new Promise<T>((resolve) => {
    settle = resolve;
  });
  return { promise, resolve: (value) => settle(value) };
}

/** Lets everything run that waits for nothing but earlier promises. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

export const INSTALLATION: Installation = {
  ...installationId("7"),
  account: account("17", "acme"),
  state: "active",
  namespace: "acme",
  permissions: {},
  policy: DEFAULT_POLICY,
};

export function buildOf(more: Partial<Build> = {}): Build {
  return {
    id: "build-1",
    registry: "default",
    state: "running",
    repository: repository("1"),
    installation: installationId("7"),
    deliveryId: "1",
    planned: request(change("a", "b")),
    image: "acme/api",
    digest: null,
    tags: null,
    requestDigest: null,
    hold: null,
    approval: null,
    trigger: "event",
    attempt: 1,
    steps: [],
    failure: null,
    createdAt: "2026-11-20T10:00:00.000Z",
    startedAt: "2026-11-20T10:00:00.000Z",
    finishedAt: null,
    ...more,
  };
}

export function factsOf(...builds: Build[]): CheckFacts {
  return { builds, skips: [] };
}

export const PUSH: PushEvent = {
  type: "push",
  repository: repository("1"),
  installation: installationId("7"),
  actor: null,
  changes: [change("a", "b")],
};

/** Pull request 3, from a branch of the repository itself. */
export const PULL: PullRequestEvent = {
  type: "pull_request",
  action: "updated",
  repository: repository("1"),
  installation: installationId("7"),
  number: 3,
  source: { repository: repository("1"), branch: "patch", commit: sha("b"), before: sha("a") },
  checkout: { cloneUrl: repository("1").cloneUrl, ref: "refs/pull/3/head", anonymous: false },
  target: { branch: "main", commit: sha("main") },
  fork: false,
  draft: false,
  queued: false,
  actor: { id: "42", login: "ann" },
};

/** The same from somebody who may not push here. */
export const FORK: PullRequestEvent = {
  ...PULL,
  source: { ...PULL.source, repository: { ...repository("99"), fullName: "eve/api" } },
  checkout: { cloneUrl: "https://github.test/eve/api.git", ref: "refs/heads/patch", anonymous: true },
  fork: true,
};

/** A claimed delivery; what its body says is up to the host. */
export function claimOf(id: string, attempts = 1): ClaimedDelivery {
  const delivery: Delivery = {
    id,
    provider: "github",
    host: "default",
    deliveryId: `guid-${id}`,
    event: "push",
    action: null,
    repositoryId: "1",
    repositoryName: "acme/api",
    installationId: "7",
    receivedAt: "2026-11-20T10:00:00.000Z",
    outcome: "pending",
    note: null,
    attempts,
    builds: [],
    decisions: [],
    trace: [],
  };
  return { delivery, body: Buffer.from("{}") };
}

const CONFIG = "version: 1\nimages:\n  - { name: api, rules: [{ branch: main, tags: [latest] }] }\n";

/** A host that knows everything, each delivery of which holds `events`. */
export function hostOf(events: readonly HostEvent[], more: Partial<Host> = {}): Host {
  return {
    provider: "github",
    host: "default",
    async receive(_delivery, handle) {
      for (const event of events) await handle(event);
    },
    look: async () => ok({ kind: "as-told" }),
    repository: async () => ok(null),
    tip: async () => ok(null),
    file: async (): Promise<Outcome<FetchedFile>> => ok({ kind: "file", text: CONFIG }),
    changedPaths: async () => ok(null),
    tags: async () => ok(null),
    survey: async () => ok(null),
    head: async () => ok(null),
    role: async () => ok("none"),
    installation: async (id: HostId) => ok({ account: account(`1${id.id}`), state: "active", permissions: {} }),
    repositories: async () => ok([]),
    cloneCredential: async () => failed("no credential in this test", { retryable: false }),
    forget: () => undefined,
    ...more,
  };
}

/** Has whatever it is asked for, and does whatever it is told. */
export function registryOf(more: Partial<Registry> = {}): Registry {
  return {
    name: "registry.test",
    digest: async (_repository, reference) => ok(reference),
    check: async () => ok(true),
    occupied: async () => ok(false),
    credentials: () => null,
    copy: async () => ok(true),
    tag: async () => ok(true),
    discard: async () => ok(true),
    ...more,
  };
}
