import { describe, expect, it } from "@jest/globals";
import { convertRule } from "../../../src/core/dockerhub/convert.ts";
import type { HubRule } from "../../../src/core/dockerhub/rules.ts";

function hub(rest: Partial<HubRule>): HubRule {
  return {
    place: "line 2",
    image: null,
    kind: "branch",
    source: "main",
    tags: ["latest"],
    dockerfile: "/",
    context: "/",
    autobuild: true,
    caching: true,
    ...rest,
  };
}

function lostOf(rest: Partial<HubRule>): string {
  const { rule, lost, notes } = convertRule(hub(rest));
  expect([rule, notes]).toEqual([null, []]);
  expect(lost).toHaveLength(1);
  return lost[0] ?? "";
}

describe("the source of a rule", () => {
  it.each(["main", "feature/x", "no", "1.10", "#x", "/^v(.*)$/", "日本", "=1+1", "-x", "a'b", "refs/heads/x"])(
    "%j is taken as it is",
    (source) => {
      expect(convertRule(hub({ source }))).toMatchObject({ rule: { pattern: source }, lost: [], notes: [] });
    },
  );

  it.each(["{a,b}", "x{y", "!main", "@(a)", "a}b"])("%j is a name, also where the file would read a glob", (source) => {
    const { rule, notes } = convertRule(hub({ source }));
    expect(rule?.pattern).toMatch(/^\/\^.*\$\/$/);
    expect(notes).toEqual([expect.stringContaining("written as a regular expression")]);
  });

  it.each([
    ["release/*", 'if a glob was meant, write `branch: "release/*"` by hand'],
    ["^v([0-9.]+)$", "only between slashes: `/^v([0-9.]+)$/`"],
    ["\\^v([0-9.]+$)\\", "only between slashes"],
    ["[0-9.]+", "only between slashes: `/[0-9.]+/`"],
    ["my branch", "no branch can be called `my branch`, so Docker Hub built nothing for it"],
    ["a..b", "no branch can be called"],
    ["x.lock", "no branch can be called"],
    [".hidden", "no branch can be called"],
    ["/", "no branch can be called"],
    ["//", "no branch can be called"],
    ["a\tb", "no branch can be called `a b`"],
    ["~", "no branch can be called"],
    ["a: b", "no branch can be called"],
    ["@{", "no branch can be called"],
  ])("%j can not name a branch, and a way out is said", (source, text) => {
    expect(lostOf({ source })).toContain(text);
  });

  it.each([
    ["/^(?!main$).*/", "look-around"],
    ["/(?<=v)1/", "look-around"],
    ["/^(a|b)\\1$/", "back-references"],
    ["/(a/", "not a regular expression in RE2 syntax"],
    ["/a*+/", "not a regular expression in RE2 syntax"],
    ["/\\Z/", "not a regular expression in RE2 syntax"],
    [`/${"a".repeat(600)}/`, "a pattern may have 512 characters"],
    ["/(a{1000}){1000}/", "pattern is too large"],
    ["/a\u0007/", "control characters"],
  ])("%.20j is not run here: that and a way out are said", (source, text) => {
    const message = lostOf({ source });
    expect(message).toContain(text);
    expect(message).toContain('in its place write names or globs by hand, as in `branch: "{a,b}"`');
  });
});

