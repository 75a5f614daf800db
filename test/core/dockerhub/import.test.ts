import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { convertRule } from "../../../src/core/dockerhub/convert.ts";
import { type Import, importDockerHub } from "../../../src/core/dockerhub/import.ts";
import { readHubRules } from "../../../src/core/dockerhub/read.ts";
import { parseRepoConfig } from "../../../src/core/repo-config/parse.ts";
import { computedMs } from "../../support/cpu-time.ts";

function imported(rules: string, refs: string | null = null): Import {
  const result = importDockerHub(rules, refs);
  if (!result.ok) throw new Error(result.message);
  return result.value;
}

/** What the file says, once it is parsed. */
function rulesIn(file: string | null): readonly object[] {
  if (file === null) return [];
  const { config, diagnostics } = parseRepoConfig(file, { repositoryName: "this-repository" });
  expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
  return (config?.images ?? []).flatMap(({ name, rules }) =>
    rules.map(({ on, tags, inputs: { context, dockerfile, cache } }) => ({
      name,
      kind: on.kind,
      pattern: on.kind === "branch" || on.kind === "tag" ? on.pattern.source : null,
      tags,
      context,
      dockerfile,
      cache,
    })),
  );
}

const HEADER = "Source Type,Source,Docker Tag,Dockerfile location,Build Context,Autobuild,Build Caching";

