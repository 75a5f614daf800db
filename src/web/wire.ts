import type { SignedRequest } from "../core/build-request.ts";
import { type Build, type Installation, shownTags } from "../core/model.ts";
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
    tags: shownTags(build),
    digest: build.digest,
    requestedTags: build.planned.tags,
    olderTags: (build.tags?.older ?? []).map(({ tag, why }) => ({ tag, reason: "older-than-published", why })),
    requestDigest: build.requestDigest,
    rules: build.planned.rules,
    delivery: build.deliveryId,
    trigger: build.trigger,
    steps: build.steps.map(({ name, startedAt, finishedAt }) => ({ name, startedAt, finishedAt })),
    createdAt: build.createdAt,
    startedAt: build.startedAt,
    finishedAt: build.finishedAt,
    failure: build.failure === null ? null : { class: build.failure.class, message: build.failure.message },
  };
}

/** The document is what was signed, byte by byte; `request` is the same, read. */
export function requestJson(request: SignedRequest): object {
  return { request: JSON.parse(request.document), ...signedJson(request) };
}

export function signedJson({ document, digest, keyId, signature }: SignedRequest): object {
  return { document, digest, signature: { algorithm: "Ed25519", keyId, value: signature } };
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
