import { randomBytes } from "node:crypto";
import { beforeEach, describe, expect, it } from "@jest/globals";
import { makeAccessToken } from "../../src/core/access-tokens.ts";
import type { Build } from "../../src/core/model.ts";
import type { AccessToken, AccessTokenRecord, PushClaim } from "../../src/engine/access-tokens-port.ts";
import { createAccounts, hashOfToken } from "../../src/engine/accounts.ts";
import { leaseUser } from "../../src/engine/credentials.ts";
import { buildOf } from "./fakes.ts";

const SECRET = "the-secret-of-the-lease";
const ENDED = "the-secret-of-a-lease-that-ended";
const UNTIL = 1_800_000_000_000;
const PUBLIC = "library/busybox";
/** Of which the database says nothing, although it was asked. */
const FORGOTTEN = "acme/forgotten";

const NOW = Date.parse("2026-11-20T12:00:00Z");
const { id: ID, text: TOKEN } = makeAccessToken(Buffer.alloc(10, 7), Buffer.alloc(20, 8));
const { text: OTHER_SECRET } = makeAccessToken(Buffer.alloc(10, 7), Buffer.alloc(20, 9));

const asked: string[] = [];
const warnings: object[] = [];
const used: string[] = [];
let tokens: Map<string, AccessTokenRecord>;
let claims: Map<string, PushClaim>;
let useFails: Error | null;
beforeEach(() => {
  asked.length = 0;
  warnings.length = 0;
  used.length = 0;
  tokens = new Map([[ID, recordOf({})]]);
  claims = new Map();
  useFails = null;
});

function recordOf(token: Partial<AccessToken>, standing: AccessTokenRecord["standing"] = "good"): AccessTokenRecord {
  return {
    token: {
      id: ID,
      namespace: "acme",
      account: { provider: "github", host: "default", id: "9" },
      name: "cluster",
      access: "pull",
      by: { kind: "operator" },
      createdAt: "2026-11-01T12:00:00.000Z",
      expiresAt: "2026-12-01T12:00:00.000Z",
      revokedAt: null,
      lastUsedAt: null,
      ...token,
    },
    hash: hashOfToken(TOKEN),
    standing,
    registry: "default",
  };
}

/** Accounts where this one build has a lease, and one image is everybody's. */
function accountsWith(build: Build) {
  return createAccounts({
    store: {
      async leaseHolder(id, secret) {
        asked.push(id);
        return id === build.id && secret === SECRET ? { build, until: UNTIL } : null;
      },
      leaseEnded: async (id, secret) => id === build.id && secret === ENDED,
      async accessToken(id) {
        asked.push(id);
        return tokens.get(id) ?? null;
      },
      async accessTokenUsed(id) {
        if (useFails !== null) throw useFails;
        used.push(id);
      },
      async claimPushes({ id, namespace }, images) {
        asked.push(`${id} in ${namespace}: ${images.join(" ")}`);
        const known = images.filter((name) => name !== FORGOTTEN);
        return new Map(known.map((name) => [name, claims.get(name) ?? "granted"]));
      },
      getBuild: async (id) => (id === build.id ? build : null),
      publicImages: async (names) => new Set(names.filter((name) => name === PUBLIC)),
    },
    staging: (id) => ({ repository: `staging/${id}` }),
    clock: { now: () => NOW },
    log: {
      info: () => undefined,
      warn: (fields, message) => {
        warnings.push({ ...fields, message });
      },
      error: () => undefined,
    },
  });
}

const pushes = buildOf({ id: "b-1" });
const tests = buildOf({ id: "b-1", planned: { ...pushes.planned, push: false } });
const stranger = buildOf({ id: "b-1", planned: { ...tests.planned, trust: "untrusted" } });
const USER = leaseUser("b-1");

