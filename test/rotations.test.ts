import { createHmac, generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { Rotated } from "../src/cli/rotate.ts";
import { type Config, type Environment, ensureSecretKey, parseConfig } from "../src/config.ts";
import type { Outcome } from "../src/core/model.ts";
import { ensureKeyFile } from "../src/keys.ts";
import { createConfiguredSigner, openConfiguredStore } from "../src/parts.ts";
import { openTokenKeys } from "../src/registry/token-keys.ts";
import { createRotations } from "../src/rotations.ts";
import { migrateStore } from "../src/store/store.ts";
import { connectionOf, told } from "./contract/grants.samples.ts";
import { OPERATOR } from "./contract/store.by.ts";
import { createGithubHost, type GithubHost } from "./hosts/github/index.ts";
import type { TestRegistry } from "./support/registry.ts";
import { startTokenRegistry } from "./support/token-registry.ts";

const SECRET = "the-webhook-secret-of-today-0123456789";
const FORMER = "the-webhook-secret-of-before-0123456789";

let folder: string;
const closing: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "wharfinger-rotations-"));
});

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  rmSync(folder, { recursive: true, force: true });
});

function read(env: Environment = {}): Config {
  const result = parseConfig({ DATA_DIR: folder, ...env });
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.config;
}

async function migrated(env: Environment = {}): Promise<Config> {
  const config = read(env);
  await migrateStore(config.databaseUrl);
  return config;
}

async function rotate(
  what: string,
  config: Config,
  { finish = false, file = null }: { finish?: boolean; file?: string | null } = {},
): Promise<Outcome<Rotated>> {
  const rotation = createRotations(config).find(({ name }) => name === what);
  if (rotation === undefined) throw new Error(`no rotation ${what}`);
  return rotation.rotate({ finish, file });
}

async function open(config: Config) {
  const store = await openConfiguredStore(config);
  closing.push(() => store.close());
  return store;
}

async function audited(config: Config): Promise<string[]> {
  const store = await openConfiguredStore(config);
  const { items } = await store.listAudit({ limit: 100, cursor: null });
  await store.close();
  return items.map(({ action, subject }) => `${action} ${subject}`);
}

