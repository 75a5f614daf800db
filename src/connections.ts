/** The connections of Bitbucket that `connect` and `doctor` look after, on the configured database. */
import { type BitbucketAccess, createBitbucketAccess } from "./bitbucket/access.ts";
import { createConnections } from "./bitbucket/connections.ts";
import type { Config } from "./config.ts";
import type { OpenConnections } from "./engine/connections-port.ts";
import type { GrantStore } from "./engine/grants-port.ts";
import type { Clock } from "./engine/ports.ts";
import { openConfiguredStore, systemClock } from "./parts.ts";

/** The way to the configured Bitbucket. Signed webhooks are served whether or not the Connect add-on is. */
export function createConfiguredAccess(
  { bitbucket }: Pick<Config, "bitbucket">,
  grants: Pick<GrantStore, "connectClientsOf" | "connectionsOf">,
  clock: Clock = systemClock,
): BitbucketAccess {
  const { url: webUrl, apiUrl, appKey, appSecret } = bitbucket;
  return createBitbucketAccess({ host: "default", webUrl, apiUrl, appKey, appSecret, grants, clock });
}

/** Rejects when the database does not open. */
export async function openConnections(config: Config, clock: Clock = systemClock): Promise<OpenConnections> {
  const store = await openConfiguredStore(config, clock);
  const access = createConfiguredAccess(config, store, clock);
  const connections = createConnections({ access, grants: store, publicUrl: config.publicUrl, clock });
  return { ...connections, close: () => store.close() };
}
