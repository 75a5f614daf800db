/** A queued build meets a builder. */
import type { BuildRequest, SignedRequest } from "../core/build-request.ts";
import type { Build, BuildStep } from "../core/model.ts";
import type { CredentialExchange } from "./credentials.ts";
import { type Crew, createCrew } from "./crew.ts";
import { createSteps, type Steps, startHeartbeat } from "./lease.ts";
import { isoTime } from "./loop.ts";
import type { BuildEnd, Builder, Clock, Logger, LogStore, LogWriter } from "./ports.ts";
import { createSettle, internal, readRequest, retryNote } from "./settle.ts";
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

/** A crew of builders. What a stop interrupts is handed back to the queue, to begin anew elsewhere. */
export function createDispatcher(options: DispatcherOptions): Crew {
  const { store, clock, log } = options;
  const settle = createSettle(options);

  async function run(claimed: ClaimedBuild, stop: AbortController): Promise<void> {
    const { build, attempt } = claimed;
    const steps = createSteps(clock);
    const writer = options.logs.open(build.id);
    const beat = startHeartbeat({ id: build.id, attempt, steps, stop }, options);
    log.info({ build: build.id, image: build.image, sha: build.planned.sha, attempt }, "build started");
    try {
      const end = await endOf(claimed, steps, writer, stop.signal);
      steps.end();
      const note = end.kind === "stopped" ? null : retryNote(end, attempt);
      if (note !== null) writer.write(`${note}\n`);
      // First the log, then the end: checks quote the log's last lines as soon as a build has failed.
      await writer.close();
      await record(claimed, end, steps.list(), stop.signal);
    } finally {
      await beat.stop();
    }
  }

  /** Never rejects: a build that throws would be begun again whenever its lease ends. */
  async function endOf(claimed: ClaimedBuild, steps: Steps, writer: LogWriter, signal: AbortSignal): Promise<BuildEnd> {
    try {
      return await attemptBuild(claimed, steps, writer, signal);
    } catch (error) {
      log.error({ err: error, build: claimed.build.id }, "builder threw");
      return internal("The builder failed with an internal error. The operator's log has the details; try again.");
    }
  }

  async function attemptBuild(
    claimed: ClaimedBuild,
    steps: Steps,
    writer: LogWriter,
    signal: AbortSignal,
  ): Promise<BuildEnd> {
    const read = await readRequest(claimed, options.verify);
    if ("end" in read) return read.end;
    return await options.builder.build({
      request: read.request,
      credentials: () => options.exchange(claimed.build, claimed.secret),
      log: (text) => writer.write(text),
      step: (name) => steps.begin(name),
      signal,
    });
  }

  async function record(
    claimed: ClaimedBuild,
    end: BuildEnd,
    steps: readonly BuildStep[],
    signal: AbortSignal,
  ): Promise<void> {
    const { build, attempt } = claimed;
    if (end.kind !== "stopped") {
      await settle(claimed, end, steps);
    } else if (signal.reason === "cancel") {
      await settle(claimed, { kind: "canceled" }, steps);
    } else {
      // Lost: somebody else has it already. Shutdown: hand it back at once.
      if (signal.reason === "shutdown") await store.releaseBuild(build.id, attempt, isoTime(clock.now()));
      log.info({ build: build.id, reason: String(signal.reason) }, "build given back");
    }
  }

  return createCrew({
    size: options.concurrency,
    log,
    claim: () => store.claimBuild({ worker: options.worker, leaseMs: options.leaseMs }),
    work: run,
    onChange: options.onChange,
  });
}
