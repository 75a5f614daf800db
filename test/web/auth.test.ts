import { afterEach, describe, expect, it } from "@jest/globals";
import type { Identity } from "../../src/engine/identity-port.ts";
import { memorySessions } from "../support/memory-sessions.ts";
import { browser, NOW, openSite, type Site, TOKEN, type World } from "./world.ts";

const NOBODY: Identity = {
  provider: "github",
  host: "default",
  begin: () => "https://github.test/",
  finish: () => Promise.reject(new Error("nobody comes back in this test")),
};

let site: Site | null = null;
afterEach(async () => {
  await site?.close();
  site = null;
});
async function open(changes: Partial<World> = {}): Promise<Site> {
  site = await openSite(changes);
  return site;
}

const PAGES = ["/", "/builds", "/builds/b1", "/builds/b1/log", "/deliveries", "/deliveries/1"];

function get(url: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, { redirect: "manual", headers: { ...browser, ...headers } });
}

function post(url: string, fields: Record<string, string>, headers: Record<string, string> = {}): Promise<Response> {
  const body = new URLSearchParams(fields);
  return fetch(url, { method: "POST", body, redirect: "manual", headers: { ...browser, ...headers } });
}

describe("who may see the pages", () => {
  it.each(PAGES)("%s leads to the sign-in without a session, and back afterwards", async (path) => {
    const { url } = await open();
    const answer = await get(url + path);
    expect(answer.status).toBe(303);
    expect(answer.headers.get("location")).toBe(`/auth/sign-in?${new URLSearchParams({ next: path })}`);
    expect(await answer.text()).not.toContain("acme");
    const signIn = await post(`${url}/auth/token`, { token: TOKEN, next: path });
    expect([signIn.status, signIn.headers.get("location")]).toEqual([303, path]);
  });

  it.each(PAGES)("%s opens with a session", async (path) => {
    const opened = await open();
    expect((await opened.page(path)).status).toBe(200);
  });

  it.each(PAGES)("%s opens with no forged session, and with no bearer token", async (path) => {
    const { url } = await open();
    const forged = `wharfinger=${"A".repeat(43)}`;
    for (const headers of [
      { Cookie: forged },
      { Cookie: `${forged}; ${forged}` },
      { Authorization: `Bearer ${TOKEN}` },
    ]) {
      expect((await get(url + path, headers)).status).toBe(303);
    }
  });

  it.each([...PAGES, "/auth/token"])("%s is closed to everybody when no token is configured", async (path) => {
    const { url } = await open({ adminToken: null });
    // Loopback too: behind an ordinary reverse proxy every stranger comes from there.
    const answer = await get(url + path);
    expect(answer.status).toBe(403);
    const text = await answer.text();
    expect(text).toContain("openssl rand -hex 32");
    expect(text).not.toContain("acme");
  });

  it("does not sign in anybody when no token is configured", async () => {
    const { url } = await open({ adminToken: null });
    for (const token of ["", "null", TOKEN]) {
      const answer = await post(`${url}/auth/token`, { token });
      expect([answer.status, answer.headers.get("set-cookie")]).toEqual([403, null]);
    }
  });
});

