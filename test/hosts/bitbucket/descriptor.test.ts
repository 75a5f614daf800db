import { readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import { DescriptorRefused, readDescriptor } from "./descriptor.ts";
import { allowsScope } from "./scopes.ts";

const PAGE = { key: "page", name: { value: "Page" }, url: "/page" };

function descriptor(more: object = {}, modules: object = {}): object {
  return {
    key: "an-app",
    name: "An app",
    description: "Does things.",
    baseUrl: "https://app.example/base",
    authentication: { type: "jwt" },
    lifecycle: { installed: "/installed", uninstalled: "https://app.example/base/uninstalled" },
    scopes: ["account", "repository"],
    contexts: ["account"],
    modules,
    ...more,
  };
}

describe("a descriptor", () => {
  it("is accepted when it is this product's", () => {
    const text = readFileSync("atlassian-connect.json", "utf8")
      .replaceAll("{{localBaseUrl}}", "https://wharfinger.example")
      .replaceAll("{{appKey}}", "wharfinger");
    const read = readDescriptor(JSON.parse(text));
    expect(read.installed.href).toBe("https://wharfinger.example/bitbucket/installed");
    expect(new Set(read.webhooks.map((webhook) => webhook.url.pathname))).toEqual(new Set(["/bitbucket/webhooks"]));
    expect(read.pages.map((page) => page.kind)).toContain("configurePage");
  });

  it("has addresses that are below its base, or whole", () => {
    const read = readDescriptor(descriptor());
    expect(read.installed.href).toBe("https://app.example/base/installed");
    expect(read.uninstalled.href).toBe("https://app.example/base/uninstalled");
  });

  it.each([
    ["a base that ends in a slash", { baseUrl: "https://app.example/" }, /slash/],
    ["a base without TLS", { baseUrl: "http://app.example" }, /https/],
    ["a base that is no address", { baseUrl: "app.example" }, /baseUrl/],
    ["a scope that is none", { scopes: ["repository:read"] }, /scope/],
    ["a context that is none", { contexts: ["workspace"] }, /contexts/],
    ["no lifecycle", { lifecycle: {} }, /installed/],
    ["no description", { description: undefined }, /description/],
    ["an authentication that is none", { authentication: { type: "oauth" } }, /authentication/],
    ["a module that is none", { modules: { accountAdminPage: PAGE } }, /accountAdminPage/],
  ])("is refused with %s", (_, more, why) => {
    expect(() => readDescriptor(descriptor(more))).toThrow(DescriptorRefused);
    expect(() => readDescriptor(descriptor(more))).toThrow(why);
  });

  it.each([
    ["two configure pages", { configurePage: [PAGE] }],
    ["a page with a key of other characters", { configurePage: { ...PAGE, key: "a_page" } }],
    ["a page with a long key", { configurePage: { ...PAGE, key: "p".repeat(129) } }],
    ["a page with a long address", { configurePage: { ...PAGE, url: `/${"p".repeat(2048)}` } }],
    ["a repository's page that is nowhere", { repoPages: [PAGE] }],
    ["a repository's page elsewhere", { repoPages: [{ ...PAGE, location: "org.bitbucket.account.admin" }] }],
    ["two pages of one key", { configurePage: PAGE, profileTabs: [PAGE] }],
    ["a webhook for an event that is none", { webhooks: [{ event: "repo:refs_changed", url: "/hook" }] }],
    ["a webhook for an event it has no scope for", { webhooks: [{ event: "pullrequest:created", url: "/hook" }] }],
  ])("is refused with %s", (_, modules) => {
    expect(() => readDescriptor(descriptor({}, modules))).toThrow(DescriptorRefused);
  });

  it("may run without TLS where nothing leaves the machine", () => {
    expect(readDescriptor(descriptor({ baseUrl: "http://127.0.0.1:8080" })).baseUrl).toBe("http://127.0.0.1:8080");
  });

  it("asks for every scope when it names none", () => {
    expect(readDescriptor(descriptor({ scopes: undefined })).scopes).toContain("repository:delete");
    expect(readDescriptor(descriptor({ scopes: [] })).scopes).toEqual([]);
  });

  it("hears with * of whatever its scopes cover", () => {
    const modules = { webhooks: [{ event: "*", url: "/hook" }] };
    const events = readDescriptor(descriptor({}, modules)).webhooks.map((webhook) => webhook.event);
    expect(events).toContain("repo:push");
    expect(events.filter((event) => /^(pullrequest|issue):/.test(event))).toEqual([]);
  });
});

it("lets some scopes stand for others", () => {
  expect(allowsScope(["pullrequest"], "repository")).toBe(true);
  expect(allowsScope(["pullrequest:write"], "repository:write")).toBe(true);
  expect(allowsScope(["repository:write"], "pullrequest")).toBe(false);
  expect(allowsScope(["repository:admin"], "repository")).toBe(false);
});
