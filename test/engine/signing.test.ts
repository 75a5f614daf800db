import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import { buildRequest, canonicalJson, digestOf, type SignedRequest } from "../../src/core/build-request.ts";
import { createRequestSigner, createRequestVerifier, RequestRefused } from "../../src/engine/signing.ts";
import { buildOf } from "./fakes.ts";

function key(): string {
  return generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

const request = buildRequest(
  buildOf(),
  { actor: null, configDigest: null },
  {
    registry: "registry.test",
    network: "none",
    limits: { seconds: 1, memoryBytes: 1, logBytes: 1 },
    staging: (id) => ({ repository: `staging/${id}`, tag: "build" }),
  },
);
const signer = createRequestSigner(key());
const verify = createRequestVerifier([signer.publicKey]);
const signed = signer.sign(request);

describe("a signed request", () => {
  it("is read by whoever has the public key", () => {
    expect(verify(signed)).toEqual(request);
    expect(signed).toMatchObject({ document: canonicalJson(request), digest: digestOf(signed.document) });
  });

  it("is read with the next key beside the last one", () => {
    const next = createRequestSigner(key());
    const both = createRequestVerifier([signer.publicKey, next.publicKey]);
    expect([both(signed), both(next.sign(request))]).toEqual([request, request]);
    expect(next.keyId).not.toBe(signer.keyId);
  });

  const tampered = signed.document.replace("refs/heads/main", "refs/heads/evil");
  const other = createRequestSigner(key());
  it.each<[string, SignedRequest]>([
    ["changed", { ...signed, document: tampered, digest: digestOf(tampered) }],
    ["changed by one space", { ...signed, document: `${signed.document} ` }],
    ["signed by somebody else", other.sign(request)],
    ["signed by somebody else under our key's name", { ...other.sign(request), keyId: signer.keyId }],
    ["of another digest", { ...signed, digest: digestOf("something else") }],
    ["without signature", { ...signed, signature: "" }],
    ["of another version, though signed by us", signer.sign({ ...request, version: 2 as unknown as 1 })],
  ])("is refused when it is %s", (_what, bad) => {
    expect(() => verify(bad)).toThrow(RequestRefused);
  });

  it("is made with nothing but an Ed25519 key", () => {
    const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
    expect(() => createRequestSigner(rsa.export({ type: "pkcs8", format: "pem" }).toString())).toThrow("Ed25519");
  });
});
