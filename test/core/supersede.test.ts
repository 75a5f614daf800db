import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { mayMove, type Publication } from "../../src/core/supersede.ts";

function publication(rest: Partial<Publication> = {}): Publication {
  return {
    repository: "github:default:1",
    ref: "refs/heads/main",
    generation: 1,
    order: 1,
    build: 1,
    version: null,
    since: 0,
    ...rest,
  };
}

function release(version: string, rest: Partial<Publication> = {}): Publication {
  return publication({ ref: `refs/tags/v${version}`, version, ...rest });
}

/** The owner of a tag after its builds ended in this order. */
function ownerAfter(publications: readonly Publication[]): Publication | null {
  let owner: Publication | null = null;
  for (const one of publications) if (mayMove(owner, one).moves) owner = one;
  return owner;
}

const MAIN = publication({ order: 5, generation: 2, build: 5 });
const FEATURE = "refs/heads/feature";

/** Each beats the other whichever of the two ends last; the sentence is what the loser is told. */
const PAIRS: readonly [string, Publication, Publication, string][] = [
  [
    "a later change of the same branch",
    publication({ generation: 3, order: 9, build: 6 }),
    MAIN,
    "It stays with a later build of refs/heads/main.",
  ],
  [
    "a later change over a re-run of the one before, which is built after it",
    publication({ generation: 3, order: 9, build: 6 }),
    { ...MAIN, build: 7 },
    "It stays with a later build of refs/heads/main.",
  ],
  ["a re-run of the same work", { ...MAIN, build: 8 }, MAIN, "It stays with a later build of refs/heads/main."],
  [
    "another branch that was pushed later, however often the first was pushed",
    publication({ ref: FEATURE, order: 6, build: 2 }),
    { ...MAIN, generation: 90 },
    "It stays with refs/heads/feature, which was pushed later.",
  ],
  [
    "a higher version that was pushed first",
    release("2.0.0", { order: 1 }),
    release("1.9.1", { order: 7 }),
    "It stays with 2.0.0, which is higher than 1.9.1.",
  ],
  [
    "numbers over their digits",
    release("1.10.0"),
    release("1.9.0", { order: 7 }),
    "It stays with 1.10.0, which is higher than 1.9.0.",
  ],
  [
    "a release over its pre-release",
    release("2.0.0"),
    release("2.0.0-rc.10", { order: 7 }),
    "It stays with 2.0.0, which is higher than 2.0.0-rc.10.",
  ],
  [
    "pre-releases by their numbers",
    release("2.0.0-rc.10"),
    release("2.0.0-rc.9", { order: 7 }),
    "It stays with 2.0.0-rc.10, which is higher than 2.0.0-rc.9.",
  ],
  [
    "the later of two versions that differ in their build metadata only",
    release("2.0.0+1", { order: 7 }),
    release("2.0.0+9", { order: 6 }),
    "It stays with refs/tags/v2.0.0+1, which was pushed later.",
  ],
  [
    "a version tag that was moved",
    release("2.0.0", { generation: 2, order: 7 }),
    release("2.0.0"),
    "It stays with a later build of refs/tags/v2.0.0.",
  ],
  [
    "a branch over the version before it",
    MAIN,
    release("2.0.0", { order: 4 }),
    "It stays with refs/heads/main, which was pushed later.",
  ],
  [
    "a version over the branch before it",
    release("0.1.0", { order: 6, since: 5 }),
    MAIN,
    "It stays with refs/tags/v0.1.0, which was pushed later.",
  ],
  [
    "a lower version where a branch came between",
    release("1.9.1", { order: 6, since: 5 }),
    release("2.0.0", { order: 4 }),
    "It stays with refs/tags/v1.9.1, which was pushed later.",
  ],
  [
    "a higher version where a branch came between: not for its version",
    release("2.0.0", { order: 6, since: 5 }),
    release("1.9.1", { order: 4 }),
    "It stays with refs/tags/v2.0.0, which was pushed later.",
  ],
  [
    "the later of two changes of a branch in one push, even if the first is built again",
    { ...MAIN, generation: 3 },
    { ...MAIN, build: 9 },
    "It stays with a later build of refs/heads/main.",
  ],
  [
    "a later push of another repository, without a word about its branches",
    publication({ repository: "github:default:2", ref: "refs/heads/secret", order: 6 }),
    MAIN,
    "Another repository that publishes this image has moved it since.",
  ],
  [
    "a later push of a branch of the same name in another repository",
    publication({ repository: "github:default:2", order: 6 }),
    MAIN,
    "Another repository that publishes this image has moved it since.",
  ],
  [
    "what has a version over one that can not be read",
    release("1.0.0", { order: 6, since: 5 }),
    release("one", { order: 5 }),
    "It stays with refs/tags/v1.0.0, which was pushed later.",
  ],
];

