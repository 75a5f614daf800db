/**
 * Finds what hosts do not tell: compares the branches and tags of repositories with what they were and with what was told
 * of them. What nobody told of is journalled, and planned like a push.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { kindOfRef } from "../core/build-order.ts";
import { FOUND, foundText } from "../core/found.ts";
import { failed, type HostId, hostKey, type Outcome, ok, type RefChange, type Repository } from "../core/model.ts";
import {
  compareRefs,
  GRACE_MS,
  movedRefs,
  nextLook,
  type Refs,
  type Suspect,
  settledRefs,
  type Untold,
} from "../core/reconcile.ts";
import type { Acceptance } from "./inbox.ts";
import type { Pauses } from "./pauses.ts";
import type { Clock, Host, IncomingDelivery, Logger, Tip } from "./ports.ts";
import type { ClaimedRepository, ComparisonEnd, ReconcileStore, RefReader } from "./reconcile-port.ts";
import { ownDelivery } from "./streams.ts";

/** Looked at at the same time: builds are what hosts are there for. */
const AT_ONCE = 4;
/** From one look to the next, on average: each may want a token, and hosts count how many are made in a minute. */
const SPACING_MS = 500;
/** Longer than one look takes. */
const LEASE_MS = 10 * 60_000;
/** When a delivery about the repository waits, what it tells is waited for. */
const AWAITED_MS = 30_000;

/** A host whose repositories are compared. */
export interface ComparedHost {
  readonly host: Pick<Host, "provider" | "host" | "repository" | "tip" | "cloneCredential">;
  readonly refs: RefReader;
}

export interface ReconcilerOptions {
  readonly hosts: readonly ComparedHost[];
  readonly store: ReconcileStore;
  /** As for what is received. */
  accept(delivery: IncomingDelivery): Promise<Acceptance>;
  readonly pauses: Pauses;
  readonly clock: Clock;
  readonly log: Logger;
  /** How long what hosts tell may take to arrive; left out: {@link GRACE_MS}. */
  readonly graceMs?: number;
  /** Left out: {@link SPACING_MS}. */
  readonly spacingMs?: number;
  /** Left out: as long as it says, or until the signal. */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Ends a look soon; it counts as one that failed. */
  readonly signal: AbortSignal;
  /** Called with how many changes were journalled. */
  onFound?(count: number): void;
}

/** What a look came to. */
interface Looked {
  readonly refs: Refs | null;
  readonly suspects: readonly Suspect[];
  readonly found: readonly RefChange[];
  /** Milliseconds; null: as usual. */
  readonly againIn: number | null;
}

