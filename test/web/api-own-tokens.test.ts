import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { API_TOKEN_ROLES } from "../../src/core/api-tokens.ts";
import { ACTIONS, mayDo } from "../../src/core/roles.ts";
import { TOKEN_RATE } from "../../src/web/api.ts";
import { API_ROUTES } from "../../src/web/openapi.ts";
import { type ApiCall, callsOf, prepare } from "./api-calls.ts";
import { type ApiWorld, EIGHT, openApi, SEVEN } from "./api-world.ts";

const AT = "/installations/github/default/7";
const TOKENS = `${AT}/api-tokens`;

let world: ApiWorld;

function codeIn(json: unknown): unknown {
  return typeof json === "object" && json !== null && "error" in json
    ? (json.error as { readonly code: string }).code
    : null;
}

describe("API tokens over the API", () => {
  beforeEach(async () => {
    world = await openApi();
  });
  afterEach(() => world.close());

  it("are made as the operator, shown this once, listed without their secret, and revoked", async () => {
    const made = await world.ask(null, "POST", TOKENS, { name: "report", role: "write", days: 30 });
    expect(made.status).toBe(201);
    const { token, ...shown } = made.json as { token: string; id: string };
    expect(token).toMatch(/^wha_[a-z2-7]{16}_[a-z2-7]{32}$/);
    expect(shown).toMatchObject({ installation: SEVEN, name: "report", role: "write", lastUsedAt: null });
    const listed = await world.ask(null, "GET", TOKENS);
    expect([listed.json, JSON.stringify(listed.json).includes(token)]).toEqual([{ items: [shown], next: null }, false]);
    expect((await world.ask(token, "GET", "/builds")).status).toBe(200);
    expect((await world.ask(null, "DELETE", `${TOKENS}/report`)).json).toMatchObject({ revokedAt: expect.any(String) });
    const over = await world.ask(token, "GET", "/builds");
    expect([over.status, over.headers.get("www-authenticate")]).toEqual([401, 'Bearer realm="wharfinger"']);
    expect((await world.ask(null, "DELETE", `${TOKENS}/report`)).status).toBe(404);
    expect(JSON.stringify(world.site.logged)).not.toContain(token.split("_")[2]);
  });

  it.each<[object, number, string]>([
    [{}, 400, "bad-token"],
    [{ name: "report", role: "operator" }, 400, "bad-token"],
    [{ name: "report", days: 1_000 }, 400, "bad-token"],
    [{ name: "report", installation: "github:default:8" }, 400, "bad-token"],
  ])("are not made of %j", async (wish, status, code) => {
    const { json, ...answer } = await world.ask(null, "POST", TOKENS, wish);
    expect([answer.status, codeIn(json)]).toEqual([status, code]);
  });

  it("are refused by name where there is one, and where there is no such installation", async () => {
    await world.ask(null, "POST", TOKENS, { name: "report" });
    expect(codeIn((await world.ask(null, "POST", TOKENS, { name: "report" })).json)).toBe("name-taken");
    const nowhere = "/installations/github/default/70/api-tokens";
    expect((await world.ask(null, "POST", nowhere, { name: "report" })).status).toBe(404);
    expect((await world.ask(null, "GET", nowhere)).status).toBe(404);
    expect((await world.ask(null, "GET", "/installations/gitlab/default/7/api-tokens")).status).toBe(404);
  });

  it("open the API also where no ADMIN_TOKEN is configured", async () => {
    await world.close();
    world = await openApi({ adminToken: null });
    expect((await world.ask(await world.token("read"), "GET", "/builds")).status).toBe(200);
    expect((await fetch(`${world.site.url}/api/v1/builds`)).status).toBe(403);
  });

  it("open no page, and are not taken from an address or a cookie", async () => {
    const token = await world.token("owner");
    const { url } = world.site;
    const headers = { Accept: "text/html", Authorization: `Bearer ${token}` };
    expect((await fetch(`${url}/builds`, { headers, redirect: "manual" })).status).toBe(303);
    for (const cookie of [`wharfinger=${token}`, `__Host-wharfinger=${token}`]) {
      expect((await fetch(`${url}/api/v1/builds`, { headers: { Cookie: cookie } })).status).toBe(401);
    }
    expect((await fetch(`${url}/api/v1/builds?token=${token}`)).status).toBe(401);
    expect((await fetch(`${url}/metrics`, { headers })).status).toBe((await fetch(`${url}/metrics`)).status);
  });

  it("act in their own name, in the audit log and in approvals", async () => {
    const token = await world.token("owner");
    expect((await world.ask(token, "PATCH", `${AT}/policy`, { brake: 3 })).status).toBe(200);
    expect((await world.ask(token, "POST", `/builds/${world.builds.held}/approve`)).status).toBe(200);
    const by = { kind: "token", provider: null, host: null, actor: { id: token.slice(0, 20), login: "token 1" } };
    const { json } = await world.ask(null, "GET", "/audit?installation=github:default:7");
    const { items } = json as { items: { by: unknown; action: string }[] };
    expect(items.slice(0, 2)).toMatchObject([
      { action: "build.approved", by },
      { action: "policy.changed", by },
    ]);
    const build = await world.ask(token, "GET", `/builds/${world.builds.held}`);
    expect(build.json).toMatchObject({ approval: { actor: { id: token.slice(0, 20), login: "API token token 1" } } });
  });

  it("act for nobody else", async () => {
    const token = await world.token("owner");
    const actor = { id: "5", login: "ann" };
    const approving = await world.ask(token, "POST", `/builds/${world.builds.held}/approve`, { actor });
    expect([approving.status, codeIn(approving.json)]).toEqual([400, "bad-actor"]);
    const body = { installation: "github:default:7", actor };
    expect((await world.ask(token, "POST", "/namespaces/acme/codes", body)).status).toBe(400);
    expect((await world.store.getBuild(world.builds.held))?.state).toBe("held");
  });

  it("see and change nothing of a namespace that another account writes, too", async () => {
    const token = await world.token("owner");
    const tokens = "/namespaces/acme/tokens";
    expect((await world.ask(token, "POST", tokens, { name: "ci" })).status).toBe(201);
    const third = { ...SEVEN, id: "19", login: "third", kind: "organization" } as const;
    const insists = {
      share: true,
      anyway: true,
      registry: "default",
      why: "a test",
      by: { kind: "operator" },
    } as const;
    await world.store.grantNamespace({ ...insists, namespace: "acme", account: third, login: "third" });
    expect((await world.ask(token, "GET", tokens)).status).toBe(404);
    expect((await world.ask(token, "DELETE", `${tokens}/ci`)).status).toBe(404);
    expect((await world.ask(null, "GET", tokens)).status).toBe(200);
  });

  it("may ask so often, and the operator as often as they like", async () => {
    const usual = await world.ask(await world.token("read"), "GET", "/builds");
    expect(usual.headers.get("ratelimit-policy")).toBe(`"token";q=${TOKEN_RATE};w=60`);
    await world.close();
    world = await openApi({ tokenRate: 3 });
    const token = await world.token("read");
    const ask = (bearer: string | null) => world.ask(bearer, "GET", "/installations");
    const answers = [await ask(token), await ask(token), await ask(token), await ask(token)];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429]);
    expect(answers[0]?.headers.get("ratelimit")).toBe('"token";r=2;t=20');
    expect(Number(answers[3]?.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(codeIn(answers[3]?.json)).toBe("too-many-requests");
    for (let count = 0; count < 6; count += 1) expect((await ask(null)).status).toBe(200);
    expect((await ask(null)).headers.get("ratelimit")).toBeNull();
  });
});

