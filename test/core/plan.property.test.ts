import { expect, it } from "@jest/globals";
import fc from "fast-check";
import { parseSha, type RefChange, type Sha } from "../../src/core/model.ts";
import { neededFacts, needsConfig, needsGrants, needsTags, publishedImages } from "../../src/core/needed-facts.ts";
import { type ChangeFacts, type PlanFacts, planBuilds } from "../../src/core/plan.ts";
import type { ConfigFact, ImageConfig, RepoConfig, RuleConfig } from "../../src/core/repo-config/config.ts";
import { isLegalTag } from "../../src/core/tags/grammar.ts";
import type { ImageOwner } from "../../src/core/trust.ts";
import { image, inputs, parsed, pattern, planFacts, repository, rule } from "./samples.ts";

const anyText = fc.oneof(fc.string({ maxLength: 20 }), fc.string({ unit: "binary", maxLength: 20 }));
const refName = fc.oneof(
  fc.constantFrom("main", "latest", "a/b", "a-b", "v1.2.3", "v2.0.0-rc.1", "0.1.0", "gh-readonly-queue/main/x", "日本"),
  anyText,
);
const anySha = fc
  .constantFrom("1", "2", "3")
  .map((digit) => parseSha(digit.repeat(40)))
  .filter((made): made is Sha => made !== null);

const anyChange: fc.Arbitrary<RefChange> = fc
  .record({
    kind: fc.constantFrom("branch" as const, "tag" as const),
    name: refName,
    before: fc.option(anySha),
    after: fc.option(anySha, { freq: 6 }),
    commit: fc.option(anySha, { freq: 6 }),
    forced: fc.boolean(),
    message: fc.oneof(fc.constant("x [skip ci]"), anyText),
  })
  .map((change) => ({ ...change, ref: `refs/${change.kind === "branch" ? "heads" : "tags"}/${change.name}` }));

const template = fc.oneof(
  fc.constantFrom(
    "latest",
    "{sourceref}",
    "{branch}",
    "{1}",
    "{x}",
    "{version}",
    "{major}",
    "{date}",
    "{sha7}",
    "",
    "é",
  ),
  anyText,
);
const anyRule: fc.Arbitrary<RuleConfig> = fc
  .tuple(
    fc.constantFrom(
      { branch: "**" },
      { branch: "main" },
      { branch: "/^(?P<x>a)?/" },
      { tag: "**" },
      { semver: ">=0.1.0" },
      { semver: "not a range" },
      { pull_request: "**" },
    ),
    fc.option(fc.array(template, { maxLength: 3 })),
    fc.record({ push: fc.boolean(), inputs: fc.constantFrom(inputs, { ...inputs, target: "slim" }) }),
  )
  .map(([on, tags, rest]) => rule(on, tags, rest));

const anyImage: fc.Arbitrary<ImageConfig> = fc
  .tuple(
    fc.constantFrom("api", "web"),
    fc.array(anyRule, { maxLength: 4 }),
    fc.record({
      paths: fc.option(fc.constant({ include: [pattern("src/**", "path")], exclude: [pattern("**/*.md", "path")] })),
      supersede: fc.constantFrom("newest" as const, "none" as const),
    }),
  )
  .map(([name, rules, rest]) => image(name, rules, rest));

const anyConfig: fc.Arbitrary<RepoConfig> = fc.record({
  images: fc.array(anyImage, { maxLength: 3 }),
  repositories: fc.constant([]),
  forks: fc.constant("approve" as const),
  skip: fc.constantFrom([], ["[skip ci]"], [""]),
});

const anyFile: fc.Arbitrary<ConfigFact> = fc.oneof(
  { weight: 8, arbitrary: anyConfig.map((config) => ({ kind: "read", parsed: parsed(config) }) as const) },
  fc.constantFrom<ConfigFact>(
    { kind: "read", parsed: parsed(null) },
    { kind: "missing", hint: null },
    { kind: "unreadable", why: "a folder" },
    { kind: "gone" },
    { kind: "not-asked" },
  ),
);

