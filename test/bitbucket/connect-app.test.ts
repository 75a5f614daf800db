import { afterEach, describe, expect, it } from "@jest/globals";
import type { ConnectAppOptions } from "../../src/bitbucket/connect-app.ts";
import { signJwt } from "../../src/bitbucket/jwt.ts";
import { failed } from "../../src/core/model.ts";
import {
  ACME,
  answerOf,
  build,
  CLIENT,
  configure,
  createWorld,
  installation,
  MEMBER,
  membersOf,
  NOW,
  OTHER,
  OWNER,
  prove,
  repositoryPage,
  SECRET,
  signed,
  token,
  type World,
} from "./connect-world.ts";

let open: World[] = [];
afterEach(async () => {
  await Promise.all(open.map((world) => world.close()));
  open = [];
});

async function world(options: Partial<ConnectAppOptions> = {}): Promise<World> {
  const made = await createWorld(options);
  open.push(made);
  return made;
}

const SECONDS = NOW / 1000;

describe("the settings of a workspace", () => {
  it("are shown to an owner, with its repositories and last builds", async () => {
    const at = await world();
    const answer = await at.get(signed(configure()));
    const html = await answer.text();
    expect(answer.status).toBe(200);
    for (const text of ["acme", "active", "acme/api", "latest", "Succeeded"]) expect(html).toContain(text);
    expect(at.read).toEqual([ACME]);
    expect(at.asked.map(({ path }) => path)).toEqual([
      `/2.0/workspaces/${encodeURIComponent(ACME)}/permissions?q=permission%3D%22owner%22&pagelen=100`,
    ]);
  });

  it("are not shown to a member, nor to anybody else", async () => {
    const at = await world();
    for (const user of [MEMBER, "{00000000-1111-4222-8333-444455556666}"]) {
      const answer = await at.get(signed(configure({ user })));
      expect(answer.status).toBe(403);
      const html = await answer.text();
      expect(html).toContain("Only owners");
      expect(html).not.toContain("acme/api");
    }
    expect(at.read).toEqual([]);
  });

  it.each([
    ["not be reached", () => failed("Bitbucket did not answer", { retryable: true })],
    ["refuse", (request: Parameters<typeof answerOf>[0]) => answerOf(request, 403, { error: { message: "no" } })],
    ["answer something else", (request: Parameters<typeof answerOf>[0]) => answerOf(request, 200, { owners: 1 })],
  ])("are not shown when Bitbucket should %s", async (_, answer) => {
    const at = await world({ access: { callWith: async (_credential, request) => answer(request) } });
    const page = await at.get(signed(configure()));
    expect(page.status).toBe(503);
    expect(await page.text()).toContain("did not say whether you own");
    expect(at.read).toEqual([]);
  });

  it("do not trust the filter of the question, nor owners of other workspaces", async () => {
    for (const members of [{ values: [{ permission: "member", user: { uuid: OWNER } }] }, membersOf(OTHER)]) {
      const at = await world({ access: { callWith: async (_credential, request) => answerOf(request, 200, members) } });
      expect((await at.get(signed(configure()))).status).toBe(403);
    }
  });

  it("ask for every page of owners, with the client's own secret, once a minute", async () => {
    const credentials: unknown[] = [];
    const second = "https://api.bitbucket.org/2.0/workspaces/x/permissions?page=2";
    const at = await world({
      access: {
        async callWith(credential, request) {
          credentials.push(credential);
          const none = { values: [], next: second };
          return answerOf(request, 200, request.path === second ? membersOf(ACME) : none);
        },
      },
    });
    expect((await at.get(signed(configure()))).status).toBe(200);
    expect((await at.get(signed(configure()))).status).toBe(200);
    expect(credentials).toEqual(Array(2).fill({ clientKey: CLIENT, secret: SECRET }));
    at.time.now += 60_000;
    expect((await at.get(signed(configure()))).status).toBe(200);
    expect(credentials).toHaveLength(4);
  });

  it("are of the workspace that has signed, and no other", async () => {
    const at = await world();
    expect((await at.get(signed(configure({ workspace: OTHER })))).status).toBe(403);
  });

  it.each([
    ["a workspace that was not filled in", { workspace: "{workspace.uuid}" }],
    ["a user that was not filled in", { user: "{user.uuid}" }],
    ["no user", { user: "" }],
  ])("are not shown for %s", async (_, query) => {
    const at = await world();
    expect((await at.get(signed(configure(query)))).status).toBe(400);
  });

  it("are not shown for two users at once", async () => {
    const at = await world();
    expect((await at.get(signed(`${configure()}&user=${encodeURIComponent(MEMBER)}`))).status).toBe(400);
  });

  it("say so when nothing is recorded yet", async () => {
    const at = await world({ settings: { show: async () => null } });
    const answer = await at.get(signed(configure()));
    expect([answer.status, (await answer.text()).includes("being recorded")]).toEqual([404, true]);
  });
});

