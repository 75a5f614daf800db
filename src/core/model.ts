/**
 * The project's words, each defined once.
 *
 * Provider       the kind of host events come from: GitHub or Bitbucket Cloud.
 * Host           one server of a provider ("default" is the one of GITHUB_URL / BITBUCKET_URL).
 * Installation   one grant of this app by one account, organization or workspace. Installing is the grant.
 * Namespace      the registry owner an installation publishes into: `acme` in `registry/acme/api`.
 * Claim          an account's wish for a namespace, until somebody decides. Grant: an account may write to a namespace.
 * Receipt        what became of everything an uninstalled installation had.
 * Repository     a git repository. Its identity is (provider, host, numeric id or uuid); names are display only.
 * Delivery       one webhook POST, journalled before it is acknowledged.
 * Ref change     one branch or tag that moved. A push carries a list of them.
 * Change         a ref change, or what is to be merged by a pull request now.
 * Comparison     of a repository's branches and tags with what they were and with what was told of them. What nobody told of
 *                is found, and planned like a push.
 * Lane           what only the newest counts of: a ref, or the head of a pull request. Generations count in lanes.
 * Rule           "this branch or tag is built with these image tags": one entry of `rules:` in `.wharfinger.yml`.
 * Image          one entry of `images:`; its name is joined to the namespace.
 * Plan           what a delivery leads to: requests and skips. Every change × image has one or the other.
 * Request        a build that should run. Skip: a build that should not, with the reason.
 * Build          a recorded request with a life: queued, running, and one of the final states; `held` before them where
 *                somebody has to approve it.
 * Role           what somebody may do, as the host says when it is asked: read, write, owner; operator of the instance.
 * Pause          nothing of an installation, a repository or the instance is built until somebody resumes it.
 * Policy         what an installation allows its repositories' files to ask for.
 * Build request  the signed document a builder receives (build-request.ts).
 * Stage          to push a build's image to a repository of its own, where nobody pulls.
 * Promote        to publish a staged image: copy it to its image's repository and move the tags it may move.
 * Lease          the right of one worker to work on one build (or delivery, or check) until a moment in time;
 *                its attempt number fences off a worker that lost it.
 * Check          what the commit shows: a check run on GitHub, a build status on Bitbucket.
 * Outcome        what came of asking the outside: a value, or a failure that says whether to try again.
 *
 * Verbs: parse (wire to words), plan (decide), record (save), dispatch (hand to a builder), report (tell the host).
 */

export type Provider = "github" | "bitbucket";

/** A full commit hash in lower case: 40 hex digits (64 for SHA-256 repositories). Only {@link parseSha} makes one. */
export type Sha = string & { readonly __brand: "Sha" };

const SHA = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/** The hash as a {@link Sha}, or null if it is not a full hash or is the all-zero hash that means "does not exist". */
export function parseSha(text: unknown): Sha | null {
  return typeof text === "string" && SHA.test(text) && !/^0+$/.test(text) ? (text as Sha) : null;
}

/** Identity of an account, repository or installation: ids are unique within one host only, and outlive names. */
export interface HostId {
  readonly provider: Provider;
  readonly host: string;
  readonly id: string;
}

/** One text for a {@link HostId}, for keys and maps: `github:default:186853002`. */
export function hostKey(id: HostId): string {
  return `${id.provider}:${id.host}:${id.id}`;
}

/** What {@link hostKey} makes a text of; null: it made no such text. Names of hosts hold no colon. */
export function parseHostKey(text: string): HostId | null {
  const [, provider, host, id] = /^(github|bitbucket):([^:]+):(.+)$/s.exec(text) ?? [];
  if (host === undefined || id === undefined) return null;
  return { provider: provider === "github" ? "github" : "bitbucket", host, id };
}

export interface Repository extends HostId {
  /** `owner/name` as the host spells it today. */
  readonly fullName: string;
  readonly private: boolean;
  /** Null while a repository has no commits. */
  readonly defaultBranch: string | null;
  /** HTTPS address for git, without credentials. */
  readonly cloneUrl: string;
  /** Address people open in a browser. */
  readonly webUrl: string;
}

export interface Account extends HostId {
  readonly login: string;
  readonly kind: "user" | "organization" | "enterprise";
}

/** Who caused an event, as the signed payload names them. Never the git author: anyone can write that. */
export interface Actor {
  readonly id: string;
  readonly login: string;
}

export type InstallationState = "active" | "suspended" | "paused" | "removed";

