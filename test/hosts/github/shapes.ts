/** State as GitHub's REST answers spell it. Webhook payloads (payloads.ts) are made of the same shapes. */

import type { CommitData, FileChange } from "../git/git-read.ts";
import { isObject, type JsonObject, objectAt } from "../json.ts";
import type { HostAccount, HostRepository, Membership, Permissions } from "./contract.ts";
import { examplePayload } from "./examples.ts";
import { type CheckRunState, type InstallationState, nodeId, type RepositoryState, type State } from "./state.ts";

export function accountShape(state: State, account: HostAccount): JsonObject {
  return userShape(state, { ...account, page: account.login });
}

/** Somebody as their own token is told. */
export function ownShape(state: State, account: HostAccount): JsonObject {
  const { createdAt: time } = state;
  return {
    ...accountShape(state, account),
    ...{ name: null, company: null, blog: null, location: null, email: null, hireable: null, bio: null },
    ...{ public_repos: 0, public_gists: 0, followers: 0, following: 0, created_at: time, updated_at: time },
  };
}

/** The account an app writes as. */
export function botShape(state: State): JsonObject {
  const id = state.appId + 100_000_000;
  const login = `${state.slug}[bot]`;
  return userShape(state, { id, nodeId: nodeId("BOT", id), login, type: "Bot", page: `apps/${state.slug}` });
}

function userShape(
  state: State,
  user: { id: number; nodeId: string; login: string; type: string; page: string },
): JsonObject {
  const api = `${state.apiUrl}/users/${encodeURIComponent(user.login)}`;
  return {
    login: user.login,
    id: user.id,
    node_id: user.nodeId,
    avatar_url: `${state.url}/avatars/${user.id}`,
    gravatar_id: "",
    url: api,
    html_url: `${state.url}/${user.page}`,
    followers_url: `${api}/followers`,
    following_url: `${api}/following{/other_user}`,
    gists_url: `${api}/gists{/gist_id}`,
    starred_url: `${api}/starred{/owner}{/repo}`,
    subscriptions_url: `${api}/subscriptions`,
    organizations_url: `${api}/orgs`,
    repos_url: `${api}/repos`,
    events_url: `${api}/events{/privacy}`,
    received_events_url: `${api}/received_events`,
    type: user.type,
    site_admin: false,
  };
}

const EXAMPLE_REPOSITORY = "Codertocat/Hello-World";

/** The several dozen addresses and counts of a repository, taken from an example and made this repository's own. */
function repositoryTemplate(state: State, repository: HostRepository): JsonObject {
  // The newest examples have the fields that came last.
  const newest = examplePayload("push", (push) => "custom_properties" in objectAt(push, "repository"));
  const text = JSON.stringify(objectAt(newest, "repository"))
    .replaceAll(EXAMPLE_REPOSITORY, repository.fullName)
    .replaceAll("https://api.github.com", state.apiUrl)
    .replaceAll("https://github.com", state.url);
  const template: unknown = JSON.parse(text);
  if (!isObject(template)) throw new Error("the example repository is not an object");
  // In `push` the organization's name, in REST answers the account: each says its own.
  const { organization: _, ...rest } = template;
  return rest;
}

export function repositoryShape(state: State, repository: RepositoryState): JsonObject {
  return {
    ...repositoryTemplate(state, repository),
    id: repository.id,
    node_id: repository.nodeId,
    name: repository.name,
    full_name: repository.fullName,
    private: repository.private,
    visibility: repository.private ? "private" : "public",
    archived: repository.archived,
    owner: accountShape(state, repository.owner),
    fork: repository.parent !== null,
    clone_url: repository.cloneUrl,
    default_branch: repository.defaultBranch,
    master_branch: repository.defaultBranch,
    language: null,
    created_at: repository.createdAt,
    updated_at: repository.pushedAt,
    pushed_at: repository.pushedAt,
    permissions: { admin: false, maintain: false, push: false, triage: false, pull: false },
  };
}

export function fullRepositoryShape(state: State, repository: RepositoryState): JsonObject {
  const { owner } = repository;
  return {
    ...repositoryShape(state, repository),
    ...(owner.type === "Organization" ? { organization: accountShape(state, owner) } : {}),
    has_discussions: false,
    network_count: 0,
    subscribers_count: 0,
  };
}

/** A repository as installation payloads name it. */
export function repositoryNameShape(repository: HostRepository): JsonObject {
  return {
    id: repository.id,
    node_id: repository.nodeId,
    name: repository.name,
    full_name: repository.fullName,
    private: repository.private,
  };
}

/** Events an app gets with these permissions. */
function eventsFor(permissions: Permissions): readonly string[] {
  return [
    ...(permissions["contents"] === undefined ? [] : ["push"]),
    ...(permissions["pull_requests"] === undefined ? [] : ["pull_request"]),
    ...(permissions["merge_queues"] === undefined ? [] : ["merge_group"]),
    ...(permissions["members"] === undefined ? [] : ["organization"]),
    "repository",
    "installation_target",
  ];
}

export function appShape(state: State, permissions: Permissions): JsonObject {
  return {
    id: state.appId,
    client_id: state.clientId,
    slug: state.slug,
    node_id: nodeId("A", state.appId),
    owner: accountShape(state, state.registered.owner),
    name: state.registered.name,
    description: null,
    external_url: "http://127.0.0.1/",
    html_url: `${state.url}/apps/${state.slug}`,
    created_at: state.createdAt,
    updated_at: state.createdAt,
    permissions,
    events: eventsFor(permissions),
  };
}

