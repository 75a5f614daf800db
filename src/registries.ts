/** Registries and what opens them, as `registry` and `doctor` look after them, on the configured database. */
import type { OpenRegistryDesk } from "./cli/registry.ts";
import type { Config } from "./config.ts";
import type { Clock } from "./engine/ports.ts";
import { createRegistryDesk } from "./engine/registry-desk.ts";
import { openConfiguredStore, StartError, systemClock } from "./parts.ts";
import { createConfiguredRegistries } from "./registry-parts.ts";

/** Rejects when the database does not open, or when no registry is configured. */
export async function openRegistries(config: Config, clock: Clock = systemClock): Promise<OpenRegistryDesk> {
  const { registry } = config;
  if (registry === null) throw new StartError(["REGISTRY_URL is not set."]);
  const store = await openConfiguredStore(config, clock);
  const { registries, deskParts } = createConfiguredRegistries({ ...config, registry }, { store, guests: null, clock });
  const desk = createRegistryDesk({ ...deskParts, store, registries, outsideBuilders: config.builder === "webhook" });
  return { ...desk, close: () => store.close() };
}
