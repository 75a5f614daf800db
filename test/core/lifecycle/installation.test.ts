import { describe, expect, it } from "@jest/globals";
import {
  INSTALLATION_NEWS,
  INSTALLATION_STANDINGS,
  type InstallationNews,
  type InstallationStanding,
  installationStep,
} from "../../../src/core/lifecycle/installation.ts";
import { allOrders } from "./orders.ts";

/** Each step as `next: effects (audit)`; a lone word is a standing that stays, with nothing to do. */
const EXPECTED: Readonly<Record<InstallationStanding, Readonly<Record<InstallationNews, string>>>> = {
  unknown: {
    created: "active: save cover settle (installation.created)",
    removed: "removed: save forget (installation.removed)",
    suspended: "suspended: save forget (installation.suspended)",
    unsuspended: "unknown: forget ask",
    permissions: "unknown: forget ask",
    renamed: "unknown: ask",
    "found-active": "active: save cover settle (installation.created)",
    "found-suspended": "suspended: save (installation.created)",
    "found-gone": "unknown",
  },
  returning: {
    created: "active: save carry cover settle (installation.restored)",
    removed: "removed: save forget (installation.removed)",
    suspended: "suspended: save carry forget (installation.suspended)",
    unsuspended: "returning: forget ask",
    permissions: "returning: forget ask",
    renamed: "returning: ask",
    "found-active": "active: save carry cover settle (installation.restored)",
    "found-suspended": "suspended: save carry (installation.restored)",
    "found-gone": "returning",
  },
  beside: {
    created: "beside: ask",
    removed: "removed: save forget (installation.removed)",
    suspended: "beside: ask",
    unsuspended: "beside: forget ask",
    permissions: "beside: forget ask",
    renamed: "beside: ask",
    "found-active": "active: replace save carry cover settle (installation.restored)",
    "found-suspended": "suspended: replace save carry (installation.restored)",
    "found-gone": "beside",
  },
  active: {
    created: "active: ask",
    removed: "removed: cancel uncover forget withdraw (installation.removed)",
    suspended: "suspended: cancel forget (installation.suspended)",
    unsuspended: "active: forget ask",
    permissions: "active: forget ask",
    renamed: "active: ask",
    "found-active": "active: save cover settle revive",
    "found-suspended": "suspended: save cancel forget (installation.suspended)",
    "found-gone": "removed: cancel uncover forget withdraw (installation.removed)",
  },
  suspended: {
    created: "suspended: ask",
    removed: "removed: cancel uncover forget withdraw (installation.removed)",
    suspended: "suspended",
    unsuspended: "suspended: forget ask",
    permissions: "suspended: forget ask",
    renamed: "suspended: ask",
    "found-active": "active: replace save cover settle revive replay (installation.unsuspended)",
    "found-suspended": "suspended: save",
    "found-gone": "removed: cancel uncover forget withdraw (installation.removed)",
  },
  removed: {
    created: "removed: ask",
    removed: "removed",
    suspended: "removed",
    unsuspended: "removed",
    permissions: "removed",
    renamed: "removed",
    "found-active": "active: replace save cover settle revive (installation.restored)",
    "found-suspended": "suspended: replace save (installation.restored)",
    "found-gone": "removed",
  },
};

const PAIRS = INSTALLATION_STANDINGS.flatMap((standing) => INSTALLATION_NEWS.map((news) => ({ standing, news })));
const TOLD = INSTALLATION_NEWS.filter((news) => !news.startsWith("found-"));

function described(standing: InstallationStanding, news: InstallationNews): string {
  const { next, effects, audit } = installationStep(standing, news);
  return `${next}${effects.length > 0 ? `: ${effects.join(" ")}` : ""}${audit === null ? "" : ` (${audit})`}`;
}

