/** What tests, the demo and the benches see of the stand-in. The header of index.ts has an example. */
import type { TreeEntry } from "../git/git.ts";
import type {
  ApiCall,
  DeliveryAttempt,
  EventDelivery,
  GitCall,
  Injection,
  LifecycleCallback,
  UnsentDelivery,
} from "./records.ts";

export type * from "./records.ts";

export interface BitbucketHostOptions {
  /**
   * Calls of `/2.0/repositories/…` each identity may make in a rolling hour; null: no limit. Default: 1000. Access tokens
   * may have a limit of their own, see {@link AccessTokenInput}.
   */
  readonly hourlyLimit?: number | null;
  /** How long a webhook may take to answer. Default: Bitbucket's 10 000 ms. */
  readonly webhookTimeoutMs?: number;
  /** Between two attempts of one delivery. Default: 0, so that tests need not wait; Bitbucket waits about a minute. */
  readonly retryDelayMs?: number;
  /** Seconds a token of a Connect app lives, as `expires_in` says. Default: 7200. */
  readonly tokenSeconds?: number;
  /**
   * Default: false, an install counts, and its secret is known to the token endpoint, once the app has answered its
   * callback with 2xx. True: it counts from before the callback, whatever the app answers.
   */
  readonly commitBeforeCallback?: boolean;
  /**
   * Whether the head of a pull request from a fork is also a commit of the repository it is to go to. Default: `known`. No
   * document says so; `elsewhere`: only its differences are, until it is merged.
   */
  readonly forkCommits?: "known" | "elsewhere";
}

/** As Bitbucket's documents spell them: `account`, `repository`, `repository:write`, `pullrequest`, `webhook`, … */
export type Scope = string;

export interface HostUser {
  /** In braces, lower case, as all uuids here. */
  readonly uuid: string;
  readonly accountId: string;
  readonly nickname: string;
  readonly displayName: string;
}

export interface HostWorkspace {
  readonly uuid: string;
  readonly slug: string;
  readonly name: string;
  /** `user`: somebody's personal workspace; its payloads and installs look different. */
  readonly kind: "team" | "user";
}

export interface HostRepository {
  readonly uuid: string;
  readonly workspace: HostWorkspace;
  readonly slug: string;
  readonly name: string;
  /** `workspace/slug`. */
  readonly fullName: string;
  readonly private: boolean;
  /** Key of its project. */
  readonly project: string;
  /** The branch new clones get. The API says null for it as long as there is no commit. */
  readonly mainBranch: string;
  /** HTTP address for git, without credentials. */
  readonly cloneUrl: string;
  readonly webUrl: string;
  /** The bare repository on disk. */
  readonly gitDir: string;
  /** Commits and moves the branch, without a webhook. `before` is null for a new branch. */
  commit(input: CommitInput): Promise<{ readonly sha: string; readonly before: string | null }>;
  /** Moves refs of the real repository in the order given, then sends one `repo:push` with all of them. */
  push(changes: readonly PushChange[]): Promise<PushResult>;
  /** Hash a full ref (`refs/heads/main`) points to (the tag object of an annotated tag); null: there is none. */
  ref(name: string): Promise<string | null>;
  /** Build statuses of a commit, oldest first. */
  statuses(sha: string): readonly HostStatus[];
  /** Code Insights reports of a commit, oldest first. */
  reports(sha: string): readonly HostReport[];
}

export interface CommitInput {
  /** Short name; default: the main branch. */
  readonly branch?: string;
  readonly message?: string;
  /** Path to contents; files that are not named stay as they are. Empty: an empty commit. */
  readonly files?: Readonly<Record<string, TreeEntry>>;
  /** Commit to stand on; default: the branch's tip, or for a new branch the main branch's. Null: no parent. */
  readonly parent?: string | null;
}

