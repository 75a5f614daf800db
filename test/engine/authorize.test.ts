import { describe, expect, it } from "@jest/globals";
import { type Actor, failed, type HostId, type Outcome, ok, type Repository } from "../../src/core/model.ts";
import { ACTIONS, type Action, type HostRole, mayDo, ROLES } from "../../src/core/roles.ts";
import { createAuthorizer } from "../../src/engine/authorize.ts";
import { installationId, repository } from "../contract/store.samples.ts";
import { recordingLog } from "./fakes.ts";

const ANN: Actor = { id: "5", login: "ann\u001b[2J\nfake" };
const PLACE = { installation: installationId("7"), repository: repository("1") };

type Asked = readonly [HostId, Repository | null, Actor];

function asking(answer: Outcome<HostRole>, host: Partial<HostId> = {}) {
  const asked: Asked[] = [];
  const { log, lines } = recordingLog();
  const role = async (...question: Asked) => {
    asked.push(question);
    return answer;
  };
  const { provider, host: name } = { ...installationId("7"), ...host };
  return { asked, lines, may: createAuthorizer({ hosts: [{ provider, host: name, role }], log }).may };
}

const ALL = Object.keys(ACTIONS) as Action[];
const HOST_ROLES = ROLES.filter((role) => role !== "operator");

describe("whether somebody may do something", () => {
  it.each(HOST_ROLES.flatMap((role) => ALL.map((action): [HostRole, Action] => [role, action])))(
    "follows, for whom the host calls %s, from the table: %s",
    async (role, action) => {
      const { kind } = await asking(ok(role)).may(ANN, action, PLACE);
      expect(kind).toBe(mayDo(role, action) ? "allowed" : "refused");
    },
  );

  it("is asked of the installation's host each time, about the repository or the account as a whole", async () => {
    const { may, asked } = asking(ok("write"));
    await may(ANN, "build.approve", PLACE);
    await may(ANN, "build.approve", PLACE);
    await may(ANN, "policy.change", PLACE);
    expect(asked).toEqual([
      [PLACE.installation, PLACE.repository, ANN],
      [PLACE.installation, PLACE.repository, ANN],
      [PLACE.installation, null, ANN],
    ]);
  });

  it("is refused with a sentence, and a line in the log with ids and the reason", async () => {
    const { may, lines } = asking(ok("read"));
    expect(await may(ANN, "build.approve", PLACE)).toEqual({
      kind: "refused",
      why: "ann fake may not approve builds of acme/repository-1: that takes the role write; GitHub gives them read there.",
    });
    expect(await may(ANN, "policy.change", PLACE)).toEqual({
      kind: "refused",
      why: "ann fake may not change the policy: that takes the role owner; GitHub gives them read in the account.",
    });
    expect(lines).toMatchObject([
      {
        level: "warn",
        fields: {
          reason: "role-read",
          action: "build.approve",
          actor: "5",
          installation: "github:default:7",
          repository: "github:default:1",
        },
      },
      { level: "warn", fields: { reason: "role-read", action: "policy.change" } },
    ]);
  });

  it("is refused without asking anybody where it is the operator's to do", async () => {
    const { may, asked, lines } = asking(ok("owner"));
    expect(await may(ANN, "claim.decide", { ...PLACE, repository: null })).toEqual({
      kind: "refused",
      why: "ann fake may not decide who gets a namespace: that is for the operator of this instance.",
    });
    expect([asked, lines[0]?.fields]).toMatchObject([[], { reason: "operator-only" }]);
  });

  it.each([
    [failed("GitHub answered 502.", { retryable: true, retryAfter: 30 }), { retryable: true, retryAfter: 30 }],
    [failed("members: read is missing.", { retryable: false }), { retryable: false, retryAfter: null }],
  ])("is not known, and so not allowed, where the host does not tell: %j", async (answer, retry) => {
    const { may, lines } = asking(answer);
    const authorization = await may(ANN, "build.approve", PLACE);
    expect(authorization).toMatchObject({ kind: "unknown", ...retry });
    expect(authorization).toMatchObject({ why: expect.stringContaining(answer.ok ? "" : answer.message) });
    expect(lines).toMatchObject([{ level: "warn", fields: { reason: "role-unknown", actor: "5" } }]);
  });

  it.each([{ host: "ghes" }, { provider: "bitbucket" as const }])(
    "is asked of no other host than the installation's: %j",
    async (other) => {
      const { may, asked } = asking(ok("owner"), other);
      expect(await may(ANN, "build.approve", PLACE)).toMatchObject({ kind: "unknown", retryable: false });
      expect(asked).toEqual([]);
    },
  );

  it("is a bug to ask about a repository of another host, or about none", async () => {
    const { may } = asking(ok("owner"));
    for (const wrong of [null, { ...PLACE.repository, host: "ghes" }]) {
      await expect(may(ANN, "build.approve", { ...PLACE, repository: wrong })).rejects.toThrow(
        "its installation's host",
      );
    }
  });
});
