/** Plain values for tests of the decision: name what matters, the rest is ordinary. */
import {
  type Build,
  type Change,
  DEFAULT_POLICY,
  type Diagnostic,
  type PlannedBuild,
  type PullRequest,
  type PullRequestChange,
  parseSha,
  type RefChange,
  type Repository,
  type Sha,
  type Skip,
} from "../../src/core/model.ts";
import { compilePattern, type Pattern } from "../../src/core/patterns.ts";
import type { ChangeFacts, PlanFacts } from "../../src/core/plan.ts";
import type {
  ImageConfig,
  InputsConfig,
  ParsedConfig,
  RepoConfig,
  RuleConfig,
} from "../../src/core/repo-config/config.ts";
import { DEFAULT_FLAVOR } from "../../src/core/tags/metadata-action.ts";

export function sha(digit: string): Sha {
  const made = parseSha(digit.repeat(40));
  if (made === null) throw new Error(`${digit} makes no hash`);
  return made;
}

export const repository: Repository = {
  provider: "github",
  host: "default",
  id: "186853002",
  fullName: "acme/api",
  private: true,
  defaultBranch: "main",
  cloneUrl: "https://github.com/acme/api.git",
  webUrl: "https://github.com/acme/api",
};

export function branch(name: string, change: Partial<RefChange> = {}): RefChange {
  return {
    kind: "branch",
    ref: `refs/heads/${name}`,
    name,
    before: sha("a"),
    after: sha("b"),
    commit: sha("b"),
    forced: false,
    message: "Add a thing",
    ...change,
  };
}

export function tag(name: string, change: Partial<RefChange> = {}): RefChange {
  return { ...branch(name), kind: "tag", ref: `refs/tags/${name}`, before: null, ...change };
}

/** Pull request #5 of a branch of the repository into main, unless told otherwise. */
export function pull(
  facts: Partial<PullRequest> = {},
  change: Partial<Omit<PullRequestChange, "pull">> = {},
): PullRequestChange {
  const number = facts.number ?? 5;
  const checkout = { cloneUrl: repository.cloneUrl, ref: `refs/pull/${number}/head`, anonymous: false };
  const states = { fork: false, draft: false, closed: false, queued: false };
  const plain = { number, target: "main", targetCommit: sha("e"), ...states, checkout };
  const { kind: _, ...moved } = branch("feature");
  return {
    ...moved,
    kind: "pull_request",
    name: String(number),
    before: null,
    ...change,
    pull: { ...plain, ...facts },
  };
}

export function pattern(source: string, kind: "ref" | "path" = "ref"): Pattern {
  const compiled = compilePattern(source, kind);
  if (!compiled.ok) throw new Error(compiled.message);
  return compiled.pattern;
}

export const inputs: InputsConfig = {
  context: ".",
  dockerfile: "Dockerfile",
  target: null,
  testTarget: null,
  platforms: [],
  buildArgs: {},
  labels: {},
  cache: true,
};

/** `on` as in the file: `{ branch: "main" }`. */
export function rule(
  on: { branch: string } | { tag: string } | { semver: string; prefix?: string } | { pull_request: string },
  tags: RuleConfig["tags"],
  rest: Partial<Omit<RuleConfig, "on" | "tags">> = {},
): RuleConfig {
  return { path: "images[0].rules[0]", on: condition(on), tags, inputs, push: true, ...rest };
}

function condition(on: Parameters<typeof rule>[0]): RuleConfig["on"] {
  if ("branch" in on) return { kind: "branch", pattern: pattern(on.branch) };
  if ("tag" in on) return { kind: "tag", pattern: pattern(on.tag) };
  if ("semver" in on) return { kind: "semver", range: on.semver, prefix: on.prefix ?? null };
  return { kind: "pull_request", pattern: pattern(on.pull_request) };
}

export function image(name: string, rules: readonly RuleConfig[], rest: Partial<ImageConfig> = {}): ImageConfig {
  return { name, inputs, paths: null, rules, supersede: "newest", flavor: DEFAULT_FLAVOR, ...rest };
}

/** Rules get the paths they would have in the file. */
export function config(images: readonly ImageConfig[], rest: Partial<RepoConfig> = {}): RepoConfig {
  const placed = images.map((one, i) => ({
    ...one,
    rules: one.rules.map((r, j) => ({ ...r, path: `images[${i}].rules[${j}]` })),
  }));
  return {
    images: placed,
    repositories: [],
    forks: "approve",
    skip: ["[skip ci]", "[ci skip]", "[skip build]"],
    ...rest,
  };
}

export function parsed(file: RepoConfig | null, diagnostics: readonly Diagnostic[] = []): ParsedConfig {
  const made = { config: file, diagnostics, digest: `sha256:${"0".repeat(64)}` };
  return made;
}

export function changeFacts(change: Change, file: RepoConfig, rest: Partial<ChangeFacts> = {}): ChangeFacts {
  const read = { kind: "read", parsed: parsed(file) } as const;
  return { change, config: read, defaultBranchConfig: read, changedPaths: null, tags: null, ...rest };
}

export function planFacts(changes: readonly ChangeFacts[], rest: Partial<PlanFacts> = {}): PlanFacts {
  return {
    repository,
    installation: { state: "active", namespace: "acme" },
    link: "linked",
    changes,
    imageOwners: new Map(),
    policy: DEFAULT_POLICY,
    now: "2026-11-20T10:00:00Z",
    ...rest,
  };
}

export function skip(rest: Partial<Skip> = {}): Skip {
  return {
    ref: "refs/heads/main",
    sha: sha("b"),
    image: "api",
    rule: "images[0].rules[0]",
    reason: "no-match",
    detail: "not built: branch docs does not match branch main",
    ...rest,
  };
}

export function planned(rest: Partial<PlannedBuild> = {}): PlannedBuild {
  return {
    key: "0".repeat(64),
    image: "api",
    tags: ["latest"],
    ref: "refs/heads/main",
    kind: "branch",
    before: sha("a"),
    after: sha("b"),
    sha: sha("b"),
    rules: ["images[0].rules[0]"],
    push: true,
    trust: "trusted",
    supersede: "newest",
    inputs,
    ...rest,
  };
}

export const digest = `sha256:${"c".repeat(64)}`;

/** A build that succeeded, unless told otherwise. */
export function build(rest: Partial<Build> = {}): Build {
  return {
    id: "1",
    registry: "default",
    state: "succeeded",
    repository,
    installation: { provider: "github", host: "default", id: "7" },
    deliveryId: "1",
    planned: planned(),
    image: "acme/api",
    digest,
    tags: null,
    requestDigest: null,
    hold: null,
    approval: null,
    trigger: "event",
    attempt: 1,
    steps: [],
    failure: null,
    createdAt: "2026-11-20T10:00:00.000Z",
    startedAt: "2026-11-20T10:00:01.000Z",
    finishedAt: "2026-11-20T10:01:13.000Z",
    ...rest,
  };
}
