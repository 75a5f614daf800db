/** Webhook payloads: an example of the event, with every field that means something replaced by this host's state. */

import { git, lines, listRefs, ZERO } from "../git/git.ts";
import { type CommitData, changedFiles, EMPTY_TREE, isAncestor, readCommit, readCommits } from "../git/git-read.ts";
import type { JsonObject } from "../json.ts";
import type { HostAccount, HostRepository } from "./contract.ts";
import { examplePayload } from "./examples.ts";
import {
  accountShape,
  appShape,
  botShape,
  checkRunShape,
  installationShape,
  repositoryNameShape,
  repositoryShape,
} from "./shapes.ts";
import {
  type CheckRunState,
  type InstallationState,
  nodeId,
  type RepositoryState,
  type State,
  type Suite,
} from "./state.ts";

/** GitHub lists no more commits than this in one push. */
const MOST_COMMITS = 2048;

export interface RefMove {
  readonly repository: RepositoryState;
  readonly ref: string;
  /** What the ref pointed to before and points to now; null: it did not or does not exist. */
  readonly before: string | null;
  readonly after: string | null;
}

export async function pushPayload(state: State, move: RefMove, sender: HostAccount): Promise<JsonObject> {
  const { repository, ref, before, after } = move;
  const { gitDir } = repository;
  const head = after === null ? null : await peel(gitDir, after);
  const old = before === null ? null : await peel(gitDir, before);
  const created = before === null && after !== null;
  const added = head === null || ref.startsWith("refs/tags/") ? [] : await newCommits(gitDir, ref, old, head);
  const headCommit = head === null ? undefined : (await readCommits(gitDir, ["--max-count=1", head]))[0];
  const shown = added.slice(-MOST_COMMITS);
  return {
    ...withInstallation(state, repository, sender),
    ref,
    before: before ?? ZERO,
    after: after ?? ZERO,
    created,
    deleted: after === null,
    forced: old !== null && head !== null && !(await isAncestor(gitDir, old, head)),
    base_ref: created && head !== null ? await branchAt(gitDir, head, ref) : null,
    compare: compareUrl(move, shown),
    commits: await Promise.all(shown.map((commit) => commitPayload(repository, commit, sender))),
    head_commit: headCommit === undefined ? null : await commitPayload(repository, headCommit, sender),
    pusher: { name: sender.login, email: email(sender) },
    repository: pushRepositoryShape(state, repository),
  };
}

/** In `push`, and only there, two times are seconds, the owner carries a name and the organization is one. */
function pushRepositoryShape(state: State, repository: RepositoryState): JsonObject {
  const { owner, createdAt, pushedAt } = repository;
  return {
    ...repositoryShape(state, repository),
    ...(owner.type === "Organization" ? { organization: owner.login } : {}),
    created_at: Date.parse(createdAt) / 1000,
    pushed_at: Date.parse(pushedAt) / 1000,
    owner: { name: owner.login, email: email(owner), ...accountShape(state, owner) },
  };
}

/** Commits a push brought, oldest first. A new branch brings what no other branch has. */
async function newCommits(
  gitDir: string,
  ref: string,
  old: string | null,
  head: string,
): Promise<readonly CommitData[]> {
  const known = old === null ? ["--not", `--exclude=${ref.slice("refs/heads/".length)}`, "--branches"] : [`^${old}`];
  return (await readCommits(gitDir, [head, ...known])).toReversed();
}

async function branchAt(gitDir: string, sha: string, except: string): Promise<string | null> {
  const refs = await listRefs(gitDir);
  return (
    refs.find((item) => item.sha === sha && item.ref !== except && item.ref.startsWith("refs/heads/"))?.ref ?? null
  );
}

async function peel(gitDir: string, sha: string): Promise<string> {
  return lines(await git(gitDir, ["rev-parse", "--verify", `${sha}^{commit}`]))[0] ?? "";
}

function compareUrl({ repository, ref, before, after }: RefMove, added: readonly CommitData[]): string {
  const only = added.length === 1 ? added[0] : undefined;
  if (before === null && only !== undefined) return `${repository.webUrl}/commit/${only.sha}`;
  if (before === null) return `${repository.webUrl}/compare/${ref.split("/").slice(2).join("/")}`;
  return `${repository.webUrl}/compare/${before.slice(0, 12)}...${(after ?? ZERO).slice(0, 12)}`;
}

