import { expect, it } from "@jest/globals";
import fc from "fast-check";
import {
  type BuildPlan,
  type Change,
  type ForkPolicy,
  laneOf,
  laneOfBuild,
  type Policy,
  type PullRequestChange,
  parseSha,
  type RefChange,
  type Sha,
  type Verdict,
} from "../../src/core/model.ts";
import { neededFacts, needsConfig, needsGrants, needsTags, publishedImages } from "../../src/core/needed-facts.ts";
import { type ChangeFacts, type PlanFacts, planBuilds } from "../../src/core/plan.ts";
import type { ConfigFact, ImageConfig, RepoConfig, RuleConfig, TagEntry } from "../../src/core/repo-config/config.ts";
import { parseRepoConfig } from "../../src/core/repo-config/parse.ts";
import { isMergeQueue } from "../../src/core/rules.ts";
import { asksForSkip } from "../../src/core/skip-request.ts";
import { isLegalTag } from "../../src/core/tags/grammar.ts";
import type { Flavor } from "../../src/core/tags/metadata-action.ts";
import { hasGrantingFile, type ImageOwner } from "../../src/core/trust.ts";
import { config, image, inputs, parsed, pattern, planFacts, pull, repository, rule } from "./samples.ts";

const anyText = fc.oneof(fc.string({ maxLength: 20 }), fc.string({ unit: "binary", maxLength: 20 }));
const refName = fc.oneof(
  fc.constantFrom("main", "latest", "a/b", "a-b", "v1.2.3", "v2.0.0-rc.1", "0.1.0", "gh-readonly-queue/main/x", "日本"),
  anyText,
);
const anySha = fc
  .constantFrom("1", "2", "3")
  .map((digit) => parseSha(digit.repeat(40)))
  .filter((made): made is Sha => made !== null);

const anyRefChange: fc.Arbitrary<RefChange> = fc
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

const anyPull: fc.Arbitrary<PullRequestChange> = fc
  .record({
    ref: fc.constantFrom("refs/heads/main", "refs/heads/a/b", "refs/heads/gh-readonly-queue/main/x"),
    number: fc.constantFrom(1, 2),
    target: refName,
    before: fc.option(anySha),
    after: fc.option(anySha, { freq: 6 }),
    message: fc.oneof(fc.constant("x [skip ci]"), anyText),
    fork: fc.boolean(),
    draft: fc.boolean(),
    closed: fc.boolean(),
    queued: fc.boolean(),
    there: fc.boolean(),
  })
  .map(({ ref, before, after, message, there, closed, ...facts }) => {
    const checkout = there ? { cloneUrl: repository.cloneUrl, ref, anonymous: facts.fork } : null;
    // Most are open and there: else nothing would be seen of what is built.
    const open = !(closed && facts.draft);
    const states = { ...facts, draft: facts.draft && closed, closed: !open, targetCommit: null };
    return pull(
      { ...states, checkout: facts.draft ? checkout : pull().pull.checkout },
      { ref, before, after, commit: after, message },
    );
  });

const anyChange: fc.Arbitrary<Change> = fc.oneof(anyRefChange, anyPull);

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
    "pr-{pr}",
    "",
    "é",
  ),
  anyText,
);

/** Entries in docker/metadata-action's words, read as the file's are. */
const entries: readonly TagEntry[] = [
  "type=semver,pattern={{version}}",
  "type=semver,pattern={{major}}.{{minor}},prefix=v",
  "type=match,pattern=v(.*),group=1",
  "type=ref,event=branch",
  "type=ref,event=tag,suffix=-x",
  "type=ref,event=pr",
  "type=edge",
  "type=edge,branch=main",
  "type=sha,format=long",
  "type=raw,value=latest,enable={{is_default_branch}}",
  "type=raw,value={{branch}}-{{sha}}-{{date 'YYYYMMDD'}},priority=900",
  "type=raw,value={{base_ref}}{{tag}}",
].map((text) => parsedImage(`rules: [{ branch: main, tags: [${JSON.stringify(text)}] }]`).rules[0]?.tags?.[0] ?? "");

