import { describe, expect, it } from "@jest/globals";
import type { HostEvent, PushEvent } from "../../src/core/events.ts";
import { failed, ok } from "../../src/core/model.ts";
import type { Replayed, WaitingLane } from "../../src/engine/pause-port.ts";
import { createPauses } from "../../src/engine/pauses.ts";
import type { Host } from "../../src/engine/ports.ts";
import { createReplay, lanesOf, onlyLanes, type ReplayOptions, tellReplayed } from "../../src/engine/replay.ts";
import { change, installationId, repository, sha, testClock } from "../contract/store.samples.ts";
import { FORK, hostOf, INSTALLATION, PULL, PUSH, recordingLog } from "./fakes.ts";

const MAIN = "refs/heads/main";
const SCOPE = { kind: "installation", id: installationId("7") } as const;

function waiting(id: string, more: Partial<WaitingLane> = {}): WaitingLane {
  const delivery = { id, deliveryId: `guid-${id}`, event: "push", installationId: "7", commits: [] };
  const lane = { repository: repository("1"), installation: INSTALLATION, lane: MAIN, sha: sha("b"), delivery };
  return { ...lane, readable: true, ...more };
}

interface Setting {
  readonly lanes?: readonly WaitingLane[];
  readonly events?: readonly HostEvent[];
  readonly host?: Partial<Host>;
  readonly options?: Partial<ReplayOptions>;
  readonly body?: Buffer | null;
}

function replayOf({ lanes = [waiting("1")], events = [PUSH], host, options, body = Buffer.from("{}") }: Setting = {}) {
  const clock = testClock();
  const recorded = recordingLog();
  const lifted: boolean[] = [];
  const pauses = createPauses(clock);
  const replay = createReplay({
    store: {
      async waitingLanes(_scope, given) {
        lifted.push(given.lifted);
        return lanes;
      },
      countBuilds: async () => ({ queued: 2, running: 1 }),
      replayDeliveries: async () => ({ deliveries: ["9"], lanes, lost: [] }),
      deliveryBody: async () => body,
      imageOwners: async () => new Map([["api", "own"]]),
      toldPlaces: async () => new Map(),
    },
    hosts: [hostOf(events, host)],
    pauses,
    clock,
    log: recorded.log,
    ...options,
  });
  return { replay, lifted, pauses, lines: recorded.lines };
}

async function answersOf(setting: Setting) {
  return (await replayOf(setting).replay.preview(SCOPE))?.lanes.map(({ answer }) => answer);
}

