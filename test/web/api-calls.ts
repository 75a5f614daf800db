/** One request for each route of the API, in an order in which each does what it is for. */
import type { HostId } from "../../src/core/model.ts";
import type { ApiWorld } from "./api-world.ts";

export interface ApiCall {
  /** Of the operation in the document. */
  readonly id: string;
  readonly method: string;
  /** Below `/api/v1`. */
  readonly path: string;
  readonly body?: object;
}

const AT = "/installations/github/default/7";
const ACCESS = `${AT}/access/1/2`;
const VARIABLES = `${AT}/variables`;
const SECRETS = `${AT}/secrets`;
const OF_REPOSITORY = `${AT}/repositories/1`;
const REPOSITORY = "/repositories/github/default/1";
const TOKENS = "/namespaces/acme/tokens";
const NOTIFICATIONS = `${AT}/notifications`;
const API_TOKENS = `${AT}/api-tokens`;

export interface Prepared {
  readonly claims: readonly [string, string];
  readonly notification: string;
}

/** Claims that wait, somebody who is told of builds, and the receipt of an installation that is gone; answers their ids. */
export async function prepare({ store, clock }: ApiWorld): Promise<Prepared> {
  const claims: string[] = [];
  for (const number of ["27", "28"]) {
    const { id, account } = installed(number);
    await store.saveInstallation({ id, account, state: "active", permissions: {} });
    await store.settleClaim({ installation: id, account, wanted: account.login, registry: "default" }, () => {
      return { kind: "wait", namespace: account.login, reason: "confirmation", why: "somebody has to" };
    });
    claims.push((await store.listClaims({ limit: 1, cursor: null, waiting: true })).items[0]?.id ?? "");
  }
  const { id, account } = installed("9");
  const by = { kind: "service" } as const;
  const told = { account, permissions: {}, repositories: [] };
  await store.hearInstallation({ id, news: "found-active", told, by });
  clock.advance(1_000);
  await store.hearInstallation({ id, news: "removed", told, by });
  await store.eraseHoldings(id, by);
  const [first = "", second = ""] = claims;
  const target = await store.saveTarget(
    {
      installation: { provider: "github", host: "default", id: "7" },
      kind: "webhook",
      shown: "hooks.example",
      address: "https://hooks.example/secret",
      events: ["failed"],
    },
    by,
  );
  return { claims: [first, second], notification: typeof target === "string" ? "" : target.id };
}

function installed(number: string) {
  const id: HostId = { provider: "github", host: "default", id: number };
  return { id, account: { ...id, id: `1${number}`, login: `login-${number}`, kind: "organization" } as const };
}

