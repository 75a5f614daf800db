import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { Authorization, Authorizer } from "../../src/engine/authorize.ts";
import { createNamespaceDesk } from "../../src/engine/namespace-desk.ts";
import { type OpenedStore, openStore } from "../../src/store/store.ts";
import { account, give, installationId } from "../contract/store.samples.ts";
import { recordingLog } from "../engine/fakes.ts";
import { openSite, type Site } from "./world.ts";

const ACME = account("17", "acme");
const WORKSPACE = { ...ACME, provider: "bitbucket", id: "{w}" } as const;
const SEVEN = installationId("7");
const EIGHT = { provider: "bitbucket", host: "default", id: "{w}" } as const;

let store: OpenedStore;
let site: Site;
let asked: object[];
let answers: Authorization;

beforeEach(async () => {
  store = await openStore({ url: "sqlite::memory:", clock: Date });
  await store.saveInstallation({ id: SEVEN, account: ACME, state: "active", permissions: {} });
  await store.saveInstallation({ id: EIGHT, account: WORKSPACE, state: "active", permissions: {} });
  const registries = { forAccount: async () => ({ registry: "default" }) };
  const { log } = recordingLog();
  const namespaceDesk = createNamespaceDesk({ store, registries, policy: { kind: "approve" }, clock: Date, log });
  [asked, answers] = [[], { kind: "allowed" }];
  const authorizer: Authorizer = {
    async may(person, action, place) {
      asked.push({ person, action, place });
      return answers;
    },
  };
  site = await openSite({ namespaceDesk, authorizer });
});
afterEach(async () => {
  await site.close();
  await store.close();
});

