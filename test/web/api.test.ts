import { afterEach, describe, expect, it } from "@jest/globals";
import { aBuild, aDelivery, DIGEST, openSite, SHA, type Site, TOKEN, type World } from "./world.ts";

let site: Site | null = null;
afterEach(async () => {
  await site?.close();
  site = null;
});
async function open(changes: Partial<World> = {}): Promise<Site> {
  site = await openSite(changes);
  return site;
}

const ROUTES = ["deliveries", "deliveries/1", "builds", "builds/b1", "builds/b1/log", "installations", "nothing"];

describe("who may use the API", () => {
  it.each(ROUTES)("/%s answers 401 without a token, and says which one", async (path) => {
    const { url } = await open();
    const answer = await fetch(`${url}/api/v1/${path}`);
    expect(answer.status).toBe(401);
    expect(answer.headers.get("www-authenticate")).toBe('Bearer realm="wharfinger"');
    expect(await answer.json()).toEqual({
      error: { code: "unauthorized", message: expect.stringContaining("Authorization: Bearer") },
    });
  });

  it.each(ROUTES)("/%s answers 401 to wrong tokens", async (path) => {
    const { url } = await open();
    for (const wrong of [`${TOKEN}x`, TOKEN.slice(1), TOKEN.toUpperCase(), "x"]) {
      const answer = await fetch(`${url}/api/v1/${path}`, { headers: { Authorization: `Bearer ${wrong}` } });
      expect([wrong, answer.status]).toEqual([wrong, 401]);
    }
  });

  it.each(ROUTES)("/%s is closed to everybody, this machine included, when no token is configured", async (path) => {
    const { url } = await open({ adminToken: null });
    for (const headers of [{}, { Authorization: `Bearer ${TOKEN}` }, { Authorization: "Bearer null" }]) {
      const answer = await fetch(`${url}/api/v1/${path}`, { headers });
      expect(answer.status).toBe(403);
      expect(await answer.json()).toMatchObject({
        error: { code: "admin-token-not-set", message: expect.stringContaining("openssl rand -hex 32") },
      });
    }
  });

  it("takes no session, no other scheme and no token in the address", async () => {
    const opened = await open();
    const tries: [string, Record<string, string>][] = [
      ["", { Cookie: await opened.signIn() }],
      ["", { Authorization: `Basic ${Buffer.from(`x:${TOKEN}`).toString("base64")}` }],
      [`?token=${TOKEN}&access_token=${TOKEN}`, {}],
    ];
    for (const [query, headers] of tries) {
      expect((await fetch(`${opened.url}/api/v1/builds${query}`, { headers })).status).toBe(401);
    }
  });

  it("looks at no further token after ten wrong ones, until a minute has passed", async () => {
    const clock = { time: 0, now: () => clock.time };
    const { url } = await open({ clock });
    const ask = async (token: string) =>
      fetch(`${url}/api/v1/builds`, { headers: { Authorization: `Bearer ${token}` } });
    for (let count = 0; count < 10; count += 1) {
      expect((await ask("wrong")).status).toBe(401);
    }
    const refused = await ask(TOKEN);
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "60"]);
    clock.time += 60_000;
    expect((await ask(TOKEN)).status).toBe(200);
  });

  it("counts wrong tokens by the address a proxy on this machine names last", async () => {
    const { url } = await open();
    const ask = async (token: string, forwarded: string) => {
      const headers = { Authorization: `Bearer ${token}`, "X-Forwarded-For": forwarded };
      return (await fetch(`${url}/api/v1/builds`, { headers })).status;
    };
    for (let count = 0; count < 11; count += 1) {
      await ask("wrong", `192.0.2.${count}, 203.0.113.9`);
    }
    expect(await ask(TOKEN, "203.0.113.9")).toBe(429);
    expect(await ask(TOKEN, "198.51.100.1")).toBe(200);
  });
});

