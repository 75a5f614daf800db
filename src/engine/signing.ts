/** Signs and checks build requests, so that whoever builds can tell what the service asked for from anything else. */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import {
  type BuildRequest,
  BuildRequestSchema,
  canonicalJson,
  digestOf,
  type SignedRequest,
} from "../core/build-request.ts";

export interface RequestSigner {
  readonly keyId: string;
  /** PEM, SPKI. */
  readonly publicKey: string;
  sign(request: BuildRequest): SignedRequest;
}

/** `privateKey`: an Ed25519 key as PEM. Throws on any other. */
export function createRequestSigner(privateKey: string): RequestSigner {
  const key = createPrivateKey(privateKey);
  if (key.asymmetricKeyType !== "ed25519") throw new Error("build requests are signed with an Ed25519 key");
  const publicKey = createPublicKey(key);
  const keyId = keyIdOf(publicKey);
  return {
    keyId,
    publicKey: publicKey.export({ type: "spki", format: "pem" }).toString(),
    sign(request) {
      const document = canonicalJson(request);
      const signature = sign(null, Buffer.from(document, "utf8"), key).toString("base64");
      return { document, digest: digestOf(document), keyId, signature };
    },
  };
}

/** What is wrong with a signed request: then nothing of it may be acted on. */
export class RequestRefused extends Error {
  constructor(message: string) {
    super(message);
    this.name = "RequestRefused";
  }
}

/**
 * Reads requests signed with one of these public keys (PEM). The function throws {@link RequestRefused} for any other, and
 * looks at nothing in the document before its signature was found good.
 */
export function createRequestVerifier(publicKeys: readonly string[]): (signed: SignedRequest) => BuildRequest {
  const keys = new Map(publicKeys.map((pem) => createPublicKey(pem)).map((key) => [keyIdOf(key), key]));
  return ({ document, digest, keyId, signature }) => {
    const key = keys.get(keyId);
    if (key === undefined)
      throw new RequestRefused("The build request is signed with a key this builder does not know.");
    if (!verify(null, Buffer.from(document, "utf8"), key, Buffer.from(signature, "base64"))) {
      throw new RequestRefused("The signature of the build request is wrong.");
    }
    if (digestOf(document) !== digest) throw new RequestRefused("The digest of the build request is wrong.");
    return parse(document);
  };
}

function parse(document: string): BuildRequest {
  let value: unknown;
  try {
    value = JSON.parse(document);
  } catch {
    throw new RequestRefused("The build request is not JSON.");
  }
  const parsed = BuildRequestSchema.safeParse(value);
  if (!parsed.success) throw new RequestRefused("The build request is not of version 1.");
  return parsed.data;
}

/** The first 16 hex digits of the SHA-256 of the public key (SPKI, DER). */
function keyIdOf(publicKey: KeyObject): string {
  return createHash("sha256")
    .update(publicKey.export({ type: "spki", format: "der" }))
    .digest("hex")
    .slice(0, 16);
}
