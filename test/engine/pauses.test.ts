import { describe, expect, it } from "@jest/globals";
import { createPauses } from "../../src/engine/pauses.ts";
import { installationId, testClock } from "../contract/store.samples.ts";

const [seven, eight] = [installationId("7"), installationId("8")];

describe("a pause", () => {
  it("lasts as long as the host said, for the installation it was said of", () => {
    const clock = testClock();
    const pauses = createPauses(clock);
    expect(pauses.left(seven)).toBe(0);
    pauses.begin(seven, 60);
    expect([pauses.left(seven), pauses.left(eight), pauses.left({ ...seven, host: "ghes" })]).toEqual([60_000, 0, 0]);
    clock.advance(59_999);
    expect(pauses.left(seven)).toBe(1);
    clock.advance(1);
    expect(pauses.left(seven)).toBe(0);
  });

  it("is not cut short by a shorter one", () => {
    const clock = testClock();
    const pauses = createPauses(clock);
    pauses.begin(seven, 60);
    pauses.begin(seven, 1);
    expect(pauses.left(seven)).toBe(60_000);
  });

  it("does not grow by being told again what is left of it", () => {
    const clock = testClock();
    const pauses = createPauses(clock);
    pauses.begin(seven, 60);
    for (let second = 0; second < 60; second += 1) {
      clock.advance(1_000);
      pauses.begin(seven, pauses.left(seven) / 1_000);
    }
    expect(pauses.left(seven)).toBe(0);
  });
});
