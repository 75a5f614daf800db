/** Further GitHub hosts, as `GITHUB_HOSTS_FILE` names them. */
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { dump } from "js-yaml";
import { parseConfig, startProblems } from "../src/config.ts";
import { isBlank } from "../src/config-stored.ts";

const pem = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  publicKeyEncoding: { type: "spki", format: "pem" },
  privateKeyEncoding: { type: "pkcs1", format: "pem" },
}).privateKey;
const secret = "0123456789abcdef0123456789abcdef";
const DEFAULT = { APP_ID: "12", PRIVATE_KEY: pem, WEBHOOK_SECRET: secret };
const GHES = {
  name: "ghes",
  url: "https://ghe.example.com",
  app_id: 3,
  private_key_path: "ghes.pem",
  webhook_secret_path: "ghes.secret",
};

let folder: string;
let files = 0;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "wharfinger-hosts-"));
  writeFileSync(join(folder, "ghes.pem"), pem);
  writeFileSync(join(folder, "ghes.secret"), `${"a".repeat(32)}\n`);
  writeFileSync(join(folder, "former.secret"), "b".repeat(32));
  writeFileSync(join(folder, "shared.secret"), secret);
  writeFileSync(join(folder, "short.secret"), "hunter2");
  writeFileSync(join(folder, "client.secret"), "from-github");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function hostsFile(content: object | string): string {
  files += 1;
  const path = join(folder, `hosts-${files}.yml`);
  writeFileSync(path, typeof content === "string" ? content : dump(content));
  return path;
}

function read(content: object | string, env: Record<string, string> = {}) {
  return parseConfig({ ...env, GITHUB_HOSTS_FILE: hostsFile(content) });
}

function problems(content: object | string, env: Record<string, string> = {}): string {
  const result = read(content, env);
  return result.ok ? "" : result.problems.map(({ variable, wrong }) => `${variable} ${wrong}`).join("\n");
}

