/** Promotion through doors that change what a real registry says, and against stand-ins that say anything. */
import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { createRegistryClient, type RegistryOptions } from "../../src/registry/client.ts";
import { startRegistry, type TestRegistry } from "../support/registry.ts";
import { type Handler, pass, refuse, type Server, serve } from "./door.ts";
import {
  DOCKER_IMAGE,
  OCI_IMAGE,
  OCI_INDEX,
  openUploads,
  pushBlob,
  pushImage,
  pushIndex,
  pushManifest,
  sha256,
} from "./images.ts";

const OK = { ok: true, value: true };
const FROM = "staging/b1";
const ZEROS = `sha256:${"0".repeat(64)}`;

let registry: TestRegistry;
const servers: Server[] = [];
let number = 0;

beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry?.stop());
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
  expect(await openUploads(registry)).toEqual([]);
});

function target(): string {
  number += 1;
  return `acme/api${number}`;
}

async function against(handle: Handler): Promise<Server> {
  const server = await serve(handle);
  servers.push(server);
  return server;
}

/** A door to the registry; what `change` answers itself (it says so by true) does not get there. */
async function door(change: (request: IncomingMessage, response: ServerResponse) => boolean): Promise<Server> {
  return await against((request, response) => {
    if (!change(request, response)) pass(registry.url, request, response);
  });
}

function client(url: string, options: Partial<RegistryOptions> = {}) {
  return createRegistryClient({ url, username: null, password: null, pause: async () => undefined, ...options });
}

function writesOf(server: Server): readonly string[] {
  return server.requests
    .filter(({ method }) => !/^(?:GET|HEAD)$/.test(method))
    .map(({ method, url }) => `${method} ${url}`);
}

