import { describe, expect, it } from "@jest/globals";
import { createBitbucketAccess } from "../../src/bitbucket/access.ts";
import { createConnectClients } from "../../src/bitbucket/clients.ts";
import { qshOf, readIssuer, verifyJwt } from "../../src/bitbucket/jwt.ts";
import { createProver } from "../../src/bitbucket/prove.ts";
import { createFakeGrants } from "./fake-grants.ts";

const NOW = Date.parse("2026-11-20T10:00:00Z");
const ACME = "{acf54878-1111-4222-8333-444455556666}";
const OTHER = "{0def1234-1111-4222-8333-444455556666}";
const JANE = "{6ae3c307-1111-4222-8333-444455556666}";
const SECRET = "what Bitbucket gave out";

/** An account of the pretended Bitbucket, and what its token may see. */
interface Installed {
  readonly secret: string;
  readonly account: { readonly type: string; readonly uuid: string } | null;
  /** Workspaces whose members it may list. */
  readonly lists: readonly string[];
}

/** The Bitbucket the prover asks: installs by client key, workspaces by uuid. */
function world(options: { appSecret?: string } = {}) {
  const time = { now: NOW };
  const clock = { now: () => time.now };
  const installs = new Map<string, Installed>();
  const workspaces = new Map<string, object>([
    [ACME, { type: "workspace", uuid: ACME, slug: "acme", is_personal: false }],
    [OTHER, { type: "workspace", uuid: OTHER, slug: "other", is_personal: false }],
    [JANE, { type: "workspace", uuid: JANE, slug: "jane", is_personal: true }],
  ]);
  const asked: { method: string; url: URL; authorization: string }[] = [];
  let failure: (() => Response) | null = null;
  let members: object | null = null;

  const answer = (status: number, body: object, headers = {}) =>
    new Response(JSON.stringify(body), { status, headers });

  function exchange(authorization: string): Response {
    const [, shown = ""] = authorization.split(" ");
    for (const [clientKey, { secret }] of installs) {
      const claims = JSON.parse(Buffer.from(shown.split(".")[1] ?? "", "base64url").toString("utf8"));
      if (claims.sub !== clientKey || readIssuer(shown) !== "wharfinger") continue;
      const path = "/site/oauth2/access_token";
      const expected = { secrets: [secret], clientKey: "wharfinger", method: "POST", url: path, baseUrl: "" };
      if (!verifyJwt(shown, { ...expected, nowMs: time.now }).ok || claims.qsh !== qshOf("POST", path, "")) continue;
      return answer(200, {
        access_token: `of ${clientKey}`,
        expires_in: 7200,
        token_type: "bearer",
        scopes: "account",
      });
    }
    return answer(400, { error: "invalid_grant", error_description: "no such client" });
  }

  function read(path: string, one: Installed): Response {
    const none = answer(404, { type: "error", error: { message: "not found" } });
    if (path === "/2.0/user") {
      return one.account === null
        ? answer(403, { type: "error", error: { message: "no user" } })
        : answer(200, one.account);
    }
    const [, uuid = "", permissions] = /^\/2\.0\/workspaces\/([^/]+)(\/permissions)?$/.exec(path) ?? [];
    const workspace = workspaces.get(uuid);
    if (workspace === undefined) return none;
    if (permissions === undefined) return answer(200, workspace);
    if (!one.lists.includes(uuid)) return answer(403, { type: "error", error: { message: "forbidden" } });
    const member = { permission: "owner", user: { type: "user", uuid: JANE }, workspace: { uuid } };
    return answer(200, members ?? { values: [member], pagelen: 10 });
  }

  const grants = createFakeGrants(clock);
  const lines: { fields: object; message: string }[] = [];
  const line = (fields: object, message: string) => void lines.push({ fields, message });
  const access = createBitbucketAccess({
    host: "default",
    webUrl: "https://bitbucket.org",
    apiUrl: "https://api.bitbucket.org",
    appKey: "wharfinger",
    appSecret: options.appSecret ?? null,
    grants,
    clock,
    fetch: async (input, init) => {
      const url = new URL(String(input));
      const authorization = new Headers(init?.headers).get("authorization") ?? "";
      asked.push({ method: init?.method ?? "GET", url, authorization });
      if (failure !== null) return failure();
      if (url.href === "https://bitbucket.org/site/oauth2/access_token") return exchange(authorization);
      const one = installs.get(authorization.replace(/^Bearer of /, ""));
      if (one === undefined) return answer(401, { type: "error", error: { message: "token" } });
      return read(decodeURIComponent(url.pathname), one);
    },
  });
  const clients = createConnectClients({ grants, clock });
  const prover = createProver({ access, grants, clients, clock, log: { info: line, warn: line, error: line } });
  return {
    ...{ time, installs, workspaces, asked, grants, clients, lines, prover },
    fail(how: (() => Response) | null) {
      failure = how;
    },
    members(body: object) {
      members = body;
    },
    claim: (clientKey: string, workspace: string, secret: string | null) =>
      grants.addConnectCandidate({ clientKey, workspace, secret }),
    /** Steps until nothing is due, moving the clock on for what was postponed. */
    async run(seconds: number) {
      for (const end = time.now + seconds * 1000; time.now < end; time.now += 1000) await prover.step();
    },
  };
}

