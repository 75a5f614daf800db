import { createPrivateKey, generateKeyPairSync, sign } from "node:crypto";
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
const privateKey = key();
const signer = createRequestSigner(privateKey);
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
  /** A document of any content with our good signature. */
  const bySigner = (document: string): SignedRequest => {
    const signature = sign(null, Buffer.from(document, "utf8"), createPrivateKey(privateKey)).toString("base64");
    return { document, digest: digestOf(document), keyId: signer.keyId, signature };
  };
  it.each<[string, SignedRequest, string]>([
    ["changed", { ...signed, document: tampered, digest: digestOf(tampered) }, "signature"],
    ["changed by one space", { ...signed, document: `${signed.document} ` }, "signature"],
    ["signed by somebody else", other.sign(request), "a key this builder does not know"],
    ["signed by somebody else under our key's name", { ...other.sign(request), keyId: signer.keyId }, "signature"],
    ["of another digest", { ...signed, digest: digestOf("something else") }, "digest"],
    ["without signature", { ...signed, signature: "" }, "signature"],
    ["not JSON, though signed by us", bySigner(`${signed.document},`), "not JSON"],
    ["nothing, though signed by us", bySigner(""), "not JSON"],
    [
      "of another version, though signed by us",
      signer.sign({ ...request, version: 2 as unknown as 1 }),
      "not of version 1",
    ],
  ])("is refused when it is %s", (_what, bad, why) => {
    expect(() => verify(bad)).toThrow(RequestRefused);
    expect(() => verify(bad)).toThrow(expect.objectContaining({ name: "RequestRefused" }));
    expect(() => verify(bad)).toThrow(why);
  });

  it("names its key by the key, in 16 hexadecimal digits", () => {
    expect(signer.keyId).toMatch(/^[0-9a-f]{16}$/);
    expect(createRequestSigner(privateKey).keyId).toBe(signer.keyId);
  });

  it("is made with nothing but an Ed25519 key", () => {
    const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
    expect(() => createRequestSigner(rsa.export({ type: "pkcs8", format: "pem" }).toString())).toThrow("Ed25519");
  });
});
