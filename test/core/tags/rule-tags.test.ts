import { describe, expect, it } from "@jest/globals";
import type { RefChange } from "../../../src/core/model.ts";
import type { RuleConfig } from "../../../src/core/repo-config/config.ts";
import { judgeRule } from "../../../src/core/rules.ts";
import { isMoving } from "../../../src/core/tags/native.ts";
import { type RuleTags, ruleTags, templatesOf } from "../../../src/core/tags/rule-tags.ts";
import { createHistory } from "../../../src/core/tags/semver.ts";
import { branch, image, rule, tag } from "../samples.ts";

/** What a rule gives for a change, beside other rules of its image and with these tags in the repository. */
function tagsOf(
  one: RuleConfig,
  change: RefChange,
  { names = [], others = [] }: { names?: readonly string[] | null; others?: readonly RuleConfig[] } = {},
): RuleTags {
  const match = judgeRule(one, change);
  if (!match.matches) throw new Error(match.why);
  return ruleTags(match, {
    image: image("api", [one, ...others]),
    change,
    defaultBranch: "main",
    history: createHistory(names),
    now: "2026-11-20T10:00:00Z",
  });
}

const any = (...tags: string[]) => rule({ semver: "*" }, tags);
const older = (template: string, why: string) => {
  return { template, reason: "older-than-published", severity: "info", why };
};
const invalid = (template: string, severity: "warning" | "info", why: string) => {
  return { template, reason: "invalid-tag", severity, why };
};

describe("a tag moves", () => {
  it.each(["latest", "stable", "{major}", "{major}.{minor}", "{major}.{minor}.{patch}", "{date}", "{1}", "{branch}"])(
    "that is written %s",
    (template) => expect(isMoving(template)).toBe(true),
  );

  it.each(["{version}", "v{version}-slim", "{tag}", "{sourceref}", "{sha}", "{sha7}", "{major}-{sha7}"])(
    "unless it is written %s",
    (template) => expect(isMoving(template)).toBe(false),
  );
});

describe("a rule without tags", () => {
  it.each<[string, RuleConfig, RefChange, readonly string[]]>([
    ["gives latest on the default branch", rule({ branch: "**" }, null), branch("main"), ["latest"]],
    ["gives its name on another branch", rule({ branch: "**" }, null), branch("x"), ["{sourceref}"]],
    ["gives its name for a tag, whatever that is", rule({ tag: "**" }, null), tag("main"), ["{sourceref}"]],
    ["gives the version for a version", rule({ semver: "*" }, null), tag("v1.0.0"), ["{version}"]],
    ["gives the number of a pull request", rule({ pull_request: "**" }, null), branch("x"), ["pr-{pr}"]],
    ["gives those it has when it has some, or none", rule({ branch: "**" }, []), branch("main"), []],
  ])("%s", (_, one, change, expected) => {
    expect(templatesOf(one, change, "main")).toEqual(expected);
  });
});

describe("the tags of a rule", () => {
  it("are distinct, in the order of the file, and only moving ones of a version have one to move by", () => {
    expect(tagsOf(any("{version}", "{major}", "latest", "1"), tag("v1.2.0"))).toEqual({
      tags: ["1.2.0", "1", "latest"],
      versions: new Map([
        ["1", "1.2.0"],
        ["latest", "1.2.0"],
      ]),
      dropped: [],
      remarks: [],
    });
  });

  it("of a branch move by nothing, whatever versions there are", () => {
    const one = rule({ branch: "**" }, ["latest", "{sourceref}"]);
    expect(tagsOf(one, branch("main"), { names: ["v9.0.0", "main"], others: [any("latest")] })).toEqual({
      tags: ["latest", "main"],
      versions: new Map(),
      dropped: [],
      remarks: [],
    });
  });

  it("of a tag rule move by nothing, even where the tag is a version", () => {
    const one = rule({ tag: "**" }, ["latest"]);
    expect(tagsOf(one, tag("v1.0.0"), { names: ["v2.0.0", "1.0.0"], others: [any("latest")] })).toEqual({
      tags: ["latest"],
      versions: new Map(),
      dropped: [],
      remarks: [],
    });
    expect(tagsOf(one, tag("v1.0.0"), { names: null }).remarks).toEqual([]);
  });

  it("that are nothing are dropped with a warning, and the others are kept", () => {
    const { tags, dropped } = tagsOf(rule({ branch: "**" }, ["{tag}", "latest"]), branch("main"));
    expect([tags, dropped]).toEqual([["latest"], [invalid("{tag}", "warning", "{tag} is empty here")]]);
  });

  it("that had to be made legal are told", () => {
    const { tags, remarks } = tagsOf(rule({ branch: "**" }, null), branch("feature/x"));
    expect(tags).toEqual(["feature-x"]);
    expect(remarks).toEqual([{ severity: "info", message: "feature/x is published as feature-x" }]);
  });
});

