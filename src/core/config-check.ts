/**
 * What a changed `.wharfinger.yml` would change: the repository's last pushes and pull requests are planned by the file
 * before and by the file after, and the plans are compared. As if either were on every branch: a rule that is right is
 * right wherever the file gets to.
 */
import type { BuildInputs, Change, Diagnostic, Sha, SkipReason } from "./model.ts";
import { type PlanFacts, planBuilds } from "./plan.ts";
import type { ConfigFact } from "./repo-config/config.ts";

/** What is known of the file that a commit brings along. */
export interface FileCheck {
  /** `pull_request`: the file is compared with that of the branch it is to be merged into. */
  readonly kind: "push" | "pull_request";
  /** Everything there is to say about the file itself, in its order. */
  readonly problems: readonly Diagnostic[];
  /** Null: the file has errors, so that nothing would be built by it. */
  readonly effect: FileEffect | null;
}

export interface FileEffect {
  /** Pushes and pull requests that were planned by both files. */
  readonly compared: number;
  /** Those of them that would lead to something else. */
  readonly different: number;
  /** The newest first; equal ones of one lane are one. */
  readonly differences: readonly Difference[];
  /** Differences beyond those. */
  readonly more: number;
  /** Images whose `paths` differ. Which files were touched is not kept: on both sides they count as not known. */
  readonly unseen: Some;
}

/** One image that one lane's pushes would lead to another build of. */
export interface Difference {
  readonly ref: string;
  readonly kind: Change["kind"];
  /** Short name of the branch or tag; number of the pull request. */
  readonly name: string;
  /** The newest commit it is true of, and of how many changes it is true. */
  readonly sha: Sha;
  readonly times: number;
  readonly image: string;
  readonly before: Outlook;
  readonly after: Outlook;
  /** Tags of `after` that `before` has not, and the reverse. */
  readonly gained: Some;
  readonly lost: Some;
  /** What the builder is told otherwise; empty where only one side builds. */
  readonly inputs: readonly (keyof BuildInputs)[];
}

/** What one image would come to. */
export interface Outlook {
  readonly builds: number;
  readonly tags: Some;
  readonly published: boolean;
  /** Why somebody has to approve it first; null: nobody has to. */
  readonly held: SkipReason | null;
  /** Why it is not built; null: it is, or the file does not name the image. */
  readonly reason: SkipReason | null;
}

/** The first of a list, and how many there are besides. */
export interface Some {
  readonly items: readonly string[];
  readonly more: number;
}

/**
 * Bounds of what is computed: changes, and for files of hundreds of rules fewer of them. One rule or tag of one change
 * costs up to 50 µs.
 */
export const MAX_COMPARED = 20;
const MAX_WORK = 6_000;
/** Of what is kept and shown. */
const MAX_DIFFERENCES = 20;
const MAX_ITEMS = 10;

export interface Comparison {
  readonly before: ConfigFact;
  readonly after: ConfigFact;
  /** The newest first; only the first {@link MAX_COMPARED} that could be built are looked at. */
  readonly changes: readonly Change[];
  readonly facts: Omit<PlanFacts, "changes" | "unusable">;
}

/** Total and pure, as the planner is. */
export function checkFile(kind: FileCheck["kind"], comparison: Comparison): FileCheck {
  const { after } = comparison;
  const problems = problemsOf(after);
  return { kind, problems, effect: hasErrors(problems) ? null : compareFiles(comparison) };
}

export function hasErrors(problems: readonly Diagnostic[]): boolean {
  return problems.some(({ severity }) => severity === "error");
}

function problemsOf(file: ConfigFact): readonly Diagnostic[] {
  if (file.kind === "read") return file.parsed.diagnostics;
  if (file.kind !== "unreadable") return [];
  return [{ severity: "error", line: 1, column: 1, message: `the file can not be read: ${file.why}` }];
}

export function compareFiles({ before, after, changes, facts }: Comparison): FileEffect {
  const affordable = Math.max(1, Math.floor(MAX_WORK / (workOf(before) + workOf(after))));
  const compared = changes.filter(isBuildable).slice(0, Math.min(MAX_COMPARED, affordable));
  // Tags the repository is known to have. One that was deleted since may be among them, on both sides.
  const tags = compared.filter(({ kind }) => kind === "tag").map(({ name }) => name);
  const differences = new Map<string, Difference>();
  let different = 0;
  for (const change of compared) {
    const found = differencesOf(change, plansOf(before, change, tags, facts), plansOf(after, change, tags, facts));
    if (found.length > 0) different += 1;
    for (const one of found) {
      // Of one lane, as it holds its ref and number.
      const { sha: _, ...same } = one;
      const key = JSON.stringify(same);
      const known = differences.get(key);
      differences.set(key, known === undefined ? one : { ...known, times: known.times + 1 });
    }
  }
  const all = [...differences.values()];
  return {
    compared: compared.length,
    different,
    differences: all.slice(0, MAX_DIFFERENCES),
    more: Math.max(0, all.length - MAX_DIFFERENCES),
    unseen: some(imagesOfOtherPaths(before, after)),
  };
}

/** Rules, and tags they list. */
function workOf(file: ConfigFact): number {
  const images = (file.kind === "read" ? file.parsed.config?.images : null) ?? [];
  return images.flatMap(({ rules }) => rules).reduce((sum, { tags }) => sum + 1 + (tags?.length ?? 1), 1);
}

