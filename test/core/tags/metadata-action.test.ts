/**
 * What docker/metadata-action documents and tests, and what becomes of the same entries here. The sources are of its
 * commit dc802804; `test` names a case of its __tests__/meta.test.ts, where time stands still at 2020-01-10T00:30:00Z.
 */
import { describe, expect, it } from "@jest/globals";
import { parseSha, type RefChange } from "../../../src/core/model.ts";
import { parseRepoConfig } from "../../../src/core/repo-config/parse.ts";
import { judgeRule } from "../../../src/core/rules.ts";
import { type RuleTags, ruleTags } from "../../../src/core/tags/rule-tags.ts";
import { createHistory } from "../../../src/core/tags/semver.ts";
import { branch, tag } from "../samples.ts";

interface Given {
  readonly flavor?: readonly string[];
  /** Tags of the repository. */
  readonly names?: readonly string[] | null;
  readonly rule?: Readonly<Record<string, string>>;
  /** Further rules of the image. */
  readonly others?: readonly object[];
}

/** What one rule with these entries gives, as written in a file. */
function given(
  entries: readonly string[],
  change: RefChange,
  { flavor, names = [], rule, others = [] }: Given = {},
): RuleTags {
  const on = rule ?? (change.kind === "branch" ? { branch: "**" } : { tag: "**" });
  const images = [{ ...(flavor && { flavor }), rules: [{ ...on, tags: entries }, ...others] }];
  const { config, diagnostics } = parseRepoConfig(JSON.stringify({ version: 1, images }), { repositoryName: "app" });
  const [image] = config?.images ?? [];
  const [first] = image?.rules ?? [];
  if (image === undefined || first === undefined) throw new Error(JSON.stringify(diagnostics));
  const match = judgeRule(first, change);
  if (!match.matches) throw new Error(match.why);
  const history = createHistory(names);
  return ruleTags(match, { image, change, defaultBranch: "master", history, now: "2020-01-10T00:30:00Z" });
}

function at<Change extends RefChange>(change: Change, hash: string): Change {
  return { ...change, commit: parseSha(hash) };
}

/** The events its tests are made of. */
const DEV = at(branch("dev"), "860c1904a1ce19322e91ac35af1ab07466440c37");
const MASTER = at(branch("master"), "266574110acf203503badf966df2ea24b5d732d7");
const ODD = at(branch("my/feature#1245"), "983315b5e8d46e46fc4c49869e85e7ee5fb289ba");
const tagged = (name: string): RefChange => at(tag(name), "860c1904a1ce19322e91ac35af1ab07466440c37");

type Row = readonly [
  source: string,
  change: RefChange,
  entries: readonly string[],
  tags: readonly string[],
  flavor?: readonly string[],
];

/** A documented row names one tag; that `latest` comes with it is said elsewhere in the README. */
const NO_LATEST = ["latest=false"];

