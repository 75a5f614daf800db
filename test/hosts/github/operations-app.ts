/** Operations of the app and of an installation as a whole. */

import { isObject, listAt } from "../json.ts";
import type { DeliveryAttempt, TokenFormat } from "./contract.ts";
import { countOf } from "./delivery-ids.ts";
import { rateOf } from "./limits.ts";
import { type ApiRequest, installationToken, type OperationHandler, paginate, type World } from "./operation.ts";
import { Refusal } from "./refusal.ts";
import { appShape, installationShape, repositoryShape } from "./shapes.ts";
import { coveredRepositories, type InstallationState, installationOf, type State, timestamp } from "./state.ts";
import { mintToken, reaches, type Wanted } from "./tokens.ts";

const DAY = 24 * 60 * 60 * 1000;

export const APP_OPERATIONS: Readonly<Record<string, OperationHandler>> = {
  "GET /app": {
    identity: "app",
    async handle({ state }) {
      const count = state.installations.filter((installation) => !installation.removed).length;
      return { status: 200, body: { ...appShape(state, state.registered.permissions), installations_count: count } };
    },
  },

  "GET /app/hook/config": {
    identity: "app",
    async handle({ state }) {
      return { status: 200, body: webhookShape(state) };
    },
  },

  "PATCH /app/hook/config": {
    identity: "app",
    async handle({ state }, request) {
      const before = state.webhook;
      if (before === null) throw new Refusal(404);
      const { url, secret } = isObject(request.body) ? request.body : {};
      // From now on every delivery is signed with it, those sent again included.
      state.webhook = {
        url: typeof url === "string" ? url : before.url,
        secret: typeof secret === "string" ? secret : before.secret,
      };
      return { status: 200, body: webhookShape(state) };
    },
  },

  "GET /app/installations": {
    identity: "app",
    async handle({ state }, request) {
      const present = state.installations.filter((installation) => !installation.removed);
      const { page, headers } = paginate(state, request, present);
      return { status: 200, body: page.map((installation) => installationShape(state, installation)), headers };
    },
  },

  "GET /app/installations/{installation_id}": {
    identity: "app",
    async handle({ state }, request) {
      return { status: 200, body: installationShape(state, findInstallation(state, request)) };
    },
  },

  "POST /app/installations/{installation_id}/access_tokens": {
    identity: "app",
    async handle({ state }, request) {
      const installation = findInstallation(state, request);
      const { token, data } = mintToken(state, installation, {
        ...readNarrowing(request.body),
        format: wantedFormat(request) ?? state.tokenFormat,
      });
      const narrowed = data.repositoryIds !== null;
      const covered = coveredRepositories(state, installation).filter((repository) => reaches(data, repository));
      return {
        status: 201,
        body: {
          token,
          expires_at: timestamp(data.expiresAt),
          permissions: data.permissions,
          repository_selection: narrowed || installation.repositories !== "all" ? "selected" : "all",
          ...(narrowed ? { repositories: covered.map((repository) => repositoryShape(state, repository)) } : {}),
        },
      };
    },
  },

  "DELETE /installation/token": {
    identity: "installation",
    async handle(_, request) {
      // Revoked is expired at once; the host goes on knowing the token as one it gave out.
      installationToken(request).expiresAt = 0;
      return { status: 204 };
    },
  },

  "GET /installation/repositories": {
    identity: "installation",
    async handle({ state }, request) {
      const token = installationToken(request);
      const seen = coveredRepositories(state, token.installation).filter((repository) => reaches(token, repository));
      const { page, headers } = paginate(state, request, seen);
      const repositories = page.map((repository) => repositoryShape(state, repository));
      return { status: 200, body: { total_count: seen.length, repositories }, headers };
    },
  },

  "GET /app/hook/deliveries": { identity: "app", handle: listDeliveries },

  "GET /app/hook/deliveries/{delivery_id}": {
    identity: "app",
    async handle({ state }, request) {
      const attempt = findDelivery(state, request);
      const body = {
        ...deliveryItem(state, attempt),
        url: state.webhook?.url ?? "",
        request: { headers: attempt.requestHeaders, payload: parsed(attempt.body) },
        response: { headers: {}, payload: attempt.responseBody },
      };
      return { status: 200, body };
    },
  },

  "POST /app/hook/deliveries/{delivery_id}/attempts": {
    identity: "app",
    async handle({ state, sender }, request) {
      // Accepted now, sent afterwards; Sender.settled waits for it.
      void sender.redeliver(findDelivery(state, request));
      return { status: 202, body: {} };
    },
  },

  "GET /rate_limit": {
    identity: "any",
    async handle({ state }, request) {
      const core = rateOf(state, request.caller ?? "app");
      if (core === null) throw new Refusal(404, "Rate limiting is not enabled.");
      return { status: 200, body: { resources: { core, search: core }, rate: core } };
    },
  },

  "GET /meta": {
    identity: "any",
    async handle() {
      return { status: 200, body: { verifiable_password_authentication: false, hooks: ["127.0.0.1/32"] } };
    },
  },
};

