import { describe, expect, it } from "@jest/globals";
import type { BuildPlan, RefChange } from "../../src/core/model.ts";
import { planBuilds } from "../../src/core/plan.ts";
import type { ConfigFact } from "../../src/core/repo-config/config.ts";
import { parseRepoConfig } from "../../src/core/repo-config/parse.ts";
import type { ImageOwner } from "../../src/core/trust.ts";
import { branch, planFacts, repository, sha, tag } from "./samples.ts";

/** The file on main of most tests here. */
const MAIN = `
version: 1
images:
  - name: api
    rules:
      - { branch: main, tags: [latest] }
      - { branch: 'feature/**' }
      - { branch: '/^release\\/(?P<line>[0-9.]+)$/', tags: ["{line}-edge"] }
      - { branch: tested, push: false, tags: [tested] }
      - { semver: ">=1.0.0", tags: ["{version}", "{major}", latest] }
`;

function fact(yaml: string): ConfigFact {
  return { kind: "read", parsed: parseRepoConfig(yaml, { repositoryName: "api" }) };
}

interface Given {
  /** Images of the pushed commit's file, as YAML. */
  readonly pushed: string;
  readonly main?: ConfigFact;
  readonly tags?: readonly string[];
  readonly defaultBranch?: string | null;
  readonly owners?: Readonly<Record<string, ImageOwner>>;
}

function planOf(change: RefChange, { pushed, main = fact(MAIN), ...given }: Given): BuildPlan {
  const file = {
    change,
    config: fact(`version: 1\nimages:\n${pushed}`),
    defaultBranchConfig: main,
    changedPaths: null,
    tags: given.tags ?? null,
  };
  const { defaultBranch = "main", owners = {} } = given;
  return planBuilds(
    planFacts([file], {
      repository: { ...repository, defaultBranch },
      imageOwners: new Map(Object.entries(owners)),
    }),
  );
}

/** `api=latest,1.0` for requests, `api:no-match` for skips. */
function digestOf({ requests, skips }: BuildPlan): string[] {
  return [
    ...requests.map(({ image, tags }) => `${image}=${tags.join(",")}`),
    ...skips.map(({ image, reason }) => `${image}:${reason}`),
  ];
}

/** An image whose one rule gives these tags to everything that is pushed. */
function giving(tags: string, name = "api", kind = "branch"): string {
  return `  - { name: ${name}, rules: [{ ${kind}: '**', tags: ${tags} }] }\n`;
}

