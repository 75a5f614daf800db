/** Workspaces and repositories as tests hold them, with git behind. */
import { join } from "node:path";
import { commitFiles, createRepository, git, readRef } from "../git/git.ts";
import type { BitbucketHost, CommitInput, HostRepository, HostWorkspace, PushResult } from "./contract.ts";
import {
  findUser,
  findWorkspace,
  newUuid,
  ownerOf,
  type RepositoryState,
  type State,
  stateOf,
  timestamp,
  type UserState,
  type WorkspaceState,
  workspaceOf,
} from "./state.ts";

/** The workspace of a slug; made when new. A personal one has the uuid of its person. */
export function openWorkspace(state: State, slug: string, kind: "team" | "user"): WorkspaceState {
  const known = findWorkspace(state, slug);
  if (known !== null) return known;
  const owner = findUser(state, `${slug}-owner`);
  const made: WorkspaceState = {
    uuid: kind === "user" ? owner.uuid : newUuid(),
    slug,
    name: slug,
    kind,
    createdOn: timestamp(state.now()),
    members: new Map([[owner, "owner"]]),
    projects: [],
  };
  state.workspaces.push(made);
  return made;
}

/** Makes a repository; throws when the workspace has one of that slug. */
export async function makeRepository(
  state: State,
  workspace: WorkspaceState,
  slug: string,
  options: {
    readonly private?: boolean;
    readonly mainBranch?: string;
    readonly project?: string;
    readonly parent?: RepositoryState;
  },
  push: (repository: HostRepository, ...changes: Parameters<HostRepository["push"]>) => Promise<PushResult>,
): Promise<RepositoryState> {
  refuseTaken(state, workspace, slug);
  const uuid = newUuid();
  const gitDir = join(state.folder, `${uuid.slice(1, -1)}.git`);
  const mainBranch = options.mainBranch ?? "main";
  await createRepository(gitDir, mainBranch);
  const now = timestamp(state.now());
  const repository: RepositoryState = {
    uuid,
    workspace,
    ...names(state, workspace, slug),
    private: options.private ?? false,
    project: openProject(workspace, options.project ?? "MAIN"),
    mainBranch,
    gitDir,
    parent: options.parent ?? null,
    createdOn: now,
    updatedOn: now,
    deleted: false,
    permissions: new Map(),
    pulls: [],
    borrowed: new Set(),
    statusList: [],
    reportList: [],
    commit: (input) => commitTo(state, repository, input),
    push: (changes) => push(repository, changes),
    ref: (ref) => readRef(gitDir, ref),
    statuses: (sha) => repository.statusList.filter((status) => status.sha === sha),
    reports: (sha) => repository.reportList.filter((report) => report.sha === sha),
  };
  state.repositories.push(repository);
  return repository;
}

function openProject(workspace: WorkspaceState, key: string): string {
  if (!workspace.projects.some((project) => project.key === key)) {
    workspace.projects.push({ uuid: newUuid(), key, name: key });
  }
  return key;
}

function refuseTaken(state: State, workspace: WorkspaceState, slug: string): void {
  const taken = state.repositories.some(
    (item) => !item.deleted && item.workspace === workspace && item.slug === slug.toLowerCase(),
  );
  if (taken) throw new Error(`there is a repository ${workspace.slug}/${slug} already`);
}

function names(state: State, workspace: WorkspaceState, name: string) {
  const slug = name.toLowerCase();
  const fullName = `${workspace.slug}/${slug}`;
  return { slug, name, fullName, cloneUrl: `${state.url}/${fullName}.git`, webUrl: `${state.url}/${fullName}` };
}

/** Gives a repository a new name or workspace. Throws when the new one is taken. */
export function moveRepository(
  state: State,
  repository: RepositoryState,
  workspace: WorkspaceState,
  name: string,
): void {
  refuseTaken(state, workspace, name);
  if (workspace !== repository.workspace) repository.project = openProject(workspace, "MAIN");
  Object.assign(repository, { workspace, ...names(state, workspace, name), updatedOn: timestamp(state.now()) });
}

async function commitTo(
  state: State,
  repository: RepositoryState,
  input: CommitInput,
): Promise<{ readonly sha: string; readonly before: string | null }> {
  const { gitDir, mainBranch, workspace } = repository;
  const branch = input.branch ?? mainBranch;
  const before = await readRef(gitDir, `refs/heads/${branch}`);
  const sha = await commitFiles(gitDir, {
    branch,
    parent: input.parent === undefined ? (before ?? (await readRef(gitDir, `refs/heads/${mainBranch}`))) : input.parent,
    message: input.message ?? "Change files",
    author: authorOf(ownerOf(workspace)),
    at: Math.floor(state.now() / 1000),
    files: input.files ?? {},
  });
  repository.updatedOn = timestamp(state.now());
  return { sha, before };
}

export function authorOf(user: UserState): { readonly name: string; readonly email: string } {
  return { name: user.nickname, email: `${user.nickname}@example.test` };
}

/** Copies branches and tags into a repository that is new. */
export async function copyInto(fork: RepositoryState, parent: RepositoryState): Promise<void> {
  await git(fork.gitDir, ["fetch", "--quiet", parent.gitDir, "refs/heads/*:refs/heads/*", "refs/tags/*:refs/tags/*"]);
}

export function createWorkspaces(
  state: State,
): Pick<BitbucketHost, "workspace" | "user" | "setPermission" | "setRepositoryPermission" | "renameWorkspace"> {
  return {
    workspace: (slug, { kind = "team" } = {}) => openWorkspace(state, slug, kind),
    user: (nickname) => findUser(state, nickname),
    setPermission(of: HostWorkspace, { nickname }, permission) {
      const { members } = workspaceOf(state, of);
      const user = findUser(state, nickname);
      if (permission === null) members.delete(user);
      else members.set(user, permission);
    },
    setRepositoryPermission(of, { nickname }, permission) {
      const { permissions } = stateOf(state, of);
      const user = findUser(state, nickname);
      if (permission === null) permissions.delete(user);
      else permissions.set(user, permission);
    },
    renameWorkspace(of, slug) {
      if (findWorkspace(state, slug) !== null) throw new Error(`there is a workspace ${slug} already`);
      const workspace = workspaceOf(state, of);
      workspace.slug = slug;
      for (const repository of state.repositories) {
        if (repository.workspace === workspace) Object.assign(repository, names(state, workspace, repository.name));
      }
    },
  };
}
