/** Builds, deliveries and installations as the API is asked for them and answers them. */
import { z } from "zod";
import { FAILURE_CLASSES } from "../core/model.ts";
import type { BuildFilter } from "../engine/store-port.ts";
import { ACCOUNT, ACTOR, HOST_ID, PROVIDER, REPOSITORY, TIME, TIME_OR_NULL } from "./api-shapes.ts";
import { HOST_KEY, PAGE_QUERY } from "./requests.ts";

const STATE = z.enum(["queued", "running", "succeeded", "failed", "canceled", "superseded", "timed_out", "held"]);
const TRIGGER = z.enum(["event", "rerun", "retry", "manual"]);

function name(what: string, description: string) {
  const wrong = `${what} must be one text of 1 to 300 characters.`;
  return z.string(wrong).min(1, wrong).max(300, wrong).optional().meta({ description });
}

/** A list of what installations have: a page of it, or of one of them. */
export const OWNED_QUERY = PAGE_QUERY.extend({ installation: HOST_KEY.optional() });

export const BUILDS_QUERY = OWNED_QUERY.extend({
  state: z.enum(STATE.options, `state must be one of ${STATE.options.join(", ")}.`).optional(),
  trigger: z.enum(TRIGGER.options, `trigger must be one of ${TRIGGER.options.join(", ")}.`).optional(),
  failure: z.enum(FAILURE_CLASSES, `failure must be one of ${FAILURE_CLASSES.join(", ")}.`).optional(),
  repository: name("repository", "`owner/name`, on whichever host."),
  image: name("image", "With its namespace: `acme/api`."),
  ref: name("ref", "A branch or tag, or `refs/heads/…` or `refs/tags/…`."),
  delivery: z.string("delivery must be one id.").optional().meta({ description: "Our id of a delivery." }),
});

/** What a query looks for; the installation is the route's to judge. */
export function buildFilter({
  state,
  trigger,
  failure,
  repository,
  image,
  ref,
  delivery,
}: z.infer<typeof BUILDS_QUERY>): BuildFilter {
  return {
    ...(state !== undefined && { state }),
    ...(trigger !== undefined && { trigger }),
    ...(failure !== undefined && { failure }),
    ...(repository !== undefined && { repositoryName: repository }),
    ...(image !== undefined && { image }),
    ...(ref !== undefined && { refs: ref.startsWith("refs/") ? [ref] : [`refs/heads/${ref}`, `refs/tags/${ref}`] }),
    ...(delivery !== undefined && { deliveryId: delivery }),
  };
}

const STEP = z.object({
  name: z.string(),
  startedAt: TIME,
  finishedAt: TIME_OR_NULL,
});

export const BUILD = z
  .object({
    id: z.string(),
    state: STATE,
    provider: PROVIDER,
    repository: z.string().meta({ description: "As its host calls it." }),
    ref: z.string(),
    sha: z.string(),
    image: z.string().meta({ description: "With its namespace, without the registry's host." }),
    registry: z.string().meta({ description: "Name of the registry, as operators know it." }),
    tags: z.array(z.string()).meta({ description: "Those it published, or will publish if nothing newer comes." }),
    digest: z.string().nullable(),
    requestedTags: z.array(z.string()),
    olderTags: z
      .array(z.object({ tag: z.string(), reason: z.string(), why: z.string() }))
      .meta({ description: "Tags that stayed where something newer had put them." }),
    requestDigest: z.string().nullable(),
    rules: z.array(z.string()),
    delivery: z.string(),
    trigger: TRIGGER,
    push: z.boolean(),
    trust: z.enum(["trusted", "untrusted"]),
    pullRequest: z.object({ number: z.int(), target: z.string(), fork: z.boolean() }).nullable(),
    hold: z.object({ reason: z.string(), detail: z.string() }).nullable(),
    approval: z
      .object({ actor: ACTOR.nullable(), at: TIME })
      .nullable()
      .meta({ description: "Who let it run; actor null: the operator." }),
    steps: z.array(STEP),
    createdAt: TIME,
    startedAt: TIME_OR_NULL,
    finishedAt: TIME_OR_NULL,
    failure: z.object({ class: z.string(), message: z.string() }).nullable(),
  })
  .meta({ id: "Build" });

