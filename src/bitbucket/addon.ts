import type { ConnectClient } from "../engine/grants-port.ts";
import type { Clock, Entrance, Opening } from "../engine/ports.ts";
import { type ConnectClients, parseClientKey, secretsOf } from "./clients.ts";
import {
  type DeliveryName,
  describe,
  isObject,
  isOfWorkspace,
  MAX_BODY_BYTES,
  malformed,
  parseObject,
  readHead,
  refused,
} from "./head.ts";
import { readAuthorization, readIssuer, verifyJwt } from "./jwt.ts";

/** Where the descriptor sends webhooks; one address for all events. */
const PATH = "/bitbucket/webhooks";

export interface ConnectEntranceOptions {
  readonly host: string;
  /** The address the app is known under, as the descriptor says it. */
  readonly baseUrl: string;
  readonly appKey: string;
  /** Of a registered app, which may sign with it for all its clients; null: each client has its own secret. */
  readonly appSecret: string | null;
  readonly clients: Pick<ConnectClients, "find">;
  readonly clock: Clock;
}

/**
 * The door for webhooks of the Connect app: `POST /bitbucket/webhooks`. A token in the header names the client and is
 * judged before any of the body is read. It does not cover the body: a delivery is believed to be of its client's
 * workspace, and what it says is asked again where it matters.
 */
export function createConnectEntrance(options: ConnectEntranceOptions): Entrance {
  return {
    open({ method, path, url, headers }) {
      if (path !== PATH) return null;
      const name = readHead({ method, headers });
      if ("answer" in name) return name;
      const token = readAuthorization(headers["authorization"]);
      const clientKey = token === null ? null : readIssuer(token);
      if (token === null || clientKey === null || parseClientKey(clientKey, options.appKey) === null) return unsigned();
      return options.clients.find(clientKey).then((client) => openBody(options, client, { token, method, url }, name));
    },
  };
}

function openBody(
  { host, baseUrl, appSecret, clock }: ConnectEntranceOptions,
  client: ConnectClient | null,
  { token, method, url }: { readonly token: string; readonly method: string; readonly url: string },
  name: DeliveryName,
): Opening {
  const secrets = secretsOf(client, appSecret);
  if (client === null || secrets.length === 0) return unsigned();
  const { clientKey, workspace } = client;
  const verdict = verifyJwt(token, { secrets, clientKey, method, url, baseUrl, nowMs: clock.now() });
  if (!verdict.ok) return unsigned();
  return {
    maxBytes: MAX_BODY_BYTES,
    update() {
      // There is nothing of the body that the token could be compared with.
    },
    close(body) {
      const envelope = parseObject(body);
      const payload = envelope?.["data"];
      if (envelope === null || !isObject(payload)) {
        return malformed("The body is not the JSON envelope of a Connect app's webhook.");
      }
      if (envelope["event"] !== name.event) return malformed("X-Event-Key and the envelope name different events.");
      if (!isOfWorkspace(name.event, payload, workspace)) {
        return refused(403, "other-workspace", "This installation belongs to another workspace.");
      }
      return describe(payload, { ...name, host, workspace, receivedAt: clock.now(), body });
    },
  };
}

/** One answer for all: strangers are not told which clients there are, nor what their token lacks. */
function unsigned() {
  return refused(401, "bad-token", "The Authorization header has no token of an installation that is active here.");
}
