/** What the database keeps of namespaces: who may write each, who asks for one, and the codes that let others in. */
import type { By } from "../core/audit.ts";
import type {
  ClaimDecision,
  ClaimFacts,
  ClaimReason,
  ClaimState,
  GivingRefusal,
  Insistence,
} from "../core/lifecycle/claim.ts";
import type { Account, HostId, InstallationState } from "../core/model.ts";
import type { Replayed } from "./pause-port.ts";
import type { Page, PageQuery } from "./store-port.ts";

/** An account's wish for a namespace. Times are ISO 8601, UTC. */
export interface Claim {
  readonly id: string;
  readonly account: Account;
  /** The installation that asked last. */
  readonly installation: HostId;
  /** Null: the account's name makes none. */
  readonly namespace: string | null;
  readonly state: ClaimState;
  readonly reason: ClaimReason;
  /** A clause for people, strangers among them. */
  readonly why: string;
  readonly madeAt: string;
  readonly decidedAt: string | null;
  readonly decidedBy: By | null;
}

/** That an account may write a namespace. */
export interface Grant {
  readonly account: HostId;
  /** As it was called then. */
  readonly login: string;
  readonly since: string;
  /** A clause: why it was given. */
  readonly why: string;
  readonly by: By;
  /** Those of the account, removed ones too. */
  readonly installations: readonly (HostId & { readonly state: InstallationState })[];
}

export interface NamespaceSummary {
  readonly name: string;
  readonly registry: string;
  readonly createdAt: string;
  readonly writers: readonly Grant[];
}

/** Everything about one namespace. */
export interface Ledger extends NamespaceSummary {
  /** By name; at most 1,000. */
  readonly images: readonly {
    readonly name: string;
    readonly public: boolean;
    /** Whose it is, by the first to publish it. */
    readonly repository: HostId & { readonly fullName: string };
  }[];
  /** Who waits for it. */
  readonly claims: readonly Claim[];
  /** When the code that is open ends; null: there is none. */
  readonly codeUntil: string | null;
}

/** Facts of {@link ClaimFacts} that the database knows. */
export type KnownFacts = Omit<ClaimFacts, "account" | "wanted" | "occupied">;

export interface Settling {
  readonly decision: ClaimDecision;
  /** False: so it was before. */
  readonly changed: boolean;
  /** What waited for a namespace that was granted with it; null: none was. */
  readonly replayed: Replayed | null;
}

export type Giving =
  | {
      readonly kind: "given";
      readonly namespace: string;
      readonly account: HostId;
      /** What waited for it; null: the account had it before, and nothing was changed. */
      readonly replayed: Replayed | null;
    }
  | { readonly kind: "refused"; readonly refusal: GivingRefusal }
  /** No such claim, or it does not wait any more. */
  | { readonly kind: "unknown" };

export interface ClaimStore {
  /**
   * Has `decide` look at what is known of an account and the namespace it wants, and does what it says, all in one
   * transaction in which nobody else is given a namespace. `decide` is pure and quick, and may be called again.
   */
  settleClaim(
    asking: {
      readonly installation: HostId;
      readonly account: Account;
      readonly wanted: string | null;
      /** Where a new namespace of it is made. */
      readonly registry: string;
    },
    decide: (known: KnownFacts) => ClaimDecision,
  ): Promise<Settling>;
  /** Its claim is withdrawn; what its account may write already stays. */
  withdrawClaim(installation: HostId): Promise<void>;
  /** Newest first; those that wait, or all. */
  listClaims(query: PageQuery & { readonly waiting: boolean }): Promise<Page<Claim>>;
  getClaim(id: string): Promise<Claim | null>;
  /** `as`: the namespace; null: what it asks for. `registry`: where it is made, if it is new. */
  approveClaim(
    id: string,
    given: Insistence & { readonly as: string | null; readonly registry: string; readonly by: By },
  ): Promise<Giving>;
  /** The account is not asked about again for this name. False: it does not wait (any more). */
  refuseClaim(id: string, by: By): Promise<boolean>;

  /** `login`: as the account is called now. */
  grantNamespace(
    grant: Insistence & {
      readonly namespace: string;
      readonly account: HostId;
      readonly login: string;
      /** Where it is made, if it is new. */
      readonly registry: string;
      readonly why: string;
      readonly by: By;
    },
  ): Promise<Giving>;
  /**
   * The account may write it no more: what is queued of its installations is canceled, what runs is asked to stop. Images
   * stay. Answers what it was, null: it had none.
   */
  revokeNamespace(account: HostId, by: By): Promise<{ readonly namespace: string; readonly canceled: number } | null>;
  /** Makes the grants these, and no others. Answers the accounts that were given one and those that lost theirs. */
  applyGrants(
    wanted: readonly { readonly account: HostId; readonly namespace: string; readonly registry: string }[],
    why: string,
  ): Promise<{
    readonly given: readonly { readonly account: HostId; readonly replayed: Replayed }[];
    readonly taken: readonly HostId[];
  }>;
  /** By name. */
  listNamespaces(query: PageQuery): Promise<Page<NamespaceSummary>>;
  /** Null: nobody ever owned it. */
  namespaceLedger(name: string): Promise<Ledger | null>;

  /** The one before it opens nothing any more. False: nobody owns the namespace, or not `from`, if that is given. */
  saveNamespaceCode(code: {
    readonly namespace: string;
    readonly hash: string;
    /** ISO 8601. */
    readonly until: string;
    readonly from: HostId | null;
    readonly by: By;
  }): Promise<boolean>;
  /**
   * Takes the code in and lets the account in, at once. A code that is not this namespace's, not open any more or wrong
   * is counted against the account: after too many none is looked at for a while.
   */
  redeemNamespaceCode(entry: {
    readonly namespace: string;
    readonly hash: string;
    readonly account: HostId;
    readonly login: string;
    readonly by: By;
  }): Promise<Joining>;
}

export type Joining =
  | { readonly kind: "joined"; readonly namespace: string; readonly replayed: Replayed }
  /** It may write it already; the code was not used. */
  | { readonly kind: "member" }
  | { readonly kind: "wrong" }
  | { readonly kind: "too-many"; readonly until: string }
  /** The account writes another one. */
  | { readonly kind: "owns-another"; readonly namespace: string };
