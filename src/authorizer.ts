/** What `approve --actor` asks: the configured hosts, of what people may do. */
import type { OpenAuthorizer } from "./cli/approve.ts";
import type { Config } from "./config.ts";
import { createAuthorizer } from "./engine/authorize.ts";
import type { Clock, Logger } from "./engine/ports.ts";
import { createConfiguredHosts, openConfiguredStore, systemClock } from "./parts.ts";

/** Rejects when the database does not open. */
export async function openAuthorizer(
  config: Config,
  log: Logger,
  clock: Clock = systemClock,
): ReturnType<OpenAuthorizer> {
  const store = await openConfiguredStore(config, clock);
  const { hosts } = createConfiguredHosts(config, { grants: store, log, clock, environment: {} });
  return { ...createAuthorizer({ hosts: hosts.map(({ host }) => host), log }), close: () => store.close() };
}
