import { describe, expect, it } from "@jest/globals";
import type { Sha } from "../../src/core/model.ts";
import {
  compareRefs,
  GRACE_MS,
  isWhere,
  LOOK_EVERY_MS,
  MAX_AT_ONCE,
  movedRefs,
  nextLook,
  type Refs,
  type RefTip,
  type Suspect,
  settledRefs,
  type ToldPlace,
} from "../../src/core/reconcile.ts";

const NOW = 1_800_000_000_000;
const MAIN = "refs/heads/main";
const TAG = "refs/tags/v1.0.0";

function sha(letter: string): Sha {
  return letter.repeat(40) as Sha;
}

/** `A`: a commit; `Tc`: tag object T that leads to commit c. */
function tip(text: string): RefTip {
  const [object = "", commit = object] = text.toLowerCase();
  return { object: sha(object), commit: sha(commit) };
}

function refs(of: Readonly<Record<string, string>>): Refs {
  return new Map(Object.entries(of).map(([ref, text]) => [ref, tip(text)]));
}

function told(of: Readonly<Record<string, string | null>>, found = false): ReadonlyMap<string, ToldPlace> {
  return new Map(
    Object.entries(of).map(([ref, at]) => [
      ref,
      { before: null, after: at === null ? null : sha(at), judged: null, found },
    ]),
  );
}

const long = NOW - GRACE_MS;

function compare(
  before: Refs,
  now: Refs,
  {
    places = told({}),
    suspects = [],
  }: { readonly places?: ReadonlyMap<string, ToldPlace>; readonly suspects?: readonly Suspect[] } = {},
) {
  return compareRefs(before, now, { told: places, suspects, at: NOW, graceMs: GRACE_MS });
}

describe("what moved", () => {
  it.each([
    ["nothing", refs({ [MAIN]: "a" }), refs({ [MAIN]: "a" }), []],
    ["a branch", refs({ [MAIN]: "a" }), refs({ [MAIN]: "b" }), [MAIN]],
    ["a new tag", refs({ [MAIN]: "a" }), refs({ [MAIN]: "a", [TAG]: "a" }), [TAG]],
    ["a tag that is gone", refs({ [TAG]: "a" }), refs({}), [TAG]],
    ["an annotation that was rewritten, on the same commit", refs({ [TAG]: "ta" }), refs({ [TAG]: "ua" }), [TAG]],
    ["from nothing", refs({}), refs({ [TAG]: "a", [MAIN]: "a" }), [MAIN, TAG]],
    ["a merge queue's branch", refs({}), refs({ "refs/heads/gh-readonly-queue/main/pr-1-abc": "a" }), []],
  ])("is %s", (_what, before, now, moved) => {
    expect(movedRefs(before, now)).toEqual(moved);
  });
});

describe("what nobody told of", () => {
  const before = refs({ [MAIN]: "a" });
  const now = refs({ [MAIN]: "b" });

  it("is a suspect at first", () => {
    expect(compare(before, now)).toEqual({
      untold: [],
      suspects: [{ ref: MAIN, object: sha("b"), since: NOW }],
    });
  });

  it.each([
    ["a moment before its time", long + 1, 0],
    ["when its time is over", long, 1],
  ])("stays one until then: %s", (_when, since, count) => {
    const suspects = [{ ref: MAIN, object: sha("b"), since }];
    const compared = compare(before, now, { suspects });
    expect(compared.untold).toHaveLength(count);
    expect(compared.suspects).toEqual(count === 0 ? suspects : []);
  });

  it("has a time of its own for each place it is seen at", () => {
    const suspects = [{ ref: MAIN, object: sha("c"), since: long }];
    expect(compare(before, now, { suspects })).toEqual({
      untold: [],
      suspects: [{ ref: MAIN, object: sha("b"), since: NOW }],
    });
  });

  it("is nothing where a push told it", () => {
    const suspects = [{ ref: MAIN, object: sha("b"), since: long }];
    expect(compare(before, now, { places: told({ [MAIN]: "b" }), suspects })).toEqual({ untold: [], suspects: [] });
  });

  it("goes on from what was told last, and not from what was seen last", () => {
    const suspects = [{ ref: MAIN, object: sha("c"), since: long }];
    const { untold } = compare(before, refs({ [MAIN]: "c" }), { places: told({ [MAIN]: "b" }), suspects });
    expect(untold).toEqual([{ ref: MAIN, before: sha("b"), tip: tip("c"), suspect: suspects[0] }]);
  });

  it("begins anew where it was told that it is gone", () => {
    const suspects = [{ ref: MAIN, object: sha("b"), since: long }];
    const { untold } = compare(before, now, { places: told({ [MAIN]: null }), suspects });
    expect(untold).toMatchObject([{ ref: MAIN, before: null }]);
  });

  it.each([
    ["and was told once: told to be gone", told({ [TAG]: "a" }), 1],
    ["and was never told: no word", told({}), 0],
    ["as was told", told({ [TAG]: null }), 0],
  ])("is gone, %s", (_what, places, count) => {
    const suspects = [{ ref: TAG, object: null, since: long }];
    const { untold } = compare(refs({ [TAG]: "a" }), refs({}), { places, suspects });
    expect(untold).toEqual(count === 0 ? [] : [{ ref: TAG, before: sha("a"), tip: null, suspect: suspects[0] }]);
  });

  it("is handed on in portions, and none of it is forgotten", () => {
    const many = Object.fromEntries(
      Array.from({ length: MAX_AT_ONCE + 7 }, (_, index) => [`refs/tags/v0.0.${index}`, "a"]),
    );
    const suspects = Object.keys(many).map((ref) => ({ ref, object: sha("a"), since: long }));
    const first = compare(refs({}), refs(many), { suspects });
    expect([first.untold.length, first.suspects.length]).toEqual([MAX_AT_ONCE, 7]);
    const rest = settledRefs(refs({}), refs(many), first.suspects);
    const second = compare(rest, refs(many), { suspects: first.suspects });
    expect([second.untold.length, second.suspects.length]).toEqual([7, 0]);
    expect(new Set([...first.untold, ...second.untold].map(({ ref }) => ref)).size).toBe(MAX_AT_ONCE + 7);
  });
});

