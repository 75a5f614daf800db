import { describe, expect, it } from "@jest/globals";
import type { Response } from "express";
import { WebError } from "../../src/web/errors.ts";
import { createRateLimit } from "../../src/web/rate-limit.ts";

function limited(perMinute: number) {
  const clock = { time: 0, now: () => clock.time };
  const limit = createRateLimit(clock, perMinute);
  const ask = (caller = "wha_a") => {
    const headers: Record<string, string> = {};
    const res = { set: (given: Record<string, string>) => Object.assign(headers, given) } as unknown as Response;
    try {
      limit(caller, res);
      return { status: 200, headers };
    } catch (error) {
      if (!(error instanceof WebError)) throw error;
      return { status: error.status, headers: { ...headers, ...error.headers } };
    }
  };
  return { clock, ask };
}

describe("a limit of requests", () => {
  it("lets so many pass at once, says how many are left, and when to come back", () => {
    const { ask } = limited(60);
    const statuses = Array.from({ length: 60 }, () => ask().status);
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(ask()).toEqual({
      status: 429,
      headers: { "RateLimit-Policy": '"token";q=60;w=60', RateLimit: '"token";r=0;t=60', "Retry-After": "1" },
    });
  });

  it("fills again all the time, and never beyond what it holds", () => {
    const { clock, ask } = limited(60);
    expect(ask().headers["RateLimit"]).toBe('"token";r=59;t=1');
    for (let count = 1; count < 60; count += 1) ask();
    clock.time += 999;
    expect(ask().status).toBe(429);
    clock.time += 1;
    expect([ask().status, ask().status]).toEqual([200, 429]);
    clock.time += 24 * 60 * 60 * 1_000;
    expect(ask().headers["RateLimit"]).toBe('"token";r=59;t=1');
  });

  it("is each caller's own", () => {
    const { ask } = limited(1);
    expect([ask("wha_a").status, ask("wha_a").status, ask("wha_b").status]).toEqual([200, 429, 200]);
  });

  it("gives nothing to who asks on and on, but no more than waiting costs", () => {
    const { clock, ask } = limited(60);
    for (let count = 0; count < 60; count += 1) ask();
    let passed = 0;
    for (let count = 0; count < 600; count += 1) {
      clock.time += 100;
      if (ask().status === 200) passed += 1;
    }
    expect(passed).toBe(60);
  });

  it("takes nothing from anybody when the clock is set back", () => {
    const { clock, ask } = limited(60);
    clock.time = 60_000;
    ask();
    clock.time = 0;
    expect(ask().headers["RateLimit"]).toBe('"token";r=58;t=2');
  });
});
