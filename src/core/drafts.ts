import { createHash } from "node:crypto";
import {
  type BuildInputs,
  type Change,
  type HeldBuild,
  type Hold,
  hostKey,
  laneOf,
  type PlannedBuild,
  type Repository,
  type Skip,
  type SkipReason,
  type Trust,
} from "./model.ts";
import type { Buildable } from "./plan-part.ts";
import type { ImageConfig, InputsConfig, RuleConfig } from "./repo-config/config.ts";

/** One rule that wants one change built, before equal work is joined. */
export interface Draft {
  readonly change: Buildable;
  readonly image: Pick<ImageConfig, "name" | "supersede">;
  readonly rule: Pick<RuleConfig, "path" | "inputs" | "supersede">;
  readonly push: boolean;
  readonly trust: Trust;
  /** Null: it may run. */
  readonly hold: Hold | null;
  /** Legal, distinct, at least one. */
  readonly tags: readonly string[];
  /** Of these, each that moves by version, and the version. */
  readonly versions: ReadonlyMap<string, string>;
  /** Names of further repositories its file asks to read. */
  readonly repositories: readonly string[];
}

/** What came of a draft. `lost`: its tags that another one publishes. */
export type Fate = { readonly lost: readonly string[] } & (
  | { readonly verdict: "build" }
  | { readonly verdict: "hold" | "skip"; readonly reason: SkipReason; readonly detail: string }
);

export interface Settled {
  readonly requests: readonly PlannedBuild[];
  readonly held: readonly HeldBuild[];
  readonly skips: readonly Skip[];
  /** Of every draft. */
  readonly fates: ReadonlyMap<Draft, Fate>;
}

/** Drafts of equal work: of one change and image, with the same inputs, and all of them published or none. */
interface Work {
  readonly key: string;
  readonly first: Draft;
  readonly drafts: readonly Draft[];
  /** Tags that other work publishes, and which rule of it. */
  readonly lost: ReadonlyMap<string, string>;
}

/**
 * Joins drafts of equal work into one request, then gives every published tag to the first that names it. The file's own
 * checks refuse two rules that always collide; two patterns that meet only on some ref are seen here first. The later one
 * keeps its other tags, and loses everything if it has none: which build wins must not depend on which ends last.
 * More than `brake` builds wait for somebody: a mistake that asks for a hundred is stopped before it costs them.
 */
export function settle(repository: Repository, drafts: readonly Draft[], brake: number): Settled {
  const works = join(repository, drafts);
  const builds = works.filter(({ drafts, lost }) => drafts.some((draft) => keeps(draft, lost)));
  const ready = builds.filter(({ first }) => first.hold === null).length;
  const stop: Hold | null = ready > brake ? { reason: "brake", detail: brakeText(ready, brake) } : null;
  const requests: PlannedBuild[] = [];
  const held: HeldBuild[] = [];
  for (const work of builds) {
    const hold = work.first.hold ?? stop;
    if (hold === null) requests.push(plannedOf(work));
    else held.push({ ...plannedOf(work), hold });
  }
  return { requests, held, skips: works.flatMap(lostSkips), fates: fatesOf(works, stop) };
}

function brakeText(builds: number, brake: number): string {
  return `One event asks for ${builds} builds; the installation lets ${brake} run without somebody's approval.`;
}

function keeps({ tags }: Draft, lost: Work["lost"]): boolean {
  return tags.some((tag) => !lost.has(tag));
}

function join(repository: Repository, drafts: readonly Draft[]): readonly Work[] {
  const byKey = new Map<string, Draft[]>();
  for (const draft of drafts) {
    const key = workKey(repository, draft);
    const known = byKey.get(key);
    if (known === undefined) byKey.set(key, [draft]);
    else known.push(draft);
  }
  const taken: Taken = new Map();
  return [...byKey].flatMap(([key, same]) => {
    const [first] = same;
    return first === undefined ? [] : [{ key, first, drafts: same, lost: takeTags(key, same, taken) }];
  });
}

/** Image and tag to the work and the rule that publish it. A tag holds no blank, so the two can not run together. */
type Taken = Map<string, { readonly key: string; readonly rule: string }>;

function takeTags(key: string, drafts: readonly Draft[], taken: Taken): Work["lost"] {
  const lost = new Map<string, string>();
  for (const { image, tags, rule, change, push } of drafts) {
    // What is not published takes its tags from nobody.
    for (const tag of push ? tags : []) {
      const name = `${image.name} ${tag}`;
      const owner = taken.get(name);
      if (owner === undefined) taken.set(name, { key, rule: `${rule.path} (${change.ref})` });
      else if (owner.key !== key) lost.set(tag, owner.rule);
    }
  }
  return lost;
}

