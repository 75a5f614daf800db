import { readdirSync, readFileSync, writeFileSync } from "node:fs";

import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { CORE_SCHEMA, load } from "js-yaml";
import { parseDocument } from "yaml";

import type { ParsedConfig } from "../../../src/core/repo-config/config.ts";
import { parseRepoConfig } from "../../../src/core/repo-config/parse.ts";

const FIXTURES = new URL("fixtures/", import.meta.url);
const NAMES = readdirSync(FIXTURES)
  .filter((file) => file.endsWith(".yml"))
  .map((file) => file.slice(0, -".yml".length));
const VALID = NAMES.filter((name) => !name.startsWith("broken-"));

function fixture(name: string): string {
  return readFileSync(new URL(`${name}.yml`, FIXTURES), "utf8");
}

function parse(text: string): ParsedConfig {
  return parseRepoConfig(text, { repositoryName: "Acme/Hello.World" });
}

/** `line:column message` of the errors. */
function errors(text: string): readonly string[] {
  return parse(text)
    .diagnostics.filter(({ severity }) => severity === "error")
    .map(({ line, column, message }) => `${line}:${column} ${message}`);
}

/** A file with one image that has these further lines. */
function imageWith(...lines: readonly string[]): string {
  return ["version: 1", "images:", "  - rules: [{ branch: main }]", ...lines.map((line) => `    ${line}`)].join("\n");
}

describe("parseRepoConfig, golden files", () => {
  it.each(NAMES)("%s", (name) => {
    const golden = new URL(`${name}.golden.json`, FIXTURES);
    // Patterns are functions too; in JSON their source is left.
    const actual = `${JSON.stringify(parse(fixture(name)), null, 2)}\n`;
    if (process.env["UPDATE_GOLDEN"]) writeFileSync(golden, actual);
    expect(actual).toBe(readFileSync(golden, "utf8"));
  });

  it.each(VALID)("%s: both YAML parsers read the same data", (name) => {
    const text = fixture(name);
    expect(parse(text).config).not.toBeNull();
    expect(parseDocument(text, { uniqueKeys: false, prettyErrors: false }).toJS()).toEqual(
      load(text, { schema: CORE_SCHEMA }),
    );
  });

  it("reads Windows line ends and a byte order mark like any other file", () => {
    for (const name of NAMES) {
      const windows = `\ufeff${fixture(name).replaceAll("\n", "\r\n")}`;
      // The digest is of the bytes, as people would compute it.
      const { digest: _ofBytes, ...meaning } = parse(windows);
      const { digest: _ofOthers, ...same } = parse(fixture(name));
      expect(JSON.stringify(meaning)).toBe(JSON.stringify(same));
    }
  });
});

describe("parseRepoConfig, defaults", () => {
  it("fills in everything that is left out", () => {
    const { config, diagnostics } = parse(fixture("minimal"));
    expect(diagnostics).toEqual([]);
    expect(config).toMatchObject({
      images: [
        {
          name: "hello.world",
          inputs: {
            context: ".",
            dockerfile: "Dockerfile",
            target: null,
            testTarget: null,
            platforms: [],
            buildArgs: {},
            labels: {},
            cache: true,
          },
          paths: null,
          supersede: "newest",
          rules: [{ path: "images[0].rules[0]", tags: null, push: true }],
        },
      ],
      repositories: [],
      forks: "approve",
      skip: ["[skip ci]", "[ci skip]", "[skip build]"],
    });
  });

  it("does not publish pull requests unless the rule says so", () => {
    const file = "version: 1\nimages:\n- rules:\n  - pull_request: main\n  - pull_request: dev\n    push: true";
    expect(parse(file).config?.images[0]?.rules.map(({ push }) => push)).toEqual([false, true]);
  });

  it("asks for a name when the repository's has nothing to offer", () => {
    const { diagnostics } = parseRepoConfig(fixture("minimal"), { repositoryName: "acme/___" });
    expect(diagnostics).toMatchObject([{ severity: "error", line: 3, message: expect.stringContaining("`name`") }]);
  });

  it("lets a rule's own inputs win, and adds build arguments one by one", () => {
    const rule = parse(fixture("everything")).config?.images[0]?.rules[1];
    expect(rule?.inputs).toMatchObject({
      context: ".",
      dockerfile: "ops/Dockerfile",
      target: "debug",
      testTarget: "test",
      buildArgs: { GO_VERSION: "1.26", FLAGS: "-g", EXTRA: "1" },
      labels: { team: "core" },
      cache: true,
    });
  });
});

