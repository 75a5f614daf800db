/** A real Docker registry in a folder of its own, on a free port. */
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createTrustingFetch } from "../../src/registry/trusting-fetch.ts";
import { freePort } from "./free-port.ts";

export interface TestRegistry {
  /** `127.0.0.1:<port>`, as image names carry it. */
  readonly name: string;
  readonly url: string;
  /** Null without authentication. */
  readonly username: string | null;
  readonly password: string | null;
  /** Where it keeps its data. */
  readonly folder: string;
  stop(): Promise<void>;
}

export interface RegistryOptions {
  /** Basic authentication with a password made for this registry. */
  readonly auth?: boolean;
  /** Whether it deletes manifests when asked to; it does unless told otherwise. */
  readonly deletes?: boolean;
  /** In a process group of its own: Ctrl-C in the terminal does not reach it. */
  readonly ownGroup?: boolean;
  /** Where to listen, for whoever had to know it before; a free one unless told otherwise. */
  readonly port?: number;
  /** Further sections of its configuration. */
  readonly config?: object;
  /** Files of a certificate for 127.0.0.1, of its key, and of the authority that signed it; left out: plain http. */
  readonly tls?: { readonly certificate: string; readonly key: string; readonly ca: string };
}

export async function startRegistry(options: RegistryOptions = {}): Promise<TestRegistry> {
  if (options.port !== undefined) return await startOn(options.port, options);
  // Another process may take the port between finding and using it.
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOn(await freePort(), options);
    } catch (error) {
      if (attempt === 3) throw error;
    }
  }
}

async function startOn(port: number, options: RegistryOptions): Promise<TestRegistry> {
  const folder = await mkdtemp(join(tmpdir(), "wharfinger-registry-"));
  const username = options.auth === true ? "wharfinger" : null;
  const password = options.auth === true ? `registry-${randomBytes(12).toString("hex")}` : null;
  let auth = {};
  if (username !== null && password !== null) {
    await writeFile(join(folder, "htpasswd"), `${username}:${bcrypt(password)}\n`);
    auth = { auth: { htpasswd: { realm: "test registry", path: join(folder, "htpasswd") } } };
  }
  const name = `127.0.0.1:${port}`;
  const config = {
    version: "0.1",
    log: { level: "error", accesslog: { disabled: true } },
    storage: {
      filesystem: { rootdirectory: join(folder, "data") },
      delete: { enabled: options.deletes ?? true },
      maintenance: { uploadpurging: { enabled: false } },
    },
    http: {
      addr: name,
      secret: randomBytes(16).toString("hex"),
      ...(options.tls && { tls: { certificate: options.tls.certificate, key: options.tls.key } }),
    },
    ...auth,
    ...options.config,
  };
  // JSON is YAML.
  await writeFile(join(folder, "config.yml"), JSON.stringify(config));
  const child = spawn("docker-registry", ["serve", join(folder, "config.yml")], {
    detached: options.ownGroup ?? false,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const said: Buffer[] = [];
  child.stderr.on("data", (chunk: Buffer) => said.push(chunk));
  const ended = once(child, "close");

  async function stop(): Promise<void> {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
    await ended;
    await rm(folder, { recursive: true, force: true });
  }

  const url = `${options.tls === undefined ? "http" : "https"}://${name}`;
  const ca = options.tls === undefined ? null : await readFile(options.tls.ca, "utf8");
  const asked = createTrustingFetch({ url, ca, insecure: false });
  const deadline = Date.now() + 15_000;
  while (!(await answers(url, asked))) {
    if (child.exitCode !== null || child.signalCode !== null || Date.now() > deadline) {
      await stop();
      throw new Error(`docker-registry did not start: ${Buffer.concat(said).toString("utf8").slice(-500)}`);
    }
    await sleep(20);
  }
  return { name, url, username, password, folder, stop };
}

async function answers(url: string, asked: typeof fetch): Promise<boolean> {
  return await asked(`${url}/v2/`).then(
    (response) => response.headers.has("docker-distribution-api-version"),
    () => false,
  );
}

/** Perl ships with Debian and knows the C library's crypt(3), bcrypt included; the registry accepts nothing else. */
function bcrypt(password: string): string {
  const alphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  const salt = [...randomBytes(21)].map((byte) => alphabet[byte & 63]).join("");
  const script = "chomp(my $password = <STDIN>); print crypt($password, $ARGV[0])";
  const hash = execFileSync("perl", ["-e", script, `$2b$04$${salt}.`], { input: `${password}\n`, encoding: "utf8" });
  if (!hash.startsWith("$2b$")) throw new Error("this perl's crypt knows no bcrypt");
  return hash;
}
