/** What `wharfinger doctor` tries, with what to do when it fails. */
import { accessSync, constants, mkdirSync } from "node:fs";
import pino from "pino";
import type { BitbucketAccess } from "./bitbucket/access.ts";
import { apiPath, refusal } from "./bitbucket/api.ts";
import { createConnections } from "./bitbucket/connections.ts";
import { createConfiguredAccess } from "./bitbucket-parts.ts";
import { checkGit } from "./checks-git.ts";
import { checkGithub, checkGithubApp } from "./checks-github.ts";
import type { CheckResult, DoctorCheck } from "./cli/parts.ts";
import type { Config } from "./config.ts";
import { githubWebhookPath } from "./config-github.ts";
import { isLoopback } from "./core/loopback.ts";
import type { Installation } from "./core/model.ts";
import { DEFAULT_REGISTRY } from "./core/registry-settings.ts";
import type { Connections } from "./engine/connections-port.ts";
import type { ConnectClient, Connection } from "./engine/grants-port.ts";
import type { RegistryDesk } from "./engine/registry-desk.ts";
import type { Page } from "./engine/store-port.ts";
import { createMailNotifier } from "./notify/mail.ts";
import { createConfiguredBuildah, openConfiguredStore, systemClock } from "./parts.ts";
import { openRegistries } from "./registries.ts";
import { createConfiguredRegistries } from "./registry-parts.ts";
import { withoutPassword } from "./store/postgres-url.ts";
import type { OpenedStore } from "./store/store.ts";

export async function doctorChecks(config: Config): Promise<readonly DoctorCheck[]> {
  return [
    { name: "data folder", run: () => checkDataFolder(config) },
    { name: "database", run: () => checkDatabase(config) },
    { name: "GitHub App", run: () => checkGithub(config) },
    ...config.githubHosts.map((one) => ({
      name: `GitHub App ${one.host}`,
      run: () => checkGithubApp(one, config.publicUrl),
    })),
    { name: "Bitbucket", run: () => checkBitbucket(config) },
    { name: "registry", run: () => checkRegistry(config) },
    ...(await addedRegistries(config)).map((name) => {
      return { name: `registry ${name}`, run: () => checkAdded(config, name) };
    }),
    { name: "builder", run: () => checkBuilder(config) },
    // A builder here looks for it itself.
    ...(config.builder === "webhook" ? [{ name: "git", run: () => checkGit() }] : []),
    ...(config.notices.mail === null ? [] : [{ name: "mail server", run: () => checkMail(config) }]),
    { name: "public address", run: () => checkPublicUrl(config) },
  ];
}

function good(detail: string): CheckResult {
  return { ok: true, detail, todo: "" };
}

function bad(detail: string, todo: string): CheckResult {
  return { ok: false, detail, todo };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function checkDataFolder({ dataDir }: Config): Promise<CheckResult> {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    accessSync(dataDir, constants.R_OK | constants.W_OK | constants.X_OK);
    return good(`${dataDir} can be written to`);
  } catch (error) {
    return bad(messageOf(error), "Make the folder, owned by the user Wharfinger runs as, or set DATA_DIR.");
  }
}

async function checkDatabase(config: Config): Promise<CheckResult> {
  try {
    const store = await openConfiguredStore(config);
    try {
      await store.ping();
      const { deliveriesPending, builds } = await store.stats();
      return good(
        `${withoutPassword(config.databaseUrl)}: ${deliveriesPending} deliveries wait, ${builds.queued} builds are queued`,
      );
    } finally {
      await store.close();
    }
  } catch (error) {
    return bad(messageOf(error), "A new or older database is brought up to date by: wharfinger migrate");
  }
}

async function checkMail({ notices: { mail } }: Config): Promise<CheckResult> {
  if (mail === null) return good("not set up: nobody is told of builds by e-mail");
  const answer = await createMailNotifier(mail).verify();
  if (answer.ok) return good(`${new URL(mail.url).host} lets us in, to send as ${mail.from}`);
  return bad(answer.message, "Check SMTP_URL: scheme, user name, password (percent-encoded), host and port.");
}

const CONNECT_DATES =
  "the Connect add-on is served, but new Connect apps can not be registered or installed since 2 February 2026, and support " +
  "ends in December 2026";

