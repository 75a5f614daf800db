import { describe, expect, it } from "@jest/globals";
import { DEFAULT_POLICY, hostKey, type Installation } from "../../src/core/model.ts";
import type { Standing } from "../../src/engine/operations-port.ts";
import { createPauses } from "../../src/engine/pauses.ts";
import { createRefusals, createStatus, type RateBudget, type StatusOptions } from "../../src/engine/status.ts";

const NOW = Date.parse("2026-11-20T12:00:00Z");
const clock = { now: () => NOW };

const acme: Installation = {
  provider: "github",
  host: "default",
  id: "7",
  account: { provider: "github", host: "default", id: "9", login: "acme", kind: "organization" },
  state: "active",
  namespace: "acme",
  permissions: {},
  policy: DEFAULT_POLICY,
};
const other: Installation = { ...acme, host: "ghes", id: "8" };

const standing: Standing = {
  heard: "2026-11-20T11:00:00.000Z",
  deliveries: { count: 1, oldest: "2026-11-20T11:00:00.000Z" },
  queued: { count: 0, oldest: null },
  running: 2,
  checks: { count: 0, oldest: null, note: null },
};
const budget: RateBudget = { of: "the App", limit: 10, left: 3, resetsAt: null, at: "2026-11-20T11:59:00.000Z" };

function status(changes: Partial<StatusOptions> = {}) {
  const asked: string[] = [];
  const made = createStatus({
    store: {
      stats: () => Promise.reject(new Error("nobody asks")),
      standings: async () => {
        asked.push("standings");
        return new Map([[hostKey(acme), standing]]);
      },
    },
    watches: [{ provider: "github", host: "default", budgets: async () => [budget] }],
    pauses: createPauses(clock),
    permissions: () => null,
    refusals: { list: () => [] },
    clock,
    ...changes,
  });
  return { made, asked };
}

describe("the status of installations", () => {
  it("is what is recorded, with what their hosts let this process do, in their order", async () => {
    const pauses = createPauses(clock);
    pauses.begin(other, 90);
    const { made, asked } = status({ pauses });
    const [first, second] = await made.installations([acme, other]);
    const { heard, ...rest } = standing;
    expect(first).toEqual({
      ...rest,
      installation: acme,
      lastEvent: heard,
      budgets: [budget],
      askedToWait: null,
      permissions: null,
    });
    // One of another host: its budget is not that of this one.
    expect(second).toMatchObject({ lastEvent: null, budgets: [], askedToWait: "2026-11-20T12:01:30.000Z" });
    expect(asked).toEqual(["standings"]);
  });
});

describe("refused webhooks", () => {
  it("are counted by path and answer, the last first", () => {
    let now = NOW;
    const refusals = createRefusals({ now: () => now });
    refusals.note("/webhooks/github", 401);
    refusals.note("/webhooks/github", 202);
    refusals.note("/webhooks/github", 503);
    now += 1_000;
    refusals.note("/webhooks/github", 401);
    expect(refusals.list()).toEqual([
      { path: "/webhooks/github", status: 401, count: 2, last: "2026-11-20T12:00:01.000Z" },
      { path: "/webhooks/github", status: 503, count: 1, last: "2026-11-20T12:00:00.000Z" },
    ]);
  });

  it("are kept of some paths only, whatever strangers post to", () => {
    const refusals = createRefusals(clock);
    for (let index = 0; index < 200; index += 1) refusals.note(`/webhooks/bitbucket/${index}${"x".repeat(500)}`, 404);
    const kept = refusals.list();
    expect(kept).toHaveLength(50);
    expect(kept[0]?.path).toHaveLength(200);
    expect(kept[0]?.path).toContain("/199x");
  });
});