const flavors: readonly Flavor[] = [
  "[]",
  "[latest=true]",
  "[latest=false, 'prefix=p-,onlatest=true']",
  "['suffix=-{{branch}}']",
].map((text) => parsedImage(`flavor: ${text}, rules: [{ branch: main, tags: ["type=sha"] }]`).flavor);

function parsedImage(text: string): ImageConfig {
  const { config, diagnostics } = parseRepoConfig(`{ version: 1, images: [{ name: api, ${text} }] }`, {
    repositoryName: "api",
  });
  const [made] = config?.images ?? [];
  if (made === undefined) throw new Error(`${text}: ${JSON.stringify(diagnostics)}`);
  return made;
}

const tagEntry = fc.oneof({ weight: 2, arbitrary: template }, fc.constantFrom(...entries));
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
      { pull_request: "main" },
    ),
    fc.option(fc.array(tagEntry, { maxLength: 3 })),
    fc.record({ push: fc.boolean(), inputs: fc.constantFrom(inputs, { ...inputs, target: "slim" }) }),
  )
  .map(([on, tags, rest]) => rule(on, tags, rest));

const anyImage: fc.Arbitrary<ImageConfig> = fc
  .tuple(
    fc.constantFrom("api", "web"),
    fc.array(anyRule, { maxLength: 4 }),
    fc.record({
      paths: fc.option(fc.constant({ include: [pattern("src/**", "path")], exclude: [pattern("**/*.md", "path")] })),
      supersede: fc.constantFrom("newest" as const, "none" as const, "cancel" as const),
      flavor: fc.constantFrom(...flavors),
    }),
  )
  .map(([name, rules, rest]) => image(name, rules, rest));

/** Rules get the paths they would have in the file. */
const anyConfig: fc.Arbitrary<RepoConfig> = fc
  .record({
    images: fc.array(anyImage, { maxLength: 3 }),
    forks: fc.constantFrom<ForkPolicy>("never", "approve", "test"),
    skip: fc.constantFrom([], ["[skip ci]"], [""]),
  })
  .map(({ images, ...rest }) => config(images, rest));

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
      .array(
        fc.tuple(fc.constantFrom("api", "web"), fc.constantFrom<ImageOwner>("free", "own", "shared", "pushed", OTHER)),
      )
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
    const { requests, held, skips } = planBuilds(facts);
    if (facts.changes.length === 0) expect(skips).toHaveLength(1);
    for (const { change, config } of facts.changes) {
      const all = [...requests.map(placeOf), ...held.map(placeOf), ...skips.map(placeOf)];
      const answers = all.filter(({ lane }) => lane === laneOf(change)).map((answer) => answer.image);
      expect(answers.length).toBeGreaterThan(0);
      const images = config.kind === "read" ? (config.parsed.config?.images ?? []) : [];
      if (!answers.includes(null)) expect(answers).toEqual(expect.arrayContaining(images.map(({ name }) => name)));
    }
    for (const skip of skips) expect(skip.detail).toMatch(/^not (built|published): ./);
  });
});

it("requests only legal tags, at least one each, and publishes no tag twice", () => {
  property((facts) => {
    const { requests, held } = planBuilds(facts);
    const builds = [...requests, ...held];
    for (const { tags, rules } of builds) {
      expect(tags.length).toBeGreaterThan(0);
      expect(tags.filter((tag) => !isLegalTag(tag))).toEqual([]);
      expect(rules.length).toBeGreaterThan(0);
    }
    const published = builds.flatMap(({ image: name, tags, push }) =>
      push ? tags.map((tag) => `${name}:${tag}`) : [],
    );
    expect(new Set(published).size).toBe(published.length);
    expect(new Set(builds.map(({ key }) => key)).size).toBe(builds.length);
  });
});

