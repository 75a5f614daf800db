import { createRequire } from "node:module";
import { cpus } from "node:os";
import { runInNewContext } from "node:vm";
import { DEFAULT_POLICY, parseSha, type RefChange, type Repository } from "../src/core/model.ts";
import { compilePattern, type Pattern, type PatternKind } from "../src/core/patterns.ts";
import { type PlanFacts, planBuilds } from "../src/core/plan.ts";
import type { ParsedConfig } from "../src/core/repo-config/config.ts";
import { parseRepoConfig } from "../src/core/repo-config/parse.ts";

/** Images, and rules of each: ten times as many pairs from one to the next. The last is about what a file can hold. */
const SIZES = [
  { images: 1, rules: 1 },
  { images: 10, rules: 1 },
  { images: 10, rules: 10 },
  { images: 100, rules: 10 },
] as const;
const PATHS = [1, 10, 1_000] as const;
/** Characters of what bombs are matched against. */
const LENGTHS = [10, 20, 40, 1_000] as const;
/** Milliseconds until an engine's match is given up. */
const PATIENCE = 500;

const HELP = `npm run bench plan [-- --quick]

How fast the planner decides, as images, rules and changed paths grow, and what patterns cost that are made to be slow,
beside V8's own RegExp and picomatch. It needs nothing but this checkout. --quick runs less, for a first impression.`;

const METHOD = `
The last rule of each image matches, and each image looks at every changed path: the last one decides. A plan is
planBuilds(), the whole decision with its trace, for a file that was read before; reading is parseRepoConfig() of its YAML.
Times of plans are processor time of the process, garbage collection and compilation included, which says more than the
clock when the machine is busy with other things. All cells take turns within a round; a cell is the median over the
rounds. Growth is what the time is multiplied by when there is ten times as much, the median of ratios within one round:
× 10 is linear, less has a part that stays the same.
The bombs meet names and paths that almost match. Each engine gets the pattern as a text and one subject, by the clock,
takes turns with the others, and is stopped after ${PATIENCE} ms. V8 gets globs as the expression that means the same.`;

/** Prints how the planner and its patterns grow. */
export async function benchPlan(args: readonly string[]): Promise<void> {
  if (args.includes("--help")) {
    console.log(HELP);
    return;
  }
  const quick = args.includes("--quick");
  const rounds = quick ? 3 : 9;
  benchPlans(rounds, quick ? 40 : 250);
  benchBombs(quick ? 1 : 5);
  console.log(METHOD);
  console.log(`Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? "?"}`);
}

type Size = (typeof SIZES)[number];

interface Cell {
  readonly size: Size;
  readonly paths: number;
  readonly facts: PlanFacts;
  readonly yaml: string;
  /** Milliseconds of one plan, and of reading the file, a round each. */
  readonly plan: number[];
  readonly read: number[];
}

function benchPlans(rounds: number, ms: number): void {
  const cells = SIZES.flatMap((size) => PATHS.map((paths) => cellOf(size, paths)));
  // The first round warms up and is not counted.
  for (let round = 0; round <= rounds; round += 1) {
    for (const cell of cells) {
      const plan = timed(() => planBuilds(cell.facts), ms);
      const read = cell.paths === 1 ? timed(() => readFile(cell.yaml), ms) : null;
      if (round === 0) continue;
      cell.plan.push(plan);
      if (read !== null) cell.read.push(read);
    }
  }
  console.log(`\nPlans, ${rounds} rounds of ${ms} ms`);
  row("images × rules", "paths", "plans/s", "ms", "µs / pair", "10 × paths", "10 × pairs", "read ms");
  for (const cell of cells) {
    const { size, paths, plan } = cell;
    const fewerPaths = cells.find((other) => other.size === size && other.paths === previous(PATHS, paths));
    const fewerPairs = cells.find((other) => other.paths === paths && other.size === previous(SIZES, size));
    const time = median(plan);
    row(
      `${size.images} × ${size.rules}`,
      count(paths),
      count(Math.round(1_000 / time)),
      time.toFixed(3),
      ((time * 1_000) / (size.images * size.rules)).toFixed(2),
      growth(cell, fewerPaths, paths / (fewerPaths?.paths ?? 1)),
      growth(cell, fewerPairs, 10),
      cell.read.length === 0 ? "" : median(cell.read).toFixed(2),
    );
  }
}

