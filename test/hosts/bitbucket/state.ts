/** Everything the stand-in remembers. */
import { randomUUID } from "node:crypto";
import type { CommitData } from "../git/git-read.ts";
import { type Consumer, createConsumer } from "./consumer.ts";
import type {
  ApiCall,
  DeliveryAttempt,
  GitCall,
  HostAnnotation,
  HostHook,
  HostInstall,
  HostPull,
  HostReport,
  HostRepository,
  HostStatus,
  HostUser,
  HostWorkspace,
  LifecycleCallback,
  RepositoryPermission,
  Scope,
  UnsentDelivery,
  WorkspacePermission,
} from "./contract.ts";
import type { Descriptor } from "./descriptor.ts";
import type { Peeled } from "./objects.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export type UserState = HostUser & { readonly createdOn: string };

export type WorkspaceState = Mutable<HostWorkspace> & {
  readonly createdOn: string;
  readonly members: Map<UserState, WorkspacePermission>;
  readonly projects: ProjectState[];
};

export interface ProjectState {
  readonly uuid: string;
  readonly key: string;
  readonly name: string;
}

export type RepositoryState = Mutable<HostRepository> & {
  workspace: WorkspaceState;
  /** What it is a fork of. */
  readonly parent: RepositoryState | null;
  readonly createdOn: string;
  updatedOn: string;
  deleted: boolean;
  readonly permissions: Map<UserState, RepositoryPermission>;
  readonly pulls: PullState[];
  /** Heads of pull requests from forks that are asked for in the fork only, see `forkCommits`. */
  readonly borrowed: Set<string>;
  readonly statusList: StatusState[];
  readonly reportList: ReportState[];
};

export type StatusState = Mutable<HostStatus>;

export type ReportState = Mutable<Omit<HostReport, "annotations">> & {
  readonly annotations: HostAnnotation[];
  readonly createdOn: string;
  updatedOn: string;
};

export type PullState = Mutable<HostPull> & {
  readonly repository: RepositoryState;
  source: RepositoryState | null;
  readonly author: UserState;
  readonly createdOn: string;
  updatedOn: string;
  closedBy: UserState | null;
};

export type HookState = Mutable<HostHook> & {
  readonly workspace: WorkspaceState;
  readonly repository: RepositoryState | null;
  readonly createdOn: string;
  readonly skipCertVerification: boolean;
};

export type InstallState = Mutable<HostInstall> & {
  readonly workspace: WorkspaceState;
  descriptor: Descriptor;
  readonly registered: boolean;
  /** What the last install that counted brought, also when it was removed since: signs the next callback. */
  precedingSecret: string | null;
  /** One for each webhook of the descriptor. */
  hookUuids: readonly string[];
};

/** What opens the API: a Connect app's token, or an access token somebody made in the settings. */
export interface TokenState {
  readonly token: string;
  readonly kind: "connect" | "access";
  /** Of a Connect token. */
  readonly install: InstallState | null;
  readonly workspace: WorkspaceState;
  /** The only one it reaches, with nothing of the workspace; null: all that `project` does not leave out. */
  readonly repository: RepositoryState | null;
  /** Key of the only project it reaches. */
  readonly project: string | null;
  readonly scopes: readonly Scope[];
  /** What shares one hourly allowance. */
  readonly identity: string;
  /** Calls of this identity in an hour; null: the host's. */
  readonly hourlyLimit: number | null;
  /** Milliseconds since 1970; null: it does not expire by itself. */
  expiresAt: number | null;
}

export interface State {
  readonly consumer: Consumer;
  /** Of web and git, of the REST API. Set when the servers listen. */
  url: string;
  apiUrl: string;
  /** Folder of the bare repositories. */
  readonly folder: string;
  readonly hourlyLimit: number | null;
  readonly webhookTimeoutMs: number;
  readonly retryDelayMs: number;
  readonly tokenSeconds: number;
  readonly commitBeforeCallback: boolean;
  readonly forkCommits: "known" | "elsewhere";
  /** By app key, of registered apps. */
  readonly appSecrets: Map<string, string>;
  /** Where the descriptors of registered apps are, by app key. */
  readonly registered: Map<string, string>;
  readonly users: UserState[];
  readonly workspaces: WorkspaceState[];
  readonly repositories: RepositoryState[];
  readonly installs: InstallState[];
  readonly hooks: HookState[];
  readonly tokens: Map<string, TokenState>;
  readonly deliveries: DeliveryAttempt[];
  readonly unsent: UnsentDelivery[];
  readonly callbacks: LifecycleCallback[];
  readonly calls: ApiCall[];
  readonly gitCalls: GitCall[];
  readonly violations: string[];
  /** Times of the calls of the last hour, oldest first, by identity. */
  readonly allowances: Map<string, number[]>;
  /** What was read of git's objects, by repository and hash. See objects.ts. */
  readonly commits: Map<string, Promise<CommitData>>;
  readonly peeled: Map<string, Promise<Peeled>>;
  nextId(): number;
  /** Milliseconds since 1970, on the host's clock. */
  now(): number;
  advance(milliseconds: number): void;
}

