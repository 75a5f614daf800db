import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { createGithubHost, type GithubHost } from "./index.ts";

let host: GithubHost;
beforeEach(async () => {
  host = await createGithubHost();
  host.user("mona");
});
afterEach(() => host.close());

const MANIFEST = {
  name: "Ours",
  url: "https://ours.example",
  hook_attributes: { url: "https://ours.example/hooks", active: true },
  redirect_url: "https://ours.example/back?kept=1",
  callback_urls: ["https://ours.example/auth"],
  public: false,
  default_permissions: { contents: "read", checks: "write" },
  default_events: ["push"],
};

function send(path: string, manifest: unknown, more: Readonly<Record<string, string>> = {}): Promise<Response> {
  const text = typeof manifest === "string" ? manifest : JSON.stringify(manifest);
  const body = new URLSearchParams({ manifest: text, ...more });
  return fetch(host.url + path, { method: "POST", body, redirect: "manual" });
}

function convert(code: string): Promise<Response> {
  const headers = { "user-agent": "test", accept: "application/vnd.github+json", "x-github-api-version": "2022-11-28" };
  return fetch(`${host.apiUrl}/app-manifests/${code}/conversions`, { method: "POST", headers });
}

const MONA = { login: "mona", name: "Ours" };

async function codeOf(path = "/settings/apps/new?state=s1"): Promise<string> {
  const answer = await send(path, MANIFEST, MONA);
  const back = new URL(answer.headers.get("location") ?? "");
  expect([answer.status, back.searchParams.get("kept")]).toEqual([302, "1"]);
  return back.searchParams.get("code") ?? "";
}

describe("registering by manifest", () => {
  it("shows a page first, and sends nobody back from it", async () => {
    const page = await send("/settings/apps/new?state=s1", { ...MANIFEST, name: '<b>"' });
    expect(page.status).toBe(200);
    const html = await page.text();
    expect(html).toContain("Create GitHub App");
    expect(html).not.toContain("<b>");
  });

  it("gives the state back, and a code that works once, for an hour", async () => {
    const answer = await send("/settings/apps/new?state=s1", MANIFEST, MONA);
    expect(new URL(answer.headers.get("location") ?? "").searchParams.get("state")).toBe("s1");
    const code = await codeOf();
    const made = await convert(code);
    expect(made.status).toBe(201);
    expect(await made.json()).toMatchObject({
      id: host.appId,
      name: "Ours",
      client_id: host.clientId,
      client_secret: host.clientSecret,
      pem: host.privateKey,
      permissions: MANIFEST.default_permissions,
    });
    expect((await convert(code)).status).toBe(404);
    const late = await codeOf();
    host.advance(60 * 60 * 1000);
    expect((await convert(late)).status).toBe(404);
    expect(host.violations).toEqual([]);
  });

  it("is for owners of an organization that is there", async () => {
    const acme = host.organization("acme");
    const eve = host.user("eve");
    host.setMembership(acme, eve, { role: "member", state: "active" });
    expect((await send("/organizations/none/settings/apps/new", MANIFEST, MONA)).status).toBe(404);
    expect((await send("/organizations/mona/settings/apps/new", MANIFEST, MONA)).status).toBe(404);
    expect((await send("/organizations/acme/settings/apps/new", MANIFEST, { ...MONA, login: "eve" })).status).toBe(404);
    expect((await convert(await codeOf("/organizations/acme/settings/apps/new"))).status).toBe(201);
  });

  it.each<[string, unknown, string]>([
    ["no JSON", "{", "not a JSON object"],
    ["no address", { ...MANIFEST, url: undefined }, "Url must be"],
    ["no way back", { ...MANIFEST, redirect_url: "javascript:alert(1)" }, "Redirect url"],
    ["a webhook without an address", { ...MANIFEST, hook_attributes: {} }, "Hook url"],
    ["a long name", { ...MANIFEST, name: "x".repeat(35) }, "Name is too long"],
    [
      "eleven callbacks",
      { ...MANIFEST, callback_urls: Array.from({ length: 11 }, () => "https://x.example") },
      "Callback urls",
    ],
    [
      "events without their permission",
      { ...MANIFEST, default_events: ["merge_group"] },
      "not supported by permissions",
    ],
    ["unknown keys", { ...MANIFEST, webhook_secret: "mine" }, "Unknown key"],
  ])("refuses %s", async (_, manifest, words) => {
    const answer = await send("/settings/apps/new", manifest, MONA);
    expect([answer.status, (await answer.text()).includes(words)]).toEqual([422, true]);
  });

  it("refuses a name that is taken", async () => {
    host.organization("acme");
    expect((await send("/settings/apps/new", MANIFEST, { ...MONA, name: "ACME" })).status).toBe(422);
  });
});
