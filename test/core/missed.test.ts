import { describe, expect, it } from "@jest/globals";
import { missedText } from "../../src/core/missed.ts";

const SENT = Date.parse("2026-11-20T10:00:00.000Z");

describe("a delivery that was fetched", () => {
  it.each([
    [503, 4 * 60, "GitHub could not deliver it (503), and it was fetched 4 min later."],
    [null, 20, "GitHub could not deliver it (no answer), and it was fetched less than a minute later."],
    [401, 119 * 60, "GitHub could not deliver it (401), and it was fetched 119 min later."],
    [401, 150 * 60, "GitHub could not deliver it (401), and it was fetched 3 h later."],
    [401, 71 * 3_600, "GitHub could not deliver it (401), and it was fetched 3 d later."],
    // Its clock is ahead of ours.
    [500, -60, "GitHub could not deliver it (500), and it was fetched less than a minute later."],
  ])("after %s and %i s says so", (status, seconds, text) => {
    const fetchedAt = new Date(SENT + seconds * 1_000).toISOString();
    expect(missedText("github", { sentAt: new Date(SENT).toISOString(), status }, fetchedAt)).toBe(text);
  });
});