describe("a registry that opens an upload instead of mounting", () => {
  /** Asks the registry for an upload whenever a mount is wanted. */
  function unmounted(change: (request: IncomingMessage, response: ServerResponse) => boolean = () => false) {
    return against((request, response) => {
      if (change(request, response)) return;
      const url = request.url ?? "";
      pass(registry.url, request, response, request.method === "POST" ? url.replace(/\?.*$/, "") : url);
    });
  }

  it("gets the data, as it is", async () => {
    const to = target();
    const image = await pushImage(registry, FROM, { layers: [randomBytes(3_000_000)] });
    const server = await unmounted();
    expect(await client(server.url).copy(FROM, to, image.digest)).toEqual(OK);
    const direct = client(registry.url);
    for (const blob of image.blobs) expect((await direct.getBlob(to, blob, 4_000_000)).ok).toBe(true);
    expect(await direct.digest(to, image.digest)).toEqual({ ok: true, value: image.digest });
    expect(writesOf(server).filter((line) => line.startsWith("POST"))).toHaveLength(image.blobs.length);
  });

  it.each<[string, Handler]>([
    ["is gone", (_, response) => refuse(response, 404, "BLOB_UNKNOWN", "blob unknown to registry")],
    ["is damaged", (_, response) => void response.writeHead(200).end("other bytes")],
    ["is damaged, and as long as it should be", (_, response) => void response.writeHead(200).end(randomBytes(2_000))],
    [
      "breaks off",
      (_, response) => {
        response.writeHead(200, { "content-length": 2_000 });
        response.write(Buffer.alloc(100), () => response.destroy());
      },
    ],
  ])("takes the upload back when the data %s", async (_, answer) => {
    const to = target();
    const image = await pushImage(registry, FROM);
    const [, layer = ""] = image.blobs;
    const server = await unmounted((request, response) => {
      if (request.method !== "GET" || request.url !== `/v2/${FROM}/blobs/${layer}`) return false;
      answer(request, response);
      return true;
    });
    const copied = await client(server.url).copy(FROM, to, image.digest);
    expect(copied).toMatchObject({ ok: false, message: expect.any(String) });
    expect(writesOf(server).some((line) => line.startsWith("DELETE"))).toBe(true);
    // Judged here, before the registry is asked to.
    expect(writesOf(server).filter((line) => line.startsWith("PUT") && line.includes(layer.slice(7)))).toEqual([]);
    expect(await client(registry.url).digest(to, image.digest)).toEqual({ ok: true, value: null });
    expect(await client(registry.url).getBlob(to, layer, 4_000)).toEqual({ ok: true, value: null });
    // The same again, with nothing in the way.
    expect(await client(registry.url).copy(FROM, to, image.digest)).toEqual(OK);
  });

  it("takes the upload back when the work is stopped on the way", async () => {
    const to = target();
    const image = await pushImage(registry, FROM);
    const controller = new AbortController();
    const server = await unmounted((request, response) => {
      if (request.method !== "GET" || request.url?.includes("/blobs/") !== true) return false;
      response.writeHead(200, { "content-length": 2_000 });
      response.write(Buffer.alloc(100), () => controller.abort("cancel"));
      return true;
    });
    const copied = await client(server.url).copy(FROM, to, image.digest, controller.signal);
    expect(copied).toMatchObject({ ok: false, retryable: true, message: expect.stringContaining("stopped") });
  });

  it("takes back an upload that is opened after the work was stopped", async () => {
    const image = await pushImage(registry, FROM);
    const controller = new AbortController();
    const server = await against((request, response) => {
      if (request.method !== "POST") return pass(registry.url, request, response);
      controller.abort("shutdown");
      setTimeout(() => pass(registry.url, request, response, request.url?.replace(/\?.*$/, "")), 100);
    });
    expect((await client(server.url).copy(FROM, target(), image.digest, controller.signal)).ok).toBe(false);
    const opened = writesOf(server).filter((line) => line.startsWith("POST"));
    const taken = writesOf(server).filter((line) => line.startsWith("DELETE"));
    expect(opened.length).toBeGreaterThan(0);
    expect(taken).toHaveLength(opened.length);
  });

  it("sends nothing to another place the registry names, nor credentials to the storage behind it", async () => {
    const to = target();
    const image = await pushImage(registry, FROM);
    const elsewhere = await against((request, response) => pass(registry.url, request, response));
    const issue = async () => ({ token: "a-token-of-ours", seconds: 60 });
    const challenge = { "www-authenticate": `Bearer realm="${elsewhere.url}/token",service="x"` };
    const moved = await unmounted((request, response) => {
      if (request.headers.authorization === undefined) {
        response.writeHead(401, challenge).end();
        return true;
      }
      if (request.method !== "GET" || request.url?.includes("/blobs/") !== true) return false;
      response.writeHead(307, { location: `${elsewhere.url}${request.url}` }).end();
      return true;
    });
    expect(await client(moved.url, { issue }).copy(FROM, to, image.digest)).toEqual(OK);
    expect(elsewhere.requests).toHaveLength(image.blobs.length);
    expect(elsewhere.requests.map(({ authorization }) => authorization)).toEqual(image.blobs.map(() => undefined));

    const other = target();
    const away = await against((request, response) => {
      if (request.method !== "POST") return pass(registry.url, request, response);
      response.writeHead(202, { location: `${elsewhere.url}/v2/${other}/blobs/uploads/1` }).end();
    });
    expect(await client(away.url).copy(FROM, other, image.digest)).toMatchObject({ ok: false, retryable: false });
    expect(writesOf(away).filter((line) => !line.startsWith("POST"))).toEqual([]);
    expect(elsewhere.requests).toHaveLength(image.blobs.length);
  });

  it("is the only one that gets data, however the place is written", async () => {
    const image = await pushImage(registry, FROM);
    const places = (host: string) => [
      `http://${host}//evil.example/upload`,
      "//evil.example/upload",
      "/\\evil.example/x",
    ];
    for (const at of [0, 1, 2]) {
      const asked: string[] = [];
      const server = await against((request, response) => {
        if (request.method !== "POST") return pass(registry.url, request, response);
        const location = places(request.headers.host ?? "")[at] ?? "";
        response.writeHead(202, { location }).end();
      });
      const send: typeof fetch = async (input, init) => {
        asked.push(new URL(String(input)).host);
        return await fetch(input, init);
      };
      expect((await client(server.url, { fetch: send }).copy(FROM, target(), image.digest)).ok).toBe(false);
      expect(new Set(asked)).toEqual(new Set([new URL(server.url).host]));
    }
  });
});

