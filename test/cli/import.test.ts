import { describe, expect, it } from "@jest/globals";
import { type Ran, run } from "./world.ts";

const RULES = "Source Type,Source,Docker Tag\nBranch,main,latest\n";
const FILE = `# Docker Hub's build rules, as \`wharfinger import dockerhub\` took them over.
version: 1
images:
  # called as this repository; on Docker Hub otherwise? Then give it a \`name\`
  - rules:
      - branch: main
        tags: [latest]
`;

/** The command over some files; `-` is standard input. */
function importing(argv: readonly string[], files: Readonly<Record<string, string>>): Promise<Ran> {
  const readFile = async (path: string): Promise<string> => {
    const text = files[path];
    if (text === undefined) throw Object.assign(new Error(`ENOENT: no such file, open '${path}'`), { code: "ENOENT" });
    return text;
  };
  return run(["import", "dockerhub", ...argv], {}, false, { readFile, stdin: () => readFile("-") });
}

const ALWAYS = "no rule tells of hooks/ and *.test.yml beside the Dockerfile: they do not run here\n";

describe("wharfinger import dockerhub", () => {
  it("prints the file on standard output and the report on standard error", async () => {
    expect(await importing(["rules.csv"], { "rules.csv": RULES })).toEqual({
      code: 0,
      out: FILE,
      err: `1 of 1 rules taken over\n${ALWAYS}`,
    });
  });

  it("reads standard input, also for the refs", async () => {
    expect(await importing(["-"], { "-": RULES })).toMatchObject({ code: 0, out: FILE });
    expect(await importing(["x", "--refs", "-"], { x: RULES, "-": "refs/heads/main\n" })).toMatchObject({ code: 0 });
    expect(await importing(["-", "--refs", "-"], { "-": RULES })).toEqual({
      code: 2,
      out: "",
      err: "import: only one of FILE and --refs can be standard input (-)\n",
    });
  });

  it("makes a file that wharfinger lint takes", async () => {
    const { out } = await importing(["x"], { x: `${RULES}Tag,/^v(.*)$/,"{\\1},v{\\1}"\nTag,no,1.10\n` });
    const linted = await run(["lint", "-"], {}, false, { stdin: () => Promise.resolve(out) });
    expect(linted).toMatchObject({ code: 0, out: "- is valid: 1 image, 3 rules\n" });
  });

  it("prints the file and 1 when something could not be taken over", async () => {
    const { code, out, err } = await importing(["x"], { x: `${RULES}Tag,/v(?!0)/,x\n` });
    expect([code, out.startsWith(FILE)]).toEqual([1, true]);
    expect(err).toMatch(/^1 of 2 rules taken over\nline 3: left out: look-around .*\n/);
    expect(err.endsWith(ALWAYS)).toBe(true);
  });

  it("says that there is no file when no rule is left for one", async () => {
    const { code, out, err } = await importing(["x"], { x: "Source Type,Source,Docker Tag\nTag,/v(?!0)/,x\n" });
    expect([code, out]).toEqual([1, ""]);
    expect(err).toMatch(/^0 of 1 rules taken over; no file, because none is left for it\n/);
  });

  it("shows for every ref which tags both give, and answers 1 when one differs", async () => {
    const files = {
      x: `${RULES}Branch,/^[ab]/,{sourceref}\n`,
      same: "refs/heads/main\nrefs/heads/a\nrefs/tags/a\n",
      other: "refs/heads/a\nrefs/heads/a/b\n",
    };
    const same = await importing(["x", "--refs", "same"], files);
    expect(same.code).toBe(0);
    expect(same.err.split("\n").slice(2)).toEqual([
      "same: refs/heads/main: `latest`",
      "same: refs/heads/a: `a`",
      "same: refs/tags/a: nothing",
      "3 same, 0 different",
      "",
    ]);
    const other = await importing(["x", "--refs", "other"], files);
    expect([other.code, other.out]).toEqual([1, same.out]);
    expect(other.err.split("\n").slice(2)).toEqual([
      "same: refs/heads/a: `a`",
      "differs: refs/heads/a/b: Docker Hub nothing, this file `a-b`; Docker Hub can not push `a/b`, which is no legal tag",
      "1 same, 1 different",
      "",
    ]);
  });

  it("names the images where there are several, and what can not be known", async () => {
    const rules = "Repository,Source Type,Source,Docker Tag\na/x,Branch,main,latest\na/y,Branch,/^(?!main)/,z\n";
    const { err } = await importing(["x", "--refs", "r"], { x: rules, r: "refs/heads/main" });
    expect(err).toContain("same: refs/heads/main (x): `latest`\n");
    expect(err).toContain(
      "unknown: refs/heads/main (y): Docker Hub nothing, this file nothing; line 3 can not be run here\n",
    );
    expect(err).toContain("1 same, 0 different, 1 unknown\n");
  });

  it.each<[string, string[], Record<string, string>, string]>([
    ["a file that is not there", ["x"], {}, "import: x can not be read: ENOENT"],
    ["refs that are not there", ["x", "--refs", "r"], { x: RULES }, "import: --refs: r can not be read: ENOENT"],
    ["no rules", ["x"], { x: "\n" }, "import: x: there are no rules: the text is empty"],
    ["no table", ["x"], { x: "hello\n" }, "import: x: line 1 is no header row"],
    ["broken JSON", ["x"], { x: '{"a":\n' }, "import: x: the rules begin like JSON and are not: "],
    ["refs that are none", ["x", "--refs", "r"], { x: RULES, r: "main" }, "import: --refs r: line 1 is no ref: `main`"],
    ["escapes in a name", ["a\u001b[31m\nb"], {}, "import: a b can not be read: ENOENT: no such file, open 'a b'"],
  ])("answers %s with 2 and one line", async (_, argv, files, message) => {
    const { code, out, err } = await importing(argv, files);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toMatch(/^[^\n]*\n$/);
    expect(err.startsWith(message)).toBe(true);
  });

  it("prints no control character, whatever stands in the rules", async () => {
    const hostile = 'Branch,"a\u001b[31m\nb",x\nBranch,/\u0007\u202e/,"\u001b]0;x\u0007"\nBranch,main,ok\n';
    const { out, err } = await importing(["x"], { x: `Source Type,Source,Docker Tag,"\u001b[2J"\n${hostile}` });
    expect(`${out}${err}`.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\u202e]/u);
    expect(out).toContain("branch: main");
  });
});
