/** Comparing a repository's branches and tags with what its host told: what is asked of git and of the database. */
import type { HostId, Outcome, Repository } from "../core/model.ts";
import type { Refs, Suspect, ToldPlace } from "../core/reconcile.ts";
import type { CloneCredential } from "./ports.ts";

/** Reads all branches and tags of a repository, in one exchange. */
export interface RefReader {
  /**
   * `url`: as in {@link Repository.cloneUrl}. Follows no redirect, and gives the credential to that address only. Fails
   * where the host is away or refuses, or where there are more refs than anybody compares. Ends soon after `signal` is
   * aborted, as a failure that may be tried again.
   */
  read(url: string, credential: CloneCredential, signal: AbortSignal): Promise<Outcome<Refs>>;
}

/** A lease on comparing the refs of one repository. */
export interface ClaimedRepository {
  /** Fencing token: later calls with an older one change nothing. */
  readonly attempt: number;
  readonly installation: HostId;
  /** As it is recorded; `cloneUrl` is empty where none was ever told. */
  readonly repository: Repository;
  /** As they were when they were compared last; null: they never were. */
  readonly refs: Refs | null;
  readonly suspects: readonly Suspect[];
  /**
   * When something of it was built last, or a push of it was planned by a file of ours. Milliseconds since
   * 1970; null: never.
   */
  readonly lastUsedAt: number | null;
  /** Looks that failed since the last one that did not. */
  readonly failures: number;
}

export interface ComparisonEnd {
  /** What is remembered; null: what was. */
  readonly refs: Refs | null;
  readonly suspects: readonly Suspect[];
  /** Milliseconds since 1970. */
  readonly dueAt: number;
  /** A sentence; null: they were compared. */
  readonly problem: string | null;
  /** Changes that were journalled. */
  readonly found: number;
}

/** How comparing goes, of all repositories that are compared: linked ones of active installations that are not archived. */
export interface Comparisons {
  readonly repositories: number;
  /** Of these, compared at least once. */
  readonly compared: number;
  /** Of these, those that should have been looked at more than an hour ago. */
  readonly late: number;
  /** Of these, those whose last look failed. */
  readonly failing: number;
  /** What the latest of them failed for; null: none fails. */
  readonly problem: string | null;
  /** When one was compared last. ISO 8601, UTC; null: none ever was. */
  readonly lastAt: string | null;
  /** Changes found within the last day. */
  readonly found: number;
}

export interface ReconcileStore {
  /**
   * Repositories whose turn it is, those that waited longest first: linked ones of active installations. One that was
   * never compared is due at once; what is remembered of one that is linked no more is forgotten.
   */
  claimComparisons(options: {
    readonly limit: number;
    readonly leaseMs: number;
  }): Promise<readonly ClaimedRepository[]>;
  /** Ends the lease. False, and nothing changed: it was lost. A look that is due sooner meanwhile stays so. */
  endComparison(repository: HostId, attempt: number, end: ComparisonEnd): Promise<boolean>;
  /** Where lanes are, as far as was told or found; one of which nothing was told is missing. */
  toldPlaces(repository: HostId, lanes: readonly string[]): Promise<ReadonlyMap<string, ToldPlace>>;
  /** Whether a delivery about the repository is still to be processed. */
  isAwaited(repository: HostId): Promise<boolean>;
}
