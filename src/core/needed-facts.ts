/**
 * Which facts the planner needs for one change, in the order in which they can be known. Each costs a call to the host or
 * to the database, so only where the answer can change the plan.
 */
import type { Change, Repository } from "./model.ts";
import { judgePaths } from "./path-filter.ts";
import type { ChangeFacts, PlanFacts } from "./plan.ts";
import { closedGate, imagesRefusal } from "./refusals.ts";
import type { ImageConfig, RepoConfig } from "./repo-config/config.ts";
import { judgeRule } from "./rules.ts";
import { mayMoveByVersion } from "./tags/metadata-action.ts";
import { isMoving } from "./tags/native.ts";
import { templatesOf } from "./tags/rule-tags.ts";
import { hasGrantingFile } from "./trust.ts";

/** Whether any file could matter at all. Of a change without a commit none does. */
export function needsConfig(facts: Pick<PlanFacts, "installation" | "link">): boolean {
  return closedGate(facts) === null;
}

/** Which further facts a rule asks for. */
export function neededFacts(
  change: Change,
  config: RepoConfig,
): { readonly changedPaths: boolean; readonly tags: boolean } {
  const idle = imagesRefusal(change, config) !== null || (change.kind === "pull_request" && change.pull.draft);
  if (idle) {
    return { changedPaths: false, tags: false };
  }
  const matched = (image: ImageConfig): boolean => image.rules.some((rule) => judgeRule(rule, change).matches);
  return {
    changedPaths: change.kind !== "tag" && config.images.some((image) => image.paths !== null && matched(image)),
    tags: needsTags(change, config),
  };
}

/** Whether a tag moves by version, here or in the file that grants it: then the repository's other tags count. */
export function needsTags(change: Change, config: RepoConfig): boolean {
  const moves = ({ rules, flavor }: ImageConfig): boolean =>
    rules.some((rule) => {
      const moving = templatesOf(rule, change, null).some((entry) =>
        typeof entry === "string"
          ? rule.on.kind === "semver" && isMoving(entry)
          : mayMoveByVersion(entry, flavor, change.kind),
      );
      return moving && judgeRule(rule, change).matches;
    });
  return config.images.some(moves);
}

/** Images this change would publish if everything were granted. */
export function publishedImages(facts: Pick<ChangeFacts, "change" | "config" | "changedPaths">): readonly string[] {
  const { change, config } = facts;
  if (config.kind !== "read" || config.parsed.config === null || imagesRefusal(change, config.parsed.config) !== null) {
    return [];
  }
  const published = config.parsed.config.images.filter((image) =>
    image.rules.some((rule) => rule.push && judgeRule(rule, change).matches && judgePaths(image, rule, facts).build),
  );
  return [...new Set(published.map(({ name }) => name))];
}

/** Whether the default branch's file has to be asked what may be published. */
export function needsGrants(
  facts: Pick<ChangeFacts, "change" | "config" | "changedPaths">,
  { defaultBranch }: Pick<Repository, "defaultBranch">,
): boolean {
  return defaultBranch !== null && !hasGrantingFile(facts.change, defaultBranch) && publishedImages(facts).length > 0;
}
