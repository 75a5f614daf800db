import { describe, expect, it } from "@jest/globals";
import { createConnections } from "../../src/bitbucket/connections.ts";
import type { Connections, OpenConnections } from "../../src/engine/connections-port.ts";
import type { Connection } from "../../src/engine/grants-port.ts";
import { OPERATOR } from "../contract/store.by.ts";
import { CLOCK, createFakeBitbucket, type Given, lacking, NOT_FOUND, type Routes } from "./fake-bitbucket.ts";

const WORKSPACE = "{11111111-1111-4111-8111-111111111111}";
const API = "{22222222-2222-4222-8222-222222222222}";
const WEB = "{33333333-3333-4333-8333-333333333333}";
const OTHER = "{44444444-4444-4444-8444-444444444444}";
const HOOK = "{55555555-5555-4555-8555-555555555555}";
const PUBLIC_URL = "https://builds.example.com";
const HOOKS = `/workspaces/${WORKSPACE}/hooks`;

function repository(uuid: string, name: string, hidden = true) {
  return {
    type: "repository",
    uuid,
    full_name: `acme/${name}`,
    is_private: hidden,
    workspace: { type: "workspace", uuid: WORKSPACE, slug: "acme", name: "Acme" },
    owner: { type: "team", uuid: WORKSPACE },
  };
}

function page(...values: readonly object[]): Given {
  return { status: 200, body: { values } };
}

const OFFERED = page(
  { event: "repo:push", category: "Repository", label: "Push" },
  { event: "repo:fork", category: "Repository", label: "Fork" },
  { event: "pullrequest:created", category: "Pull Request", label: "Created" },
  { event: "repo:created" },
);

interface World {
  readonly connections: Connections;
  readonly routes: Routes;
  readonly asked: readonly { readonly method: string; readonly path: string; readonly body: unknown }[];
  readonly events: () => readonly string[];
  readonly told: string[];
  readonly waited: object[];
  readonly connect: (repository?: string | null, token?: string) => ReturnType<Connections["connect"]>;
  readonly stored: (id?: string) => Promise<Connection | null>;
  readonly grants: ReturnType<typeof createFakeBitbucket>["grants"];
}

/** A Bitbucket whose token may do everything, and which keeps webhooks; `changes` replace its answers. */
function world(changes: Routes = {}, publicUrl = PUBLIC_URL): World {
  const hooks = new Map<string, object>();
  const made = (path: string): Routes => ({
    [`GET ${path}`]: () => page(...hooks.values()),
    [`POST ${path}`]: ({ body }) => {
      const hook = {
        type: "webhook_subscription",
        uuid: HOOK,
        secret_set: true,
        ...(body as object),
        secret: undefined,
      };
      hooks.set(HOOK, hook);
      return { status: 201, body: hook };
    },
    [`PUT ${path}/${HOOK}`]: ({ body }) => ({ status: 200, body: { ...hooks.get(HOOK), ...(body as object) } }),
    [`DELETE ${path}/${HOOK}`]: () => (hooks.delete(HOOK) ? { status: 204 } : NOT_FOUND),
  });
  const routes: Routes = {
    "GET /workspaces/acme": { status: 200, body: { uuid: WORKSPACE, slug: "acme" } },
    [`GET /workspaces/${WORKSPACE}`]: { status: 200, body: { uuid: WORKSPACE, slug: "acme" } },
    [`GET /repositories/${WORKSPACE}`]: page(repository(API, "api"), repository(WEB, "web")),
    "GET /repositories/acme/api": { status: 200, body: repository(API, "api") },
    "GET /repositories/acme/web": { status: 200, body: repository(WEB, "web") },
    [`GET /repositories/${WORKSPACE}/${API}`]: { status: 200, body: repository(API, "api") },
    [`GET /repositories/${WORKSPACE}/${API}/pullrequests`]: page(),
    [`GET /repositories/${WORKSPACE}/${WEB}/pullrequests`]: page(),
    "GET /hook_events/workspace": OFFERED,
    "GET /hook_events/repository": OFFERED,
    // Tokens are tried on the names they were given for, connections work by uuid.
    "GET /repositories/acme/api/hooks": () => page(...hooks.values()),
    "GET /repositories/acme/web/hooks": () => page(...hooks.values()),
    ...made(HOOKS),
    ...made(`/repositories/${WORKSPACE}/${API}/hooks`),
    ...made(`/repositories/${WORKSPACE}/${WEB}/hooks`),
    ...changes,
  };
  const { access, grants, asked } = createFakeBitbucket(routes);
  const told: string[] = [];
  const waited: object[] = [];
  const puts = () => asked.filter(({ method }) => method === "PUT").length;
  let ids = 0;
  let secrets = 0;
  const connections = createConnections({
    by: OPERATOR,
    access,
    grants,
    publicUrl,
    clock: CLOCK,
    newId: () => `c${++ids}`,
    newSecret: () => `secret-${++secrets}`,
    wait: async (milliseconds) => {
      waited.push({ milliseconds, puts: puts(), secrets: (await grants.connection("c1"))?.secrets.length });
    },
  });
  return {
    connections,
    routes,
    grants,
    asked,
    told,
    waited,
    events: () => grants.deliveries.map(({ event, installationId }) => `${event} ${installationId}`),
    connect: (name = null, token = "token") =>
      connections.connect({ workspace: "acme", repository: name }, token, (text) => told.push(text)),
    stored: (id = "c1") => grants.connection(id),
  };
}

