/** Everything the stand-in remembers. */
import { generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import type {
  ApiCall,
  CustomRole,
  DeliveryAttempt,
  GitCall,
  HostAccount,
  HostAnnotation,
  HostCheckAction,
  HostCheckRun,
  HostInstallation,
  HostPull,
  HostRepository,
  Membership,
  Permissions,
  Role,
  SecondaryLimits,
  TokenFormat,
  Webhook,
} from "./contract.ts";
import type { Allowance } from "./limits.ts";
import type { ManifestCode } from "./manifest.ts";
import type { Code, UserToken } from "./oauth.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export type InstallationState = Mutable<HostInstallation> & {
  readonly createdAt: string;
  updatedAt: string;
  removed: boolean;
};

export type AccountState = Mutable<HostAccount>;

export type RepositoryState = Mutable<HostRepository> & {
  /** What it is a fork of. */
  readonly parent: RepositoryState | null;
  /** Nobody may change it. */
  archived: boolean;
  readonly createdAt: string;
  pushedAt: string;
};

export type CheckRunState = Mutable<Omit<HostCheckRun, "output" | "actions">> & {
  readonly suite: Suite;
  actions: readonly HostCheckAction[];
  output: Mutable<Omit<HostCheckRun["output"], "annotations">> & { annotations: HostAnnotation[] };
};

export type PullState = Mutable<HostPull> & {
  readonly repository: RepositoryState;
  source: RepositoryState | null;
  /** Whose repository `source` is or was. */
  readonly headOwner: HostAccount;
  title: string;
  /** Tip of its base when it was merged; null: it was not. */
  mergedInto: string | null;
  /** The last test merge and what it is of; its `sha` is null after a conflict. Null: there was none yet. */
  merge: { readonly base: string; readonly head: string; readonly sha: string | null } | null;
  readonly createdAt: string;
  updatedAt: string;
  closedAt: string | null;
};

export interface InstallationToken {
  readonly installation: InstallationState;
  /** Ids the token was narrowed to; null: whatever the installation covers at the time of a call. */
  readonly repositoryIds: ReadonlySet<number> | null;
  readonly permissions: Permissions;
  /** Milliseconds since 1970. */
  expiresAt: number;
}

export interface Suite {
  readonly id: number;
  /** A branch whose tip the commit was when the suite was made. */
  readonly headBranch: string | null;
}

export interface State {
  readonly appId: number;
  readonly slug: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Where people who sign in may be sent back to. */
  callbackUrls: readonly string[];
  /** Where they are led once they have installed the app; null: nowhere. */
  setupUrl: string | null;
  /** What they are sent back with. */
  readonly codes: Map<string, Code>;
  readonly userTokens: Map<string, UserToken>;
  /** What may change of the app, by registering it anew. */
  readonly registered: { name: string; owner: HostAccount; permissions: Permissions };
  readonly manifestCodes: Map<string, ManifestCode>;
  readonly publicKey: KeyObject;
  /** PEM, PKCS#1, as GitHub hands keys out. */
  readonly privateKey: string;
  readonly createdAt: string;
  readonly tokenFormat: TokenFormat;
  /** Of web and git, of the REST API. Set when the server listens. */
  url: string;
  apiUrl: string;
  /** Folder of the bare repositories. */
  readonly folder: string;
  webhook: Webhook | null;
  readonly accounts: AccountState[];
  readonly installations: InstallationState[];
  readonly repositories: RepositoryState[];
  /** `owner/name` a repository had before, in lower case. */
  readonly formerNames: Map<string, RepositoryState>;
  readonly pulls: PullState[];
  /** `<repository id>:<account id>` to what was set with `setRole`. */
  readonly roles: Map<string, Role | CustomRole>;
  /** By {@link membershipKey}, what was set with `setMembership`; null: nothing. */
  readonly memberships: Map<string, Membership | null>;
  readonly tokens: Map<string, InstallationToken>;
  readonly checkRuns: CheckRunState[];
  /** `<repository id>:<sha>` to the app's check suite there. */
  readonly suites: Map<string, Suite>;
  readonly deliveries: DeliveryAttempt[];
  readonly calls: ApiCall[];
  readonly gitCalls: GitCall[];
  readonly violations: string[];
  /** What each installation (and the app: 0) has used up. */
  readonly allowances: Map<number, Allowance>;
  /** Calls in an hour; null: no limit. */
  readonly hourlyLimit: number | null;
  readonly secondaryLimits: SecondaryLimits | null;
  /** Entries of a tree that are listed at once. */
  readonly longestTree: number;
  /** Branches that may be pushed at once. */
  readonly mostBranches: number;
  /** An Enterprise Server, not github.com. */
  readonly enterprise: boolean;
  nextId(): number;
  /** Milliseconds since 1970, on the host's clock. */
  now(): number;
  advance(milliseconds: number): void;
}