describe("importDockerHub", () => {
  it("writes a file that says the same, in the same order", () => {
    const { file, ...rest } = imported(
      `${HEADER}\nBranch,main,latest,/,/,on,on\nTag,/^v([0-9.]+)$/,"{\\1},stable",alpine/Dockerfile,,on,off\n`,
    );
    expect(file).toBe(`# Docker Hub's build rules, as \`wharfinger import dockerhub\` took them over.
version: 1
images:
  # called as this repository; on Docker Hub otherwise? Then give it a \`name\`
  - rules:
      - branch: main
        tags: [latest]
      # line 3: the build context is blank: it is the Dockerfile's folder, \`alpine\`
      - tag: "/^v([0-9.]+)$/"
        tags: ['{\\1}', stable]
        context: alpine
        cache: false
`);
    expect(rest).toEqual({
      findings: [{ kind: "note", place: "line 3", message: expect.stringContaining("`alpine`") }],
      rules: { given: 2, taken: 2 },
      comparisons: null,
      complete: true,
    });
  });

  it("leaves a rule without Autobuild out, which loses nothing", () => {
    const { file, findings, complete } = imported(`${HEADER}\nBranch,dev,dev,/,/,off\nBranch,main,latest\n`);
    expect(file).toContain("      # line 2 (branch dev -> dev) is left out: Autobuild is off");
    expect(findings).toMatchObject([{ kind: "note", place: "line 2" }]);
    expect(complete).toBe(true);
    expect(rulesIn(file)).toHaveLength(1);
  });

  it("leaves out what can not run here, which is said at its line and in its place", () => {
    const { file, findings, complete } = imported(`${HEADER}\nBranch,/^(?!main)/,x\nBranch,main,latest\n`);
    expect(file).toContain("      # line 2 (branch /^(?!main)/ -> x) is left out: look-around");
    expect(findings).toMatchObject([{ kind: "lost", place: "line 2", message: expect.stringContaining("left out: ") }]);
    expect(complete).toBe(false);
  });

  it("says nothing of a file when no rule is left for one", () => {
    expect(imported(`${HEADER}\nBranch,/^(?!main)/,x\n`)).toMatchObject({ file: null, complete: false });
    expect(imported(`${HEADER}\nBranch,main,x,/,/,off\n`)).toMatchObject({ file: null, complete: false });
  });

  it("takes from the later of two rules the tag that the file's own check refuses", () => {
    const rows =
      'Branch,main,latest,/,/\nBranch,main,"latest,edge",/,/edge\nBranch,main,latest,/,/x\nTag,main,latest,/,/x\n';
    const { file, findings } = imported(`${HEADER}\n${rows}`);
    const why = "line 2 already gives it to the same refs, with other inputs";
    expect(findings).toEqual([
      { kind: "lost", place: "line 3", message: expect.stringContaining(`no tag \`latest\`: ${why}`) },
      { kind: "lost", place: "line 4", message: expect.stringContaining(`left out: no tag \`latest\`: ${why}`) },
    ]);
    expect(rulesIn(file)).toMatchObject([{ tags: ["latest"] }, { tags: ["edge"] }, { kind: "tag", tags: ["latest"] }]);
    // Without that, the check would refuse the file with just these words.
    const twice =
      "version: 1\nimages: [{ rules: [{ branch: main, tags: [a] }, { branch: main, tags: [a], context: x }] }]";
    expect(parseRepoConfig(twice, { repositoryName: "x" }).diagnostics[0]?.message).toContain("for the same refs");
  });

  it("lets rules with equal inputs share a tag, as the file does", () => {
    expect(imported(`${HEADER}\nBranch,main,a\nBranch,main,"a,b"\n`)).toMatchObject({ complete: true });
  });

  it("makes an image of each repository, without its namespace", () => {
    const { file, findings } = imported(
      "Repository,type,source,tag\nacme/api,branch,main,latest\ndocker.io/acme/web,branch,main,latest\nacme/api,tag,v1,v1\n",
    );
    expect(rulesIn(file)).toMatchObject([
      { name: "api", pattern: "main" },
      { name: "api", pattern: "v1" },
      { name: "web", pattern: "main" },
    ]);
    expect(file).toContain("  # acme/api on Docker Hub\n  - name: api\n");
    expect(findings).toEqual([]);
  });

  it("does not put two repositories under one name, nor one under a name that is none", () => {
    const { file, findings } = imported(
      "Repository,type,source,tag\na/api,branch,main,x\nb/api,branch,main,y\nacme/Api!,branch,main,z\n",
    );
    expect(rulesIn(file)).toMatchObject([{ name: "api", tags: ["x"] }]);
    expect(findings.map(({ message }) => message)).toEqual([
      expect.stringContaining("`a/api` is called `api` here, too"),
      expect.stringContaining("not a legal image name"),
    ]);
  });

  it("keeps to the limits of a file", () => {
    const many = imported(`type,source,tag\n${Array.from({ length: 205 }, (_, i) => `branch,b${i},t${i}\n`).join("")}`);
    expect(many.rules).toEqual({ given: 205, taken: 200 });
    expect(many.findings[0]).toEqual({
      kind: "lost",
      place: "line 202",
      message: "left out: an image may have 200 rules",
    });
    const images = imported(
      `image,type,source,tag\n${Array.from({ length: 101 }, (_, i) => `i${i},branch,b,t\n`).join("")}`,
    );
    expect(images.rules).toEqual({ given: 101, taken: 100 });
    const long = `branch,${"x".repeat(500)}#,t\n`;
    const rows = Array.from({ length: 200 }, (_, i) => `i${i % 2},${long.replace("#", String(i))}`);
    expect(importDockerHub(`image,type,source,tag\n${rows.join("")}`, null)).toEqual({
      ok: false,
      input: "rules",
      message: expect.stringContaining("larger than 64 KiB"),
    });
  });

  it("leaves out what only the whole file's check refuses", () => {
    const tags = Array.from({ length: 51 }, (_, index) => `t${index}`).join(",");
    const { file, findings } = imported(`type,source,tag\nbranch,main,latest\nbranch,x,"${tags}"\n`);
    expect(rulesIn(file)).toMatchObject([{ pattern: "main" }]);
    expect(findings).toEqual([
      { kind: "lost", place: "line 3", message: expect.stringContaining("at most 50 entries") },
    ]);
    const large = Array.from({ length: 30 }, (_, i) => `branch,"/^(a{30}b{30}c{30}d{30}){4}${i}$/",t${i}\n`);
    const together = imported(`type,source,tag\n${large.join("")}`);
    expect(together.rules.taken).toBeGreaterThan(5);
    expect(together.rules.taken).toBeLessThan(30);
    expect(together.findings.at(-1)?.message).toContain("too large together");
  });

  it("compares both for every ref, and is not complete if one differs", () => {
    const rules = `${HEADER}\nBranch,/.*/,{sourceref}\n`;
    expect(imported(rules, "refs/heads/main\nrefs/heads/dev\n")).toMatchObject({ complete: true });
    const { complete, comparisons } = imported(rules, "refs/heads/main\nrefs/heads/a/b\n");
    expect(comparisons?.map(({ verdict }) => verdict)).toEqual(["same", "differs"]);
    expect(complete).toBe(false);
  });

  it("counts to Docker Hub's side also what is not in the file, but nothing without Autobuild", () => {
    const rules = `${HEADER}\nBranch,main,"latest,a b"\nBranch,dev,dev,../x\nBranch,off,off,/,/,off\n`;
    const { comparisons } = imported(rules, "refs/heads/main\nrefs/heads/dev\nrefs/heads/off\n");
    expect(comparisons).toMatchObject([
      { verdict: "same", hub: ["latest"] },
      { verdict: "differs", hub: ["dev"], file: [] },
      { verdict: "same", hub: [], file: [] },
    ]);
  });

  it("says which of the two texts can not be used", () => {
    expect(importDockerHub("", "refs/heads/x")).toMatchObject({ ok: false, input: "rules" });
    expect(importDockerHub(`${HEADER}\nBranch,main,x\n`, "main")).toMatchObject({ ok: false, input: "refs" });
  });
});

