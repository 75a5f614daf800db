import { describe, expect, it } from "@jest/globals";
import type { Approval, BuildState, Hold } from "../../src/core/model.ts";
import { judgeRetry, type RetryFacts, unretriable } from "../../src/core/retry.ts";
import { change, pull, request, sha } from "../contract/store.samples.ts";

const MAIN = request(change("a", "b"), "api", { tags: ["latest", "sha-b"] });
const FORK = request(pull(3, "b"), "api", { push: false, trust: "untrusted" });
const HOLD: Hold = { reason: "awaiting-approval", detail: "It waits." };
const APPROVED: Approval = { actor: null, at: "2026-11-20T10:00:00.000Z" };

function facts(changes: Partial<RetryFacts> = {}, build: Partial<RetryFacts["build"]> = {}): RetryFacts {
  return {
    build: { state: "failed", planned: MAIN, hold: null, approval: null, ...build },
    closed: null,
    forks: "approve",
    head: sha("b"),
    staying: new Map(),
    ...changes,
  };
}

const fork = (changes: Partial<RetryFacts> = {}, build: Partial<RetryFacts["build"]> = {}) =>
  judgeRetry(facts(changes, { planned: FORK, hold: HOLD, approval: APPROVED, ...build }));

describe("a retry", () => {
  it.each<[BuildState, RegExp | null]>([
    ["queued", /it is queued/],
    ["running", /it is running/],
    ["held", /it is held/],
    ["succeeded", /has succeeded/],
    ["failed", null],
    ["canceled", null],
    ["superseded", null],
    ["timed_out", null],
  ])("of a build that is %s: %s", (state, why) => {
    const answer = unretriable({ state, planned: MAIN });
    if (why === null) expect(answer).toBeNull();
    else expect(answer).toMatch(why);
    expect(judgeRetry(facts({}, { state })).ok).toBe(why === null);
  });

  it("is as held and as approved as what it repeats", () => {
    expect(judgeRetry(facts())).toEqual({ ok: true, hold: null, approval: null });
    const brake: Hold = { reason: "brake", detail: "Too many." };
    expect(judgeRetry(facts({}, { hold: brake }))).toEqual({ ok: true, hold: brake, approval: null });
    expect(fork()).toEqual({ ok: true, hold: HOLD, approval: APPROVED });
    expect(fork({}, { approval: null })).toEqual({ ok: true, hold: HOLD, approval: null });
  });

  it("is none where nothing is built", () => {
    const answer = judgeRetry(facts({ closed: { reason: "paused", why: "builds are paused" } }));
    expect(answer).toEqual({ ok: false, why: "It is not built again: builds are paused." });
  });

  it("is none where all its tags stay with something newer, and is one where a tag is its own", () => {
    const staying = new Map([["latest", "It stays."]]);
    expect(judgeRetry(facts({ staying })).ok).toBe(true);
    const all = new Map([...staying, ["sha-b", "This too."]]);
    const why = "It is not built again, for all its tags have something newer. latest: It stays. sha-b: This too.";
    expect(judgeRetry(facts({ staying: all }))).toEqual({ ok: false, why });
    expect(judgeRetry(facts({ staying: all }, { planned: { ...MAIN, push: false } })).ok).toBe(true);
  });

  it("of a fork's pull request counts by the policy of now", () => {
    expect(fork({ forks: "never" })).toMatchObject({ ok: false, why: expect.stringContaining("never to build") });
    expect(fork({ forks: "test" }, { hold: null, approval: null })).toEqual({ ok: true, hold: null, approval: null });
    expect(fork({ forks: "approve" }, { hold: null, approval: null })).toMatchObject({
      ok: true,
      hold: { reason: "awaiting-approval" },
      approval: null,
    });
  });

  it("of a pull request is one of the commit that it is at, and of none that is closed", () => {
    expect(fork({ head: sha("c") })).toMatchObject({ ok: false, why: expect.stringContaining("has moved on") });
    expect(fork({ head: null })).toMatchObject({ ok: false, why: expect.stringContaining("is closed") });
    const own = { planned: request(pull(4, "b", { fork: false }), "api", { push: false }), hold: null, approval: null };
    expect(fork({ head: sha("c") }, own).ok).toBe(true);
    expect(fork({ head: null }, own).ok).toBe(false);
  });
});
