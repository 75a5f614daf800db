/** Pauses, and what they kept from being built: what the engine asks of the database. */
import type { By } from "../core/audit.ts";
import type { HostId, Installation, Repository, Sha } from "../core/model.ts";
import type { Pause, Scope } from "../core/pause.ts";
import type { PastDelivery } from "./store-port.ts";

export interface PauseStore {
  /**
   * From when this resolves on nothing of the scope is begun any more. What is built meanwhile comes to its end, unless
   * `stop`: then it loses its lease now, or soon where it is begun at this very moment, and waits in the queue. A pause that
   * is there stays as it began; `stop` may still be added to it. Null: no such installation or repository.
   */
  pause(scope: Scope, options: { readonly by: By; readonly stop: boolean }): Promise<Paused | null>;
  /** Ends the pause and journals what waited, as {@link replayDeliveries} does, or neither. Null: as with {@link pause}. */
  resume(scope: Scope, by: By): Promise<Resumed | null>;
  /** All that hold up builds of these, the widest first; the instance's in any case. */
  pausesOf(about: { readonly installation?: HostId; readonly repository?: HostId }): Promise<readonly Pause[]>;
  /** All that there are, the newest first. */
  listPauses(): Promise<readonly ListedPause[]>;
  /** Builds of the scope. Null: as with {@link pause}. */
  countBuilds(scope: Scope): Promise<BuildCounts | null>;
  /**
   * Lanes of the scope whose newest change was not built only because nothing could be (paused, suspended, no namespace),
   * and that could be now; `lifted`: if the scope's own pause were over. Oldest delivery first.
   */
  waitingLanes(scope: Scope, options: { readonly lifted: boolean }): Promise<readonly WaitingLane[]>;
  /**
   * Journals a copy of each delivery that the {@link waitingLanes} wait for, in its stream, to be planned again. Each
   * delivery is copied once; what was not built of a copy may be copied itself. Safe to repeat.
   */
  replayDeliveries(scope: Scope): Promise<Replayed>;
  /** Of lanes, those in which something newer than the delivery was decided. */
  lanesMovedSince(delivery: string, repository: HostId, lanes: readonly string[]): Promise<ReadonlySet<string>>;
}

export interface Paused {
  readonly pause: Pause;
  /** False: it was there. */
  readonly began: boolean;
  /** Builds that were stopped now, and wait again. */
  readonly stopped: number;
}

/** `name`: as it is called today: `acme`, `acme/api`; of the instance `instance`. */
export interface ListedPause extends Pause {
  readonly scope: Scope;
  readonly name: string;
}

export interface Resumed extends Replayed {
  /** The pause that is over; null: there was none. */
  readonly ended: Pause | null;
  /** What still holds up its builds, the widest first; what waits for these stays. */
  readonly remaining: readonly Pause[];
}

export interface BuildCounts {
  readonly queued: number;
  readonly running: number;
}

export interface WaitingLane {
  readonly repository: Repository;
  readonly installation: Installation;
  readonly lane: string;
  readonly sha: Sha | null;
  readonly delivery: PastDelivery;
  /** False: past RETENTION_BODIES_DAYS; it can not be planned again. */
  readonly readable: boolean;
}

export interface Replayed {
  /** Ids of the copies. */
  readonly deliveries: readonly string[];
  /** What waited and is planned again with them. */
  readonly lanes: readonly WaitingLane[];
  /** What waited and can not be built any more. */
  readonly lost: readonly WaitingLane[];
}
