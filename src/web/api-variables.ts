import express, { type Request, type Router } from "express";
import { z } from "zod";
import type { By } from "../core/audit.ts";
import type { VariableKind } from "../core/variables.ts";
import type { Store } from "../engine/store-port.ts";
import { type RefusedVariable, setVariable, variableJson } from "../engine/variables.ts";
import type { VariablePlace, VariableStore } from "../engine/variables-port.ts";
import { demandJson, hostIdIn, methodNotAllowed, route, WebError } from "./errors.ts";

export type VariablesApiStore = Pick<VariableStore, "listVariables" | "saveVariable" | "removeVariable"> &
  Pick<Store, "getInstallation">;

const OPERATOR: By = { kind: "operator" };

const INSTALLATION = "/installations/:provider/:host/:id";
/** Repositories are of the installation's own host. */
const PLACES = [INSTALLATION, `${INSTALLATION}/repositories/:repository`];
const KINDS: readonly { readonly path: string; readonly kind: VariableKind }[] = [
  { path: "variables", kind: "variable" },
  { path: "secrets", kind: "secret" },
];

const BODY = z.strictObject({ value: z.string() });
/** JSON may take six bytes for one of the value. */
const MAX_BODY = "256kb";

const STATUS: Readonly<Record<RefusedVariable, number>> = {
  "bad-variable": 400,
  "not-covered": 404,
  "other-kind": 409,
  full: 409,
};

/** `GET …/variables` and `…/secrets`, `PUT` and `DELETE` of one by its name. Nothing here shows a secret. */
export function addVariables(api: Router, store: VariablesApiStore): void {
  for (const place of PLACES) {
    for (const { path, kind } of KINDS) addKind(api, `${place}/${path}`, kind, store);
  }
}

function addKind(api: Router, path: string, kind: VariableKind, store: VariablesApiStore): void {
  api.get(
    path,
    route(async (req, res) => {
      const place = placeIn(req);
      if ((await store.getInstallation(place.installation)) === null) throw unknown();
      const all = await store.listVariables(place);
      res.json({ items: all.filter((one) => one.kind === kind).map(variableJson), next: null });
    }),
  );
  api.all(path, (_req, _res, next) => next(methodNotAllowed("GET, HEAD")));
  api.put(
    `${path}/:name`,
    express.json({ limit: MAX_BODY }),
    route(async (req, res) => {
      const variable = { kind, name: req.params["name"] ?? "", value: valueIn(req) };
      const set = await setVariable(store, placeIn(req), variable, OPERATOR);
      if (set.kind === "refused") throw new WebError(STATUS[set.code], set.code, set.why);
      res.json(variableJson(set.variable));
    }),
  );
  api.delete(
    `${path}/:name`,
    route(async (req, res) => {
      const removed = await store.removeVariable(placeIn(req), { kind, name: req.params["name"] ?? "" }, OPERATOR);
      if (!removed) throw new WebError(404, "not-found", `There is no ${kind} of this name here.`);
      res.status(204).end();
    }),
  );
  api.all(`${path}/:name`, (_req, _res, next) => next(methodNotAllowed("PUT, DELETE")));
}

function placeIn(req: Request): VariablePlace {
  const installation = hostIdIn(req);
  if (installation === null) throw unknown();
  const { repository } = req.params;
  return { installation, repository: repository === undefined ? null : { ...installation, id: repository } };
}

/** No problem quotes the body: it is a secret, perhaps at the wrong place. */
function valueIn(req: Request): string {
  demandJson(req);
  const parsed = BODY.safeParse(req.body);
  if (!parsed.success) throw new WebError(400, "bad-request", 'Send {"value": "…"}, a string, and nothing else.');
  return parsed.data.value;
}

function unknown(): WebError {
  const message = "There is no such installation. GET /api/v1/installations lists them with provider, host and id.";
  return new WebError(404, "not-found", message);
}
