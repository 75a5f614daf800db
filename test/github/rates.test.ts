import { describe, expect, it } from "@jest/globals";
import { createRates } from "../../src/github/rates.ts";

const NOW = Date.parse("2026-11-20T12:00:00Z");

function headers(more: Record<string, string> = {}): { headers: Headers } {
  const said = { "x-ratelimit-limit": "5000", "x-ratelimit-remaining": "4987", "x-ratelimit-reset": "1795176000" };
  return { headers: new Headers({ ...said, ...more }) };
}

describe("rates", () => {
  it("are as GitHub said last, of each installation by itself", () => {
    const rates = createRates({ now: () => NOW });
    expect(rates.of("7")).toBeNull();
    rates.note("7", headers());
    rates.note("7", headers({ "x-ratelimit-remaining": "0", "x-ratelimit-resource": "core" }));
    expect(rates.of("7")).toEqual({
      of: "the App",
      limit: 5_000,
      left: 0,
      resetsAt: "2026-11-20T12:00:00.000Z",
      at: "2026-11-20T12:00:00.000Z",
    });
    expect(rates.of("8")).toBeNull();
  });

  it("stay unknown where it says nothing, or nothing that is a number", () => {
    const rates = createRates({ now: () => NOW });
    rates.note("7", { headers: new Headers() });
    rates.note("7", headers({ "x-ratelimit-limit": "many" }));
    rates.note("7", headers({ "x-ratelimit-remaining": "-1" }));
    expect(rates.of("7")).toBeNull();
    rates.note("7", headers({ "x-ratelimit-reset": "soon" }));
    expect(rates.of("7")?.resetsAt).toBeNull();
  });

  it("do not hold what is counted apart, such as searches", () => {
    const rates = createRates({ now: () => NOW });
    rates.note("7", headers({ "x-ratelimit-resource": "search" }));
    expect(rates.of("7")).toBeNull();
  });

  it("are remembered of those asked about last", () => {
    const rates = createRates({ now: () => NOW });
    for (let id = 0; id < 1_000; id += 1) rates.note(String(id), headers());
    rates.note("0", headers());
    rates.note("1000", headers());
    expect(rates.of("1")).toBeNull();
    expect(rates.of("0")).not.toBeNull();
    expect(rates.of("1000")).not.toBeNull();
  });
});
