/**
 * The load generator, a process of its own. Arguments: port, path, event, seconds, connections. Each connection sends its
 * next request when the answer to the last has come. Sends a `Load` to its parent.
 */
import { createHmac } from "node:crypto";
import { connect } from "node:net";
import { performance } from "node:perf_hooks";
import { v1 as uuidv1 } from "uuid";
import type { Load } from "./intake.ts";
import { payloads, SECRET } from "./intake-payloads.ts";

const [port = "", path = "", event = "", seconds = "1", connections = "1"] = process.argv.slice(2);

const body = payloads().find((payload) => payload.name === event)?.body ?? Buffer.alloc(0);
const signature = createHmac("sha256", SECRET).update(body).digest("hex");

function request(): Buffer {
  const head = [
    `POST ${path} HTTP/1.1`,
    "Host: localhost",
    "Content-Type: application/json",
    "User-Agent: GitHub-Hookshot/bench",
    `X-GitHub-Event: ${event}`,
    `X-GitHub-Delivery: ${uuidv1()}`,
    `X-Hub-Signature-256: sha256=${signature}`,
    `Content-Length: ${body.length}`,
    "",
    "",
  ].join("\r\n");
  return Buffer.concat([Buffer.from(head, "latin1"), body]);
}

/** Whether `text` is one whole answer; answers here are small and come one at a time. */
function isWhole(text: string): boolean {
  const end = text.indexOf("\r\n\r\n");
  if (end === -1) return false;
  const length = /^content-length: *([0-9]+)/im.exec(text.slice(0, end))?.[1];
  return length === undefined ? text.endsWith("0\r\n\r\n") : text.length >= end + 4 + Number(length);
}

async function main(): Promise<Load> {
  const latencies: number[] = [];
  let failures = 0;
  const started = performance.now();
  const stopAt = started + Number(seconds) * 1000;

  function connection(): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = connect(Number(port), "127.0.0.1").setNoDelay(true);
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
  await Promise.all(Array.from({ length: Number(connections) }, connection));
  const elapsed = (performance.now() - started) / 1000;
  latencies.sort((a, b) => a - b);
  const quantile = (part: number) => latencies[Math.floor(latencies.length * part)] ?? Number.NaN;
  return { requests: latencies.length, failures, seconds: elapsed, p50: quantile(0.5), p99: quantile(0.99) };
}

const load = await main();
process.send?.(load, () => process.disconnect());
