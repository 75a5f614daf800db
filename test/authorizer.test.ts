import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { openAuthorizer } from "../src/authorizer.ts";
import { type Config, parseConfig } from "../src/config.ts";
import { migrateStore, StoreRefused } from "../src/store/store.ts";
import { idOf, repositoryOf } from "./github/on-stand-in.ts";
import { createGithubHost, type GithubHost } from "./hosts/github/index.ts";

let folder: string;
let github: GithubHost;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "wharfinger-authorizer-"));
  github = await createGithubHost();
});

afterEach(async () => {
  expect(github.violations).toEqual([]);
  await github.close();
  rmSync(folder, { recursive: true, force: true });
});

function configured(): Config {
  const result = parseConfig({
    DATA_DIR: folder,
    APP_ID: String(github.appId),
    PRIVATE_KEY: github.privateKey,
    WEBHOOK_SECRET: "a-webhook-secret-of-32-characters",
    GITHUB_URL: github.url,
    GITHUB_API_URL: github.apiUrl,
  });
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.config;
}

describe("what the command line asks of people", () => {
  it("is answered by the configured host, of the person with that id", async () => {
    const config = configured();
    await migrateStore(config.databaseUrl);
    const api = await github.repository(github.organization("acme"), "api", { private: true });
    const installation = await github.install(github.organization("acme"));
    const rita = github.user("rita");
    const person = { id: String(rita.id), login: "rita" };
    const place = { installation: idOf(installation), repository: repositoryOf(api) };
    const authorizer = await openAuthorizer(config);
    try {
      expect(await authorizer.may(person, "build.approve", place)).toMatchObject({ kind: "refused" });
      github.setRole(api, rita, "write");
      expect(await authorizer.may(person, "build.approve", place)).toEqual({ kind: "allowed" });
      expect(await authorizer.may({ ...person, id: "1" }, "build.approve", place)).toMatchObject({ kind: "refused" });
      const change = await authorizer.may(person, "policy.change", place);
      expect(change).toMatchObject({ kind: "refused", why: expect.stringContaining("takes the role owner") });
      const elsewhere = { ...place, installation: { ...place.installation, host: "ghes" }, repository: null };
      expect(await authorizer.may(person, "policy.change", elsewhere)).toMatchObject({ kind: "unknown" });
    } finally {
      await authorizer.close();
    }
  });

  it("is not asked where the database can not be used", async () => {
    await expect(openAuthorizer(configured())).rejects.toBeInstanceOf(StoreRefused);
  });
});