describe("a staged image that is not what it should be", () => {
  const descriptor = { mediaType: "application/vnd.oci.image.config.v1+json", digest: ZEROS, size: 1 };
  const image = { schemaVersion: 2, mediaType: OCI_IMAGE, config: descriptor, layers: [] as object[] };
  const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] as object[] };
  const many = (count: number, mediaType: string) =>
    Array.from({ length: count }, (_, at) => ({ mediaType, digest: sha256(String(at)), size: 1 }));

  it.each<[string, string, string | object, string]>([
    ["of another type", "application/vnd.docker.distribution.manifest.v1+prettyjws", image, "not a type of image"],
    ["of no type", "", image, "not a type of image"],
    ["of a type that breaks out of its line", "a/b\u001b[2J", image, "not a type of image"],
    ["of a type other than it says itself", DOCKER_IMAGE, image, "says itself"],
    ["an index under the type of an image", OCI_IMAGE, { ...index, mediaType: OCI_IMAGE }, "not of the form"],
    ["an image under the type of an index", OCI_INDEX, { ...image, mediaType: OCI_INDEX }, "not of the form"],
    ["not JSON", OCI_IMAGE, "}{", "not JSON"],
    ["of another version", OCI_IMAGE, { ...image, schemaVersion: 1 }, "not of the form"],
    [
      "with a digest that is a path",
      OCI_IMAGE,
      { ...image, config: { ...descriptor, digest: "../../x" } },
      "not of the form",
    ],
    ["made of too many layers", OCI_IMAGE, { ...image, layers: many(2_001, "a/b") }, "more than 2000 parts"],
    ["made for too many platforms", OCI_INDEX, { ...index, manifests: many(101, OCI_IMAGE) }, "more than 100 images"],
    ["too large", OCI_IMAGE, { ...image, annotations: { a: "a".repeat(4 * 1024 ** 2) } }, "more than 4194304 bytes"],
  ])("is not published: %s", async (_, type, body, why) => {
    const bytes = Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
    const server = await against((_, response) => {
      response.writeHead(200, type === "" ? {} : { "content-type": encodeURI(type) }).end(bytes);
    });
    expect(await client(server.url).copy(FROM, target(), sha256(bytes))).toMatchObject({
      ok: false,
      retryable: false,
      message: expect.stringContaining(why),
    });
    expect(writesOf(server)).toEqual([]);
  });

  it("is not published: an index within an index", async () => {
    const inner = await pushIndex(registry, FROM);
    const outer = await pushManifest(registry, FROM, { ...index, manifests: [inner.descriptor] } as typeof index);
    const to = target();
    expect(await client(registry.url).copy(FROM, to, outer.digest)).toMatchObject({
      ok: false,
      retryable: false,
      message: expect.stringContaining("an index within an index"),
    });
    expect(await client(registry.url).digest(to, inner.digest)).toEqual({ ok: true, value: null });
  });

  it("is not published: other bytes under its digest", async () => {
    const pushed = await pushImage(registry, FROM);
    const server = await door((request, response) => {
      if (request.method !== "GET") return false;
      response.writeHead(200, { "content-type": OCI_IMAGE, "docker-content-digest": pushed.digest });
      response.end(JSON.stringify(image));
      return true;
    });
    expect(await client(server.url).copy(FROM, target(), pushed.digest)).toMatchObject({
      ok: false,
      message: expect.stringContaining("other bytes"),
    });
    expect(await client(server.url).tag(FROM, "1", pushed.digest)).toMatchObject({ ok: false });
    expect(writesOf(server)).toEqual([]);
  });

  it("is published without the layers that only another place may hand out", async () => {
    const foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    const config = await pushBlob(registry, FROM, "application/vnd.docker.container.image.v1+json", randomBytes(50));
    const layers = [
      { mediaType: foreign, digest: sha256("elsewhere"), size: 9, urls: ["https://layers.example.com/1"] },
      // An address does not make a common layer a foreign one.
      { ...(await pushBlob(registry, FROM, "a/b", randomBytes(40))), urls: ["https://layers.example.com/2"] },
      { ...(await pushBlob(registry, FROM, foreign, randomBytes(30))), urls: [] },
    ];
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: DOCKER_IMAGE, config, layers }));
    const digest = sha256(bytes);
    const to = target();
    const server = await door((request, response) => {
      if (request.url?.includes("/manifests/") !== true) return false;
      if (request.method === "PUT") response.writeHead(201).end();
      else if (request.method === "HEAD") response.writeHead(404).end();
      else response.writeHead(200, { "content-type": DOCKER_IMAGE }).end(bytes);
      return true;
    });
    expect(await client(server.url).copy(FROM, to, digest)).toEqual(OK);
    const mounted = writesOf(server).flatMap((line) => /mount=([^&]+)/.exec(line)?.[1] ?? []);
    const expected = [config, layers[1], layers[2]].map((layer) => encodeURIComponent(layer?.digest ?? ""));
    expect(mounted.sort()).toEqual(expected.sort());
  });
});