describe("the tags of a rule", () => {
  const source = "/^(?P<major>[0-9]+)\\.([0-9]+)$/";

  it("keep their placeholders, and are listed once", () => {
    const tags = ["{sourceref}", "{\\1}", "v{\\1}.{\\2}", "latest", "1.10", "no", "latest"];
    expect(convertRule(hub({ source, tags }))).toMatchObject({ rule: { tags: tags.slice(0, -1) }, lost: [] });
  });

  it.each([
    ["{\\3}", "the source has 2 groups, so there is no `{\\3}`"],
    ["{1}", "not `{1}`"],
    ["{/1}", "not `{/1}`"],
    ["{\\10}", "not `{\\10}`"],
    ["{date}", "Docker Hub knows `{sourceref}` and `{\\1}` to `{\\9}`, not `{date}`"],
    ["feature/{sourceref}", "not a legal image tag"],
    ["-{sourceref}", "not a legal image tag"],
    ["{sourceref", "not a legal image tag"],
    ["type=sha", "not a legal image tag"],
    ["{{version}}", "not a legal image tag"],
    ["a b", "not a legal image tag"],
    ["x".repeat(129), "not a legal image tag"],
    ["\u202ex", "not a legal image tag"],
  ])("%.20j is left out alone, with the reason", (tag, why) => {
    const { rule, lost } = convertRule(hub({ source, tags: ["latest", tag] }));
    expect(rule?.tags).toEqual(["latest"]);
    expect(lost).toEqual([expect.stringContaining(why)]);
  });

  it("need a group that a name does not have", () => {
    expect(lostOf({ source: "main", tags: ["{\\1}"], dockerfile: "alpine" })).toContain("the source has no group");
  });

  it.each([
    ["/(?P<sourceref>.)x/", "{sourceref}"],
    ["/(?P<1>.)x/", "{\\1}"],
  ])("are left out where a group's name in %j would take the place of %j", (named, tag) => {
    expect(lostOf({ source: named, tags: [tag] })).toMatch(/takes the place of|not a regular expression/);
  });
});

describe("the paths of a rule", () => {
  it.each([
    ["/", "/", ".", "Dockerfile"],
    ["//", "", ".", "Dockerfile"],
    ["./a/../b/", "./x/Dockerfile", "b", "x/Dockerfile"],
    ["/app", "../Dockerfile", "app", "../Dockerfile"],
    ["", "", ".", "Dockerfile"],
    ["", "/a/b/Dockerfile.prod", "a/b", "Dockerfile.prod"],
    ["", "a/", "a", "Dockerfile"],
  ])("context %j with Dockerfile %j is %j with %j", (context, dockerfile, folder, file) => {
    expect(convertRule(hub({ context, dockerfile })).rule).toMatchObject({ context: folder, dockerfile: file });
  });

  it.each([
    [{ context: "../x" }, "Build Context `../x`: the path leads out of the repository"],
    [{ context: "/app", dockerfile: "../../Dockerfile" }, "leads out of the repository"],
    [{ context: "", dockerfile: "../Dockerfile" }, "leads out of the repository"],
    [{ context: "https://example.com" }, "`#` or `:`"],
    [{ dockerfile: "{\\1}/Dockerfile" }, "never a backslash"],
    [{ dockerfile: "a/.." }, "names a folder"],
    [{ dockerfile: "-f" }, "begin with `-`"],
    [{ context: "a\u0000b" }, "control characters"],
  ])("%j is left out", (rest, why) => {
    expect(lostOf(rest)).toContain(why);
  });

  it("are remarked on where something was decided", () => {
    const notes = (rest: Partial<HubRule>) => convertRule(hub(rest)).notes;
    expect(notes({})).toEqual([]);
    expect(notes({ context: "", dockerfile: "/" })).toEqual([]);
    expect(notes({ context: "", dockerfile: "/a/Dockerfile" })).toEqual([expect.stringContaining("folder, `a`")]);
    expect(notes({ dockerfile: "alpine" })).toEqual([expect.stringContaining("if it is a folder, add `/Dockerfile`")]);
    expect(notes({ dockerfile: "prod.txt" })).toEqual([]);
    expect(notes({ context: "/api", dockerfile: "api/Dockerfile" })).toEqual([
      expect.stringContaining("this builds `api/api/Dockerfile`"),
    ]);
  });
});

it("takes caching over", () => {
  expect(convertRule(hub({})).rule?.cache).toBe(true);
  expect(convertRule(hub({ caching: false })).rule?.cache).toBe(false);
});