const quiet = () => undefined;

function message(outcome: { readonly ok: boolean; readonly message?: string }): string {
  expect(outcome.ok).toBe(false);
  return outcome.message ?? "";
}

describe("connect", () => {
  it("stores a workspace's connection, creates its webhook, and remembers which it is", async () => {
    const { connect, stored, asked, events, told } = world();
    expect(await connect()).toMatchObject({
      ok: true,
      value: {
        byHand: null,
        notes: [],
        connection: { id: "c1", login: "acme", repository: null, url: `${PUBLIC_URL}/webhooks/bitbucket/c1` },
      },
    });
    expect(await stored()).toMatchObject({
      workspace: WORKSPACE,
      kind: "organization",
      repository: null,
      secrets: ["secret-1"],
      token: "token",
      hook: HOOK,
    });
    expect(asked.find(({ method }) => method === "POST")).toMatchObject({
      path: HOOKS,
      body: {
        url: `${PUBLIC_URL}/webhooks/bitbucket/c1`,
        secret: "secret-1",
        active: true,
        // What this kind of webhook offers of what we understand: no forks.
        events: ["repo:push", "pullrequest:created", "repo:created"],
      },
    });
    expect(events()).toEqual([`connected ${WORKSPACE}`]);
    expect(told.length).toBeGreaterThan(1);
  });

  it("stores a repository's connection under the workspace it is in", async () => {
    const { connect, stored, asked } = world();
    expect((await connect("api")).ok).toBe(true);
    expect(await stored()).toMatchObject({ workspace: WORKSPACE, repository: { id: API, fullName: "acme/api" } });
    expect(asked.find(({ method }) => method === "POST")?.path).toBe(`/repositories/${WORKSPACE}/${API}/hooks`);
  });

  it("knows a person's workspace from an organization's", async () => {
    const personal = world({
      "GET /workspaces/acme": { status: 200, body: { uuid: WORKSPACE, slug: "acme", is_personal: true } },
    });
    await personal.connect();
    expect((await personal.stored())?.kind).toBe("user");
  });

  it("stores before it creates, so that the first delivery finds its connection", async () => {
    let there: Connection | null = null;
    const later = world();
    const post = later.routes[`POST ${HOOKS}`];
    later.routes[`POST ${HOOKS}`] = (asked) => {
      void later.stored().then((connection) => {
        there = connection;
      });
      return typeof post === "function" ? post(asked) : NOT_FOUND;
    };
    await later.connect();
    expect(there).toMatchObject({ secrets: ["secret-1"], hook: null });
  });

  it.each([
    ["lacks the scope", lacking("webhook"), "lacks the scope webhook"],
    ["is not let", { status: 403, body: { error: { message: "Forbidden" } } }, "answered 403"],
  ])("says what to enter by hand where the token %s to manage webhooks", async (_, answer, why) => {
    const { connect, stored, asked } = world({ [`GET ${HOOKS}`]: answer });
    expect(await connect()).toMatchObject({
      ok: true,
      value: {
        byHand: {
          why: expect.stringContaining(why),
          url: `${PUBLIC_URL}/webhooks/bitbucket/c1`,
          secret: "secret-1",
          events: [
            { event: "repo:push", label: "Repository: Push" },
            { event: "pullrequest:created", label: "Pull Request: Created" },
            { event: "repo:created", label: "repo:created" },
          ],
        },
      },
    });
    expect(await stored()).toMatchObject({ hook: null, secrets: ["secret-1"] });
    expect(asked.some(({ method }) => method === "POST")).toBe(false);
  });

  it("says what to enter by hand where a token that lists webhooks may not create one", async () => {
    const { connect, stored } = world({
      [`POST ${HOOKS}`]: { status: 403, body: { error: { message: "Owners only" } } },
    });
    expect(await connect()).toMatchObject({
      ok: true,
      value: { byHand: { why: expect.stringContaining("Owners only"), secret: "secret-1" } },
    });
    expect(await stored()).toMatchObject({ hook: null });
  });

  it.each<[string, Routes, string]>([
    [
      "repositories",
      { [`GET /repositories/${WORKSPACE}`]: lacking("repository") },
      "scope repository (Repositories: Read)",
    ],
    [
      "pull requests",
      { [`GET /repositories/${WORKSPACE}/${API}/pullrequests`]: lacking("pullrequest") },
      "scope pullrequest (Pull requests: Read)",
    ],
    [
      "pull requests, for a reason that is not said",
      { [`GET /repositories/${WORKSPACE}/${API}/pullrequests`]: { status: 403 } },
      "scope pullrequest",
    ],
    [
      "anything",
      { "GET /workspaces/acme": { status: 401, body: { error: { message: "Token is invalid" } } } },
      "does not take this token",
    ],
    ["the workspace", { "GET /workspaces/acme": NOT_FOUND }, "knows no workspace acme"],
    ["any repository", { [`GET /repositories/${WORKSPACE}`]: page() }, "reaches no repository of acme"],
    ["webhooks, for a while", { [`GET ${HOOKS}`]: { status: 502 } }, "answered 502"],
    ["webhooks, for a reason nobody knows", { [`GET ${HOOKS}`]: { status: 400 } }, "answered 400"],
    ["which events there are", { "GET /hook_events/workspace": { status: 500 } }, "answered 500"],
    ["an event that matters", { "GET /hook_events/workspace": page({ event: "repo:fork" }) }, "no repo:push"],
    ["an answer of the documented shape", { "GET /workspaces/acme": { status: 200, body: {} } }, "shape"],
  ])("stores nothing where the token can not read %s", async (_, changes, text) => {
    const { connect, grants, asked } = world(changes);
    expect(message(await connect())).toContain(text);
    expect(await grants.listConnections()).toEqual([]);
    expect(grants.deliveries).toEqual([]);
    expect(asked.every(({ method }) => method === "GET")).toBe(true);
  });

  it("stores nothing where the token of a repository can not read its pull requests", async () => {
    const { connect, grants } = world({
      [`GET /repositories/${WORKSPACE}/${API}/pullrequests`]: lacking("pullrequest"),
    });
    expect(message(await connect("api"))).toContain("lacks the scope pullrequest");
    expect(await grants.listConnections()).toEqual([]);
  });

  it("does not take a token that reads what everybody can read for one of the workspace", async () => {
    const open = page(repository(API, "api", false), repository(WEB, "web", false));
    const listing = { [`GET /repositories/${WORKSPACE}`]: open };
    const { connect, grants } = world({ ...listing, [`GET ${HOOKS}`]: lacking("webhook") });
    expect(message(await connect())).toContain("Nothing shows whether the token belongs there");
    expect(await grants.listConnections()).toEqual([]);
    // Webhooks are for those of the workspace only.
    expect((await world(listing).connect()).ok).toBe(true);
  });

  it("does not take a token that reads a public repository for one of it", async () => {
    const open = { "GET /repositories/acme/api": { status: 200, body: repository(API, "api", false) } };
    const { connect, grants } = world({ ...open, "GET /repositories/acme/api/hooks": lacking("webhook") });
    expect(message(await connect("api"))).toContain("Nothing shows whether the token belongs there");
    expect(await grants.listConnections()).toEqual([]);
    expect((await world(open).connect("api")).ok).toBe(true);
  });

  it("looks for a private repository on later pages, too", async () => {
    const next = `https://api.bitbucket.test/2.0/repositories/${encodeURIComponent(WORKSPACE)}/page2`;
    const { connect } = world({
      [`GET ${HOOKS}`]: lacking("webhook"),
      [`GET /repositories/${WORKSPACE}`]: { status: 200, body: { values: [repository(API, "api", false)], next } },
      [`GET /repositories/${WORKSPACE}/page2`]: page(repository(WEB, "web")),
    });
    expect(await connect()).toMatchObject({ ok: true });
  });

  it.each<[string, string | null, string | null, string]>([
    ["a workspace twice", null, null, "workspace acme is connected already (c1)"],
    [
      "a repository of a connected workspace",
      null,
      "api",
      "acme/api is connected already, by a connection of workspace acme",
    ],
    [
      "the workspace of a connected repository",
      "api",
      null,
      "workspace acme is connected already, by a connection of acme/api",
    ],
    ["a repository twice", "api", "api", "acme/api is connected already (c1)"],
  ])("does not connect %s", async (_, first, second, text) => {
    const { connect, grants } = world();
    expect((await connect(first)).ok).toBe(true);
    const again = message(await connect(second));
    expect(again).toContain(text);
    for (const option of ["--rotate c1", "--new-token c1", "--disconnect c1"]) expect(again).toContain(option);
    expect(await grants.listConnections()).toHaveLength(1);
  });

  it("connects two repositories of a workspace", async () => {
    const { connect, grants } = world();
    expect([(await connect("api")).ok, (await connect("web")).ok]).toEqual([true, true]);
    expect(await grants.listConnections()).toHaveLength(2);
  });

  it("keeps nothing where Bitbucket does not take the webhook at all", async () => {
    const refusing = { [`POST ${HOOKS}`]: { status: 400, body: { error: { message: "url: Enter a valid URL." } } } };
    const { connect, grants, events } = world(refusing);
    expect(message(await connect())).toContain("Enter a valid URL");
    expect(await grants.listConnections()).toEqual([]);
    expect(events()).toEqual([`connected ${WORKSPACE}`, `disconnected ${WORKSPACE}`]);
    expect(message(await world(refusing, "http://localhost:3000").connect())).toContain("can not reach");
  });

  it("finds the webhook whose creation lost its answer", async () => {
    const lost = world();
    const post = lost.routes[`POST ${HOOKS}`];
    lost.routes[`POST ${HOOKS}`] = (asked) => {
      if (typeof post === "function") post(asked);
      return "drop";
    };
    expect(await lost.connect()).toMatchObject({ ok: true, value: { byHand: null } });
    expect(await lost.stored()).toMatchObject({ hook: HOOK });
    expect(lost.asked.filter(({ method }) => method === "POST")).toHaveLength(1);
  });

  it("leaves nothing where the webhook was not created, and says so", async () => {
    const { connect, grants, events } = world({ [`POST ${HOOKS}`]: { status: 503 } });
    expect(message(await connect())).toContain("It is not there now");
    expect(await grants.listConnections()).toEqual([]);
    expect(events()).toEqual([`connected ${WORKSPACE}`, `disconnected ${WORKSPACE}`]);
  });

  it("says where to look where nobody knows whether the webhook was created", async () => {
    let lists = 0;
    const { connect, grants } = world({
      [`POST ${HOOKS}`]: "drop",
      [`GET ${HOOKS}`]: () => (++lists === 1 ? page() : "drop"),
    });
    const text = message(await connect());
    expect(text).toContain("Whether it was created is not known");
    expect(text).toContain(`${PUBLIC_URL}/webhooks/bitbucket/c1`);
    expect(await grants.listConnections()).toEqual([]);
  });

  it("takes the webhook back when it can not be written down", async () => {
    const broken = world();
    broken.grants.changeConnection = () => Promise.reject(new Error("disk full"));
    await expect(broken.connect()).rejects.toThrow("disk full");
    expect(broken.asked.at(-1)).toMatchObject({ method: "DELETE", path: `${HOOKS}/${HOOK}` });
  });

  it("says that Bitbucket can not reach this machine's own address", async () => {
    for (const address of ["http://localhost:3000", "http://127.0.0.1:8080", "http://[::1]:3000"]) {
      expect(await world({}, address).connect()).toMatchObject({
        value: { notes: [expect.stringContaining("Bitbucket can not reach")] },
      });
    }
  });

  it("says that the add-on is installed, too", async () => {
    const both = world();
    await both.grants.addConnectCandidate({ clientKey: "k", workspace: WORKSPACE, secret: "s" });
    const [candidate] = await both.grants.claimConnectCandidates({ limit: 1, leaseMs: 1_000 });
    const { deliveries } = both.grants;
    await both.connect("api");
    const delivery = deliveries[0];
    if (candidate === undefined || delivery === undefined) throw new Error("no candidate");
    await both.grants.proveConnectCandidate(candidate.id, { kind: "organization", login: "acme" }, delivery);
    expect(await both.connect("web")).toMatchObject({
      value: { notes: [expect.stringContaining("Connect add-on is installed")] },
    });
  });
});

