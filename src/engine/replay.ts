/**
 * What waited while nothing could be built (paused, suspended, no namespace). The newest change of each lane is journalled
 * once more and planned by what is true then; before that anybody may ask what would be built.
 */
import type { PullRequestEvent, PushEvent } from "../core/events.ts";
import { FOUND } from "../core/found.ts";
import {
  failed,
  hostKey,
  laneOf,
  type Outcome,
  ok,
  type PlannedBuild,
  parseSha,
  type Sha,
  type Skip,
} from "../core/model.ts";
import type { Scope } from "../core/pause.ts";
import { planBuilds } from "../core/plan.ts";
import { pullRequestChange } from "../core/pulls.ts";
import { foundEvent } from "./found.ts";
import { gather } from "./gather.ts";
import { isoTime } from "./loop.ts";
import type { BuildCounts, PauseStore, Replayed, WaitingLane } from "./pause-port.ts";
import type { Pauses } from "./pauses.ts";
import type { Clock, Host, Logger } from "./ports.ts";
import { sinceJudged } from "./since-judged.ts";
import type { Store } from "./store-port.ts";

export interface Replay {
  /**
   * What would be built of a scope if its own pause were over. Asks hosts; changes nothing. Null: no such installation or
   * repository.
   */
  preview(scope: Scope): Promise<Preview | null>;
  /**
   * Plans again what waited in a scope and can be built now. Safe to repeat, also after a crash: each delivery is
   * journalled again once, and what has moved on meanwhile is left out.
   */
  replay(scope: Scope): Promise<Replayed>;
}

export interface Preview extends BuildCounts {
  /** In the order in which they would be planned. */
  readonly lanes: readonly PreviewedLane[];
  /** Lanes that nobody looked at, because there are so many. */
  readonly further: number;
}

export interface PreviewedLane {
  readonly lane: Pick<WaitingLane, "repository" | "lane" | "sha"> & { readonly delivery: string };
  readonly answer:
    | {
        readonly kind: "planned";
        readonly builds: readonly PlannedBuild[];
        /** Those that would wait for somebody to approve them. */
        readonly held: readonly PlannedBuild[];
        readonly skips: readonly Skip[];
      }
    /** `why`: a clause for people. */
    | { readonly kind: "unknown"; readonly why: string };
}

/** Each may take some calls to its host, and somebody waits for the answer. */
const MAX_PREVIEWED = 50;

export interface ReplayOptions {
  readonly store: Pick<PauseStore, "waitingLanes" | "countBuilds" | "replayDeliveries"> &
    Pick<Store, "deliveryBody" | "imageOwners" | "toldPlaces">;
  readonly hosts: readonly Asked[];
  readonly pauses: Pauses;
  readonly clock: Clock;
  readonly log: Logger;
}

type Asked = Pick<Host, "provider" | "host" | "receive" | "look" | "file" | "changedPaths" | "tags" | "head">;

export function createReplay(options: ReplayOptions): Replay {
  const { store, log } = options;
  return {
    async preview(scope) {
      const counts = await store.countBuilds(scope);
      if (counts === null) return null;
      const waiting = await store.waitingLanes(scope, { lifted: true });
      const lanes: PreviewedLane[] = [];
      for (const lane of waiting.slice(0, MAX_PREVIEWED)) {
        const { repository, sha, delivery } = lane;
        const told = { repository, lane: lane.lane, sha, delivery: delivery.id };
        lanes.push({ lane: told, answer: await previewLane(lane, options) });
      }
      return { ...counts, lanes, further: waiting.length - lanes.length };
    },

    async replay(scope) {
      const replayed = await store.replayDeliveries(scope);
      tellReplayed(replayed, log);
      return replayed;
    },
  };
}

/** For whoever looks for why something was built late, or was not. */
export function tellReplayed({ deliveries, lost }: Replayed, log: Logger): void {
  if (deliveries.length > 0) log.info({ deliveries }, "planned again what waited");
  for (const { repository, lane, sha, delivery } of lost) {
    const fields = { repository: repository.fullName, lane, sha, delivery: delivery.id, reason: LOST };
    log.warn(fields, "what waited can not be built any more");
  }
}

/** A clause for people. */
export const LOST =
  "its delivery is past RETENTION_BODIES_DAYS, and what was not kept can not be planned; the next push to it is built";

/** What tells that something moved. */
export type Moving = PushEvent | PullRequestEvent;

export function lanesOf(event: Moving): readonly string[] {
  if (event.type === "push") return event.changes.map(laneOf);
  return [laneOf(pullRequestChange(event, { head: null, before: null, target: null }))];
}

