import { describe, expect, it } from "@jest/globals";
import {
  REPOSITORY_NEWS,
  REPOSITORY_STANDINGS,
  type RepositoryNews,
  type RepositoryStanding,
  repositoryStep,
} from "../../../src/core/lifecycle/repository.ts";
import { allOrders } from "./orders.ts";

const ADDED = "covered: save (repository.added)";
const ADDED_ARCHIVED = "archived: save (repository.added)";

/** Each step as `next: effects (audit)`; a lone word is a standing that stays, with nothing to do. */
const EXPECTED: Readonly<Record<RepositoryStanding, Readonly<Record<RepositoryNews, string>>>> = {
  unknown: {
    created: "unknown: ask",
    renamed: "unknown: ask",
    updated: "unknown: ask",
    moved: "unknown: ask",
    archived: "unknown: ask",
    unarchived: "unknown: ask",
    "made-private": "unknown",
    "made-public": "unknown: ask",
    deleted: "left: save (repository.deleted)",
    added: ADDED,
    removed: "left: save (repository.removed)",
    listed: ADDED,
    found: ADDED,
    "found-archived": ADDED_ARCHIVED,
    "found-gone": "unknown",
  },
  covered: {
    created: "covered",
    renamed: "covered: ask",
    updated: "covered: ask",
    moved: "covered: ask",
    archived: "archived: save cancel (repository.archived)",
    unarchived: "covered",
    "made-private": "covered: save close",
    "made-public": "covered: ask",
    deleted: "left: cancel (repository.deleted)",
    added: "covered",
    removed: "left: cancel (repository.removed)",
    listed: "covered: save",
    found: "covered: save",
    "found-archived": "archived: save cancel (repository.archived)",
    "found-gone": "left: cancel (repository.removed)",
  },
  archived: {
    created: "archived",
    renamed: "archived: ask",
    updated: "archived: ask",
    moved: "archived: ask",
    archived: "archived",
    unarchived: "archived: ask",
    "made-private": "archived: save close",
    "made-public": "archived: ask",
    deleted: "left: cancel (repository.deleted)",
    added: "archived",
    removed: "left: cancel (repository.removed)",
    listed: "archived: save",
    found: "covered: save (repository.unarchived)",
    "found-archived": "archived: save",
    "found-gone": "left: cancel (repository.removed)",
  },
  left: {
    created: "left: ask",
    renamed: "left: ask",
    updated: "left: ask",
    moved: "left: ask",
    archived: "left",
    unarchived: "left: ask",
    "made-private": "left: save close",
    "made-public": "left: ask",
    deleted: "left",
    added: "left: ask",
    removed: "left",
    listed: ADDED,
    found: ADDED,
    "found-archived": ADDED_ARCHIVED,
    "found-gone": "left",
  },
  elsewhere: {
    created: "elsewhere: ask",
    renamed: "elsewhere: ask",
    updated: "elsewhere: ask",
    moved: "elsewhere: ask",
    archived: "elsewhere",
    unarchived: "elsewhere: ask",
    "made-private": "elsewhere",
    "made-public": "elsewhere: ask",
    deleted: "elsewhere",
    added: "elsewhere: ask",
    removed: "elsewhere",
    listed: "elsewhere: ask",
    found: "covered: save cancel-elsewhere (repository.transferred)",
    "found-archived": "archived: save cancel-elsewhere (repository.transferred)",
    "found-gone": "elsewhere",
  },
};

const PAIRS = REPOSITORY_STANDINGS.flatMap((standing) => REPOSITORY_NEWS.map((news) => ({ standing, news })));

function described(standing: RepositoryStanding, news: RepositoryNews): string {
  const { next, effects, audit } = repositoryStep(standing, news);
  return `${next}${effects.length > 0 ? `: ${effects.join(" ")}` : ""}${audit === null ? "" : ` (${audit})`}`;
}

describe("how a repository stands", () => {
  it.each(PAIRS)("takes the step of its table where it is $standing and $news is heard", ({ standing, news }) => {
    expect(described(standing, news)).toBe(EXPECTED[standing][news]);
  });

  it("is taken from another account by nothing but what its host answers", () => {
    const taken = PAIRS.filter(
      ({ standing, news }) => standing === "elsewhere" && repositoryStep(standing, news).next !== "elsewhere",
    );
    expect(taken.map(({ news }) => news)).toEqual(["found", "found-archived"]);
    for (const news of REPOSITORY_NEWS) {
      const { effects } = repositoryStep("elsewhere", news);
      for (const closing of ["close", "cancel"] as const) expect(effects).not.toContain(closing);
    }
  });

  it("ends what is queued with every step out of what was covered", () => {
    for (const { standing, news } of PAIRS) {
      const { next, effects } = repositoryStep(standing, news);
      if (standing === "covered" && next !== "covered") {
        expect([news, effects.includes("cancel")]).toEqual([news, true]);
      }
    }
  });

  it("has an entry in the audit log for every change, and none for a question", () => {
    for (const { standing, news } of PAIRS) {
      const { next, effects, audit } = repositoryStep(standing, news);
      expect([standing, news, audit !== null]).toEqual([standing, news, next !== standing]);
      if (effects.includes("ask")) expect([next, effects]).toEqual([standing, ["ask"]]);
    }
  });
});

type Truth = "" | "-archived" | "-gone";

function hear(standing: RepositoryStanding, news: RepositoryNews, truth: Truth): RepositoryStanding {
  const step = repositoryStep(standing, news);
  return step.effects.includes("ask") ? repositoryStep(standing, `found${truth}`).next : step.next;
}

describe("events in any order, each of them once or twice", () => {
  it.each<[RepositoryStanding, Truth, readonly RepositoryNews[]]>([
    ["covered", "", ["added"]],
    ["covered", "", ["added", "renamed", "made-private", "made-public"]],
    ["covered", "", ["added", "removed", "added"]],
    ["covered", "", ["added", "archived", "unarchived"]],
    ["covered", "", ["moved", "renamed"]],
    ["left", "-gone", ["added", "removed"]],
    ["left", "-gone", ["added", "deleted", "removed"]],
    ["archived", "-archived", ["added", "archived"]],
  ])("leave it %s (found%s) after %j, at the latest with the next push", (wanted, truth, life) => {
    for (const order of allOrders(life)) {
      for (const twice of [null, ...life]) {
        let standing: RepositoryStanding = "unknown";
        for (const news of twice === null ? order : [...order, twice]) standing = hear(standing, news, truth);
        // With a push to what is not recorded as covered the host is asked; nobody pushes to what is gone or archived.
        if (truth === "" && standing !== "covered") standing = hear(standing, "found", truth);
        expect([order, twice, standing]).toEqual([order, twice, wanted]);
      }
    }
  });
});
