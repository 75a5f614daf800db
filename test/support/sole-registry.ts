import { ok } from "../../src/core/model.ts";
import { DEFAULT_REGISTRY_SETTINGS } from "../../src/core/registry-settings.ts";
import type { Registry } from "../../src/engine/ports.ts";
import { createRegistries, type Registries, type RegistryCredential } from "../../src/engine/registries.ts";
import { createStagingNames } from "../../src/registry/staging.ts";

/** An instance whose images all go to this one registry, which is the environment's. */
export function soleRegistry(registry: Registry, credential: RegistryCredential | null = null): Registries {
  return createRegistries({
    store: { registryRecords: async () => ({ registries: [], credentials: [] }), registryOf: async () => "default" },
    own: {
      settings: {
        ...DEFAULT_REGISTRY_SETTINGS,
        url: `http://${registry.name}`,
        insecure: true,
        kind: credential === null ? "token" : "basic",
      },
      credential,
    },
    connect: () => ({ ...registry, mayPush: async () => ok(true), signInPlace: async () => null }),
    staging: createStagingNames,
    clock: Date,
  });
}
