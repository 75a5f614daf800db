/** What a pull request may have built. What it brings along decides nothing of this: rules are the target branch's. */
import type { PullRequestEvent } from "./events.ts";
import type { ForkPolicy, Hold, Policy, PullRequestChange, Sha, Trust } from "./model.ts";
import type { Refusal } from "./refusals.ts";
import type { RepoConfig, RuleConfig } from "./repo-config/config.ts";

/**
 * `commits`: the hashes as they count, where the event abbreviates them. Of a closed pull request nothing is built any
 * more, which is said as of a ref that was deleted.
 */
export function pullRequestChange(
  { action, number, source, target, checkout, fork, draft, queued }: PullRequestEvent,
  commits: { readonly head: Sha | null; readonly before: Sha | null; readonly target: Sha | null },
  message = "",
): PullRequestChange {
  const head = action === "merged" || action === "declined" ? null : commits.head;
  return {
    kind: "pull_request",
    ref: `refs/heads/${source.branch}`,
    name: String(number),
    before: commits.before,
    after: head,
    commit: head,
    forced: false,
    message,
    pull: { number, target: target.branch, targetCommit: commits.target, fork, draft, queued, checkout },
  };
}

const BY_CAUTION: readonly ForkPolicy[] = ["never", "approve", "test"];

/** The more cautious of the two. */
export function strictest(one: ForkPolicy, other: ForkPolicy): ForkPolicy {
  return BY_CAUTION.indexOf(one) < BY_CAUTION.indexOf(other) ? one : other;
}

export type PullVerdict =
  | { readonly ok: false; readonly refusal: Refusal }
  | {
      readonly ok: true;
      readonly trust: Trust;
      readonly push: boolean;
      readonly hold: Hold | null;
      /** Something a person may wonder about, or null. */
      readonly remark: string | null;
    };

/** What becomes of a pull request that a rule matches. */
export function judgePull(
  { pull }: PullRequestChange,
  rule: Pick<RuleConfig, "push">,
  { forks }: Pick<RepoConfig, "forks">,
  policy: Policy,
): PullVerdict {
  const what = `pull request #${pull.number}`;
  if (pull.draft) {
    return {
      ok: false,
      refusal: { reason: "draft", why: `${what} is a draft; it is built once it is ready for review` },
    };
  }
  if (!pull.fork) {
    const push = rule.push && policy.publishPullRequests && !pull.queued;
    const remark =
      rule.push && !push && !pull.queued
        ? `${what} is built and tested but not published: the installation does not let pull requests publish`
        : null;
    return { ok: true, trust: "trusted", push, hold: null, remark };
  }
  const decided = strictest(forks, policy.forks);
  if (decided === "never") {
    const who = forks === "never" ? "pull_requests.forks is never" : "the installation does not allow it";
    return { ok: false, refusal: { reason: "untrusted-fork", why: `${what} comes from a fork, and ${who}` } };
  }
  const detail = `${capitalized(what)} comes from a fork: somebody who may push to the repository has to approve this commit.`;
  const hold: Hold | null = decided === "approve" ? { reason: "awaiting-approval", detail } : null;
  const remark = rule.push ? `${what} comes from a fork: it is built and tested, never published` : null;
  return { ok: true, trust: "untrusted", push: false, hold, remark };
}

function capitalized(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
}