/** What happens with pull requests from forks, the cautious first. */
export type ForkPolicy = "never" | "approve" | "test";

/** What an installation allows, whatever the files of its repositories say. */
export interface Policy {
  /** The most that may happen with pull requests from forks. */
  readonly forks: ForkPolicy;
  /** Whether rules for pull requests with `push: true` publish. Never for forks. */
  readonly publishPullRequests: boolean;
  /** Branches are built through their pull requests only; the default branch and tags always are. */
  readonly onlyPullRequests: boolean;
  /** Without a file, the default branch builds the root `Dockerfile` as `latest`. */
  readonly zeroConfig: boolean;
  /** One delivery that asks for more builds than this has all of them held for somebody's click. At least 1. */
  readonly brake: number;
}

export const DEFAULT_POLICY: Policy = {
  forks: "approve",
  publishPullRequests: false,
  onlyPullRequests: false,
  zeroConfig: false,
  brake: 20,
};

export interface Installation extends HostId {
  readonly account: Account;
  readonly state: InstallationState;
  /** Null until its account was granted one. */
  readonly namespace: string | null;
  /** What it waits for where it has none; left out: it asks for none. `why`: a clause for people. */
  readonly claim?: { readonly id: string; readonly why: string };
  /** Permission name to level as the host granted them, e.g. `{"checks":"write"}`. */
  readonly permissions: Readonly<Record<string, string>>;
  readonly policy: Policy;
}

/**
 * How a repository stands towards its installation. `unlinked`: the installation does not cover it (any more); `archived`:
 * it does, and its host lets nobody change it.
 */
export type LinkState = "linked" | "unlinked" | "archived" | "paused";

export type Change = RefChange | PullRequestChange;

/** What both kinds of change have. */
interface Moved {
  /** Full ref, `refs/heads/…` or `refs/tags/…`: a branch and a tag may share a short name. */
  readonly ref: string;
  /** The part after `refs/heads/` or `refs/tags/`; of a pull request its number. */
  readonly name: string;
  /** Null when there was nothing before; of a pull request also where the event does not say. */
  readonly before: Sha | null;
  /** Verbatim from the payload; for an annotated tag this is the tag object. Null when the ref was deleted. */
  readonly after: Sha | null;
  /** The commit to build: `after`, peeled. Null when the ref was deleted. */
  readonly commit: Sha | null;
  readonly forced: boolean;
  /** Message of the head commit, for skip tokens; empty when unknown. */
  readonly message: string;
  /** ISO 8601: when the head commit was made; left out when the event does not say. */
  readonly committedAt?: string;
  /** Of a tag: the branch its commit came from, where the event names one. Hosts do not promise it. */
  readonly baseBranch?: string;
}

/** One ref that moved. */
export interface RefChange extends Moved {
  readonly kind: "branch" | "tag";
}

/**
 * A pull request as it is now. `ref`: its source branch, which may be one of a fork. `after` is null when it was closed,
 * and where nobody knows its head.
 */
export interface PullRequestChange extends Moved {
  readonly kind: "pull_request";
  readonly pull: PullRequest;
}

export interface PullRequest {
  readonly number: number;
  /** Short name of the branch it is to be merged into. */
  readonly target: string;
  /** Where that branch was when the event was sent; null: not known. */
  readonly targetCommit: Sha | null;
  /** Its source is another repository than its target: code of people who may not push here. */
  readonly fork: boolean;
  readonly draft: boolean;
  /** Merged or declined: nobody waits for what is built of it. */
  readonly closed: boolean;
  /** The commit a merge queue wants to merge, made of this and perhaps others before it. */
  readonly queued: boolean;
  /** Null: what it came from is gone. */
  readonly checkout: Checkout | null;
}

/** The lane of what was planned. */
export function laneOfBuild({ ref, lane }: Pick<PlannedBuild, "ref" | "lane">): string {
  return lane ?? ref;
}

/** Where a commit is fetched from. */
export interface Checkout {
  /** HTTPS address for git, without credentials. */
  readonly cloneUrl: string;
  /** Full ref that leads to the commit, or did when the event was sent. */
  readonly ref: string;
  /** True: without a credential. The installation's opens nothing there. */
  readonly anonymous: boolean;
}

/**
 * Name of the lane a change belongs to; equal within one repository exactly for what supersedes each other. Not the same
 * for a merge queue's branch as it was pushed and as it is to be tested: one is never built, the other always.
 */
