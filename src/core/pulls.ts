/** What a pull request may have built. What it brings along decides nothing of this: rules are the target branch's. */
import type { PullRequestEvent } from "./events.ts";
import type { Change, ForkPolicy, Hold, Policy, PullRequestChange, Sha, Trust } from "./model.ts";
import type { Refusal } from "./refusals.ts";
import { CONFIG_FILE, type RepoConfig, type RuleConfig } from "./repo-config/config.ts";

/** `commits`: the hashes as they count, where the event abbreviates them. Of a closed pull request there is none to build. */
export function pullRequestChange(
  { action, number, source, target, checkout, fork, draft, queued }: PullRequestEvent,
  commits: { readonly head: Sha | null; readonly before: Sha | null; readonly target: Sha | null },
  message = "",
): PullRequestChange {
  const closed = action === "merged" || action === "declined";
  const head = closed ? null : commits.head;
  return {
    kind: "pull_request",
    ref: `refs/heads/${source.branch}`,
    name: String(number),
    before: commits.before,
    after: head,
    commit: head,
    forced: false,
    message,
    pull: { number, target: target.branch, targetCommit: commits.target, fork, draft, closed, queued, checkout },
  };
}

const BY_CAUTION: readonly ForkPolicy[] = ["never", "approve", "test"];

/** The more cautious of the two. */
export function strictest(one: ForkPolicy, other: ForkPolicy): ForkPolicy {
  return BY_CAUTION.indexOf(one) < BY_CAUTION.indexOf(other) ? one : other;
}

/** What a build of a change may do. */
export interface Permit {
  readonly trust: Trust;
  readonly push: boolean;
  /** Null: it may run at once. */
  readonly hold: Hold | null;
  /** Something a person may wonder about, or null: a clause. */
  readonly remark: string | null;
}

/** Whether a rule with `push: true` publishes what it has built of the change. */
export function mayPublish(change: Change, { publishPullRequests }: Pick<Policy, "publishPullRequests">): boolean {
  return change.kind !== "pull_request" || (publishPullRequests && !change.pull.fork && !change.pull.queued);
}

/** What becomes of a change that a rule matches. Whoever may push to the repository may also build what was pushed. */
export function judgeChange(
  change: Change,
  rule: Pick<RuleConfig, "push">,
  { forks }: Pick<RepoConfig, "forks">,
  policy: Policy,
): Permit | Refusal {
  const push = rule.push && mayPublish(change, policy);
  const trusted = { trust: "trusted", push, hold: null, remark: null } as const;
  if (change.kind !== "pull_request") return trusted;
  const { pull } = change;
  const what = `pull request #${pull.number}`;
  if (pull.draft) return { reason: "draft", why: `${what} is a draft; it is built once it is ready for review` };
  if (pull.fork) return judgeFork(what, rule, { file: forks, installation: policy.forks });
  // Nobody expects a queue to publish: the push that follows does.
  const silent = !rule.push || push || pull.queued;
  return { ...trusted, remark: silent ? null : `${what} is tested, not published: the installation's policy says so` };
}

function judgeFork(
  what: string,
  rule: Pick<RuleConfig, "push">,
  forks: { readonly file: ForkPolicy; readonly installation: ForkPolicy },
): Permit | Refusal {
  const decided = strictest(forks.file, forks.installation);
  if (decided === "never") {
    const who = forks.installation === "never" ? "the installation's policy" : `pull_requests.forks in ${CONFIG_FILE}`;
    return { reason: "untrusted-fork", why: `${what} comes from a fork, and ${who} says that none is built` };
  }
  return {
    trust: "untrusted",
    push: false,
    hold: decided === "approve" ? forkHold(what) : null,
    remark: rule.push ? `${what} comes from a fork: it is tested, never published` : null,
  };
}

/** What a fork's pull request waits for. `what`: `pull request #3`. */
export function forkHold(what: string): Hold {
  const detail = `P${what.slice(1)} comes from a fork: somebody who may push to the repository has to approve this commit.`;
  return { reason: "awaiting-approval", detail };
}
