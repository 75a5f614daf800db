import { imageNameProblem } from "../repo-config/image-name.ts";
import { parseRepoConfig } from "../repo-config/parse.ts";
import { shown } from "../repo-config/problems.ts";
import { MAX_IMAGES, MAX_RULES } from "../repo-config/schema.ts";
import { type Comparison, compareRefs } from "./compare.ts";
import { convertRule, type TakenRule } from "./convert.ts";
import { readHubRules } from "./read.ts";
import { readRefs } from "./refs.ts";
import type { Finding, HubRule } from "./rules.ts";
import { type WrittenFile, type WrittenImage, type WrittenRule, writeFile } from "./write.ts";

export interface Import {
  /** A `.wharfinger.yml` without errors; null: no rule is left for one. */
  readonly file: string | null;
  /** Sentences, in the order of what was given. */
  readonly findings: readonly Finding[];
  readonly rules: { readonly given: number; readonly taken: number };
  /** Null: no refs were given. */
  readonly comparisons: readonly Comparison[] | null;
  /** There is a file, it means all that was given, and it gives the same tags to every ref. */
  readonly complete: boolean;
}

export type ImportResult =
  | { readonly ok: true; readonly value: Import }
  /** `input`: which of the two texts can not be used. */
  | { readonly ok: false; readonly input: "rules" | "refs"; readonly message: string };

/** Docker Hub's build rules as a `.wharfinger.yml`. Pure; never throws for what the texts are. */
export function importDockerHub(rules: string, refs: string | null): ImportResult {
  const read = readHubRules(rules);
  if (!read.ok) return { ok: false, input: "rules", message: read.message };
  const against = refs === null ? null : readRefs(refs);
  if (against !== null && !against.ok) return { ok: false, input: "refs", message: against.message };
  const findings = [...read.findings];
  const images = draftImages(read.rules, findings);
  const settled = settle(images, findings);
  if (!settled.ok) return { ok: false, input: "rules", message: settled.message };
  const { file } = settled;
  const parsed = file === null ? null : parseRepoConfig(file, OPTIONS);
  const comparisons =
    against === null
      ? null
      : compareRefs(
          against.refs,
          images.map(({ name, entries }) => ({
            image: name ?? OPTIONS.repositoryName,
            rules: entries.map(({ hub }) => hub).filter(({ autobuild }) => autobuild),
          })),
          parsed,
        );
  const taken = settled.images.flatMap(({ rules: written }) => written.filter(({ rule }) => rule !== null)).length;
  const lost = findings.some(({ kind }) => kind === "lost");
  const differs = comparisons?.some(({ verdict }) => verdict !== "same") === true;
  return {
    ok: true,
    value: {
      file,
      findings: findings.sort((one, other) => lineOf(one) - lineOf(other)),
      rules: { given: read.rules.length, taken },
      comparisons,
      complete: file !== null && !lost && !differs,
    },
  };
}

/** An image without a name is called as the repository; which one that is, nobody says here. */
const OPTIONS = { repositoryName: "this-repository" };

function lineOf({ place }: Finding): number {
  return Number(/^line (\d+)$/.exec(place ?? "")?.[1] ?? 0);
}

// --------------------------------------------------------------------------------------------------- drafts

interface Entry extends WrittenRule {
  readonly hub: HubRule;
}

interface DraftImage {
  readonly name: string | null;
  readonly hubName: string | null;
  readonly entries: Entry[];
}

function draftImages(rules: readonly HubRule[], findings: Finding[]): readonly DraftImage[] {
  const images = new Map<string | null, DraftImage & { readonly problem: string | null }>();
  const names = new Map<string, string>();
  for (const hub of rules) {
    let image = images.get(hub.image);
    if (image === undefined) {
      const name = hub.image === null ? null : hub.image.slice(hub.image.lastIndexOf("/") + 1);
      image = { name, hubName: hub.image, entries: [], problem: nameProblem(name, hub.image, names, images.size) };
      images.set(hub.image, image);
    }
    image.entries.push(draftEntry(hub, image, findings));
  }
  return [...images.values()];
}

/** Null: an entry of `images` may be called so. */
function nameProblem(
  name: string | null,
  hubName: string | null,
  names: Map<string, string>,
  images: number,
): string | null {
  if (images >= MAX_IMAGES) return `a file may have ${MAX_IMAGES} images`;
  if (name === null || hubName === null) return null;
  const other = names.get(name);
  if (other !== undefined) {
    return `\`${shown(other)}\` is called \`${shown(name)}\` here, too; the namespace is the installation's`;
  }
  names.set(name, hubName);
  return imageNameProblem(name);
}

