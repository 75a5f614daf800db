import type { ConnectClient, GrantStore } from "../engine/grants-port.ts";
import type { Clock } from "../engine/ports.ts";
import { createLookups } from "./lookups.ts";
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

export function createConnectClients({
  grants,
  clock,
}: {
  readonly grants: Pick<GrantStore, "connectClient">;
  readonly clock: Clock;
}): ConnectClients {
  const lookups = createLookups({ ask: (clientKey) => grants.connectClient(clientKey), clock });
  return { find: async (clientKey) => lookups.find(clientKey), forget: lookups.forget };
}

/** What a client's webhooks and pages may be signed with; empty: with nothing, whatever it shows. */
export function secretsOf(client: ConnectClient | null, appSecret: string | null): readonly string[] {
  if (client?.state !== "active") return [];
  return [client.secret, appSecret].filter((secret) => secret !== null);
}