describe("where a ref is explained by what was told", () => {
  it.each([
    ["the tag object", { after: sha("e") }, tip("ec"), true],
    ["the commit of the tag", { after: sha("c") }, tip("ec"), true],
    ["another commit", { after: sha("d") }, tip("ec"), false],
    ["that it is gone, and it is", { after: null }, null, true],
    ["that it is gone, and it is not", { after: null }, tip("c"), false],
    ["a commit, and it is gone", { after: sha("c") }, null, false],
    ["nothing, and it is gone", undefined, null, true],
    ["nothing, and it is there", undefined, tip("c"), false],
  ])("by %s", (_what, place, at, explained) => {
    expect(isWhere(place, at)).toBe(explained);
  });
});

it("what may yet be told is remembered as it was", () => {
  const before = refs({ [MAIN]: "a", "refs/heads/gone": "a", "refs/heads/other": "a" });
  const now = refs({ [MAIN]: "b", [TAG]: "b", "refs/heads/other": "b" });
  const open = [{ ref: MAIN }, { ref: TAG }, { ref: "refs/heads/gone" }];
  expect(settledRefs(before, now, open)).toEqual(
    refs({ [MAIN]: "a", "refs/heads/gone": "a", "refs/heads/other": "b" }),
  );
  expect(settledRefs(before, now, [])).toEqual(now);
});

describe("the next look", () => {
  const DAY_MS = 24 * 60 * 60_000;
  const calm = { now: NOW, lastUsedAt: NOW - 1, suspects: [], failures: 0, spread: 0, graceMs: GRACE_MS };
  const { busy, quiet, unused } = LOOK_EVERY_MS;

  it.each([
    ["built lately", calm, busy],
    ["built almost two weeks ago", { ...calm, lastUsedAt: NOW - 14 * DAY_MS + 1 }, busy],
    ["built two weeks ago", { ...calm, lastUsedAt: NOW - 14 * DAY_MS }, quiet],
    ["never built", { ...calm, lastUsedAt: null }, unused],
    ["spread out", { ...calm, spread: 1 }, busy * 1.2],
    ["a suspect", { ...calm, suspects: [{ ref: MAIN, object: null, since: NOW - 1_000 }] }, GRACE_MS - 1_000],
    ["a suspect whose time is over", { ...calm, suspects: [{ ref: MAIN, object: null, since: long - 5 }] }, 0],
    ["one failure", { ...calm, failures: 1 }, busy],
    ["many failures", { ...calm, failures: 8 }, 256 * 60_000],
    ["no end of failures", { ...calm, failures: 5_000 }, DAY_MS],
    ["failures where nothing was built", { ...calm, lastUsedAt: null, failures: 1 }, unused],
    ["failures, spread out", { ...calm, lastUsedAt: null, failures: 1, spread: 1 }, unused],
  ])("%s", (_what, stands, gap) => {
    expect(nextLook(stands) - NOW).toBe(gap);
  });
});
