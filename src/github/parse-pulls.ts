/** Events of pull requests and of the merge queue. */
import type { ParseResult, PullRequestEvent } from "../core/events.ts";
import { mergeGroupSchema, pullRequestSchema, retargetedSchema } from "./payloads.ts";
import {
  actionOf,
  actorOf,
  hostId,
  ignored,
  NO_INSTALLATION,
  type ParseContext,
  parsed,
  rejected,
  toRepository,
  toRepositoryName,
  unsupported,
} from "./words.ts";

/** Those that change what would be built or whether it may be; `edited` does where the target changed. */
const PULL_REQUEST_ACTIONS: ReadonlyMap<string, PullRequestEvent["action"] | "closed"> = new Map([
  ["opened", "opened"],
  ["reopened", "opened"],
  ["ready_for_review", "opened"],
  ["synchronize", "updated"],
  ["converted_to_draft", "updated"],
  ["edited", "updated"],
  ["closed", "closed"],
]);

export function parsePullRequest(payload: unknown, context: ParseContext): ParseResult {
  const named = actionOf(payload);
  const action = PULL_REQUEST_ACTIONS.get(named ?? "");
  if (action === undefined) return unsupported("pull_request", named);
  if (named === "edited" && !retargetedSchema.safeParse(payload).success) {
    return ignored("unsupported-event", "Nothing is built for another title or description of a pull request.");
  }
  const result = pullRequestSchema.safeParse(payload);
  if (!result.success) return rejected("pull_request", result.error);
  const { pull_request: pull, before, repository, installation } = result.data;
  const { head, base } = pull;
  const source = head.repo ? toRepositoryName(head.repo, context) : null;
  return parsed({
    type: "pull_request",
    action: action === "closed" ? endOf(pull.merged === true) : action,
    repository: toRepository(repository, context),
    installation: hostId(installation?.id ?? NO_INSTALLATION, context),
    number: pull.number,
    source: { repository: source, branch: head.ref, commit: head.sha, before: before ?? null },
    // The repository it goes to has the commits of forks, too, and there the installation's credential opens them. They
    // stay when a fork is deleted, but of nobody's any more nothing is built.
    checkout:
      source === null
        ? null
        : { cloneUrl: repository.clone_url, ref: `refs/pull/${pull.number}/head`, anonymous: false },
    target: { branch: base.ref, commit: base.sha },
    fork: source?.id !== repository.id,
    draft: pull.draft ?? false,
    queued: false,
    actor: actorOf(payload),
  });
}

/** GitHub's merge queue wants to merge a commit it has made, or does not want to any more. */
export function parseMergeGroup(payload: unknown, context: ParseContext): ParseResult {
  const action = actionOf(payload);
  if (action !== "checks_requested" && action !== "destroyed") return unsupported("merge_group", action);
  const result = mergeGroupSchema.safeParse(payload);
  if (!result.success) return rejected("merge_group", result.error);
  const { merge_group: group, reason, repository, installation } = result.data;
  const number = queuedNumber(group.head_ref);
  if (number === null) {
    return ignored("unsupported-event", "The branch of the merge group names no pull request.");
  }
  return parsed({
    type: "pull_request",
    action: action === "checks_requested" ? "opened" : endOf(reason === "merged"),
    repository: toRepository(repository, context),
    installation: hostId(installation?.id ?? NO_INSTALLATION, context),
    number,
    source: {
      repository: toRepositoryName(repository, context),
      branch: group.head_ref,
      commit: group.head_sha,
      before: null,
    },
    checkout: { cloneUrl: repository.clone_url, ref: `refs/heads/${group.head_ref}`, anonymous: false },
    target: { branch: group.base_ref, commit: group.base_sha },
    fork: false,
    draft: false,
    queued: true,
    actor: actorOf(payload),
  });
}

const QUEUE = "gh-readonly-queue/";
const QUEUED_PULL = /^pr-([1-9]\d{0,14})-[0-9a-f]{7,64}$/;

/**
 * The last pull request of a group, out of the name of its branch: `gh-readonly-queue/<target>/pr-<number>-<sha>`. Nowhere
 * else is it said. Null: another kind of name.
 */
function queuedNumber(branch: string): number | null {
  const last = branch.slice(branch.lastIndexOf("/") + 1);
  const digits = branch.startsWith(QUEUE) ? QUEUED_PULL.exec(last)?.[1] : undefined;
  return digits === undefined ? null : Number(digits);
}

function endOf(merged: boolean): PullRequestEvent["action"] {
  return merged ? "merged" : "declined";
}
