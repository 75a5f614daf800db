import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "@jest/globals";
import express from "express";
import type { Build } from "../../src/core/model.ts";
import { publicError, route } from "../../src/web/errors.ts";
import { createLive, type LiveLimits } from "../../src/web/live.ts";
import { type Events, openEvents } from "../support/events.ts";
import { aBuild, browser, openSite, type Site } from "./world.ts";

const QUICK: LiveLimits = { streams: 10, ofSession: 3, lookMs: 10, beatMs: 30 };

interface World {
  build: Build | null;
  log: Buffer;
  lasts: boolean;
  looks: number;
  readonly stop: AbortController;
  follow(headers?: Record<string, string>, query?: string): Promise<Events>;
  readonly port: number;
}

let server: Server | null = null;
let opened: Events[] = [];
afterEach(() => {
  for (const events of opened) events.close();
  opened = [];
  server?.closeAllConnections();
  server?.close();
  server = null;
});

const running = (changes: Partial<Build> = {}): Build =>
  aBuild({ state: "running", finishedAt: null, digest: null, ...changes });

async function open(limits: Partial<LiveLimits> = {}): Promise<World> {
  const stop = new AbortController();
  const app = express();
  const world: World = {
    build: running(),
    log: Buffer.from("one\n"),
    lasts: true,
    looks: 0,
    stop,
    port: 0,
    async follow(headers = {}, query = "") {
      const events = await openEvents(`http://127.0.0.1:${world.port}/live${query}`, headers);
      opened.push(events);
      return events;
    },
  };
  const live = createLive({
    store: {
      async getBuild() {
        world.looks += 1;
        return world.build;
      },
    },
    logs: {
      read: async (_id, offset, limit) => ({
        bytes: world.log.subarray(offset, offset + limit),
        size: world.log.length,
      }),
    },
    stopping: stop.signal,
    limits: { ...QUICK, ...limits },
  });
  app.get(
    "/live",
    route((req, res) =>
      live.follow(req, res, {
        session: String(req.headers["x-session"] ?? "s"),
        build: "b1",
        state: async ({ state }) => `<h1>\n${state}</h1>`,
        log: ({ html }) => `all: ${html}`,
        lasts: async () => world.lasts,
      }),
    ),
  );
  app.use(((error, _req, res, _next) => {
    const { status, code } = publicError(error);
    if (res.headersSent) res.destroy();
    else res.status(status).json({ code });
  }) satisfies express.ErrorRequestHandler);
  const listening = createServer(app);
  server = listening;
  await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
  return Object.assign(world, { port: (listening.address() as AddressInfo).port });
}

const line = (number: number, text: string) => `<li id="L${number}"><a href="#L${number}">${number}</a>${text}</li>`;