/** Every grant is tried: a token or an install that no longer works is not noticed otherwise before the next push. */
async function checkBitbucket(config: Config): Promise<CheckResult> {
  let store: OpenedStore;
  try {
    store = await openConfiguredStore(config);
  } catch (error) {
    const detail = `what is connected can not be read: ${messageOf(error)}`;
    return config.bitbucket.connect ? bad(detail, "See the database.") : good(detail);
  }
  try {
    const connections = await store.listConnections();
    const clients = await connectClients(store);
    const { connect } = config.bitbucket;
    if (!connect && connections.length + clients.length === 0) return good("not used");
    const access = createConfiguredAccess(config.bitbucket, { grants: store, clock: systemClock });
    const { examine } = createConnections({
      access,
      grants: store,
      publicUrl: config.publicUrl,
      clock: systemClock,
      by: { kind: "operator" },
    });
    const tried = await Promise.all([
      checkApi(config),
      ...connections.map((connection) => checkConnection(connection, examine)),
      ...(connect ? clients.map((client) => checkClient(client, access)) : clients.map(unserved)),
    ]);
    const wrong = tried.filter((one) => !one.ok);
    const details = [
      ...(wrong.length > 0 ? wrong : tried).map((one) => one.detail),
      ...(connect ? [CONNECT_DATES] : []),
    ];
    return {
      ok: wrong.length === 0,
      detail: details.map((one) => one.replace(/\.$/, "")).join("; "),
      todo: wrong.map((one) => one.todo).join("\n"),
    };
  } finally {
    await store.close();
  }
}

/** Every install that was ever proven has an installation. */
async function connectClients(store: OpenedStore): Promise<ConnectClient[]> {
  const found: ConnectClient[] = [];
  let cursor: string | null = null;
  do {
    const page: Page<Installation> = await store.listInstallations({ limit: 100, cursor });
    for (const { provider, id } of page.items) {
      if (provider === "bitbucket") found.push(...(await store.connectClientsOf(id)));
    }
    cursor = page.next;
  } while (cursor !== null);
  return found;
}

/** The one call that anybody may make. */
async function checkApi({ bitbucket }: Config): Promise<CheckResult> {
  const address = `${bitbucket.apiUrl}/2.0/hook_events`;
  try {
    const answer = await fetch(address, { signal: AbortSignal.timeout(10_000), redirect: "manual" });
    if (answer.ok) return good(`${bitbucket.apiUrl} answers`);
    return bad(`GET ${address} answered ${answer.status}`, "Check BITBUCKET_API_URL.");
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return bad(`GET ${address}: ${messageOf(cause)}`, "Check BITBUCKET_API_URL, and that this machine reaches it.");
  }
}

async function checkConnection(connection: Connection, examine: Connections["examine"]): Promise<CheckResult> {
  const { id, login, repository } = connection;
  const name = `connection ${id} of ${repository?.fullName ?? login}`;
  const examined = await examine(connection);
  if (examined.ok) return good([`${name} works`, ...examined.value].join(": "));
  const todo = examined.retryable
    ? "Run doctor again later."
    : `Put it right, or: wharfinger connect bitbucket --new-token ${id} (or --disconnect ${id})`;
  return bad(`${name}: ${examined.message}`, todo);
}

async function checkClient(
  { clientKey, secret, login, workspace }: ConnectClient,
  access: BitbucketAccess,
): Promise<CheckResult> {
  const request = { method: "GET", path: apiPath(["repositories", workspace], { pagelen: "10" }) } as const;
  const answer = await access.callWith({ clientKey, secret }, request);
  const name = `the add-on in ${login}`;
  if (!answer.ok) return bad(`${name}: ${answer.message}`, "Run doctor again later.");
  if (answer.value.status === 200) return good(`${name} works`);
  const refused = refusal(answer.value);
  const todo = `Check BITBUCKET_APP_KEY and BITBUCKET_APP_SECRET, or install the add-on in ${login} anew.`;
  return bad(`${name}: ${refused.ok ? "" : refused.message}`, todo);
}

function unserved({ login }: ConnectClient): CheckResult {
  return bad(
    `the add-on is installed in ${login}, but not served`,
    "Set BITBUCKET_APP_KEY again, or uninstall it there.",
  );
}

