import { beforeEach, describe, expect, it } from "@jest/globals";
import { type BuildRequest, buildRequest, type SignedRequest } from "../../src/core/build-request.ts";
import { type Build, type BuildStep, ok } from "../../src/core/model.ts";
import type { Crew } from "../../src/engine/crew.ts";
import { createDispatcher, type DispatcherOptions } from "../../src/engine/dispatch.ts";
import type { BuildContext, BuildEnd } from "../../src/engine/ports.ts";
import type { BuildResult, LeaseState } from "../../src/engine/store-port.ts";
import { change, request, type TestClock, testClock } from "../contract/store.samples.ts";
import { buildOf, deferred, type Line, recordingLog, settled } from "./fakes.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;
const BUILT: BuildEnd = { kind: "built", image: { digest: DIGEST } };
const AWAY: BuildEnd = {
  kind: "failed",
  failure: { class: "push", message: "The registry is away." },
  retryable: true,
};
/** What the requests' keys would say; engine/signing has tests of its own. */
const SIGNED: SignedRequest = { document: "{}", digest: "", keyId: "", signature: "" };
const REQUEST = buildRequest(
  buildOf(),
  { actor: null, configDigest: null },
  {
    registry: "registry.test",
    network: "none",
    limits: { seconds: 60, memoryBytes: 1, logBytes: 1 },
    staging: (id) => ({ repository: `staging/${id}`, tag: "build" }),
  },
);
const CREDENTIALS = { clone: { username: "git", password: "p" }, registry: null };
const BROKEN: BuildEnd = { kind: "failed", failure: { class: "build", message: "RUN failed." }, retryable: false };

interface Setting {
  readonly build?: Partial<Build>;
  readonly attempt?: number;
  readonly builder?: (context: BuildContext) => Promise<BuildEnd>;
  readonly more?: Partial<DispatcherOptions>;
  readonly heartbeat?: () => Promise<LeaseState>;
  readonly finish?: () => Promise<boolean>;
  readonly closeLog?: () => Promise<void>;
  readonly request?: SignedRequest | null;
  readonly verify?: () => Promise<BuildRequest>;
}

let clock: TestClock;
let lines: Line[];
/** What was asked of the store and the log, in order. */
let told: string[];
let results: BuildResult[];
let staged: readonly BuildStep[];
let logged: string;

beforeEach(() => {
  clock = testClock();
  told = [];
  results = [];
  staged = [];
  logged = "";
});

function dispatcherOf(setting: Setting): Crew {
  const recorded = recordingLog();
  lines = recorded.lines;
  let waiting = true;
  return createDispatcher({
    store: {
      async claimBuild() {
        if (!waiting) return null;
        waiting = false;
        return {
          build: buildOf(setting.build),
          attempt: setting.attempt ?? 1,
          request: setting.request === undefined ? SIGNED : setting.request,
          secret: "s",
        };
      },
      heartbeat: setting.heartbeat ?? (async () => "held"),
      async finishBuild(_id, attempt, result) {
        told.push(`${result.state} by ${attempt}`);
        results.push(result);
        return setting.finish?.() ?? true;
      },
      async stageBuild(_id, attempt, { digest, steps }) {
        told.push(`staged ${digest.slice(0, 10)} by ${attempt}`);
        staged = steps;
        return setting.finish?.() ?? true;
      },
      async releaseBuild(_id, attempt, notBefore) {
        told.push(`released by ${attempt} for ${(Date.parse(notBefore) - clock.now()) / 1_000} s`);
        return true;
      },
    },
    logs: {
      open: () => ({
        write: (text) => {
          logged += text;
        },
        async close() {
          await setting.closeLog?.();
          told.push("log closed");
        },
      }),
    },
    builder: { build: setting.builder ?? (async () => BUILT) },
    verify: setting.verify ?? (async () => REQUEST),
    exchange: async () => ok(CREDENTIALS),
    clock,
    log: recorded.log,
    worker: "test",
    concurrency: 1,
    leaseMs: 15_000,
    heartbeatMs: 1,
    onChange: () => undefined,
    ...setting.more,
  });
}

async function run(setting: Setting): Promise<void> {
  const dispatcher = dispatcherOf(setting);
  expect(await dispatcher.step()).toBe(true);
  await dispatcher.stop(60_000);
}

/** A builder that goes on until it is told to stop, and says then what `end` says. */
function until(end: BuildEnd): (context: BuildContext) => Promise<BuildEnd> {
  return ({ signal }) =>
    new Promise((resolve) => {
      if (signal.aborted) resolve(end);
      else signal.addEventListener("abort", () => resolve(end));
    });
}

