/** What tests, the demo and the benches see of the stand-in. The header of index.ts has an example. */
import type { TreeEntry } from "../git/git.ts";

export interface GithubHostOptions {
  /** Default: 1 000 001. */
  readonly appId?: number;
  /**
   * `""` as on api.github.com (default), `/api/v3` as on a GitHub Enterprise Server: which also marks its answers and
   * webhooks, keeps no rate limits, waits 30 s for a webhook and logs deliveries for seven days.
   */
  readonly basePath?: "" | "/api/v3";
  /** `classic`: `ghs_` and 36 characters (default); `stateless`: `ghs_<app id>_<JWT>`, about 520 characters. */
  readonly tokenFormat?: TokenFormat;
  readonly webhook?: Webhook;
  /** Calls each installation may make in an hour; null: no limit. Default: 5000, none on an Enterprise Server. */
  readonly hourlyLimit?: number | null;
  /** Limits on bursts. Default: none, as GitHub applies them as it sees fit; `GITHUB_LIMITS` has the documented ones. */
  readonly secondaryLimits?: SecondaryLimits;
  /** Entries of a tree that are listed at once, the others being left out. Default: GitHub's 100 000. */
  readonly longestTree?: number;
  /** Branches that may be pushed at once; of a push with more nobody hears. Default: GitHub's 5000. */
  readonly mostBranches?: number;
  /** How long a webhook may take to answer. Default: GitHub's 10 000 ms, 30 000 on an Enterprise Server. */
  readonly webhookTimeoutMs?: number;
}

export type TokenFormat = "classic" | "stateless";

/** What one installation may do at most. */
export interface SecondaryLimits {
  /** Reading costs one point, writing five. */
  readonly pointsPerMinute: number;
  readonly creationsPerMinute: number;
  readonly concurrent: number;
}

export interface Webhook {
  readonly url: string;
  readonly secret: string;
}

/** Permission name to level, as GitHub spells both. */
export type Permissions = Readonly<Record<string, string>>;

export interface HostAccount {
  readonly id: number;
  readonly nodeId: string;
  readonly login: string;
  readonly type: "User" | "Organization";
}

export interface Membership {
  readonly role: "admin" | "member" | "billing_manager";
  readonly state: "active" | "pending";
}

export interface HostInstallation {
  readonly id: number;
  readonly account: HostAccount;
  readonly permissions: Permissions;
  /** `all`, or the repositories that were chosen. */
  readonly repositories: "all" | readonly HostRepository[];
  readonly suspended: boolean;
}

export interface CommitInput {
  /** Short name; default: the default branch. */
  readonly branch?: string;
  readonly message?: string;
  /** Path to contents; files that are not named stay as they are. Empty: an empty commit. */
  readonly files?: Readonly<Record<string, TreeEntry>>;
  /** Commit to stand on; default: the branch's tip, or for a new branch the default branch's. Null: no parent. */
  readonly parent?: string | null;
}

export interface HostRepository {
  readonly id: number;
  readonly nodeId: string;
  readonly owner: HostAccount;
  readonly name: string;
  readonly fullName: string;
  readonly private: boolean;
  readonly defaultBranch: string;
  /** HTTP address for git, without credentials. */
  readonly cloneUrl: string;
  readonly webUrl: string;
  /** The bare repository on disk. */
  readonly gitDir: string;
  /** Commits and moves the branch, without a webhook. `before` is null for a new branch. */
  commit(input: CommitInput): Promise<{ readonly sha: string; readonly before: string | null }>;
  /** Hash a full ref (`refs/heads/main`) points to (the tag object of an annotated tag); null: there is none. */
  ref(name: string): Promise<string | null>;
  /** Every check run ever made for the commit, oldest first. */
  checkRuns(sha: string): readonly HostCheckRun[];
}

export interface HostCheckRun {
  readonly id: number;
  readonly name: string;
  readonly headSha: string;
  readonly repository: HostRepository;
  readonly externalId: string | null;
  readonly detailsUrl: string | null;
  readonly status: string;
  readonly conclusion: string | null;
  readonly startedAt: string | null;
  readonly completedAt: string | null;
  readonly output: {
    readonly title: string | null;
    readonly summary: string | null;
    readonly text: string | null;
    readonly annotations: readonly HostAnnotation[];
  };
  /** Its buttons. GitHub shows them once it is completed. */
  readonly actions: readonly HostCheckAction[];
  /** How often it was written: 1 for the creation, one more for each update. */
  readonly writes: number;
}

export interface HostCheckAction {
  readonly label: string;
  readonly description: string;
  readonly identifier: string;
}

