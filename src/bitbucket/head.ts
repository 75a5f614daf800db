/** What the two doors for Bitbucket's webhooks have in common: their headers, their payloads, their refusals. */
import { isUtf8 } from "node:buffer";
import type { Answer, Entrance, IncomingDelivery } from "../engine/ports.ts";
import { parseUuid } from "./uuid.ts";

/** Bitbucket itself sends no payload above 256 KB; the rest is slack, should it ever count differently. */
export const MAX_BODY_BYTES = 1024 ** 2;

/**
 * `repo:push`. The colon matters: the events this program journals itself (`installed`, `disconnected`, …) have none, so
 * nobody who may send webhooks can send those.
 */
const EVENT = /^(?=.{1,64}$)[a-z0-9_]+(?::[a-z0-9_]+)+$/;
const DELIVERY = /^[ -~]{1,200}$/;
const PLAIN = /^[^\p{Cc}\p{Cs}]+$/u;
const MEDIA_TYPE = /^application\/json[ \t]*(?:;|$)/i;

type Request = Parameters<Entrance["open"]>[0];
type Refused = { readonly answer: Answer };

/** What a delivery's headers name it. */
export interface DeliveryName {
  readonly event: string;
  /** The same when Bitbucket sends it again. */
  readonly deliveryId: string;
}

/** A webhook's name, or why the request is none. */
export function readHead({ method, headers }: Pick<Request, "method" | "headers">): DeliveryName | Refused {
  if (method !== "POST") {
    return refused(405, "method-not-allowed", "Webhooks are delivered with POST.", { allow: "POST" });
  }
  if (!MEDIA_TYPE.test(single(headers, "content-type") ?? "")) {
    return refused(415, "unsupported-media-type", "Webhooks are delivered as application/json.");
  }
  const event = single(headers, "x-event-key") ?? "";
  if (!EVENT.test(event)) return malformed("X-Event-Key is missing or malformed.");
  const deliveryId = single(headers, "x-request-uuid") ?? "";
  if (!DELIVERY.test(deliveryId)) return malformed("X-Request-UUID is missing or malformed.");
  return { event, deliveryId };
}

/** The JSON object a body holds; null: it holds none. */
export function parseObject(body: Buffer): Record<string, unknown> | null {
  try {
    // A byte order mark stays in the text, where JSON does not allow one.
    const value: unknown = isUtf8(body) ? JSON.parse(body.toString("utf8")) : null;
    return isObject(value) ? value : null;
  } catch {
    // The error says no more than "not JSON" without quoting the body, and answers never quote it.
    return null;
  }
}

/**
 * Whether a payload (out of its envelope) is of the workspace that has proven to send it. One that names no workspace is.
 * A repository that was moved away still is, in the one event that says so.
 */
export function isOfWorkspace(event: string, payload: Record<string, unknown>, workspace: string): boolean {
  const named = workspaceOf(payload["repository"]);
  if (named === undefined || parseUuid(named) === workspace) return true;
  return event === "repo:transfer" && parseUuid(uuidIn(payload["previous_workspace"])) === workspace;
}

/** The uuid as it is written, whatever it is; undefined: there is none. */
function workspaceOf(repository: unknown): unknown {
  return isObject(repository) ? (uuidIn(repository["workspace"]) ?? uuidIn(repository["owner"])) : undefined;
}

function uuidIn(value: unknown): unknown {
  return isObject(value) ? (value["uuid"] ?? undefined) : undefined;
}

/** The repository a payload (out of its envelope) is about; null: none. */
export function repositoryOf(payload: Record<string, unknown>): string | null {
  return parseUuid(uuidIn(payload["repository"]));
}

/**
 * With what the journal needs to know of a payload (out of its envelope) before anything else reads it. Anything odd is
 * simply not there. `workspace` is the one that has proven to send it; `body` stays as it came.
 */
export function describe(
  payload: Record<string, unknown>,
  known: DeliveryName & Pick<IncomingDelivery, "host" | "receivedAt" | "body"> & { readonly workspace: string },
): IncomingDelivery {
  const repository = isObject(payload["repository"]) ? payload["repository"] : {};
  const repositoryId = repositoryOf(payload);
  return {
    provider: "bitbucket",
    host: known.host,
    deliveryId: known.deliveryId,
    event: known.event,
    action: null,
    // The payload names the repository, the door the workspace: nobody's deliveries may hold up another's.
    stream: repositoryId === null ? `installation:${known.workspace}` : `repo:${known.workspace}/${repositoryId}`,
    repositoryId,
    repositoryName: shortText(repository["full_name"], 255),
    installationId: known.workspace,
    receivedAt: known.receivedAt,
    body: known.body,
  };
}

/** Control characters and halves of characters are in no name, and some databases refuse them. */
function shortText(value: unknown, maxLength: number): string | null {
  return typeof value === "string" && value.length <= maxLength && PLAIN.test(value) ? value : null;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The header's value; null when it is absent or was sent more than once. */
export function single(headers: Request["headers"], name: string): string | null {
  const value = headers[name];
  return typeof value === "string" ? value : null;
}

export function malformed(message: string): Refused {
  return refused(400, "bad-request", message);
}

export function refused(status: number, code: string, message: string, headers?: Record<string, string>): Refused {
  return { answer: { status, body: { error: { code, message } }, ...(headers === undefined ? {} : { headers }) } };
}