describe("rotate", () => {
  it("accepts both secrets, and gives the webhook the new one without touching the rest of it", async () => {
    const { connect, connections, stored, asked } = world();
    await connect();
    expect(await connections.rotate("c1", quiet)).toMatchObject({
      ok: true,
      value: { byHand: null, connection: { rotating: true } },
    });
    expect((await stored())?.secrets).toEqual(["secret-2", "secret-1"]);
    expect(asked.find(({ method }) => method === "PUT")).toMatchObject({
      path: `${HOOKS}/${HOOK}`,
      body: { secret: "secret-2", url: `${PUBLIC_URL}/webhooks/bitbucket/c1`, active: true },
    });
    expect(await connections.finishRotation("c1")).toMatchObject({ ok: true, value: { rotating: false } });
    expect((await stored())?.secrets).toEqual(["secret-2"]);
    expect(message(await connections.finishRotation("c1"))).toContain("No rotation of c1 is under way");
  });

  it("keeps to the new secret while a rotation is not finished, so that the old one is never lost", async () => {
    const { connect, connections, stored, routes, asked } = world();
    await connect();
    const put = routes[`PUT ${HOOKS}/${HOOK}`];
    routes[`PUT ${HOOKS}/${HOOK}`] = "drop";
    expect(await connections.rotate("c1", quiet)).toMatchObject({
      ok: true,
      value: { byHand: { secret: "secret-2", events: [], why: expect.stringContaining("or still the old one") } },
    });
    routes[`PUT ${HOOKS}/${HOOK}`] = put ?? NOT_FOUND;
    expect(asked.at(-1)).toMatchObject({ method: "PUT", body: { secret: "secret-2" } });
    expect(await connections.rotate("c1", quiet)).toMatchObject({ ok: true, value: { byHand: null } });
    expect(asked.at(-1)).toMatchObject({ method: "PUT", body: { secret: "secret-2" } });
    expect((await stored())?.secrets).toEqual(["secret-2", "secret-1"]);
  });

  it("waits until running servers accept the new secret, too, before Bitbucket signs with it", async () => {
    const { connect, connections, waited } = world();
    await connect();
    await connections.rotate("c1", quiet);
    expect(waited).toEqual([{ milliseconds: 6_000, puts: 0, secrets: 2 }]);
  });

  it("accepts both secrets before Bitbucket hears of the new one", async () => {
    const { connect, connections, stored, routes } = world();
    await connect();
    let then: Promise<Connection | null> | null = null;
    routes[`PUT ${HOOKS}/${HOOK}`] = () => {
      then = stored();
      return { status: 500 };
    };
    await connections.rotate("c1", quiet);
    expect((await (then ?? stored()))?.secrets).toEqual(["secret-2", "secret-1"]);
  });

  it.each<[string, Routes, string]>([
    ["may not see webhooks", { [`GET ${HOOKS}`]: lacking("webhook") }, "lacks the scope webhook"],
    ["finds no webhook of it", { [`GET ${HOOKS}`]: page() }, "no webhook to this address"],
    ["may not change it", { [`PUT ${HOOKS}/${HOOK}`]: { status: 403, body: { error: { message: "No" } } } }, "403"],
  ])("gives out the secret where the token %s", async (_, changes, why) => {
    const { connect, connections, routes } = world();
    await connect();
    Object.assign(routes, changes);
    expect(await connections.rotate("c1", quiet)).toMatchObject({
      ok: true,
      value: { byHand: { secret: "secret-2", why: expect.stringContaining(why) } },
    });
  });

  it("sends the webhook to the present address", async () => {
    const { connect, connections, routes, asked } = world();
    await connect();
    routes[`GET ${HOOKS}`] = page({ uuid: HOOK, url: "https://old.example/x", active: false, events: ["repo:push"] });
    expect(await connections.rotate("c1", quiet)).toMatchObject({ ok: true, value: { byHand: null } });
    expect(asked.at(-1)).toMatchObject({
      body: { url: `${PUBLIC_URL}/webhooks/bitbucket/c1`, active: false, events: ["repo:push"] },
    });
  });

  it("remembers the webhook that somebody made by hand once it has seen it", async () => {
    const { connect, connections, stored, routes } = world({ [`POST ${HOOKS}`]: { status: 403 } });
    await connect();
    const hook = { uuid: HOOK, url: `${PUBLIC_URL}/webhooks/bitbucket/c1`, active: true, events: ["repo:push"] };
    routes[`PUT ${HOOKS}/${HOOK}`] = { status: 200, body: hook };
    routes[`GET ${HOOKS}`] = page({ uuid: "{other}", url: "https://else.example", active: true, events: [] }, hook);
    expect(await connections.rotate("c1", quiet)).toMatchObject({ ok: true, value: { byHand: null } });
    expect((await stored())?.hook).toBe(HOOK);
  });
});

