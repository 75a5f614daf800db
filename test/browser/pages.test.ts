import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Browser } from "playwright-core";
import { openSite, type Site, TOKEN } from "../web/world.ts";
import { critique, openBrowser, openTab, type Tab } from "./browser.ts";
import { emptyWorld, fullWorld } from "./sights.ts";
import { signInAsOperator } from "./sign-in.ts";

/** Every page there is, by the name of its pictures. */
const PAGES: readonly (readonly [name: string, path: string])[] = [
  ["builds", "/"],
  ["build-succeeded", "/builds/b1"],
  ["build-failed", "/builds/b2"],
  ["build-running", "/builds/b3"],
  ["build-held", "/builds/b4"],
  ["build-hostile", "/builds/b5"],
  ["deliveries", "/deliveries"],
  ["delivery", "/deliveries/1"],
  ["delivery-skipped", "/deliveries/2"],
  ["delivery-found", "/deliveries/5"],
  ["installations", "/installations"],
  ["installation", "/installations/github/default/7"],
  ["receipt", "/installations/github/default/8/receipt"],
  ["settings", "/installations/github/default/7/settings"],
  ["settings-repository", "/installations/github/default/7/repositories/186853002"],
  ["you", "/auth/you"],
  ["not-found", "/builds/nothing"],
];

let browser: Browser;
let site: Site;
let tab: Tab;

beforeAll(async () => {
  [browser, site] = await Promise.all([openBrowser(), openSite(fullWorld)]);
  tab = await openTab(browser);
  await signInAsOperator(tab, site.url, TOKEN);
}, 180_000);

afterAll(async () => {
  await browser.close();
  await site.close();
});

describe("in a browser, every page", () => {
  it.each(PAGES)("is readable and accessible: %s", async (name, path) => {
    await tab.page.goto(site.url + path);
    expect(await critique(tab, name)).toEqual([]);
    expect(tab.complaints).toEqual([]);
  });

  it("says what to do next while there is nothing to show", async () => {
    const empty = await openSite(emptyWorld);
    const nobody = await openTab(browser);
    try {
      await nobody.page.goto(`${empty.url}/auth/sign-in`);
      expect(await critique(nobody, "sign-in")).toEqual([]);
      await signInAsOperator(nobody, empty.url, TOKEN);
      for (const [name, path] of [
        ["builds", "/"],
        ["deliveries", "/deliveries"],
        ["installations", "/installations"],
      ]) {
        await nobody.page.goto(empty.url + path);
        expect(await critique(nobody, `empty/${name}`)).toEqual([]);
      }
      expect(nobody.complaints).toEqual([]);
    } finally {
      await nobody.context.close();
      await empty.close();
    }
  });
});
