import { afterEach, describe, expect, it } from "@jest/globals";
import { DEFAULT_POLICY } from "../../src/core/model.ts";
import type { Authorization } from "../../src/engine/authorize.ts";
import { aBuild, installation, openSite, type Site, TOKEN, type World } from "./world.ts";

let site: Site | null = null;
afterEach(async () => {
  await site?.close();
  site = null;
});
async function open(changes: Partial<World> = {}): Promise<Site> {
  site = await openSite(changes);
  return site;
}

const HELD = aBuild({ state: "held", hold: { reason: "awaiting-approval", detail: "It waits." } });
const APPROVE = "/api/v1/builds/b1/approve";
const POLICY = "/api/v1/installations/github/default/7/policy";

describe("approving over the API", () => {
  it("releases what is held and answers which builds wait for their turn now, in the operator's name", async () => {
    const approvals: World["approvals"] = [];
    const opened = await open({ builds: [HELD], released: ["b1", "b2"], approvals });
    const answer = await opened.api(APPROVE, { method: "POST" });
    expect([answer.status, await answer.json()]).toEqual([200, { builds: ["b1", "b2"] }]);
    expect(approvals).toEqual([{ id: "b1", by: { kind: "operator" } }]);
  });

  it("answers 404 to a build nobody knows", async () => {
    const approvals: World["approvals"] = [];
    const opened = await open({ released: ["b9"], approvals });
    const answer = await opened.api("/api/v1/builds/b9/approve", { method: "POST" });
    expect([answer.status, await answer.json()]).toMatchObject([404, { error: { code: "not-found" } }]);
    expect(approvals).toEqual([]);
  });

  it("answers 409 with the reason where it is not held", async () => {
    const answer = await (await open()).api(APPROVE, { method: "POST" });
    expect(answer.status).toBe(409);
    expect(await answer.json()).toEqual({
      error: { code: "not-held", message: "The build was never held; there is nothing to approve." },
    });
  });

  it("is for whoever holds the operator's token, and for no session", async () => {
    const approvals: World["approvals"] = [];
    const opened = await open({ builds: [HELD], released: ["b1"], approvals });
    const cookie = await opened.signIn();
    for (const headers of [{}, { Authorization: `Bearer ${TOKEN}x` }, { Cookie: cookie }]) {
      expect((await fetch(opened.url + APPROVE, { method: "POST", headers })).status).toBe(401);
    }
    await opened.close();
    const closed = await open({ builds: [HELD], released: ["b1"], approvals, adminToken: null });
    expect((await closed.api(APPROVE, { method: "POST" })).status).toBe(403);
    expect(approvals).toEqual([]);
  });

  it.each(["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])("is not done by %s", async (method) => {
    const approvals: World["approvals"] = [];
    const opened = await open({ builds: [HELD], released: ["b1"], approvals });
    const answer = await opened.api(APPROVE, { method });
    expect([answer.status, answer.headers.get("allow"), approvals]).toEqual([405, "POST", []]);
  });
});

describe("approving for somebody over the API", () => {
  const ANN = { id: "583231", login: "ann" };

  async function approveAs(authorization: Authorization, body: string, headers: Record<string, string> = {}) {
    const approvals: World["approvals"] = [];
    const asked: unknown[] = [];
    const may = async (...question: unknown[]) => {
      asked.push(question);
      return authorization;
    };
    const opened = await open({ builds: [HELD], released: ["b1"], approvals, authorizer: { may } });
    const answer = await opened.api(APPROVE, {
      method: "POST",
      body,
      headers: { "Content-Type": "application/json", ...headers },
    });
    return { answer, approvals, asked };
  }

  it("asks the build's host whether they may, and names them", async () => {
    const { answer, approvals, asked } = await approveAs({ kind: "allowed" }, JSON.stringify({ actor: ANN }));
    expect([answer.status, await answer.json()]).toEqual([200, { builds: ["b1"] }]);
    expect(asked).toEqual([[ANN, "build.approve", { installation: HELD.installation, repository: HELD.repository }]]);
    const by = { kind: "person", provider: "github", host: "default", actor: ANN };
    expect(approvals).toEqual([{ id: "b1", by }]);
  });

  it.each<[string, Authorization, number, string, string | null]>([
    ["they may not", { kind: "refused", why: "They may not." }, 403, "not-allowed", null],
    ["it is away", { kind: "unknown", why: "Away.", retryable: true, retryAfter: 30 }, 503, "host-unavailable", "30"],
    [
      "it may be away",
      { kind: "unknown", why: "Away.", retryable: true, retryAfter: null },
      503,
      "host-unavailable",
      null,
    ],
    [
      "it does not tell",
      { kind: "unknown", why: "No.", retryable: false, retryAfter: null },
      502,
      "host-refused",
      null,
    ],
  ])("approves nothing where the host says that %s", async (_what, authorization, status, code, retryAfter) => {
    const { answer, approvals } = await approveAs(authorization, JSON.stringify({ actor: ANN }));
    expect([answer.status, answer.headers.get("retry-after"), approvals]).toEqual([status, retryAfter, []]);
    const message = authorization.kind === "allowed" ? "" : authorization.why;
    expect(await answer.json()).toEqual({ error: { code, message } });
  });

  it.each([
    "{}",
    "[]",
    '{"actor":null}',
    '{"actor":{"id":583231,"login":"ann"}}',
    '{"actor":{"id":"583231"}}',
    '{"Actor":{"id":"583231","login":"ann"}}',
    '{"actor":{"id":"583231","login":"ann"},"operator":true}',
  ])("refuses %s, which must not come to mean the operator", async (body) => {
    const { answer, approvals, asked } = await approveAs({ kind: "allowed" }, body);
    expect([answer.status, asked, approvals]).toEqual([400, [], []]);
    expect(await answer.json()).toMatchObject({
      error: { code: "bad-actor", message: expect.stringContaining("actor") },
    });
  });

  it.each<[string, string, number]>([
    [JSON.stringify({ actor: ANN }), "application/x-www-form-urlencoded", 415],
    [JSON.stringify({ actor: ANN }), "text/plain", 415],
    ['{"actor":', "application/json", 400],
    [`{"actor":{"id":"1","login":"${"x".repeat(10_000)}"}}`, "application/json", 413],
  ])("refuses %.40s as %s", async (body, type, status) => {
    const { answer, approvals } = await approveAs({ kind: "allowed" }, body, { "Content-Type": type });
    expect([answer.status, approvals]).toEqual([status, []]);
  });

  it("is the operator's where nothing is sent, whatever the request says it would be", async () => {
    const { answer, approvals, asked } = await approveAs({ kind: "refused", why: "They may not." }, "");
    expect([answer.status, asked, approvals]).toEqual([200, [], [{ id: "b1", by: { kind: "operator" } }]]);
  });
});