describe("which tags a ref may publish", () => {
  const feature = branch("feature/x");

  it.each<[string, RefChange, string, readonly string[]]>([
    ["a branch that wrote latest into its file", feature, giving("[latest]"), ["api:tag-not-granted"]],
    ["one that keeps what it may", feature, giving("[latest, feature-x]"), ["api=feature-x", "api:tag-not-granted"]],
    ["what main's file gives by default", feature, giving('["{sourceref}"]'), ["api=feature-x"]],
    [
      "the same tag written in another way",
      feature,
      giving('["feature-{sha7}", feature-x]'),
      ["api=feature-x", "api:tag-not-granted"],
    ],
    ["the tag of another branch that the rule is also for", feature, giving("[feature-y]"), ["api:tag-not-granted"]],
    ["its own hash, which no rule on main gives", feature, giving('["{sha7}"]'), ["api:tag-not-granted"]],
    ["a tag in other letters", feature, giving("[Feature-x]"), ["api:tag-not-granted"]],
    [
      "a branch whose name only looks the same once it is legal",
      branch("feature-x"),
      giving('["{sourceref}"]'),
      ["api:tag-not-granted"],
    ],
    ["what a pattern on main captures", branch("release/1.2"), giving("[1.2-edge]"), ["api=1.2-edge"]],
    ["what it would capture elsewhere", branch("release/1.2"), giving("[1.3-edge]"), ["api:tag-not-granted"]],
    [
      "a pattern of its own that captures what it likes",
      branch("release/1.2-latest"),
      giving("[latest]"),
      ["api:tag-not-granted"],
    ],
    ["a branch main's file only tests", branch("tested"), giving("[tested]"), ["api:tag-not-granted"]],
    ["a branch no rule on main is for", branch("docs"), giving('["{sourceref}"]'), ["api:tag-not-granted"]],
    ["an image main's file does not have", feature, giving("[feature-x]", "web"), ["web:tag-not-granted"]],
    ["the default branch itself, whatever it says", branch("main"), giving("[latest, new]"), ["api=latest,new"]],
    [
      "a tag that is called like the default branch",
      tag("main"),
      giving("[latest]", "api", "tag"),
      ["api:tag-not-granted"],
    ],
    ["a version tag", tag("v1.2.0"), giving('["1.2.0", "1", latest]', "api", "tag"), ["api=1.2.0,1,latest"]],
    ["a tag that is no version", tag("nightly"), giving("[latest]", "api", "tag"), ["api:tag-not-granted"]],
    ["a version out of main's range", tag("v0.9.0"), giving("[latest]", "api", "tag"), ["api:tag-not-granted"]],
    [
      "a pre-release that wants latest",
      tag("v2.0.0-rc.1"),
      giving("[latest, 2.0.0-rc.1]", "api", "tag"),
      ["api=2.0.0-rc.1", "api:tag-not-granted"],
    ],
    ["another version's tag", tag("v1.2.0"), giving("[2.0.0]", "api", "tag"), ["api:tag-not-granted"]],
    [
      "a test of anything",
      feature,
      "  - { name: web, rules: [{ branch: '**', push: false, tags: [latest] }] }\n",
      ["web=latest"],
    ],
  ])("%s", (_, change, pushed, expected) => {
    expect(digestOf(planOf(change, { pushed, tags: [change.name] }))).toEqual(expected);
  });

  it("counts the rules of every entry of the image, on both sides", () => {
    const main = fact(
      `version: 1\nimages:\n${giving("[a]")}  - { name: api, target: b, rules: [{ branch: '**', tags: [b] }] }\n`,
    );
    const pushed = `${giving("[b]")}  - { name: api, target: b, rules: [{ branch: '**', tags: [a, c] }] }\n`;
    expect(digestOf(planOf(branch("x"), { pushed, main }))).toEqual(["api=b", "api=a", "api:tag-not-granted"]);
  });

  it("takes what a branch may not publish away before tags are given to one of two builds", () => {
    const main = fact(`version: 1\nimages:\n${giving("[ok]")}`);
    const pushed = `${giving("[latest]")}  - { name: api, target: b, rules: [{ branch: 'x*', tags: [latest, ok] }] }\n`;
    const plan = planOf(branch("x"), { pushed, main });
    expect(digestOf(plan)).toEqual(["api=ok", "api:tag-not-granted", "api:tag-not-granted"]);
  });

  it("does not let an older version have what main's file keeps for the newer", () => {
    const pushed = giving("[latest, 1.9.1]", "api", "tag");
    expect(digestOf(planOf(tag("v1.9.1"), { pushed, tags: ["v2.0.0"] }))).toEqual(["api=1.9.1", "api:tag-not-granted"]);
  });
});

