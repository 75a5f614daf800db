import { describe, expect, it } from "@jest/globals";
import type { Change } from "../../../src/core/model.ts";
import { parseRepoConfig } from "../../../src/core/repo-config/parse.ts";
import { judgeRule } from "../../../src/core/rules.ts";
import { ruleTags } from "../../../src/core/tags/rule-tags.ts";
import { createHistory } from "../../../src/core/tags/semver.ts";
import { branch, pull, tag } from "../samples.ts";

type On = Readonly<Record<string, string>>;

const BRANCH = { branch: "**" };
const TAG = { tag: "**" };
const SEMVER = { semver: "*" };
const PULL = { pull_request: "**" };

function parse(on: On, entry: string) {
  const file = { version: 1, images: [{ rules: [{ ...on, tags: ["{sha7}", entry] }] }] };
  return parseRepoConfig(JSON.stringify(file), { repositoryName: "app" });
}

/** Warnings about the entry; it is never an error. */
function said(on: On, entry: string): readonly string[] {
  const { config, diagnostics } = parse(on, entry);
  expect(config).not.toBeNull();
  expect(diagnostics.map(({ severity }) => severity)).toEqual(diagnostics.map(() => "warning"));
  return diagnostics.map(({ message }) => message);
}

/** What the entry gives for this change, beside the hash. */
function gives(on: On, entry: string, change: Change): readonly string[] {
  const image = parse(on, entry).config?.images[0];
  const rule = image?.rules[0];
  const match = rule && judgeRule(rule, change);
  if (image === undefined || !match?.matches) return [];
  const facts = { image, change, defaultBranch: "main", history: createHistory([]), now: "2020-01-10T00:30:00Z" };
  return ruleTags(match, facts).tags.slice(1);
}

/** The most promising changes for each kind of rule. */
const CHANGES: readonly Change[] = [branch("main"), branch("dev"), tag("v1.2.3"), pull(), pull({ target: "v1.2.3" })];

const NEVER: readonly (readonly [on: On, entry: string, because: string])[] = [
  [BRANCH, "type=ref,event=tag", "it is for tags, and the rule is for branches"],
  [BRANCH, "type=ref,event=pr", "it is for pull requests, and the rule is for branches"],
  [BRANCH, "type=semver,pattern={{version}}", "it is for tags, and the rule is for branches"],
  [BRANCH, "type=match,pattern=v(.*)", "it is for tags, and the rule is for branches"],
  [{ branch: "release/*" }, "type=edge,branch=main", "the rule is not for the branch main"],
  [{ branch: "/^v[0-9]$/" }, "type=edge,branch=v10", "the rule is not for the branch v10"],
  [TAG, "type=ref,event=branch", "it is for branches, and the rule is for tags"],
  [TAG, "type=edge", "it is for branches, and the rule is for tags"],
  [TAG, "type=raw,x,enable={{is_default_branch}}", "`{{is_default_branch}}` is false for tags"],
  [SEMVER, "type=ref,event=pr", "it is for pull requests, and the rule is for tags"],
  [SEMVER, "type=edge,branch=main", "it is for branches, and the rule is for tags"],
  [PULL, "type=ref,event=branch", "it is for branches, and the rule is for pull requests"],
  [PULL, "type=ref,event=tag", "it is for tags, and the rule is for pull requests"],
  [PULL, "type=semver,pattern={{version}}", "it is for tags, and the rule is for pull requests"],
  [PULL, "type=edge,branch=main", "it is for branches, and the rule is for pull requests"],
  [PULL, "type=sha,enable={{is_default_branch}}", "`{{is_default_branch}}` is false for pull requests"],
];

describe("an entry that can never give a tag in its rule is remarked on, and gives none", () => {
  it.each(NEVER)("%j %s", (on, entry, because) => {
    expect(said(on, entry)).toEqual([`this entry never gives a tag here: ${because}`]);
    expect(CHANGES.flatMap((change) => gives(on, entry, change))).toEqual([]);
  });
});

describe("an entry that may give one is not, and gives one", () => {
  it.each<[On, string]>([
    [BRANCH, "type=ref,event=branch"],
    [BRANCH, "type=edge"],
    [BRANCH, "type=edge,branch=dev"],
    [BRANCH, "type=semver,pattern={{version}},value=v1.0.0"],
    [BRANCH, "type=raw,x,enable={{is_default_branch}}"],
    [{ branch: "dev" }, "type=raw,x,enable={{is_not_default_branch}}"],
    [TAG, "type=ref,event=tag"],
    [TAG, "type=semver,pattern={{version}}"],
    [TAG, "type=raw,x,enable={{is_not_default_branch}}"],
    [SEMVER, "type=match,pattern=v(.*),group=1"],
    [PULL, "type=ref,event=pr"],
    [PULL, "type=raw,value={{base_ref}}"],
    [PULL, "type=match,pattern=.*,value=v1"],
    [PULL, "type=sha"],
  ])("%j %s", (on, entry) => {
    expect(said(on, entry)).toEqual([]);
    expect(CHANGES.flatMap((change) => gives(on, entry, change))).not.toEqual([]);
  });

  it("and what is switched off is meant to be", () => {
    expect(said(BRANCH, "type=ref,event=tag,enable=false")).toEqual([]);
  });
});

it.each<[On, string, readonly string[]]>([
  [BRANCH, "type=raw,value=x{{tag}}", ["`{{tag}}` is always empty in rules for branches"]],
  [BRANCH, "type=sha,suffix=-{{base_ref}}", ["`{{base_ref}}` is always empty in rules for branches"]],
  [TAG, "type=sha,prefix={{branch}}-", ["`{{branch}}` is always empty in rules for tags"]],
  [
    PULL,
    "type=raw,value={{branch}}{{branch}}x{{tag}}",
    ["`{{branch}}` is always empty in rules for pull requests", "`{{tag}}` is always empty in rules for pull requests"],
  ],
  [BRANCH, "type=sha,prefix={{branch}}-", []],
  [TAG, "type=raw,value={{tag}}-{{base_ref}}", []],
])("an expression that is always empty is remarked on: %j %s", (on, entry, messages) => {
  expect(said(on, entry)).toEqual(messages);
});

it("a warning stands at its entry", () => {
  const text =
    "version: 1\nimages:\n  - rules:\n      - branch: main\n        tags:\n          - x\n          - type=edge,branch=dev\n";
  expect(parseRepoConfig(text, { repositoryName: "app" }).diagnostics).toMatchObject([{ line: 7, column: 13 }]);
});
