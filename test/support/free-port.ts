import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";

/** Where a kernel that does not say otherwise begins to take ports for connections (Linux's default; IANA's is higher). */
const USUAL_EPHEMERAL = { first: 32_768, last: 60_999 };

/** Below are services people run; a test must not meet one. */
const FIRST = 10_240;
const LAST = 65_535;

/** Test processes run beside each other: each looks in a part of its own. */
const PARTS = 16;

let found: Promise<readonly number[]> | null = null;
let next = 0;

/**
 * A port for a server that starts later. The kernel gives it to nobody else meanwhile: it is outside of the range
 * from which outgoing connections and servers on port 0 get theirs, which a port found by `listen(0)` is not.
 */
export async function freePort(): Promise<number> {
  found ??= portsOfThisProcess();
  const ports = await found;
  for (let tried = 0; tried < ports.length; tried++) {
    const port = ports[next++ % ports.length];
    if (port !== undefined && (await isFree(port))) return port;
  }
  throw new Error(`none of ${ports.length} ports is free`);
}

async function portsOfThisProcess(): Promise<readonly number[]> {
  const ports = outside(await ephemeral());
  const size = Math.floor(ports.length / PARTS);
  const part = (Number(process.env["JEST_WORKER_ID"] ?? process.pid) % PARTS) * size;
  // The suite before this one may not have closed its servers yet.
  next = Math.floor(Math.random() * size);
  return ports.slice(part, part + size);
}

async function ephemeral(): Promise<{ readonly first: number; readonly last: number }> {
  const said = await readFile("/proc/sys/net/ipv4/ip_local_port_range", "utf8").catch(() => "");
  const [first, last] = said.split(/\s+/).map(Number);
  return first && last ? { first, last } : USUAL_EPHEMERAL;
}

function outside(range: { readonly first: number; readonly last: number }): readonly number[] {
  const all = Array.from({ length: LAST - FIRST + 1 }, (_, index) => FIRST + index);
  const quiet = all.filter((port) => port < range.first || port > range.last);
  // A kernel may take all of them; then a free one is the best there is.
  return quiet.length >= PARTS * 16 ? quiet : all;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    return true;
  } catch {
    return false;
  } finally {
    if (server.listening) {
      server.close();
      await once(server, "close");
    }
  }
}
