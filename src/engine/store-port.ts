/**
 * What the engine asks of the database. Each method says what it promises; test/contract/store.contract.ts holds every
 * implementation to it. Times are ISO 8601 in UTC, durations milliseconds unless said otherwise.
 */

import type { AuditEntry, By, Decider } from "../core/audit.ts";
import type { RequestOrigin, SignedRequest } from "../core/build-request.ts";
import type { CheckFacts } from "../core/check.ts";
import type { FileCheck } from "../core/config-check.ts";
import type { RepositoryName } from "../core/events.ts";
import type { Missed } from "../core/missed.ts";
import type {
  Account,
  Build,
  BuildPlan,
  BuildState,
  BuildStep,
  Change,
  Failure,
  FailureClass,
  HostId,
  Installation,
  LinkState,
  Policy,
  Provider,
  PublishedTags,
  Repository,
  Sha,
  Verdict,
} from "../core/model.ts";
import type { Publication } from "../core/supersede.ts";
import type { ImageOwners } from "../core/trust.ts";
import type { AccessTokenStore } from "./access-tokens-port.ts";
import type { ApiTokenStore } from "./api-tokens-port.ts";
import type { AuditStore } from "./audit-port.ts";
import type { BadgeStore } from "./badges-port.ts";
import type { ClaimStore } from "./claims-store-port.ts";
import type { FurtherRepositoryStore } from "./further-repositories-port.ts";
import type { IdempotencyStore } from "./idempotency-port.ts";
import type { LifecycleStore } from "./lifecycle-port.ts";
import type { MissedLook, MissedStore } from "./missed-port.ts";
import type { NoticeStore } from "./notices-port.ts";
import type { OperationsStore } from "./operations-port.ts";
import type { PauseStore } from "./pause-port.ts";
import type { IncomingDelivery } from "./ports.ts";
import type { ReceiptStore } from "./receipts-port.ts";
import type { Comparisons, ReconcileStore } from "./reconcile-port.ts";
import type { SessionStore } from "./sessions-port.ts";

export interface Journal {
  /**
   * Stores each delivery unless its (provider, host, deliveryId) is known. When the promise resolves all of the batch
   * is durable; the answer says, by position, whether it was stored now (true) or known before (false). A duplicate
   * inside the batch counts as known. Rejects as a whole: then nothing of the batch is stored.
   */
  append(batch: readonly IncomingDelivery[]): Promise<readonly boolean[]>;
}

/**
 * What a delivery led to. `pending` until it was processed; `planned`: decisions were recorded; `applied`: it changed
 * what is known of an installation; `ignored`: nothing to do; `failed`: processing was given up.
 */
export type DeliveryOutcome = "pending" | "planned" | "applied" | "ignored" | "failed";

export interface Delivery {
  readonly id: string;
  readonly provider: Provider;
  readonly host: string;
  readonly deliveryId: string;
  readonly event: string;
  readonly action: string | null;
  readonly repositoryId: string | null;
  readonly repositoryName: string | null;
  readonly installationId: string | null;
  readonly receivedAt: string;
  readonly outcome: DeliveryOutcome;
  /** A sentence: why it was ignored or failed; null otherwise. */
  readonly note: string | null;
  readonly attempts: number;
  /** Left out: it was received. */
  readonly missed?: Missed;
  readonly builds: readonly string[];
  readonly decisions: readonly Decision[];
  /** What was decided of each rule; empty where nothing was planned. Left out of lists. */
  readonly trace: readonly Verdict[];
}

/** One answer of the planner, as it was recorded. Exactly one of `build` and `reason` is set; both for a held build. */
export interface Decision {
  readonly ref: string | null;
  readonly sha: Sha | null;
  readonly image: string | null;
  readonly rule: string | null;
  readonly build: string | null;
  readonly reason: string | null;
  readonly detail: string;
}

/** A delivery leased to one worker, with its raw body. */
export interface ClaimedDelivery {
  readonly delivery: Delivery;
  readonly body: Buffer;
  /** The delivery it is a copy of (pause-port.ts); left out: none. */
  readonly replayOf?: string;
}

/** Makes the document of a build that is about to be recorded. Called inside the transaction: pure and quick. */
export type RequestWriter = (build: Build, origin: RequestOrigin) => SignedRequest;