describe("what the API answers", () => {
  it("shows a build in the public shape", async () => {
    const opened = await open();
    const answer = await opened.api("/api/v1/builds/b1");
    expect(answer.headers.get("content-type")).toBe("application/json; charset=utf-8");
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(await answer.json()).toEqual({
      id: "b1",
      state: "succeeded",
      provider: "github",
      repository: "acme/api",
      registry: "default",
      ref: "refs/heads/main",
      sha: SHA,
      image: "acme/api",
      tags: ["latest"],
      requestedTags: ["latest"],
      olderTags: [],
      requestDigest: null,
      digest: DIGEST,
      rules: ["images[0].rules[0]"],
      delivery: "1",
      trigger: "event",
      push: true,
      trust: "trusted",
      pullRequest: null,
      hold: null,
      approval: null,
      steps: [
        { name: "checkout", startedAt: "2026-11-20T11:50:00Z", finishedAt: "2026-11-20T11:50:01Z" },
        { name: "build", startedAt: "2026-11-20T11:50:01Z", finishedAt: "2026-11-20T11:51:20Z" },
      ],
      createdAt: "2026-11-20T11:49:58Z",
      startedAt: "2026-11-20T11:50:00Z",
      finishedAt: "2026-11-20T11:51:24Z",
      failure: null,
    });
  });

  it("shows the signed request of a build, byte by byte and read, and nothing of it to strangers", async () => {
    const document = '{"id":"b1","version":1}';
    const requests = new Map([["b1", { document, digest: "sha256:d", keyId: "k", signature: "c2ln" }]]);
    const opened = await open({ requests });
    expect(await (await opened.api("/api/v1/builds/b1/request")).json()).toEqual({
      request: { id: "b1", version: 1 },
      document,
      digest: "sha256:d",
      signature: { algorithm: "Ed25519", keyId: "k", value: "c2ln" },
    });
    expect((await fetch(`${opened.url}/api/v1/builds/b1/request`)).status).toBe(401);
    expect((await opened.api("/api/v1/builds/none/request")).status).toBe(404);
  });

  it("says so where a build has no request", async () => {
    const answer = await (await open()).api("/api/v1/builds/b1/request");
    expect(answer.status).toBe(404);
    expect(await answer.json()).toMatchObject({ error: { code: "no-request" } });
  });

  it("gives anybody the keys requests are checked with", async () => {
    const opened = await open({ adminToken: null });
    const items = [{ id: "0123456789abcdef", algorithm: "Ed25519", publicKey: "-----BEGIN PUBLIC KEY-----" }];
    expect(await (await fetch(`${opened.url}/api/v1/keys`)).json()).toEqual({ items, next: null });
  });

  it("names the tags a build has, and those something newer has", async () => {
    const older = [{ tag: "latest", why: "It stays with refs/heads/main, which was pushed later." }];
    const opened = await open({
      builds: [aBuild({ tags: { published: ["1.9.1"], older } }, { tags: ["1.9.1", "latest"] })],
    });
    expect(await (await opened.api("/api/v1/builds/b1")).json()).toMatchObject({
      tags: ["1.9.1"],
      requestedTags: ["1.9.1", "latest"],
      olderTags: [{ ...older[0], reason: "older-than-published" }],
    });
  });

  it("says null, not nothing, of what has not happened yet", async () => {
    const build = aBuild({ state: "queued", digest: null, startedAt: null, finishedAt: null });
    const opened = await open({ builds: [build] });
    expect(await (await opened.api("/api/v1/builds/b1")).json()).toMatchObject({
      digest: null,
      startedAt: null,
      finishedAt: null,
    });
  });

  it("shows a failure with its class and message", async () => {
    const opened = await open({
      builds: [aBuild({ state: "failed", failure: { class: "test", message: "It failed.", line: 3 } })],
    });
    expect(await (await opened.api("/api/v1/builds/b1")).json()).toMatchObject({
      failure: { class: "test", message: "It failed." },
    });
  });

  it("shows a delivery in the public shape, by our id and by the host's", async () => {
    const opened = await open();
    const delivery = {
      id: "1",
      provider: "github",
      deliveryId: "0b989ba4-242f-11e5-81e1-c7b6966d2516",
      event: "push",
      action: null,
      repository: "acme/api",
      receivedAt: "2026-11-20T11:49:57Z",
      outcome: "planned",
      note: null,
      missed: null,
      builds: ["b1"],
      decisions: aDelivery().decisions,
      trace: aDelivery().trace,
    };
    for (const id of ["1", "0b989ba4-242f-11e5-81e1-c7b6966d2516"]) {
      expect(await (await opened.api(`/api/v1/deliveries/${id}`)).json()).toEqual(delivery);
    }
  });

  it("leaves the trace out of lists", async () => {
    const answer = await (await open()).api("/api/v1/deliveries");
    const { items } = (await answer.json()) as { items: object[] };
    expect([items.length, Object.keys(items[0] ?? {}).includes("trace")]).toEqual([1, false]);
  });

  it("says of a held build of a fork what it waits for, and what it may not", async () => {
    const hold = { reason: "awaiting-approval", detail: "Somebody has to approve this commit." } as const;
    const pull = { number: 5, target: "main", fork: true };
    const planned = { kind: "pull_request", push: false, trust: "untrusted", pull } as const;
    const opened = await open({ builds: [aBuild({ state: "held", hold }, planned)] });
    expect(await (await opened.api("/api/v1/builds/b1")).json()).toMatchObject({
      state: "held",
      hold,
      approval: null,
      pullRequest: pull,
      push: false,
      trust: "untrusted",
    });
  });

  it.each([{ id: "5", login: "ann" }, null])(
    "says who approved a build: %j, null being the operator",
    async (actor) => {
      const approval = { actor, at: "2026-11-20T11:50:00Z" };
      const opened = await open({ builds: [aBuild({ approval })] });
      expect(await (await opened.api("/api/v1/builds/b1")).json()).toMatchObject({ approval });
    },
  );

  it("lists installations with their namespace and policy", async () => {
    const opened = await open();
    expect(await (await opened.api("/api/v1/installations")).json()).toEqual({
      items: [
        {
          id: "7",
          provider: "github",
          host: "default",
          account: { id: "9", login: "acme", kind: "organization" },
          state: "active",
          namespace: "acme",
          claim: null,
          permissions: { checks: "write" },
          policy: {
            forks: "approve",
            publishPullRequests: false,
            onlyPullRequests: false,
            zeroConfig: false,
            brake: 20,
          },
        },
      ],
      next: null,
    });
  });

  it("turns pages until next is null, each item once", async () => {
    const builds = Array.from({ length: 65 }, (_, index) => aBuild({ id: `b${index}` }));
    const opened = await open({ builds });
    const sizes: number[] = [];
    const seen: string[] = [];
    for (let cursor: string | null = ""; cursor !== null; ) {
      const query: string = cursor === "" ? "" : `?cursor=${cursor}`;
      const page = (await (await opened.api(`/api/v1/builds${query}`)).json()) as {
        items: { id: string }[];
        next: string | null;
      };
      sizes.push(page.items.length);
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.next;
    }
    expect(sizes).toEqual([30, 30, 5]);
    expect(seen).toEqual(builds.map(({ id }) => id));
  });

  it.each<[string, string, number]>([
    ["limit=100", "", 200],
    ["limit=1", "", 200],
    ["limit=0", "bad-limit", 400],
    ["limit=101", "bad-limit", 400],
    ["limit=1e1", "bad-limit", 400],
    ["limit=-1", "bad-limit", 400],
    ["limit=", "bad-limit", 400],
    ["limit=5&limit=6", "bad-limit", 400],
    ["limit[a]=5", "", 200],
    ["cursor=garbage", "bad-cursor", 400],
    ["cursor=", "bad-cursor", 400],
    ["cursor=a&cursor=b", "bad-cursor", 400],
    ["cursor=%00", "bad-cursor", 400],
    [`cursor=${"x".repeat(501)}`, "bad-cursor", 400],
  ])("answers ?%s with %s %d on every list", async (query, code, status) => {
    const opened = await open();
    for (const list of ["builds", "deliveries", "installations"]) {
      const answer = await opened.api(`/api/v1/${list}?${query}`);
      const body = (await answer.json()) as { error?: { code: string } };
      expect([list, answer.status, body.error?.code ?? ""]).toEqual([list, status, code]);
    }
  });

  it.each(["builds/unknown", "builds/unknown/log", "deliveries/unknown", "nothing", "", "builds/b1/nothing", "BUILDS"])(
    "answers 404 in JSON at /%s",
    async (path) => {
      const opened = await open();
      const answer = await opened.api(`/api/v1/${path}`, { headers: { Accept: "text/html" } });
      expect(answer.status).toBe(404);
      expect(await answer.json()).toEqual({ error: { code: "not-found", message: expect.any(String) } });
    },
  );

  it("answers 404 in JSON under /api outside of v1, without a token", async () => {
    const { url } = await open();
    const answer = await fetch(`${url}/api/v2/builds`, { headers: { Accept: "text/html" } });
    expect([answer.status, await answer.json()]).toMatchObject([404, { error: { code: "not-found" } }]);
  });

  it.each(["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])("answers %s with 405 and what is allowed", async (method) => {
    const opened = await open();
    for (const path of ["deliveries", "builds/b1", "builds/b1/log", "deliveries/1"]) {
      const answer = await opened.api(`/api/v1/${path}`, { method });
      expect([answer.status, answer.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
      expect(await answer.json()).toMatchObject({ error: { code: "method-not-allowed" } });
    }
  });

  it("answers HEAD as GET, without a body", async () => {
    const opened = await open();
    for (const path of ["builds", "builds/b1", "builds/b1/log"]) {
      const answer = await opened.api(`/api/v1/${path}`, { method: "HEAD" });
      expect([answer.status, await answer.text()]).toEqual([200, ""]);
    }
  });

  it("answers a path that is not valid percent-encoding with 400, not 500", async () => {
    const opened = await open();
    const answer = await opened.api("/api/v1/builds/%E0%A4%A");
    expect([answer.status, await answer.json()]).toMatchObject([400, { error: { code: "bad-request" } }]);
    expect(opened.logged).toEqual([]);
  });

  it("tells nothing of what failed inside, and logs it", async () => {
    const broken = new Error("SQLITE_ERROR: no such table secrets at /srv/data");
    const opened = await open({ broken });
    const answer = await opened.api("/api/v1/builds");
    expect(answer.status).toBe(500);
    expect(await answer.text()).not.toMatch(/SQLITE|secrets|srv|\.ts:/);
    expect(opened.logged).toMatchObject([{ err: broken, path: "/api/v1/builds" }]);
  });
});

describe("a build's log", () => {
  it("comes as text that browsers do not take for anything else", async () => {
    const opened = await open({ log: "<script>alert(1)</script>\n\u001b[31mred\u001b[0m\n" });
    const answer = await opened.api("/api/v1/builds/b1/log");
    expect(answer.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
    expect(await answer.text()).toBe("<script>alert(1)</script>\n\u001b[31mred\u001b[0m\n");
  });

  it("comes whole, also when it is longer than one read, and from an offset in bytes", async () => {
    const log = `ä${"0123456789abcdef\n".repeat(60_000)}end`;
    const opened = await open({ log });
    expect(await (await opened.api("/api/v1/builds/b1/log")).text()).toBe(log);
    const size = Buffer.byteLength(log);
    expect(await (await opened.api(`/api/v1/builds/b1/log?offset=${size - 3}`)).text()).toBe("end");
    expect(await (await opened.api("/api/v1/builds/b1/log?offset=2")).text()).toBe(log.slice(1));
  });

  it("is empty at and past its end, and when there is none yet", async () => {
    const opened = await open({ log: "abc", builds: [aBuild(), aBuild({ id: "b2" })] });
    for (const path of ["b1/log?offset=3", "b1/log?offset=999999", "b2/log"]) {
      const answer = await opened.api(`/api/v1/builds/${path}`);
      expect([answer.status, await answer.text()]).toEqual([200, ""]);
    }
  });

  it.each(["-1", "x", "1.5", "", "1&offset=2", "9".repeat(16)])("refuses the offset %s", async (offset) => {
    const opened = await open();
    const answer = await opened.api(`/api/v1/builds/b1/log?offset=${offset}`);
    expect([answer.status, await answer.json()]).toMatchObject([400, { error: { code: "bad-offset" } }]);
  });

  it("breaks off, rather than end early as if it were whole, when the log is lost on the way", async () => {
    const read = (_id: string, offset: number) =>
      Promise.resolve(offset === 0 ? { bytes: Buffer.from("begin"), size: 5_000 } : null);
    const opened = await open({ logs: { read } });
    const answer = await opened.api("/api/v1/builds/b1/log");
    await expect(answer.text()).rejects.toThrow();
    expect(opened.logged).toMatchObject([{ path: "/api/v1/builds/b1/log" }]);
  });

  it("is no fault of ours when the reader leaves", async () => {
    const leaver = new AbortController();
    let reads = 0;
    const read = async (_id: string, _offset: number, limit: number) => {
      reads += 1;
      if (reads === 3) {
        leaver.abort();
      }
      await new Promise((resolve) => setImmediate(resolve));
      return { bytes: Buffer.alloc(limit, "x"), size: 500 * 1024 * 1024 };
    };
    const opened = await open({ logs: { read } });
    const reading = opened.api("/api/v1/builds/b1/log", { signal: leaver.signal }).then((answer) => answer.text());
    await expect(reading).rejects.toThrow();
    const before = reads;
    await opened.close();
    expect(opened.logged).toEqual([]);
    // What was read ahead may still come in; nobody reads the whole log for a reader who left.
    expect(before).toBeLessThan(500);
    site = null;
  });
});
