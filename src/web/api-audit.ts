import { z } from "zod";
import { auditJson } from "../engine/shapes.ts";
import type { Store } from "../engine/store-port.ts";
import { type ApiKit, type RouteSpec, sameId } from "./api-kit.ts";
import { BY, HOST_ID, pageOf, TIME } from "./api-shapes.ts";
import { WebError } from "./errors.ts";
import { HOST_KEY, NO_BODY, PAGE_QUERY } from "./requests.ts";
import { pageJson } from "./wire.ts";

const ENTRY = z
  .object({
    id: z.string(),
    at: TIME,
    by: BY,
    action: z.string().meta({ description: "`noun.verb`. More may come; none is renamed." }),
    installation: HOST_ID.nullable().meta({ description: "Null: the instance's." }),
    subject: z.string(),
    facts: z.record(z.string(), z.string()),
  })
  .meta({ id: "AuditEntry" });

const LIST = {
  id: "listAudit",
  method: "get",
  path: "/audit",
  tag: "service",
  summary: "Who changed what, newest first. Entries are never changed.",
  access: { action: "audit.see", at: "own" },
  query: PAGE_QUERY.extend({ installation: HOST_KEY.optional() }),
  body: NO_BODY,
  answer: { status: 200, schema: pageOf(ENTRY) },
  errors: {},
} as const satisfies RouteSpec;

export const AUDIT_ROUTES: readonly RouteSpec[] = [LIST];

/** `?installation=`: of that one only. One that is not known (any more) may have entries all the same. */
export function addAudit(api: ApiKit, store: Pick<Store, "listAudit">): void {
  api.serve(LIST, async ({ query: { installation: asked, ...query }, within }) => {
    if (within !== null && asked !== undefined && !sameId(within, asked)) {
      throw new WebError(403, "not-allowed", "This API token is for another installation.");
    }
    const installation = within ?? asked;
    const found = await store.listAudit({ ...query, ...(installation === undefined ? {} : { installation }) });
    return pageJson(found, auditJson);
  });
}
