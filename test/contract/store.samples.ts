import { createHash } from "node:crypto";
import type { By } from "../../src/core/audit.ts";
import {
  type Account,
  type Change,
  type HeldBuild,
  type HostId,
  laneOf,
  type PlannedBuild,
  type PullRequest,
  type PullRequestChange,
  parseSha,
  type RefChange,
  type Repository,
  type Sha,
  type Skip,
} from "../../src/core/model.ts";
import type { IncomingDelivery } from "../../src/engine/ports.ts";
import type { NewBuild, PlanRecord, RequestWriter, Store } from "../../src/engine/store-port.ts";

/** A time that moves only when a test says so. */
export interface TestClock {
  now(): number;
  advance(ms: number): void;
}

export function testClock(): TestClock {
  let now = Date.parse("2026-11-20T10:00:00.000Z");
  return {
    now: () => now,
    advance: (ms) => {
      now += ms;
    },
  };
}

export function sha(seed: string): Sha {
  const value = parseSha(createHash("sha1").update(seed).digest("hex"));
  if (value === null) throw new Error("sha1 answers 40 hex digits");
  return value;
}

export function installationId(id: string): HostId {
  return { provider: "github", host: "default", id };
}

export function account(id: string, login = `account-${id}`): Account {
  return { provider: "github", host: "default", id, login, kind: "organization" };
}

export function repository(id: string): Repository {
  return {
    provider: "github",
    host: "default",
    id,
    fullName: `acme/repository-${id}`,
    private: true,
    defaultBranch: "main",
    cloneUrl: `https://github.test/acme/repository-${id}.git`,
    webUrl: `https://github.test/acme/repository-${id}`,
  };
}

export function delivery(deliveryId: string, change: Partial<IncomingDelivery> = {}): IncomingDelivery {
  return {
    provider: "github",
    host: "default",
    deliveryId,
    event: "push",
    action: null,
    stream: `repo:${deliveryId}`,
    repositoryId: "1",
    repositoryName: "acme/repository-1",
    installationId: "7",
    receivedAt: Date.parse("2026-11-20T09:59:59.000Z"),
    body: Buffer.from(`{"delivery":"${deliveryId}"}`),
    ...change,
  };
}

