import { describe, expect, it } from "@jest/globals";
import { readPermission } from "../../src/bitbucket/permission.ts";
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
  OF_ONE,
  OTHER,
  OTHER_REPO,
  REPO,
  refused,
} from "./recorded-fetch.ts";

const installation: HostId = { provider: "bitbucket", host: "default", id: ACME };
const repository: HostId = { ...installation, id: REPO };

const KIM = "{eeeeeeee-0000-4000-8000-000000000005}";
const LEE = "{ffffffff-0000-4000-8000-000000000006}";

const ROOT = `/2.0/workspaces/${encodeURIComponent(ACME)}/permissions`;
const LISTED = `${ROOT}/repositories/${encodeURIComponent(REPO)}`;

function listed(...people: readonly object[]): Answer {
  return { status: 200, body: { values: people } };
}

function may(permission: string, uuid = KIM, rest: object = {}) {
  return { type: "repository_permission", permission, user: { uuid }, repository: { uuid: REPO }, ...rest };
}

function owner(uuid: string, rest: object = {}) {
  return { permission: "owner", user: { uuid }, workspace: { uuid: ACME }, ...rest };
}

function asking(
  answers: { readonly people?: Answer | Answering; readonly owners?: Answer },
  { granted = { clients: [CLIENT] }, id = KIM }: { readonly granted?: Granted; readonly id?: string } = {},
) {
  const { people = listed(), owners = listed() } = answers;
  const { access, network } = accessAnswering((call, count) => {
    if (!call.path.startsWith(LISTED)) return owners;
    return typeof people === "function" ? people(call, count) : people;
  }, granted);
  return { network, outcome: readPermission(access, installation, repository, { id, login: "owner" }) };
}

describe("what somebody may do in a repository", () => {
  it.each(["admin", "write", "read"])("is what Bitbucket says of their id: %s", async (permission) => {
    const { outcome, network } = asking({ people: listed(may("admin", LEE), may(permission), may("admin", OTHER)) });
    expect(await outcome).toEqual({ ok: true, value: permission });
    expect(network.asked().map(({ path, query }) => [path.split("?")[0], query])).toEqual([
      [LISTED, { q: `user.uuid="${KIM}"`, pagelen: "100" }],
    ]);
  });

  it("is the most of what is listed", async () => {
    expect(await asking({ people: listed(may("read"), may("admin"), may("write")) }).outcome).toMatchObject({
      value: "admin",
    });
  });

  it("is compared by uuid however it is spelled", async () => {
    const people = listed(may("write", KIM.slice(1, -1).toUpperCase()));
    expect(await asking({ people }, { id: KIM.toUpperCase() }).outcome).toMatchObject({ value: "write" });
  });

  it("is found on a later page, should Bitbucket not look for one", async () => {
    const { outcome } = asking({
      people: (_call, count) =>
        count === 1
          ? { status: 200, body: { values: [may("admin", LEE)], next: `${API_URL}${LISTED}?page=2` } }
          : listed(may("write")),
    });
    expect(await outcome).toMatchObject({ value: "write" });
  });

  it("is not looked for on endless pages", async () => {
    const { outcome, network } = asking({
      people: { status: 200, body: { values: [], next: `${API_URL}${LISTED}?page=2` } },
    });
    expect(await outcome).toMatchObject({ ok: false, retryable: false });
    expect(network.paths().filter((path) => path.startsWith(LISTED))).toHaveLength(10);
  });

  it("is everything for an owner of the workspace, also where only administrators may ask", async () => {
    for (const people of [listed(), refused(403, "Only administrators may ask.")]) {
      expect(await asking({ people, owners: listed(owner(LEE), owner(KIM)) }).outcome).toEqual({
        ok: true,
        value: "admin",
      });
    }
  });

  it.each<[string, readonly object[], readonly object[]]>([
    ["nobody is listed", [], []],
    ["others are", [may("admin", LEE)], [owner(LEE)]],
    ["it is another repository's", [may("admin", KIM, { repository: { uuid: OTHER_REPO } })], []],
    ["Bitbucket has a word for it that is not known", [may("emperor")], []],
    ["they are a member, not an owner", [], [owner(KIM, { permission: "member" })]],
    ["they own another workspace", [], [owner(KIM, { workspace: { uuid: OTHER } })]],
  ])("is nothing when %s", async (_, people, owners) => {
    expect(await asking({ people: listed(...people), owners: listed(...owners) }).outcome).toEqual({
      ok: true,
      value: "none",
    });
  });

  it("is nothing in a repository that is gone, for owners too", async () => {
    expect(await asking({ people: NOT_FOUND, owners: listed(owner(KIM)) }).outcome).toEqual({
      ok: true,
      value: "none",
    });
  });

  it.each(["", "kim", '" OR user.uuid!="', "186853002"])("is nothing for %j, without a call", async (id) => {
    const { outcome, network } = asking({ people: listed(may("admin")) }, { id });
    expect(await outcome).toEqual({ ok: true, value: "none" });
    expect(network.calls).toEqual([]);
  });
});

describe("what somebody may do is not known", () => {
  it.each<[string, Answer]>([
    ["502", { status: 502 }],
    ["429", { status: 429 }],
    ["403", refused(403, "Only administrators may ask.")],
    ["a scope that lacks", refused(403, "No", { required: ["repository"] })],
    ["something else", { status: 200, body: {} }],
    ["a person without id", listed({ permission: "admin", user: {} })],
  ])("when Bitbucket answers %s, whoever owns the workspace", async (_, people) => {
    expect(await asking({ people, owners: listed(owner(LEE)) }).outcome).toMatchObject({ ok: false });
  });

  it("when they are not listed and the owners are not told", async () => {
    expect(await asking({ owners: { status: 502 } }).outcome).toMatchObject({ ok: false, retryable: true });
    expect(await asking({ owners: refused(403, "No") }).outcome).toMatchObject({ ok: false, retryable: false });
  });

  it.each<[string, Granted]>([
    ["the workspace's", { connections: [CONNECTION] }],
    ["the repository's", { connections: [OF_ONE] }],
  ])("to an access token of %s, which is said, and not tried", async (_, granted) => {
    const { outcome, network } = asking({ people: listed(may("admin")) }, { granted });
    expect(await outcome).toMatchObject({
      ok: false,
      retryable: false,
      message: expect.stringMatching(
        /only where the Connect add-on is installed, or to people themselves when they sign in/,
      ),
    });
    expect(network.calls).toEqual([]);
  });

  it("to an access token beside the add-on: the add-on asks", async () => {
    const granted = { clients: [CLIENT], connections: [CONNECTION, OF_ONE] };
    const { outcome, network } = asking({ people: listed(may("write")) }, { granted });
    expect(await outcome).toMatchObject({ value: "write" });
    expect(network.asked().map(({ authorization }) => authorization)).toEqual([
      expect.stringMatching(/^Bearer minted-/),
    ]);
  });
});