/** One ref of a push. */
export type PushChange =
  /** A new commit on a branch. With `parent` an old tip may be lost: a forced push. */
  | (CommitInput & { readonly branch: string })
  /** A branch is made, moved to a commit that is there, or deleted (null). */
  | { readonly branch: string; readonly to: string | null }
  /** A tag is made, moved or deleted (null). `to` is a commit; `annotated` makes a tag object for it. */
  | { readonly tag: string; readonly to: string | null; readonly annotated?: boolean; readonly message?: string };

/** A ref that moved. Hashes of annotated tags are those of the tag object. */
export interface RefMove {
  readonly kind: "branch" | "tag";
  readonly name: string;
  readonly before: string | null;
  readonly after: string | null;
  /** The old tip is not behind the new one. */
  readonly forced: boolean;
}

export interface PushResult {
  readonly moves: readonly RefMove[];
  /** The commit the first change leads to; empty when it deletes. */
  readonly sha: string;
  readonly deliveries: readonly EventDelivery[];
}

export interface HostStatus {
  readonly uuid: string;
  readonly key: string;
  readonly state: "INPROGRESS" | "SUCCESSFUL" | "FAILED" | "STOPPED";
  readonly sha: string;
  readonly name: string | null;
  readonly description: string | null;
  readonly url: string | null;
  readonly refname: string | null;
  readonly createdOn: string;
  readonly updatedOn: string;
  /** How often it was written: 1 for the creation, one more for each update. */
  readonly writes: number;
}

export interface HostReport {
  readonly uuid: string;
  /** As the path of the API named it. */
  readonly externalId: string;
  readonly sha: string;
  /** The report as it was put. */
  readonly content: Readonly<Record<string, unknown>>;
  readonly annotations: readonly HostAnnotation[];
  readonly writes: number;
}

export interface HostAnnotation {
  readonly uuid: string;
  readonly externalId: string;
  readonly content: Readonly<Record<string, unknown>>;
}

export interface AccessTokenInput {
  /** Exactly one of the three. */
  readonly workspace?: HostWorkspace;
  readonly repository?: HostRepository;
  readonly project?: { readonly workspace: HostWorkspace; readonly key: string };
  readonly scopes: readonly Scope[];
  /** Its own ("scaled") hourly limit. Default: the host's. */
  readonly hourlyLimit?: number;
}

export interface HostAccessToken {
  /** What goes into `Authorization: Bearer …`, and after `x-token-auth:` for git. */
  readonly token: string;
  readonly scopes: readonly Scope[];
}

/** An ordinary webhook, as the API or a person made it. */
export interface HostHook {
  readonly uuid: string;
  readonly workspace: HostWorkspace;
  /** Null: of all repositories of the workspace. */
  readonly repository: HostRepository | null;
  readonly url: string;
  readonly description: string;
  readonly events: readonly string[];
  readonly active: boolean;
  readonly secret: string | null;
}

export interface HookInput {
  readonly workspace?: HostWorkspace;
  readonly repository?: HostRepository;
  readonly url: string;
  readonly events: readonly string[];
  readonly secret?: string | null;
  readonly description?: string;
  readonly active?: boolean;
}

export interface InstallInput {
  /** The app's descriptor, or the address it is published at. */
  readonly descriptor: object | string;
  /**
   * Default: false, the app is installed by its address: client key `connection:<n>` and a secret of its own. True: it is
   * registered under its owner's workspace: client key `ari:cloud:bitbucket::app/{workspace}/<key>`, one secret for all.
   */
  readonly registered?: boolean;
  /** Who clicks. Default: an owner of the workspace. */
  readonly by?: HostUser;
}

export interface HostInstall {
  readonly clientKey: string;
  readonly appKey: string;
  readonly workspace: HostWorkspace;
  readonly scopes: readonly Scope[];
  /** What signs its JWTs at present. */
  readonly secret: string;
  readonly active: boolean;
}

export interface PullInput {
  /** Branch the commits come from. */
  readonly head: string;
  /** Repository of that branch, when it is a fork. */
  readonly from?: HostRepository;
  /** Branch they are to go to; default: the main branch. */
  readonly base?: string;
  readonly title?: string;
  readonly draft?: boolean;
}