function findInstallation(state: State, request: ApiRequest): InstallationState {
  const id = Number(request.params["installation_id"]);
  const found = state.installations.find((installation) => installation.id === id && !installation.removed);
  if (found === undefined) throw new Refusal(404);
  return found;
}

function readNarrowing(body: unknown): Omit<Wanted, "format"> {
  if (!isObject(body)) return {};
  const permissions = isObject(body["permissions"])
    ? Object.fromEntries(Object.entries(body["permissions"]).map(([name, level]) => [name, String(level)]))
    : undefined;
  return {
    ...("repository_ids" in body ? { repositoryIds: listAt(body, "repository_ids").map(Number) } : {}),
    ...("repositories" in body ? { repositories: listAt(body, "repositories").map(String) } : {}),
    ...(permissions === undefined ? {} : { permissions }),
  };
}

/** During the change of formats callers may ask for one of them. */
function wantedFormat(request: ApiRequest): TokenFormat | null {
  const asked = request.headers["x-github-stateless-s2s-token"];
  if (asked === "enabled") return "stateless";
  return asked === "disabled" ? "classic" : null;
}

async function listDeliveries({ state }: World, request: ApiRequest) {
  const wanted = request.query.get("status");
  const size = Math.max(1, Math.min(100, Number(request.query.get("per_page") ?? 30)));
  const cursor = request.query.get("cursor");
  const matching = state.deliveries
    .toReversed()
    .filter((attempt) => isKept(state, attempt) && (wanted === null || wanted === outcomeOf(attempt)));
  const start = cursor === null ? 0 : matching.findIndex((attempt) => `v1_${attempt.id}` === cursor);
  if (start < 0) throw new Refusal(422, "Invalid cursor");
  const following = matching[start + size];
  const url = new URL(state.apiUrl + request.path);
  if (following !== undefined) url.searchParams.set("cursor", `v1_${following.id}`);
  return {
    status: 200,
    body: matching.slice(start, start + size).map((attempt) => deliveryItem(state, attempt)),
    headers: following === undefined ? {} : { link: `<${url.href}>; rel="next"` },
  };
}

/** By the answer's status alone: a delivery without an answer is in neither list. */
function outcomeOf({ statusCode }: DeliveryAttempt): "success" | "failure" | null {
  if (statusCode >= 200 && statusCode < 400) return "success";
  return statusCode >= 400 && statusCode < 600 ? "failure" : null;
}

/** Older deliveries are neither listed nor shown nor sent again. */
function isKept(state: State, attempt: DeliveryAttempt): boolean {
  const days = state.enterprise ? 7 : 3;
  return Date.parse(attempt.deliveredAt) > state.now() - days * DAY;
}

function findDelivery(state: State, request: ApiRequest): DeliveryAttempt {
  const id = request.params["delivery_id"];
  const found = state.deliveries.find((attempt) => attempt.id === id && isKept(state, attempt));
  if (found === undefined) throw new Refusal(404);
  return found;
}

function deliveryItem(state: State, attempt: DeliveryAttempt) {
  const payload = parsed(attempt.body);
  const idOf = (key: string) => {
    const value = isObject(payload) ? payload[key] : undefined;
    return isObject(value) && typeof value["id"] === "number" ? value["id"] : null;
  };
  const repositoryId = idOf("repository");
  const repository = state.repositories.find((item) => item.id === repositoryId);
  return {
    id: countOf(attempt.id),
    guid: attempt.guid,
    delivered_at: attempt.deliveredAt,
    redelivery: attempt.redelivery,
    duration: attempt.duration,
    status: attempt.status,
    status_code: attempt.statusCode,
    event: attempt.event,
    action: attempt.action,
    installation_id:
      idOf("installation") ?? (repository === undefined ? null : (installationOf(state, repository)?.id ?? null)),
    repository_id: repositoryId,
    throttled_at: null,
  };
}

/** The payload as an object; null for bytes that are none. */
function parsed(body: string): unknown {
  try {
    const value: unknown = JSON.parse(body);
    return isObject(value) ? value : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** The secret is never told again. */
function webhookShape({ webhook }: State): object {
  return { content_type: "json", insecure_ssl: "0", secret: "********", url: webhook?.url ?? "" };
}
