import { describe, expect, it } from "@jest/globals";
import { createStagingNames } from "../../src/registry/staging.ts";
import {
  type Access,
  type AccessHolder,
  type BuildHolder,
  contested,
  grant,
  type Holder,
  leftOut,
  parseScopes,
  undecided,
} from "../../src/registry/token-grants.ts";
import { computedMs } from "../support/cpu-time.ts";

const build: BuildHolder = { kind: "build", buildId: "b1", staging: "staging/b1", until: 0 };
/** A test of a pull request. */
const tests: BuildHolder = { ...build, staging: null };
const access: AccessHolder = { kind: "access", tokenId: "t", namespace: "acme", access: "push", until: 0 };
const anonymous: Holder = { kind: "anonymous" };
const service: Holder = { kind: "service" };

const staging = createStagingNames("staging/{build}");
const PULLABLE = new Set(["acme/api", "acme/base/debian", "acme/tool", "library/busybox"]);
/** For whoever may push at all. */
const PUSHABLE = new Set(["acme/tool"]);

/** `name: actions` of what is granted; the holder may pull what is in {@link PULLABLE}, whatever it is. */
function granted(holder: Holder, ...parameters: string[]): string[] {
  return grant(parseScopes(parameters), holder, { staging, pullable: PULLABLE, pushable: PUSHABLE }).map(show);
}

function show({ type, name, actions }: Access): string {
  return `${type === "repository" ? "" : `${type}:`}${name}: ${actions.join(",")}`;
}

describe("what is granted", () => {
  const cases: readonly (readonly [
    title: string,
    holder: Holder,
    scopes: readonly string[],
    granted: readonly string[],
  ])[] = [
    ["a build pushes to its staging repository", build, ["repository:staging/b1:pull,push"], ["staging/b1: pull,push"]],
    ["a build pulls what its installation owns", build, ["repository:acme/api:pull"], ["acme/api: pull"]],
    ["a build pushes nothing published", build, ["repository:acme/api:pull,push"], ["acme/api: pull"]],
    ["a build has no business with other images", build, ["repository:other/api:pull,push,delete"], []],
    ["a build may not delete, its own neither", build, ["repository:staging/b1:delete"], []],
    ["a build gets no more for asking for everything", build, ["repository:staging/b1:*"], ["staging/b1: pull,push"]],
    ["a build does not see another's staging", build, ["repository:staging/b2:pull,push"], []],
    ["a name that only begins like its own is another", build, ["repository:staging/b1/x:pull,push"], []],
    ["nor what is below it", build, ["repository:staging/b11:pull repository:staging/b:pull"], []],
    ["a build that pushes nothing has no staging", tests, ["repository:staging/b1:pull,push"], []],
    ["it pulls like others", tests, ["repository:acme/api:pull,push repository:other/api:pull"], ["acme/api: pull"]],
    ["a build may not list repositories", build, ["registry:catalog:*"], []],
    [
      "a part that can not be granted spoils nothing",
      build,
      ["repository:other/x:pull repository:staging/b1:push,pull", "registry:catalog:*", "nonsense"],
      ["staging/b1: pull,push"],
    ],
    ["an access token pulls what it may", access, ["repository:acme/api:pull"], ["acme/api: pull"]],
    ["it pushes where it may", access, ["repository:acme/tool:pull,push"], ["acme/tool: pull,push"]],
    ["and nowhere else", access, ["repository:acme/api:pull,push repository:other/x:push"], ["acme/api: pull"]],
    ["it deletes nothing", access, ["repository:acme/tool:*"], ["acme/tool: pull,push"]],
    ["it sees no staging", access, ["repository:staging/b1:pull,push"], []],
    ["it may not list repositories", access, ["registry:catalog:*"], []],
    ["a build pushes nowhere an access token may", build, ["repository:acme/tool:pull,push"], ["acme/tool: pull"]],
    ["nobody pulls what is public", anonymous, ["repository:library/busybox:pull"], ["library/busybox: pull"]],
    ["nobody pushes nothing", anonymous, ["repository:library/busybox:push,delete"], []],
    ["nobody sees no staging", anonymous, ["repository:staging/b1:pull,push"], []],
    ["nobody lists nothing", anonymous, ["registry:catalog:*"], []],
    [
      "the service does everything",
      service,
      ["repository:other/x:delete,push,pull", "repository:staging/b9:*", "registry:catalog:*"],
      ["other/x: pull,push,delete", "staging/b9: pull,push,delete", "registry:catalog: *"],
    ],
  ];
  it.each(cases)("%s", (_title, holder, scopes, expected) => {
    expect(granted(holder, ...scopes)).toEqual(expected);
  });

  it("keeps staging closed even if somebody answered that it may be pulled", () => {
    const wanted = parseScopes(["repository:staging/b2:pull repository:staging/b1/x:pull"]);
    const pullable = new Set(wanted.repositories.keys());
    for (const holder of [build, tests, access, anonymous])
      expect(grant(wanted, holder, { staging, pullable, pushable: pullable })).toEqual([]);
  });

  it("never says `*` for a repository, which registries take for every action there is", () => {
    expect(granted(service, "repository:acme/api:*")).toEqual(["acme/api: pull,push,delete"]);
  });
});

