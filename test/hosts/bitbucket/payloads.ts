/** Payloads of the events, without the envelope that Connect puts round them. */
import { type CommitData, readCommits } from "../git/git-read.ts";
import type { JsonObject } from "../json.ts";
import type { RefMove } from "./contract.ts";
import { commitOf, peel } from "./objects.ts";
import {
  commitLinks,
  commitShape,
  link,
  pushedCommitShape,
  repositoryLinks,
  repositoryName,
  repositoryShape,
  userShape,
  workspaceShape,
} from "./payload-shapes.ts";
import type { PullState, RepositoryState, State, UserState, WorkspaceState } from "./state.ts";

/** No more commits than this are listed for one change. */
const MOST_COMMITS = 5;

/** `repo:push`, once the refs have moved. No moves at all make the payload with `changes: []` that does occur. */
export async function pushPayload(
  state: State,
  repository: RepositoryState,
  moves: readonly RefMove[],
  actor: UserState,
): Promise<JsonObject> {
  const changes: JsonObject[] = [];
  for (const move of moves) changes.push(await changeShape(state, repository, move));
  return { push: { changes }, ...about(state, repository, actor) };
}

async function changeShape(state: State, repository: RepositoryState, move: RefMove): Promise<JsonObject> {
  const ends = {
    old: move.before === null ? null : await refShape(state, repository, move, move.before),
    new: move.after === null ? null : await refShape(state, repository, move, move.after),
  };
  const flags = { created: move.before === null, closed: move.after === null, forced: move.forced };
  // What is gone has nothing to look at, and tags bring no commits.
  if (move.after === null) return { ...ends, truncated: false, ...flags };
  const links = await changeLinks(state, repository, move, move.after);
  if (move.kind === "tag") return { ...ends, truncated: false, ...flags, links };
  const commits = await newestCommits(repository.gitDir, move.before, move.after);
  return {
    ...ends,
    truncated: commits.length > MOST_COMMITS,
    ...flags,
    links,
    commits: commits.slice(0, MOST_COMMITS).map((commit) => pushedCommitShape(state, repository, commit)),
  };
}

/** A new branch counts all its history as new, also what other branches have. One more than is shown. */
async function newestCommits(gitDir: string, before: string | null, after: string): Promise<readonly CommitData[]> {
  return readCommits(gitDir, [`--max-count=${MOST_COMMITS + 1}`, after, ...(before === null ? [] : [`^${before}`])]);
}

async function changeLinks(
  state: State,
  repository: RepositoryState,
  move: RefMove,
  after: string,
): Promise<JsonObject> {
  const { fullName, gitDir } = repository;
  const api = `${state.apiUrl}/2.0/repositories/${fullName}`;
  const to = (await peel(state, gitDir, after)).sha;
  if (move.before === null) {
    return {
      commits: link(`${api}/commits?include=${to}`),
      ...(move.kind === "tag" ? {} : { html: link(`${state.url}/${fullName}/branch/${move.name}`) }),
    };
  }
  const from = (await peel(state, gitDir, move.before)).sha;
  return {
    commits: link(`${api}/commits?include=${to}&exclude=${from}`),
    diff: link(`${api}/diff/${to}..${from}`),
    html: link(`${state.url}/${fullName}/branches/compare/${to}..${from}`),
  };
}

/** A branch or tag as it was or is. `object`: what it points to, which for an annotated tag is no commit. */
export async function refShape(
  state: State,
  repository: RepositoryState,
  { kind, name }: Pick<RefMove, "kind" | "name">,
  object: string,
): Promise<JsonObject> {
  const { gitDir, fullName } = repository;
  const { sha, annotation } = await peel(state, gitDir, object);
  const api = `${state.apiUrl}/2.0/repositories/${fullName}`;
  const web = `${state.url}/${fullName}`;
  const path = encodeURI(name).replaceAll("#", "%23");
  const target = commitShape(state, repository, await commitOf(state, gitDir, sha));
  if (kind === "branch") {
    return {
      name,
      target,
      links: {
        self: link(`${api}/refs/branches/${path}`),
        commits: link(`${api}/commits/${path}`),
        html: link(`${web}/branch/${path}`),
      },
      type: "branch",
      merge_strategies: ["merge_commit", "squash", "fast_forward"],
      default_merge_strategy: "merge_commit",
    };
  }
  return {
    name,
    type: "tag",
    message: annotation?.message ?? null,
    date: annotation?.date ?? null,
    tagger: annotation === null ? null : { type: "author", raw: annotation.tagger },
    target,
    links: {
      self: link(`${api}/refs/tags/${path}`),
      commits: link(`${api}/commits/${path}`),
      html: link(`${web}/commits/tag/${path}`),
    },
  };
}

/** `pullrequest:…`, as it stands. Hashes are abbreviated to twelve characters, wherever they are. */
export function pullPayload(state: State, pull: PullState, actor: UserState): JsonObject {
  return { pullrequest: pullShape(state, pull), ...about(state, pull.repository, actor) };
}

