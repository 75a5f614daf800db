/** Keeps what is known of installations and their repositories as hosts tell of them: takes the steps of core/lifecycle. */
import type { By } from "../core/audit.ts";
import type { InstallationEvent, RepositoriesEvent, RepositoryEvent, RepositoryName } from "../core/events.ts";
import type { InstallationEffect } from "../core/lifecycle/installation.ts";
import type { RepositoryNews } from "../core/lifecycle/repository.ts";
import {
  type Actor,
  failed,
  type HostId,
  hostKey,
  type Installation,
  type LinkState,
  type Outcome,
  ok,
} from "../core/model.ts";
import type { Claims } from "./claims-port.ts";
import type { InstallationHeard, InstallationTaken, RecordedRepository } from "./lifecycle-port.ts";
import type { Host, Logger, Seen } from "./ports.ts";
import { tellReplayed } from "./replay.ts";
import type { Store } from "./store-port.ts";

export interface Installations {
  /** The event's meaning for people, or why it has to wait. Safe to call again for the same event. */
  apply(host: Host, event: InstallationEvent | RepositoriesEvent | RepositoryEvent): Promise<Outcome<string>>;
  /**
   * The installation as recorded; one never heard of (its event was lost, or comes later) is asked for and recorded, and
   * so is one that is suspended: its host sends nothing while it is. Null: the host does not know it either.
   */
  known(host: Host, id: HostId): Promise<Outcome<Installation | null>>;
  /**
   * How a repository stands, after asking the host what is true of it where its events do not say, or say something else
   * than is recorded: what it covers is linked, what is gone is not any more.
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
  | "hearInstallation"
  | "hearRepositories"
  | "recordedRepository"
  | "countRepositories"
  | "linkState"
  | "reviveChecks"
  | "replayDeliveries"
>;

export interface InstallationsOptions {
  readonly store: InstallationStore;
  readonly claims: Claims;
  readonly log: Logger;
}

type Taken = Extract<InstallationTaken, { kind: "taken" | "refused" }>;

/** How often the host is asked while what is recorded changes under the question. */
const MAX_QUESTIONS = 3;

export function createInstallations({ store, claims, log }: InstallationsOptions): Installations {
  /** Takes a step, and those that follow from what the host answers. */
  async function hear(host: Host, heard: InstallationHeard): Promise<Outcome<Taken>> {
    const { id, by } = heard;
    let taken = await store.hearInstallation(heard);
    for (let asked = 0; taken.kind === "ask" || taken.kind === "stale"; asked += 1) {
      if (asked === MAX_QUESTIONS)
        return failed("the installation changes while it is asked about", { retryable: true });
      if (taken.kind === "ask" && taken.forget) host.forget(id);
      const found = await find(host, id);
      if (!found.ok) return found;
      taken = await store.hearInstallation({ ...found.value, id, by, asked: taken.recorded });
    }
    if (taken.kind === "refused") {
      log.warn(
        { installation: hostKey(id), reason: "other-account", why: taken.why },
        "an installation is not changed",
      );
      return ok(taken);
    }
    for (const effect of taken.effects) {
      const done = await perform(host, heard, effect);
      if (!done.ok) return done;
    }
    for (const other of taken.replaced) {
      host.forget(other);
      await claims.withdraw(other);
      log.warn({ installation: hostKey(other), by: hostKey(id) }, "an installation ended without a word of its end");
    }
    for (const repository of taken.unsure) {
      const settled = await ask(host, id, repository, by);
      if (!settled.ok) return settled;
    }
    return ok(taken);
  }

  async function find(host: Host, id: HostId): Promise<Outcome<Pick<InstallationHeard, "news" | "told">>> {
    const told = await host.installation(id);
    if (!told.ok) return told;
    if (told.value === null) return ok({ news: "found-gone", told: null });
    const { account, permissions, state } = told.value;
    // Nobody may ask more while it is suspended.
    if (state === "suspended")
      return ok({ news: "found-suspended", told: { account, permissions, repositories: null } });
    const repositories = await host.repositories(id);
    if (!repositories.ok) return repositories;
    return ok({ news: "found-active", told: { account, permissions, repositories: repositories.value } });
  }

  /** What the database has no part in; the rest is done. */
  async function perform(host: Host, { id }: InstallationHeard, effect: InstallationEffect): Promise<Outcome<true>> {
    if (effect === "forget") host.forget(id);
    if (effect === "withdraw") await claims.withdraw(id);
    if (effect === "revive") await store.reviveChecks(id);
    if (effect === "replay") tellReplayed(await store.replayDeliveries({ kind: "installation", id }), log);
    if (effect !== "settle") return ok(true);
    const recorded = await store.getInstallation(id);
    if (recorded === null) return ok(true);
    const settled = await claims.settle({ id, account: recorded.account });
    return settled.ok ? ok(true) : settled;
  }

  /** Asks the host about one repository. Null: it said no in a way that it will say again. */
  async function ask(host: Host, id: HostId, about: RepositoryName, by: By): Promise<Outcome<null>> {
    const now = await host.repository(id, about);
    if (!now.ok) {
      if (now.retryable) return now;
      log.warn(
        { installation: hostKey(id), repository: hostKey(about), reason: now.message },
        "left as it is recorded",
      );
      return ok(null);
    }
    const news = now.value === null ? "found-gone" : now.value.archived ? "found-archived" : "found";
    const repositories = [now.value ?? about];
    await store.hearRepositories({ installation: id, news, repositories, by });
    return ok(null);
  }

  async function installation(host: Host, event: InstallationEvent): Promise<Outcome<string>> {
    const { installation: id, action, account, permissions, repositories } = event;
    const told = { account, permissions, repositories };
    const heard = await hear(host, { id, news: action, told, by: byOf(id, event.actor) });
    if (!heard.ok) return heard;
    if (heard.value.kind === "refused") return ok(`not taken: ${heard.value.why}`);
    return ok(await noteOf(event, heard.value));
  }

  async function noteOf(event: InstallationEvent, taken: Extract<Taken, { kind: "taken" }>): Promise<string> {
    const { after, effects, canceled } = taken;
    if (after === "removed" && event.action !== "removed") return "the host does not know this installation any more";
    if (after === "removed" || after === "suspended") {
      return effects.length === 0 ? `${after} already` : `${after}; ${count(canceled, "build")} canceled`;
    }
    const recorded = await store.getInstallation(event.installation);
    if (recorded === null) return "the host does not know this installation";
    const { account, namespace, claim } = recorded;
    switch (event.action) {
      case "permissions":
        return "new permissions accepted";
      case "unsuspended":
        return "active again";
      case "renamed":
        return `the account is called ${account.login} now; images stay where they are`;
      default: {
        const covered = (await store.countRepositories([recorded])).get(hostKey(recorded)) ?? 0;
        const without = claim === undefined ? "it has no namespace" : `its namespace waits: ${claim.why}`;
        const owns = namespace === null ? without : `it publishes into ${namespace}/`;
        return `installed on ${account.login} with ${count(covered, "repository")}; ${owns}`;
      }
    }
  }

  async function repositories(host: Host, event: RepositoriesEvent): Promise<Outcome<string>> {
    const { installation: id, added, removed, actor } = event;
    const known = await installations.known(host, id);
    if (!known.ok) return known;
    const by = byOf(id, actor);
    await store.hearRepositories({ installation: id, news: "removed", repositories: removed, by });
    if (isOver(known.value)) return ok(overNote(known.value));
    const unsure = await store.hearRepositories({ installation: id, news: "added", repositories: added, by });
    for (const one of unsure) {
      const asked = await ask(host, id, one, by);
      if (!asked.ok) return asked;
    }
    return ok(`${count(added.length, "repository")} added, ${removed.length} removed`);
  }

  async function repository(host: Host, event: RepositoryEvent): Promise<Outcome<string>> {
    const { installation: id, action, actor } = event;
    const known = await installations.known(host, id);
    if (!known.ok) return known;
    const by = byOf(id, actor);
    const unsure = await store.hearRepositories({
      installation: id,
      news: action,
      repositories: [event.repository],
      by,
    });
    if (isOver(known.value)) return ok(overNote(known.value));
    for (const one of unsure) {
      const asked = await ask(host, id, one, by);
      if (!asked.ok) return asked;
    }
    const now = await store.recordedRepository(id, event.repository);
    const link = now === null || now.link === "unlinked" ? "not covered" : now.link;
    return ok(`${now?.fullName ?? event.repository.fullName}: ${MEANINGS[action]}; it is ${link} now`);
  }

  /** Where its owner has another name than the account, that has changed without a word. */
  async function checkName(host: Host, id: HostId, fullName: string, by: By): Promise<Outcome<true>> {
    const known = await store.getInstallation(id);
    const owner = fullName.split("/")[0] ?? "";
    if (known === null || owner.toLowerCase() === known.account.login.toLowerCase()) return ok(true);
    const heard = await hear(host, { id, news: "renamed", told: null, by });
    return heard.ok ? ok(true) : heard;
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
      const by = byOf(id, null);
      const recorded = await store.recordedRepository(id, about);
      const told = seen.kind === "seen" ? seen.repository : about;
      if (seen.kind === "gone") {
        await store.hearRepositories({ installation: id, news: "found-gone", repositories: [about], by });
      } else if (recorded !== null && agrees(recorded, told)) {
        return ok({ seen, link: recorded.link });
      } else if (seen.kind === "seen") {
        await store.hearRepositories({ installation: id, news: "found", repositories: [told], by });
      } else {
        const asked = await ask(host, id, about, by);
        if (!asked.ok) return asked;
      }
      if (recorded !== null && recorded.fullName !== told.fullName && seen.kind !== "gone") {
        const checked = await checkName(host, id, told.fullName, by);
        if (!checked.ok) return checked;
      }
      return ok({ seen, link: await store.linkState(id, about) });
    },

    async known(host, id) {
      const recorded = await store.getInstallation(id);
      if (recorded !== null && recorded.state !== "suspended") return settledAnew(recorded);
      // Not told, unless by its sending something: of what is recorded the host has the last word.
      const news = recorded === null ? "unsuspended" : "renamed";
      const heard = await hear(host, { id, news, told: null, by: byOf(id, null) });
      if (!heard.ok) return recorded === null ? heard : ok(recorded);
      const now = await store.getInstallation(id);
      if (recorded === null && now !== null) {
        log.info({ installation: hostKey(id), account: now.account.login }, "learned of an installation");
      }
      return ok(now);
    },
  };

