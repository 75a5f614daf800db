/**
 * Who gets a namespace: one table of decisions. Accounts are compared by id; a name only says what somebody asks for.
 *
 * A claim is an account's wish for a namespace. It is `pending` until somebody decides, then `approved` or `refused`, or
 * `withdrawn` where the account asks for nothing any more: the app was removed, or its name became another one.
 */
import { type Account, type HostId, hostKey, type Provider } from "../model.ts";

export type NamespacePolicy =
  /** The operator confirms every claim. */
  | { readonly kind: "approve" }
  /** Accounts of this one host get the name they have there, where nothing speaks against it. */
  | { readonly kind: "automatic"; readonly provider: Provider; readonly host: string }
  /** By {@link hostKey} of the account. Nobody else gets one, and nobody changes it but who writes the file. */
  | { readonly kind: "fixed"; readonly map: ReadonlyMap<string, string> };

export type ClaimState = "pending" | "approved" | "refused" | "withdrawn";

/** Why a claim waits. The codes are in logs and in the API: extend, never rename. */
export type ClaimReason =
  /** Nothing speaks against it: the policy wants every claim confirmed. */
  | "confirmation"
  /** The account's name makes no namespace. */
  | "unusable-name"
  /** Another account owns it. Only that one's owners let others in. */
  | "owned"
  /** It was somebody's, whose images people may still pull. */
  | "given-up"
  /** People may take it for another name. */
  | "lookalike"
  /** The registry has images there that nobody here has published. */
  | "occupied"
  /** The registry does not say what it has. */
  | "registry-silent"
  /** Only accounts of another host get theirs by themselves. */
  | "other-host";

/** Why an account gets none, whoever asks. */
export type RefusalReason = "not-mapped" | "refused";

/** What is known when an account asks. */
export interface ClaimFacts {
  readonly account: Account;
  /** The namespace it may write already; null: none. */
  readonly owned: string | null;
  /** What its name makes; null: nothing that is legal and free to be owned. */
  readonly wanted: string | null;
  /** Who may write the wanted namespace; empty: nobody any more; null: it was never anybody's. */
  readonly writers: readonly HostId[] | null;
  /** A reserved name or another namespace that people may take the wanted one for; null: none. */
  readonly lookalike: string | null;
  /** The operator has refused this account this name. */
  readonly refused: boolean;
  /** Why its claim to the wanted namespace waits; null: it does not. */
  readonly waits: ClaimReason | null;
  /** Whether the registry has images there; null: it does not say. `unasked`: nobody has asked it yet. */
  readonly occupied: boolean | null | "unasked";
}

export type ClaimDecision =
  | { readonly kind: "owned"; readonly namespace: string }
  /** The account may write it from now on. `why`: a clause for the ledger. */
  | { readonly kind: "grant"; readonly namespace: string; readonly why: string }
  /** As `grant`, and what it had before is not its any more; null: it gets nothing instead. */
  | { readonly kind: "move"; readonly from: string; readonly to: string | null; readonly why: string }
  /** `why`: a clause for people, who may be strangers: it does not tell whose a namespace is. */
  | {
      readonly kind: "wait";
      readonly namespace: string | null;
      readonly reason: ClaimReason;
      readonly why: string;
    }
  | { readonly kind: "none"; readonly reason: RefusalReason; readonly why: string }
  /** The registry has to be asked whether it has images there. */
  | { readonly kind: "ask"; readonly namespace: string };

/** Why somebody has what the file gives: a clause for the ledger. */
export const FIXED = "the operator's file of namespaces says so";

export function decideClaim(policy: NamespacePolicy, facts: ClaimFacts): ClaimDecision {
  if (policy.kind === "fixed") return decideFixed(policy.map, facts);
  const { account, owned, wanted, writers } = facts;
  if (owned !== null) return { kind: "owned", namespace: owned };
  const wait = (reason: ClaimReason, why: string): ClaimDecision => ({ kind: "wait", namespace: wanted, reason, why });
  if (facts.refused) return { kind: "none", reason: "refused", why: "the operator has refused it one" };
  if (wanted === null) {
    return wait("unusable-name", "the account's name makes none in a registry; the operator gives it one");
  }
  // Whoever re-installs under another id, or has taken a name that somebody gave up, ends here.
  if (writers !== null && writers.length > 0) {
    return wait("owned", `${wanted} belongs to another account, whose owners can let it in with a one-time code`);
  }
  if (writers !== null) return wait("given-up", `${wanted} was another account's before; the operator decides`);
  if (policy.kind === "automatic" && isOf(account, policy)) {
    // What the registry had once, the operator has been asked about.
    const told = facts.waits === "occupied" || facts.waits === "registry-silent" ? facts.waits : null;
    const remark = remarkOn(wanted, facts, told);
    return remark ?? { kind: "grant", namespace: wanted, why: "the account's name, which was free" };
  }
  const remark = remarkOn(wanted, facts, facts.waits);
  if (remark !== null) return remark;
  if (policy.kind === "approve") {
    return wait("confirmation", `the operator has to confirm that ${wanted} is this account's`);
  }
  const own = `${policy.provider} (${policy.host})`;
  return wait("other-host", `only accounts of ${own} get theirs by themselves; the operator decides`);
}

