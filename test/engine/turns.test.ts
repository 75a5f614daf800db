import { describe, expect, it } from "@jest/globals";
import type { IncomingDelivery } from "../../src/engine/ports.ts";
import { createTurns } from "../../src/engine/turns.ts";
import { delivery } from "../contract/store.samples.ts";

const NOW = Date.UTC(2026, 10, 20, 10);
const HOUR = 60 * 60_000;

function from(installationId: string | null, at = NOW, change: Partial<IncomingDelivery> = {}): IncomingDelivery {
  return delivery("any", { installationId, receivedAt: at, ...change });
}

/** Sends `count` deliveries of one installation at the same time; answers the turn of the last. */
function flood(turnOf: ReturnType<typeof createTurns>, count: number, sample = from("7")): number {
  return Array.from({ length: count }, () => turnOf(sample)).at(-1) ?? 0;
}

describe("the turn of a delivery", () => {
  it("is when it arrives, also of sixty at once", () => {
    const turnOf = createTurns();
    expect(turnOf(from("7"))).toBe(NOW);
    expect(flood(turnOf, 60)).toBe(NOW);
    expect(turnOf(from("7"))).toBeGreaterThan(NOW);
  });

  it("stands further back the more its installation sends, and never before what it sent earlier", () => {
    const turnOf = createTurns();
    const turns = Array.from({ length: 1_000 }, () => turnOf(from("7")));
    expect(turns).toEqual(turns.toSorted((a, b) => a - b));
    expect(turns.at(-1)).toBe(NOW + 999 * 500 - 30_000);
  });

  it("is nobody else's business: another installation's is when it arrives", () => {
    const turnOf = createTurns();
    flood(turnOf, 5_000);
    expect(turnOf(from("8"))).toBe(NOW);
    expect(turnOf(from("7", NOW, { host: "ghes" }))).toBe(NOW);
    expect(turnOf(from("7", NOW, { provider: "bitbucket" }))).toBe(NOW);
  });

  it("is counted by stream where nobody knows the installation", () => {
    const turnOf = createTurns();
    flood(turnOf, 1_000, from(null, NOW, { stream: "repo:1" }));
    expect(turnOf(from(null, NOW, { stream: "repo:2" }))).toBe(NOW);
    expect(turnOf(from(null, NOW, { stream: "repo:1" }))).toBeGreaterThan(NOW);
  });

  it("is when it arrives again once the flood is over", () => {
    const turnOf = createTurns();
    flood(turnOf, 200);
    expect(turnOf(from("7", NOW + 200 * 500))).toBe(NOW + 200 * 500);
  });

  it("is never more than an hour away", () => {
    const turnOf = createTurns();
    expect(flood(turnOf, 20_000)).toBeLessThanOrEqual(NOW + HOUR);
    expect(turnOf(from("7", NOW + HOUR + 1_000))).toBe(NOW + HOUR + 1_000);
  });

  it("is remembered of ten thousand installations, the quiet ones forgotten first", () => {
    const turnOf = createTurns();
    flood(turnOf, 1_000);
    for (let index = 0; index < 9_999; index += 1) turnOf(from(`quiet-${index}`));
    const later = NOW + 1_000;
    turnOf(from("one-more", later));
    expect(turnOf(from("7", later))).toBeGreaterThan(later);
  });
});
