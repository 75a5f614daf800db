/** Against a real TLS server of an authority nobody else knows. */
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { createRegistryClient } from "../../src/registry/client.ts";
import { createTrustingFetch } from "../../src/registry/trusting-fetch.ts";
import { createAuthority } from "../support/authority.ts";

let folder: string;
let server: Server;
let url: string;
let ca: string;
let handle: (request: IncomingMessage, response: ServerResponse) => void;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharfinger-trust-"));
  const authority = createAuthority(folder);
  ca = await readFile(authority.ca, "utf8");
  const [cert, key] = await Promise.all([readFile(authority.certificate), readFile(authority.key)]);
  server = createServer({ cert, key }, (request, response) => handle(request, response)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  url = `https://127.0.0.1:${address.port}`;
}, 30_000);

afterAll(async () => {
  server?.closeAllConnections();
  server?.close();
  await rm(folder, { recursive: true, force: true });
});

beforeEach(() => {
  handle = (_request, response) => response.writeHead(200, { "x-seen": "yes" }).end("hello");
});

async function echo(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request) chunks.push(chunk as Buffer);
  } catch {
    return;
  }
  response.end(
    JSON.stringify({ method: request.method, headers: request.headers, body: Buffer.concat(chunks).toString() }),
  );
}

describe("a registry's certificate", () => {
  it("is taken when the given authority has signed it, and by nobody else", async () => {
    const answer = await createTrustingFetch({ url, ca, insecure: false })(`${url}/v2/`);
    expect([answer.status, answer.headers.get("x-seen"), await answer.text()]).toEqual([200, "yes", "hello"]);
    await expect(createTrustingFetch({ url, ca: null, insecure: false })(url)).rejects.toThrow();
    await expect(fetch(url)).rejects.toThrow();
  });

  it("is taken whatever it is where that was said, and only that of the registry itself", async () => {
    const answer = await createTrustingFetch({ url, ca: null, insecure: true })(`${url}/v2/`);
    expect(answer.status).toBe(200);
    // Another host of the same name but another port: where a registry might send a password.
    const elsewhere = createTrustingFetch({ url: "https://127.0.0.1:1", ca: null, insecure: true });
    await expect(elsewhere(`${url}/token`)).rejects.toThrow(/certificate/);
  });

  it("is said to be the reason, in the words of a client", async () => {
    const trust = { url, ca: null, insecure: false };
    const other = createTrustingFetch({
      ...trust,
      ca: (await readFile(join(folder, "server.pem"), "utf8")).slice(0, 0),
    });
    const client = createRegistryClient({ url, username: null, password: null, fetch: other });
    expect(await client.check()).toMatchObject({
      ok: false,
      retryable: true,
      message: expect.stringMatching(/certificate/),
    });
  });
});

describe("fetching past it", () => {
  const trusting = () => createTrustingFetch({ url, ca, insecure: false });

  it("sends what it is given: method, headers, a buffer or a stream", async () => {
    handle = (request, response) => void echo(request, response);
    const sent = await trusting()(`${url}/x`, { method: "PUT", headers: { "x-one": "1" }, body: Buffer.from("bytes") });
    expect(await sent.json()).toMatchObject({
      method: "PUT",
      body: "bytes",
      headers: { "x-one": "1", "content-length": "5" },
    });
    async function* parts() {
      yield Buffer.from("by");
      yield Buffer.from("tes");
    }
    const init = { method: "PATCH", body: parts(), duplex: "half" } as unknown as RequestInit;
    expect(await (await trusting()(`${url}/x`, init)).json()).toMatchObject({ method: "PATCH", body: "bytes" });
  });

  it("breaks an upload off where its source breaks off", async () => {
    let ended: string | null = null;
    let arrived: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    handle = (request) => {
      request.once("data", arrived);
      request.on("end", () => {
        ended = "whole";
      });
      request.on("error", () => {
        ended = "broken";
      });
    };
    async function* parts(): AsyncGenerator<Buffer> {
      yield Buffer.from("by");
      await begun;
      throw new Error("the source is gone");
    }
    const init = { method: "PATCH", body: parts(), duplex: "half" } as unknown as RequestInit;
    await expect(trusting()(`${url}/x`, init)).rejects.toThrow("the source is gone");
    for (let tries = 0; ended === null && tries < 200; tries += 1)
      await new Promise((resolve) => setTimeout(resolve, 10));
    expect(ended).toBe("broken");
  });

  it("follows no redirect, and takes none where that is said", async () => {
    handle = (_request, response) => response.writeHead(302, { location: "https://elsewhere.test" }).end();
    const answer = await trusting()(url, { redirect: "manual" });
    expect([answer.status, answer.headers.get("location")]).toEqual([302, "https://elsewhere.test"]);
    await answer.body?.cancel();
    await expect(trusting()(url, { redirect: "error" })).rejects.toThrow(/redirects/);
  });

  it("lets go of its connection when nobody reads the answer", async () => {
    let closed = false;
    handle = (request, response) => {
      request.socket.on("close", () => {
        closed = true;
      });
      response.writeHead(401, { "content-length": "5" }).end("hello");
    };
    await (await trusting()(url)).body?.cancel();
    for (let tries = 0; !closed && tries < 200; tries += 1) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(closed).toBe(true);
  });

  it("takes answers without a body, and ends when it is stopped", async () => {
    handle = (_request, response) => response.writeHead(204).end();
    expect((await trusting()(url, { method: "DELETE" })).status).toBe(204);
    handle = (_request, response) => response.writeHead(200, { "content-length": "9" }).end();
    expect((await trusting()(url, { method: "HEAD" })).headers.get("content-length")).toBe("9");
    handle = () => undefined;
    const stop = new AbortController();
    const asked = trusting()(url, { signal: stop.signal });
    setTimeout(() => stop.abort(new Error("enough")), 20);
    await expect(asked).rejects.toThrow("enough");
  });
});
