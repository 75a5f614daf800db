import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { CORE_SCHEMA, DEFAULT_SCHEMA, load } from "js-yaml";
import { parse } from "yaml";
import type { TakenRule } from "../../../src/core/dockerhub/convert.ts";
import { type WrittenImage, writeFile } from "../../../src/core/dockerhub/write.ts";
import { scalar } from "../../../src/core/repo-config/scalar.ts";
import { readYaml } from "../../../src/core/repo-config/yaml.ts";

function rule(rest: Partial<TakenRule> = {}): TakenRule {
  return {
    kind: "branch",
    pattern: "main",
    tags: ["latest"],
    context: ".",
    dockerfile: "Dockerfile",
    cache: true,
    ...rest,
  };
}

function image(rules: readonly (TakenRule | string)[], rest: Partial<WrittenImage> = {}): WrittenImage {
  const written = rules.map((one) =>
    typeof one === "string" ? { rule: null, comments: [one] } : { rule: one, comments: [] },
  );
  return { name: null, hubName: null, rules: written, ...rest };
}

describe("scalar", () => {
  it.each([
    ["main", "main"],
    ["release/1.x", "release/1.x"],
    ["no", '"no"'],
    ["On", '"On"'],
    ["null", '"null"'],
    ["1.10", '"1.10"'],
    ["1e3", '"1e3"'],
    ["0x1f", '"0x1f"'],
    ["1:30", '"1:30"'],
    ["~", '"~"'],
    ["", '""'],
    ["#x", '"#x"'],
    ["a #x", '"a #x"'],
    ["a: b", '"a: b"'],
    ["- x", '"- x"'],
    ["=1+1", '"=1+1"'],
    ["*x", '"*x"'],
    ["&x", '"&x"'],
    ["!x", '"!x"'],
    ["{sourceref}", '"{sourceref}"'],
    ["{\\1}", "'{\\1}'"],
    ["it's \\d", "'it''s \\d'"],
    ['"', "'\"'"],
    [" x ", '" x "'],
    ["2026-11-20", '"2026-11-20"'],
    ['a\u0007\t\u202e\u2028\ufeff"\\é', '"a\\u0007\\u0009\\u202e\\u2028\\ufeff\\"\\\\é"'],
    ["\u{e0001}", '"\\U000e0001"'],
  ])("writes %j as %s", (text, written) => {
    expect(scalar(text)).toBe(written);
  });

  it("is read back as the same text by YAML 1.1 and 1.2, alone and in a list", () => {
    const text = fc.oneof(
      fc.string(),
      fc.string({ unit: "binary" }),
      fc.string({
        unit: fc.constantFrom(
          "'",
          '"',
          "\\",
          "#",
          ":",
          " ",
          "-",
          "{",
          "}",
          ",",
          "1",
          ".",
          "e",
          "n",
          "o",
          "\n",
          "\u0085",
        ),
      }),
    );
    fc.assert(
      fc.property(text, (given) => {
        const file = `a: ${scalar(given)}\nb: [${scalar(given)}, x]\n`;
        const same = { a: given, b: [given, "x"] };
        expect(load(file, { schema: CORE_SCHEMA })).toEqual(same);
        expect(load(file, { schema: DEFAULT_SCHEMA })).toEqual(same);
        expect(parse(file, { version: "1.1" })).toEqual(same);
        expect(parse(file, { version: "1.2" })).toEqual(same);
      }),
      { numRuns: 500 },
    );
  });
});

describe("writeFile", () => {
  it("says once what all rules of an image agree on, and the rest with each", () => {
    const file = writeFile([
      image(
        [rule({ context: "api", cache: false }), rule({ kind: "tag", context: "api", cache: false, dockerfile: "x" })],
        {
          name: "api",
          hubName: "acme/api",
        },
      ),
    ]);
    expect(file?.text).toBe(`# Docker Hub's build rules, as \`wharfinger import dockerhub\` took them over.
version: 1
images:
  # acme/api on Docker Hub
  - name: api
    context: api
    cache: false
    rules:
      - branch: main
        tags: [latest]
      - tag: main
        tags: [latest]
        dockerfile: x
`);
  });

  it("goes back to a default where another rule differs", () => {
    const file = writeFile([image([rule({ context: "a" }), rule()])]);
    expect(load(file?.text ?? "")).toEqual({
      version: 1,
      images: [
        {
          rules: [
            { branch: "main", tags: ["latest"], context: "a" },
            { branch: "main", tags: ["latest"] },
          ],
        },
      ],
    });
  });

  it("leaves a comment where a rule was, also where an image has none left", () => {
    const file = writeFile([image(["gone"], { name: "web", hubName: "acme/web" }), image(["first", rule(), "last"])]);
    expect(file?.text.split("\n").slice(3)).toEqual([
      "  # acme/web on Docker Hub",
      "  # gone",
      "  # called as this repository; on Docker Hub otherwise? Then give it a `name`",
      "  - rules:",
      "      # first",
      "      - branch: main",
      "        tags: [latest]",
      "      # last",
      "",
    ]);
  });

  it("is nothing without a rule", () => {
    expect(writeFile([])).toBeNull();
    expect(writeFile([image(["gone"])])).toBeNull();
  });

  it("knows whose each line is", () => {
    const written = image(["gone", rule({ cache: false }), rule()]);
    const file = writeFile([written]);
    const lines = file?.text.trimEnd().split("\n") ?? [];
    expect(file?.owners).toHaveLength(lines.length);
    const owned = lines.map((line, index) => [line.trim(), file?.owners[index]]);
    const [, first, second] = written.rules;
    expect(owned).toEqual([
      ...lines.slice(0, 6).map((line) => [line.trim(), null]),
      ["- branch: main", first],
      ["tags: [latest]", first],
      ["cache: false", first],
      ["- branch: main", second],
      ["tags: [latest]", second],
    ]);
  });

  it("breaks long comments, and lets no text end one", () => {
    const hostile = "x\nversion: 2\r\u2028images: [] \u202e\u0000\ud800\ufffe &a *b ";
    const file = writeFile([image([`${hostile} ${"word ".repeat(60)}`, rule()], { hubName: hostile })]);
    const text = file?.text ?? "";
    expect(Math.max(...text.split("\n").map((one) => one.length))).toBeLessThanOrEqual(120);
    expect(readYaml(text)).toMatchObject({
      ok: true,
      value: { version: 1, images: [{ rules: [{ branch: "main" }] }] },
    });
  });

  it("can be read back whatever the comments are", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string(), fc.string({ unit: "binary" }))), (comments) => {
        const file = writeFile([{ ...image([]), rules: [{ rule: rule(), comments }] }]);
        expect(readYaml(file?.text ?? "")).toMatchObject({
          ok: true,
          value: { images: [{ rules: [{ tags: ["latest"] }] }] },
        });
      }),
    );
  });
});