describe("the key that seals secrets", () => {
  const keyFile = (name = "secret.key") => readFileSync(join(folder, name), "utf8");

  it("changes under processes that run: what they sealed and what others seal opens for all", async () => {
    const config = await migrated();
    const running = await open(config);
    await running.addConnection(connectionOf("before"), told(), OPERATOR);
    const before = keyFile();

    expect(await rotate("secret-key", config)).toMatchObject({ ok: true });
    expect(keyFile()).not.toBe(before);
    expect(statSync(join(folder, "secret.key")).mode & 0o777).toBe(0o600);
    expect(await running.connection("before")).toMatchObject({ secrets: connectionOf("before").secrets });
    await running.addConnection(connectionOf("after"), told(), OPERATOR);

    expect(await rotate("secret-key", config, { finish: true })).toMatchObject({ ok: true });
    expect(readdirSync(folder)).not.toContain("secret.previous.key");
    const anew = await open(read());
    for (const id of ["before", "after"]) {
      expect(await anew.connection(id)).toMatchObject({ secrets: connectionOf(id).secrets });
      expect(await running.connection(id)).toMatchObject({ secrets: connectionOf(id).secrets });
    }
    writeFileSync(join(folder, "secret.key"), before);
    await expect(openConfiguredStore(read())).rejects.toThrow("SECRET_KEY does not open");
    expect(await rotate("secret-key", { ...config, dataDir: join(folder, "empty") })).toMatchObject({ ok: false });
  });

  it("is not changed twice before the first change is finished, so that nothing is sealed with a third", async () => {
    const config = await migrated();
    ensureSecretKey(folder);
    expect(await rotate("secret-key", config)).toMatchObject({ ok: true });
    const first = keyFile();
    expect(await rotate("secret-key", config)).toMatchObject({
      ok: false,
      message: expect.stringContaining("wharfinger rotate secret-key --finish"),
    });
    expect(keyFile()).toBe(first);
    expect(await rotate("secret-key", config, { finish: true })).toMatchObject({ ok: true });
    expect(await rotate("secret-key", config, { finish: true })).toMatchObject({ ok: false });
    expect(await audited(config)).toEqual(["key.rotated secret-key"]);
  });

  it("changes also where a kill came between the two files", async () => {
    const config = await migrated();
    ensureSecretKey(folder);
    writeFileSync(join(folder, "secret.previous.key"), keyFile(), { mode: 0o600 });
    const before = keyFile();
    expect(await rotate("secret-key", config)).toMatchObject({ ok: true });
    expect(keyFile()).not.toBe(before);
    expect(keyFile("secret.previous.key")).toBe(before);
  });

  it("of the environment is the operator's to change: a new one is shown, and whether the former can go", async () => {
    const key = (byte: number) => Buffer.alloc(32, byte).toString("base64");
    const config = await migrated({ SECRET_KEY: key(1) });
    const store = await openConfiguredStore(config);
    await store.addConnection(connectionOf("one"), told(), OPERATOR);
    await store.close();
    const shown = await rotate("secret-key", config);
    const fresh = shown.ok ? (shown.value.done.at(-1) ?? "") : "";
    expect(Buffer.from(fresh, "base64")).toHaveLength(32);
    expect(await rotate("secret-key", config, { finish: true })).toMatchObject({ ok: false });

    const both = read({ SECRET_KEY: fresh, SECRET_KEY_PREVIOUS: key(1) });
    expect(await rotate("secret-key", both, { finish: true })).toMatchObject({
      ok: true,
      value: { todo: ["Take SECRET_KEY_PREVIOUS out of the environment."] },
    });
    expect(await (await open(read({ SECRET_KEY: fresh }))).connection("one")).not.toBeNull();
    expect(readdirSync(folder)).not.toContain("secret.key");
  });
});

describe("the key that signs build requests", () => {
  it("changes, and the former one counts until nothing needs it any more", async () => {
    const config = await migrated();
    const before = createConfiguredSigner(folder);
    expect(await rotate("request-key", config)).toMatchObject({ ok: true });
    const after = createConfiguredSigner(folder);
    expect(after.keyId).not.toBe(before.keyId);
    expect(await rotate("request-key", config, { finish: true })).toMatchObject({
      ok: false,
      message: expect.stringContaining("restart"),
    });
    const store = await open(config);
    // As the process that serves does when it starts.
    await store.saveRequestKey(after);
    expect((await store.requestKeys()).map(({ keyId }) => keyId)).toContain(before.keyId);
    expect(await rotate("request-key", config, { finish: true })).toMatchObject({ ok: true, value: { todo: [] } });
    expect((await store.requestKeys()).map(({ keyId }) => keyId)).toEqual([after.keyId]);
    expect(await audited(config)).toEqual(["key.rotated request-key"]);
  });
});