  /** Its claim may not have been heard: the registry was away when it was to be asked. */
  async function settledAnew(recorded: Installation): Promise<Outcome<Installation>> {
    if (recorded.state === "removed" || recorded.namespace !== null || recorded.claim !== undefined)
      return ok(recorded);
    const settled = await claims.settle({ id: recorded, account: recorded.account });
    if (!settled.ok) return settled;
    return ok((await store.getInstallation(recorded)) ?? recorded);
  }

  return installations;
}

/** By a signed payload of the host; the sender is whom it names. */
function byOf({ provider, host }: HostId, actor: Actor | null): By {
  return { kind: "host", provider, host, actor };
}

function isOver(installation: Installation | null): boolean {
  return installation === null || installation.state === "removed" || installation.state === "suspended";
}

function overNote(installation: Installation | null): string {
  return `the installation is ${installation?.state ?? "unknown"}`;
}

function agrees({ link, fullName, private: isPrivate }: RecordedRepository, told: RepositoryName): boolean {
  return link !== "unlinked" && link !== "archived" && fullName === told.fullName && isPrivate === told.private;
}

const MEANINGS: Readonly<Record<RepositoryEvent["action"], string>> = {
  created: "it was made",
  renamed: "it got another name",
  updated: "something about it was changed",
  moved: "it went to another account",
  archived: "it was archived",
  unarchived: "it is not archived any more",
  "made-private": "it was made private",
  "made-public": "it was made public",
  deleted: "it was deleted",
} satisfies Readonly<Partial<Record<RepositoryNews, string>>>;

function count(n: number, noun: string): string {
  const plural = noun.endsWith("y") ? `${noun.slice(0, -1)}ies` : `${noun}s`;
  return `${n} ${n === 1 ? noun : plural}`;
}