it("requests nothing for a deleted ref, or where the app may not build", () => {
  property((facts) => {
    const { requests, held } = planBuilds(facts);
    const open =
      facts.installation?.state === "active" && facts.installation.namespace !== null && facts.link === "linked";
    if (!open) expect([...requests, ...held]).toEqual([]);
    for (const request of [...requests, ...held]) {
      const moved = facts.changes.filter(({ change }) => laneOf(change) === laneOfBuild(request));
      expect(moved.some(({ change }) => change.after === request.after && change.commit === request.sha)).toBe(true);
      expect(needsConfig(facts)).toBe(true);
    }
  });
});

it("publishes latest only where a rule says latest, or for the default branch", () => {
  property((facts) => {
    for (const { change, config } of facts.changes) {
      const rules = config.kind === "read" ? (config.parsed.config?.images ?? []).flatMap((one) => one.rules) : [];
      if (config.kind !== "read" || rules.some(({ tags }) => tags?.some(maySayLatest))) continue;
      if (change.name === facts.repository.defaultBranch) continue;
      const alone = planBuilds({ ...facts, changes: facts.changes.filter((one) => one.change === change) });
      expect(alone.requests.flatMap(({ tags }) => tags)).not.toContain("latest");
    }
  });
});

/** Entries in docker/metadata-action's words bring `latest` with versions and with the default branch's rules. */
function maySayLatest(entry: TagEntry): boolean {
  return typeof entry !== "string" || entry === "latest";
}

it("asks for no fact that does not change the plan", () => {
  property((facts) => {
    for (const one of facts.changes) {
      if (one.config.kind !== "read" || one.config.parsed.config === null) continue;
      const known = planBuilds({ ...facts, changes: [one] });
      const less = planBuilds(onlyNeeded(facts, one, one.config.parsed.config));
      expect([less.requests, less.held]).toEqual([known.requests, known.held]);
    }
  });
});

function onlyNeeded(facts: PlanFacts, one: ChangeFacts, own: RepoConfig): PlanFacts {
  const needed = neededFacts(one.change, own);
  const changedPaths = needed.changedPaths ? one.changedPaths : null;
  const grants = needsGrants({ ...one, changedPaths }, facts.repository, facts.policy);
  const granting = one.defaultBranchConfig.kind === "read" ? one.defaultBranchConfig.parsed.config : null;
  const tags = needed.tags || (grants && granting !== null && needsTags(one.change, granting));
  const less: ChangeFacts = {
    ...one,
    changedPaths,
    defaultBranchConfig: grants ? one.defaultBranchConfig : { kind: "not-asked" },
    tags: tags ? one.tags : null,
  };
  const images = publishedImages(less, facts.policy);
  const imageOwners = new Map([...facts.imageOwners].filter(([name]) => images.includes(name)));
  return { ...facts, changes: [less], imageOwners };
}

