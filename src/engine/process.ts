/** A journalled delivery becomes a recorded plan. */
import type { Decider } from "../core/audit.ts";
import { BUILD_ORDER } from "../core/build-order.ts";
import type { ApprovalEvent, HostEvent, RerunEvent } from "../core/events.ts";
import { FOUND } from "../core/found.ts";
import {
  type Change,
  DEFAULT_POLICY,
  failed,
  type HostId,
  hostKey,
  type Installation,
  isFinal,
  type LinkState,
  laneOf,
  type Outcome,
  ok,
  type Sha,
  type Skip,
} from "../core/model.ts";
import { planBuilds } from "../core/plan.ts";
import { mayDo } from "../core/roles.ts";
import { checkFiles } from "./config-check.ts";
import { readFound } from "./found.ts";
import { resolveRepositories } from "./further-repositories.ts";
import { digestsOf, gather } from "./gather.ts";
import type { Installations, RepositoryStanding } from "./installations.ts";
import { backoff, isoTime } from "./loop.ts";
import { planOrder } from "./orders.ts";
import { type Origin, originOf, overText, whatHolds } from "./origin.ts";
import type { Pauses } from "./pauses.ts";
import type { Clock, Host, Logger } from "./ports.ts";
import type { Moving } from "./replay.ts";
import { sinceJudged } from "./since-judged.ts";
import type { ClaimedDelivery, DeliveryOutcome, PlanRecord, RequestWriter, Store } from "./store-port.ts";

/** Deliveries worked on at the same time, and for how long one is ours before another worker may take it. */
const AT_ONCE = 8;
const LEASE_MS = 120_000;
/** A delivery whose host stays away is tried for about a day (doubling from 5 s to 30 min), then given up. */
const MAX_ATTEMPTS = 56;
/** One whose processing throws is tried this often, for the database may be locked or its disk full for a while. */
const MAX_THROWN = 5;

/** Reasons that leave the commit without a check: it has no file of ours, or the host must not be called. */
const SILENT: readonly Skip["reason"][] = [
  "config-missing",
  "not-linked",
  "suspended",
  "archived",
  "paused",
  "pull-request-closed",
  "unsupported-event",
];

export interface ProcessorOptions {
  readonly store: Pick<
    Store,
    | "claimDeliveries"
    | "recordPlan"
    | "recordIgnored"
    | "postponeDelivery"
    | "linkState"
    | "buildsOfCommit"
    | "imageOwners"
    | "heldBuilds"
    | "approveBuild"
    | "configFiles"
    | "pastDeliveries"
    | "deliveryBody"
    | "pausesOf"
    | "lanesMovedSince"
    | "lanesBeside"
    | "toldPlaces"
    | "coveredRepositories"
    | "endSessionsOf"
    | "repositoryOf"
  >;
  readonly hosts: readonly Host[];
  readonly installations: Installations;
  readonly pauses: Pauses;
  readonly clock: Clock;
  readonly log: Logger;
  readonly write: RequestWriter;
  /** Called after each delivery that came to an end: there may be builds to start and checks to show. */
  onRecorded(outcome: Exclude<DeliveryOutcome, "pending">): void;
}

/** What somebody may not have: each is worth a line of its own, that an operator finds who looks for it. */
const REFUSALS: readonly Skip["reason"][] = ["image-not-owned", "tag-not-granted", "not-linked", "no-namespace"];

const LEFT = { revoked: "took back what they let us do for them", left: "left the account" } as const;

/** What became of one event. */
type Handled =
  | { readonly kind: "planned"; readonly record: PlanRecord }
  | { readonly kind: "applied" | "ignored"; readonly note: string };

