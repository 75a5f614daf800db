/** Builds, deliveries and installations over the API: what there is, and what is decided about it. */
import { z } from "zod";
import { parseActorJson } from "../core/actors.ts";
import type { Actor, Policy } from "../core/model.ts";
import { MAX_BRAKE, parsePolicyJson } from "../core/policy-settings.ts";
import { type Approving, approveFor, approveHeld } from "../engine/approval.ts";
import type { Authorizer } from "../engine/authorize.ts";
import { deliveryJson, installationJson, tracedDeliveryJson } from "../engine/shapes.ts";
import { BadCursor, type ListedRepository, type Store } from "../engine/store-port.ts";
import {
  BUILD,
  BUILD_IDS,
  BUILDS_QUERY,
  buildFilter,
  COVERED_REPOSITORY,
  DELIVERY,
  INSTALLATION,
  OWNED_QUERY,
  POLICY,
  SIGNED_REQUEST,
  TRACED_DELIVERY,
} from "./api-builds-shapes.ts";
import { type ApiKit, type Call, ownedBy, type RouteSpec } from "./api-kit.ts";
import { ACTOR, listOf, pageOf } from "./api-shapes.ts";
import { NO_BUILD, NO_DELIVERY, notAllowed, WebError } from "./errors.ts";
import { type Logs, OFFSET_QUERY, sendLog } from "./log.ts";
import { type BodySpec, installationIn, NO_BODY, NO_QUERY, noInstallation, PAGE_QUERY } from "./requests.ts";
import { buildJson, pageJson, requestJson } from "./wire.ts";

export type RecordsStore = Pick<
  Store,
  | "listDeliveries"
  | "findDelivery"
  | "listBuilds"
  | "getBuild"
  | "buildRequest"
  | "requestKeys"
  | "approveBuild"
  | "listInstallations"
  | "getInstallation"
  | "repositoriesOf"
  | "setPolicy"
>;

const LIMIT = "8kb";

const KEYS = {
  id: "listKeys",
  method: "get",
  path: "/keys",
  tag: "service",
  summary: "The keys build requests are signed with. For whoever checks one.",
  access: "public",
  query: NO_QUERY,
  body: NO_BODY,
  answer: {
    status: 200,
    schema: listOf(
      z
        .object({
          id: z.string(),
          algorithm: z.literal("Ed25519"),
          publicKey: z.string().meta({ description: "PEM." }),
        })
        .meta({ id: "RequestKey" }),
    ),
  },
  errors: {},
} as const satisfies RouteSpec;

const DELIVERIES = {
  id: "listDeliveries",
  method: "get",
  path: "/deliveries",
  tag: "deliveries",
  summary: "Webhook deliveries, newest first.",
  access: { action: "build.see", at: "own" },
  query: OWNED_QUERY,
  body: NO_BODY,
  answer: { status: 200, schema: pageOf(DELIVERY) },
  errors: {},
} as const satisfies RouteSpec;

const ONE_DELIVERY = {
  ...DELIVERIES,
  id: "getDelivery",
  path: "/deliveries/{id}",
  summary: "A delivery with what was decided of every rule. By our id or the host's own.",
  access: { action: "build.see", at: "delivery" },
  query: NO_QUERY,
  answer: { status: 200, schema: TRACED_DELIVERY },
  errors: { 404: "There is no such delivery." },
} as const satisfies RouteSpec;

const BUILDS = {
  ...DELIVERIES,
  id: "listBuilds",
  path: "/builds",
  tag: "builds",
  summary: "Builds, newest first.",
  query: BUILDS_QUERY,
  answer: { status: 200, schema: pageOf(BUILD) },
} as const satisfies RouteSpec;

const OF_BUILD = {
  method: "get",
  tag: "builds",
  access: { action: "build.see", at: "build" },
  query: NO_QUERY,
  body: NO_BODY,
  errors: { 404: "There is no such build." },
} as const;

const ONE_BUILD = {
  ...OF_BUILD,
  id: "getBuild",
  path: "/builds/{id}",
  summary: "A build.",
  answer: { status: 200, schema: BUILD },
} as const satisfies RouteSpec;

const REQUEST = {
  ...OF_BUILD,
  id: "getBuildRequest",
  path: "/builds/{id}/request",
  summary: "The signed document its builder gets.",
  answer: { status: 200, schema: SIGNED_REQUEST },
  errors: { 404: "There is no such build, or it was queued before requests were signed." },
} as const satisfies RouteSpec;

