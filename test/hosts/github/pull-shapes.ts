/** Pull requests as REST answers and webhooks spell them. */
import { compare, readCommit } from "../git/git-read.ts";
import type { JsonObject } from "../json.ts";
import type { HostAccount, HostMergeGroup } from "./contract.ts";
import { headCommit, withInstallation } from "./payloads.ts";
import { personOf, stateOf } from "./repositories.ts";
import { accountShape, repositoryShape } from "./shapes.ts";
import { nodeId, type PullState, type RepositoryState, type State } from "./state.ts";

export async function pullShape(state: State, pull: PullState): Promise<JsonObject> {
  const { repository, number } = pull;
  const api = `${state.apiUrl}/repos/${repository.fullName}`;
  const url = `${api}/pulls/${number}`;
  const html = `${repository.webUrl}/pull/${number}`;
  const issue = `${api}/issues/${number}`;
  const base = pull.mergedInto ?? (await repository.ref(`refs/heads/${pull.base}`));
  const links = {
    self: url,
    html,
    issue,
    comments: `${issue}/comments`,
    review_comments: `${url}/comments`,
    review_comment: `${api}/pulls/comments{/number}`,
    commits: `${url}/commits`,
    statuses: `${api}/statuses/${pull.headSha}`,
  };
  return {
    url,
    id: pull.id,
    node_id: nodeId("PR", pull.id),
    html_url: html,
    diff_url: `${html}.diff`,
    patch_url: `${html}.patch`,
    issue_url: issue,
    number,
    state: pull.open ? "open" : "closed",
    locked: false,
    title: pull.title,
    user: accountShape(state, personOf(state, pull.headOwner)),
    body: null,
    created_at: pull.createdAt,
    updated_at: pull.updatedAt,
    closed_at: pull.closedAt,
    merged_at: pull.merged ? pull.closedAt : null,
    // While a newer one is being made, the one before.
    merge_commit_sha: pull.merge?.sha ?? null,
    assignee: null,
    assignees: [],
    requested_reviewers: [],
    requested_teams: [],
    labels: [],
    milestone: null,
    draft: pull.draft,
    commits_url: links.commits,
    review_comments_url: links.review_comments,
    review_comment_url: links.review_comment,
    comments_url: links.comments,
    statuses_url: links.statuses,
    head: side(state, pull.headOwner, pull.source, pull.head, pull.headSha),
    base: side(state, repository.owner, repository, pull.base, base ?? ""),
    _links: Object.fromEntries(Object.entries(links).map(([name, href]) => [name, { href }])),
    author_association: pull.source?.id === repository.id ? "MEMBER" : "NONE",
    auto_merge: null,
    active_lock_reason: null,
    ...mergeability(state, pull, base),
    ...(await counts(pull)),
  };
}

function side(
  state: State,
  owner: HostAccount,
  repository: RepositoryState | null,
  ref: string,
  sha: string,
): JsonObject {
  return {
    label: `${owner.login}:${ref}`,
    ref,
    sha,
    user: accountShape(state, owner),
    repo: repository === null ? null : repositoryShape(state, repository),
  };
}

/** Null until the test merge of exactly this head and this base is made. */
export function isMergeable(pull: PullState, base: string | null): boolean | null {
  const { merge } = pull;
  if (merge === null || pull.merged || merge.head !== pull.headSha || merge.base !== base) return null;
  return merge.sha !== null;
}

function mergeability(state: State, pull: PullState, base: string | null): JsonObject {
  const mergeable = isMergeable(pull, base);
  const merger = pull.merged ? accountShape(state, personOf(state, pull.repository.owner)) : null;
  return {
    merged: pull.merged,
    mergeable,
    rebaseable: mergeable,
    mergeable_state: mergeable === null ? "unknown" : mergeable ? "clean" : "dirty",
    merged_by: merger,
    maintainer_can_modify: false,
  };
}

async function counts({ repository, base, mergedInto, headSha }: PullState): Promise<JsonObject> {
  const found = await compare(repository.gitDir, mergedInto ?? `heads/${base}`, headSha);
  if (typeof found === "string") throw new Error(`a pull request into ${repository.fullName}: ${found}`);
  return {
    comments: 0,
    review_comments: 0,
    commits: found.ahead,
    additions: found.files.reduce((sum, file) => sum + file.additions, 0),
    deletions: found.files.reduce((sum, file) => sum + file.deletions, 0),
    changed_files: found.files.length,
  };
}

export type PullAction =
  | "opened"
  | "reopened"
  | "synchronize"
  | "converted_to_draft"
  | "ready_for_review"
  | "edited"
  | "closed";

export async function pullPayload(
  state: State,
  pull: PullState,
  action: PullAction,
  sender: HostAccount,
): Promise<JsonObject> {
  return {
    action,
    number: pull.number,
    pull_request: await pullShape(state, pull),
    ...withInstallation(state, pull.repository, sender),
  };
}

/** `reason`: why it is over; null: its checks are wanted. */
export async function mergeGroupPayload(
  state: State,
  { pull, headRef, headSha, baseRef, baseSha }: HostMergeGroup,
  reason: string | null,
): Promise<JsonObject> {
  const repository = stateOf(state, pull.repository);
  return {
    ...(reason === null ? { action: "checks_requested" } : { action: "destroyed", reason }),
    merge_group: {
      head_sha: headSha,
      head_ref: headRef,
      base_sha: baseSha,
      base_ref: baseRef,
      head_commit: headCommit(await readCommit(repository.gitDir, headSha)),
    },
    ...withInstallation(state, repository, personOf(state, repository.owner)),
  };
}
