import { afterEach, describe, expect, it } from "@jest/globals";
import type { AccessTokens, MadeToken } from "../../src/engine/access-tokens.ts";
import type { AccessToken } from "../../src/engine/access-tokens-port.ts";
import { NO_ACCESS_TOKENS } from "../support/no-access-tokens.ts";
import { TOKEN as OPERATOR_TOKEN, openSite, type Site } from "./world.ts";

let site: Site | null = null;
afterEach(async () => {
  await site?.close();
  site = null;
});
async function open(tokens: Partial<AccessTokens> = {}): Promise<Site> {
  site = await openSite({ accessTokens: { ...NO_ACCESS_TOKENS, ...tokens } });
  return site;
}

const PATH = "/api/v1/namespaces/acme/tokens";
const TOKEN: AccessToken = {
  id: "aaaqeayeaudaoch7",
  namespace: "acme",
  account: { provider: "github", host: "default", id: "9" },
  name: "ci",
  access: "pull",
  by: { kind: "operator" },
  createdAt: "2026-11-20T12:00:00.000Z",
  expiresAt: "2027-02-18T12:00:00.000Z",
  revokedAt: null,
  lastUsedAt: "2026-11-20T13:00:00.000Z",
};
const SHOWN = {
  id: "whf_aaaqeayeaudaoch7",
  namespace: "acme",
  name: "ci",
  access: "pull",
  account: "github:default:9",
  createdAt: TOKEN.createdAt,
  expiresAt: TOKEN.expiresAt,
  revokedAt: null,
  lastUsedAt: TOKEN.lastUsedAt,
};
const MADE: MadeToken = { kind: "made", token: TOKEN, secret: "whf_the-secret", registry: "registry.example.com" };

function post(opened: Site, body: string, type = "application/json"): Promise<Response> {
  return opened.api(PATH, { method: "POST", body, headers: { "Content-Type": type } });
}

describe("access tokens over the API", () => {
  it("are made as the operator, and shown with the token this once", async () => {
    const asked: unknown[] = [];
    const opened = await open({
      async make(...question) {
        asked.push(question);
        return MADE;
      },
    });
    const answer = await post(opened, '{"name":"ci","access":"push","days":30}');
    expect([answer.status, await answer.json()]).toEqual([
      201,
      { ...SHOWN, token: "whf_the-secret", username: "acme", registry: "registry.example.com" },
    ]);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(asked).toEqual([["acme", { name: "ci", access: "push", days: 30, account: null }, { kind: "operator" }]]);
    expect(JSON.stringify(opened.logged)).not.toContain("the-secret");
  });

  it.each([
    ["unknown-namespace", 404],
    ["no-token-registry", 409],
    ["account", 400],
    ["not-standing", 409],
    ["name-taken", 409],
    ["too-many", 409],
  ] as const)("are refused as %s with %i and the reason", async (code, status) => {
    const opened = await open({ make: async () => ({ kind: "refused", code, why: "It can not be." }) });
    const answer = await post(opened, '{"name":"ci"}');
    expect([answer.status, await answer.json()]).toEqual([status, { error: { code, message: "It can not be." } }]);
  });

  it.each<[string, string, number]>([
    ['{"name":', "application/json", 400],
    ["{}", "application/json", 400],
    ['{"name":"ci","days":0}', "application/json", 400],
    ['{"name":"ci","namespace":"other"}', "application/json", 400],
    ["name=ci", "application/x-www-form-urlencoded", 415],
    ['{"name":"ci"}', "text/plain", 415],
    [`{"name":"${"x".repeat(10_000)}"}`, "application/json", 413],
  ])("are not made of %s as %s", async (body, type, status) => {
    const opened = await open();
    expect((await post(opened, body, type)).status).toBe(status);
  });

  it("are listed in pages, without anything that signs in", async () => {
    const asked: unknown[] = [];
    const opened = await open({
      async list(namespace, query) {
        asked.push([namespace, query]);
        return { items: [TOKEN], next: "more" };
      },
    });
    const answer = await opened.api(`${PATH}?limit=7&cursor=abc`);
    expect([answer.status, await answer.json()]).toEqual([200, { items: [SHOWN], next: "more" }]);
    expect(asked).toEqual([["acme", { limit: 7, cursor: "abc" }]]);
    expect((await opened.api(`${PATH}?limit=0`)).status).toBe(400);
  });

  it("are revoked, by name or id", async () => {
    const asked: unknown[] = [];
    const opened = await open({
      async revoke(...question) {
        asked.push(question);
        return TOKEN;
      },
    });
    const answer = await opened.api(`${PATH}/ci%20of%2Facme`, { method: "DELETE" });
    expect([answer.status, await answer.json()]).toEqual([200, SHOWN]);
    expect(asked).toEqual([["acme", "ci of/acme", { kind: "operator" }]]);
  });

  it("are not there in a namespace nobody has, or that has none of the name", async () => {
    const opened = await open();
    expect((await opened.api(PATH)).status).toBe(404);
    expect((await opened.api(`${PATH}/ci`, { method: "DELETE" })).status).toBe(404);
  });

  it("are for whoever holds the operator's token, and for no session", async () => {
    const asked: string[] = [];
    const opened = await open({
      async list() {
        asked.push("list");
        return null;
      },
      async revoke() {
        asked.push("revoke");
        return null;
      },
      async make() {
        asked.push("make");
        return MADE;
      },
    });
    const cookie = await opened.signIn();
    for (const headers of [{}, { Authorization: `Bearer ${OPERATOR_TOKEN}x` }, { Cookie: cookie }]) {
      const type = { "Content-Type": "application/json" };
      for (const [method, path, body] of [
        ["GET", PATH],
        ["POST", PATH, '{"name":"ci"}'],
        ["DELETE", `${PATH}/ci`],
      ] as const) {
        const init = { method, headers: { ...headers, ...type }, ...(body === undefined ? {} : { body }) };
        expect((await fetch(opened.url + path, init)).status).toBe(401);
      }
    }
    expect(asked).toEqual([]);
  });

  it("say which methods they understand", async () => {
    const opened = await open();
    for (const [method, path, allow] of [
      ["PUT", PATH, "GET, HEAD, POST"],
      ["DELETE", PATH, "GET, HEAD, POST"],
      ["GET", `${PATH}/ci`, "DELETE"],
      ["POST", `${PATH}/ci`, "DELETE"],
    ] as const) {
      const answer = await opened.api(path, { method });
      expect([method, answer.status, answer.headers.get("allow")]).toEqual([method, 405, allow]);
    }
  });
});
