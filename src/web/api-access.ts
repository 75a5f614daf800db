import type { Request, Router } from "express";
import type { By } from "../core/audit.ts";
import type { HostId } from "../core/model.ts";
import { accessJson } from "../engine/further-repositories.ts";
import type { Access, FurtherRepositoryStore } from "../engine/further-repositories-port.ts";
import { hostIdIn, methodNotAllowed, pageQuery, route, WebError } from "./errors.ts";
import { pageJson } from "./wire.ts";

export type AccessApiStore = Pick<FurtherRepositoryStore, "allowAccess" | "disallowAccess" | "listAccess">;

const OPERATOR: By = { kind: "operator" };
const ALL = "/installations/:provider/:host/:id/access";
const ONE = `${ALL}/:repository/:reads`;

/** What builds read besides their own repository: `GET …/access`, `PUT` and `DELETE …/access/{repository}/{reads}`, by id. */
export function addAccess(api: Router, store: AccessApiStore): void {
  api.get(
    ALL,
    route(async (req, res) => {
      res.json(pageJson(await store.listAccess({ ...pageQuery(req), installation: installationIn(req) }), accessJson));
    }),
  );
  api.all(ALL, (_req, _res, next) => next(methodNotAllowed("GET, HEAD")));
  // Nothing is in the body: another site's form can send no PUT and no DELETE, and no bearer's token.
  api.put(
    ONE,
    route(async (req, res) => {
      const access = accessIn(req);
      if ((await store.allowAccess(access, OPERATOR)) === "not-covered") throw notCovered();
      res.status(204).end();
    }),
  );
  api.delete(
    ONE,
    route(async (req, res) => {
      if (!(await store.disallowAccess(accessIn(req), OPERATOR))) {
        throw new WebError(404, "not-found", "This was not allowed, so there is nothing to take back.");
      }
      res.status(204).end();
    }),
  );
  api.all(ONE, (_req, _res, next) => next(methodNotAllowed("PUT, DELETE")));
}

function installationIn(req: Request): HostId {
  const id = hostIdIn(req);
  if (id === null) throw notCovered();
  return id;
}

/** Repositories are of the installation's own host. */
function accessIn(req: Request): Access {
  const installation = installationIn(req);
  const named = (name: "repository" | "reads"): HostId => ({ ...installation, id: String(req.params[name] ?? "") });
  return { installation, repository: named("repository"), reads: named("reads") };
}

function notCovered(): WebError {
  const message = "The installation does not cover these two repositories. They are given by the host's ids.";
  return new WebError(404, "not-covered", message);
}