const anyChangeFacts: fc.Arbitrary<ChangeFacts> = fc.record({
  change: anyChange,
  config: anyFile,
  defaultBranchConfig: anyFile,
  changedPaths: fc.option(fc.array(fc.constantFrom("src/a", "README.md", ".wharfinger.yml", "x"), { maxLength: 3 })),
  tags: fc.option(fc.array(refName, { maxLength: 5 })),
});

const OTHER: ImageOwner = { other: "acme/other" };

const anyFacts: fc.Arbitrary<PlanFacts> = fc
  .record({
    repository: fc.record({
      defaultBranch: fc.option(refName),
      fullName: fc.oneof(fc.constant("acme/api"), anyText),
    }),
    installation: fc.option(
      fc.record({
        state: fc.oneof(
          { weight: 4, arbitrary: fc.constant("active" as const) },
          fc.constantFrom("suspended" as const, "paused" as const, "removed" as const),
        ),
        namespace: fc.option(fc.constant("acme"), { freq: 6 }),
      }),
      { freq: 8 },
    ),
    link: fc.constantFrom(
      "linked" as const,
      "linked" as const,
      "linked" as const,
      "unlinked" as const,
      "paused" as const,
    ),
    changes: fc.array(anyChangeFacts, { maxLength: 4 }),
    imageOwners: fc
      .array(fc.tuple(fc.constantFrom("api", "web"), fc.constantFrom<ImageOwner>("free", "own", "shared", OTHER)))
      .map((owners) => new Map(owners)),
    policy: fc.record<Policy>({
      forks: fc.constantFrom("never", "approve", "test"),
      publishPullRequests: fc.boolean(),
      onlyPullRequests: fc.boolean(),
      zeroConfig: fc.boolean(),
      brake: fc.constantFrom(1, 2, 20),
    }),
    now: fc.oneof(fc.constant("2026-11-20T10:00:00Z"), anyText),
  })
  .map((facts) => ({ ...planFacts([]), ...facts, repository: { ...repository, ...facts.repository } }));

function property(check: (facts: PlanFacts) => void): void {
  fc.assert(fc.property(anyFacts, check), { numRuns: 200 });
}

it("gives the same plan for the same facts, whatever they are, and never throws", () => {
  property((facts) => {
    expect(planBuilds(facts)).toEqual(planBuilds(facts));
  });
});

it("leaves no change and no image of its file without an answer", () => {
  property((facts) => {
    const { requests, skips } = planBuilds(facts);
    if (facts.changes.length === 0) expect(skips).toHaveLength(1);
    for (const { change, config } of facts.changes) {
      const answers = [...requests, ...skips].filter(({ ref }) => ref === change.ref).map((answer) => answer.image);
      expect(answers.length).toBeGreaterThan(0);
      const images = config.kind === "read" ? (config.parsed.config?.images ?? []) : [];
      if (!answers.includes(null)) expect(answers).toEqual(expect.arrayContaining(images.map(({ name }) => name)));
    }
    for (const skip of skips) expect(skip.detail).toMatch(/^not (built|published): ./);
  });
});

it("requests only legal tags, at least one each, and publishes no tag twice", () => {
  property((facts) => {
    const { requests } = planBuilds(facts);
    for (const { tags, rules } of requests) {
      expect(tags.length).toBeGreaterThan(0);
      expect(tags.filter((tag) => !isLegalTag(tag))).toEqual([]);
      expect(rules.length).toBeGreaterThan(0);
    }
    const published = requests.flatMap(({ image: name, tags, push }) =>
      push ? tags.map((tag) => `${name}:${tag}`) : [],
    );
    expect(new Set(published).size).toBe(published.length);
    expect(new Set(requests.map(({ key }) => key)).size).toBe(requests.length);
  });
});

