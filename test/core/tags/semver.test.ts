import { describe, expect, it } from "@jest/globals";
import type { SemVer } from "semver";
import {
  createHistory,
  parseRange,
  parseVersion,
  type VersionHistory,
  versionText,
} from "../../../src/core/tags/semver.ts";
import { computedMs } from "../../support/cpu-time.ts";

function textOf(name: string, prefix: string | null = null): string | null {
  const version = parseVersion(name, prefix);
  return version === null ? null : versionText(version);
}

describe("versions in tag names", () => {
  it.each([
    ["1.2.3", null, "1.2.3"],
    ["v1.2.3", null, "1.2.3"],
    ["v1.2.3-rc.1+b5", null, "1.2.3-rc.1+b5"],
    ["api/v1.2.3", "api/v", "1.2.3"],
    ["api-1.2.3", "api-", "1.2.3"],
  ])("%s with prefix %j is %s", (name, prefix, expected) => {
    expect(textOf(name, prefix)).toBe(expected);
  });

  it.each([
    ["vv1.2.3", null],
    ["1v.2.3", null],
    ["=1.2.3", null],
    [" 1.2.3", null],
    ["1.2.3 ", null],
    ["1.2", null],
    ["v1", null],
    ["01.2.3", null],
    ["1.2.3.4", null],
    ["api/v1.2.3", null],
    ["web/v1.2.3", "api/v"],
    ["v1.2.3", "api/v"],
    ["api/vv1.2.3", "api/v"],
    ["", null],
    ["", ""],
    [`1.2.${"9".repeat(300)}`, null],
  ])("%j with prefix %j is no version", (name, prefix) => {
    expect(textOf(name, prefix)).toBeNull();
  });
});

it("reads a range that is none as no range", () => {
  expect(parseRange("a lot")).toBeNull();
});

describe("history", () => {
  const ALL = { major: false, minor: false, patch: false };
  const history = createHistory(["v1.8.0", "v1.9.0", "v2.0.0", "v3.0.0-rc.1", "api/v9.0.0", "nonsense"]);

  function newer(name: string, range: string, line: Partial<typeof ALL> = {}) {
    const found = history.newer(versionOf(name), { prefix: null, line: { ...ALL, ...line }, ranges: [range] });
    return found === null ? null : versionText(found);
  }

  it.each([
    ["v1.9.1", ">=1.0.0", {}, "2.0.0"],
    ["v1.9.1", ">=1.0.0", { major: true }, null],
    ["v1.8.5", ">=1.0.0", { major: true }, "1.9.0"],
    ["v1.8.5", ">=1.0.0", { major: true, minor: true }, null],
    ["v1.9.1", "1.x", {}, null],
    ["v2.0.0", ">=1.0.0", {}, null],
    ["v2.0.1", ">=1.0.0", {}, null],
    ["v1.0.0", "no range", {}, null],
  ])("above %s in %s on line %j is %s", (name, range, line, expected) => {
    expect(newer(name, range, line)).toBe(expected);
  });

  it("finds another name of the same version", () => {
    expect(history.twin("1.9.0", null)).toBe("v1.9.0");
    expect(history.twin("v1.9.0", null)).toBeNull();
    expect(history.twin("main", null)).toBeNull();
  });

  it("ends soon and holds the tag back when there is too much to compare", () => {
    const names = Array.from({ length: 20_000 }, (_, i) => `v2.${i}.0`);
    const many = createHistory(names);
    const ranges = Array.from({ length: 200 }, (_, i) => `<1.${i + 1}.0`);
    const started = process.cpuUsage();
    expect(many.newer(versionOf("v1.0.0"), { prefix: null, line: ALL, ranges })).not.toBeNull();
    expect(computedMs(started)).toBeLessThan(5_000);
  });

  const thousand = Array.from({ length: 1_000 }, (_, i) => `v2.${i}.0`);

  it.each<[string, number, Parameters<VersionHistory["newer"]>[1]]>([
    ["ranges of many parts", 100, { prefix: null, line: ALL, ranges: [Array(40).fill("0").join("||")] }],
    ["lines without a newer release", 400, { prefix: null, line: { ...ALL, major: true }, ranges: ["*"] }],
  ])("counts also what a hostile file asks again and again: %s", (_, times, question) => {
    const many = createHistory(thousand);
    const answers = Array.from({ length: times }, () => many.newer(versionOf("v1.0.0"), question));
    // Honestly judged at first, and held back once the steps are used up.
    expect(answers[0]).toBeNull();
    expect(answers.at(-1)).not.toBeNull();
  });
});

function versionOf(name: string): SemVer {
  const version = parseVersion(name, null);
  if (version === null) throw new Error(`${name} is no version`);
  return version;
}