describe("parseRepoConfig, supersede", () => {
  const file = (image: string, rule: string) => `version: 1\nimages: [{ ${image} rules: [{ ${rule} }] }]`;
  const read = (text: string) => {
    const image = parse(text).config?.images[0];
    return [image?.supersede, image?.rules[0]?.supersede];
  };

  it("is newest, and a rule has the image's unless it says something else", () => {
    expect(read(file("", "branch: main"))).toEqual(["newest", undefined]);
    expect(read(file("supersede: cancel,", "branch: main"))).toEqual(["cancel", undefined]);
    expect(read(file("supersede: cancel,", "branch: main, supersede: none"))).toEqual(["cancel", "none"]);
    expect(read(file("", "pull_request: main, supersede: cancel"))).toEqual(["newest", "cancel"]);
  });

  it("is one of three words", () => {
    expect(errors(file("supersede: all,", "branch: main, supersede: yes"))).toEqual([
      expect.stringContaining("`all` is not one of `newest`, `none`, `cancel`"),
      expect.stringContaining("`yes` is not one of `newest`, `none`, `cancel`"),
    ]);
  });

  it.each(["tag: v1", "semver: '*'"])("in a rule for tags has no effect, which is remarked on: %s", (on) => {
    const { config, diagnostics } = parse(file("", `${on}, supersede: cancel`));
    expect(config).not.toBeNull();
    expect(diagnostics).toMatchObject([{ severity: "warning", message: expect.stringContaining("no effect") }]);
  });
});

describe("parseRepoConfig, diagnostics", () => {
  it("never judges a file of another version", () => {
    expect(errors("version: 2\nimagse: []")).toEqual([
      "1:10 this program reads version 1 of the format: write `version: 1`",
    ]);
  });

  it("judges an inherited Dockerfile by the rule's context", () => {
    const file =
      "version: 1\nimages:\n- context: a\n  dockerfile: ../Dockerfile\n  rules:\n  - branch: main\n    context: .";
    expect(errors(file)).toEqual([expect.stringMatching(/^7:14 .*out of the repository/)]);
  });

  it("keeps what is wrong in one rule from hiding the next", () => {
    const file =
      "version: 1\nimages:\n- foo: 1\n  rules:\n  - branch: 1\n  - tags: [x]\n  - branch: a\n    tags: [' ']";
    expect(errors(file).map((text) => text.split(" ")[0])).toEqual(["3:3", "5:13", "6:5", "8:12"]);
  });

  it("refuses names that mean something to JavaScript, and takes those that only look so", () => {
    expect(errors(imageWith("build_args: { __proto__: x }"))).toEqual([expect.stringContaining("`__proto__`")]);
    const named = parse(imageWith('build_args: { constructor: "x", toString: "y" }')).config?.images[0];
    expect(Object.entries(named?.inputs.buildArgs ?? {})).toEqual([
      ["constructor", "x"],
      ["toString", "y"],
    ]);
    expect(errors(imageWith("constructor: x"))).toEqual([expect.stringContaining("unknown key `constructor`")]);
  });

  it("refuses NUL in values, also when it is written as an escape", () => {
    expect(errors(imageWith('build_args: { A: "\\0" }', 'labels: { b: "\\0" }'))).toHaveLength(2);
    expect(errors(imageWith('context: "a\\0b"', 'target: "\\0"', 'name: "a\\0"'))).toHaveLength(3);
  });

  it("counts columns in UTF-16 units, as editors do", () => {
    expect(errors('version: 1\nimages: [{ name: "😀", rules: [{ branch: 1 }] }]')).toEqual([
      expect.stringMatching(/^2:18 /),
      expect.stringMatching(/^2:42 /),
    ]);
  });

  it("stops at fifty errors", () => {
    const file = `version: 1\nimages:\n- rules:\n${"  - {}\n".repeat(150)}`;
    expect(errors(file)).toHaveLength(50);
  });

  it("does not let remarks hide an error", () => {
    const file = `version: 1\nimages:\n- rules:\n${"  - branch: /x/\n".repeat(150)}  - {}\n`;
    expect(errors(file)).toEqual([expect.stringMatching(/^154:5 /)]);
  });
});

/** Generous: most take a tenth of it, or less. */
const SOON_MS = 500;

/** Milliseconds of processor time; the clock on the wall also counts what others do on the machine. */
function costOf(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `k${index}`);

