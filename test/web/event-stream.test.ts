import { createServer, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "@jest/globals";
import express from "express";
import { type EventStream, openEventStream } from "../../src/web/event-stream.ts";

let server: Server | null = null;
let socket: Socket | null = null;
afterEach(() => {
  socket?.destroy();
  server?.closeAllConnections();
  server?.close();
});

/** A stream to somebody who asks, and reads nothing of the answer. */
async function toSilence(patienceMs: number): Promise<EventStream> {
  const app = express();
  const opened = new Promise<EventStream>((resolve) => {
    app.get("/", (_req, res) => resolve(openEventStream(res, { retryMs: 1_000, patienceMs })));
  });
  const listening = createServer(app);
  server = listening;
  await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
  socket = connect((listening.address() as AddressInfo).port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.pause();
  socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  return opened;
}

const MUCH = "x".repeat(1024 * 1024);

/** Sends until the reader takes no more; resolves with what is sent then. */
async function fill(stream: EventStream): Promise<void> {
  while (!stream.gone.aborted) {
    const sending = stream.send("log", MUCH, null);
    const first = await Promise.race([sending.then(() => "sent"), new Promise((resolve) => setTimeout(resolve, 50))]);
    if (first !== "sent") return sending;
  }
}

describe("a stream to a reader who takes nothing", () => {
  it("waits, and gives up after a while", async () => {
    const stream = await toSilence(300);
    await fill(stream);
    expect(stream.gone.aborted).toBe(true);
    await expect(stream.send("log", MUCH, null)).resolves.toBeUndefined();
  });

  it("stops waiting when the reader leaves", async () => {
    const stream = await toSilence(60_000);
    const sending = fill(stream);
    setTimeout(() => socket?.destroy(), 200);
    await sending;
    expect(stream.gone.aborted).toBe(true);
  });
});
