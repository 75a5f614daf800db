import { describe, expect, it } from "@jest/globals";

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