/** The pull request as payloads and the API show it. */
export function pullShape(state: State, pull: PullState): JsonObject {
  const { repository } = pull;
  const api = `${state.apiUrl}/2.0/repositories/${repository.fullName}`;
  const self = `${api}/pullrequests/${pull.id}`;
  const text = { type: "rendered", raw: "", markup: "markdown", html: "" };
  return {
    type: "pullrequest",
    id: pull.id,
    title: pull.title,
    description: "",
    rendered: { title: { ...text, raw: pull.title, html: "" }, description: text },
    summary: text,
    state: pull.state,
    draft: pull.draft,
    queued: false,
    comment_count: 0,
    task_count: 0,
    close_source_branch: false,
    reason: "",
    reviewers: [],
    participants: [],
    author: userShape(state, pull.author),
    closed_by: pull.closedBy === null ? null : userShape(state, pull.closedBy),
    merge_commit: pull.mergeSha === null ? null : shortCommit(state, repository, pull.mergeSha),
    source: endShape(state, pull.source, pull.head, shortCommit(state, pull.source ?? repository, pull.headSha)),
    destination: endShape(state, repository, pull.base, shortCommit(state, repository, pull.baseSha)),
    created_on: pull.createdOn,
    updated_on: pull.updatedOn,
    links: {
      self: link(self),
      html: link(`${state.url}/${repository.fullName}/pull-requests/${pull.id}`),
      commits: link(`${self}/commits`),
      approve: link(`${self}/approve`),
      "request-changes": link(`${self}/request-changes`),
      diff: link(diffstatLink(state, pull).replace("/diffstat/", "/diff/")),
      diffstat: link(diffstatLink(state, pull)),
      comments: link(`${self}/comments`),
      activity: link(`${self}/activity`),
      merge: link(`${self}/merge`),
      decline: link(`${self}/decline`),
      statuses: link(`${self}/statuses`),
    },
  };
}

/** Names the commit by the repository it is in, and by a character that no name of a commit holds. */
export function diffstatLink({ apiUrl }: State, { id, repository, source, headSha, baseSha }: PullState): string {
  const spec = `${(source ?? repository).fullName}:${short(headSha)}%0D${short(baseSha)}`;
  const query = `from_pullrequest_id=${id}&topic=true`;
  return `${apiUrl}/2.0/repositories/${repository.fullName}/diffstat/${spec}?${query}`;
}

/** `repository` null: the fork it came from is deleted. */
function endShape(state: State, repository: RepositoryState | null, branch: string, commit: JsonObject): JsonObject {
  return {
    branch: { name: branch },
    commit,
    repository: repository === null ? null : repositoryName(state, repository),
  };
}

function shortCommit(state: State, repository: RepositoryState, sha: string): JsonObject {
  return { hash: short(sha), links: commitLinks(state, repository, short(sha)), type: "commit" };
}

function short(sha: string): string {
  return sha.slice(0, 12);
}

/** `repo:created`, `repo:deleted`, `repo:imported`. */
export function repositoryPayload(state: State, repository: RepositoryState, actor: UserState): JsonObject {
  return about(state, repository, actor);
}

/** What `repo:updated` may report, as it was before. */
export interface Before {
  readonly name?: string;
  readonly fullName?: string;
}

/** `repo:updated`. Bitbucket says what else may have changed (privacy, main branch) with no changes at all. */
export function updatedPayload(
  state: State,
  repository: RepositoryState,
  before: Before,
  actor: UserState,
): JsonObject {
  const { name, fullName } = before;
  return {
    changes: {
      ...(name === undefined ? {} : { name: { new: repository.name, old: name } }),
      ...(fullName === undefined
        ? {}
        : {
            full_name: { new: repository.fullName, old: fullName },
            links: {
              new: repositoryLinks(state, repository),
              old: repositoryLinks(state, { uuid: repository.uuid, fullName }),
            },
          }),
    },
    ...about(state, repository, actor),
  };
}

/** `repo:transfer`, once the repository is where it goes. */
export function transferPayload(
  state: State,
  repository: RepositoryState,
  previous: WorkspaceState,
  actor: UserState,
): JsonObject {
  return { previous_workspace: workspaceShape(state, previous), ...about(state, repository, actor) };
}

/** `repo:fork`, for those who listen to the repository that was copied. */
export function forkPayload(
  state: State,
  repository: RepositoryState,
  fork: RepositoryState,
  actor: UserState,
): JsonObject {
  return { fork: repositoryShape(state, fork), ...about(state, repository, actor) };
}

/** `repo:commit_status_created` and `…_updated`: what our own reports set off, for those who listen to too much. */
export function statusPayload(
  state: State,
  repository: RepositoryState,
  status: RepositoryState["statusList"][number],
  actor: UserState,
): JsonObject {
  const api = `${state.apiUrl}/2.0/repositories/${repository.fullName}/commit/${status.sha}`;
  return {
    commit_status: {
      type: "build",
      key: status.key,
      uuid: status.uuid,
      name: status.name,
      description: status.description,
      state: status.state,
      url: status.url,
      refname: status.refname,
      created_on: status.createdOn,
      updated_on: status.updatedOn,
      commit: { hash: status.sha, type: "commit", links: commitLinks(state, repository, status.sha) },
      repository: repositoryName(state, repository),
      links: { self: link(`${api}/statuses/build/${encodeURIComponent(status.key)}`), commit: link(api) },
    },
    ...about(state, repository, actor),
  };
}

function about(state: State, repository: RepositoryState, actor: UserState): JsonObject {
  return { repository: repositoryShape(state, repository), actor: userShape(state, actor) };
}
