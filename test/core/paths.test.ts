import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";

import { touches } from "../../src/core/paths.ts";
import { compilePattern, type Pattern } from "../../src/core/patterns.ts";

function globs(...sources: readonly string[]): Pattern[] {
  return sources.map((source) => {
    const compiled = compilePattern(source, "path");
    if (!compiled.ok) throw new Error(compiled.message);
    return compiled.pattern;
  });
}

const api = { include: globs("services/api/**", "libs/**"), exclude: globs("**/*.md") };

describe("touches", () => {
  it("counts everything when an image has no path filter, even a change of no files", () => {
    expect(touches(null, ["README.md"])).toEqual({ hit: true, path: null, pattern: null });
    expect(touches(null, [])).toEqual({ hit: true, path: null, pattern: null });
  });

  it("names the file that counts and the glob it matched", () => {
    expect(touches(api, ["web/a.ts", "libs/b.ts", "services/api/c.ts"])).toEqual({
      hit: true,
      path: "libs/b.ts",
      pattern: "libs/**",
    });
  });

  it("says how many files were looked at when none counts", () => {
    expect(touches(api, ["web/a.ts", "web/b.ts", "apilibs/c"])).toEqual({ hit: false, changed: 3, excluded: 0 });
    expect(touches(api, [])).toEqual({ hit: false, changed: 0, excluded: 0 });
  });

  it("lets exclude win for each file, not for the whole change", () => {
    expect(touches(api, ["services/api/README.md", "libs/x/y.md"])).toEqual({ hit: false, changed: 2, excluded: 2 });
    expect(touches(api, ["services/api/README.md", "services/api/main.go"])).toMatchObject({
      hit: true,
      path: "services/api/main.go",
    });
  });

  it("takes an empty include as every path", () => {
    const allButDocs = { include: [], exclude: globs("docs/**") };
    expect(touches(allButDocs, ["docs/a", "docs/b/c"])).toEqual({ hit: false, changed: 2, excluded: 2 });
    expect(touches(allButDocs, ["docs/a", "src/b"])).toEqual({ hit: true, path: "src/b", pattern: null });
  });

  it("builds when a path is too long to be judged", () => {
    const long = `docs/${"x".repeat(1100)}`;
    expect(touches(api, [long])).toEqual({ hit: true, path: long, pattern: null });
  });
});

describe("the pointer of a submodule, one path for a folder, counts", () => {
  /** Whether a change of this path counts for `include`, by itself. */
  const counts = (path: string, ...include: string[]) =>
    touches({ include: globs(...include), exclude: [] }, [path]).hit;

  it.each([
    ["libs/foo/**", "libs/foo"],
    ["libs/foo/**", "libs"],
    ["libs/foo/go.mod", "libs/foo"],
    ["libs/foo/*.go", "libs/foo"],
    ["libs/foo/src/**/*.go", "libs/foo"],
    ["libs/foo", "libs/foo"],
    ["libs/**", "libs/foo"],
    ["services/*/**", "services"],
  ])("for %s where it is the path %s, marked or not", (glob, path) => {
    expect([counts(path, glob), counts(`${path}/`, glob)]).toEqual([true, true]);
  });

  it.each([
    ["services/*/**", "services/api"],
    ["*/**", "docs"],
    ["*/src/**", "docs"],
    ["{libs/foo,libs/bar}/**", "libs/foo"],
    ["**/*.go", "docs"],
    ["libs/**/*.go", "libs/foo"],
    ["**/vendor/**", "docs"],
    ["*/lib**", "docs"],
  ])("for %s where the host marks it as %s/, as nothing else could tell", (glob, path) => {
    expect([counts(path, glob), counts(`${path}/`, glob)]).toEqual([false, true]);
  });

  it.each([
    ["libs/foo/**", "libs/foobar"],
    ["libs/foo/**", "lib"],
    ["libs/foo/**", "libs/fo"],
    ["services/*/**", "libs/foo"],
    ["services/api/**/*.go", "services/web"],
    ["services/*/**", "tools/services"],
    ["*/api/**", "docs/theme"],
    ["{libs,tools}/**", "docs"],
  ])("not for %s where it is %s", (glob, path) => {
    expect([counts(path, glob), counts(`${path}/`, glob)]).toEqual([false, false]);
  });

  it("unless all that is in it is excluded", () => {
    const hit = (path: string, ...exclude: string[]) =>
      touches({ include: [], exclude: globs(...exclude) }, [path]).hit;
    expect([hit("libs/foo", "libs/foo/**"), hit("libs/foo/", "libs/foo/**"), hit("libs/foo/", "libs/**")]).toEqual([
      false,
      false,
      false,
    ]);
    expect(hit("libs/foo/", "*/*/**")).toBe(false);
    const parts = ["libs/foo/docs/**", "libs/foo/*", "libs/foo/*/**", "**/*.md", "libs/foo/?"];
    for (const part of parts) expect([part, hit("libs/foo", part), hit("libs/foo/", part)]).toEqual([part, true, true]);
  });

  it("unlike a file, which no glob of a folder excludes", () => {
    expect(touches({ include: [], exclude: globs("*/**") }, ["README.md"]).hit).toBe(true);
  });

  it("and is told without its mark", () => {
    expect(touches({ include: globs("libs/**"), exclude: [] }, ["libs/foo/"])).toEqual({
      hit: true,
      path: "libs/foo",
      pattern: "libs/**",
    });
  });
});

