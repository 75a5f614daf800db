import { request as httpRequest } from "node:http";
import { afterEach, describe, expect, it } from "@jest/globals";
import { createStagingNames } from "../../src/registry/staging.ts";
import type { PushEvent, RegistryDoors } from "../../src/web/registry.ts";
import { openSite, type Site } from "./world.ts";

const SECRET = "the-secret-of-the-notifications-0815";
const DIGEST = `sha256:${"cd".repeat(32)}`;
const TYPE = "application/vnd.docker.distribution.events.v1+json";

let site: Site | null = null;
afterEach(async () => {
  await site?.close();
  site = null;
});

interface Door {
  readonly site: Site;
  readonly pushes: PushEvent[];
  /** How the next calls of onPush end. */
  readonly ends: (() => Promise<void>)[];
  post(body: unknown, headers?: Record<string, string>): Promise<Response>;
}

async function openEvents(): Promise<Door> {
  const pushes: PushEvent[] = [];
  const ends: (() => Promise<void>)[] = [];
  const events = {
    secret: SECRET,
    buildAt: createStagingNames("staging/{build}").buildAt,
    async onPush(event: PushEvent) {
      pushes.push(event);
      await ends.shift()?.();
    },
  };
  const opened = await openSite({ registry: { tokens: null, events } });
  site = opened;
  return {
    site: opened,
    pushes,
    ends,
    post: (body, headers = {}) =>
      fetch(`${opened.url}/registry/events`, {
        method: "POST",
        headers: { Authorization: `Bearer ${SECRET}`, "Content-Type": TYPE, ...headers },
        body: typeof body === "string" ? body : JSON.stringify(body),
      }),
  };
}

/** As Distribution writes them. */
function push(changes: object = {}, target: object = {}): object {
  return {
    id: "320678d8-ca14-430f-8bb6-4ca139cd83f7",
    timestamp: "2026-11-20T12:00:00.123456789Z",
    action: "push",
    target: {
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      size: 708,
      digest: DIGEST,
      length: 708,
      repository: "staging/b1",
      url: `http://registry.example.com/v2/staging/b1/manifests/${DIGEST}`,
      tag: "build",
      ...target,
    },
    request: {
      id: "6df24a34",
      addr: "192.0.2.7:42961",
      host: "registry.example.com",
      method: "PUT",
      useragent: "Buildah",
    },
    actor: { name: "build-b1" },
    source: { addr: "registry:5000", instanceID: "a53db899" },
    ...changes,
  };
}

