/** Signing in with GitHub, against the stand-in: what a browser sends and gets, and what is kept of it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "@jest/globals";
import { load } from "js-yaml";
import { packageRoot } from "../../src/version.ts";
import { createBrowser } from "../support/browser.ts";
import { agree } from "../support/consent.ts";
import { createWorld, type World, type WorldOptions } from "../support/world.ts";

let world: World | null = null;
afterEach(async () => {
  const violations = world?.github.violations ?? [];
  await world?.close();
  world = null;
  expect(violations).toEqual([]);
});

async function open(options: WorldOptions = {}): Promise<World> {
  world = await createWorld(options);
  return world;
}

/** Signs in as far as GitHub's page; answers where GitHub then sends the browser. */
async function consented(at: World, browser: ReturnType<typeof createBrowser>, login: string, next = "/installations") {
  const begun = await browser.get(`/auth/github?${new URLSearchParams({ next })}`);
  expect(begun.status).toBe(303);
  const location = String(begun.headers.get("location"));
  expect(location.startsWith(`${at.github.url}/login/oauth/authorize?`)).toBe(true);
  const back = new URL(await agree(location, { login }));
  return back.pathname + back.search;
}

async function signIn(at: World, login: string, next?: string) {
  const browser = createBrowser(at.url);
  const answer = await browser.get(await consented(at, browser, login, next));
  return { browser, answer };
}

