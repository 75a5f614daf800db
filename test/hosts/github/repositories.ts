/** Repositories as tests hold them: identity and names, with git behind. */
import { join } from "node:path";
import { commitFiles, createRepository, git, readRef } from "../git/git.ts";
import type { CommitInput, HostAccount, HostRepository } from "./contract.ts";
import { email } from "./payloads.ts";
import { type AccountState, nodeId, type RepositoryState, type State, timestamp } from "./state.ts";

/** Makes a repository; throws when the owner has one of that name. */
export async function createHostRepository(
  state: State,
  owner: HostAccount,
  name: string,
  options: { readonly private?: boolean; readonly defaultBranch?: string; readonly parent?: RepositoryState },
): Promise<RepositoryState> {
  const fullName = `${owner.login}/${name}`;
  refuseTaken(state, fullName);
  const id = state.nextId();
  const gitDir = join(state.folder, `${id}.git`);
  const defaultBranch = options.defaultBranch ?? "main";
  await createRepository(gitDir, defaultBranch);
  const repository: RepositoryState = {
    id,
    nodeId: nodeId("R", id),
    owner,
    ...names(state, owner, name),
    private: options.private ?? false,
    parent: options.parent ?? null,
    archived: false,
    defaultBranch,
    gitDir,
    createdAt: timestamp(state.now()),
    pushedAt: timestamp(state.now()),
    commit: (input) => commitTo(state, repository, input),
    ref: (ref) => readRef(gitDir, ref),
    checkRuns: (sha) => state.checkRuns.filter((run) => run.repository.id === id && run.headSha === sha),
  };
  // The name of a repository that moved away may be taken again; it then means the new one.
  state.formerNames.delete(fullName.toLowerCase());
  state.repositories.push(repository);
  return repository;
}

/** Gives a repository a new name or owner; the old name goes on to lead to it. Throws when the new one is taken. */
export function moveRepository(state: State, repository: RepositoryState, owner: HostAccount, name: string): void {
  const next = names(state, owner, name);
  refuseTaken(state, next.fullName, repository);
  state.formerNames.set(repository.fullName.toLowerCase(), repository);
  state.formerNames.delete(next.fullName.toLowerCase());
  Object.assign(repository, { owner, ...next });
}

/** Takes it and its former names out of the world. */
export function removeRepository(state: State, repository: RepositoryState): void {
  state.repositories.splice(state.repositories.indexOf(repository), 1);
  for (const [name, former] of state.formerNames) if (former === repository) state.formerNames.delete(name);
  for (const pull of state.pulls) if (pull.source === repository) pull.source = null;
}

function refuseTaken(state: State, fullName: string, except?: RepositoryState): void {
  const taken = state.repositories.find((item) => item.fullName.toLowerCase() === fullName.toLowerCase());
  if (taken !== undefined && taken !== except) throw new Error(`there is a repository ${fullName} already`);
}

function names(state: State, owner: HostAccount, name: string) {
  const fullName = `${owner.login}/${name}`;
  return { name, fullName, cloneUrl: `${state.url}/${fullName}.git`, webUrl: `${state.url}/${fullName}` };
}

/** Copies a repository with its branches and tags. */
export async function forkRepository(state: State, of: HostRepository, owner: HostAccount): Promise<RepositoryState> {
  const parent = stateOf(state, of);
  const options = { private: parent.private, defaultBranch: parent.defaultBranch, parent };
  const fork = await createHostRepository(state, owner, parent.name, options);
  await git(fork.gitDir, ["fetch", "--quiet", parent.gitDir, "refs/heads/*:refs/heads/*", "refs/tags/*:refs/tags/*"]);
  return fork;
}

export function stateOf(state: State, repository: HostRepository): RepositoryState {
  const found = state.repositories.find((item) => item.id === repository.id);
  if (found === undefined) throw new Error(`there is no repository ${repository.id}`);
  return found;
}

export async function commitTo(
  state: State,
  repository: RepositoryState,
  input: CommitInput,
): Promise<{ readonly sha: string; readonly before: string | null }> {
  const { gitDir, defaultBranch } = repository;
  if (repository.archived) throw new Error(`${repository.fullName} is archived`);
  const branch = input.branch ?? defaultBranch;
  const before = await readRef(gitDir, `refs/heads/${branch}`);
  const author = personOf(state, repository.owner);
  const sha = await commitFiles(gitDir, {
    branch,
    parent:
      input.parent === undefined ? (before ?? (await readRef(gitDir, `refs/heads/${defaultBranch}`))) : input.parent,
    message: input.message ?? "Change files",
    author: { name: author.login, email: email(author) },
    at: Math.floor(state.now() / 1000),
    files: input.files ?? {},
  });
  repository.pushedAt = timestamp(state.now());
  return { sha, before };
}

/** Somebody who acts for an account: the user, or one of an organization's people. */
export function personOf(state: State, account: HostAccount): HostAccount {
  return account.type === "User" ? account : findAccount(state, "mona", "User");
}

/** The account of a name; made when new. */
export function findAccount(state: State, login: string, type: HostAccount["type"]): HostAccount {
  const known = state.accounts.find((item) => item.login.toLowerCase() === login.toLowerCase());
  if (known !== undefined) return known;
  const id = state.nextId();
  const made: AccountState = { id, nodeId: nodeId(type === "User" ? "U" : "O", id), login, type };
  state.accounts.push(made);
  return made;
}
