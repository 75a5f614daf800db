import { generateKeyPairSync } from "node:crypto";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { describeConfig, ensureSecretKey, parseConfig, startHelp, startProblems } from "../src/config.ts";

const pem = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  publicKeyEncoding: { type: "spki", format: "pem" },
  privateKeyEncoding: { type: "pkcs1", format: "pem" },
}).privateKey;
const secret = "0123456789abcdef0123456789abcdef";
const http = { BUILDER: "webhook", BUILDER_TOKEN: "t".repeat(32) };
const github = { APP_ID: "12", PRIVATE_KEY: pem, WEBHOOK_SECRET: secret };

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "wharfinger-config-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function read(env: Record<string, string>) {
  const result = parseConfig(env);
  if (!result.ok) {
    throw new Error(JSON.stringify(result.problems));
  }
  return result;
}

function wrong(env: Record<string, string>): string[] {
  const result = parseConfig(env);
  return result.ok ? [] : result.problems.map(({ variable, wrong }) => `${variable} ${wrong}`);
}

describe("parseConfig", () => {
  it("reads an empty environment as all defaults, without GitHub and registry", () => {
    const { config, warnings } = read({});
    expect(config).toMatchObject({
      port: 3000,
      host: "127.0.0.1",
      publicUrl: "http://localhost:3000",
      dataDir: resolve("data"),
      databaseUrl: `sqlite:${resolve("data")}/wharfinger.db`,
      adminToken: null,
      github: null,
      registry: null,
      builder: "buildah",
      httpBuilders: null,
      builds: { network: "internet", timeoutSeconds: 3600, memoryBytes: 4 * 1024 ** 3, logBytes: 16 * 1024 ** 2 },
      retention: { bodiesDays: 30, deliveriesDays: 400, uninstalledDays: 30 },
      log: { level: "info", format: null },
    });
    expect(config.builds.concurrency).toBeGreaterThan(0);
    expect(warnings).toEqual([]);
  });

  it("takes a variable set to nothing as not set", () => {
    expect(read({ PORT: "", ADMIN_TOKEN: "", REGISTRY_URL: "" }).config).toEqual(read({}).config);
  });

  it("derives the public address and the database from PORT and DATA_DIR", () => {
    const { config } = read({ PORT: "8080", DATA_DIR: "/srv/w" });
    expect([config.publicUrl, config.databaseUrl]).toEqual(["http://localhost:8080", "sqlite:/srv/w/wharfinger.db"]);
  });

  it("drops the slash at the end of an address", () => {
    expect(read({ PUBLIC_URL: "https://builds.example.com/" }).config.publicUrl).toBe("https://builds.example.com");
  });

  it("reads GitHub with both webhook secrets, the current one first", () => {
    const previous = `previous-${secret}`;
    const { config } = read({ ...github, WEBHOOK_SECRET_PREVIOUS: previous });
    expect(config.github).toMatchObject({
      appId: 12,
      webhookSecrets: [secret, previous],
      url: "https://github.com",
      apiUrl: "https://api.github.com",
    });
    expect(config.github?.privateKey).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
  });

  it.each([
    ["with line breaks written as \\n", pem.replaceAll("\n", "\\n")],
    ["as base64 of the file", Buffer.from(pem).toString("base64")],
    ["with CRLF", pem.replaceAll("\n", "\r\n")],
  ])("reads a private key %s", (_, key) => {
    expect(read({ ...github, PRIVATE_KEY: key }).config.github?.privateKey).toBe(
      read(github).config.github?.privateKey,
    );
  });

  it("reads a private key from a file", () => {
    const path = join(folder, "app.pem");
    writeFileSync(path, pem);
    const { config } = read({ APP_ID: "12", WEBHOOK_SECRET: secret, PRIVATE_KEY_PATH: path });
    expect(config.github?.privateKey).toBe(read(github).config.github?.privateKey);
  });

  it("knows a registry without TLS by its address, and warns when it is not on this machine", () => {
    expect(read({ REGISTRY_URL: "http://127.0.0.1:5000" })).toMatchObject({
      config: { registry: { name: "127.0.0.1:5000", insecure: true, credentials: null } },
      warnings: [],
    });
    expect(read({ REGISTRY_URL: "http://registry.internal" }).warnings[0]).toContain("unencrypted");
    const addon = (address: string) => read({ BITBUCKET_APP_KEY: "x", PUBLIC_URL: address }).warnings;
    expect(addon("http://builds.example.com")[0]).toContain("https:// only");
    expect(addon("https://builds.example.com")).toEqual([]);
    expect(addon("http://127.0.0.1:3000")).toEqual([]);
  });

  it("takes a short registry password, which the registry chose", () => {
    const { config } = read({ REGISTRY_URL: "https://r.example", REGISTRY_USERNAME: "w", REGISTRY_PASSWORD: "pw" });
    expect(config.registry?.credentials).toEqual({ username: "w", password: "pw" });
  });

  it("takes what HTTP builders need, secrets in order", () => {
    const current = `whsec_${Buffer.alloc(32, 1).toString("base64")}`;
    const previous = `whsec_${Buffer.alloc(24, 2).toString("base64")}`;
    const { config } = read({
      BUILDER: "webhook",
      BUILDER_TOKEN: secret,
      BUILDER_URLS: "https://one.example/offers, http://127.0.0.1:4000",
      BUILDER_WEBHOOK_SECRET: current,
      BUILDER_WEBHOOK_SECRET_PREVIOUS: previous,
    });
    expect(config.httpBuilders).toEqual({
      token: secret,
      urls: ["https://one.example/offers", "http://127.0.0.1:4000"],
      webhookSecrets: [current, previous],
    });
    expect(read({ BUILDER: "webhook", BUILDER_TOKEN: secret }).config.httpBuilders?.urls).toEqual([]);
    // Without the builder, its variables open nothing.
    expect(read({ BUILDER_TOKEN: secret }).config.httpBuilders).toBeNull();
  });

  it("knows operators by ids alone, as the host writes them", () => {
    const uuid = "9484702E-c663-4afd-aefb-c93a8cd31c28";
    expect(read({}).config.operators).toEqual([]);
    expect(read({ OPERATORS: `github:default:583231, bitbucket:default:{${uuid}}` }).config.operators).toEqual([
      "github:default:583231",
      `bitbucket:default:{${uuid.toLowerCase()}}`,
    ]);
    for (const wrong of [
      "octocat",
      "github:default:octocat",
      "github:other:1",
      "github:default:0",
      "github:default:1,",
    ]) {
      const result = parseConfig({ OPERATORS: wrong });
      expect(result.ok ? [] : result.problems.map(({ variable }) => variable)).toEqual(["OPERATORS"]);
    }
  });

  it("refuses half of what people sign in with", () => {
    for (const host of ["GITHUB", "BITBUCKET"]) {
      for (const [there, missing] of [
        ["ID", "SECRET"],
        ["SECRET", "ID"],
      ]) {
        const result = parseConfig({ ...github, [`${host}_CLIENT_${there}`]: "x" });
        const problems = result.ok ? [] : result.problems.map(({ variable }) => variable);
        expect(problems).toEqual([`${host}_CLIENT_${missing}`]);
      }
    }
  });

  it("has Bitbucket's addresses always, and serves the Connect add-on once a variable of it is set", () => {
    const bitbucket = {
      url: "https://bitbucket.org",
      apiUrl: "https://api.bitbucket.org",
      appKey: "wharfinger",
      appSecret: null,
      clientId: null,
      clientSecret: null,
      connect: false,
    };
    expect(read({}).config.bitbucket).toEqual(bitbucket);
    // What people sign in with is no add-on.
    const consumer = { BITBUCKET_CLIENT_ID: "x", BITBUCKET_CLIENT_SECRET: "y" };
    expect(read(consumer).config.bitbucket.connect).toBe(false);
    expect(read({ BITBUCKET_APP_KEY: "wharfinger" }).config.bitbucket).toEqual({ ...bitbucket, connect: true });
    expect(read({ BITBUCKET_APP_SECRET: "short" }).config.bitbucket).toEqual({
      ...bitbucket,
      appSecret: "short",
      connect: true,
    });
    const emulator = { BITBUCKET_URL: "http://127.0.0.1:1/", BITBUCKET_API_URL: "http://127.0.0.1:2" };
    expect(read(emulator).config.bitbucket).toMatchObject({
      url: "http://127.0.0.1:1",
      apiUrl: "http://127.0.0.1:2",
      connect: true,
    });
  });

  it("reports all problems at once", () => {
    expect(
      wrong({
        PORT: "http",
        ADMIN_TOKEN: "short",
        APP_ID: "Iv1.abc",
        BUILDER: "docker",
        GITHUB_URL: "https://ghe.example.com",
        REGISTRY_USERNAME: "w",
      }).map((text) => text.split(" ")[0]),
    ).toEqual([
      "PORT",
      "ADMIN_TOKEN",
      "APP_ID",
      "BUILDER",
      "GITHUB_API_URL",
      "PRIVATE_KEY",
      "WEBHOOK_SECRET",
      "REGISTRY_PASSWORD",
    ]);
  });

  it.each<[string, Record<string, string>, string]>([
    ["a port that is too large", { PORT: "65536" }, "PORT is not a whole number from 0 to 65535"],
    ["a negative port", { PORT: "-1" }, "PORT is not a whole number"],
    ["a public address with a path", { PUBLIC_URL: "https://x.example/w" }, "PUBLIC_URL has a path"],
    ["a public address of another kind", { PUBLIC_URL: "ftp://x" }, "PUBLIC_URL is not an http:// or https://"],
    ["a registry address without scheme", { REGISTRY_URL: "registry:5000" }, "REGISTRY_URL is not an http://"],
    ["credentials in an address", { REGISTRY_URL: "https://u:p@r.example" }, "REGISTRY_URL holds a user name"],
    ["a secret of 31 characters", { ADMIN_TOKEN: "x".repeat(31) }, "ADMIN_TOKEN is too short"],
    ["a secret with a line break", { ADMIN_TOKEN: `${secret}\n` }, "ADMIN_TOKEN contains spaces"],
    ["a key that is not 32 bytes", { SECRET_KEY: "c2hvcnQ=" }, "SECRET_KEY is not 32 bytes"],
    ["a key that is not base64", { SECRET_KEY: `${"?".repeat(43)}=` }, "SECRET_KEY is not 32 bytes"],
    ["another database", { DATABASE_URL: "mysql://db/w" }, "DATABASE_URL is neither sqlite:PATH nor postgres://…"],
    ["HTTP builders without a token", { BUILDER: "webhook" }, "BUILDER_TOKEN is not set"],
    ["a short token of builders", { BUILDER: "buildah", BUILDER_TOKEN: "short" }, "BUILDER_TOKEN is too short"],
    ["offers nobody could check", { ...http, BUILDER_URLS: "https://b.example" }, "BUILDER_WEBHOOK_SECRET is not set"],
    ["an offer's secret of another kind", { BUILDER_WEBHOOK_SECRET: secret }, "BUILDER_WEBHOOK_SECRET is not whsec_"],
    ["an offer's secret that is short", { BUILDER_WEBHOOK_SECRET: "whsec_c2hvcnQ=" }, "24 to 64 bytes"],
    [
      "one wrong address of several",
      { BUILDER_URLS: "https://a.example,b.example" },
      "BUILDER_URLS has one that is not",
    ],
    ["a password in an address of offers", { BUILDER_URLS: "https://u:p@b.example" }, "holds a user name or password"],
    [
      "HTTP builders with the instance's own registry credentials",
      { ...http, REGISTRY_URL: "https://r.example", REGISTRY_USERNAME: "w", REGISTRY_PASSWORD: "p" },
      "REGISTRY_USERNAME is set, but no HTTP builder is given",
    ],
    ["an unknown network", { BUILD_NETWORK: "bridge" }, "BUILD_NETWORK is not one of none, internet, host"],
    ["memory without sense", { BUILD_MEMORY: "4 apples" }, "BUILD_MEMORY is not a size"],
    ["too little memory", { BUILD_MEMORY: "1m" }, "BUILD_MEMORY is not a size"],
    [
      "further hosts that are not there",
      { GITHUB_HOSTS_FILE: "/no.yml" },
      "GITHUB_HOSTS_FILE names a file that can not",
    ],
    ["a broken private key", { ...github, PRIVATE_KEY: "-----BEGIN x" }, "PRIVATE_KEY is not a private key that"],
    ["both forms of the key", { ...github, PRIVATE_KEY_PATH: "/x" }, "PRIVATE_KEY_PATH is set beside PRIVATE_KEY"],
    [
      "a key file that is not there",
      { APP_ID: "1", WEBHOOK_SECRET: secret, PRIVATE_KEY_PATH: "/nowhere/app.pem" },
      "PRIVATE_KEY_PATH names a file that can not be read (ENOENT)",
    ],
    [
      "an API address alone",
      { GITHUB_API_URL: "https://g.example/api/v3" },
      "GITHUB_URL is not set, but GITHUB_API_URL",
    ],
    [
      "Bitbucket's web address alone",
      { BITBUCKET_URL: "https://b.example" },
      "BITBUCKET_API_URL is not set, but BITBUCKET_URL is",
    ],
    [
      "Bitbucket's API address alone",
      { BITBUCKET_API_URL: "https://b.example" },
      "BITBUCKET_URL is not set, but BITBUCKET_API_URL is",
    ],
    ["an app key no client key could end in", { BITBUCKET_APP_KEY: "a/b" }, "BITBUCKET_APP_KEY has characters other"],
    ["bodies kept longer than deliveries", { RETENTION_DELIVERIES_DAYS: "7" }, "RETENTION_DELIVERIES_DAYS is less"],
  ])("refuses %s", (_, env, text) => {
    const problems = wrong(env);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(text);
  });

  it("refuses a key that is not RSA, or is too small for GitHub", () => {
    const keys = [
      generateKeyPairSync("ec", { namedCurve: "P-256" }),
      generateKeyPairSync("rsa", { modulusLength: 1024 }),
    ].map((pair) => pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString());
    for (const PRIVATE_KEY of keys) {
      expect(wrong({ ...github, PRIVATE_KEY })).toEqual(["PRIVATE_KEY is not an RSA key of at least 2048 bits"]);
    }
  });

  it.each([
    ["512m", 512 * 1024 ** 2],
    ["512MiB", 512 * 1024 ** 2],
    ["4g", 4 * 1024 ** 3],
    ["4 GB", 4 * 1024 ** 3],
    ["1073741824", 1024 ** 3],
  ])("reads %s as %d bytes", (text, bytes) => {
    expect(read({ BUILD_MEMORY: text }).config.builds.memoryBytes).toBe(bytes);
  });

  it("says of every problem what to do", () => {
    const result = parseConfig({ PORT: "x", APP_ID: "y" });
    expect(result.ok ? [] : result.problems.filter(({ todo }) => todo.length < 10)).toEqual([]);
  });

  it("never repeats a value that may be secret", () => {
    const value = "hunter2-hunter2";
    for (const name of [
      "ADMIN_TOKEN",
      "WEBHOOK_SECRET",
      "SECRET_KEY",
      "PRIVATE_KEY",
      "DATABASE_URL",
      "BUILDER_TOKEN",
      "BUILDER_URLS",
    ]) {
      expect(JSON.stringify(parseConfig({ [name]: value }))).not.toContain(value);
    }
    for (const name of ["BITBUCKET_APP_SECRET", "BITBUCKET_CLIENT_SECRET"]) {
      expect(JSON.stringify(parseConfig({ [name]: ` ${value}` }))).not.toContain(value);
    }
    expect(JSON.stringify(parseConfig({ REGISTRY_URL: `https://u:${value}@r.example` }))).not.toContain(value);
  });
});

