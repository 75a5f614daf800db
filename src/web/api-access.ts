import { z } from "zod";
import type { HostId } from "../core/model.ts";
import { accessJson } from "../engine/further-repositories.ts";
import type { Access, FurtherRepositoryStore } from "../engine/further-repositories-port.ts";
import type { ApiKit, Call, RouteSpec } from "./api-kit.ts";
import { BY, pageOf, REPOSITORY, TIME } from "./api-shapes.ts";
import { WebError } from "./errors.ts";
import { hostIdIn, NO_BODY, NO_QUERY, PAGE_QUERY } from "./requests.ts";
import { pageJson } from "./wire.ts";

export type AccessApiStore = Pick<FurtherRepositoryStore, "allowAccess" | "disallowAccess" | "listAccess">;

const ALL = "/installations/{provider}/{host}/{id}/access";
const ONE = `${ALL}/{repository}/{reads}`;

const ACCESS = z
  .object({
    repository: REPOSITORY,
    reads: REPOSITORY,
    covered: z.boolean().meta({ description: "False: the installation does not cover both of them any more." }),
    since: TIME,
    by: z.looseObject({ kind: BY.shape.kind }),
  })
  .meta({ id: "Access", description: "Builds of `repository` may read `reads`." });

const LIST = {
  id: "listAccess",
  method: "get",
  path: ALL,
  tag: "settings",
  summary: "What builds read besides their own repository.",
  access: { action: "account.see", at: "installation" },
  query: PAGE_QUERY,
  body: NO_BODY,
  answer: { status: 200, schema: pageOf(ACCESS) },
  errors: { 404: "No provider is called so." },
} as const satisfies RouteSpec;

const ALLOW = {
  id: "allowAccess",
  method: "put",
  path: ONE,
  tag: "settings",
  summary: "Lets builds of a repository read another one of the installation. Both are given by the host's ids.",
  access: { action: "access.change", at: "installation" },
  query: NO_QUERY,
  body: NO_BODY,
  answer: { status: 204 },
  errors: { 404: "The installation does not cover these two repositories." },
} as const satisfies RouteSpec;

const DISALLOW = {
  ...ALLOW,
  id: "disallowAccess",
  method: "delete",
  summary: "Takes that back.",
  errors: { 404: "It was not allowed." },
} as const satisfies RouteSpec;

export const ACCESS_ROUTES: readonly RouteSpec[] = [LIST, ALLOW, DISALLOW];

/** What builds read besides their own repository. */
export function addAccess(api: ApiKit, store: AccessApiStore): void {
  api.serve(LIST, async ({ req, query }) => {
    const installation = hostIdIn(req);
    if (installation === null) throw notCovered();
    return pageJson(await store.listAccess({ ...query, installation }), accessJson);
  });
  // Nothing is in the body: another site's form can send no PUT and no DELETE, and no bearer's token.
  api.serve(ALLOW, async (call) => {
    if ((await store.allowAccess(accessIn(call), call.by)) === "not-covered") throw notCovered();
    return null;
  });
  api.serve(DISALLOW, async (call) => {
    if (await store.disallowAccess(accessIn(call), call.by)) return null;
    throw new WebError(404, "not-found", "This was not allowed, so there is nothing to take back.");
  });
}

/** Repositories are of the installation's own host. */
function accessIn({ req, param }: Pick<Call<unknown, unknown>, "req" | "param">): Access {
  const installation = hostIdIn(req);
  if (installation === null) throw notCovered();
  const named = (name: "repository" | "reads"): HostId => ({ ...installation, id: param(name) });
  return { installation, repository: named("repository"), reads: named("reads") };
}

function notCovered(): WebError {
  const message = "The installation does not cover these two repositories. They are given by the host's ids.";
  return new WebError(404, "not-covered", message);
}