const HOSTILE: readonly [what: string, text: string][] = [
  ["nothing", ""],
  ["only spaces", " ".repeat(65_000)],
  ["only line ends", "\n".repeat(65_000)],
  ["5,000 open brackets", "[".repeat(5_000)],
  ["5,000 nested list items", "- ".repeat(5_000)],
  [
    "deep mappings",
    names(300)
      .map((name, depth) => `${" ".repeat(depth)}${name}:`)
      .join("\n"),
  ],
  ["billion laughs", "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nversion: [*c, *c]"],
  ["many anchors", `[${"&a x, ".repeat(9_000)}]`],
  ["stars in comments", `${"# *a &b\n".repeat(7_000)}version: 1\nimages: 1`],
  [
    "short keys, one a line",
    names(8_000)
      .map((name) => `${name}:`)
      .join("\n"),
  ],
  ["short keys in braces", `{${names(8_000).join(",")}}`],
  ["one key again and again", "a:\n".repeat(20_000)],
  ["quotes", '"'.repeat(65_000)],
  ["pairs of quotes", `[${'"",'.repeat(20_000)}]`],
  ["open quotes", "- '\n".repeat(16_000)],
  ["commas", `[${",".repeat(60_000)}]`],
  ["20,000 images", `version: 1\nimages: [${"{},".repeat(20_000)}]`],
  ["5,000 rules", `version: 1\nimages: [{ rules: [${"{},".repeat(5_000)}] }]`],
  ["5,000 numbers as tags", `version: 1\nimages: [{ rules: [{ branch: a, tags: [${"1,".repeat(5_000)}] }] }]`],
  [
    "5,000 build arguments",
    imageWith(
      `build_args: {${names(5_000)
        .map((name) => `${name}: 1`)
        .join(", ")}}`,
    ),
  ],
  [
    "large expressions",
    imageWith(
      `paths: { include: [${names(50)
        .map((name) => `'${"{ab,cd}".repeat(60)}${name}', `)
        .join("")}],`,
      `  exclude: [${names(50)
        .map((name) => `'${"{ab,cd}".repeat(60)}${name}x', `)
        .join("")}] }`,
    ),
  ],
  [
    "expressions at the limit",
    `version: 1\nimages:\n- rules:\n${names(115)
      .map((name) => `  - branch: '/^${"(?:a?){60}".repeat(2)}${"x".repeat(450)}${name}$/'\n`)
      .join("")}`,
  ],
  [
    "the same tags over large inputs",
    imageWith(`build_args: { A: ${"x".repeat(25_000)} }`, "target: -").replace(
      "[{ branch: main }]",
      `[${`{branch: a,tags: [${"b,".repeat(50)}]},`.repeat(150)}]`,
    ),
  ],
  ["a long plain value", `version: ${"a ".repeat(30_000)}`],
  ["a long block", `version: |\n${" a\n".repeat(20_000)}`],
  ["NUL", "version: 1\u0000"],
  ["a lone surrogate", "version: \ud800"],
  ["Latin-1 read as UTF-8", "# caf\ufffd\nversion: 1"],
  ["lone carriage returns", "version: 1\rimages: []\r"],
  ["tabs", "version: 1\nimages:\n\t- rules: []"],
  ["a tag", "version: !!js/function x"],
  ["two documents", "version: 1\n---\nversion: 1"],
  ["a directive", "%YAML 1.1\n%TAG ! x\n---\nversion: 1"],
  ["a complex key", "? [version]\n: 1\n? {a: b}\n: 2"],
  ["65 KiB", "#".repeat(65 * 1024)],
  ["64 KiB in other bytes", "é".repeat(33_000)],
];

/** `make(0), make(1), …` as the inside of a list or mapping. */
function series(count: number, make: (index: number) => string): string {
  return Array.from({ length: count }, (_, index) => make(index)).join(", ");
}

