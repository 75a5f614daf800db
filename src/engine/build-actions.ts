/**
 * What somebody does with builds: cancels one, repeats one, has a branch or tag built now. Whether they may is the caller's
 * to know: `build.cancel`, `build.retry` and `build.start` in the build's repository.
 */
import type { Decider } from "../core/audit.ts";
import type { HostId } from "../core/model.ts";
import type { Place } from "./authorize.ts";
import type { Delivery } from "./store-port.ts";

export interface BuildActions {
  /** A queued or held build is canceled at once, a running one asked to stop. Audited. */
  cancel(id: string, by: Decider): Promise<Canceling>;
  /** Queues the same work again as a build of its own, if it has ended without an image that counts. Audited. */
  retry(id: string, by: Decider): Promise<Retrying>;
  /** Where a build of this repository would be started, to ask who may; null: no installation covers it. */
  placeOf(repository: HostId): Promise<(Place & { readonly repository: NonNullable<Place["repository"]> }) | null>;
  /** Journals an order that is planned like a push of that branch or tag. Safe in a crash once it has answered. Audited. */
  start(order: BuildOrder, by: Decider): Promise<Starting>;
  /**
   * The delivery of an order as it stands once it is planned, or when so many milliseconds have passed: then it is
   * `pending` still. Null: there is none.
   */
  planned(delivery: string, withinMs: number): Promise<Delivery | null>;
}

export interface BuildOrder {
  readonly repository: HostId;
  /** `refs/heads/…`, `refs/tags/…` or a short name, which must then be that of a branch or a tag only. Null: the default branch. */
  readonly ref: string | null;
  /** Name of the one image to build, as in the file; null: all that its rules build of the ref. */
  readonly image: string | null;
}

/** `why`: a sentence for people. */
export type Canceling =
  | { readonly kind: "canceled" }
  /** It runs, and stops within seconds. */
  | { readonly kind: "canceling" }
  | { readonly kind: "no-build" }
  | { readonly kind: "final"; readonly why: string };

export type Retrying =
  /** Or the one that was on its way already. `held`: somebody has to approve it first. */
  | { readonly kind: "queued" | "held"; readonly build: string }
  | { readonly kind: "no-build" }
  | { readonly kind: "refused"; readonly why: string };

export type Starting =
  /** Our id of the delivery that was journalled. */
  | { readonly kind: "started"; readonly delivery: string }
  /** No installation covers such a repository. */
  | { readonly kind: "no-repository" }
  /** No such branch or tag, or both are called so. */
  | { readonly kind: "no-ref"; readonly why: string }
  /** Nothing of it may be built now: paused, suspended, archived, without a namespace. */
  | { readonly kind: "refused"; readonly why: string }
  /** Its host does not say. `retryAfter`: seconds, where the host said so. */
  | { readonly kind: "unknown"; readonly why: string; readonly retryable: boolean; readonly retryAfter: number | null };
