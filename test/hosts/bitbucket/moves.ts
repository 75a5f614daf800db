/** Forks, renames, transfers, deletions: what happens to repositories as wholes. */
import type { BitbucketHost, EventDelivery } from "./contract.ts";
import type { Sender } from "./operation.ts";
import { type Before, forkPayload, repositoryPayload, transferPayload, updatedPayload } from "./payloads.ts";
import type { Pushes } from "./pushes.ts";
import { copyInto, makeRepository, moveRepository } from "./repositories.ts";
import { ownerOf, type RepositoryState, type State, stateOf, workspaceOf } from "./state.ts";

export function createMoves(
  state: State,
  sender: Sender,
  { push }: Pushes,
): Pick<
  BitbucketHost,
  "repository" | "fork" | "announce" | "rename" | "transfer" | "delete" | "setPrivate" | "setMainBranch"
> {
  async function updated(repository: RepositoryState, before: Before): Promise<readonly EventDelivery[]> {
    const { workspace } = repository;
    const payload = updatedPayload(state, repository, before, ownerOf(workspace));
    return sender.send("repo:updated", payload, { workspace, repository });
  }

  return {
    repository: (workspace, slug, options = {}) =>
      makeRepository(state, workspaceOf(state, workspace), slug, options, push),
    async fork(of, into, options = {}) {
      const parent = stateOf(state, of);
      const { mainBranch, name, workspace } = parent;
      const settings = { private: options.private ?? parent.private, mainBranch, parent };
      const fork = await makeRepository(state, workspaceOf(state, into), name, settings, push);
      await copyInto(fork, parent);
      const payload = forkPayload(state, parent, fork, ownerOf(fork.workspace));
      await sender.send("repo:fork", payload, { workspace, repository: parent });
      return fork;
    },
    async announce(of, event) {
      const repository = stateOf(state, of);
      const { workspace } = repository;
      const payload = repositoryPayload(state, repository, ownerOf(workspace));
      return sender.send(event, payload, { workspace, repository });
    },
    async rename(of, slug) {
      const repository = stateOf(state, of);
      const { name, fullName, workspace } = repository;
      moveRepository(state, repository, workspace, slug);
      return updated(repository, { name, fullName });
    },
    async transfer(of, to) {
      const repository = stateOf(state, of);
      const previous = repository.workspace;
      const next = workspaceOf(state, to);
      moveRepository(state, repository, next, repository.name);
      const payload = transferPayload(state, repository, previous, ownerOf(previous));
      const left = await sender.send("repo:transfer", payload, { workspace: previous, repository: null });
      return [...left, ...(await sender.send("repo:transfer", payload, { workspace: next, repository }))];
    },
    async delete(of) {
      const repository = stateOf(state, of);
      const { workspace } = repository;
      repository.deleted = true;
      for (const pull of state.repositories.flatMap((item) => item.pulls)) {
        if (pull.source === repository) pull.source = null;
      }
      const payload = repositoryPayload(state, repository, ownerOf(workspace));
      const deliveries = await sender.send("repo:deleted", payload, { workspace, repository });
      for (const hook of state.hooks.filter((item) => item.repository === repository)) {
        state.hooks.splice(state.hooks.indexOf(hook), 1);
      }
      return deliveries;
    },
    async setPrivate(of, hidden) {
      const repository = stateOf(state, of);
      repository.private = hidden;
      return updated(repository, {});
    },
    async setMainBranch(of, branch) {
      const repository = stateOf(state, of);
      repository.mainBranch = branch;
      return updated(repository, {});
    },
  };
}