describe("parseRepoConfig, limits", () => {
  it.each<[string, number, (size: number) => string]>([
    ["images", 100, (n) => `version: 1\nimages: [${series(n, (i) => `{ name: a${i}, rules: [{ branch: x }] }`)}]`],
    ["rules", 200, (n) => `version: 1\nimages: [{ rules: [${series(n, (i) => `{ branch: b${i} }`)}] }]`],
    ["tags", 50, (n) => `version: 1\nimages: [{ rules: [{ branch: x, tags: [${series(n, (i) => `t${i}`)}] }] }]`],
    ["platforms", 20, (n) => imageWith(`platforms: [${series(n, (i) => `linux/a${i}`)}]`)],
    ["included paths", 50, (n) => imageWith(`paths: { include: [${series(n, (i) => `p${i}`)}] }`)],
    ["excluded paths", 50, (n) => imageWith(`paths: { exclude: [${series(n, (i) => `p${i}`)}] }`)],
    ["build arguments", 100, (n) => imageWith(`build_args: { ${series(n, (i) => `A${i}: b`)} }`)],
    ["labels", 100, (n) => imageWith(`labels: { ${series(n, (i) => `l${i}: b`)} }`)],
    ["repositories", 20, (n) => `${imageWith()}\nrepositories: [${series(n, (i) => `a/b${i}`)}]`],
    ["skip texts", 20, (n) => `${imageWith()}\nskip: [${series(n, (i) => `s${i}`)}]`],
    ["characters of a skip text", 100, (n) => `${imageWith()}\nskip: [${"s".repeat(n)}]`],
    ["characters of an image name", 128, (n) => imageWith(`name: ${"a".repeat(n)}`)],
    ["characters of a path", 512, (n) => imageWith(`context: ${"a".repeat(n)}`)],
    ["characters of a stage", 128, (n) => imageWith(`target: ${"a".repeat(n)}`)],
    ["characters of a tag", 128, (n) => `version: 1\nimages: [{ rules: [{ branch: x, tags: [${"t".repeat(n)}] }] }]`],
    [
      "characters of a template",
      256,
      (n) => `version: 1\nimages: [{ rules: [{ branch: x, tags: ["{sha7}${"t".repeat(n - 6)}"] }] }]`,
    ],
    [
      "characters of a range",
      128,
      (n) => `version: 1\nimages: [{ rules: [{ semver: ">=1.0.0${" ".repeat(n - 11)}<2.0" }] }]`,
    ],
    [
      "characters of a prefix",
      128,
      (n) => `version: 1\nimages: [{ rules: [{ semver: "*", prefix: ${"p".repeat(n)} }] }]`,
    ],
  ])("of %s: %d, and no more", (_, most, file) => {
    expect(errors(file(most))).toEqual([]);
    expect(errors(file(most + 1))).toHaveLength(1);
  });
});

describe("parseRepoConfig, hostile files", () => {
  it.each(HOSTILE)("refuses %s soon, with a place", (_, text) => {
    let parsed: ParsedConfig | null = null;
    const read = (): void => {
      parsed = parse(text);
    };
    // The better of two: the first run may also pay for compiling the program itself.
    expect(Math.min(costOf(read), costOf(read))).toBeLessThan(SOON_MS);
    expect(parsed).toMatchObject({
      config: null,
      diagnostics: expect.arrayContaining([
        {
          severity: "error",
          line: expect.any(Number),
          column: expect.any(Number),
          message: expect.stringMatching(/./),
        },
      ]),
    });
  });

  it("explains the tab, the second document and the encoding", () => {
    expect(errors("version: 1\nimages:\n\t- rules: []")).toEqual([expect.stringMatching(/^3:\d+ a tab is used/)]);
    expect(errors("version: 1\n---\nversion: 1")).toEqual([expect.stringMatching(/^2:1 .*second YAML document/)]);
    expect(errors("# caf\ufffd\nversion: 1")).toEqual([expect.stringMatching(/^1:6 .*UTF-8/)]);
  });

  it("leaves stars and ampersands alone where they are text", () => {
    const file = imageWith(
      'labels: { a: "&x", b: x &y *z, c: 2*3 }',
      "paths: { include: ['*.md'] } # *.md &c",
      "build_args:",
      "  SCRIPT: |",
      "    *first line",
      "    &second",
    );
    expect(errors(file)).toEqual([]);
  });
});

describe("parseRepoConfig, any text", () => {
  const words = fc.constantFrom(
    ..."version: 1\n|images:\n|  - |rules:|branch: |tag: |tags: |semver: |prefix: |[|]|{|}|,|: |\n|    |\t|\"|'|/|*|&a|#|!x|1.0|~|main|{sha7}|{1}|paths|include|__proto__|<<|%|@|---|name: |😀|\u0000|\\".split(
      "|",
    ),
  );

  it("is never answered by an exception, and has a config exactly when it has no error", () => {
    const texts = fc.oneof(
      fc.string({ unit: "binary", maxLength: 200 }),
      fc.array(words, { maxLength: 60 }).map((parts) => parts.join("")),
      fc.array(words, { maxLength: 8 }).map((parts) => `${fixture("everything")}${parts.join("")}`),
      // A good file with a piece cut out of it.
      fc.tuple(fc.nat(1_200), fc.nat(40), words).map(([at, length, word]) => {
        const text = fixture("everything");
        return text.slice(0, at) + word + text.slice(at + length);
      }),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const { config, diagnostics } = parse(text);
        expect(config === null).toBe(diagnostics.some(({ severity }) => severity === "error"));
        for (const { line, column } of diagnostics) expect(Math.min(line, column)).toBeGreaterThanOrEqual(1);
      }),
      { numRuns: 400 },
    );
  });
});