describe("the version a tag moves by", () => {
  it("is what main's file computes it from, even where the pushed file leaves it out", () => {
    const { requests } = planOf(tag("v1.2.0+7"), { pushed: giving('[latest, "1", 1.2.0-7]', "api", "tag"), tags: [] });
    expect(requests[0]?.versions).toEqual({ latest: "1.2.0+7", "1": "1.2.0+7" });
  });

  it("is none where main's file lets the tag follow pushes too, in any order", () => {
    const pushed = '  - { name: api, rules: [{ semver: "*", tags: [latest, stable] }] }\n';
    for (const rules of [
      '[{ semver: "*", tags: [latest, stable] }, { tag: "**", tags: [latest] }]',
      '[{ tag: "**", tags: [latest] }, { semver: "*", tags: [latest, stable] }]',
    ]) {
      const main = fact(`version: 1\nimages:\n  - { name: api, rules: ${rules} }\n`);
      expect(planOf(tag("v1.2.0"), { pushed, main, tags: [] }).requests[0]?.versions).toEqual({ stable: "1.2.0" });
    }
  });

  it("is none where one of two rules of the pushed file lets the tag follow pushes, and no other file grants", () => {
    const moving = '{ semver: "*", tags: ["{major}.{minor}.{patch}"] }';
    const main: ConfigFact = { kind: "missing", hint: null };
    const versions = (...rules: string[]) => {
      const pushed = `  - { name: api, rules: [${rules.join(", ")}] }\n`;
      return planOf(tag("1.2.0"), { pushed, main, tags: [] }).requests[0]?.versions;
    };
    expect(versions(moving)).toEqual({ "1.2.0": "1.2.0" });
    expect(versions(moving, '{ tag: "**" }')).toBeUndefined();
    expect(versions('{ tag: "**" }', moving)).toBeUndefined();
  });

  it("goes with a tag that another build gets", () => {
    const rules = '[{ semver: "*", tags: [latest] }, { semver: ">=1", target: slim, tags: [latest, slim] }]';
    const pushed = `  - { name: api, rules: ${rules} }\n`;
    const { requests } = planOf(tag("v1.2.0"), { pushed, main: fact(`version: 1\nimages:\n${pushed}`), tags: [] });
    expect(requests.map(({ tags, versions }) => ({ tags, versions }))).toEqual([
      { tags: ["latest"], versions: { latest: "1.2.0" } },
      { tags: ["slim"], versions: { slim: "1.2.0" } },
    ]);
  });

  it("is left out where nothing moves, and where nothing is published", () => {
    const fixed = planOf(tag("v1.2.0"), { pushed: giving("[1.2.0]", "api", "tag") });
    expect(fixed.requests[0]).not.toHaveProperty("versions");
    const tested = '  - { name: api, rules: [{ semver: "*", push: false, tags: [latest] }] }\n';
    expect(planOf(tag("v1.2.0"), { pushed: tested, tags: [] }).requests[0]).not.toHaveProperty("versions");
  });

  it("is kept for tags with names that objects have already", () => {
    const tags = '["__proto__", constructor]';
    const main = fact(`version: 1\nimages:\n  - { name: api, rules: [{ semver: "*", tags: ${tags} }] }\n`);
    const { requests } = planOf(tag("v1.2.0"), { pushed: giving(tags, "api", "tag"), main, tags: [] });
    expect(Object.entries(requests[0]?.versions ?? {})).toEqual([
      ["__proto__", "1.2.0"],
      ["constructor", "1.2.0"],
    ]);
  });
});

describe("without a file on the default branch", () => {
  const NONE: ConfigFact = { kind: "missing", hint: null };
  const own = ["feature-x", "b".repeat(40), "bbbbbbb", `sha-${"b".repeat(40)}`, "sha-bbbbbbb", "feature-x-bbbbbbb"];

  it.each(own)("a branch may publish %s, made of its own name and hash", (name) => {
    expect(digestOf(planOf(branch("feature/x"), { pushed: giving(`["${name}"]`), main: NONE }))).toEqual([
      `api=${name}`,
    ]);
  });

  it.each(["latest", "feature", "x", "feature-y", "aaaaaaa", "feature-x-edge", "1.0"])("but not %s", (name) => {
    expect(digestOf(planOf(branch("feature/x"), { pushed: giving(`["${name}"]`), main: NONE }))).toEqual([
      "api:tag-not-granted",
    ]);
  });

  it.each(["latest", "/latest", ".latest"])("latest is nobody's own name: %s", (name) => {
    expect(digestOf(planOf(branch(name), { pushed: giving("[latest]"), main: NONE }))).toEqual(["api:tag-not-granted"]);
  });

  it("a pushed tag may publish its own name", () => {
    const pushed = giving("[v1.0.0, latest]", "api", "tag");
    expect(digestOf(planOf(tag("v1.0.0"), { pushed, main: NONE }))).toEqual(["api=v1.0.0", "api:tag-not-granted"]);
  });

  it("the default branch itself publishes what its file says, the first time too", () => {
    expect(digestOf(planOf(branch("main"), { pushed: giving("[latest]"), main: NONE }))).toEqual(["api=latest"]);
  });

  const BROKEN = fact("version: [");
  it.each<[string, ConfigFact, string | null, RegExp]>([
    ["there is none", NONE, "main", /there is no \.wharfinger\.yml on main.*put the file there first, with a rule for/],
    ["the branch is gone", { kind: "gone" }, "main", /there is no \.wharfinger\.yml on main/],
    ["it is broken", BROKEN, "main", /\.wharfinger\.yml on main has errors and grants nothing.*correct it/],
    ["it can not be read", { kind: "unreadable", why: "it is a folder" }, "main", /can not be read \(it is a folder\)/],
    ["nobody looked", { kind: "not-asked" }, "main", /was not looked for/],
    ["there is no default branch", NONE, null, /no default branch.*make one that has \.wharfinger\.yml/],
    ["a file was found although there is no default branch", fact(MAIN), null, /no default branch/],
  ])("grants nothing more and says why: %s", (_, main, defaultBranch, expected) => {
    const { requests, skips } = planOf(branch("feature/x"), { pushed: giving("[latest]"), main, defaultBranch });
    expect(requests).toEqual([]);
    expect(skips).toEqual([
      expect.objectContaining({ reason: "tag-not-granted", detail: expect.stringMatching(expected) }),
    ]);
  });
});