describe("with an API token", () => {
  let calls: readonly ApiCall[];
  beforeAll(async () => {
    world = await openApi();
    calls = callsOf(world, await prepare(world));
  });
  afterAll(() => world.close());

  it.each(API_TOKEN_ROLES)(
    "of the role %s every route asks for the role it names, in its own installation",
    async (role) => {
      const token = await world.token(role);
      for (const { id, method, path, body } of calls) {
        const access = API_ROUTES.find((spec) => spec.id === id)?.access ?? "public";
        const { status, json } = await world.ask(token, method, path.replace("default/9/", "default/7/"), body);
        const may =
          access === "public" ||
          (access.at !== "instance" && access.tokens !== false && mayDo(role, access.action)) ||
          // Of the instance as a whole nothing is a token's.
          false;
        expect([id, role, status === 401 || status === 403]).toEqual([id, role, !may]);
        if (!may) expect([id, codeIn(json)]).toEqual([id, "not-allowed"]);
        if (access !== "public" && access.at === "instance") expect(ACTIONS[access.action].of).toBe("instance");
      }
    },
  );

  it("of another installation nothing is seen and nothing changes", async () => {
    const token = await world.token("owner", EIGHT);
    const before = await world.store.listAudit({ limit: 100, cursor: null });
    for (const { id, method, path, body } of calls) {
      const access = API_ROUTES.find((spec) => spec.id === id)?.access ?? "public";
      if (access === "public") continue;
      const { status, json } = await world.ask(token, method, path, body);
      if (access.at === "own" && method === "GET") {
        if (status === 403) continue;
        // Lists have what is its own, and nothing else.
        expect([id, status]).toEqual([id, 200]);
        const text = JSON.stringify(json);
        for (const secret of [world.builds.queued, world.builds.held, '"login":"acme"', "repository-1"]) {
          expect([id, secret, text.includes(secret)]).toEqual([id, secret, false]);
        }
        continue;
      }
      expect([id, status]).toEqual([id, status === 403 ? 403 : 404]);
    }
    expect(await world.store.listAudit({ limit: 100, cursor: null })).toEqual(before);
    const line = { token: token.slice(0, 20), installation: "github:default:8" };
    for (const more of [
      { action: "policy.change", reason: "not-allowed", path: `${AT}/policy` },
      { action: "build.see", reason: "not-found", path: `/builds/${world.builds.queued}` },
    ]) {
      expect(world.site.logged).toContainEqual({ ...line, ...more });
    }
  });

  it("lists have what is the installation's own, page by page", async () => {
    const token = await world.token("owner", EIGHT);
    const ids = async (path: string) => {
      const { json } = await world.ask(token, "GET", path);
      return (json as { items: { id: string }[] }).items.map(({ id }) => id);
    };
    expect(await ids("/builds")).toEqual([world.builds.theirs]);
    expect(await ids("/deliveries")).toEqual([world.deliveries.theirs]);
    expect(await ids("/installations")).toEqual(["8"]);
    const audit = await world.ask(token, "GET", "/audit?limit=100");
    const of = (audit.json as { items: { installation: { id: string } | null }[] }).items.map(
      (one) => one.installation?.id,
    );
    expect(new Set(of)).toEqual(new Set(["8"]));
    expect((await world.ask(token, "GET", "/audit?installation=github:default:8")).status).toBe(200);
    expect((await world.ask(token, "GET", "/audit?installation=github:default:7")).status).toBe(403);
  });

  it("what is not there and what is another's can not be told apart", async () => {
    const token = await world.token("owner", EIGHT);
    for (const [path, none] of [
      [`/builds/${world.builds.queued}`, "/builds/none"],
      [`/builds/${world.builds.queued}/log`, "/builds/none/log"],
      [`/deliveries/${world.deliveries.queued}`, "/deliveries/99999"],
      ["/namespaces/acme/tokens", "/namespaces/nobody/tokens"],
      [AT, "/installations/github/default/70"],
      [`${AT}/variables`, "/installations/github/default/70/variables"],
    ] as const) {
      const [one, other] = [await world.ask(token, "GET", path), await world.ask(token, "GET", none)];
      expect([path, one.status, one.json]).toEqual([path, other.status, other.json]);
    }
  });
});
