import { describe, expect, it } from "@jest/globals";
import {
  type ClaimDecision,
  type ClaimFacts,
  type ClaimReason,
  decideClaim,
  type GivingFacts,
  givingRefusal,
  type NamespacePolicy,
} from "../../../src/core/lifecycle/claim.ts";
import { type Account, hostKey } from "../../../src/core/model.ts";

const ACME: Account = { provider: "github", host: "default", id: "17", login: "acme", kind: "organization" };
const OTHER = { provider: "github", host: "default", id: "18" } as const;

const AUTOMATIC: NamespacePolicy = { kind: "automatic", provider: "github", host: "default" };
const APPROVE: NamespacePolicy = { kind: "approve" };
const FIXED: NamespacePolicy = { kind: "fixed", map: new Map([[hostKey(ACME), "acme"]]) };

/** Nothing speaks against it. */
const FREE: ClaimFacts = {
  account: ACME,
  owned: null,
  wanted: "acme",
  writers: null,
  lookalike: null,
  refused: false,
  waits: null,
  occupied: false,
};

/** `grant`, `wait: owned`, `none: refused` … */
function decided(policy: NamespacePolicy, more: Partial<ClaimFacts> = {}): string {
  const decision = decideClaim(policy, { ...FREE, ...more });
  return "reason" in decision ? `${decision.kind}: ${decision.reason}` : decision.kind;
}

describe("a claim", () => {
  const table: readonly (readonly [what: string, facts: Partial<ClaimFacts>, automatic: string, approve: string])[] = [
    ["free in every way", {}, "grant", "wait: confirmation"],
    ["of who has one", { owned: "acme" }, "owned", "owned"],
    ["of who has another one, of a name that is taken", { owned: "old", writers: [OTHER] }, "owned", "owned"],
    ["to nothing its name could make", { wanted: null }, "wait: unusable-name", "wait: unusable-name"],
    ["that was refused", { refused: true }, "none: refused", "none: refused"],
    ["that was refused, to what is another's", { refused: true, writers: [OTHER] }, "none: refused", "none: refused"],
    ["to what is another's", { writers: [OTHER] }, "wait: owned", "wait: owned"],
    ["to what is two others'", { writers: [OTHER, { ...OTHER, id: "19" }] }, "wait: owned", "wait: owned"],
    ["to what was another's", { writers: [] }, "wait: given-up", "wait: given-up"],
    ["to what looks like another", { lookalike: "acne" }, "wait: lookalike", "wait: lookalike"],
    ["to what has images", { occupied: true }, "wait: occupied", "wait: occupied"],
    ["to what nobody knows of", { occupied: null }, "wait: registry-silent", "wait: registry-silent"],
    ["before the registry was asked", { occupied: "unasked" }, "ask", "ask"],
    ["that waits for a word", { occupied: "unasked", waits: "confirmation" }, "ask", "wait: confirmation"],
    ["that waits elsewhere", { occupied: "unasked", waits: "other-host" }, "ask", "wait: confirmation"],
    ["found occupied once", { occupied: "unasked", waits: "occupied" }, "wait: occupied", "wait: occupied"],
    [
      "not answered for once",
      { occupied: "unasked", waits: "registry-silent" },
      "wait: registry-silent",
      "wait: registry-silent",
    ],
    [
      "unasked, to what looks like another",
      { occupied: "unasked", lookalike: "acne" },
      "wait: lookalike",
      "wait: lookalike",
    ],
  ];

  it.each(table)("%s is decided by the automatic policy and by the operator's", (_what, facts, automatic, approve) => {
    expect([decided(AUTOMATIC, facts), decided(APPROVE, facts)]).toEqual([automatic, approve]);
  });

  it.each([
    ["another provider", { ...ACME, provider: "bitbucket" } as const],
    ["another host", { ...ACME, host: "ghes" }],
    ["a host whose name begins alike", { ...ACME, host: "default2" }],
  ])("of an account of %s waits for the operator, whatever it is called", (_what, account) => {
    expect(decided(AUTOMATIC, { account })).toBe("wait: other-host");
    expect(decided(AUTOMATIC, { account, occupied: "unasked", waits: "other-host" })).toBe("wait: other-host");
    expect(decided(AUTOMATIC, { account, writers: [OTHER] })).toBe("wait: owned");
    expect(decided(AUTOMATIC, { account, occupied: true })).toBe("wait: occupied");
  });

  /** All values of each fact, beside each other. */
  function everything(): ClaimFacts[] {
    const owneds = [null, "acme", "old"];
    const wanteds = [null, "acme"];
    const writerses = [null, [], [OTHER]];
    const lookalikes = [null, "acne"];
    const occupieds = [true, false, null, "unasked"] as const;
    const waitses: readonly (ClaimReason | null)[] = [null, "confirmation", "occupied", "registry-silent", "owned"];
    return owneds.flatMap((owned) =>
      wanteds.flatMap((wanted) =>
        writerses.flatMap((writers) =>
          lookalikes.flatMap((lookalike) =>
            occupieds.flatMap((occupied) =>
              waitses.flatMap((waits) =>
                [true, false].map((refused) => ({
                  account: ACME,
                  owned,
                  wanted,
                  writers,
                  lookalike,
                  occupied,
                  waits,
                  refused,
                })),
              ),
            ),
          ),
        ),
      ),
    );
  }

  it("is granted by itself in one case of all only", () => {
    const all = everything();
    expect(all).toHaveLength(1_440);
    const granted = (policy: NamespacePolicy) => all.filter((facts) => decideClaim(policy, facts).kind === "grant");
    expect(granted(APPROVE)).toEqual([]);
    const automatic = granted(AUTOMATIC);
    expect(automatic.length).toBeGreaterThan(0);
    for (const facts of automatic) {
      expect(facts).toMatchObject({ owned: null, wanted: "acme", writers: null, lookalike: null, refused: false });
      // What waited once for another reason is looked at again; what the registry had, is the operator's to decide.
      expect([false, "unasked"]).toContain(facts.occupied);
      expect(facts.occupied).toBe(false);
    }
  });

  it("leaves every account what it has, with every policy that people decide", () => {
    for (const facts of everything().filter(({ owned }) => owned !== null)) {
      for (const policy of [APPROVE, AUTOMATIC]) {
        expect(decideClaim(policy, facts)).toEqual({ kind: "owned", namespace: facts.owned });
      }
    }
  });

  it("tells strangers why it waits, and not whose a namespace is", () => {
    for (const facts of everything()) {
      for (const policy of [APPROVE, AUTOMATIC]) {
        const decision: ClaimDecision = decideClaim(policy, facts);
        if (decision.kind !== "wait" && decision.kind !== "none") continue;
        expect(decision.why).not.toMatch(/18|acne/);
        expect(decision.why).toMatch(/operator|owners/);
      }
    }
  });

  it("is decided by the file alone where there is one", () => {
    const stranger = { ...ACME, id: "170" };
    for (const facts of everything()) {
      const { owned } = facts;
      const mapped = decideClaim(FIXED, facts);
      if (owned === null) expect(mapped).toMatchObject({ kind: "grant", namespace: "acme" });
      else if (owned === "acme") expect(mapped).toEqual({ kind: "owned", namespace: "acme" });
      else expect(mapped).toMatchObject({ kind: "move", from: "old", to: "acme" });
      const unmapped = decideClaim(FIXED, { ...facts, account: stranger });
      if (owned === null) expect(unmapped).toMatchObject({ kind: "none", reason: "not-mapped" });
      else expect(unmapped).toMatchObject({ kind: "move", from: owned, to: null });
    }
  });
});

