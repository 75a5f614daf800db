/** The settings inside Bitbucket: a real frame of the stand-in, on another origin, in a real browser. */
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { Browser, FrameLocator } from "playwright-core";
import type { HostInstall, HostWorkspace } from "../hosts/bitbucket/index.ts";
import { createWorld, eventually, type World } from "../support/world.ts";
import { critique, openBrowser, openTab, type Tab } from "./browser.ts";

let browser: Browser;
let world: World;
let harbour: HostWorkspace;
let install: HostInstall;
let tab: Tab;

beforeEach(async () => {
  [browser, world] = await Promise.all([openBrowser(), createWorld({ bitbucket: true })]);
  const { bitbucket } = world;
  harbour = bitbucket.workspace("harbour");
  const repository = await bitbucket.repository(harbour, "greeter", { private: true });
  await repository.commit({ message: "Begin", files: { "README.md": "# Greeter\n" } });
  const descriptor = `${world.url}/atlassian-connect.json`;
  ({ install } = await bitbucket.install(harbour, { descriptor }));
  await eventually("the installation is known", async () => ((await policy()) === null ? null : true));
  tab = await openTab(browser, { viewport: { width: 900, height: 800 } });
}, 180_000);

afterEach(async () => {
  await browser.close();
  const { violations } = world.bitbucket;
  await world.close();
  expect(violations).toEqual([]);
  expect(tab.complaints).toEqual([]);
}, 180_000);

async function policy(): Promise<{ readonly forks: string } | null> {
  const { items } = await world.api<{ items: { id: string; policy: { forks: string } }[] }>("/installations");
  return items.find(({ id }) => id === harbour.uuid)?.policy ?? null;
}

async function look(login: string): Promise<FrameLocator> {
  await tab.page.goto(world.bitbucket.framePage(install, "configure", { user: world.bitbucket.user(login) }));
  return tab.page.frameLocator("iframe");
}

describe("within Bitbucket", () => {
  it("an owner reads and changes the settings", async () => {
    const frame = await look("harbour-owner");
    await frame.getByLabel("Pull requests from forks").selectOption("never");
    expect(await critique(tab, "bitbucket-configure")).toEqual([]);
    await frame.getByRole("button", { name: "Save the policy" }).click();
    await frame.getByRole("status").first().waitFor();
    expect(await policy()).toMatchObject({ forks: "never" });
    const { items } = await world.api<{ items: { action: string; by: { actor?: { login: string } } }[] }>("/audit");
    expect(items.find(({ action }) => action === "policy.changed")?.by.actor?.login).toBe("harbour-owner");
  }, 180_000);

  it("a member is told who may, and sees nothing of the settings", async () => {
    const mira = world.bitbucket.user("mira");
    world.bitbucket.setPermission(harbour, mira, "member");
    const frame = await look("mira");
    await frame.getByText(/owner/i).first().waitFor();
    expect(await frame.locator("form").count()).toBe(0);
    expect(await critique(tab, "bitbucket-configure-member")).toEqual([]);
  }, 180_000);

  it("an owner who is one no more is refused when they send what they were shown", async () => {
    const mira = world.bitbucket.user("mira");
    world.bitbucket.setPermission(harbour, mira, "owner");
    const frame = await look("mira");
    await frame.getByLabel("Pull requests from forks").selectOption("never");
    const before = await policy();
    world.bitbucket.setPermission(harbour, mira, "member");
    await frame.getByRole("button", { name: "Save the policy" }).click();
    await frame.getByRole("heading", { name: "That did not work" }).waitFor();
    expect(await frame.locator(".message").textContent()).toContain("mira may not change the policy");
    expect(await critique(tab, "bitbucket-configure-refused")).toEqual([]);
    expect(await policy()).toEqual(before);
  }, 180_000);
});
