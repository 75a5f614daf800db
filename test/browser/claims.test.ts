/** A claim, from the install to the build that waited for it, by an operator in a browser. */
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Browser } from "playwright-core";
import { ADMIN_TOKEN, createWorld, eventually, type World } from "../support/world.ts";
import { openBrowser, openTab, type Tab } from "./browser.ts";
import { signInAsOperator } from "./sign-in.ts";

const FILE = "version: 1\nimages:\n  - name: api\n    rules: [{ branch: main, tags: [latest] }]\n";

let browser: Browser;
let world: World;
let tab: Tab;

beforeAll(async () => {
  [browser, world] = await Promise.all([
    openBrowser(),
    createWorld({
      namespaces: { kind: "approve" },
      build: async () => ({
        kind: "failed",
        failure: { class: "build", message: "RUN make ended with exit code 2." },
        retryable: false,
      }),
    }),
  ]);
  const acme = world.github.organization("acme");
  const repository = await world.github.repository(acme, "api", { private: true });
  await repository.commit({ message: "Begin", files: { Dockerfile: "FROM scratch\n" } });
  await world.github.install(acme, { repositories: [repository] });
  await world.github.push(repository, { message: "Build", files: { ".wharfinger.yml": FILE } });
  await eventually("the claim", async () => ((await claims()).length === 1 ? true : null));
  tab = await openTab(browser);
  await signInAsOperator(tab, world.url, ADMIN_TOKEN);
}, 180_000);

afterAll(async () => {
  await browser.close();
  await world.close();
}, 180_000);

async function claims(): Promise<readonly object[]> {
  return (await world.api<{ items: object[] }>("/claims?limit=10")).items;
}

describe("an operator", () => {
  it("confirms a namespace by a click, and what was pushed meanwhile is built", async () => {
    const { page } = tab;
    await page.getByRole("link", { name: "Admin" }).click();
    await page.getByRole("navigation").getByRole("link", { name: "Claims" }).click();
    await page.getByRole("button", { name: "Approve" }).click();
    await page.getByRole("status").waitFor();
    expect(await claims()).toEqual([]);
    await eventually("the build", async () => {
      const { items } = await world.api<{ items: { state: string }[] }>("/builds");
      return items.some(({ state }) => state === "failed") ? true : null;
    });
    await page.goto(world.url);
    await page.getByRole("row").getByText("failed", { exact: true }).waitFor();
    expect(tab.complaints).toEqual([]);
  }, 180_000);
});
