import { createHmac, createSecretKey, type Hmac, type KeyObject, timingSafeEqual } from "node:crypto";
import type { Connection, GrantStore } from "../engine/grants-port.ts";
import type { Answer, Clock, Entrance, Opening } from "../engine/ports.ts";
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
  repositoryOf,
  single,
} from "./head.ts";
import { createLookups } from "./lookups.ts";

/** An address holds one connection's id, which is checked before anything asks for it. */
const PATH = /^\/webhooks\/bitbucket\/([^/]+)$/;
const CONNECTION_ID = /^[A-Za-z0-9_-]{1,64}$/;
const SIGNATURE = /^sha256=([0-9a-f]{64})$/;

export interface SignedWebhookOptions {
  readonly host: string;
  readonly grants: Pick<GrantStore, "connection">;
  readonly clock: Clock;
}

/** A connection as a delivery is judged with it. */
interface Signer {
  readonly workspace: string;
  /** Null: any of the workspace. */
  readonly repository: string | null;
  readonly keys: readonly KeyObject[];
}

/**
 * The door for webhooks that people, or we, have created: `POST /webhooks/bitbucket/<connection>`. Each is signed with its
 * connection's secret, and speaks for that connection's workspace whatever its body says.
 */
export function createSignedWebhookEntrance(options: SignedWebhookOptions): Entrance {
  // A removed connection, and a secret that is no longer accepted, are refused some seconds later.
  const signers = createLookups({
    ask: async (id) => {
      const connection = await options.grants.connection(id);
      return connection === null ? null : signerFrom(connection);
    },
    clock: options.clock,
  });
  return {
    open({ method, path, headers }) {
      const id = PATH.exec(path)?.[1];
      if (id === undefined) return null;
      const name = readHead({ method, headers });
      if ("answer" in name) return name;
      if (!CONNECTION_ID.test(id)) return unknownConnection();
      const signature = single(headers, "x-hub-signature");
      const signer = signers.find(id);
      return signer instanceof Promise
        ? signer.then((found) => openBody(options, found, name, signature))
        : openBody(options, signer, name, signature);
    },
  };
}

function openBody(
  { host, clock }: SignedWebhookOptions,
  signer: Signer | null,
  name: DeliveryName,
  signature: string | null,
): Opening {
  if (signer === null) return unknownConnection();
  const presented = Buffer.from(SIGNATURE.exec(signature ?? "")?.[1] ?? "", "hex");
  // What can not be a signature needs no body to be refused.
  if (presented.length !== 32) return unsigned();
  const digests = signer.keys.map((key) => createHmac("sha256", key));
  return {
    maxBytes: MAX_BODY_BYTES,
    update(chunk) {
      for (const digest of digests) digest.update(chunk);
    },
    close(body) {
      if (!isSigned(digests, presented)) return unsigned();
      const payload = parseObject(body);
      if (payload === null) return malformed("The body is not a JSON object in UTF-8.");
      if (isEnvelope(payload)) {
        return malformed("This is the body of a Connect app's webhook; a connection takes those of its own webhook.");
      }
      return (
        foreign(signer, name.event, payload) ??
        describe(payload, { ...name, host, workspace: signer.workspace, receivedAt: clock.now(), body })
      );
    },
  };
}

/** Compares with every secret, also after a match: the time taken tells neither whether nor which one matched. */
function isSigned(digests: readonly Hmac[], presented: Buffer): boolean {
  let matches = 0;
  for (const digest of digests) matches += timingSafeEqual(digest.digest(), presented) ? 1 : 0;
  return matches > 0;
}

function isEnvelope(payload: Record<string, unknown>): boolean {
  return typeof payload["event"] === "string" && isObject(payload["data"]);
}

/** Why a connection's secret can not vouch for a payload; null: it can. */
function foreign(signer: Signer, event: string, payload: Record<string, unknown>): { readonly answer: Answer } | null {
  // A repository that moves to another workspace takes its webhook with it.
  if (!isOfWorkspace(event, payload, signer.workspace)) {
    return refused(403, "other-workspace", "This connection belongs to another workspace.");
  }
  if (signer.repository !== null && repositoryOf(payload) !== signer.repository) {
    return refused(403, "other-repository", "This connection belongs to another repository.");
  }
  return null;
}

function unknownConnection(): { readonly answer: Answer } {
  return refused(404, "unknown-connection", "There is no such connection (any more): make one anew.");
}

function unsigned(): { readonly answer: Answer } {
  return refused(401, "bad-signature", "X-Hub-Signature is missing or is not of this connection's secret.");
}

/** An empty secret would make a signature anybody can compute. */
function signerFrom({ workspace, repository, secrets }: Connection): Signer {
  const keys = secrets.filter((secret) => secret !== "").map((secret) => createSecretKey(Buffer.from(secret, "utf8")));
  return { workspace, repository: repository === null ? null : repository.id, keys };
}