const DOCUMENTED: readonly Row[] = [
  ["#typesemver v1.2.3 {{raw}}", tagged("v1.2.3"), ["type=semver,pattern={{raw}}"], ["v1.2.3"], NO_LATEST],
  ["#typesemver v1.2.3 {{version}}", tagged("v1.2.3"), ["type=semver,pattern={{version}}"], ["1.2.3"], NO_LATEST],
  [
    "#typesemver v1.2.3 {{major}}.{{minor}}",
    tagged("v1.2.3"),
    ["type=semver,pattern={{major}}.{{minor}}"],
    ["1.2"],
    NO_LATEST,
  ],
  ["#typesemver v1.2.3 v{{major}}", tagged("v1.2.3"), ["type=semver,pattern=v{{major}}"], ["v1"], NO_LATEST],
  ["#typesemver v1.2.3 {{minor}}", tagged("v1.2.3"), ["type=semver,pattern={{minor}}"], ["2"], NO_LATEST],
  ["#typesemver v1.2.3 {{patch}}", tagged("v1.2.3"), ["type=semver,pattern={{patch}}"], ["3"], NO_LATEST],
  [
    "#typesemver p1/v1.2.3 match",
    tagged("p1/v1.2.3"),
    ["type=semver,pattern={{version}},match=v(\\d.\\d.\\d)$"],
    ["1.2.3"],
    NO_LATEST,
  ],
  ["#typesemver v2.0.8-beta.67 {{raw}}", tagged("v2.0.8-beta.67"), ["type=semver,pattern={{raw}}"], ["v2.0.8-beta.67"]],
  [
    "#typesemver v2.0.8-beta.67 {{version}}",
    tagged("v2.0.8-beta.67"),
    ["type=semver,pattern={{version}}"],
    ["2.0.8-beta.67"],
  ],
  [
    "#typesemver v2.0.8-beta.67 {{major}}",
    tagged("v2.0.8-beta.67"),
    ["type=semver,pattern={{major}}"],
    ["2.0.8-beta.67"],
  ],
  [
    "#typesemver v2.0.8-beta.67 {{major}}.{{minor}}",
    tagged("v2.0.8-beta.67"),
    ["type=semver,pattern={{major}}.{{minor}}"],
    ["2.0.8-beta.67"],
  ],
  ["#typesemver custom value", MASTER, ["type=semver,pattern={{version}},value=v1.0.0"], ["1.0.0", "latest"]],
  [
    "#typesemver custom value and match",
    MASTER,
    ["type=semver,pattern={{version}},value=p1/v1.0.0,match=v(\\d.\\d.\\d)$"],
    ["1.0.0", "latest"],
  ],
  [
    "#typesemver every attribute",
    tagged("v1.2.3"),
    ["type=semver,enable=true,priority=900,prefix=,suffix=,pattern={{version}},value=,match="],
    ["1.2.3", "latest"],
  ],
  ["#typematch v1.2.3 \\d.\\d.\\d", tagged("v1.2.3"), ["type=match,pattern=\\d.\\d.\\d"], ["1.2.3"], NO_LATEST],
  [
    "#typematch v2.0.8-beta.67 v(.*)",
    tagged("v2.0.8-beta.67"),
    ["type=match,pattern=v(.*),group=1"],
    ["2.0.8-beta.67"],
    NO_LATEST,
  ],
  [
    "#typematch v2.0.8-beta.67 v(\\d.\\d)",
    tagged("v2.0.8-beta.67"),
    ["type=match,pattern=v(\\d.\\d),group=1"],
    ["2.0"],
    NO_LATEST,
  ],
  ["#typematch 20200110-RC2 \\d+", tagged("20200110-RC2"), ["type=match,pattern=\\d+"], ["20200110"], NO_LATEST],
  ["#typematch p1/v1.2.3", tagged("p1/v1.2.3"), ["type=match,pattern=p1/v(\\d.\\d.\\d),group=1"], ["1.2.3"], NO_LATEST],
  ["#typematch custom value", MASTER, ["type=match,pattern=v(.*),group=1,value=v1.0.0"], ["1.0.0", "latest"]],
  ["#typeedge", MASTER, ["type=edge"], ["edge"]],
  ["#typeedge on another branch", DEV, ["type=edge"], []],
  ["#typeedge branch=main", branch("main"), ["type=edge,branch=main"], ["edge"]],
  ["#typeref pull_request: parsed, never of a push", MASTER, ["type=ref,event=pr"], []],
  ["#typeref push refs/heads/master", MASTER, ["type=ref,event=branch"], ["master"]],
  ["#typeref push refs/heads/my/branch", branch("my/branch"), ["type=ref,event=branch"], ["my-branch"]],
  ["#typeref push tag v1.2.3", tagged("v1.2.3"), ["type=ref,event=tag"], ["v1.2.3", "latest"]],
  ["#typeref push tag v2.0.8-beta.67", tagged("v2.0.8-beta.67"), ["type=ref,event=tag"], ["v2.0.8-beta.67", "latest"]],
  ["#typeraw", DEV, ["type=raw,value=foo", "type=raw,bar"], ["foo", "bar"]],
  ["#typesha", DEV, ["type=sha"], ["sha-860c190"]],
  ["#typesha format=long", DEV, ["type=sha,format=long"], ["sha-860c1904a1ce19322e91ac35af1ab07466440c37"]],
  ["#latest-tag default branch", MASTER, ["type=raw,value=latest,enable={{is_default_branch}}"], ["latest"]],
  ["#latest-tag another branch", DEV, ["type=raw,value=latest,enable={{is_default_branch}}"], []],
  [
    "#global-expressions",
    DEV,
    ["type=sha,prefix={{branch}}-", "type=raw,value=mytag-{{branch}}-{{sha}}"],
    ["mytag-dev-860c190", "dev-860c190"],
  ],
  ["#branch my/branch", branch("my/branch"), ["type=raw,value=x{{branch}}"], ["xmy-branch"]],
  ["#branch of a tag", tagged("v1.2.3"), ["type=raw,value=x{{branch}}"], ["x"]],
  ["#tag of a tag", tagged("v1.2.3"), ["type=raw,value=x{{tag}}"], ["xv1.2.3"]],
  ["#tag of a branch", MASTER, ["type=raw,value=x{{tag}}"], ["x"]],
  ["#base_ref of a branch", MASTER, ["type=raw,value=x{{base_ref}}"], ["x"]],
  ["#base_ref of a tag", { ...tagged("v1.2.3"), baseBranch: "master" }, ["type=raw,value=x{{base_ref}}"], ["xmaster"]],
  ["#is_default_branch", MASTER, ["type=raw,value={{is_default_branch}}-{{is_not_default_branch}}"], ["true-false"]],
  ["#is_not_default_branch", DEV, ["type=raw,value={{is_default_branch}}-{{is_not_default_branch}}"], ["false-true"]],
  ["#date YYYYMMDD", DEV, ["type=raw,value={{date 'YYYYMMDD'}}"], ["20200110"]],
  [
    "#date in words",
    DEV,
    [`type=raw,"value={{date 'dddd, MMMM Do YYYY, h:mm:ss a'}}"`],
    ["Friday-January-10th-2020-12-30-00-am"],
  ],
  ["#date tz", DEV, ["type=raw,value={{date 'YYYYMMDD-HHmmss' tz='Asia/Tokyo'}}"], ["20200110-093000"]],
  ["#commit_date where it is not known", DEV, ["type=raw,value={{commit_date 'YYYYMMDD'}}"], ["20200110"]],
  [
    "#commit_date",
    { ...DEV, committedAt: "2019-12-31T20:00:00-05:00" },
    ["type=raw,value={{commit_date 'YYYYMMDD-HHmmss' tz='Asia/Tokyo'}}"],
    ["20200101-100000"],
  ],
  [
    "#major-version-zero, where the third is left out",
    tagged("v0.1.2"),
    ["type=semver,pattern={{version}}", "type=semver,pattern={{major}}.{{minor}}", "type=semver,pattern={{major}}"],
    ["0.1.2", "0.1", "latest"],
  ],
  [
    "#priority-attribute",
    tagged("v1.2.3"),
    ["type=sha", "type=raw,foo", "type=ref,event=tag", "type=match,pattern=\\d.\\d", "type=semver,pattern={{version}}"],
    ["1.2.3", "1.2", "v1.2.3", "foo", "sha-860c190", "latest"],
  ],
];

