import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Authority {
  /** Files, PEM. */
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

/** An authority nobody has heard of, and a certificate of its for 127.0.0.1, as files in the folder. */
export function createAuthority(folder: string): Authority {
  const file = (name: string) => join(folder, name);
  const openssl = (...args: readonly string[]) => execFileSync("openssl", args, { stdio: "pipe" });
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const [ca, caKey, certificate, key] = ["ca.pem", "ca.key", "server.pem", "server.key"].map(file) as [
    string,
    string,
    string,
    string,
  ];
  openssl("req", "-x509", ...newKey, "-keyout", caKey, "-out", ca, "-days", "2", "-subj", "/CN=an authority of a test");
  openssl("req", "-new", ...newKey, "-keyout", key, "-out", file("server.csr"), "-subj", "/CN=127.0.0.1");
  writeFileSync(file("server.ext"), "subjectAltName = IP:127.0.0.1\n");
  const signed = ["x509", "-req", "-in", file("server.csr"), "-CA", ca, "-CAkey", caKey, "-CAcreateserial"];
  openssl(...signed, "-extfile", file("server.ext"), "-days", "2", "-out", certificate);
  return { ca, certificate, key };
}