describe("GITHUB_HOSTS_FILE", () => {
  it("names hosts beside the one of the variables, with secrets in files beside it", () => {
    const tenant = {
      ...{ name: "tenant", url: "https://acme.ghe.com", app_id: "4", private_key_path: join(folder, "ghes.pem") },
      ...{ webhook_secret_path: "former.secret", client_id: "Iv1.x", client_secret_path: "client.secret" },
    };
    const result = read({ hosts: [{ ...GHES, api_url: "https://ghe.example.com/api/v3/" }, tenant] }, DEFAULT);
    if (!result.ok) throw new Error(JSON.stringify(result.problems));
    const { github, githubHosts } = result.config;
    expect(github).toMatchObject({ host: "default", appId: 12 });
    const none = { clientId: null, clientSecret: null };
    expect(githubHosts).toEqual([
      {
        ...{ host: "ghes", appId: 3, privateKey: expect.stringContaining("BEGIN PRIVATE KEY"), ...none },
        ...{ privateKeyPath: join(folder, "ghes.pem"), webhookSecrets: ["a".repeat(32)] },
        ...{ url: "https://ghe.example.com", apiUrl: "https://ghe.example.com/api/v3" },
      },
      expect.objectContaining({
        ...{ host: "tenant", appId: 4, apiUrl: "https://api.acme.ghe.com", webhookSecrets: ["b".repeat(32)] },
        ...{ clientId: "Iv1.x", clientSecret: "from-github" },
      }),
    ]);
  });

  it("takes the former secret as well, while it is being changed", () => {
    const result = read({ hosts: [{ ...GHES, webhook_secret_previous_path: "former.secret" }] });
    expect(result.ok && result.config.githubHosts[0]?.webhookSecrets).toEqual(["a".repeat(32), "b".repeat(32)]);
  });

  it("is enough to start with, and to be no first run", () => {
    const env = { GITHUB_HOSTS_FILE: hostsFile({ hosts: [GHES] }), REGISTRY_URL: "https://r.example" };
    expect(startProblems(env)).toEqual([]);
    expect(isBlank({ GITHUB_HOSTS_FILE: "x" })).toBe(false);
  });

  it.each<[string, object | string, string]>([
    ["nothing in it", "", "the file has no list of hosts"],
    ["no YAML", "hosts: [\n  - x: [", "GITHUB_HOSTS_FILE names a file with a problem: line "],
    ["no hosts", { hosts: [] }, "hosts is empty"],
    ["an unknown key", { hosts: [{ ...GHES, secret: "x" }] }, "hosts[0] has secret, which is no key here"],
    ["a missing key", { hosts: [{ name: "ghes" }] }, "hosts[0].url is not set"],
    ["the default's name", { hosts: [{ ...GHES, name: "default" }] }, "hosts[0].name must be lowercase"],
    ["a name that is a path of ours", { hosts: [{ ...GHES, name: "callback" }] }, "hosts[0].name must be lowercase"],
    ["a name with a slash", { hosts: [{ ...GHES, name: "a/b" }] }, "hosts[0].name must be lowercase"],
    ["an address that is none", { hosts: [{ ...GHES, url: "ghe.example.com" }] }, "hosts[0].url is not"],
    ["an App that is none", { hosts: [{ ...GHES, app_id: "x" }] }, "hosts[0].app_id is not"],
    [
      "a key that is not there",
      { hosts: [{ ...GHES, private_key_path: "no.pem" }] },
      "hosts[0].private_key_path names a file that can not be read (ENOENT)",
    ],
    [
      "a key that is none",
      { hosts: [{ ...GHES, private_key_path: "ghes.secret" }] },
      "hosts[0].private_key_path is not",
    ],
    ["a short secret", { hosts: [{ ...GHES, webhook_secret_path: "short.secret" }] }, "hosts[0].webhook_secret_path"],
    ["half a client", { hosts: [{ ...GHES, client_id: "Iv1.x" }] }, "hosts[0].client_secret_path is not set"],
    ["one name twice", { hosts: [GHES, { ...GHES, url: "https://b.example" }] }, "hosts[1].name is there twice"],
    [
      "one host twice",
      { hosts: [GHES, { ...GHES, name: "again", url: "https://GHE.example.com" }] },
      "hosts[1].url is that of ghes",
    ],
  ])("is refused with %s", (_name, content, expected) => {
    const text = problems(content);
    expect(text).toContain(expected);
    expect(text).not.toContain("hunter2");
  });

  it.each([
    ["the same address", { url: "https://github.com" }, "hosts[0].url is that of the GitHub of the variables"],
    ["the same API", { api_url: "https://api.github.com" }, "hosts[0].api_url is that of the GitHub of the variables"],
    [
      "the same webhook secret",
      { webhook_secret_path: "shared.secret" },
      "hosts[0].webhook_secret_path has a secret of the GitHub of the variables",
    ],
  ])("is refused where it has %s as the default host", (_name, changes, expected) => {
    expect(problems({ hosts: [{ ...GHES, ...changes }] }, DEFAULT)).toContain(expected);
  });

  it("that can not be read says why", () => {
    const result = parseConfig({ GITHUB_HOSTS_FILE: join(folder, "none.yml") });
    expect(result.ok ? "" : result.problems[0]?.wrong).toBe("names a file that can not be read (ENOENT)");
  });

  it("makes the operator say whose accounts get namespaces by themselves", () => {
    const automatic = { ...DEFAULT, NAMESPACE_POLICY: "automatic" };
    expect(problems({ hosts: [GHES] }, automatic)).toContain("NAMESPACE_HOST is not set");
    expect(problems({ hosts: [GHES] }, { ...automatic, NAMESPACE_HOST: "github:ghse" })).toContain("names ghse");
    expect(problems({ hosts: [GHES] }, { ...automatic, NAMESPACE_HOST: "github:ghes" })).toBe("");
  });

  it("lets operators be people of its hosts", () => {
    const result = read({ hosts: [GHES] }, { OPERATORS: "github:ghes:7" });
    expect(result.ok && result.config.operators).toEqual(["github:ghes:7"]);
  });
});
