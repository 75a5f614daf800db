/** A real Docker registry that takes tokens of a token service instead of passwords. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startRegistry, type TestRegistry } from "./registry.ts";

export interface TokenRegistryOptions {
  /** Certificates it trusts, PEM. It reads them once, when it starts. */
  readonly certificates: string;
  /** Address of the token service, as clients are told. */
  readonly realm: string;
  readonly issuer: string;
  readonly service: string;
  /** Where to send notifications; left out: nowhere. */
  readonly events?: { readonly url: string; readonly secret: string };
  readonly port?: number;
  readonly ownGroup?: boolean;
}

export async function startTokenRegistry(options: TokenRegistryOptions): Promise<TestRegistry> {
  const folder = await mkdtemp(join(tmpdir(), "wharfinger-certificates-"));
  const rootcertbundle = join(folder, "registry-token.crt");
  await writeFile(rootcertbundle, options.certificates);
  const { realm, issuer, service, events, port, ownGroup } = options;
  const endpoint = events && {
    name: "wharfinger",
    url: events.url,
    headers: { Authorization: [`Bearer ${events.secret}`] },
    timeout: "1s",
    threshold: 5,
    backoff: "100ms",
  };
  const registry = await startRegistry({
    ...(port !== undefined && { port }),
    ...(ownGroup !== undefined && { ownGroup }),
    config: {
      auth: { token: { realm, issuer, service, rootcertbundle } },
      ...(endpoint && { notifications: { endpoints: [endpoint] } }),
    },
  });
  return {
    ...registry,
    async stop() {
      await registry.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
