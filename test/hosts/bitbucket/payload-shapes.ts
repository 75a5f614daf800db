/**
 * What webhook payloads say of people, workspaces, repositories and commits. Less than the API says, and not quite the
 * same: repositories have neither slug nor main branch, those of a pull request's two ends only names and uuid.
 */
import type { CommitData } from "../git/git-read.ts";
import type { JsonObject } from "../json.ts";
import { escapeHtml } from "./html.ts";
import type { ProjectState, RepositoryState, State, UserState, WorkspaceState } from "./state.ts";

export function userShape(state: State, user: UserState): JsonObject {
  return {
    display_name: user.displayName,
    links: {
      self: link(`${state.apiUrl}/2.0/users/${encodeURIComponent(user.uuid)}`),
      avatar: link(`${state.url}/avatars/${encodeURIComponent(user.uuid)}`),
      html: link(`${state.url}/${encodeURIComponent(user.uuid)}/`),
    },
    type: "user",
    uuid: user.uuid,
    account_id: user.accountId,
    nickname: user.nickname,
  };
}

/** Who a workspace's repositories belong to. A person's has no `username`. */
export function ownerShape(state: State, workspace: WorkspaceState): JsonObject {
  const team = workspace.kind === "team";
  const uuid = encodeURIComponent(workspace.uuid);
  return {
    display_name: workspace.name,
    links: {
      self: link(`${state.apiUrl}/2.0/${team ? "teams" : "users"}/${uuid}`),
      avatar: link(`${state.url}/account/${uuid}/avatar/`),
      html: link(`${state.url}/${uuid}/`),
    },
    type: workspace.kind,
    uuid: workspace.uuid,
    ...(team ? { username: workspace.slug } : { account_id: accountId(workspace), nickname: workspace.name }),
  };
}

/** A person's workspace has the uuid of the person; what else is known of them is made up from it. */
export function accountId(workspace: WorkspaceState): string {
  return `557058:${workspace.uuid.slice(1, -1)}`;
}

export function workspaceShape(state: State, workspace: WorkspaceState): JsonObject {
  return {
    type: "workspace",
    uuid: workspace.uuid,
    name: workspace.name,
    slug: workspace.slug,
    links: {
      avatar: link(`${state.url}/workspaces/${workspace.slug}/avatar/`),
      html: link(`${state.url}/${workspace.slug}/`),
      self: link(`${state.apiUrl}/2.0/workspaces/${workspace.slug}`),
    },
  };
}

function projectShape(state: State, workspace: WorkspaceState, project: ProjectState): JsonObject {
  const path = `${workspace.slug}/workspace/projects/${project.key}`;
  return {
    type: "project",
    key: project.key,
    uuid: project.uuid,
    name: project.name,
    links: {
      self: link(`${state.apiUrl}/2.0/workspaces/${workspace.slug}/projects/${project.key}`),
      html: link(`${state.url}/${path}`),
      avatar: link(`${state.url}/${path}/avatar/32`),
    },
  };
}

/** The repository of a payload. */
export function repositoryShape(state: State, repository: RepositoryState): JsonObject {
  const { workspace } = repository;
  const project = workspace.projects.find((item) => item.key === repository.project);
  return {
    ...repositoryName(state, repository),
    scm: "git",
    website: null,
    owner: ownerShape(state, workspace),
    workspace: workspaceShape(state, workspace),
    is_private: repository.private,
    project: project === undefined ? null : projectShape(state, workspace, project),
    parent: repository.parent === null ? null : repositoryName(state, repository.parent),
  };
}

/** The repository of one end of a pull request. */
export function repositoryName(state: State, repository: RepositoryState): JsonObject {
  return {
    type: "repository",
    full_name: repository.fullName,
    links: repositoryLinks(state, repository),
    name: repository.name,
    uuid: repository.uuid,
  };
}

/** `fullName`: another it has or had. */
export function repositoryLinks(state: State, { uuid, fullName }: Pick<RepositoryState, "uuid" | "fullName">): object {
  return {
    self: link(`${state.apiUrl}/2.0/repositories/${fullName}`),
    html: link(`${state.url}/${fullName}`),
    avatar: link(`${state.url}/ravatar/${encodeURIComponent(uuid)}?ts=default`),
  };
}

/** `target` of a branch or tag. */
export function commitShape(state: State, repository: RepositoryState, commit: CommitData): JsonObject {
  const { name, email, date } = commit.author;
  const user = state.users.find((item) => item.nickname === name);
  return {
    type: "commit",
    hash: commit.sha,
    date: date.replace(/Z$/, "+00:00"),
    author: {
      type: "author",
      raw: `${name} <${email}>`,
      // An address that no account has confirmed stays a text.
      ...(user === undefined ? {} : { user: userShape(state, user) }),
    },
    committer: {},
    message: commit.message,
    summary: {
      type: "rendered",
      raw: commit.message,
      markup: "markdown",
      html: `<p>${escapeHtml(commit.message)}</p>`,
    },
    links: commitLinks(state, repository, commit.sha),
    parents: commit.parents.map((hash) => ({ hash, links: commitLinks(state, repository, hash), type: "commit" })),
    rendered: {},
    properties: {},
  };
}

/** One of a push's commits: the same with more links. */
export function pushedCommitShape(state: State, repository: RepositoryState, commit: CommitData): JsonObject {
  const api = `${state.apiUrl}/2.0/repositories/${repository.fullName}`;
  const { sha } = commit;
  return {
    ...commitShape(state, repository, commit),
    links: {
      ...commitLinks(state, repository, sha),
      diff: link(`${api}/diff/${sha}`),
      ...(commit.parents.length > 1 ? {} : { patch: link(`${api}/patch/${sha}`) }),
      approve: link(`${api}/commit/${sha}/approve`),
      comments: link(`${api}/commit/${sha}/comments`),
      statuses: link(`${api}/commit/${sha}/statuses`),
    },
  };
}

export function commitLinks(state: State, { fullName }: RepositoryState, hash: string): JsonObject {
  return {
    self: link(`${state.apiUrl}/2.0/repositories/${fullName}/commit/${hash}`),
    html: link(`${state.url}/${fullName}/commits/${hash}`),
  };
}

export function link(href: string): { readonly href: string } {
  return { href };
}