export function createState(
  options: Pick<
    State,
    | "folder"
    | "hourlyLimit"
    | "webhookTimeoutMs"
    | "retryDelayMs"
    | "tokenSeconds"
    | "commitBeforeCallback"
    | "forkCommits"
  >,
): State {
  let lastId = 0;
  let ahead = 0;
  return {
    ...options,
    consumer: createConsumer(),
    url: "",
    apiUrl: "",
    users: [],
    workspaces: [],
    repositories: [],
    installs: [],
    hooks: [],
    tokens: new Map(),
    deliveries: [],
    unsent: [],
    callbacks: [],
    appSecrets: new Map(),
    registered: new Map(),
    calls: [],
    gitCalls: [],
    violations: [],
    allowances: new Map(),
    commits: new Map(),
    peeled: new Map(),
    nextId() {
      lastId += 1;
      return lastId;
    },
    now: () => Date.now() + ahead,
    advance(milliseconds) {
      ahead += milliseconds;
    },
  };
}

/** As Bitbucket writes it: in braces, lower case. */
export function newUuid(): string {
  return `{${randomUUID()}}`;
}

/** ISO 8601 with microseconds, as Bitbucket writes times. */
export function timestamp(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/(\.\d{3})Z$/, "$1000+00:00");
}

/** The user of that nickname; made when new. */
export function findUser(state: State, nickname: string): UserState {
  const known = state.users.find((user) => user.nickname === nickname);
  if (known !== undefined) return known;
  const made: UserState = {
    uuid: newUuid(),
    accountId: `557058:${randomUUID()}`,
    nickname,
    displayName: nickname,
    createdOn: timestamp(state.now()),
  };
  state.users.push(made);
  return made;
}

/** By slug or by uuid in braces; null: there is none. */
export function findWorkspace(state: State, name: string): WorkspaceState | null {
  return state.workspaces.find((item) => item.slug === name.toLowerCase() || item.uuid === name.toLowerCase()) ?? null;
}

/**
 * By slugs or uuids. `{}` for the workspace is any, when the repository is named by uuid. Former names lead nowhere.
 * Deleted ones are not found.
 */
export function findRepository(state: State, workspace: string, name: string): RepositoryState | null {
  const wanted = name.toLowerCase();
  const any = workspace === "{}" && wanted.startsWith("{");
  const owner = any ? null : findWorkspace(state, workspace);
  if (!any && owner === null) return null;
  const found = state.repositories.find(
    (item) =>
      !item.deleted && (owner === null || item.workspace === owner) && (item.slug === wanted || item.uuid === wanted),
  );
  return found ?? null;
}

export function stateOf(state: State, repository: HostRepository): RepositoryState {
  const found = state.repositories.find((item) => item.uuid === repository.uuid);
  if (found === undefined || found.deleted) throw new Error(`there is no repository ${repository.fullName}`);
  return found;
}

export function workspaceOf(state: State, workspace: HostWorkspace): WorkspaceState {
  const found = state.workspaces.find((item) => item.uuid === workspace.uuid);
  if (found === undefined) throw new Error(`there is no workspace ${workspace.slug}`);
  return found;
}

/** Somebody who acts in a workspace: its first owner. */
export function ownerOf(workspace: WorkspaceState): UserState {
  for (const [user, permission] of workspace.members) if (permission === "owner") return user;
  throw new Error(`nobody owns ${workspace.slug}`);
}

/** What a user may do in a repository, however they came to it; null: nothing. */
export function effectivePermission(repository: RepositoryState, user: UserState): RepositoryPermission | null {
  if (repository.workspace.members.get(user) === "owner") return "admin";
  return repository.permissions.get(user) ?? null;
}
