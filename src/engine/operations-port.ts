/** What whoever runs the instance looks at: how far everything is behind, what runs where, and what fails. */
import type { Failure, HostId } from "../core/model.ts";

export interface OperationsStore {
  /**
   * How far work of these installations has got, by {@link hostKey}; one of which nothing is known is missing. As of one
   * moment.
   */
  standings(installations: readonly HostId[]): Promise<ReadonlyMap<string, Standing>>;
  /** Builds that are under way, the one begun first before the others, and those that wait, the oldest first; at most `limit` of each. */
  workload(limit: number): Promise<Workload>;
  /** Builds that ended in a failure since then, the most frequent class first. */
  failures(since: string): Promise<readonly FailureCount[]>;
}

/** Things that wait, and since when the oldest of them does. ISO 8601, UTC; null: none waits. */
export interface Waiting {
  readonly count: number;
  readonly oldest: string | null;
}

export interface Standing {
  /** When a delivery of the host last arrived; null: none has, as far as is recorded. */
  readonly heard: string | null;
  /** Deliveries that are not processed. */
  readonly deliveries: Waiting;
  readonly queued: Waiting;
  readonly running: number;
  /** Checks that the host does not show as they should be. `note`: why the oldest was put off; null: it was not. */
  readonly checks: Waiting & { readonly note: string | null };
}

export interface Workload {
  readonly running: readonly RunningBuild[];
  readonly waiting: readonly WaitingBuild[];
}

interface WorkloadBuild {
  readonly id: string;
  /** With its namespace: `acme/api`. */
  readonly image: string;
  readonly repository: string;
  readonly installation: HostId;
}

export interface RunningBuild extends WorkloadBuild {
  /** `publishing`: built, and its tags are to be moved. */
  readonly phase: "building" | "publishing";
  /** Name of the process that has the lease; null: nobody has it just now. */
  readonly worker: string | null;
  readonly attempt: number;
  readonly startedAt: string | null;
  /** Until when the lease holds unless it is prolonged; null: nobody has it. */
  readonly leaseUntil: string | null;
  /** Somebody asked for it to stop. */
  readonly stopping: boolean;
}

export interface WaitingBuild extends WorkloadBuild {
  readonly createdAt: string;
  /** Not begun before then: it failed for a reason that may pass. Null: as soon as it is its turn. */
  readonly notBefore: string | null;
}

export interface FailureCount {
  readonly class: Failure["class"];
  readonly count: number;
}