describe("what is said of a tag that is not granted", () => {
  it("is what to add to which file", () => {
    const { skips } = planOf(branch("docs"), { pushed: giving("[latest, docs]") });
    expect(skips).toEqual([
      {
        ref: "refs/heads/docs",
        sha: sha("b"),
        image: "api",
        rule: "images[0].rules[0]",
        reason: "tag-not-granted",
        detail:
          "not built: branch docs may not publish latest, docs: .wharfinger.yml on main does not grant it; " +
          "add a rule for branch docs that gives latest, docs to the image api there",
      },
    ]);
  });

  it("names an image that is missing there", () => {
    const { skips } = planOf(tag("v1.0.0"), { pushed: giving("[latest]", "web", "tag") });
    expect(skips[0]?.detail).toBe(
      "not built: tag v1.0.0 may not publish latest: .wharfinger.yml on main has no image web; " +
        "add it there, with a rule for tag v1.0.0 that gives latest",
    );
  });

  it("is a warning as well where the other tags are published", () => {
    const { diagnostics, skips } = planOf(branch("feature/x"), { pushed: giving("[latest, feature-x]") });
    const why = skips[0]?.detail.replace("not published: ", "") ?? "";
    expect(why).toMatch(/^branch feature\/x may not publish latest: /);
    const warnings = diagnostics.filter(({ severity }) => severity === "warning");
    expect(warnings).toEqual([{ severity: "warning", line: 1, column: 1, message: `api: ${why}` }]);
  });

  it("names some tags that may be published, the short ones", () => {
    const { skips } = planOf(branch("feature/x"), { pushed: giving("[latest]"), main: { kind: "gone" } });
    expect(skips[0]?.detail).toContain("may be published (feature-x, bbbbbbb, sha-bbbbbbb); ");
  });

  it("stays short for many tags", () => {
    const tags = Array.from({ length: 50 }, (_, i) => `t${i}`);
    const { skips } = planOf(branch("docs"), { pushed: giving(`[${tags.join(", ")}]`) });
    expect(skips[0]?.detail).toContain("publish t0, t1, t2, t3, t4, t5, t6, t7, t8, t9 and 40 more: ");
  });
});

describe("whose image it is", () => {
  const OTHER: ImageOwner = { other: "acme/secret" };

  it.each<[ImageOwner, readonly string[]]>([
    ["free", ["api=latest"]],
    ["own", ["api=latest"]],
    ["shared", ["api=latest"]],
    ["pushed", ["api:image-not-owned"]],
    [OTHER, ["api:image-not-owned"]],
  ])("%j", (owner, expected) => {
    expect(digestOf(planOf(branch("main"), { pushed: giving("[latest]"), owners: { api: owner } }))).toEqual(expected);
  });

  it("is said with what to do, and without the other's name", () => {
    const { skips } = planOf(branch("main"), { pushed: giving("[latest]"), owners: { api: OTHER } });
    expect(skips[0]?.detail).toBe(
      "not built: the image api belongs to another repository of this installation; " +
        "use another name, or have an owner share it",
    );
    const pushed = planOf(branch("main"), { pushed: giving("[latest]"), owners: { api: "pushed" } });
    expect(pushed.skips[0]?.detail).toBe(
      "not built: the image api is one that people push to with access tokens; " +
        "use another name, or have the operator give it to this repository",
    );
  });

  it("does not matter where nothing is published, or for other images", () => {
    const pushed = `  - { name: api, rules: [{ branch: main, push: false }] }\n${giving("[latest]", "web")}`;
    expect(digestOf(planOf(branch("main"), { pushed, owners: { api: OTHER } }))).toEqual(["api=latest", "web=latest"]);
  });

  it("is nothing the default branch's file can grant", () => {
    const given = { pushed: giving("[feature-x]"), owners: { api: OTHER } };
    expect(digestOf(planOf(branch("feature/x"), given))).toEqual(["api:image-not-owned"]);
  });
});
