/** What a check says of the file that its commit brings along. */
import type { Difference, FileCheck, FileEffect, Outlook, Some } from "./config-check.ts";
import { codeSpan, escapeMarkdown } from "./markdown.ts";
import type { BuildInputs, Diagnostic } from "./model.ts";
import { CONFIG_FILE } from "./repo-config/config.ts";

const CHANGES = "pushes and pull requests";

/** One line of plain text, for a check that shows nothing else. */
export function fileTitle({ problems, effect }: FileCheck): string {
  if (effect === null) return `${CONFIG_FILE} has ${countErrors(problems)}`;
  const { different, compared } = effect;
  if (compared === 0) return `${CONFIG_FILE} has no errors`;
  const count = different === 0 ? "none" : String(different);
  return `${CONFIG_FILE} has no errors; ${count} of the last ${compared} ${CHANGES} would lead to something else`;
}

/** Markdown. `told`: the errors stand elsewhere in the same summary already. Null: there is nothing left to say. */
export function fileSection(check: FileCheck, { told }: { readonly told: boolean }): string | null {
  const { kind, effect } = check;
  // A repository seen for the first time: there is nothing that could change.
  if (effect?.compared === 0 && kind === "push") return null;
  if (effect !== null) return ["#### What this file changes", ...effectText(effect)].join("\n\n");
  return told ? null : [`#### This file has ${countErrors(check.problems)}`, errorText(check)].join("\n\n");
}

function countErrors(problems: readonly Diagnostic[]): string {
  const { length } = problems.filter(({ severity }) => severity === "error");
  return length === 1 ? "an error" : `${length} errors`;
}

/** As many as a person corrects at once; all of them are annotations. */
const TOLD_ERRORS = 10;

function errorText({ kind, problems }: FileCheck): string {
  const errors = problems.filter(({ severity }) => severity === "error");
  const lines = errors.slice(0, TOLD_ERRORS).map(({ line, column, message }) => {
    return `- ${codeSpan(`${CONFIG_FILE}:${line}:${column}`)} ${escapeMarkdown(message)}`;
  });
  const more = errors.length - lines.length;
  const effect = kind === "pull_request" ? "Merged as it is, it would stop all builds." : "Nothing is built by it.";
  return [effect, [...lines, ...(more > 0 ? [`- … and ${more} more`] : [])].join("\n")].join("\n\n");
}

function effectText({ compared, different, differences, more, unseen }: FileEffect): readonly string[] {
  if (compared === 0) return [`There are no earlier ${CHANGES} to compare with.`];
  const paths =
    unseen.items.length === 0
      ? []
      : [`Not compared: the paths of ${spans(unseen)}, as nobody keeps which files earlier ${CHANGES} touched.`];
  const all = compared === 1 ? "The last push or pull request" : `The last ${compared} ${CHANGES}`;
  if (different === 0) return [`${all} would lead to the same builds.`, ...paths];
  const lines = differences.map((one) => `- ${placeOf(one)}: ${codeSpan(one.image)} ${effectOf(one)}.`);
  return [
    `With this file, ${different} of the last ${compared} ${CHANGES} would lead to something else:`,
    [...lines, ...(more > 0 ? [`- … and ${more} more`] : [])].join("\n"),
    ...paths,
  ];
}

/** ``push to `main` (`abc1234` and 2 more)`` */
function placeOf({ kind, name, sha, times }: Difference): string {
  const what = {
    branch: `push to ${codeSpan(name)}`,
    tag: `tag ${codeSpan(name)}`,
    // Escaped: hosts would make a link of it.
    pull_request: `pull request ${escapeMarkdown(`#${name}`)}`,
  }[kind];
  return `${what} (${codeSpan(sha.slice(0, 7))}${times > 1 ? ` and ${times - 1} more` : ""})`;
}

/** What follows the image's name. */
function effectOf(difference: Difference): string {
  const { before, after, gained, lost, inputs } = difference;
  if (after.builds === 0 && before.builds === 0) {
    return `would not be built for another reason: ${after.reason ?? "none"} instead of ${before.reason ?? "none"}`;
  }
  if (after.builds === 0) return `would no longer be built${after.reason === null ? "" : ` (${after.reason})`}`;
  if (before.builds === 0) return `would be built${tagsOf(after)}${holdOf(after)}`;
  const clauses = [
    ...publication(before, after),
    ...(gained.items.length > 0 ? [`would also get ${spans(gained)}`] : []),
    ...(lost.items.length > 0 ? [`would no longer get ${spans(lost)}`] : []),
    ...(inputs.length > 0 ? [`would be built with another ${inputs.map((name) => INPUT_WORDS[name]).join(", ")}`] : []),
    ...(before.builds === after.builds ? [] : [`would be built ${timesOf(after)} instead of ${timesOf(before)}`]),
    ...(before.held === after.held ? [] : [after.held === null ? "would not wait for approval" : heldText(after.held)]),
  ];
  return clauses.join("; ");
}

function publication(before: Outlook, after: Outlook): readonly string[] {
  if (before.published === after.published) return [];
  return [after.published ? "would be published" : "would no longer be published"];
}

function tagsOf({ published, tags }: Outlook): string {
  return published ? ` and published as ${spans(tags)}` : " and not published";
}

function holdOf({ held }: Outlook): string {
  return held === null ? "" : `; ${heldText(held)}`;
}

function heldText(reason: string): string {
  return `would wait for approval (${reason})`;
}

function timesOf({ builds }: Outlook): string {
  return builds === 1 ? "once" : `${builds} times`;
}

function spans({ items, more }: Some): string {
  return `${items.map(codeSpan).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

const INPUT_WORDS: Readonly<Record<keyof BuildInputs, string>> = {
  context: "context",
  dockerfile: "Dockerfile",
  target: "target",
  testTarget: "test stage",
  buildArgs: "set of build arguments",
  platforms: "list of platforms",
  labels: "set of labels",
  cache: "cache setting",
};
