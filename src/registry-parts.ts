/** Makes what speaks to registries, the environment's and those that were added. */
import type { BuildRegistry } from "./builders/job.ts";
import type { Config, RegistryConfig } from "./config.ts";
import { DEFAULT_REGISTRY_SETTINGS, imageHost, type RegistrySettings } from "./core/registry-settings.ts";
import { createAccounts } from "./engine/accounts.ts";
import type { Clock } from "./engine/ports.ts";
import { createRegistries, type KnownRegistry, type Registries, type RegistriesOptions } from "./engine/registries.ts";
import type { RegistryStore } from "./engine/registries-port.ts";
import type { RegistryDeskOptions } from "./engine/registry-desk.ts";
import { ensureKeyFile } from "./keys.ts";
import { createRegistryClient } from "./registry/client.ts";
import { createStagingNames } from "./registry/staging.ts";
import { openTokenKeys } from "./registry/token-keys.ts";
import { createTokenService, type TokenService } from "./registry/token-service.ts";
import { createTrustingFetch } from "./registry/trusting-fetch.ts";

type Guests = Pick<Parameters<typeof createAccounts>[0], "store" | "log">;

export interface ConfiguredRegistries {
  readonly registries: Registries;
  /** What registries that trust our tokens send their clients to. */
  readonly tokens: Pick<TokenService, "answer">;
  /** What speaks to registries that are not kept yet. */
  readonly deskParts: Pick<RegistryDeskOptions, "connect" | "staging">;
}

/**
 * `guests` null: nobody but the service itself is let in. Without `signs` nothing is signed either, and what wants our
 * tokens can not be asked: builders need no more than names, certificates and credentials.
 */
export function createConfiguredRegistries(
  config: Pick<Config, "dataDir"> & { readonly registry: RegistryConfig },
  options: {
    readonly store: Pick<RegistryStore, "registryRecords" | "registryOf">;
    readonly guests: Guests | null;
    readonly clock: Clock;
    readonly signs?: boolean;
  },
): ConfiguredRegistries {
  const { store, guests, clock, signs = true } = options;
  const own = ownRegistry(config.registry);
  const openKeys = () => openTokenKeys(config.dataDir, ensureKeyFile, clock.now());
  // At the start, so that the certificates are there for a registry that is set up after it.
  let keys = signs && own.settings.kind === "token" ? openKeys() : null;
  const services = new Map<string, { readonly key: string; readonly service: TokenService }>();

  /** Of a registry that trusts our tokens; the same one as long as its settings are. */
  function serviceOf({ name, settings }: Pick<KnownRegistry, "name" | "settings">): TokenService {
    const key = JSON.stringify(settings);
    const kept = services.get(name);
    if (kept?.key === key) return kept.service;
    const staging = createStagingNames(settings.staging);
    keys ??= openKeys();
    const service = createTokenService({
      issuer: config.registry.tokens.issuer,
      service: tokenServiceName(settings),
      kidFormat: settings.tokenKid,
      keys,
      guests: guests && {
        accounts: createAccounts({ ...guests, registry: name, staging: staging.of, clock }),
        log: guests.log,
      },
      staging,
      clock,
    });
    services.set(name, { key, service });
    return service;
  }

  const connect: RegistriesOptions["connect"] = (registry, credential) => {
    const { settings } = registry;
    const issue = signs && settings.kind === "token" ? { issue: serviceOf(registry).issue } : {};
    const opener = credential ?? { username: null, password: null };
    return createRegistryClient({ url: settings.url, ...opener, ...issue, fetch: createTrustingFetch(settings) });
  };
  const registries = createRegistries({ store, own, staging: createStagingNames, clock, connect });

  return {
    registries,
    deskParts: { connect, staging: createStagingNames },
    tokens: {
      async answer(request) {
        const trusting = (await registries.all()).filter(({ settings }) => settings.kind === "token");
        const wanted = request.query.get("service");
        const found = trusting.find(({ settings }) => tokenServiceName(settings) === wanted);
        // Registries always say which service they want; where none is named, or none of ours, the first says no.
        const registry = found ?? trusting[0];
        if (registry === undefined) return NO_SERVICE;
        return await serviceOf(registry).answer(request);
      },
    },
  };
}

const NO_SERVICE = {
  status: 404,
  body: { errors: [{ code: "UNSUPPORTED", message: "No registry here takes tokens of this service.", detail: null }] },
};

/** What the registry's configuration calls `auth.token.service`. */
export function tokenServiceName(settings: Pick<RegistrySettings, "tokenService" | "url">): string {
  return settings.tokenService ?? imageHost(settings.url);
}

/** The environment's own registry, in the words of the others. */
export function ownRegistry(registry: RegistryConfig): Parameters<typeof createRegistries>[0]["own"] {
  const { url, insecure, credentials, staging, tokens } = registry;
  return {
    settings: {
      ...DEFAULT_REGISTRY_SETTINGS,
      url,
      kind: credentials === null ? "token" : "basic",
      insecure,
      staging,
      tokenService: tokens.service,
      tokenKid: tokens.kid,
    },
    credential: credentials,
  };
}

/** What buildah has to know of the registries: of each its host, what its certificate is worth, and where it leads. */
export async function registriesOfBuilds(
  registries: Pick<Registries, "all">,
  publicUrl: string,
): Promise<readonly BuildRegistry[]> {
  return (await registries.all()).map(({ host, settings, client }) => ({
    name: host,
    insecure: settings.insecure,
    ca: settings.ca,
    async ways(namespace) {
      if (settings.kind === "token") return [new URL(publicUrl).host];
      const place = await client(namespace).signInPlace();
      return place === null ? [] : [place];
    },
  }));
}