describe("replaceToken", () => {
  it("takes a token that may do what is needed, and no other", async () => {
    const { connect, connections, stored, routes } = world();
    await connect();
    expect(await connections.replaceToken("c1", "second", quiet)).toMatchObject({ ok: true, value: { notes: [] } });
    expect(await stored()).toMatchObject({ token: "second", secrets: ["secret-1"], hook: HOOK });
    routes[`GET /repositories/${WORKSPACE}`] = lacking("repository");
    expect(message(await connections.replaceToken("c1", "third", quiet))).toContain("scope repository");
    expect(await stored()).toMatchObject({ token: "second" });
  });

  it("says that a token without the scope will not manage the webhook", async () => {
    const { connect, connections, routes } = world();
    await connect();
    routes[`GET ${HOOKS}`] = lacking("webhook");
    expect(await connections.replaceToken("c1", "second", quiet)).toMatchObject({
      ok: true,
      value: { notes: [expect.stringContaining("lacks the scope webhook")] },
    });
  });

  it("does not take the token of something else", async () => {
    const { connect, connections, stored, routes } = world();
    await connect();
    routes[`GET /workspaces/${WORKSPACE}`] = { status: 200, body: { uuid: OTHER, slug: "other" } };
    routes[`GET /workspaces/${OTHER}/hooks`] = page();
    routes[`GET /repositories/${OTHER}`] = page(repository(API, "api"));
    expect(message(await connections.replaceToken("c1", "second", quiet))).toContain("not of workspace acme");
    expect(await stored()).toMatchObject({ token: "token" });
  });
});

