import type { SignedRequest } from "../core/build-request.ts";
import { type Actor, type Build, shownTags } from "../core/model.ts";
import type { Page } from "../engine/store-port.ts";

/** The JSON API's shapes. They are public: fields may be added, none renamed. Nothing is left out: unknown is null. */
export function buildJson(build: Build): object {
  const { hold, approval } = build;
  const { push, trust, pull } = build.planned;
  return {
    id: build.id,
    state: build.state,
    provider: build.repository.provider,
    repository: build.repository.fullName,
    ref: build.planned.ref,
    sha: build.planned.sha,
    image: build.image,
    registry: build.registry,
    tags: shownTags(build),
    digest: build.digest,
    requestedTags: build.planned.tags,
    olderTags: (build.tags?.older ?? []).map(({ tag, why }) => ({ tag, reason: "older-than-published", why })),
    requestDigest: build.requestDigest,
    rules: build.planned.rules,
    delivery: build.deliveryId,
    trigger: build.trigger,
    push,
    trust,
    pullRequest: pull === undefined ? null : { number: pull.number, target: pull.target, fork: pull.fork },
    hold: hold === null ? null : { reason: hold.reason, detail: hold.detail },
    approval: approval === null ? null : { actor: actorJson(approval.actor), at: approval.at },
    steps: build.steps.map(({ name, startedAt, finishedAt }) => ({ name, startedAt, finishedAt })),
    createdAt: build.createdAt,
    startedAt: build.startedAt,
    finishedAt: build.finishedAt,
    failure: build.failure === null ? null : { class: build.failure.class, message: build.failure.message },
  };
}

/** Null: the operator. */
function actorJson(actor: Actor | null): object | null {
  return actor === null ? null : { id: actor.id, login: actor.login };
}

/** The document is what was signed, byte by byte; `request` is the same, read. */
export function requestJson(request: SignedRequest): object {
  return { request: JSON.parse(request.document), ...signedJson(request) };
}

export function signedJson({ document, digest, keyId, signature }: SignedRequest): object {
  return { document, digest, signature: { algorithm: "Ed25519", keyId, value: signature } };
}

export function pageJson<T>(page: Page<T>, shape: (item: T) => object): object {
  return { items: page.items.map(shape), next: page.next };
}