/** What the product needs: see app.yml. */
export const DEFAULT_PERMISSIONS: Permissions = {
  checks: "write",
  contents: "read",
  members: "read",
  merge_queues: "read",
  metadata: "read",
  pull_requests: "read",
};

export function createState(options: {
  readonly appId: number;
  readonly tokenFormat: TokenFormat;
  readonly webhook: Webhook | null;
  readonly folder: string;
  readonly enterprise: boolean;
  readonly hourlyLimit: number | null;
  readonly secondaryLimits: SecondaryLimits | null;
  readonly longestTree: number;
  readonly mostBranches: number;
}): State {
  const keys = keysOf(options.appId);
  // Ids of one host are spread over all kinds of things; starting high shows ids that were cut to 31 bits.
  let lastId = 2 ** 31;
  let ahead = 0;
  const owner: AccountState = { id: 9_000_001, nodeId: nodeId("U", 9_000_001), login: "app-owner", type: "User" };
  const state: State = {
    ...options,
    slug: "stand-in-app",
    clientId: `Iv1.${options.appId.toString(16).padStart(16, "0")}`,
    clientSecret: randomBytes(20).toString("hex"),
    callbackUrls: [],
    setupUrl: null,
    codes: new Map(),
    userTokens: new Map(),
    registered: { name: "Stand-in App", owner, permissions: DEFAULT_PERMISSIONS },
    manifestCodes: new Map(),
    privateKey: keys.privateKey.export({ type: "pkcs1", format: "pem" }).toString(),
    publicKey: keys.publicKey,
    createdAt: timestamp(Date.now()),
    url: "",
    apiUrl: "",
    accounts: [owner],
    installations: [],
    repositories: [],
    formerNames: new Map(),
    pulls: [],
    roles: new Map(),
    memberships: new Map(),
    tokens: new Map(),
    checkRuns: [],
    suites: new Map(),
    deliveries: [],
    calls: [],
    gitCalls: [],
    violations: [],
    allowances: new Map(),
    nextId() {
      lastId += 1;
      return lastId;
    },
    now: () => Date.now() + ahead,
    advance(milliseconds) {
      ahead += milliseconds;
    },
  };
  return state;
}

/** Making a key takes up to seconds on a busy machine, so an app keeps its own for the life of the process. */
const KEYS = new Map<number, ReturnType<typeof makeKeys>>();

function keysOf(appId: number): ReturnType<typeof makeKeys> {
  const keys = KEYS.get(appId) ?? makeKeys();
  KEYS.set(appId, keys);
  return keys;
}

function makeKeys() {
  return generateKeyPairSync("rsa", { modulusLength: 2048 });
}

export function nodeId(kind: string, id: number): string {
  return `${kind}_${Buffer.from(`${kind}:${id}`).toString("base64url")}`;
}

/** ISO 8601 without fractions, as GitHub writes times. */
export function timestamp(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.\d{3}Z$/, "Z");
}

/** Names of GitHub are compared without case. `moved`: the name is one the repository had before. */
export function findRepository(
  state: State,
  owner: string,
  name: string,
): { readonly repository: RepositoryState; readonly moved: boolean } | null {
  const wanted = `${owner}/${name}`.toLowerCase();
  const repository = state.repositories.find((item) => item.fullName.toLowerCase() === wanted);
  if (repository !== undefined) return { repository, moved: false };
  const former = state.formerNames.get(wanted);
  return former === undefined ? null : { repository: former, moved: true };
}

export function roleKey(repository: HostRepository, person: HostAccount): string {
  return `${repository.id}:${person.id}`;
}

export function membershipKey(organization: HostAccount, person: HostAccount): string {
  return `${organization.id}:${person.id}`;
}

/** Null: not one of its people. */
export function membershipOf(state: State, organization: HostAccount, person: HostAccount): Membership | null {
  const known = state.memberships.get(membershipKey(organization, person));
  if (known !== undefined) return known;
  return person.login === "mona" ? { role: "admin", state: "active" } : null;
}

export function covers(installation: InstallationState, repository: HostRepository): boolean {
  if (installation.removed || installation.account.id !== repository.owner.id) return false;
  return installation.repositories === "all" || installation.repositories.some((item) => item.id === repository.id);
}

/** Repositories an installation covers now. */
export function coveredRepositories(state: State, installation: InstallationState): readonly RepositoryState[] {
  return state.repositories.filter((repository) => covers(installation, repository));
}

/** The installation that lets the app see a repository; null: none. */
export function installationOf(state: State, repository: HostRepository): InstallationState | null {
  return state.installations.find((installation) => covers(installation, repository)) ?? null;
}
