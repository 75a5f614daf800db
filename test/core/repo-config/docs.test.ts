/**
 * The documents say what the program does: their tables are made from its source (between `<!-- name: … -->` and
 * `<!-- end -->`; UPDATE_GOLDEN rewrites them), each file they show is read and planned, and where a table of events and
 * outcomes follows one, that is what comes of it.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";

import { describe, expect, it } from "@jest/globals";

import type { BuildPlan, Change } from "../../../src/core/model.ts";
import { planBuilds } from "../../../src/core/plan.ts";
import { parseRepoConfig } from "../../../src/core/repo-config/parse.ts";
import { configJsonSchema } from "../../../src/core/repo-config/schema.ts";
import { PLACEHOLDER_MEANINGS, PLACEHOLDERS } from "../../../src/core/repo-config/tag-template.ts";
import { SKIP_REASONS } from "../../../src/core/skip-reasons.ts";
import { branch, changeFacts, planFacts, pull, tag } from "../samples.ts";

const ROOT = new URL("../../../", import.meta.url);
const DOCUMENT = new URL("docs/config-file.md", ROOT);

function read(name: string): string {
  return readFileSync(new URL(name, ROOT), "utf8");
}

// ------------------------------------------------------------------------------------------------- tables

interface Described {
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Described>>;
  readonly items?: Described;
  readonly required?: readonly string[];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => "---"), ...rows].map((cells) => {
    return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  });
  return lines.join("\n").replace("| --- | --- | --- |", "|---|---|---|").replace("| --- | --- |", "|---|---|");
}

/** `inherited`: keys that have another default than their description says, and which. */
function keys(
  { properties = {}, required = [] }: Described,
  { left = [], inherited = [] }: { readonly left?: readonly string[]; readonly inherited?: readonly string[] } = {},
): string {
  const rows = Object.entries(properties).flatMap(([key, described]) => {
    if (left.includes(key)) return [];
    const inner = Object.entries(described.properties ?? {}).map(
      ([name, one]) => [`${key}.${name}`, one, false] as const,
    );
    return inner.length > 0 ? inner : [[key, described, required.includes(key)] as const];
  });
  const cells = rows.map(([key, one, needed]) => {
    const own = one.default === undefined ? "" : `\`${plain(one.default)}\``;
    const value = inherited.includes(key) ? "the image's" : own;
    return [`\`${key}\``, value, `${one.description ?? ""}${needed ? " Required." : ""}`];
  });
  return table(["key", "default", "meaning"], cells);
}

function plain(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value).replaceAll('","', '", "');
}

function generated(): Readonly<Record<string, string>> {
  const file: Described = configJsonSchema();
  const image = file.properties?.["images"]?.items ?? {};
  const rule = image.properties?.["rules"]?.items ?? {};
  const kinds = Object.entries(PLACEHOLDERS);
  const everywhere = (name: string) => kinds.every(([, names]) => names.includes(name));
  const where = (name: string) =>
    everywhere(name)
      ? "all"
      : kinds.flatMap(([kind, names]) => (names.includes(name) ? [`\`${kind}\``] : [])).join(", ");
  const groups = ["`{1}` … `{9}`, `{name}`", "what the groups of a `/regex/` matched; `{\\1}` is the same as `{1}`"];
  const placeholders = Object.entries(PLACEHOLDER_MEANINGS).map(([name, meaning]) => [
    `\`{${name}}\``,
    meaning,
    where(name),
  ]);
  return {
    "image keys": keys(image),
    "rule keys": keys(rule, { inherited: Object.keys(image.properties ?? {}) }),
    "file keys": keys(file, { left: ["images"] }),
    placeholders: table(
      ["placeholder", "value", "in rules for"],
      [...placeholders, [...groups, "`branch`, `tag`, `pull_request`"]],
    ),
    reasons: table(
      ["reason", "meaning"],
      Object.entries(SKIP_REASONS).map(([code, why]) => [`\`${code}\``, why]),
    ),
  };
}

describe("the tables of docs/config-file.md", () => {
  it.each(Object.entries(generated()))("%s: are made from the source", (name, made) => {
    const begin = `<!-- ${name}: made by a test from the program's source -->\n`;
    const text = readFileSync(DOCUMENT, "utf8");
    const from = text.indexOf(begin) + begin.length;
    expect(from).toBeGreaterThan(begin.length);
    const to = text.indexOf("<!-- end -->", from);
    const expected = `\n${made}\n\n`;
    if (process.env["UPDATE_GOLDEN"]) writeFileSync(DOCUMENT, text.slice(0, from) + expected + text.slice(to));
    const now = readFileSync(DOCUMENT, "utf8");
    expect(now.slice(from, now.indexOf("<!-- end -->", from))).toBe(expected);
  });

  it("know every placeholder and describe every key", () => {
    const known = new Set(Object.values(PLACEHOLDERS).flat());
    expect(new Set(Object.keys(PLACEHOLDER_MEANINGS))).toEqual(known);
    for (const text of Object.values(generated())) expect(text).not.toMatch(/\| {2}\|$/m);
  });
});

