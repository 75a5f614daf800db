import { describe, expect, it } from "@jest/globals";
import { type Holdings, isSettled, receiptItems } from "../../src/core/receipt.ts";

const NOTHING: Holdings = {
  canceled: 0,
  running: 0,
  staging: 0,
  erasedSecrets: [],
  erasedVariables: [],
  erasedNotifications: [],
  revokedTokens: [],
  erasedCredentials: [],
  disallowed: 0,
  withdrawnClaims: 0,
  webhooks: [],
  left: { variables: 0, notifications: 0, tokens: 0, credentials: 0, connections: 0 },
  tombstone: false,
  namespace: null,
  sharedWith: [],
  images: 0,
  paused: false,
  builds: 0,
  repositories: 0,
};
const keptUntil = "2026-12-20T10:00:00.000Z";

function items(more: Partial<Holdings>): string[] {
  return receiptItems({ ...NOTHING, ...more }, { keptUntil }).map(
    ({ state, what, count }) => `${state} ${what} ${count}`,
  );
}

describe("a receipt", () => {
  it("says nothing of what there was none of, and always that the access is gone", () => {
    expect(items({})).toEqual(["removed access 1"]);
  });

  const full: Holdings = {
    ...NOTHING,
    canceled: 3,
    erasedSecrets: ["NPM_TOKEN (0a1b)"],
    erasedVariables: ["LEVEL (2c3d)", "OTHER (4e5f)"],
    revokedTokens: ["cluster"],
    erasedCredentials: ["robot at default"],
    disallowed: 2,
    withdrawnClaims: 1,
    webhooks: [
      { connection: "c1", deleted: true, detail: "deleted" },
      { connection: "c2", deleted: false, detail: "Bitbucket answered 403" },
    ],
    tombstone: true,
    namespace: "acme",
    sharedWith: ["acme-bb"],
    images: 4,
    paused: true,
    builds: 1,
    repositories: 2,
  };

  it("names what is left first, then what was removed, then what is kept", () => {
    expect(items(full)).toEqual([
      "left webhooks 1",
      "removed access 1",
      "removed builds 3",
      "removed secrets 1",
      "removed variables 2",
      "removed access-tokens 1",
      "removed registry-credentials 1",
      "removed further-repositories 2",
      "removed claims 1",
      "removed webhooks 1",
      "kept namespace 1",
      "kept images 4",
      "kept connect-secret 1",
      "kept pause 1",
      "kept records 3",
    ]);
  });

  it("says of what is kept why and until when, and whose the namespace is as well", () => {
    const said = new Map(
      receiptItems(full, { keptUntil }).map(({ state, what, detail }) => [`${state} ${what}`, detail]),
    );
    expect(said.get("kept records")).toContain("1 build and 2 repositories");
    expect(said.get("kept records")).toContain("until 2026-12-20");
    expect(said.get("kept namespace")).toContain("acme-bb");
    expect(said.get("left webhooks")).toContain("c2: Bitbucket answered 403");
    expect(said.get("removed secrets")).toBe("Erased: NPM_TOKEN (0a1b).");
  });

  it.each([
    ["variables", "secrets"],
    ["tokens", "access-tokens"],
    ["credentials", "registry-credentials"],
    ["connections", "webhooks"],
  ] as const)("owns up to %s that are still there", (kind, what) => {
    expect(items({ left: { ...NOTHING.left, [kind]: 2 } })).toEqual([`left ${what} 2`, "removed access 1"]);
  });

  it("names ten of many, and how many more there are", () => {
    const names = Array.from({ length: 12 }, (_, index) => `V${index}`);
    const said = receiptItems({ ...NOTHING, erasedVariables: names }, { keptUntil }).find(
      ({ what }) => what === "variables",
    );
    expect(said).toMatchObject({ count: 12, detail: "Erased: V0, V1, V2, V3, V4, V5, V6, V7, V8, V9 and 2 more." });
  });

  it("waits for builds that run and for staging repositories", () => {
    expect(isSettled(NOTHING)).toBe(true);
    expect(isSettled({ ...NOTHING, running: 1 })).toBe(false);
    expect(isSettled({ ...NOTHING, staging: 1 })).toBe(false);
  });
});
