import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  X509Certificate,
} from "node:crypto";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { selfSignedCertificate } from "./token-certificate.ts";

/** One key tokens are signed with, and the certificate registries know it by. */
export interface TokenKey {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly certificate: X509Certificate;
}

export interface TokenKeys {
  /** Signs. */
  readonly current: TokenKey;
  /** Signs after the next rotation. Registries trust it already, so that rotating needs no agreement on the moment. */
  readonly next: TokenKey;
}

const CURRENT_FILE = "registry-token.key";
const NEXT_FILE = "registry-token.next.key";
/** Certificate of the key before the current one; until {@link forgetFormerKey}. */
const FORMER_FILE = "registry-token.former.crt";
/** All certificates: the registry's `rootcertbundle`. */
export const TOKEN_BUNDLE_FILE = "registry-token.crt";
/** What stands in the certificates for the people who read them; no registry compares it. */
const COMMON_NAME = "wharfinger registry tokens";

/** The text of a file only this user can read; what `make` makes when there is no such file. */
export type KeyFile = (folder: string, name: string, make: () => string) => string;

/**
 * The keys in this folder; what is missing is made. A key file holds a private key (P-256) and its certificate, so the
 * two can not part; the bundle is written from both files whenever it is not what follows from them.
 *
 * To rotate: {@link turnTokenKeys}. The new current key is one that registries trust already; the bundle, with a new next
 * one, is handed to the registry at leisure, but not before tokens of the old key have ended.
 *
 * Several processes may start at once and get the same keys. Throws an error that says what to do.
 */
export function openTokenKeys(folder: string, keyFile: KeyFile, now: number): TokenKeys {
  const open = (name: string) =>
    parseKey(
      join(folder, name),
      keyFile(folder, name, () => makeKey(now)),
    );
  const keys = { current: open(CURRENT_FILE), next: open(NEXT_FILE) };
  const former = readIfThere(join(folder, FORMER_FILE));
  const certificates = [keys.current.certificate.toString(), keys.next.certificate.toString(), former ?? ""];
  writeWhole(join(folder, TOKEN_BUNDLE_FILE), [...new Set(certificates)].join(""));
  return keys;
}

/**
 * The next key becomes the current one, and a new next one is made. The bundle still holds the former key's certificate: a
 * process that was not restarted yet goes on signing with that key, and a registry that is restarted takes it.
 */
export function turnTokenKeys(folder: string, keyFile: KeyFile, now: number): TokenKeys {
  const { current } = openTokenKeys(folder, keyFile, now);
  writeWhole(join(folder, FORMER_FILE), current.certificate.toString());
  renameSync(join(folder, NEXT_FILE), join(folder, CURRENT_FILE));
  return openTokenKeys(folder, keyFile, now);
}

/** Takes the former key's certificate out of the bundle. False: it was not in it. */
export function forgetFormerKey(folder: string, keyFile: KeyFile, now: number): boolean {
  const path = join(folder, FORMER_FILE);
  if (readIfThere(path) === null) return false;
  rmSync(path);
  openTokenKeys(folder, keyFile, now);
  return true;
}

/**
 * How a token names its key. `libtrust`: registries of version 2. `x5c`, the certificate itself: all, with tokens twice as
 * long. `rfc7638`: those of version 3 that know the thumbprint of an elliptic key
 * (https://github.com/distribution/distribution/pull/4684).
 */
export type KidFormat = "libtrust" | "rfc7638" | "x5c";

/** The fields of a token's head that name the key. */
export function keyHeader(key: TokenKey, format: KidFormat): object {
  if (format === "x5c") return { x5c: [key.certificate.raw.toString("base64")] };
  return { kid: format === "libtrust" ? libtrustId(key.publicKey) : thumbprint(key.publicKey) };
}

/** The first 240 bits of the hash of the public key in base32, in groups of four: `PYYO:TEWU:V7JH:…`. */
function libtrustId(key: KeyObject): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const hash = createHash("sha256")
    .update(key.export({ type: "spki", format: "der" }))
    .digest();
  const bits = [...hash.subarray(0, 30)].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  const text = (bits.match(/.{5}/g) ?? []).map((five) => alphabet.charAt(Number.parseInt(five, 2))).join("");
  return (text.match(/.{4}/g) ?? []).join(":");
}

/** RFC 7638, for elliptic curves: these fields, in this order. */
function thumbprint(key: KeyObject): string {
  const { crv, kty, x, y } = key.export({ format: "jwk" });
  return createHash("sha256").update(JSON.stringify({ crv, kty, x, y })).digest("base64url");
}

function parseKey(path: string, text: string): TokenKey {
  try {
    const privateKey = createPrivateKey(text);
    const certificate = new X509Certificate(text.slice(text.indexOf("-----BEGIN CERTIFICATE-----")));
    const curve = privateKey.asymmetricKeyDetails?.namedCurve;
    if (curve === "prime256v1" && certificate.checkPrivateKey(privateKey)) {
      return { privateKey, publicKey: createPublicKey(privateKey), certificate };
    }
  } catch {
    // Below: the words of a PEM reader would help nobody.
  }
  throw new Error(
    `${path} does not hold a P-256 key and its certificate. Restore it from a backup, or remove it and give the registry the new ${TOKEN_BUNDLE_FILE}.`,
  );
}

function makeKey(now: number): string {
  const keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const key = keys.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  return key + selfSignedCertificate(keys, COMMON_NAME, now);
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (typeof error === "object" && error !== null && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
}

/** Whole or not at all: the registry may be reading it. */
function writeWhole(path: string, text: string): void {
  if (readIfThere(path) === text) return;
  const temporary = `${path}.${process.pid}.${randomBytes(6).toString("hex")}`;
  writeFileSync(temporary, text, { flag: "wx", mode: 0o644, flush: true });
  renameSync(temporary, path);
}