// ------------------------------------------------------------------------------------------------- examples

interface Example {
  readonly place: string;
  readonly file: string;
  /** Cells of the table of events and outcomes behind it. */
  readonly stated: readonly (readonly [event: string, outcome: string])[];
}

const BLOCK = /^( *)```ya?ml\n([\s\S]*?)^ *```$((?:\n*\| event \| outcome \|\n\|---\|---\|\n(?:\|.*\|\n)+)?)/gm;

/** The files of ours among the YAML that a document shows. */
function examplesIn(name: string): readonly Example[] {
  const text = read(name);
  return [...text.matchAll(BLOCK)].flatMap(([, indent = "", body = "", rows = ""], index) => {
    const file = body.replaceAll(new RegExp(`^${indent}`, "gm"), "");
    const stated = [...rows.matchAll(/^\| (.+) \| (.+) \|$/gm)].flatMap(([, event = "", outcome = ""]) => {
      return event === "event" ? [] : [[event, outcome] as const];
    });
    return /^version: 1$/m.test(file) && /^images:$/m.test(file)
      ? [{ place: `${name} #${index + 1}`, file, stated }]
      : [];
  });
}

const DOCUMENTS = [
  "README.md",
  ...readdirSync(new URL("docs/", ROOT)).flatMap((name) => (name.endsWith(".md") ? [`docs/${name}`] : [])),
];
const EXAMPLES = DOCUMENTS.flatMap(examplesIn);

function planOf(file: string, change: Change, changedPaths: readonly string[] | null = null): BuildPlan {
  const { config } = parseRepoConfig(file, { repositoryName: "app" });
  if (config === null) throw new Error("the file is broken");
  const tags = change.kind === "tag" ? [change.name] : [];
  return planBuilds(planFacts([changeFacts(change, config, { tags, changedPaths })]));
}

/** `push to `main`: `message``, `tag `v1``, `pull request into `main``, …, each perhaps with `, changing `path``. */
function planFor(file: string, event: string): BuildPlan {
  const [, what = "", name = "", message, path] =
    /^(.+?) `([^`]+)`(?:: `([^`]+)`)?(?:, changing `([^`]+)`)?$/.exec(event) ?? [];
  const told = message === undefined ? {} : { message };
  const changes: Readonly<Record<string, Change>> = {
    "push to": branch(name, told),
    tag: tag(name, told),
    "pull request into": pull({ target: name }, told),
    "pull request from a fork into": pull({ target: name, fork: true }, told),
    "draft into": pull({ target: name, draft: true }, told),
  };
  const change = changes[what];
  if (change === undefined) throw new Error(`no event of this test is called: ${event}`);
  return planOf(file, change, path === undefined ? null : [path]);
}

/** In the words of the documents; with its image where there are several. */
function outcomeOf({ requests, held, skips }: BuildPlan, file: string): string {
  const several = (file.match(/^ {2}- name:/gm) ?? []).length > 1;
  const published = requests.flatMap(({ push, image, tags }) =>
    push ? tags.map((one) => (several ? `${image}:${one}` : one)) : [],
  );
  if (published.length > 0) return `publishes ${published.map((one) => `\`${one}\``).join(", ")}`;
  if (requests.length > 0) return "builds, publishes nothing";
  const [waiting] = held;
  return waiting === undefined ? `nothing, \`${skips[0]?.reason}\`` : `waits, \`${waiting.hold.reason}\``;
}

describe("the examples of the documents", () => {
  it("are found", () => {
    expect(EXAMPLES.filter(({ place }) => place.startsWith("docs/config-file.md")).length).toBeGreaterThanOrEqual(10);
    expect(EXAMPLES.filter(({ stated }) => stated.length > 0).length).toBeGreaterThanOrEqual(6);
    for (const name of ["README.md", "docs/from-docker-hub.md"]) expect(examplesIn(name)).toHaveLength(1);
  });

  it.each(EXAMPLES)("$place is read without anything to remark on", ({ file }) => {
    const { config, diagnostics } = parseRepoConfig(file, { repositoryName: "app" });
    expect(config).not.toBeNull();
    expect(diagnostics.filter(({ severity }) => severity !== "info")).toEqual([]);
  });

  it.each(EXAMPLES)("$place builds something, and has an answer for every event", ({ file }) => {
    const names = ["main", "release/1.2", "feature/login", "docs"];
    const changes = [
      ...names.map((name) => branch(name)),
      ...["v1.2.3", "api/v1.2.3"].map((name) => tag(name)),
      pull(),
    ];
    const plans = changes.map((change) => planOf(file, change));
    for (const { requests, held, skips } of plans)
      expect(requests.length + held.length + skips.length).toBeGreaterThan(0);
    expect(plans.flatMap(({ requests }) => requests)).not.toEqual([]);
  });

  it.each(
    EXAMPLES.flatMap(({ place, file, stated }) => stated.map(([event, outcome]) => ({ place, file, event, outcome }))),
  )("$place: $event: $outcome", ({ file, event, outcome }) =>
    expect(outcomeOf(planFor(file, event), file)).toBe(outcome),
  );
});
