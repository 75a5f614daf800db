/** Puts the rooms together, listens, and stops in order. The one place where edges meet. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Build, Installation } from "./core/model.ts";
import { GRACE_MS } from "./core/reconcile.ts";
import { createAccessTokens } from "./engine/access-tokens.ts";
import { createApiTokens } from "./engine/api-tokens.ts";
import { createAuthorizer } from "./engine/authorize.ts";
import { createBadges } from "./engine/badges.ts";
import { createBuildActions } from "./engine/build-actions.ts";
import { createClaims } from "./engine/claims.ts";
import { createInbox } from "./engine/inbox.ts";
import { createInstallations } from "./engine/installations.ts";
import { startLoop } from "./engine/loop.ts";
import { withMemory } from "./engine/memory.ts";
import { createMissed } from "./engine/missed.ts";
import { createNamespaceDesk } from "./engine/namespace-desk.ts";
import { createNoticeDesk, createNotices } from "./engine/notices.ts";
import { createPauses } from "./engine/pauses.ts";
import { createProcessor } from "./engine/process.ts";
import { createPromoter, createStagingCleaner } from "./engine/promote.ts";
import { createReconciler } from "./engine/reconcile.ts";
import { createReplay } from "./engine/replay.ts";
import { createReports } from "./engine/report.ts";
import { createRuleBook } from "./engine/rule-book.ts";
import { createSeenRoles } from "./engine/seen-roles.ts";
import { createRequestVerifier } from "./engine/signing.ts";
import { createRefusals } from "./engine/status.ts";
import type { Store } from "./engine/store-port.ts";
import { createSurveys } from "./engine/surveys.ts";
import { createTrials } from "./engine/trial.ts";
import { createUninstall } from "./engine/uninstall.ts";
import { createUpkeep } from "./engine/upkeep.ts";
import { createHttpBuilders } from "./http-builders.ts";
import { createIntake, serverLimits } from "./intake/receive.ts";
import { closeServer, listen } from "./listening.ts";
import { createOperations } from "./operations.ts";
import { createRequestWriter } from "./request-writer.ts";
import type { Parts, Running, ServerSettings } from "./server-parts.ts";
import { version } from "./version.ts";
import { createFramedReaders } from "./web/framed.ts";
import { createFramedSettings } from "./web/framed-settings.ts";
import { createMetrics } from "./web/metrics.ts";
import { createViews } from "./web/views.ts";
import { createWeb } from "./web/web.ts";
import { LEASE_MS, POLL_MS, STOP_GRACE_MS, startWorker, WORKER_NAME, type Worker } from "./worker.ts";

/** Of what publishes: it goes on where it was stopped. */
const PROMOTION_GRACE_MS = 2_000;
/** Longer than the inbox's deadline: every request under way gets its answer. */
const CLOSE_MS = 9_000;
const MINUTE_MS = 60 * 1_000;
/** At the same time; of one image never more than one. */
const PROMOTIONS = 4;
const HOUR_MS = 60 * 60 * 1_000;
const MISSED_MS = 3 * MINUTE_MS;
/** Often, so that what an account has just let us see is soon known; each repository has its own time. */
const COMPARING = { everyMs: 20_000, graceMs: GRACE_MS };