describe("a path filter, whatever the globs and paths", () => {
  const name = fc.constantFrom("a", "b", "ab", "a.md", "lib");
  const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join("/"));
  const segment = fc.constantFrom(
    "a",
    "b",
    "ab",
    "*",
    "?",
    "*.md",
    "a*",
    "**",
    "[ab]",
    "{a,b}",
    "{a/b,b}",
    "lib**",
    "[!a]",
  );
  const glob = fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => segments.join("/"));
  const filter = fc.record({
    include: fc.array(glob, { maxLength: 3 }).map((sources) => globs(...sources)),
    exclude: fc.array(glob, { maxLength: 2 }).map((sources) => globs(...sources)),
  });
  const paths = fc.array(path, { maxLength: 6 });

  it("counts a change if and only if one of its files counts by itself", () => {
    fc.assert(
      fc.property(filter, paths, (one, changed) => {
        expect(touches(one, changed).hit).toBe(changed.some((file) => touches(one, [file]).hit));
      }),
    );
  });

  it("counts no more with a further exclude, and no less with a further include where there is one", () => {
    fc.assert(
      fc.property(filter, glob, paths, (one, more, changed) => {
        const { hit } = touches(one, changed);
        if (!hit) expect(touches({ ...one, exclude: [...one.exclude, ...globs(more)] }, changed).hit).toBe(false);
        if (hit && one.include.length > 0) {
          expect(touches({ ...one, include: [...one.include, ...globs(more)] }, changed).hit).toBe(true);
        }
      }),
    );
  });

  it("counts a marked submodule wherever it would count one of the files in it", () => {
    fc.assert(
      fc.property(filter, path, path, (one, folder, file) => {
        const within = touches(one, [`${folder}/${file}`]).hit;
        const itself = one.exclude.some((pattern) => pattern.match(folder) !== null);
        if (within && !itself) expect(touches(one, [`${folder}/`]).hit).toBe(true);
      }),
      { numRuns: 5_000 },
    );
  });

  it("takes files for files: without a mark, a path counts as what the globs match, or as a folder they name", () => {
    fc.assert(
      fc.property(glob, path, (source, file) => {
        const matched = globs(source).some((pattern) => pattern.match(file) !== null);
        expect(touches({ include: globs(source), exclude: [] }, [file]).hit).toBe(
          matched || (source.startsWith(`${file}/`) && !/[*?[{]/.test(file)),
        );
      }),
    );
  });
});