/** What the engine records about one planned delivery, in one transaction. */
export interface PlanRecord {
  readonly repository: Repository;
  readonly installation: HostId;
  /** Null: the installation owns none; the plan then has no requests. */
  readonly namespace: string | null;
  readonly trigger: Build["trigger"];
  /** Nobody told of its changes: they were found. Left out: they were told. */
  readonly found?: boolean;
  /** Every change of the delivery, so that the store can tell "the same work again" from "a newer change came between". */
  readonly changes: readonly Change[];
  /** Lanes whose builds are over: queued and held ones are canceled, running ones asked to stop. */
  readonly cancel: readonly string[];
  readonly plan: BuildPlan;
  /** Id of who caused the delivery; null: not known. */
  readonly actor: string | null;
  /** Lane to the digest of the config file its changes were planned from. Re-runs keep those of the builds they repeat. */
  readonly configDigests: ReadonlyMap<string, string>;
  readonly write: RequestWriter;
  /** Commits whose check must be (re)written even if nothing is built, e.g. to carry a skip. */
  readonly report: readonly Sha[];
  /** The config file on each branch that was pushed to; left out: nobody looked. */
  readonly configFiles?: readonly (SeenFile & { readonly ref: string })[];
  /** What the checks of commits say of the file they bring along; left out: nothing. */
  readonly fileChecks?: readonly { readonly sha: Sha; readonly check: FileCheck }[];
}

/** How an installation stands at its host; whether it is paused is ours to say. */
export type HostState = Exclude<Installation["state"], "paused">;

/** The config file at the tip of a branch, when it was last pushed to. */
export interface SeenFile {
  readonly sha: Sha;
  /** Null: there was none. */
  readonly digest: string | null;
}

/** A delivery that was planned, as it can be parsed again. */
export interface PastDelivery extends Pick<Delivery, "id" | "deliveryId" | "event" | "installationId"> {
  /** Of its decisions, in full: its payload may abbreviate them. */
  readonly commits: readonly Sha[];
}

export interface NewBuild {
  readonly id: string;
  readonly key: string;
}

export interface ClaimedBuild {
  readonly build: Build;
  /** Fencing token: later calls with an older attempt change nothing. */
  readonly attempt: number;
  /** Null: queued before requests were signed. */
  readonly request: SignedRequest | null;
  /** Proves to {@link Store.leaseHolder} that somebody works on this build. The database keeps only its hash. */
  readonly secret: string;
}

/** `why`: a sentence for people. */
export type RetriedBuild =
  | { readonly kind: "retried"; readonly build: Build }
  | { readonly kind: "no-build" }
  | { readonly kind: "refused"; readonly why: string };

/** A build whose image is staged, leased for promotion. No other promotion of the same image is leased meanwhile. */
export interface ClaimedPromotion {
  readonly build: Build;
  readonly attempt: number;
  /** Of the staged manifest. */
  readonly digest: string;
  /** How often it was begun, this time included. */
  readonly tries: number;
  /** Somebody asked to cancel it. */
  readonly canceled: boolean;
  /** The image is that of another build of the same work, and where that one published it; nothing was staged. */
  readonly twin: boolean;
  /** Its tags in order, each with the publication it would be and the one that moved the tag last. */
  readonly tags: readonly { readonly tag: string; readonly wanted: Publication; readonly last: Publication | null }[];
  /**
   * Full name of the repository the image belongs to, if that is another one that did not share it, or `access tokens` if
   * people push to it; else null.
   */
  readonly othersImage: string | null;
}

/** An image as the service has published it. */
export interface PublishedImage {
  readonly name: string;
  readonly owner: HostId & { readonly fullName: string };
  readonly shares: readonly (HostId & { readonly fullName: string })[];
  readonly public: boolean;
  /** By name. */
  readonly tags: readonly { readonly tag: string; readonly digest: string; readonly build: string }[];
}

/** A staging repository that is not needed any more. */
export interface StagingLeftover {
  readonly buildId: string;
  /** Of the build. */
  readonly registry: string;
  readonly image: string;
  /** What is known to be in it; null: perhaps nothing. */
  readonly digest: string | null;
}

