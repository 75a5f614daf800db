import { describe, expect, it } from "@jest/globals";
import type { Actor, HostId } from "../../src/core/model.ts";
import { readRole } from "../../src/github/members.ts";
import { type Answer, accessAnswering } from "./recorded-fetch.ts";

const installation: HostId = { provider: "github", host: "default", id: "7" };
const RITA: Actor = { id: "11", login: "rita" };

const ORGANIZATION = { id: 9, login: "acme", type: "Organization" };
const MEMBERSHIP = { state: "active", role: "admin", user: { id: 11 }, organization: { id: 9 } };

function told(account: object, permissions: object = { members: "read" }): Answer {
  return { status: 200, body: { id: 7, account, permissions, suspended_at: null } };
}

function ask(membership: Answer, { actor = RITA, install = told(ORGANIZATION) } = {}) {
  const { access, network } = accessAnswering(({ path }) => (path.startsWith("/app/") ? install : membership));
  return { network, outcome: readRole(access, installation, null, actor) };
}

function memberOf(changes: object): Answer {
  return { status: 200, body: { ...MEMBERSHIP, ...changes } };
}

describe("who somebody is towards an organization", () => {
  it("is asked under its name of today, with a token that reads nothing but members", async () => {
    const { network, outcome } = ask(memberOf({}), { install: told({ ...ORGANIZATION, login: "acme-inc" }) });
    expect(await outcome).toEqual({ ok: true, value: "owner" });
    expect(network.asked().map(({ path }) => path)).toEqual([
      "/app/installations/7",
      "/orgs/acme-inc/memberships/rita",
    ]);
    expect(network.calls.map(({ body }) => body)).toContainEqual({ permissions: { members: "read" } });
  });

  it.each<[string, object, string]>([
    ["owns it", {}, "owner"],
    ["is a member", { role: "member" }, "read"],
    ["pays its bills", { role: "billing_manager" }, "none"],
    ["has a role nobody knows", { role: "Admin" }, "none"],
    ["was only invited to own it", { state: "pending" }, "none"],
    ["lost the login to somebody else", { user: { id: 12 } }, "none"],
    ["is not said to be anybody", { user: null }, "none"],
    ["owns another organization of that name", { organization: { id: 10 } }, "none"],
  ])("is, where somebody %s: %j", async (_, changes, role) => {
    expect(await ask(memberOf(changes)).outcome).toEqual({ ok: true, value: role });
  });

  it("is nothing where GitHub knows no such member, or we are not installed there any more", async () => {
    const gone: Answer = { status: 404, body: { message: "Not Found" } };
    expect(await ask(gone).outcome).toEqual({ ok: true, value: "none" });
    const { network, outcome } = ask(memberOf({}), { install: gone });
    expect(await outcome).toEqual({ ok: true, value: "none" });
    expect(network.asked()).toHaveLength(1);
  });

  it("is asked for by one name, whatever it looks like", async () => {
    const evil = ask(memberOf({}), { actor: { ...RITA, login: "../../acme?x#y" } });
    await evil.outcome;
    expect(evil.network.asked().at(-1)?.path).toBe("/orgs/acme/memberships/..%2F..%2Facme%3Fx%23y");
    for (const login of [".", ".."]) {
      const { network, outcome } = ask(memberOf({}), { actor: { ...RITA, login } });
      expect(await outcome).toEqual({ ok: true, value: "none" });
      expect(network.asked()).toHaveLength(1);
    }
  });

  it("is not known without the permission for it, which is named, and not tried", async () => {
    const { network, outcome } = ask(memberOf({}), { install: told(ORGANIZATION, { contents: "read" }) });
    expect(await outcome).toMatchObject({
      ok: false,
      retryable: false,
      message: expect.stringMatching(/"Members: read-only" \(members: read\).* have an owner of acme accept it\.$/),
    });
    expect(network.asked()).toHaveLength(1);
  });

  it.each<[Answer, boolean]>([
    [{ status: 502 }, true],
    [{ status: 429, headers: { "retry-after": "60" } }, true],
    [{ status: 403, body: { message: "Resource not accessible by integration" } }, false],
    [{ status: 302, headers: { location: "https://elsewhere.test/" } }, false],
    [{ status: 200, body: {} }, false],
    [{ status: 200, body: "<html>" }, false],
  ])("is not known, which is not nothing, after %j", async (answer, retryable) => {
    expect(await ask(answer).outcome).toMatchObject({ ok: false, retryable });
    expect(await ask(memberOf({}), { install: answer }).outcome).toMatchObject({ ok: false, retryable });
  });
});

describe("who somebody is towards other accounts", () => {
  const user = { id: 11, login: "rita", type: "User" };

  it("is the owner where it is their own, by id, without a question about people", async () => {
    const { network, outcome } = ask({ status: 500 }, { install: told(user, {}) });
    expect(await outcome).toEqual({ ok: true, value: "owner" });
    expect(network.asked()).toHaveLength(1);
    const other = ask({ status: 500 }, { install: told({ ...user, id: 12 }, {}) });
    expect(await other.outcome).toEqual({ ok: true, value: "none" });
  });

  it("is not known of enterprises", async () => {
    const enterprise = { id: 9, slug: "acme", name: "Acme" };
    const { outcome } = ask(memberOf({}), { install: told(enterprise) });
    expect(await outcome).toMatchObject({ ok: false, retryable: false, message: expect.stringContaining("operator") });
  });
});
