import { describe, expect, it } from "@jest/globals";
import type { Decider } from "../../src/core/audit.ts";
import { type Actor, type Build, DEFAULT_POLICY, type ForkPolicy } from "../../src/core/model.ts";
import { approveFor, approveHeld } from "../../src/engine/approval.ts";
import type { Authorization } from "../../src/engine/authorize.ts";
import { aBuild, installation } from "../web/world.ts";

const HOLD = { reason: "awaiting-approval", detail: "It waits." } as const;
const OPERATOR: Decider = { kind: "operator" };
const ANN: Actor = { id: "5", login: "ann" };
const AT = "2026-11-20T12:00:00Z";

/** A store of one build, which is `after` from the moment somebody tries to approve it. */
function attempt(
  before: Build | null,
  after: Build | null,
  released: readonly string[],
  by: Decider = OPERATOR,
  forks: ForkPolicy = "approve",
) {
  let now = before;
  const asked: unknown[] = [];
  const store = {
    getInstallation: () => Promise.resolve({ ...installation, policy: { ...DEFAULT_POLICY, forks } }),
    getBuild: () => Promise.resolve(now),
    approveBuild: (id: string, by: Decider) => {
      asked.push([id, by]);
      now = after;
      return Promise.resolve(released);
    },
  };
  return approveHeld(store, "b1", by).then((answer) => ({ answer, asked }));
}

describe("approving a held build", () => {
  const held = aBuild({ state: "held", hold: HOLD });

  it.each([OPERATOR, { kind: "person", provider: "github", host: "default", actor: ANN } as const])(
    "answers what was released, and tells the store who it was: %j",
    async (by) => {
      const { answer, asked } = await attempt(held, aBuild({ state: "queued", hold: HOLD }), ["b1", "b2"], by);
      expect(answer).toEqual({ kind: "approved", builds: ["b1", "b2"] });
      expect(asked).toEqual([["b1", by]]);
    },
  );

  it("asks the store for nothing where there is no such build", async () => {
    expect(await attempt(null, null, ["b1"])).toEqual({ answer: { kind: "no-build" }, asked: [] });
    expect((await attempt(held, null, [])).answer).toEqual({ kind: "no-build" });
  });

  it.each<[string, Partial<Build>, string]>([
    ["was never held", { state: "running" }, "never held"],
    ["is still held", { state: "held", hold: HOLD }, "paused, suspended or removed"],
    ["was replaced", { state: "superseded", hold: HOLD }, "something newer has replaced it"],
    ["was canceled", { state: "canceled", hold: HOLD }, "it is canceled"],
    ["took too long", { state: "timed_out", hold: HOLD }, "it is timed out"],
    [
      "was approved by somebody else meanwhile",
      { state: "queued", hold: HOLD, approval: { actor: { id: "5", login: "ann" }, at: AT } },
      `approved already, by ann at ${AT}`,
    ],
    [
      "was approved by the operator",
      { state: "superseded", hold: HOLD, approval: { actor: null, at: AT } },
      "already, by the operator",
    ],
  ])("says why not where it %s", async (_what, now, why) => {
    const { answer } = await attempt(held, aBuild(now), []);
    expect(answer).toEqual({ kind: "not-held", why: expect.stringContaining(why) });
  });

  it("says that it is the policy, where that has become never for a fork's build", async () => {
    const pull = { number: 5, target: "main", fork: true };
    const fork = aBuild({ state: "held", hold: HOLD }, { kind: "pull_request", pull });
    const own = aBuild({ state: "held", hold: HOLD }, { kind: "pull_request", pull: { ...pull, fork: false } });
    const why = async (build: Build, forks: ForkPolicy) => (await attempt(build, build, [], OPERATOR, forks)).answer;
    const never = expect.stringContaining("policy is never to build pull requests from forks");
    expect(await why(fork, "never")).toEqual({ kind: "not-held", why: never });
    expect(await why(fork, "approve")).toEqual({ kind: "not-held", why: expect.not.stringContaining("policy") });
    expect(await why(own, "never")).toEqual({ kind: "not-held", why: expect.not.stringContaining("policy") });
  });
});

describe("approving for somebody", () => {
  const held = aBuild({ state: "held", hold: HOLD });

  async function approveAs(authorization: Authorization, actor: Actor | null, id = "b1") {
    const asked: unknown[] = [];
    const approved: unknown[] = [];
    const store = {
      getInstallation: async () => installation,
      getBuild: async (of: string) => (of === "b1" ? held : null),
      approveBuild: async (of: string, by: Decider) => {
        approved.push([of, by]);
        return [of];
      },
    };
    const authorizer = {
      may: async (...question: unknown[]) => {
        asked.push(question);
        return authorization;
      },
    };
    return { approving: await approveFor({ store, authorizer }, id, actor), asked, approved };
  }

  it("asks whether they may, of the build's own repository, and approves in their name", async () => {
    const { approving, asked, approved } = await approveAs({ kind: "allowed" }, ANN);
    expect(approving).toEqual({ kind: "approved", builds: ["b1"] });
    expect(asked).toEqual([[ANN, "build.approve", { installation: held.installation, repository: held.repository }]]);
    expect(approved).toEqual([["b1", { kind: "person", provider: "github", host: "default", actor: ANN }]]);
  });

  it.each<Authorization>([
    { kind: "refused", why: "They may not." },
    { kind: "unknown", why: "GitHub is away.", retryable: true, retryAfter: 5 },
    { kind: "unknown", why: "GitHub does not tell.", retryable: false, retryAfter: null },
  ])("approves nothing where they may not, or nobody knows: %j", async (authorization) => {
    const { approving, approved } = await approveAs(authorization, ANN);
    expect([approving, approved]).toEqual([authorization, []]);
  });

  it("asks nobody for the operator, nor where there is no such build", async () => {
    const refused = { kind: "refused", why: "They may not." } as const;
    const operator = await approveAs(refused, null);
    expect([operator.approving.kind, operator.asked, operator.approved]).toEqual(["approved", [], [["b1", OPERATOR]]]);
    const nothing = await approveAs({ kind: "allowed" }, ANN, "b9");
    expect([nothing.approving, nothing.asked, nothing.approved]).toEqual([{ kind: "no-build" }, [], []]);
  });
});