const TESTED: readonly Row[] = [
  ["push07", DEV, ["type=ref,event=branch", "type=sha"], ["dev", "sha-860c190"]],
  ["push08", MASTER, ["type=edge", "type=sha"], ["edge", "sha-2665741"]],
  ["push09", DEV, ["type=edge,branch=dev", "type=sha"], ["edge", "sha-860c190"]],
  ["push10", MASTER, ["type=edge,branch=dev", "type=sha"], ["sha-2665741"]],
  ["push11", ODD, ["type=edge", "type=sha"], ["sha-983315b"]],
  ["push12", ODD, ["type=semver,pattern={{version}}", "type=edge"], []],
  ["push13", MASTER, ["type=ref,priority=2000,event=branch", "type=edge"], ["master", "edge"]],
  ["push14", MASTER, ["type=semver,pattern={{version}},value=v1.2.3", "type=edge"], ["1.2.3", "edge", "latest"]],
  ["push15", MASTER, ["type=match,pattern=v(.*),group=1,value=v1.2.3", "type=edge"], ["1.2.3", "edge", "latest"]],
  ["push16", MASTER, ["type=match,enable=false,pattern=v(.*),group=1,value=v1.2.3", "type=edge"], ["edge"]],
  [
    "push17",
    MASTER,
    [
      "type=raw,value=mytag-{{branch}}",
      "type=raw,value=mytag-{{date 'YYYYMMDD'}}",
      "type=raw,value=mytag-cd-{{commit_date 'YYYYMMDD'}}",
      "type=raw,value=mytag-{{date 'YYYYMMDD-HHmmss' tz='Asia/Tokyo'}}",
      "type=raw,value=mytag-tag-{{tag}}",
      "type=raw,value=mytag-baseref-{{base_ref}}",
      "type=raw,value=mytag-defbranch,enable={{is_default_branch}}",
    ],
    [
      "mytag-master",
      "mytag-20200110",
      "mytag-cd-20200110",
      "mytag-20200110-093000",
      "mytag-tag-",
      "mytag-baseref-",
      "mytag-defbranch",
    ],
  ],
  [
    "push18",
    DEV,
    ["type=ref,event=branch", "type=sha,format=long"],
    ["dev", "sha-860c1904a1ce19322e91ac35af1ab07466440c37"],
  ],
  [
    "push19",
    DEV,
    [
      "type=edge,branch=master",
      "type=ref,event=branch,enable=false",
      "type=sha,format=long",
      "type=raw,value=defbranch,enable={{is_default_branch}}",
    ],
    ["sha-860c1904a1ce19322e91ac35af1ab07466440c37"],
  ],
  [
    "push22",
    DEV,
    ["type=edge,branch=master", "type=sha,format=long", "type=raw,value=notdefbranch,enable={{is_not_default_branch}}"],
    ["notdefbranch", "sha-860c1904a1ce19322e91ac35af1ab07466440c37"],
  ],
  ["tag03", tagged("20200110-RC2"), ["type=match,pattern=\\d{8}"], ["20200110"], NO_LATEST],
  ["tag04", tagged("20200110-RC2"), ["type=match,pattern=(.*)-RC,group=1"], ["20200110"], NO_LATEST],
  ["tag05", tagged("v1.1.1"), ['type=match,"pattern=\\d.\\d.\\d"'], ["1.1.1", "latest"]],
  ["tag06", tagged("v1.1.1"), ['type=match,"pattern=^v(\\d.\\d.\\d)$",group=1'], ["1.1.1", "latest"]],
  [
    "tag07",
    tagged("v2.0.8-beta.67"),
    ['type=match,"pattern=\\d.\\d.\\d-(alpha|beta).\\d+"'],
    ["2.0.8-beta.67", "latest"],
  ],
  ["tag08", tagged("v2.0.8-beta.67"), ['type=match,"pattern=\\d.\\d"'], ["2.0", "latest"]],
  [
    "tag09",
    tagged("v2.0.8-beta.67"),
    ['type=match,"pattern=v(.*)-beta.(.*)",group=1', 'type=match,"pattern=v(.*)-beta.(.*)",group=2'],
    ["2.0.8", "67", "latest"],
  ],
  ["tag10", tagged("sometag"), ['type=match,"pattern=\\d.\\d"'], []],
  [
    "tag11",
    tagged("v1.1.1"),
    ["type=semver,pattern={{version}}", "type=semver,pattern={{major}}.{{minor}}", "type=semver,pattern={{major}}"],
    ["1.1.1", "1.1", "1", "latest"],
  ],
  [
    "tag12",
    tagged("v1.1.1"),
    ["type=semver,pattern={{version}}", "type=semver,pattern={{major}}.{{minor}}.{{patch}}"],
    ["1.1.1", "latest"],
  ],
  [
    "tag13",
    tagged("v2.0.8-beta.67"),
    ["type=semver,pattern={{major}}.{{minor}}", "type=semver,pattern={{major}}"],
    ["2.0.8-beta.67"],
  ],
  [
    "tag14",
    tagged("sometag"),
    ["type=ref,event=tag", "type=semver,pattern={{version}}", "type=semver,pattern={{major}}"],
    ["sometag"],
    NO_LATEST,
  ],
  [
    "tag15",
    tagged("v2.0.8-beta.67"),
    ["type=raw,priority=2000,foo", "type=semver,pattern={{version}}", 'type=match,"pattern=\\d.\\d"'],
    ["foo", "2.0.8-beta.67", "2.0"],
  ],
  ["tag16", tagged("v1.1.1"), ["type=raw,priority=2000,foo", "type=ref,event=tag", "type=edge"], ["foo", "v1.1.1"]],
  [
    "tag17",
    tagged("p1/v1.0.0"),
    [
      'type=match,"pattern=/^v(\\d.\\d.\\d)$/ig",group=1',
      "type=match,pattern=\\d.\\d.\\d",
      "type=match,pattern=\\d.\\d",
      "type=ref,event=pr",
      "type=sha",
    ],
    ["1.0.0", "1.0", "sha-860c190", "latest"],
  ],
  [
    "tag18",
    tagged("p1/v1.0.0"),
    [
      "type=match,pattern=p1/v(\\d.\\d.\\d),group=1",
      "type=match,pattern=p1/v(\\d.\\d),group=1",
      "type=match,pattern=p1/v(\\d.\\d),group=3",
      "type=ref,event=pr",
      "type=sha",
    ],
    ["1.0.0", "1.0", "sha-860c190", "latest"],
  ],
  [
    "tag19",
    tagged("p1/v1.0.0"),
    [
      "type=match,pattern=p1/v(\\d.\\d.\\d),group=1",
      "type=match,pattern=p1/v(\\d.\\d),group=1,suffix=",
      "type=ref,event=pr",
      "type=sha",
    ],
    ["1.0.0-dev", "1.0", "sha-860c190-dev", "latest"],
    ["suffix=-dev"],
  ],
  [
    "tag20",
    { ...tagged("v1.1.1"), baseBranch: "master" },
    [
      "type=raw,{{tag}}-{{sha}}-foo",
      "type=raw,{{base_ref}}-foo",
      "type=raw,defbranch-foo,enable={{is_default_branch}}",
    ],
    ["v1.1.1-860c190-foo", "master-foo"],
  ],
  [
    "tag21",
    tagged("v1.1.1"),
    ["type=semver,pattern={{version}}", "type=semver,pattern={{major}}.{{minor}}.{{patch}}"],
    ["1.1.1-dev", "latest-dev"],
    ["suffix=-dev,onlatest=true"],
  ],
  [
    "tag22",
    tagged("v1.1.1"),
    ["type=semver,pattern={{version}}", "type=semver,pattern={{major}}.{{minor}}.{{patch}}"],
    ["foo-1.1.1-dev", "foo-latest-dev"],
    ["prefix=foo-,onlatest=true", "suffix=-dev,onlatest=true"],
  ],
  ["tag31", tagged("v2.0.8-beta.67"), ["type=semver,pattern={{raw}}"], ["v2.0.8-beta.67"]],
  ["tag34", tagged("p1/v1.0.0"), ['type=semver,pattern={{version}},"match=v(\\d.\\d.\\d)$"'], ["1.0.0", "latest"]],
  [
    "push35",
    MASTER,
    ['type=semver,pattern={{version}},value=p1/v1.2.3,"match=v(\\d.\\d.\\d)$"', "type=edge"],
    ["1.2.3", "edge", "latest"],
  ],
  ["latest01", tagged("release1"), ['type=match,"pattern=^release\\d{1,2}"'], ["release1", "latest"]],
  ["latest02", tagged("20200110-RC2"), ['type=match,"pattern=^\\d+-RC\\d{1,2}"'], ["20200110-RC2", "latest"]],
  ["latest07", tagged("v1.1.1"), ["type=ref,event=tag"], ["v1.1.1"], NO_LATEST],
  [
    "raw01",
    DEV,
    ["type=ref,event=branch", "type=raw,my", "type=raw,custom", "type=raw,tags"],
    ["dev", "my", "custom", "tags"],
  ],
  [
    "raw05",
    tagged("v1.1.1"),
    [
      "type=semver,pattern={{version}}",
      "type=semver,pattern={{major}}.{{minor}}",
      "type=semver,pattern={{major}}",
      "type=raw,my",
      "type=raw,custom",
      "type=raw,tags",
    ],
    ["1.1.1", "1.1", "1", "my", "custom", "tags", "latest"],
  ],
];