const team: Installed = { secret: SECRET, account: { type: "team", uuid: ACME }, lists: [ACME] };

describe("proving an install", () => {
  it("asks what is not public, and then trusts its secret", async () => {
    const at = world();
    at.installs.set("connection:1", team);
    await at.claim("connection:1", ACME, SECRET);
    expect(await at.prover.step()).toBe(true);
    expect(await at.grants.connectClient("connection:1")).toEqual({
      clientKey: "connection:1",
      workspace: ACME,
      kind: "organization",
      login: "acme",
      state: "active",
      secret: SECRET,
    });
    expect(at.grants.deliveries).toMatchObject([{ event: "installed", installationId: ACME, provider: "bitbucket" }]);
    expect(at.asked.map(({ url }) => decodeURIComponent(url.pathname))).toContain(
      `/2.0/workspaces/${ACME}/permissions`,
    );
    expect(await at.prover.step()).toBe(false);
  });

  it("is seen at once where it was asked for before", async () => {
    const at = world();
    at.installs.set("connection:1", team);
    expect(await at.clients.find("connection:1")).toBeNull();
    await at.claim("connection:1", ACME, SECRET);
    await at.prover.step();
    expect(await at.clients.find("connection:1")).toMatchObject({ state: "active" });
  });

  it("tells a workspace that has no account of its own from a person", async () => {
    const at = world();
    at.installs.set("connection:1", { ...team, account: null });
    await at.claim("connection:1", ACME, SECRET);
    await at.prover.step();
    expect(await at.grants.connectClient("connection:1")).toMatchObject({ kind: "organization" });
  });

  it("proves a person's own workspace by the account", async () => {
    const at = world();
    at.installs.set("connection:1", { secret: SECRET, account: { type: "user", uuid: JANE }, lists: [] });
    await at.claim("connection:1", JANE, SECRET);
    await at.prover.step();
    expect(await at.grants.connectClient("connection:1")).toMatchObject({
      kind: "user",
      login: "jane",
      workspace: JANE,
    });
  });

  it("uses the secret of the app for an install that brought none", async () => {
    const at = world({ appSecret: "of the app" });
    at.installs.set("connection:1", { ...team, secret: "of the app" });
    await at.claim("connection:1", ACME, null);
    await at.prover.step();
    expect(await at.grants.connectClient("connection:1")).toMatchObject({ secret: null, state: "active" });
  });

  it("finds the real install among those that squat its client key", async () => {
    const at = world();
    at.installs.set("connection:1", team);
    for (let n = 0; n < 9; n += 1) await at.claim("connection:1", ACME, `squatter ${n}`);
    await at.claim("connection:1", ACME, SECRET);
    await at.run(10);
    expect(await at.grants.connectClient("connection:1")).toMatchObject({ secret: SECRET });
    expect(await at.grants.claimConnectCandidates({ limit: 100, leaseMs: 0 })).toEqual([]);
  });
});