/** `step` processes what is due and answers whether there was anything. */
export function createProcessor(options: ProcessorOptions): { step(): Promise<boolean> } {
  const { store, hosts, installations, pauses, clock, log } = options;
  /** How often processing a delivery threw since the start; holds only what is still pending. */
  const thrown = new Map<string, number>();

  async function step(): Promise<boolean> {
    const claimed = await store.claimDeliveries({ limit: AT_ONCE, leaseMs: LEASE_MS });
    await Promise.all(claimed.map(processOne));
    return claimed.length > 0;
  }

  /** Never rejects: a delivery must not take others with it, and the step ends when all of its deliveries have. */
  async function processOne(claim: ClaimedDelivery): Promise<void> {
    const { id, event, repositoryName } = claim.delivery;
    const fields = { delivery: id, event, repository: repositoryName };
    try {
      await handleOne(claim, fields);
    } catch (error) {
      log.error({ ...fields, err: error }, "delivery failed");
      await afterThrown(id).catch((problem: unknown) => {
        log.error({ ...fields, err: problem }, "delivery not given back; its lease ends by itself");
      });
    }
  }

  async function handleOne(claim: ClaimedDelivery, fields: object): Promise<void> {
    const { delivery } = claim;
    const handled = await interpret(claim);
    if (!handled.ok) return giveWay(claim, handled);
    if (handled.value.kind !== "planned") {
      const { kind, note } = handled.value;
      await end(delivery.id, kind, note);
      return log.info({ ...fields, note }, `delivery ${kind}`);
    }
    const builds = await store.recordPlan(delivery.id, handled.value.record);
    thrown.delete(delivery.id);
    options.onRecorded("planned");
    const { skips } = handled.value.record.plan;
    log.info({ ...fields, builds: builds.map((b) => b.id), skips: skips.map((s) => s.reason) }, "delivery planned");
    const actor = handled.value.record.actor;
    for (const { ref, image, reason, detail } of skips.filter((skip) => REFUSALS.includes(skip.reason))) {
      log.warn({ ...fields, actor, ref, image, reason, why: detail }, "a publication was refused");
    }
  }

  async function end(id: string, kind: "applied" | "ignored" | "failed", note: string): Promise<void> {
    await store.recordIgnored(id, kind, note);
    thrown.delete(id);
    options.onRecorded(kind);
  }

  /** A bug, or a database that is away: tried again, but not for ever. */
  async function afterThrown(id: string): Promise<void> {
    const count = (thrown.get(id) ?? 0) + 1;
    thrown.set(id, count);
    const note = "an internal error; the log has the details";
    if (count >= MAX_THROWN) return end(id, "failed", note);
    await store.postponeDelivery(id, isoTime(clock.now() + backoff(count, 5_000, 60_000)), note);
  }

  /** The outside failed: later, or never. */
  async function giveWay(claim: ClaimedDelivery, failure: Outcome<never> & { ok: false }): Promise<void> {
    const { id, attempts } = claim.delivery;
    if (!failure.retryable || attempts >= MAX_ATTEMPTS) {
      log.warn({ delivery: id, reason: failure.message }, "delivery given up");
      return end(id, "failed", failure.message);
    }
    const wait = Math.max(backoff(attempts, 5_000, 30 * 60_000), (failure.retryAfter ?? 0) * 1_000);
    log.warn({ delivery: id, reason: failure.message, waitMs: wait }, "delivery postponed");
    return store.postponeDelivery(id, isoTime(clock.now() + wait), failure.message);
  }

  /** Has the host's edge parse the delivery. Failures of our own handling never travel through the edge's library. */
  async function interpret(claim: ClaimedDelivery): Promise<Outcome<Handled>> {
    const { delivery, body } = claim;
    const host = hosts.find((one) => one.provider === delivery.provider && one.host === delivery.host);
    if (host === undefined) {
      return ok({ kind: "ignored", note: `this instance is no longer set up for the host ${delivery.host}` });
    }
    // Made by ourselves: no host's edge has words for it.
    if (delivery.event === BUILD_ORDER) return ordered(host, claim);
    if (delivery.event === FOUND) return foundMoves(host, claim);
    let begun = false;
    let result: { handled: Outcome<Handled> } | { error: unknown } | null = null;
    const { deliveryId, event: name, installationId } = delivery;
    await host.receive({ deliveryId, event: name, installationId, body }, async (event) => {
      // A delivery has one outcome; a second event's would hide the first one's.
      if (begun) throw new Error("a delivery with more than one event");
      begun = true;
      try {
        result = {
          handled: await handle(host, event, originOf(claim)),
        };
      } catch (error) {
        result = { error };
      }
    });
    const ended = result as { handled: Outcome<Handled> } | { error: unknown } | null;
    if (ended === null) return ok({ kind: "ignored", note: `unsupported-event: ${delivery.event} is not acted on` });
    if ("error" in ended) throw ended.error;
    return ended.handled;
  }

  async function ordered(host: Host, claim: ClaimedDelivery): Promise<Outcome<Handled>> {
    const { provider, host: name, installationId: id } = claim.delivery;
    const installation = { provider, host: name, id: id ?? "" };
    return pauseOf(installation) ?? heeding(installation, await planOrder(options, host, claim));
  }

  async function foundMoves(host: Host, claim: ClaimedDelivery): Promise<Outcome<Handled>> {
    const { provider, host: name, installationId: id } = claim.delivery;
    const installation = { provider, host: name, id: id ?? "" };
    const limited = pauseOf(installation);
    if (limited !== null) return limited;
    const event = heeding(installation, await readFound(options, host, installation, claim.body));
    if (!event.ok) return event;
    if (typeof event.value === "string") return ok({ kind: "ignored", note: event.value });
    return planChanges(host, event.value, originOf(claim));
  }

  async function handle(host: Host, event: HostEvent, origin: Origin): Promise<Outcome<Handled>> {
    switch (event.type) {
      case "push":
      case "pull_request":
        return planChanges(host, event, origin);
      case "approval":
        return pauseOf(event.installation) ?? heeding(event.installation, await approve(host, event));
      case "rerun":
        return planRerun(host, event);
      case "installation":
      case "repositories":
      case "repository": {
        const applied = await installations.apply(host, event);
        return applied.ok ? ok({ kind: "applied", note: applied.value }) : applied;
      }
      case "person": {
        const ended = await store.endSessionsOf(event.person);
        return ok({ kind: "applied", note: `somebody ${LEFT[event.action]}; sessions ended: ${ended}` });
      }
      case "ignored":
        return ok({ kind: "ignored", note: `${event.reason}: ${event.detail}` });
    }
  }

  async function planChanges(host: Host, told: Moving, origin: Origin): Promise<Outcome<Handled>> {
    const { installation } = told;
    const limited = pauseOf(installation);
    // A copy needs no host to be known as overtaken.
    if (limited !== null && origin.replayOf === null) return limited;
    const event = heeding(installation, await whatHolds(store, host, told, origin));
    if (!event.ok) return event;
    if (event.value === null) return ok({ kind: "ignored", note: overText(origin) });
    return limited ?? heeding(installation, await planNow(host, event.value, origin));
  }

  function pauseOf(installation: HostId): Outcome<never> | null {
    const left = pauses.left(installation);
    return left === 0 ? null : failed("the host asked us to wait", { retryable: true, retryAfter: left / 1_000 });
  }

  /** Remembers that the host wants us to wait. */
  function heeding<T>(installation: HostId, outcome: Outcome<T>): Outcome<T> {
    if (!outcome.ok && outcome.retryAfter !== null) pauses.begin(installation, outcome.retryAfter);
    return outcome;
  }

  async function planNow(host: Host, arrived: Moving, { attempts, found }: Origin): Promise<Outcome<Handled>> {
    const known = await installations.known(host, arrived.installation);
    if (!known.ok) return known;
    const stands = await standingOf(host, arrived, known.value);
    if (!stands.ok) return stands;
    const { link, seen } = stands.value;
    const event = seen.kind === "seen" ? { ...arrived, repository: seen.repository } : arrived;
    const standing = { installation: known.value, link, attempts };
    const namespace = known.value?.namespace ?? null;
    const owners = async (images: readonly string[]) =>
      namespace === null ? new Map() : store.imageOwners(namespace, event.repository, images);
    const gathered = await gather(sinceJudged(store, host), event, standing, owners);
    if (!gathered.ok) return gathered;
    const { changes, imageOwners } = gathered.value;
    const facts = {
      repository: event.repository,
      installation: known.value,
      link,
      pause: await pauseFor(event, known.value, link),
      policy: known.value?.policy ?? DEFAULT_POLICY,
      now: isoTime(clock.now()),
    };
    const unusable = event.type === "push" ? (event.unusable ?? []) : [];
    const planned = planBuilds({ ...facts, changes, unusable, imageOwners });
    const plan = await resolveRepositories(store, event, planned);
    const files = await checkFiles({ host, event, changes, facts, attempts, owners, store, log });
    if (!files.ok) return files;
    const { configFiles, fileChecks } = files.value;
    const told = plan.skips.filter((skip) => !SILENT.includes(skip.reason)).map((skip) => skip.sha);
    const record: PlanRecord = {
      repository: event.repository,
      installation: event.installation,
      namespace,
      trigger: "event",
      ...(found && { found }),
      changes: changes.map(({ change }) => change),
      cancel: changes.flatMap(({ change }) => (isClosed(change) ? [laneOf(change)] : [])),
      plan,
      actor: event.actor?.id ?? null,
      configDigests: digestsOf(changes),
      write: options.write,
      report: unique([
        ...[...plan.requests, ...plan.held].map((request) => request.sha),
        ...told,
        ...fileChecks.map(({ sha }) => sha),
      ]),
      configFiles,
      fileChecks,
    };
    return ok({ kind: "planned", record });
  }

  async function pauseFor({ installation, repository }: Moving, known: Installation | null, link: LinkState) {
    if (known?.state !== "paused" && link !== "paused") return null;
    const [widest] = await store.pausesOf({ installation, repository });
    return widest ?? null;
  }

  /** Of an installation that must not be called for, nothing is asked. */
  async function standingOf(
    host: Host,
    event: Moving,
    known: Installation | null,
  ): Promise<Outcome<RepositoryStanding>> {
    const { installation, repository } = event;
    if (known?.state === "active") return installations.standing(host, installation, repository);
    const link = await store.linkState(installation, repository);
    // Or what is pushed first while it is paused would be taken for nothing of it, and not be built afterwards.
    if (known?.state === "paused" && link === "unlinked") return installations.standing(host, installation, repository);
    return ok({ link, seen: { kind: "as-told" } });
  }

  /** The same work again, for everything (or the one image) a commit's check stands for. */
  async function planRerun(host: Host, event: RerunEvent): Promise<Outcome<Handled>> {
    const known = await installations.known(host, event.installation);
    if (!known.ok) return known;
    const builds = await store.buildsOfCommit(event.repository, event.sha);
    const meant = builds.filter((build) => event.check === null || namesImage(event.check, build.planned.image));
    // A second click, or one on two checks of a commit, means what is on its way already.
    const wanted = meant.filter((build) => isFinal(build.state));
    if (wanted.length === 0) {
      const of = `of ${event.sha.slice(0, 7)}`;
      const note =
        meant.length === 0
          ? `nothing ${of} was built, so there is nothing to re-run`
          : `not re-run: what was asked for ${of} is being built already`;
      return ok({ kind: "ignored", note });
    }
    const link = await store.linkState(event.installation, event.repository);
    if (known.value?.state !== "active" || link !== "linked") {
      return ok({
        kind: "ignored",
        note: `not re-run: the installation is ${known.value?.state ?? "unknown"}, the repository ${link}`,
      });
    }
    const again = { requests: wanted.map((build) => build.planned), held: [], skips: [], diagnostics: [], trace: [] };
    const record: PlanRecord = {
      repository: event.repository,
      installation: event.installation,
      namespace: known.value.namespace,
      trigger: "rerun",
      changes: [],
      cancel: [],
      plan: await resolveRepositories(store, event, again),
      actor: event.actor?.id ?? null,
      configDigests: new Map(),
      write: options.write,
      report: [event.sha],
    };
    return ok({ kind: "planned", record });
  }

  /** The host says who pressed the button; whether that person may is asked, now, by id. */
  async function approve(host: Host, event: ApprovalEvent): Promise<Outcome<Handled>> {
    const { repository, installation, sha, check, actor } = event;
    const ignored = (note: string) => ok<Handled>({ kind: "ignored", note });
    const held = await store.heldBuilds(repository, sha);
    // Of whoever may say who may push.
    const own = held.filter((build) => hostKey(build.installation) === hostKey(installation));
    const meant = own.filter((build) => namesImage(check, build.planned.image));
    const none = `nothing of ${sha.slice(0, 7)} waits for approval`;
    if (meant.length === 0) return ignored(`${none} (any more)`);
    if (actor === null) return ignored("not approved: the event does not say by whom");
    const known = await installations.known(host, installation);
    if (!known.ok) return known;
    if (known.value?.state !== "active") {
      return ignored(`not approved: the installation is ${known.value?.state ?? "unknown"}`);
    }
    const role = await host.role(installation, repository, actor);
    if (!role.ok) return role;
    if (!mayDo(role.value, "build.approve")) {
      const who = { actor: actor.id, installation: hostKey(installation), repository: hostKey(repository) };
      log.warn({ ...who, action: "build.approve", reason: `role-${role.value}` }, "somebody was refused");
      return ignored(`not approved: ${actor.login} may not push to the repository`);
    }
    const by: Decider = { kind: "person", provider: host.provider, host: host.host, actor };
    const approved: string[] = [];
    for (const build of meant) approved.push(...(await store.approveBuild(build.id, by)));
    // Closed, superseded or approved by somebody else meanwhile.
    if (approved.length === 0) return ignored(`${none} any more, or nothing may be built now`);
    return ok({ kind: "applied", note: `approved by ${actor.login}` });
  }

  return { step };
}

/** Nobody waits for what is built of a closed pull request. */
function isClosed(change: Change): boolean {
  return change.kind === "pull_request" && change.pull.closed;
}

/** `wharfinger` stands for all images of a commit, `wharfinger: api` for one. */
function namesImage(check: string, image: string): boolean {
  return check === "wharfinger" || check === `wharfinger: ${image}`;
}

function unique(shas: readonly (Sha | null)[]): Sha[] {
  return [...new Set(shas.filter((sha) => sha !== null))];
}