describe("who signs in", () => {
  it("is a build, with its lease's secret, as itself", async () => {
    const { verify } = accountsWith(pushes);
    expect(await verify(USER, SECRET)).toEqual({ kind: "build", buildId: "b-1", staging: "staging/b-1", until: UNTIL });
    for (const [user, secret] of [
      [USER, "another-secret"],
      [leaseUser("b-2"), SECRET],
    ] as const) {
      expect(await verify(user, secret)).toBeNull();
    }
  });

  it("is nobody with another sort of name, and the database is not asked", async () => {
    const { verify } = accountsWith(pushes);
    for (const user of ["b-1", "wharfinger", "", "build-"]) expect(await verify(user, SECRET)).toBeNull();
    expect(asked).toEqual([]);
  });

  it("may push nowhere when its build pushes nothing", async () => {
    expect(await accountsWith(tests).verify(USER, SECRET)).toMatchObject({ buildId: "b-1", staging: null });
  });

  it("is not an untrusted build, although its lease holds", async () => {
    expect(await accountsWith(stranger).verify(USER, SECRET)).toBeNull();
    const claimsToPush = { ...stranger, planned: { ...stranger.planned, push: true } };
    expect(await accountsWith(claimsToPush).verify(USER, SECRET)).toBeNull();
    const line = { build: "b-1", reason: "untrusted", message: "a build's credential was refused" };
    expect(warnings).toEqual([line, line]);
  });

  it("is not a build of another registry, nor does one pull there", async () => {
    const elsewhere = buildOf({ id: "b-1", registry: "second" });
    expect(await accountsWith(elsewhere).verify(USER, SECRET)).toBeNull();
    expect(warnings).toMatchObject([{ build: "b-1", reason: "other-registry" }]);
    const holder = { kind: "build", buildId: "b-1", staging: null, until: UNTIL } as const;
    expect([...(await accountsWith(elsewhere).pullable(holder, ["acme/base"]))]).toEqual([]);
  });

  it("is not a build that has ended, and the log says so; of a secret that is nobody's it says nothing", async () => {
    expect(await accountsWith(pushes).verify(USER, ENDED)).toBeNull();
    expect(await accountsWith(pushes).verify(USER, "a-guess")).toBeNull();
    expect(warnings).toEqual([{ build: "b-1", reason: "lease-ended", message: "a build's credential was refused" }]);
  });
});

describe("an access token", () => {
  const verify = (username: string, password: string) => accountsWith(pushes).verify(username, password);
  const held = { kind: "access", tokenId: ID, namespace: "acme", access: "pull" } as const;

  it("signs in as its namespace, until it ends", async () => {
    expect(await verify("acme", TOKEN)).toEqual({ ...held, until: Date.parse("2026-12-01T12:00:00Z") });
    tokens.set(ID, recordOf({ access: "push" }));
    expect(await verify("acme", TOKEN)).toMatchObject({ access: "push" });
    expect(warnings).toEqual([]);
  });

  it.each<[string, string, string, () => void]>([
    ["unknown", "acme", TOKEN, () => tokens.clear()],
    ["wrong-secret", "acme", OTHER_SECRET, () => undefined],
    ["wrong-secret", "acme", TOKEN, () => tokens.set(ID, { ...recordOf({}), hash: "" })],
    ["other-namespace", "other", TOKEN, () => undefined],
    ["other-namespace", "acme-evil", TOKEN, () => undefined],
    ["other-namespace", "Acme", TOKEN, () => undefined],
    ["other-namespace", USER, TOKEN, () => undefined],
    ["revoked", "acme", TOKEN, () => tokens.set(ID, recordOf({ revokedAt: "2026-11-20T11:59:59.000Z" }))],
    ["expired", "acme", TOKEN, () => tokens.set(ID, recordOf({ expiresAt: "2026-11-20T12:00:00.000Z" }))],
    ["other-registry", "acme", TOKEN, () => tokens.set(ID, { ...recordOf({}), registry: "second" })],
    ["namespace-lost", "acme", TOKEN, () => tokens.set(ID, recordOf({}, "lost"))],
    ["installation-suspended", "acme", TOKEN, () => tokens.set(ID, recordOf({}, "suspended"))],
    ["installation-removed", "acme", TOKEN, () => tokens.set(ID, recordOf({}, "removed"))],
  ])(
    "is refused where it is %s (as %s), with a line for the operator and one question to the database",
    async (reason, username, text, given) => {
      given();
      expect(await verify(username, text)).toBeNull();
      expect(warnings).toMatchObject([{ token: `whf_${ID}`, reason, message: "an access token was refused" }]);
      expect(JSON.stringify(warnings)).not.toContain(text.slice(21));
      // So there is no telling by the time it takes whether a token of some id exists.
      expect([asked, used]).toEqual([[ID], []]);
    },
  );

  it("never gets as far as the database where it is none", async () => {
    for (const text of [TOKEN.slice(0, -1), `${TOKEN}x`, TOKEN.toUpperCase(), "whf_", `whf_${ID}`, "' OR 1=1 --", ""]) {
      expect(await verify("acme", text)).toBeNull();
    }
    expect([asked, warnings]).toEqual([[], []]);
  });

  it("is no lease's secret, and a lease's secret no access token", async () => {
    tokens.set(ID, recordOf({ namespace: USER }));
    expect(await verify(USER, TOKEN)).toMatchObject({ kind: "access", namespace: USER });
    tokens.clear();
    expect(await verify(USER, TOKEN)).toBeNull();
    expect(await verify("acme", SECRET)).toBeNull();
  });

  it("is noted as used, at most once a minute", async () => {
    for (const [lastUsedAt, count] of [
      [null, 1],
      ["2026-11-20T11:59:00.000Z", 2],
      ["2026-11-20T11:59:00.001Z", 2],
      ["2026-11-20T11:59:59.000Z", 2],
    ] as const) {
      tokens.set(ID, recordOf({ lastUsedAt }));
      await verify("acme", TOKEN);
      expect(used).toHaveLength(count);
    }
  });

  it("signs in even where that it was used can not be written", async () => {
    useFails = new Error("disk full");
    expect(await verify("acme", TOKEN)).toMatchObject(held);
    expect(warnings).toEqual([
      { token: `whf_${ID}`, err: useFails, message: "that an access token was used is not recorded" },
    ]);
  });

  it("of which only a hash is known is told from every other", async () => {
    for (let count = 0; count < 200; count += 1) {
      const guess = makeAccessToken(Buffer.alloc(10, 7), randomBytes(20)).text;
      expect(await verify("acme", guess)).toBeNull();
    }
    expect(await verify("acme", TOKEN)).toMatchObject(held);
  });
});