describe("disconnect", () => {
  it("deletes the webhook, then erases everything", async () => {
    const { connect, connections, stored, asked, events } = world();
    await connect();
    expect(await connections.disconnect("c1", quiet)).toMatchObject({ ok: true, value: { left: null } });
    expect(asked.at(-1)).toMatchObject({ method: "DELETE", path: `${HOOKS}/${HOOK}` });
    expect(await stored()).toBeNull();
    expect(events()).toEqual([`connected ${WORKSPACE}`, `disconnected ${WORKSPACE}`]);
    expect(message(await connections.disconnect("c1", quiet))).toContain("There is no connection c1");
  });

  it.each<[string, Routes]>([
    ["Bitbucket does not answer", { [`DELETE ${HOOKS}/${HOOK}`]: "drop", [`GET ${HOOKS}`]: "drop" }],
    ["it may not be deleted", { [`DELETE ${HOOKS}/${HOOK}`]: { status: 403, body: {} } }],
    ["the token is revoked", { [`DELETE ${HOOKS}/${HOOK}`]: { status: 401 }, [`GET ${HOOKS}`]: { status: 401 } }],
    ["the workspace is out of reach", { [`DELETE ${HOOKS}/${HOOK}`]: NOT_FOUND, [`GET ${HOOKS}`]: NOT_FOUND }],
  ])("says what is left, and erases all the same, where %s", async (_, changes) => {
    const { connect, connections, stored, routes } = world();
    await connect();
    Object.assign(routes, changes);
    const left = expect.stringMatching(
      /webhooks\/bitbucket\/c1 may still be in Bitbucket: .*settings of workspace acme/,
    );
    expect(await connections.disconnect("c1", quiet)).toMatchObject({ ok: true, value: { left } });
    expect(await stored()).toBeNull();
  });

  it("is told with what became of our webhook, for the audit log; of one that was made by hand only what is left", async () => {
    const told = async (changes: Routes, before: Routes = {}) => {
      const { connect, connections, grants, routes } = world(before);
      await connect();
      Object.assign(routes, changes);
      const ends: unknown[] = [];
      const { removeConnection } = grants;
      grants.removeConnection = (...end) => {
        ends.push(end.slice(2));
        return removeConnection(...end);
      };
      await connections.disconnect("c1", quiet);
      return ends;
    };
    const byHand: Routes = { [`POST ${HOOKS}`]: { status: 403 } };
    const revoked: Routes = { [`DELETE ${HOOKS}/${HOOK}`]: { status: 401 }, [`GET ${HOOKS}`]: { status: 401 } };
    const left = expect.stringMatching(/^The webhook to .* may still be in Bitbucket: .*Webhooks$/);
    expect(await told({})).toEqual([[OPERATOR, "deleted"]]);
    expect(await told(revoked)).toEqual([[OPERATOR, left]]);
    expect(await told({ [`GET ${HOOKS}`]: page() }, byHand)).toEqual([[OPERATOR, undefined]]);
    expect(await told({ [`GET ${HOOKS}`]: { status: 401 } }, byHand)).toEqual([[OPERATOR, left]]);
  });

  it("knows a webhook that is gone already", async () => {
    const { connect, connections, routes } = world();
    await connect();
    routes[`DELETE ${HOOKS}/${HOOK}`] = NOT_FOUND;
    routes[`GET ${HOOKS}`] = page();
    expect(await connections.disconnect("c1", quiet)).toMatchObject({ ok: true, value: { left: null } });
  });

  it("deletes a webhook made by hand where it can, for it leads nowhere any more", async () => {
    const { connect, connections, routes, asked } = world({ [`POST ${HOOKS}`]: { status: 403 } });
    await connect();
    const hook = { uuid: HOOK, url: `${PUBLIC_URL}/webhooks/bitbucket/c1`, active: true, events: ["repo:push"] };
    routes[`GET ${HOOKS}`] = page(hook);
    routes[`DELETE ${HOOKS}/${HOOK}`] = { status: 204 };
    expect(await connections.disconnect("c1", quiet)).toMatchObject({ ok: true, value: { left: null } });
    expect(asked.at(-1)).toMatchObject({ method: "DELETE" });
  });
});

