import { randomBytes, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { By } from "../core/audit.ts";
import { isLoopback } from "../core/loopback.ts";
import { failed, type Outcome, ok } from "../core/model.ts";
import type {
  ByHand,
  ConnectionChange,
  Connections,
  ConnectionTarget,
  Disconnected,
  ShownConnection,
  Tell,
} from "../engine/connections-port.ts";
import type { Connection, GrantStore } from "../engine/grants-port.ts";
import type { Clock, IncomingDelivery } from "../engine/ports.ts";
import type { BitbucketAccess } from "./access.ts";
import { lifecycleDelivery } from "./lifecycle-delivery.ts";
import { LOOKUP_MS } from "./lookups.ts";
import { examineToken, type TokenRights } from "./rights.ts";
import { changeSecret, createWebhook, deleteWebhook, findWebhook, offeredEvents, type Webhook } from "./webhooks.ts";

export interface ConnectionsOptions {
  readonly access: Pick<BitbucketAccess, "host" | "callWith">;
  readonly grants: Pick<
    GrantStore,
    | "connection"
    | "connectionsOf"
    | "connectClientsOf"
    | "listConnections"
    | "addConnection"
    | "changeConnection"
    | "dropPreviousSecret"
    | "removeConnection"
  >;
  /** Whose changes they are. */
  readonly by: By;
  /** Without a trailing slash. */
  readonly publicUrl: string;
  readonly clock: Clock;
  /** Of a connection: part of its webhook's address, and typed by people. */
  readonly newId?: () => string;
  /** At most 128 characters: Bitbucket takes no more. */
  readonly newSecret?: () => string;
  readonly wait?: (milliseconds: number) => Promise<unknown>;
}

const DESCRIPTION = "Wharfinger";

/** After so many milliseconds every running server has forgotten what was stored before. */
const HEARD_MS = LOOKUP_MS + 1_000;

/** A connection is stored before its webhook is made: what arrives is known from the first delivery on. */
export function createConnections(options: ConnectionsOptions): Connections {
  const { access, grants, publicUrl, clock, by } = options;
  const newId = options.newId ?? (() => randomBytes(8).toString("hex"));
  const wait = options.wait ?? sleep;
  const newSecret = options.newSecret ?? (() => randomBytes(32).toString("hex"));

  const urlOf = (id: string) => `${publicUrl}/webhooks/bitbucket/${id}`;

  function shown({ secrets, token: _, ...connection }: Connection): ShownConnection {
    return { ...connection, url: urlOf(connection.id), rotating: secrets.length > 1 };
  }

  async function showAgain(id: string): Promise<Outcome<ShownConnection>> {
    const connection = await grants.connection(id);
    return connection === null ? unknown(id) : ok(shown(connection));
  }

  async function changed(
    id: string,
    byHand: ByHand | null,
    notes: readonly string[] = [],
  ): Promise<Outcome<ConnectionChange>> {
    const connection = await showAgain(id);
    return connection.ok ? ok({ connection: connection.value, byHand, notes }) : connection;
  }

  function newsOf(event: "connected" | "disconnected", connection: Omit<Connection, "createdAt">): IncomingDelivery {
    const { workspace: uuid, login: slug, kind } = connection;
    const nowMs = clock.now();
    return lifecycleDelivery({
      event,
      host: access.host,
      workspace: { uuid, slug, kind },
      door: "webhook",
      id: randomUUID(),
      nowMs,
    });
  }

  async function drop(connection: Omit<Connection, "createdAt">, webhook?: string): Promise<boolean> {
    return grants.removeConnection(connection.id, newsOf("disconnected", connection), by, webhook);
  }

  /** What would hear the same events already; null: nothing. */
  async function overlapping({ workspace, repository }: TokenRights): Promise<Connection | null> {
    const there = await grants.connectionsOf(workspace.id);
    const same = (other: Connection) =>
      repository === null || other.repository === null || other.repository.id === repository.id;
    return there.find(same) ?? null;
  }

  async function notesOn(id: string, { workspace }: TokenRights): Promise<string[]> {
    const notes: string[] = [];
    if (isLoopback(publicUrl)) {
      const then = `once PUBLIC_URL is an address it reaches, run wharfinger connect bitbucket --rotate ${id}.`;
      notes.push(`Bitbucket can not reach ${publicUrl}: ${then}`);
    }
    if ((await grants.connectClientsOf(workspace.id)).length > 0) {
      notes.push(
        `The Connect add-on is installed in ${workspace.login}, too: events come twice and are built once. ` +
          "Uninstall it when the connection works.",
      );
    }
    return notes;
  }

  async function connect(target: ConnectionTarget, token: string, tell: Tell): Promise<Outcome<ConnectionChange>> {
    tell("Asking Bitbucket what the token may do …");
    const examined = await examineToken(access, token, target);
    if (!examined.ok) return examined;
    const rights = examined.value;
    const { workspace, repository } = rights;
    const other = await overlapping(rights);
    if (other !== null) return connectedAlready(nameOf(workspace.login, repository), other);
    const id = newId();
    const url = urlOf(id);
    const { id: uuid, login, kind } = workspace;
    const connection = { id, workspace: uuid, login, kind, repository, secrets: [newSecret()], token, hook: null };
    const events = await offeredEvents(access, connection);
    if (!events.ok) return events;
    const [secret = ""] = connection.secrets;
    const byHand = (why: string): ByHand => ({ why, url, secret, events: events.value });
    const notes = await notesOn(id, rights);

    await grants.addConnection(connection, newsOf("connected", connection), by);
    if (rights.noWebhooks !== null) return changed(id, byHand(rights.noWebhooks), notes);
    tell("Creating the webhook …");
    const names = events.value.map(({ event }) => event);
    const wanted = { url, description: DESCRIPTION, events: names, secret };
    const created = await createWebhook(access, connection, wanted);
    if ("refused" in created && created.forbidden) return changed(id, byHand(created.refused), notes);
    if ("refused" in created) return undone(connection, created.refused);
    const hook = created.ok ? created.value : await makeSure(connection, url, created.message, tell);
    if ("gone" in hook) return failed(hook.gone, { retryable: true });
    await record(connection, hook);
    return changed(id, null, notes);
  }

  /** What Bitbucket does not take from us it does not take from a person either. */
  async function undone(connection: Omit<Connection, "createdAt">, why: string): Promise<Outcome<never>> {
    await drop(connection);
    const hint = isLoopback(publicUrl) ? ` PUBLIC_URL is ${publicUrl}, which Bitbucket can not reach.` : "";
    return failed(`The webhook could not be created; nothing of the connection is left. ${why}${hint}`, {
      retryable: false,
    });
  }

  /** It may have been made although no answer says so. If it was not, or nobody knows, the connection is dropped. */
  async function makeSure(
    connection: Omit<Connection, "createdAt">,
    url: string,
    why: string,
    tell: Tell,
  ): Promise<Webhook | { readonly gone: string }> {
    tell("There was no usable answer. Looking whether the webhook is there …");
    const found = await findWebhook(access, connection, { uuid: null, url });
    if (found.ok && found.value !== null) return found.value;
    await drop(connection);
    const place = placeOf(connection.login, connection.repository);
    const left = found.ok
      ? `It is not there now; should a webhook to ${url} show up in the ${place}, delete it.`
      : `Whether it was created is not known: if there is a webhook to ${url} in the ${place}, delete it.`;
    return { gone: `The webhook could not be created, and the connection was dropped again: ${why} ${left}` };
  }

  /** A webhook nothing is known of here would be left over: it goes where its connection can not be written. */
  async function record(connection: Omit<Connection, "createdAt">, { uuid }: Webhook): Promise<void> {
    let recorded = false;
    try {
      recorded = await grants.changeConnection(connection.id, { hook: uuid }, by);
    } finally {
      if (!recorded) await deleteWebhook(access, connection, uuid);
    }
  }

  async function locate(connection: Connection): Promise<Outcome<Webhook | null>> {
    return findWebhook(access, connection, { uuid: connection.hook, url: urlOf(connection.id) });
  }

  async function rotate(id: string, tell: Tell): Promise<Outcome<ConnectionChange>> {
    const before = await grants.connection(id);
    if (before === null) return unknown(id);
    const [current = ""] = before.secrets;
    const unfinished = before.secrets.length > 1;
    const secret = unfinished ? current : newSecret();
    if (unfinished) tell("A rotation is under way: its new secret is put in place once more.");
    // Both are accepted before Bitbucket hears of the new one.
    else if (!(await grants.changeConnection(id, { secret }, by))) return unknown(id);
    const hook = await locate(before);
    const why = hook.ok ? "Bitbucket has no webhook to this address that the token can see." : hook.message;
    const byHand = { why, url: urlOf(id), secret, events: [] };
    if (!hook.ok || hook.value === null) return changed(id, byHand);
    tell("Giving the webhook its new secret, once running servers know of it …");
    // Bitbucket signs with it at once, and does not repeat what a server refuses.
    await wait(HEARD_MS);
    // PUBLIC_URL may be another than when it was made.
    const put = await changeSecret(access, before, { ...hook.value, url: urlOf(id) }, secret);
    if ("refused" in put) return changed(id, { ...byHand, why: put.refused });
    if (!put.ok)
      return changed(id, { ...byHand, why: `${put.message} It may have the new secret, or still the old one.` });
    if (before.hook !== hook.value.uuid) await grants.changeConnection(id, { hook: hook.value.uuid }, by);
    return changed(id, null);
  }

  async function finishRotation(id: string): Promise<Outcome<ShownConnection>> {
    const before = await grants.connection(id);
    if (before === null) return unknown(id);
    if (before.secrets.length < 2) return failed(`No rotation of ${id} is under way.`, { retryable: false });
    await grants.dropPreviousSecret(id, by);
    return showAgain(id);
  }

  async function replaceToken(id: string, token: string, tell: Tell): Promise<Outcome<ConnectionChange>> {
    const before = await grants.connection(id);
    if (before === null) return unknown(id);
    tell("Asking Bitbucket what the token may do …");
    const rights = await examineToken(access, token, targetOf(before));
    if (!rights.ok) return rights;
    if (!isOf(before, rights.value)) return elsewhere(before);
    if (!(await grants.changeConnection(id, { token }, by))) return unknown(id);
    const { noWebhooks } = rights.value;
    return changed(
      id,
      null,
      noWebhooks === null ? [] : [`${noWebhooks} Its webhook is yours to change and to delete.`],
    );
  }

  /** Null: nothing is left. */
  async function endWebhook(connection: Connection): Promise<string | null> {
    const left = (why: string) =>
      `The webhook to ${urlOf(connection.id)} may still be in Bitbucket: ${why} ` +
      `Delete it in the ${placeOf(connection.login, connection.repository)}.`;
    const known = connection.hook === null ? null : await deleteWebhook(access, connection, connection.hook);
    if (known?.ok === true) return null;
    // It may be gone, or have been made anew; only a list without it says that nothing is left.
    const hook = await locate(connection);
    if (!hook.ok) return left((known ?? hook).message);
    if (hook.value === null) return null;
    const deleted = await deleteWebhook(access, connection, hook.value.uuid);
    return deleted.ok ? null : left(deleted.message);
  }

  async function disconnect(id: string, tell: Tell): Promise<Outcome<Disconnected>> {
    const connection = await grants.connection(id);
    if (connection === null) return unknown(id);
    tell(connection.hook === null ? "Looking for a webhook to delete …" : "Deleting the webhook …");
    const left = await endWebhook(connection);
    const webhook = left === null ? "deleted" : left.replace(/\.$/, "");
    const ours = connection.hook !== null || left !== null;
    if (!(await drop(connection, ours ? webhook : undefined))) return unknown(id);
    return ok({ connection: shown(connection), left });
  }

  async function examine(connection: Connection): Promise<Outcome<readonly string[]>> {
    const examined = await examineToken(access, connection.token, targetOf(connection));
    if (!examined.ok) return examined;
    const rights = examined.value;
    if (!isOf(connection, rights)) return elsewhere(connection);
    if (rights.noWebhooks !== null) return ok([`${rights.noWebhooks} Whether its webhook is there can not be seen.`]);
    const hook = await locate(connection);
    if (!hook.ok) return hook;
    const wrong =
      hook.value === null
        ? "is not in Bitbucket"
        : !hook.value.active
          ? "is switched off in Bitbucket"
          : hook.value.signed === false
            ? "has no secret in Bitbucket, so that it signs nothing"
            : hook.value.url !== urlOf(connection.id)
              ? `sends to ${hook.value.url}, which --rotate ${connection.id} puts right`
              : null;
    if (wrong !== null) {
      return failed(`Its webhook, to ${urlOf(connection.id)}, ${wrong}.`, { retryable: false });
    }
    return ok([]);
  }

  return {
    list: async () => (await grants.listConnections()).map(shown),
    connect,
    rotate,
    finishRotation,
    replaceToken,
    disconnect,
    examine,
  };
}

function unknown(id: string): Outcome<never> {
  return failed(`There is no connection ${id}. See: wharfinger connect bitbucket --list`, { retryable: false });
}

function connectedAlready(name: string, other: Connection): Outcome<never> {
  const covers = nameOf(other.login, other.repository);
  return failed(
    `${name} is connected already${covers === name ? "" : `, by a connection of ${covers}`} (${other.id}). For a new secret use ` +
      `--rotate ${other.id}, for a new token --new-token ${other.id}; or end it first: --disconnect ${other.id}`,
    { retryable: false },
  );
}

function elsewhere({ login, repository }: Connection): Outcome<never> {
  return failed(`The token is not of ${nameOf(login, repository)}.`, { retryable: false });
}

/** By uuid, whatever they are called today. */
function targetOf({ workspace, repository }: Connection): ConnectionTarget {
  return { workspace, repository: repository?.id ?? null };
}

function isOf({ workspace, repository }: Connection, rights: TokenRights): boolean {
  return rights.workspace.id === workspace && (rights.repository?.id ?? null) === (repository?.id ?? null);
}

function nameOf(login: string, repository: Connection["repository"]): string {
  return repository === null ? `workspace ${login}` : repository.fullName;
}

/** Where people find webhooks. */
function placeOf(login: string, repository: Connection["repository"]): string {
  return repository === null
    ? `settings of workspace ${login} → Webhooks`
    : `settings of repository ${repository.fullName} → Webhooks`;
}