describe("reading scopes", () => {
  it("takes repeated parameters and lists alike, and joins what is said of one repository", () => {
    const one = granted(service, "repository:a:pull repository:b:push", "repository:a:push");
    expect(one).toEqual(["a: pull,push", "b: push"]);
    expect(granted(service, " repository:a:pull   repository:b:pull ")).toEqual(["a: pull", "b: pull"]);
  });

  it("knows each action once, in one order, and none it does not know", () => {
    expect(granted(service, "repository:a:push,pull,push,admin,,PULL, pull")).toEqual(["a: pull,push"]);
    expect(granted(service, "repository:a:", "repository:b:admin")).toEqual([]);
  });

  it.each([
    "",
    " ",
    ":",
    "::",
    ":::",
    "repository",
    "repository:a",
    "repository::pull",
    "repository:a:pull:",
    "Repository:a:pull",
    "repository(plugin):a:pull",
    "repository:A:pull",
    "repository:a/:pull",
    "repository:/a:pull",
    "repository:a//b:pull",
    "repository:../a:pull",
    "repository:a/..:pull",
    "repository:.a:pull",
    "repository:a.:pull",
    "repository:a___b:pull",
    "repository:a..b:pull",
    "repository:a%2fb:pull",
    "repository:a\\b:pull",
    "repository:a\n:pull",
    "repository:a\u0000:pull",
    "repository:a\tb:pull",
    "repository:\u212Aelvin:pull",
    "repository:*:pull",
    "repository:a:5000/b:pull",
    "repository:registry.example.com:5000/a:pull",
    `repository:${"a".repeat(256)}:pull`,
    "registry:catalog:pull",
    "registry:catalog:",
    "registry:catalogs:*",
    "registry:a:*",
    "repository:catalog",
  ])("leaves out what is no scope: %j", (text) => {
    expect(granted(service, text)).toEqual([]);
  });

  it("takes names as long as the registry does", () => {
    const name = "a".repeat(255);
    expect(granted(service, `repository:${name}:pull`)).toEqual([`${name}: pull`]);
  });

  it.each(["a", "0", "aa", "a.b", "a_b", "a__b", "a-b", "a--b", "a---b", "aa.bb_cc__dd-ee", "a.bb"])(
    "takes the name %s, in every place of a path",
    (part) => {
      for (const name of [part, `x/${part}`, `${part}/x`, `x/${part}/x`]) {
        expect(granted(service, `repository:${name}:pull`)).toEqual([`${name}: pull`]);
      }
    },
  );

  it("takes a repository that is called like the list of them for a repository", () => {
    expect(parseScopes(["repository:catalog:*"])).toEqual({
      repositories: new Map([["catalog", ["pull", "push", "delete"]]]),
      catalog: false,
    });
  });

  it("keeps names of JavaScript's own what they are: names", () => {
    expect(granted(build, "repository:constructor:pull repository:__proto__:pull")).toEqual([]);
    expect(granted(service, "repository:constructor:pull")).toEqual(["constructor: pull"]);
  });

  it("stops at 32 repositories, and still hears more of those it has", () => {
    const many = Array.from({ length: 1000 }, (_, index) => `repository:r${index}:pull`);
    const scopes = parseScopes([...many, "repository:r0:push", "repository:r500:push"]);
    expect(scopes.repositories.size).toBe(32);
    expect(scopes.repositories.get("r0")).toEqual(["pull", "push"]);
  });

  it("needs no long time for long nonsense", () => {
    const started = process.cpuUsage();
    for (const text of [
      ":".repeat(100_000),
      "a".repeat(100_000),
      `repository:${"a-".repeat(50_000)}:pull`,
      ",".repeat(100_000),
    ]) {
      expect(granted(service, text, `repository:a:${text}`).length).toBeLessThanOrEqual(1);
    }
    expect(computedMs(started)).toBeLessThan(5_000);
  });
});

describe("what has to be looked up", () => {
  const asked = parseScopes(["repository:acme/api:pull", "repository:acme/x:push", "repository:staging/b1:pull,push"]);

  it("is what is to be pulled and not the holder's own", () => {
    expect(undecided(asked, build, staging)).toEqual(["acme/api"]);
    expect(undecided(asked, access, staging)).toEqual(["acme/api"]);
    expect(undecided(asked, anonymous, staging)).toEqual(["acme/api"]);
  });

  it("is what is to be pushed, for an access token, but for staging", () => {
    expect(contested(asked, staging)).toEqual(["acme/x"]);
  });

  it("is nothing for the service", () => {
    expect(undecided(asked, service, staging)).toEqual([]);
  });
});

describe("what was left out", () => {
  it("is each action that was wanted and not granted, of each repository", () => {
    const wanted = parseScopes([
      "repository:acme/api:pull,push,delete repository:other/x:pull repository:acme/tool:pull",
    ]);
    const given = grant(wanted, access, { staging, pullable: PULLABLE, pushable: new Set() });
    expect(leftOut(wanted, given)).toEqual([
      { repository: "acme/api", actions: ["push", "delete"] },
      { repository: "other/x", actions: ["pull"] },
    ]);
  });
});