export function installationShape(state: State, installation: InstallationState): JsonObject {
  const { account } = installation;
  const settings = account.type === "User" ? "settings" : `organizations/${account.login}/settings`;
  return {
    id: installation.id,
    client_id: state.clientId,
    account: accountShape(state, account),
    repository_selection: installation.repositories === "all" ? "all" : "selected",
    access_tokens_url: `${state.apiUrl}/app/installations/${installation.id}/access_tokens`,
    repositories_url: `${state.apiUrl}/installation/repositories`,
    html_url: `${state.url}/${settings}/installations/${installation.id}`,
    app_id: state.appId,
    app_slug: state.slug,
    target_id: account.id,
    target_type: account.type,
    permissions: installation.permissions,
    events: eventsFor(installation.permissions),
    created_at: installation.createdAt,
    updated_at: installation.updatedAt,
    single_file_name: null,
    has_multiple_single_files: false,
    single_file_paths: [],
    suspended_by: installation.suspended ? accountShape(state, account) : null,
    suspended_at: installation.suspended ? installation.updatedAt : null,
  };
}

export function checkRunShape(state: State, run: CheckRunState): JsonObject {
  const url = `${state.apiUrl}/repos/${run.repository.fullName}/check-runs/${run.id}`;
  return {
    id: run.id,
    node_id: nodeId("CR", run.id),
    name: run.name,
    head_sha: run.headSha,
    external_id: run.externalId ?? "",
    url,
    html_url: `${run.repository.webUrl}/runs/${run.id}`,
    details_url: run.detailsUrl,
    status: run.status,
    conclusion: run.conclusion,
    started_at: run.startedAt,
    completed_at: run.completedAt,
    output: {
      title: run.output.title,
      summary: run.output.summary,
      text: run.output.text,
      annotations_count: run.output.annotations.length,
      annotations_url: `${url}/annotations`,
    },
    check_suite: { id: run.suite.id },
    app: appShape(state, { checks: "write", metadata: "read" }),
    pull_requests: [],
  };
}

export function commitShape(state: State, repository: HostRepository, commit: CommitData): JsonObject {
  const api = `${state.apiUrl}/repos/${repository.fullName}`;
  return {
    sha: commit.sha,
    node_id: nodeId("C", repository.id) + commit.sha.slice(0, 7),
    commit: {
      author: commit.author,
      committer: commit.committer,
      message: commit.message,
      tree: { sha: commit.tree, url: `${api}/git/trees/${commit.tree}` },
      url: `${api}/git/commits/${commit.sha}`,
      comment_count: 0,
      verification: { verified: false, reason: "unsigned", signature: null, payload: null, verified_at: null },
    },
    url: `${api}/commits/${commit.sha}`,
    html_url: `${repository.webUrl}/commit/${commit.sha}`,
    comments_url: `${api}/commits/${commit.sha}/comments`,
    // No account has these e-mail addresses.
    author: null,
    committer: null,
    parents: commit.parents.map((sha) => ({
      sha,
      url: `${api}/commits/${sha}`,
      html_url: `${repository.webUrl}/commit/${sha}`,
    })),
  };
}

/** Git's own commit, without what GitHub knows of it. */
export function gitCommitShape(state: State, repository: HostRepository, commit: CommitData): JsonObject {
  const { node_id, html_url, parents, ...more } = commitShape(state, repository, commit);
  const { comment_count: _, ...own } = objectAt(more, "commit");
  return { ...own, sha: commit.sha, node_id, html_url, parents };
}

/** `role`: as GitHub calls it, or as an organization does. */
export function collaboratorShape(state: State, account: HostAccount, role: string): JsonObject {
  return { ...accountShape(state, account), role_name: role };
}

export function membershipShape(
  state: State,
  organization: HostAccount,
  person: HostAccount,
  membership: Membership,
): JsonObject {
  const url = `${state.apiUrl}/orgs/${encodeURIComponent(organization.login)}`;
  return {
    url: `${url}/memberships/${encodeURIComponent(person.login)}`,
    state: membership.state,
    role: membership.role,
    direct_membership: true,
    organization_url: url,
    organization: {
      login: organization.login,
      id: organization.id,
      node_id: organization.nodeId,
      url,
      repos_url: `${url}/repos`,
      events_url: `${url}/events`,
      hooks_url: `${url}/hooks`,
      issues_url: `${url}/issues`,
      members_url: `${url}/members{/member}`,
      public_members_url: `${url}/public_members{/member}`,
      avatar_url: `${state.url}/avatars/${organization.id}`,
      description: null,
    },
    user: accountShape(state, person),
  };
}

export function fileShape(state: State, repository: HostRepository, sha: string, file: FileChange): JsonObject {
  const path = file.path.split("/").map(encodeURIComponent).join("/");
  return {
    sha: file.blob,
    filename: file.path,
    ...(file.previous === null ? {} : { previous_filename: file.previous }),
    status: file.status,
    additions: file.additions,
    deletions: file.deletions,
    changes: file.additions + file.deletions,
    blob_url: `${repository.webUrl}/blob/${sha}/${path}`,
    raw_url: `${repository.webUrl}/raw/${sha}/${path}`,
    contents_url: `${state.apiUrl}/repos/${repository.fullName}/contents/${path}?ref=${sha}`,
    // Of files nobody reads it.
    ...(file.pointer === null ? {} : { patch: pointerPatch(file.pointer) }),
  };
}

/** As git shows that a submodule is at another commit, without the header. */
function pointerPatch({ from, to }: NonNullable<FileChange["pointer"]>): string {
  const removed = from === null ? [] : [`-Subproject commit ${from}`];
  const added = to === null ? [] : [`+Subproject commit ${to}`];
  return [`@@ -${from === null ? "0,0" : "1"} +${to === null ? "0,0" : "1"} @@`, ...removed, ...added].join("\n");
}