export function callsOf({ builds, deliveries }: ApiWorld, { claims, notification }: Prepared): readonly ApiCall[] {
  const get = (id: string, path: string): ApiCall => ({ id, method: "GET", path });
  const put = (id: string, path: string, body?: object): ApiCall => ({
    id,
    method: "PUT",
    path,
    ...(body && { body }),
  });
  const post = (id: string, path: string, body?: object): ApiCall => ({
    ...{ id, method: "POST", path },
    ...(body && { body }),
  });
  const erase = (id: string, path: string): ApiCall => ({ id, method: "DELETE", path });
  return [
    get("listKeys", "/keys"),
    get("getOpenApi", "/openapi.json"),
    get("listDeliveries", "/deliveries"),
    get("getDelivery", `/deliveries/${deliveries.queued}`),
    get("listBuilds", "/builds"),
    get("getBuild", `/builds/${builds.queued}`),
    get("getBuildRequest", `/builds/${builds.queued}/request`),
    get("getBuildLog", `/builds/${builds.queued}/log`),
    post("approveBuild", `/builds/${builds.held}/approve`),
    post("startBuild", "/builds", { repository: "acme/repository-1", ref: "main", image: "api" }),
    post("cancelBuild", `/builds/${builds.queued}/cancel`),
    post("retryBuild", `/builds/${builds.queued}/retry`),
    get("listInstallations", "/installations"),
    get("getInstallation", AT),
    get("listRepositories", `${AT}/repositories`),
    { id: "changePolicy", method: "PATCH", path: `${AT}/policy`, body: { brake: 5 } },
    put("setInstallationVariable", `${VARIABLES}/LEVEL`, { value: "debug" }),
    get("listInstallationVariables", VARIABLES),
    erase("removeInstallationVariable", `${VARIABLES}/LEVEL`),
    put("setInstallationSecret", `${SECRETS}/NPM_TOKEN`, { value: "a-secret-nobody-reads" }),
    get("listInstallationSecrets", SECRETS),
    erase("removeInstallationSecret", `${SECRETS}/NPM_TOKEN`),
    put("setRepositoryVariable", `${OF_REPOSITORY}/variables/LEVEL`, { value: "debug" }),
    get("listRepositoryVariables", `${OF_REPOSITORY}/variables`),
    erase("removeRepositoryVariable", `${OF_REPOSITORY}/variables/LEVEL`),
    put("setRepositorySecret", `${OF_REPOSITORY}/secrets/NPM_TOKEN`, { value: "a-secret-nobody-reads" }),
    get("listRepositorySecrets", `${OF_REPOSITORY}/secrets`),
    erase("removeRepositorySecret", `${OF_REPOSITORY}/secrets/NPM_TOKEN`),
    post("addNotification", NOTIFICATIONS, { kind: "email", address: "team@acme.example" }),
    get("listNotifications", NOTIFICATIONS),
    post("testNotification", `${NOTIFICATIONS}/${notification}/test`),
    erase("removeNotification", `${NOTIFICATIONS}/${notification}`),
    put("allowAccess", ACCESS),
    get("listAccess", `${AT}/access`),
    erase("disallowAccess", ACCESS),
    post("pauseRepository", `${REPOSITORY}/pause`),
    get("getStatus", "/status"),
    get("listPauses", "/pauses"),
    post("resumeRepository", `${REPOSITORY}/resume`),
    post("pauseInstallation", `${AT}/pause`, { stop: true }),
    post("resumeInstallation", `${AT}/resume`),
    post("pauseInstance", "/instance/pause", { dryRun: true }),
    post("resumeInstance", "/instance/resume", { dryRun: true }),
    post("makeAccessToken", TOKENS, { name: "cluster" }),
    get("listAccessTokens", TOKENS),
    erase("revokeAccessToken", `${TOKENS}/cluster`),
    post("makeApiToken", API_TOKENS, { name: "report", role: "read", days: 1 }),
    get("listApiTokens", API_TOKENS),
    erase("revokeApiToken", `${API_TOKENS}/report`),
    get("listClaims", "/claims"),
    post("approveClaim", `/claims/${claims[0]}/approve`),
    post("refuseClaim", `/claims/${claims[1]}/refuse`),
    get("listNamespaces", "/namespaces"),
    get("getNamespace", "/namespaces/acme"),
    post("makeNamespaceCode", "/namespaces/acme/codes", { installation: "github:default:7" }),
    // Who writes it already, lets nobody in: the code is not looked at.
    post("joinNamespace", "/namespaces/acme/join", { installation: "github:default:7", code: "0".repeat(20) }),
    post("grantNamespace", "/namespaces/login-28/grant", { installation: "github:default:28" }),
    post("revokeNamespace", "/namespaces/login-28/revoke", { installation: "github:default:28" }),
    get("listRegistries", "/registries"),
    put("saveRegistry", "/registries/hub", { url: "https://hub.example.com", kind: "basic" }),
    post("testRegistry", "/registries/hub/test"),
    put("useRegistry", "/registries/hub/namespaces/acme"),
    put("setRegistryCredential", "/registries/hub/credential", { username: "robot", password: "a-password" }),
    erase("removeRegistryCredential", "/registries/hub/credential"),
    put("setNamespaceCredential", "/registries/hub/namespaces/acme/credential", { username: "r", password: "p" }),
    erase("removeNamespaceCredential", "/registries/hub/namespaces/acme/credential"),
    erase("removeRegistry", "/registries/hub"),
    get("listAudit", "/audit?installation=github:default:7"),
    get("listReceipts", "/receipts"),
    get("getReceipt", "/installations/github/default/9/receipt"),
  ];
}