export interface HostPull {
  readonly id: number;
  readonly repository: HostRepository;
  /** Where its commits come from: the same repository or a fork; null: the fork is deleted. */
  readonly source: HostRepository | null;
  readonly title: string;
  readonly base: string;
  readonly head: string;
  /** Full hashes; the API and payloads abbreviate them. */
  readonly headSha: string;
  readonly baseSha: string;
  readonly state: "OPEN" | "MERGED" | "DECLINED" | "SUPERSEDED";
  readonly draft: boolean;
  readonly mergeSha: string | null;
}

export type WorkspacePermission = "owner" | "member" | "collaborator";
export type RepositoryPermission = "admin" | "write" | "read";

export interface BitbucketHost {
  /** Base of web, token endpoint and git addresses, e.g. `http://127.0.0.1:40123`: what bitbucket.org is. */
  readonly url: string;
  /** Base of the REST API, another port, without `/2.0`: what api.bitbucket.org is. */
  readonly apiUrl: string;
  /** An OAuth consumer people sign in with; `tokens`: those of people that open the API. */
  readonly consumer: {
    readonly clientId: string;
    readonly clientSecret: string;
    callbackUrl: string | null;
    scopes: readonly Scope[];
    readonly tokens: ReadonlyMap<string, unknown>;
  };
  readonly calls: readonly ApiCall[];
  readonly gitCalls: readonly GitCall[];
  /** Everything that broke the API description or Bitbucket's documented rules, by the caller or by this stand-in. */
  readonly violations: readonly string[];
  /** Every token given out so far, expired ones included: to look for where none may be. */
  readonly issuedTokens: readonly string[];
  /** Every attempt of every delivery, oldest first. */
  readonly deliveries: readonly DeliveryAttempt[];
  readonly unsent: readonly UnsentDelivery[];
  readonly callbacks: readonly LifecycleCallback[];
  readonly hooks: readonly HostHook[];
  readonly installs: readonly HostInstall[];

  /** The workspace of that slug; made when new. Its first owner is the user `<slug>-owner`. */
  workspace(slug: string, options?: { readonly kind?: "team" | "user" }): HostWorkspace;
  /** The user of that nickname; made when new. */
  user(nickname: string): HostUser;
  repository(
    workspace: HostWorkspace,
    slug: string,
    options?: { readonly private?: boolean; readonly mainBranch?: string; readonly project?: string },
  ): Promise<HostRepository>;
  /** Somebody copies it, with all branches, into a workspace of theirs. Sends `repo:fork`. */
  fork(
    repository: HostRepository,
    workspace: HostWorkspace,
    options?: { readonly private?: boolean },
  ): Promise<HostRepository>;
  /** Null takes the permission away. */
  setPermission(workspace: HostWorkspace, user: HostUser, permission: WorkspacePermission | null): void;
  setRepositoryPermission(repository: HostRepository, user: HostUser, permission: RepositoryPermission | null): void;
  /** Tells that it was made, or brought from elsewhere; {@link repository} tells nobody. */
  announce(repository: HostRepository, event: "repo:created" | "repo:imported"): Promise<readonly EventDelivery[]>;
  /** Renames it and sends `repo:updated`. The old name answers no longer. */
  rename(repository: HostRepository, slug: string): Promise<readonly EventDelivery[]>;
  /** A new slug for the workspace; the full names of its repositories follow. Nobody is told. */
  renameWorkspace(workspace: HostWorkspace, slug: string): void;
  /** Gives it to another workspace. Those who listen in either are told (`repo:transfer`). */
  transfer(repository: HostRepository, workspace: HostWorkspace): Promise<readonly EventDelivery[]>;
  /** Deletes it and sends `repo:deleted`. */
  delete(repository: HostRepository): Promise<readonly EventDelivery[]>;
  setPrivate(repository: HostRepository, hidden: boolean): Promise<readonly EventDelivery[]>;
  setMainBranch(repository: HostRepository, branch: string): Promise<readonly EventDelivery[]>;

