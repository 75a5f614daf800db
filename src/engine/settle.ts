/** What the end of one attempt at a build means for the build. */
import type { BuildRequest, SignedRequest } from "../core/build-request.ts";
import type { Build, BuildStep, Failure } from "../core/model.ts";
import { backoff, isoTime } from "./loop.ts";
import type { BuildEnd, Clock, Logger } from "./ports.ts";
import type { BuildResult, ClaimedBuild, Store } from "./store-port.ts";

/** Tries of one build when the outside (git host, registry) fails. */
const MAX_ATTEMPTS = 5;
/** Tries of one build in all, those that a stop or a crash of whoever built it ended among them. */
const MAX_BEGUN = 20;

export interface SettleOptions {
  readonly store: Pick<Store, "finishBuild" | "stageBuild" | "releaseBuild">;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called with each build that ended here, for metrics: staged ones end when they are published. */
  onEnd?(build: Build, result: BuildResult): void;
}

/** An attempt came to an end. One that was interrupted, and not because it was canceled, is handed back instead. */
export type AttemptEnd = Exclude<BuildEnd, { readonly kind: "stopped" }> | { readonly kind: "canceled" };

type FailedEnd = Extract<BuildEnd, { readonly kind: "failed" }>;

/** Records an end. False, and nothing was recorded: the lease was lost. */
export type Settle = (
  claimed: Pick<ClaimedBuild, "build" | "attempt">,
  end: AttemptEnd,
  steps: readonly BuildStep[],
) => Promise<boolean>;

export function createSettle(options: SettleOptions): Settle {
  const { store, clock, log } = options;

  return async ({ build, attempt }, end, steps) => {
    const kept = await record(build, attempt, end, steps);
    if (!kept) log.warn({ build: build.id, attempt }, "build result refused: its lease was lost");
    return kept;
  };

  async function record(
    build: Build,
    attempt: number,
    given: AttemptEnd,
    steps: readonly BuildStep[],
  ): Promise<boolean> {
    const end = withDigest(given, build.planned.push);
    const waitMs = waitBeforeRetry(end, attempt);
    if (end.kind === "failed" && waitMs !== null) {
      log.warn({ build: build.id, failure: end.failure, attempt }, "build will be tried again");
      return await store.releaseBuild(build.id, attempt, isoTime(clock.now() + waitMs));
    }
    if (end.kind === "built" && end.image.digest !== null) {
      const kept = await store.stageBuild(build.id, attempt, { digest: end.image.digest, steps });
      if (kept) log.info({ build: build.id, digest: end.image.digest }, "image staged");
      return kept;
    }
    const result = resultOf(end, steps);
    const kept = await store.finishBuild(build.id, attempt, result);
    if (!kept) return false;
    log.info({ build: build.id, state: result.state, digest: result.digest, failure: result.failure }, "build ended");
    options.onEnd?.(build, result);
    return true;
  }
}

/** An image that was pushed has a digest: without it nobody could tell what to publish. One that was not has none. */
function withDigest(end: AttemptEnd, push: boolean): AttemptEnd {
  if (end.kind !== "built") return end;
  if (!push) return { kind: "built", image: { digest: null } };
  return end.image.digest === null ? internal("The builder pushed the image but did not report a digest.") : end;
}

function resultOf(end: AttemptEnd, steps: readonly BuildStep[]): BuildResult {
  switch (end.kind) {
    case "built":
      return { state: "succeeded", digest: end.image.digest, failure: null, steps };
    case "canceled":
      return { state: "canceled", digest: null, failure: null, steps };
    case "failed": {
      const state = end.failure.class === "timeout" ? "timed_out" : "failed";
      return { state, digest: null, failure: end.failure, steps };
    }
  }
}

/** Milliseconds until the build is tried again; null: it is not. */
function waitBeforeRetry(end: AttemptEnd, attempt: number): number | null {
  if (end.kind !== "failed" || !end.retryable || attempt >= MAX_ATTEMPTS) return null;
  return Math.max(backoff(attempt, 5_000, 5 * 60_000), (end.retryAfter ?? 0) * 1_000);
}

/** For the build's log, when it will be tried again; null: it will not. */
export function retryNote(end: AttemptEnd, attempt: number): string | null {
  const waitMs = waitBeforeRetry(end, attempt);
  if (end.kind !== "failed" || waitMs === null) return null;
  return `wharfinger: ${end.failure.message} Trying again in ${Math.round(waitMs / 1_000)} s.`;
}

/** What a claimed build's builder is told, or why nobody can build it. Throws what `verify` throws. */
export async function readRequest(
  { attempt, request }: Pick<ClaimedBuild, "attempt" | "request">,
  verify: (request: SignedRequest) => Promise<BuildRequest>,
): Promise<{ readonly signed: SignedRequest; readonly request: BuildRequest } | { readonly end: FailedEnd }> {
  if (attempt > MAX_BEGUN) {
    const end = internal(
      `This build was begun ${MAX_BEGUN} times, and each time nothing was heard of its end. ` +
        "The operator's log may say why.",
    );
    return { end };
  }
  if (request === null) {
    return {
      end: internal("This build was queued by an older version of the program. Push again, or re-run its check."),
    };
  }
  return { signed: request, request: await verify(request) };
}

export function internal(message: string): FailedEnd {
  const failure: Failure = { class: "internal", message };
  return { kind: "failed", failure, retryable: false };
}
