import { z } from "zod";
import { auditJson } from "../engine/shapes.ts";
import type { Store } from "../engine/store-port.ts";
import { OWNED_QUERY } from "./api-builds-shapes.ts";
import { type ApiKit, ownedBy, type RouteSpec } from "./api-kit.ts";
import { BY, HOST_ID, pageOf, TIME } from "./api-shapes.ts";
import { NO_BODY } from "./requests.ts";
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
  query: OWNED_QUERY,
  body: NO_BODY,
  answer: { status: 200, schema: pageOf(ENTRY) },
  errors: {},
} as const satisfies RouteSpec;

export const AUDIT_ROUTES: readonly RouteSpec[] = [LIST];

/** `?installation=`: of that one only. One that is not known (any more) may have entries all the same. */
export function addAudit(api: ApiKit, store: Pick<Store, "listAudit">): void {
  api.serve(LIST, async ({ query: { installation, ...query }, within }) => {
    return pageJson(await store.listAudit({ ...query, ...ownedBy(within, installation) }), auditJson);
  });
}