async function commitPayload(repository: HostRepository, commit: CommitData, sender: HostAccount): Promise<JsonObject> {
  const files = await changedFiles(repository.gitDir, commit.parents[0] ?? EMPTY_TREE, commit.sha);
  // `push` knows no renames: the old path was removed, the new one added.
  const renamed = files.flatMap((file) => (file.previous === null ? [] : [file.previous]));
  return {
    id: commit.sha,
    tree_id: commit.tree,
    distinct: true,
    message: commit.message,
    timestamp: commit.committer.date,
    url: `${repository.webUrl}/commit/${commit.sha}`,
    author: { name: commit.author.name, email: commit.author.email, username: sender.login },
    committer: { name: commit.committer.name, email: commit.committer.email, username: sender.login },
    added: files.filter((file) => file.status === "added" || file.status === "renamed").map((file) => file.path),
    removed: [...files.filter((file) => file.status === "removed").map((file) => file.path), ...renamed],
    modified: files.filter((file) => file.status === "modified" || file.status === "changed").map((file) => file.path),
  };
}

export function email(account: HostAccount): string {
  return `${account.id}+${account.login}@users.noreply.example`;
}

/** What every payload about a repository carries. */
export function withInstallation(state: State, repository: RepositoryState, sender: HostAccount | "app"): JsonObject {
  const installation = state.installations.find((item) => !item.removed && item.account.id === repository.owner.id);
  return {
    repository: repositoryShape(state, repository),
    ...(repository.owner.type === "Organization" ? { organization: organizationShape(state, repository.owner) } : {}),
    sender: sender === "app" ? botShape(state) : accountShape(state, sender),
    ...(installation === undefined
      ? {}
      : {
          installation: {
            id: installation.id,
            node_id: nodeId("I", installation.id),
          },
        }),
  };
}

function organizationShape(state: State, account: HostAccount): JsonObject {
  const api = `${state.apiUrl}/orgs/${account.login}`;
  return {
    login: account.login,
    id: account.id,
    node_id: account.nodeId,
    url: api,
    repos_url: `${api}/repos`,
    events_url: `${api}/events`,
    hooks_url: `${api}/hooks`,
    issues_url: `${api}/issues`,
    members_url: `${api}/members{/member}`,
    public_members_url: `${api}/public_members{/member}`,
    avatar_url: `${state.url}/avatars/${account.id}`,
    description: null,
  };
}

export type RepositoryAction =
  | "renamed"
  | "transferred"
  | "archived"
  | "unarchived"
  | "privatized"
  | "publicized"
  | "deleted";

/** `changes`: null where the event has none. */
export function repositoryPayload(
  state: State,
  repository: RepositoryState,
  action: RepositoryAction,
  changes: object | null,
  sender: HostAccount,
): JsonObject {
  return { action, ...(changes === null ? {} : { changes }), ...withInstallation(state, repository, sender) };
}

/** `from`: the login before. */
export function accountRenamedPayload(
  state: State,
  installation: InstallationState,
  from: string,
  sender: HostAccount,
): JsonObject {
  const { account } = installation;
  return {
    action: "renamed",
    account: accountShape(state, account),
    changes: { login: { from } },
    target_type: account.type,
    ...(account.type === "Organization" ? { organization: organizationShape(state, account) } : {}),
    installation: { id: installation.id, node_id: nodeId("I", installation.id) },
    sender: accountShape(state, sender),
  };
}

export type InstallationAction = "created" | "deleted" | "suspend" | "unsuspend" | "new_permissions_accepted";

export function installationPayload(
  state: State,
  installation: InstallationState,
  action: InstallationAction,
  repositories: readonly HostRepository[],
  sender: HostAccount,
): JsonObject {
  return {
    action,
    installation: installationShape(state, installation),
    ...(action === "suspend" || action === "unsuspend" ? {} : { repositories: repositories.map(repositoryNameShape) }),
    // Null, not absent, unless a member had asked for it.
    ...(action === "created" ? { requester: null } : {}),
    sender: accountShape(state, sender),
  };
}

/** Somebody is no member of the organization any more. */
export function memberRemovedPayload(
  state: State,
  { id, account }: InstallationState,
  person: HostAccount,
): JsonObject {
  const { login } = account;
  return {
    action: "member_removed",
    membership: {
      url: `${state.apiUrl}/orgs/${login}/memberships/${person.login}`,
      state: "active",
      role: "unaffiliated",
      organization_url: `${state.apiUrl}/orgs/${login}`,
      user: accountShape(state, person),
    },
    organization: { login, id: account.id, node_id: account.nodeId },
    installation: { id, node_id: nodeId("I", id) },
    sender: accountShape(state, person),
  };
}