/** Starts everything in one process; resolves when it listens. Takes over `parts.store` and closes it at the end. */
export async function startServer(parts: Parts, settings: ServerSettings): Promise<Running> {
  const { store, logs, registries, builder, clock, log } = parts;
  const pauses = createPauses(clock);
  const metrics = createMetrics();
  const hosts = parts.hosts.map((one) => withMemory(one.host));
  const leaseMs = settings.leaseMs ?? LEASE_MS;
  const workerSettings = { concurrency: settings.builds.concurrency, leaseMs };
  // Builds that wait may be signed with a key from before this start.
  const requestKeys = async () => (await store.requestKeys()).map((key) => key.publicKey);
  const write = createRequestWriter(registries, parts.signer, settings.builds);
  const registryHost = async (build: Build) => (await registries.named(build.registry))?.host ?? null;

  const claims = createClaims({
    store,
    registries,
    policy: settings.namespaces,
    log,
    onGranted: () => loops?.processing.wake(),
  });
  const processor = createProcessor({
    store,
    hosts,
    installations: createInstallations({ store, claims, log }),
    pauses,
    clock,
    log,
    write,
    onRecorded(outcome) {
      metrics.processed(outcome);
      // Perhaps an account has left.
      if (outcome === "applied") loops?.uninstalling.wake();
      worker?.wake();
      httpBuilders?.wake();
      loops?.reporting.wake();
    },
  });
  const onChange = () => {
    loops?.promoting.wake();
    loops?.reporting.wake();
  };
  const httpBuilders =
    parts.httpBuilders === undefined
      ? null
      : createHttpBuilders(parts.httpBuilders, parts, {
          verify: async (request) => createRequestVerifier(await requestKeys())(request),
          leaseMs,
          onChange,
          onEnd: metrics.ended,
        });
  const promoter = createPromoter({
    worker: WORKER_NAME,
    leaseMs,
    heartbeatMs: leaseMs / 3,
    store,
    place: registries.place,
    clock,
    log,
    concurrency: PROMOTIONS,
    onChange() {
      onChange();
      loops?.cleaning.wake();
    },
    onEnd: metrics.ended,
  });
  const cleaner = createStagingCleaner({ store, place: registries.place, log });
  const reports = createReports({
    store,
    logs,
    reporter: ({ provider, host }) =>
      parts.hosts.find((one) => one.host.provider === provider && one.host.host === host)?.reporter ?? null,
    pauses,
    clock,
    log,
    publicUrl: settings.publicUrl,
    registryHost,
  });
  const { notifiers = [] } = parts;
  const notices = createNotices({ store, notifiers, logs, clock, log, publicUrl: settings.publicUrl });
  const upkeep = createUpkeep({ store, clock, log, ...settings.retention });
  const uninstall = createUninstall({ store, logs, clock, log, keepDays: settings.retention.uninstalledDays });

  const inbox = createInbox(store, {
    onStored: () => loops?.processing.wake(),
    onError: (error) => log.error({ err: error }, "deliveries could not be stored"),
  });
  const refusals = createRefusals(clock);
  const intake = createIntake({
    entrances: parts.hosts.flatMap((one) => one.entrances),
    inbox,
    log,
    onAnswer(path, status, ms) {
      metrics.answered(status, ms);
      refusals.note(path, status);
    },
  });
  const views = createViews(settings.views, version);
  const surveys = createSurveys({ hosts, pauses, clock, log });
  const stopping = new AbortController();
  const missedMs = settings.missedMs ?? MISSED_MS;
  const missed = createMissed({
    sources: parts.hosts.flatMap((one) => one.missed ?? []),
    store,
    accept: inbox.accept,
    everyMs: missedMs,
    clock,
    log,
    signal: stopping.signal,
    onFetched: metrics.fetched,
  });
  const { everyMs: comparingMs, ...comparing } = settings.comparing ?? COMPARING;
  const reconciler = createReconciler({
    hosts: parts.hosts.flatMap(({ refs }, index) => {
      const host = hosts[index];
      return refs === undefined || host === undefined ? [] : [{ host, refs }];
    }),
    store,
    accept: inbox.accept,
    pauses,
    clock,
    log,
    ...comparing,
    signal: stopping.signal,
    onFound: metrics.found,
  });
  const permissions = (installation: Installation) =>
    parts.hosts
      .find(({ host }) => host.provider === installation.provider && host.host === installation.host)
      ?.permissions?.(installation) ?? null;
  const { concurrency } = settings.builds;
  const buildActions = createBuildActions({
    store,
    hosts,
    pauses,
    clock,
    write,
    prepare: registries.all,
    onOrdered: () => loops?.processing.wake(),
    onChange() {
      worker?.wake();
      httpBuilders?.wake();
      onChange();
    },
  });
  const authorizer = createAuthorizer({ hosts, seen: createSeenRoles(clock), log });
  const { preview } = createReplay({ store, hosts, pauses, clock, log });
  const accessTokens = createAccessTokens({ store, registries, clock });
  const namespaceDesk = createNamespaceDesk({ store, registries, policy: settings.namespaces, clock, log });
  const apiTokens = createApiTokens({ store, clock, log });
  const noticeDesk = createNoticeDesk({ store, notifiers, clock });
  const badges = createBadges({ store, publicUrl: settings.publicUrl });
  const settingsExtras = {
    registryOf: registries.ofNamespace,
    permissions,
    rules: createRuleBook({ hosts, pauses, clock }),
    trials: createTrials({ store, hosts, pauses, clock }),
    builds: buildActions,
    apiTokens,
    noticeDesk,
    badges,
  };
  const readers = createFramedReaders({ store, clock });
  const settingsParts = { store, surveys, preview, accessTokens, namespaceDesk, ...settingsExtras, clock, log };
  const addon = await parts.addon?.routes({
    onCandidate: () => loops?.proving?.wake(),
    render: views.render,
    readers,
    settings: createFramedSettings(settingsParts, { authorizer, readers }),
  });
  const web = createWeb({
    store,
    surveys,
    authorizer,
    preview,
    logs,
    adminToken: settings.adminToken,
    sessions: store,
    installPages: new Map(
      parts.hosts.flatMap(({ host, installPage }) => (installPage ? [[host.host, installPage]] : [])),
    ),
    operators: new Set(settings.operators),
    ...(settings.apiRate === undefined ? {} : { tokenRate: settings.apiRate }),
    identities: parts.identities ?? [],
    publicUrl: settings.publicUrl,
    clock,
    log,
    metrics,
    accessTokens,
    apiTokens,
    registryHost,
    ...(parts.registryDesk === undefined ? {} : { registryDesk: parts.registryDesk }),
    settings: settingsExtras,
    buildActions,
    namespaceDesk,
    registry: parts.registryDoors,
    noticeDesk,
    badges,
    operations: createOperations(parts, { pauses, refusals, httpBuilders, concurrency, permissions }),
    ...(httpBuilders === null ? {} : { builder: httpBuilders.door }),
    ...(addon === undefined ? {} : { addon }),
    views,
    stopping: stopping.signal,
    ready: () => readiness(parts),
  });
  const server = createServer(serverLimits(), (req, res) => {
    if (!intake.handle(req, res)) web(req, res);
  });

  /** Requests are written for registries as they are known: no older than the step. */
  async function processing(): Promise<boolean> {
    await registries.all();
    return await processor.step();
  }

  function startLoops() {
    return {
      processing: startLoop({ name: "process", idleMs: POLL_MS, log, step: processing }),
      promoting: startLoop({ name: "promote", idleMs: POLL_MS, log, step: promoter.step }),
      cleaning: startLoop({ name: "clean", idleMs: MINUTE_MS, log, step: cleaner.step }),
      reporting: startLoop({ name: "report", idleMs: POLL_MS, log, step: reports.step }),
      uninstalling: startLoop({ name: "uninstall", idleMs: MINUTE_MS, log, step: uninstall.step }),
      telling: startLoop({ name: "tell", idleMs: POLL_MS, log, step: notices.step }),
      missing: startLoop({ name: "missed", idleMs: missedMs, log, step: missed.step }),
      comparing: startLoop({ name: "compare", idleMs: comparingMs, log, step: reconciler.step }),
      caring: startLoop({ name: "upkeep", idleMs: HOUR_MS, log, step: upkeep.step }),
      proving: parts.addon ? startLoop({ name: "prove", idleMs: POLL_MS, log, step: parts.addon.prover.step }) : null,
    };
  }

  /** Null until the address is ours: a second start by mistake must take no work from the first. */
  let loops: ReturnType<typeof startLoops> | null = null;
  let worker: Worker | null = null;
  let forget: (() => void) | null = null;

  /** Another process may have changed something. */
  function wakeFor(topic: Parameters<Parameters<Store["onChange"]>[0]>[0]): void {
    if (topic === "deliveries") loops?.processing.wake();
    if (topic === "checks") loops?.reporting.wake();
    if (topic === "builds") {
      worker?.wake();
      httpBuilders?.wake();
      loops?.promoting.wake();
    }
  }

  async function shutDown(): Promise<void> {
    const graceMs = settings.stopGraceMs ?? STOP_GRACE_MS;
    log.info({ running: (worker?.running() ?? 0) + promoter.running() }, "stopping");
    forget?.();
    stopping.abort();
    surveys.stop();
    // At the same time: who stops us does not wait for long. What is stored from now on is processed after the start.
    await Promise.all([
      httpBuilders?.stop(),
      closeServer(server, CLOSE_MS).then(() => inbox.drain()),
      loops?.processing.stop(),
      loops?.missing.stop(),
      loops?.comparing.stop(),
      loops?.caring.stop(),
      loops?.telling.stop(),
      loops?.uninstalling.stop(),
      loops?.proving?.stop(),
      loops?.cleaning.stop(),
      worker?.stop(graceMs),
    ]);
    // After the builds: what they staged last is published now, or at the next start.
    await loops?.promoting.stop();
    await promoter.stop(Math.min(graceMs, PROMOTION_GRACE_MS));
    // Builds that just ended have checks to conclude; what the host does not take now is due at the next start.
    if (loops !== null) {
      await loops.reporting.stop();
      await reports.step().catch((error: unknown) => log.warn({ err: error }, "last checks not shown"));
    }
    await store.close();
    log.info({}, "stopped");
  }

  let stopped: Promise<void> | null = null;
  function stop(): Promise<void> {
    stopped ??= shutDown();
    return stopped;
  }

  try {
    await listen(server, settings);
    await registries.refresh();
    await store.takeOver();
    await store.saveRequestKey(parts.signer);
    await claims.begin();
    loops = startLoops();
    if (builder !== null)
      worker = startWorker({ ...parts, builder, requestKeys }, workerSettings, { onChange, onEnd: metrics.ended });
    httpBuilders?.start();
    forget = store.onChange(wakeFor);
  } catch (error) {
    await stop();
    throw error;
  }
  const address = server.address() as AddressInfo;
  const url = `http://${address.family === "IPv6" ? `[${address.address}]` : address.address}:${address.port}`;
  log.info(
    {
      url,
      version,
      builder: builder?.name ?? (httpBuilders === null ? "others" : "webhook"),
      registries: (await registries.all()).map(({ host }) => host),
    },
    "listening",
  );
  return { url, stop };
}

/** What `/readyz` asks: can deliveries be stored, and are there hosts they may come from? */
async function readiness({ store, hosts, log }: Parts): Promise<{ name: string; ok: boolean; detail: string }[]> {
  const database = await store.ping().then(
    () => ({ name: "database", ok: true, detail: "writable" }),
    (error: unknown) => {
      // Anybody may ask; the error's own words may hold paths.
      log.error({ err: error }, "the database can not be written to");
      return { name: "database", ok: false, detail: "can not be written to; the log says why" };
    },
  );
  const names = hosts.map((one) => `${one.host.provider} (${one.host.host})`);
  return [database, { name: "hosts", ok: names.length > 0, detail: names.join(", ") || "none is configured" }];
}
