import { describe, expect, it } from "@jest/globals";
import { makeBadge } from "badge-maker";
import { BADGE_STATES, BADGES, type BadgeState, badgeMarkdown, badgeState } from "../../src/core/badge.ts";
import type { BuildState } from "../../src/core/model.ts";

describe("a badge", () => {
  const cases: readonly (readonly [readonly BuildState[], BadgeState])[] = [
    [[], "none"],
    [["succeeded"], "passing"],
    [["succeeded", "succeeded"], "passing"],
    [["succeeded", "failed"], "failing"],
    [["timed_out", "succeeded"], "failing"],
    [["failed", "running"], "failing"],
    [["running", "succeeded"], "building"],
    [["queued"], "building"],
    [["queued", "held"], "building"],
    [["held", "succeeded"], "waiting"],
  ];

  it.each(cases)("of images that are %j says %s", (states, state) => {
    expect(badgeState(states)).toBe(state);
  });

  it("says something of every build it is shown, whatever state that is in", () => {
    for (const state of BADGE_STATES) expect(badgeState([state])).not.toBe("none");
  });

  it("has words and a colour that are drawn", () => {
    for (const { message, color } of Object.values(BADGES)) {
      const grey = makeBadge({ label: "x", message: "other", color: "lightgrey" });
      const drawn = makeBadge({ label: "x", message, color });
      expect(drawn).toContain(message);
      // An unknown colour would be drawn in badge-maker's default.
      if (color !== "lightgrey") expect(drawn).not.toContain(/fill="(#9f9f9f)"/.exec(grey)?.[1] ?? "no grey at all");
    }
  });

  it("is Markdown that leads to the builds", () => {
    expect(badgeMarkdown("https://w.example/badge/github/acme/api.svg", "https://w.example/builds")).toBe(
      "[![wharfinger](https://w.example/badge/github/acme/api.svg)](https://w.example/builds)",
    );
  });
});