/** A lane that an event says moved. `ref`: null of a pull request. */
export interface LaneMove {
  readonly lane: string;
  readonly before: Sha | null;
  readonly after: Sha | null;
  readonly commit: Sha | null;
  readonly ref: string | null;
}

export function movesOf(event: Moving): readonly LaneMove[] {
  if (event.type === "push") {
    return event.changes.map((change) => {
      const { before, after, commit, ref } = change;
      return { lane: laneOf(change), before, after, commit, ref };
    });
  }
  const { before, commit } = event.source;
  const closed = event.action === "merged" || event.action === "declined";
  const after = closed ? null : parseSha(commit);
  return lanesOf(event).map((lane) => ({ lane, before: parseSha(before), after, commit: after, ref: null }));
}

/** The event as far as it is about these lanes; null: it is about none of them. */
export function onlyLanes(event: Moving, lanes: ReadonlySet<string>): Moving | null {
  if (event.type === "pull_request") return lanesOf(event).some((lane) => lanes.has(lane)) ? event : null;
  const changes = event.changes.filter((change) => lanes.has(laneOf(change)));
  return changes.length === 0 ? null : { ...event, changes, unusable: [] };
}

async function previewLane(waiting: WaitingLane, options: ReplayOptions): Promise<PreviewedLane["answer"]> {
  const { store, hosts, pauses, log } = options;
  const { installation, repository, delivery } = waiting;
  const body = waiting.readable ? await store.deliveryBody(delivery.id) : null;
  if (body === null) return { kind: "unknown", why: LOST };
  const host = hosts.find((one) => one.provider === repository.provider && one.host === repository.host);
  if (host === undefined) return { kind: "unknown", why: "this instance is no longer set up for its host" };
  if (pauses.left(installation) > 0) return { kind: "unknown", why: "the host asked us to wait" };
  try {
    const event = await eventOf(host, waiting, body);
    if (event === null) return { kind: "unknown", why: "its delivery is not about it any more" };
    const plan = await planned(host, event, waiting, options);
    if (!plan.ok && plan.retryAfter !== null) pauses.begin(installation, plan.retryAfter);
    return plan.ok ? { kind: "planned", ...plan.value } : { kind: "unknown", why: plan.message };
  } catch (error) {
    // Journalled by an earlier version perhaps. That one delivery can not be read says nothing of the others.
    log.warn({ delivery: delivery.id, err: error }, "past delivery not read");
    return { kind: "unknown", why: "its delivery can not be read; the log has the details" };
  }
}

/** What the delivery says of the lane. Whose it is was judged when it was planned first, and is judged again. */
async function eventOf(
  host: Asked,
  { installation, repository, lane, delivery }: WaitingLane,
  body: Buffer,
): Promise<Moving | null> {
  const { deliveryId, event: name, installationId } = delivery;
  if (name === FOUND) {
    const event = foundEvent(body, installation, repository);
    return event && onlyLanes(event, new Set([lane]));
  }
  const found: Moving[] = [];
  await host.receive({ deliveryId, event: name, installationId, body }, async (event) => {
    if (event.type !== "push" && event.type !== "pull_request") return;
    if (hostKey(event.repository) !== hostKey(repository)) return;
    const moving = onlyLanes(event, new Set([lane]));
    if (moving !== null) found.push(moving);
  });
  return found[0] ?? null;
}

type Planned = Omit<Extract<PreviewedLane["answer"], { kind: "planned" }>, "kind">;

/** By the one planner, as if nothing were paused. */
async function planned(
  host: Asked,
  told: Moving,
  { installation }: WaitingLane,
  { store, clock }: ReplayOptions,
): Promise<Outcome<Planned>> {
  const looked = await host.look(installation, told.repository);
  if (!looked.ok) return looked;
  const seen = looked.value;
  if (seen.kind === "gone") return failed("its host does not know it any more", { retryable: false });
  const event = seen.kind === "seen" ? { ...told, repository: seen.repository } : told;
  const { namespace, policy } = installation;
  const stands = { installation, link: "linked" } as const;
  const gathered = await gather(sinceJudged(store, host), event, { ...stands, attempts: 0 }, async (images) =>
    namespace === null ? new Map() : store.imageOwners(namespace, event.repository, images),
  );
  if (!gathered.ok) return gathered;
  const facts = { ...stands, ...gathered.value, repository: event.repository, policy, now: isoTime(clock.now()) };
  const { requests, held, skips } = planBuilds(facts);
  return ok({ builds: requests, held, skips });
}
