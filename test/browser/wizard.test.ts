/** The first run in a browser: from the printed link, over GitHub's page and a real registry, to the finished setup. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "@jest/globals";
import type { Browser } from "playwright-core";
import { parseConfig } from "../../src/config.ts";
import { openConfiguredStore } from "../../src/parts.ts";
import { type Setup, startSetup } from "../../src/setup.ts";
import { packageRoot } from "../../src/version.ts";
import { createGithubHost, type GithubHost } from "../hosts/github/index.ts";
import { freePort } from "../support/free-port.ts";
import { startRegistry, type TestRegistry } from "../support/registry.ts";
import { critique, openBrowser, openTab, type Tab } from "./browser.ts";

let folder: string;
let browser: Browser;
let github: GithubHost;
let registry: TestRegistry;
let setup: Setup;
let tab: Tab;
let env: Readonly<Record<string, string>>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharfinger-wizard-"));
  browser = await openBrowser();
  github = await createGithubHost();
  registry = await startRegistry({ auth: true });
  env = { DATA_DIR: join(folder, "data"), PORT: String(await freePort()), HOST: "localhost" };
  const nothing = () => undefined;
  const log = { info: nothing, warn: nothing, error: nothing };
  setup = await startSetup({ config: config(), env, views: join(packageRoot, "views"), log });
  tab = await openTab(browser);
}, 120_000);

afterAll(async () => {
  await browser.close();
  await setup.stop();
  await registry.stop();
  await github.close();
  await rm(folder, { recursive: true, force: true });
});

function config() {
  const read = parseConfig(env);
  if (!read.ok) throw new Error(JSON.stringify(read.problems));
  return read.config;
}

it("is clicked through by somebody who was told nothing but the link", async () => {
  github.user("mona");
  const { page } = tab;
  const press = (name: string) => page.getByRole("button", { name, exact: true }).click();
  const next = (name: string) => page.getByRole("link", { name, exact: true }).click();
  const heading = (name: string | RegExp) => page.getByRole("heading", { name }).first().waitFor();

  await page.goto(setup.link);
  await next("Stay at this address for now").catch(async () => {
    throw new Error(`at ${page.url()}: ${await page.locator("main").innerText()}`);
  });
  await heading("Register an App");
  expect(await critique(tab, "setup-github")).toEqual([]);

  await page.getByLabel("Name", { exact: true }).fill("Acme builds");
  await page.getByText("GitHub Enterprise Server or ghe.com").click();
  await page.getByLabel("Address people open").fill(github.url);
  await page.getByLabel("Address of its API").first().fill(github.apiUrl);
  await press("Look at it, then go to GitHub");
  expect(await critique(tab, "setup-github-send")).toEqual([]);
  await press(`Go to ${new URL(github.url).host}`);
  await page.getByLabel("You are").selectOption("mona");
  await press("Create GitHub App");
  await heading(/^App \d+ on /);

  await next("Next step");
  await heading("Connect a workspace or a repository");
  expect(await critique(tab, "setup-bitbucket")).toEqual([]);
  await page.locator("main a.button").last().click();

  await page.getByLabel("Address", { exact: true }).fill(registry.url);
  await page.getByLabel("User name").fill(registry.username ?? "");
  await page.getByLabel("Password or access token").fill("wrong");
  await press("Save and test");
  // In the registry's own words, and what was typed stays, but for the password.
  await page.getByText("does not work", { exact: true }).waitFor();
  expect(await page.getByRole("status").textContent()).toContain("It does not work yet.");
  expect(await page.getByLabel("User name").inputValue()).toBe(registry.username);
  expect(await page.getByLabel("Password or access token").inputValue()).toBe("");
  expect(await critique(tab, "setup-registry-refused")).toEqual([]);
  await page.getByLabel("Password or access token").fill(registry.password ?? "");
  await press("Save and test");
  await page.getByText("works", { exact: true }).first().waitFor();
  expect(await page.getByRole("status").textContent()).not.toContain("yet");

  await next("Next: Builder");
  await press("Save and test");
  await heading(/Builder/);
  expect(await critique(tab, "setup-builder")).toEqual([]);

  await next("Next: Operator");
  await press("Make one");
  const token = (await page.locator("#secret").textContent()) ?? "";
  expect(token).toMatch(/^[0-9a-f]{64}$/);
  expect(await critique(tab, "setup-operator")).toEqual([]);
  await next("Next: Finish");
  expect(await page.locator("main").innerText()).not.toContain(token);
  expect(await critique(tab, "setup-finish")).toEqual([]);
  await press("Finish and start");
  await setup.finished;

  const store = await openConfiguredStore(config());
  const { values, finishedAt } = await store.storedSettings();
  await store.close();
  expect(finishedAt).not.toBeNull();
  expect(values).toMatchObject({
    ADMIN_TOKEN: token,
    APP_ID: String(github.appId),
    REGISTRY_URL: registry.url,
    REGISTRY_PASSWORD: registry.password,
  });
  expect(github.violations).toEqual([]);
  expect(tab.complaints).toEqual([]);
}, 180_000);
