/**
 * The load generator, a process of its own that stays for all runs: a young one spends its first second compiling itself,
 * and the faster the server the more of the run that takes. Answers each `LoadOrder` with a `Load`. Every connection sends
 * its next request when the answer to the last has come.
 */
import { connect } from "node:net";
import { performance } from "node:perf_hooks";
import { v1 as uuidv1, v4 as uuidv4 } from "uuid";
import type { Load, LoadOrder } from "./intake.ts";
import { payloads } from "./intake-payloads.ts";

function bodyOf(name: string): Buffer {
  const found = payloads().find((payload) => payload.name === name);
  if (found === undefined) throw new Error(`there is no payload ${name}`);
  return found.body;
}

/** Whether `text` is one whole answer; answers here are small and come one at a time. */
function isWhole(text: string): boolean {
  const end = text.indexOf("\r\n\r\n");
  if (end === -1) return false;
  const length = /^content-length: *([0-9]+)/im.exec(text.slice(0, end))?.[1];
  return length === undefined ? text.endsWith("0\r\n\r\n") : text.length >= end + 4 + Number(length);
}

async function run({ port, path, payload, headers, ids, seconds, connections }: LoadOrder): Promise<Load> {
  const body = bodyOf(payload);
  const lines = [
    `POST ${path} HTTP/1.1`,
    "Host: localhost",
    "Content-Type: application/json",
    ...headers,
    `Content-Length: ${body.length}`,
  ].join("\r\n");
  const newId = ids.version === 1 ? uuidv1 : uuidv4;
  const request = () => Buffer.concat([Buffer.from(`${lines}\r\n${ids.header}: ${newId()}\r\n\r\n`, "latin1"), body]);

  const latencies: number[] = [];
  let failures = 0;
  const started = performance.now();
  const stopAt = started + seconds * 1000;

  function connection(): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, "127.0.0.1").setNoDelay(true);
      let sentAt = 0;
      let received = "";
      function next(): void {
        sentAt = performance.now();
        received = "";
        if (sentAt >= stopAt) socket.end();
        else socket.write(request());
      }
      socket.on("data", (chunk) => {
        received += chunk.toString("latin1");
        if (!isWhole(received)) return;
        latencies.push(performance.now() - sentAt);
        if (!received.startsWith("HTTP/1.1 2")) failures += 1;
        next();
      });
      socket
        .once("connect", next)
        .once("close", () => resolve())
        .once("error", reject);
    });
  }
  await Promise.all(Array.from({ length: connections }, connection));
  const elapsed = (performance.now() - started) / 1000;
  latencies.sort((a, b) => a - b);
  const quantile = (part: number) => latencies[Math.floor(latencies.length * part)] ?? Number.NaN;
  return { requests: latencies.length, failures, seconds: elapsed, p50: quantile(0.5), p99: quantile(0.99) };
}

process.on("message", (order) => {
  run(order as LoadOrder).then(
    (load) => process.send?.(load),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
process.on("disconnect", () => process.exit());