/** What the time is multiplied by when the work is ten times as much: 10 is linear. */
function growth({ plan }: Cell, smaller: Cell | undefined, factor: number): string {
  if (smaller === undefined) return "";
  const ratio = median(plan.map((time, round) => time / (smaller.plan[round] ?? time)));
  return `× ${(ratio ** (1 / Math.log10(factor))).toFixed(1)}`;
}

function previous<T>(values: readonly T[], value: T): T | undefined {
  return values[values.indexOf(value) - 1];
}

/** Milliseconds of processor time one call takes, of as many as there is time for. */
function timed(work: () => unknown, ms: number): number {
  const before = process.cpuUsage();
  let calls = 0;
  for (;;) {
    work();
    calls += 1;
    const { user, system } = process.cpuUsage(before);
    const passed = (user + system) / 1_000;
    if (passed >= ms) return passed / calls;
  }
}

const REPOSITORY: Repository = {
  provider: "github",
  host: "default",
  id: "1",
  fullName: "acme/mono",
  private: true,
  defaultBranch: "main",
  cloneUrl: "https://github.com/acme/mono.git",
  webUrl: "https://github.com/acme/mono",
};

function cellOf(size: Size, paths: number): Cell {
  const { images } = size;
  const yaml = yamlOf(size);
  const config = { kind: "read", parsed: readFile(yaml) } as const;
  const [old, now] = ["a", "b"].map((digit) => parseSha(digit.repeat(40)));
  const change: RefChange = {
    kind: "branch",
    ref: "refs/heads/release/2.41",
    name: "release/2.41",
    before: old ?? null,
    after: now ?? null,
    commit: now ?? null,
    forced: false,
    message: "Change a lot",
  };
  const changedPaths = Array.from({ length: paths }, (_, n) =>
    n === paths - 1 ? "libs/core/index.go" : `docs/chapter-${n % 37}/section-${n}.txt`,
  );
  const facts: PlanFacts = {
    repository: REPOSITORY,
    installation: { state: "active", namespace: "acme" },
    link: "linked",
    changes: [{ change, config, defaultBranchConfig: config, changedPaths, tags: null }],
    imageOwners: new Map(),
    policy: { ...DEFAULT_POLICY, brake: images },
    now: "2026-11-20T10:00:00Z",
  };
  const { requests, skips } = planBuilds(facts);
  if (requests.length !== images) throw new Error(`${requests.length} of ${images} are built: ${skips[0]?.detail}`);
  return { size, paths, facts, yaml, plan: [], read: [] };
}

/** Rules of all kinds a file has: names, globs and expressions; the last of each image is the one that matches. */
function yamlOf(size: Size): string {
  const entries = Array.from({ length: size.images }, (_, image) => {
    const rules = Array.from({ length: size.rules - 1 }, (_, n) => {
      const on = [`branch-${n}`, `team-${n}/*`, `/^v${n}\\\\.([0-9]+)$/`][n % 3];
      return `      - { branch: "${on}", tags: ["r${n}"] }\n`;
    });
    rules.push(`      - { branch: "/^release\\\\/([0-9.]+)$/", tags: ["{1}-s${image}"] }\n`);
    const paths = `{ include: ["services/s${image}/**", "libs/**/*.go"], exclude: ["**/*.md"] }`;
    return `  - name: s${image}\n    paths: ${paths}\n    rules:\n${rules.join("")}`;
  });
  return `version: 1\nimages:\n${entries.join("")}`;
}

function readFile(yaml: string): ParsedConfig {
  const parsed = parseRepoConfig(yaml, { repositoryName: REPOSITORY.fullName });
  if (parsed.config === null) throw new Error(JSON.stringify(parsed.diagnostics[0]));
  return parsed;
}

interface Bomb {
  readonly pattern: string;
  readonly kind: PatternKind;
  /** Expression for V8. */
  readonly regex: string;
  /** Almost what the pattern matches, so long. */
  subject(length: number): string;
}

