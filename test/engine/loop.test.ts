import { afterEach, describe, expect, it } from "@jest/globals";
import { backoff, isoTime, type Loop, startLoop } from "../../src/engine/loop.ts";
import { deferred, recordingLog, settled } from "./fakes.ts";

/** Far longer than any test: whoever waits for it waited in vain. */
const NEVER_MS = 1_000_000;

let loop: Loop | null = null;

afterEach(async () => {
  await loop?.stop();
  loop = null;
});

function start(step: () => Promise<boolean>) {
  const { log, lines } = recordingLog();
  loop = startLoop({ name: "test", idleMs: NEVER_MS, log, step });
  return { loop, lines };
}

describe("a loop", () => {
  it("goes on as long as there is work, then sleeps until it is woken", async () => {
    const answers = [true, true, false];
    let steps = 0;
    const { loop } = start(async () => answers[steps++] ?? false);
    await settled();
    expect(steps).toBe(3);
    loop.wake();
    await settled();
    expect(steps).toBe(4);
  });

  it("does not lose a wake that comes while a step is under way", async () => {
    const first = deferred<boolean>();
    let steps = 0;
    const { loop } = start(() => {
      steps += 1;
      return steps === 1 ? first.promise : Promise.resolve(false);
    });
    loop.wake();
    first.resolve(false);
    await settled();
    expect(steps).toBe(2);
  });

  it("survives a step that throws, and says so", async () => {
    let steps = 0;
    const { loop, lines } = start(async () => {
      steps += 1;
      if (steps === 1) throw new Error("the database is away");
      return false;
    });
    await settled();
    expect(lines).toMatchObject([{ level: "error", message: "step failed", fields: { loop: "test" } }]);
    loop.wake();
    await settled();
    expect(steps).toBe(2);
  });

  it("stops after the step under way, and begins no other", async () => {
    const first = deferred<boolean>();
    let steps = 0;
    let stopped = false;
    const { loop } = start(() => {
      steps += 1;
      return first.promise;
    });
    const stopping = loop.stop().then(() => {
      stopped = true;
    });
    await settled();
    expect(stopped).toBe(false);
    first.resolve(true);
    await stopping;
    loop.wake();
    await settled();
    expect(steps).toBe(1);
  });

  it("stops out of its sleep at once", async () => {
    const { loop } = start(async () => false);
    await settled();
    await loop.stop();
  });
});

describe("waiting between tries", () => {
  it.each([
    [1, 5],
    [2, 10],
    [3, 20],
    [7, 300],
    [1_000, 300],
    [0, 5],
    [-3, 5],
  ])("after try %s is %s seconds", (attempt, seconds) => {
    expect(backoff(attempt, 5_000, 300_000)).toBe(seconds * 1_000);
  });

  it("ends at a time written in UTC", () => {
    expect(isoTime(0)).toBe("1970-01-01T00:00:00.000Z");
  });
});