async function patch(opened: Site, body: string, path = POLICY, type = "application/json") {
  const answer = await opened.api(path, { method: "PATCH", body, headers: { "Content-Type": type } });
  return { status: answer.status, body: (await answer.json()) as { error?: { code: string; message: string } } };
}

describe("an installation over the API", () => {
  it("is shown by its provider, host and id, as in the list", async () => {
    const opened = await open();
    const { items } = (await (await opened.api("/api/v1/installations")).json()) as { items: unknown[] };
    expect(await (await opened.api("/api/v1/installations/github/default/7")).json()).toEqual(items[0]);
  });

  it("is found by an id that has to be escaped in addresses", async () => {
    const id = "{5d2b3a6e-0f3c-4c22-8d43-2a5cb1f6d0c1}";
    const opened = await open({ installations: [{ ...installation, provider: "bitbucket", id }] });
    const answer = await opened.api(`/api/v1/installations/bitbucket/default/${encodeURIComponent(id)}`);
    expect([answer.status, await answer.json()]).toMatchObject([200, { id }]);
  });

  it.each(["github/default/8", "github/other/7", "bitbucket/default/7", "gitlab/default/7", "__proto__/default/7"])(
    "is not there as %s, neither to look at nor to change",
    async (path) => {
      const opened = await open();
      const answer = await opened.api(`/api/v1/installations/${path}`);
      expect([answer.status, await answer.json()]).toMatchObject([404, { error: { code: "not-found" } }]);
      expect((await patch(opened, '{"forks":"never"}', `/api/v1/installations/${path}/policy`)).status).toBe(404);
    },
  );
});

describe("an installation's policy over the API", () => {
  it("changes what is named, keeps the rest, and is shown with the installation from then on", async () => {
    const opened = await open();
    const policy = { ...DEFAULT_POLICY, forks: "never", brake: 5 };
    expect(await patch(opened, '{"forks":"never","brake":5}')).toMatchObject({
      status: 200,
      body: { id: "7", policy },
    });
    expect(await (await opened.api("/api/v1/installations/github/default/7")).json()).toMatchObject({ policy });
  });

  it.each<[string, string]>([
    ["{}", "nothing to change"],
    ["[]", "send a JSON object"],
    ['{"fork":"never"}', 'there is no key "fork"; allowed: forks, publishPullRequests'],
    ['{"forks":"maybe"}', "allowed: never, approve or test"],
    ['{"brake":0,"forks":"never"}', "brake can not be 0"],
    ['{"forks":"never","zeroConfig":"on"}', "allowed: true or false"],
  ])("refuses %s with what is allowed, and changes nothing", async (body, message) => {
    const opened = await open();
    const answer = await patch(opened, body);
    expect([answer.status, answer.body.error?.code]).toEqual([400, "bad-policy"]);
    expect(answer.body.error?.message).toContain(message);
    const now = await opened.api("/api/v1/installations/github/default/7");
    expect(await now.json()).toMatchObject({ policy: DEFAULT_POLICY });
  });

  it.each<[string, string, string, number]>([
    ["text that is not JSON", '{"forks":', "application/json", 400],
    ["a bare value", '"never"', "application/json", 400],
    ["a form", "forks=never", "application/x-www-form-urlencoded", 415],
    ["text", '{"forks":"never"}', "text/plain", 415],
    ["more than a policy can be", `{"forks":"${"x".repeat(10_000)}"}`, "application/json", 413],
  ])("refuses %s", async (_what, body, type, status) => {
    const opened = await open();
    expect((await patch(opened, body, POLICY, type)).status).toBe(status);
    expect(opened.logged).toEqual([]);
  });

  it("is for whoever holds the operator's token, by PATCH alone", async () => {
    const opened = await open();
    const headers = { "Content-Type": "application/json", Cookie: await opened.signIn() };
    const init = { method: "PATCH", body: '{"forks":"test"}', headers };
    expect((await fetch(opened.url + POLICY, init)).status).toBe(401);
    for (const method of ["GET", "POST", "PUT", "DELETE"]) {
      const answer = await opened.api(POLICY, { method });
      expect([answer.status, answer.headers.get("allow")]).toEqual([405, "PATCH"]);
    }
    const now = await opened.api("/api/v1/installations/github/default/7");
    expect(await now.json()).toMatchObject({ policy: DEFAULT_POLICY });
  });
});