const BOMBS: readonly Bomb[] = [
  { pattern: "/^(a+)+$/", kind: "ref", regex: "^(a+)+$", subject: (length) => `${"a".repeat(length - 1)}!` },
  { pattern: "/(x+x+)+y/", kind: "ref", regex: "(x+x+)+y", subject: (length) => `${"x".repeat(length - 2)}!y` },
  globBomb("*a*a*a*a*a*a*a*a*b", (length) => `${"a".repeat(length - 2)}bc`),
  globBomb("**/a/**/a/**/a/**/a/**/a/**/b", (length) => "a/".repeat(length / 2 - 2).concat("b/ac")),
  globBomb("{a*,a*a*,{a*a*a*,a*a*}*}*{a,aa}*b", (length) => `${"a".repeat(length - 2)}bc`),
];

function globBomb(pattern: string, subject: Bomb["subject"]): Bomb {
  const regex = pattern
    .replaceAll("{", "(?:")
    .replaceAll("}", ")")
    .replaceAll(",", "|")
    .replaceAll("**/", "\0")
    .replaceAll("*", "[^/]*")
    .replaceAll("\0", "(?:[^]*/)?");
  return { pattern, kind: "path", regex: `^(?:${regex})$`, subject };
}

type Match = (subject: string) => boolean;

const ENGINES: readonly { readonly name: string; make(bomb: Bomb): Match | null }[] = [
  {
    name: "Wharfinger",
    make({ pattern, kind }) {
      const engine = engineOf(pattern, kind);
      return (subject) => engine.match(subject) !== null;
    },
  },
  {
    name: "V8",
    make({ regex }) {
      const engine = new RegExp(regex);
      return (subject) => engine.test(subject);
    },
  },
  { name: "picomatch", make: ({ pattern, kind }) => (kind === "path" ? picomatch()(pattern) : null) },
];

function engineOf(source: string, kind: PatternKind): Pattern {
  const compiled = compilePattern(source, kind);
  if (!compiled.ok) throw new Error(`${source}: ${compiled.message}`);
  return compiled.pattern;
}

/** Jest's own; only to compare with. */
function picomatch(): (glob: string) => Match {
  return createRequire(import.meta.url)("picomatch") as (glob: string) => Match;
}

function benchBombs(rounds: number): void {
  console.log(`\nPatterns made to be slow, ms to read one and match it once, ${rounds} rounds`);
  row("", "length", ...ENGINES.map(({ name }) => name));
  for (const bomb of BOMBS) {
    for (const [line, length] of LENGTHS.entries()) {
      const subject = bomb.subject(length);
      const times = ENGINES.map((): number[] => []);
      for (let round = 0; round <= rounds; round += 1) {
        for (const [index, { make }] of ENGINES.entries()) {
          const time = patiently(make, bomb, subject);
          if (round > 0 && time !== null) times[index]?.push(time);
        }
      }
      row(line === 0 ? bomb.pattern : "", count(length), ...times.map(show));
    }
  }
}

/** Milliseconds, Infinity for too long; null where the engine knows no such patterns. */
function patiently(make: (bomb: Bomb) => Match | null, bomb: Bomb, subject: string): number | null {
  let passed = Number.POSITIVE_INFINITY;
  const run = () => {
    const begun = performance.now();
    const match = make(bomb);
    if (match === null) return null;
    if (match(subject)) throw new Error(`${bomb.pattern} matches ${subject}`);
    passed = performance.now() - begun;
    return passed;
  };
  try {
    // The clock of a context also stops an expression in the middle of a match.
    return runInNewContext("run()", { run }, { timeout: PATIENCE }) as number | null;
  } catch (error) {
    // Of the context it was made in: no Error of ours.
    const code = typeof error === "object" && error !== null && "code" in error ? error.code : null;
    if (code === "ERR_SCRIPT_EXECUTION_TIMEOUT") return passed;
    throw error;
  }
}

function show(times: readonly number[]): string {
  if (times.length === 0) return "-";
  const time = median(times);
  return Number.isFinite(time) ? time.toFixed(time < 10 ? 3 : 0) : `> ${PATIENCE}`;
}

function row(title: string, ...cells: readonly string[]): void {
  console.log(`${title.padEnd(36)}${cells.map((cell) => cell.padStart(12)).join("")}`);
}

function count(value: number): string {
  return value.toLocaleString("en");
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
