/** What is done with builds over the API: started, repeated, canceled. */
import { z } from "zod";
import { type HostId, parseHostKey } from "../core/model.ts";
import type { BuildActions, Starting } from "../engine/build-actions.ts";
import type { Delivery, Store } from "../engine/store-port.ts";
import { BUILD, DELIVERY } from "./api-builds-shapes.ts";
import { type ApiKit, type RouteSpec, sameId } from "./api-kit.ts";
import { knownBuild } from "./api-records.ts";
import { notAllowed, WebError } from "./errors.ts";
import { type BodySpec, NO_BODY, NO_QUERY } from "./requests.ts";
import { buildJson } from "./wire.ts";

export type BuildsApiStore = Pick<Store, "getBuild" | "findRepositories">;

/** How long whoever starts a build waits for the answer to say what came of it. */
const PLANNED_MS = 3_000;

interface Wanted {
  readonly repository: string;
  readonly ref: string | null;
  readonly image: string | null;
}

const WANTED: BodySpec<Wanted> = {
  schema: z.strictObject({
    repository: z
      .string()
      .min(1)
      .max(300)
      .meta({ description: "`owner/name`, or `PROVIDER:HOST:ID` where several are called so." }),
    ref: z.string().min(1).max(300).nullable().default(null).meta({
      description: "A branch or tag, `refs/heads/…` or `refs/tags/…` where both are called so; the default branch.",
    }),
    image: z
      .string()
      .min(1)
      .max(300)
      .nullable()
      .default(null)
      .meta({ description: "Name of the one image to build, as in the file; all that its rules build of the ref." }),
  }),
  limit: "8kb",
};

const { outcome, note, builds, decisions } = DELIVERY.shape;
const STARTED = z
  .object({ delivery: z.string(), outcome, note, builds, decisions })
  .meta({ id: "Started", description: "`pending`: not planned yet; the delivery tells later what came of it." });

const START = {
  id: "startBuild",
  method: "post",
  path: "/builds",
  tag: "builds",
  summary: "Builds a branch or tag as it is now.",
  description:
    "Planned like a push, by the file at that commit and the tags the default branch grants; filters by path let everything through. The commit gets no check.",
  access: { action: "build.start", at: "own" },
  query: NO_QUERY,
  body: WANTED,
  answer: { status: 202, schema: STARTED },
  errors: {
    404: "There is no such repository, branch or tag.",
    409: "Several repositories are called so, or nothing of it is built now.",
    502: "The repository's host refuses to say where the ref is.",
    503: "The repository's host is away.",
  },
  once: "answer",
} as const satisfies RouteSpec<unknown, Wanted>;

const OF_BUILD = {
  method: "post",
  tag: "builds",
  query: NO_QUERY,
  body: NO_BODY,
} as const;

const CANCEL = {
  ...OF_BUILD,
  id: "cancelBuild",
  path: "/builds/{id}/cancel",
  summary: "Cancels a build. One that runs is `running` still, and stops within seconds.",
  access: { action: "build.cancel", at: "build" },
  answer: { status: 200, schema: BUILD },
  errors: { 404: "There is no such build.", 409: "It has come to its end." },
} as const satisfies RouteSpec;

const RETRY = {
  ...OF_BUILD,
  id: "retryBuild",
  path: "/builds/{id}/retry",
  summary: "Does the same work again, as a build of its own; answers that, or the one that is on its way already.",
  access: { action: "build.retry", at: "build" },
  answer: { status: 202, schema: BUILD },
  errors: {
    404: "There is no such build.",
    409: "It has not ended, has succeeded, has been replaced by something newer, or may not run now.",
  },
  once: "answer",
} as const satisfies RouteSpec;

export const BUILD_ROUTES: readonly RouteSpec[] = [START, CANCEL, RETRY];

export function addBuildActions(api: ApiKit, store: BuildsApiStore, actions: BuildActions): void {
  api.serve(START, async ({ body, by, within }) => {
    const repository = await repositoryCalled(store, body.repository, within);
    const { ref, image } = body;
    const delivery = demandStarted(await actions.start({ repository, ref, image }, by));
    return startedJson(delivery, await actions.planned(delivery, PLANNED_MS));
  });
  api.serve(CANCEL, async ({ param, by }) => {
    const answer = await actions.cancel(param("id"), by);
    if (answer.kind === "final") throw new WebError(409, "build-ended", answer.why);
    return buildJson(await knownBuild(store, param("id")));
  });
  api.serve(RETRY, async ({ param, by }) => {
    const answer = await actions.retry(param("id"), by);
    if (answer.kind === "refused") throw new WebError(409, "not-retried", answer.why);
    return buildJson(await knownBuild(store, answer.kind === "no-build" ? param("id") : answer.build));
  });
}

/** `within`: the installation of the API token that asks, for which there are no others. */
async function repositoryCalled(
  store: Pick<Store, "findRepositories">,
  name: string,
  within: HostId | null,
): Promise<HostId> {
  const found = await store.findRepositories(name);
  const [only, other] = found.filter(({ installation }) => within === null || sameId(installation, within));
  if (only === undefined) throw noRepository(name);
  if (other !== undefined) {
    const keys = [only, other].map(({ provider, host, id }) => `${provider}:${host}:${id}`);
    const message = `Several repositories are called so: say which by its key, as ${keys.join(" or ")}.`;
    throw new WebError(409, "ambiguous-repository", message);
  }
  const { provider, host, id } = only;
  return { provider, host, id };
}

function noRepository(name: string): WebError {
  const what = parseHostKey(name) === null ? "is called so" : "has this key";
  return new WebError(404, "not-found", `No repository that an installation covers ${what}.`);
}

/** Our id of the delivery. */
export function demandStarted(starting: Starting): string {
  switch (starting.kind) {
    case "started":
      return starting.delivery;
    case "no-repository":
      throw new WebError(404, "not-found", "No installation covers this repository (any more).");
    case "no-ref":
      throw new WebError(404, "no-such-ref", starting.why);
    case "refused":
      throw new WebError(409, "not-started", starting.why);
    case "unknown":
      throw notAllowed(starting);
  }
}

/** The delivery may be gone by then: then nothing is known of it but its id. */
function startedJson(id: string, delivery: Delivery | null): object {
  if (delivery === null) return { delivery: id, outcome: "pending", note: null, builds: [], decisions: [] };
  const { outcome, note, builds, decisions } = delivery;
  return { delivery: id, outcome, note, builds, decisions };
}
