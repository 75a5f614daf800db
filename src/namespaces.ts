/** What is decided about namespaces on the command line, on the configured database. */
import type { OpenNamespaces } from "./cli/namespace.ts";
import type { Config } from "./config.ts";
import { createNamespaceDesk } from "./engine/namespace-desk.ts";
import type { Clock, Logger } from "./engine/ports.ts";
import { openConfiguredStore, systemClock } from "./parts.ts";
import { createConfiguredRegistries } from "./registry-parts.ts";

/** Rejects when the database does not open. No registry is asked anything. */
export async function openNamespaces(
  { registry, ...config }: Config,
  log: Logger,
  clock: Clock = systemClock,
): Promise<OpenNamespaces> {
  if (registry === null) throw new Error("No registry is configured. Set REGISTRY_URL.");
  const store = await openConfiguredStore({ ...config, registry }, clock);
  const options = { store, guests: null, clock, signs: false };
  const { registries } = createConfiguredRegistries({ ...config, registry }, options);
  const desk = createNamespaceDesk({ store, registries, policy: config.namespaces, clock, log });
  const { listInstallations } = store;
  return { ...desk, listInstallations, close: () => store.close() };
}