describe("startProblems", () => {
  it("names everything a first start lacks", () => {
    expect(startProblems({}).map(({ variable }) => variable)).toEqual([
      "APP_ID",
      "PRIVATE_KEY",
      "WEBHOOK_SECRET",
      "REGISTRY_URL",
    ]);
    expect(startHelp()).toContain("/webhooks/github");
  });

  it("needs no more than an App and a registry", () => {
    expect(startProblems({ ...github, REGISTRY_URL: "https://r.example" })).toEqual([]);
    expect(read({}).config.builds.network).toBe("internet");
  });

  it("needs no GitHub App where Bitbucket is configured", () => {
    expect(startProblems({ BITBUCKET_APP_KEY: "wharfinger", REGISTRY_URL: "https://r.example" })).toEqual([]);
    expect(startProblems({ BITBUCKET_CLIENT_ID: "x" }).map(({ variable }) => variable)).toContain("APP_ID");
    expect(startHelp()).toContain("wharfinger connect bitbucket");
  });

  it("refuses variables that would change what the Connect add-on lets in, wherever it is served", () => {
    const overrides = { AC_OPTS: "no-auth", AC_LOCAL_BASE_URL: "https://x", AC_PRODUCT: "" };
    const ready = { ...github, REGISTRY_URL: "https://r.example", ...overrides };
    expect(startProblems({ ...ready, BITBUCKET_APP_KEY: "w" }).map(({ variable }) => variable)).toEqual([
      "AC_LOCAL_BASE_URL",
      "AC_OPTS",
    ]);
    expect(startProblems(ready)).toEqual([]);
  });

  it("repeats nothing that parseConfig says of a half-set GitHub App", () => {
    const env = { APP_ID: "1", REGISTRY_URL: "https://r.example", BUILD_NETWORK: "none" };
    expect(startProblems(env)).toEqual([]);
    expect(wrong(env)).toHaveLength(2);
  });
});

