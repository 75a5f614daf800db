/** Public JSON of namespaces, which the API and the command line share: fields may be added, none renamed. */
import type { HostId } from "../core/model.ts";
import type { Claim, Grant, Ledger, NamespaceSummary } from "./claims-store-port.ts";
import { byJson } from "./shapes.ts";

export function namespaceJson({ name, registry, createdAt, writers }: NamespaceSummary): object {
  return { name, registry, createdAt, writers: writers.map(grantJson) };
}

export function ledgerJson(ledger: Ledger): object {
  return {
    ...namespaceJson(ledger),
    images: ledger.images.map(({ name, public: open, repository }) => {
      return { name, public: open, repository: { ...idJson(repository), fullName: repository.fullName } };
    }),
    claims: ledger.claims.map(claimJson),
    codeUntil: ledger.codeUntil,
  };
}

export function claimJson(claim: Claim): object {
  const { account, installation, decidedBy } = claim;
  return {
    id: claim.id,
    account: { ...idJson(account), login: account.login, kind: account.kind },
    installation: idJson(installation),
    namespace: claim.namespace,
    state: claim.state,
    reason: claim.reason,
    why: claim.why,
    madeAt: claim.madeAt,
    decidedAt: claim.decidedAt,
    decidedBy: decidedBy === null ? null : byJson(decidedBy),
  };
}

function grantJson({ account, login, since, why, by, installations }: Grant): object {
  return {
    account: { ...idJson(account), login },
    since,
    why,
    by: byJson(by),
    installations: installations.map((one) => ({ ...idJson(one), state: one.state })),
  };
}

function idJson({ provider, host, id }: HostId): object {
  return { provider, host, id };
}
