import { describe, expect, it } from "@jest/globals";
import { placeholders, renderTag, tagValues } from "../../../src/core/tags/native.ts";
import { parseVersion } from "../../../src/core/tags/semver.ts";
import { branch, tag } from "../samples.ts";

const NOW = "2026-11-20T23:30:00-02:00";

function onBranch(template: string, name: string, captures: Record<string, string> = {}) {
  return renderTag(template, tagValues(branch(name), { captures, version: null }, NOW));
}

describe("placeholders of a branch", () => {
  it.each([
    ["{sourceref}", "main"],
    ["{branch}-edge", "main-edge"],
    ["sha-{sha}", `sha-${"b".repeat(40)}`],
    ["sha-{sha7}", "sha-bbbbbbb"],
    ["nightly-{date}", "nightly-20261121"],
    ["plain", "plain"],
    ["{1}", "one"],
    ["{\\1}", "one"],
    ["{line}.{2}", "1.9.two"],
    // RE2 takes such a name for a group, so it is a placeholder and not text.
    ["{1st}", "first"],
  ])("%s gives %s", (template, expected) => {
    const captures = { "1": "one", "2": "two", line: "1.9", "1st": "first" };
    expect(onBranch(template, "main", captures)).toEqual({ ok: true, tag: expected, written: expected });
  });

  it.each(["{tag}", "{version}", "{pr}", "{3}", "{10}", "{\\10}", "{}", "{nothing}", "{constructor}", "{__proto__}"])(
    "%s has no value, so there is no tag",
    (template) => {
      expect(onBranch(`a-${template}-b`, "main", { "1": "one" })).toMatchObject({ ok: false });
    },
  );

  it("gives no tag for an empty capture, not a shorter one", () => {
    expect(onBranch("{1}slim", "main", { "1": "" })).toEqual({ ok: false, why: "{1} is empty here" });
  });

  it("has no date when the time is not one", () => {
    const values = tagValues(branch("main"), { captures: {}, version: null }, "soon");
    expect(renderTag("{date}", values)).toMatchObject({ ok: false });
  });

  it("does not read what a name contains as a placeholder", () => {
    expect(onBranch("{branch}", "{sha7}")).toMatchObject({ ok: true, written: "{sha7}", tag: "sha7-" });
  });

  it("takes a dollar sign in a name as it is", () => {
    expect(onBranch("{branch}", "a$&b")).toMatchObject({ written: "a$&b", tag: "a-b" });
  });

  it("gives no tag where nothing is legal in one", () => {
    const why = "nothing of it is legal in an image tag (A-Z a-z 0-9 _ . -)";
    expect(onBranch("{branch}", "日本")).toEqual({ ok: false, why });
  });

  it("shows what was made legal", () => {
    expect(onBranch("{sourceref}", "feature/x")).toEqual({ ok: true, tag: "feature-x", written: "feature/x" });
  });
});

describe("latest", () => {
  it.each([
    ["{sourceref}", "latest"],
    ["{branch}", "/latest"],
    ["lat{1}", "est"],
    [".latest", "any"],
  ])("does not come from %s by accident", (template, name) => {
    expect(onBranch(template, name, { "1": "est" })).toMatchObject({ ok: false });
  });

  it("comes from latest", () => {
    expect(onBranch("latest", "main")).toMatchObject({ ok: true, tag: "latest" });
  });
});

describe("placeholders of a version", () => {
  it.each([
    ["v1.2.3", "{version}", "1.2.3"],
    ["v1.2.3", "{major}.{minor}", "1.2"],
    ["v1.2.3", "{major}-{minor}-{patch}", "1-2-3"],
    ["v1.2.3", "{tag}", "v1.2.3"],
    ["v1.2.3-rc.1", "{version}", "1.2.3-rc.1"],
    ["v1.2.3+b.5", "{version}", "1.2.3-b.5"],
  ])("of tag %s, %s gives %s", (name, template, expected) => {
    const version = parseVersion(name, null);
    expect(renderTag(template, tagValues(tag(name), { captures: {}, version }, NOW))).toMatchObject({ tag: expected });
  });
});

it("lists the names in a template, also such as have no value anywhere", () => {
  expect(placeholders("{1}-{\\2}-{sha7}-{}-{0}-{a b}-{\\x}")).toEqual(["1", "2", "sha7", "", "0", "a b", "\\x"]);
});
