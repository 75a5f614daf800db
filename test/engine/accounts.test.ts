import { beforeEach, describe, expect, it } from "@jest/globals";
import type { Build } from "../../src/core/model.ts";
import { createAccounts } from "../../src/engine/accounts.ts";
import { leaseUser } from "../../src/engine/credentials.ts";
import { buildOf } from "./fakes.ts";

const SECRET = "the-secret-of-the-lease";
const UNTIL = 1_800_000_000_000;
const PUBLIC = "library/busybox";

const asked: string[] = [];
beforeEach(() => {
  asked.length = 0;
});

/** Accounts where this one build has a lease, and one image is everybody's. */
function accountsWith(build: Build) {
  return createAccounts({
    store: {
      async leaseHolder(id, secret) {
        asked.push(id);
        return id === build.id && secret === SECRET ? { build, until: UNTIL } : null;
      },
      getBuild: async (id) => (id === build.id ? build : null),
      publicImages: async (names) => new Set(names.filter((name) => name === PUBLIC)),
    },
    staging: (id) => ({ repository: `staging/${id}` }),
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

  it("is for a build that is not there any more what everybody may pull", async () => {
    const gone = { ...holder, buildId: "b-2" };
    expect([...(await accountsWith(pushes).pullable(gone, NAMES))]).toEqual([PUBLIC]);
  });
});
