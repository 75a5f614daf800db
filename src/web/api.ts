/** `/api/v1`, for scripts: with the operator's token everything, with an API token what its role may of one installation. */
import type { Request, Router } from "express";
import { apiTokenId } from "../core/api-tokens.ts";
import type { HostId } from "../core/model.ts";
import type { AccessTokens } from "../engine/access-tokens.ts";
import type { ApiTokens } from "../engine/api-tokens.ts";
import type { Authorizer } from "../engine/authorize.ts";
import type { BuildActions } from "../engine/build-actions.ts";
import type { NamespaceDesk } from "../engine/namespace-desk.ts";
import type { NoticeDesk } from "../engine/notices.ts";
import type { Clock, Logger } from "../engine/ports.ts";
import type { RegistryDesk } from "../engine/registry-desk.ts";
import type { Status } from "../engine/status.ts";
import type { Store } from "../engine/store-port.ts";
import type { Viewer } from "../engine/viewer.ts";
import { type AccessApiStore, addAccess } from "./api-access.ts";
import { addAudit } from "./api-audit.ts";
import { addBuildActions, type BuildsApiStore } from "./api-builds.ts";
import { type Belonging, createApiKit, sameId } from "./api-kit.ts";
import { addNamespaces } from "./api-namespaces.ts";
import { addNotices } from "./api-notices.ts";
import { createOnce } from "./api-once.ts";
import { addOwnTokens } from "./api-own-tokens.ts";
import { addPauses, type Pausing } from "./api-pause.ts";
import { addReceipts, type ReceiptsStore } from "./api-receipts.ts";
import { addRecords, type RecordsStore } from "./api-records.ts";
import { addRegistries } from "./api-registries.ts";
import { addStatus } from "./api-status.ts";
import { addTokens } from "./api-tokens.ts";
import { addVariables, type VariablesApiStore } from "./api-variables.ts";
import type { Gate } from "./auth.ts";
import { WebError } from "./errors.ts";
import type { Logs } from "./log.ts";
import { API_ROUTES, addDocument } from "./openapi.ts";
import { createRateLimit } from "./rate-limit.ts";

export type ApiStore = RecordsStore &
  AccessApiStore &
  ReceiptsStore &
  BuildsApiStore &
  VariablesApiStore &
  Pick<Store, "getDelivery" | "listAudit" | "linkState" | "namespaceAccounts" | "beginOnce" | "endOnce" | "forgetOnce">;

export interface ApiOptions {
  readonly store: ApiStore & Pausing["store"];
  readonly preview: Pausing["preview"];
  readonly log: Logger;
  readonly clock: Clock;
  readonly logs: Logs;
  readonly gate: Pick<Gate, "configured" | "judge">;
  readonly authorizer: Authorizer;
  readonly accessTokens: AccessTokens;
  readonly apiTokens: ApiTokens;
  /** Requests a minute of one API token; default: {@link TOKEN_RATE}. */
  readonly tokenRate?: number;
  /** Left out: it is not told. */
  readonly status?: Status;
  /** Left out: nobody starts, repeats or cancels builds here. */
  readonly buildActions?: BuildActions;
  /** Left out: namespaces are not decided about here. */
  readonly namespaceDesk?: NamespaceDesk;
  /** Left out: who is told of builds is not decided here. */
  readonly noticeDesk?: NoticeDesk;
  /** Left out: registries are not looked after here. */
  readonly registryDesk?: RegistryDesk;
}

/** Enough for a program that looks every second, and for ten of them. */
export const TOKEN_RATE = 600;

export function createApi(options: ApiOptions): Router {
  const { store, logs, preview, log, authorizer } = options;
  const limit = createRateLimit(options.clock, options.tokenRate ?? TOKEN_RATE);
  const api = createApiKit({
    identify: (req) => identify(options, req),
    // The operator is not limited: who has that token can stop the service, and does not have to ask it to death.
    limit: (viewer, res) => {
      if (viewer.kind === "token") limit(viewer.id, res);
    },
    authorizer,
    belongs: belonging(store),
    once: createOnce(store, log),
    log,
  });
  addDocument(api);
  addRecords(api, { store, logs, authorizer });
  if (options.buildActions !== undefined) addBuildActions(api, store, options.buildActions);
  addTokens(api, options.accessTokens);
  addOwnTokens(api, options.apiTokens);
  if (options.registryDesk !== undefined) addRegistries(api, options.registryDesk);
  if (options.namespaceDesk !== undefined) addNamespaces(api, options.namespaceDesk, authorizer);
  if (options.noticeDesk !== undefined) addNotices(api, options.noticeDesk);
  addPauses(api, { store, preview, log });
  addVariables(api, store);
  addAccess(api, store);
  addAudit(api, store);
  addReceipts(api, store);
  if (options.status !== undefined) addStatus(api, { store, status: options.status });
  const secret = api.served.find((spec) => !API_ROUTES.includes(spec));
  if (secret !== undefined) throw new Error(`${secret.id} is served, and the document does not tell of it`);
  return api.router();
}

function belonging(store: ApiStore): Belonging {
  return {
    async build(id, installation) {
      const build = await store.getBuild(id);
      return build !== null && sameId(build.installation, installation);
    },
    async delivery(id, installation) {
      const found = await store.findDelivery(id);
      if (found?.installationId == null) return false;
      const { provider, host, installationId } = found;
      return sameId({ provider, host, id: installationId }, installation);
    },
    async repository(id, installation) {
      return (await store.linkState(installation, id)) !== "unlinked";
    },
    // Of a namespace that several accounts write, none may make or end the tokens of the others.
    async namespace(name, installation) {
      const found = await store.getInstallation(installation);
      if (found === null || found.namespace !== name) return false;
      const accounts = await store.namespaceAccounts(name);
      return accounts.every(({ account }) => sameId(account, found.account satisfies HostId));
    },
  };
}

const CHALLENGE = { "WWW-Authenticate": 'Bearer realm="wharfinger"' };

/** Who asks; throws where it is nobody. Sessions of browsers count for nothing here: no other site can ask as somebody. */
async function identify(
  { gate, apiTokens }: Pick<ApiOptions, "gate" | "apiTokens">,
  req: Request,
): Promise<Exclude<Viewer, { readonly kind: "person" }>> {
  const token = /^Bearer ([\x21-\x7e]+)$/i.exec(req.headers.authorization ?? "")?.[1];
  // What looks like an API token is none of the operator's: 160 random bits need no counting of wrong ones.
  if (token !== undefined && apiTokenId(token) !== null) {
    const viewer = await apiTokens.judge(token);
    if (viewer !== null) return viewer;
    const message = "This API token is not known, or does not work any more. Ask whoever made it for a new one.";
    throw new WebError(401, "unauthorized", message, CHALLENGE);
  }
  if (!gate.configured) {
    const message = "The API is closed: no ADMIN_TOKEN is configured. Set one (openssl rand -hex 32) and restart.";
    throw new WebError(403, "admin-token-not-set", message);
  }
  if (token === undefined) {
    const message = "Send a token: Authorization: Bearer <ADMIN_TOKEN>, or an API token (wha_…) of an installation.";
    throw new WebError(401, "unauthorized", message, CHALLENGE);
  }
  switch (gate.judge(req, token)) {
    case "right":
      return { kind: "operator", person: null };
    case "slow-down":
      throw new WebError(429, "too-many-attempts", "Too many wrong tokens. Wait a minute.", { "Retry-After": "60" });
    case "wrong":
      throw new WebError(401, "unauthorized", "This is not the ADMIN_TOKEN of this server.", CHALLENGE);
  }
}