describe("the registry's notifications", () => {
  it("hand on a push, with the build whose staging repository it went to", async () => {
    const door = await openEvents();
    const answer = await door.post({ events: [push()] });
    expect(answer.status).toBe(200);
    expect(door.pushes).toEqual([
      {
        id: "320678d8-ca14-430f-8bb6-4ca139cd83f7",
        repository: "staging/b1",
        digest: DIGEST,
        tag: "build",
        buildId: "b1",
        actor: "build-b1",
      },
    ]);
  });

  it("say so when a push is no build's, has no tag and nobody's name", async () => {
    const door = await openEvents();
    const events = [
      push({ id: "1", actor: {} }, { repository: "acme/api", tag: "" }),
      push({ id: "2", actor: undefined }, { repository: "staging/b1/x", tag: undefined }),
      push({ id: "3" }, { repository: "acme/staging/b1" }),
    ];
    expect((await door.post({ events })).status).toBe(200);
    expect(door.pushes.map(({ id, tag, buildId, actor }) => [id, tag, buildId, actor])).toEqual([
      ["1", null, null, null],
      ["2", null, null, null],
      ["3", "build", null, "build-b1"],
    ]);
  });

  it("are taken once for each id, however often they come", async () => {
    const door = await openEvents();
    await door.post({ events: [push(), push()] });
    await Promise.all([door.post({ events: [push()] }), door.post({ events: [push()] })]);
    expect(door.pushes).toHaveLength(1);
    await door.post({ events: [push({ id: "another" })] });
    expect(door.pushes).toHaveLength(2);
  });

  it("come again when they could not be handed on", async () => {
    const door = await openEvents();
    door.ends.push(() => Promise.reject(new Error("no room for secrets in answers")));
    const first = await door.post({ events: [push({ id: "1" }), push({ id: "2" })] });
    expect(first.status).toBe(500);
    expect(await first.text()).not.toContain("secrets");
    expect((await door.post({ events: [push({ id: "1" }), push({ id: "2" })] })).status).toBe(200);
    expect(door.pushes.map(({ id }) => id)).toEqual(["1", "1", "2"]);
  });

  it("that come again while the first is under way wait for it", async () => {
    const door = await openEvents();
    let fail: (error: Error) => void = () => undefined;
    door.ends.push(() => new Promise((_, reject) => (fail = reject)));
    const first = door.post({ events: [push()] });
    while (door.pushes.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const second = door.post({ events: [push()] });
    fail(new Error("away"));
    expect((await first).status).toBe(500);
    // The second waited for the first, or came after it and was handed on anew: never taken for done.
    expect([(await second).status, door.pushes.length]).toEqual(door.pushes.length === 1 ? [500, 1] : [200, 2]);
  });

  it("of anything but pushed manifests are taken and dropped", async () => {
    const door = await openEvents();
    const events = [
      push({ id: "1", action: "pull" }),
      push({ id: "2", action: "mount" }),
      { id: "3", action: "delete", target: { digest: DIGEST, repository: "staging/b1" } },
      push({ id: "4" }, { mediaType: "application/octet-stream" }),
      push({ id: "5", action: "what comes next" }),
      null,
      "push",
      7,
      [],
    ];
    expect((await door.post({ events })).status).toBe(200);
    expect(door.pushes).toEqual([]);
    expect(door.site.logged).toEqual([]);
  });

  it("of pushes that make no sense are taken, or they would come for good; the log says so", async () => {
    const door = await openEvents();
    const events = [
      push({ id: 1 }),
      push({ id: "" }),
      push({ id: "1" }, { digest: "sha256:xyz" }),
      push({ id: "2" }, { digest: undefined }),
      push({ id: "3" }, { repository: 5 }),
      push({ id: "4" }, { repository: "a".repeat(256) }),
      push({ id: "5", target: null }),
      push({ id: "6", actor: "build-b1" }),
    ];
    expect((await door.post({ events: [...events, push({ id: "7" })] })).status).toBe(200);
    expect(door.pushes.map(({ id }) => id)).toEqual(["7"]);
    expect(door.site.logged).toHaveLength(events.length);
  });

  it("are refused when they are no envelope", async () => {
    const door = await openEvents();
    for (const body of ["", "{", "[]", "null", "{}", '{"events":{}}', '{"events":null}', '"events"']) {
      expect([body, (await door.post(body)).status]).toEqual([body, 400]);
    }
    const text = await door.post({ events: [push()] }, { "Content-Type": "text/plain" });
    expect(text.status).toBe(400);
    const many = await door.post({ events: Array.from({ length: 1_001 }, (_, id) => push({ id: String(id) })) });
    expect(many.status).toBe(400);
    expect(door.pushes).toEqual([]);
  });

  it("may be as long as a client's User-Agent can make them, and no longer", async () => {
    const door = await openEvents();
    const agent = (bytes: number) => push({ request: { useragent: "x".repeat(bytes) } });
    expect((await door.post({ events: [agent(7 * 1024 ** 2)] })).status).toBe(200);
    expect(door.pushes).toHaveLength(1);
    expect((await door.post({ events: [agent(8 * 1024 ** 2)] })).status).toBe(413);
    const packed = await door.post("x", { "Content-Encoding": "gzip" });
    expect(packed.status).toBe(415);
  });

  it.each([
    "",
    "Bearer",
    "Bearer ",
    "Bearer wrong",
    `Bearer ${SECRET}x`,
    `Bearer ${SECRET.slice(0, -1)}`,
    `Bearer ${SECRET.toUpperCase()}`,
    `Basic ${SECRET}`,
    SECRET,
  ])("are refused without the secret: %j", async (authorization) => {
    const door = await openEvents();
    const answer = await door.post({ events: [push()] }, { Authorization: authorization });
    expect(answer.status).toBe(401);
    expect(answer.headers.get("www-authenticate")).toBe('Bearer realm="wharfinger"');
    expect(await answer.text()).not.toContain(SECRET);
    expect(door.pushes).toEqual([]);
  });

  it("without the secret are refused before their body has come", async () => {
    const door = await openEvents();
    const answer = await new Promise<number | undefined>((resolve, reject) => {
      const headers = { "Content-Type": TYPE, "Content-Length": "1000000" };
      const outgoing = httpRequest(`${door.site.url}/registry/events`, { method: "POST", headers });
      outgoing.on("response", (response) => {
        response.resume();
        resolve(response.statusCode);
        outgoing.destroy();
      });
      outgoing.on("error", reject);
      // Not one byte of the body is ever sent.
      outgoing.flushHeaders();
    });
    expect(answer).toBe(401);
  });
});

describe("the doors of the registry", () => {
  it("are not there unless they are asked for", async () => {
    site = await openSite();
    for (const [method, path] of [
      ["GET", "/registry/token"],
      ["POST", "/registry/events"],
    ] as const) {
      expect((await fetch(site.url + path, { method })).status).toBe(404);
    }
  });

  it("say which method they understand", async () => {
    const tokens: RegistryDoors["tokens"] = { answer: async () => ({ status: 200, body: {} }) };
    const events = { secret: SECRET, buildAt: () => null, onPush: async () => undefined };
    site = await openSite({ registry: { tokens, events } });
    for (const [method, path, allow] of [
      ["POST", "/registry/token", "GET, HEAD"],
      ["PUT", "/registry/token", "GET, HEAD"],
      ["GET", "/registry/events", "POST"],
    ] as const) {
      const answer = await fetch(site.url + path, { method });
      expect([method, path, answer.status, answer.headers.get("allow")]).toEqual([method, path, 405, allow]);
    }
  });

  it("pass on the question as it was asked, and the answer as it was given", async () => {
    const questions: unknown[] = [];
    const tokens: RegistryDoors["tokens"] = {
      async answer({ query, authorization }) {
        questions.push([query.getAll("scope"), query.get("q"), authorization]);
        return { status: 401, body: { errors: [] }, headers: { "WWW-Authenticate": "Basic realm=x" } };
      },
    };
    site = await openSite({ registry: { tokens, events: null } });
    const address = `${site.url}/registry/token?scope=repository:a%2Fb:pull&scope=c+d&q=%3F?x`;
    const answer = await fetch(address, { headers: { Authorization: "Basic abc" } });
    expect(questions).toEqual([[["repository:a/b:pull", "c d"], "??x", "Basic abc"]]);
    expect([answer.status, await answer.text()]).toEqual([401, '{"errors":[]}']);
    expect(answer.headers.get("www-authenticate")).toBe("Basic realm=x");
    expect(answer.headers.get("cache-control")).toBe("no-store");
    await fetch(`${site.url}/registry/token`);
    expect(questions[1]).toEqual([[], null, undefined]);
  });

  it("say where a question comes from: the peer, or what a proxy on this machine appended last", async () => {
    const from: string[] = [];
    const tokens: RegistryDoors["tokens"] = {
      async answer(question) {
        from.push(question.from);
        return { status: 200, body: {} };
      },
    };
    site = await openSite({ registry: { tokens, events: null } });
    for (const headers of [{}, { "X-Forwarded-For": "192.0.2.7, 198.51.100.3" }]) {
      await fetch(`${site.url}/registry/token`, { headers });
    }
    expect(from).toEqual(["127.0.0.1", "198.51.100.3"]);
  });

  it("answer 500, and say no more, when the accounts do not answer", async () => {
    const tokens = { answer: () => Promise.reject(new Error("database at 10.0.0.7 is away")) };
    site = await openSite({ registry: { tokens, events: null } });
    const answer = await fetch(`${site.url}/registry/token`);
    expect(answer.status).toBe(500);
    expect(await answer.text()).not.toContain("10.0.0.7");
  });
});