export interface PullInput {
  /** Branch the commits come from. */
  readonly head: string;
  /** Repository of that branch, when it is a fork. */
  readonly from?: HostRepository;
  /** Branch they are to go to; default: the default branch. */
  readonly base?: string;
  readonly title?: string;
  readonly draft?: boolean;
}

export interface HostPull {
  readonly id: number;
  readonly number: number;
  readonly repository: HostRepository;
  /** Where its commits come from: the same repository or a fork. Null: a fork that was deleted. */
  readonly source: HostRepository | null;
  readonly base: string;
  readonly head: string;
  readonly headSha: string;
  readonly draft: boolean;
  readonly open: boolean;
  readonly merged: boolean;
}

/** A commit the merge queue made to be tested and merged: the branch it goes to, groups before it, and one pull request. */
export interface HostMergeGroup {
  readonly pull: HostPull;
  /** Full refs. */
  readonly headRef: string;
  readonly baseRef: string;
  readonly headSha: string;
  /** What it stands on: the tip of its branch, or the group before it. */
  readonly baseSha: string;
}

export type Role = "read" | "triage" | "write" | "maintain" | "admin";

/** A role an organization made up, upon one of GitHub's. */
export interface CustomRole {
  readonly name: string;
  readonly base: Role;
}

export interface HostAnnotation {
  readonly path: string;
  readonly start_line: number;
  readonly end_line: number;
  readonly annotation_level: string;
  readonly message: string;
}

/** One event, delivered or not. GitHub gives each event a GUID whether or not anybody listens. */
export interface EventDelivery {
  readonly guid: string;
  /**
   * False: no webhook is set, the app is not installed there (or suspended), or GitHub tells nobody of so much. Nothing
   * was sent, and nothing is in the app's delivery log.
   */
  readonly sent: boolean;
  /** Answer of the webhook; null when it did not answer in time, could not be reached, or nothing was sent. */
  readonly status: number | null;
}

/** One attempt in the app's delivery log. */
export interface DeliveryAttempt {
  /** Digits of an integer above 2^53, as GitHub's are. */
  readonly id: string;
  readonly guid: string;
  readonly event: string;
  readonly action: string | null;
  readonly redelivery: boolean;
  /** `OK`, or what went wrong. */
  readonly status: string;
  /** 0: no answer. */
  readonly statusCode: number;
  readonly deliveredAt: string;
  /** Seconds until the answer, or until it was given up. */
  readonly duration: number;
  readonly requestHeaders: Readonly<Record<string, string>>;
  /** The exact bytes that were signed. */
  readonly body: string;
  readonly responseBody: string;
}

export interface PushResult {
  readonly sha: string;
  readonly before: string | null;
  readonly delivery: EventDelivery;
}

export interface TagInput {
  readonly tag: string;
  /** The commit. */
  readonly sha: string;
  /** Makes a tag object; `push.after` is then that object and not the commit. */
  readonly annotated?: boolean;
  /** Message of the tag object. */
  readonly message?: string;
}

/** One ref of a push that moves several. */
export type PushedRef =
  | TagInput
  /** A full ref is made at a commit that is there, moved to it, or deleted (null). */
  | { readonly ref: string; readonly to: string | null };

/** One call of the REST API. */
export interface ApiCall {
  readonly method: string;
  /** As sent, with query, without the base path: `/repositories/<id>/…` where a redirect was followed. */
  readonly path: string;
  /** Path of the API description, e.g. `/repos/{owner}/{repo}/check-runs`; null: there is no such operation. */
  readonly route: string | null;
  readonly token: "app" | "installation" | "other" | "none";
  /** 0 when the answer was withheld by an injection. */
  readonly status: number;
  /** Milliseconds since 1970. */
  readonly at: number;
}

export interface GitCall {
  readonly method: string;
  readonly path: string;
  /** 0 when there was no answer. */
  readonly status: number;
  readonly at: number;
}

export type InjectedAnswer = {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
};

export type Effect =
  | InjectedAnswer
  /** Never answers. */
  | { readonly hang: true }
  /** Cuts the connection without doing anything. */
  | { readonly reset: true }
  /** Does what was asked, then loses the answer. */
  | { readonly afterwards: "reset" | InjectedAnswer };

export interface Injection {
  /** Of the REST API (default), or of git, whose paths have no `route`. */
  readonly of?: "api" | "git";
  readonly match: (call: { readonly method: string; readonly path: string; readonly route: string | null }) => boolean;
  /** Default: 1. */
  readonly times?: number;
  readonly effect: Effect;
}

