/** Settles who owns which namespace, by the policy of the instance. */
import { type ClaimDecision, decideClaim, FIXED, type NamespacePolicy } from "../core/lifecycle/claim.ts";
import { type Account, type HostId, hostKey, type Outcome, ok, parseHostKey } from "../core/model.ts";
import type { Claims, Settled } from "./claims-port.ts";
import type { ClaimStore, Settling } from "./claims-store-port.ts";
import type { Logger, Registry } from "./ports.ts";
import { tellReplayed } from "./replay.ts";

export interface ClaimsOptions {
  readonly store: Pick<ClaimStore, "settleClaim" | "withdrawClaim" | "applyGrants">;
  /** Say where a new account's namespace is made, and what its name is. */
  readonly registries: {
    forAccount(account: Account): Promise<{ readonly registry: string; readonly namespace: string | null }>;
    named(name: string): Promise<{ client(namespace: null): Pick<Registry, "occupied"> } | null>;
  };
  readonly policy: NamespacePolicy;
  readonly log: Logger;
  /** Called after an account got a namespace: what waited for it is there to be planned. */
  onGranted(): void;
}

export interface OpenedClaims extends Claims {
  /** To be called once at the start: with a file of namespaces, the grants become what it says. */
  begin(): Promise<void>;
}

export function createClaims(options: ClaimsOptions): OpenedClaims {
  const { store, registries, policy, onGranted, log } = options;

  async function settle(id: HostId, account: Account): Promise<Outcome<Settled>> {
    const { registry, namespace: wanted } = await registries.forAccount(account);
    const asking = { installation: id, account, wanted, registry };
    const settleWith = (occupied: boolean | null | "unasked") =>
      store.settleClaim(asking, (known) => decideClaim(policy, { ...known, account, wanted, occupied }));
    let settling = await settleWith("unasked");
    if (settling.decision.kind === "ask") {
      const asked = await occupied(registry, settling.decision.namespace);
      // Where somebody decides in any case, the registry is asked for what they should know.
      if (!asked.ok && asked.retryable && policy.kind === "automatic") return asked;
      settling = await settleWith(asked.ok ? asked.value : null);
    }
    tell(id, account, settling);
    return ok(settledBy(settling.decision));
  }

  async function occupied(registry: string, namespace: string): Promise<Outcome<boolean | null>> {
    const known = await registries.named(registry);
    return known === null ? ok(null) : await known.client(null).occupied(namespace);
  }

  function tell(id: HostId, account: Account, { decision, changed, replayed }: Settling): void {
    const fields = { installation: hostKey(id), account: hostKey(account), login: account.login };
    if (decision.kind === "none" || (decision.kind === "wait" && changed)) {
      const { reason, why } = decision;
      const namespace = decision.kind === "wait" ? decision.namespace : null;
      log.warn({ ...fields, namespace, reason, why }, "namespace not granted");
    }
    if (decision.kind === "grant") {
      log.info({ ...fields, namespace: decision.namespace, why: decision.why }, "namespace granted");
    }
    if (decision.kind === "move") {
      log.warn({ ...fields, from: decision.from, to: decision.to, why: decision.why }, "namespace moved");
    }
    if (replayed !== null) {
      tellReplayed(replayed, log);
      onGranted();
    }
  }

  return {
    settle: ({ id, account }) => settle(id, account),

    withdraw: (installation) => store.withdrawClaim(installation),

    async begin() {
      if (policy.kind !== "fixed") return;
      const wanted = [];
      for (const [key, namespace] of policy.map) {
        const account = parseHostKey(key);
        if (account === null) throw new TypeError(`no account: ${key}`);
        const { registry } = await registries.forAccount({ ...account, login: "", kind: "organization" });
        wanted.push({ account, namespace, registry });
      }
      const { given, taken } = await store.applyGrants(wanted, FIXED);
      for (const account of taken) {
        log.warn(
          { account: hostKey(account), reason: "not-mapped" },
          "namespace revoked: the file has none for the account",
        );
      }
      for (const { account, replayed } of given) {
        log.info(
          { account: hostKey(account), namespace: policy.map.get(hostKey(account)) },
          "namespace granted by the file",
        );
        tellReplayed(replayed, log);
      }
      if (given.length > 0) onGranted();
    },
  };
}

function settledBy(decision: ClaimDecision): Settled {
  switch (decision.kind) {
    case "owned":
    case "grant":
      return { kind: "owned", namespace: decision.namespace };
    case "move":
      return decision.to === null ? { kind: "none", why: decision.why } : { kind: "owned", namespace: decision.to };
    case "wait":
      return decision.namespace === null
        ? { kind: "none", why: decision.why }
        : { kind: "waiting", namespace: decision.namespace, why: decision.why };
    case "none":
      return { kind: "none", why: decision.why };
    case "ask":
      throw new Error("a registry that was asked is not asked again");
  }
}
