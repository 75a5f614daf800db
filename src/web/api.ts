import express, { type Request, type Router } from "express";
import { parseActorJson } from "../core/actors.ts";
import type { Actor, HostId } from "../core/model.ts";
import { parsePolicyJson } from "../core/policy-settings.ts";
import type { AccessTokens } from "../engine/access-tokens.ts";
import { type Approving, approveFor } from "../engine/approval.ts";
import type { Authorizer } from "../engine/authorize.ts";
import type { NamespaceDesk } from "../engine/namespace-desk.ts";
import type { Logger } from "../engine/ports.ts";
import type { RegistryDesk } from "../engine/registry-desk.ts";
import { deliveryJson, installationJson, tracedDeliveryJson } from "../engine/shapes.ts";
import type { Store } from "../engine/store-port.ts";
import { addAccess } from "./api-access.ts";
import { addAudit } from "./api-audit.ts";
import { addNamespaces } from "./api-namespaces.ts";
import { addPauses, type Pausing } from "./api-pause.ts";
import { addReceipts } from "./api-receipts.ts";
import { addRegistries } from "./api-registries.ts";
import { addTokens } from "./api-tokens.ts";
import { addVariables, type VariablesApiStore } from "./api-variables.ts";
import type { Gate } from "./auth.ts";
import { demandJson, hasBody, hostIdIn, methodNotAllowed, notAllowed, pageQuery, route, WebError } from "./errors.ts";
import { type Logs, sendLog } from "./log.ts";
import { buildJson, pageJson, requestJson } from "./wire.ts";

export type ApiStore = Pick<
  Store,
  | "listDeliveries"
  | "findDelivery"
  | "getDelivery"
  | "listBuilds"
  | "getBuild"
  | "buildRequest"
  | "requestKeys"
  | "approveBuild"
  | "listInstallations"
  | "getInstallation"
  | "setPolicy"
  | "listAudit"
  | "allowAccess"
  | "disallowAccess"
  | "listAccess"
  | "receipt"
  | "listReceipts"
> &
  VariablesApiStore;

/** `/api/v1`, for scripts that hold the operator's token. */
export function createApi(options: {
  store: ApiStore & Pausing["store"];
  preview: Pausing["preview"];
  log: Logger;
  logs: Logs;
  gate: Gate;
  authorizer: Authorizer;
  accessTokens: AccessTokens;
  /** Left out: namespaces are not decided about here. */
  namespaceDesk?: NamespaceDesk;
  /** Left out: registries are not looked after here. */
  registryDesk?: RegistryDesk;
}): Router {
  const { store, logs, gate, preview, log } = options;
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
  addChanges(api, { store, authorizer: options.authorizer });
  addTokens(api, options.accessTokens);
  if (options.registryDesk !== undefined) addRegistries(api, options.registryDesk);
  if (options.namespaceDesk !== undefined) addNamespaces(api, options.namespaceDesk, options.authorizer);
  addPauses(api, { store, preview, log });
  addVariables(api, store);
  addAccess(api, store);
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
      res.json(tracedDeliveryJson(delivery));
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
  addAudit(api, store);
  api.get(
    "/installations",
    route(async (req, res) => {
      res.json(pageJson(await store.listInstallations(pageQuery(req)), installationJson));
    }),
  );
  addReceipts(api, store);
  api.get(
    "/installations/:provider/:host/:id",
    route(async (req, res) => {
      const installation = await store.getInstallation(installationId(req));
      if (installation === null) throw noInstallation();
      res.json(installationJson(installation));
    }),
  );
  return api;
}

/** What changes something. No other site can ask for it: browsers do not send the bearer's token by themselves. */
function addChanges(api: Router, parts: { readonly store: ApiStore; readonly authorizer: Authorizer }): void {
  const { store } = parts;
  api.post(
    "/builds/:id/approve",
    express.json({ limit: "8kb" }),
    route(async (req, res) => {
      const builds = demandApproved(await approveFor(parts, req.params["id"] ?? "", actorIn(req)));
      res.json({ builds });
    }),
  );
  api.all("/builds/:id/approve", (_req, _res, next) => next(methodNotAllowed("POST")));
  api.patch(
    "/installations/:provider/:host/:id/policy",
    express.json({ limit: "8kb" }),
    route(async (req, res) => {
      demandJson(req);
      const id = installationId(req);
      const parsed = parsePolicyJson(req.body);
      if (!parsed.ok) throw new WebError(400, "bad-policy", `${parsed.message}.`);
      // Of an installation nobody knows nothing is changed, and the next question says so.
      await store.setPolicy(id, parsed.policy, { kind: "operator" });
      const installation = await store.getInstallation(id);
      if (installation === null) throw noInstallation();
      res.json(installationJson(installation));
    }),
  );
  api.all("/installations/:provider/:host/:id/policy", (_req, _res, next) => next(methodNotAllowed("PATCH")));
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

/** For whom something is done; null: nothing was sent, and it is the operator. */
function actorIn(req: Request): Actor | null {
  if (!hasBody(req)) return null;
  demandJson(req);
  const parsed = parseActorJson(req.body);
  if (!parsed.ok) throw new WebError(400, "bad-actor", parsed.message);
  return parsed.actor;
}

function installationId(req: Request): HostId {
  const id = hostIdIn(req);
  if (id === null) throw noInstallation();
  return id;
}

function noInstallation(): WebError {
  const message = "There is no such installation. GET /api/v1/installations lists them with provider, host and id.";
  return new WebError(404, "not-found", message);
}

function noBuild(): WebError {
  return new WebError(404, "not-found", "There is no such build. It may be past its retention.");
}

export async function knownBuild(store: Pick<Store, "getBuild">, id: string | undefined) {
  const build = await store.getBuild(id ?? "");
  if (build === null) {
    throw noBuild();
  }
  return build;
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
