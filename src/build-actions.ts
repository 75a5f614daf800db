/** What `trigger`, `retry` and `cancel` work with, on the configured database and with the configured hosts. */
import type { OpenBuilds } from "./cli/builds.ts";
import type { Config } from "./config.ts";
import { createBuildActions } from "./engine/build-actions.ts";
import { createPauses } from "./engine/pauses.ts";
import type { Clock, Logger } from "./engine/ports.ts";
import {
  createConfiguredHosts,
  createConfiguredSigner,
  openConfiguredStore,
  StartError,
  systemClock,
} from "./parts.ts";
import { createConfiguredRegistries } from "./registry-parts.ts";
import { createRequestWriter } from "./request-writer.ts";

/** Rejects when the database does not open, or when no registry is configured. */
export async function openBuilds(config: Config, log: Logger, clock: Clock = systemClock): Promise<OpenBuilds> {
  const { registry } = config;
  if (registry === null) throw new StartError(["REGISTRY_URL is not set."]);
  const store = await openConfiguredStore(config, clock);
  const { hosts } = createConfiguredHosts(config, { grants: store, log, clock, environment: {} });
  const { registries } = createConfiguredRegistries({ ...config, registry }, { store, guests: null, clock });
  const signer = createConfiguredSigner(config.dataDir);
  const actions = createBuildActions({
    store,
    hosts: hosts.map(({ host }) => host),
    pauses: createPauses(clock),
    clock,
    write: createRequestWriter(registries, signer, config.builds),
    async prepare() {
      // The folder may be another one than the server's, and with it the key.
      await store.saveRequestKey(signer);
      await registries.refresh();
    },
    // A server that runs looks every second.
    onOrdered: () => undefined,
    onChange: () => undefined,
  });
  return {
    ...actions,
    findRepositories: (name) => store.findRepositories(name),
    getBuild: (id) => store.getBuild(id),
    close: () => store.close(),
  };
}
