import { describe, expect, it } from "@jest/globals";
import { createStagingNames } from "../../src/registry/staging.ts";

describe("names of staging repositories", () => {
  const cases: readonly (readonly [template: string, name: string, has: boolean, build: string | null])[] = [
    ["staging/{build}", "staging/b1", true, "b1"],
    ["staging/{build}", "staging/0190b2a4-7c1e", true, "0190b2a4-7c1e"],
    ["staging/{build}", "staging/b1/more", true, null],
    ["staging/{build}", "staging/not_an_id", true, null],
    ["staging/{build}", "staging", false, null],
    ["staging/{build}", "staging/", false, null],
    ["staging/{build}", "acme/staging/b1", false, null],
    ["staging/{build}", "staging-b1", false, null],
    ["staging/{build}", "stagings/b1", false, null],
    ["acme/x.y/{build}", "acme/x.y/b1", true, "b1"],
    ["acme/x.y/{build}", "acme/x-y/b1", false, null],
    ["acme/{build}-staging", "acme/b1-staging", true, "b1"],
    ["acme/{build}-staging", "acme/b1", false, null],
    ["{build}/{build}", "b1/b1", true, "b1"],
    ["{build}/{build}", "b1/b2", false, null],
    ["acme/staging", "acme/staging", true, "the-tag"],
    ["acme/staging", "acme/staging/b1", true, null],
    ["acme/staging", "acme/staging-2", false, null],
    ["{namespace}/staging", "acme/staging", true, "the-tag"],
    ["{namespace}/staging", "acme/staging/b1", true, null],
    ["{namespace}/staging", "acme/x/staging", false, null],
    ["{namespace}/staging", "staging", false, null],
    ["{namespace}/staging/{build}", "acme/staging/b1", true, "b1"],
    ["{namespace}/staging/{build}", "acme/api/staging/b1", false, null],
  ];
  it.each(cases)("by %s: %s", (template, name, has, build) => {
    const names = createStagingNames(template);
    expect([names.has(name), names.buildAt(name, "the-tag")]).toEqual([has, build]);
  });

  it.each([
    ["staging/{build}", { repository: "staging/b1", tag: "build", own: true }],
    ["{build}/x-{build}", { repository: "b1/x-b1", tag: "build", own: true }],
    ["acme/staging", { repository: "acme/staging", tag: "b1", own: false }],
    ["{namespace}/staging", { repository: "acme/staging", tag: "b1", own: false }],
    ["{namespace}/staging/{build}", { repository: "acme/staging/b1", tag: "build", own: true }],
  ])("by %s give a build its place, and know it again", (template, place) => {
    const names = createStagingNames(template);
    expect(names.of("b1", "acme")).toEqual(place);
    expect(names.has(place.repository)).toBe(true);
    expect(names.buildAt(place.repository, place.tag)).toBe("b1");
  });

  it("say nothing of an image without tag when the tag is all that tells builds apart", () => {
    expect(createStagingNames("acme/staging").buildAt("acme/staging", null)).toBeNull();
    expect(createStagingNames("staging/{build}").buildAt("staging/b1", null)).toBe("b1");
  });
});
