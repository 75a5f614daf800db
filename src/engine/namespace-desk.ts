/** What people decide about namespaces: each change with who made it, each refusal with what to do. */
import { createHash, randomBytes } from "node:crypto";
import type { By } from "../core/audit.ts";
import { CODE_BYTES, consentCode, parseConsentCode } from "../core/consent-code.ts";
import type { GivingRefusal, Insistence, NamespacePolicy } from "../core/lifecycle/claim.ts";
import { type Account, type HostId, hostKey } from "../core/model.ts";
import type { Claim, ClaimStore, Giving, Joining, Ledger, NamespaceSummary } from "./claims-store-port.ts";
import { isoTime } from "./loop.ts";
import type { Clock, Logger } from "./ports.ts";
import { tellReplayed } from "./replay.ts";
import type { Page, PageQuery, Store } from "./store-port.ts";

export type Decided<T> =
  | ({ readonly kind: "done" } & T)
  /** There is nothing of this name or id. `why`: a sentence. */
  | { readonly kind: "unknown"; readonly why: string }
  /** `why`: a sentence that says what to do. */
  | { readonly kind: "refused"; readonly reason: string; readonly why: string };

export interface NamespaceDesk {
  namespaces(query: PageQuery): Promise<Page<NamespaceSummary>>;
  ledger(name: string): Promise<Ledger | null>;
  claims(query: PageQuery & { readonly waiting: boolean }): Promise<Page<Claim>>;
  /** `as`: another namespace than the account asked for; null: that one. */
  approve(
    id: string,
    given: Insistence & { readonly as: string | null },
    by: By,
  ): Promise<Decided<{ namespace: string }>>;
  refuse(id: string, by: By): Promise<Decided<object>>;
  /** To the account of the installation. */
  grant(namespace: string, to: HostId, insists: Insistence, by: By): Promise<Decided<{ namespace: string }>>;
  /** From the account of the installation; it must be this namespace. */
  revoke(namespace: string, from: HostId, by: By): Promise<Decided<{ canceled: number }>>;
  /**
   * A code that lets one more account in, for an owner to hand to that one's. `from`: the installation that owner is of;
   * null: the operator makes it.
   */
  code(namespace: string, from: HostId | null, by: By): Promise<Decided<{ code: string; until: string }>>;
  /** For an owner of the account that shall get in. */
  join(namespace: string, code: string, installation: HostId, by: By): Promise<Decided<{ namespace: string }>>;
}

export interface NamespaceDeskOptions {
  readonly store: ClaimStore & Pick<Store, "getInstallation">;
  /** Says where a new account's namespace is made. */
  readonly registries: { forAccount(account: Account): Promise<{ readonly registry: string }> };
  readonly policy: NamespacePolicy;
  readonly clock: Clock;
  readonly log: Logger;
}

const CODE_LIFE_MS = 60 * 60 * 1_000;

type Refused = Extract<Decided<never>, { kind: "unknown" | "refused" }>;

