import express, { type Router } from "express";
import type { Store } from "../engine/store-port.ts";
import type { Gate } from "./auth.ts";
import { pageQuery, route, WebError } from "./errors.ts";
import { type Logs, sendLog } from "./log.ts";
import { buildJson, deliveryJson, installationJson, pageJson, requestJson } from "./wire.ts";

export type ApiStore = Pick<
  Store,
  | "listDeliveries"
  | "findDelivery"
  | "getDelivery"
  | "listBuilds"
  | "getBuild"
  | "buildRequest"
  | "requestKeys"
  | "listInstallations"
>;

/** `/api/v1`: read-only, for scripts that hold the operator's token. */
export function createApi(options: { store: ApiStore; logs: Logs; gate: Gate }): Router {
  const { store, logs, gate } = options;
  const api = express.Router({ caseSensitive: true });
  // For whoever checks a build request; there is nothing in it to keep from anybody.
  api.get(
    "/keys",
    route(async (_req, res) => {
      const keys = await store.requestKeys();
      const items = keys.map(({ keyId, publicKey }) => ({ id: keyId, algorithm: "Ed25519", publicKey }));
      res.json({ items, next: null });
    }),
  );
  api.use(bearer(gate));
  api.use((req, _res, next) => {
    next(req.method === "GET" || req.method === "HEAD" ? undefined : methodNotAllowed("GET, HEAD"));
  });

  api.get(
    "/deliveries",
    route(async (req, res) => {
      res.json(pageJson(await store.listDeliveries(pageQuery(req)), deliveryJson));
    }),
  );
  api.get(
    "/deliveries/:id",
    route(async (req, res) => {
      const delivery = await store.findDelivery(req.params["id"] ?? "");
      if (delivery === null) {
        throw new WebError(404, "not-found", "There is no such delivery. It may be past its retention.");
      }
      res.json(deliveryJson(delivery));
    }),
  );
  api.get(
    "/builds",
    route(async (req, res) => {
      res.json(pageJson(await store.listBuilds(pageQuery(req)), buildJson));
    }),
  );
  api.get(
    "/builds/:id",
    route(async (req, res) => {
      res.json(buildJson(await knownBuild(store, req.params["id"])));
    }),
  );
  api.get(
    "/builds/:id/request",
    route(async (req, res) => {
      const { id } = await knownBuild(store, req.params["id"]);
      const request = await store.buildRequest(id);
      if (request === null) {
        throw new WebError(404, "no-request", "This build was queued before build requests were signed.");
      }
      res.json(requestJson(request));
    }),
  );
  api.get(
    "/builds/:id/log",
    route(async (req, res) => {
      const { id } = await knownBuild(store, req.params["id"]);
      await sendLog(logs, id, req, res);
    }),
  );
  api.get(
    "/installations",
    route(async (req, res) => {
      res.json(pageJson(await store.listInstallations(pageQuery(req)), installationJson));
    }),
  );
  return api;
}

export async function knownBuild(store: Pick<Store, "getBuild">, id: string | undefined) {
  const build = await store.getBuild(id ?? "");
  if (build === null) {
    throw new WebError(404, "not-found", "There is no such build. It may be past its retention.");
  }
  return build;
}

export function methodNotAllowed(allow: string): WebError {
  return new WebError(405, "method-not-allowed", `Only ${allow} is understood here.`, { Allow: allow });
}

function bearer(gate: Gate): express.RequestHandler {
  return (req, _res, next) => {
    if (!gate.configured) {
      const message = "The API is closed: no ADMIN_TOKEN is configured. Set one (openssl rand -hex 32) and restart.";
      next(new WebError(403, "admin-token-not-set", message));
      return;
    }
    const challenge = { "WWW-Authenticate": 'Bearer realm="wharfinger"' };
    const token = /^Bearer ([\x21-\x7e]+)$/i.exec(req.headers.authorization ?? "")?.[1];
    if (token === undefined) {
      const message = "Send the operator's token: Authorization: Bearer <ADMIN_TOKEN>.";
      next(new WebError(401, "unauthorized", message, challenge));
      return;
    }
    const verdict = gate.judge(req, token);
    if (verdict === "right") {
      next();
    } else if (verdict === "slow-down") {
      next(new WebError(429, "too-many-attempts", "Too many wrong tokens. Wait a minute.", { "Retry-After": "60" }));
    } else {
      next(new WebError(401, "unauthorized", "This is not the ADMIN_TOKEN of this server.", challenge));
    }
  };
}