describe("describeConfig", () => {
  it("shows values and defaults, and of secrets only that they are set", () => {
    const described = describeConfig({
      ...github,
      BITBUCKET_APP_SECRET: "shared-with-bitbucket",
      PORT: "8080",
      REGISTRY_URL: "https://u:letmein@r.example",
    });
    expect(described).toMatchObject({ PORT: "8080", APP_ID: "12", HOST: "(not set; default: 127.0.0.1)" });
    const text = JSON.stringify(described);
    for (const hidden of [secret, "BEGIN", "letmein", "shared-with-bitbucket"]) {
      expect(text).not.toContain(hidden);
    }
  });
});

describe("ensureSecretKey", () => {
  it("makes the key once, readable by its owner only, and leaves nothing else", () => {
    const dir = join(folder, "fresh", "data");
    const key = ensureSecretKey(dir);
    expect(key).toHaveLength(32);
    expect(ensureSecretKey(dir).equals(key)).toBe(true);
    expect(readdirSync(dir)).toEqual(["secret.key"]);
    expect(statSync(join(dir, "secret.key")).mode & 0o777).toBe(0o600);
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    expect(readFileSync(join(dir, "secret.key"), "utf8").trim()).toBe(key.toString("base64"));
  });

  it("refuses a key others can read, and a broken one, without replacing either", () => {
    const dir = join(folder, "broken");
    ensureSecretKey(dir);
    const path = join(dir, "secret.key");
    chmodSync(path, 0o644);
    expect(() => ensureSecretKey(dir)).toThrow("chmod 600");
    chmodSync(path, 0o600);
    writeFileSync(path, "");
    expect(() => ensureSecretKey(dir)).toThrow("Restore it from a backup");
    expect(readFileSync(path, "utf8")).toBe("");
  });
});
