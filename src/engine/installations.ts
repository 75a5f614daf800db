/** Keeps the table of installations and their repositories as the hosts announce it. */
import type { InstallationEvent, RepositoriesEvent, RepositoryEvent, RepositoryName } from "../core/events.ts";
import { type HostId, hostKey, type Installation, type LinkState, type Outcome, ok } from "../core/model.ts";
import { namespaceFor } from "../core/namespaces.ts";
import type { Host, Logger, Seen } from "./ports.ts";
import type { Store } from "./store-port.ts";

export interface Installations {
  /** The event's meaning for people, or why it has to wait. Safe to call again for the same event. */
  apply(host: Host, event: InstallationEvent | RepositoriesEvent | RepositoryEvent): Promise<Outcome<string>>;
  /**
   * The installation as recorded; one never heard of (its event was lost, or comes later) is asked for and recorded.
   * Null: the host does not know it either.
   */
  known(host: Host, id: HostId): Promise<Outcome<Installation | null>>;
  /**
   * How a repository stands, after asking the host what is true of it where its events do not say: what it covers is
   * linked, what is gone is not any more.
   */
  standing(host: Host, id: HostId, repository: RepositoryName): Promise<Outcome<RepositoryStanding>>;
}

export interface RepositoryStanding {
  readonly link: LinkState;
  readonly seen: Seen;
}

/** The part of the store that holds installations, and what hangs on them. */
export type InstallationStore = Pick<
  Store,
  | "getInstallation"
  | "saveInstallation"
  | "setInstallationState"
  | "linkRepositories"
  | "unlinkRepositories"
  | "linkState"
  | "cancelInstallation"
  | "reviveChecks"
>;

type Learned = Outcome<Installation | null>;

export function createInstallations({ store, log }: { store: InstallationStore; log: Logger }): Installations {
  /** Asks the host what is true now and records it. */
  async function learn(host: Host, id: HostId, { unheardOf }: { unheardOf: boolean }): Promise<Learned> {
    const told = await host.installation(id);
    if (!told.ok) return told;
    if (told.value === null) return ok(null);
    const repositories = await host.repositories(id);
    if (!repositories.ok) return repositories;
    // Its own event came while we asked, and may know better: removed, say.
    const recorded = unheardOf ? await store.getInstallation(id) : null;
    if (recorded !== null) return ok(recorded);
    const saved = await store.saveInstallation({ id, ...told.value, namespace: namespaceFor(told.value.account) });
    await store.linkRepositories(id, repositories.value, { complete: true });
    log.info({ installation: hostKey(id), account: told.value.account.login }, "learned of an installation");
    return ok(saved);
  }

  async function created(host: Host, event: InstallationEvent): Promise<Outcome<string>> {
    const listed = event.repositories === null ? await host.repositories(event.installation) : ok(event.repositories);
    if (!listed.ok) return listed;
    const saved = await store.saveInstallation({
      id: event.installation,
      account: event.account,
      state: "active",
      permissions: event.permissions,
      namespace: namespaceFor(event.account),
    });
    await store.linkRepositories(event.installation, listed.value, { complete: true });
    const owns = saved.namespace === null ? "no namespace is free for it" : `it publishes into ${saved.namespace}/`;
    return ok(`installed on ${event.account.login} with ${count(listed.value.length, "repository")}; ${owns}`);
  }

  /**
   * Nothing of this installation may run any more: the host refuses its tokens from now on. One never heard of is
   * recorded too, so that a push on its way does not make it active again.
   */
  async function halt(host: Host, event: InstallationEvent, state: "removed" | "suspended"): Promise<string> {
    const { installation: id, account, permissions } = event;
    await store.saveInstallation({ id, account, state, permissions, namespace: null });
    host.forget(event.installation);
    const stopped = await store.cancelInstallation(event.installation);
    return `${state}; ${count(stopped, "build")} canceled`;
  }

  /** The host knows nothing of it: it was removed between sending the event and our asking. */
  async function gone(id: HostId): Promise<string> {
    await store.setInstallationState(id, "removed");
    return "the host does not know this installation any more";
  }

  async function installation(host: Host, event: InstallationEvent): Promise<Outcome<string>> {
    switch (event.action) {
      case "created":
        return created(host, event);
      case "removed":
      case "suspended":
        return ok(await halt(host, event, event.action));
      case "unsuspended":
      case "permissions": {
        host.forget(event.installation);
        const learned = await learn(host, event.installation, { unheardOf: false });
        if (!learned.ok) return learned;
        if (learned.value === null) return ok(await gone(event.installation));
        await store.reviveChecks(event.installation);
        return ok(event.action === "permissions" ? "new permissions accepted" : "active again");
      }
    }
  }

  async function repositories(host: Host, event: RepositoriesEvent): Promise<Outcome<string>> {
    const known = await installations.known(host, event.installation);
    if (!known.ok) return known;
    await store.linkRepositories(event.installation, event.added, { complete: false });
    await store.unlinkRepositories(event.installation, event.removed);
    return ok(`${count(event.added.length, "repository")} added, ${event.removed.length} removed`);
  }

  async function repository(host: Host, event: RepositoryEvent): Promise<Outcome<string>> {
    const known = await installations.known(host, event.installation);
    if (!known.ok) return known;
    if (known.value?.state !== "active") return ok(`the installation is ${known.value?.state ?? "unknown"}`);
    const now = await installations.standing(host, event.installation, event.repository);
    if (!now.ok) return now;
    const { seen, link } = now.value;
    const name = seen.kind === "seen" ? seen.repository.fullName : event.repository.fullName;
    return ok(`${name} was ${event.action}; it is ${seen.kind === "gone" ? "not covered any more" : link}`);
  }

  const installations: Installations = {
    apply(host, event) {
      if (event.type === "installation") return installation(host, event);
      return event.type === "repositories" ? repositories(host, event) : repository(host, event);
    },
    async standing(host, id, about) {
      const looked = await host.look(id, about);
      if (!looked.ok) return looked;
      const seen = looked.value;
      if (seen.kind === "seen") await store.linkRepositories(id, [seen.repository], { complete: false });
      if (seen.kind === "gone") await store.unlinkRepositories(id, [about]);
      return ok({ seen, link: await store.linkState(id, about) });
    },
    async known(host, id) {
      const recorded = await store.getInstallation(id);
      return recorded === null ? learn(host, id, { unheardOf: true }) : ok(recorded);
    },
  };
  return installations;
}

function count(n: number, noun: string): string {
  const plural = noun.endsWith("y") ? `${noun.slice(0, -1)}ies` : `${noun}s`;
  return `${n} ${n === 1 ? noun : plural}`;
}