function plannedOf({ key, first, drafts, lost }: Work): PlannedBuild {
  const { change, image, push, trust } = first;
  const { ref, kind, before, after, commit } = change;
  const lane = laneOf(change);
  const kept = drafts.filter((draft) => keeps(draft, lost));
  const tags = new Set(kept.flatMap((draft) => draft.tags.filter((tag) => !lost.has(tag))));
  const versions = versionsOf(tags, kept);
  return {
    key,
    image: image.name,
    tags: [...tags],
    ...(Object.keys(versions).length > 0 && { versions }),
    ref,
    ...(lane !== ref && { lane }),
    kind,
    before,
    after,
    sha: commit,
    rules: [...new Set(kept.map(({ rule }) => rule.path))],
    push,
    trust,
    supersede: mostCautious(kept.map((draft) => draft.rule.supersede ?? draft.image.supersede)),
    inputs: buildInputs(first.rule.inputs),
    ...ofPull(change),
    ...wantedOf(first),
  };
}

/** Names only: whoever records the build looks up what they stand for. Code of strangers reads nothing else. */
function wantedOf({ repositories, trust }: Draft): Pick<PlannedBuild, "repositories"> {
  if (trust === "untrusted" || repositories.length === 0) return {};
  return { repositories: [...new Set(repositories)].map((name) => ({ name, id: null })) };
}

/** A tag that one of the rules lets follow pushes does not move by version. */
function versionsOf(tags: ReadonlySet<string>, drafts: readonly Draft[]): Readonly<Record<string, string>> {
  const versions = new Map<string, string>();
  for (const draft of drafts) for (const [tag, version] of draft.versions) versions.set(tag, version);
  for (const draft of drafts) for (const tag of draft.tags) if (!draft.versions.has(tag)) versions.delete(tag);
  return Object.fromEntries([...versions].filter(([tag]) => tags.has(tag)));
}

const BY_CAUTION: readonly PlannedBuild["supersede"][] = ["none", "newest", "cancel"];

/** What is joined may differ: then the one decides that stops least. */
function mostCautious(wanted: readonly PlannedBuild["supersede"][]): PlannedBuild["supersede"] {
  return BY_CAUTION.find((one) => wanted.includes(one)) ?? "newest";
}

function ofPull(change: Change): Pick<PlannedBuild, "pull" | "checkout"> {
  if (change.kind !== "pull_request") return {};
  const { number, target, fork, checkout } = change.pull;
  return { pull: { number, target, fork }, ...(checkout !== null && { checkout }) };
}

/** One for each rule that lost a tag. */
function lostSkips(work: Work): readonly Skip[] {
  const skips = new Map<string, Skip>();
  for (const draft of work.drafts) {
    const { change, image, rule } = draft;
    const detail = lostText(draft, work.lost);
    if (detail === null) continue;
    const lane = laneOf(change);
    const place = { ref: change.ref, ...(lane !== change.ref && { lane }), sha: change.commit, image: image.name };
    skips.set(rule.path, { ...place, rule: rule.path, reason: "tag-collision", detail });
  }
  return [...skips.values()];
}

/** Why a draft does not have all of its tags, or null: it has. */
function lostText(draft: Draft, lost: Work["lost"]): string | null {
  const whys = draft.tags.flatMap((tag) => {
    const owner = lost.get(tag);
    return owner === undefined ? [] : [`tag ${tag} is already published by ${owner}`];
  });
  return whys.length === 0 ? null : `not ${keeps(draft, lost) ? "published" : "built"}: ${whys.join("; ")}`;
}

function fatesOf(works: readonly Work[], stop: Hold | null): ReadonlyMap<Draft, Fate> {
  const fates = new Map<Draft, Fate>();
  for (const { drafts, lost } of works) {
    for (const draft of drafts) {
      const gone = draft.tags.filter((tag) => lost.has(tag));
      const hold = draft.hold ?? stop;
      if (!keeps(draft, lost)) {
        const detail = lostText(draft, lost) ?? "";
        fates.set(draft, { verdict: "skip", reason: "tag-collision", detail, lost: gone });
      } else {
        fates.set(draft, hold === null ? { verdict: "build", lost: gone } : { verdict: "hold", ...hold, lost: gone });
      }
    }
  }
  return fates;
}

/** Exactly the fields of {@link BuildInputs}, in its order. */
function buildInputs(inputs: InputsConfig): BuildInputs {
  const { context, dockerfile, target, testTarget, buildArgs, platforms, labels, cache } = inputs;
  return { context, dockerfile, target, testTarget, buildArgs, platforms, labels, cache };
}

/**
 * Lower-case hex SHA-256 of the work. Tags are not part of it: `{date}` must not make a repeated delivery new work. Nor
 * is what a pull request was before, which only some of its events say.
 */
function workKey(repository: Repository, draft: Draft): string {
  const { change, image, rule, push } = draft;
  const work = {
    repository: hostKey(repository),
    ref: laneOf(change),
    before: change.kind === "pull_request" ? null : change.before,
    after: change.after,
    image: image.name,
    inputs: buildInputs(rule.inputs),
    push,
    ...wantedOf(draft),
  };
  return createHash("sha256").update(canonicalJson(work)).digest("hex");
}

/** JSON with the keys of every object in code-unit order, so that equal values have equal text. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