describe("the key that signs registry tokens", () => {
  const env = (registry: string) => ({ REGISTRY_URL: registry, REGISTRY_TOKEN_SERVICE: "registry.example.com" });
  const trusting = async (certificates: string): Promise<TestRegistry> => {
    const registry = await startTokenRegistry({
      certificates,
      realm: "http://127.0.0.1:9/registry/token",
      issuer: "wharfinger",
      service: "registry.example.com",
    });
    closing.push(registry.stop);
    return registry;
  };
  const bundle = () => readFileSync(join(folder, "registry-token.crt"), "utf8");

  it("changes to the next one, which a real registry trusts already, and the former stays trusted until the finish", async () => {
    const before = openTokenKeys(folder, ensureKeyFile, Date.now());
    const config = await migrated(env((await trusting(bundle())).url));
    expect(await rotate("registry-token-key", config)).toMatchObject({ ok: true });
    const after = openTokenKeys(folder, ensureKeyFile, Date.now());
    expect(after.current.certificate.fingerprint256).toBe(before.next.certificate.fingerprint256);
    for (const { certificate } of [before.current, after.current, after.next]) {
      expect(bundle()).toContain(certificate.toString());
    }
    expect(bundle().match(/BEGIN CERTIFICATE/g)).toHaveLength(3);
    expect(await rotate("registry-token-key", config, { finish: true })).toMatchObject({ ok: true });
    expect(bundle()).not.toContain(before.current.certificate.toString());
    expect(bundle().match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
    expect(await rotate("registry-token-key", config, { finish: true })).toMatchObject({ ok: false });
  });

  it("does not change while the registry does not know the next one", async () => {
    openTokenKeys(folder, ensureKeyFile, Date.now());
    const registry = await trusting(bundle());
    const config = await migrated(env(registry.url));
    expect(await rotate("registry-token-key", config)).toMatchObject({ ok: true });
    const held = bundle();
    // The registry still has the bundle of before, without the key that is next now.
    expect(await rotate("registry-token-key", config)).toMatchObject({
      ok: false,
      message: expect.stringContaining("registry-token.crt"),
    });
    expect(bundle()).toBe(held);
  });

  it("is none of an instance that signs in with a password", async () => {
    const config = await migrated({
      REGISTRY_URL: "http://127.0.0.1:9",
      REGISTRY_USERNAME: "us",
      REGISTRY_PASSWORD: "a-password-that-is-long-enough-for-it",
    });
    expect(await rotate("registry-token-key", config)).toMatchObject({
      ok: false,
      message: expect.stringContaining("REGISTRY_USERNAME"),
    });
  });
});

describe("what GitHub knows of the App", () => {
  let host: GithubHost;
  let server: Server;
  /** Signatures the server takes; each request's outcome. */
  let accepted: readonly string[];
  const answers: number[] = [];
  const asked: (string | undefined)[] = [];

  beforeEach(async () => {
    accepted = [SECRET, FORMER];
    answers.length = 0;
    asked.length = 0;
    server = createServer(async (request, response) => {
      const body = await buffer(request);
      const given = request.headers["x-hub-signature-256"];
      const known = accepted.map((secret) => `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`);
      response.statusCode = known.some((one) => one === given) ? 202 : 401;
      answers.push(response.statusCode);
      asked.push(request.url);
      response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    host = await createGithubHost({ webhook: { url: `${address()}/webhooks/github`, secret: FORMER } });
    closing.push(
      () => host.close(),
      () => new Promise((resolve) => server.close(resolve)),
    );
  });

  const address = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  function env(more: Environment = {}): Environment {
    return {
      PUBLIC_URL: address(),
      APP_ID: String(host.appId),
      PRIVATE_KEY: host.privateKey,
      WEBHOOK_SECRET: SECRET,
      GITHUB_URL: host.url,
      GITHUB_API_URL: host.apiUrl,
      ...more,
    };
  }

  it("gets the new webhook secret once the running server takes it, and signs with it", async () => {
    const config = await migrated(env({ WEBHOOK_SECRET_PREVIOUS: FORMER }));
    expect(await rotate("webhook-secret", config)).toMatchObject({ ok: true });
    accepted = [SECRET];
    expect((await host.ping()).status).toBe(202);
    expect(answers).toEqual([202, 202]);
    expect(await audited(config)).toEqual(["key.rotated webhook-secret"]);
  });

  it("is changed of each host by itself", async () => {
    writeFileSync(join(folder, "ghes.pem"), host.privateKey);
    writeFileSync(join(folder, "ghes.new"), SECRET);
    const further = {
      ...{ name: "ghes", url: host.url, api_url: host.apiUrl, app_id: host.appId },
      ...{ private_key_path: "ghes.pem", webhook_secret_path: "ghes.new" },
    };
    const GITHUB_HOSTS_FILE = join(folder, "hosts.yml");
    const hostsFile = (entry: object) => writeFileSync(GITHUB_HOSTS_FILE, JSON.stringify({ hosts: [entry] }));
    hostsFile(further);
    const first = await migrated({ PUBLIC_URL: address(), GITHUB_HOSTS_FILE });
    expect(createRotations(first).map(({ name }) => name)).toEqual(
      expect.arrayContaining(["webhook-secret", "webhook-secret:ghes", "app-key:ghes"]),
    );
    expect(await rotate("webhook-secret:ghes", first)).toMatchObject({
      value: { todo: [expect.stringContaining("webhook_secret_previous_path"), expect.anything(), expect.anything()] },
    });
    writeFileSync(join(folder, "ghes.former"), FORMER);
    hostsFile({ ...further, webhook_secret_previous_path: "ghes.former" });
    const config = read({ PUBLIC_URL: address(), GITHUB_HOSTS_FILE });
    host.setWebhook({ url: `${address()}/webhooks/github/ghes`, secret: FORMER });
    expect(await rotate("webhook-secret:ghes", config)).toMatchObject({ ok: true });
    accepted = [SECRET];
    expect((await host.ping()).status).toBe(202);
    expect(asked).toEqual(["/webhooks/github/ghes", "/webhooks/github/ghes"]);
    expect(await audited(config)).toEqual(["key.rotated webhook-secret:ghes"]);
    // Nothing of the default host is set.
    expect(await rotate("webhook-secret", config)).toMatchObject({ ok: false });
  });

  it("keeps the former secret while the server does not take the new one, or is away", async () => {
    accepted = [FORMER];
    const config = await migrated(env({ WEBHOOK_SECRET_PREVIOUS: FORMER }));
    expect(await rotate("webhook-secret", config)).toMatchObject({
      ok: false,
      message: expect.stringContaining("refuses the new secret"),
    });
    expect(await rotate("webhook-secret", { ...config, publicUrl: "http://127.0.0.1:9" })).toMatchObject({
      ok: false,
      message: expect.stringContaining("can not be reached"),
    });
    expect((await host.ping()).status).toBe(202);
    expect(await audited(config)).toEqual([]);
  });

  it("shows a new webhook secret first, and changes nothing", async () => {
    const shown = await rotate("webhook-secret", await migrated(env()));
    expect(shown).toMatchObject({
      ok: true,
      value: { done: ["A new secret:", expect.stringMatching(/^[0-9a-f]{64}$/)] },
    });
    expect((await host.ping()).status).toBe(202);
  });

  it("takes the App's new key from a file only if it knows it, and puts it where the former one was", async () => {
    const path = join(folder, "app.pem");
    const strange = join(folder, "strange.pem");
    const other = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
    writeFileSync(path, host.privateKey, { mode: 0o600 });
    writeFileSync(strange, other.export({ type: "pkcs8", format: "pem" }));
    const { PRIVATE_KEY: _, ...rest } = env({ PRIVATE_KEY_PATH: path });
    const config = await migrated(rest);
    expect(await rotate("app-key", config)).toMatchObject({ ok: false, message: expect.stringContaining("--file") });
    expect(await rotate("app-key", config, { file: strange })).toMatchObject({ ok: false });
    expect(readFileSync(path, "utf8")).toBe(host.privateKey);
    const renewed = join(folder, "new.pem");
    writeFileSync(renewed, `${host.privateKey}\n`);
    expect(await rotate("app-key", config, { file: renewed })).toMatchObject({ ok: true });
    expect(readFileSync(path, "utf8")).toBe(`${host.privateKey}\n`);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const inEnvironment = await rotate("app-key", read(env()), { file: renewed });
    expect(inEnvironment).toMatchObject({
      ok: true,
      value: { todo: [expect.stringContaining("PRIVATE_KEY"), expect.anything(), expect.anything()] },
    });
  });

  it("is nothing to an instance without GitHub", async () => {
    for (const what of ["webhook-secret", "app-key"]) {
      expect(await rotate(what, await migrated())).toMatchObject({
        ok: false,
        message: "GitHub is not configured here.",
      });
    }
  });
});