function isOf(account: HostId, { provider, host }: Pick<HostId, "provider" | "host">): boolean {
  return account.provider === provider && account.host === host;
}

/**
 * What the operator should know before anybody gets it, or that the registry has to be asked for that; null: nothing. What
 * was said once (`told`) stays said: a push to an account whose claim waits asks no registry.
 */
function remarkOn(wanted: string, { lookalike, occupied }: ClaimFacts, told: ClaimReason | null): ClaimDecision | null {
  const wait = (reason: ClaimReason, why: string): ClaimDecision => {
    return { kind: "wait", namespace: wanted, reason, why: `${why}; the operator decides` };
  };
  if (lookalike !== null) return wait("lookalike", `people may take ${wanted} for another name`);
  if (occupied === "unasked" && told === null) return { kind: "ask", namespace: wanted };
  if (occupied === true || (occupied === "unasked" && told === "occupied")) {
    return wait("occupied", `the registry has images in ${wanted} already`);
  }
  if (occupied === null || (occupied === "unasked" && told === "registry-silent")) {
    return wait("registry-silent", `the registry does not say whether ${wanted} is empty`);
  }
  return null;
}

function decideFixed(map: ReadonlyMap<string, string>, { account, owned }: ClaimFacts): ClaimDecision {
  const mapped = map.get(hostKey(account)) ?? null;
  if (owned !== null && owned !== mapped) return { kind: "move", from: owned, to: mapped, why: FIXED };
  if (owned !== null) return { kind: "owned", namespace: owned };
  if (mapped !== null) return { kind: "grant", namespace: mapped, why: FIXED };
  return { kind: "none", reason: "not-mapped", why: "the operator's file of namespaces has none for this account" };
}

/** What is known when somebody who may decide gives an account a namespace. */
export interface GivingFacts {
  readonly namespace: string;
  /** Why nobody may own a namespace of this name, as namespaces.ts says it; null: anybody may. */
  readonly problem: string | null;
  /** The namespace the account may write already; null: none. */
  readonly owned: string | null;
  readonly writers: readonly HostId[] | null;
  readonly lookalike: string | null;
  /** The registry had images there when the account asked. */
  readonly occupied: boolean;
}

/** What whoever decides has seen and wants nevertheless. */
export interface Insistence {
  /** Others may write it already, and go on to. */
  readonly share: boolean;
  /** It looks like another one, was somebody's, or has images already. */
  readonly anyway: boolean;
}

export type GivingRefusal = {
  readonly reason:
    | "unusable-name"
    | "owns-another"
    | Extract<ClaimReason, "owned" | "given-up" | "lookalike" | "occupied">;
  /** A clause for the operator: it may tell whose a namespace is. */
  readonly why: string;
};

/** Why an account is not given a namespace; null: it is. An account has one, and one namespace may be shared. */
export function givingRefusal(facts: GivingFacts, { share, anyway }: Insistence): GivingRefusal | null {
  const { namespace, owned, writers, lookalike } = facts;
  if (facts.problem !== null) return { reason: "unusable-name", why: `${JSON.stringify(namespace)} ${facts.problem}` };
  if (owned !== null && owned !== namespace) {
    return { reason: "owns-another", why: `the account writes ${owned}, and an account has one namespace` };
  }
  if (writers !== null && writers.length > 0) {
    if (share) return null;
    return { reason: "owned", why: `${namespace} belongs to ${writers.map(hostKey).join(" and ")}` };
  }
  if (anyway) return null;
  if (writers !== null) return { reason: "given-up", why: `${namespace} was another account's before` };
  if (lookalike !== null) return { reason: "lookalike", why: `people may take ${namespace} for ${lookalike}` };
  if (facts.occupied) return { reason: "occupied", why: `the registry has images in ${namespace} already` };
  return null;
}