export interface GithubHost {
  /** Base of web and git addresses, e.g. `http://127.0.0.1:40123`. */
  readonly url: string;
  /** Base of the REST API. */
  readonly apiUrl: string;
  readonly appId: number;
  /** PEM of the app's private key, made for this process: hosts with different `appId`s have different ones. */
  readonly privateKey: string;
  /** What the app asks who people are with. */
  readonly clientId: string;
  readonly clientSecret: string;
  /** Tokens of people that open the API now. */
  readonly userTokens: readonly string[];
  readonly calls: readonly ApiCall[];
  readonly gitCalls: readonly GitCall[];
  /** Everything that broke the API description or GitHub's documented rules, by the caller or by this stand-in. */
  readonly violations: readonly string[];
  /** Every installation token given out so far, expired ones included: to look for where none may be. */
  readonly issuedTokens: readonly string[];
  /** Every delivery ever, oldest first. The API shows those of the last three days (Enterprise Server: seven). */
  readonly deliveries: readonly DeliveryAttempt[];

  setWebhook(webhook: Webhook | null): void;
  /** Where people who sign in may be sent back to, exactly. */
  setCallbackUrls(urls: readonly string[]): void;
  /** Somebody takes back, on their settings page, what they let the app do: sends `github_app_authorization.revoked`. */
  revokeAuthorization(by: HostAccount): Promise<EventDelivery>;
  /** Takes somebody out of an organization: sends `organization.member_removed`. */
  removeMember(organization: HostAccount, person: HostAccount): Promise<EventDelivery>;
  /** The account of that name; made when new. */
  organization(login: string): HostAccount;
  user(login: string): HostAccount;
  repository(
    owner: HostAccount,
    name: string,
    options?: { readonly private?: boolean; readonly defaultBranch?: string },
  ): Promise<HostRepository>;
  /** Somebody copies it, with all branches, into an account of theirs. */
  fork(repository: HostRepository, owner: HostAccount): Promise<HostRepository>;
  /** Renames it and sends `repository.renamed`. The old name redirects until somebody else takes it. */
  rename(repository: HostRepository, name: string): Promise<EventDelivery>;
  /** Gives it to another account. Only an installation there is told (`repository.transferred`). */
  transfer(repository: HostRepository, owner: HostAccount): Promise<EventDelivery>;
  /** Makes it read-only, or ends that: sends `repository.archived` or `repository.unarchived`. */
  setArchived(repository: HostRepository, archived: boolean): Promise<EventDelivery>;
  /** Sends `repository.privatized` or `repository.publicized`. */
  setPrivate(repository: HostRepository, hidden: boolean): Promise<EventDelivery>;
  /**
   * Deletes it for good. An app that covered it is told twice, by `repository.deleted` and by
   * `installation_repositories.removed`. Its name may be used again at once.
   */
  deleteRepository(repository: HostRepository): Promise<readonly EventDelivery[]>;
  /** Renames an account, and with it the path of all its repositories. Sends `installation_target.renamed`. */
  renameAccount(account: HostAccount, login: string): Promise<EventDelivery>;

  /** Installs the app and sends `installation.created`. Default: all repositories, the permissions the product needs. */
  install(
    account: HostAccount,
    options?: {
      readonly repositories?: "all" | readonly HostRepository[];
      readonly permissions?: Permissions;
    },
  ): Promise<HostInstallation & { readonly delivery: EventDelivery }>;
  uninstall(installation: HostInstallation): Promise<EventDelivery>;
  suspend(installation: HostInstallation): Promise<EventDelivery>;
  unsuspend(installation: HostInstallation): Promise<EventDelivery>;
  /** Changes what the installation grants and sends `new_permissions_accepted`. */
  grant(installation: HostInstallation, permissions: Permissions): Promise<EventDelivery>;
  /** Sends `installation_repositories.added`. */
  addRepositories(installation: HostInstallation, repositories: readonly HostRepository[]): Promise<EventDelivery>;
  /** Sends `installation_repositories.removed`. An installation on all repositories becomes one on the others. */
  removeRepositories(installation: HostInstallation, repositories: readonly HostRepository[]): Promise<EventDelivery>;
  /** Makes every installation token made so far expire now. */
  expireTokens(): void;
  /** Uses up what an installation may call in the present hour. */
  exhaust(installation: HostInstallation): void;
  /**
   * Moves the host's clock on: tokens expire, allowances return, deliveries leave the log. JWTs are held to the
   * machine's clock all the same, because those who make them know no other.
   */
  advance(milliseconds: number): void;

