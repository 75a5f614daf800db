/** Makes the parts a configuration asks for. */
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type BitbucketOptions, createBitbucketParts } from "./bitbucket-parts.ts";
import { createBuildahBuilder } from "./builders/buildah.ts";
import { createOfferSender } from "./builders/webhook.ts";
import { type Config, type GithubConfig, githubApps, type RegistryConfig, secretKeys } from "./config.ts";
import { githubWebhookPath } from "./config-github.ts";
import type { Builder, Clock, Logger, LogStore } from "./engine/ports.ts";
import type { Registries } from "./engine/registries.ts";
import { createRegistryDesk } from "./engine/registry-desk.ts";
import { createRequestSigner, type RequestSigner } from "./engine/signing.ts";
import { createRefReader } from "./git/refs.ts";
import { createGithubAccess } from "./github/access.ts";
import { createGithubEntrance } from "./github/entrance.ts";
import { createGithubHost } from "./github/host.ts";
import { createInstallPage } from "./github/install-page.ts";
import { createMissedDeliveries } from "./github/missed.ts";
import { createGithubPermissionBook } from "./github/permission-book.ts";
import { createGithubReporter } from "./github/reporter.ts";
import { ensureKeyFile } from "./keys.ts";
import { createNotifiers } from "./notifiers.ts";
import { createStagingNames, type StagingNames } from "./registry/staging.ts";
import { SERVICE_USER } from "./registry/token-service.ts";
import { createConfiguredRegistries, registriesOfBuilds } from "./registry-parts.ts";
import type { HostParts, Parts } from "./server-parts.ts";
import { createIdentities } from "./sign-in-parts.ts";
import { createLogStore } from "./store/logs.ts";
import { type OpenedStore, openStore } from "./store/store.ts";
import { createVault } from "./store/vault.ts";
import type { PushEvent } from "./web/registry.ts";
import type { WorkerParts } from "./worker.ts";

export const systemClock: Clock = { now: () => Date.now() };

/** The instance can not start; each line says what is wrong and what to do. */
export class StartError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.name = "StartError";
    this.problems = problems;
  }
}

/**
 * Everything `start` needs; without `builds` what `serve` does. Throws {@link StartError} with every reason it can not: nothing is left open then.
 * The database must have the current schema.
 */
export async function createParts(
  config: Config,
  log: Logger,
  {
    builds = true,
    clock = systemClock,
    environment = {},
  }: {
    readonly builds?: boolean;
    readonly clock?: Clock;
    readonly environment?: Readonly<Record<string, string | undefined>>;
  } = {},
): Promise<Parts> {
  const registry = demandRegistry(config);
  // Whatever is the first to make it: what builds and pushes leave there is for this user only.
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
  const buildsHere = builds && config.builder === "buildah";
  if (buildsHere) await demandBuildah(config, log);
  const store = await openConfiguredStore(config, clock);
  // Who has all it needs is set up: without these variables it is misconfigured from now on, and no first run.
  await store.finishSetup({ kind: "service" });
  const guests = { store, log };
  const configuredRegistries = createConfiguredRegistries({ ...config, registry }, { store, guests, clock });
  const { tokens, registries, deskParts } = configuredRegistries;
  const outsideBuilders = config.builder === "webhook";
  const staging = createStagingNames(registry.staging);
  const { eventsSecret } = registry;
  return {
    store,
    logs: logsOf(store, config, log),
    registries,
    registryDesk: createRegistryDesk({ ...deskParts, store, registries, outsideBuilders }),
    registryDoors: {
      tokens,
      events:
        eventsSecret === null
          ? null
          : {
              secret: eventsSecret,
              buildAt: staging.buildAt,
              onPush: async (event) => noticePush(event, staging, log),
            },
    },
    signer: createConfiguredSigner(config.dataDir),
    builder: buildsHere ? createConfiguredBuildah(config, registries, log) : null,
    ...createConfiguredHttpBuilders(config, clock),
    notifiers: createNotifiers(config.notices),
    ...createConfiguredHosts(config, { grants: store, log, clock, environment }),
    connections: store.listConnections,
    identities: createIdentities(config, { grants: store, clock, log }),
    clock,
    log,
  };
}

/** Each host that is configured; Bitbucket always is, as far as connections go. */
export function createConfiguredHosts(
  { bitbucket, publicUrl, ...config }: Pick<Config, "github" | "githubHosts" | "bitbucket" | "publicUrl">,
  given: Omit<BitbucketOptions, "publicUrl">,
): Required<Pick<Parts, "hosts" | "addon">> {
  const { addon, ...parts } = createBitbucketParts(bitbucket, { ...given, publicUrl });
  const github = githubApps(config).map((one) => createGithubParts(one, given.log, given.clock));
  return { hosts: [...github, parts], addon };
}