describe("an install that claims what is not its own", () => {
  it.each<[string, Installed | null, string]>([
    ["has a secret that Bitbucket never gave out", { ...team, secret: "another" }, ACME],
    ["is unknown to Bitbucket", null, ACME],
    ["is really of another workspace", team, OTHER],
    ["is of a person who is a member there", { ...team, account: { type: "user", uuid: JANE } }, ACME],
    ["is of a workspace that may list another's members", { ...team, lists: [OTHER] }, ACME],
  ])("and %s is tried some times, and dropped", async (_, install, workspace) => {
    const at = world();
    if (install !== null) at.installs.set("connection:1", install);
    await at.claim("connection:1", workspace, SECRET);
    await at.run(199);
    expect(at.lines.filter(({ message }) => message.includes("dropped"))).toEqual([]);
    await at.run(20);
    expect(at.lines.filter(({ message }) => message.includes("not proven yet"))).toHaveLength(4);
    expect(at.lines.filter(({ message }) => message.includes("dropped"))).toHaveLength(1);
    expect(await at.grants.connectClient("connection:1")).toBeNull();
    expect(at.grants.deliveries).toEqual([]);
    at.time.now += 3_600_000;
    expect(await at.prover.step()).toBe(false);
  });

  it.each([
    ["names no members", { values: [] }],
    [
      "names members of another workspace",
      { values: [{ permission: "owner", user: { uuid: JANE }, workspace: { uuid: OTHER } }] },
    ],
    ["answers something else", { members: 3 }],
  ])("is not proven where Bitbucket %s", async (_, body) => {
    const at = world();
    at.installs.set("connection:1", team);
    at.members(body);
    await at.claim("connection:1", ACME, SECRET);
    await at.prover.step();
    expect(await at.grants.connectClient("connection:1")).toBeNull();
  });

  it.each([400, 401, 403])(
    "is not proven when only the question whose token it is was refused, with %i",
    async (status) => {
      const at = world();
      at.installs.set("connection:1", { ...team, account: { type: "user", uuid: JANE } });
      await at.claim("connection:1", ACME, SECRET);
      at.fail(() => {
        at.fail(null);
        return new Response(JSON.stringify({ error: "unauthorized_client" }), { status });
      });
      await at.prover.step();
      expect(await at.grants.connectClient("connection:1")).toBeNull();
    },
  );

  it("is not proven where the workspace has another uuid", async () => {
    const at = world();
    at.installs.set("connection:1", team);
    at.workspaces.set(ACME, { type: "workspace", uuid: OTHER, slug: "other" });
    await at.claim("connection:1", ACME, SECRET);
    await at.prover.step();
    expect(await at.grants.connectClient("connection:1")).toBeNull();
  });
});

describe("while Bitbucket", () => {
  it("has not committed the install yet, it is tried again", async () => {
    const at = world();
    await at.claim("connection:1", ACME, SECRET);
    await at.prover.step();
    at.installs.set("connection:1", team);
    at.time.now += 4_999;
    expect(await at.prover.step()).toBe(false);
    at.time.now += 1;
    await at.prover.step();
    expect(await at.grants.connectClient("connection:1")).toMatchObject({ state: "active" });
  });

  it.each<[string, () => Response]>([
    ["is away", () => new Response("bad gateway", { status: 502 })],
    [
      "can not be reached",
      () => {
        throw new TypeError("fetch failed");
      },
    ],
    ["limits us", () => new Response("{}", { status: 429, headers: { "retry-after": "30" } })],
  ])("%s, nothing is held against the install", async (_, how) => {
    const at = world();
    at.installs.set("connection:1", team);
    await at.claim("connection:1", ACME, SECRET);
    at.fail(how);
    await at.run(6 * 3_600);
    expect(at.asked.length).toBeGreaterThan(10);
    expect(at.asked.length).toBeLessThan(200);
    at.fail(null);
    await at.run(600);
    expect(await at.grants.connectClient("connection:1")).toMatchObject({ state: "active" });
  });
});

it("no address but the configured ones is asked, and no secret or token is logged", async () => {
  const at = world();
  at.installs.set("connection:1", team);
  await at.claim("connection:1", ACME, SECRET);
  await at.claim("connection:2", ACME, "squatter's");
  await at.run(300);
  expect([...new Set(at.asked.map(({ url }) => url.origin))].sort()).toEqual([
    "https://api.bitbucket.org",
    "https://bitbucket.org",
  ]);
  for (const { url } of at.asked) expect(url.href).not.toContain("squatter");
  const logged = JSON.stringify(at.lines);
  for (const text of [SECRET, "squatter's", "of connection:1", "eyJ"]) expect(logged).not.toContain(text);
});
