/** What the status page shows. Times are told as they are known; what nobody knows is said to be unknown. */
import { hostKey, type InstallationState } from "../core/model.ts";
import type { MissedLook } from "../engine/missed-port.ts";
import type { Waiting } from "../engine/operations-port.ts";
import type { Comparisons } from "../engine/reconcile-port.ts";
import type { InstallationStatus, InstanceStatus, Refusal } from "../engine/status.ts";
import { installationAddress } from "./addresses.ts";
import { hostName } from "./host-names.ts";
import { duration, type TimeView, timeView, webLink } from "./present.ts";

export interface WaitingView {
  readonly count: number;
  /** For how long the oldest has waited; null: none waits. */
  readonly behind: string | null;
}

export interface InstallationStatusView {
  readonly key: string;
  readonly href: string;
  readonly login: string;
  readonly host: string;
  readonly state: InstallationState;
  readonly lastEvent: TimeView | null;
  readonly deliveries: WaitingView;
  readonly queued: WaitingView;
  readonly running: number;
  readonly checks: WaitingView & { readonly note: string | null };
  readonly budgets: readonly BudgetView[];
  /** Sentences: what keeps its work from being done, or done well. */
  readonly warnings: readonly string[];
  readonly permissions: {
    readonly kind: "unknown" | "complete" | "missing";
    /** `Checks (write)` and a clause: what does not work without it. */
    readonly missing: readonly { readonly title: string; readonly without: string }[];
    /** Where an owner accepts them; null: nowhere, or nothing is missing. */
    readonly accept: string | null;
  };
}

interface BudgetView {
  readonly of: string;
  readonly left: number;
  readonly limit: number;
  /** 0 to 100. */
  readonly percent: number;
  /** A clause: when there are all of them again; null: they come back one by one. */
  readonly resets: string | null;
  readonly at: TimeView;
}

export function waitingView({ count, oldest }: Waiting, now: number): WaitingView {
  return { count, behind: oldest === null ? null : duration(now - Date.parse(oldest)) };
}

export function installationStatusView(one: InstallationStatus, now: number): InstallationStatusView {
  const { installation, permissions } = one;
  const { account, state } = installation;
  const missing = permissions?.asked.filter(({ given }) => given === false) ?? [];
  const unknown = permissions === null || permissions.asked.every(({ given }) => given === null);
  return {
    key: hostKey(installation),
    href: installationAddress(installation),
    login: account.login,
    host: hostName(installation),
    state,
    lastEvent: one.lastEvent === null ? null : timeView(one.lastEvent, now),
    deliveries: waitingView(one.deliveries, now),
    queued: waitingView(one.queued, now),
    running: one.running,
    checks: { ...waitingView(one.checks, now), note: one.checks.note },
    budgets: one.budgets.map(({ of, left, limit, resetsAt, at }) => ({
      of,
      left,
      limit,
      percent: limit === 0 ? 0 : Math.round((100 * left) / limit),
      resets: resetsAt === null ? null : resetText(Date.parse(resetsAt) - now),
      at: timeView(at, now),
    })),
    warnings: warningsOf(one, now),
    permissions: {
      kind: missing.length > 0 ? "missing" : unknown ? "unknown" : "complete",
      missing: missing.map(({ title, level, without }) => ({ title: `${title} (${level})`, without })),
      accept: permissions?.accept === null || permissions === null ? null : webLink(permissions.accept),
    },
  };
}

function resetText(ms: number): string {
  return ms > 0 ? `all again in ${duration(ms)}` : `all again since ${duration(-ms)}`;
}

function warningsOf({ askedToWait, installation }: InstallationStatus, now: number): string[] {
  const { state } = installation;
  const warnings: string[] = [];
  if (askedToWait !== null) {
    const left = duration(Date.parse(askedToWait) - now);
    warnings.push(`${hostName(installation)} asked us to wait: it is not asked anything for another ${left}.`);
  }
  if (state === "suspended") warnings.push("Its owners have suspended the app: nothing is heard of it or built.");
  if (state === "paused")
    warnings.push("Its builds are paused: what is pushed is kept, and built when they are resumed.");
  return warnings;
}