it("publishes nothing that the default branch's file would not, for the same ref, and no image of another's", () => {
  property((facts) => {
    for (const one of facts.changes) {
      const published = places({ ...facts, changes: [one] });
      for (const place of published) {
        expect([OTHER, "pushed"]).not.toContain(facts.imageOwners.get(place.split(":")[0] ?? ""));
      }
      const { defaultBranch } = facts.repository;
      const granting = one.defaultBranchConfig.kind === "read" ? one.defaultBranchConfig.parsed.config : null;
      if (granting === null || defaultBranch === null) continue;
      if (hasGrantingFile(one.change, defaultBranch)) continue;
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
  const { requests, held } = planBuilds(facts);
  return [...requests, ...held].flatMap(({ image: name, tags, push }) =>
    push ? tags.map((tag) => `${name}:${tag}`) : [],
  );
}

/** Where something was said; a build of several rules once for each. */
function placeOf({
  ref,
  lane,
  image: name,
}: {
  readonly ref: string | null;
  readonly lane?: string;
  readonly image: string | null;
}) {
  return { lane: lane ?? ref, image: name };
}

it("never publishes, trusts or gives a credential to what comes from a fork, and holds it where it must", () => {
  property((facts) => {
    const { requests, held } = planBuilds(facts);
    for (const build of [...requests, ...held]) {
      const fork = build.pull?.fork === true;
      expect(build.trust).toBe(fork ? "untrusted" : "trusted");
      expect(build.kind === "pull_request").toBe(build.pull !== undefined);
      if (fork) expect(build.push).toBe(false);
      if (build.pull !== undefined && !facts.policy.publishPullRequests) expect(build.push).toBe(false);
    }
    if (facts.policy.forks !== "test") expect(requests.filter(({ pull: from }) => from?.fork)).toEqual([]);
    if (facts.policy.forks === "never") expect(held.filter(({ pull: from }) => from?.fork)).toEqual([]);
    expect(requests.length).toBeLessThanOrEqual(facts.policy.brake);
  });
});

/** Change, image and rule as they should be in the trace: each rule where rules were looked at, else what it ended at. */
function lookedAt(facts: PlanFacts, { change, config: file }: ChangeFacts, trace: readonly Verdict[]): string[] {
  const images = file.kind === "read" ? (file.parsed.config?.images ?? []) : [];
  const own = trace.map(({ image: name, rule: path }) => `${name} ${path}`);
  if (own.includes("null null")) return ["null null"];
  const read = images.length > 0 ? images : [];
  const stopped = asksForSkip(change, file.kind === "read" ? (file.parsed.config?.skip ?? []) : []) !== null;
  const queue = change.kind === "branch" && isMergeQueue(change);
  const only =
    facts.policy.onlyPullRequests && change.kind === "branch" && change.name !== facts.repository.defaultBranch;
  if (read.length > 0 && (stopped || queue || only)) return [...new Set(read.map(({ name }) => `${name} null`))];
  return read.flatMap(({ name, rules }) =>
    rules.length === 0 ? [`${name} null`] : rules.map(({ path }) => `${name} ${path}`),
  );
}

it("traces exactly one verdict for every change, image and rule that was looked at", () => {
  property((facts) => {
    for (const one of facts.changes) {
      const { trace } = planBuilds({ ...facts, changes: [one] });
      const zero = one.config.kind === "missing" && facts.policy.zeroConfig;
      if (zero && trace.some(({ rule: path }) => path !== null)) {
        expect(trace).toHaveLength(1);
        continue;
      }
      expect(trace.map(({ image: name, rule: path }) => `${name} ${path}`)).toEqual(lookedAt(facts, one, trace));
    }
    const together = planBuilds(facts);
    const apart = facts.changes.map((one) => planBuilds({ ...facts, changes: [one] }).trace.length);
    if (apart.length > 0) expect(together.trace).toHaveLength(apart.reduce((sum, one) => sum + one, 0));
  });
});

it("traces what was decided: builds, what is held and skips are all there, with their reasons", () => {
  property((facts) => {
    for (const one of facts.changes) {
      const plan = planBuilds({ ...facts, changes: [one] });
      for (const { verdict, reason, detail, rule: path, image: name } of plan.trace) {
        expect(detail).toMatch(/./);
        expect(verdict === "build").toBe(reason === null);
        expect(rulesOf(plan.requests, name, path)).toBe(verdict === "build");
        expect(rulesOf(plan.held, name, path)).toBe(verdict === "hold");
        if (verdict === "skip" && reason !== "no-match") {
          expect(plan.skips).toContainEqual(expect.objectContaining({ image: name, rule: path, reason, detail }));
        }
      }
      for (const { image: name, rule: path, reason, detail } of plan.skips) {
        const [verdict] = plan.trace.filter((item) => item.image === name && item.rule === path);
        // Where only some tags are lost, it is built with the others.
        if (!detail.startsWith("not published: ")) expect(verdict).toMatchObject({ verdict: "skip", reason, detail });
        else expect(verdict?.verdict).not.toBe("skip");
      }
    }
  });
});

function rulesOf(builds: BuildPlan["requests"], name: string | null, path: string | null): boolean {
  return builds.some((build) => build.image === name && path !== null && build.rules.includes(path));
}
