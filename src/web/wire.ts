import type { Build, Installation } from "../core/model.ts";
import type { Delivery, Page } from "../engine/store-port.ts";

/** The JSON API's shapes. They are public: fields may be added, none renamed. Nothing is left out: unknown is null. */
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
    builds: delivery.builds,
    decisions: delivery.decisions.map(({ ref, sha, image, rule, build, reason, detail }) => {
      return { ref, sha, image, rule, build, reason, detail };
    }),
  };
}

export function buildJson(build: Build): object {
  return {
    id: build.id,
    state: build.state,
    provider: build.repository.provider,
    repository: build.repository.fullName,
    ref: build.planned.ref,
    sha: build.planned.sha,
    image: build.image,
    tags: build.planned.tags,
    digest: build.digest,
    rules: build.planned.rules,
    delivery: build.deliveryId,
    trigger: build.trigger,
    createdAt: build.createdAt,
    startedAt: build.startedAt,
    finishedAt: build.finishedAt,
    failure: build.failure === null ? null : { class: build.failure.class, message: build.failure.message },
  };
}

export function installationJson(installation: Installation): object {
  const { account } = installation;
  return {
    id: installation.id,
    provider: installation.provider,
    host: installation.host,
    account: { id: account.id, login: account.login, kind: account.kind },
    state: installation.state,
    namespace: installation.namespace,
    permissions: installation.permissions,
  };
}

export function pageJson<T>(page: Page<T>, shape: (item: T) => object): object {
  return { items: page.items.map(shape), next: page.next };
}
