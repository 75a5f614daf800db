import { execFileSync } from "node:child_process";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { chmod, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { ensureKeyFile } from "../../src/keys.ts";
import { selfSignedCertificate } from "../../src/registry/token-certificate.ts";
import { keyHeader, openTokenKeys, type TokenKey } from "../../src/registry/token-keys.ts";

const NOW = Date.parse("2026-11-20T12:00:00Z");
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharfinger-keys-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const read = (name: string) => readFile(join(folder, name), "utf8");
const fingerprint = (key: TokenKey) => key.certificate.fingerprint256;

describe("the keys of the token service", () => {
  it("are made on the first start, for this user only, and stay", async () => {
    const made = openTokenKeys(folder, ensureKeyFile, NOW);
    expect(await readdir(folder).then((names) => names.sort())).toEqual([
      "registry-token.crt",
      "registry-token.key",
      "registry-token.next.key",
    ]);
    for (const name of ["registry-token.key", "registry-token.next.key"]) {
      expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600);
    }
    const again = openTokenKeys(folder, ensureKeyFile, NOW + 1);
    expect(fingerprint(again.current)).toBe(fingerprint(made.current));
    expect(fingerprint(again.next)).toBe(fingerprint(made.next));
    expect(fingerprint(made.next)).not.toBe(fingerprint(made.current));
  });

  it("have no private part in the file for the registry", async () => {
    openTokenKeys(folder, ensureKeyFile, NOW);
    const bundle = await read("registry-token.crt");
    expect(bundle.match(/-----BEGIN [A-Z ]+-----/g)).toEqual(Array(2).fill("-----BEGIN CERTIFICATE-----"));
  });

  it("are exchanged by renaming the next one, which the registry trusts already", async () => {
    const before = openTokenKeys(folder, ensureKeyFile, NOW);
    const trusted = await read("registry-token.crt");
    await rename(join(folder, "registry-token.next.key"), join(folder, "registry-token.key"));
    const after = openTokenKeys(folder, ensureKeyFile, NOW);
    expect(fingerprint(after.current)).toBe(fingerprint(before.next));
    expect(trusted).toContain(after.current.certificate.toString());
    const bundle = await read("registry-token.crt");
    expect(bundle).toBe(after.current.certificate.toString() + after.next.certificate.toString());
    expect(bundle).not.toContain(before.current.certificate.toString());
  });

  it("bring back the registry's file when it is lost or changed", async () => {
    openTokenKeys(folder, ensureKeyFile, NOW);
    const bundle = await read("registry-token.crt");
    await rm(join(folder, "registry-token.crt"));
    openTokenKeys(folder, ensureKeyFile, NOW);
    expect(await read("registry-token.crt")).toBe(bundle);
    await writeFile(join(folder, "registry-token.crt"), `${bundle}more`);
    openTokenKeys(folder, ensureKeyFile, NOW);
    expect(await read("registry-token.crt")).toBe(bundle);
  });

  it("are not used when others can read them", async () => {
    openTokenKeys(folder, ensureKeyFile, NOW);
    await chmod(join(folder, "registry-token.next.key"), 0o640);
    expect(() => openTokenKeys(folder, ensureKeyFile, NOW)).toThrow(
      /registry-token\.next\.key can be read by others\. Do: chmod 600/,
    );
  });

  it("are not replaced when their file is damaged: the registry would refuse every token", async () => {
    openTokenKeys(folder, ensureKeyFile, NOW);
    const other = openTokenKeys(join(folder, "other"), ensureKeyFile, NOW);
    const path = join(folder, "registry-token.key");
    const good = await read("registry-token.key");
    const rsa = execFileSync("openssl", ["genrsa", "1024"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    const foreign = good.slice(0, good.indexOf("-----BEGIN CERT")) + other.current.certificate.toString();
    for (const bad of ["", "nonsense", good.slice(0, 100), good.split("-----BEGIN CERT")[0] ?? "", foreign, rsa]) {
      await writeFile(path, bad);
      expect(() => openTokenKeys(folder, ensureKeyFile, NOW)).toThrow("does not hold a P-256 key and its certificate");
      expect(await readFile(path, "utf8")).toBe(bad);
    }
  });
});

describe("the certificate", () => {
  it("is one that OpenSSL reads, holds for its own key only, and never ends", () => {
    const { current, next } = openTokenKeys(folder, ensureKeyFile, NOW);
    const { certificate } = current;
    expect(certificate.subject).toBe("CN=wharfinger registry tokens");
    expect(certificate.ca).toBe(false);
    expect(certificate.validFrom).toBe("Nov 20 12:00:00 2026 GMT");
    expect(certificate.validTo).toBe("Dec 31 23:59:59 9999 GMT");
    expect(certificate.verify(current.publicKey)).toBe(true);
    expect(certificate.verify(next.publicKey)).toBe(false);
    expect(
      certificate.checkPrivateKey(createPrivateKey(next.privateKey.export({ type: "pkcs8", format: "pem" }))),
    ).toBe(false);
    const bundle = join(folder, "registry-token.crt");
    const said = execFileSync("openssl", ["verify", "-x509_strict", "-CAfile", bundle, bundle], { encoding: "utf8" });
    expect(said).toContain("OK");
    const text = execFileSync("openssl", ["x509", "-noout", "-text", "-in", bundle], { encoding: "utf8" });
    expect(text).toMatch(/Version: 3 .*ecdsa-with-SHA256.*prime256v1.*Key Usage: critical\s+Digital Signature/s);
  });

  it("writes years from 2050 on with four digits", async () => {
    const { current } = openTokenKeys(folder, ensureKeyFile, NOW);
    const path = join(folder, "late.crt");
    await writeFile(path, selfSignedCertificate(current, "x".repeat(60), Date.parse("2050-01-01T00:00:00Z")));
    const text = execFileSync("openssl", ["x509", "-noout", "-startdate", "-in", path], { encoding: "utf8" });
    expect(text).toBe("notBefore=Jan  1 00:00:00 2050 GMT\n");
  });

  it("has a serial number of its own, positive and in its shortest form, each time", () => {
    const { current } = openTokenKeys(folder, ensureKeyFile, NOW);
    // Reading is part of the test: OpenSSL refuses numbers with needless zeroes in front.
    const serials = Array.from({ length: 600 }, () => {
      return new X509Certificate(selfSignedCertificate(current, "x", NOW)).serialNumber;
    });
    expect(new Set(serials).size).toBe(600);
    expect(serials.filter((serial) => serial.startsWith("-"))).toEqual([]);
  });
});

describe("the name of a key in tokens", () => {
  it("is what OpenSSL computes from the certificate in the registry's form", async () => {
    const { current } = openTokenKeys(folder, ensureKeyFile, NOW);
    const publicKey = current.publicKey.export({ type: "spki", format: "der" });
    const hash = execFileSync("openssl", ["dgst", "-sha256", "-binary"], { input: publicKey });
    const base32 = execFileSync("base32", ["-w0"], { input: hash.subarray(0, 30), encoding: "utf8" });
    expect(keyHeader(current, "libtrust")).toEqual({ kid: base32.replace(/(.{4})(?!$)/g, "$1:") });
    expect(base32).toHaveLength(48);
  });

  it("is the thumbprint of RFC 7638, or the certificate itself", () => {
    const { current } = openTokenKeys(folder, ensureKeyFile, NOW);
    expect(keyHeader(current, "rfc7638")).toEqual({ kid: expect.stringMatching(/^[\w-]{43}$/) });
    const der = current.certificate.toString().replace(/-----.*-----|\n/g, "");
    expect(keyHeader(current, "x5c")).toEqual({ x5c: [der] });
  });
});
