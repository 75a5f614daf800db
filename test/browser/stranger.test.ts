/**
 * From a machine that was told nothing to the first image, by somebody who reads no documentation: the compiled program, a
 * browser, the stand-in's own pages for the App, a real registry, a real build. Nothing is done but clicking and typing.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "@jest/globals";
import type { Browser } from "playwright-core";
import { createRegistryClient } from "../../src/registry/client.ts";
import { createGithubHost, type GithubHost } from "../hosts/github/index.ts";
import { compiledMain } from "../support/compiled.ts";
import { freePort } from "../support/free-port.ts";
import { startRegistry, type TestRegistry } from "../support/registry.ts";
import { eventually } from "../support/world.ts";
import { critique, openBrowser, openTab, type Tab } from "./browser.ts";
import { signInWithGithub } from "./sign-in.ts";

const MAIN = compiledMain();

let folder: string;
let github: GithubHost;
let registry: TestRegistry;
let browser: Browser;
let tab: Tab;
let program: ChildProcess;
let said = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharfinger-stranger-"));
  [github, registry, browser] = await Promise.all([createGithubHost(), startRegistry({ auth: true }), openBrowser()]);
  tab = await openTab(browser);
  program = spawn(process.execPath, [MAIN, "start"], {
    cwd: folder,
    env: { PATH: process.env["PATH"] ?? "", PORT: String(await freePort()) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  for (const stream of [program.stdout, program.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      said += chunk.toString("utf8");
    });
  }
}, 180_000);

afterAll(async () => {
  await browser.close();
  if (program.exitCode === null) {
    program.kill("SIGTERM");
    await once(program, "exit");
  }
  await registry.stop();
  await github.close();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

it("leads from the printed link to a published image", async () => {
  const [mona, acme] = [github.user("mona"), github.organization("acme")];
  github.setMembership(acme, mona, { role: "admin", state: "active" });
  const repository = await github.repository(acme, "greeter", { private: true });
  const files = { Dockerfile: "FROM scratch\nCOPY hello.txt /hello.txt\n", "hello.txt": "hello\n" };
  await repository.commit({ message: "Begin", files });
  const link = await eventually("the link", () => /http:\/\/localhost:\d+\/setup\/[\w-]{43}/.exec(said)?.[0] ?? null);

  const { page } = tab;
  const press = (name: string) => page.getByRole("button", { name, exact: true }).click();
  const follow = (name: string) => page.getByRole("link", { name, exact: true }).click();
  await page.goto(link);
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
  await page.locator("main a.button").last().click();
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
  const landing = page.url();
  const decide = await page.getByRole("link", { name: "sign in as its operator" }).getAttribute("href");

  const operator = await openTab(browser);
  await operator.page.goto(new URL(decide ?? "", landing).href);
  await operator.page.getByText("Sign in as the operator of this server").click();
  await operator.page.getByLabel("Operator's token").fill(token);
  await operator.page.getByRole("button", { name: "Sign in", exact: true }).click();
  await operator.page.getByRole("button", { name: "Approve" }).click();
  await operator.page.getByRole("status").waitFor();

  await page.reload();
  await press("Build acme/greeter now");
  await page.getByText(/^docker pull /).waitFor();
  expect(await critique(tab, "stranger-image")).toEqual([]);
  const pull = (await page.getByText(/^docker pull /).textContent()) ?? "";
  const [, digest = ""] = /@(sha256:[0-9a-f]{64})$/.exec(pull.trim()) ?? [];
  const { url, username, password } = registry;
  const client = createRegistryClient({ url, username, password });
  expect(await client.getManifest("acme/greeter", "latest")).toMatchObject({ ok: true, value: { digest } });

  expect(github.violations).toEqual([]);
  expect([...tab.complaints, ...operator.complaints]).toEqual([]);
}, 240_000);
