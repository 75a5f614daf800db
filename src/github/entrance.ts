import { isUtf8 } from "node:buffer";
import { createHmac, createSecretKey, type Hmac, type KeyObject, timingSafeEqual } from "node:crypto";
import type { Answer, Clock, Entrance, IncomingDelivery, Opening } from "../engine/ports.ts";
import { parseId } from "./payloads.ts";

/** GitHub sends nothing above 25 MB; the rest is slack for a host that counts differently. */
const MAX_BODY_BYTES = 26 * 1024 ** 2;

const EVENT = /^[a-z0-9_]{1,64}$/;
const DELIVERY = /^[ -~]{1,200}$/;
const PLAIN = /^[^\p{Cc}\p{Cs}]+$/u;
const SIGNATURE = /^sha256=([0-9a-f]{64})$/;
const MEDIA_TYPE = /^application\/json[ \t]*(?:;|$)/i;

export interface GithubEntranceOptions {
  /** `/webhooks/github`, or `/webhooks/github/<host>` for a further host. */
  readonly path: string;
  readonly host: string;
  /** The current webhook secret and, while it is being rotated, the one before. */
  readonly secrets: readonly string[];
  readonly clock: Clock;
  /**
   * When given, a delivery addressed to another App is refused: two Apps of one host must not share a path, or the
   * secret of one would vouch for the events of the other.
   */
  readonly appId?: number;
}

type Headers = Parameters<Entrance["open"]>[0]["headers"];

/** Has its keys at hand, and so never has to be waited for. */
export interface GithubEntrance extends Entrance {
  open(request: Parameters<Entrance["open"]>[0]): Opening | null;
}

/** The door for GitHub's webhooks. */
export function createGithubEntrance(options: GithubEntranceOptions): GithubEntrance {
  const keys = options.secrets.map(secretKey);
  if (keys.length === 0) throw new Error("A GitHub entrance needs a webhook secret.");
  return {
    open({ method, path, headers }) {
      if (path !== options.path) return null;
      if (method !== "POST") {
        return { answer: refusal(405, "method-not-allowed", "Webhooks are delivered with POST.", { allow: "POST" }) };
      }
      if (!MEDIA_TYPE.test(single(headers, "content-type") ?? "")) {
        return {
          answer: refusal(415, "unsupported-media-type", "Set the webhook's content type to application/json."),
        };
      }
      const event = single(headers, "x-github-event") ?? "";
      if (!EVENT.test(event)) return malformed("X-GitHub-Event is missing or malformed.");
      const deliveryId = single(headers, "x-github-delivery") ?? "";
      if (!DELIVERY.test(deliveryId)) return malformed("X-GitHub-Delivery is missing or malformed.");
      return openBody(options, keys, headers, { event, deliveryId });
    },
  };
}

function openBody(
  options: GithubEntranceOptions,
  keys: readonly KeyObject[],
  headers: Headers,
  name: { readonly event: string; readonly deliveryId: string },
): Opening {
  const digests = keys.map((key) => createHmac("sha256", key));
  return {
    maxBytes: MAX_BODY_BYTES,
    update(chunk) {
      for (const digest of digests) digest.update(chunk);
    },
    close(body) {
      if (!isSigned(digests, single(headers, "x-hub-signature-256"))) {
        return {
          answer: refusal(401, "bad-signature", "X-Hub-Signature-256 is missing or is not of this webhook's secret."),
        };
      }
      const target = addressedApp(headers);
      if (options.appId !== undefined && target !== null && target !== String(options.appId)) {
        return malformed("This delivery is for another GitHub App: check APP_ID and the App's webhook address.");
      }
      const payload = parseBody(body);
      if (payload === null) return malformed("The body is not a JSON object in UTF-8.");
      if (isEcho(name.event, payload, options.appId)) return { answer: { status: 200, body: { known: true } } };
      return describeDelivery(payload, { ...name, host: options.host, receivedAt: options.clock.now(), body });
    },
  };
}

/** An empty secret would make a signature anybody can compute. */
function secretKey(secret: string): KeyObject {
  if (secret === "") throw new Error("A webhook secret must not be empty.");
  return createSecretKey(Buffer.from(secret, "utf8"));
}

/** Compares with every secret, also after a match: the time taken tells neither whether nor which one matched. */
function isSigned(digests: readonly Hmac[], header: string | null): boolean {
  const given = Buffer.from(SIGNATURE.exec(header ?? "")?.[1] ?? "", "hex");
  const presented = given.length === 32 ? given : Buffer.alloc(32);
  let matches = 0;
  for (const digest of digests) matches += timingSafeEqual(digest.digest(), presented) ? 1 : 0;
  return matches > 0 && given.length === 32;
}

/**
 * GitHub tells an App of each check the App itself has written: two for every build, with nothing in them that is not
 * known here. They are not journalled.
 */
function isEcho(event: string, payload: Record<string, unknown>, appId: number | undefined): boolean {
  if (event !== "check_run" || appId === undefined) return false;
  if (payload["action"] !== "created" && payload["action"] !== "completed") return false;
  const app = isObject(payload["check_run"]) ? payload["check_run"]["app"] : null;
  return isObject(app) && app["id"] === appId;
}

/** The App a delivery is for; null when it comes from another kind of webhook (of a repository, say) or does not say. */
function addressedApp(headers: Headers): string | null {
  const type = single(headers, "x-github-hook-installation-target-type");
  return type === "integration" ? single(headers, "x-github-hook-installation-target-id") : null;
}

function parseBody(body: Buffer): Record<string, unknown> | null {
  try {
    // A byte order mark stays in the text, where JSON does not allow one.
    const value: unknown = isUtf8(body) ? JSON.parse(body.toString("utf8")) : null;
    return isObject(value) ? value : null;
  } catch {
    // The error says no more than "not JSON" without quoting the body, and answers never quote it.
    return null;
  }
}

/** With what the journal needs to know of a payload before anything else reads it. Anything odd is simply not there. */
export function describeDelivery(
  payload: Record<string, unknown>,
  known: Pick<IncomingDelivery, "event" | "deliveryId" | "host" | "receivedAt" | "body">,
): IncomingDelivery {
  const repository = isObject(payload["repository"]) ? payload["repository"] : {};
  const installation = isObject(payload["installation"]) ? payload["installation"] : {};
  const repositoryId = parseId(repository["id"]);
  const installationId = parseId(installation["id"]);
  return {
    provider: "github",
    host: known.host,
    deliveryId: known.deliveryId,
    event: known.event,
    action: shortText(payload["action"], 64),
    stream: streamOf(repositoryId, installationId),
    repositoryId,
    repositoryName: shortText(repository["full_name"], 255),
    installationId,
    receivedAt: known.receivedAt,
    body: known.body,
  };
}

function streamOf(repositoryId: string | null, installationId: string | null): string {
  if (repositoryId !== null) return `repo:${repositoryId}`;
  return installationId === null ? "app" : `installation:${installationId}`;
}

/** Control characters and halves of characters are in no name, and some databases refuse them. */
function shortText(value: unknown, maxLength: number): string | null {
  return typeof value === "string" && value.length <= maxLength && PLAIN.test(value) ? value : null;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The header's value; null when it is absent or was sent more than once. */
function single(headers: Headers, name: string): string | null {
  const value = headers[name];
  return typeof value === "string" ? value : null;
}

function malformed(message: string): { answer: Answer } {
  return { answer: refusal(400, "bad-request", message) };
}

function refusal(status: number, code: string, message: string, headers?: Record<string, string>): Answer {
  return { status, body: { error: { code, message } }, ...(headers === undefined ? {} : { headers }) };
}
