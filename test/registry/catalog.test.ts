/** Whether a namespace is empty, asked of real registries, and of some that misbehave. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "@jest/globals";
import { ensureKeyFile } from "../../src/keys.ts";
import { createRegistryClient, type RegistryClient } from "../../src/registry/client.ts";
import { createStagingNames } from "../../src/registry/staging.ts";
import { openTokenKeys } from "../../src/registry/token-keys.ts";
import { createTokenService } from "../../src/registry/token-service.ts";
import { startRegistry } from "../support/registry.ts";
import { startTokenRegistry } from "../support/token-registry.ts";
import { type Handler, serve } from "./door.ts";
import { type ImageRegistry, pushImage } from "./images.ts";

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function plain(): Promise<ImageRegistry> {
  const registry = await startRegistry({ auth: true });
  cleanups.push(() => registry.stop());
  return registry;
}

/** One that trusts our tokens. */
async function trusting(): Promise<ImageRegistry> {
  const folder = await mkdtemp(join(tmpdir(), "wharfinger-catalog-"));
  cleanups.push(() => rm(folder, { recursive: true }));
  const tokens = createTokenService({
    issuer: "wharfinger",
    service: "registry.test",
    keys: openTokenKeys(folder, ensureKeyFile, Date.now()),
    guests: {
      accounts: { verify: async () => null, pullable: async () => new Set(), pushable: async () => new Map() },
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    },
    staging: createStagingNames("staging/{build}"),
    clock: Date,
  });
  const registry = await startTokenRegistry({
    certificates: await readFile(join(folder, "registry-token.crt"), "utf8"),
    realm: "http://127.0.0.1:9/registry/token",
    issuer: "wharfinger",
    service: "registry.test",
  });
  cleanups.push(() => registry.stop());
  return { ...registry, issue: tokens.issue };
}

function clientOf(registry: ImageRegistry): RegistryClient {
  return createRegistryClient(registry);
}

const occupied = (value: boolean | null) => ({ ok: true, value });

describe.each([
  ["with passwords", plain],
  ["that trusts our tokens", trusting],
])("a registry %s", (_what, start) => {
  it("says which namespaces have images, by their whole names", async () => {
    const registry = await start();
    const client = clientOf(registry);
    expect(await client.occupied("acme")).toEqual(occupied(false));
    for (const name of ["acm/api", "acme-evil/api", "acme.x/api", "acme0/api", "zebra/deep/er"]) {
      await pushImage(registry, name, { tag: "1" });
    }
    for (const free of ["acme", "ac", "acme-", "acme-evi", "acme.", "zebra/deep", "zebras", "a", "zz"]) {
      expect([free, await client.occupied(free)]).toEqual([free, occupied(free === "zebra/deep")]);
    }
    for (const taken of ["acm", "acme-evil", "acme.x", "acme0", "zebra"]) {
      expect([taken, await client.occupied(taken)]).toEqual([taken, occupied(true)]);
    }
    await pushImage(registry, "acme/api", { tag: "1" });
    expect(await client.occupied("acme")).toEqual(occupied(true));
  });

  it("also where what begins alike fills pages", async () => {
    const registry = await start();
    const client = clientOf(registry);
    const names = Array.from({ length: 230 }, (_, index) => `acme-${String(index).padStart(3, "0")}/api`);
    for (let from = 0; from < names.length; from += 10) {
      await Promise.all(names.slice(from, from + 10).map((name) => pushImage(registry, name)));
    }
    expect(await client.occupied("acme")).toEqual(occupied(false));
    expect(await client.occupied("acme-229")).toEqual(occupied(true));
    await pushImage(registry, "acmf/api");
    expect(await client.occupied("acme")).toEqual(occupied(false));
  });
});

describe("a registry that is none, or none for us", () => {
  async function ask(handle: Handler) {
    const server = await serve(handle);
    cleanups.push(() => server.stop());
    const pause = async () => undefined;
    const client = createRegistryClient({ url: server.url, username: null, password: null, pause });
    return { answer: await client.occupied("acme"), requests: server.requests };
  }

  const listing = (...names: readonly unknown[]): Handler => {
    return (_request, response) => void response.end(JSON.stringify({ repositories: names }));
  };

  it.each([400, 401, 403, 404, 405, 501])("does not say (%i)", async (status) => {
    const { answer } = await ask((_request, response) => void response.writeHead(status).end());
    if (status === 401) expect(answer).toMatchObject({ ok: false, retryable: false });
    else expect(answer).toEqual(occupied(null));
  });

  it.each([429, 500, 503])("is asked again later (%i)", async (status) => {
    const { answer } = await ask((_request, response) => void response.writeHead(status).end());
    expect(answer).toMatchObject({ ok: false, retryable: true });
  });

  it.each(["", "<html>welcome</html>", "{}", '{"repositories":{}}', '{"repositories":[1]}', "null"])(
    "does not say with %j",
    async (body) => {
      const { answer } = await ask((_request, response) => void response.end(body));
      expect(answer).toEqual(occupied(null));
    },
  );

  it("does not say where it lists in no order that ends anywhere", async () => {
    expect((await ask(listing("zoo/a", "beta/b", "alpha/c"))).answer).toEqual(occupied(null));
  });

  it("is believed in either of the two orders registries have", async () => {
    expect((await ask(listing("acme-x/a", "acme.y/a", "acme/api"))).answer).toEqual(occupied(true));
    expect((await ask(listing("acme/api", "acme-x/a"))).answer).toEqual(occupied(true));
    expect((await ask(listing("acme-x/a", "acme.y/a", "acmf/api"))).answer).toEqual(occupied(false));
  });

  it("is not followed elsewhere, and not for ever", async () => {
    const elsewhere = await ask((_request, response) => {
      response.setHeader("Link", '<http://169.254.169.254/latest>; rel="next"');
      response.end(JSON.stringify({ repositories: ["acme-x/a"] }));
    });
    expect(elsewhere.answer).toEqual(occupied(null));
    const endless = await ask((_request, response) => {
      response.setHeader("Link", '</v2/_catalog?n=100&last=acme-x%2Fa>; rel="next"');
      response.end(JSON.stringify({ repositories: ["acme-x/a"] }));
    });
    expect(endless.answer).toEqual(occupied(null));
    expect(endless.requests).toHaveLength(100);
  });
});
