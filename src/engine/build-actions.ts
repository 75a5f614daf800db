/**
 * What somebody does with builds: cancels one, repeats one, has a branch or tag built now. Whether they may is the caller's
 * to know: `build.cancel`, `build.retry` and `build.start` in the build's repository.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { type AuditEntry, actorOf, type Decider } from "../core/audit.ts";
import { BUILD_ORDER, orderText } from "../core/build-order.ts";
import { type HostId, hostKey, type Repository } from "../core/model.ts";
import { closedGate } from "../core/refusals.ts";
import type { Place } from "./authorize.ts";
import type { OrderHost } from "./orders.ts";
import type { Pauses } from "./pauses.ts";
import type { Clock, Host, IncomingDelivery } from "./ports.ts";
import { refNow } from "./ref-now.ts";
import type { Delivery, RequestWriter, Store } from "./store-port.ts";
import { ownDelivery } from "./streams.ts";

export interface BuildActions {
  /** A queued or held build is canceled at once, a running one asked to stop. Audited. */
  cancel(id: string, by: Decider): Promise<Canceling>;
  /** Queues the same work again as a build of its own, if it has ended without an image that counts. Audited. */
  retry(id: string, by: Decider): Promise<Retrying>;
  /** Where a build of this repository would be started, to ask who may; null: no installation covers it. */
  placeOf(repository: HostId): Promise<(Place & { readonly repository: Repository }) | null>;
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

export interface BuildActionParts {
  readonly store: Pick<
    Store,
    | "cancelBuild"
    | "retryBuild"
    | "orderBuild"
    | "getBuild"
    | "getDelivery"
    | "repositoryOf"
    | "getInstallation"
    | "pausesOf"
  >;
  readonly hosts: readonly (OrderHost & Pick<Host, "provider" | "host">)[];
  readonly pauses: Pauses;
  readonly clock: Clock;
  readonly write: RequestWriter;
  /** Called before requests are written: registries are as they are known then. */
  prepare(): Promise<unknown>;
  /** There is a delivery to plan. */
  onOrdered(): void;
  /** There may be a build to begin, or a check to show. */
  onChange(): void;
}

/** How often a delivery is looked at that somebody waits for. */
const LOOK_MS = 100;

export function createBuildActions(parts: BuildActionParts): BuildActions {
  const { store, hosts, pauses, clock, write } = parts;

  async function placeOf(id: HostId) {
    const found = await store.repositoryOf(id);
    return found === null || found.repository.link === "unlinked" ? null : found;
  }

  /** Why nothing of it may be built now: a sentence; null: it may. */
  async function closed({ installation, repository }: NonNullable<Awaited<ReturnType<typeof placeOf>>>) {
    const known = await store.getInstallation(installation);
    const { link } = repository;
    const [widest] =
      known?.state === "paused" || link === "paused" ? await store.pausesOf({ installation, repository }) : [];
    const gate = closedGate({ installation: known, link, pause: widest ?? null });
    return gate === null ? null : `Nothing of ${repository.fullName} is built now: ${gate.why}.`;
  }

  return {
    placeOf,

    async cancel(id, by) {
      const answer = await store.cancelBuild(id, by);
      if (answer === "unknown") return { kind: "no-build" };
      if (answer === "final") {
        const state = (await store.getBuild(id))?.state.replace("_", " ");
        return { kind: "final", why: `The build has come to its end: it is ${state ?? "gone"}.` };
      }
      parts.onChange();
      return { kind: answer };
    },

    async retry(id, by) {
      await parts.prepare();
      const answer = await store.retryBuild(id, write, by);
      if (answer.kind !== "retried") return answer;
      parts.onChange();
      const { id: build, state } = answer.build;
      return { kind: state === "held" ? "held" : "queued", build };
    },

    async start({ repository: id, ref, image }, by) {
      const place = await placeOf(id);
      const host = hosts.find((one) => one.provider === id.provider && one.host === id.host);
      if (place === null || host === undefined) return { kind: "no-repository" };
      const why = await closed(place);
      if (why !== null) return { kind: "refused", why };
      const { installation } = place;
      const left = pauses.left(installation);
      if (left > 0) return unknown("the host asked us to wait", true, Math.ceil(left / 1_000));
      const now = await refNow(host, installation, id, ref);
      if (!now.ok) {
        if (now.retryAfter !== null) pauses.begin(installation, now.retryAfter);
        return unknown(now.message, now.retryable, now.retryAfter);
      }
      if (now.value.kind !== "found") return now.value.kind === "no-ref" ? now.value : { kind: "no-repository" };
      const { repository, change } = now.value;
      if (repository.archived)
        return { kind: "refused", why: `Nothing of ${repository.fullName} is built: it is archived.` };
      const order = { installation, repository, ref: change.ref, image, by };
      const delivery = await store.orderBuild(deliveryOf(order, clock.now()), entryOf(order));
      parts.onOrdered();
      return { kind: "started", delivery };
    },

    async planned(id, withinMs) {
      for (let waited = 0; ; waited += LOOK_MS) {
        const delivery = await store.getDelivery(id);
        if (delivery?.outcome !== "pending" || waited >= withinMs) return delivery;
        await pause(LOOK_MS);
      }
    },
  };
}

function unknown(message: string, retryable: boolean, retryAfter: number | null): Starting {
  return {
    kind: "unknown",
    why: `Nothing was started, as its host did not answer: ${message}.`.replace(/\.\.$/, "."),
    retryable,
    retryAfter,
  };
}

interface Ordered {
  readonly installation: HostId;
  readonly repository: Repository;
  readonly ref: string;
  readonly image: string | null;
  readonly by: Decider;
}

function deliveryOf({ installation, repository, ref, image, by }: Ordered, now: number): IncomingDelivery {
  const { provider, host } = repository;
  // A token's id, or an operator's, is nobody's at the host.
  const actor = by.kind === "person" && by.provider === provider && by.host === host ? actorOf(by) : null;
  const body = orderText({ repository, ref, image, actor });
  return ownDelivery(
    { installation, repository },
    { deliveryId: `build-${randomUUID()}`, event: BUILD_ORDER, body },
    now,
  );
}

function entryOf({ installation, repository, ref, image, by }: Ordered): AuditEntry {
  return {
    by,
    action: "build.started",
    installation,
    subject: repository.fullName,
    facts: { repository: hostKey(repository), ref, ...(image !== null && { image }) },
  };
}
