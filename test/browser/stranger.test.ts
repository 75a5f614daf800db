/**
 * From a machine that was told nothing to the first image, by somebody who reads no documentation: the compiled program, a
 * browser, the stand-ins' own pages, a real registry, a real build. Nothing is done but clicking and typing.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "@jest/globals";
import type { Browser } from "playwright-core";
import { parseConfig } from "../../src/config.ts";
import { openConfiguredStore } from "../../src/parts.ts";
import { createRegistryClient } from "../../src/registry/client.ts";
import { migrateStore } from "../../src/store/store.ts";
import { createBitbucketHost } from "../hosts/bitbucket/index.ts";
import { createGithubHost } from "../hosts/github/index.ts";
import { compiledMain } from "../support/compiled.ts";
import { freePort } from "../support/free-port.ts";
import { startRegistry, type TestRegistry } from "../support/registry.ts";
import { eventually } from "../support/world.ts";
import { critique, openBrowser, openTab, type Tab } from "./browser.ts";
import { signInWithBitbucket, signInWithGithub } from "./sign-in.ts";

const MAIN = compiledMain();
const FILES = { Dockerfile: "FROM scratch\nCOPY hello.txt /hello.txt\n", "hello.txt": "hello\n" };

let folder: string;
let registry: TestRegistry;
let browser: Browser;
let tab: Tab;
/** Null: nobody has started it yet. */
let program: ChildProcess | null;
let said: string;

beforeAll(async () => {
  [registry, browser] = await Promise.all([startRegistry({ auth: true }), openBrowser()]);
}, 180_000);

afterAll(async () => {
  await browser.close();
  await registry.stop();
}, 60_000);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharfinger-stranger-"));
  tab = await openTab(browser);
  [program, said] = [null, ""];
});

afterEach(async () => {
  await tab.context.close();
  if (program !== null && program.exitCode === null) {
    program.kill("SIGTERM");
    await once(program, "exit");
  }
  await rm(folder, { recursive: true, force: true });
}, 60_000);

/** Starts the program, told nothing but where to listen; resolves with the link it prints. */
async function started(): Promise<string> {
  const child = spawn(process.execPath, [MAIN, "start"], {
    cwd: folder,
    env: { PATH: process.env["PATH"] ?? "", PORT: String(await freePort()) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  program = child;
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      said += chunk.toString("utf8");
    });
  }
  return eventually("the link", () => /http:\/\/localhost:\d+\/setup\/[\w-]{43}/.exec(said)?.[0] ?? null);
}

const press = (name: string) => tab.page.getByRole("button", { name, exact: true }).click();
const follow = (name: string) => tab.page.getByRole("link", { name, exact: true }).click();

/** The steps that are the same whichever host it is; resolves with the operator's token. */
async function finishSetup(): Promise<string> {
  const { page } = tab;
  await page.getByLabel("Address", { exact: true }).fill(registry.url);
  await page.getByLabel("User name").fill(registry.username ?? "");
  await page.getByLabel("Password or access token").fill(registry.password ?? "");
  await press("Save and test");
  await follow("Next: Builder");
  await press("Save and test");
  await follow("Next: Operator");
  await press("Make one");
  const token = (await page.locator("#secret").textContent()) ?? "";
  await follow("Next: Finish");
  await press("Finish and start");
  await page.getByText("The wizard is closed").waitFor();
  return token;
}

/** Somebody else, in a browser of their own, decides what the page asks of the operator. */
async function approve(token: string): Promise<void> {
  const decide = await tab.page.getByRole("link", { name: "sign in as its operator" }).getAttribute("href");
  const { page, complaints, context } = await openTab(browser);
  await page.goto(new URL(decide ?? "", tab.page.url()).href);
  await page.getByText("Sign in as the operator of this server").click();
  await page.getByLabel("Operator's token").fill(token);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByRole("button", { name: "Approve" }).click();
  await page.getByRole("status").waitFor();
  expect(complaints).toEqual([]);
  await context.close();
}

/** What the page of the build says to pull is what the registry has. */
async function expectPublished(image: string): Promise<void> {
  const pull = tab.page.getByText(/^docker pull /);
  await pull.waitFor();
  const [, digest = ""] = /@(sha256:[0-9a-f]{64})$/.exec(((await pull.textContent()) ?? "").trim()) ?? [];
  const { url, username, password } = registry;
  const published = await createRegistryClient({ url, username, password }).getManifest(image, "latest");
  expect(published).toMatchObject({ ok: true, value: { digest } });
}

