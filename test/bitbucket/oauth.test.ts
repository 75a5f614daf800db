import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type BitbucketIdentityOptions, createBitbucketIdentity } from "../../src/bitbucket/oauth.ts";
import { type BitbucketHost, createBitbucketHost } from "../hosts/bitbucket/index.ts";
import { agree } from "../support/consent.ts";

const CALLBACK = "https://builds.example.com/auth/bitbucket/callback";
const VERIFIER = "v".repeat(43);

let bitbucket: BitbucketHost;
/** Uuids of workspaces, by the door they have. */
let doors: ReadonlyMap<string, readonly ("connect" | "connection")[]>;

beforeAll(async () => {
  bitbucket = await createBitbucketHost();
  bitbucket.consumer.callbackUrl = CALLBACK;
});
afterAll(async () => {
  const { violations } = bitbucket;
  await bitbucket.close();
  expect(violations).toEqual([]);
});

function identity(changes: Partial<BitbucketIdentityOptions> = {}) {
  const has = (door: "connect" | "connection") => async (workspace: string) =>
    doors.get(workspace)?.includes(door) ? [{}] : [];
  return createBitbucketIdentity({
    host: "default",
    clientId: bitbucket.consumer.clientId,
    clientSecret: bitbucket.consumer.clientSecret,
    webUrl: bitbucket.url,
    apiUrl: bitbucket.apiUrl,
    grants: {
      connectClientsOf: has("connect"),
      connectionsOf: has("connection"),
    } as unknown as BitbucketIdentityOptions["grants"],
    ...changes,
  });
}

async function codeOf(login: string): Promise<string> {
  const address = identity().begin({ state: "some-state", challenge: "" });
  const back = new URL(await agree(address, { login }));
  expect([back.origin + back.pathname, back.searchParams.get("state")]).toEqual([CALLBACK, "some-state"]);
  return back.searchParams.get("code") ?? "";
}

describe("signing in with Bitbucket", () => {
  it("learns who somebody is, and of workspaces that use us which are theirs and what they may do there", async () => {
    const acme = bitbucket.workspace("acme");
    const other = bitbucket.workspace("other");
    const stranger = bitbucket.workspace("stranger");
    const api = await bitbucket.repository(acme, "api");
    const owner = bitbucket.user("acme-owner");
    doors = new Map([
      [acme.uuid, ["connection"]],
      [other.uuid, ["connect", "connection"]],
      [stranger.uuid, ["connection"]],
    ]);
    const id = (uuid: string) => ({ provider: "bitbucket", host: "default", id: uuid });
    const signedIn = await identity().finish({ code: await codeOf("acme-owner"), verifier: VERIFIER });
    expect(signedIn).toEqual({
      ok: true,
      value: {
        person: { provider: "bitbucket", host: "default", actor: { id: owner.uuid, login: "acme-owner" } },
        reach: [id(acme.uuid)],
        vouched: [{ installation: id(acme.uuid), role: "owner", repositories: { [api.uuid]: "write" } }],
      },
    });
    // Where the add-on is, Bitbucket is asked whenever something is to be done.
    const connected = await identity().finish({ code: await codeOf("other-owner"), verifier: VERIFIER });
    expect(connected).toMatchObject({ ok: true, value: { reach: [id(other.uuid)], vouched: [] } });
    doors = new Map();
    const nobody = await identity().finish({ code: await codeOf("acme-owner"), verifier: VERIFIER });
    expect(nobody).toMatchObject({ ok: true, value: { reach: [], vouched: [] } });
  });

  it("takes a code once, for ten minutes, and only with the consumer's secret", async () => {
    doors = new Map();
    const code = await codeOf("acme-owner");
    expect(await identity().finish({ code, verifier: VERIFIER })).toMatchObject({ ok: true });
    expect(await identity().finish({ code, verifier: VERIFIER })).toMatchObject({ ok: false, retryable: false });
    const wrong = identity({ clientSecret: "of another consumer" });
    const refused = await wrong.finish({ code: await codeOf("acme-owner"), verifier: VERIFIER });
    expect(refused.ok ? "" : refused.message).toContain("BITBUCKET_CLIENT_SECRET");
    const late = await codeOf("acme-owner");
    bitbucket.advance(10 * 60 * 1000);
    expect(await identity().finish({ code: late, verifier: VERIFIER })).toMatchObject({ ok: false });
  });

  it("says what the consumer may not ask, where somebody forgot to tick it", async () => {
    const acme = bitbucket.workspace("acme");
    doors = new Map([[acme.uuid, ["connection"]]]);
    const { scopes } = bitbucket.consumer;
    bitbucket.consumer.scopes = ["account"];
    const outcome = await identity().finish({ code: await codeOf("acme-owner"), verifier: VERIFIER });
    bitbucket.consumer.scopes = scopes;
    expect(outcome).toMatchObject({ ok: false, retryable: false, message: expect.stringContaining("repository") });
  });

  it("fails, for now, where Bitbucket does not say everything", async () => {
    const acme = bitbucket.workspace("acme");
    doors = new Map([[acme.uuid, ["connection"]]]);
    for (const route of ["/user", "/user/workspaces", "/user/workspaces/{workspace}/permission"]) {
      bitbucket.inject({ match: (call) => call.route === route, effect: { status: 503 }, times: 1 });
      const outcome = await identity().finish({ code: await codeOf("acme-owner"), verifier: VERIFIER });
      expect([route, outcome]).toMatchObject([route, { ok: false, retryable: true }]);
    }
  });
});
