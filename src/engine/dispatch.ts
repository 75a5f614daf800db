/** A queued build meets a builder. */
import type { BuildRequest, SignedRequest } from "../core/build-request.ts";
import type { Build, BuildStep, Failure } from "../core/model.ts";
import type { CredentialExchange } from "./credentials.ts";
import { type Crew, createCrew } from "./crew.ts";
import { createSteps, type Steps, startHeartbeat } from "./lease.ts";
import { backoff, isoTime } from "./loop.ts";
import type { BuildEnd, Builder, Clock, Logger, LogStore, LogWriter } from "./ports.ts";
import type { BuildResult, ClaimedBuild, Store } from "./store-port.ts";

export interface DispatcherOptions {
  readonly store: Pick<Store, "claimBuild" | "heartbeat" | "finishBuild" | "stageBuild" | "releaseBuild">;
  readonly logs: Pick<LogStore, "open">;
  readonly builder: Pick<Builder, "build">;
  /** Throws what tells a request nobody of us signed from one of ours. */
  verify(request: SignedRequest): Promise<BuildRequest>;
  readonly exchange: CredentialExchange;
  readonly clock: Clock;
  readonly log: Logger;
  /** Name of this worker, for the lease. */
  readonly worker: string;
  /** Builds at the same time. */
  readonly concurrency: number;
  /** How long a silent worker keeps a build. */
  readonly leaseMs: number;
  readonly heartbeatMs: number;
  /** Called when a build began, was staged or ended: its check has changed, and there may be room for the next. */
  onChange(): void;
  /** Called with each build that ended here, for metrics: staged ones end when they are published. */
  onEnd?(build: Build, result: BuildResult): void;
}

/** Tries of one build when the outside (git host, registry) fails. */
const MAX_ATTEMPTS = 5;
/** Tries of one build in all, those that a stop or a crash of this program ended among them. */
const MAX_BEGUN = 20;

/** A crew of builders. What a stop interrupts is handed back to the queue, to begin anew elsewhere. */
export function createDispatcher(options: DispatcherOptions): Crew {
  const { store, clock, log } = options;

  async function run(claimed: ClaimedBuild, stop: AbortController): Promise<void> {
    const { build, attempt } = claimed;
    const steps = createSteps(clock);
    const writer = options.logs.open(build.id);
    const beat = startHeartbeat({ id: build.id, attempt, steps, stop }, options);
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
    claimed: ClaimedBuild,
    steps: Steps,
    writer: LogWriter,
    signal: AbortSignal,
  ): Promise<BuildEnd> {
    if (claimed.request === null) {
      return internal("This build was queued by an older version of the program. Push again, or re-run its check.");
    }
    const end = await options.builder.build({
      request: await options.verify(claimed.request),
      credentials: () => options.exchange(claimed.build, claimed.secret),
      log: (text) => writer.write(text),
      step: (name) => steps.begin(name),
      signal,
    });
    return end.kind === "built" && claimed.build.planned.push && end.image.digest === null
      ? internal("The builder pushed the image but did not report a digest.")
      : end;
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
    if (end.kind === "built" && build.planned.push && end.image.digest !== null) {
      const kept = await store.stageBuild(build.id, attempt, { digest: end.image.digest, steps });
      if (!kept) return refused(build, attempt);
      return log.info({ build: build.id, digest: end.image.digest }, "image staged");
    }
    const result = resultOf(end, steps);
    const kept = await store.finishBuild(build.id, attempt, result);
    if (!kept) return refused(build, attempt);
    log.info({ build: build.id, state: result.state, digest: result.digest, failure: result.failure }, "build ended");
    options.onEnd?.(build, result);
  }

  function refused(build: Build, attempt: number): void {
    log.warn({ build: build.id, attempt }, "build result refused: its lease was lost");
  }

  return createCrew({
    size: options.concurrency,
    log,
    claim: () => store.claimBuild({ worker: options.worker, leaseMs: options.leaseMs }),
    work: run,
    onChange: options.onChange,
  });
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
