import { describe, expect, it } from "@jest/globals";
import type { Repository } from "../../src/core/model.ts";
import type { Authorizer } from "../../src/engine/authorize.ts";
import { mayAs, type Viewer } from "../../src/engine/viewer.ts";

const ACME = { provider: "bitbucket", host: "default", id: "{acme}" } as const;
const ANN = { provider: "bitbucket", host: "default", actor: { id: "{ann}", login: "ann" } } as const;
const viewer: Viewer = {
  kind: "person",
  person: ANN,
  vouched: [{ installation: ACME, role: "read", repositories: { "{api}": "write", "{docs}": "read" } }],
};

function repository(id: string): Repository {
  const names = { fullName: "acme/x", private: true, defaultBranch: null, cloneUrl: "", webUrl: "" };
  return { provider: "bitbucket", host: "default", id, ...names };
}

const asked: string[] = [];
const authorizer: Authorizer = {
  async may(_person, action) {
    asked.push(action);
    return { kind: "refused", why: "asked" };
  },
};

describe("roles a host told at the sign-in alone", () => {
  it.each([
    ["account.see", null, "allowed"],
    ["policy.change", null, "refused"],
    ["build.see", "{api}", "allowed"],
    ["build.cancel", "{api}", "allowed"],
    ["build.cancel", "{docs}", "refused"],
    // Not among those they were told of.
    ["build.see", "{other}", "refused"],
    ["build.see", "constructor", "refused"],
    ["instance.pause", null, "refused"],
  ] as const)("decide about %s in %s: %s, and the host is not asked", async (action, id, kind) => {
    const place = { installation: ACME, repository: id === null ? null : repository(id) };
    expect(await mayAs(authorizer, viewer, action, place)).toMatchObject({ kind });
    expect(asked).toEqual([]);
  });

  it("say nothing of other installations, where the host is asked", async () => {
    const elsewhere = { installation: { ...ACME, id: "{other}" }, repository: null };
    expect(await mayAs(authorizer, viewer, "account.see", elsewhere)).toEqual({ kind: "refused", why: "asked" });
    expect(asked).toEqual(["account.see"]);
  });
});