export function repositoriesPayload(
  state: State,
  installation: InstallationState,
  change: { readonly added: readonly HostRepository[]; readonly removed: readonly HostRepository[] },
  sender: HostAccount,
): JsonObject {
  return {
    action: change.added.length > 0 ? "added" : "removed",
    installation: installationShape(state, installation),
    repository_selection: installation.repositories === "all" ? "all" : "selected",
    repositories_added: change.added.map(repositoryNameShape),
    repositories_removed: change.removed.map(repositoryNameShape),
    requester: null,
    sender: accountShape(state, sender),
  };
}

export function checkRunPayload(
  state: State,
  repository: RepositoryState,
  run: CheckRunState,
  action: "created" | "completed" | "rerequested" | { readonly requested: string },
  sender: HostAccount | "app",
): JsonObject {
  const shape = checkRunShape(state, run);
  const asked = typeof action === "string" ? { action } : requestedAction(action.requested);
  return {
    ...asked,
    check_run: { ...shape, check_suite: suiteShape(state, repository, run.suite, [run]) },
    ...withInstallation(state, repository, sender),
  };
}

function requestedAction(identifier: string): JsonObject {
  return { action: "requested_action", requested_action: { identifier } };
}

export function headCommit({ sha, tree, message, author, committer }: CommitData): JsonObject {
  return {
    id: sha,
    tree_id: tree,
    message,
    timestamp: committer.date,
    author: { name: author.name, email: author.email },
    committer: { name: committer.name, email: committer.email },
  };
}

/** `runs`: those of the suite; there is no suite without one. */
export async function checkSuitePayload(
  state: State,
  repository: RepositoryState,
  runs: readonly CheckRunState[],
  sender: HostAccount,
): Promise<JsonObject> {
  const [first] = runs;
  if (first === undefined) throw new Error("the commit has no check suite of the app");
  const suite = suiteShape(state, repository, first.suite, runs);
  return {
    action: "rerequested",
    check_suite: {
      ...suite,
      latest_check_runs_count: runs.length,
      check_runs_url: `${state.apiUrl}/repos/${repository.fullName}/check-suites/${first.suite.id}/check-runs`,
      head_commit: headCommit(await readCommit(repository.gitDir, first.headSha)),
    },
    ...withInstallation(state, repository, sender),
  };
}

/** Conclusions from the one that decides over all others to the mildest. */
const WORST_FIRST = ["failure", "timed_out", "cancelled", "action_required", "success", "neutral", "skipped"];

function suiteShape(
  state: State,
  repository: RepositoryState,
  suite: Suite,
  runs: readonly CheckRunState[],
): JsonObject {
  const completed = runs.every((run) => run.status === "completed");
  const worst = WORST_FIRST.find((conclusion) => runs.some((run) => run.conclusion === conclusion));
  const sha = runs[0]?.headSha ?? ZERO;
  return {
    id: suite.id,
    node_id: nodeId("CS", suite.id),
    head_branch: suite.headBranch,
    head_sha: sha,
    status: completed ? "completed" : "in_progress",
    conclusion: completed ? (worst ?? null) : null,
    url: `${state.apiUrl}/repos/${repository.fullName}/check-suites/${suite.id}`,
    before: ZERO,
    after: sha,
    pull_requests: [],
    app: appShape(state, { checks: "write", metadata: "read" }),
    created_at: runs[0]?.startedAt ?? repository.pushedAt,
    updated_at: runs.at(-1)?.completedAt ?? repository.pushedAt,
  };
}

/** GitHub sends this when a webhook address is set. `url`: that address. */
export function pingPayload(state: State, url: string): JsonObject {
  const example = examplePayload("ping", () => true);
  return {
    zen: example["zen"],
    hook_id: state.appId,
    hook: {
      type: "App",
      id: state.appId,
      name: "web",
      active: true,
      events: ["push"],
      config: { content_type: "json", insecure_ssl: "0", secret: "********", url },
      updated_at: state.createdAt,
      created_at: state.createdAt,
      app_id: state.appId,
      deliveries_url: `${state.apiUrl}/app/hook/deliveries`,
    },
  };
}
