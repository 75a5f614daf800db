/** What the API says of things, where it differs from payloads or says more. */
import { readRef } from "../git/git.ts";
import type { CommitData } from "../git/git-read.ts";
import type { JsonObject } from "../json.ts";
import { commitOf } from "./objects.ts";
import {
  commitLinks,
  commitShape,
  link,
  repositoryName,
  repositoryShape,
  userShape,
  workspaceShape,
} from "./payload-shapes.ts";
import type {
  HookState,
  ReportState,
  RepositoryState,
  State,
  StatusState,
  UserState,
  WorkspaceState,
} from "./state.ts";

export function apiWorkspace(state: State, workspace: WorkspaceState): JsonObject {
  return {
    ...workspaceShape(state, workspace),
    is_private: false,
    is_personal: workspace.kind === "user",
    created_on: workspace.createdOn,
  };
}

/** As given by default, and with the main branch's commit, which is given when asked for. */
export async function apiRepository(
  state: State,
  repository: RepositoryState,
): Promise<{ readonly body: JsonObject; readonly full: JsonObject }> {
  const { slug, workspace, gitDir, mainBranch, createdOn, updatedOn } = repository;
  const { parent, ...shape } = repositoryShape(state, repository);
  const tip = await readRef(gitDir, `refs/heads/${mainBranch}`);
  const mainbranch = tip === null ? null : { type: "branch", name: mainBranch };
  const api = `${state.apiUrl}/2.0/repositories/${repository.fullName}`;
  const body = {
    ...shape,
    ...(parent === null ? {} : { parent }),
    slug,
    workspace: workspaceShape(state, workspace),
    links: {
      self: link(api),
      html: link(repository.webUrl),
      avatar: link(`${state.url}/ravatar/${encodeURIComponent(repository.uuid)}?ts=default`),
      commits: link(`${api}/commits`),
      hooks: link(`${api}/hooks`),
      pullrequests: link(`${api}/pullrequests`),
      clone: [
        { name: "https", href: repository.cloneUrl },
        { name: "ssh", href: `ssh://git@${new URL(state.url).hostname}/${repository.fullName}.git` },
      ],
    },
    description: "",
    language: "",
    size: 0,
    fork_policy: repository.private ? "no_public_forks" : "allow_forks",
    has_issues: false,
    has_wiki: false,
    created_on: createdOn,
    updated_on: updatedOn,
    mainbranch,
  };
  const target = tip === null ? undefined : apiCommit(state, repository, await commitOf(state, gitDir, tip));
  return { body, full: { ...body, mainbranch: mainbranch === null ? null : { ...mainbranch, target } } };
}

export function apiCommit(state: State, repository: RepositoryState, commit: CommitData): JsonObject {
  // Payloads have an empty committer; here there is none.
  const { committer: _, ...shape } = commitShape(state, repository, commit);
  return { ...shape, repository: repositoryName(state, repository) };
}

export function apiStatus(state: State, repository: RepositoryState, status: StatusState): JsonObject {
  const { sha, key } = status;
  const api = `${state.apiUrl}/2.0/repositories/${repository.fullName}/commit/${sha}`;
  return {
    type: "build",
    key,
    uuid: status.uuid,
    name: status.name ?? "",
    description: status.description ?? "",
    state: status.state,
    url: status.url ?? "",
    refname: status.refname,
    created_on: status.createdOn,
    updated_on: status.updatedOn,
    commit: { type: "commit", hash: sha, links: commitLinks(state, repository, sha) },
    repository: repositoryName(state, repository),
    links: { self: link(`${api}/statuses/build/${encodeURIComponent(key)}`), commit: link(api) },
  };
}

export function apiReport(report: ReportState): JsonObject {
  return {
    type: "report",
    uuid: report.uuid,
    external_id: report.externalId,
    ...report.content,
    created_on: report.createdOn,
    updated_on: report.updatedOn,
  };
}

export function apiHook(state: State, hook: HookState): JsonObject {
  const { workspace, repository } = hook;
  const subject = repository === null ? workspaceShape(state, workspace) : repositoryName(state, repository);
  const path = repository === null ? `workspaces/${workspace.slug}` : `repositories/${repository.fullName}`;
  return {
    type: "webhook_subscription",
    uuid: hook.uuid,
    description: hook.description,
    url: hook.url,
    active: hook.active,
    events: hook.events,
    source: null,
    created_at: hook.createdOn,
    // The secret itself is never shown again.
    secret_set: hook.secret !== null,
    skip_cert_verification: hook.skipCertVerification,
    subject_type: repository === null ? "workspace" : "repository",
    subject,
    links: { self: link(`${state.apiUrl}/2.0/${path}/hooks/${encodeURIComponent(hook.uuid)}`) },
  };
}

export function apiMembership(
  state: State,
  workspace: WorkspaceState,
  user: UserState,
  permission: string,
): JsonObject {
  const self = `${state.apiUrl}/2.0/workspaces/${workspace.slug}/members/${encodeURIComponent(user.uuid)}`;
  return {
    type: "workspace_membership",
    permission,
    user: userShape(state, user),
    workspace: workspaceShape(state, workspace),
    links: { self: link(self) },
  };
}
