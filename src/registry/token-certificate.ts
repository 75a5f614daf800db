import { type KeyObject, randomBytes, sign } from "node:crypto";

/**
 * A self-signed X.509 certificate (RFC 5280) for a P-256 key, as PEM. Registries trust the key inside; nothing else in it
 * is looked at but that it is in force, so it never expires: a date would only be the day on which all pulls stop.
 *
 * @param notBefore milliseconds since 1970
 */
export function selfSignedCertificate(
  keys: { readonly privateKey: KeyObject; readonly publicKey: KeyObject },
  name: string,
  notBefore: number,
): string {
  const issuer = sequence(set(sequence(OID_COMMON_NAME, der(0x0c, Buffer.from(name, "utf8")))));
  const body = sequence(
    der(0xa0, integer(Buffer.of(2))), // version 3
    integer(randomBytes(16)),
    sequence(OID_ECDSA_WITH_SHA256),
    issuer,
    sequence(time(notBefore), der(0x18, Buffer.from("99991231235959Z"))), // RFC 5280, 4.1.2.5: no end
    issuer, // the subject
    keys.publicKey.export({ type: "spki", format: "der" }),
    der(
      0xa3,
      sequence(
        critical(OID_BASIC_CONSTRAINTS, sequence()), // no authority: it signs no certificates
        critical(OID_KEY_USAGE, der(0x03, Buffer.of(7, 0b1000_0000))), // digitalSignature
      ),
    ),
  );
  const signature = sign("sha256", body, keys.privateKey);
  const certificate = sequence(body, sequence(OID_ECDSA_WITH_SHA256), der(0x03, Buffer.of(0), signature));
  const lines = certificate.toString("base64").match(/.{1,64}/g) ?? [];
  return ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n");
}

const OID_ECDSA_WITH_SHA256 = der(0x06, Buffer.from("2a8648ce3d040302", "hex")); // 1.2.840.10045.4.3.2
const OID_COMMON_NAME = der(0x06, Buffer.from("550403", "hex")); // 2.5.4.3
const OID_BASIC_CONSTRAINTS = der(0x06, Buffer.from("551d13", "hex")); // 2.5.29.19
const OID_KEY_USAGE = der(0x06, Buffer.from("551d0f", "hex")); // 2.5.29.15

/** Tag, length, content. */
function der(tag: number, ...content: readonly Buffer[]): Buffer {
  const all = Buffer.concat(content);
  if (all.length < 0x80) return Buffer.concat([Buffer.of(tag, all.length), all]);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(all.length);
  return Buffer.concat(
    all.length < 0x100 ? [Buffer.of(tag, 0x81, all.length), all] : [Buffer.of(tag, 0x82), length, all],
  );
}

function sequence(...content: readonly Buffer[]): Buffer {
  return der(0x30, ...content);
}

function set(...content: readonly Buffer[]): Buffer {
  return der(0x31, ...content);
}

/** A positive number: the first bit is the sign, and leading zero bytes are not allowed. */
function integer(bytes: Buffer): Buffer {
  const start = bytes.findIndex((byte) => byte !== 0);
  const digits = start < 0 ? Buffer.of(0) : bytes.subarray(start);
  return der(0x02, (digits[0] ?? 0) >= 0x80 ? Buffer.of(0) : Buffer.alloc(0), digits);
}

function critical(id: Buffer, value: Buffer): Buffer {
  return sequence(id, der(0x01, Buffer.of(0xff)), der(0x04, value));
}

/** RFC 5280, 4.1.2.5: two digits for the year until 2049, four from then on. */
function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/\.\d+|[-:T]/g, "");
  return digits < "2050" ? der(0x17, Buffer.from(digits.slice(2))) : der(0x18, Buffer.from(digits));
}