async function heard(at: World, count: number): Promise<void> {
  for (;;) {
    const { items } = await at.api<{ items: { outcome: string }[] }>("/deliveries?limit=100");
    if (items.filter(({ outcome }) => outcome !== "pending").length >= count) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe("the App of app.yml", () => {
  it("leads people to addresses that are served", async () => {
    const at = await open();
    const app = load(readFileSync(join(packageRoot, "app.yml"), "utf8")) as {
      setup_url: string;
      callback_urls: string[];
    };
    const path = (address: string) => address.replace("https://wharfinger.example.com", "");
    const [callback = "", ...more] = app.callback_urls.map(path);
    expect(more).toEqual([]);
    const back = await createBrowser(at.url).get(callback);
    expect([back.status, await back.text()]).toEqual([400, expect.stringContaining("not begun in this browser")]);
    const landed = await createBrowser(at.url).get(`${path(app.setup_url)}?installation_id=7&setup_action=install`);
    expect([landed.status, landed.headers.get("location")]).toEqual([303, expect.stringMatching(/^\/auth\/sign-in\?/)]);
  });
});

describe("signing in with GitHub", () => {
  it("leads back to where somebody wanted to go, as who GitHub says they are", async () => {
    const at = await open();
    at.github.user("ann");
    const { browser, answer } = await signIn(at, "ann", "/builds?state=failed");
    expect([answer.status, answer.headers.get("location")]).toEqual([303, "/builds?state=failed"]);
    const you = await (await browser.get("/auth/you")).text();
    expect(you).toContain("You are ann");
    expect(you).not.toContain("operate this server");
    expect(at.github.userTokens).toEqual([]);
  });

  it("shows what was done before it is done, and offers the operator's token beside it", async () => {
    const at = await open();
    const page = await (await createBrowser(at.url).get("/auth/sign-in?next=/deliveries")).text();
    expect(page).toContain('href="/auth/github?next=%2Fdeliveries"');
    expect(page).toContain("act on your behalf");
    expect(page).toContain("no token of yours is kept");
    expect(page).toContain("ADMIN_TOKEN");
    // Bitbucket is not configured.
    expect(page).not.toContain("/auth/bitbucket");
    expect((await createBrowser(at.url).get("/auth/bitbucket")).status).toBe(404);
  });

  it("makes operators of those whose ids are listed, whatever they are called", async () => {
    const at = await open({
      operators: (github) => [`github:default:${github.user("ann").id}`],
    });
    at.github.user("ann2");
    const { browser } = await signIn(at, "ann");
    expect(await (await browser.get("/auth/you")).text()).toContain("operate this server");
    const other = await signIn(at, "ann2");
    expect(await (await other.browser.get("/auth/you")).text()).not.toContain("operate this server");
  });

  it("takes no for an answer, and says so", async () => {
    const at = await open();
    at.github.user("ann");
    const browser = createBrowser(at.url);
    const begun = await browser.get("/auth/github");
    const denied = new URL(await agree(String(begun.headers.get("location")), { decision: "cancel" }));
    const answer = await browser.get(denied.pathname + denied.search);
    expect(answer.status).toBe(403);
    expect(await answer.text()).toContain("You told GitHub not to say who you are");
    expect((await browser.get("/auth/you")).status).toBe(303);
  });

  it("outlives the process, and ends everywhere when somebody takes back what they let us do", async () => {
    const at = await open();
    const ann = at.github.user("ann");
    at.github.user("bob");
    const [here, there, bobs] = [await signIn(at, "ann"), await signIn(at, "ann"), await signIn(at, "bob")];
    await at.restart();
    const status = async ({ browser }: typeof here) => (await browser.at(at.url).get("/auth/you")).status;
    expect([await status(here), await status(there), await status(bobs)]).toEqual([200, 200, 200]);
    await at.github.revokeAuthorization(ann);
    await heard(at, 1);
    expect([await status(here), await status(there), await status(bobs)]).toEqual([303, 303, 200]);
  });

  it("ends when somebody leaves an organization that installed us", async () => {
    const at = await open();
    const acme = at.github.organization("acme");
    const ann = at.github.user("ann");
    at.github.setMembership(acme, ann, { role: "member", state: "active" });
    await at.github.install(acme, { permissions: { contents: "read", members: "read" } });
    const { browser } = await signIn(at, "ann");
    expect((await browser.get("/auth/you")).status).toBe(200);
    await at.github.removeMember(acme, ann);
    await heard(at, 2);
    expect((await browser.get("/auth/you")).status).toBe(303);
  });
});

describe("nobody signs in by what they did not begin", () => {
  it("in another browser than the one that set out: a code and state of somebody else's count for nothing", async () => {
    const at = await open();
    at.github.user("mallory");
    const attacker = createBrowser(at.url);
    const link = await consented(at, attacker, "mallory");
    // Login CSRF: the victim follows the attacker's link, without or with a sign-in of their own under way.
    const victim = createBrowser(at.url);
    expect((await victim.get(link)).status).toBe(400);
    at.github.user("victim");
    const own = await consented(at, victim, "victim");
    expect((await victim.get(link)).status).toBe(400);
    // Code injection: the attacker's code with the victim's state fails at GitHub, for the verifier is another one.
    const mixed = new URL(own, at.url);
    mixed.searchParams.set("code", new URL(link, at.url).searchParams.get("code") ?? "");
    expect((await victim.get(mixed.pathname + mixed.search)).status).toBe(403);
    expect((await victim.get("/auth/you")).status).toBe(303);
    expect(at.lines.map(({ message }) => message)).toContain("a sign-in was not taken");
  });

  it("twice, nor after ten minutes, nor with no state, two states, or a longer one", async () => {
    const at = await open();
    at.github.user("ann");
    const browser = createBrowser(at.url);
    const link = await consented(at, browser, "ann");
    const state = new URL(link, at.url).searchParams.get("state") ?? "";
    for (const bad of [
      link.replace(/&state=[^&]*/, ""),
      link.replace(/state=[^&]*/, "state="),
      `${link}&state=${state}`,
      link.replace(state, `${state}A`),
      link.replace(state, state.toLowerCase()),
    ]) {
      expect((await browser.get(bad)).status).toBe(400);
    }
    const attempt = browser.cookies();
    expect((await browser.get(link)).status).toBe(303);
    const replay = createBrowser(at.url, attempt);
    expect((await replay.get(link)).status).toBe(400);
    const late = createBrowser(at.url);
    const old = await consented(at, late, "ann");
    at.clock.advance(10 * 60 * 1000);
    expect((await late.get(old)).status).toBe(400);
  });

  it("with a session id somebody planted before: the browser gets a new one, and the planted one opens nothing", async () => {
    const at = await open();
    at.github.user("ann");
    const planted = `wharfinger=${"A".repeat(43)}`;
    const browser = createBrowser(at.url, [planted]);
    await browser.get(await consented(at, browser, "ann"));
    expect(browser.cookies().join()).not.toContain("AAAA");
    expect((await createBrowser(at.url, [planted]).get("/auth/you")).status).toBe(303);
    expect((await browser.get("/auth/you")).status).toBe(200);
  });

  it("from another site's page: they read first what for", async () => {
    const at = await open();
    const answer = await createBrowser(at.url).get("/auth/github?next=/builds", { "Sec-Fetch-Site": "cross-site" });
    expect([answer.status, answer.headers.get("location")]).toEqual([303, "/auth/sign-in?next=%2Fbuilds"]);
  });

  it("to be led to another site afterwards, or around in circles", async () => {
    const at = await open();
    at.github.user("ann");
    const elsewhere = ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"];
    for (const next of [...elsewhere, "/auth/github", "/auth/sign-out", `/${"x".repeat(3000)}`]) {
      const { answer } = await signIn(at, "ann", next);
      expect([next, answer.status, answer.headers.get("location")]).toEqual([next, 303, "/"]);
    }
  });

  it("so often that it fills the database", async () => {
    const at = await open();
    const statuses = new Set<number>();
    for (let count = 0; count < 31; count += 1) statuses.add((await createBrowser(at.url).get("/auth/github")).status);
    expect([...statuses]).toEqual([303, 429]);
  });

  it("and nothing secret of it is logged", async () => {
    const at = await open();
    at.github.user("ann");
    const browser = createBrowser(at.url);
    const link = await consented(at, browser, "ann");
    const query = new URL(link, at.url).searchParams;
    const before = browser.cookies();
    await browser.get(link);
    const secrets = [query.get("code"), query.get("state"), at.github.clientSecret, "ghu_"];
    const cookies = [...before, ...browser.cookies()].map((cookie) => cookie.slice(cookie.indexOf("=") + 1));
    const log = JSON.stringify(at.lines);
    for (const secret of [...secrets, ...cookies]) expect(log).not.toContain(secret ?? "missing");
  });
});

describe("after the install", () => {
  it("leads whoever installed the App to its page, once GitHub has told of it", async () => {
    const at = await open();
    const ann = at.github.user("ann");
    const { browser } = await signIn(at, "ann");
    at.github.setWebhook(null);
    const { id } = await at.github.install(ann);
    const landing = `/setup/github?installation_id=${id}&setup_action=install`;
    const early = await browser.get(landing);
    expect(early.headers.get("refresh")).toMatch(/^3; url=\/setup\/github\?installation_id=\d+&tries=1$/);
    expect(await early.text()).toContain("Waiting for GitHub");
    await at.restart();
    await at.github.redeliver(at.github.deliveries.at(-1)?.guid ?? "").catch(() => undefined);
    await at.store().saveInstallation({
      id: { provider: "github", host: "default", id: String(id) },
      account: { provider: "github", host: "default", id: String(ann.id), login: "ann", kind: "user" },
      state: "active",
      permissions: {},
    });
    const answer = await browser.at(at.url).get(landing);
    expect([answer.status, answer.headers.get("location")]).toEqual([303, `/installations/github/default/${id}`]);
    expect((await browser.at(at.url).get(`/installations/github/default/${id}`)).status).toBe(200);
    // The number in the address is only a hint: to others it is as if there were none.
    at.github.user("mallory");
    const other = await signIn(at, "mallory");
    const refused = await other.browser.get(landing);
    expect([refused.status, refused.headers.get("location")]).toEqual([200, null]);
    const words = (text: string) => text.replaceAll(/mallory|ann/g, "").replaceAll(/value="[^"]*"/g, "");
    expect(words(await refused.text())).toBe(
      words(
        await (await other.browser.get(landing.replace(String(id), String(id).replace(/.$/, "0")))).text(),
      ).replaceAll(String(id).replace(/.$/, "0"), String(id)),
    );
  });

  it("asks strangers to sign in first, and gives up after a minute with what to do", async () => {
    const at = await open();
    const path = "/setup/github?installation_id=7&setup_action=install";
    const stranger = await createBrowser(at.url).get(path);
    expect(stranger.headers.get("location")).toBe(`/auth/sign-in?${new URLSearchParams({ next: path })}`);
    at.github.user("ann");
    const { browser } = await signIn(at, "ann");
    const late = await browser.get("/setup/github?installation_id=7&tries=20");
    expect(late.headers.get("refresh")).toBeNull();
    expect(await late.text()).toContain("wharfinger doctor");
    for (const odd of ["", "?installation_id=abc", "?installation_id=7&installation_id=8", "?installation_id=-1"]) {
      expect((await browser.get(`/setup/github${odd}`)).headers.get("location")).toBe("/installations");
    }
  });

  it("tells whoever may not install what an owner has to open", async () => {
    const at = await open();
    const page = await createBrowser(at.url).get("/setup/github?setup_action=request");
    expect(page.status).toBe(200);
    const text = await page.text();
    expect(text).toContain("Waiting for an owner");
    expect(text).toMatch(/https?:\/\/[^<]*\/apps\/[^<]*\/installations\/new/);
  });
});