describe("a form on that page", () => {
  const FORM = "/bitbucket/configure";
  const MINUTE = 60_000;

  /** What the page's forms carry, for this user. */
  async function tokenFor(at: World, user = OWNER): Promise<string> {
    await at.get(signed(configure({ user })));
    return at.shown.at(-1)?.formToken ?? "";
  }

  function send(at: World, fields: Record<string, string>): Promise<Response> {
    return at.get(FORM, { method: "POST", body: new URLSearchParams(fields) });
  }

  it("says who sends it, and is answered by the page with a new token", async () => {
    const at = await world();
    const frame_token = await tokenFor(at);
    at.time.now += MINUTE;
    const answer = await send(at, { frame_token, change: "pause" });
    expect(answer.status).toBe(200);
    expect(at.shown.at(-1)).toEqual({ formToken: expect.any(String), change: "pause" });
    expect(at.shown.at(-1)?.formToken).not.toBe(frame_token);
    expect(answer.headers.get("content-security-policy")).toContain("form-action 'self'");
    expect(answer.headers.get("content-security-policy")).toContain("frame-ancestors https://bitbucket.org");
  });

  it.each([
    ["nothing", () => ""],
    ["what is no token", () => "a.b"],
    ["a token of another page", () => token(configure())],
    ["three parts", (given: string) => `${given}.x`],
    ["another user", (given: string) => changed(given, { user: MEMBER })],
    ["a later end", (given: string) => changed(given, { until: NOW + 999 * MINUTE })],
    ["another client", (given: string) => changed(given, { clientKey: "connection:8" })],
    ["a shorter seal", (given: string) => given.slice(0, -4)],
    ["more than anybody reads", (given: string) => given + "x".repeat(2_000)],
  ])("with %s for a token does nothing", async (_, forge) => {
    const at = await world();
    const given = await tokenFor(at);
    const before = at.shown.length;
    const answer = await send(at, { frame_token: forge(given), change: "pause" });
    expect([answer.status, at.shown.length]).toEqual([401, before]);
    expect(at.lines).toEqual([[{}, "a form in Bitbucket's frame was not taken"]]);
    expect(await answer.text()).toContain("Open it in Bitbucket again");
  });

  it("that is too large is not read", async () => {
    const at = await world();
    const answer = await send(at, { frame_token: await tokenFor(at), value: "x".repeat(200_000) });
    expect([answer.status, at.shown.length]).toEqual([413, 1]);
    expect(await answer.text()).toContain("at most 32 KiB");
  });

  it("is too old after a quarter of an hour, and after an hour however often one is sent", async () => {
    const at = await world();
    let frame_token = await tokenFor(at);
    at.time.now += 15 * MINUTE;
    expect((await send(at, { frame_token })).status).toBe(401);
    at.time.now -= MINUTE;
    for (let sent = 0; sent < 4; sent += 1) {
      expect((await send(at, { frame_token })).status).toBe(200);
      frame_token = at.shown.at(-1)?.formToken ?? "";
      at.time.now += 11 * MINUTE;
    }
    at.time.now += 2 * MINUTE;
    expect((await send(at, { frame_token })).status).toBe(401);
  });

  it("does nothing for who owns the workspace no more, nor once the app is uninstalled", async () => {
    const owners = { of: ACME };
    const at = await world({
      access: { callWith: async (_credential, request) => answerOf(request, 200, membersOf(owners.of)) },
    });
    const frame_token = await tokenFor(at);
    owners.of = OTHER;
    at.time.now += MINUTE;
    const before = at.shown.length;
    expect((await send(at, { frame_token, change: "pause" })).status).toBe(403);
    const [delivery] = at.grants.deliveries;
    if (delivery === undefined) throw new Error("no delivery");
    await at.grants.removeConnectClient(CLIENT, { ...delivery, deliveryId: "uninstalled-1" });
    at.clients.forget(CLIENT);
    expect((await send(at, { frame_token, change: "pause" })).status).toBe(401);
    expect(at.shown).toHaveLength(before);
  });
});

/** The same token, telling something else. */
function changed(given: string, claims: object): string {
  const [body = "", seal = ""] = given.split(".");
  const told = JSON.parse(Buffer.from(body, "base64url").toString()) as object;
  return `${Buffer.from(JSON.stringify({ ...told, ...claims })).toString("base64url")}.${seal}`;
}

