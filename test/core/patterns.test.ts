import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";

import { type CompiledPattern, compilePattern, type Pattern, type PatternKind } from "../../src/core/patterns.ts";

function compiled(source: string, kind: PatternKind = "ref"): Extract<CompiledPattern, { ok: true }> {
  const result = compilePattern(source, kind);
  if (!result.ok) throw new Error(`${source}: ${result.message}`);
  return result;
}

function pattern(source: string, kind: PatternKind = "ref"): Pattern {
  return compiled(source, kind).pattern;
}

function refusal(source: string, kind: PatternKind = "ref"): string {
  const result = compilePattern(source, kind);
  return result.ok ? "accepted" : result.message;
}

/** Generous: a linear engine needs a few milliseconds, an exponential one longer than the universe has. */
const SOON_MS = 1_000;

/** Milliseconds of processor time; the clock on the wall also counts what others do on the machine. */
function costOf(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

describe("exact names", () => {
  it("match only themselves", () => {
    expect(pattern("main").match("main")).toEqual({});
    for (const other of ["Main", "main2", "xmain", "feature/main", ""]) expect(pattern("main").match(other)).toBeNull();
  });

  it("take regex characters literally", () => {
    expect(pattern("v1.0+b").match("v1.0+b")).toEqual({});
    expect(pattern("v1.0").match("v1x0")).toBeNull();
    expect(pattern("a|b").match("a")).toBeNull();
  });
});

describe("globs", () => {
  const cases: readonly [glob: string, matches: readonly string[], misses: readonly string[]][] = [
    ["*", ["main", ".hidden", "ä"], ["a/b"]],
    ["release/*", ["release/1", "release/.x"], ["release", "release/1/2", "xrelease/1", "release/1/"]],
    ["**", ["a", "a/b", ".a/.b"], [""]],
    ["a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb", "a/b/c"]],
    ["**/x", ["x", "a/x", "a/b/x"], ["ax", "x/a"]],
    ["docs/**", ["docs/a", "docs/a/b", "docs/.x"], ["docs", "docs/", "xdocs/a"]],
    ["**/*.md", ["a.md", "x/a.md", "x/y/.md"], ["a.mdx", "md"]],
    ["a**z", ["az", "a/b/z"], ["a/b"]],
    ["?.go", ["a.go", "ä.go", "😀.go"], ["/.go", "ab.go", ".go"]],
    ["v[0-9]", ["v1"], ["v", "va", "v10"]],
    ["v[!0-9]", ["va", "v."], ["v1", "v/"]],
    ["[]-]x", ["]x", "-x"], ["ax"]],
    ["[!]]", ["a"], ["]", "/"]],
    ["[a-]", ["a", "-"], ["b"]],
    ["[+-9]", ["+", "9", "."], ["/", ":"]],
    ["[[]", ["["], ["]"]],
    ["[{]x[}]", ["{x}"], ["x"]],
    ["{main,develop}", ["main", "develop"], ["main,develop", "mai"]],
    ["{a,b{c,d}}x", ["ax", "bcx", "bdx"], ["bx", "acx"]],
    ["x{,-y}", ["x", "x-y"], ["x-"]],
    ["{docs/**,*.md}", ["docs/a", "x.md"], ["docs/", "a/x.md"]],
    ["{**/a,b}", ["a", "x/a", "b"], ["xa"]],
    ["{a/,b/}**/x", ["a/x", "b/c/x"], ["ax"]],
    ["a,b*", ["a,b", "a,bc"], ["a", "b"]],
    ["v1.0*", ["v1.0", "v1.0.1"], ["v1x0"]],
    ["a$^+|().*", ["a$^+|().", "a$^+|().x"], ["a"]],
    ["*\u{1f600}", ["x\u{1f600}"], ["x"]],
  ];

  for (const [glob, matches, misses] of cases) {
    it(`${glob} matches what it should and nothing else`, () => {
      for (const subject of matches) expect([subject, pattern(glob, "path").match(subject)]).toEqual([subject, {}]);
      for (const subject of misses) expect([subject, pattern(glob, "path").match(subject)]).toEqual([subject, null]);
      expect(compiled(glob).pattern.source).toBe(glob);
    });
  }

  it("cross line breaks, which file names may contain", () => {
    expect(pattern("a/**", "path").match("a/b\nc/d")).toEqual({});
    expect(pattern("a/*", "path").match("a/b\nc")).toEqual({});
  });

  it("refuse what other tools support and this one does not, saying what to write", () => {
    expect(refusal("!main")).toMatch(/negation/);
    expect(refusal("!docs/**", "path")).toMatch(/exclude/);
    expect(refusal("@(a|b)")).toMatch(/`\{a,b\}`/);
    expect(refusal("a\\*")).toMatch(/`\[\*\]`/);
    expect(refusal("a***")).toMatch(/`\*\*`/);
    expect(refusal("{1..9}")).toMatch(/alternatives/);
    expect(refusal("{a")).toMatch(/never closed/);
    expect(refusal("a}")).toMatch(/no `\{`/);
    expect(refusal("[a")).toMatch(/never closed/);
    expect(refusal("[^a]")).toMatch(/`\[!…\]`/);
    expect(refusal("[z-a]")).toMatch(/backwards/);
    expect(refusal("[[:alpha:]]")).toMatch(/ranges/);
    expect(refusal("[a/b]")).toMatch(/between brackets/);
    expect(refusal("{".repeat(6) + "a,b".repeat(6) + "}".repeat(6))).toMatch(/nested/);
  });

  it("refuse paths that are not relative to the root", () => {
    expect(refusal("/docs/**", "path")).toMatch(/leading `\/`/);
    expect(refusal("/^docs/", "path")).toMatch(/never regular expressions/);
    expect(refusal("./docs", "path")).toMatch(/leave out/);
    expect(refusal("../docs", "path")).toMatch(/leave out/);
    expect(refusal("docs/", "path")).toMatch(/'docs\/\*\*'/);
  });

  it("accept or refuse any text without throwing, and an accepted literal matches itself", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary", maxLength: 60 }),
        fc.constantFrom<PatternKind>("ref", "path"),
        (text, kind) => {
          const result = compilePattern(text, kind);
          if (result.ok && !/[*?[{/]/.test(text)) expect(result.pattern.match(text)).toEqual({});
          if (result.ok) result.pattern.match("a/b");
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("regular expressions", () => {
  it("are searched, like Docker Hub's", () => {
    expect(pattern("/[0-9.]+$/").match("release-1.2")).toEqual({});
    expect(pattern("/^v/").match("v1")).toEqual({});
    expect(pattern("/^v/").match("1v")).toBeNull();
  });

  it("capture by number and by both spellings of a name", () => {
    expect(pattern("/^v([0-9]+)[.]([0-9]+)$/").match("v1.20")).toEqual({ "1": "1", "2": "20" });
    expect(pattern("/^(?P<line>[0-9.]+)-(?<rest>.*)$/").match("1.2-x")).toEqual({
      "1": "1.2",
      "2": "x",
      line: "1.2",
      rest: "x",
    });
  });

  it("leave out groups that took no part, and groups after the ninth unless they are named", () => {
    expect(pattern("/^(a)|(b)$/").match("b")).toEqual({ "2": "b" });
    const eleven = compiled(`/^${"(.)".repeat(10)}(?P<last>.)$/`);
    expect(Object.keys(eleven.pattern.match("abcdefghijk") ?? {})).toEqual([..."123456789", "last"]);
    expect(eleven.captures).toEqual({ count: 9, names: ["last"] });
  });

  it("do not trip over a group called like something of JavaScript's", () => {
    const match = pattern("/^(?P<__proto__>a)(?P<constructor>b)$/").match("ab") ?? {};
    expect(Object.entries(match)).toContainEqual(["__proto__", "a"]);
    expect(Object.entries(match)).toContainEqual(["constructor", "b"]);
  });

  it("remark on a missing anchor", () => {
    expect(compiled("/^main$/").remarks).toEqual([]);
    expect(compiled("/\\Amain\\z/").remarks).toEqual([]);
    expect(compiled("/(?i)^main$/").remarks).toEqual([]);
    expect(compiled("/main/").remarks).toEqual([expect.stringContaining("neither")]);
    expect(compiled("/^main/").remarks).toEqual([expect.stringContaining("no `$`")]);
    expect(compiled("/main$/").remarks).toEqual([expect.stringContaining("no `^`")]);
    expect(compiled("/^main\\$/").remarks).toEqual([expect.stringContaining("no `$`")]);
  });

  it("explain what RE2 does not have", () => {
    for (const source of ["/(?=a)/", "/(?!a)/", "/(?<=a)b/", "/(?<!a)b/"])
      expect(refusal(source)).toMatch(/look-around/);
    expect(refusal("/(a)\\1/")).toMatch(/back-references/);
    expect(refusal("/(a/")).toMatch(/RE2 syntax: missing closing \)/);
    expect(refusal("/\\Qa\\E/")).toMatch(/one by one/);
  });

  it("need a slash on both sides", () => {
    expect(refusal("/^v1")).toMatch(/write '\/\^v1\/', for a name or glob '\^v1'/);
    expect(refusal("release/")).toMatch(/ends with a slash/);
    expect(refusal("//")).toMatch(/empty/);
    expect(refusal("/")).toMatch(/empty/);
    expect(refusal("/v/i")).toMatch(/does not end/);
  });
});

describe("remarks on names", () => {
  it("say that refs are matched by their short name", () => {
    expect(compiled("refs/heads/main").remarks).toEqual([expect.stringContaining("refs/heads/")]);
    expect(compiled("refs/tags/v*").remarks).toEqual([expect.stringContaining("refs/tags/")]);
    expect(compiled("refs/tags/v*", "path").remarks).toEqual([]);
  });

  it("point out names that no ref has, and lists that are none", () => {
    expect(compiled("main, develop").remarks).toEqual([
      expect.stringContaining("matches nothing"),
      expect.stringContaining("`{a,b}`"),
    ]);
    expect(compiled("main,develop").remarks).toEqual([expect.stringContaining("`{a,b}`")]);
    expect(compiled("{main,develop}").remarks).toEqual([]);
    expect(compiled("a b, c", "path").remarks).toEqual([]);
  });
});

describe("limits", () => {
  it("refuse empty, long and unprintable patterns", () => {
    expect(refusal("")).toMatch(/empty/);
    expect(refusal("a".repeat(513))).toMatch(/512 characters; this one has 513/);
    expect(refusal("a".repeat(512))).toBe("accepted");
    expect(refusal("a\u0000b")).toMatch(/control/);
    expect(refusal("a\ud800")).toMatch(/control/);
  });

  it("match nothing longer than 1024 characters", () => {
    expect(pattern("**").match("a".repeat(1024))).toEqual({});
    expect(pattern("**").match("a".repeat(1025))).toBeNull();
    expect(pattern("/a/").match("a".repeat(1025))).toBeNull();
  });

  it("stay fast on patterns made to blow up", () => {
    const evil: readonly [string, PatternKind, string][] = [
      ["/^(a+)+$/", "ref", `${"a".repeat(1023)}!`],
      ["/^(a|a)*$/", "ref", `${"a".repeat(1023)}!`],
      ["/(x+x+)+y/", "ref", "x".repeat(1024)],
      [`${"*a".repeat(15)}b`, "path", "a".repeat(1024)],
      [`${"**/*a".repeat(60)}b`, "path", "a/".repeat(512)],
      ["?*".repeat(250), "path", "a/".repeat(512)],
      [`/${"(?:a?){60}".repeat(3)}b/`, "ref", "a".repeat(1024)],
    ];
    for (const [source, kind, subject] of evil) {
      expect([source, costOf(() => expect(pattern(source, kind).match(subject)).toBeNull()) < SOON_MS]).toEqual([
        source,
        true,
      ]);
    }
  });

  it("cost one match when thousands of rules ask about one ref", () => {
    const slow = pattern("/^(?:(?:a|aa|aaa){1,60})+$/");
    const subject = `${"a".repeat(1023)}b`;
    const time = costOf(() => {
      for (let rule = 0; rule < 1_000; rule += 1) expect(slow.match(subject)).toBeNull();
    });
    expect(time).toBeLessThan(SOON_MS);
    expect(slow.match("aaa")).toEqual({});
    expect(slow.match("b")).toBeNull();
    expect(slow.match("aaa")).toEqual({});
  });

  it("refuse expressions that compile to something huge, before compiling them", () => {
    const huge = [
      `/${"a?".repeat(5000)}/`,
      `/${"a{1000}".repeat(72)}/`,
      `/${"(?:a?){1000}".repeat(40)}/`,
      `/(?:${"x".repeat(480)}){1000}/`,
      "/((a{100}){100}){100}/",
      `/${"[[:alpha:])]".repeat(20)}((?:a{30}[[:alpha:])]){30})/`,
      `/(?i)${"[a-\u{10400}]".repeat(80)}/`,
      `/(?i)${"[\\x{61}-\\x{10ffff}]".repeat(25)}/`,
      `/${"\\pL".repeat(160)}/`,
    ];
    const time = costOf(() => {
      for (const source of huge) expect([source, refusal(source)]).not.toEqual([source, "accepted"]);
    });
    expect(time).toBeLessThan(500);
  });
});