export const SIGNED_REQUEST = z
  .object({
    request: z.looseObject({}).meta({ description: "The document, read: docs/build-request.schema.json." }),
    document: z.string().meta({ description: "What was signed, byte by byte." }),
    digest: z.string(),
    signature: z.object({
      algorithm: z.literal("Ed25519"),
      keyId: z.string().meta({ description: "One of `GET /api/v1/keys`." }),
      value: z.string().meta({ description: "Base64." }),
    }),
  })
  .meta({ id: "SignedRequest" });

export const BUILD_IDS = z.object({ builds: z.array(z.string()) });

const DECISION = z.object({
  ref: z.string().nullable(),
  sha: z.string().nullable(),
  image: z.string().nullable(),
  rule: z.string().nullable(),
  build: z.string().nullable(),
  reason: z.string().nullable().meta({ description: "Why nothing is built; null: something is." }),
  detail: z.string(),
});

const VERDICT = z.object({
  ref: z.string().nullable(),
  image: z.string().nullable(),
  rule: z.string().nullable(),
  verdict: z.enum(["build", "hold", "skip"]),
  reason: z.string().nullable(),
  facts: z.record(z.string(), z.string()),
  detail: z.string(),
});

export const DELIVERY = z
  .object({
    id: z.string(),
    provider: PROVIDER,
    deliveryId: z.string().meta({ description: "The host's own id, or ours of what no host has sent." }),
    event: z.string().meta({
      description:
        "As its host calls it. `wharfinger.build` was ordered here; `wharfinger.found` was found by comparing branches and " +
        "tags, and its host had not told of it.",
    }),
    action: z.string().nullable(),
    repository: z.string().nullable(),
    receivedAt: TIME,
    outcome: z.enum(["pending", "planned", "applied", "ignored", "failed"]),
    note: z.string().nullable(),
    missed: z
      .object({
        sentAt: TIME.meta({ description: "When its host tried to deliver it." }),
        status: z.int().nullable().meta({ description: "Null: there was no answer." }),
      })
      .nullable()
      .meta({ description: "Its host could not deliver it, and it was fetched. Null: it was received." }),
    builds: z.array(z.string()),
    decisions: z.array(DECISION),
  })
  .meta({ id: "Delivery" });

export const TRACED_DELIVERY = DELIVERY.extend({
  trace: z.array(VERDICT).meta({ description: "What was decided of every rule." }),
}).meta({ id: "TracedDelivery" });

export const POLICY = z
  .object({
    forks: z.enum(["never", "approve", "test"]),
    publishPullRequests: z.boolean(),
    onlyPullRequests: z.boolean(),
    zeroConfig: z.boolean(),
    brake: z.int().min(1),
  })
  .meta({ id: "Policy", description: "What an installation allows, whatever the files of its repositories say." });

export const INSTALLATION = z
  .object({
    ...HOST_ID.shape,
    account: ACCOUNT,
    state: z.enum(["active", "suspended", "paused", "removed"]),
    namespace: z.string().nullable(),
    claim: z.object({ id: z.string(), why: z.string() }).nullable(),
    permissions: z.record(z.string(), z.string()),
    policy: POLICY,
  })
  .meta({ id: "Installation" });

export const COVERED_REPOSITORY = REPOSITORY.extend({
  link: z.enum(["linked", "unlinked", "archived", "paused"]).meta({
    description: "How it stands towards its installation. `unlinked`: it was covered once.",
  }),
  private: z.boolean(),
  defaultBranch: z.string().nullable().meta({ description: "Null until something of it was planned." }),
  webUrl: z.string().nullable(),
}).meta({ id: "CoveredRepository" });