describe("the end of a build", () => {
  it.each<[string, Setting, string]>([
    ["built and pushed", {}, "staged sha256:aaa by 1"],
    ["its own failure", { builder: async () => BROKEN }, "failed by 1"],
    ["the outside's failure", { builder: async () => AWAY }, "released by 1 for 5 s"],
    [
      "the outside's failure, with its word on when to come back",
      { builder: async () => ({ ...AWAY, retryAfter: 90 }) },
      "released by 1 for 90 s",
    ],
    [
      "the outside's failure, with a word that asks for less than we wait anyway",
      { attempt: 3, builder: async () => ({ ...AWAY, retryAfter: 1 }) },
      "released by 3 for 20 s",
    ],
    ["the outside's fourth failure", { attempt: 4, builder: async () => AWAY }, "released by 4 for 40 s"],
    ["the outside's fifth failure", { attempt: 5, builder: async () => AWAY }, "failed by 5"],
    [
      "too long",
      {
        builder: async () => ({
          kind: "failed",
          failure: { class: "timeout", message: "Too long." },
          retryable: false,
        }),
      },
      "timed_out by 1",
    ],
    ["no digest", { builder: async () => ({ kind: "built", image: { digest: null } }) }, "failed by 1"],
    [
      "no digest, but nothing pushed",
      {
        build: { planned: request(change("a", "b"), "api", { push: false }) },
        builder: async () => ({ kind: "built", image: { digest: null } }),
      },
      "succeeded by 1",
    ],
  ])("%s", async (_what, setting, expected) => {
    await run(setting);
    expect(told).toEqual(["log closed", expected]);
  });

  it("is recorded after the log is complete: checks quote its last lines", async () => {
    const writing = deferred();
    const dispatcher = dispatcherOf({ builder: async () => BROKEN, closeLog: () => writing.promise });
    await dispatcher.step();
    await settled();
    expect(told).toEqual([]);
    writing.resolve();
    await dispatcher.stop(60_000);
    expect(told).toEqual(["log closed", "failed by 1"]);
  });

  it("says in the log that it will be tried again", async () => {
    await run({ builder: async () => AWAY });
    expect(logged).toBe("wharfinger: The registry is away. Trying again in 5 s.\n");
  });

  it("hands the builder the request it verified, and the lease's secret in exchange for credentials", async () => {
    const asked: unknown[] = [];
    await run({
      async builder({ request, credentials }) {
        asked.push(request.id, await credentials());
        return BUILT;
      },
      more: {
        async exchange(build, secret) {
          asked.push(build.id, secret);
          return ok(CREDENTIALS);
        },
      },
    });
    expect(asked).toEqual(["build-1", "s", "build-1", ok(CREDENTIALS)]);
  });

  it("closes the last step", async () => {
    await run({
      async builder({ step }) {
        step("checkout");
        clock.advance(1_000);
        step("build");
        clock.advance(1_000);
        return BUILT;
      },
    });
    const [zero, one, two] = ["00", "01", "02"].map((second) => `2026-11-20T10:00:${second}.000Z`);
    expect(staged).toEqual([
      { name: "checkout", startedAt: zero, finishedAt: one },
      { name: "build", startedAt: one, finishedAt: two },
    ]);
  });

  it("is not told to anybody when its lease was lost", async () => {
    const ended: string[] = [];
    await run({ finish: async () => false, more: { onEnd: (build) => ended.push(build.id) } });
    expect(ended).toEqual([]);
    expect(lines.map((line) => line.message)).toContain("build result refused: its lease was lost");
  });
});

describe("a build that can not be", () => {
  function bug(): never {
    throw new Error("a bug with a secret in it");
  }

  it.each<[string, Setting]>([
    ["a builder that throws", { builder: async () => bug() }],
    ["a request that is not ours", { verify: async () => bug() }],
    ["one queued before requests were signed", { request: null }],
    ["one whose worker never lived to its end", { attempt: 21, builder: until(BUILT) }],
  ])("is failed once and for all, not begun again and again: %s", async (_what, setting) => {
    await run(setting);
    expect(told.at(-1)).toMatch(/^failed by/);
    expect(results[0]?.failure?.class).toBe("internal");
    expect(results[0]?.failure?.message).not.toContain("secret");
  });

  it("costs nobody else the worker, even when its end can not be recorded", async () => {
    await run({
      finish: async () => {
        throw new Error("SQLITE_FULL");
      },
    });
    expect(lines.at(-1)).toMatchObject({ level: "error", message: "work failed; its lease ends by itself" });
  });
});

describe("a build under way", () => {
  const STOPPED: BuildEnd = { kind: "stopped" };

  it.each<[string, LeaseState, BuildEnd, readonly string[]]>([
    ["is canceled when somebody asked for it", "cancel", STOPPED, ["canceled by 1"]],
    ["is left to whoever has it now", "lost", STOPPED, []],
    ["that was finished all the same counts as finished", "cancel", BUILT, ["staged sha256:aaa by 1"]],
    ["that the outside failed meanwhile is handed back, which cancels it", "cancel", AWAY, ["released by 1 for 5 s"]],
  ])("%s", async (_what, state, end, expected) => {
    await run({ heartbeat: async () => state, builder: until(end) });
    expect(told).toEqual(["log closed", ...expected]);
  });

  it("is stopped when its lease may have ended without word from the database", async () => {
    await run({
      async heartbeat() {
        clock.advance(10_000);
        throw new Error("SQLITE_BUSY");
      },
      builder: until(STOPPED),
    });
    expect(told).toEqual(["log closed"]);
    expect(lines.at(-1)).toMatchObject({ message: "build given back", fields: { reason: "lost" } });
  });

  it.each<[string, BuildEnd, string]>([
    ["stopped", STOPPED, "released by 1 for 0 s"],
    ["failed by the outside", AWAY, "released by 1 for 5 s"],
    ["just finished", BUILT, "staged sha256:aaa by 1"],
  ])("that outlasts the program's patience is handed back: %s", async (_what, end, expected) => {
    const dispatcher = dispatcherOf({ builder: until(end) });
    await dispatcher.step();
    expect(dispatcher.running()).toBe(1);
    await dispatcher.stop(0);
    expect(dispatcher.running()).toBe(0);
    expect(told).toEqual(["log closed", expected]);
  });

  it("is all there is room for, and after a stop none begins", async () => {
    const going = deferred<BuildEnd>();
    const dispatcher = dispatcherOf({ builder: () => going.promise });
    expect(await dispatcher.step()).toBe(true);
    expect(await dispatcher.step()).toBe(false);
    going.resolve(BUILT);
    await dispatcher.stop(60_000);
    expect(await dispatcher.step()).toBe(false);
    expect(told).toEqual(["log closed", "staged sha256:aaa by 1"]);
  });
});
