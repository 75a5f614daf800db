/** A staged image becomes the published one. */
import { type Build, type BuildStep, type Failure, failed, type Outcome, type PublishedTags } from "../core/model.ts";
import { mayMove } from "../core/supersede.ts";
import { type Crew, createCrew } from "./crew.ts";
import { createSteps, startHeartbeat } from "./lease.ts";
import { backoff, isoTime } from "./loop.ts";
import type { Clock, Logger, Registry } from "./ports.ts";
import type { BuildResult, ClaimedPromotion, StagingLeftover, Store } from "./store-port.ts";

export interface PromoterOptions {
  readonly store: Pick<
    Store,
    "claimPromotion" | "heartbeat" | "tagMoved" | "publishedDigest" | "finishBuild" | "releasePromotion" | "rebuildTwin"
  >;
  /** Where a build's image goes, and where it was pushed to; null: that registry is not configured any more. */
  place(build: Pick<Build, "id" | "registry" | "image">): Promise<PromotionPlace | null>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly worker: string;
  /** Images promoted at the same time; of one image never more than one. */
  readonly concurrency: number;
  readonly leaseMs: number;
  readonly heartbeatMs: number;
  onChange(): void;
  onEnd?(build: Build, result: BuildResult): void;
}

export interface PromotionPlace {
  readonly registry: Pick<Registry, "digest" | "copy" | "tag">;
  readonly staging: { readonly repository: string };
  /** Builds push to where the image would be published. */
  readonly closed: boolean;
}

/** Tries of one promotion, those that a stop or a crash ended among them: about an hour of a registry that is away. */
const MAX_TRIES = 16;
/** Of two who disagree about a tag; each round one of them has recorded something new. */
const MAX_ROUNDS = 10;

type End =
  | { readonly kind: "published"; readonly tags: PublishedTags }
  | {
      readonly kind: "failed";
      readonly failure: Failure;
      readonly retryable: boolean;
      readonly retryAfter: number | null;
    }
  | { readonly kind: "canceled" }
  /** The image of another build, that was to be published once more, is not there. */
  | { readonly kind: "gone" }
  /** By a stop of this program, or because the lease is somebody else's. */
  | { readonly kind: "interrupted" };

/**
 * Copies the image to its repository, then moves each tag that nothing newer has. Every step may be repeated, so whoever
 * takes over after a crash begins at the beginning.
 *
 * Registries have no conditional writes; that tags only move forward is kept here: one promotion of an image at a time
 * (the store's claim), and each move is recorded with who made it. Whoever finds after a move that the lease was lost
 * may have written over a later one, and puts back what is recorded.
 */
