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
  type Trust,
} from "./model.ts";
import type { ImageConfig, InputsConfig, RuleConfig } from "./repo-config/config.ts";

/** One rule that wants one change built, before equal work is joined. */
export interface Draft {
  /** Not a deletion. */
  readonly change: Change;
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
}

/** A request in the making; `tags` says which rule gave each, in order. */
type Joined = Omit<PlannedBuild, "tags" | "rules" | "versions"> & {
  readonly rules: Set<string>;
  readonly tags: Map<string, string>;
  readonly versions: Map<string, string>;
  readonly hold: Hold | null;
};

/**
 * Joins drafts of equal work into one request, then gives every published tag to the first that names it. The file's own
 * checks refuse two rules that always collide; two patterns that meet only on some ref are seen here first. The later one
 * keeps its other tags, and loses everything if it has none: which build wins must not depend on which ends last.
 */
export function settle(repository: Repository, drafts: readonly Draft[]): Settled {
  const requests: PlannedBuild[] = [];
  const held: HeldBuild[] = [];
  const skips: Skip[] = [];
  /** Image and tag to the rule that publishes it. A tag holds no blank, so the two can not run together. */
  const taken = new Map<string, string>();
  for (const joined of join(repository, drafts)) {
    const { image, ref, lane, sha } = joined;
    const place = { ref, ...(lane !== undefined && { lane }), sha, image };
    const lost = new Map<string, string[]>();
    for (const [tag, rule] of joined.tags) {
      const name = `${image} ${tag}`;
      const owner = taken.get(name);
      if (!joined.push || owner === undefined) {
        if (joined.push) {
          taken.set(name, `${rule} (${ref})`);
        }
        continue;
      }
      joined.tags.delete(tag);
      joined.versions.delete(tag);
      lost.set(rule, [...(lost.get(rule) ?? []), `tag ${tag} is already published by ${owner}`]);
    }
    for (const [rule, whys] of lost) {
      skips.push({ ...place, rule, reason: "tag-collision", detail: `not built: ${whys.join("; ")}` });
    }
    if (joined.tags.size > 0) {
      const { tags, rules, versions, hold, ...rest } = joined;
      const planned: PlannedBuild = {
        ...rest,
        tags: [...tags.keys()],
        rules: [...rules],
        ...(versions.size > 0 && { versions: Object.fromEntries(versions) }),
      };
      if (hold === null) requests.push(planned);
      else held.push({ ...planned, hold });
    }
  }
  return { requests, held, skips };
}

export interface Settled {
  readonly requests: readonly PlannedBuild[];
  readonly held: readonly HeldBuild[];
  readonly skips: readonly Skip[];
}

function join(repository: Repository, drafts: readonly Draft[]): Iterable<Joined> {
  const byKey = new Map<string, Joined>();
  for (const { change, image, rule, push, trust, hold, tags, versions } of drafts) {
    const { ref, kind, before, after, commit } = change;
    const lane = laneOf(change);
    if (after === null || commit === null) {
      continue;
    }
    const inputs = buildInputs(rule.inputs);
    const supersede = rule.supersede ?? image.supersede;
    const key = workKey({
      repository: hostKey(repository),
      ref: lane,
      before,
      after,
      image: image.name,
      inputs,
      push,
    });
    const known = byKey.get(key);
    const joined: Joined = {
      key,
      image: image.name,
      tags: known?.tags ?? new Map(),
      versions: known?.versions ?? new Map(),
      ref,
      ...(lane !== ref && { lane }),
      kind,
      before,
      after,
      sha: commit,
      rules: known?.rules ?? new Set(),
      push,
      trust,
      // What is joined may differ: then the cautious one decides.
      supersede: leastOf(known?.supersede ?? supersede, supersede),
      inputs,
      ...ofPull(change),
      hold,
    };
    joined.rules.add(rule.path);
    for (const tag of tags) {
      const version = versions.get(tag);
      if (joined.tags.has(tag)) {
        // A tag that one of the rules lets follow pushes does not move by version.
        if (version === undefined) {
          joined.versions.delete(tag);
        }
        continue;
      }
      joined.tags.set(tag, rule.path);
      if (version !== undefined) {
        joined.versions.set(tag, version);
      }
    }
    byKey.set(key, joined);
  }
  return byKey.values();
}

const BY_CAUTION: readonly PlannedBuild["supersede"][] = ["none", "newest", "cancel"];

function leastOf(one: PlannedBuild["supersede"], other: PlannedBuild["supersede"]): PlannedBuild["supersede"] {
  return BY_CAUTION.indexOf(one) < BY_CAUTION.indexOf(other) ? one : other;
}

function ofPull(change: Change): Pick<PlannedBuild, "pull" | "checkout"> {
  if (change.kind !== "pull_request") return {};
  const { number, target, fork, checkout } = change.pull;
  return { pull: { number, target, fork }, ...(checkout !== null && { checkout }) };
}

/** Exactly the fields of {@link BuildInputs}, in its order. */
function buildInputs(inputs: InputsConfig): BuildInputs {
  const { context, dockerfile, target, testTarget, buildArgs, platforms, labels, cache } = inputs;
  return { context, dockerfile, target, testTarget, buildArgs, platforms, labels, cache };
}

/** Lower-case hex SHA-256 of the work; `ref` is its lane. Tags are not part of it: `{date}` must not make a repeated delivery new work. */
function workKey(work: {
  readonly repository: string;
  readonly ref: string;
  readonly before: string | null;
  readonly after: string;
  readonly image: string;
  readonly inputs: BuildInputs;
  readonly push: boolean;
}): string {
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
