/** From Bitbucket's doors to the first image and a changed setting, by clicks alone. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type { Browser } from "playwright-core";
import type { HostRepository, HostWorkspace } from "../hosts/bitbucket/index.ts";
import { DOORS, openDoor } from "../support/bitbucket-door.ts";
import { createWorld, eventually, type World } from "../support/world.ts";
import { critique, openBrowser, openTab, type Tab } from "./browser.ts";
import { signInWithBitbucket } from "./sign-in.ts";

const FILE = "version: 1\nimages:\n  - name: greeter\n    rules: [{ branch: main, tags: [latest] }]\n";

let browser: Browser;
let world: World;
let harbour: HostWorkspace;
let repository: HostRepository;
let tab: Tab;

beforeAll(async () => {
  browser = await openBrowser();
}, 180_000);

afterAll(() => browser.close());

beforeEach(async () => {
  world = await createWorld({ bitbucket: true });
  tab = await openTab(browser);
}, 180_000);

afterEach(async () => {
  await tab.context.close();
  const { violations } = world.bitbucket;
  await world.close();
  expect(violations).toEqual([]);
  expect(tab.complaints).toEqual([]);
}, 180_000);

async function open(door: (typeof DOORS)[number]): Promise<void> {
  harbour = await openDoor(world, door, "harbour");
  repository = await world.bitbucket.repository(harbour, "greeter", { private: true });
  await repository.commit({ message: "Begin", files: { Dockerfile: "FROM scratch\n", ".wharfinger.yml": FILE } });
  // Bitbucket tells of no repository: the first push does.
  await repository.push([{ branch: "other", files: { a: "1" } }]);
  await eventually("the repository is known", async () =>
    (await world.store().findRepositories("harbour/greeter")).length === 1 ? true : null,
  );
}

describe.each(DOORS)("an owner of a workspace behind the door %s", (door) => {
  it("signs in with Bitbucket, builds the first image, and changes a setting", async () => {
    await open(door);
    const { page } = tab;
    await page.goto(`${world.url}/installations`);
    await signInWithBitbucket(tab, "harbour-owner");
    await page.getByRole("link", { name: "harbour", exact: true }).click();
    await page.getByRole("heading", { name: "harbour" }).waitFor();
    expect(await critique(tab, `landing-bitbucket-${door}`)).toEqual([]);
    await page.getByRole("button", { name: "Build harbour/greeter now" }).click();
    await page.getByText(/^docker pull /).waitFor();
    expect(repository.statuses((await repository.ref("refs/heads/main")) ?? "")).toEqual([]);

    await page.goto(`${world.url}/installations`);
    await page.getByRole("link", { name: "harbour", exact: true }).click();
    await page.getByRole("link", { name: "Settings" }).click();
    await page.getByLabel("Pull requests from forks").selectOption("never");
    await page.getByRole("button", { name: "Save the policy" }).click();
    await page.getByText("The policy is changed.").waitFor();
    const { items } = await world.api<{ items: { policy: { forks: string } }[] }>("/installations");
    expect(items).toMatchObject([{ policy: { forks: "never" } }]);
  }, 180_000);
});