function check([source, change, entries, tags, flavor]: Row): void {
  it(source, () => expect(given(entries, change, flavor && { flavor }).tags).toEqual(tags));
}

describe("docker/metadata-action's README", () => DOCUMENTED.forEach(check));

describe("docker/metadata-action's own test", () => TESTED.forEach(check));

describe("entries that move by version", () => {
  const lines = [
    "type=semver,pattern={{version}}",
    "type=semver,pattern={{major}}.{{minor}}",
    "type=semver,pattern={{major}}",
  ];

  it("never go backwards, latest by auto included, and say with which version a tag stays", () => {
    const { tags, versions, dropped } = given(lines, tagged("v1.8.5"), {
      names: ["v2.0.1", "v1.9.0", "v1.8.4", "v1.8.5"],
    });
    expect([tags, versions]).toEqual([["1.8.5", "1.8"], new Map([["1.8", "1.8.5"]])]);
    const older = (template: string, why: string) => {
      return { template, reason: "older-than-published", severity: "warning", why };
    };
    expect(dropped).toEqual([
      older("type=semver,pattern={{major}}", "1 stays with 1.9.0, which is newer"),
      older("flavor latest=auto", "latest stays with 2.0.1, which is newer"),
    ]);
  });

  it("move forward with the version they move to", () => {
    const { tags, versions, dropped } = given(lines, tagged("v2.1.0"), { names: ["v2.0.1", "v1.9.0"] });
    expect([tags, dropped]).toEqual([["2.1.0", "2.1", "2", "latest"], []]);
    expect([...versions]).toEqual([
      ["2.1", "2.1.0"],
      ["2", "2.1.0"],
      ["latest", "2.1.0"],
    ]);
  });

  it.each<[string, readonly string[], string, readonly string[], readonly string[]]>([
    ["a tag's name that is a version", ["type=ref,event=tag"], "v1.0.0", ["v2.0.0"], ["v1.0.0"]],
    [
      "a match, whose tag and latest stay",
      ["type=match,pattern=v(\\d),group=1", "type=sha"],
      "v1.0.0",
      ["v1.1.0"],
      ["sha-860c190"],
    ],
    ["a match after a folder", ["type=match,pattern=api/v(.*),group=1"], "api/v1.0.0", ["api/v2.0.0"], ["1.0.0"]],
    [
      "a version after a folder",
      ["type=semver,pattern={{version}},match=api/v(.*)"],
      "api/v1.0.0",
      ["api/v2.0.0"],
      ["1.0.0"],
    ],
    [
      "no version of another folder",
      ["type=semver,pattern={{version}},match=^api/v(.*)"],
      "api/v1.0.0",
      ["web/v2.0.0"],
      ["1.0.0", "latest"],
    ],
    ["a raw text", ["type=raw,stable"], "v1.0.0", ["v2.0.0"], []],
    [
      "no pre-release, which has no latest",
      ["type=semver,pattern={{version}}"],
      "v1.0.0",
      ["v2.0.0-rc.1"],
      ["1.0.0", "latest"],
    ],
    [
      "a tag that is no version follows pushes",
      ["type=raw,stable", "type=ref,event=tag"],
      "release1",
      ["v2.0.0"],
      ["release1", "stable", "latest"],
    ],
  ])("are compared with %s", (_, entries, name, names, tags) => {
    expect(given(entries, tagged(name), { names }).tags).toEqual(tags);
  });

  it("are compared only with tags that a publishing rule gives the same tag", () => {
    const rule = { tag: "v1.*" };
    const names = ["v2.0.0"];
    const latest = (...others: object[]) =>
      given(lines, tagged("v1.0.0"), { names, rule, others }).tags.includes("latest");
    expect(latest()).toBe(true);
    expect(latest({ tag: "v2.*", tags: ["type=ref,event=tag"] })).toBe(false);
    expect(latest({ semver: "2.x", tags: ["latest"] })).toBe(false);
    expect(latest({ semver: "2.x", tags: ["{version}"] })).toBe(true);
    expect(latest({ tag: "v2.*", push: false, tags: ["type=ref,event=tag"] })).toBe(true);
  });

  it("are remarked on where the repository's tags are not known", () => {
    const message = "the repository's other tags are not known: v1.0.0 is taken as its only version";
    expect(given(lines, tagged("v1.0.0"), { names: null }).remarks).toEqual([{ severity: "warning", message }]);
    expect(given(["type=sha"], tagged("v1.0.0"), { names: null }).remarks).toEqual([]);
  });
});

describe("beside the action", () => {
  it("entries follow native ones, whatever their place", () => {
    expect(given(["type=sha", "edge", "type=raw,foo", "{sha7}"], DEV).tags).toEqual([
      "edge",
      "860c190",
      "foo",
      "sha-860c190",
    ]);
  });

  it("latest is never made of a branch's name", () => {
    const { tags, dropped } = given(["type=ref,event=branch", "type=raw,value={{branch}}"], branch("latest"));
    expect([tags, dropped.map(({ reason }) => reason)]).toEqual([[], ["invalid-tag", "invalid-tag"]]);
  });

  it("a tag that begins with what no tag may begin with is made legal, and that is told", () => {
    const { tags, remarks } = given(["type=raw,value={{tag}}-foo"], DEV);
    expect([tags, remarks]).toEqual([["foo"], [{ severity: "info", message: "-foo is published as foo" }]]);
  });
});
