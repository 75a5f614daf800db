import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { lifecycleDelivery } from "../src/bitbucket/lifecycle-delivery.ts";
import { doctorChecks } from "../src/checks.ts";
import { checkGit } from "../src/checks-git.ts";
import type { CheckResult } from "../src/cli/parts.ts";
import { type Config, type Environment, parseConfig } from "../src/config.ts";
import { openConnections } from "../src/connections.ts";
import { openConfiguredStore } from "../src/parts.ts";
import { migrateStore } from "../src/store/store.ts";
import { createAppStub } from "./hosts/bitbucket/app-stub.ts";
import {
  type BitbucketHost,
  createBitbucketHost,
  type HostAccessToken,
  type HostWorkspace,
} from "./hosts/bitbucket/index.ts";
import { createGithubHost, type GithubHost } from "./hosts/github/index.ts";
import { createTestDatabase } from "./support/postgres.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const NEEDED = ["repository", "pullrequest", "webhook"];

let folder: string;
let host: BitbucketHost;
let acme: HostWorkspace;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "wharfinger-checks-"));
  host = await createBitbucketHost();
  acme = host.workspace("acme");
  await host.repository(acme, "api", { private: true });
});

afterEach(async () => {
  await host.close();
  rmSync(folder, { recursive: true, force: true });
});

/** With Bitbucket's addresses, so that the add-on is served. */
function read(env: Environment = {}): Config {
  const addresses = { BITBUCKET_URL: host.url, BITBUCKET_API_URL: host.apiUrl };
  const result = parseConfig({ DATA_DIR: folder, PUBLIC_URL: "https://builds.example.com", ...addresses, ...env });
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.config;
}

/** The same Bitbucket without the add-on: no variable says where an emulator is without turning it on. */
function withoutAddon(): Config {
  const config = read();
  return { ...config, bitbucket: { ...config.bitbucket, connect: false } };
}

async function check(name: string, config: Config): Promise<CheckResult> {
  const found = (await doctorChecks(config)).find((one) => one.name === name);
  if (found === undefined) throw new Error(`no check ${name}`);
  return found.run();
}

async function connect(config: Config): Promise<{ readonly id: string; readonly token: HostAccessToken }> {
  await migrateStore(config.databaseUrl);
  const token = host.accessToken({ workspace: acme, scopes: NEEDED });
  const connections = await openConnections(config);
  try {
    const made = await connections.connect({ workspace: "acme", repository: null }, token.token, () => undefined);
    if (!made.ok) throw new Error(made.message);
    return { id: made.value.connection.id, token };
  } finally {
    await connections.close();
  }
}

/** A proven install, as the engine has heard of it. */
async function install(config: Config, clientKey: string, secret: string): Promise<void> {
  await migrateStore(config.databaseUrl);
  const store = await openConfiguredStore(config);
  const { uuid, slug } = acme;
  const news = { host: "default", workspace: { uuid, slug, kind: "organization" }, door: "connect" } as const;
  await store.addConnectCandidate({ clientKey, workspace: uuid, secret });
  for (const { id } of await store.claimConnectCandidates({ limit: 1, leaseMs: 1_000 })) {
    const delivery = lifecycleDelivery({ event: "installed", ...news, id, nowMs: Date.now() });
    await store.proveConnectCandidate(id, { kind: "organization", login: slug }, delivery);
  }
  const id = { provider: "bitbucket", host: "default", id: uuid } as const;
  const account = { ...id, login: slug, kind: "organization" } as const;
  await store.saveInstallation({ id, account, state: "active", permissions: {} });
  await store.close();
}