describe("signing in", () => {
  it("gives a cookie scripts can not read and other sites do not send", async () => {
    const { url } = await open();
    const answer = await post(`${url}/auth/token`, { token: TOKEN });
    expect(answer.headers.get("set-cookie")).toMatch(
      /^wharfinger=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=28800$/,
    );
  });

  it("binds the cookie to HTTPS and this host when the public address is https", async () => {
    const { url } = await open({ publicUrl: "https://builds.example.com" });
    const answer = await post(`${url}/auth/token`, { token: TOKEN });
    expect(answer.headers.get("set-cookie")).toMatch(/^__Host-wharfinger=[\w-]{43}; Path=\/; HttpOnly; .*; Secure/);
  });

  it.each(["", "wrong", `${TOKEN} `, TOKEN.slice(0, -1)])(
    "refuses the token %j, and does not repeat it",
    async (token) => {
      const { url } = await open();
      const answer = await post(`${url}/auth/token`, { token });
      expect([answer.status, answer.headers.get("set-cookie")]).toEqual([403, null]);
      const text = await answer.text();
      expect(text).toContain('role="alert"');
      expect(text).not.toContain(`value="${token}"`);
    },
  );

  it("refuses a token that is sent twice, as JSON, or in a body that is too large", async () => {
    const { url } = await open();
    const send = async (body: string, type: string) => {
      const headers = { ...browser, "Content-Type": type };
      return (await fetch(`${url}/auth/token`, { method: "POST", body, headers, redirect: "manual" })).status;
    };
    const form = "application/x-www-form-urlencoded";
    expect(await send(`token=${TOKEN}&token=x`, form)).toBe(403);
    expect(await send(JSON.stringify({ token: TOKEN }), "application/json")).toBe(403);
    expect(await send(`token=${"x".repeat(10_000)}`, form)).toBe(413);
    expect(await send(`__proto__=x&constructor=y&token=wrong`, form)).toBe(403);
  });

  it.each([
    ["/deliveries?cursor=x", "/deliveries?cursor=x"],
    ["//evil.example/", "/"],
    ["/\\evil.example", "/"],
    ["/\t/evil.example", "/"],
    ["/.//evil.example", "/"],
    ["https://evil.example/", "/"],
    ["javascript:alert(1)", "/"],
    ["/a\r\nSet-Cookie: x=y", "/aSet-Cookie:%20x=y"],
    ["", "/"],
  ])("leads from %j to %j, never to another site", async (next, location) => {
    const { url } = await open();
    const answer = await post(`${url}/auth/token`, { token: TOKEN, next });
    expect([answer.status, answer.headers.get("location")]).toEqual([303, location]);
  });

  it("escapes where it would lead to", async () => {
    const { url } = await open();
    const query = new URLSearchParams({ next: `/"><script>alert(1)</script>` });
    expect(await (await get(`${url}/auth/token?${query}`)).text()).not.toContain("<script>");
  });

  it("slows down who guesses, and leaves those alone who are signed in", async () => {
    const opened = await open();
    const cookie = await opened.signIn();
    for (let count = 0; count < 10; count += 1) {
      await post(`${opened.url}/auth/token`, { token: "guess" });
    }
    const answer = await post(`${opened.url}/auth/token`, { token: TOKEN });
    expect([answer.status, answer.headers.get("retry-after"), answer.headers.get("set-cookie")]).toEqual([
      429,
      "60",
      null,
    ]);
    expect((await get(`${opened.url}/`, { Cookie: cookie })).status).toBe(200);
  });

  it("ends after half an hour that nobody used it, and after eight hours whatever they did", async () => {
    const clock = { time: Date.parse("2026-11-20T12:00:00Z"), now: () => clock.time };
    const opened = await open({ clock });
    const minutes = 60_000;
    const status = async (cookie: string) => (await get(`${opened.url}/`, { Cookie: cookie })).status;
    const idle = await opened.signIn();
    clock.time += 30 * minutes - 1;
    expect(await status(idle)).toBe(200);
    clock.time += 30 * minutes;
    expect(await status(idle)).toBe(303);
    const busy = await opened.signIn();
    for (let passed = 0; passed < 8 * 60; passed += 20) {
      expect(await status(busy)).toBe(200);
      clock.time += 20 * minutes;
    }
    expect(await status(busy)).toBe(303);
  });

  it("gives each sign-in an id of its own, and ends the session the browser had before", async () => {
    const opened = await open();
    const planted = `wharfinger=${"A".repeat(43)}`;
    const first = await post(`${opened.url}/auth/token`, { token: TOKEN }, { Cookie: planted });
    const cookie = String(first.headers.get("set-cookie")).split(";")[0] ?? "";
    expect(cookie).not.toBe(planted);
    expect((await get(`${opened.url}/`, { Cookie: planted })).status).toBe(303);
    const second = await post(`${opened.url}/auth/token`, { token: TOKEN }, { Cookie: cookie });
    const renewed = String(second.headers.get("set-cookie")).split(";")[0] ?? "";
    expect(renewed).not.toBe(cookie);
    expect((await get(`${opened.url}/`, { Cookie: cookie })).status).toBe(303);
    expect((await get(`${opened.url}/`, { Cookie: renewed })).status).toBe(200);
  });

  it("is not done by another site's form, right as the token may be", async () => {
    const opened = await open();
    for (const site of ["cross-site", "same-site"]) {
      const answer = await post(`${opened.url}/auth/token`, { token: TOKEN }, { "Sec-Fetch-Site": site });
      expect([answer.status, answer.headers.get("set-cookie")]).toEqual([403, null]);
    }
    for (const site of ["same-origin", "none"]) {
      expect((await post(`${opened.url}/auth/token`, { token: TOKEN }, { "Sec-Fetch-Site": site })).status).toBe(303);
    }
  });

  it("is over when the server is started with another token, though sessions outlive the process", async () => {
    const sessions = memorySessions({ now: () => NOW });
    const before = await openSite({ sessions });
    const cookie = await before.signIn();
    await before.close();
    const same = await open({ sessions });
    expect((await get(`${same.url}/`, { Cookie: cookie })).status).toBe(200);
    await same.close();
    const other = await open({ sessions, adminToken: "another-token-of-at-least-32-characters" });
    expect((await get(`${other.url}/`, { Cookie: cookie })).status).toBe(303);
    await other.close();
    const none = await open({ sessions, adminToken: null, identities: [NOBODY] });
    expect((await get(`${none.url}/`, { Cookie: cookie })).status).toBe(303);
  });

  it("leaves nothing in the database that opens anything", async () => {
    const sessions = memorySessions({ now: () => NOW });
    const opened = await open({ sessions });
    const cookie = await opened.signIn();
    const page = await (await get(`${opened.url}/`, { Cookie: cookie })).text();
    const formToken = /name="form_token" value="([\w-]{43})"/.exec(page)?.[1] ?? "";
    const secrets = [TOKEN, cookie.slice(cookie.indexOf("=") + 1), formToken];
    for (const secret of secrets) {
      expect(secret.length).toBeGreaterThanOrEqual(32);
      expect(sessions.dump()).not.toContain(secret);
    }
  });
});