describe("the life of an installation", () => {
  it.each(PAIRS)("takes the step of its table where it is $standing and $news is heard", ({ standing, news }) => {
    expect(described(standing, news)).toBe(EXPECTED[standing][news]);
  });

  it("begins by an event only where nothing of its account stands against it", () => {
    const opened = PAIRS.filter(
      ({ standing, news }) =>
        TOLD.includes(news) && standing !== "active" && installationStep(standing, news).next === "active",
    );
    expect(opened).toEqual([
      { standing: "unknown", news: "created" },
      { standing: "returning", news: "created" },
    ]);
  });

  it("ends builds and credentials with every step out of what was active", () => {
    for (const news of INSTALLATION_NEWS) {
      const { next, effects } = installationStep("active", news);
      if (next !== "active") expect([news, effects]).toEqual([news, expect.arrayContaining(["cancel", "forget"])]);
    }
  });

  it("changes nothing and says nothing with a step that asks", () => {
    for (const { standing, news } of PAIRS) {
      const { next, effects, audit } = installationStep(standing, news);
      if (!effects.includes("ask")) continue;
      expect([standing, news, next, audit]).toEqual([standing, news, standing, null]);
      expect(effects.filter((effect) => effect !== "forget")).toEqual(["ask"]);
      // An answer leads to no further question.
      for (const answer of ["found-active", "found-suspended", "found-gone"] as const) {
        expect(installationStep(standing, answer).effects).not.toContain("ask");
      }
    }
  });

  it("has an entry in the audit log for every change", () => {
    for (const { standing, news } of PAIRS) {
      const { next, audit } = installationStep(standing, news);
      expect([standing, news, audit !== null]).toEqual([standing, news, next !== standing]);
    }
  });
});

type Truth = "active" | "suspended" | "gone";

/** As the program does: where a step asks, the answer is what is true now. */
function hear(standing: InstallationStanding, news: InstallationNews, truth: Truth): InstallationStanding {
  const step = installationStep(standing, news);
  return step.effects.includes("ask") ? installationStep(standing, `found-${truth}`).next : step.next;
}

describe("events in any order, each of them once or twice", () => {
  it.each<[Truth, readonly InstallationNews[]]>([
    ["active", ["created"]],
    ["active", ["created", "permissions", "renamed"]],
    ["active", ["created", "suspended", "unsuspended"]],
    ["suspended", ["created", "suspended"]],
    ["suspended", ["created", "suspended", "unsuspended", "suspended"]],
    ["gone", ["created", "removed"]],
    ["gone", ["created", "suspended", "unsuspended", "removed"]],
    ["gone", ["created", "suspended", "removed"]],
    ["gone", ["created", "permissions", "renamed", "removed"]],
  ])("leave it %s after %j, at the latest when something else comes from it", (truth, life) => {
    for (const order of allOrders(life)) {
      for (const twice of [null, ...life]) {
        let standing: InstallationStanding = "unknown";
        for (const news of twice === null ? order : [...order, twice]) standing = hear(standing, news, truth);
        // Whatever else comes of one that is suspended has the host asked.
        if (standing === "suspended") standing = hear(standing, "renamed", truth);
        expect([order, twice, standing]).toEqual([order, twice, truth === "gone" ? "removed" : truth]);
      }
    }
  });

  it("do not bring back what was removed", () => {
    for (const news of TOLD) expect([news, hear("removed", news, "gone")]).toEqual([news, "removed"]);
  });

  it("of an installation that is over leave its account's next one alone", () => {
    // Its end was heard of only after the next one began.
    for (const order of allOrders(["created", "suspended", "unsuspended", "permissions"] as const)) {
      for (const news of order) {
        const { effects } = installationStep("beside", news);
        expect([news, effects.includes("ask")]).toEqual([news, true]);
        expect(installationStep("beside", "found-gone")).toEqual({ next: "beside", effects: [], audit: null });
      }
    }
    expect(installationStep("beside", "removed").effects).not.toContain("replace");
  });
});
