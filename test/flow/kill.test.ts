import { mkdtemp, rm } from "node:fs/promises";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { openStore } from "../../src/store/store.ts";
import { type Child, startChild } from "../support/child.ts";
import { createFlowDatabase, type FlowDatabase } from "../support/flow-database.ts";

const DELIVERIES = 2_000;
const CONNECTIONS = 16;
const KILLS = 5;
const PROGRAM = new URL("../support/intake-child.ts", import.meta.url);

let dir = "";
let database: FlowDatabase;
let child: Child | null = null;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "wharfinger-kill-"));
  database = await createFlowDatabase(dir);
});

afterEach(async () => {
  await child?.kill();
  child = null;
  await database.drop();
  await rm(dir, { recursive: true });
});

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** What is sent: every delivery once, and some twice, at random places. */
function deliveries(random: () => number): string[] {
  const ids = Array.from({ length: DELIVERIES }, (_, index) => `delivery-${index}`);
  for (let index = 0; index < DELIVERIES / 20; index += 1) {
    const id = ids[Math.floor(random() * DELIVERIES)] ?? "";
    ids.splice(Math.floor(random() * ids.length), 0, id);
  }
  return ids;
}

/** After how many acknowledgements the process is killed. */
function killPoints(random: () => number): number[] {
  return Array.from({ length: KILLS }, (_, index) => Math.floor(((index + random()) * DELIVERIES) / KILLS) + 1);
}

function bodyOf(id: string): string {
  return JSON.stringify({ id, text: "x".repeat(2_000) });
}

/** The answer's status, or null when there was none. */
function send(port: number, agent: Agent, id: string): Promise<number | null> {
  return new Promise((resolve) => {
    const headers = { "x-id": id };
    const sent = request({ port, host: "127.0.0.1", path: "/hook", method: "POST", agent, headers }, (res) => {
      res.resume().once("end", () => resolve(res.statusCode ?? null));
      res.once("error", () => resolve(null));
      res.once("close", () => resolve(null));
    });
    sent.once("error", () => resolve(null));
    sent.end(bodyOf(id));
  });
}

/** Sends everything until all is acknowledged, through all the kills; answers the acknowledged ids. */
async function run(seed: number, flags: readonly string[]): Promise<{ acknowledged: Set<string>; kills: number }> {
  const random = seeded(seed);
  const queue = deliveries(random);
  const points = killPoints(random);
  const acknowledged = new Set<string>();
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  let kills = 0;

  async function start(): Promise<number> {
    child = await startChild(PROGRAM, [database.url, ...flags]);
    return Number(child.firstLine);
  }
  let port = start();

  async function killAndRestart(): Promise<number> {
    await child?.kill();
    return start();
  }

  async function sender(): Promise<void> {
    for (let id = queue.shift(); id !== undefined; id = queue.shift()) {
      const status = await send(await port, agent, id);
      if (status !== 200 && status !== 202) {
        queue.push(id);
        continue;
      }
      acknowledged.add(id);
      if (acknowledged.size >= (points[kills] ?? Number.POSITIVE_INFINITY)) {
        kills += 1;
        port = killAndRestart();
      }
    }
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, sender));
  agent.destroy();
  await port;
  return { acknowledged, kills };
}

/** Body of every stored delivery, by its id, as often as it was stored. */
async function stored(): Promise<Map<string, string[]>> {
  await child?.kill();
  child = null;
  const store = await openStore({ url: database.url, clock: Date });
  const found = new Map<string, string[]>();
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<typeof store.listDeliveries>> = await store.listDeliveries({ limit: 100, cursor });
    for (const { id, deliveryId } of page.items) {
      const body = (await store.deliveryBody(id))?.toString() ?? "";
      found.set(deliveryId, [...(found.get(deliveryId) ?? []), body]);
    }
    cursor = page.next;
  } while (cursor !== null);
  await store.close();
  return found;
}

describe("kill -9 in the middle of 2,000 deliveries", () => {
  it("loses nothing that was acknowledged and stores nothing twice", async () => {
    const { acknowledged, kills } = await run(20261120, []);
    const found = await stored();
    expect(kills).toBe(KILLS);
    expect(acknowledged.size).toBe(DELIVERIES);
    expect([...acknowledged].filter((id) => !found.has(id))).toEqual([]);
    expect([...found].filter(([id, bodies]) => bodies.length !== 1 || bodies[0] !== bodyOf(id))).toEqual([]);
    expect(found.size).toBe(DELIVERIES);
  }, 60_000);

  it("would show a loss if deliveries were acknowledged before they are stored", async () => {
    const { acknowledged } = await run(20261121, ["--early-ack"]);
    const found = await stored();
    const lost = [...acknowledged].filter((id) => !found.has(id));
    expect(lost.length).toBeGreaterThan(0);
  }, 60_000);
});
