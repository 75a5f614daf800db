/** Writes and signs the documents that builders get, for whoever records builds. */
import type { Config } from "./config.ts";
import { buildRequest } from "./core/build-request.ts";
import { namespaceOf } from "./core/registry-settings.ts";
import type { Registries } from "./engine/registries.ts";
import type { RequestSigner } from "./engine/signing.ts";
import type { RequestWriter } from "./engine/store-port.ts";

export function createRequestWriter(
  registries: Pick<Registries, "known">,
  signer: RequestSigner,
  builds: Pick<Config["builds"], "network" | "timeoutSeconds" | "memoryBytes" | "logBytes">,
): RequestWriter {
  const { network, timeoutSeconds: seconds, memoryBytes, logBytes } = builds;
  const settings = { network, limits: { seconds, memoryBytes, logBytes } };
  return (build, origin) => {
    // In a transaction, where nobody else is asked: who throws here is called again, and then it is known.
    const registry = registries.known(build.registry);
    if (registry === null) throw new Error(`the registry ${build.registry} is not known yet`);
    const staging = (id: string) => registry.staging.of(id, namespaceOf(build.image));
    return signer.sign(buildRequest(build, origin, { ...settings, registry: registry.host, staging }));
  };
}