it("requests nothing for a deleted ref, or where the app may not build", () => {
  property((facts) => {
    const { requests } = planBuilds(facts);
    const open =
      facts.installation?.state === "active" && facts.installation.namespace !== null && facts.link === "linked";
    if (!open) expect(requests).toEqual([]);
    for (const request of requests) {
      const moved = facts.changes.filter(({ change }) => change.ref === request.ref);
      expect(moved.some(({ change }) => change.after === request.after && change.commit === request.sha)).toBe(true);
      expect(moved.some(({ change }) => needsConfig(facts, change))).toBe(true);
    }
  });
});

it("publishes latest only where a rule says latest, or for the default branch", () => {
  property((facts) => {
    for (const { change, config } of facts.changes) {
      const rules = config.kind === "read" ? (config.parsed.config?.images ?? []).flatMap((one) => one.rules) : [];
      if (config.kind !== "read" || rules.some(({ tags }) => tags?.includes("latest"))) continue;
      if (change.name === facts.repository.defaultBranch) continue;
      const alone = planBuilds({ ...facts, changes: facts.changes.filter((one) => one.change === change) });
      expect(alone.requests.flatMap(({ tags }) => tags)).not.toContain("latest");
    }
  });
});

it("asks for no fact that does not change the plan", () => {
  property((facts) => {
    for (const one of facts.changes) {
      if (one.config.kind !== "read" || one.config.parsed.config === null) continue;
      const known = planBuilds({ ...facts, changes: [one] });
      expect(planBuilds(onlyNeeded(facts, one, one.config.parsed.config)).requests).toEqual(known.requests);
    }
  });
});

function onlyNeeded(facts: PlanFacts, one: ChangeFacts, own: RepoConfig): PlanFacts {
  const needed = neededFacts(one.change, own);
  const changedPaths = needed.changedPaths ? one.changedPaths : null;
  const grants = needsGrants({ ...one, changedPaths }, facts.repository);
  const granting = one.defaultBranchConfig.kind === "read" ? one.defaultBranchConfig.parsed.config : null;
  const tags = needed.tags || (grants && granting !== null && needsTags(one.change, granting));
  const less: ChangeFacts = {
    ...one,
    changedPaths,
    defaultBranchConfig: grants ? one.defaultBranchConfig : { kind: "not-asked" },
    tags: tags ? one.tags : null,
  };
  const images = publishedImages(less);
  const imageOwners = new Map([...facts.imageOwners].filter(([name]) => images.includes(name)));
  return { ...facts, changes: [less], imageOwners };
}

it("publishes nothing that the default branch's file would not, for the same ref, and no image of another's", () => {
  property((facts) => {
    for (const one of facts.changes) {
      const published = places({ ...facts, changes: [one] });
      for (const place of published) expect(facts.imageOwners.get(place.split(":")[0] ?? "")).not.toBe(OTHER);
      const { defaultBranch } = facts.repository;
      const granting = one.defaultBranchConfig.kind === "read" ? one.defaultBranchConfig.parsed.config : null;
      if (granting === null || defaultBranch === null) continue;
      if (one.change.kind === "branch" && one.change.name === defaultBranch) continue;
      // Granted is what a rule gives: whether this push would be built is another question.
      const images = granting.images.map((item) => ({ ...item, paths: null }));
      const file = { kind: "read", parsed: parsed({ ...granting, images, skip: [] }) } as const;
      const same = { ...one, config: file, defaultBranchConfig: file };
      const granted = places({ ...facts, imageOwners: new Map(), changes: [same] });
      expect(granted).toEqual(expect.arrayContaining(published));
    }
  });
});

function places(facts: PlanFacts): string[] {
  const { requests } = planBuilds(facts);
  return requests.flatMap(({ image: name, tags, push }) => (push ? tags.map((tag) => `${name}:${tag}`) : []));
}