// -------------------------------------------------------------------------------------------------- property

const word = fc.oneof(
  fc.constantFrom(
    "main",
    "no",
    "1.10",
    "~",
    "#x",
    ": ",
    "x: y",
    "{a,b}",
    "!x",
    "a'b",
    '"q"',
    "=1+1",
    "@x",
    "null",
    "日本",
    "a\tb",
  ),
  fc.string({ maxLength: 12 }),
  fc.string({ unit: "binary", maxLength: 6 }),
);
const source = fc.oneof(
  word,
  fc.constantFrom("/^v([0-9.]+)$/", '/it\'s "(.*)"/', "/a,b: #(c)/", "/\\d+\\.(\\d+)/"),
  word.map((text) => `/${text}/`),
);
const tags = fc.array(fc.oneof(word, fc.constantFrom("latest", "{sourceref}", "{\\1}", "v{\\1}-x", "on")), {
  minLength: 1,
  maxLength: 3,
});
const path = fc.oneof(fc.constantFrom("/", "", "/a", "b/Dockerfile", "a b/c", "yes", "#", "1.0"), word);
const onOff = fc.constantFrom("on", "off", "");

const anyRow = fc.tuple(
  fc.constantFrom("", "acme/api", "acme/web"),
  fc.constantFrom("Branch", "tag"),
  source,
  tags.map((list) => list.join(",")),
  path,
  path,
  fc.constantFrom("on", "on", "off"),
  onOff,
);

function tableOf(rows: readonly (readonly string[])[], separator: string): string {
  const header = ["Repository", ...HEADER.split(",")];
  return [header, ...rows]
    .map((cells) => cells.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(separator))
    .join("\r\n");
}

/** Of `all`, in its order, what is one of `some`, as often as it is there. */
function keptOf(some: readonly object[], all: readonly object[]): readonly object[] {
  const left = some.map((one) => JSON.stringify(one, Object.keys(one).sort()));
  return all.filter((one) => {
    const at = left.indexOf(JSON.stringify(one, Object.keys(one).sort()));
    if (at !== -1) left.splice(at, 1);
    return at !== -1;
  });
}

describe("whatever the rules are", () => {
  it("what is imported, printed and parsed again is the same rules", () => {
    fc.assert(
      fc.property(fc.array(anyRow, { minLength: 1, maxLength: 6 }), fc.constantFrom(",", "\t"), (rows, separator) => {
        const table = tableOf(rows, separator);
        const read = readHubRules(table);
        if (!read.ok) return;
        const { file, findings } = imported(table);
        const noted = new Set(findings.map(({ place }) => place));
        const images = [...new Set(read.rules.map(({ image }) => image))];
        const wanted = images.flatMap((image) =>
          read.rules
            .filter((rule) => rule.image === image && rule.autobuild)
            .flatMap((rule) => {
              const { rule: taken } = convertRule(rule);
              return taken === null
                ? []
                : [{ ...taken, name: image?.slice(5) ?? "this-repository", place: rule.place }];
            }),
        );
        const got = rulesIn(file);
        // A rule is in the file as it is, or something was said of it.
        const said = wanted.filter(({ place }) => noted.has(place));
        const plain = wanted.filter(({ place }) => !noted.has(place)).map(({ place, ...rule }) => rule);
        expect(keptOf(plain, got)).toEqual(plain);
        expect(got.length).toBeLessThanOrEqual(plain.length + said.length);
        expect(importDockerHub(table, null)).toEqual(importDockerHub(table, null));
      }),
      { numRuns: 150 },
    );
  });

  it("it is never thrown, and a file never has errors", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string(), (rules, refs) => void importDockerHub(rules, refs)),
    );
    fc.assert(
      fc.property(
        fc.array(fc.record({ source_type: fc.constant("Tag"), source_name: word, tag: word, image: word })),
        (list) => {
          const result = importDockerHub(JSON.stringify(list), "refs/tags/v1\n");
          if (result.ok) rulesIn(result.value.file);
        },
      ),
    );
  });

  it("takes seconds at most for the worst that is let in", () => {
    const begun = process.cpuUsage();
    const rows = Array.from({ length: 400 }, (_, i) => `i${i % 5},branch,"/(x{50}){8}${i}/",t${i}\n`);
    importDockerHub(`image,type,source,tag\n${rows.join("")}`, "refs/heads/main\n");
    expect(computedMs(begun)).toBeLessThan(20_000);
  });
});
