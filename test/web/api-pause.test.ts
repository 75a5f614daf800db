import { afterEach, describe, expect, it } from "@jest/globals";
import type { By } from "../../src/core/audit.ts";
import type { ListedPause } from "../../src/engine/pause-port.ts";
import { installation, openSite, repository, type Site, TOKEN, type World } from "./world.ts";

const OPERATOR: By = { kind: "operator" };
const SINCE = "2026-11-20T10:00:00.000Z";
const ACME = { kind: "installation", id: { provider: "github", host: "default", id: "7" } } as const;
const ONE = { kind: "repository", id: { provider: "github", host: "default", id: repository.id } } as const;
const PATHS = [
  ["instance", { kind: "instance", provider: null, host: null, id: null }],
  ["installations/github/default/7", { kind: "installation", provider: "github", host: "default", id: "7" }],
  [
    `repositories/github/default/${repository.id}`,
    { kind: "repository", provider: "github", host: "default", id: repository.id },
  ],
] as const;

let site: Site | null = null;
let pausing: unknown[] = [];
afterEach(async () => {
  await site?.close();
  site = null;
});

async function open(changes: Partial<World> = {}): Promise<Site> {
  pausing = [];
  const repositories = [{ ...repository, link: "linked" as const }];
  site = await openSite({ repositories, installations: [{ ...installation, id: "7" }], pausing, ...changes });
  return site;
}

function pause(kind: "installation" | "instance" | "repository", more: Partial<ListedPause> = {}): ListedPause {
  const scope = kind === "instance" ? { kind } : kind === "installation" ? ACME : ONE;
  return { kind, scope, name: kind, since: SINCE, by: OPERATOR, stops: false, ...more };
}

async function send(path: string, body?: object, headers: Record<string, string> = {}) {
  if (site === null) throw new Error("no site is open");
  const json = body === undefined ? {} : { body: JSON.stringify(body) };
  const type = body === undefined ? {} : { "content-type": "application/json" };
  const response = await site.api(`/api/v1/${path}`, { method: "POST", ...json, headers: { ...type, ...headers } });
  return { status: response.status, body: (await response.json()) as unknown };
}

describe.each(PATHS)("POST %s", (path, scope) => {
  it("/pause pauses it, as the operator, and says what became of what ran", async () => {
    const { logged } = await open();
    expect(await send(`${path}/pause`, { stop: true })).toEqual({
      status: 200,
      body: {
        dryRun: false,
        scope,
        pause: {
          kind: scope.kind,
          since: SINCE,
          by: { kind: "operator", provider: null, host: null, actor: null },
          stops: true,
        },
        began: true,
        stopped: 2,
      },
    });
    expect(pausing).toMatchObject([{ by: OPERATOR, stop: true }]);
    expect(logged).toContainEqual({ scope, stopped: 2 });
    expect((await send(`${path}/pause`)).status).toBe(200);
    expect(pausing).toMatchObject([{ stop: true }, { stop: false }]);
  });

  it("/pause says what it would do, and does not", async () => {
    await open();
    const { body } = await send(`${path}/pause`, { dryRun: true, stop: true });
    expect(body).toEqual({ dryRun: true, stop: true, scope, builds: { queued: 3, running: 1 } });
    expect(pausing).toEqual([]);
  });

  it("/resume resumes it, or says what would be built", async () => {
    const preview: World["preview"] = async () => ({
      queued: 3,
      running: 1,
      further: 2,
      lanes: [
        {
          lane: { repository, lane: "refs/heads/main", sha: null, delivery: "4" },
          answer: { kind: "unknown", why: "the host asked us to wait" },
        },
      ],
    });
    const { logged } = await open({ preview });
    expect((await send(`${path}/resume`, { dryRun: true })).body).toEqual({
      dryRun: true,
      scope,
      builds: { queued: 3, running: 1 },
      further: 2,
      lanes: [
        {
          repository: repository.fullName,
          lane: "refs/heads/main",
          sha: null,
          delivery: "4",
          builds: [],
          held: [],
          skips: [],
          unknown: "the host asked us to wait",
        },
      ],
    });
    expect(pausing).toEqual([]);
    const nothing = { ended: null, remaining: [], deliveries: [], lanes: [], lost: [] };
    expect(await send(`${path}/resume`, {})).toEqual({ status: 200, body: { dryRun: false, scope, ...nothing } });
    expect(pausing).toMatchObject([{ by: OPERATOR }]);
    expect(logged).toContainEqual({ scope });
  });

  it("is for the operator's token only, and POST only", async () => {
    const { url, api } = await open();
    for (const verb of ["pause", "resume"]) {
      const stranger = await fetch(`${url}/api/v1/${path}/${verb}`, { method: "POST" });
      expect(stranger.status).toBe(401);
      const got = await api(`/api/v1/${path}/${verb}`);
      expect([got.status, got.headers.get("allow")]).toEqual([405, "POST"]);
    }
    expect(pausing).toEqual([]);
  });
});

