/** The real program in a real browser: a build watched while it runs, and one that waits for somebody. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import type { BuildContext, BuildEnd } from "../../src/engine/ports.ts";
import { deferred } from "../engine/fakes.ts";
import type { HostRepository } from "../hosts/github/index.ts";
import { ADMIN_TOKEN, createWorld, digestOf, eventually, type World } from "../support/world.ts";
import { critique, openBrowser, openTab, type Tab } from "./browser.ts";
import { HOSTILE } from "./sights.ts";
import { signInAsOperator } from "./sign-in.ts";

const CONFIG = `version: 1
images:
  - name: api
    rules:
      - branch: "*"
        tags: [latest]
      - pull_request: main
`;
/** What a log may hold that no page should follow: markup, a link that runs, a title for the terminal, a colour. */
const WICKED = `${HOSTILE}<script>document.title="mine"</script>\u001b]0;mine\u0007\u001b[31mred\u001b[0m`;

let browser: Browser;
let world: World;
let repository: HostRepository;
/** Builds that run now; each does what the test says. */
let running: ReturnType<typeof deferred<BuildContext>>;
let ends: ReturnType<typeof deferred<BuildEnd>>;
let tab: Tab;

beforeAll(async () => {
  browser = await openBrowser();
}, 180_000);

afterAll(() => browser.close());

beforeEach(async () => {
  running = deferred();
  ends = deferred();
  world = await createWorld({
    build(context) {
      running.resolve(context);
      return ends.promise;
    },
  });
  const { github } = world;
  const acme = github.organization("acme");
  repository = await github.repository(acme, "api", { private: false });
  await repository.commit({ message: "Begin", files: { Dockerfile: "FROM scratch\n", ".wharfinger.yml": CONFIG } });
  await github.install(acme, { repositories: [repository] });
}, 180_000);

afterEach(async () => {
  ends.resolve({ kind: "stopped" });
  await tab.context.close();
  const { violations } = world.github;
  await world.close();
  expect(violations).toEqual([]);
  // Not the least of it: nothing of what strangers wrote was run, and nothing was refused by the content policy.
  expect(tab.complaints).toEqual([]);
}, 180_000);

async function signedIn(options: BrowserContextOptions = {}): Promise<Page> {
  tab = await openTab(browser, options);
  await signInAsOperator(tab, world.url, ADMIN_TOKEN);
  return tab.page;
}

/** Whether a line is where the log's box shows it. */
function isInView(page: Page, line: string): Promise<boolean> {
  return page.evaluate<boolean>(`(() => {
    const box = document.getElementById("lines").getBoundingClientRect();
    const { top, bottom } = document.getElementById("${line}").getBoundingClientRect();
    return top >= box.top && bottom <= box.bottom;
  })()`);
}

function builtFrom(context: BuildContext): BuildEnd {
  return { kind: "built", image: { digest: digestOf(context.request.source.sha) } };
}

describe("a build in the browser", () => {
  it("is watched from its first line to its end without loading anything again", async () => {
    await world.github.push(repository, { message: "Change", files: { "a.txt": "a" } });
    const context = await running.promise;
    const page = await signedIn();
    await page.getByRole("link", { name: "acme/api" }).first().click();
    await page.getByText("running", { exact: true }).waitFor();
    await page.getByText("Live", { exact: true }).waitFor();
    // Gone, if the page were loaded again.
    await page.evaluate("document.body.dataset.same = 'yes'");

    context.step("build");
    for (let line = 1; line <= 60; line += 1) context.log(`line ${line}\n`);
    await page.locator("#L60").waitFor();
    // Whoever follows sees the end.
    expect(await isInView(page, "L60")).toBe(true);
    context.log(`${WICKED}\n`);
    await page.locator("#L61").waitFor();
    expect(await page.locator("#L61").textContent()).toContain("⟨U+202E⟩fdp.exe");

    ends.resolve(builtFrom(context));
    await page.getByText("succeeded", { exact: true }).first().waitFor();
    await page.getByText(/^docker pull /).waitFor();
    expect(await page.evaluate("document.body.dataset.same")).toBe("yes");
    expect(await page.title()).toContain("succeeded");
    expect(await page.locator("#lines li").count()).toBe(61);
    expect(await critique(tab, "build-watched")).toEqual([]);
  }, 180_000);

  it("is found by a link to a line of its log", async () => {
    await world.github.push(repository, { message: "Change", files: { "a.txt": "a" } });
    const context = await running.promise;
    for (let line = 1; line <= 300; line += 1) context.log(`line ${line}\n`);
    ends.resolve(builtFrom(context));
    const id = context.request.id;
    await eventually("the end", async () =>
      (await world.api<{ state: string }>(`/builds/${id}`)).state === "succeeded" ? true : null,
    );
    const page = await signedIn();
    await page.goto(`${world.url}/builds/${id}#L150`);
    await page.locator("#L150:target").waitFor();
    expect(await isInView(page, "L150")).toBe(true);
  }, 180_000);

  it("works without JavaScript: it is read, reloaded and approved", async () => {
    const stranger = world.github.user("stranger");
    const fork = await world.github.fork(repository, stranger);
    await fork.commit({ branch: "fix", message: HOSTILE, files: { "README.md": "fixed" } });
    await world.github.openPull(repository, { head: "fix", from: fork, title: HOSTILE });
    await eventually("it is held", async () => {
      const { items } = await world.api<{ items: { state: string }[] }>("/builds");
      return items.some(({ state }) => state === "held") ? true : null;
    });
    const page = await signedIn({ javaScriptEnabled: false });
    await page.getByRole("row").filter({ hasText: "held" }).getByRole("link", { name: "acme/api" }).click();
    await page.getByRole("button", { name: "Approve and build" }).click();
    const context = await running.promise;
    context.log("it still greets\n");
    ends.resolve({ kind: "built", image: { digest: null } });
    await eventually("it is built", async () =>
      (await world.api<{ state: string }>(`/builds/${context.request.id}`)).state === "succeeded" ? true : null,
    );
    await page.reload();
    expect(await page.locator("h1").textContent()).toContain("succeeded");
    expect(await page.locator("#lines").textContent()).toContain("it still greets");
  }, 180_000);
});
