import { afterEach, describe, expect, it } from "@jest/globals";
import { hostKey } from "../../src/core/model.ts";
import type { Access, AllowedAccess } from "../../src/engine/further-repositories-port.ts";
import type { AccessApiStore } from "../../src/web/api-access.ts";
import { openSite, type Site, TOKEN } from "./world.ts";

let site: Site | null = null;
afterEach(async () => {
  await site?.close();
  site = null;
});

const ACCESS = "/api/v1/installations/bitbucket/default/%7B7%7D/access";
const ONE = `${ACCESS}/%7B1%7D/%7B2%7D`;

function ids({ installation, repository, reads }: Access): string {
  return [installation, repository, reads].map(hostKey).join(" ");
}

/** Covers repositories `{1}` and `{2}` of `{7}`, and notes what it is told. */
async function open(changes: Partial<AccessApiStore> = {}) {
  const told: unknown[] = [];
  const known = "bitbucket:default:{7} bitbucket:default:{1} bitbucket:default:{2}";
  const access: AccessApiStore = {
    async allowAccess(one, by) {
      told.push(["allow", ids(one), by]);
      return ids(one) === known ? "allowed" : "not-covered";
    },
    async disallowAccess(one, by) {
      told.push(["disallow", ids(one), by]);
      return ids(one) === known;
    },
    listAccess: async () => ({ items: [], next: null }),
    ...changes,
  };
  site = await openSite({ access });
  return { site, told, known };
}

describe("what builds may read, over the API", () => {
  it("is allowed and taken back by ids, in the operator's name", async () => {
    const { site, told, known } = await open();
    expect((await site.api(ONE, { method: "PUT" })).status).toBe(204);
    expect((await site.api(ONE, { method: "DELETE" })).status).toBe(204);
    expect(told).toEqual([
      ["allow", known, { kind: "operator" }],
      ["disallow", known, { kind: "operator" }],
    ]);
  });

  it("is not allowed for what the installation does not cover, nor taken back where it was not allowed", async () => {
    const { site } = await open();
    const other = `${ACCESS}/%7B1%7D/%7B3%7D`;
    const put = await site.api(other, { method: "PUT" });
    expect([put.status, await put.json()]).toMatchObject([404, { error: { code: "not-covered" } }]);
    const del = await site.api(other, { method: "DELETE" });
    expect([del.status, await del.json()]).toMatchObject([404, { error: { code: "not-found" } }]);
    expect((await site.api(ONE.replace("bitbucket", "gitlab"), { method: "PUT" })).status).toBe(404);
  });

  it("is listed, page by page", async () => {
    const repository = { provider: "bitbucket", host: "default", id: "{1}", fullName: "acme/api" } as const;
    const reads = { ...repository, id: "{2}", fullName: "acme/shared" };
    const since = "2026-11-21T10:00:00.000Z";
    const one: AllowedAccess = { repository, reads, covered: true, since, by: { kind: "operator" } };
    const asked: unknown[] = [];
    const { site } = await open({
      async listAccess(query) {
        asked.push(query);
        return { items: [one], next: "more" };
      },
    });
    const answer = await site.api(`${ACCESS}?limit=1&cursor=x`);
    expect(await answer.json()).toEqual({
      items: [{ repository, reads, covered: true, since, by: { kind: "operator" } }],
      next: "more",
    });
    const installation = { provider: "bitbucket", host: "default", id: "{7}" };
    expect(asked).toEqual([{ installation, limit: 1, cursor: "x" }]);
  });

  it("is for whoever holds the operator's token, and for no session and no other method", async () => {
    const { site, told } = await open();
    const cookie = await site.signIn();
    for (const headers of [{}, { Authorization: `Bearer ${TOKEN}x` }, { Cookie: cookie }]) {
      for (const method of ["PUT", "DELETE"]) {
        expect((await fetch(site.url + ONE, { method, headers })).status).toBe(401);
      }
      expect((await fetch(site.url + ACCESS, { headers })).status).toBe(401);
    }
    for (const method of ["GET", "POST", "PATCH"]) expect((await site.api(ONE, { method })).status).toBe(405);
    expect((await site.api(ACCESS, { method: "POST" })).status).toBe(405);
    expect(told).toEqual([]);
  });
});
