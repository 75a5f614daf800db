import { describe, expect, it } from "@jest/globals";
import { readRole } from "../../src/bitbucket/roles.ts";
import type { HostId } from "../../src/core/model.ts";
import {
  ACME,
  type Answer,
  type Answering,
  API_URL,
  accessAnswering,
  CLIENT,
  CONNECTION,
  type Granted,
  NOT_FOUND,
  OTHER,
  refused,
} from "./recorded-fetch.ts";

const installation: HostId = { provider: "bitbucket", host: "default", id: ACME };
const KIM = "{eeeeeeee-0000-4000-8000-000000000005}";
const LEE = "{ffffffff-0000-4000-8000-000000000006}";
const PERMISSIONS = `/2.0/workspaces/${encodeURIComponent(ACME)}/permissions`;

function is(permission: string, uuid = KIM, rest: object = {}) {
  return { permission, user: { uuid }, workspace: { uuid: ACME }, ...rest };
}

function listed(...people: readonly object[]): Answer {
  return { status: 200, body: { values: people } };
}

function asking(
  { owners = listed(), people = listed() }: { readonly owners?: Answer; readonly people?: Answer | Answering },
  { granted = { clients: [CLIENT] }, id = KIM }: { readonly granted?: Granted; readonly id?: string } = {},
) {
  const { access, network } = accessAnswering((call, count) => {
    if (call.query["q"] !== undefined) return owners;
    return typeof people === "function" ? people(call, count) : people;
  }, granted);
  return { network, outcome: readRole(access, installation, null, { id, login: "owner" }) };
}

describe("who somebody is towards a workspace", () => {
  it("is its owner, where it is listed among those by uuid, with one call", async () => {
    const { outcome, network } = asking({ owners: listed(is("owner", LEE), is("owner")) });
    expect(await outcome).toEqual({ ok: true, value: "owner" });
    expect(network.asked().map(({ path, query }) => [path.split("?")[0], query])).toEqual([
      [PERMISSIONS, { q: 'permission="owner"', pagelen: "100" }],
    ]);
  });

  it.each<[string, readonly object[], string]>([
    ["a member", [is("owner", LEE), is("member")], "read"],
    ["one who may make projects", [is("create-project")], "read"],
    ["a collaborator, let into single repositories", [is("collaborator")], "none"],
    ["of a permission nobody knows", [is("Owner")], "none"],
    ["a member of another workspace", [is("member", KIM, { workspace: { uuid: OTHER } })], "none"],
    ["nobody of them", [is("member", LEE)], "none"],
  ])("is, of who is %s: %j", async (_, people, role) => {
    expect(await asking({ people: listed(...people) }).outcome).toEqual({ ok: true, value: role });
  });

  it("is found on a later page, and not looked for on endless ones", async () => {
    const next = `${API_URL}${PERMISSIONS}?page=2`;
    const later = asking({
      people: (_call, count) =>
        count === 2 ? { status: 200, body: { values: [is("member", LEE)], next } } : listed(is("member")),
    });
    expect(await later.outcome).toEqual({ ok: true, value: "read" });
    const endless = asking({ people: { status: 200, body: { values: [], next } } });
    expect(await endless.outcome).toMatchObject({ ok: false, retryable: false });
    expect(endless.network.asked()).toHaveLength(11);
  });

  it.each(["", "kim", '{5d2b}" OR permission="owner', "186853002"])("is nothing for %j, without a call", async (id) => {
    const { outcome, network } = asking({ owners: listed(is("owner")) }, { id });
    expect(await outcome).toEqual({ ok: true, value: "none" });
    expect(network.calls).toEqual([]);
  });

  it.each<[Answer, boolean]>([
    [{ status: 502 }, true],
    [{ status: 429 }, true],
    [refused(403, "No"), false],
    [NOT_FOUND, false],
    [{ status: 200, body: {} }, false],
  ])("is not known, which is not nothing, after %j", async (answer, retryable) => {
    expect(await asking({ owners: answer, people: listed(is("member")) }).outcome).toMatchObject({
      ok: false,
      retryable,
    });
    expect(await asking({ people: answer }).outcome).toMatchObject({ ok: false, retryable });
  });

  it("is not told to access tokens, which is said, and not tried", async () => {
    const { outcome, network } = asking({ owners: listed(is("owner")) }, { granted: { connections: [CONNECTION] } });
    expect(await outcome).toMatchObject({
      ok: false,
      retryable: false,
      message: expect.stringContaining("only where the Connect add-on is installed"),
    });
    expect(network.calls).toEqual([]);
  });
});
