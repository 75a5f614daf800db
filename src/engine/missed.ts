/**
 * Fetches what a host could not deliver: GitHub sends nothing again by itself, and keeps it for a few days. What is found is
 * journalled like what was received; the journal tells what it has already.
 */
import type { Acceptance } from "./inbox.ts";
import type { ClaimedLook, DeliveryAttempt, DeliverySource, LookEnd, MissedStore, MissedTry } from "./missed-port.ts";
import type { Clock, IncomingDelivery, Logger } from "./ports.ts";

/** Attempts are listed late now and then, and clocks differ: this far before the position the list is read again. */
const OVERLAP_MS = 15 * 60_000;
/** Longer than any single call; prolonged after each page and each handful of deliveries. */
const LEASE_MS = 2 * 60_000;
/** Fetched at the same time: each may have 25 MB. They are stored in their order all the same. */
const AT_ONCE = 4;
/** Ids asked for in one statement. */
const IDS_AT_ONCE = 500;
const MAX_TRIES = 3;
/** After the second try: an incident at the host that is longer than two looks must not cost a delivery. */
const LAST_TRY_AFTER_MS = 30 * 60_000;

export interface MissedOptions {
  readonly sources: readonly DeliverySource[];
  readonly store: MissedStore;
  /** As for what is received. */
  accept(delivery: IncomingDelivery): Promise<Acceptance>;
  /** Milliseconds between two looks of this process; processes of one database share them. */
  readonly everyMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  /** Ends a look soon; the next one goes on from there. */
  readonly signal: AbortSignal;
  /** Called with how many were journalled. */
  onFetched?(source: Pick<DeliverySource, "provider" | "host">, count: number): void;
}

/** A delivery that no attempt has brought, with its first attempt that is listed. */
type Miss = DeliveryAttempt;

interface Listed {
  /** Of all attempts; null: there are none. */
  readonly newest: number | null;
  readonly attempts: number;
  /** Wanted, and not brought by any of their attempts; the oldest first. */
  readonly misses: readonly Miss[];
}

/** Why a look ended early: the host, our journal, or us. */
class LookEnded extends Error {
  readonly kind: "failed" | "stopped" | "lost";
  /** Seconds; null: the host did not say. */
  readonly retryAfter: number | null;

  constructor(kind: LookEnded["kind"], message: string, retryAfter: number | null = null) {
    super(message);
    this.name = "LookEnded";
    this.kind = kind;
    this.retryAfter = retryAfter;
  }
}

/** `step` looks once at every host, and answers false: the loop around it sets the pace. */
export function createMissed(options: MissedOptions): { step(): Promise<boolean> } {
  const { sources, log } = options;
  /** Hosts this process has looked at: the first look after a start waits for nobody's pace. */
  const begun = new Set<string>();
  /** What was said of each host last, so that an outage of hours is told once. */
  const told = new Map<string, string | null>();

  async function look(source: DeliverySource): Promise<void> {
    const { provider, host } = source;
    const key = `${provider}:${host}`;
    const gapMs = begun.has(key) ? options.everyMs / 2 : 0;
    const claimed = await options.store.claimLook(source, { leaseMs: LEASE_MS, gapMs });
    if (claimed === null) return;
    begun.add(key);
    const end = await createLook(options, source, claimed).run();
    if (end === null) return;
    await options.store.endLook(source, claimed.attempt, end);
    if (end.problem !== (told.get(key) ?? null) && end.problem !== null) {
      log.warn({ provider, host, reason: end.problem }, "missed deliveries could not be looked for or fetched");
    }
    told.set(key, end.problem);
  }

  return {
    async step() {
      // One host that is away, or a bug with it, must not keep others from being looked at.
      await Promise.all(
        sources.map((source) =>
          look(source).catch((error: unknown) => {
            const { provider, host } = source;
            log.error({ err: error, provider, host }, "looking for missed deliveries failed");
          }),
        ),
      );
      return false;
    },
  };
}

