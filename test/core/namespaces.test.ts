import { describe, expect, it } from "@jest/globals";
import { lookalike, namespaceFor, namespaceProblem, RESERVED_NAMESPACES, skeleton } from "../../src/core/namespaces.ts";

describe("the namespace of an account", () => {
  it.each([
    ["acme", "acme"],
    ["Acme-Inc", "acme-inc"],
    ["a", "a"],
    ["7", "7"],
    ["a--b", "a--b"],
    ["a__b.c", "a__b.c"],
    ["x".repeat(100), "x".repeat(100)],
  ])("%s is its name in lower case: %s", (login, namespace) => {
    expect(namespaceFor({ login })).toBe(namespace);
  });

  it.each([
    "",
    "-acme",
    "acme-",
    ".",
    "..",
    "a/b",
    "a..b",
    "a___b",
    "a:b",
    "a b",
    "a\n",
    "ünïcode",
    // KELVIN SIGN: its lower case is the ASCII letter k, and the account is somebody else.
    "\u212Aacme",
    // Cyrillic.
    "\u0430cme",
    "x".repeat(101),
    ...RESERVED_NAMESPACES,
    ...RESERVED_NAMESPACES.map((name) => name.toUpperCase()),
  ])("%j gives none", (login) => {
    expect(namespaceFor({ login })).toBeNull();
  });

  it("is refused by hand in the same words", () => {
    expect(namespaceProblem("acme")).toBeNull();
    expect(namespaceProblem("Acme")).toBe("is no name that registries take");
    expect(namespaceProblem("a/b")).toBe("is no name that registries take");
    expect(namespaceProblem("staging")).toBe("is reserved");
  });
});

describe("names that people may take for each other", () => {
  it.each([
    ["acme", "acrne"],
    ["acme", "ac-me"],
    ["acme", "a.c_m--e"],
    ["acme", "4cm3"],
    ["google", "g00gle"],
    ["google", "googie"],
    ["google", "goog1e"],
    ["google", "9oogle"],
    ["google", "qoogle"],
    ["wharf", "vvharf"],
    ["docker", "clocker"],
    ["build", "6uild"],
    ["bazel", "6a2el"],
    ["modern", "rnoclern"],
  ])("%s and %s", (one, other) => {
    expect(skeleton(one)).toBe(skeleton(other));
    expect(lookalike(one, [other])).toBe(other);
    expect(lookalike(other, ["unlike", one])).toBe(one);
  });

  it.each([
    ["acme", "acne"],
    ["acme", "acme-labs"],
    ["acme", "acm"],
    ["acme", "acmee"],
    ["team-a", "team-b"],
  ])("are not %s and %s", (one, other) => {
    expect(lookalike(one, [other])).toBeNull();
  });

  it.each(["Iibrary", "1ibrary", "5taging", "vvharfinger", "t0ken"])("include reserved ones: %s", (login) => {
    expect(lookalike(login.toLowerCase(), [])).not.toBeNull();
  });

  it("are not a name and itself", () => {
    expect(lookalike("acme", ["acme"])).toBeNull();
  });

  it("are not what tells two names apart by a digit", () => {
    const numbered = Array.from({ length: 10 }, (_, digit) => `team-${digit}`);
    expect(new Set(numbered.map(skeleton)).size).toBe(10);
  });

  it("do not depend on what stands beside what is replaced", () => {
    const parts = ["r", "n", "m", "rn", "v", "w", "vv", "c", "l", "d", "cl", "1", "i", "0", "-"];
    for (const a of parts) {
      for (const b of parts) {
        for (const c of parts) {
          expect(skeleton(a + b + c)).toBe(skeleton(a) + skeleton(b) + skeleton(c));
          expect(skeleton(skeleton(a + b + c))).toBe(skeleton(a + b + c));
        }
      }
    }
  });
});
