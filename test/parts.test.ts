import { generateKeyPairSync } from "node:crypto";
import { afterAll, afterEach, beforeAll, expect, it } from "@jest/globals";
import nock from "nock";
import { type Environment, parseConfig } from "../src/config.ts";
import { parseSha, type Repository } from "../src/core/model.ts";
import { createGithubParts } from "../src/parts.ts";

const { privateKey } = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  privateKeyEncoding: { type: "pkcs1", format: "pem" },
  publicKeyEncoding: { type: "pkcs1", format: "pem" },
});
const ENV = { APP_ID: "1234", PRIVATE_KEY: privateKey, WEBHOOK_SECRET: "a-webhook-secret-of-32-characters-or-more" };
const HEADERS = { "x-github-api-version": "2022-11-28", "user-agent": /^wharfinger/ };
const INSTALLATION = { provider: "github", host: "default", id: "7" } as const;

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

beforeAll(() => nock.disableNetConnect());
afterEach(() => nock.cleanAll());
afterAll(() => {
  nock.enableNetConnect();
  nock.restore();
});

function githubParts(env: Environment) {
  const read = parseConfig(env);
  if (!read.ok || read.config.github === null) throw new Error(JSON.stringify(read));
  return createGithubParts(read.config.github, silent, { now: () => Date.now() });
}

function repository(web: string): Repository {
  return {
    provider: "github",
    host: "default",
    id: "42",
    fullName: "acme/api",
    private: true,
    defaultBranch: "main",
    cloneUrl: `${web}/acme/api.git`,
    webUrl: `${web}/acme/api`,
  };
}

const CASES: readonly [string, Environment, string, string, string][] = [
  ["github.com without further variables", ENV, "https://github.com", "https://api.github.com", ""],
  [
    "a GitHub Enterprise Server",
    { ...ENV, GITHUB_URL: "https://ghes.example", GITHUB_API_URL: "https://ghes.example/api/v3" },
    "https://ghes.example",
    "https://ghes.example",
    "/api/v3",
  ],
];

it.each(CASES)(
  "asks %s at its own addresses, by the repository's id, with the narrowest token",
  async (_name, env, web, api, base) => {
    const { host } = githubParts(env);
    const mint = nock(api, { reqheaders: { ...HEADERS, authorization: /^Bearer ey/ } })
      .post(`${base}/app/installations/7/access_tokens`, { repository_ids: [42], permissions: { contents: "read" } })
      .reply(201, { token: "ghs_narrow", expires_at: new Date(Date.now() + 3_600_000).toISOString() });
    const read = nock(api, { reqheaders: { ...HEADERS, authorization: "Bearer ghs_narrow" } })
      .get(`${base}/repositories/42/contents/.wharfinger.yml`)
      .query({ ref: "a".repeat(40) })
      .reply(200, {
        type: "file",
        encoding: "base64",
        size: 11,
        content: Buffer.from("version: 1\n").toString("base64"),
      });
    const sha = parseSha("a".repeat(40));
    if (sha === null) throw new Error("not a hash");

    const file = await host.file(INSTALLATION, repository(web), sha, ".wharfinger.yml");
    expect(file).toEqual({ ok: true, value: { kind: "file", text: "version: 1\n" } });
    expect(await host.cloneCredential(INSTALLATION, repository(web))).toEqual({
      ok: true,
      value: { username: "x-access-token", password: "ghs_narrow" },
    });
    expect([mint.isDone(), read.isDone()]).toEqual([true, true]);
    // Nothing that belongs to another host gets a token of this one.
    expect(await host.cloneCredential(INSTALLATION, repository("https://evil.example"))).toMatchObject({ ok: false });
  },
);
