import express, { type Router } from "express";
import { parseTokenWish } from "../core/access-tokens.ts";
import type { By } from "../core/audit.ts";
import { type AccessTokens, accessTokenJson, madeTokenJson, type RefusedToken } from "../engine/access-tokens.ts";
import { demandJson, methodNotAllowed, pageQuery, route, WebError } from "./errors.ts";
import { pageJson } from "./wire.ts";

const OPERATOR: By = { kind: "operator" };

/** `GET` and `POST namespaces/{name}/tokens`, `DELETE namespaces/{name}/tokens/{id}`. */
export function addTokens(api: Router, tokens: AccessTokens): void {
  api.get(
    "/namespaces/:namespace/tokens",
    route(async (req, res) => {
      const listed = await tokens.list(req.params["namespace"] ?? "", pageQuery(req));
      if (listed === null) throw new WebError(404, "not-found", "Nobody has this namespace.");
      res.json(pageJson(listed, accessTokenJson));
    }),
  );
  api.post(
    "/namespaces/:namespace/tokens",
    express.json({ limit: "8kb" }),
    route(async (req, res) => {
      demandJson(req);
      const parsed = parseTokenWish(req.body);
      if (!parsed.ok) throw new WebError(400, "bad-token", `${parsed.message}.`);
      const made = await tokens.make(req.params["namespace"] ?? "", parsed.wish, OPERATOR);
      if (made.kind === "refused") throw new WebError(STATUS[made.code], made.code, made.why);
      res.status(201).json(madeTokenJson(made));
    }),
  );
  api.all("/namespaces/:namespace/tokens", (_req, _res, next) => next(methodNotAllowed("GET, HEAD, POST")));
  api.delete(
    "/namespaces/:namespace/tokens/:token",
    route(async (req, res) => {
      const revoked = await tokens.revoke(req.params["namespace"] ?? "", req.params["token"] ?? "", OPERATOR);
      if (revoked === null) throw new WebError(404, "not-found", "This namespace has no such token.");
      res.json(accessTokenJson(revoked));
    }),
  );
  api.all("/namespaces/:namespace/tokens/:token", (_req, _res, next) => next(methodNotAllowed("DELETE")));
}

const STATUS: Readonly<Record<RefusedToken["code"], number>> = {
  "unknown-namespace": 404,
  "no-token-registry": 409,
  account: 400,
  "not-standing": 409,
  "name-taken": 409,
  "too-many": 409,
};