export type LeaseState = "held" | "lost" | "cancel";

export interface BuildResult {
  /** `superseded`: all its tags have something newer. */
  readonly state: Extract<BuildState, "succeeded" | "failed" | "canceled" | "timed_out" | "superseded">;
  readonly digest: string | null;
  readonly failure: Failure | null;
  readonly steps: readonly BuildStep[];
  /** Of a promotion; left out: no tags were judged. */
  readonly tags?: PublishedTags;
}

/** A check that differs from what the host shows. */
export interface ClaimedCheck {
  readonly id: string;
  readonly repository: Repository;
  readonly installation: HostId;
  readonly sha: Sha;
  /** `wharfinger`, or `wharfinger: <image>`. */
  readonly name: string;
  /** Grows with every change of what should be shown. */
  readonly revision: number;
  readonly attempts: number;
  readonly shown: ShownCheck;
  readonly facts: CheckFacts;
}

/** What the host is known to show. */
export interface ShownCheck {
  /** The host's id of the check; null: never created, as far as we know. */
  readonly hostId: string | null;
  /** Sent as `external_id`; a re-run after a conclusion gets a new one. */
  readonly externalId: string;
  /** True: a creation was begun and its answer never seen; the host must be asked before creating again. */
  readonly uncertain: boolean;
  /** True: the host shows a conclusion. */
  readonly concluded: boolean;
}

/**
 * A repository as it is recorded. Until something of it was planned only its name is known: it has no default branch, and
 * its addresses are empty.
 */
export interface ListedRepository extends Repository {
  readonly link: LinkState;
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}

/** A cursor that no page of this list ever gave out: somebody typed it. */
export class BadCursor extends Error {
  constructor() {
    super("The cursor is not one that this list gave out.");
    this.name = "BadCursor";
  }
}

/** Rejects with {@link BadCursor} when `cursor` is not one of the same list. */
export interface PageQuery {
  /** 1 to 100. */
  readonly limit: number;
  readonly cursor: string | null;
}

/** Which builds somebody looks for; what is left out may be anything. */
export interface BuildFilter {
  readonly deliveryId?: string;
  readonly installation?: HostId;
  /** Of one of these. */
  readonly installations?: readonly HostId[];
  readonly repository?: HostId;
  /** Of repositories called so, on whichever host; the case of letters does not count. */
  readonly repositoryName?: string;
  readonly state?: BuildState;
  /** With its namespace: `acme/api`. */
  readonly image?: string;
  /** One of these, each in full. */
  readonly refs?: readonly string[];
  readonly trigger?: Build["trigger"];
  /** What broke. */
  readonly failure?: FailureClass;
}

/**
 * The database. Methods that change several things do so in one transaction. Every "claim" hands out a lease: until it
 * ends nobody else gets the same thing; a lease that ended without word is claimable again.
 */
