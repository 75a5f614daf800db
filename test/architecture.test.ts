import { readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "@jest/globals";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

interface Import {
  /** Path below src/, e.g. `engine/inbox.ts`. */
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

/** Every module named in a source text: `import … from`, `export … from`, `import "x"`, `import("x")`, `require("x")`. */
function importsOf(from: string, text: string): Import[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
  const found: Import[] = [];
  const statement = /\b(?:import|export)\s+(type\s+)?(?:[\w*${}\s,]+?\s+from\s+)?["']([^"'\n]+)["']/g;
  for (const [, type, to] of code.matchAll(statement)) {
    if (to !== undefined) found.push({ from, to, typeOnly: type !== undefined });
  }
  for (const [, to] of code.matchAll(/\b(?:import|require)\s*\(\s*["'`]([^"'`\n]+)["'`]/g)) {
    if (to !== undefined) found.push({ from, to, typeOnly: false });
  }
  return found;
}

function sourceFiles(): Map<string, string> {
  const src = join(root, "src");
  const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  return new Map(files.map((file) => [file, readFileSync(join(src, file), "utf8")]));
}

/** The table of ARCHITECTURE.md: room to what it may import. */
function allowedImports(markdown: string): Map<string, readonly string[]> {
  const table = markdown.slice(markdown.indexOf("## Who may import whom"));
  const rows = [...table.matchAll(/^\| (\w+) \| (.+) \|$/gm)].filter(([, room]) => room !== "room");
  return new Map(rows.map(([, room = "", cell = ""]) => [room, cell.split(",").map((word) => word.trim())]));
}

/** `engine` for engine/inbox.ts, null for files directly in src/. */
function roomOf(file: string): string | null {
  return file.includes("/") ? (file.split("/")[0] ?? null) : null;
}

function resolveImport(one: Import): string | null {
  return one.to.startsWith(".") ? normalize(join(dirname(one.from), one.to)) : null;
}

/** What an import is called in the table: a room, a `node:` module, or a package. */
function targetName(one: Import): string {
  const file = resolveImport(one);
  if (file !== null) return roomOf(file) ?? `src/${file}`;
  if (builtinModules.includes(one.to)) return `node:${one.to}`;
  if (one.to.startsWith("node:")) return one.to;
  return one.to
    .split("/")
    .slice(0, one.to.startsWith("@") ? 2 : 1)
    .join("/");
}

function violations(files: ReadonlyMap<string, string>, table: ReadonlyMap<string, readonly string[]>): string[] {
  const problems: string[] = [];
  for (const [file, text] of files) {
    const room = roomOf(file);
    if (room === null) continue;
    const allowed = table.get(room);
    if (allowed === undefined) {
      problems.push(`src/${room}/ has no row in ARCHITECTURE.md`);
      continue;
    }
    for (const one of importsOf(file, text)) {
      const target = targetName(one);
      const anyNode = target.startsWith("node:") && allowed.includes("node:*");
      if (target !== room && !anyNode && !allowed.includes(target)) problems.push(`${file} imports ${one.to}`);
    }
  }
  return problems;
}

/** One cycle of value imports (types vanish when compiled), as a path of files; null: none. */
function findCycle(files: ReadonlyMap<string, string>): string[] | null {
  const graph = new Map<string, string[]>();
  for (const [file, text] of files) {
    const targets = importsOf(file, text).filter((one) => !one.typeOnly);
    graph.set(
      file,
      targets.map(resolveImport).filter((to) => to !== null),
    );
  }
  const done = new Set<string>();
  function visit(file: string, path: readonly string[]): string[] | null {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return null;
    for (const next of graph.get(file) ?? []) {
      const cycle = visit(next, [...path, file]);
      if (cycle !== null) return cycle;
    }
    done.add(file);
    return null;
  }
  for (const file of graph.keys()) {
    const cycle = visit(file, []);
    if (cycle !== null) return cycle;
  }
  return null;
}

describe("the house", () => {
  const table = allowedImports(readFileSync(join(root, "ARCHITECTURE.md"), "utf8"));
  const files = sourceFiles();

  it("has a row for every room", () => {
    expect(table.size).toBeGreaterThanOrEqual(9);
    expect(files.size).toBeGreaterThan(10);
  });

  it("imports only what the table in ARCHITECTURE.md allows", () => {
    expect(violations(files, table)).toEqual([]);
  });

  it("has no import cycles", () => {
    expect(findCycle(files)).toBeNull();
  });

  it("lets only the root files read the environment, listen, and handle signals", () => {
    const ambient = /\bprocess\.(env\b|on\(|once\()|\.listen\(/;
    const offenders = [...files].filter(([file, text]) => roomOf(file) !== null && ambient.test(text));
    expect(offenders.map(([file]) => file)).toEqual([]);
  });

  it("keeps the core free of clocks, randomness and waiting", () => {
    const impure = /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\brandomUUID\b|\brandomBytes\b|\basync\b|\bPromise\b/;
    const offenders = [...files].filter(
      ([file, text]) => roomOf(file) === "core" && impure.test(text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "")),
    );
    expect(offenders.map(([file]) => file)).toEqual([]);
  });
});

describe("the check itself", () => {
  const table = new Map([
    ["core", ["zod"]],
    ["engine", ["core"]],
    ["web", ["core", "node:*"]],
  ]);

  it.each([
    ['import { x } from "../web/x.ts";', "engine/a.ts"],
    ['import "../web/x.ts";', "engine/a.ts"],
    ['export * from "../web/x.ts";', "engine/a.ts"],
    ['const x = await import("../web/x.ts");', "engine/a.ts"],
    ['import type { X } from "../web/x.ts";', "engine/a.ts"],
    ['import {\n  a,\n  b,\n} from "node:fs";', "engine/a.ts"],
    ['import fs from "fs";', "core/a.ts"],
    ['import { z } from "@scope/other/deep";', "core/a.ts"],
    ['import { config } from "../config.ts";', "core/a.ts"],
  ])("catches %j", (text, file) => {
    expect(violations(new Map([[file, text]]), table)).toHaveLength(1);
  });

  it("allows what the table allows", () => {
    const text = 'import { z } from "zod/v4";\nimport { m } from "./b.ts";';
    expect(violations(new Map([["core/a.ts", text]]), table)).toEqual([]);
    expect(violations(new Map([["web/a.ts", 'import "node:fs";']]), table)).toEqual([]);
  });

  it("finds a cycle through a side-effect import, and none through types", () => {
    const cycle = new Map([
      ["core/a.ts", 'import "./b.ts";'],
      ["core/b.ts", 'export { x } from "./c.ts";'],
      ["core/c.ts", 'import { a } from "./a.ts";'],
    ]);
    expect(findCycle(cycle)).toEqual(["core/a.ts", "core/b.ts", "core/c.ts", "core/a.ts"]);
    expect(findCycle(new Map([...cycle, ["core/c.ts", 'import type { A } from "./a.ts";']]))).toBeNull();
  });
});

it("has a folder for every room the document describes", () => {
  const text = readFileSync(join(root, "ARCHITECTURE.md"), "utf8");
  const rooms = [...text.matchAll(/`src\/(\w+)\/`/g)].map(([, room]) => room);
  const existing = new Set([...sourceFiles().keys()].map(roomOf));
  expect(rooms.filter((room) => room !== undefined && !existing.has(room))).toEqual([]);
});