describe("examine", () => {
  async function examined(changes: Routes) {
    const { connect, connections, stored, routes } = world();
    await connect();
    Object.assign(routes, changes);
    const connection = await stored();
    if (connection === null) throw new Error("not connected");
    return connections.examine(connection);
  }
  const hook = { uuid: HOOK, url: `${PUBLIC_URL}/webhooks/bitbucket/c1`, active: true, events: [], secret_set: true };

  it("finds nothing wrong with a connection that works", async () => {
    expect(await examined({})).toEqual({ ok: true, value: [] });
  });

  it.each<[string, Routes, string]>([
    ["a token that was revoked", { [`GET /workspaces/${WORKSPACE}`]: { status: 401 } }, "does not take this token"],
    [
      "a token that is of something else",
      {
        [`GET /workspaces/${WORKSPACE}`]: { status: 200, body: { uuid: OTHER, slug: "other" } },
        [`GET /workspaces/${OTHER}/hooks`]: page(),
        [`GET /repositories/${OTHER}`]: page(repository(API, "api")),
      },
      "not of workspace acme",
    ],
    ["a webhook that was deleted", { [`GET ${HOOKS}`]: page() }, "is not in Bitbucket"],
    ["one that sends elsewhere", { [`GET ${HOOKS}`]: page({ ...hook, url: "https://old.example/x" }) }, "--rotate c1"],
    ["one that was switched off", { [`GET ${HOOKS}`]: page({ ...hook, active: false }) }, "switched off"],
    ["one that signs nothing", { [`GET ${HOOKS}`]: page({ ...hook, secret_set: false }) }, "has no secret"],
    ["a scope that was taken away", { [`GET /repositories/${WORKSPACE}`]: lacking("repository") }, "scope repository"],
  ])("finds %s", async (_, changes, text) => {
    expect(message(await examined(changes))).toContain(text);
  });

  it("says that it can not see the webhook with such a token", async () => {
    expect(await examined({ [`GET ${HOOKS}`]: lacking("webhook") })).toMatchObject({
      ok: true,
      value: [expect.stringContaining("can not be seen")],
    });
  });
});

it("lists connections without what is secret about them", async () => {
  const { connect, connections } = world();
  await connect("api", "the-access-token");
  const listed = await connections.list();
  expect(listed).toMatchObject([{ id: "c1", hook: HOOK, rotating: false, repository: { fullName: "acme/api" } }]);
  expect(JSON.stringify(listed)).not.toMatch(/secret-1|the-access-token/);
});

it.each<
  [string, (connections: Connections) => ReturnType<OpenConnections["rotate"] | OpenConnections["finishRotation"]>]
>([
  ["rotate", (connections) => connections.rotate("nope", quiet)],
  ["finishRotation", (connections) => connections.finishRotation("nope")],
  ["replaceToken", (connections) => connections.replaceToken("nope", "token", quiet)],
])("%s knows that there is no such connection", async (_, act) => {
  expect(message(await act(world().connections))).toContain("There is no connection nope");
});
