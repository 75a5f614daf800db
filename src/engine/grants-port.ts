/**
 * What accounts on Bitbucket have given us: Connect installs and signed webhooks. Secrets are sealed where they rest; what
 * is handed out here is open. Workspaces and repositories are named by their uuid, in braces and lower case.
 */
import type { By } from "../core/audit.ts";
import type { Account } from "../core/model.ts";
import type { IncomingDelivery } from "./ports.ts";

/** An install of the Connect app whose secret was proven to be Bitbucket's. */
export interface ConnectClient {
  readonly clientKey: string;
  readonly workspace: string;
  readonly kind: Account["kind"];
  /** As Bitbucket spelled it when the install was proven; the installation has what it is called today. */
  readonly login: string;
  /** A removed one is kept: whoever installs anew signs with the secret of the install before. */
  readonly state: "active" | "removed";
  /** Null: the secret of the app itself stands for it. */
  readonly secret: string | null;
}

/** An install nobody has proven yet: anyone can claim a client key. */
export interface ConnectCandidate {
  readonly id: string;
  readonly clientKey: string;
  readonly workspace: string;
  readonly secret: string | null;
  /** How often proving it was begun, this time included. */
  readonly attempts: number;
}

/** A webhook of a workspace or repository that signs with a secret of ours, and the access token that goes with it. */
export interface Connection {
  /** Part of the webhook's address. */
  readonly id: string;
  readonly workspace: string;
  readonly kind: Account["kind"];
  readonly login: string;
  /** Null: all repositories of the workspace. */
  readonly repository: { readonly id: string; readonly fullName: string } | null;
  /** The current one first, then at most one that is still accepted. */
  readonly secrets: readonly string[];
  readonly token: string;
  /** Uuid of the webhook we created; null: somebody made it by hand. */
  readonly hook: string | null;
  readonly createdAt: string;
}

/**
 * Methods that take a `delivery` journal it in the same transaction, so that what changed is also heard of. Where they
 * answer false nothing was changed and nothing journalled.
 */
export interface GrantStore {
  /** Removed ones included; null: nobody has proven to be this client. */
  connectClient(clientKey: string): Promise<ConnectClient | null>;
  /** Active ones, the one proven or renewed last first. */
  connectClientsOf(workspace: string): Promise<readonly ConnectClient[]>;
  /**
   * Remembers an unproven install. False: the client is known, or too many candidates wait for it (20) or in all (1,000).
   * Those that were tried and are not being tried now make room, the one tried longest ago first; without one there is no
   * room. The same claim again is the same candidate.
   */
  addConnectCandidate(claim: Omit<ConnectCandidate, "id" | "attempts">): Promise<boolean>;
  /** Due candidates, those never tried first, then those tried longest ago. Leased like deliveries. */
  claimConnectCandidates(options: { limit: number; leaseMs: number }): Promise<readonly ConnectCandidate[]>;
  postponeConnectCandidate(id: string, notBefore: string): Promise<void>;
  dropConnectCandidate(id: string): Promise<void>;
  /** It is Bitbucket's: its client becomes active, the other candidates of its key are dropped. False: it is gone. */
  proveConnectCandidate(
    id: string,
    account: Pick<ConnectClient, "kind" | "login">,
    delivery: IncomingDelivery,
  ): Promise<boolean>;
  /** A known client was installed anew, as its own secret (or the app's) has signed. False: no such client. */
  renewConnectClient(
    clientKey: string,
    renewed: Pick<ConnectClient, "kind" | "login" | "secret">,
    delivery: IncomingDelivery,
  ): Promise<boolean>;
  /** Its secret stays. False: no such client, or removed already. */
  removeConnectClient(clientKey: string, delivery: IncomingDelivery): Promise<boolean>;

  /** By id; null: unknown or removed. */
  connection(id: string): Promise<Connection | null>;
  /** Newest first. */
  connectionsOf(workspace: string): Promise<readonly Connection[]>;
  /** Newest first. */
  listConnections(): Promise<readonly Connection[]>;
  /** Audited. */
  addConnection(connection: Omit<Connection, "createdAt">, delivery: IncomingDelivery, by: By): Promise<void>;
  /**
   * `secret` becomes the current one; the one it replaces stays accepted, an older one does not. `token` and `hook`
   * replace what is there. The current secret again changes no secret. False: no such connection. Audited, but for `hook`.
   */
  changeConnection(
    id: string,
    change: { readonly secret?: string; readonly token?: string; readonly hook?: string | null },
    by: By,
  ): Promise<boolean>;
  /** Ends the time of the secret before the current one. Audited. */
  dropPreviousSecret(id: string, by: By): Promise<void>;
  /**
   * Its secrets and its token are erased. False: no such connection. Audited, with what became of the webhook we made:
   * `deleted`, or a clause that says why not; left out: we made none.
   */
  removeConnection(id: string, delivery: IncomingDelivery, by: By, webhook?: string): Promise<boolean>;
}
