import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, jest } from "@jest/globals";
import { createConnectLibrary } from "../../src/bitbucket/ace.ts";
import { createConnectClients } from "../../src/bitbucket/clients.ts";
import { createConnectStore } from "../../src/bitbucket/connect-store.ts";
import {
  ACME,
  CLIENT,
  configure,
  createWorld,
  DESCRIPTOR,
  NOW,
  PUBLIC_URL,
  prove,
  SECRET,
  signed,
  type World,
} from "./connect-world.ts";
import { createFakeGrants } from "./fake-grants.ts";

let closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closing.map((close) => close()));
  closing = [];
});

async function world(...options: Parameters<typeof createWorld>): Promise<World> {
  const made = await createWorld(...options);
  closing.push(made.close);
  return made;
}

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), "wharfinger-connect-"));
  closing.push(() => rm(made, { recursive: true, force: true }));
  return made;
}

/** Sets variables until the test ends. */
function environment(variables: Record<string, string>): void {
  for (const [name, value] of Object.entries(variables)) {
    const before = process.env[name];
    process.env[name] = value;
    closing.push(async () => {
      if (before === undefined) delete process.env[name];
      else process.env[name] = before;
    });
  }
}

function store() {
  const clock = { now: () => NOW };
  const grants = createFakeGrants(clock);
  const clients = createConnectClients({ grants, clock });
  const webUrl = "https://bitbucket.org";
  return { grants, store: createConnectStore({ clients, appKey: "wharfinger", appSecret: null, webUrl }) };
}

function library(options: { descriptor?: string; publicUrl?: string; environment?: Record<string, string> } = {}) {
  return createConnectLibrary({
    descriptor: options.descriptor ?? DESCRIPTOR,
    publicUrl: options.publicUrl ?? PUBLIC_URL,
    appKey: "wharfinger",
    webUrl: "https://bitbucket.org",
    store: store().store,
    environment: options.environment ?? {},
  });
}

