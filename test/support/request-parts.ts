import { generateKeyPairSync } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createRequestSigner } from "../../src/engine/signing.ts";
import type { Parts } from "../../src/server-parts.ts";

/**
 * What a server signs requests with, for tests in which nobody has to sign in to the registry. The key is a new
 * one, or the one that an earlier process left in the file.
 */
export function requestParts(keyFile?: string): Pick<Parts, "registryDoors" | "signer"> {
  const privateKey = keyFile !== undefined && existsSync(keyFile) ? readFileSync(keyFile, "utf8") : newKey();
  if (keyFile !== undefined) writeFileSync(keyFile, privateKey, { mode: 0o600 });
  return {
    registryDoors: { tokens: null, events: null },
    signer: createRequestSigner(privateKey),
  };
}

function newKey(): string {
  return generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}