describe("a stream of a build", () => {
  it("tells the state, then each new line once, then the end", async () => {
    const world = await open();
    const events = await world.follow();
    expect(events.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    expect(await events.next()).toEqual({ event: "state", data: "<h1>\nrunning</h1>", lastId: "" });
    expect(await events.next()).toEqual({ event: "log", data: line(1, "one"), lastId: "1-4-2" });
    world.log = Buffer.from("one\ntwo\nthr");
    expect(await events.next()).toEqual({ event: "log", data: line(2, "two"), lastId: "1-8-3" });
    world.log = Buffer.from("one\ntwo\nthree");
    world.build = aBuild();
    expect(await events.rest()).toEqual([
      { event: "state", data: "<h1>\nsucceeded</h1>", lastId: "1-8-3" },
      { event: "log", data: line(3, "three"), lastId: "1-13-4" },
      { event: "end", data: "", lastId: "1-13-4" },
    ]);
  });

  it.each<[string, Record<string, string>, string]>([
    ["what the browser says it heard last", { "Last-Event-ID": "1-4-2" }, "?from=1-0-1"],
    ["what the page says it shows", {}, "?from=1-4-2"],
  ])("goes on from %s", async (_, headers, query) => {
    const world = await open();
    world.log = Buffer.from("one\ntwo\n");
    const events = await world.follow(headers, query);
    await events.next();
    expect(await events.next()).toMatchObject({ event: "log", data: line(2, "two") });
  });

  it.each([
    ["is of another attempt", "7-2-2"],
    ["is behind the log's end", "1-9000-1"],
    ["has numbers nobody gave out", "1-99999999999999-1"],
  ])("sends the whole log where the place %s", async (_, from) => {
    const world = await open();
    const events = await world.follow({}, `?from=${from}`);
    await events.next();
    expect(await events.next()).toEqual({ event: "whole", data: `all: ${line(1, "one")}`, lastId: "1-4-2" });
  });

  it.each(["", "x", "1-2", "-1-2-3", "1-2-3-4", "1-2-3\u00e9"])(
    "begins at the beginning for the place %j",
    async (from) => {
      const events = await (await open()).follow({}, `?from=${encodeURIComponent(from)}`);
      await events.next();
      expect(await events.next()).toMatchObject({ event: "log", data: line(1, "one") });
    },
  );

  it("sends the whole log when an attempt begins it anew, even if it is longer by then", async () => {
    const world = await open();
    const events = await world.follow();
    await events.next();
    await events.next();
    world.log = Buffer.from("again, and longer\n");
    world.build = running({ attempt: 2 });
    expect(await events.next()).toMatchObject({ event: "state" });
    expect(await events.next()).toMatchObject({ event: "whole", data: `all: ${line(1, "again, and longer")}` });
  });

  it("gives who is far behind the end of the log, with its lines' own numbers", async () => {
    const world = await open();
    world.log = Buffer.from("0123456789\n".repeat(200_000));
    const events = await world.follow();
    await events.next();
    const whole = await events.next();
    expect(whole?.event).toBe("whole");
    expect(whole?.data).toMatch(/^all: <li id="L196001">/);
    expect(whole?.lastId).toBe("1-2200000-200001");
  });

  it("keeps lines whole that a browser would take for the end of a field", async () => {
    const world = await open();
    world.log = Buffer.from("a\rdata: x\r\nevent: end\n\n\u2028id: 9\n");
    const events = await world.follow();
    await events.next();
    expect((await events.next())?.data).toBe(
      [line(1, "a⟨U+000D⟩data: x"), line(2, "event: end"), line(3, ""), line(4, "⟨U+2028⟩id: 9")].join(""),
    );
  });

  it("gives signs of life while nothing happens", async () => {
    const world = await open();
    const events = await world.follow();
    await events.next();
    await events.next();
    const more = events.next();
    await sleep(100);
    world.build = aBuild();
    await more;
    expect(events.raw()).toMatch(/\n:\n\n/);
  });

  it("ends when somebody may not look any more, without saying that the build ended", async () => {
    const world = await open();
    const events = await world.follow();
    world.lasts = false;
    expect((await events.rest()).map(({ event }) => event)).toEqual(["state", "log"]);
  });

  it("ends when the server stops, so that the browser comes back to the next one", async () => {
    const world = await open();
    const events = await world.follow();
    await events.next();
    await events.next();
    world.stop.abort();
    expect(await events.rest()).toEqual([]);
    expect(events.raw()).toMatch(/^retry: \d+\n\n/);
    expect((await world.follow()).status).toBe(503);
  });

  it("ends when the build is not there any more", async () => {
    const world = await open();
    const events = await world.follow();
    await events.next();
    world.build = null;
    await expect(events.rest()).resolves.toHaveLength(1);
  });

  it("keeps nobody who asks for the head alone", async () => {
    const world = await open();
    const answer = await fetch(`http://127.0.0.1:${world.port}/live`, { method: "HEAD" });
    expect([answer.status, await answer.text(), world.looks]).toEqual([200, "", 0]);
  });

  it("looks at a build once for all who follow it", async () => {
    const world = await open({ lookMs: 200 });
    const all = await Promise.all([world.follow(), world.follow(), world.follow()]);
    await Promise.all(all.map((events) => events.next()));
    expect(world.looks).toBe(1);
  });
});

describe("how many may follow", () => {
  it("is limited for each session, and a place is free again when somebody leaves", async () => {
    const world = await open({ ofSession: 2 });
    const [first] = await Promise.all([world.follow(), world.follow()]);
    expect((await world.follow()).status).toBe(429);
    expect((await world.follow({ "X-Session": "another" })).status).toBe(200);
    first.close();
    await until(async () => (await world.follow()).status === 200);
  });

  it("is limited for the process", async () => {
    const world = await open({ streams: 2, ofSession: 2 });
    await Promise.all([world.follow({ "X-Session": "a" }), world.follow({ "X-Session": "b" })]);
    expect((await world.follow({ "X-Session": "c" })).status).toBe(503);
  });

  it("counts nobody whose stream ended", async () => {
    const world = await open({ streams: 1, ofSession: 1 });
    world.build = aBuild();
    for (let time = 0; time < 3; time += 1) {
      expect((await (await world.follow()).rest()).at(-1)?.event).toBe("end");
    }
  });
});

describe("the page of a build that runs", () => {
  let site: Site | null = null;
  afterEach(async () => {
    await site?.close();
    site = null;
  });

  it("follows from where it was made, and what is sent is escaped as the page is", async () => {
    const builds = [running({ image: "acme/<b>" })];
    site = await openSite({ builds, log: "\u001b[31m<script>\n" });
    const cookie = await site.signIn();
    const page = await (await site.page("/builds/b1")).text();
    const [, path = ""] = /sse-connect="([^"]+)"/.exec(page) ?? [];
    expect(path).toBe("/builds/b1/live?from=1-14-2");
    const events = await openEvents(`${site.url}${path}`, { ...browser, Cookie: cookie });
    opened.push(events);
    expect((await events.next())?.data).toContain("acme/&lt;b&gt;");
    builds[0] = aBuild({ image: "acme/<b>" });
    const state = await events.next();
    expect(state?.data).toContain("<title>succeeded: acme/&lt;b&gt; · Wharfinger</title>");
    expect(state?.data).toContain("docker pull");
    expect(state?.data).not.toContain("<html");
    expect((await events.rest()).map(({ event }) => event)).toEqual(["end"]);
    expect(events.headers.get("content-security-policy")).toContain("script-src 'self'");
  });

  it("has nothing for strangers, and nothing of builds that are not there", async () => {
    site = await openSite({ builds: [running()] });
    const stranger = await fetch(`${site.url}/builds/b1/live`, { redirect: "manual" });
    expect(stranger.status).toBe(303);
    expect((await site.page("/builds/b2/live")).status).toBe(404);
  });
});

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error("it did not come to hold");
    await sleep(10);
  }
}
