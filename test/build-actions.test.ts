import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { openBuilds } from "../src/build-actions.ts";
import { type Config, parseConfig } from "../src/config.ts";
import { StartError, systemClock } from "../src/parts.ts";
import { migrateStore, openStore, StoreRefused } from "../src/store/store.ts";
import { OPERATOR } from "./contract/store.by.ts";
import { delivery, give, record, request } from "./contract/store.samples.ts";
import { recordingLog } from "./engine/fakes.ts";
import { branchChange, idOf, repositoryOf } from "./github/on-stand-in.ts";
import { createGithubHost, type GithubHost, type HostInstallation, type HostRepository } from "./hosts/github/index.ts";

let folder: string;
let github: GithubHost;
let api: HostRepository;
let installation: HostInstallation;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "wharfinger-builds-"));
  github = await createGithubHost();
  api = await github.repository(github.organization("acme"), "api", { private: true });
  installation = await github.install(github.organization("acme"));
});

afterEach(async () => {
  expect(github.violations).toEqual([]);
  await github.close();
  rmSync(folder, { recursive: true, force: true });
});

function configured(more: Readonly<Record<string, string>> = { REGISTRY_URL: "http://127.0.0.1:9" }): Config {
  const result = parseConfig({
    DATA_DIR: folder,
    APP_ID: String(github.appId),
    PRIVATE_KEY: github.privateKey,
    WEBHOOK_SECRET: "a-webhook-secret-of-32-characters",
    GITHUB_URL: github.url,
    GITHUB_API_URL: github.apiUrl,
    ...more,
  });
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.config;
}

const { log } = recordingLog();

describe("what the command line does with builds", () => {
  it("is done in the configured database, with refs as the configured host tells them, and signed requests", async () => {
    const config = configured();
    await migrateStore(config.databaseUrl);
    const { sha } = await api.commit({ files: { Dockerfile: "FROM scratch\n" } });
    const store = await openStore({ url: config.databaseUrl, clock: systemClock });
    const id = idOf(installation);
    const account = { ...id, id: "1", login: "acme", kind: "organization" } as const;
    await store.saveInstallation({ id, account, state: "active", permissions: {} });
    await give(store, account, "acme");
    await store.linkRepositories(id, [repositoryOf(api)], { complete: true });
    await store.append([delivery("one", { installationId: id.id, repositoryId: String(api.id) })]);
    const moved = branchChange("main", null, sha);
    const plan = record([moved], [request(moved)], { repository: repositoryOf(api), installation: id });
    const [build] = await store.recordPlan((await store.findDelivery("one"))?.id ?? "", plan);
    await store.close();

    const builds = await openBuilds(config, log);
    try {
      const [found] = await builds.findRepositories("acme/api");
      if (found === undefined) throw new Error("the repository is known");
      const started = await builds.start({ repository: repositoryOf(api), ref: "main", image: null }, OPERATOR);
      expect(started).toMatchObject({ kind: "started" });
      expect(await builds.start({ repository: repositoryOf(api), ref: "gone", image: null }, OPERATOR)).toMatchObject({
        kind: "no-ref",
      });
      expect(await builds.cancel(build?.id ?? "", OPERATOR)).toEqual({ kind: "canceled" });
      const retried = await builds.retry(build?.id ?? "", OPERATOR);
      expect(retried).toMatchObject({ kind: "queued" });
      const again = await builds.getBuild(retried.kind === "queued" ? retried.build : "");
      expect(again?.requestDigest).toMatch(/^sha256:/);
    } finally {
      await builds.close();
    }
  });

  it("is nothing without a registry, nor where the database can not be used", async () => {
    await expect(openBuilds(configured({}), log)).rejects.toBeInstanceOf(StartError);
    await expect(openBuilds(configured(), log)).rejects.toBeInstanceOf(StoreRefused);
  });
});