it("leads from the printed link over an App of one's own to a published image", async () => {
  const github = await createGithubHost();
  const [mona, acme] = [github.user("mona"), github.organization("acme")];
  github.setMembership(acme, mona, { role: "admin", state: "active" });
  const repository = await github.repository(acme, "greeter", { private: true });
  await repository.commit({ message: "Begin", files: FILES });

  const { page } = tab;
  await page.goto(await started());
  await follow("Stay at this address for now");
  await page.getByLabel("Name", { exact: true }).fill("Acme builds");
  await page.getByRole("textbox", { name: "Organization" }).fill("acme");
  await page.getByText("GitHub Enterprise Server or ghe.com").click();
  await page.getByLabel("Address people open").fill(github.url);
  await page.getByLabel("Address of its API").first().fill(github.apiUrl);
  await press("Look at it, then go to GitHub");
  await press(`Go to ${new URL(github.url).host}`);
  await page.getByLabel("You are").selectOption("mona");
  await press("Create GitHub App");
  await follow("Next step");
  await follow("Skip Bitbucket");
  const token = await finishSetup();
  expect(await critique(tab, "setup-done")).toEqual([]);

  // From here on it is what every owner of an account goes through.
  await follow("Install the App");
  await page.getByLabel("You are").selectOption("mona");
  await page.getByLabel("Install on").selectOption("acme");
  await press("Install");
  await signInWithGithub(tab, "mona");
  await page.getByRole("heading", { name: "acme" }).waitFor();
  expect(await critique(tab, "stranger-waits")).toEqual([]);
  // What could not be built is not offered.
  expect(await page.getByRole("button", { name: /Build/ }).count()).toBe(0);
  await approve(token);
  await page.reload();
  await press("Build acme/greeter now");
  await expectPublished("acme/greeter");
  expect(await critique(tab, "stranger-image")).toEqual([]);

  expect(github.violations).toEqual([]);
  expect(tab.complaints).toEqual([]);
  await github.close();
}, 240_000);

it("leads from the printed link over an access token of a Bitbucket workspace to a published image", async () => {
  const bitbucket = await createBitbucketHost();
  const harbour = bitbucket.workspace("harbour");
  const repository = await bitbucket.repository(harbour, "greeter", { private: true });
  await repository.commit({ message: "Begin", files: FILES });
  const { token: access } = bitbucket.accessToken({
    workspace: harbour,
    scopes: ["repository", "pullrequest", "webhook"],
  });
  await pointAt(bitbucket);

  const { page } = tab;
  await page.goto(await started());
  bitbucket.consumer.callbackUrl = `${new URL(page.url()).origin}/auth/bitbucket/callback`;
  await follow("Stay at this address for now");
  await follow("Skip GitHub");
  await page.getByLabel("Workspace, or workspace/repository").fill("harbour");
  await page.getByLabel("Access token").fill(access);
  await press("Connect");
  await page.getByText("harbour is connected").waitFor();
  expect(await critique(tab, "setup-bitbucket-connected")).toEqual([]);
  await page.getByText("Let people sign in with their Bitbucket accounts").click();
  await page.getByLabel("Key", { exact: true }).fill(bitbucket.consumer.clientId);
  await page.getByLabel("Secret", { exact: true }).fill(bitbucket.consumer.clientSecret);
  await press("Save");
  await follow("Next: Registry");
  const token = await finishSetup();
  expect(await critique(tab, "setup-done-bitbucket")).toEqual([]);

  await repository.push([{ branch: "main", files: { "hello.txt": "hello again\n" } }]);
  await page.goto(`${new URL(page.url()).origin}/installations`);
  await signInWithBitbucket(tab, "harbour-owner");
  await page.getByRole("link", { name: "harbour", exact: true }).click();
  await page.getByRole("heading", { name: "harbour" }).waitFor();
  await approve(token);
  await page.reload();
  await press("Build harbour/greeter now");
  await expectPublished("harbour/greeter");

  expect(bitbucket.violations).toEqual([]);
  expect(tab.complaints).toEqual([]);
  await bitbucket.close();
}, 240_000);

/** The one thing nobody types: for the program, the stand-in is bitbucket.org. */
async function pointAt({ url, apiUrl }: { readonly url: string; readonly apiUrl: string }): Promise<void> {
  const read = parseConfig({ DATA_DIR: join(folder, "data") });
  if (!read.ok) throw new Error(JSON.stringify(read.problems));
  await migrateStore(read.config.databaseUrl);
  const store = await openConfiguredStore(read.config);
  const by = { by: { kind: "operator" }, setup: true } as const;
  await store.saveSettings({ BITBUCKET_URL: url, BITBUCKET_API_URL: apiUrl }, by);
  await store.close();
}
