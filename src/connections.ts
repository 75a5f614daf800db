/** The connections of Bitbucket that `connect` and `doctor` look after, on the configured database. */
import { createConnections } from "./bitbucket/connections.ts";
import { createConfiguredAccess } from "./bitbucket-parts.ts";
import type { Config } from "./config.ts";
import type { OpenConnections } from "./engine/connections-port.ts";
import type { Clock } from "./engine/ports.ts";
import { openConfiguredStore, systemClock } from "./parts.ts";

/** Rejects when the database does not open. */
export async function openConnections(config: Config, clock: Clock = systemClock): Promise<OpenConnections> {
  const store = await openConfiguredStore(config, clock);
  const access = createConfiguredAccess(config.bitbucket, { grants: store, clock });
  const connections = createConnections({
    access,
    grants: store,
    publicUrl: config.publicUrl,
    clock,
    by: { kind: "operator" },
  });
  return { ...connections, close: () => store.close() };
}