  openPull(
    repository: HostRepository,
    input: PullInput,
  ): Promise<{ readonly pull: HostPull; readonly deliveries: readonly EventDelivery[] }>;
  /** Changes the title: an update without new commits. */
  retitlePull(pull: HostPull, title: string): Promise<readonly EventDelivery[]>;
  /** Makes it a draft, or ready; or gives it another branch to go to. */
  changePull(
    pull: HostPull,
    change: { readonly draft?: boolean; readonly base?: string },
  ): Promise<readonly EventDelivery[]>;
  /** Merges it: `repo:push` for the target, and `pullrequest:fulfilled`. */
  mergePull(pull: HostPull): Promise<readonly EventDelivery[]>;
  declinePull(pull: HostPull): Promise<readonly EventDelivery[]>;

  accessToken(input: AccessTokenInput): HostAccessToken;
  revoke(token: HostAccessToken): void;
  /** Somebody makes a webhook by hand. Exactly one of `workspace` and `repository`. */
  addHook(input: HookInput): HostHook;
  removeHook(hook: HostHook): void;

  /** The secret that all installs of a registered app share, as its owner reads it under *Develop apps*. */
  appSecret(appKey: string): string;
  /** Registers the app whose descriptor is at that address, and gives its secret. From then on people install it by key. */
  register(descriptor: string): Promise<string>;
  /** Address of the page where somebody consents to an install, as the app would send their browser there. */
  consentPage(input: ConsentInput): string;
  /**
   * Installs the app, or installs it anew, and sends the lifecycle callback; `status` is its answer, null for none.
   * Rejects with a `DescriptorRefused` for a descriptor that Bitbucket does not take.
   */
  install(
    workspace: HostWorkspace,
    input: InstallInput,
  ): Promise<{ readonly install: HostInstall; readonly status: number | null }>;
  uninstall(install: HostInstall): Promise<{ readonly status: number | null }>;
  /**
   * Where the browser goes after somebody consented, with a JWT over it: `redirectUri`, or what the descriptor's
   * `postInstallRedirect` says.
   */
  landing(install: HostInstall, redirectUri?: string): string;
  /** What Bitbucket puts into `Authorization` (after `JWT `) or `?jwt=` of a request to the app, whoever sends it. */
  jwt(install: HostInstall, method: string, url: string): string;
  /**
   * Address of the page that shows a module of the app in a frame, as the user's browser would open it. Of a workspace's
   * pages members see all; of a repository's those who may read it.
   */
  framePage(install: HostInstall, module: string, context: FrameContext): string;

  /** Sends any payload to those who listen to `event` there; a string goes out byte for byte. */
  deliver(
    event: string,
    payload: unknown,
    about: { readonly workspace: HostWorkspace; readonly repository?: HostRepository },
  ): Promise<readonly EventDelivery[]>;
  /** The same request uuid and bytes once more. */
  redeliver(requestUuid: string): Promise<EventDelivery>;
  /** Resolves when every webhook on its way has an answer. */
  settled(): Promise<void>;

  /** Makes every Connect token given out so far expire now. */
  expireTokens(): void;
  /** Uses up what a token's identity may call in the present hour. */
  exhaust(of: HostAccessToken | HostInstall): void;
  /** Moves the host's clock on: tokens expire, allowances return. JWTs are held to the machine's clock all the same. */
  advance(milliseconds: number): void;
  inject(injection: Injection): void;
  /** Stops listening, cuts connections and removes the repositories. */
  close(): Promise<void>;
}

export interface ConsentInput {
  readonly user: HostUser;
  /** Of a registered app; of any other the address of its descriptor. */
  readonly appKey?: string;
  readonly descriptor?: string;
  /** Where the browser comes back to. */
  readonly redirectUri?: string;
}

export interface FrameContext {
  readonly user: HostUser;
  readonly repository?: HostRepository;
}
