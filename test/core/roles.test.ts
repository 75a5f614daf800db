import { readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import { ACTIONS, type Action, mayDo, ROLES, type Role, roleInRepository } from "../../src/core/roles.ts";

/** Everything somebody may do, by the least role that may: written out, so that nothing changes unnoticed. */
const BY_ROLE: Readonly<Record<Role, readonly Action[]>> = {
  none: [],
  read: ["build.see", "build.log", "account.see"],
  write: ["build.start", "build.retry", "build.cancel", "build.approve"],
  owner: [
    "audit.see",
    "policy.change",
    "account.pause",
    "repository.pause",
    "variable.change",
    "access.change",
    "token.change",
    "notification.change",
    "image.share",
    "image.open",
    "namespace.share",
  ],
  operator: [
    "claim.decide",
    "namespace.assign",
    "image.give",
    "registry.change",
    "connection.change",
    "instance.pause",
    "instance.audit",
    "key.rotate",
  ],
};

const ALL = Object.keys(ACTIONS) as Action[];

describe("who may do what", () => {
  it.each(ROLES.flatMap((role) => ALL.map((action): [Role, Action] => [role, action])))(
    "%s: %s, exactly as the table says",
    (role, action) => {
      const least = ROLES.find((one) => BY_ROLE[one].includes(action));
      if (least === undefined) throw new Error(`${action} is in no row of the table`);
      expect(mayDo(role, action)).toBe(ROLES.indexOf(role) >= ROLES.indexOf(least));
    },
  );

  it("knows every action once", () => {
    expect(Object.values(BY_ROLE).flat().toSorted()).toEqual(ALL.toSorted());
  });

  it("lets whoever has no role do nothing, and the operator everything", () => {
    expect(ALL.filter((action) => mayDo("none", action))).toEqual([]);
    expect(ALL.filter((action) => !mayDo("operator", action))).toEqual([]);
  });

  it("asks for roles that can be had where they count: owners of accounts, nobody of the instance", () => {
    for (const { of, least } of Object.values(ACTIONS)) {
      const possible: Readonly<Record<typeof of, readonly Role[]>> = {
        repository: ["read", "write"],
        account: ["read", "owner"],
        instance: ["operator"],
      };
      expect(possible[of]).toContain(least);
    }
  });

  it("does not take who administers one repository for an owner of the account", () => {
    expect((["none", "read", "write", "admin"] as const).map(roleInRepository)).toEqual([
      "none",
      "read",
      "write",
      "write",
    ]);
    expect(mayDo(roleInRepository("admin"), "policy.change")).toBe(false);
  });
});

describe("the documents", () => {
  it("say of each role what it may do besides", () => {
    const text = readFileSync(new URL("../../docs/operations.md", import.meta.url), "utf8");
    for (const role of ROLES.filter((one) => one !== "none")) {
      const row = text.split("\n").find((line) => line.startsWith(`| \`${role}\` |`));
      const what = Object.values(ACTIONS).filter(({ least }) => least === role);
      expect(row?.split(" | ").at(-1)).toBe(`${what.map((one) => one.what).join("; ")} |`);
    }
  });
});