/** `step` looks at some repositories whose turn it is, and answers whether there were any. */
export function createReconciler(options: ReconcilerOptions): { step(): Promise<boolean> } {
  const { hosts, store, pauses, clock, log, signal } = options;
  const { graceMs = GRACE_MS, spacingMs = SPACING_MS, wait = waitFor } = options;

  async function step(): Promise<boolean> {
    if (signal.aborted) return false;
    const claimed = await store.claimComparisons({ limit: AT_ONCE, leaseMs: LEASE_MS });
    const begun = clock.now();
    await Promise.all(claimed.map(compareOne));
    const rest = claimed.length * spacingMs - (clock.now() - begun);
    if (rest > 0) await wait(rest, signal);
    return claimed.length > 0;
  }

  /** Never rejects: one repository must not keep others from being looked at. */
  async function compareOne(claimed: ClaimedRepository): Promise<void> {
    const { repository, installation, attempt } = claimed;
    const fields = { repository: repository.fullName, installation: hostKey(installation) };
    try {
      const looked = await lookAt(claimed);
      const end = endOf(claimed, looked);
      const held = await store.endComparison(repository, attempt, end);
      if (!looked.ok) {
        if (looked.retryAfter !== null) pauses.begin(installation, looked.retryAfter);
        if (claimed.failures === 0) log.warn({ ...fields, reason: looked.message }, "branches and tags not compared");
      } else if (held && looked.value.found.length > 0) {
        log.info({ ...fields, refs: looked.value.found.map(({ ref }) => ref) }, "found what the host did not tell");
      }
    } catch (error) {
      log.error({ ...fields, err: error }, "comparing branches and tags failed; its lease ends by itself");
    }
  }

  function endOf(claimed: ClaimedRepository, looked: Outcome<Looked>): ComparisonEnd {
    const { lastUsedAt } = claimed;
    const now = clock.now();
    const stands = { now, lastUsedAt, spread: Math.random(), graceMs };
    if (!looked.ok) {
      const { suspects } = claimed;
      const dueAt = nextLook({ ...stands, suspects, failures: claimed.failures + 1 });
      const wait = now + (looked.retryAfter ?? 0) * 1_000;
      return { refs: null, suspects, dueAt: Math.max(dueAt, wait), problem: looked.message, found: 0 };
    }
    const { refs, suspects, found, againIn } = looked.value;
    const dueAt = againIn === null ? nextLook({ ...stands, suspects, failures: 0 }) : now + againIn;
    return { refs, suspects, dueAt, problem: null, found: found.length };
  }

  async function lookAt(claimed: ClaimedRepository): Promise<Outcome<Looked>> {
    const { installation } = claimed;
    const { provider, host: name } = claimed.repository;
    const place = hosts.find(({ host }) => host.provider === provider && host.host === name);
    if (place === undefined) return failed(`This instance is not set up for the host ${name}.`, { retryable: true });
    const left = pauses.left(installation);
    if (left > 0) return failed("The host asked us to wait.", { retryable: true, retryAfter: left / 1_000 });
    const repository = await located(place, claimed);
    if (!repository.ok) return repository;
    const credential = await place.host.cloneCredential(installation, repository.value);
    if (!credential.ok) return credential;
    const at = clock.now();
    const read = await place.refs.read(repository.value.cloneUrl, credential.value, signal);
    if (!read.ok) return read;
    if (claimed.refs === null) return ok({ refs: read.value, suspects: [], found: [], againIn: null });
    return compare(place, { ...claimed, repository: repository.value, refs: claimed.refs }, read.value, at);
  }

  /**
   * With its address, which nothing may have told yet, or which may be that of another one by now. What is remembered first
   * is not compared with anything, and must be its own.
   */
  async function located(
    { host }: ComparedHost,
    { installation, repository, refs, failures }: ClaimedRepository,
  ): Promise<Outcome<Repository>> {
    const { cloneUrl, fullName } = repository;
    if (refs !== null && failures === 0 && cloneUrl.endsWith(`/${fullName}.git`)) return ok(repository);
    return await present(host, installation, repository);
  }

  async function present(
    host: ComparedHost["host"],
    installation: HostId,
    repository: Repository,
  ): Promise<Outcome<Repository>> {
    const seen = await host.repository(installation, repository);
    if (!seen.ok) return seen;
    return seen.value === null ? failed("The installation does not cover it.", { retryable: true }) : ok(seen.value);
  }

  async function compare(
    place: ComparedHost,
    claimed: ClaimedRepository & { readonly refs: Refs },
    now: Refs,
    at: number,
  ): Promise<Outcome<Looked>> {
    const { repository, refs: before } = claimed;
    const moved = movedRefs(before, now);
    if (moved.length === 0)
      return ok({ refs: isSame(before, now) ? null : now, suspects: [], found: [], againIn: null });
    // Names are given up and taken again, by anybody. What was read must be this repository's.
    const still = await present(place.host, claimed.installation, repository);
    if (!still.ok) return still;
    if (still.value.cloneUrl !== repository.cloneUrl) return failed("Its address has changed.", { retryable: true });
    // Before what was told is read: what is planned in between is seen there.
    const awaited = await store.isAwaited(repository);
    const told = await store.toldPlaces(repository, moved);
    const compared = compareRefs(before, now, { told, suspects: claimed.suspects, at, graceMs });
    const settle = (open: readonly Suspect[]) => {
      const refs = settledRefs(before, now, open);
      return isSame(before, refs) ? null : refs;
    };
    if (awaited) {
      const open = [...compared.suspects, ...compared.untold.map(({ suspect }) => suspect)];
      return ok({ refs: settle(open), suspects: open, found: [], againIn: open.length > 0 ? AWAITED_MS : null });
    }
    const confirmed = await confirm(place, claimed, compared.untold);
    if (!confirmed.ok) return confirmed;
    const { changes, moving } = confirmed.value;
    if (changes.length > 0) {
      const acceptance = await options.accept(deliveryOf(claimed, changes, clock.now()));
      if (acceptance !== "stored") {
        return failed(`What was found could not be stored (${acceptance}).`, { retryable: true });
      }
      options.onFound?.(changes.length);
    }
    const open = [...compared.suspects, ...moving];
    return ok({ refs: settle(open), suspects: open, found: changes, againIn: null });
  }

  /** Asks where they are once more, each by itself: those still there are changes, in the order of their commits. */
  async function confirm(
    { host }: ComparedHost,
    { installation, repository }: ClaimedRepository,
    untold: readonly Untold[],
  ): Promise<Outcome<{ readonly changes: readonly RefChange[]; readonly moving: readonly Suspect[] }>> {
    const changes: RefChange[] = [];
    const moving: Suspect[] = [];
    for (const one of untold) {
      const { ref, tip, suspect } = one;
      const now = await host.tip(installation, repository, ref);
      if (!now.ok) return now;
      // What moves right now is a change of its own, and has its own time to be told.
      const again: Suspect = { ref, object: suspect.object, since: clock.now() };
      if ((now.value?.commit ?? null) === (tip?.commit ?? null)) changes.push(changeOf(one, now.value));
      else if (now.value !== null) moving.push(again);
      // There for git, twice, and no commit: nothing of it could be built.
      else if (suspect.noCommit !== true) moving.push({ ...again, noCommit: true });
    }
    return ok({ changes: changes.toSorted(byCommit), moving });
  }

  return { step };
}

async function waitFor(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}

function changeOf({ ref, before, tip }: Untold, now: Tip | null): RefChange {
  const at = { ...kindOfRef(ref), ref, before, forced: false };
  if (tip === null || now === null) return { ...at, after: null, commit: null, message: "" };
  const { message, committedAt } = now;
  return { ...at, after: tip.object, commit: tip.commit, message, ...(committedAt !== null && { committedAt }) };
}

/** Commits of unknown age first: what is known to be newer moves tags after them. */
function byCommit(a: RefChange, b: RefChange): number {
  return Date.parse(a.committedAt ?? "1970-01-01") - Date.parse(b.committedAt ?? "1970-01-01");
}

function isSame(one: Refs, other: Refs): boolean {
  return one.size === other.size && [...one].every(([ref, { object }]) => other.get(ref)?.object === object);
}

function deliveryOf(claimed: ClaimedRepository, changes: readonly RefChange[], now: number): IncomingDelivery {
  // The same may be found again: what moved there and back was told in between.
  const deliveryId = `found-${randomUUID()}`;
  return ownDelivery(claimed, { deliveryId, event: FOUND, body: foundText({ ...claimed, changes }) }, now);
}
