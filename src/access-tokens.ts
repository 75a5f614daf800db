/** Access tokens as the command line makes them, on the configured database. */
import type { OpenTokens } from "./cli/token.ts";
import type { Config } from "./config.ts";
import { createAccessTokens } from "./engine/access-tokens.ts";
import type { Clock } from "./engine/ports.ts";
import { openConfiguredStore, systemClock } from "./parts.ts";
import { createConfiguredRegistries } from "./registry-parts.ts";

/** Rejects when the database does not open. No registry is asked anything. */
export async function openTokens({ registry, ...config }: Config, clock: Clock = systemClock): Promise<OpenTokens> {
  if (registry === null) throw new Error("No registry is configured. Set REGISTRY_URL.");
  const store = await openConfiguredStore({ ...config, registry }, clock);
  const options = { store, guests: null, clock, signs: false };
  const { registries } = createConfiguredRegistries({ ...config, registry }, options);
  return { ...createAccessTokens({ store, registries, clock }), close: () => store.close() };
}