export function createNamespaceDesk({ store, registries, policy, clock, log }: NamespaceDeskOptions): NamespaceDesk {
  /** Every refusal leaves a line that says who wanted what. */
  function refuse(fields: object, by: By, reason: string, why: string): Refused {
    log.warn({ ...fields, by, reason }, `namespace: ${why}`);
    return { kind: "refused", reason, why };
  }

  /** Null: people may decide here. */
  function fixedFor(fields: object, by: By): Refused | null {
    if (policy.kind !== "fixed") return null;
    const why = "NAMESPACE_POLICY is fixed: change the file of NAMESPACE_MAP_FILE, and restart.";
    return refuse(fields, by, "fixed", why);
  }

  /** The account of an installation that is there; null: there is none. */
  async function accountOf(id: HostId): Promise<Account | null> {
    const found = await store.getInstallation(id);
    return found === null || found.state === "removed" ? null : found.account;
  }

  function given(fields: object, by: By, giving: Giving): Decided<{ namespace: string }> {
    switch (giving.kind) {
      case "given": {
        const { namespace, account, replayed } = giving;
        if (replayed !== null) {
          log.info({ namespace, account: hostKey(account), by }, "namespace granted");
          tellReplayed(replayed, log);
        }
        return { kind: "done", namespace };
      }
      case "refused": {
        const { reason, why } = giving.refusal;
        return refuse(fields, by, reason, `Not granted: ${why}. ${ADVICE[reason]}`);
      }
      case "unknown":
        return { kind: "unknown", why: "There is no such claim, or it does not wait any more." };
    }
  }

  return {
    namespaces: (query) => store.listNamespaces(query),
    ledger: (name) => store.namespaceLedger(name),
    claims: (query) => store.listClaims(query),

    async approve(id, insists, by) {
      const claim = await store.getClaim(id);
      const fields = { claim: id, namespace: insists.as ?? claim?.namespace ?? null };
      const fixed = fixedFor(fields, by);
      if (fixed !== null) return fixed;
      if (claim === null || (await accountOf(claim.installation)) === null) return NO_CLAIM;
      const { registry } = await registries.forAccount(claim.account);
      const who = { account: hostKey(claim.account), login: claim.account.login };
      return given({ ...fields, ...who }, by, await store.approveClaim(id, { ...insists, registry, by }));
    },

    async refuse(id, by) {
      if (!(await store.refuseClaim(id, by))) return NO_CLAIM;
      log.info({ claim: id, by }, "claim refused");
      return { kind: "done" };
    },

    async grant(namespace, to, insists, by) {
      const fields = { namespace, installation: hostKey(to) };
      const fixed = fixedFor(fields, by);
      if (fixed !== null) return fixed;
      const account = await accountOf(to);
      if (account === null) return NO_INSTALLATION;
      const { registry } = await registries.forAccount(account);
      const why = by.kind === "operator" ? "the operator granted it" : "it was granted by hand";
      const grant = { ...insists, namespace, account, login: account.login, registry, why, by };
      return given(
        { ...fields, account: hostKey(account), login: account.login },
        by,
        await store.grantNamespace(grant),
      );
    },

    async revoke(namespace, from, by) {
      const fields = { namespace, installation: hostKey(from) };
      const fixed = fixedFor(fields, by);
      if (fixed !== null) return fixed;
      // Also of an installation that was removed: what its account owns outlives it.
      const found = await store.getInstallation(from);
      if (found === null) return NO_INSTALLATION;
      if (found.namespace !== namespace) {
        return { kind: "unknown", why: `${found.account.login} does not write ${JSON.stringify(namespace)}.` };
      }
      const revoked = await store.revokeNamespace(found.account, by);
      if (revoked === null) return { kind: "unknown", why: `${found.account.login} writes no namespace any more.` };
      log.warn({ ...fields, account: hostKey(found.account), canceled: revoked.canceled, by }, "namespace revoked");
      return { kind: "done", canceled: revoked.canceled };
    },

    async code(namespace, from, by) {
      const fields = { namespace, installation: from === null ? null : hostKey(from) };
      const fixed = fixedFor(fields, by);
      if (fixed !== null) return fixed;
      const account = from === null ? null : await accountOf(from);
      if (from !== null && account === null) return NO_INSTALLATION;
      const code = consentCode(randomBytes(CODE_BYTES));
      const until = isoTime(clock.now() + CODE_LIFE_MS);
      const saved = await store.saveNamespaceCode({ namespace, hash: hashOf(code), until, from: account, by });
      if (!saved) {
        return refuse(fields, by, "not-owner", `Only who writes ${JSON.stringify(namespace)} can let others in.`);
      }
      log.info({ ...fields, until, by }, "one-time code made for a namespace");
      return { kind: "done", code, until };
    },

    async join(namespace, code, installation, by) {
      const fields = { namespace, installation: hostKey(installation) };
      const fixed = fixedFor(fields, by);
      if (fixed !== null) return fixed;
      const account = await accountOf(installation);
      if (account === null) return NO_INSTALLATION;
      const entry = { namespace, hash: hashOf(code), account, login: account.login, by };
      const joining = await store.redeemNamespaceCode(entry);
      if (joining.kind === "joined") {
        log.info({ ...fields, account: hostKey(account), by }, "namespace joined by a one-time code");
        tellReplayed(joining.replayed, log);
      }
      if (joining.kind === "joined" || joining.kind === "member") return { kind: "done", namespace };
      return refuse({ ...fields, account: hostKey(account) }, by, joining.kind, notJoined(joining));
    },
  };
}

const NO_CLAIM: Refused = { kind: "unknown", why: "There is no such claim, or it does not wait any more." };
const NO_INSTALLATION: Refused = { kind: "unknown", why: "There is no such installation, or the app was removed." };

/** What to do, by why an account was not given a namespace. */
const ADVICE: Readonly<Record<GivingRefusal["reason"], string>> = {
  "unusable-name": "Give it another one.",
  "owns-another": "Revoke that one first; what was published there stays.",
  owned: "Have its owner make a one-time code, or say that both shall write it (share).",
  "given-up": "Say that you want it nevertheless (anyway): people may still pull what the former owner published.",
  lookalike: "Give it another one, or say that you want it nevertheless (anyway).",
  occupied: "Look at what is there, then say that you want it nevertheless (anyway).",
};

function notJoined(joining: Exclude<Joining, { kind: "joined" | "member" }>): string {
  switch (joining.kind) {
    case "wrong":
      return "This code is wrong, used, too old, or one of another namespace. Ask an owner of the namespace for a new one.";
    case "too-many":
      return `Too many wrong codes were entered for this account. Try again after ${joining.until}.`;
    case "owns-another":
      return `The account writes ${joining.namespace}, and an account has one namespace. ${ADVICE["owns-another"]}`;
  }
}

/** What can be no code has no hash that is kept. */
function hashOf(code: string): string {
  return createHash("sha256")
    .update(parseConsentCode(code) ?? "")
    .digest("hex");
}
