import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { afterEach, expect, it } from "@jest/globals";
import { freePort } from "./free-port.ts";

const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function listen(port: number): Promise<void> {
  const server = createServer().listen(port, "127.0.0.1");
  await once(server, "listening");
  servers.push(server);
}

it("a free port is none the kernel gives away meanwhile", async () => {
  const range = await readFile("/proc/sys/net/ipv4/ip_local_port_range", "utf8");
  const [first, last] = range.split(/\s+/).map(Number);
  if (first === undefined || last === undefined) throw new Error(`no range in ${range}`);
  const ports = await Promise.all(Array.from({ length: 50 }, freePort));
  expect(new Set(ports).size).toBe(50);
  expect(ports.filter((port) => port >= first && port <= last)).toEqual([]);
  for (const port of ports) await listen(port);
});

it("a port that somebody has is not given out again", async () => {
  const taken = await freePort();
  await listen(taken);
  for (let asked = 0; asked < 2_000; asked++) expect(await freePort()).not.toBe(taken);
});