function draftEntry(
  hub: HubRule,
  { entries, problem }: { readonly entries: readonly Entry[]; readonly problem: string | null },
  findings: Finding[],
): Entry {
  if (!hub.autobuild) return leftOut(hub, "note", "Autobuild is off, so Docker Hub published nothing for it", findings);
  if (problem !== null) return leftOut(hub, "lost", problem, findings);
  if (entries.filter(({ rule }) => rule !== null).length >= MAX_RULES) {
    return leftOut(hub, "lost", `an image may have ${MAX_RULES} rules`, findings);
  }
  const { rule, lost, notes } = convertRule(hub);
  const collisions = rule === null ? [] : collisionsOf(rule, entries);
  const tags = rule?.tags.filter((tag) => !collisions.some((collision) => collision.tag === tag)) ?? [];
  const losses = [...lost, ...collisions.map(({ why }) => why)];
  if (rule === null || tags.length === 0) return leftOut(hub, "lost", losses.join("; "), findings);
  for (const message of losses) findings.push({ kind: "lost", place: hub.place, message });
  for (const message of notes) findings.push({ kind: "note", place: hub.place, message });
  return { hub, rule: { ...rule, tags }, comments: [...losses, ...notes].map((text) => `${hub.place}: ${text}`) };
}

function leftOut(hub: HubRule, kind: Finding["kind"], why: string, findings: Finding[]): Entry {
  const about = `${hub.kind} ${shown(hub.source)} -> ${shown(hub.tags.join(","))}`;
  findings.push({ kind, place: hub.place, message: `left out: ${why}` });
  return { hub, rule: null, comments: [`${hub.place} (${about}) is left out: ${why}`] };
}

/** Tags that an earlier rule gives to the same refs from other inputs; the check of the file refuses them. */
function collisionsOf(
  rule: TakenRule,
  entries: readonly Entry[],
): readonly { readonly tag: string; readonly why: string }[] {
  return rule.tags.flatMap((tag) => {
    const owner = entries.find(
      (entry) =>
        entry.rule?.kind === rule.kind &&
        entry.rule.pattern === rule.pattern &&
        entry.rule.tags.includes(tag) &&
        inputsKey(entry.rule) !== inputsKey(rule),
    );
    if (owner === undefined) return [];
    const why = `no tag \`${shown(tag)}\`: ${owner.hub.place} already gives it to the same refs, with other inputs; use another tag or image`;
    return [{ tag, why }];
  });
}

function inputsKey({ context, dockerfile, cache }: TakenRule): string {
  return JSON.stringify([context, dockerfile, cache]);
}

// ---------------------------------------------------------------------------------------- the file's own check

type Settled =
  | { readonly ok: true; readonly file: string | null; readonly images: readonly WrittenImage[] }
  | { readonly ok: false; readonly message: string };

/** Writes the file, and leaves out what the file's own check still refuses: too many patterns together, for one. */
function settle(images: readonly DraftImage[], findings: Finding[]): Settled {
  for (;;) {
    const written = images.map(({ name, hubName, entries }) => ({ name, hubName, rules: entries }));
    const file = writeFile(written);
    const errors = file === null ? new Map<WrittenRule | null, string>() : errorsOf(file);
    const general = errors.get(null);
    if (general !== undefined) return { ok: false, message: `no file can be made of these rules: ${general}` };
    if (errors.size === 0) return { ok: true, file: file?.text ?? null, images: written };
    for (const { entries } of images) {
      for (const [index, entry] of entries.entries()) {
        const message = errors.get(entry);
        if (message !== undefined) entries[index] = leftOut(entry.hub, "lost", message, findings);
      }
    }
  }
}

/** The first error of each rule; null stands for what is no rule's. */
function errorsOf({ text, owners }: WrittenFile): ReadonlyMap<WrittenRule | null, string> {
  const errors = new Map<WrittenRule | null, string>();
  for (const { severity, line, message } of parseRepoConfig(text, OPTIONS).diagnostics) {
    const owner = owners[line - 1] ?? null;
    if (severity === "error" && !errors.has(owner)) errors.set(owner, message);
  }
  return errors;
}
