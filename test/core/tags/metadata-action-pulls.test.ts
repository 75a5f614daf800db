/**
 * What docker/metadata-action documents, tests and does for pull requests, and what becomes of the same entries here.
 * The sources are of its commit dc802804; `test` names a case of its __tests__/meta.test.ts, `src` a function of its
 * src/meta.ts. Its hash is that of the merge commit GitHub makes, unless DOCKER_METADATA_PR_HEAD_SHA asks for the head's:
 * here the head is built, so the cases of its group pr-head-sha count. One is not taken: pr12 of both groups gives
 * `commit_date` a format without quotes, which is an error here.
 */
import { describe, expect, it } from "@jest/globals";
import { parseSha } from "../../../src/core/model.ts";
import { parseRepoConfig } from "../../../src/core/repo-config/parse.ts";
import { judgeRule } from "../../../src/core/rules.ts";
import { type RuleTags, ruleTags } from "../../../src/core/tags/rule-tags.ts";
import { createHistory } from "../../../src/core/tags/semver.ts";
import { pull } from "../samples.ts";

const HEAD = parseSha("3370e228f2209994d57af4427fe64e71bb79ac96");

/** Of its fixtures event_pull_request and event_pull_request_target: test-pr into master. */
const CHANGE = pull({ number: 15, target: "master" }, { ref: "refs/heads/test-pr", after: HEAD, commit: HEAD });

interface Given {
  readonly flavor?: readonly string[];
  readonly names?: readonly string[];
  readonly change?: typeof CHANGE;
}

function given(entries: readonly string[], { flavor, names = [], change = CHANGE }: Given = {}): RuleTags {
  const images = [{ ...(flavor && { flavor }), rules: [{ pull_request: "**", push: true, tags: entries }] }];
  const { config, diagnostics } = parseRepoConfig(JSON.stringify({ version: 1, images }), { repositoryName: "app" });
  const [image] = config?.images ?? [];
  const [first] = image?.rules ?? [];
  if (image === undefined || first === undefined) throw new Error(JSON.stringify(diagnostics));
  const match = judgeRule(first, change);
  if (!match.matches) throw new Error(match.why);
  const facts = { image, change, defaultBranch: "master", history: createHistory(names), now: "2020-01-10T00:30:00Z" };
  return ruleTags(match, facts);
}

type Row = readonly [
  source: string,
  entries: readonly string[],
  tags: readonly string[],
  flavor?: readonly string[] | undefined,
  change?: typeof CHANGE,
];

/** What it takes where none are listed, but for `type=schedule`. */
const ITS_DEFAULTS = ["type=ref,event=branch", "type=ref,event=tag", "type=ref,event=pr"];
const SEMVER = ["type=semver,pattern={{version}}", "type=semver,pattern={{major}}.{{minor}}"];
const SECOND = pull({ number: 2, target: "master" });

const DOCUMENTED: readonly Row[] = [
  ["#basic pull_request", ITS_DEFAULTS, ["pr-2"], undefined, SECOND],
  ["#semver pull_request", ["type=ref,event=branch", "type=ref,event=pr", ...SEMVER], ["pr-2"], undefined, SECOND],
  ["#typeref pull_request refs/pull/2/merge", ["type=ref,event=pr"], ["pr-2"], undefined, SECOND],
  ["#typeref every attribute", ["type=ref,enable=true,priority=600,prefix=pr-,suffix=,event=pr"], ["pr-15"]],
  ["#branch of a pull request", ["type=raw,value=x{{branch}}"], ["x"]],
  ["#tag of a pull request", ["type=raw,value=x{{tag}}"], ["x"]],
  ["#base_ref of a pull request", ["type=raw,value={{base_ref}}"], ["master"]],
  ["#latest-tag, none of pull requests by auto", ["type=ref,event=pr", "type=raw,value=x"], ["pr-15", "x"]],
];