describe("who may move a tag", () => {
  it("lets the first one", () => {
    expect(mayMove(null, MAIN)).toEqual({ moves: true });
  });

  it.each(PAIRS)("%s", (_, winner, loser, why) => {
    expect(mayMove(loser, winner)).toEqual({ moves: true });
    expect(mayMove(winner, loser)).toEqual({ moves: false, why });
  });

  it("lets a build do again what it did", () => {
    expect(mayMove(MAIN, { ...MAIN })).toEqual({ moves: true });
    expect(mayMove(release("1.0.0"), release("1.0.0"))).toEqual({ moves: true });
  });

  it("does not go in circles where a branch and versions share a tag", () => {
    const first = release("2.0.0", { order: 1 });
    const second = publication({ order: 3 });
    const third = release("1.9.1", { order: 5, since: 3 });
    for (const order of permutations([first, second, third])) expect(ownerAfter(order)).toBe(third);
  });
});

function permutations<T>(items: readonly T[]): T[][] {
  return items.length < 2
    ? [[...items]]
    : items.flatMap((one, i) => permutations(items.filter((_, j) => j !== i)).map((rest) => [one, ...rest]));
}

const anyVersion = fc.oneof(
  fc.constantFrom("1.0.0", "1.0.0+1", "1.0.0+2", "1.0.0-rc.1", "1.0.0-rc.2", "1.10.0", "2.0.0", "no version"),
  fc
    .tuple(fc.nat(3), fc.nat(12), fc.nat(12), fc.constantFrom("", "-0", "-a", "-a.1", "-1", "+b"))
    .map(([major, minor, patch, rest]) => `${major}.${minor}.${patch}${rest}`),
);

/** Not only what a journal can hold: the order must be total whatever was recorded. */
const anyPublications: fc.Arbitrary<Publication[]> = fc
  .array(
    fc.record({
      repository: fc.constantFrom("github:default:1", "github:default:2"),
      ref: fc.constantFrom("refs/heads/main", FEATURE, "refs/tags/v1.0.0", "refs/tags/v2.0.0"),
      generation: fc.nat(4),
      order: fc.nat(6),
      version: fc.option(anyVersion),
      since: fc.nat(6),
    }),
    { minLength: 1, maxLength: 12 },
  )
  .map((all) => all.map((one, build) => ({ ...one, build })));

describe("the end of a tag", () => {
  it("is the same in whatever order its builds end, and however often each is promoted", () => {
    const anyOrders = anyPublications.chain((all) =>
      fc.tuple(
        fc.shuffledSubarray(all, { minLength: all.length }),
        fc.shuffledSubarray([...all, ...all], { minLength: 2 * all.length }),
      ),
    );
    fc.assert(
      fc.property(anyOrders, ([once, twice]) => {
        expect(ownerAfter(twice)).toEqual(ownerAfter(once));
      }),
      { numRuns: 1_000 },
    );
  });

  it("is never undecided: of two different builds exactly one may follow the other", () => {
    fc.assert(
      fc.property(anyPublications, (all) => {
        for (const a of all) {
          for (const b of all) if (a !== b) expect(mayMove(a, b).moves).toBe(!mayMove(b, a).moves);
        }
      }),
    );
  });

  it("keeps the rule, pair by pair, for every history a journal can tell", () => {
    fc.assert(
      fc.property(anyHistory, (history) => {
        for (const [i, earlier] of history.entries()) {
          for (const later of history.slice(i + 1)) {
            expect([earlier, later, mayMove(earlier, later).moves]).toEqual([
              earlier,
              later,
              laterWins(earlier, later),
            ]);
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});

/** Pushes in the order of the journal: a ref's generations grow, and `since` is what was planned before. */
const anyHistory: fc.Arbitrary<Publication[]> = fc
  .array(
    fc.oneof(
      fc.record({ ref: fc.constantFrom("refs/heads/main", FEATURE), version: fc.constant(null) }),
      fc
        .constantFrom("1.0.0", "1.0.0+1", "1.9.1", "1.10.0", "2.0.0-rc.1", "2.0.0")
        .map((version) => ({ ref: `refs/tags/v${version}`, version })),
    ),
    { minLength: 2, maxLength: 10 },
  )
  .map((pushes) =>
    pushes.map(({ ref, version }, index) => {
      const before = pushes.slice(0, index);
      const generation = before.filter((other) => other.ref === ref).length + 1;
      const since = before.findLastIndex((other) => other.version === null) + 1;
      return publication({ ref, version, generation, order: index + 1, build: index + 1, since });
    }),
  );

/** The words of the rule, for two publications of which the first was journalled first. */
function laterWins(earlier: Publication, later: Publication): boolean {
  if (earlier.ref === later.ref || earlier.version === null || later.version === null) return true;
  if (earlier.since !== later.since) return true;
  return VERSIONS.indexOf(later.version) >= VERSIONS.indexOf(earlier.version) || sameVersion(earlier, later);
}

const VERSIONS: readonly string[] = ["1.0.0", "1.0.0+1", "1.9.1", "1.10.0", "2.0.0-rc.1", "2.0.0"];

function sameVersion(a: Publication, b: Publication): boolean {
  return a.version?.split("+")[0] === b.version?.split("+")[0];
}