describe("doctor on Bitbucket", () => {
  it("says nothing of it where it is not used, with or without a database", async () => {
    const config = withoutAddon();
    expect((await check("Bitbucket", config)).ok).toBe(true);
    await migrateStore(config.databaseUrl);
    expect(await check("Bitbucket", config)).toEqual({ ok: true, detail: "not used", todo: "" });
    expect(host.calls).toEqual([]);
  });

  it("tries each connection", async () => {
    const config = withoutAddon();
    const { id, token } = await connect(config);
    expect(await check("Bitbucket", config)).toEqual({
      ok: true,
      detail: `${host.apiUrl} answers; connection ${id} of acme works`,
      todo: "",
    });
    host.revoke(token);
    const revoked = await check("Bitbucket", config);
    expect(revoked).toMatchObject({ ok: false, todo: expect.stringContaining(`--new-token ${id}`) });
    expect(revoked.detail).toContain("does not take this token");
    expect(revoked.detail).not.toContain(token.token);
    expect(host.violations).toEqual([]);
  });

  it("notices a webhook that somebody has deleted", async () => {
    const config = withoutAddon();
    await connect(config);
    for (const hook of [...host.hooks]) host.removeHook(hook);
    expect((await check("Bitbucket", config)).detail).toContain("is not in Bitbucket");
  });

  it("says until when the add-on will do, and that GitHub is not needed beside it", async () => {
    const config = read();
    await migrateStore(config.databaseUrl);
    const { ok, detail } = await check("Bitbucket", config);
    expect(ok).toBe(true);
    expect(detail).toContain("2 February 2026");
    expect(detail).toContain("December 2026");
    expect(await check("GitHub App", config)).toEqual({ ok: true, detail: "not used", todo: "" });
    expect(await check("GitHub App", withoutAddon())).toMatchObject({ ok: false });
  });

  it("tries each install of the add-on", async () => {
    const config = read();
    const text = readFileSync(join(ROOT, "atlassian-connect.json"), "utf8");
    const app = await createAppStub();
    const descriptor: unknown = JSON.parse(
      text.replace("{{appKey}}", "wharfinger").replace("{{localBaseUrl}}", app.url),
    );
    const { install: made } = await host.install(acme, { descriptor: descriptor as object });
    await app.close();
    await install(config, made.clientKey, made.secret);
    expect(await check("Bitbucket", config)).toMatchObject({
      ok: true,
      detail: expect.stringContaining("the add-on in acme works"),
    });
    expect(host.violations).toEqual([]);
  });

  it("finds an install whose secret is no longer right, and one that is not served", async () => {
    const config = read();
    await install(config, "connection:1", "not-the-secret-of-this-install");
    expect(await check("Bitbucket", config)).toMatchObject({
      ok: false,
      detail: expect.stringContaining("the add-on in acme"),
      todo: expect.stringContaining("BITBUCKET_APP_KEY"),
    });
    expect(await check("Bitbucket", withoutAddon())).toMatchObject({
      ok: false,
      detail: expect.stringContaining("the add-on is installed in acme, but not served"),
    });
  });

  it("says when the API is not where it is said to be", async () => {
    const config = read({ BITBUCKET_API_URL: "http://127.0.0.1:1" });
    await migrateStore(config.databaseUrl);
    expect(await check("Bitbucket", config)).toMatchObject({
      ok: false,
      todo: expect.stringContaining("BITBUCKET_API_URL"),
    });
  });

  it("names the addresses webhooks go to", async () => {
    const github = "GitHub's webhook URL is https://builds.example.com/webhooks/github";
    const signed = "https://builds.example.com/webhooks/bitbucket/…";
    const addon = "https://builds.example.com/atlassian-connect.json";
    const both = (await check("public address", withoutAddon())).detail;
    expect([both.includes(github), both.includes(signed), both.includes(addon)]).toEqual([true, true, false]);
    const alone = (await check("public address", read())).detail;
    expect([alone.includes(github), alone.includes(signed), alone.includes(addon)]).toEqual([false, true, true]);
  });
});

describe("connections on the configured database", () => {
  async function connectBeside(config: Config): Promise<void> {
    const server = await openConfiguredStore(config);
    try {
      const { id, token } = await connect(config);
      expect(await server.connection(id)).toMatchObject({ workspace: acme.uuid, token: token.token });
      expect(await server.listDeliveries({ limit: 10, cursor: null })).toMatchObject({
        items: [{ provider: "bitbucket", event: "connected" }],
      });
      const connections = await openConnections(config);
      await connections.disconnect(id, () => undefined);
      await connections.close();
      expect(await server.connection(id)).toBeNull();
    } finally {
      await server.close();
    }
  }

  it("come and go while a server has SQLite open, and are known to that server at once", async () => {
    const config = withoutAddon();
    await migrateStore(config.databaseUrl);
    await connectBeside(config);
  });

  it("come and go on PostgreSQL, too", async () => {
    const database = await createTestDatabase({ migrated: true });
    try {
      await connectBeside({ ...withoutAddon(), databaseUrl: database.url });
    } finally {
      await database.drop();
    }
  });
});