const LOG = {
  ...OF_BUILD,
  id: "getBuildLog",
  path: "/builds/{id}/log",
  summary: "The log as it is now.",
  description:
    "Who follows a running build asks again with `offset` advanced by the answer's length. No log yet is an empty one.",
  access: { action: "build.log", at: "build" },
  query: OFFSET_QUERY,
  answer: { status: 200, text: "The log, UTF-8, with ANSI colours." },
} as const satisfies RouteSpec;

const APPROVE = {
  id: "approveBuild",
  method: "post",
  path: "/builds/{id}/approve",
  tag: "builds",
  summary: "Lets a held build run, and with it what its delivery holds for the same reason.",
  access: { action: "build.approve", at: "build" },
  query: NO_QUERY,
  body: {
    // Nothing at all is whoever asks; what is misspelled must not come to mean the operator.
    schema: z
      .strictObject({ actor: ACTOR.meta({ description: "For whom: their host is asked whether they may." }) })
      .refine((body) => parseActorJson(body).ok)
      .nullable(),
    absent: null,
    limit: LIMIT,
    refuse: badActor,
  },
  answer: { status: 200, schema: BUILD_IDS },
  errors: {
    404: "There is no such build.",
    409: "It is not held, or can not run now.",
    502: "The actor's host does not say what they may.",
    503: "The actor's host is away.",
  },
} as const satisfies RouteSpec;

const INSTALLATIONS = {
  ...DELIVERIES,
  id: "listInstallations",
  path: "/installations",
  tag: "installations",
  summary: "Installations, newest first.",
  access: { action: "account.see", at: "own" },
  query: PAGE_QUERY,
  answer: { status: 200, schema: pageOf(INSTALLATION) },
} as const satisfies RouteSpec;

const ONE_INSTALLATION = {
  ...INSTALLATIONS,
  id: "getInstallation",
  path: "/installations/{provider}/{host}/{id}",
  summary: "An installation.",
  access: { action: "account.see", at: "installation" },
  query: NO_QUERY,
  answer: { status: 200, schema: INSTALLATION },
  errors: { 404: "There is no such installation." },
} as const satisfies RouteSpec;

const REPOSITORIES = {
  ...ONE_INSTALLATION,
  id: "listRepositories",
  path: "/installations/{provider}/{host}/{id}/repositories",
  summary: "What an installation covers or has covered, by name.",
  query: PAGE_QUERY,
  answer: { status: 200, schema: pageOf(COVERED_REPOSITORY) },
} as const satisfies RouteSpec;

const CHANGES: BodySpec<Partial<Policy>> = {
  schema: z
    .strictObject({
      forks: POLICY.shape.forks.exactOptional(),
      publishPullRequests: z.boolean().exactOptional(),
      onlyPullRequests: z.boolean().exactOptional(),
      zeroConfig: z.boolean().exactOptional(),
      brake: z.int().min(1).max(MAX_BRAKE).exactOptional(),
    })
    .refine((changes) => parsePolicyJson(changes).ok)
    .meta({ minProperties: 1 }),
  limit: LIMIT,
  refuse(given) {
    const parsed = parsePolicyJson(given);
    return new WebError(400, "bad-policy", parsed.ok ? "The policy can not be like this." : `${parsed.message}.`);
  },
};

const SET_POLICY = {
  ...ONE_INSTALLATION,
  id: "changePolicy",
  method: "patch",
  path: "/installations/{provider}/{host}/{id}/policy",
  tag: "settings",
  summary: "Changes what is given of an installation's policy.",
  access: { action: "policy.change", at: "installation" },
  body: CHANGES,
} as const satisfies RouteSpec;

export const RECORD_ROUTES: readonly RouteSpec[] = [
  KEYS,
  DELIVERIES,
  ONE_DELIVERY,
  BUILDS,
  ONE_BUILD,
  REQUEST,
  LOG,
  APPROVE,
  INSTALLATIONS,
  ONE_INSTALLATION,
  REPOSITORIES,
  SET_POLICY,
];