describe("signing out", () => {
  it("ends the session, with the token of the page's own form", async () => {
    const opened = await open();
    const cookie = await opened.signIn();
    const page = await (await get(`${opened.url}/`, { Cookie: cookie })).text();
    const formToken = /name="form_token" value="([\w-]{43})"/.exec(page)?.[1] ?? "";
    const answer = await post(`${opened.url}/auth/sign-out`, { form_token: formToken }, { Cookie: cookie });
    expect([answer.status, answer.headers.get("location")]).toEqual([303, "/auth/sign-in"]);
    expect(answer.headers.get("set-cookie")).toMatch(/^wharfinger=; .*Max-Age=0$/);
    expect((await get(`${opened.url}/`, { Cookie: cookie })).status).toBe(303);
  });

  it("ends all sessions of whoever asks for it, in other browsers too, and nobody else's", async () => {
    const opened = await open();
    const [here, there] = [await opened.signIn(), await opened.signIn()];
    const page = await (await get(`${opened.url}/auth/you`, { Cookie: here })).text();
    const formToken = /name="form_token" value="([\w-]{43})"/.exec(page)?.[1] ?? "";
    await post(`${opened.url}/auth/sign-out`, { form_token: formToken, everywhere: "yes" }, { Cookie: here });
    for (const cookie of [here, there]) expect((await get(`${opened.url}/`, { Cookie: cookie })).status).toBe(303);
  });

  it.each([{}, { form_token: "" }, { form_token: "A".repeat(43) }])(
    "is not caused by another site with %j",
    async (fields) => {
      const opened = await open();
      const cookie = await opened.signIn();
      expect((await post(`${opened.url}/auth/sign-out`, { ...fields }, { Cookie: cookie })).status).toBe(403);
      expect((await get(`${opened.url}/auth/sign-out`, { Cookie: cookie })).status).toBe(405);
      expect((await get(`${opened.url}/`, { Cookie: cookie })).status).toBe(200);
    },
  );
});