export function createPromoter(options: PromoterOptions): Crew {
  const { store, clock, log } = options;

  async function run(claimed: ClaimedPromotion, stop: AbortController): Promise<void> {
    const { build, attempt } = claimed;
    const steps = createSteps(clock, build.steps);
    steps.begin("publish");
    const beat = startHeartbeat({ id: build.id, attempt, steps, stop }, { ...options, heedCancel: false });
    try {
      const end = await endOf(claimed, stop.signal);
      steps.end();
      await settle(claimed, end, steps.list(), stop.signal);
    } finally {
      await beat.stop();
    }
  }

  async function endOf(claimed: ClaimedPromotion, signal: AbortSignal): Promise<End> {
    try {
      return await publish(claimed, signal);
    } catch (error) {
      log.error({ err: error, build: claimed.build.id }, "promotion threw");
      const message = "Publishing failed with an internal error. The operator's log has the details; try again.";
      // Most likely the database was away for a moment. A tag may have been moved and not recorded: giving up here would
      // leave it so.
      return { kind: "failed", failure: { class: "internal", message }, retryable: true, retryAfter: null };
    }
  }

  async function publish(claimed: ClaimedPromotion, signal: AbortSignal): Promise<End> {
    const { build, attempt, digest, canceled, twin, othersImage, tags } = claimed;
    if (canceled) return { kind: "canceled" };
    if (othersImage !== null) {
      log.warn({ build: build.id, image: build.image, owner: othersImage }, "the image is another repository's");
      return refused(notOwned(build.image));
    }
    const place = await options.place(build);
    if (place === null) return refused(registryGone(build.registry));
    if (place.closed) return refused(stagingName(build.image));
    const { registry } = place;
    const staged = twin ? build.image : place.staging.repository;
    const found = await registry.digest(staged, digest);
    if (!found.ok) return outside(found, signal);
    if (found.value !== digest && twin) return { kind: "gone" };
    if (found.value !== digest) {
      return refused(
        `The registry does not have the image that was pushed (${digest}). Is something deleting from it?`,
      );
    }
    const copied = twin ? found : await registry.copy(staged, build.image, digest, signal);
    if (!copied.ok) return outside(copied, signal);
    const published: string[] = [];
    const older: { tag: string; why: string }[] = [];
    for (const { tag, wanted, last } of tags) {
      const verdict = mayMove(last, wanted);
      if (!verdict.moves) {
        older.push({ tag, why: verdict.why });
        continue;
      }
      const moved = await registry.tag(build.image, tag, digest, signal);
      // Unheard is not undone: the registry may have moved it all the same.
      if (!moved.ok) return signal.reason === "lost" ? putBack(registry, build.image, tag) : outside(moved, signal);
      if (!(await store.tagMoved(build.id, attempt, tag, wanted))) return putBack(registry, build.image, tag);
      // Somebody who was late may have written over it between the two.
      const seen = await registry.digest(build.image, tag);
      if (seen.ok && seen.value !== digest) await putBack(registry, build.image, tag);
      published.push(tag);
    }
    return { kind: "published", tags: { published, older } };
  }

  /**
   * Points a tag to what is recorded of it, until nothing was recorded meanwhile. Who moves a tag records it and then
   * looks; who puts one back looks at the record afterwards: whichever of the two comes last sees what the other did.
   */
  async function putBack(registry: PromotionPlace["registry"], image: string, tag: string): Promise<End> {
    let put: string | null = null;
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const recorded = await store.publishedDigest(image, tag);
      if (recorded === put) break;
      put = recorded;
      if (recorded === null) break;
      const back = await registry.tag(image, tag, recorded);
      if (!back.ok) {
        log.error({ image, tag, digest: recorded, reason: back.message }, "a tag may not point to what is recorded");
        break;
      }
    }
    return { kind: "interrupted" };
  }

  function outside(failure: Outcome<never> & { ok: false }, signal: AbortSignal): End {
    if (signal.aborted) return { kind: "interrupted" };
    const message = `The image was built, but not published: ${failure.message}`;
    const { retryable, retryAfter } = failure;
    return { kind: "failed", failure: { class: "push", message }, retryable, retryAfter };
  }

  async function settle(
    claimed: ClaimedPromotion,
    end: End,
    steps: readonly BuildStep[],
    signal: AbortSignal,
  ): Promise<void> {
    const { build, attempt, tries } = claimed;
    if (end.kind === "interrupted") {
      if (signal.reason === "shutdown") await store.releasePromotion(build.id, attempt, isoTime(clock.now()));
      return log.info({ build: build.id, reason: String(signal.reason) }, "promotion given back");
    }
    if (end.kind === "gone") {
      await store.rebuildTwin(build.id, attempt);
      return log.info({ build: build.id, digest: claimed.digest }, "the image it was to share is gone; it is built");
    }
    if (end.kind === "failed" && end.retryable && tries < MAX_TRIES) {
      const waitMs = Math.max(backoff(tries, 1_000, 5 * 60_000), (end.retryAfter ?? 0) * 1_000);
      log.warn({ build: build.id, failure: end.failure, waitMs }, "promotion will be tried again");
      await store.releasePromotion(build.id, attempt, isoTime(clock.now() + waitMs));
      return;
    }
    const result = resultOf(claimed.digest, end, steps);
    const kept = await store.finishBuild(build.id, attempt, result);
    if (!kept) return log.warn({ build: build.id, attempt }, "promotion refused: its lease was lost");
    log.info({ build: build.id, state: result.state, digest: result.digest, tags: result.tags }, "build ended");
    options.onEnd?.(build, result);
  }

  return createCrew({
    size: options.concurrency,
    log,
    claim: () => store.claimPromotion({ worker: options.worker, leaseMs: options.leaseMs }),
    work: run,
    onChange: options.onChange,
  });
}