/** Of what was closed, deleted or is gone nothing is built by any file. */
function isBuildable(change: Change): boolean {
  if (change.commit === null || change.after === null) return false;
  if (change.kind !== "pull_request") return true;
  const { closed, queued, checkout } = change.pull;
  return !closed && !queued && checkout !== null;
}

interface Planned {
  readonly images: ReadonlyMap<string, Work>;
  /** Why no image was looked at; null: they were. */
  readonly refusal: SkipReason | null;
}

/** {@link Outlook} before anything is left out. */
interface Work {
  readonly tags: Set<string>;
  readonly inputs: BuildInputs[];
  readonly reasons: Set<SkipReason>;
  published: boolean;
  held: SkipReason | null;
}

function plansOf(file: ConfigFact, change: Change, tags: readonly string[], facts: Comparison["facts"]): Planned {
  const about = { change, config: file, defaultBranchConfig: file, changedPaths: null, tags };
  const plan = planBuilds({ ...facts, changes: [about] });
  const images = new Map<string, Work>();
  function toImage(image: string): Work {
    const known = images.get(image);
    if (known !== undefined) return known;
    const work: Work = { tags: new Set(), inputs: [], reasons: new Set(), published: false, held: null };
    images.set(image, work);
    return work;
  }
  for (const { image, tags: wanted, inputs, push } of [...plan.requests, ...plan.held]) {
    const work = toImage(image);
    for (const tag of wanted) work.tags.add(tag);
    work.inputs.push(inputs);
    work.published ||= push;
  }
  for (const { image, hold } of plan.held) toImage(image).held = hold.reason;
  for (const { image, reason } of plan.skips) if (image !== null) toImage(image).reasons.add(reason);
  return { images, refusal: plan.skips.find(({ image }) => image === null)?.reason ?? null };
}

const NO_WORK: Work = { tags: new Set(), inputs: [], reasons: new Set(), published: false, held: null };

function differencesOf(change: Change, before: Planned, after: Planned): readonly Difference[] {
  const { ref, kind, name, commit: sha } = change;
  if (sha === null) return [];
  const images = new Set([...after.images.keys(), ...before.images.keys()]);
  return [...images].flatMap((image) => {
    const was = before.images.get(image) ?? NO_WORK;
    const will = after.images.get(image) ?? NO_WORK;
    const difference: Difference = {
      ...{ ref, kind, name, sha, times: 1, image },
      before: outlook(was, before),
      after: outlook(will, after),
      gained: some([...will.tags].filter((tag) => !was.tags.has(tag))),
      lost: some([...was.tags].filter((tag) => !will.tags.has(tag))),
      inputs: otherInputs(was.inputs, will.inputs),
    };
    return isNews(difference, was, will) ? [difference] : [];
  });
}

function outlook({ tags, inputs, reasons, published, held }: Work, { refusal }: Planned): Outlook {
  const reason = inputs.length > 0 ? null : ([...reasons][0] ?? refusal);
  return { builds: inputs.length, tags: some([...tags]), published, held, reason };
}

/** That an image is not built is no news where it was not before, unless it is for another reason of its own. */
function isNews({ before, after, gained, lost, inputs }: Difference, was: Work, will: Work): boolean {
  if (before.builds === 0 && after.builds === 0) {
    return was.reasons.size > 0 && will.reasons.size > 0 && before.reason !== after.reason;
  }
  return (
    before.builds !== after.builds ||
    before.published !== after.published ||
    before.held !== after.held ||
    gained.items.length + lost.items.length + inputs.length > 0
  );
}

/** Names of what differs; none where only one side builds. */
function otherInputs(was: readonly BuildInputs[], will: readonly BuildInputs[]): readonly (keyof BuildInputs)[] {
  const [sample] = was;
  if (sample === undefined || will.length === 0) return [];
  return namesOf(sample).filter((name) => valuesOf(was, name) !== valuesOf(will, name));
}

function namesOf(inputs: BuildInputs): readonly (keyof BuildInputs)[] {
  return Object.keys(inputs) as (keyof BuildInputs)[];
}

function valuesOf(all: readonly BuildInputs[], name: keyof BuildInputs): string {
  return [...new Set(all.map((one) => text(one[name])))].sort().join("\n");
}

/** Equal for equal values, in whatever order their keys were written. */
function text(value: BuildInputs[keyof BuildInputs]): string {
  const plain = typeof value === "object" && value !== null && !Array.isArray(value);
  return JSON.stringify(plain ? Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)) : value);
}

function imagesOfOtherPaths(before: ConfigFact, after: ConfigFact): readonly string[] {
  const was = pathsOf(before);
  return [...pathsOf(after)].flatMap(([image, paths]) => {
    const known = was.get(image);
    return known === undefined || known === paths ? [] : [image];
  });
}

/** Image to all that its entries say of paths. */
function pathsOf(file: ConfigFact): ReadonlyMap<string, string> {
  const all = new Map<string, string>();
  for (const { name, paths } of (file.kind === "read" ? file.parsed.config?.images : null) ?? []) {
    const sources = paths === null ? null : [paths.include, paths.exclude].map((list) => list.map((one) => one.source));
    all.set(name, `${all.get(name) ?? ""}${JSON.stringify(sources)}`);
  }
  return all;
}

function some(items: readonly string[]): Some {
  return { items: items.slice(0, MAX_ITEMS), more: Math.max(0, items.length - MAX_ITEMS) };
}
