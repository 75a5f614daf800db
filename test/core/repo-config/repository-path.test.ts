import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";

import { checkFileIn, checkFolder, normalizePath } from "../../../src/core/repo-config/repository-path.ts";

describe("normalizePath", () => {
  it.each([
    [".", "."],
    ["", "."],
    ["./a/", "a"],
    ["a//b/./c", "a/b/c"],
    ["a/../b", "b"],
    ["a/..", "."],
    ["../a", "../a"],
    ["a/../../b", "../b"],
    ["../../a/..", "../.."],
    ["...", "..."],
    ["a/..b", "a/..b"],
  ])("%j is %j", (path, normal) => {
    expect(normalizePath(path)).toBe(normal);
  });
});

describe("checkFolder", () => {
  it.each([
    [".", "."],
    ["services/api", "services/api"],
    ["./services/../services/api/", "services/api"],
    [".hidden", ".hidden"],
    ["with space/é", "with space/é"],
    ["a-b/c-", "a-b/c-"],
    ["...", "..."],
  ])("takes %s", (text, path) => {
    expect(checkFolder(text)).toEqual({ ok: true, path });
  });

  it.each([
    ["", /empty/],
    ["/", /relative/],
    ["/etc", /relative/],
    ["..", /out of the repository/],
    ["../x", /out of the repository/],
    ["a/../../x", /out of the repository/],
    ["a\\b", /backslash/],
    ["a\0b", /control/],
    ["a\nb", /control/],
    ["-rf", /begin with `-`/],
    ["./-rf", /begin with `-`/],
    ["a/-x", /begin with `-`/],
    ["https://example.com/x.git", /`#` or `:`/],
    ["a#b", /`#` or `:`/],
    ["C:x", /`#` or `:`/],
    ["x".repeat(513), /512/],
  ])("refuses %j", (text, message) => {
    expect(checkFolder(text)).toMatchObject({ ok: false, message: expect.stringMatching(message) });
  });

  it("never lets a path out, whatever it is made of", () => {
    const segment = fc.constantFrom("..", ".", "", "a", "b", "...", "..a");
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 12 }), (segments) => {
        const checked = checkFolder(segments.join("/"));
        if (!checked.ok) return;
        expect(checked.path.split("/")).not.toContain("..");
        expect(checked.path).not.toMatch(/^\//);
      }),
    );
  });
});

describe("checkFileIn", () => {
  it("lets a Dockerfile stand outside the context, but inside the repository", () => {
    expect(checkFileIn("services/api", "../../Dockerfile")).toEqual({ ok: true, path: "../../Dockerfile" });
    expect(checkFileIn("services/api", "../../../Dockerfile")).toMatchObject({ ok: false });
    expect(checkFileIn(".", "../Dockerfile")).toMatchObject({ ok: false });
    expect(checkFileIn(".", "./ops/Dockerfile.api")).toEqual({ ok: true, path: "ops/Dockerfile.api" });
  });

  it("refuses what names a folder", () => {
    for (const text of [".", "..", "ops/", "a/.."]) {
      expect(checkFileIn("x/y", text)).toMatchObject({ ok: false, message: expect.stringMatching(/folder/) });
    }
  });
});
