/** Public JSON that the API and the command line share: fields may be added, none renamed. Unknown is null, never left out. */

import type { AuditRecord, By } from "../core/audit.ts";
import type { HostId, Installation, Verdict } from "../core/model.ts";
import type { ShownRegistry } from "./registry-desk.ts";
import type { Delivery } from "./store-port.ts";

/** As in lists. */
export function deliveryJson(delivery: Delivery): object {
  return {
    id: delivery.id,
    provider: delivery.provider,
    deliveryId: delivery.deliveryId,
    event: delivery.event,
    action: delivery.action,
    repository: delivery.repositoryName,
    receivedAt: delivery.receivedAt,
    outcome: delivery.outcome,
    note: delivery.note,
    missed: delivery.missed === undefined ? null : { sentAt: delivery.missed.sentAt, status: delivery.missed.status },
    builds: delivery.builds,
    decisions: delivery.decisions.map(({ ref, sha, image, rule, build, reason, detail }) => {
      return { ref, sha, image, rule, build, reason, detail };
    }),
  };
}

/** One delivery, with what was decided of each rule. */
export function tracedDeliveryJson(delivery: Delivery): object {
  return { ...deliveryJson(delivery), trace: delivery.trace.map(verdictJson) };
}

function verdictJson({ ref, image, rule, verdict, reason, facts, detail }: Verdict): object {
  return { ref, image, rule, verdict, reason, facts, detail };
}

export function installationJson(installation: Installation): object {
  const { account, policy } = installation;
  const { forks, publishPullRequests, onlyPullRequests, zeroConfig, brake } = policy;
  return {
    id: installation.id,
    provider: installation.provider,
    host: installation.host,
    account: { id: account.id, login: account.login, kind: account.kind },
    state: installation.state,
    namespace: installation.namespace,
    claim: installation.claim === undefined ? null : { id: installation.claim.id, why: installation.claim.why },
    permissions: installation.permissions,
    policy: { forks, publishPullRequests, onlyPullRequests, zeroConfig, brake },
  };
}

export function auditJson({ id, at, by, action, installation, subject, facts }: AuditRecord): object {
  return { id, at, by: byJson(by), action, installation: idJson(installation), subject, facts };
}

export function byJson(by: By): object {
  const { kind } = by;
  if (kind === "operator" || kind === "service") return { kind, provider: null, host: null, actor: null };
  if (kind === "token") return { kind, provider: null, host: null, actor: { id: by.id, login: by.name } };
  const { provider, host, actor } = by;
  return { kind, provider, host, actor: actor === null ? null : { id: actor.id, login: actor.login } };
}

function idJson(id: HostId | null): object | null {
  return id === null ? null : { provider: id.provider, host: id.host, id: id.id };
}

/** Certificates are shown as being there: they are long, and no secret. */
export function registryJson({ name, host, settings, username, credentials, namespaces }: ShownRegistry): object {
  const { ca, ...rest } = settings;
  return { name, host, ...rest, ca: ca !== null, username, credentials, holds: namespaces };
}