describe("a namespace that is given by hand", () => {
  const plain: GivingFacts = {
    namespace: "acme",
    problem: null,
    owned: null,
    writers: null,
    lookalike: null,
    occupied: false,
  };
  const [NO, SHARE, ANYWAY, BOTH] = [
    { share: false, anyway: false },
    { share: true, anyway: false },
    { share: false, anyway: true },
    { share: true, anyway: true },
  ] as const;

  it.each([
    ["free", {}, [null, null, null, null]],
    ["its own already", { owned: "acme", writers: [ACME] }, ["owned", null, "owned", null]],
    ["no name", { problem: "is reserved" }, ["unusable-name", "unusable-name", "unusable-name", "unusable-name"]],
    ["beside another one", { owned: "old" }, ["owns-another", "owns-another", "owns-another", "owns-another"]],
    ["somebody's", { writers: [OTHER] }, ["owned", null, "owned", null]],
    ["somebody's, and looks like another", { writers: [OTHER], lookalike: "acne" }, ["owned", null, "owned", null]],
    ["given up", { writers: [] }, ["given-up", "given-up", null, null]],
    ["like another", { lookalike: "acne" }, ["lookalike", "lookalike", null, null]],
    ["occupied", { occupied: true }, ["occupied", "occupied", null, null]],
  ] as const)("when it is %s", (_what, more, expected) => {
    const facts = { ...plain, ...more };
    expect([NO, SHARE, ANYWAY, BOTH].map((insists) => givingRefusal(facts, insists)?.reason ?? null)).toEqual(expected);
  });

  it("tells the operator whose it is", () => {
    expect(givingRefusal({ ...plain, writers: [OTHER] }, NO)?.why).toBe("acme belongs to github:default:18");
    expect(givingRefusal({ ...plain, lookalike: "acne" }, NO)?.why).toBe("people may take acme for acne");
  });
});
