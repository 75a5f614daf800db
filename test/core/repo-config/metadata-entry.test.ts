import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { parseRepoConfig } from "../../../src/core/repo-config/parse.ts";
import { judgeRule } from "../../../src/core/rules.ts";
import { ruleTags } from "../../../src/core/tags/rule-tags.ts";
import { createHistory } from "../../../src/core/tags/semver.ts";
import { computedMs } from "../../support/cpu-time.ts";
import { tag } from "../samples.ts";

function parse(tags: readonly string[], flavor: readonly string[] = ["latest=auto"]) {
  const file = { version: 1, images: [{ flavor, rules: [{ tag: "**", tags }] }] };
  return parseRepoConfig(JSON.stringify(file), { repositoryName: "app" });
}

/** Messages of the one line in question, whatever their severity. */
function said(entry: string): readonly string[] {
  return parse([entry]).diagnostics.map(({ message }) => message);
}

describe("an entry in docker/metadata-action's words is refused", () => {
  it.each<[string, RegExp]>([
    ["type=pep440,pattern={{version}}", /`type=pep440` is not supported.*write `type=semver,pattern=\{\{version\}\}`/],
    ["type=schedule", /`type=schedule` is not supported.*write `type=raw,value=\{\{date 'YYYYMMDD'\}\}`/],
    ["type=semvre,pattern={{version}}", /did you mean `type=semver`/],
    ["type=semver", /`pattern` is missing: write for example `type=semver,pattern=\{\{version\}\}`/],
    ["type=semver,pattern={{branch}}", /`\{\{branch\}\}` is not an expression in the `pattern`/],
    ["type=semver,pattern={{version}},match=v.*", /put it into parentheses/],
    ["type=match,pattern=", /`pattern` is missing/],
    ["type=match,pattern=v(?=1)", /look-around/],
    ["type=match,pattern=(v)\\1", /back-references/],
    ["type=match,pattern=\\Av", /means something else here/],
    ["type=match,pattern=[]v", /empty classes/],
    ["type=match,pattern=/v/y", /the flag `y` is not supported/],
    ["type=match,pattern=(x{1000}){1000}", /too large/],
    ["type=match,pattern=v,group=x", /is not the number of a group/],
    ["type=ref", /`event` is missing: write `event=branch` or `event=tag` or `event=pr`/],
    ["type=ref,event=push", /`event=push` is not known/],
    ["type=raw", /`value` is missing/],
    ["type=sha,format=tiny", /`format=tiny` is not known/],
    ["type=sha,value=x", /`value` is no attribute of `type=sha`/],
    ["type=sha,priority=high", /is not a whole number/],
    ["type=sha,enable=yes", /`enable` is `true`, `false`/],
    [`type=sha,enable=\${{ github.ref }}`, /GitHub Actions' expressions do not exist here/],
    [`type=raw,value=\${{ github.sha }}`, /GitHub Actions' language/],
    ["type=raw,value={{#if branch}}x{{/if}}", /only plain expressions/],
    ["type=raw,value={{{branch}}}", /only plain expressions/],
    ["type=raw,value={{constructor}}", /`\{\{constructor\}\}` is not an expression here/],
    ["type=raw,value={{branch}", /is not closed/],
    ["type=raw,value={{date}}", /needs a format in quotes/],
    ["type=raw,value={{date 'L'}}", /letters that are no part of a date/],
    ["type=raw,value={{date 'YYYY' tz='Mars'}}", /is not a time zone/],
    ['type=raw,value="x', /quotes are not in order/],
    ["type=raw,value=a\nb", /is one line/],
    ["{{version}}", /belongs to entries with `type=`/],
  ])("%j", (entry, message) => {
    const { config, diagnostics } = parse(["ok", entry]);
    expect(config).toBeNull();
    expect(diagnostics.map((one) => one.message).join("\n")).toMatch(message);
    expect(diagnostics.every(({ line }) => line === 1)).toBe(true);
  });

  it("at its place in the file", () => {
    const text =
      "version: 1\nimages:\n  - flavor: [latest=maybe]\n    rules:\n      - branch: main\n        tags:\n          - type=sha\n          - type=pep440,pattern={{version}}\n";
    const { diagnostics } = parseRepoConfig(text, { repositoryName: "app" });
    expect(diagnostics.map(({ line, column }) => [line, column])).toEqual([
      [3, 14],
      [8, 13],
    ]);
  });
});

describe("an entry in docker/metadata-action's words is remarked on", () => {
  it.each<[string, RegExp]>([
    ["type=raw,value={sha7}", /single braces/],
    ["type=raw,a,value=b", /given twice/],
    ["type=match,pattern=v(.*),group=2", /has no group 2/],
  ])("%j", (entry, message) => {
    expect(parse([entry]).config).not.toBeNull();
    expect(said(entry).join("\n")).toMatch(message);
  });
});

describe("a flavor", () => {
  it.each([
    "randomstr",
    "unknown=foo",
    "latest",
    "latest=foo",
    "onlatest=true,prefix=x",
    "prefix=x,onlatest=maybe",
    "",
    'prefix="x',
    "prefix={{nothing}}",
  ])("is refused as %j", (line) => expect(parse(["type=sha"], [line]).config).toBeNull());

  it("without any entry it is about is remarked on", () => {
    expect(parse(["latest"]).diagnostics.map(({ severity }) => severity)).toEqual(["warning"]);
  });
});

describe("hostile entries", () => {
  const piece = fc.oneof(
    fc.constantFrom(
      "type=semver",
      "type=match",
      "type=raw",
      "type=sha",
      "pattern=",
      "value=",
      "match=",
      "{{",
      "}}",
      "{{version}}",
      "{{date 'YYYY'}}",
      "(a+)+$",
      '"',
      "=",
      ",",
      "'",
      "\\",
      "/",
      "prefix=",
      "group=1",
      "latest",
    ),
    fc.string({ unit: "binary", maxLength: 8 }),
  );
  const line = fc.oneof(
    fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join("")),
    fc.array(piece, { maxLength: 12 }).map((pieces) => `type=raw,value=${pieces.join("")}`),
  );

  it("never throw, in the file or for a tag", () => {
    const check = (lines: readonly string[], flavor: readonly string[], name: string, names: readonly string[]) => {
      const [image] = parse(lines, flavor).config?.images ?? [];
      const change = tag(name);
      const match = image?.rules[0] && judgeRule(image.rules[0], change);
      if (image === undefined || !match?.matches) return;
      const facts = {
        image,
        change,
        defaultBranch: "main",
        history: createHistory(names),
        now: "2026-11-20T10:00:00Z",
      };
      expect(ruleTags(match, facts)).toEqual(ruleTags(match, { ...facts, history: createHistory(names) }));
    };
    const name = fc.oneof(fc.constantFrom("v1.0.0", "v2.0.0-rc.1", "p/v1.0.0"), fc.string({ minLength: 1 }));
    const lines = fc.array(line, { minLength: 1, maxLength: 4 });
    fc.assert(fc.property(lines, fc.array(line, { maxLength: 2 }), name, fc.array(name), check), { numRuns: 500 });
  });

  it("take bounded time, and leave tags where they are when it is used up", () => {
    const pattern = "(?:(?:a|b|v)*(?:\\d|\\.|a)*){8}";
    const entries = Array.from({ length: 50 }, (_, n) => `type=match,pattern=^v${pattern}(.*)$,group=1,prefix=x${n}`);
    const [image] = parse(entries).config?.images ?? [];
    const names = Array.from({ length: 10_000 }, (_, n) => `v${n + 2}.0.${"1".repeat(10)}`);
    const change = tag("v1.0.0");
    const match = image?.rules[0] && judgeRule(image.rules[0], change);
    if (image === undefined || !match?.matches) throw new Error("the file was meant to be good");
    const started = process.cpuUsage();
    const { tags, dropped } = ruleTags(match, {
      image,
      change,
      defaultBranch: "main",
      history: createHistory(names),
      now: "2026-11-20T10:00:00Z",
    });
    expect(computedMs(started)).toBeLessThan(5_000);
    expect(tags).toEqual([]);
    expect(new Set(dropped.map(({ reason }) => reason))).toEqual(new Set(["older-than-published"]));
  });
});
