/**
 * Which facts the planner needs for one change, in the order in which they can be known. Each costs a call to the host or
 * to the database, so only where the answer can change the plan.
 */
import type { Change, Policy, Repository } from "./model.ts";
import { judgePaths } from "./path-filter.ts";
import type { ChangeFacts, PlanFacts } from "./plan.ts";
import { mayPublish } from "./pulls.ts";
import { closedGate, imagesRefusal } from "./refusals.ts";
import type { ImageConfig, RepoConfig } from "./repo-config/config.ts";
import { judgeRule } from "./rules.ts";
import { mayMoveByVersion } from "./tags/metadata-action.ts";
import { isMoving } from "./tags/native.ts";
import { templatesOf } from "./tags/rule-tags.ts";
import { hasGrantingFile } from "./trust.ts";

/** Whether any file of the repository could matter. */
export function needsConfig(facts: Pick<PlanFacts, "installation" | "link">): boolean {
  return closedGate(facts) === null;
}

/** Which further facts a rule asks for. */
export function neededFacts(
  change: Change,
  config: RepoConfig,
): { readonly changedPaths: boolean; readonly tags: boolean } {
  if (isIdle(change, config)) {
    return { changedPaths: false, tags: false };
  }
  const matched = (image: ImageConfig): boolean => image.rules.some((rule) => judgeRule(rule, change).matches);
  return {
    changedPaths: change.kind !== "tag" && config.images.some((image) => image.paths !== null && matched(image)),
    tags: needsTags(change, config),
  };
}

/** Whether none of the file's rules builds it, whatever they say. */
function isIdle(change: Change, config: RepoConfig): boolean {
  return imagesRefusal(change, config) !== null || (change.kind === "pull_request" && change.pull.draft);
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

/** What says which images would be published. */
type PublishFacts = Pick<ChangeFacts, "change" | "config" | "changedPaths">;

/** Images this change would publish if everything were granted. */
export function publishedImages(facts: PublishFacts, policy: Policy): readonly string[] {
  const { change, config } = facts;
  const file = config.kind === "read" ? config.parsed.config : null;
  if (file === null || isIdle(change, file) || !mayPublish(change, policy)) {
    return [];
  }
  const published = file.images.filter((image) =>
    image.rules.some((rule) => rule.push && judgeRule(rule, change).matches && judgePaths(image, rule, facts).build),
  );
  return [...new Set(published.map(({ name }) => name))];
}

/** Whether the default branch's file has to be asked what may be published. */
export function needsGrants(
  facts: PublishFacts,
  { defaultBranch }: Pick<Repository, "defaultBranch">,
  policy: Policy,
): boolean {
  return (
    defaultBranch !== null && !hasGrantingFile(facts.change, defaultBranch) && publishedImages(facts, policy).length > 0
  );
}
