import { oneLine } from "../markdown.ts";
import { DEFAULT_INPUTS } from "../repo-config/inputs.ts";
import { shown } from "../repo-config/problems.ts";
import { scalar } from "../repo-config/scalar.ts";
import type { TakenRule } from "./convert.ts";

/** A rule of Docker Hub and what stands for it in the file. */
export interface WrittenRule {
  /** Null: only a comment, at the same place. */
  readonly rule: TakenRule | null;
  /** Sentences, above it. */
  readonly comments: readonly string[];
}

export interface WrittenImage {
  /** Without namespace; null: left to the repository's name. */
  readonly name: string | null;
  /** On Docker Hub. */
  readonly hubName: string | null;
  readonly rules: readonly WrittenRule[];
}

export interface WrittenFile {
  readonly text: string;
  /** For each line the rule on it, or null. */
  readonly owners: readonly (WrittenRule | null)[];
}

interface Line {
  readonly text: string;
  readonly owner: WrittenRule | null;
}

/** The file, or null when there is no rule for it. The same rules always make the same text. */
export function writeFile(images: readonly WrittenImage[]): WrittenFile | null {
  if (!images.some(({ rules }) => rules.some(({ rule }) => rule !== null))) return null;
  const lines: readonly Line[] = [
    line("# Docker Hub's build rules, as `wharfinger import dockerhub` took them over."),
    line("version: 1"),
    line("images:"),
    ...images.flatMap(imageLines),
  ];
  return { text: lines.map(({ text }) => `${text}\n`).join(""), owners: lines.map(({ owner }) => owner) };
}

function line(text: string, owner: WrittenRule | null = null): Line {
  return { text, owner };
}

const WIDTH = 118;

/** One comment, broken at blanks; what follows is indented, so that each is seen to begin. */
function comment(indent: string, text: string): readonly Line[] {
  const lines = [`${indent}#`];
  for (const word of printable(text).split(" ")) {
    const last = lines.at(-1) ?? "";
    if (last.length + word.length < WIDTH || last.endsWith("#")) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(`${indent}#   ${word}`);
  }
  return lines.map((one) => line(one));
}

/** A comment can not quote: what does not belong into a text file becomes a question mark. */
function printable(text: string): string {
  return oneLine(text).replace(/[\p{Cs}\p{Co}\p{Cn}\ufffd-\uffff]/gu, "?");
}

function imageLines({ name, hubName, rules }: WrittenImage): readonly Line[] {
  const taken = rules.flatMap(({ rule }) => (rule === null ? [] : [rule]));
  const about = hubName === name && name !== null ? [] : comment("  ", aboutName(hubName));
  if (taken.length === 0) {
    return [...about, ...rules.flatMap(({ comments }) => comments.flatMap((text) => comment("  ", text)))];
  }
  const common = commonInputs(taken);
  const keys = [...(name === null ? [] : [`name: ${scalar(name)}`]), ...inputLines(common, DEFAULT_INPUTS), "rules:"];
  return [
    ...about,
    ...keys.map((key, index) => line(`  ${index === 0 ? "- " : "  "}${key}`)),
    ...rules.flatMap((written) => ruleLines(written, { ...DEFAULT_INPUTS, ...common })),
  ];
}

function aboutName(hubName: string | null): string {
  return hubName === null
    ? "called as this repository; on Docker Hub otherwise? Then give it a `name`"
    : `${shown(hubName)} on Docker Hub`;
}

type Inputs = Pick<TakenRule, "context" | "dockerfile" | "cache">;

/** What all rules of an image agree on is said once. */
function commonInputs(rules: readonly TakenRule[]): Partial<Inputs> {
  const [first] = rules;
  if (first === undefined) return {};
  const { context, dockerfile, cache } = first;
  return {
    ...(rules.every((rule) => rule.context === context) && { context }),
    ...(rules.every((rule) => rule.dockerfile === dockerfile) && { dockerfile }),
    ...(rules.every((rule) => rule.cache === cache) && { cache }),
  };
}

function inputLines(inputs: Partial<Inputs>, base: Inputs): readonly string[] {
  const { context = base.context, dockerfile = base.dockerfile, cache = base.cache } = inputs;
  return [
    ...(context === base.context ? [] : [`context: ${scalar(context)}`]),
    ...(dockerfile === base.dockerfile ? [] : [`dockerfile: ${scalar(dockerfile)}`]),
    ...(cache === base.cache ? [] : [`cache: ${cache}`]),
  ];
}

function ruleLines(written: WrittenRule, base: Inputs): readonly Line[] {
  const indent = "      ";
  const comments = written.comments.flatMap((text) => comment(indent, text));
  const { rule } = written;
  if (rule === null) return comments;
  return [
    ...comments,
    line(`${indent}- ${rule.kind}: ${scalar(rule.pattern)}`, written),
    line(`${indent}  tags: [${rule.tags.map(scalar).join(", ")}]`, written),
    ...inputLines(rule, base).map((text) => line(`${indent}  ${text}`, written)),
  ];
}
