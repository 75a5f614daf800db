/** A push to the stand-in for Bitbucket, as a scene of a fault run: the product's own adapter, on real HTTP. */

import { createBitbucketAccess } from "../../src/bitbucket/access.ts";
import { createBitbucketHost } from "../../src/bitbucket/host.ts";
import { lifecycleDelivery } from "../../src/bitbucket/lifecycle-delivery.ts";
import { createBitbucketReporter } from "../../src/bitbucket/reporter.ts";
import type { IncomingDelivery } from "../../src/engine/ports.ts";
import type { OpenedStore } from "../../src/store/store.ts";
import { OPERATOR } from "../contract/store.by.ts";
import type { TestClock } from "../contract/store.samples.ts";
import { recordingLog } from "../engine/fakes.ts";
import { descriptorOf } from "../hosts/bitbucket/app-stub.ts";
import type { BitbucketHost, HostInstall, HostRepository, HostWorkspace } from "../hosts/bitbucket/index.ts";
import { type Door, EVENTS, SCOPES } from "./bitbucket-door.ts";
import type { Scene } from "./fault-run.ts";

/** Nobody listens there: what the stand-in sends is taken from its records. */
const NOBODY = "http://127.0.0.1:9";
const FILES = {
  Dockerfile: "FROM scratch\n",
  ".wharfinger.yml": "version: 1\nimages:\n  - { name: api, rules: [{ branch: main, tags: [latest] }] }\n",
};

/** A workspace with a repository, and what its door has given us. */
export interface Granted {
  readonly bitbucket: BitbucketHost;
  readonly workspace: HostWorkspace;
  readonly repository: HostRepository;
  /** Records the grant, and that it was made, as the door does. */
  grant(store: OpenedStore, nowMs: number): Promise<void>;
}

/** `bitbucket` must run with `commitBeforeCallback`: there is nobody to be called back. */
export async function grantThrough(door: Door, bitbucket: BitbucketHost): Promise<Granted> {
  const workspace = bitbucket.workspace("acme");
  const repository = await bitbucket.repository(workspace, "api", { private: true });
  await repository.commit({ message: "Begin", files: FILES });
  if (door === "webhook") {
    const { token } = bitbucket.accessToken({ workspace, scopes: SCOPES });
    bitbucket.addHook({ workspace, url: NOBODY, events: EVENTS, secret: "secret" });
    return { bitbucket, workspace, repository, grant: (store, nowMs) => connect(store, workspace, token, nowMs) };
  }
  const { install } = await bitbucket.install(workspace, { descriptor: descriptorOf(NOBODY, { scopes: SCOPES }) });
  return { bitbucket, workspace, repository, grant: (store, nowMs) => installed(store, install, nowMs) };
}

async function connect(store: OpenedStore, workspace: HostWorkspace, token: string, nowMs: number): Promise<void> {
  const { uuid, slug } = workspace;
  const kind = "organization";
  const news = { event: "connected", host: "default", workspace: { uuid, slug, kind }, door: "webhook" } as const;
  await store.addConnection(
    { id: "one", workspace: uuid, login: slug, kind, repository: null, secrets: ["secret"], token, hook: null },
    lifecycleDelivery({ ...news, id: "1", nowMs }),
    OPERATOR,
  );
}

async function installed(store: OpenedStore, { clientKey, secret, workspace }: HostInstall, nowMs: number) {
  const { uuid, slug } = workspace;
  const account = { kind: "organization", login: slug } as const;
  await store.addConnectCandidate({ clientKey, workspace: uuid, secret });
  const [candidate] = await store.claimConnectCandidates({ limit: 1, leaseMs: 60_000 });
  const news = { event: "installed", host: "default", workspace: { uuid, slug, kind: account.kind } } as const;
  const delivery = lifecycleDelivery({ ...news, door: "connect", id: "1", nowMs });
  await store.proveConnectCandidate(candidate?.id ?? "", account, delivery);
}

/**
 * A new commit is pushed as soon as the grant is recorded as an installation. `patienceMs`: how long the program waits for
 * an answer; on a busy machine answers that do come take their time, and must not count as faults.
 */
export async function createBitbucketScene(
  granted: Granted,
  clock: TestClock,
  { patienceMs = 10_000 }: { readonly patienceMs?: number } = {},
): Promise<Scene> {
  const { bitbucket, repository, workspace } = granted;
  const { sha, deliveries } = await repository.push([{ branch: "main", files: { n: String(clock.now()) } }]);
  const sent = bitbucket.deliveries.find(({ requestUuid }) => requestUuid === deliveries[0]?.requestUuid);
  if (sent === undefined) throw new Error("nothing was sent");
  const push: IncomingDelivery = {
    provider: "bitbucket",
    host: "default",
    deliveryId: sent.requestUuid,
    event: sent.event,
    action: null,
    stream: `repo:${repository.uuid}`,
    repositoryId: repository.uuid,
    repositoryName: repository.fullName,
    installationId: workspace.uuid,
    receivedAt: clock.now(),
    body: Buffer.from(sent.body),
  };
  let isGranted = false;
  let isPushed = false;
  return {
    clock,
    async arrive(store) {
      if (!isGranted) await granted.grant(store, clock.now());
      isGranted = true;
      const id = { provider: "bitbucket", host: "default", id: workspace.uuid } as const;
      if (isPushed || (await store.getInstallation(id)) === null) return;
      await store.append([push]);
      isPushed = true;
    },
    sides(store) {
      const { url: webUrl, apiUrl } = bitbucket;
      const access = createBitbucketAccess({
        host: "default",
        webUrl,
        apiUrl,
        appKey: "an-app",
        appSecret: null,
        grants: store,
        clock,
        timeoutMs: patienceMs,
      });
      const { log } = recordingLog();
      return {
        host: createBitbucketHost({ access, grants: store, clock, log }),
        reporter: createBitbucketReporter({ access }),
      };
    },
    isConcluded: () => repository.reports(sha).length > 0 && repository.statuses(sha).every(isFinal),
    problems() {
      const statuses = repository.statuses(sha).map(({ name, state, refname }) => `${name} ${state} on ${refname}`);
      const reports = repository.reports(sha).map(({ content }) => content["result"]);
      const problems: string[] = [];
      if (statuses.join() !== "wharfinger SUCCESSFUL on main") problems.push(`statuses: ${statuses.join() || "none"}`);
      if (reports.join() !== "PASSED") problems.push(`reports: ${reports.join() || "none"}`);
      return problems;
    },
  };
}

function isFinal({ state }: { readonly state: string }): boolean {
  return state !== "INPROGRESS";
}