const TESTED: readonly Row[] = [
  ["pr01, pr02", ITS_DEFAULTS, ["pr-15"]],
  ["pr-head-sha pr03", ["type=ref,event=pr", "type=sha"], ["pr-15", "sha-3370e22"]],
  ["pr-head-sha pr04, pr07", ["type=sha,priority=2000", "type=ref,event=pr"], ["sha-3370e22", "pr-15"]],
  ["pr05", ["type=ref,event=pr"], ["pr-15-bal"], ["prefix=glo-", "suffix=-bal"]],
  ["pr06, pr08", ["type=ref,event=pr,prefix="], ["15-bal"], ["prefix=glo-", "suffix=-bal"]],
  [
    "pr-head-sha pr09",
    ["type=ref,event=tag", "type=ref,event=pr", "type=ref,event=branch", "type=sha", "type=sha,format=long"],
    ["pr-15", "sha-3370e22", "sha-3370e228f2209994d57af4427fe64e71bb79ac96"],
  ],
  [
    "pr10, pr11",
    ["type=raw,value=mytag-{{base_ref}}", "type=raw,mytag-defbranch,enable={{is_default_branch}}"],
    ["mytag-master"],
  ],
];

/** Where its README says nothing of pull requests. */
const DONE: readonly Row[] = [
  ["src procSemver, procMatch: without a value they are for tags", [...SEMVER, "type=match,pattern=\\d+"], []],
  [
    "src procSemver: a value counts whatever the event, latest by auto with it",
    ["type=semver,pattern={{version}},value=v1.2.3"],
    ["1.2.3", "latest"],
  ],
  ["src procMatch: so does one here", ["type=match,pattern=v(.*),group=1,value=v1.2.3"], ["1.2.3", "latest"]],
  [
    "src procEdge: the branches it is merged into and comes from are none",
    ["type=edge", "type=edge,branch=test-pr"],
    [],
  ],
  [
    "src is_default_branch: also where it is merged into that",
    ["type=raw,value={{is_default_branch}}-{{is_not_default_branch}}"],
    ["false-true"],
  ],
  ["src getVersion: enable by is_not_default_branch", ["type=raw,x,enable={{is_not_default_branch}}"], ["x"]],
  ["src setGlobalExp: sha is the short one", ["type=raw,value={{sha}}"], ["3370e22"]],
  ["src procRefPr: latest=true holds for pull requests", ["type=ref,event=pr"], ["pr-15", "latest"], ["latest=true"]],
  [
    "src procSemver: latest=false holds for a value",
    ["type=semver,pattern={{version}},value=v1.2.3"],
    ["1.2.3"],
    ["latest=false"],
  ],
  [
    "src getVersion: the first tag decides of latest",
    ["type=ref,event=pr,priority=2000", "type=semver,pattern={{version}},value=v1.2.3"],
    ["pr-15", "1.2.3"],
  ],
  ["src procRaw, date", ["type=raw,value={{date 'YYYYMMDD'}}"], ["20200110"]],
  [
    "src commit_date: of the commit that is built",
    ["type=raw,value={{commit_date 'YYYYMMDD'}}"],
    ["20191231"],
    undefined,
    { ...CHANGE, committedAt: "2019-12-31T20:00:00Z" },
  ],
  [
    "src setValue: an own suffix is in place of the flavor's",
    ["type=ref,event=pr,suffix=-x"],
    ["pr-15-x"],
    ["suffix=-y"],
  ],
];

function check([source, entries, tags, flavor, change]: Row): void {
  const row = { ...(flavor && { flavor }), ...(change && { change }) };
  it(source, () => expect(given(entries, row).tags).toEqual(tags));
}

describe("docker/metadata-action's README on pull requests", () => DOCUMENTED.forEach(check));

describe("docker/metadata-action's own test of pull requests", () => TESTED.forEach(check));

describe("docker/metadata-action's source on pull requests", () => DONE.forEach(check));

describe("beside the action, a pull request", () => {
  it("gives the same tag as a rule that lists none", () => {
    expect(given(["pr-{pr}"]).tags).toEqual(given(["type=ref,event=pr"]).tags);
  });

  it("has its source branch in other words: {branch} is it, {{branch}} is empty as in the action", () => {
    expect(given(["{branch}", "type=raw,value=x{{branch}}"]).tags).toEqual(["test-pr", "x"]);
  });

  it("moves no tag by version", () => {
    expect(given(["type=ref,event=pr", "type=sha", "type=raw,x"], { names: ["v2.0.0"] }).versions).toEqual(new Map());
  });

  it("of a branch called latest gives no latest", () => {
    const change = pull({ number: 15, target: "latest" });
    const { tags, dropped } = given(["type=raw,value={{base_ref}}"], { change });
    expect([tags, dropped.map(({ reason }) => reason)]).toEqual([[], ["invalid-tag"]]);
  });
});