describe("the GitHub App in doctor", () => {
  const SECRET = "s".repeat(32);
  let github: GithubHost;
  beforeEach(async () => {
    const webhook = { url: "https://builds.example.com/webhooks/github", secret: SECRET };
    github = await createGithubHost({ webhook });
  });
  afterEach(() => github.close());

  const configured = (more: Environment = {}) =>
    read({
      APP_ID: String(github.appId),
      PRIVATE_KEY: github.privateKey,
      WEBHOOK_SECRET: SECRET,
      GITHUB_URL: github.url,
      GITHUB_API_URL: github.apiUrl,
      ...more,
    });

  it("is well when it has all it asks for, and says how many accounts it is installed on", async () => {
    const organization = github.organization("acme");
    await github.install(organization);
    expect(await check("GitHub App", configured())).toEqual({
      ok: true,
      detail: `${github.apiUrl} knows App ${github.appId} (Stand-in App); 1 installation`,
      todo: "",
    });
  });

  it("names the address its webhook should have", async () => {
    const { ok, detail, todo } = await check("GitHub App", configured({ PUBLIC_URL: "https://other.example.com" }));
    expect({ ok, detail }).toEqual({ ok: false, detail: expect.stringContaining("https://builds.example.com") });
    expect(todo).toContain("https://other.example.com/webhooks/github");
  });

  it("is one of each host, with the address of its own webhook", async () => {
    writeFileSync(join(folder, "ghes.pem"), github.privateKey);
    writeFileSync(join(folder, "ghes.secret"), SECRET);
    const GITHUB_HOSTS_FILE = join(folder, "hosts.yml");
    const ghes = {
      ...{ name: "ghes", url: github.url, api_url: github.apiUrl, app_id: github.appId },
      ...{ private_key_path: "ghes.pem", webhook_secret_path: "ghes.secret" },
    };
    writeFileSync(GITHUB_HOSTS_FILE, JSON.stringify({ hosts: [ghes] }));
    const config = read({ GITHUB_HOSTS_FILE });
    expect(await check("GitHub App", config)).toMatchObject({ ok: true, detail: "not used" });
    const { ok, todo } = await check("GitHub App ghes", config);
    expect([ok, todo]).toEqual([false, expect.stringContaining("https://builds.example.com/webhooks/github/ghes")]);
    expect((await check("public address", config)).detail).toContain(
      "that of ghes is https://builds.example.com/webhooks",
    );
    github.setWebhook({ url: "https://builds.example.com/webhooks/github/ghes", secret: SECRET });
    expect((await check("GitHub App ghes", config)).ok).toBe(true);
  });

  it("names the account that has not accepted a permission, what is lost, and where to accept it", async () => {
    const organization = github.organization("acme");
    await github.install(organization, { permissions: { metadata: "read", contents: "read" } });
    const { ok, detail, todo } = await check("GitHub App", configured());
    expect(ok).toBe(false);
    expect(detail).toContain("acme has not accepted Checks: read and write, Pull requests: read-only");
    expect(todo).toContain(`${github.url}/organizations/acme/settings/installations/`);
  });
});

describe("doctor on git", () => {
  it("has a line of its own only where no builder here looks for it", async () => {
    const webhook = { BUILDER: "webhook", BUILDER_TOKEN: "0123456789abcdef".repeat(4) };
    const names = async (env: Environment) => (await doctorChecks(read(env))).map(({ name }) => name);
    expect(await names({ BUILDER: "buildah" })).not.toContain("git");
    expect(await names(webhook)).toContain("git");
    const { ok, detail } = await check("git", read(webhook));
    expect([ok, detail]).toEqual([true, expect.stringMatching(/^2\.\d+\.\S+, to compare branches and tags$/)]);
  });

  it("says what is lost without it, and what to do", async () => {
    const { ok, detail, todo } = await checkGit(join(folder, "no-git"));
    expect(ok).toBe(false);
    expect(detail).toMatch(/missing.* changes that hosts do not tell of are not found/);
    expect(todo).toContain("apt-get install git");
  });
});
