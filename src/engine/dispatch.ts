/** A queued build meets a builder. */
import { type BuildLimits, type BuildNetwork, buildRequest } from "../core/build-request.ts";
import type { Build, BuildStep, Failure } from "../core/model.ts";
import { backoff, isoTime } from "./loop.ts";
import type { BuildContext, BuildEnd, Builder, Clock, Host, Logger, LogStore, LogWriter, Registry } from "./ports.ts";
import type { BuildResult, ClaimedBuild, Store } from "./store-port.ts";

export interface DispatcherOptions {
  readonly store: Pick<Store, "claimBuild" | "heartbeat" | "finishBuild" | "releaseBuild">;
  readonly logs: Pick<LogStore, "open">;
  readonly builder: Pick<Builder, "build">;
  readonly registry: Pick<Registry, "name" | "digest" | "credentials">;
  readonly hosts: readonly Pick<Host, "provider" | "host" | "cloneCredential">[];
  readonly clock: Clock;
  readonly log: Logger;
  /** Name of this worker, for the lease. */
  readonly worker: string;
  /** Builds at the same time. */
  readonly concurrency: number;
  readonly network: BuildNetwork;
  readonly limits: BuildLimits;
  /** How long a silent worker keeps a build. */
  readonly leaseMs: number;
  readonly heartbeatMs: number;
  /** Called when a build began or ended: its check has changed, and there may be room for the next. */
  onChange(): void;
  /** Called with each ended build, for metrics. */
  onEnd?(build: Build, result: BuildResult): void;
}

export interface Dispatcher {
  /** Starts one build if there is room and one waits; answers whether it did. */
  step(): Promise<boolean>;
  /** Builds under way. */
  running(): number;
  /**
   * No build starts any more. Those under way may finish for `graceMs`; what still runs then is stopped and handed
   * back to the queue, to begin anew elsewhere.
   */
  stop(graceMs: number): Promise<void>;
}

/** Tries of one build when the outside (git host, registry) fails. */
const MAX_ATTEMPTS = 5;
/** Tries of one build in all, those that a stop or a crash of this program ended among them. */
const MAX_BEGUN = 20;