export interface MissedView {
  readonly host: string;
  readonly looked: TimeView | null;
  /** A sentence that begins like `3 fetched in the last day`. */
  readonly found: string;
  readonly problem: string | null;
}

/** Of the repositories whose branches and tags are compared. */
export interface ComparisonsView {
  /** A clause: how many of them were. */
  readonly compared: string;
  /** When the last one was; null: none was. */
  readonly last: TimeView | null;
  /** Changes that were found within a day. */
  readonly found: number;
  /** Begins a sentence: how many, of those that wait too long, and of those that could not be compared; null: none. */
  readonly late: string | null;
  readonly failing: string | null;
  /** What the last of these failed for. */
  readonly problem: string | null;
}

export interface InstanceStatusView {
  readonly since: TimeView;
  readonly deliveries: WaitingView;
  readonly queued: WaitingView;
  readonly running: number;
  readonly held: number;
  readonly checksDue: number;
  /** Of each host that keeps what it could not deliver. */
  readonly missed: readonly MissedView[];
  /** Null: there is nothing to compare. */
  readonly comparisons: ComparisonsView | null;
  readonly refusals: readonly (Omit<Refusal, "last"> & { readonly last: TimeView; readonly meaning: string })[];
}

export function instanceStatusView(status: InstanceStatus, now: number): InstanceStatusView {
  const { deliveriesPending, oldestPending, builds, oldestQueued, checksDue, since, refusals, missed } = status;
  return {
    since: timeView(since, now),
    deliveries: waitingView({ count: deliveriesPending, oldest: oldestPending }, now),
    queued: waitingView({ count: builds.queued, oldest: oldestQueued }, now),
    running: builds.running,
    held: builds.held,
    checksDue,
    missed: missed.map((one) => ({
      host: hostName(one),
      looked: one.lookedAt === null ? null : timeView(one.lookedAt, now),
      found: foundText(one),
      problem: one.problem,
    })),
    comparisons: status.comparisons.repositories === 0 ? null : comparisonsView(status.comparisons, now),
    refusals: refusals.map(({ last, ...refusal }) => {
      return { ...refusal, last: timeView(last, now), meaning: meaningOf(refusal.status) };
    }),
  };
}

function foundText({ fetched, lost }: MissedLook): string {
  const given = lost === 0 ? "" : `, ${lost} could not be fetched: redeliver ${lost === 1 ? "it" : "them"} on the host`;
  return `${fetched} fetched in the last day${given}`;
}

function comparisonsView(all: Comparisons, now: number): ComparisonsView {
  const { late, failing, problem, lastAt, found } = all;
  return {
    compared: comparedText(all),
    last: lastAt === null ? null : timeView(lastAt, now),
    found,
    late: late === 0 ? null : counted(late),
    failing: failing === 0 ? null : counted(failing),
    problem,
  };
}

function comparedText({ repositories, compared }: Comparisons): string {
  if (compared === 0) return `not yet: ${counted(repositories)} will be, one after the other`;
  if (compared < repositories) return `${compared} of ${counted(repositories)}`;
  return repositories === 1 ? "the one repository" : `all ${counted(repositories)}`;
}

function counted(repositories: number): string {
  return repositories === 1 ? "1 repository" : `${repositories} repositories`;
}

/** What an answer to a webhook most likely means, and what to do. */
function meaningOf(status: number): string {
  const known = MEANINGS[status];
  if (known !== undefined) return known;
  return status >= 500 ? "It could not be stored, and the host was told so." : "It was no webhook we take.";
}

const MEANINGS: Readonly<Record<number, string>> = {
  400: "It was malformed. Its host does not send such; somebody else may.",
  401: "Its signature was wrong. If its host sent it, the webhook's secret is not the one configured here.",
  404: "Nothing takes webhooks there. A connection that was removed may still have its webhook.",
  405: "It was no POST.",
  408: "Its body did not arrive in time.",
  413: "It was too large.",
  415: "It was not JSON. Set the webhook's content type to application/json.",
  503: "We could not store it in time. Bitbucket sends it again; from GitHub it is fetched.",
};