export interface Store
  extends Journal,
    AuditStore,
    BadgeStore,
    ClaimStore,
    AccessTokenStore,
    ApiTokenStore,
    FurtherRepositoryStore,
    NoticeStore,
    PauseStore,
    IdempotencyStore,
    LifecycleStore,
    MissedStore,
    OperationsStore,
    ReceiptStore,
    ReconcileStore,
    SessionStore {
  // deliveries
  /**
   * The deliveries whose turn it is, at most `limit`, never two of one stream at a time, and of a stream always the oldest.
   */
  claimDeliveries(options: { limit: number; leaseMs: number }): Promise<readonly ClaimedDelivery[]>;
  /**
   * Records the plan of a claimed delivery and ends the claim: builds, skips, supersessions, generations of the refs,
   * marks on the checks. A request equal to the newest build of its (repository, ref, image), with no newer change of
   * that ref in between, becomes a skip `duplicate` (unless `trigger` is not `event`). Older queued builds of the same
   * (repository, lane, image) become `superseded` where the request says `newest` or `cancel` and the change is not one
   * of a tag; so do held ones, and with `cancel` running ones are asked to stop. Held builds are recorded as `held`.
   * A request whose installation or repository was closed since it was planned (removed, suspended, paused) becomes a
   * skip that says so. A request that publishes, with the inputs, commit and image of a build that is on its way or was
   * published, is a build that waits for that one's image (unless `trigger` is not `event`); it is built where the other
   * comes to nothing. With `rerun` the checks of the commits to report are shown anew: concluded ones as new checks of
   * the host, others as they are, because each check the host has must come to its end; and what was held is as approved
   * as the build it repeats. A new head of a pull request makes builds of its old ones that await approval `superseded`,
   * whatever its rules say. Calling it again for a delivery
   * already recorded changes nothing and answers the builds of the first time.
   */
  recordPlan(deliveryId: string, record: PlanRecord): Promise<readonly NewBuild[]>;
  /** Ends a claim without a plan. */
  recordIgnored(deliveryId: string, outcome: "applied" | "ignored" | "failed", note: string): Promise<void>;
  /** Hands a claimed delivery back, to be claimed again not before `notBefore`. */
  postponeDelivery(deliveryId: string, notBefore: string, note: string): Promise<void>;
  getDelivery(id: string): Promise<Delivery | null>;
  /** By our id or by the host's own. */
  findDelivery(id: string): Promise<Delivery | null>;
  /** The raw body as it was received; null when unknown or past retention. */
  deliveryBody(id: string): Promise<Buffer | null>;
  /** Newest first: all, or those of one installation, or of one of several. */
  listDeliveries(
    query: PageQuery & { readonly installation?: HostId; readonly installations?: readonly HostId[] },
  ): Promise<Page<Delivery>>;

  // what a changed config file would change
  /** By ref; one that nobody looked at is missing. */
  configFiles(repository: HostId, refs: readonly string[]): Promise<ReadonlyMap<string, SeenFile>>;
  /** Deliveries of the repository that were planned and still have a body of ordinary size, the newest first. */
  pastDeliveries(options: { repository: HostId; limit: number }): Promise<readonly PastDelivery[]>;

  // installations
  /** Creates or updates by id; answers it with what its account owns. */
  saveInstallation(installation: {
    readonly id: HostId;
    readonly account: Account;
    readonly state: HostState;
    readonly permissions: Readonly<Record<string, string>>;
  }): Promise<Installation>;
  setInstallationState(id: HostId, state: HostState): Promise<void>;
  /** Changes what is given of an installation's policy; answers all of it. Null: no such installation. Audited. */
  setPolicy(id: HostId, policy: Partial<Policy>, by: By): Promise<Policy | null>;
  getInstallation(id: HostId): Promise<Installation | null>;
  /** `login`: those whose account's name holds it, capital letters or not. */
  listInstallations(query: PageQuery & { readonly login?: string }): Promise<Page<Installation>>;
  /** `complete`: the list is all the installation covers; others become unlinked. */
  linkRepositories(
    installation: HostId,
    repositories: readonly RepositoryName[],
    options: { complete: boolean },
  ): Promise<void>;
  unlinkRepositories(installation: HostId, repositories: readonly HostId[]): Promise<void>;
  /** What an installation covers or has covered, by name; at most `limit`, the first `offset` left out. */
  repositoriesOf(installation: HostId, limit: number, offset?: number): Promise<readonly ListedRepository[]>;
  /** How many repositories each installation covers now, paused ones included; by {@link hostKey}. None: it is missing. */
  countRepositories(installations: readonly HostId[]): Promise<ReadonlyMap<string, number>>;
  /** A repository with the installation it belongs to, by its id; null: nobody has told of it. */
  repositoryOf(id: HostId): Promise<{ readonly repository: ListedRepository; readonly installation: HostId } | null>;
  /** `unlinked` when the repository is unknown or belongs to another installation. */
  linkState(installation: HostId, repository: HostId): Promise<LinkState>;

  // builds
  /** One queued build whose turn it is: the installation with the fewest running builds first, then the oldest. */
  claimBuild(options: {
    worker: string;
    leaseMs: number;
    /** This one or none, whoever's turn it is. */
    build?: string | null;
  }): Promise<ClaimedBuild | null>;
  /** What {@link claimBuild} would hand out now, oldest first, with how often each was begun; at most `limit`. */
  claimableBuilds(limit: number): Promise<readonly { readonly id: string; readonly attempts: number }[]>;
  /** Prolongs the lease; tells whether it still holds and whether the build should stop. Also stores the steps so far. */
  heartbeat(id: string, attempt: number, leaseMs: number, steps: readonly BuildStep[]): Promise<LeaseState>;
  /**
   * Ends a claimed build. False, and nothing changed: the lease was lost. One that was asked to stop for the sake of a newer
   * change ends as `superseded` where `canceled` is told. Marks the commit's checks.
   */
  finishBuild(id: string, attempt: number, result: BuildResult): Promise<boolean>;
  /**
   * The build is built and its image pushed to its staging repository: from here on it is claimed for promotion instead.
   * Ends the lease and its secret. False, and nothing changed: the lease was lost.
   */
  stageBuild(id: string, attempt: number, staged: { digest: string; steps: readonly BuildStep[] }): Promise<boolean>;
  /** Whose lease the secret is, and when it ends (milliseconds since 1970); null: wrong, or over. */
  leaseHolder(id: string, secret: string): Promise<{ readonly build: Build; readonly until: number } | null>;
  /** The secret is of a lease that came to an end of its own: staged, finished or handed back, and not begun since. */
  leaseEnded(id: string, secret: string): Promise<boolean>;
  /** The document a build's builder gets; null: unknown build, or queued before requests were signed. */
  buildRequest(id: string): Promise<SignedRequest | null>;
  /** Hands a claimed build back to the queue, not before `notBefore`. False: the lease was lost. */
  releaseBuild(id: string, attempt: number, notBefore: string): Promise<boolean>;
  /** Builds held at a commit, oldest first. */
  heldBuilds(repository: HostId, sha: Sha): Promise<readonly Build[]>;
  /**
   * Lets a held build run, and with it all that its delivery has held for the same reason; the approval names `by`. Audited.
   * Answers the builds that wait for their turn now; empty: the build is not held (any more), its installation or
   * repository is closed, or it is a fork's and the installation wants nothing of forks now. Marks the commits' checks.
   */
  approveBuild(id: string, by: Decider): Promise<readonly string[]>;
  /** A queued or held build is canceled at once; a running one is asked to stop (its heartbeat says so). Audited. */
  cancelBuild(id: string, by: Decider): Promise<"canceled" | "canceling" | "final" | "unknown">;
  getBuild(id: string): Promise<Build | null>;
  /** Newest first: all, or those that are as the filter says. */
  listBuilds(query: PageQuery & BuildFilter): Promise<Page<Build>>;
  /** The newest build of each image at a commit, for a re-run. */
  buildsOfCommit(repository: HostId, sha: Sha): Promise<readonly Build[]>;
  /**
   * Queues the same work again, or holds it again, as core/retry.ts decides; answers the build that is on its way already
   * if there is one. It is as old as what it repeats. Audited. Marks the commit's checks.
   */
  retryBuild(id: string, write: RequestWriter, by: Decider): Promise<RetriedBuild>;
  /**
   * Journals the delivery that asks for a build, made by ourselves, with the audit entry that says so. Answers our id of
   * it. Its deliveryId must be a new one.
   */
  orderBuild(order: IncomingDelivery, entry: AuditEntry): Promise<string>;
  /** Cancels what is queued of an installation and asks what runs to stop; answers how many. */
  cancelInstallation(id: HostId): Promise<number>;

  // publishing
  /**
   * A staged build to promote, interrupted ones first, then the oldest. The first promotion of an image binds it to the
   * build's repository.
   */
  claimPromotion(options: { worker: string; leaseMs: number }): Promise<ClaimedPromotion | null>;
  /**
   * The registry's tag points to the build's image now: from here on that is who published it last. False, and nothing
   * changed: the lease was lost, and somebody else may have moved the tag meanwhile.
   */
  tagMoved(id: string, attempt: number, tag: string, by: Publication): Promise<boolean>;
  /** Digest a tag should point to; null: never published. */
  publishedDigest(image: string, tag: string): Promise<string | null>;
  /** Hands a promotion back, not before `notBefore`. False: the lease was lost. */
  releasePromotion(id: string, attempt: number, notBefore: string): Promise<boolean>;
  /** Has a promotion built whose twin's image is not there any more. False: the lease was lost. */
  rebuildTwin(id: string, attempt: number): Promise<boolean>;
  /** How images (names without namespace) stand towards a repository of the installation that owns the namespace. */
  imageOwners(namespace: string, repository: HostId, images: readonly string[]): Promise<ImageOwners>;
  /** Those of the images (full names) that anybody may pull. */
  publicImages(images: readonly string[]): Promise<ReadonlySet<string>>;
  /** Lets another repository publish an image too. False: nobody has published it yet. Audited. */
  shareImage(image: string, withRepository: HostId, by: By): Promise<boolean>;
  /** What it published meanwhile stays. Audited. */
  unshareImage(image: string, withRepository: HostId, by: By): Promise<void>;
  /** Whether anybody may pull it. Audited. */
  setImagePublic(image: string, open: boolean, by: By): Promise<void>;
  /** By its full name; null: nobody has published it yet. */
  publishedImage(image: string): Promise<PublishedImage | null>;
  /** Every repository that is known under this name; case counts. */
  repositoriesNamed(fullName: string): Promise<readonly HostId[]>;
  /** Staging repositories of ended builds, oldest first; at most `limit`. */
  stagingLeftovers(limit: number): Promise<readonly StagingLeftover[]>;
  stagingGone(buildId: string): Promise<void>;

  // checks
  /** Checks that differ from what their host shows and are due; at most `limit`, one of a repository at a time. */
  claimChecks(options: { limit: number; leaseMs: number }): Promise<readonly ClaimedCheck[]>;
  /**
   * Before a creation is sent: from here until {@link checkShown} the host may or may not have it. False: the check was
   * renewed since it was claimed, and what would be created now would never be heard of again.
   */
  checkUncertain(id: string, externalId: string): Promise<boolean>;
  /** What the host shows now. If the check changed meanwhile it stays due. Ends the claim. */
  checkShown(id: string, revision: number, shown: ShownCheck): Promise<void>;
  postponeCheck(id: string, notBefore: string, note: string): Promise<void>;
  /** Gives up for this revision: the host said no for good. */
  dropCheck(id: string, revision: number, note: string): Promise<void>;
  /**
   * Marks again what was given up of an installation while the host shows no conclusion for it: the host may take now
   * what it refused before. Answers how many.
   */
  reviveChecks(installation: HostId): Promise<number>;

  // keys
  /** Lets every process of this database check what is signed with this key (PEM). */
  saveRequestKey(key: { readonly keyId: string; readonly publicKey: string }): Promise<void>;
  /** Newest first. */
  requestKeys(): Promise<readonly { readonly keyId: string; readonly publicKey: string }[]>;
  /**
   * Forgets every key but `keep`, and but those that builds which are not over were signed with. Answers how many it
   * forgot, and how many are still in use.
   */
  retireRequestKeys(keep: string): Promise<{ readonly retired: number; readonly inUse: number }>;

  // upkeep
  /**
   * Ends every lease of an earlier run, so that its work goes on at once. Does nothing while another process has the
   * database open, for the leases may be its own; they end by themselves then. A
   * worker that lives on nevertheless is fenced off by its attempt number.
   */
  takeOver(): Promise<void>;
  /** Counts for probes and metrics. */
  stats(): Promise<StoreStats>;
  /** Forgets bodies and finished deliveries older than the given moments; answers how many rows changed. */
  prune(options: { bodiesBefore: string; deliveriesBefore: string }): Promise<number>;
  /**
   * Calls back when there may be something to claim, which this process or another one made; answers how to end that.
   * Comes late, twice, or not at all (never on SQLite, where only one process works): look from time to time as well.
   */
  onChange(listener: (topic: "deliveries" | "builds" | "checks") => void): () => void;
  /** Rejects when the database can not be written to. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

export interface StoreStats {
  readonly deliveriesPending: number;
  /** ISO time of the oldest delivery that waits; null: none. */
  readonly oldestPending: string | null;
  readonly builds: Readonly<Record<BuildState, number>>;
  readonly oldestQueued: string | null;
  readonly checksDue: number;
  /** By host: those that keep what they could not deliver, and were looked at within the last day. */
  readonly missed: readonly MissedLook[];
  readonly comparisons: Comparisons;
}
