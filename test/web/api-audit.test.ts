import { afterEach, describe, expect, it } from "@jest/globals";
import type { AuditRecord } from "../../src/core/audit.ts";
import { openSite, type Site, TOKEN, type World } from "./world.ts";

let site: Site | null = null;
afterEach(async () => {
  await site?.close();
  site = null;
});
async function open(changes: Partial<World> = {}): Promise<Site> {
  site = await openSite(changes);
  return site;
}

function record(id: string, changes: Partial<AuditRecord> = {}): AuditRecord {
  return {
    id,
    at: "2026-11-20T10:00:00.000Z",
    by: { kind: "person", provider: "github", host: "default", actor: { id: "5", login: "ann" } },
    action: "build.approved",
    installation: { provider: "github", host: "default", id: "7" },
    subject: "acme/api",
    facts: { build: "b1" },
    ...changes,
  };
}

const AUDIT = [record("3", { installation: null, by: { kind: "operator" } }), record("2"), record("1")];

interface Listed {
  readonly items: readonly { readonly id: string }[];
  readonly next: string | null;
}

async function list(opened: Site, query = ""): Promise<Listed> {
  return (await (await opened.api(`/api/v1/audit${query}`)).json()) as Listed;
}

describe("the audit log over the API", () => {
  it("is a list like all others, newest first, in pages", async () => {
    const opened = await open({ audit: AUDIT });
    const first = await list(opened, "?limit=2");
    expect(first.items).toMatchObject([
      { id: "3", installation: null, by: { kind: "operator", actor: null } },
      { id: "2" },
    ]);
    const second = await list(opened, `?limit=2&cursor=${first.next}`);
    expect(second).toEqual({
      items: [
        {
          id: "1",
          at: "2026-11-20T10:00:00.000Z",
          by: { kind: "person", provider: "github", host: "default", actor: { id: "5", login: "ann" } },
          action: "build.approved",
          installation: { provider: "github", host: "default", id: "7" },
          subject: "acme/api",
          facts: { build: "b1" },
        },
      ],
      next: null,
    });
  });

  it("is of one installation where its key is given, known or not", async () => {
    const opened = await open({ audit: AUDIT, installations: [] });
    expect((await list(opened, "?installation=github:default:7")).items.map(({ id }) => id)).toEqual(["2", "1"]);
    expect((await list(opened, "?installation=bitbucket:default:%7B5d2b%7D")).items).toEqual([]);
  });

  it.each(["?installation=acme", "?installation=", "?installation=gitlab:default:7", "?installation=7&installation=8"])(
    "refuses %s, and says what it wants",
    async (query) => {
      const answer = await (await open({ audit: AUDIT })).api(`/api/v1/audit${query}`);
      expect([answer.status, await answer.json()]).toMatchObject([
        400,
        { error: { code: "bad-installation", message: expect.stringContaining("github:default:7") } },
      ]);
    },
  );

  it("is for whoever holds the operator's token, to read alone", async () => {
    const opened = await open({ audit: AUDIT });
    const path = `${opened.url}/api/v1/audit`;
    for (const headers of [{}, { Authorization: `Bearer ${TOKEN}x` }, { Cookie: await opened.signIn() }]) {
      expect((await fetch(path, { headers })).status).toBe(401);
    }
    for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
      const answer = await opened.api("/api/v1/audit", { method });
      expect([answer.status, answer.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
    }
  });
});
