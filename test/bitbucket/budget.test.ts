import { describe, expect, it } from "@jest/globals";
import { createBudget } from "../../src/bitbucket/budget.ts";
import { NOW } from "./recorded-fetch.ts";

const MINUTE = 60_000;

function setUp() {
  const clock = { time: NOW, now: () => clock.time };
  const budget = createBudget({ clock });
  function takeMany(count: number, use: "read" | "write", key = "a"): readonly (number | null)[] {
    return Array.from({ length: count }, () => budget.take(key, use));
  }
  return { clock, budget, takeMany };
}

const granted = (count: number) => Array<null>(count).fill(null);

describe("the budget of a grant", () => {
  it("is 1,000 calls in an hour, of which the last tenth is for writing", () => {
    const { budget, takeMany } = setUp();
    expect(takeMany(900, "read")).toEqual(granted(900));
    expect(budget.take("a", "read")).toBe(3_600);
    expect(takeMany(100, "write")).toEqual(granted(100));
    expect(budget.take("a", "write")).toBe(3_600);
    expect(budget.take("a", "read")).toBe(3_600);
  });

  it("may be used up by writing alone", () => {
    const { budget, takeMany } = setUp();
    expect(takeMany(1_000, "write")).toEqual(granted(1_000));
    expect(budget.take("a", "write")).toBe(3_600);
  });

  it("rolls: a call makes room when it is an hour old, and the wait is until then", () => {
    const { budget, clock, takeMany } = setUp();
    takeMany(100, "read");
    clock.time += 20 * MINUTE;
    takeMany(800, "read");
    clock.time += 30 * MINUTE;
    expect(budget.take("a", "read")).toBe(10 * 60);
    clock.time += 10 * MINUTE - 1;
    expect(budget.take("a", "read")).toBe(1);
    clock.time += 1;
    expect(takeMany(100, "read")).toEqual(granted(100));
    expect(budget.take("a", "read")).toBe(20 * 60);
  });

  it("counts what was refused by itself for nothing", () => {
    const { budget, clock, takeMany } = setUp();
    takeMany(900, "read");
    takeMany(500, "read");
    clock.time += 60 * MINUTE;
    expect(takeMany(900, "read")).toEqual(granted(900));
    expect(budget.take("a", "read")).not.toBeNull();
  });

  it("is its own", () => {
    const { takeMany, budget } = setUp();
    takeMany(1_000, "write");
    budget.pause("b", 60);
    expect(budget.take("c", "read")).toBeNull();
  });

  it("is what Bitbucket says it is, within reason", () => {
    const { budget, takeMany } = setUp();
    budget.setLimit("a", 10);
    expect(takeMany(10, "write")).toEqual(granted(10));
    expect(budget.take("a", "write")).toBe(3_600);
    for (const nonsense of [0, -1, 1.5, Number.NaN]) budget.setLimit("a", nonsense);
    expect(budget.take("a", "write")).toBe(3_600);
    budget.setLimit("a", 1e9);
    expect(takeMany(9_990, "write")).toEqual(granted(9_990));
    expect(budget.take("a", "write")).toBe(3_600);
  });

  it("of a single call lets that be a read", () => {
    const { budget } = setUp();
    budget.setLimit("a", 1);
    expect(budget.take("a", "read")).toBeNull();
    expect(budget.take("a", "read")).toBe(3_600);
  });

  it("pauses as long as Bitbucket said, whatever is left, and a shorter word changes nothing", () => {
    const { budget, clock } = setUp();
    budget.pause("a", 90);
    budget.pause("a", 10);
    expect(budget.take("a", "write")).toBe(90);
    clock.time += 89_500;
    expect(budget.take("a", "write")).toBe(1);
    clock.time += 500;
    expect(budget.take("a", "write")).toBeNull();
  });

  it("tells what is left of it, without using any", () => {
    const { budget, clock, takeMany } = setUp();
    expect(budget.left("a")).toBeNull();
    budget.setLimit("a", 10);
    takeMany(4, "write");
    clock.time += 3_599_000;
    expect(budget.left("a")).toEqual({ limit: 10, left: 6 });
    budget.pause("a", 1);
    expect(budget.left("a")).toEqual({ limit: 10, left: 0 });
    clock.time += 1_000;
    expect(budget.left("a")).toEqual({ limit: 10, left: 10 });
    expect(budget.left("b")).toBeNull();
  });
});