describe("a registry that misbehaves while it is written to", () => {
  it("is not believed when it stores something else", async () => {
    const pushed = await pushImage(registry, FROM, { tag: "build" });
    const server = await door((request, response) => {
      if (request.method !== "PUT") return false;
      request.resume();
      response.writeHead(201, { "docker-content-digest": ZEROS }).end();
      return true;
    });
    const wrong = { ok: false, message: expect.stringContaining("something else") };
    expect(await client(server.url).copy(FROM, target(), pushed.digest)).toMatchObject(wrong);
    expect(await client(server.url).tag(FROM, "2", pushed.digest)).toMatchObject(wrong);
  });

  it("is asked again after a 500, and after a pause", async () => {
    const to = target();
    const pushed = await pushIndex(registry, FROM);
    const failures = new Map<string, number>();
    const server = await door((request, response) => {
      const line = `${request.method} ${request.url}`;
      const count = (failures.get(line) ?? 0) + 1;
      failures.set(line, count);
      if (!/^(?:GET|HEAD) /.test(line) || count > 3) return false;
      response.writeHead(500).end();
      return true;
    });
    const pauses: number[] = [];
    const one = client(server.url, {
      pause: async (ms) => {
        pauses.push(ms);
      },
    });
    expect(await one.copy(FROM, to, pushed.digest)).toEqual(OK);
    expect(await one.tag(to, "1", pushed.digest)).toEqual(OK);
    expect(await one.digest(to, "1")).toEqual({ ok: true, value: pushed.digest });
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(20);
    expect(Math.max(...pauses)).toBeLessThan(1_000);
  });

  it("is asked a bounded number of times, and not at all after a refusal", async () => {
    for (const [status, requests] of [
      [500, 5],
      [503, 1],
      [403, 1],
    ] as const) {
      const server = await against((_, response) => refuse(response, status, "X", "in its own words"));
      expect(await client(server.url).copy(FROM, target(), ZEROS)).toMatchObject({
        ok: false,
        retryable: status >= 500,
        message: expect.stringContaining(`${status}: in its own words`),
      });
      expect(server.requests).toHaveLength(requests);
    }
  });

  it("says how long to wait, at whatever request it is overloaded", async () => {
    const pushed = await pushImage(registry, FROM);
    for (let stop = 1; ; stop += 1) {
      let count = 0;
      const server = await door((_, response) => {
        count += 1;
        if (count !== stop) return false;
        refuse(response, 429, "TOOMANYREQUESTS", "slow down", { "retry-after": "17" });
        return true;
      });
      const copied = await client(server.url).copy(FROM, `acme/slow${stop}`, pushed.digest);
      if (copied.ok) {
        expect(stop).toBeGreaterThan(5);
        break;
      }
      expect(copied).toMatchObject({ retryable: true, retryAfter: 17 });
    }
  });

  it("is refused a sign-in that comes back with the secret in its mouth", async () => {
    const issue = async () => ({ token: "a-token-nobody-must-see", seconds: 60 });
    const server = await against((request, response) => {
      const sent = request.headers.authorization ?? "";
      if (sent === "") response.writeHead(401, { "www-authenticate": `Bearer realm="http://x/"` }).end();
      else refuse(response, 400, "X", `${"x".repeat(160)}you sent ${sent}`);
    });
    const copied = await client(server.url, { issue }).copy(FROM, target(), ZEROS);
    expect(copied).toMatchObject({ ok: false, message: expect.stringContaining("xxx") });
    // Not half of it either, where the words are cut.
    expect(JSON.stringify(copied)).not.toContain("a-to");
  });

  it("stops us neither from stopping nor for longer than we allow", async () => {
    const silent = await against(() => undefined);
    const controller = new AbortController();
    const began = Date.now();
    const stopped = client(silent.url).copy(FROM, target(), ZEROS, controller.signal);
    setTimeout(() => controller.abort("lost"), 50);
    expect(await stopped).toMatchObject({ ok: false, retryable: true, message: expect.stringContaining("stopped") });
    for (const late of [{ totalMs: 50 }, { timeoutMs: 50 }]) {
      expect(await client(silent.url, late).discard(FROM, ZEROS)).toMatchObject({
        ok: false,
        retryable: true,
        message: expect.stringContaining("in time"),
      });
    }
    expect(Date.now() - began).toBeLessThan(30_000);
    const before = silent.requests.length;
    expect(await client(silent.url).tag(FROM, "1", ZEROS, AbortSignal.abort())).toMatchObject({ ok: false });
    expect(silent.requests).toHaveLength(before);
  });

  it("is always told which types we understand", async () => {
    const pushed = await pushIndex(registry, FROM);
    const server = await door(() => false);
    const to = target();
    await client(server.url).copy(FROM, to, pushed.digest);
    await client(server.url).tag(to, "1", pushed.digest);
    await client(server.url).discard(to, pushed.digest);
    const reads = server.requests.filter(
      ({ method, url }) => /^(?:GET|HEAD)$/.test(method) && url.includes("/manifests/"),
    );
    expect(reads.length).toBeGreaterThan(8);
    for (const { accept } of reads) {
      for (const type of [OCI_IMAGE, OCI_INDEX, DOCKER_IMAGE]) expect(accept).toContain(type);
    }
  });
});

