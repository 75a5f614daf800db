import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { apiUrlOf, convertManifest, createManifest, type ManifestOrder } from "../../src/github/manifest.ts";
import { packageRoot } from "../../src/version.ts";

const APP = readFileSync(join(packageRoot, "app.yml"), "utf8");
const ORDER: ManifestOrder = {
  publicUrl: "https://builds.acme.example",
  name: "Acme builds",
  organization: null,
  webUrl: "https://github.com",
  open: false,
  webhookUrl: null,
  without: [],
  state: "st/ate",
};

describe("the manifest", () => {
  it("is app.yml, at this instance's address", () => {
    const { action, manifest } = createManifest(APP, ORDER);
    expect(action).toBe("https://github.com/settings/apps/new?state=st%2Fate");
    expect(manifest).not.toContain("example.com");
    expect(JSON.parse(manifest)).toMatchObject({
      name: "Acme builds",
      public: false,
      url: "https://builds.acme.example",
      hook_attributes: { url: "https://builds.acme.example/webhooks/github", active: true },
      redirect_url: "https://builds.acme.example/setup/github/callback",
      request_oauth_on_install: false,
    });
  });

  it("goes to an organization's page, and is open to others, where that is asked for", () => {
    const { action, manifest } = createManifest(APP, { ...ORDER, organization: "acme corp", open: true });
    expect(action).toContain("https://github.com/organizations/acme%20corp/settings/apps/new?");
    expect(JSON.parse(manifest).public).toBe(true);
  });

  it("leaves out a permission with the events that hang on it", () => {
    const { manifest } = createManifest(APP, { ...ORDER, without: ["merge_queues", "members"] });
    const { default_permissions: permissions, default_events: events } = JSON.parse(manifest);
    expect(Object.keys(permissions)).toEqual(["metadata", "contents", "checks", "pull_requests"]);
    expect(events).toEqual(["push", "pull_request", "repository", "installation_target"]);
  });

  it("takes no text of the order for anything but text", () => {
    const name = '"},"default_permissions":{"contents":"write"},"x":{"';
    const { manifest } = createManifest(APP, { ...ORDER, name, webhookUrl: 'https://smee.io/"x' });
    expect(JSON.parse(manifest)).toMatchObject({ name, default_permissions: { contents: "read" } });
  });
});

it.each([
  ["https://github.com", "https://api.github.com"],
  ["https://acme.ghe.com", "https://api.acme.ghe.com"],
  ["https://github.acme.example", "https://github.acme.example/api/v3"],
  ["https://ghes.example:8443", "https://ghes.example:8443/api/v3"],
  ["https://github.com.evil.example", "https://github.com.evil.example/api/v3"],
  ["https://a.b.ghe.com", "https://a.b.ghe.com/api/v3"],
])("finds the API of %s at %s", (web, api) => {
  expect(apiUrlOf(web)).toBe(api);
});

describe("a conversion", () => {
  const MADE = { id: 7, name: "Ours", client_id: "Iv1", client_secret: "s", webhook_secret: "w", pem: "p" };
  const CODE = "c0de".repeat(10);

  function convert(status: number, body: unknown) {
    const asked: { url: string; init: RequestInit }[] = [];
    const fetch = async (url: string | URL | Request, init: RequestInit = {}) => {
      asked.push({ url: String(url), init });
      return new Response(JSON.stringify(body), { status });
    };
    const done = convertManifest(
      { apiUrl: "https://api.example", clock: { now: () => 0 }, fetch: fetch as typeof globalThis.fetch },
      CODE,
    );
    return { asked, done };
  }

  it("is asked for without any credential", async () => {
    const { asked, done } = convert(201, MADE);
    expect(await done).toEqual({
      ok: true,
      value: { id: 7, name: "Ours", clientId: "Iv1", clientSecret: "s", webhookSecret: "w", privateKey: "p" },
    });
    expect(asked.map(({ url, init }) => [init.method, url])).toEqual([
      ["POST", `https://api.example/app-manifests/${CODE}/conversions`],
    ]);
    expect(new Headers(asked[0]?.init.headers).has("authorization")).toBe(false);
  });

  it.each<[string, number, unknown, string]>([
    ["unknown codes", 404, { message: "Not Found" }, "codes work once"],
    ["refusals", 422, { message: "nope" }, "GitHub answered 422"],
    ["outages", 503, {}, "GitHub answered 503"],
    ["answers of another shape", 201, { ...MADE, pem: undefined }, "documented shape"],
    ["apps without a webhook", 201, { ...MADE, webhook_secret: null }, "without a webhook secret"],
  ])("fails for %s, and never says the code", async (_, status, body, words) => {
    const answer = await convert(status, body).done;
    expect(answer).toMatchObject({ ok: false, retryable: false, message: expect.stringContaining(words) });
    expect(JSON.stringify(answer)).not.toContain(CODE);
  });
});
