import { afterEach, describe, expect, it } from "@jest/globals";
import type { LifecycleOptions } from "../../src/bitbucket/lifecycle.ts";
import {
  ACME,
  APP,
  createWorld,
  install,
  NOW,
  OTHER,
  REGISTERED,
  SECRET,
  token,
  uninstall,
  type World,
} from "./lifecycle-world.ts";

const APP_SECRET = "the secret of the registered app";
const NEW_SECRET = "the secret of the second install";

let open: World[] = [];
afterEach(async () => {
  await Promise.all(open.map((world) => world.close()));
  open = [];
});

async function world(options: Partial<LifecycleOptions> = {}): Promise<World> {
  const made = await createWorld(options);
  open.push(made);
  return made;
}

/** With one proven client, whose secret is {@link SECRET}. */
async function installed(options: Partial<LifecycleOptions> = {}): Promise<World> {
  const made = await world(options);
  const signed = options.appSecret ? { token: token("installed", { key: options.appSecret }) } : {};
  expect((await made.post("installed", install(), signed)).status).toBe(204);
  await made.proveWith(SECRET);
  made.time.now += 1_000;
  return made;
}

const client = (at: World) => at.grants.connectClient(REGISTERED);

async function candidates(at: World) {
  return at.grants.claimConnectCandidates({ limit: 100, leaseMs: 0 });
}

describe("a first install", () => {
  it("becomes a candidate, and no client", async () => {
    const at = await world();
    const answer = await at.post("installed", install());
    expect(answer).toMatchObject({ status: 204, body: null });
    expect(await candidates(at)).toMatchObject([{ clientKey: REGISTERED, workspace: ACME, secret: SECRET }]);
    expect(await client(at)).toBeNull();
    expect(at.grants.deliveries).toEqual([]);
    expect(at.woken()).toBe(1);
  });

  it("stays one that is forged, whatever token it shows", async () => {
    const at = await world();
    const forged = install({ sharedSecret: "forged" });
    const shown = token("installed", { key: "forged" });
    expect((await at.post("installed", forged, { token: shown })).status).toBe(204);
    expect(await client(at)).toBeNull();
  });

  it("is heard although its client key was squatted", async () => {
    const at = await world();
    for (let n = 0; n < 5; n += 1) await at.post("installed", install({ sharedSecret: `squatter ${n}` }));
    expect((await at.post("installed", install())).status).toBe(204);
    await at.proveWith(SECRET);
    expect(await client(at)).toMatchObject({ secret: SECRET, workspace: ACME, state: "active" });
    expect(await candidates(at)).toEqual([]);
  });

  it("is not signed by the secret of another candidate: a squatter is never the install before", async () => {
    const at = await world();
    await at.post("installed", install({ sharedSecret: "squatter" }));
    const answer = await at.post("uninstalled", uninstall(), { token: token("uninstalled", { key: "squatter" }) });
    expect(answer.status).toBe(401);
    expect(await candidates(at)).toHaveLength(1);
  });

  it("is taken from unregistered apps, whose key says nothing of the workspace", async () => {
    const at = await world();
    expect((await at.post("installed", install({ clientKey: "connection:4711" }))).status).toBe(204);
    expect(await candidates(at)).toMatchObject([{ clientKey: "connection:4711", workspace: ACME }]);
  });

  it("of a person needs the secret of the app when it brings none", async () => {
    const principal = { type: "user", uuid: ACME.slice(1, -1), account_id: "6059" };
    const personal = install({ principal, sharedSecret: undefined });
    const without = await world();
    expect(await without.post("installed", personal)).toMatchObject({
      status: 400,
      body: { error: { message: expect.stringContaining("BITBUCKET_APP_SECRET") } },
    });
    expect(await candidates(without)).toEqual([]);
    const withSecret = await world({ appSecret: APP_SECRET });
    const signed = { token: token("installed", { key: APP_SECRET }) };
    expect((await withSecret.post("installed", personal, signed)).status).toBe(204);
    expect(await candidates(withSecret)).toMatchObject([{ workspace: ACME, secret: null }]);
  });

  it("asks to be sent again while too many wait", async () => {
    const at = await world();
    for (let n = 0; n < 20; n += 1) await at.post("installed", install({ sharedSecret: `squatter ${n}` }));
    const answer = await at.post("installed", install());
    expect(answer.status).toBe(503);
    expect(answer.headers.get("retry-after")).toBe("60");
  });
});

