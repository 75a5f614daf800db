import type { ConnectClient, GrantStore } from "../engine/grants-port.ts";
import type { Clock } from "../engine/ports.ts";
import { parseUuid } from "./uuid.ts";

/** The key of an app that was installed by its descriptor's address. */
const CONNECTION = /^connection:\d{1,20}$/;
/** The key of a registered app: whose workspace, and which app. */
const REGISTERED = /^ari:cloud:bitbucket::app\/(\{[0-9a-f-]{36}\})\/([\w.-]{1,128})$/i;

/** A client key's workspace, where it names one; null: not a key that Bitbucket gives to this app. */
export function parseClientKey(text: unknown, appKey: string): { readonly workspace: string | null } | null {
  if (typeof text !== "string") return null;
  if (CONNECTION.test(text)) return { workspace: null };
  const [, uuid, app] = REGISTERED.exec(text) ?? [];
  const workspace = parseUuid(uuid);
  return workspace === null || app !== appKey ? null : { workspace };
}

/** The proven clients, as doors look them up. */
export interface ConnectClients {
  /** Removed ones included; null: nobody has proven to be this client. May be some seconds old. */
  find(clientKey: string): Promise<ConnectClient | null>;
  /** Something was done to this client here: the next look is a fresh one. */
  forget(clientKey: string): void;
}

/** What another process does to a client is seen after so many milliseconds. */
const MEMORY_MS = 5_000;
/** Of known and unknown keys together: strangers can ask for as many as they like. */
const MEMORY_SIZE = 1_000;

interface Remembered {
  readonly askedAt: number;
  readonly answer: Promise<ConnectClient | null>;
}

/** Looks each client up once in {@link MEMORY_MS}: a burst of deliveries costs one question. Failures are not remembered. */
export function createConnectClients({
  grants,
  clock,
}: {
  readonly grants: Pick<GrantStore, "connectClient">;
  readonly clock: Clock;
}): ConnectClients {
  const known = new Map<string, Remembered>();

  /** What was forgotten, and asked again since, is not this one any more. */
  function drop(clientKey: string, one: Remembered): void {
    if (known.get(clientKey) === one) known.delete(clientKey);
  }

  return {
    find(clientKey) {
      const remembered = known.get(clientKey);
      const age = remembered === undefined ? -1 : clock.now() - remembered.askedAt;
      if (remembered !== undefined && age >= 0 && age < MEMORY_MS) return remembered.answer;
      known.delete(clientKey);
      for (const oldest of known.keys()) {
        if (known.size < MEMORY_SIZE) break;
        known.delete(oldest);
      }
      // The age is that of the question: what changes while it is being answered may be missing in the answer.
      const asked: Remembered = { askedAt: clock.now(), answer: grants.connectClient(clientKey) };
      known.set(clientKey, asked);
      return asked.answer.catch((error: unknown) => {
        drop(clientKey, asked);
        throw error;
      });
    },
    forget(clientKey) {
      known.delete(clientKey);
    },
  };
}

/** What a client's webhooks and pages may be signed with; empty: with nothing, whatever it shows. */
export function secretsOf(client: ConnectClient | null, appSecret: string | null): readonly string[] {
  if (client?.state !== "active") return [];
  return [client.secret, appSecret].filter((secret) => secret !== null);
}
