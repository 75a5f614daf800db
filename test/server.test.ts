import { once } from "node:events";
import { connect, createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "@jest/globals";
import { ok } from "../src/core/model.ts";
import { startServer } from "../src/server.ts";
import type { Parts, ServerSettings } from "../src/server-parts.ts";
import { openStore } from "../src/store/store.ts";
import { delivery } from "./contract/store.samples.ts";
import { hostOf, recordingLog, registryOf } from "./engine/fakes.ts";
import { openEvents } from "./support/events.ts";
import { requestParts } from "./support/request-parts.ts";
import { soleRegistry } from "./support/sole-registry.ts";
import { aBuild, TOKEN } from "./web/world.ts";

const SETTINGS: ServerSettings = {
  host: "127.0.0.1",
  port: 0,
  publicUrl: "http://wharfinger.test",
  adminToken: null,
  views: fileURLToPath(new URL("../views", import.meta.url)),
  namespaces: { kind: "approve" },
  builds: { concurrency: 1, network: "none", timeoutSeconds: 1, memoryBytes: 1, logBytes: 1 },
  retention: { bodiesDays: 30, deliveriesDays: 400, uninstalledDays: 30 },
  stopGraceMs: 0,
};

/** A store that notes down what it was asked to do. */
async function notingStore(): Promise<{ store: Parts["store"]; told: string[] }> {
  const store = await openStore({ url: "sqlite::memory:", clock: Date });
  const told: string[] = [];
  return {
    told,
    store: {
      ...store,
      takeOver() {
        told.push("took over");
        return store.takeOver();
      },
      async append(batch) {
        const stored = await store.append(batch);
        told.push(`stored ${batch.map((one) => one.body.toString())}`);
        return stored;
      },
      close() {
        told.push("closed");
        return store.close();
      },
    },
  };
}

function partsWith(store: Parts["store"], sweep = async () => undefined): Parts {
  return {
    store,
    logs: {
      open: () => ({ write: () => undefined, close: async () => undefined }),
      read: async () => null,
      tail: async () => [],
      remove: async () => undefined,
    },
    registries: soleRegistry(registryOf()),
    ...requestParts(),
    builder: { name: "none", check: async () => [], build: async () => ({ kind: "stopped" }), sweep },
    hosts: [
      {
        entrances: [
          {
            open: ({ path }) =>
              path === "/hook"
                ? { maxBytes: 1_000, update: () => undefined, close: (body) => delivery("a", { body }) }
                : null,
          },
        ],
        host: hostOf([]),
        reporter: { show: async () => ok({ hostId: "1" }) },
      },
    ],
    clock: Date,
    log: recordingLog().log,
  };
}

describe("starting", () => {
  it("takes no work over before the address is its own: a second start by mistake must leave the first alone", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const address = taken.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const { store, told } = await notingStore();
    const sweep = async () => void told.push("swept");
    await expect(startServer(partsWith(store, sweep), { ...SETTINGS, port })).rejects.toThrow("EADDRINUSE");
    expect(told).toEqual(["closed"]);
    taken.close();
    await once(taken, "close");
  });

  it("removes what killed builds left once the work is its own, also when nothing is built; and goes on if it can not", async () => {
    const { store, told } = await notingStore();
    const sweep = async () => {
      told.push("swept");
      throw new Error("a folder that does not go");
    };
    const server = await startServer(partsWith(store, sweep), SETTINGS);
    await server.stop();
    expect(told).toEqual(["took over", "swept", "closed"]);
  });

  it("lets go of everything when the work can not be taken over", async () => {
    const { store, told } = await notingStore();
    const broken: Parts["store"] = {
      ...store,
      takeOver: async () => {
        throw new Error("the database is locked");
      },
    };
    await expect(startServer(partsWith(broken), SETTINGS)).rejects.toThrow("the database is locked");
    expect(told).toEqual(["closed"]);
  });
});

describe("stopping", () => {
  it("answers what is being sent, stores it first, and closes the database last", async () => {
    const { store, told } = await notingStore();
    const running = await startServer(partsWith(store), SETTINGS);
    const { port } = new URL(running.url);
    const socket = connect(Number(port), "127.0.0.1");
    let answer = "";
    socket.setEncoding("utf8").on("data", (text: string) => {
      answer += text;
    });
    socket.write("POST /hook HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    // The interim answer says that the request is under way.
    await once(socket, "data");
    const stopping = running.stop();
    socket.write("body");
    await once(socket, "close");
    await stopping;
    expect(answer).toContain("HTTP/1.1 202");
    expect(told).toEqual(["took over", "stored body", "closed"]);
  });

  it("does not wait for those who follow a build", async () => {
    const { store } = await notingStore();
    const build = aBuild({ state: "running", finishedAt: null });
    const parts = partsWith({ ...store, getBuild: async () => build });
    const running = await startServer(parts, { ...SETTINGS, adminToken: TOKEN });
    const body = new URLSearchParams({ token: TOKEN });
    const signedIn = await fetch(`${running.url}/auth/token`, { method: "POST", body, redirect: "manual" });
    const Cookie = signedIn.headers.get("set-cookie")?.split(";")[0] ?? "";
    const events = await openEvents(`${running.url}/builds/b1/live`, { Cookie });
    expect(await events.next()).toMatchObject({ event: "state" });
    const before = performance.now();
    await running.stop();
    // Who is cut off waits nine seconds.
    expect(performance.now() - before).toBeLessThan(6_000);
    expect(await events.rest()).toEqual([]);
  });

  it("twice is stopping once", async () => {
    const { store, told } = await notingStore();
    const running = await startServer(partsWith(store), SETTINGS);
    await Promise.all([running.stop(), running.stop()]);
    await running.stop();
    expect(told).toEqual(["took over", "closed"]);
  });
});
