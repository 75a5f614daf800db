import { describe, expect, it } from "@jest/globals";

import { lint } from "../../src/cli/lint.ts";
import type { ExitCode, Terminal } from "../../src/cli/terminal.ts";

interface Ran {
  readonly code: ExitCode;
  readonly out: string;
  readonly err: string;
}

async function run(
  files: Readonly<Record<string, string | Error>>,
  options: { file?: string; json?: boolean } = {},
): Promise<Ran> {
  let out = "";
  let err = "";
  const read = async (path: string): Promise<string> => {
    const content = files[path] ?? Object.assign(new Error(`no such file, open '${path}'`), { code: "ENOENT" });
    if (content instanceof Error) throw content;
    return content;
  };
  const terminal: Terminal = {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    stdin: () => read("-"),
    readFile: read,
    color: false,
  };
  const code = await lint({ file: options.file ?? null, json: options.json ?? false }, terminal);
  return { code, out, err };
}

const VALID = "version: 1\nimages:\n  - rules:\n      - branch: main\n      - tag: v*\n";
const BROKEN = "version: 1\nimages:\n  - rules:\n      - brach: main\n        tags: [1.0]\n";
const WARNED = 'version: 1\nimages:\n  - rules:\n      - branch: /main/\n        tags: ["{branch}", "{branch}"]\n';

describe("wharfinger lint", () => {
  it("reads .wharfinger.yml when no file is named and sums up a valid one", async () => {
    expect(await run({ ".wharfinger.yml": VALID })).toEqual({
      code: 0,
      out: ".wharfinger.yml is valid: 1 image, 2 rules\n",
      err: "",
    });
  });

  it("takes an image without a name for none that has one, and for any other without", async () => {
    const images = (...names: string[]) =>
      `version: 1\nimages:\n${names.map((name) => `  - { ${name} rules: [{ branch: main }] }\n`).join("")}`;
    expect(await run({ ".wharfinger.yml": images("", "name: repository,") })).toMatchObject({ code: 0 });
    const { code, out } = await run({ ".wharfinger.yml": images("", "") });
    expect(code).toBe(1);
    expect(out).toContain("image `this-repository`");
  });

  it("prints every problem as file:line:col: message and exits 1", async () => {
    const { code, out, err } = await run({ "deploy/x.yml": BROKEN }, { file: "deploy/x.yml" });
    expect(code).toBe(1);
    expect(err).toBe("");
    const lines = out.trimEnd().split("\n");
    expect(lines[0]).toMatch(/^deploy\/x\.yml:4:9: unknown key `brach`; did you mean `branch`\? allowed: /);
    expect(lines[1]).toBe('deploy/x.yml:5:16: YAML reads `1.0` as a number, not as text: write "1.0"');
    expect(lines).toHaveLength(2);
  });

  it("names the severity of what is not an error, and exits 0", async () => {
    const { code, out } = await run({ "-": WARNED }, { file: "-" });
    expect(code).toBe(0);
    expect(out).toMatch(/^-:4:17: info: the regular expression has neither/);
    expect(out).toMatch(/\n-:5:28: warning: this tag is listed twice\n- is valid: 1 image, 1 rule\n$/);
  });

  it("prints one JSON object with --json, also for a broken file", async () => {
    const valid = await run({ ".wharfinger.yml": VALID }, { json: true });
    expect([valid.code, JSON.parse(valid.out)]).toEqual([0, { file: ".wharfinger.yml", valid: true, diagnostics: [] }]);
    const broken = await run({ ".wharfinger.yml": BROKEN }, { json: true });
    expect(broken.code).toBe(1);
    expect(JSON.parse(broken.out)).toMatchObject({
      file: ".wharfinger.yml",
      valid: false,
      diagnostics: [
        { severity: "error", line: 4, column: 9 },
        { severity: "error", line: 5, column: 16 },
      ],
    });
  });

  it("exits 2 and says what to do when there is nothing to read", async () => {
    const failing = (code: string) => ({ "x.yml": Object.assign(new Error(`${code}: it failed`), { code }) });
    expect(await run({})).toEqual({ code: 2, out: "", err: expect.stringContaining("root of a repository") });
    expect((await run({}, { file: "x.yml" })).err).toBe("lint: there is no file x.yml\n");
    expect((await run(failing("EACCES"), { file: "x.yml" })).err).toMatch(/permissions/);
    expect((await run(failing("EISDIR"), { file: "x.yml" })).err).toMatch(/x\.yml\/\.wharfinger\.yml/);
    expect(await run(failing("EIO"), { file: "x.yml" })).toMatchObject({
      code: 2,
      err: expect.stringContaining("EIO"),
    });
  });

  it("does not mistake an empty file for a missing one", async () => {
    expect(await run({ ".wharfinger.yml": "" })).toMatchObject({
      code: 1,
      out: expect.stringMatching(/:1:1: the file/),
    });
  });
});