describe("a lifecycle call", () => {
  it.each([
    ["another app", { key: "another" }],
    ["no app", { key: undefined }],
    ["another product", { productType: "jira" }],
    ["another event", { eventType: "uninstalled" }],
    ["a list of events", { eventType: ["installed"] }],
    ["another host", { baseUrl: "https://bitbucket.example" }],
    ["another port", { baseUrl: "https://bitbucket.org:8443" }],
    ["a host that only begins alike", { baseUrl: "https://bitbucket.org.evil.example" }],
    ["a host in its user name", { baseUrl: "https://bitbucket.org@evil.example" }],
    ["no host", { baseUrl: undefined }],
    ["a client key in a list", { clientKey: [REGISTERED] }],
    ["a client key that is an object", { clientKey: { $ne: null } }],
    ["an empty client key", { clientKey: "" }],
    ["a client key of no known form", { clientKey: "acme" }],
    ["a client key of another app", { clientKey: `ari:cloud:bitbucket::app/${ACME}/another` }],
    ["a client key of another workspace", { clientKey: `ari:cloud:bitbucket::app/${OTHER}/${APP}` }],
    ["a client key followed by another line", { clientKey: "connection:1\n" }],
    ["a client key that is far too long", { clientKey: `connection:${"1".repeat(300)}` }],
    ["a secret that is no text", { sharedSecret: { length: 10 } }],
    ["an empty secret", { sharedSecret: "" }],
    ["a secret that is far too long", { sharedSecret: "x".repeat(1_025) }],
    ["a secret with a null in it", { sharedSecret: "secret\u0000" }],
    ["no principal", { principal: undefined }],
    ["a principal of another type", { principal: { type: "app", uuid: ACME } }],
    ["a principal without uuid", { principal: { type: "team" } }],
    ["a principal whose uuid is a name", { principal: { type: "team", uuid: "acme" } }],
    ["a principal with a path for its uuid", { principal: { type: "team", uuid: `${ACME}/../x` } }],
  ])("with %s is refused", async (_, changes) => {
    const at = await world();
    expect((await at.post("installed", install(changes))).status).toBe(400);
    expect(await candidates(at)).toEqual([]);
  });

  it.each([
    ["empty", ""],
    ["not JSON", "{"],
    ["a list", "[]"],
    ["not UTF-8", Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
  ])("whose body is %s is refused", async (_, raw) => {
    const at = await world();
    const { status } = await at.post("installed", null, { raw });
    expect(status).toBe(400);
  });

  it("is not quoted in what refuses it", async () => {
    const at = await world();
    const answers = [
      await at.post("installed", null, { raw: '{"sharedSecret":"quoted-secret" oops' }),
      await at.post("installed", install({ sharedSecret: "quoted-secret", key: "quoted-secret" })),
      await at.post("installed", null, { raw: `{"sharedSecret":"quoted-secret${"x".repeat(70_000)}"}` }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([400, 400, 413]);
    expect(JSON.stringify([answers, at.lines])).not.toContain("quoted-secret");
  });

  it("has to be small, plain JSON", async () => {
    const at = await world();
    const large = JSON.stringify(install({ padding: "x".repeat(64 * 1024) }));
    expect((await at.post("installed", null, { raw: large })).status).toBe(413);
    expect((await at.post("installed", install(), { headers: { "content-type": "text/plain" } })).status).toBe(415);
    expect((await at.post("installed", install(), { headers: { "content-encoding": "gzip" } })).status).toBe(415);
  });

  it("is answered on its own two paths only, and only when posted", async () => {
    const at = await world();
    for (const path of ["installed/", "Installed", "installed/x", "enabled"]) {
      expect((await at.post(path, install())).status).toBe(404);
    }
    for (const method of ["GET", "PUT", "DELETE"]) {
      const answer = await fetch(`${at.url}/installed`, { method });
      expect([answer.status, answer.headers.get("allow")]).toEqual([405, "POST"]);
    }
  });

  it("that only shows its token in the address is not signed", async () => {
    const at = await installed();
    expect((await at.post("uninstalled", uninstall(), { query: `?jwt=${token("uninstalled")}` })).status).toBe(401);
  });
});

describe("a known client", () => {
  it("is not taken over: an unsigned install of it is refused", async () => {
    const at = await installed();
    const answer = await at.post("installed", install({ sharedSecret: "forged" }));
    expect(answer.status).toBe(401);
    expect(await client(at)).toMatchObject({ secret: SECRET });
    expect(await candidates(at)).toEqual([]);
  });

  it.each([
    ["the secret it brings", { key: "forged" }],
    ["the secret of another client", { clientKey: "connection:7" }],
    ["a token of the other call", { claims: { qsh: "0".repeat(64) } }],
    ["a token without expiry", { claims: { exp: undefined } }],
    ["a token from before", { now: NOW - 2 * 3_600_000 }],
  ])("is not taken over with %s", async (_, options) => {
    const at = await installed();
    const forged = install({ sharedSecret: "forged" });
    expect((await at.post("installed", forged, { token: token("installed", options) })).status).toBe(401);
    expect(await client(at)).toMatchObject({ secret: SECRET });
  });

  it("is not removed without its secret", async () => {
    const at = await installed();
    const attempts = [undefined, token("uninstalled", { key: "forged" }), token("installed")];
    for (const shown of attempts)
      expect((await at.post("uninstalled", uninstall(), { token: shown })).status).toBe(401);
    expect(await client(at)).toMatchObject({ state: "active" });
  });

  it("is installed anew with its secret, and then has the new one", async () => {
    const at = await installed();
    const again = install({ sharedSecret: NEW_SECRET });
    expect((await at.post("installed", again, { token: token("installed") })).status).toBe(204);
    expect(await client(at)).toMatchObject({ secret: NEW_SECRET, login: "acme", state: "active" });
    expect(at.forgotten).toEqual([ACME]);
    const told = at.grants.deliveries.at(-1);
    expect(told).toMatchObject({ event: "installed", installationId: ACME, stream: `installation:${ACME}` });
    expect(JSON.parse(String(told?.body))).toEqual({
      event: "installed",
      data: { workspace: { uuid: ACME, slug: "acme", kind: "organization" }, door: "connect" },
    });
    expect((await at.post("uninstalled", uninstall(), { token: token("uninstalled") })).status).toBe(401);
    const right = token("uninstalled", { key: NEW_SECRET });
    expect((await at.post("uninstalled", uninstall(), { token: right })).status).toBe(204);
  });

  it("keeps the name it was proven with, whatever a call says: its token does not cover that", async () => {
    const at = await installed();
    for (const username of [undefined, 7, "<b>acme</b>", "somebody-else"]) {
      at.time.now += 1_000;
      const again = install({ principal: { type: "user", uuid: ACME, username } });
      const shown = token("installed", { now: at.time.now });
      expect((await at.post("installed", again, { token: shown })).status).toBe(204);
      expect(await client(at)).toMatchObject({ login: "acme" });
      expect(String(at.grants.deliveries.at(-1)?.body)).toContain('"slug":"acme"');
    }
  });

  it("is removed with its secret, stays known, and comes back with that secret only", async () => {
    const at = await installed();
    expect((await at.post("uninstalled", uninstall(), { token: token("uninstalled") })).status).toBe(204);
    expect(await client(at)).toMatchObject({ state: "removed", secret: SECRET });
    expect(at.grants.deliveries.at(-1)).toMatchObject({ event: "uninstalled", installationId: ACME });
    expect(at.forgotten).toEqual([ACME]);

    const forged = install({ sharedSecret: "forged" });
    expect((await at.post("installed", forged)).status).toBe(401);
    expect((await at.post("installed", forged, { token: token("installed", { key: "forged" }) })).status).toBe(401);
    expect(await client(at)).toMatchObject({ state: "removed", secret: SECRET });

    const genuine = install({ sharedSecret: NEW_SECRET });
    expect((await at.post("installed", genuine, { token: token("installed") })).status).toBe(204);
    expect(await client(at)).toMatchObject({ state: "active", secret: NEW_SECRET });
  });

  it("is not moved to another workspace", async () => {
    const at = await world();
    const clientKey = "connection:7";
    await at.post("installed", install({ clientKey }));
    await at.proveWith(SECRET);
    const moved = install({ clientKey, principal: { type: "team", uuid: OTHER } });
    const answer = await at.post("installed", moved, { token: token("installed", { clientKey }) });
    expect(answer.status).toBe(403);
    expect(await at.grants.connectClient(clientKey)).toMatchObject({ workspace: ACME });
  });

  it("is removed twice without a word in the journal", async () => {
    const at = await installed();
    await at.post("uninstalled", uninstall(), { token: token("uninstalled") });
    const before = at.grants.deliveries.length;
    const later = token("uninstalled", { now: NOW + 5_000 });
    expect((await at.post("uninstalled", uninstall(), { token: later })).status).toBe(204);
    expect(at.grants.deliveries).toHaveLength(before);
  });

  it("needs a secret to keep: an install without one is refused", async () => {
    const at = await installed();
    const without = install({ sharedSecret: undefined });
    expect((await at.post("installed", without, { token: token("installed") })).status).toBe(400);
    expect(await client(at)).toMatchObject({ secret: SECRET });
  });
});

describe("a token that is shown again", () => {
  it("vouches for no other body", async () => {
    const at = await installed();
    const shown = token("installed");
    expect((await at.post("installed", install({ sharedSecret: SECRET }), { token: shown })).status).toBe(204);
    expect((await at.post("installed", install({ sharedSecret: "forged" }), { token: shown })).status).toBe(401);
    expect(await client(at)).toMatchObject({ secret: SECRET });
  });

  it("gets the same answer for the same body, and changes nothing", async () => {
    const at = await installed();
    const shown = token("installed");
    await at.post("installed", install(), { token: shown });
    await at.post("uninstalled", uninstall(), { token: token("uninstalled") });
    const before = at.grants.deliveries.length;
    expect((await at.post("installed", install(), { token: shown })).status).toBe(204);
    expect(await client(at)).toMatchObject({ state: "removed" });
    expect(at.grants.deliveries).toHaveLength(before);
  });

  it.each([
    ["threw", async () => Promise.reject(new Error("the database is away"))],
    ["changed nothing", async () => false],
  ])("may be shown again when what was asked %s", async (_, fail) => {
    const { grants } = await world();
    let failing = true;
    const renewConnectClient: typeof grants.renewConnectClient = (...given) =>
      failing ? fail() : grants.renewConnectClient(...given);
    const at = await world({ grants: { ...grants, renewConnectClient } });
    await at.post("installed", install());
    const [candidate] = await grants.claimConnectCandidates({ limit: 1, leaseMs: 0 });
    const [journalled] = (await installed()).grants.deliveries;
    if (candidate === undefined || journalled === undefined) throw new Error("nothing to prove");
    await grants.proveConnectCandidate(candidate.id, { kind: "organization", login: "acme" }, journalled);
    const shown = token("installed");
    const again = install({ sharedSecret: NEW_SECRET });
    expect((await at.post("installed", again, { token: shown })).status).toBe(503);
    failing = false;
    expect((await at.post("installed", again, { token: shown })).status).toBe(204);
    expect(await grants.connectClient(REGISTERED)).toMatchObject({ secret: NEW_SECRET });
  });
});

describe("with the secret of the app", () => {
  const signed = (event: "installed" | "uninstalled", now = NOW) => ({ token: token(event, { key: APP_SECRET, now }) });

  it("every call has to be signed with it", async () => {
    const at = await world({ appSecret: APP_SECRET });
    const own = token("installed");
    for (const shown of [undefined, own]) {
      expect((await at.post("installed", install(), { token: shown })).status).toBe(401);
      expect((await at.post("uninstalled", uninstall(), { token: shown })).status).toBe(401);
    }
    expect(await candidates(at)).toEqual([]);
    expect((await at.post("installed", install(), signed("installed"))).status).toBe(204);
    expect(await candidates(at)).toHaveLength(1);
  });

  it("a known client changes with it, and not with its own", async () => {
    const at = await installed({ appSecret: APP_SECRET });
    const again = install({ sharedSecret: NEW_SECRET });
    expect((await at.post("installed", again, { token: token("installed") })).status).toBe(401);
    expect((await at.post("installed", again, signed("installed"))).status).toBe(204);
    expect(await client(at)).toMatchObject({ secret: NEW_SECRET });
    expect((await at.post("uninstalled", uninstall(), signed("uninstalled"))).status).toBe(204);
    expect(await client(at)).toMatchObject({ state: "removed" });
  });

  it("removing what is not here is done already", async () => {
    const at = await world({ appSecret: APP_SECRET });
    expect((await at.post("uninstalled", uninstall(), signed("uninstalled"))).status).toBe(204);
    expect(at.grants.deliveries).toEqual([]);
  });
});

it("is seen at once by the doors of this process", async () => {
  const forgotten: string[] = [];
  const at = await installed({ clients: { forget: (clientKey) => void forgotten.push(clientKey) } });
  await at.post("installed", install(), { token: token("installed") });
  expect(forgotten).toEqual([REGISTERED]);
  await at.post("uninstalled", uninstall(), { token: token("uninstalled") });
  expect(forgotten).toEqual([REGISTERED, REGISTERED]);
});

describe("when something is in the way", () => {
  it("a store that fails is answered 503, and nothing secret is told or logged", async () => {
    const failing = async () => {
      throw new Error(`no such table: candidates, near '${SECRET}'`);
    };
    const { grants } = await world();
    const at = await world({ grants: { ...grants, addConnectCandidate: failing } });
    const answer = await at.post("installed", install());
    expect(answer.status).toBe(503);
    expect(at.lines).toMatchObject([{ level: "error", fields: { problem: expect.stringContaining("no such table") } }]);
    expect(JSON.stringify([answer.body, at.lines])).not.toContain(SECRET);
  });

  it("a sender who calls too often waits for the next minute", async () => {
    const at = await world({ limits: { perSender: 2, inAll: 100 } });
    const statuses = [];
    for (let n = 0; n < 3; n += 1) statuses.push((await at.post("installed", install())).status);
    expect(statuses).toEqual([204, 204, 429]);
    at.time.now += 60_000;
    expect((await at.post("installed", install())).status).toBe(204);
  });

  it("no signed call because strangers call too often: Bitbucket does not repeat it", async () => {
    const at = await installed({ limits: { perSender: 1, inAll: 1 } });
    const claim = install({ clientKey: "connection:7" });
    expect((await at.post("installed", claim)).status).toBe(429);
    expect((await at.post("installed", install({ sharedSecret: "forged" }))).status).toBe(401);
    const again = install({ sharedSecret: NEW_SECRET });
    expect((await at.post("installed", again, { token: token("installed") })).status).toBe(204);
    const right = token("uninstalled", { key: NEW_SECRET });
    expect((await at.post("uninstalled", uninstall(), { token: right })).status).toBe(204);
  });

  it("nothing secret is logged on the way of a whole life", async () => {
    const at = await installed();
    await at.post("installed", install({ sharedSecret: NEW_SECRET }), { token: token("installed") });
    await at.post("uninstalled", uninstall(), { token: token("uninstalled", { key: NEW_SECRET }) });
    expect(at.lines.length).toBeGreaterThan(2);
    const all = JSON.stringify([at.lines, at.grants.deliveries.map(({ body }) => body.toString("utf8"))]);
    for (const secret of [SECRET, NEW_SECRET, "MIGfMA0"]) expect(all).not.toContain(secret);
  });
});
