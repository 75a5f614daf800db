import { generateKeyPairSync } from "node:crypto";
import { createRequestSigner } from "../../src/engine/signing.ts";
import { createStagingNames } from "../../src/registry/staging.ts";
import type { Parts } from "../../src/server.ts";

/** What a server signs requests with and where its builds push, for tests in which nobody has to sign in. */
export function requestParts(): Pick<Parts, "registryCredentials" | "registryDoors" | "staging" | "signer"> {
  const { privateKey } = generateKeyPairSync("ed25519");
  return {
    registryCredentials: null,
    registryDoors: { tokens: null, events: null },
    staging: createStagingNames("staging/{build}").of,
    signer: createRequestSigner(privateKey.export({ type: "pkcs8", format: "pem" }).toString()),
  };
}