async function get(path: string) {
  const answer = await site.api(`/api/v1/${path}`);
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

async function post(path: string, body: unknown = {}, type = "application/json") {
  const headers = { "content-type": type };
  const answer = await site.api(`/api/v1/${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

async function claim(): Promise<string> {
  const asking = { installation: SEVEN, account: ACME, wanted: "acme", registry: "default" };
  await store.settleClaim(asking, () => {
    return { kind: "wait", namespace: "acme", reason: "confirmation", why: "somebody has to" };
  });
  return (await store.listClaims({ limit: 1, cursor: null, waiting: true })).items[0]?.id ?? "";
}

describe("namespaces over the API", () => {
  it("are listed, with who may write them and why", async () => {
    await give(store, ACME, "acme");
    const grant = {
      account: { provider: "github", host: "default", id: "17", login: "acme" },
      since: expect.any(String),
      why: "a test wants it",
      by: { kind: "operator", provider: null, host: null, actor: null },
      installations: [{ ...SEVEN, state: "active" }],
    };
    const acme = { name: "acme", registry: "default", createdAt: expect.any(String), writers: [grant] };
    expect(await get("namespaces")).toEqual({ status: 200, body: { items: [acme], next: null } });
    expect(await get("namespaces/acme")).toEqual({
      status: 200,
      body: { ...acme, images: [], claims: [], codeUntil: null },
    });
    for (const name of ["acm", "ACME", "acme%2F", "%25"]) expect((await get(`namespaces/${name}`)).status).toBe(404);
    expect((await get("namespaces?limit=0")).status).toBe(400);
  });

  it("are asked for, and approved or refused", async () => {
    const id = await claim();
    const waiting = {
      id,
      account: { provider: "github", host: "default", id: "17", login: "acme", kind: "organization" },
      installation: SEVEN,
      namespace: "acme",
      state: "pending",
      reason: "confirmation",
      why: "somebody has to",
      madeAt: expect.any(String),
      decidedAt: null,
      decidedBy: null,
    };
    expect(await get("claims")).toEqual({ status: 200, body: { items: [waiting], next: null } });
    expect(await post(`claims/${id}/approve`)).toEqual({ status: 200, body: { namespace: "acme" } });
    expect((await store.getInstallation(SEVEN))?.namespace).toBe("acme");
    expect((await get("claims")).body["items"]).toEqual([]);
    expect((await get("claims?all=true")).body["items"]).toMatchObject([{ id, state: "approved" }]);
    expect((await post(`claims/${id}/approve`)).status).toBe(404);
    expect((await post(`claims/${id}/refuse`)).status).toBe(404);
  });

  it("are refused for good", async () => {
    const id = await claim();
    expect(await post(`claims/${id}/refuse`)).toEqual({ status: 200, body: {} });
    expect((await get("claims?all=true")).body["items"]).toMatchObject([{ id, state: "refused" }]);
  });

  it("are granted, shared by a code and revoked", async () => {
    const granted = await post("namespaces/acme/grant", { installation: "github:default:7" });
    expect(granted).toEqual({ status: 200, body: { namespace: "acme" } });
    const refused = await post("namespaces/acme/grant", { installation: "bitbucket:default:{w}" });
    expect(refused).toMatchObject({ status: 409, body: { error: { code: "owned" } } });
    expect(JSON.stringify(refused.body)).toContain("github:default:17");
    const made = await post("namespaces/acme/codes", { installation: "github:default:7" });
    const { code } = made.body;
    const joining = { installation: "bitbucket:default:{w}", code };
    expect(await post("namespaces/acme/join", joining)).toEqual({ status: 200, body: { namespace: "acme" } });
    expect((await store.getInstallation(EIGHT))?.namespace).toBe("acme");
    const wrong = { installation: "bitbucket:default:{w}", code: "0".repeat(20) };
    expect((await post("namespaces/other/join", wrong)).body).toMatchObject({ error: { code: "owns-another" } });
    const revoked = await post("namespaces/acme/revoke", { installation: "bitbucket:default:{w}" });
    expect(revoked).toEqual({ status: 200, body: { canceled: 0 } });
    expect((await post("namespaces/acme/join", joining)).body).toMatchObject({ error: { code: "wrong" } });
  });

  describe("are shared by people who own both accounts, as their hosts say at that moment:", () => {
    const ADA = { id: "1", login: "ada" };
    const BEA = { id: "{b}", login: "bea" };
    const FROM = { installation: "github:default:7", actor: ADA };
    const key = "bitbucket:default:{w}";

    it("each side is asked about its own, and the ledger says who let whom in", async () => {
      await give(store, ACME, "acme");
      const made = await post("namespaces/acme/codes", FROM);
      expect(made.status).toBe(200);
      const joined = await post("namespaces/acme/join", { installation: key, code: made.body["code"], actor: BEA });
      expect(joined.status).toBe(200);
      expect(asked).toEqual([
        { person: ADA, action: "namespace.share", place: { installation: SEVEN, repository: null } },
        { person: BEA, action: "namespace.share", place: { installation: EIGHT, repository: null } },
      ]);
      const { items } = await store.listAudit({ limit: 10, cursor: null });
      expect(items.flatMap(({ by }) => (by.kind === "person" ? [by.actor.login] : []))).toEqual(
        expect.arrayContaining(["ada", "bea"]),
      );
    });

    it.each<[number, string, Authorization]>([
      [403, "not-allowed", { kind: "refused", why: "ada may not share the namespace." }],
      [502, "host-refused", { kind: "unknown", why: "members: read is missing", retryable: false, retryAfter: null }],
      [503, "host-unavailable", { kind: "unknown", why: "GitHub is away", retryable: true, retryAfter: 7 }],
    ])("%i %s: nothing is made and nobody is let in", async (status, code, answer) => {
      await give(store, ACME, "acme");
      const { body } = await post("namespaces/acme/codes", { installation: "github:default:7" });
      answers = answer;
      for (const [path, more] of [
        ["codes", FROM],
        ["join", { installation: key, code: body["code"], actor: BEA }],
      ] as const) {
        expect(await post(`namespaces/acme/${path}`, more)).toMatchObject({ status, body: { error: { code } } });
      }
      expect(await store.getInstallation(EIGHT)).toMatchObject({ namespace: null });
      answers = { kind: "allowed" };
      // The code is still the operator's, and still opens.
      const joined = await post("namespaces/acme/join", { installation: key, code: body["code"], actor: BEA });
      expect(joined.status).toBe(200);
    });

    it.each([
      { installation: "github:default:7", actor: "ada" },
      { installation: "github:default:7", actor: { id: "1" } },
      { installation: "github:default:7", actor: { id: "1", login: "ada", role: "owner" } },
      { installation: "github:default:7", acter: ADA },
      { actor: ADA },
    ])("%j is refused, and does not come to mean the operator", async (body) => {
      await give(store, ACME, "acme");
      expect((await post("namespaces/acme/codes", body)).status).toBe(400);
      expect(asked).toEqual([]);
    });
  });

  it("take nothing else than what is written down", async () => {
    const bodies: readonly unknown[] = [
      {},
      { installation: 7 },
      { installation: "acme" },
      [],
      "x",
      { installation: "a:b:c" },
    ];
    for (const body of bodies) expect((await post("namespaces/acme/grant", body)).status).toBe(400);
    const more = { installation: "github:default:7", owner: true };
    expect((await post("namespaces/acme/grant", more)).status).toBe(400);
    expect((await post("namespaces/acme/grant", { installation: "github:default:7", share: "yes" })).status).toBe(400);
    const plain = await post("namespaces/acme/grant", { installation: "github:default:7" }, "text/plain");
    expect(plain.status).toBe(415);
    expect((await post("namespaces/acme/grant", { installation: "x".repeat(10_000) })).status).toBe(413);
    expect((await post("namespaces/acme/grant", { installation: "github:default:99" })).status).toBe(404);
    for (const path of ["claims/1/approve", "claims/1/refuse", "namespaces/acme/grant", "namespaces/acme/codes"]) {
      const answer = await site.api(`/api/v1/${path}`);
      expect([answer.status, answer.headers.get("allow")]).toEqual([405, "POST"]);
    }
    expect((await store.listNamespaces({ limit: 1, cursor: null })).items).toEqual([]);
  });

  it("are for the operator only", async () => {
    for (const path of ["namespaces", "claims", "namespaces/acme"]) {
      expect((await fetch(`${site.url}/api/v1/${path}`)).status).toBe(401);
    }
    const posted = await fetch(`${site.url}/api/v1/namespaces/acme/codes`, { method: "POST" });
    expect(posted.status).toBe(401);
  });
});