export function addRecords(
  api: ApiKit,
  parts: { readonly store: RecordsStore; readonly logs: Logs; readonly authorizer: Authorizer },
): void {
  const { store, logs } = parts;
  api.serve(KEYS, async () => {
    const keys = await store.requestKeys();
    return { items: keys.map(({ keyId, publicKey }) => ({ id: keyId, algorithm: "Ed25519", publicKey })), next: null };
  });
  api.serve(DELIVERIES, async ({ query: { installation, ...query }, within }) => {
    return pageJson(await store.listDeliveries({ ...query, ...ownedBy(within, installation) }), deliveryJson);
  });
  api.serve(ONE_DELIVERY, async ({ param }) => {
    const delivery = await store.findDelivery(param("id"));
    if (delivery !== null) return tracedDeliveryJson(delivery);
    throw new WebError(404, "not-found", NO_DELIVERY);
  });
  api.serve(BUILDS, async ({ query, within }) => {
    const { limit, cursor, installation } = query;
    const wanted = { limit, cursor, ...buildFilter(query), ...ownedBy(within, installation) };
    return pageJson(await store.listBuilds(wanted), buildJson);
  });
  api.serve(ONE_BUILD, async ({ param }) => buildJson(await knownBuild(store, param("id"))));
  api.serve(REQUEST, async ({ param }) => {
    const { id } = await knownBuild(store, param("id"));
    const request = await store.buildRequest(id);
    if (request !== null) return requestJson(request);
    throw new WebError(404, "no-request", "This build was queued before build requests were signed.");
  });
  api.serve(LOG, async ({ param, req, res }) => {
    const { id } = await knownBuild(store, param("id"));
    await sendLog(logs, id, req, res);
    return null;
  });
  api.serve(APPROVE, async (call) => ({ builds: demandApproved(await approving(parts, call)) }));
  api.serve(INSTALLATIONS, async ({ query, within }) => {
    if (within === null) return pageJson(await store.listInstallations(query), installationJson);
    const own = await store.getInstallation(within);
    return { items: own === null ? [] : [installationJson(own)], next: null };
  });
  api.serve(ONE_INSTALLATION, async ({ req }) => {
    const installation = await store.getInstallation(installationIn(req));
    if (installation === null) throw noInstallation();
    return installationJson(installation);
  });
  api.serve(REPOSITORIES, async ({ req, query: { limit, cursor } }) => {
    const id = installationIn(req);
    if ((await store.getInstallation(id)) === null) throw noInstallation();
    const offset = cursor === null ? 0 : offsetOf(cursor);
    const found = await store.repositoriesOf(id, limit + 1, offset);
    const next = found.length > limit ? String(offset + limit) : null;
    return pageJson({ items: found.slice(0, limit), next }, repositoryJson);
  });
  api.serve(SET_POLICY, async ({ req, body, by }) => {
    const id = installationIn(req);
    // Of an installation nobody knows nothing is changed, and the next question says so.
    await store.setPolicy(id, body, by);
    const installation = await store.getInstallation(id);
    if (installation === null) throw noInstallation();
    return installationJson(installation);
  });
}

/** Pages of a list by name are told apart by how many were before: it hardly ever changes. */
function offsetOf(cursor: string): number {
  if (!/^[1-9]\d{0,6}$/.test(cursor)) throw new BadCursor();
  return Number(cursor);
}

/** Of what nothing was planned yet, more than the name is not known. */
function repositoryJson({ provider, host, id, fullName, link, ...known }: ListedRepository): object {
  const { defaultBranch, webUrl } = known;
  return { provider, host, id, fullName, link, private: known.private, defaultBranch, webUrl: webUrl || null };
}

/** For whom something is done: whom the body names, or whoever asks. An API token asks for itself only. */
function approving(
  parts: { readonly store: RecordsStore; readonly authorizer: Authorizer },
  { body, by, within, param }: Call<unknown, { readonly actor: Actor } | null>,
): Promise<Approving> {
  if (body === null) return approveHeld(parts.store, param("id"), by);
  if (within !== null) throw new WebError(400, "bad-actor", "An API token acts for itself: leave the actor out.");
  return approveFor(parts, param("id"), body.actor);
}

/** The builds that may run now. */
export function demandApproved(approving: Approving): readonly string[] {
  switch (approving.kind) {
    case "approved":
      return approving.builds;
    case "no-build":
      throw noBuild();
    case "not-held":
      throw new WebError(409, "not-held", approving.why);
    case "refused":
    case "unknown":
      throw notAllowed(approving);
  }
}

function badActor(given: unknown): WebError {
  const parsed = parseActorJson(given);
  return new WebError(400, "bad-actor", parsed.ok ? "The actor is not understood." : parsed.message);
}

function noBuild(): WebError {
  return new WebError(404, "not-found", NO_BUILD);
}

export async function knownBuild(store: Pick<Store, "getBuild">, id: string | undefined) {
  const build = await store.getBuild(id ?? "");
  if (build === null) {
    throw noBuild();
  }
  return build;
}