  /** Commits, moves the branch and sends `push`. */
  push(repository: HostRepository, input: CommitInput): Promise<PushResult>;
  /** Commits on `parent` (default: the tip's parent), so that the old tip is lost, and sends a forced `push`. */
  forcePush(repository: HostRepository, input: CommitInput): Promise<PushResult>;
  /** Makes or moves one tag and sends `push`. `sha` of the answer is what the tag points to. */
  pushTag(repository: HostRepository, input: TagInput): Promise<PushResult>;
  /** {@link pushRefs} with tags only. */
  pushTags(repository: HostRepository, tags: readonly TagInput[]): Promise<readonly PushResult[]>;
  /**
   * Several refs in one push, with an event for each of them. Not for its tags when they are more than three, whether they
   * are made, moved or deleted; for nothing of it when there are more branches than GitHub tells of. `sha` of the answers
   * is what a ref points to, empty where it was deleted.
   */
  pushRefs(repository: HostRepository, refs: readonly PushedRef[]): Promise<readonly PushResult[]>;
  /** Deletes a full ref and sends `push`. */
  deleteRef(repository: HostRepository, ref: string): Promise<EventDelivery>;

  /**
   * Opens a pull request, sends `pull_request.opened`, then makes the test merge. Later pushes to its branch send
   * `pull_request.synchronize`; deleting the branch closes it.
   */
  openPull(
    repository: HostRepository,
    input: PullInput,
  ): Promise<{ readonly pull: HostPull; readonly delivery: EventDelivery }>;
  /** Closes it without merging. `refs/pull/<number>/head` stays. */
  closePull(pull: HostPull): Promise<EventDelivery>;
  /** Opens it again, at what its branch is now. Its branch must be there. */
  reopenPull(pull: HostPull): Promise<EventDelivery>;
  /** Sends `converted_to_draft` or `ready_for_review`. */
  setDraft(pull: HostPull, draft: boolean): Promise<EventDelivery>;
  /** Gives it another base or another title; sends `edited`, with what it was before. */
  editPull(pull: HostPull, change: { readonly base: string } | { readonly title: string }): Promise<EventDelivery>;
  /** Merges it: its base moves (`push`), then it is closed. Throws where it conflicts. */
  mergePull(
    pull: HostPull,
  ): Promise<{ readonly sha: string; readonly push: EventDelivery; readonly closed: EventDelivery }>;
  /** Deletes a fork the app is not installed on, of which it hears nothing. Pull requests from it stay, without a source. */
  deleteFork(fork: HostRepository): Promise<void>;

  /**
   * Puts a pull request into the merge queue: sends `push` for the queue's branch, then `merge_group.checks_requested`.
   * `after`: the group before it. Throws where it conflicts.
   */
  enqueue(
    pull: HostPull,
    after?: HostMergeGroup,
  ): Promise<{ readonly group: HostMergeGroup; readonly push: EventDelivery; readonly delivery: EventDelivery }>;
  /** Ends a group and sends `merge_group.destroyed`. `merged`: its base moves to it and its pull request is closed first. */
  dequeue(group: HostMergeGroup, reason: "merged" | "invalidated" | "dequeued"): Promise<EventDelivery>;

  /**
   * What somebody may do in a repository. Null: what everybody may. Until told otherwise the owner is its admin, and of an
   * organization's repositories its owners are, see {@link setMembership}.
   */
  setRole(repository: HostRepository, person: HostAccount, role: Role | CustomRole | null): void;
  /**
   * Makes somebody one of an organization's people, or (`pending`) invites them. Null: they are none. Until told otherwise
   * the user `mona`, who acts for organizations, is an owner of each, and nobody else is anything.
   */
  setMembership(organization: HostAccount, person: HostAccount, membership: Membership | null): void;
  /**
   * `by` (default: somebody who acts for the owner) presses a button of a completed check and `check_run.requested_action`
   * is sent. Throws where there is no such button. Whether `by` may is for the app to find out.
   */
  pressButton(checkRun: HostCheckRun, identifier: string, by?: HostAccount): Promise<EventDelivery>;
  /** Somebody presses *Re-run* beside one check. */
  rerequest(checkRun: HostCheckRun): Promise<EventDelivery>;
  /** Somebody presses *Re-run all checks*. */
  rerequestSuite(repository: HostRepository, sha: string): Promise<EventDelivery>;
  ping(): Promise<EventDelivery>;
  /** Signs and sends any payload; a string goes out byte for byte. */
  deliver(
    event: string,
    payload: unknown,
    options?: { readonly guid?: string; readonly headers?: Readonly<Record<string, string>> },
  ): Promise<EventDelivery>;
  /** Sends a delivery once more, however old: same GUID, same bytes. */
  redeliver(guid: string): Promise<EventDelivery>;
  /** Resolves when every webhook on its way has an answer. */
  settled(): Promise<void>;

  inject(injection: Injection): void;
  /** Stops listening, cuts connections and removes the repositories. */
  close(): Promise<void>;
}