/** Those beside the environment's own. A database that can not be read has a check of its own. */
async function addedRegistries(config: Config): Promise<readonly string[]> {
  if (config.registry === null) return [];
  const opened = await openRegistries(config).catch(() => null);
  if (opened === null) return [];
  try {
    return (await opened.list()).map(({ name }) => name).filter((name) => name !== DEFAULT_REGISTRY);
  } finally {
    await opened.close();
  }
}

async function checkAdded(config: Config, name: string): Promise<CheckResult> {
  const opened = await openRegistries(config);
  try {
    return await checkOn(opened, name, "");
  } finally {
    await opened.close();
  }
}

/** Without a database the environment's own registry can be tried all the same. */
async function checkRegistry(config: Config): Promise<CheckResult> {
  const { registry, dataDir } = config;
  if (registry === null) return bad("not configured", "Set REGISTRY_URL.");
  const todo = "Check REGISTRY_URL, REGISTRY_USERNAME and REGISTRY_PASSWORD.";
  const opened = await openRegistries(config).catch(() => null);
  if (opened !== null) {
    try {
      return await checkOn(opened, DEFAULT_REGISTRY, todo);
    } finally {
      await opened.close();
    }
  }
  const store = { registryRecords: async () => ({ registries: [], credentials: [] }), registryOf: async () => null };
  const { registries } = createConfiguredRegistries({ registry, dataDir }, { store, guests: null, clock: systemClock });
  const known = await registries.named(DEFAULT_REGISTRY);
  const answer = await known?.client(null).check();
  return answer?.ok === true ? good(`${registry.url} answers`) : bad(answer?.message ?? "it is not known", todo);
}

/** Every credential of it is tried: one that no longer works is not noticed otherwise before the next push. */
async function checkOn(desk: RegistryDesk, name: string, todo: string): Promise<CheckResult> {
  const tested = await desk.test(name);
  if (!tested.ok) return bad(tested.message, todo);
  const wrong = tested.value.filter((one) => !one.ok);
  const url = (await desk.list()).find((one) => one.name === name)?.settings.url ?? name;
  if (wrong.length === 0)
    return good(`${url}: ${tested.value.map(({ what, detail }) => `${what}: ${detail}`).join("; ")}`);
  const todos = [...(todo === "" ? [] : [todo]), ...wrong.map((one) => one.todo)];
  return bad(wrong.map(({ what, detail }) => `${what}: ${detail}`).join("; "), [...new Set(todos)].join("\n"));
}

async function checkBuilder(config: Config): Promise<CheckResult> {
  if (config.builder === "webhook") return good("builders elsewhere claim what there is to build; none is needed here");
  const builder = createConfiguredBuildah(config, { all: async () => [] }, pino({ level: "silent" }));
  const missing = await builder.check();
  if (missing.length === 0) return good(`${builder.name} has what it needs`);
  return bad(
    `${builder.name} lacks ${missing.length === 1 ? "something" : `${missing.length} things`}`,
    missing.join("\n"),
  );
}

async function checkPublicUrl(config: Config): Promise<CheckResult> {
  const { publicUrl, github, bitbucket } = config;
  const url = new URL(publicUrl);
  const webhooks = [
    ...(github === null && (bitbucket.connect || config.githubHosts.length > 0)
      ? []
      : [`GitHub's webhook URL is ${publicUrl}${githubWebhookPath("default")}`]),
    ...config.githubHosts.map(({ host }) => `that of ${host} is ${publicUrl}${githubWebhookPath(host)}`),
    `Bitbucket's webhook URLs are ${publicUrl}/webhooks/bitbucket/… (wharfinger connect bitbucket)`,
    ...(bitbucket.connect ? [`the Connect add-on is at ${publicUrl}/atlassian-connect.json`] : []),
  ].join("; ");
  if (isLoopback(publicUrl))
    return good(`${publicUrl}: only this machine reaches it; hosts need a public address. ${webhooks}`);
  if (url.protocol !== "https:")
    return bad(`${publicUrl} is not https`, "Put a TLS proxy in front and set PUBLIC_URL.");
  return good(webhooks);
}
