/** Pull requests as REST answers and webhooks spell them. */
import { compare } from "../git/git-read.ts";
import type { JsonObject } from "../json.ts";
import { withInstallation } from "./payloads.ts";
import { personOf } from "./repositories.ts";
import { accountShape, repositoryShape } from "./shapes.ts";
import { nodeId, type PullState, type RepositoryState, type State } from "./state.ts";

export async function pullShape(state: State, pull: PullState): Promise<JsonObject> {
  const { repository, number } = pull;
  const api = `${state.apiUrl}/repos/${repository.fullName}`;
  const url = `${api}/pulls/${number}`;
  const html = `${repository.webUrl}/pull/${number}`;
  const issue = `${api}/issues/${number}`;
  const base = await repository.ref(`refs/heads/${pull.base}`);
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
    user: accountShape(state, personOf(state, pull.source.owner)),
    body: null,
    created_at: pull.createdAt,
    updated_at: pull.updatedAt,
    closed_at: pull.closedAt,
    merged_at: null,
    // While a newer one is being made, the one before.
    merge_commit_sha: pull.merge?.sha ?? null,
    assignee: null,
    assignees: [],
    requested_reviewers: [],
    requested_teams: [],
    labels: [],
    milestone: null,
    draft: false,
    commits_url: links.commits,
    review_comments_url: links.review_comments,
    review_comment_url: links.review_comment,
    comments_url: links.comments,
    statuses_url: links.statuses,
    head: side(state, pull.source, pull.head, pull.headSha),
    base: side(state, repository, pull.base, base ?? ""),
    _links: Object.fromEntries(Object.entries(links).map(([name, href]) => [name, { href }])),
    author_association: pull.source.id === repository.id ? "MEMBER" : "NONE",
    auto_merge: null,
    active_lock_reason: null,
    ...mergeability(pull, base),
    ...(await counts(pull)),
  };
}

function side(state: State, repository: RepositoryState, ref: string, sha: string): JsonObject {
  return {
    label: `${repository.owner.login}:${ref}`,
    ref,
    sha,
    user: accountShape(state, repository.owner),
    repo: repositoryShape(state, repository),
  };
}

/** Null until the test merge of exactly this head and this base is made. */
export function isMergeable(pull: PullState, base: string | null): boolean | null {
  const { merge } = pull;
  if (merge === null || merge.head !== pull.headSha || merge.base !== base) return null;
  return merge.sha !== null;
}

function mergeability(pull: PullState, base: string | null): JsonObject {
  const mergeable = isMergeable(pull, base);
  return {
    merged: false,
    mergeable,
    rebaseable: mergeable,
    mergeable_state: mergeable === null ? "unknown" : mergeable ? "clean" : "dirty",
    merged_by: null,
    maintainer_can_modify: false,
  };
}

async function counts({ repository, base, headSha }: PullState): Promise<JsonObject> {
  const found = await compare(repository.gitDir, `heads/${base}`, headSha);
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

export async function pullPayload(
  state: State,
  pull: PullState,
  action: "opened" | "synchronize" | "closed",
): Promise<JsonObject> {
  return {
    action,
    number: pull.number,
    pull_request: await pullShape(state, pull),
    ...withInstallation(state, pull.repository, personOf(state, pull.source.owner)),
  };
}
