/** Deliveries that a host could not deliver: what is asked of the host that keeps them, and of the database. */
import type { HostId, Outcome, Sha } from "../core/model.ts";
import type { IncomingDelivery } from "./ports.ts";

export type HostPlace = Pick<HostId, "provider" | "host">;

/** One time that a host tried to deliver something. */
export interface DeliveryAttempt {
  /** The host's id of the attempt. */
  readonly id: string;
  /** The same for all attempts at one delivery. */
  readonly deliveryId: string;
  /** Milliseconds since 1970, by the host's clock. */
  readonly sentAt: number;
  /** HTTP status of the answer; null: there was none. */
  readonly status: number | null;
  /** False: nothing is in it that would be kept, or is not known here. */
  readonly wanted: boolean;
}

export interface AttemptPage {
  readonly attempts: readonly DeliveryAttempt[];
  /** Of the page after this one; null: the host keeps nothing older. */
  readonly next: string | null;
}

/** A host that keeps what it could not deliver, for a few days. */
export interface DeliverySource extends HostPlace {
  /** Attempts, the newest first. `page`: what the page before said; null: the first one. */
  list(page: string | null): Promise<Outcome<AttemptPage>>;
  /** What was to be delivered, as if it had come now. */
  fetch(attempt: DeliveryAttempt): Promise<Outcome<IncomingDelivery>>;
}

/** A lease on looking for what one host could not deliver. */
export interface ClaimedLook {
  /** Fencing token: later calls with an older one change nothing. */
  readonly attempt: number;
  /** Up to then, by the host's clock, everything was stored or given up. Milliseconds since 1970; null: nobody has looked. */
  readonly reached: number | null;
  readonly problem: string | null;
}

/** What could not be fetched so far. */
export interface MissedTry {
  readonly tries: number;
  /** Milliseconds since 1970: not again before then; null: given up. */
  readonly notBefore: number | null;
}

export interface LookEnd {
  /** As in {@link ClaimedLook}; it never goes back. */
  readonly reached: number | null;
  /** The whole list was looked through. */
  readonly complete: boolean;
  /** A sentence; null: all is well. */
  readonly problem: string | null;
  /** Milliseconds since 1970: the host wants not to be asked before; null: it did not say. */
  readonly notBefore: number | null;
}

/** How looking for what a host could not deliver goes. */
export interface MissedLook extends HostPlace {
  /** When the whole list was last looked through; null: never. ISO 8601, UTC. */
  readonly lookedAt: string | null;
  readonly problem: string | null;
  /** Fetched and given up within the last day. */
  readonly fetched: number;
  readonly lost: number;
}

/** Where a lane is, as far as is recorded. */
export interface LanePlace {
  readonly before: Sha | null;
  readonly after: Sha | null;
  /** Something was decided of it that was told, or found, after the delivery was sent. */
  readonly later: boolean;
  /** One of its moves was found, not told. */
  readonly found: boolean;
}

export interface MissedStore {
  /** Of ids that the host gave to deliveries, those that the journal does not have. */
  unknownDeliveries(asked: HostPlace & { readonly ids: readonly string[] }): Promise<ReadonlySet<string>>;
  /**
   * Null: somebody else looks, or began to less than `gapMs` ago, or the host wants not to be asked yet.
   */
  claimLook(
    place: HostPlace,
    options: { readonly leaseMs: number; readonly gapMs: number },
  ): Promise<ClaimedLook | null>;
  /** Prolongs the lease, and keeps how far it has got. False, and nothing changed: it was lost. */
  holdLook(
    place: HostPlace,
    attempt: number,
    options: { readonly leaseMs: number; readonly reached: number | null },
  ): Promise<boolean>;
  /** Ends the lease. Changes nothing where it was lost. */
  endLook(place: HostPlace, attempt: number, end: LookEnd): Promise<void>;
  /** By the host's id of the delivery. */
  missedTries(place: HostPlace): Promise<ReadonlyMap<string, MissedTry>>;
  /** It could not be fetched once more. `notBefore` as in {@link MissedTry}. */
  recordMissedTry(
    tried: HostPlace & { readonly attempt: DeliveryAttempt; readonly notBefore: number | null },
  ): Promise<void>;
  /**
   * Where lanes are, beside a delivery that was fetched late; a lane that never moved is missing. What was planned once more
   * counts as told when it was told first.
   */
  lanesBeside(delivery: string, repository: HostId, lanes: readonly string[]): Promise<ReadonlyMap<string, LanePlace>>;
}