function createLook(options: MissedOptions, source: DeliverySource, claimed: ClaimedLook) {
  const { store, clock, log, signal } = options;
  const { provider, host } = source;
  /** Up to where everything is settled. */
  let reached = claimed.reached;
  let problem: string | null = null;

  async function hold(): Promise<void> {
    if (signal.aborted) throw new LookEnded("stopped", "stopped");
    const held = await store.holdLook(source, claimed.attempt, { leaseMs: LEASE_MS, reached });
    if (!held) throw new LookEnded("lost", "somebody else looks");
  }

  /** Reads the list back to the position: the newest is listed first, and what is oldest has to be stored first. */
  async function list(): Promise<Listed> {
    const from = claimed.reached === null ? null : claimed.reached - OVERLAP_MS;
    const brought = new Set<string>();
    const missed = new Map<string, Miss>();
    let newest: number | null = null;
    let attempts = 0;
    for (let page: string | null = null, more = true; more; ) {
      const answer = await source.list(page);
      if (!answer.ok) throw new LookEnded("failed", answer.message, answer.retryAfter);
      for (const attempt of answer.value.attempts) {
        attempts += 1;
        newest = Math.max(newest ?? attempt.sentAt, attempt.sentAt);
        if (isTaken(attempt)) brought.add(attempt.deliveryId);
        else if (attempt.wanted) {
          // Later in the list is earlier in time. Put in again, so that the order is that of the first attempts.
          missed.delete(attempt.deliveryId);
          missed.set(attempt.deliveryId, attempt);
        }
      }
      page = answer.value.next;
      const oldest = answer.value.attempts.at(-1);
      more = page !== null && !(from !== null && oldest !== undefined && oldest.sentAt < from);
      await hold();
    }
    // What is listed as of one second came in the order of the list.
    const misses = [...missed.values()].filter(({ deliveryId }) => !brought.has(deliveryId)).reverse();
    return { newest, attempts, misses: misses.toSorted((a, b) => a.sentAt - b.sentAt) };
  }

  async function unknown(misses: readonly Miss[]): Promise<readonly Miss[]> {
    const found: Miss[] = [];
    for (let at = 0; at < misses.length; at += IDS_AT_ONCE) {
      const some = misses.slice(at, at + IDS_AT_ONCE);
      const ids = await store.unknownDeliveries({ provider, host, ids: some.map(({ deliveryId }) => deliveryId) });
      found.push(...some.filter(({ deliveryId }) => ids.has(deliveryId)));
    }
    return found;
  }

  /** Null: settled. Otherwise it holds the position where it is. */
  async function afterFailure(miss: Miss, tried: MissedTry | undefined, retryable: boolean, why: string) {
    const tries = (tried?.tries ?? 0) + 1;
    const over = !retryable || tries >= MAX_TRIES;
    const wait = tries === MAX_TRIES - 1 ? LAST_TRY_AFTER_MS : 0;
    const notBefore = over ? null : clock.now() + wait;
    await store.recordMissedTry({ provider, host, attempt: miss, notBefore });
    if (!over) return miss.sentAt;
    const fields = { provider, host, deliveryId: miss.deliveryId, status: miss.status, tries, reason: why };
    log.warn(fields, "a missed delivery can not be fetched, and is given up");
    return null;
  }

  /** Counts of what came of a handful; the earliest moment of what is not settled; why to end here. */
  async function fetchSome(some: readonly Miss[], tries: ReadonlyMap<string, MissedTry>) {
    const outcomes = await Promise.all(some.map((miss) => source.fetch(miss)));
    const accepting: Promise<Acceptance | null>[] = outcomes.map((outcome, index) => {
      const miss = some[index];
      if (!outcome.ok || miss === undefined) return Promise.resolve(null);
      const missed = { sentAt: miss.sentAt, status: miss.status };
      return options.accept({ ...outcome.value, missed });
    });
    const accepted = await Promise.all(accepting);
    const open: number[] = [];
    let fetched = 0;
    let failures = 0;
    let ended: LookEnded | null = null;
    for (const [index, miss] of some.entries()) {
      const outcome = outcomes[index];
      const acceptance = accepted[index] ?? null;
      if (outcome?.ok) {
        if (acceptance === "stored") fetched += 1;
        if (acceptance === "stored" || acceptance === "known") continue;
        open.push(miss.sentAt);
        ended = new LookEnded("failed", `What was fetched could not be stored (${acceptance}).`);
      } else if (outcome !== undefined) {
        failures += outcome.retryable ? 1 : 0;
        problem = outcome.message;
        // It limits the rate, or wants to be left alone: that says nothing of this delivery.
        if (outcome.retryable && outcome.retryAfter !== null) {
          open.push(miss.sentAt);
          ended ??= new LookEnded("failed", outcome.message, outcome.retryAfter);
          continue;
        }
        const left = await afterFailure(miss, tries.get(miss.deliveryId), outcome.retryable, outcome.message);
        if (left !== null) open.push(left);
      }
    }
    // Nothing comes: it is away, and the others' tries are kept for later.
    if (failures === some.length && some.length > 1) ended ??= new LookEnded("failed", problem ?? "no answer");
    return { fetched, open, ended };
  }

  /** Moves the position, which never passes what is not settled. */
  function reach(to: number, open: readonly number[]): void {
    reached = Math.max(reached ?? 0, Math.min(to, ...open));
  }

  async function sweep(counts: { listed: number; missed: number; fetched: number }): Promise<void> {
    const tries = await store.missedTries(source);
    const { newest, attempts, misses } = await list();
    const wanting = (await unknown(misses)).filter(({ deliveryId }) => tries.get(deliveryId)?.notBefore !== null);
    counts.listed = attempts;
    counts.missed = wanting.length;
    const now = clock.now();
    const isDue = ({ deliveryId }: Miss) => (tries.get(deliveryId)?.notBefore ?? 0) <= now;
    const open = wanting.filter((miss) => !isDue(miss)).map(({ sentAt }) => sentAt);
    if (open.length > 0) problem = claimed.problem;
    const due = wanting.filter(isDue);
    for (let at = 0; at < due.length; at += AT_ONCE) {
      const some = due.slice(at, at + AT_ONCE);
      const did = await fetchSome(some, tries);
      counts.fetched += did.fetched;
      if (did.fetched > 0) options.onFetched?.(source, did.fetched);
      open.push(...did.open);
      reach(some.at(-1)?.sentAt ?? 0, open);
      if (did.ended !== null) throw did.ended;
      await hold();
    }
    if (newest !== null) reach(newest, open);
  }

  return {
    /** Null: the lease was lost, and with it the say. */
    async run(): Promise<LookEnd | null> {
      const counts = { listed: 0, missed: 0, fetched: 0 };
      let end: LookEnd | null;
      try {
        await sweep(counts);
        end = { reached, complete: true, problem, notBefore: null };
      } catch (error) {
        // What is stored stays stored; the position says how far that is.
        if (!(error instanceof LookEnded)) {
          const why = "an internal error; the log has the details";
          await store.endLook(source, claimed.attempt, { reached, complete: false, problem: why, notBefore: null });
          throw error;
        }
        const { kind, message, retryAfter } = error;
        const notBefore = retryAfter === null ? null : clock.now() + retryAfter * 1_000;
        const why = kind === "stopped" ? claimed.problem : message;
        end = kind === "lost" ? null : { reached, complete: false, problem: why, notBefore };
      }
      if (counts.missed > 0) log.info({ provider, host, ...counts }, "fetched what the host could not deliver");
      return end;
    },
  };
}

function isTaken({ status }: DeliveryAttempt): boolean {
  return status !== null && status >= 200 && status < 300;
}
