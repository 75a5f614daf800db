import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";

import { defaultImageName, imageNameProblem, legalImageName } from "../../../src/core/repo-config/image-name.ts";

describe("imageNameProblem", () => {
  it.each(["api", "a", "0", "team/api", "a.b_c__d-e---f", "x--staging/b1", "a/b/c", "a".repeat(128)])(
    "takes %s",
    (name) => {
      expect(imageNameProblem(name)).toBeNull();
    },
  );

  it.each([
    ["", /leave `name` out/],
    ["API", /for example `api`/],
    [".staging", /for example `staging`/],
    ["_x", /not a legal/],
    ["x-", /not a legal/],
    ["x..y", /not a legal/],
    ["x___y", /not a legal/],
    ["x._y", /not a legal/],
    ["a//b", /for example `a\/b`/],
    ["/a", /not a legal/],
    ["a/", /not a legal/],
    ["a b", /for example `a-b`/],
    ["ä", /not a legal/],
    ["api:latest", /tags belong under `tags`/],
    ["api@sha256:0", /no tag or digest/],
    ["api\n", /not a legal/],
    ["a".repeat(129), /128 characters; this one has 129/],
  ])("refuses %j", (name, message) => {
    expect(imageNameProblem(name)).toMatch(message);
  });

  it("decides on long names in time linear in their length", () => {
    expect(imageNameProblem(`${"a-".repeat(63)}!`)).not.toBeNull();
  });
});

describe("defaultImageName", () => {
  it.each([
    ["Hello-World", "hello-world"],
    ["acme/Hello.World", "hello.world"],
    [".github", "github"],
    ["a___b--c..d", "a-b--c-d"],
    ["Größe", "gr-e"],
    ["-x-", "x"],
  ])("makes %s into %s", (repository, name) => {
    expect(defaultImageName(repository)).toBe(name);
  });

  it("has nothing to offer for a name without letters and digits", () => {
    expect(defaultImageName("acme/___")).toBeNull();
    expect(defaultImageName("")).toBeNull();
  });
});

describe("legalImageName", () => {
  it("gives a legal name or none, and leaves a legal one alone", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[a-zA-Z0-9._\-/ä]{0,200}$/)), (text) => {
        const name = legalImageName(text);
        if (name !== null) expect([text, name, imageNameProblem(name)]).toEqual([text, name, null]);
        if (imageNameProblem(text) === null) expect(name).toBe(text);
      }),
    );
  });
});
