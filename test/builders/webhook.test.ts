import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { createOfferSender } from "../../src/builders/webhook.ts";
import { OfferBody } from "../../src/web/builder-schema.ts";
import { freePort } from "../support/free-port.ts";

const NOW = Date.parse("2026-11-20T10:00:00.123Z");
const KEYS = [Buffer.alloc(32, 1), Buffer.alloc(24, 2)];
const SECRETS = KEYS.map((key) => `whsec_${key.toString("base64")}`);
const OFFER = {
  id: "b1-1",
  build: "b1",
  request: { document: '{"id":"b1","é":1}', digest: `sha256:${"a".repeat(64)}`, keyId: "k", signature: "c2ln" },
};

let server: Server;
let url: string;
let seen: { readonly path: string; readonly headers: IncomingHttpHeaders; readonly body: string }[];
let answer: RequestListener;

beforeEach(async () => {
  seen = [];
  answer = (_req, res) => res.writeHead(204).end();
  server = createServer(async (req, res) => {
    seen.push({ path: req.url ?? "", headers: req.headers, body: await text(req) });
    answer(req, res);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/offers`;
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, "close");
});

function send(timeoutMs = 5_000, signal = new AbortController().signal, to = url) {
  return createOfferSender({ secrets: SECRETS, clock: { now: () => NOW }, timeoutMs }).send(to, OFFER, signal);
}

describe("an offer", () => {
  it("is signed with the current secret and the previous one", async () => {
    expect(await send()).toEqual({ ok: true, value: true });
    const headers: IncomingHttpHeaders = seen[0]?.headers ?? {};
    expect(headers["webhook-id"]).toBe("b1-1");
    expect(headers["webhook-timestamp"]).toBe(String(Math.floor(NOW / 1_000)));
    const signed = `b1-1.${Math.floor(NOW / 1_000)}.${seen[0]?.body}`;
    const signatures = KEYS.map((key) => `v1,${createHmac("sha256", key).update(signed).digest("base64")}`);
    expect(headers["webhook-signature"]).toBe(signatures.join(" "));
    expect(headers.authorization).toBeUndefined();
  });

  it("holds the request and its id, as published, and nothing else", async () => {
    await send();
    const body: unknown = JSON.parse(seen[0]?.body ?? "");
    expect(OfferBody.parse(body)).toEqual({
      type: "build.offered",
      timestamp: "2026-11-20T10:00:00.123Z",
      data: {
        build: "b1",
        request: {
          document: OFFER.request.document,
          digest: OFFER.request.digest,
          signature: { algorithm: "Ed25519", keyId: "k", value: "c2ln" },
        },
      },
    });
  });

  it("follows no redirect", async () => {
    answer = (_req, res) => res.writeHead(307, { location: "/elsewhere" }).end();
    expect(await send()).toMatchObject({ ok: false, retryable: true, message: "answered 307" });
    expect(seen.map((one) => one.path)).toEqual(["/offers"]);
  });

  it("that is refused says how long to wait", async () => {
    answer = (_req, res) => res.writeHead(503, { "retry-after": "17" }).end();
    expect(await send()).toMatchObject({ ok: false, retryAfter: 17 });
    answer = (_req, res) => res.writeHead(503, { "retry-after": "Fri, 20 Nov 2026 10:00:00 GMT" }).end();
    expect(await send()).toMatchObject({ ok: false, retryAfter: null });
  });

  it("does not wait for an answer without end, nor for one that never begins", async () => {
    answer = (_req, res) => {
      res.writeHead(200);
      res.write("x".repeat(10_000));
    };
    expect(await send()).toEqual({ ok: true, value: true });
    answer = () => undefined;
    expect(await send(50)).toMatchObject({ ok: false, message: "no answer within 50 ms" });
    const stop = new AbortController();
    const waiting = send(60_000, stop.signal);
    stop.abort();
    expect(await waiting).toMatchObject({ ok: false });
  });

  it("to nobody is a failure, not an error", async () => {
    const port = await freePort();
    expect(await send(5_000, new AbortController().signal, `http://127.0.0.1:${port}/`)).toMatchObject({
      ok: false,
      retryable: true,
      message: "ECONNREFUSED",
    });
  });
});