export function createDispatcher(options: DispatcherOptions): Dispatcher {
  const { store, clock, log } = options;
  const underWay = new Map<Promise<void>, AbortController>();
  let stopping = false;

  async function step(): Promise<boolean> {
    if (stopping || underWay.size >= options.concurrency) return false;
    const claimed = await store.claimBuild({ worker: options.worker, leaseMs: options.leaseMs });
    if (claimed === null) return false;
    const stop = new AbortController();
    const work = run(claimed, stop)
      .catch((error: unknown) => log.error({ err: error, build: claimed.build.id }, "build worker failed"))
      .finally(() => {
        underWay.delete(work);
        options.onChange();
      });
    underWay.set(work, stop);
    options.onChange();
    return true;
  }

  async function run(claimed: ClaimedBuild, stop: AbortController): Promise<void> {
    const { build, attempt } = claimed;
    const steps = createSteps(clock);
    const writer = options.logs.open(build.id);
    const beat = startHeartbeat(claimed, steps, stop);
    log.info({ build: build.id, image: build.image, sha: build.planned.sha, attempt }, "build started");
    try {
      const end = await endOf(claimed, steps, writer, stop.signal);
      steps.end();
      const waitMs = waitBeforeRetry(end, attempt);
      if (end.kind === "failed" && waitMs !== null) {
        writer.write(`wharfinger: ${end.failure.message} Trying again in ${Math.round(waitMs / 1_000)} s.\n`);
      }
      // First the log, then the end: checks quote the log's last lines as soon as a build has failed.
      await writer.close();
      await settle(claimed, end, { steps: steps.list(), signal: stop.signal, waitMs });
    } finally {
      await beat.stop();
    }
  }

  /** Never rejects: a build that throws would be begun again whenever its lease ends. */
  async function endOf(claimed: ClaimedBuild, steps: Steps, writer: LogWriter, signal: AbortSignal): Promise<BuildEnd> {
    const { build, attempt } = claimed;
    if (attempt > MAX_BEGUN) {
      return internal(
        `This build was begun ${MAX_BEGUN} times, and this program stopped each time before its end. ` +
          "The operator's log may say why.",
      );
    }
    try {
      return await attemptBuild(claimed, steps, writer, signal);
    } catch (error) {
      log.error({ err: error, build: build.id }, "builder threw");
      return internal("The builder failed with an internal error. The operator's log has the details; try again.");
    }
  }

  async function attemptBuild(
    { build }: ClaimedBuild,
    steps: Steps,
    writer: LogWriter,
    signal: AbortSignal,
  ): Promise<BuildEnd> {
    const host = options.hosts.find(
      (one) => one.provider === build.repository.provider && one.host === build.repository.host,
    );
    if (host === undefined) {
      return internal(`This instance is no longer set up for the host ${build.repository.host}.`);
    }
    const request = buildRequest(build, {
      registry: options.registry.name,
      network: options.network,
      limits: options.limits,
      created: isoTime(clock.now()),
    });
    const context: BuildContext = {
      request,
      cloneCredential: () => host.cloneCredential(build.installation, build.repository),
      push: options.registry.credentials(),
      log: (text) => writer.write(text),
      step: (name) => steps.begin(name),
      signal,
    };
    const end = await options.builder.build(context);
    return end.kind === "built" ? confirm(build, end) : end;
  }

  /** A digest the builder reports counts only when the registry has it. */
  async function confirm(build: Build, end: Extract<BuildEnd, { kind: "built" }>): Promise<BuildEnd> {
    if (!build.planned.push) return end;
    const { digest } = end.image;
    if (digest === null) return internal("The builder pushed the image but did not report a digest.");
    const found = await options.registry.digest(build.image, digest);
    if (!found.ok) {
      const message = `The image was pushed, but the registry could not confirm it: ${found.message}`;
      return { kind: "failed", failure: { class: "push", message }, retryable: found.retryable };
    }
    if (found.value === digest) return end;
    const message = `The registry does not have the image that was pushed (${digest}). Is something deleting from it?`;
    return { kind: "failed", failure: { class: "push", message }, retryable: true };
  }

  async function settle(
    { build, attempt }: ClaimedBuild,
    end: BuildEnd,
    {
      steps,
      signal,
      waitMs,
    }: { readonly steps: readonly BuildStep[]; readonly signal: AbortSignal; readonly waitMs: number | null },
  ): Promise<void> {
    if (end.kind === "stopped" && signal.reason !== "cancel") {
      // Lost: somebody else has it already. Shutdown: hand it back at once.
      if (signal.reason === "shutdown") await store.releaseBuild(build.id, attempt, isoTime(clock.now()));
      log.info({ build: build.id, reason: String(signal.reason) }, "build given back");
      return;
    }
    if (end.kind === "failed" && waitMs !== null) {
      log.warn({ build: build.id, failure: end.failure, attempt }, "build will be tried again");
      await store.releaseBuild(build.id, attempt, isoTime(clock.now() + waitMs));
      return;
    }
    const result = resultOf(end, steps);
    const kept = await store.finishBuild(build.id, attempt, result);
    if (!kept) return log.warn({ build: build.id, attempt }, "build result refused: its lease was lost");
    log.info({ build: build.id, state: result.state, digest: result.digest, failure: result.failure }, "build ended");
    options.onEnd?.(build, result);
  }

  /** Keeps the lease while the build runs, and hears through it that the build should stop. */
  function startHeartbeat(claimed: ClaimedBuild, steps: Steps, stop: AbortController): { stop(): Promise<void> } {
    let heldUntil = clock.now() + options.leaseMs;
    let beating: Promise<void> | null = null;
    async function beat(): Promise<void> {
      try {
        const state = await store.heartbeat(claimed.build.id, claimed.attempt, options.leaseMs, steps.list());
        if (state === "held") heldUntil = clock.now() + options.leaseMs;
        else if (!stop.signal.aborted) stop.abort(state === "cancel" ? "cancel" : "lost");
      } catch (error) {
        log.warn({ err: error, build: claimed.build.id }, "heartbeat failed");
        // Without a lease another worker may be building the same thing by now.
        if (clock.now() > heldUntil && !stop.signal.aborted) stop.abort("lost");
      }
    }
    const timer = setInterval(() => {
      // A slow database must not be asked twice at a time.
      beating ??= beat().finally(() => {
        beating = null;
      });
    }, options.heartbeatMs);
    return {
      async stop() {
        clearInterval(timer);
        await beating;
      },
    };
  }

  return {
    step,
    running: () => underWay.size,
    async stop(graceMs) {
      stopping = true;
      const all = Promise.all(underWay.keys());
      let timer: NodeJS.Timeout | undefined;
      const patience = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, graceMs);
      });
      await Promise.race([all, patience]);
      clearTimeout(timer);
      for (const controller of underWay.values()) if (!controller.signal.aborted) controller.abort("shutdown");
      await all;
    },
  };
}

interface Steps {
  begin(name: string): void;
  end(): void;
  /** The steps so far; the last one is open until the next begins. */
  list(): readonly BuildStep[];
}

function createSteps(clock: Clock): Steps {
  let steps: readonly BuildStep[] = [];
  return {
    begin(name) {
      const now = isoTime(clock.now());
      steps = [...closeLast(steps, now), { name, startedAt: now, finishedAt: null }];
    },
    end() {
      steps = closeLast(steps, isoTime(clock.now()));
    },
    list: () => steps,
  };
}

function closeLast(steps: readonly BuildStep[], at: string): BuildStep[] {
  return steps.map((step) => (step.finishedAt === null ? { ...step, finishedAt: at } : step));
}

function resultOf(end: BuildEnd, steps: readonly BuildStep[]): BuildResult {
  switch (end.kind) {
    case "built":
      return { state: "succeeded", digest: end.image.digest, failure: null, steps };
    case "stopped":
      return { state: "canceled", digest: null, failure: null, steps };
    case "failed": {
      const state = end.failure.class === "timeout" ? "timed_out" : "failed";
      return { state, digest: null, failure: end.failure, steps };
    }
  }
}

/** Milliseconds until the build is tried again; null: it is not. */
function waitBeforeRetry(end: BuildEnd, attempt: number): number | null {
  const again = end.kind === "failed" && end.retryable && attempt < MAX_ATTEMPTS;
  return again ? backoff(attempt, 5_000, 5 * 60_000) : null;
}

function internal(message: string): BuildEnd {
  const failure: Failure = { class: "internal", message };
  return { kind: "failed", failure, retryable: false };
}
