import { expressionNames } from "../tags/expressions.ts";
import type { MetadataEntry } from "../tags/metadata-action.ts";
import type { RuleConfig } from "./config.ts";

type Kind = "branch" | "tag" | "pull_request";

const WORDS: Readonly<Record<Kind, string>> = {
  branch: "branches",
  tag: "tags",
  pull_request: "pull requests",
};

/** Expressions that stand for nothing, by what the rule is for. */
const EMPTY: Readonly<Record<Kind, readonly string[]>> = {
  branch: ["tag", "base_ref"],
  tag: ["branch"],
  pull_request: ["branch", "tag"],
};

/**
 * What can be said of an entry in docker/metadata-action's words only where it stands. There one list serves all events,
 * so entries that are not for this one are left out in silence; here a rule is for one kind, and such an entry is likely
 * to stand in the wrong rule. What `enable=false` switches off is meant to be.
 */
export function entryRemarks(entry: MetadataEntry, on: RuleConfig["on"]): readonly string[] {
  if (entry.enable === "never") return [];
  const kind: Kind = on.kind === "semver" ? "tag" : on.kind;
  const idle = whyIdle(entry, on, kind);
  if (idle !== null) return [`this entry never gives a tag here: ${idle}`];
  const value = "value" in entry ? entry.value : [];
  const names = [...value, ...(entry.prefix ?? []), ...(entry.suffix ?? [])];
  const empty = expressionNames(names).filter((name) => EMPTY[kind].includes(name));
  return [...new Set(empty)].map((name) => `\`{{${name}}}\` is always empty in rules for ${WORDS[kind]}`);
}

function whyIdle(entry: MetadataEntry, on: RuleConfig["on"], kind: Kind): string | null {
  const isFor = (meant: Kind) =>
    meant === kind ? null : `it is for ${WORDS[meant]}, and the rule is for ${WORDS[kind]}`;
  if (entry.enable === "default-branch" && kind !== "branch") {
    return `\`{{is_default_branch}}\` is false for ${WORDS[kind]}`;
  }
  switch (entry.type) {
    case "ref":
      return isFor(entry.event === "pr" ? "pull_request" : entry.event);
    case "semver":
    case "match":
      return entry.value.length === 0 ? isFor("tag") : null;
    case "edge": {
      const other = entry.branch !== null && on.kind === "branch" && on.pattern.match(entry.branch) === null;
      return other ? `the rule is not for the branch ${entry.branch}` : isFor("branch");
    }
    case "raw":
    case "sha":
      return null;
  }
}
