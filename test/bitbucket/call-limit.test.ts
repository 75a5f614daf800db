import { describe, expect, it } from "@jest/globals";
import { createCallLimit } from "../../src/bitbucket/call-limit.ts";

function limit(perSender: number, inAll: number) {
  const time = { now: 1_000_000 };
  return { time, may: createCallLimit({ perSender, inAll }, { now: () => time.now }) };
}

describe("the limit of calls", () => {
  it("counts each sender by itself", () => {
    const { may } = limit(2, 100);
    expect([may("a"), may("a"), may("a"), may("b")]).toEqual([true, true, false, true]);
  });

  it("counts all together", () => {
    const { may } = limit(2, 3);
    expect([may("a"), may("b"), may("c"), may("d")]).toEqual([true, true, true, false]);
  });

  it("does not let one who was refused use up what is there for the others", () => {
    const { may } = limit(1, 2);
    for (let n = 0; n < 10; n += 1) may("a");
    expect(may("b")).toBe(true);
  });

  it("begins anew with the next minute, and when the clock was set back", () => {
    const { may, time } = limit(1, 1);
    may("a");
    time.now += 59_999;
    expect(may("a")).toBe(false);
    time.now += 1;
    expect(may("a")).toBe(true);
    time.now -= 3_600_000;
    expect(may("a")).toBe(true);
  });
});
