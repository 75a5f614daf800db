/** What `pause` and `resume` work with, on the configured database and with the configured hosts. */
import type { OpenPausing } from "./cli/pause.ts";
import type { Config } from "./config.ts";
import { createPauses } from "./engine/pauses.ts";
import type { Clock, Logger } from "./engine/ports.ts";
import { createReplay } from "./engine/replay.ts";
import { createConfiguredHosts, openConfiguredStore, systemClock } from "./parts.ts";

/** Rejects when the database does not open. */
export async function openPausing(config: Config, log: Logger, clock: Clock = systemClock): Promise<OpenPausing> {
  const store = await openConfiguredStore(config, clock);
  const { hosts } = createConfiguredHosts(config, { grants: store, log, clock, environment: {} });
  const parts = { store, hosts: hosts.map(({ host }) => host), pauses: createPauses(clock), clock, log };
  return { ...store, preview: createReplay(parts).preview };
}