describe("storage behind a registry", () => {
  it("can not make us sign in to it", async () => {
    const image = await pushImage(registry, FROM);
    const [blob = ""] = image.blobs;
    const realm = await against((_, response) => void response.writeHead(200).end('{"token":"x"}'));
    const storage = await against((_, response) => {
      response.writeHead(401, { "www-authenticate": `Bearer realm="${realm.url}/token"` }).end();
    });
    const server = await door((_, response) => {
      response.writeHead(307, { location: `${storage.url}/blob` }).end();
      return true;
    });
    const one = client(server.url, { username: "me", password: "a-password" });
    expect(await one.getBlob(FROM, blob, 10_000)).toMatchObject({ ok: false });
    expect(realm.requests).toEqual([]);
    expect(storage.requests.map(({ authorization }) => authorization)).toEqual([undefined]);
  });
});

describe("discarding", () => {
  it.each<[string, Handler, object]>([
    [
      "has no way to delete",
      (_, response) => refuse(response, 405, "UNSUPPORTED", "The operation is unsupported."),
      OK,
    ],
    ["says so in another way", (_, response) => refuse(response, 400, "UNSUPPORTED", "no"), OK],
    ["has nothing to delete", (_, response) => void response.writeHead(404).end("404 page not found"), OK],
    ["does not allow it", (_, response) => refuse(response, 403, "DENIED", "no"), { ok: false, retryable: false }],
    ["is overloaded", (_, response) => void response.writeHead(503).end(), { ok: false, retryable: true }],
  ])("a registry that %s", async (_, answer, end) => {
    const pushed = await pushIndex(registry, FROM);
    const server = await door((request, response) => {
      if (request.method !== "DELETE") return false;
      answer(request, response);
      return true;
    });
    expect(await client(server.url).discard(FROM, pushed.digest)).toMatchObject(end);
  });

  it("deletes what no one can read", async () => {
    const page = "<html>";
    const server = await against((request, response) => {
      if (request.method === "DELETE") response.writeHead(202).end();
      else response.writeHead(200, { "content-type": "text/html" }).end(page);
    });
    expect(await client(server.url).discard(FROM, sha256(page))).toEqual(OK);
    expect(writesOf(server)).toEqual([`DELETE /v2/${FROM}/manifests/${sha256(page)}`]);
  });
});
