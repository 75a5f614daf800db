import { describe, expect, it } from "@jest/globals";
import { API_TOKEN_ROLES } from "../../src/core/api-tokens.ts";
import { actorOf } from "../../src/core/audit.ts";
import { ACTIONS, type Action, mayDo } from "../../src/core/roles.ts";
import type { Authorization, Authorizer, Place } from "../../src/engine/authorize.ts";
import { deciderOf, mayAs, type Viewer } from "../../src/engine/viewer.ts";

const SEVEN = { provider: "github", host: "default", id: "7" } as const;
const HERE: Place = { installation: SEVEN, repository: null };
const ANN = { provider: "github", host: "default", actor: { id: "5", login: "ann" } } as const;
const ALL = Object.keys(ACTIONS) as readonly Action[];

/** Notes whom it is asked about; nobody may anything. */
function host() {
  const asked: string[] = [];
  const refused: Authorization = { kind: "refused", why: "The host says no." };
  const authorizer: Authorizer = {
    async may(person, action) {
      asked.push(`${person.id} ${action}`);
      return refused;
    },
  };
  return { authorizer, asked, refused };
}

function token(role: (typeof API_TOKEN_ROLES)[number], installation: Place["installation"] = SEVEN): Viewer {
  return { kind: "token", id: "wha_a", name: "deploys", installation, role };
}

describe("whoever looks", () => {
  it.each([null, ANN])("may do everything as the operator, and no host is asked: %j", async (person) => {
    const { authorizer, asked } = host();
    for (const action of ALL) {
      expect(await mayAs(authorizer, { kind: "operator", person }, action, HERE)).toEqual({ kind: "allowed" });
    }
    expect(asked).toEqual([]);
  });

  it("may do as a person what their host says of them by id, and nothing on another host", async () => {
    const { authorizer, asked, refused } = host();
    const viewer = { kind: "person", person: ANN } as const;
    expect(await mayAs(authorizer, viewer, "account.see", HERE)).toEqual(refused);
    expect(asked).toEqual(["5 account.see"]);
    for (const elsewhere of [
      { provider: "bitbucket", host: "default", id: "7" },
      { provider: "github", host: "other", id: "7" },
    ] as const) {
      const answer = await mayAs(authorizer, viewer, "account.see", { installation: elsewhere, repository: null });
      expect(answer).toMatchObject({ kind: "refused", why: expect.stringContaining("another host") });
    }
    expect(asked).toHaveLength(1);
  });

  it.each(API_TOKEN_ROLES)(
    "may do with a token of the role %s what that role may, and nothing of the instance",
    async (role) => {
      const { authorizer, asked } = host();
      for (const action of ALL) {
        const { kind } = await mayAs(authorizer, token(role), action, HERE);
        const may = ACTIONS[action].of !== "instance" && mayDo(role, action);
        expect([action, kind]).toEqual([action, may ? "allowed" : "refused"]);
      }
      expect(asked).toEqual([]);
    },
  );

  it.each([
    { provider: "github", host: "default", id: "8" },
    { provider: "github", host: "other", id: "7" },
    { provider: "bitbucket", host: "default", id: "7" },
  ] as const)("may do nothing with a token of %j in another installation", async (installation) => {
    for (const action of ALL) {
      const answer = await mayAs(host().authorizer, token("owner", installation), action, HERE);
      expect([action, answer.kind]).toEqual([action, "refused"]);
    }
  });

  it("is named in the audit log, and where people see who decided", () => {
    const named = [
      [{ kind: "operator", person: null }, { kind: "operator" }, null],
      [{ kind: "operator", person: ANN }, { kind: "person", ...ANN }, ANN.actor],
      [{ kind: "person", person: ANN }, { kind: "person", ...ANN }, ANN.actor],
      [token("read"), { kind: "token", id: "wha_a", name: "deploys" }, { id: "wha_a", login: "API token deploys" }],
    ] as const;
    for (const [viewer, by, actor] of named) {
      expect(deciderOf(viewer)).toEqual(by);
      expect(actorOf(deciderOf(viewer))).toEqual(actor);
    }
  });
});
