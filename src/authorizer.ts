/** What `approve --actor` asks: the configured hosts, of what people may do. */
import pino from "pino";
import type { OpenAuthorizer } from "./cli/approve.ts";
import type { Config } from "./config.ts";
import { createAuthorizer } from "./engine/authorize.ts";
import { createConfiguredHosts, openConfiguredStore, systemClock } from "./parts.ts";

/** Rejects when the database does not open. */
export async function openAuthorizer(config: Config): ReturnType<OpenAuthorizer> {
  const store = await openConfiguredStore(config);
  // Whoever asks is told what came of it; a log would get into what the command prints.
  const log = pino({ level: "silent" });
  const { hosts } = createConfiguredHosts(config, { grants: store, log, clock: systemClock, environment: {} });
  return { ...createAuthorizer({ hosts: hosts.map(({ host }) => host), log }), close: () => store.close() };
}
