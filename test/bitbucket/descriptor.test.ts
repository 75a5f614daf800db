import { describe, expect, it } from "@jest/globals";
import { createConnectLibrary } from "../../src/bitbucket/ace.ts";
import { createConnectClients } from "../../src/bitbucket/clients.ts";
import { createConnectStore } from "../../src/bitbucket/connect-store.ts";
import { readDescriptor } from "../hosts/bitbucket/descriptor.ts";
import { DESCRIPTOR, NOW, PUBLIC_URL } from "./connect-world.ts";
import { createFakeGrants } from "./fake-grants.ts";

async function served(): Promise<object> {
  const clock = { now: () => NOW };
  const clients = createConnectClients({ grants: createFakeGrants(clock), clock });
  const webUrl = "https://bitbucket.org";
  const { descriptor } = await createConnectLibrary({
    descriptor: DESCRIPTOR,
    publicUrl: PUBLIC_URL,
    appKey: "acme.builds",
    webUrl,
    store: createConnectStore({ clients, appKey: "acme.builds", appSecret: null, webUrl }),
    environment: {},
  });
  return descriptor;
}

describe("the descriptor", () => {
  it("is ours: key, address, and a secret shared by installing", async () => {
    expect(await served()).toMatchObject({
      key: "acme.builds",
      baseUrl: "https://ci.example.com",
      authentication: { type: "jwt" },
      lifecycle: { installed: "/bitbucket/installed", uninstalled: "/bitbucket/uninstalled" },
      contexts: ["account"],
    });
    expect(JSON.stringify(await served())).not.toContain("{{");
  });

  it("asks for reading and for no more", async () => {
    expect(await served()).toMatchObject({ scopes: ["account", "repository", "pullrequest"] });
  });

  it("has all that Bitbucket wants of a descriptor, and nothing it does not know", async () => {
    const read = readDescriptor(await served());
    expect(read.pages.map(({ kind, url }) => [kind, url])).toEqual([
      ["configurePage", "/bitbucket/configure?workspace={workspace.uuid}&principal={principal.uuid}&user={user.uuid}"],
      ["repoPages", "/bitbucket/repository?repository={repository.uuid}&user={user.uuid}"],
    ]);
    expect(read.postInstallRedirect).toBe("/bitbucket/welcome");
  });

  it("names each event we act on once, none that our own statuses cause, and one address for all", async () => {
    const { webhooks } = readDescriptor(await served());
    expect(webhooks.map(({ event }) => event).sort()).toEqual([
      "pullrequest:created",
      "pullrequest:fulfilled",
      "pullrequest:rejected",
      "pullrequest:updated",
      "repo:created",
      "repo:deleted",
      "repo:imported",
      "repo:push",
      "repo:transfer",
      "repo:updated",
    ]);
    expect(new Set(webhooks.map(({ url }) => url.href))).toEqual(
      new Set(["https://ci.example.com/bitbucket/webhooks"]),
    );
  });

  it("has module keys, addresses and locations of the form Bitbucket takes", async () => {
    const { modules } = (await served()) as {
      modules: Record<string, { key: string; url: string; location?: string }>;
    };
    const listed = [modules["configurePage"], ...[modules["repoPages"]].flat(), modules["postInstallRedirect"]];
    expect(listed).toHaveLength(3);
    for (const module of listed) {
      expect(module?.key).toMatch(/^[a-zA-Z0-9-]{1,128}$/);
      expect(module?.url.length).toBeLessThanOrEqual(2048);
    }
    expect(listed[1]?.location).toBe("org.bitbucket.repository.navigation");
  });
});