function createConfiguredHttpBuilders({ httpBuilders }: Config, clock: Clock): Pick<Parts, "httpBuilders"> {
  if (httpBuilders === null) return {};
  const { token, urls, webhookSecrets: secrets } = httpBuilders;
  return { httpBuilders: { token, urls, sender: createOfferSender({ secrets, clock }) } };
}

/** Everything `work` needs: no key that signs anything is among it. Throws as {@link createParts} does. */
export async function createWorkerParts(config: Config, log: Logger, clock: Clock = systemClock): Promise<WorkerParts> {
  const registry = demandRegistry(config);
  if (config.builder === "webhook") {
    throw new StartError(["BUILDER is webhook: builders claim from `serve`, and `work` has nothing to do."]);
  }
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
  await demandBuildah(config, log);
  const store = await openConfiguredStore(config, clock);
  const options = { store, guests: null, clock, signs: false };
  const { registries } = createConfiguredRegistries({ ...config, registry }, options);
  return {
    store,
    logs: logsOf(store, config, log),
    builder: createConfiguredBuildah(config, registries, log),
    hosts: createConfiguredHosts(config, { grants: store, log, clock, environment: {} }).hosts,
    registries,
    requestKeys: async () => (await store.requestKeys()).map((key) => key.publicKey),
    clock,
    log,
  };
}

/** Whether there is a host to hear from is known before (`startProblems`): connections of Bitbucket are in the database. */
function demandRegistry({ registry }: Config): RegistryConfig {
  if (registry === null) throw new StartError(["A registry must be configured."]);
  return registry;
}

export function createConfiguredBuildah(
  { dataDir, publicUrl, builds }: Pick<Config, "dataDir" | "publicUrl" | "builds">,
  registries: Pick<Registries, "all">,
  log: Logger,
): Builder {
  const { network, diskBytes, cpus, resolver } = builds;
  return createBuildahBuilder({
    workDir: join(dataDir, "builder"),
    registries: () => registriesOfBuilds(registries, publicUrl),
    network,
    diskBytes,
    ...(cpus === null ? {} : { cpus }),
    ...(resolver === null ? {} : { resolver }),
    log,
  });
}

/** Throws a {@link StartError} with all that is missing to build here. */
async function demandBuildah(config: Config, log: Logger): Promise<void> {
  const missing = await createConfiguredBuildah(config, { all: async () => [] }, log).check();
  if (missing.length > 0) throw new StartError(missing);
}

/** Files where one process works; in the database where several do, which all show them. */
function logsOf(store: OpenedStore, config: Config, log: Logger): LogStore {
  return store.logs ?? createLogStore(join(config.dataDir, "logs"), log);
}

/** Rejects when the schema is not current, or when SECRET_KEY is not the one the database was begun with. */
export function openConfiguredStore(config: Config, clock: Clock = systemClock): Promise<OpenedStore> {
  const vault = createVault(secretKeys(config), () => secretKeys(config));
  return openStore({ url: config.databaseUrl, clock, vault });
}

export const REQUEST_KEY_FILE = "build-request.key";

export function newRequestKey(): string {
  return generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

/** Signs build requests with the key in the data folder, made there at the first start. */
export function createConfiguredSigner(dataDir: string): RequestSigner {
  return createRequestSigner(ensureKeyFile(dataDir, REQUEST_KEY_FILE, newRequestKey));
}

/** The service publishes by copying; others push with access tokens, to images no repository owns. */
function noticePush(event: PushEvent, staging: StagingNames, log: Logger): void {
  const { repository, tag, digest, buildId: build, actor } = event;
  const fields = { repository, tag, digest, actor };
  if (staging.has(repository)) log.info({ ...fields, build }, "the registry has a staged image");
  else if (actor === SERVICE_USER) log.info(fields, "the registry has a published image");
  else if (actor?.startsWith("whf_")) log.info(fields, "somebody has pushed with an access token");
  else log.warn(fields, "somebody else has pushed to the registry");
}

export function createGithubParts(github: Omit<GithubConfig, "privateKeyPath">, log: Logger, clock: Clock): HostParts {
  const { host, appId, privateKey, apiUrl } = github;
  const access = createGithubAccess({ host, appId, privateKey, apiUrl, clock });
  return {
    entrances: [
      createGithubEntrance({
        path: githubWebhookPath(host),
        host,
        secrets: github.webhookSecrets,
        appId,
        clock,
      }),
    ],
    host: createGithubHost({ access, webUrl: github.url, log }),
    reporter: createGithubReporter({ access }),
    installPage: createInstallPage(access),
    permissions: createGithubPermissionBook(github.url),
    missed: createMissedDeliveries(access, clock),
    refs: createRefReader({ told: "object" }),
    budgets: async ({ id }) => [access.rateOf(id)].filter((known) => known !== null),
  };
}