describe("a moving tag of a version", () => {
  it("stays with the newer one in its line, and says with which", () => {
    const { tags, versions, dropped } = tagsOf(
      any("{version}", "latest", "{major}", "{major}.{minor}"),
      tag("v1.8.5"),
      {
        names: ["v2.0.1", "v1.9.0", "v1.8.4"],
      },
    );
    expect(tags).toEqual(["1.8.5", "1.8"]);
    expect(versions).toEqual(new Map([["1.8", "1.8.5"]]));
    expect(dropped).toEqual([
      older("latest", "latest stays with 2.0.1, which is newer"),
      older("{major}", "1 stays with 1.9.0, which is newer"),
    ]);
  });

  it("is compared by the parts it is written with", () => {
    const dropped = (template: string, name: string) =>
      tagsOf(any(template), tag("v1.2.3"), { names: [name] }).dropped.length;
    expect(dropped("x{minor}", "v2.2.0")).toBe(1);
    expect(dropped("x{minor}", "v2.3.0")).toBe(0);
    expect(dropped("x{patch}", "v2.3.3")).toBe(1);
    expect(dropped("x{patch}", "v2.3.4")).toBe(0);
    expect(dropped("x{major}", "v1.9.0")).toBe(1);
    expect(dropped("x{major}", "v2.0.0")).toBe(0);
  });

  it("is compared in the ranges of all rules that publish it, and in no others", () => {
    const one = rule({ semver: "1.x" }, ["latest"]);
    const dropped = (...others: RuleConfig[]) => tagsOf(one, tag("v1.0.0"), { names: ["v2.0.0"], others }).dropped;
    expect(dropped()).toEqual([]);
    expect(dropped(rule({ semver: "2.x" }, ["latest"]))).toEqual([
      older("latest", "latest stays with 2.0.0, which is newer"),
    ]);
    expect(dropped(rule({ semver: "2.x" }, ["stable"]))).toEqual([]);
    expect(dropped(rule({ semver: "2.x" }, null))).toEqual([]);
    expect(dropped(rule({ semver: "2.x", prefix: "api/v" }, ["latest"]))).toEqual([]);
    expect(dropped(rule({ tag: "**" }, ["latest"]))).toEqual([]);
  });

  it("does not come of a pre-release, whose whole version does", () => {
    const { tags, versions, dropped } = tagsOf(any("latest", "{version}"), tag("v2.0.0-rc.1"));
    const why = "2.0.0-rc.1 is a pre-release, which publishes only tags that carry its whole version";
    expect([tags, versions, dropped]).toEqual([["2.0.0-rc.1"], new Map(), [invalid("latest", "info", why)]]);
  });

  it("is never 0, but may be 0.1", () => {
    const { tags, dropped } = tagsOf(any("{major}", "{major}.{minor}"), tag("v0.1.0"));
    const why = "versions 0.x promise nothing to each other, so there is no tag 0";
    expect([tags, dropped]).toEqual([["0.1"], [invalid("{major}", "info", why)]]);
  });
});

describe("what is remarked of versions", () => {
  it("is that the others are not known, where a tag moves", () => {
    const message = "the repository's other tags are not known: v1.0.0 is taken as its only version";
    const unknown = [{ severity: "warning", message }];
    expect(tagsOf(any("latest", "{version}"), tag("v1.0.0"), { names: null }).remarks).toEqual(unknown);
    expect(tagsOf(any("{version}"), tag("v1.0.0"), { names: null }).remarks).toEqual([]);
    expect(tagsOf(any("latest"), tag("v1.0.0"), { names: [] }).remarks).toEqual([]);
  });

  it("is that two names are one version", () => {
    const message = "tags v1.0.0 and 1.0.0 are the same version and share image tags";
    const { remarks } = tagsOf(any("{version}"), tag("v1.0.0"), { names: ["v1.0.0", "1.0.0"] });
    expect(remarks).toEqual([{ severity: "warning", message }]);
  });
});
