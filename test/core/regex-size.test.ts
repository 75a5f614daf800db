import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { RE2JS, RE2JSException } from "re2js";

import { regexSize } from "../../src/core/regex-size.ts";

/** The real size; null when it is no expression. */
function programSize(regex: string): number | null {
  try {
    return RE2JS.compile(regex).programSize();
  } catch (error) {
    if (error instanceof RE2JSException) return null;
    throw error;
  }
}

describe("regexSize", () => {
  it.each([
    ["^v[0-9]+$", 10],
    ["^[0-9a-f]{40}$", 90],
    ["^(?P<line>[0-9]{1,3}(?:[.][0-9]{1,3}){2})$", 50],
    ["^(?i)release/.*$", 20],
  ])("finds %s small", (regex, most) => {
    expect(regexSize(regex)).toBeLessThanOrEqual(most);
  });

  it.each([
    ["a{1000}", 1_000],
    ["a{0,1000}", 1_000],
    ["(?:ab?){500}", 1_000],
    ["((a{30}){30})", 900],
    ["(?:a{30}[)]){30}", 900],
    ["(?:a{30}[])]){30}", 900],
    ["(?:a{30}[^])]){30}", 900],
    ["(?:a{30}\\)){30}", 900],
    ["(?:a{30}[[:alpha:])]){30}", 900],
    ["(?:a{30}[\\])]){30}", 900],
  ])("sees how large %s is", (regex, least) => {
    expect(regexSize(regex)).toBeGreaterThanOrEqual(least);
  });

  it("is never far below the real size", () => {
    const parts = fc.constantFrom(
      ..."a|b|é|.|\\.|\\pL|\\x{61}|(|(?:|(?P<n>|(?i)|(?i:|)|[|]|^|-|[:alpha:]|[^|{2}|{3,5}|{2,}|{0,9}|{|}|*|+|?|\\)|\\(|\\[|$".split(
        "|",
      ),
      "|",
    );
    fc.assert(
      fc.property(fc.array(parts, { maxLength: 14 }), (chosen) => {
        const regex = chosen.join("");
        const estimate = regexSize(regex);
        // Real ones beyond this take long to compile; that they are recognized is tested above.
        fc.pre(estimate < 5_000);
        expect(programSize(regex) ?? 0).toBeLessThanOrEqual(4 * estimate + 10);
      }),
      { numRuns: 2_000 },
    );
  });
});