describe("a preview of what would be built", () => {
  it("is that of the planner, as if nothing were paused", async () => {
    const { replay, lifted } = replayOf();
    const preview = await replay.preview(SCOPE);
    expect(lifted).toEqual([true]);
    expect(preview).toMatchObject({ queued: 2, running: 1, further: 0 });
    expect(preview?.lanes).toMatchObject([
      {
        lane: { lane: MAIN, sha: sha("b"), delivery: "1" },
        answer: { kind: "planned", builds: [{ image: "api", tags: ["latest"], sha: sha("b") }], held: [], skips: [] },
      },
    ]);
  });

  it("tells why something would not be built, and what would wait for somebody", async () => {
    expect(await answersOf({ host: { file: async () => ok({ kind: "missing", hint: null }) } })).toMatchObject([
      { kind: "planned", builds: [], skips: [{ reason: "config-missing" }] },
    ]);
    const text = "version: 1\nimages: [{ name: api, rules: [{ pull_request: main }] }]\n";
    const host: Partial<Host> = {
      file: async () => ok({ kind: "file", text }),
      head: async () => ok({ commit: sha("b"), message: "", committedAt: null, target: null }),
    };
    const lanes = [waiting("1", { lane: "refs/pull/3/head" })];
    expect(await answersOf({ host, lanes, events: [FORK] })).toMatchObject([
      { kind: "planned", builds: [], held: [{ image: "api" }] },
    ]);
  });

  it("is about the repository as its host says it is now", async () => {
    const trunk = { ...repository("1"), defaultBranch: "trunk" };
    const asked: unknown[] = [];
    const host: Partial<Host> = {
      look: async () => ok({ kind: "seen", repository: trunk }),
      file: async (_installation, { defaultBranch }, at) => {
        asked.push([defaultBranch, at]);
        return ok({ kind: "missing", hint: null });
      },
    };
    await answersOf({ host });
    expect(asked).toEqual([["trunk", sha("b")]]);
  });

  it("looks at the lane that waits, and at no other of its delivery", async () => {
    const events = [{ ...PUSH, changes: [change("a", "b"), change("c", "d", "refs/heads/dev")] }];
    const asked: unknown[] = [];
    const file: Host["file"] = async (_installation, _repository, at) => {
      asked.push(at);
      return ok({ kind: "missing", hint: null });
    };
    await answersOf({ events, host: { file } });
    expect(asked).toEqual([sha("b")]);
  });

  it("looks at fifty at the most, and says how many there are besides", async () => {
    const lanes = Array.from({ length: 53 }, (_, index) => waiting(String(index)));
    const preview = await replayOf({ lanes }).replay.preview(SCOPE);
    expect([preview?.lanes.length, preview?.further]).toEqual([50, 3]);
  });

  it("is none of what nobody knows", async () => {
    const { replay } = replayOf();
    expect(replay).toBeDefined();
    const options = replayOf().replay;
    expect(await options.preview(SCOPE)).not.toBeNull();
    const clock = testClock();
    const store: ReplayOptions["store"] = {
      waitingLanes: () => Promise.reject(new Error("asked")),
      countBuilds: async () => null,
      replayDeliveries: () => Promise.reject(new Error("asked")),
      deliveryBody: async () => null,
      imageOwners: async () => new Map(),
      toldPlaces: async () => new Map(),
    };
    const unknown = createReplay({ store, hosts: [], pauses: createPauses(clock), clock, log: recordingLog().log });
    expect(await unknown.preview(SCOPE)).toBeNull();
  });

  it.each<[string, Setting, RegExp]>([
    ["whose body is past retention", { lanes: [waiting("1", { readable: false })] }, /past RETENTION_BODIES_DAYS/],
    ["whose body was just forgotten", { body: null }, /past RETENTION_BODIES_DAYS/],
    ["of a host that is not set up any more", { options: { hosts: [] } }, /no longer set up/],
    ["that its delivery does not tell of", { events: [] }, /not about it any more/],
    ["of another repository", { events: [{ ...PUSH, repository: repository("2") }] }, /not about it any more/],
    [
      "of a delivery that can not be read",
      { host: { receive: () => Promise.reject(new Error("not JSON")) } },
      /can not be read/,
    ],
    ["that is gone", { host: { look: async () => ok({ kind: "gone" }) } }, /does not know it any more/],
    [
      "of a host that can not be looked at",
      { host: { look: async () => failed("503", { retryable: true }) } },
      /^503$/,
    ],
    ["of a host that is away", { host: { file: async () => failed("502", { retryable: true }) } }, /^502$/],
  ])("does not know what becomes of a lane %s", async (_what, setting, why) => {
    expect(await answersOf(setting)).toEqual([{ kind: "unknown", why: expect.stringMatching(why) }]);
  });

  it("asks no more of a host that wants us to wait", async () => {
    let asked = 0;
    const file: Host["file"] = async () => {
      asked += 1;
      return failed("rate limit", { retryable: true, retryAfter: 60 });
    };
    const answers = await answersOf({ lanes: [waiting("1"), waiting("2")], host: { file } });
    expect(answers).toEqual([
      { kind: "unknown", why: "rate limit" },
      { kind: "unknown", why: "the host asked us to wait" },
    ]);
    expect(asked).toBe(1);
  });
});

describe("planning again", () => {
  it("is told in the log, and what can not be with its reason", async () => {
    const { replay, lines } = replayOf();
    expect((await replay.replay(SCOPE)).deliveries).toEqual(["9"]);
    expect(lines.map(({ message }) => message)).toEqual(["planned again what waited"]);
    const recorded = recordingLog();
    const nothing: Replayed = { deliveries: [], lanes: [], lost: [waiting("1", { readable: false })] };
    tellReplayed(nothing, recorded.log);
    expect(recorded.lines).toMatchObject([{ level: "warn", message: "what waited can not be built any more" }]);
  });
});

describe("the lanes of an event", () => {
  const push: PushEvent = { ...PUSH, changes: [change("a", "b"), change("c", "d", "refs/heads/dev")] };

  it("are those of its refs, or of its pull request", () => {
    expect(lanesOf(push)).toEqual([MAIN, "refs/heads/dev"]);
    expect(lanesOf(PULL)).toEqual(["refs/pull/3/head"]);
    expect(lanesOf({ ...PULL, action: "merged" })).toEqual(["refs/pull/3/head"]);
  });

  it("are all that is left of it", () => {
    const unusable = [{ kind: "branch", ref: "x", name: "x", forced: false, before: null, after: null }] as const;
    const left = onlyLanes({ ...push, unusable }, new Set(["refs/heads/dev"]));
    expect(left).toEqual({ ...push, changes: [push.changes[1]], unusable: [] });
    expect(onlyLanes(push, new Set(["refs/heads/none"]))).toBeNull();
    expect(onlyLanes(PULL, new Set(["refs/pull/3/head"]))).toBe(PULL);
    expect(onlyLanes(PULL, new Set(["refs/pull/4/head"]))).toBeNull();
  });
});
