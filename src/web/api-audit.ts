import type { Request, Router } from "express";
import { type HostId, parseHostKey } from "../core/model.ts";
import { auditJson } from "../engine/shapes.ts";
import type { Store } from "../engine/store-port.ts";
import { pageQuery, route, WebError } from "./errors.ts";
import { pageJson } from "./wire.ts";

/** `GET audit`, newest first; `?installation=PROVIDER:HOST:ID`: of that one only. */
export function addAudit(api: Router, store: Pick<Store, "listAudit">): void {
  api.get(
    "/audit",
    route(async (req, res) => {
      const installation = installationIn(req);
      const query = { ...pageQuery(req), ...(installation === null ? {} : { installation }) };
      res.json(pageJson(await store.listAudit(query), auditJson));
    }),
  );
}

/** Null: of all. One that is not known (any more) may have entries all the same. */
function installationIn({ query }: Request): HostId | null {
  const { installation } = query;
  if (installation === undefined) return null;
  const id = typeof installation === "string" ? parseHostKey(installation) : null;
  if (id === null) {
    const message = "installation must be PROVIDER:HOST:ID, as github:default:7. GET /api/v1/installations lists them.";
    throw new WebError(400, "bad-installation", message);
  }
  return id;
}