function resultOf(
  digest: string,
  end: Exclude<End, { kind: "interrupted" | "gone" }>,
  steps: readonly BuildStep[],
): BuildResult {
  switch (end.kind) {
    case "canceled":
      return { state: "canceled", digest: null, failure: null, steps };
    case "failed":
      return { state: "failed", digest: null, failure: end.failure, steps };
    case "published": {
      const { tags } = end;
      return { state: tags.published.length > 0 ? "succeeded" : "superseded", digest, failure: null, steps, tags };
    }
  }
}

function refused(message: string): End {
  return { kind: "failed", failure: { class: "push", message }, retryable: false, retryAfter: null };
}

/** Does not say whose it is: who reads the check of one repository may not be one who knows of the other. */
function notOwned(image: string): string {
  return (
    `The image ${image} belongs to another repository, or people pushed it first (image-not-owned). ` +
    "Give this one another `name` in .wharfinger.yml, or have it shared with this repository."
  );
}

function registryGone(name: string): string {
  return `The registry ${name}, for which this build was planned, is not configured any more. Push again, or re-run its check.`;
}

function stagingName(image: string): string {
  return (
    `${image} is the name of the repository that builds push to before they are published. ` +
    "Give the image another `name` in .wharfinger.yml."
  );
}

/** Removes what builds left in their staging repositories. `step` answers whether there may be more. */
export function createStagingCleaner(options: {
  readonly store: Pick<Store, "stagingLeftovers" | "stagingGone">;
  /** Where a build pushed to; null: that registry is not configured any more. */
  place(build: { readonly id: string; readonly registry: string; readonly image: string }): Promise<{
    readonly registry: Pick<Registry, "digest" | "discard">;
    readonly staging: { readonly repository: string; readonly tag: string; readonly own: boolean };
  } | null>;
  readonly log: Logger;
}): { step(): Promise<boolean> } {
  const { store, log } = options;
  const BATCH = 20;

  /** A later attempt, or one that was lost, may have moved the tag to another image. */
  async function clean({ buildId, registry: name, image, digest }: StagingLeftover): Promise<Outcome<true>> {
    const place = await options.place({ id: buildId, registry: name, image });
    if (place === null) return failed(`the registry ${name} is not configured any more`, { retryable: false });
    const { registry } = place;
    const { repository, tag, own } = place.staging;
    // Manifests go by their digest, and another build may have the same.
    if (!own) return { ok: true, value: true };
    const tagged = await registry.digest(repository, tag);
    if (!tagged.ok) return tagged;
    for (const one of new Set([digest, tagged.value])) {
      if (one === null) continue;
      const gone = await registry.discard(repository, one);
      if (!gone.ok) return gone;
    }
    return { ok: true, value: true };
  }

  return {
    async step() {
      const leftovers = await store.stagingLeftovers(BATCH);
      let later: { readonly build: string; readonly reason: string } | null = null;
      for (const leftover of leftovers) {
        const { buildId } = leftover;
        const cleaned = await clean(leftover);
        if (!cleaned.ok && cleaned.retryable) {
          later ??= { build: buildId, reason: cleaned.message };
          continue;
        }
        if (!cleaned.ok) log.warn({ build: buildId, reason: cleaned.message }, "staging can not be removed");
        await store.stagingGone(buildId);
      }
      // Mostly the same reason for all: said once.
      if (later !== null) log.warn(later, "staging not removed yet");
      return leftovers.length === BATCH && later === null;
    },
  };
}
