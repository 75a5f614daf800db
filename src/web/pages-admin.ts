/** `/admin`: what operators look after. */
import type { Request } from "express";
import { hostKey } from "../core/model.ts";
import { isoTime } from "../engine/loop.ts";
import type { FailureCount, RunningBuild, WaitingBuild } from "../engine/operations-port.ts";
import { buildAddress, pauseAddress } from "./addresses.ts";
import { installationsData } from "./installations.ts";
import { type AdminParts, adminPage, operatorsOnly } from "./operations.ts";
import { addAuditPages } from "./pages-admin-audit.ts";
import { addClaimPages } from "./pages-admin-claims.ts";
import { addPausePages } from "./pages-admin-pause.ts";
import { addRegistryPages } from "./pages-admin-registries.ts";
import { paging } from "./paging.ts";
import { pauseSentence } from "./pause-notice.ts";
import { duration, timeView } from "./present.ts";
import { pageQuery } from "./requests.ts";
import { instanceStatusView } from "./status-view.ts";
import type { PageKit } from "./visit.ts";

const HOUR_MS = 60 * 60 * 1_000;
/** Of each kind, on one page. */
const SHOWN = 50;
/** Claims on the overview; all of them are on a page of their own. */
const FIRST = 5;

export function addAdminPages(all: PageKit, parts: AdminParts): void {
  const kit = operatorsOnly(all);
  const { page, send } = kit;
  const { store, clock } = parts;

  page("/admin", async (_req, res, visit) => {
    const [instance, failures, pauses, claims, registries] = await Promise.all([
      parts.status.instance(),
      failureData(parts),
      store.listPauses(),
      parts.namespaceDesk?.claims({ limit: FIRST, cursor: null, waiting: true }) ?? null,
      parts.registryDesk?.list() ?? null,
    ]);
    const now = clock.now();
    send(res, visit, "admin", {
      ...adminPage("Administration", "overview"),
      instance: instanceStatusView(instance, now),
      failures,
      paused: pauses.map(({ scope, name, ...pause }) => ({
        name,
        sentence: pauseSentence({ ...pause, kind: scope.kind }),
        href:
          scope.kind === "installation" ? pauseAddress(scope.id) : scope.kind === "instance" ? "/admin/pause" : null,
      })),
      claims: claims === null ? null : { items: claims.items.map(claimLine), more: claims.next !== null },
      registries: registries?.map(({ name, host, settings }) => ({ name, host, kind: settings.kind })) ?? null,
    });
  });

  page("/admin/queue", async (_req, res, visit) => {
    const [{ running, waiting }, instance, failures] = await Promise.all([
      store.workload(SHOWN),
      store.stats(),
      failureData(parts),
    ]);
    const now = clock.now();
    const { here, asked } = parts.builders();
    send(res, visit, "admin-queue", {
      ...adminPage("Queue and builders", "queue"),
      running: running.map((build) => runningView(build, now)),
      waiting: waiting.map((build) => waitingBuildView(build, now)),
      counts: { running: instance.builds.running, queued: instance.builds.queued },
      here,
      asked: asked?.map(({ address, at }) => ({ address, at: timeView(at, now) })) ?? null,
      failures,
    });
  });

  page("/admin/installations", async (req, res, visit) => {
    const login = searched(req);
    const found = await store.listInstallations({ ...pageQuery(req), ...(login === "" ? {} : { login }) });
    const { installations } = await installationsData(store, found.items);
    send(res, visit, "admin-installations", {
      ...adminPage("Installations", "installations"),
      login,
      installations: installations.map((view, index) => {
        const installation = found.items[index];
        return {
          ...view,
          key: installation === undefined ? "" : hostKey(installation),
          pause: `/admin${view.href}/pause`,
        };
      }),
      ...paging("/admin/installations", req, found),
    });
  });

  page("/admin/connections", async (_req, res, visit) => {
    const now = clock.now();
    const connections = await parts.connections();
    send(res, visit, "admin-connections", {
      ...adminPage("Connections", "connections"),
      connections: connections.map(({ createdAt, workspace, ...connection }) => ({
        ...connection,
        href: `/installations/bitbucket/default/${encodeURIComponent(workspace)}`,
        created: timeView(createdAt, now),
      })),
    });
  });

  if (parts.namespaceDesk !== undefined) addClaimPages(kit, { ...parts, desk: parts.namespaceDesk });
  if (parts.registryDesk !== undefined) addRegistryPages(kit, { ...parts, desk: parts.registryDesk });
  addPausePages(kit, parts);
  addAuditPages(kit, parts);
}

/** What somebody typed to find an account by. */
function searched({ query }: Request): string {
  return typeof query["login"] === "string" ? query["login"].trim().slice(0, 100) : "";
}

function claimLine({ account, namespace, why }: { account: { login: string }; namespace: string | null; why: string }) {
  return { login: account.login, namespace, why };
}

interface FailureView {
  readonly name: FailureCount["class"];
  readonly day: number;
  readonly week: number;
}

async function failureData({ store, clock }: AdminParts): Promise<readonly FailureView[]> {
  const since = (hours: number) => store.failures(isoTime(clock.now() - hours * HOUR_MS));
  const [day, week] = await Promise.all([since(24), since(7 * 24)]);
  const today = new Map(day.map((one) => [one.class, one.count]));
  return week.map((one) => ({ name: one.class, day: today.get(one.class) ?? 0, week: one.count }));
}

function runningView(build: RunningBuild, now: number) {
  const { startedAt, leaseUntil } = build;
  const left = leaseUntil === null ? null : Date.parse(leaseUntil) - now;
  return {
    ...named(build),
    phase: build.phase,
    worker: build.worker,
    attempt: build.attempt,
    stopping: build.stopping,
    running: startedAt === null ? null : duration(now - Date.parse(startedAt)),
    // Whoever has it is not heard of any more: it is begun again as soon as somebody claims it.
    lost: left !== null && left <= 0,
    lease: left === null ? null : duration(Math.abs(left)),
  };
}

function waitingBuildView(build: WaitingBuild, now: number) {
  const { createdAt, notBefore } = build;
  return {
    ...named(build),
    waiting: duration(now - Date.parse(createdAt)),
    next: notBefore === null ? null : duration(Date.parse(notBefore) - now),
  };
}

function named({ id, image, repository }: RunningBuild | WaitingBuild) {
  return { href: buildAddress(id), image, repository };
}