export function laneOf(change: Change): string {
  if (change.kind !== "pull_request") return change.ref;
  return change.pull.queued
    ? change.ref.replace(/^refs\/heads\//, "refs/queue/")
    : `refs/pull/${change.pull.number}/head`;
}

export type Trust = "trusted" | "untrusted";

/** Why a change did not become a build. The codes are public: extend, never rename. */
export type SkipReason =
  | "no-match"
  | "paths-unchanged"
  | "ref-deleted"
  | "skip-requested"
  | "not-linked"
  | "no-namespace"
  | "image-not-owned"
  | "tag-not-granted"
  | "paused"
  | "suspended"
  | "archived"
  | "config-missing"
  | "config-invalid"
  | "untrusted-fork"
  | "awaiting-approval"
  | "draft"
  | "invalid-tag"
  | "tag-collision"
  | "superseded"
  | "duplicate"
  | "older-than-published"
  | "merge-queue"
  | "brake"
  | "pull-request-closed"
  | "pull-requests-only"
  | "unsupported-event"
  | "no-commits";

/** One thing that is not built, and why. `detail` is a sentence for people. */
export interface Skip {
  readonly ref: string | null;
  /** {@link laneOf} the change; left out where that is `ref`. */
  readonly lane?: string;
  /** The commit the skip is about, for the check; null when there is none. */
  readonly sha: Sha | null;
  readonly image: string | null;
  /** Path of the rule in the file, e.g. `images[0].rules[1]`. */
  readonly rule: string | null;
  readonly reason: SkipReason;
  readonly detail: string;
  /** For `config-invalid`: the errors of the file, for annotations on it. */
  readonly problems?: readonly Diagnostic[];
}

/** What may differ between two builds of one commit: everything the builder is told. */
export interface BuildInputs {
  /** Repository-relative folder, `.` for the root. */
  readonly context: string;
  /** Relative to `context`, as on Docker Hub. */
  readonly dockerfile: string;
  readonly target: string | null;
  /** Stage built before anything is published; null: no test. */
  readonly testTarget: string | null;
  readonly buildArgs: Readonly<Record<string, string>>;
  /** `os/arch[/variant]`; empty: the builder's own. */
  readonly platforms: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly cache: boolean;
}

/** A build that should run. */
export interface PlannedBuild {
  /** Digest of repository, ref, before, after, image, inputs and `push`: equal keys are the same work. */
  readonly key: string;
  /** Image name without namespace. */
  readonly image: string;
  /** Legal image tags, in the order of the rules; never empty. */
  readonly tags: readonly string[];
  /**
   * Of these, each that a semver rule moves (`latest`, `1`, `1.2`), and the version it moves to; left out: none does.
   * See supersede.ts.
   */
  readonly versions?: Readonly<Record<string, string>>;
  readonly ref: string;
  /** {@link laneOf} the change; left out where that is `ref`. */
  readonly lane?: string;
  readonly kind: Change["kind"];
  readonly before: Sha | null;
  readonly after: Sha;
  readonly sha: Sha;
  readonly rules: readonly string[];
  readonly push: boolean;
  readonly trust: Trust;
  /** `cancel`: what runs of its lane stops, too. */
  readonly supersede: "newest" | "none" | "cancel";
  readonly inputs: BuildInputs;
  /** Set exactly for pull requests. */
  readonly pull?: { readonly number: number; readonly target: string; readonly fork: boolean };
  /** Left out: the repository's own address, and `ref`. */
  readonly checkout?: Checkout;
  /** Further repositories its file asks to read; left out: none, as of every untrusted build. */
  readonly repositories?: readonly WantedRepository[];
}

/** One entry of `repositories:`, as a build is planned with it. */
export interface WantedRepository {
  /** `owner/name`, as the host spells it where it is known. */
  readonly name: string;
  /** Of the repository that was called so; null: the installation covered none, or not just one. */
  readonly id: string | null;
}

/** Why a build waits for somebody who may let it run. */
export interface Hold {
  readonly reason: Extract<SkipReason, "awaiting-approval" | "brake">;
  /** A sentence for people: what it waits for. */
  readonly detail: string;
}

/** A build that should run once somebody who may has said so. */
export interface HeldBuild extends PlannedBuild {
  readonly hold: Hold;
}

/** What was decided of one rule of one image for one change. */
export interface Verdict {
  readonly ref: string | null;
  readonly image: string | null;
  /** Null: decided before any rule was looked at. */
  readonly rule: string | null;
  readonly verdict: "build" | "hold" | "skip";
  /** Null exactly for `build`. */
  readonly reason: SkipReason | null;
  /** What it was decided by: names of facts to short texts. */
  readonly facts: Readonly<Record<string, string>>;
  /** A sentence for people. */
  readonly detail: string;
}

export interface Diagnostic {
  readonly severity: "error" | "warning" | "info";
  /** 1-based. */
  readonly line: number;
  /** 1-based. */
  readonly column: number;
  readonly message: string;
}

/** Every change × image has a request, a held build or a skip. */
export interface BuildPlan {
  readonly requests: readonly PlannedBuild[];
  readonly held: readonly HeldBuild[];
  readonly skips: readonly Skip[];
  readonly diagnostics: readonly Diagnostic[];
  /** One for every rule that was looked at, or for a change where none was; in the order of changes, images and rules. */
  readonly trace: readonly Verdict[];
}

export type BuildState =
  | "queued"
  | "running"
  | "succeeded"
  | "failed"
  | "canceled"
  | "superseded"
  | "timed_out"
  | "held";

const FINAL_STATES: readonly BuildState[] = ["succeeded", "failed", "canceled", "superseded", "timed_out"];

export function isFinal(state: BuildState): boolean {
  return FINAL_STATES.includes(state);
}

/** What broke. The class decides what the person is told to do; see failure-advice.ts. */
export type FailureClass = (typeof FAILURE_CLASSES)[number];

export const FAILURE_CLASSES = [
  "checkout",
  "dockerfile",
  "build",
  "test",
  "push",
  "timeout",
  "out-of-memory",
  "internal",
] as const;

export interface Failure {
  readonly class: FailureClass;
  /** One or two sentences: what happened and what to do. No secrets, no terminal escapes. */
  readonly message: string;
  /** Line of the Dockerfile, where known. 1-based. */
  readonly line?: number;
}

/** One timed part of a build (`checkout`, `test`, `build`, `push`). Times are ISO 8601, UTC. */
export interface BuildStep {
  readonly name: string;
  readonly startedAt: string;
  readonly finishedAt: string | null;
}

/** What became of the tags a build asked for, once its image was staged. */
export interface PublishedTags {
  /** Tags that point to its image since. */
  readonly published: readonly string[];
  /** Tags it did not get because something newer has them: `older-than-published`. */
  readonly older: readonly { readonly tag: string; readonly why: string }[];
}

/** A recorded request and what became of it. Times are ISO 8601, UTC. */
export interface Build {
  readonly id: string;
  /** Name of the registry it was planned for; it keeps it, wherever its namespace goes. */
  readonly registry: string;
  readonly state: BuildState;
  readonly repository: Repository;
  readonly installation: HostId;
  readonly deliveryId: string;
  readonly planned: PlannedBuild;
  /** With the installation's namespace: `acme/api`. */
  readonly image: string;
  readonly digest: string | null;
  /** Null until its image was staged and its tags were judged. */
  readonly tags: PublishedTags | null;
  /** Digest of the signed request the builder gets; null: queued before there were any. */
  readonly requestDigest: string | null;
  /** What it waits for, or waited for before somebody approved it; null: it never had to. */
  readonly hold: Hold | null;
  /** Who let it run; null: nobody had to, or nobody did yet. */
  readonly approval: Approval | null;
  /** `event`, `rerun`, `retry` or `manual`. */
  readonly trigger: "event" | "rerun" | "retry" | "manual";
  readonly attempt: number;
  readonly steps: readonly BuildStep[];
  readonly failure: Failure | null;
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
}

/** That somebody let a held build run. */
export interface Approval {
  /** Null: the operator, by `ADMIN_TOKEN`. Else who the host said may write. */
  readonly actor: Actor | null;
  /** ISO 8601, UTC. */
  readonly at: string;
}

/** Tags a build has; those it asks for as long as nothing is published. */
export function shownTags({ tags, planned }: Pick<Build, "tags" | "planned">): readonly string[] {
  return tags === null ? planned.tags : tags.published;
}

/**
 * The outside's answer. A failure is data: `retryable` says whether the same question may be asked again, `retryAfter`
 * (seconds) how long the outside wants us to wait, null when it did not say.
 */
export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | {
      readonly ok: false;
      readonly retryable: boolean;
      readonly retryAfter: number | null;
      readonly message: string;
    };

export function ok<T>(value: T): Outcome<T> {
  return { ok: true, value };
}

export function failed(message: string, retry: { retryable: boolean; retryAfter?: number | null }): Outcome<never> {
  return { ok: false, message, retryable: retry.retryable, retryAfter: retry.retryAfter ?? null };
}