describe("pausing over the API", () => {
  it.each<[string, object]>([
    ["a word", { stop: "yes" }],
    ["an unknown key", { stop: true, force: true }],
    ["a list", []],
  ])("does nothing for %s", async (_what, body) => {
    await open();
    expect(await send("instance/pause", body)).toMatchObject({ status: 400, body: { error: { code: "bad-request" } } });
    expect(pausing).toEqual([]);
  });

  it.each(["text/plain", "application/x-www-form-urlencoded"])("takes no body as %s for none", async (type) => {
    await open();
    const { status, body } = await send("instance/resume", { dryRun: true }, { "content-type": type });
    expect([status, body]).toMatchObject([415, { error: { code: "not-json" } }]);
    expect(pausing).toEqual([]);
  });

  it("takes a body that comes in chunks for what it is", async () => {
    const { url } = await open();
    const chunks = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode('{"dryRun":true}'));
        controller.close();
      },
    });
    const headers = { authorization: `Bearer ${TOKEN}`, "content-type": "text/plain" };
    const init = { method: "POST", headers, body: chunks, duplex: "half" } as const;
    expect((await fetch(`${url}/api/v1/instance/pause`, init)).status).toBe(415);
    expect(pausing).toEqual([]);
  });

  it.each([
    "installations/github/default/404/pause",
    "installations/gitlab/default/7/pause",
    "repositories/github/default/404/resume",
  ])("knows no %s", async (path) => {
    await open();
    for (const body of [{}, { dryRun: true }]) {
      expect(await send(path, body)).toMatchObject({ status: 404, body: { error: { code: "not-found" } } });
    }
  });

  it("lists what is paused", async () => {
    const opened = await open({ pauses: [pause("instance", { stops: true }), pause("repository")] });
    const by = { kind: "operator", provider: null, host: null, actor: null };
    expect(await (await opened.api("/api/v1/pauses")).json()).toEqual({
      items: [
        { kind: "instance", provider: null, host: null, id: null, name: "instance", since: SINCE, by, stops: true },
        { ...PATHS[2][1], name: "repository", since: SINCE, by, stops: false },
      ],
      next: null,
    });
  });
});

describe("pages", () => {
  const NOTICE = "Builds of this whole instance are paused since 2026-11-20 10:00 UTC, by the operator.";

  it("say that the whole instance is paused, each of them, and not when it is resumed", async () => {
    const pauses = [pause("instance")];
    const opened = await open({ pauses });
    for (const path of ["/", "/deliveries", "/installations", "/installations/github/default/7"]) {
      const text = await (await opened.page(path)).text();
      expect(text).toContain(NOTICE);
      expect(text).toContain("wharfinger resume --instance");
    }
    pauses.pop();
    expect(await (await opened.page("/")).text()).not.toContain("paused since");
  });

  it("say so to nobody who is not signed in", async () => {
    const opened = await open({ pauses: [pause("instance")] });
    await opened.page("/");
    for (const path of ["/auth/token", "/nowhere"]) {
      const response = await fetch(opened.url + path, { headers: { Accept: "text/html" } });
      expect(await response.text()).not.toContain("paused since");
    }
  });

  it("of an installation say since when it is paused, by whom, and how it is resumed", async () => {
    const installations = [{ ...installation, id: "7", state: "paused" }] as const;
    const repositories = [{ ...repository, link: "paused" as const }];
    const opened = await open({ installations, repositories, pauses: [pause("installation"), pause("repository")] });
    const text = await (await opened.page("/installations/github/default/7")).text();
    expect(text).toContain("Builds of this installation are paused since 2026-11-20 10:00 UTC, by the operator.");
    expect(text).toContain('href="/installations/github/default/7/settings#pause"');
    expect(text).toContain("builds of this repository are paused since 2026-11-20 10:00 UTC, by the operator");
    expect(text).not.toContain("whole instance");
    await opened.close();
    const other = await open();
    expect(await (await other.page("/installations/github/default/7")).text()).not.toContain("paused since");
  });
});