describe("the Connect library", () => {
  it.each(["AC_OPTS", "AC_LOCAL_BASE_URL", "AC_APP_KEY", "AC_PRODUCT", "AC_HOST_WHITELIST"])(
    "is not started while %s is set",
    async (name) => {
      await expect(library({ environment: { PATH: "/bin", [name]: "no-auth" } })).rejects.toThrow(`Unset ${name}`);
    },
  );

  it("can not be made another app by variables we did not look at", async () => {
    environment({ AC_LOCAL_BASE_URL: "https://evil.example" });
    await expect(library()).rejects.toThrow("another app");
  });

  it("opens no page when its checks are turned off under way", async () => {
    const at = await world();
    const warnings = jest.spyOn(console, "warn").mockReturnValue(undefined);
    closing.push(async () => warnings.mockRestore());
    environment({ AC_OPTS: "no-auth no-token-verfication" });
    for (const address of [configure(), signed(configure(), { key: "forged" })]) {
      expect((await at.get(address)).status).toBe(401);
    }
    expect((await at.get(signed(configure()))).status).toBe(200);
    expect(warnings).toHaveBeenCalledWith(expect.stringContaining("Auth verification is disabled"));
  });

  it.each(["production", "development", "test", ""])("is the same with NODE_ENV %p, PORT and DB_URL", async (mode) => {
    environment({ NODE_ENV: mode, PORT: "4711", DB_URL: "postgres://user:password@db.invalid/connect" });
    const at = await world();
    const descriptor = await (await at.get("/atlassian-connect.json")).json();
    expect(descriptor).toMatchObject({ key: "wharfinger", baseUrl: PUBLIC_URL });
    expect((await at.get(signed(configure()))).status).toBe(200);
  });

  it("does not put variables into addresses", async () => {
    environment({ HOST: "evil.example" });
    await expect(library({ publicUrl: "https://$HOST" })).rejects.toThrow("$ in PUBLIC_URL");
  });

  it("does not swallow what nobody has handled", async () => {
    const before = process.listeners("unhandledRejection");
    await library();
    expect(process.listeners("unhandledRejection")).toEqual(before);
  });

  it("gives away nothing that calls hosts, skips the hash of an address or takes an event", async () => {
    const given = await library();
    expect(Object.keys(given)).toEqual(["descriptor", "authenticate"]);
    expect(given.authenticate).toHaveLength(0);
  });

  it("watches no file", async () => {
    environment({ NODE_ENV: "development" });
    const watched = () => process.getActiveResourcesInfo().filter((name) => name.startsWith("FSEvent")).length;
    const before = watched();
    await library();
    expect(watched()).toBe(before);
  });

  it("is not told to validate the descriptor: for Bitbucket it has nothing to do it with, and throws", async () => {
    const validate = { environment: { AC_VALIDATE_DESCRIPTOR: "true" } };
    await expect(library(validate)).rejects.toThrow("Unset AC_VALIDATE_DESCRIPTOR");
    await expect(library()).resolves.toHaveProperty("descriptor");
  });

  it("reads nothing of the working directory", async () => {
    const from = process.cwd();
    const elsewhere = await folder();
    const foreign = JSON.stringify({ key: "evil", baseUrl: "https://evil.example" });
    await writeFile(join(elsewhere, "atlassian-connect.json"), foreign);
    await writeFile(join(elsewhere, "config.json"), "{");
    await writeFile(join(elsewhere, "credentials.json"), "{");
    process.chdir(elsewhere);
    try {
      const { descriptor } = await library();
      expect(descriptor).toMatchObject({ key: "wharfinger", baseUrl: PUBLIC_URL });
    } finally {
      process.chdir(from);
    }
  });

  it.each([
    ["is missing", null],
    ["is not JSON", "{"],
    ["has a key of its own", JSON.stringify({ key: "mine", baseUrl: "{{localBaseUrl}}" })],
    ["has an address of its own", JSON.stringify({ key: "{{appKey}}", baseUrl: "https://mine.example" })],
    ["is empty", "{}"],
  ])("says so when the descriptor %s, before it can bring the process down", async (_, text) => {
    const file = join(await folder(), "atlassian-connect.json");
    if (text !== null) await writeFile(file, text);
    await expect(library({ descriptor: file })).rejects.toThrow();
  });

  it("serves neither installs nor webhooks, whose routes would take one event for another", async () => {
    const at = await world();
    const body = JSON.stringify({
      clientKey: "connection:1",
      sharedSecret: "forged",
      baseUrl: "https://bitbucket.org",
    });
    for (const path of ["/installed", "/bitbucket/installed", "/bitbucket/webhooks"]) {
      const headers = { "content-type": "application/json" };
      expect((await at.get(path, { method: "POST", headers, body })).status).toBe(404);
    }
    expect((await at.get(DESCRIPTOR)).status).toBe(404);
  });

  it("answers a GET without a token instead of leaving it open for ever", async () => {
    const at = await world();
    const answer = await at.get("/bitbucket/configure", { signal: AbortSignal.timeout(2_000) });
    expect(answer.status).toBe(401);
  });
});

describe("its store", () => {
  it("knows proven clients, and nothing else", async () => {
    const { grants, store: kept } = store();
    await prove(grants, CLIENT, ACME, SECRET);
    await grants.addConnectCandidate({ clientKey: "connection:8", workspace: ACME, secret: "squatter's" });
    expect(await kept.get("clientInfo", CLIENT)).toEqual({
      clientKey: CLIENT,
      sharedSecret: SECRET,
      baseUrl: "https://bitbucket.org",
      key: "wharfinger",
    });
    for (const key of ["connection:8", "", "__proto__", [CLIENT], { clientKey: CLIENT }, null, undefined, 7]) {
      expect(await kept.get("clientInfo", key)).toBeNull();
    }
    expect(await kept.get("anything", CLIENT)).toBeNull();
    expect(await kept.getAllClientInfos()).toEqual([]);
  });

  it("takes nothing from the library", async () => {
    const { grants, store: kept } = store();
    await prove(grants, CLIENT, ACME, SECRET);
    await expect(kept.set()).rejects.toThrow("signed lifecycle calls");
    await expect(kept.saveInstallation()).rejects.toThrow("signed lifecycle calls");
    await expect(kept.del()).rejects.toThrow("signed lifecycle calls");
    await expect(kept.deleteAssociation()).rejects.toThrow("signed lifecycle calls");
    expect(() => kept.forForgeInstallation()).toThrow("Forge");
    expect(await grants.connectClient(CLIENT)).toMatchObject({ secret: SECRET, state: "active" });
  });
});
