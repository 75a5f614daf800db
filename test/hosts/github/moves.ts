/**
 * Repositories and accounts that get new names or owners, are archived, hidden or deleted. Old names lead on to them until
 * somebody else takes them.
 */
import type { EventDelivery, GithubHost, HostAccount } from "./contract.ts";
import { accountRenamedPayload, type RepositoryAction, repositoriesPayload, repositoryPayload } from "./payloads.ts";
import { moveRepository, personOf, removeRepository, stateOf } from "./repositories.ts";
import { accountShape } from "./shapes.ts";
import { installationOf, type RepositoryState, type State } from "./state.ts";
import { notSent, type Sender } from "./webhooks.ts";

export function createMoves(
  state: State,
  sender: Sender,
): Pick<GithubHost, "rename" | "transfer" | "setArchived" | "setPrivate" | "deleteRepository" | "renameAccount"> {
  async function tell(
    repository: RepositoryState,
    action: RepositoryAction,
    changes: object | null,
  ): Promise<EventDelivery> {
    const installation = installationOf(state, repository);
    if (installation === null || installation.suspended) return notSent();
    const person = personOf(state, repository.owner);
    return sender.send("repository", repositoryPayload(state, repository, action, changes, person));
  }

  return {
    async rename(of, name) {
      const repository = stateOf(state, of);
      const from = repository.name;
      moveRepository(state, repository, repository.owner, name);
      return tell(repository, "renamed", { repository: { name: { from } } });
    },

    async transfer(of, owner) {
      const repository = stateOf(state, of);
      const from = repository.owner;
      moveRepository(state, repository, owner, repository.name);
      for (const installation of state.installations) {
        if (installation.repositories === "all" || installation.account.id === owner.id) continue;
        installation.repositories = installation.repositories.filter((item) => item.id !== repository.id);
      }
      const kind = from.type === "User" ? "user" : "organization";
      return tell(repository, "transferred", { owner: { from: { [kind]: accountShape(state, from) } } });
    },

    setArchived(of, archived) {
      const repository = stateOf(state, of);
      repository.archived = archived;
      return tell(repository, archived ? "archived" : "unarchived", null);
    },

    setPrivate(of, hidden) {
      const repository = stateOf(state, of);
      repository.private = hidden;
      return tell(repository, hidden ? "privatized" : "publicized", null);
    },

    async deleteRepository(of) {
      const repository = stateOf(state, of);
      const installation = installationOf(state, repository);
      removeRepository(state, repository);
      if (installation === null || installation.suspended) return [];
      const person = personOf(state, repository.owner);
      if (installation.repositories !== "all") {
        installation.repositories = installation.repositories.filter((item) => item.id !== repository.id);
      }
      const left = repositoriesPayload(state, installation, { added: [], removed: [repository] }, person);
      return [
        await sender.send("repository", repositoryPayload(state, repository, "deleted", null, person)),
        await sender.send("installation_repositories", left),
      ];
    },

    async renameAccount(of: HostAccount, login) {
      const account = state.accounts.find((item) => item.id === of.id);
      if (account === undefined) throw new Error(`there is no account ${of.login}`);
      if (state.accounts.some((item) => item !== account && item.login.toLowerCase() === login.toLowerCase())) {
        throw new Error(`there is an account ${login} already`);
      }
      const from = account.login;
      account.login = login;
      for (const repository of state.repositories) {
        if (repository.owner.id === account.id) moveRepository(state, repository, account, repository.name);
      }
      const installation = state.installations.find((item) => item.account.id === account.id && !item.removed);
      if (installation === undefined || installation.suspended) return notSent();
      const payload = accountRenamedPayload(state, installation, from, personOf(state, account));
      return sender.send("installation_target", payload);
    },
  };
}
