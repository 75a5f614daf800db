/** The program and a registry that trusts it, set up in the order an operator would: the program makes the certificate. */
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ensureKeyFile } from "../../src/keys.ts";
import { createRegistryClient, type RegistryClient } from "../../src/registry/client.ts";
import type { IssueToken } from "../../src/registry/sign-in.ts";
import { createStagingNames } from "../../src/registry/staging.ts";
import { openTokenKeys } from "../../src/registry/token-keys.ts";
import { createTokenService } from "../../src/registry/token-service.ts";
import { freePort } from "./free-port.ts";
import { type Program, type ProgramOptions, startProgram } from "./program.ts";
import type { TestRegistry } from "./registry.ts";
import { startTokenRegistry } from "./token-registry.ts";

export interface TokenProgram {
  readonly program: Program;
  readonly registry: TestRegistry;
  /** Tokens with which the test is the service itself: it may do everything. */
  readonly issue: IssueToken;
  readonly client: RegistryClient;
  stop(): Promise<void>;
}

/** Default of `REGISTRY_TOKEN_ISSUER`. */
const ISSUER = "wharfinger";

export async function startTokenProgram(options: Omit<ProgramOptions, "registry">): Promise<TokenProgram> {
  const port = await freePort();
  const name = `127.0.0.1:${port}`;
  const url = `http://${name}`;
  const secret = randomBytes(24).toString("base64url");
  const program = await startProgram({
    ...options,
    registry: { url, username: null, password: null },
    env: { REGISTRY_EVENTS_SECRET: secret, ...options.env },
  });
  const startIt = async () =>
    startTokenRegistry({
      certificates: await readFile(join(options.dataDir, "registry-token.crt"), "utf8"),
      realm: `${program.url}/registry/token`,
      issuer: ISSUER,
      service: name,
      events: { url: `${program.url}/registry/events`, secret },
      port,
      ...(options.ownGroup !== undefined && { ownGroup: options.ownGroup }),
    });
  const registry = await startIt().catch(async (error: unknown) => {
    await program.stop();
    throw error;
  });
  const { issue } = createTokenService({
    issuer: ISSUER,
    service: name,
    keys: openTokenKeys(options.dataDir, ensureKeyFile, Date.now()),
    guests: null,
    staging: createStagingNames("staging/{build}"),
    clock: Date,
  });
  return {
    program,
    registry,
    issue,
    client: createRegistryClient({ url, username: null, password: null, issue }),
    async stop() {
      await program.stop();
      await registry.stop();
    },
  };
}
