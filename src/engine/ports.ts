/**
 * What the engine asks of the world, in its own words; what it asks of the database is in store-port.ts. Each method says
 * what it promises; the suites in test/contract hold every implementation to it. Times are ISO 8601 in UTC, durations
 * milliseconds unless said otherwise.
 */
import type { BuildRequest, SignedRequest } from "../core/build-request.ts";
import type { CheckContent } from "../core/check.ts";
import type { HostEvent, PullRequestEvent, RepositoryName } from "../core/events.ts";
import type { FurtherRepository } from "../core/further-repositories.ts";
import type { Account, Actor, Change, Failure, HostId, Outcome, Provider, Repository, Sha } from "../core/model.ts";
import type { HostRole } from "../core/roles.ts";
import type { ShownCheck } from "./store-port.ts";

export interface Clock {
  /** Milliseconds since 1970, UTC. */
  now(): number;
}

// ---------------------------------------------------------------------------------------------------- intake

export interface Answer {
  readonly status: number;
  readonly body: object;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A verified, well-formed delivery as it is journalled. `body` is the raw bytes. */
export interface IncomingDelivery {
  readonly provider: Provider;
  readonly host: string;
  /** The host's own id: 1 to 200 printable ASCII characters. */
  readonly deliveryId: string;
  readonly event: string;
  readonly action: string | null;
  /** Deliveries with one stream are processed in the order they were stored: `repo:<id>`, `installation:<id>`. */
  readonly stream: string;
  readonly repositoryId: string | null;
  readonly repositoryName: string | null;
  readonly installationId: string | null;
  /** Milliseconds since 1970. */
  readonly receivedAt: number;
  /** When its turn to be processed is; see turns.ts. Milliseconds since 1970; left out: when it was received. */
  readonly turn?: number;
  /**
   * It was not received but fetched: when the host tried to deliver it (milliseconds since 1970, by its clock) and the
   * status it saw, null: no answer. Left out: it was received.
   */
  readonly missed?: { readonly sentAt: number; readonly status: number | null };
  readonly body: Buffer;
}

/** One path of one host: says from the head of a request whether it is wanted, then judges the body as it arrives. */
export interface Entrance {
  /**
   * Null: not a path of this entrance. Never throws. A promise where the key to judge with has to be looked up; one that
   * rejects answers 500, and the sender may try again.
   */
  open(request: {
    readonly method: string;
    /** Without the query. */
    readonly path: string;
    /** As it came, query included. */
    readonly url: string;
    readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  }): Opening | Promise<Opening> | null;
}

export type Opening =
  | { readonly answer: Answer }
  | {
      readonly maxBytes: number;
      /** Sees every chunk of the raw body in order, before anything else does. */
      update(chunk: Buffer): void;
      /**
       * Called once, after the last chunk: the signature is judged before the body is parsed. An answer instead of a
       * delivery: it is refused, or there is nothing in it to keep.
       */
      close(body: Buffer): IncomingDelivery | { readonly answer: Answer };
    };

// ------------------------------------------------------------------------------------------------------ host

export type FetchedFile =
  | { readonly kind: "file"; readonly text: string }
  /** The commit is there, the file is not. `hint`: a file with a similar name that is. */
  | { readonly kind: "missing"; readonly hint: string | null }
  /** There, but not a readable file: a folder, a link out of the repository, not UTF-8, too large. */
  | { readonly kind: "unreadable"; readonly why: string }
  /** The commit (or the repository) is not there any more. */
  | { readonly kind: "gone" };

/** One Git host's reading side, for one provider and host. */
export interface Host {
  readonly provider: Provider;
  readonly host: string;
  /** Parses a journalled delivery and hands each event in it to `handle`; resolves when all were handled. */
  receive(
    delivery: {
      readonly deliveryId: string;
      readonly event: string;
      /** Of whom it was verified to come; null or left out: the payload says. */
      readonly installationId?: string | null;
      readonly body: Buffer;
    },
    handle: (event: HostEvent) => Promise<void>,
  ): Promise<void>;
  /** What is true of a repository now, as far as its events do not say. */
  look(installation: HostId, repository: RepositoryName): Promise<Outcome<Seen>>;
  /**
   * A repository as it is now, by its id whatever it is called; null: it is not there, or the installation does not cover
   * it.
   */
  repository(installation: HostId, id: HostId): Promise<Outcome<RepositoryNow | null>>;
  /** Where a branch or tag (full ref) is now: read at that moment, and never one of the other kind. Null: not there. */
  tip(installation: HostId, repository: Repository, ref: string): Promise<Outcome<Tip | null>>;
  /** `path` at a commit, or at the tip of a branch; a branch that is not there has no files. */
  file(
    installation: HostId,
    repository: Repository,
    at: Sha | { readonly branch: string },
    path: string,
  ): Promise<Outcome<FetchedFile>>;
  /** The head of an open pull request, which events may abbreviate; null: it is not there any more, or not readable. */
  head(event: PullRequestEvent): Promise<Outcome<PullHead | null>>;
  /**
   * Somebody's role in a repository, or (null) towards the account that installed us: `owner` administers the account,
   * `read` is one of its people. Asked at that moment, by name where the host wants that, and believed by id only. Fails
   * where the host does not tell.
   */
  role(installation: HostId, repository: Repository | null, actor: Actor): Promise<Outcome<HostRole>>;
  /**
   * Paths a change touched, renames with both sides; of a pull request since it left its target. Null: not known (too
   * many, history gone). Then we build.
   */
  changedPaths(
    installation: HostId,
    repository: Repository,
    change: Change,
  ): Promise<Outcome<readonly string[] | null>>;
  /** Names of all tags; null: not known. */
  tags(installation: HostId, repository: Repository): Promise<Outcome<readonly string[] | null>>;
  /**
   * What there is to build at the tip of the default branch: paths of files that are called like a Dockerfile, and whether
   * `.wharfinger.yml` is there. Null: not known (no commits, too many files to list, gone). One call where the host can,
   * one more for a repository whose default branch is not known.
   */
  survey(installation: HostId, repository: Repository): Promise<Outcome<Survey | null>>;
  /** What the host says of an installation now; null: it does not exist. */
  installation(
    id: HostId,
  ): Promise<Outcome<{ account: Account; state: "active" | "suspended"; permissions: Record<string, string> } | null>>;
  /** All repositories an installation covers. */
  repositories(id: HostId): Promise<Outcome<readonly RepositoryName[]>>;
  /**
   * A short-lived, read-only credential for git. It opens this repository and, of the same installation, the `further`
   * ones, and as little else as the host can have it.
   */
  cloneCredential(
    installation: HostId,
    repository: Repository,
    further?: readonly FurtherRepository[],
  ): Promise<Outcome<CloneAccess>>;
  /** Forget every credential of an installation (suspended, removed, permissions changed). */
  forget(installation: HostId): void;
}

export type Seen =
  /** This host's events say enough, and what an installation covers is recorded as they tell it. */
  | { readonly kind: "as-told" }
  /** It is there, and the installation covers it. */
  | { readonly kind: "seen"; readonly repository: Repository }
  /** Deleted, moved to another account, or out of the installation's reach. */
  | { readonly kind: "gone" };

export interface RepositoryNow extends Repository {
  readonly archived: boolean;
}

/** What a branch or tag points to. */
export interface Tip {
  /** Of an annotated tag the commit it leads to. */
  readonly commit: Sha;
  /** Of the commit; empty when not known. */
  readonly message: string;
  /** ISO 8601: when the commit was made; null: not known. */
  readonly committedAt: string | null;
}

export interface Survey {
  /** The one that was looked at. */
  readonly defaultBranch: string;
  readonly hasFile: boolean;
  /** Sorted; at most 100. `Dockerfile`, `Dockerfile.web`, `web.Dockerfile`, in any folder, whatever the case of letters. */
  readonly dockerfiles: readonly string[];
}

export interface PullHead {
  readonly commit: Sha;
  /** Of the commit, for skip tokens; empty when not known. */
  readonly message: string;
  /** ISO 8601; null: not known. */
  readonly committedAt: string | null;
  /** Where its target was at that time; null: not known. */
  readonly target: Sha | null;
}

export interface CloneCredential {
  readonly username: string;
  readonly password: string;
}

export interface CloneAccess extends CloneCredential {
  /** One for each further repository, in order, where the host gives no single one for several; left out: this opens all. */
  readonly further?: readonly CloneCredential[];
}

/** Shows checks on commits. */
export interface Reporter {
  /**
   * Makes the host show `content`. With `shown.uncertain` it first looks for a check with `shown.externalId` and takes
   * that. Called again with the same arguments it shows the same, once.
   */
  show(
    check: {
      readonly installation: HostId;
      readonly repository: Repository;
      readonly sha: Sha;
      readonly name: string;
      readonly shown: ShownCheck;
    },
    content: CheckContent,
  ): Promise<Outcome<{ readonly hostId: string }>>;
}

// -------------------------------------------------------------------------------------------------- building

/** What a lease is exchanged for. It opens what the one build needs, and nothing once the lease has ended. */
export interface BuildCredentials {
  /** Null: none, the address is open to everybody and the installation's opens nothing there. */
  readonly clone: CloneCredential | null;
  /**
   * For the registry: to push to the staging repository and to pull base images; null: it wants none, or the build is
   * untrusted and gets none.
   */
  readonly registry: { readonly username: string; readonly password: string } | null;
  /** Build arguments its installation and repository give every trusted build; left out: none. */
  readonly variables?: Readonly<Record<string, string>>;
  /** For `RUN --mount=type=secret,id=NAME`: values by name. Left out: none, as of every untrusted build. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** What the build's log is to say of them; left out: nothing. */
  readonly notes?: readonly string[];
  /** The request's further repositories, each with what opens it; left out: none. */
  readonly furtherRepositories?: readonly (Pick<FurtherRepository, "fullName" | "cloneUrl"> & {
    readonly credential: CloneCredential;
  })[];
}

export interface BuildContext {
  readonly request: BuildRequest;
  /** Exchanges the lease for credentials; asked for when they are needed, never stored. */
  credentials(): Promise<Outcome<BuildCredentials>>;
  /** Receives text for the build's log; whole lines, already masked and free of control characters but colours. */
  log(text: string): void;
  /** Called when a part begins; the one before it ends. */
  step(name: "checkout" | "test" | "build" | "push"): void;
  /** Aborted when the build must stop. `reason` is `cancel`, `lost` or `shutdown`. */
  readonly signal: AbortSignal;
}

export interface BuiltImage {
  /** `sha256:…` of the manifest pushed to the staging repository; null when the request does not push. */
  readonly digest: string | null;
}

export type BuildEnd =
  | { readonly kind: "built"; readonly image: BuiltImage }
  | {
      readonly kind: "failed";
      readonly failure: Failure;
      readonly retryable: boolean;
      /** Seconds the outside asked us to wait; null or left out: it did not say. */
      readonly retryAfter?: number | null;
    }
  | { readonly kind: "stopped" };

/** Builds one request at a time; several calls may run at once. Never throws for what a repository contains. */
export interface Builder {
  readonly name: string;
  /** Everything that is missing to build here, each with what to do; empty: ready. */
  check(): Promise<readonly string[]>;
  build(context: BuildContext): Promise<BuildEnd>;
  /** Removes what builds of an earlier run left when the program was killed; left out: they leave nothing. */
  sweep?(): Promise<void>;
}

/** Tells a builder outside this program, at an address of the operator's, that a build waits. */
export interface OfferSender {
  /** `id` stays the same when an offer is sent again. Ends soon after `signal` is aborted. */
  send(
    url: string,
    offer: { readonly id: string; readonly build: string; readonly request: SignedRequest },
    signal: AbortSignal,
  ): Promise<Outcome<true>>;
}

/**
 * The registry. What writes is idempotent, takes up again what was interrupted anywhere, writes nothing that is there
 * already, and ends soon after `signal` is aborted, as a failure.
 */
export interface Registry {
  /** Host and port as image names carry it. */
  readonly name: string;
  /** Digest a tag or digest reference points to; null: there is no such manifest. */
  digest(repository: string, reference: string): Promise<Outcome<string | null>>;
  /** Credentials work and the registry answers. */
  check(): Promise<Outcome<true>>;
  /** Whether it has repositories whose first component is `namespace`; null: it does not say. */
  occupied(namespace: string): Promise<Outcome<boolean | null>>;
  /** For a push by the builder; null: none needed. */
  credentials(): { readonly username: string; readonly password: string } | null;
  /**
   * Manifest `digest` of repository `from` becomes available in `to` under the same digest, with all that belongs to
   * it. No tag is touched. Succeeds too if `from` has it no more and `to` has it.
   */
  copy(from: string, to: string, digest: string, signal?: AbortSignal): Promise<Outcome<true>>;
  /** `tag` points to manifest `digest`, which the repository must have. */
  tag(repository: string, tag: string, digest: string, signal?: AbortSignal): Promise<Outcome<true>>;
  /**
   * Deletes manifest `digest`, the manifests it lists and all their tags. Succeeds too if there is no such manifest,
   * or the registry can not delete.
   */
  discard(repository: string, digest: string, signal?: AbortSignal): Promise<Outcome<true>>;
}

/** What an operator has to know of a registry before anything is published there. */
export interface RegistryAccess {
  /** Whether the credential may push to the repository: an upload is begun there and taken back. */
  mayPush(repository: string): Promise<Outcome<true>>;
  /**
   * Host and port of the token service of its own that the registry sends its clients to; null: it has none, it does not
   * answer, or it is ours.
   */
  signInPlace(): Promise<string | null>;
}

/** Build logs: appended while a build runs, read while and after. */
export interface LogStore {
  /** Starts the log of a build anew. */
  open(buildId: string): LogWriter;
  /** From byte `offset`, at most `limit` bytes; `size` is the log's size now. Null: there is none. */
  read(
    buildId: string,
    offset: number,
    limit: number,
  ): Promise<{ readonly bytes: Buffer; readonly size: number } | null>;
  /** The last `lines` lines; empty when there is none. */
  tail(buildId: string, lines: number): Promise<readonly string[]>;
  /** Forgets the log of a build that has ended; does nothing where there is none. */
  remove(buildId: string): Promise<void>;
}

export interface LogWriter {
  write(text: string): void;
  close(): Promise<void>;
}

/** Seals secrets for the database: authenticated encryption, bound to the name they are kept under. */
export interface Vault {
  seal(name: string, secret: string): Buffer;
  /** Throws when the text was changed, belongs to another name, or was sealed with a key this vault does not have. */
  open(name: string, sealed: Buffer): string;
}

export interface Logger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
