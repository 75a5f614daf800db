/** Makes the parts a configuration asks for. */
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createBuildahBuilder } from "./builders/buildah.ts";
import { type Config, ensureSecretKey, type GithubConfig, type RegistryConfig } from "./config.ts";
import type { Clock, Logger, Registry } from "./engine/ports.ts";
import { createRequestSigner, type RequestSigner } from "./engine/signing.ts";
import type { Store } from "./engine/store-port.ts";
import { createGithubAccess } from "./github/access.ts";
import { createGithubEntrance } from "./github/entrance.ts";
import { createGithubHost } from "./github/host.ts";
import { createGithubReporter } from "./github/reporter.ts";
import { ensureKeyFile } from "./keys.ts";
import { createRegistryClient } from "./registry/client.ts";
import type { HostParts, Parts } from "./server.ts";
import { createLogStore } from "./store/logs.ts";
import { openStore } from "./store/store.ts";
import { createVault } from "./store/vault.ts";

export const systemClock: Clock = { now: () => Date.now() };

/** Path of the default GitHub host's webhook, below PUBLIC_URL. */
export const GITHUB_WEBHOOK_PATH = "/webhooks/github";

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
 * Everything `start` needs. Throws {@link StartError} with every reason it can not: nothing is left open then.
 * The database must have the current schema.
 */
export async function createParts(config: Config, log: Logger, clock: Clock = systemClock): Promise<Parts> {
  const { github, registry } = config;
  if (github === null || registry === null) throw new StartError(["A GitHub App and a registry must be configured."]);
  // Whatever is the first to make it: what builds and pushes leave there is for this user only.
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
  const builder = createBuildahBuilder({
    workDir: join(config.dataDir, "builder"),
    registry: { name: registry.name, insecure: registry.insecure },
    log,
  });
  const missing = await builder.check();
  if (missing.length > 0) throw new StartError(missing);
  return {
    store: await openConfiguredStore(config, clock),
    logs: createLogStore(join(config.dataDir, "logs"), log),
    registry: createConfiguredRegistry(registry),
    registryCredentials: registry.credentials,
    staging: stagingOf(registry.staging),
    signer: createConfiguredSigner(config.dataDir),
    builder,
    hosts: [createGithubParts(github, log, clock)],
    clock,
    log,
  };
}

/** Rejects when the schema is not current, or when SECRET_KEY is not the one the database was begun with. */
export function openConfiguredStore(config: Config, clock: Clock = systemClock): Promise<Store> {
  const keys = [config.secretKey ?? ensureSecretKey(config.dataDir), config.secretKeyPrevious];
  const vault = createVault(keys.filter((key) => key !== null));
  return openStore({ url: config.databaseUrl, clock, vault });
}

const REQUEST_KEY = "build-request.key";

/** Signs build requests with the key in the data folder, made there at the first start. */
export function createConfiguredSigner(dataDir: string): RequestSigner {
  const make = () => generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  return createRequestSigner(ensureKeyFile(dataDir, REQUEST_KEY, make));
}

/** Where a build pushes to, by REGISTRY_STAGING. */
export function stagingOf(template: string): Parts["staging"] {
  return template.includes("{build}")
    ? (buildId) => ({ repository: template.replaceAll("{build}", buildId), tag: "build" })
    : (buildId) => ({ repository: template, tag: buildId });
}

export function createConfiguredRegistry(registry: RegistryConfig): Registry {
  return createRegistryClient({
    url: registry.url,
    username: registry.credentials?.username ?? null,
    password: registry.credentials?.password ?? null,
  });
}

export function createGithubParts(github: GithubConfig, log: Logger, clock: Clock): HostParts {
  const access = createGithubAccess({
    host: "default",
    appId: github.appId,
    privateKey: github.privateKey,
    apiUrl: github.apiUrl,
    clock,
  });
  return {
    entrance: createGithubEntrance({
      path: GITHUB_WEBHOOK_PATH,
      host: "default",
      secrets: github.webhookSecrets,
      appId: github.appId,
      clock,
    }),
    host: createGithubHost({ access, webUrl: github.url, log }),
    reporter: createGithubReporter({ access }),
  };
}
