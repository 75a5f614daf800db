/** Everything the stand-in remembers. */
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import type {
  ApiCall,
  DeliveryAttempt,
  GitCall,
  HostAccount,
  HostAnnotation,
  HostCheckRun,
  HostInstallation,
  HostRepository,
  Permissions,
  Webhook,
} from "./contract.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export type InstallationState = Mutable<HostInstallation> & {
  readonly createdAt: string;
  updatedAt: string;
  removed: boolean;
};

export type RepositoryState = Mutable<HostRepository> & { readonly createdAt: string; pushedAt: string };

export type CheckRunState = Mutable<Omit<HostCheckRun, "output">> & {
  readonly suite: Suite;
  output: Mutable<Omit<HostCheckRun["output"], "annotations">> & { annotations: HostAnnotation[] };
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
  readonly owner: HostAccount;
  readonly publicKey: KeyObject;
  readonly createdAt: string;
  readonly tokenFormat: "classic" | "stateless";
  /** Of web and git, of the REST API. Set when the server listens. */
  url: string;
  apiUrl: string;
  /** Folder of the bare repositories. */
  readonly folder: string;
  webhook: Webhook | null;
  readonly accounts: HostAccount[];
  readonly installations: InstallationState[];
  readonly repositories: RepositoryState[];
  /** `owner/name` a repository had before, in lower case. */
  readonly formerNames: Map<string, RepositoryState>;
  readonly tokens: Map<string, InstallationToken>;
  readonly checkRuns: CheckRunState[];
  /** `<repository id>:<sha>` to the app's check suite there. */
  readonly suites: Map<string, Suite>;
  readonly deliveries: DeliveryAttempt[];
  readonly calls: ApiCall[];
  readonly gitCalls: GitCall[];
  readonly violations: string[];
  /** Calls an installation (or the app, 0) made in the present hour. */
  readonly used: Map<number, number>;
  nextId(): number;
}

/** What the product needs: see app.yml. */
export const DEFAULT_PERMISSIONS: Permissions = {
  checks: "write",
  contents: "read",
  metadata: "read",
  pull_requests: "read",
};

export function createState(options: {
  readonly appId: number;
  readonly tokenFormat: "classic" | "stateless";
  readonly webhook: Webhook | null;
  readonly folder: string;
}): { readonly state: State; readonly privateKey: string } {
  const keys = generateKeyPairSync("rsa", { modulusLength: 2048 });
  // Ids of one host are spread over all kinds of things; starting high shows ids that were cut to 31 bits.
  let lastId = 2 ** 31;
  const owner: HostAccount = { id: 9_000_001, nodeId: nodeId("U", 9_000_001), login: "app-owner", type: "User" };
  const state: State = {
    ...options,
    slug: "stand-in-app",
    clientId: `Iv1.${options.appId.toString(16).padStart(16, "0")}`,
    owner,
    publicKey: keys.publicKey,
    createdAt: timestamp(Date.now()),
    url: "",
    apiUrl: "",
    accounts: [owner],
    installations: [],
    repositories: [],
    formerNames: new Map(),
    tokens: new Map(),
    checkRuns: [],
    suites: new Map(),
    deliveries: [],
    calls: [],
    gitCalls: [],
    violations: [],
    used: new Map(),
    nextId() {
      lastId += 1;
      return lastId;
    },
  };
  // GitHub hands keys out as PKCS#1.
  return { state, privateKey: keys.privateKey.export({ type: "pkcs1", format: "pem" }).toString() };
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
