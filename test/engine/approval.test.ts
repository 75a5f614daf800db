import { describe, expect, it } from "@jest/globals";
import { type Actor, type Build, DEFAULT_POLICY, type ForkPolicy } from "../../src/core/model.ts";
import { approveHeld } from "../../src/engine/approval.ts";
import { aBuild, installation } from "../web/world.ts";

const HOLD = { reason: "awaiting-approval", detail: "It waits." } as const;
const AT = "2026-11-20T12:00:00Z";

/** A store of one build, which is `after` from the moment somebody tries to approve it. */
function attempt(
  before: Build | null,
  after: Build | null,
  released: readonly string[],
  actor: Actor | null = null,
  forks: ForkPolicy = "approve",
) {
  let now = before;
  const asked: unknown[] = [];
  const store = {
    getInstallation: () => Promise.resolve({ ...installation, policy: { ...DEFAULT_POLICY, forks } }),
    getBuild: () => Promise.resolve(now),
    approveBuild: (id: string, by: Actor | null) => {
      asked.push([id, by]);
      now = after;
      return Promise.resolve(released);
    },
  };
  return approveHeld(store, "b1", actor).then((answer) => ({ answer, asked }));
}

describe("approving a held build", () => {
  const held = aBuild({ state: "held", hold: HOLD });

  it.each([null, { id: "5", login: "ann" }])(
    "answers what was released, and tells the store who it was: %j",
    async (actor) => {
      const { answer, asked } = await attempt(held, aBuild({ state: "queued", hold: HOLD }), ["b1", "b2"], actor);
      expect(answer).toEqual({ kind: "approved", builds: ["b1", "b2"] });
      expect(asked).toEqual([["b1", actor]]);
    },
  );

  it("asks the store for nothing where there is no such build", async () => {
    expect(await attempt(null, null, ["b1"])).toEqual({ answer: { kind: "unknown" }, asked: [] });
    expect((await attempt(held, null, [])).answer).toEqual({ kind: "unknown" });
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
    expect(answer).toEqual({ kind: "refused", why: expect.stringContaining(why) });
  });

  it("says that it is the policy, where that has become never for a fork's build", async () => {
    const pull = { number: 5, target: "main", fork: true };
    const fork = aBuild({ state: "held", hold: HOLD }, { kind: "pull_request", pull });
    const own = aBuild({ state: "held", hold: HOLD }, { kind: "pull_request", pull: { ...pull, fork: false } });
    const why = async (build: Build, forks: ForkPolicy) => (await attempt(build, build, [], null, forks)).answer;
    const never = expect.stringContaining("policy is never to build pull requests from forks");
    expect(await why(fork, "never")).toEqual({ kind: "refused", why: never });
    expect(await why(fork, "approve")).toEqual({ kind: "refused", why: expect.not.stringContaining("policy") });
    expect(await why(own, "never")).toEqual({ kind: "refused", why: expect.not.stringContaining("policy") });
  });
});
