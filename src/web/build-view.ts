/** What the page of one build shows, but for its log. */
import { failureAdvice } from "../core/failure-advice.ts";
import { FOUND } from "../core/found.ts";
import { type Build, isFinal } from "../core/model.ts";
import { reproduceLines } from "../core/reproduce.ts";
import { unretriable } from "../core/retry.ts";
import type { Action } from "../core/roles.ts";
import type { Place } from "../engine/authorize.ts";
import type { Delivery, Store } from "../engine/store-port.ts";
import { NO_BUILD } from "./errors.ts";
import { buildView, pullCommand, stepViews, timeView } from "./present.ts";
import { holdView } from "./verdicts.ts";
import { nothingHere, type Visit } from "./visit.ts";

export interface BuildViewParts {
  readonly store: Pick<Store, "listBuilds" | "getDelivery">;
  /** Left out: nobody cancels, repeats or starts builds. */
  readonly buildActions?: unknown;
  /** Host and port of a build's registry, as image names carry it; null: it is not configured any more. */
  registryHost(build: Build): Promise<string | null>;
}

const TRIGGERS: Readonly<Record<Build["trigger"], string>> = {
  event: "by an event",
  rerun: "by a re-run on the host",
  retry: "by a retry",
  manual: "by hand",
};

/** The build of an address; throws as if there were none, where they may not. */
export async function seenBuild(
  store: Pick<Store, "getBuild">,
  visit: Visit,
  id: string | undefined,
  action: "build.see" | "build.log" = "build.see",
): Promise<Build> {
  const build = await store.getBuild(id ?? "");
  if (build === null) throw nothingHere(visit, NO_BUILD);
  await visit.see(action, placeOf(build));
  return build;
}

/** What `build-state.eta` reads. */
export async function buildPageData(parts: BuildViewParts, build: Build, visit: Visit, now: number) {
  const { store, registryHost, buildActions } = parts;
  const view = buildView(build, now);
  const { failure, planned } = build;
  // Null when it is past retention.
  const delivery = await store.getDelivery(build.deliveryId);
  return {
    title: `${view.stateText}: ${build.image}`,
    section: "builds",
    build: view,
    can: await offers(build, visit, buildActions !== undefined),
    digest: build.digest,
    older: build.tags?.older ?? [],
    requestDigest: build.requestDigest,
    trigger: triggerText(build, delivery),
    attempt: build.attempt,
    fullSha: planned.sha,
    inputs: planned.inputs,
    rules: planned.rules,
    failure,
    advice: failure === null ? "" : failureAdvice(failure.class).replaceAll("`", ""),
    reproduce: isFinal(build.state) ? reproduceLines(build).join("\n") : "",
    started: build.startedAt === null ? null : timeView(build.startedAt, now),
    finished: build.finishedAt === null ? null : timeView(build.finishedAt, now),
    steps: stepViews(build, now),
    pull: pullCommand(build, await registryHost(build)),
    delivery: build.deliveryId,
    trust: planned.trust,
    hold: await holdView(store, build, now),
    // The one that led to the build.
    decision: delivery?.decisions.find((decision) => decision.build === build.id) ?? null,
  } as const;
}

function triggerText({ trigger }: Build, delivery: Delivery | null): string {
  if (trigger === "event" && delivery?.event === FOUND) return "found, its host had not told of it";
  return TRIGGERS[trigger];
}

/** Where one has to be allowed something that is about a build. */
export function placeOf({ installation, repository }: Build): Place {
  return { installation, repository };
}

interface Offers {
  readonly approve: boolean;
  readonly cancel: boolean;
  readonly retry: boolean;
  /** The branch or tag, as it is now. */
  readonly start: boolean;
}

/** What can be done with the build as it is, by who looks at it. Where a host does not say, nothing is offered. */
async function offers(build: Build, visit: Visit, active: boolean): Promise<Offers> {
  const { state, planned } = build;
  const ended = isFinal(state);
  const may = async (action: Action, makesSense: boolean) =>
    makesSense && (await visit.may(action, placeOf(build))).kind === "allowed";
  const [approve, cancel, retry, start] = await Promise.all([
    may("build.approve", state === "held"),
    may("build.cancel", active && !ended),
    may("build.retry", active && unretriable(build) === null),
    may("build.start", active && ended && planned.kind !== "pull_request"),
  ]);
  return { approve, cancel, retry, start };
}