describe("what may be pushed to with an access token", () => {
  const NAMES = ["acme/tool", "acme/api", "acme/many", FORGOTTEN, "acme-evil/x", "acme_/x", "other/x", "acme"];
  const holder = { kind: "access", tokenId: ID, namespace: "acme", access: "push", until: UNTIL } as const;

  it("is what no repository owns, in its namespace; nothing else is even asked for", async () => {
    claims = new Map([
      ["acme/api", "owned"],
      ["acme/many", "full"],
    ]);
    expect(Object.fromEntries(await accountsWith(pushes).pushable(holder, NAMES))).toEqual({
      "acme/tool": "granted",
      "acme/api": "image-not-owned",
      "acme/many": "too-many-images",
      [FORGOTTEN]: "image-not-owned",
      "acme-evil/x": "other-namespace",
      "acme_/x": "other-namespace",
      "other/x": "other-namespace",
      acme: "other-namespace",
    });
    expect(asked).toEqual([`${ID} in acme: acme/tool acme/api acme/many ${FORGOTTEN}`]);
  });

  it("is nothing with one that pulls only, and nothing is taken by asking", async () => {
    const answers = await accountsWith(pushes).pushable({ ...holder, access: "pull" }, ["acme/tool", "other/x"]);
    expect(Object.fromEntries(answers)).toEqual({ "acme/tool": "pull-only", "other/x": "other-namespace" });
    expect(asked).toEqual([]);
  });
});

describe("what may be pulled", () => {
  const NAMES = [PUBLIC, "acme/base", "acme-evil/base", "other/base", "acme"];
  const holder = { kind: "build", buildId: "b-1", staging: null, until: UNTIL } as const;

  it("is what everybody may pull, and for a build what its installation owns", async () => {
    expect([...(await accountsWith(pushes).pullable({ kind: "anonymous" }, NAMES))]).toEqual([PUBLIC]);
    expect([...(await accountsWith(pushes).pullable(holder, NAMES))]).toEqual([PUBLIC, "acme/base"]);
  });

  it("is for an untrusted build no more than for everybody, should it ever get in", async () => {
    expect([...(await accountsWith(stranger).pullable(holder, NAMES))]).toEqual([PUBLIC]);
  });

  it("is with an access token what lies in its namespace, by whole components", async () => {
    const access = { kind: "access", tokenId: ID, namespace: "acme", access: "pull", until: UNTIL } as const;
    const names = [...NAMES, "acme_/x", "acme/a/b", "x/acme/y"];
    expect([...(await accountsWith(pushes).pullable(access, names))]).toEqual([PUBLIC, "acme/base", "acme/a/b"]);
  });

  it("is for a build that is not there any more what everybody may pull", async () => {
    const gone = { ...holder, buildId: "b-2" };
    expect([...(await accountsWith(pushes).pullable(gone, NAMES))]).toEqual([PUBLIC]);
  });
});