/** A push of `main` from one commit to another. */
export function change(before: string | null, after: string, ref = "refs/heads/main"): RefChange {
  const kind = ref.startsWith("refs/tags/") ? "tag" : "branch";
  return {
    kind,
    ref,
    name: ref.replace(/^refs\/(heads|tags)\//, ""),
    before: before === null ? null : sha(before),
    after: sha(after),
    commit: sha(after),
    forced: false,
    message: "",
  };
}

/** Pull request `number` with this head, null once it was closed, from a branch of that name, of a fork or not. */
export function pull(number: number, head: string | null, more: Partial<PullRequest> = {}): PullRequestChange {
  const [after, ref] = [head === null ? null : sha(head), "refs/heads/patch"];
  const cloneUrl = `https://github.test/fork-${number}/repository-1.git`;
  return {
    kind: "pull_request",
    ref,
    name: String(number),
    before: null,
    after,
    commit: after,
    forced: false,
    message: "",
    pull: {
      number,
      target: "main",
      targetCommit: null,
      fork: true,
      draft: false,
      closed: head === null,
      queued: false,
      checkout: { cloneUrl, ref, anonymous: true },
      ...more,
    },
  };
}

/** As forks have it: built once somebody said so, never published. */
export function held(moved: PullRequestChange, image = "api", more: Partial<HeldBuild> = {}): HeldBuild {
  const hold = { reason: "awaiting-approval", detail: `#${moved.pull.number} waits for somebody` } as const;
  return { ...request(moved, image, { push: false, trust: "untrusted" }), hold, ...more };
}

export function request(moved: Change, image = "api", more: Partial<PlannedBuild> = {}): PlannedBuild {
  if (moved.after === null || moved.commit === null) throw new Error("nothing is built of a deleted ref");
  const context = more.inputs?.context ?? ".";
  const lane = laneOf(moved);
  return {
    key: createHash("sha256").update([lane, moved.before, moved.after, image, context].join(" ")).digest("hex"),
    image,
    tags: ["latest"],
    ref: moved.ref,
    ...(lane !== moved.ref && { lane }),
    kind: moved.kind,
    before: moved.before,
    after: moved.after,
    sha: moved.commit,
    rules: ["images[0].rules[0]"],
    push: true,
    trust: "trusted",
    supersede: "newest",
    inputs: {
      context,
      dockerfile: "Dockerfile",
      target: null,
      testTarget: null,
      buildArgs: { GO_VERSION: "1.26" },
      platforms: [],
      labels: {},
      cache: true,
    },
    ...(moved.kind === "pull_request" && { pull: pullOf(moved) }),
    ...more,
  };
}

function pullOf({ pull: { number, target, fork } }: PullRequestChange): NonNullable<PlannedBuild["pull"]> {
  return { number, target, fork };
}

export function skip(moved: Change, image: string | null, reason: Skip["reason"] = "paths-unchanged"): Skip {
  const lane = laneOf(moved);
  const place = { ref: moved.ref, ...(lane !== moved.ref && { lane }), sha: moved.commit };
  return { ...place, image, rule: null, reason, detail: `not built: ${reason}` };
}

export const CONFIG_DIGEST = `sha256:${"c".repeat(64)}`;

/** Not a real signature: the store keeps what it is given. */
export const writeRequest: RequestWriter = (build, origin) => {
  const document = JSON.stringify({ id: build.id, image: build.image, trigger: build.trigger, ...origin });
  return { document, digest: `digest of ${build.id}`, keyId: "key", signature: `signature of ${build.id}` };
};

export function record(
  changes: readonly Change[],
  requests: readonly PlannedBuild[],
  more: Partial<PlanRecord> & { readonly skips?: readonly Skip[]; readonly held?: readonly HeldBuild[] } = {},
): PlanRecord {
  const { skips = [], held = [], ...rest } = more;
  return {
    repository: repository("1"),
    installation: installationId("7"),
    namespace: "acme",
    trigger: "event",
    changes,
    cancel: [],
    plan: { requests, held, skips, diagnostics: [], trace: [] },
    actor: "42",
    configDigests: new Map(changes.map((change) => [laneOf(change), CONFIG_DIGEST])),
    write: writeRequest,
    report: [],
    ...rest,
  };
}

const OPERATOR: By = { kind: "operator" };

/** As the operator, who stops nothing. */
export async function pause(store: Store, kind: "installation" | "repository", id: HostId): Promise<void> {
  if ((await store.pause({ kind, id }, { by: OPERATOR, stop: false })) === null) throw new Error(`no ${kind} to pause`);
}

export async function resume(store: Store, kind: "installation" | "repository", id: HostId): Promise<void> {
  if ((await store.resume({ kind, id }, OPERATOR)) === null) throw new Error(`no ${kind} to resume`);
}

/** As the operator: the account may write the namespace, whoever else may. */
export async function give(store: Pick<Store, "grantNamespace">, to: Account, namespace: string): Promise<void> {
  const insisting = { share: true, anyway: true, registry: "default", why: "a test wants it", by: OPERATOR };
  const given = await store.grantNamespace({ ...insisting, namespace, account: to, login: to.login });
  if (given.kind !== "given") throw new Error(`${to.login} was not given ${namespace}`);
}

/** The record's installation, active, with an account of its own that may write the namespace, covering the repository. */
export async function cover(store: Store, { installation, repository, namespace }: PlanRecord): Promise<void> {
  const owner = account(`1${installation.id}`);
  await store.saveInstallation({ id: installation, account: owner, state: "active", permissions: {} });
  await give(store, owner, namespace ?? "acme");
  await store.linkRepositories(installation, [repository], { complete: false });
}

/** Records a plan of an installation and repository that are there, as the engine does. */
export async function recordCovered(store: Store, deliveryId: string, what: PlanRecord): Promise<readonly NewBuild[]> {
  await cover(store, what);
  return store.recordPlan(deliveryId, what);
}