describe("the page of a repository", () => {
  it("shows its builds", async () => {
    const at = await world();
    const answer = await at.get(signed(repositoryPage()));
    expect(answer.status).toBe(200);
    expect(await answer.text()).toContain("Images of acme/api");
    expect(at.asked).toEqual([]);
  });

  it("shows nothing of a repository that is not the workspace's", async () => {
    const at = await world();
    const repository = "{00000000-1111-4222-8333-444455556666}";
    expect((await at.get(signed(repositoryPage({ repository })))).status).toBe(404);
    expect((await at.get(signed(repositoryPage({ repository: "acme/api" })))).status).toBe(400);
  });

  it("says of what pull request a build is, and that it publishes nothing", async () => {
    const pullRequest = { number: 5, target: "main", fork: true };
    const builds = async () => [{ ...build, publishes: false, tags: [], pullRequest }];
    const at = await world({ readers: { installation: async () => installation, builds } });
    const text = await (await at.get(signed(repositoryPage()))).text();
    expect(text).toMatch(/#5 into <code>main<\/code>\s+<code>0123456<\/code>, from a fork/);
    expect(text).toContain("not published");
  });

  it("escapes what people have named", async () => {
    const name = `<script src="https://evil.example"></script>`;
    const at = await world({
      readers: {
        installation: async () => ({ ...installation, login: name }),
        builds: async () => [
          { ...build, image: name, ref: name, tags: [name] },
          { ...build, pullRequest: { number: 5, target: name, fork: true } },
        ],
      },
    });
    for (const path of [configure(), repositoryPage()]) {
      expect(await (await at.get(signed(path))).text()).not.toContain('<script src="https://evil');
    }
  });
});

describe("a page", () => {
  const path = configure();
  const paths: readonly [string, (at: World) => string][] = [
    ["without a token", () => path],
    ["with an empty token", () => `${path}&jwt=`],
    ["with what is no token", () => `${path}&jwt=a.b.c`],
    ["with two tokens", () => `${signed(path)}&jwt=${token(path)}`],
    ["with a forged token", () => signed(path, { key: "somebody else's" })],
    [
      "with the token of an unknown client",
      () => signed(path, { claims: { iss: "connection:8", aud: "connection:8" } }),
    ],
    ["with a client key that is a list", () => signed(path, { claims: { iss: [CLIENT], aud: [CLIENT] } })],
    ["with a token without expiry", () => signed(path, { claims: { exp: undefined } })],
    ["with an expired token", () => signed(path, { claims: { exp: SECONDS - 60 } })],
    ["with a token of the future", () => signed(path, { claims: { iat: SECONDS + 61 } })],
    ["with a token for another audience", () => signed(path, { claims: { iss: "connection:8", aud: CLIENT } })],
    ["with a token without an address", () => signed(path, { claims: { qsh: undefined } })],
    ["with the token of another page", () => `${path}&jwt=${token(repositoryPage())}`],
    ["with the token of another user", () => `${path}&jwt=${token(configure({ user: MEMBER }))}`],
    ["with another parameter", () => `${signed(path)}&more=1`],
    ["with alg none", () => `${path}&jwt=${unsigned(token(path))}`],
    ["with a session token", () => `${path}&jwt=${sessionToken()}`],
    ["with a session token as the library takes it", () => `${path}&acpt=${sessionToken()}`],
  ];

  it.each(paths)("%s is not shown", async (_, address) => {
    const at = await world();
    const answer = await at.get(address(at));
    expect(answer.status).toBe(401);
    expect(await answer.text()).toContain("has not signed this address");
    expect(answer.headers.get("x-acpt")).toBeNull();
    expect([at.read, at.asked]).toEqual([[], []]);
  });

  it("is not shown for a token in a header: only addresses are signed", async () => {
    const at = await world();
    for (const headers of [{ authorization: `JWT ${token(path)}` }, { "x-acpt": sessionToken() }]) {
      expect((await at.get(path, { headers })).status).toBe(401);
    }
  });

  it("is not shown for an install that is removed, or not proven", async () => {
    const at = await world();
    const claims = { iss: "connection:9", aud: "connection:9" };
    await at.grants.addConnectCandidate({ clientKey: "connection:9", workspace: ACME, secret: "squatter's" });
    expect((await at.get(signed(path, { key: "squatter's", claims }))).status).toBe(401);
    const [delivery] = at.grants.deliveries;
    if (delivery === undefined) throw new Error("no delivery");
    await at.grants.removeConnectClient(CLIENT, { ...delivery, deliveryId: "uninstalled-1" });
    expect((await at.get(signed(path))).status).toBe(401);
  });

  it("is framed by the configured Bitbucket only, and sends its address nowhere", async () => {
    const at = await world({ webUrl: "https://bitbucket.example:7443/" });
    for (const address of [signed(path), path, signed(repositoryPage()), "/bitbucket/welcome"]) {
      const { headers } = await at.get(address);
      const policy = headers.get("content-security-policy")?.split("; ");
      expect(policy).toContain("frame-ancestors https://bitbucket.example:7443");
      expect(policy).toContain("script-src 'self' https://bitbucket.example:7443");
      expect(policy).toContain("default-src 'none'");
      expect(headers.get("x-frame-options")).toBeNull();
      expect(headers.get("referrer-policy")).toBe("no-referrer");
      expect(headers.get("cache-control")).toBe("no-store");
    }
  });

  it("gives away no token, neither in headers nor in its text nor in the log", async () => {
    const at = await world();
    for (const address of [signed(path), signed(repositoryPage()), `${path}&jwt=${token(repositoryPage())}`]) {
      const answer = await at.get(address);
      expect(JSON.stringify([...answer.headers]) + (await answer.text())).not.toContain("eyJ");
    }
    expect(JSON.stringify(at.lines)).not.toContain("eyJ");
  });

  it("that fails says so without the reason, and logs it without the address", async () => {
    const broken = async () => {
      throw new Error("no such table: builds");
    };
    const at = await world({ readers: { installation: broken, builds: broken } });
    const answer = await at.get(signed(repositoryPage()));
    expect(answer.status).toBe(500);
    expect(await answer.text()).not.toContain("no such table");
    expect(at.lines).toMatchObject([
      [{ path: "/bitbucket/repository", err: { message: "no such table: builds" } }, expect.anything()],
    ]);
    expect(JSON.stringify(at.lines)).not.toContain("jwt=");
  });

  it("that can not look its client up says so, and does not hang", async () => {
    const at = await world({ clients: { find: async () => Promise.reject(new Error("the database is away")) } });
    expect((await at.get(signed(path))).status).toBe(500);
  });

  it("is read with GET", async () => {
    const at = await world();
    for (const address of [repositoryPage(), "/bitbucket/welcome", "/atlassian-connect.json"]) {
      expect((await at.get(address, { method: "POST" })).status).toBe(405);
    }
    expect((await at.get(path, { method: "DELETE" })).status).toBe(405);
  });

  it("after an install needs no token and tells nothing", async () => {
    const at = await world();
    const answer = await at.get("/bitbucket/welcome?user_uuid=x");
    expect([answer.status, at.read]).toEqual([200, []]);
    // Where nobody can sign in, nothing leads there.
    expect(await answer.text()).not.toContain("Sign in");
  });

  it("is verified with the secret of the app where the install has none", async () => {
    const at = await world({ appSecret: "of the app" });
    await prove(at.grants, "connection:9", ACME, "x");
    const before = await at.grants.connectClient("connection:9");
    expect(before).not.toBeNull();
    const [delivery] = at.grants.deliveries;
    if (delivery === undefined) throw new Error("no delivery");
    const renewed = { kind: "user", login: "acme", secret: null } as const;
    await at.grants.renewConnectClient("connection:9", renewed, { ...delivery, deliveryId: "installed-2" });
    const claims = { iss: "connection:9", aud: "connection:9" };
    expect((await at.get(signed(repositoryPage(), { key: "of the app", claims }))).status).toBe(200);
    expect((await at.get(signed(repositoryPage(), { key: "x", claims }))).status).toBe(401);
  });
});

describe("two apps in one process", () => {
  it("each have their own clients", async () => {
    const [one, two] = [await world(), await world()];
    await prove(two.grants, "connection:2", ACME, "of the second");
    const claims = { iss: "connection:2", aud: "connection:2" };
    const address = signed(repositoryPage(), { key: "of the second", claims });
    expect((await two.get(address)).status).toBe(200);
    expect((await one.get(address)).status).toBe(401);
    expect((await one.get(signed(repositoryPage()))).status).toBe(200);
  });
});

/** As the library makes them for every page it shows. */
function sessionToken(): string {
  const claims = { iss: "wharfinger", aud: [CLIENT], iat: SECONDS, exp: SECONDS + 900 };
  return signJwt({ key: SECRET, claims });
}

function unsigned(given: string): string {
  const [, claims, signature] = given.split(".");
  return [Buffer.from('{"alg":"none","typ":"JWT"}').toString("base64url"), claims, signature].join(".");
}
