/** Signs and sends webhooks, once each, and keeps the app's delivery log. GitHub does not retry by itself either. */
import { createHmac } from "node:crypto";
import { v1 } from "uuid";
import { textAt } from "../json.ts";
import type { DeliveryAttempt, EventDelivery } from "./contract.ts";
import { deliveryIdOf } from "./delivery-ids.ts";
import { type State, timestamp } from "./state.ts";

export interface Sender {
  /** A string or bytes go out as they are, anything else as JSON. */
  send(
    event: string,
    payload: unknown,
    options?: { readonly guid?: string; readonly headers?: Readonly<Record<string, string>> },
  ): Promise<EventDelivery>;
  /** The same GUID and bytes once more, to the address and with the secret of today. */
  redeliver(attempt: DeliveryAttempt): Promise<EventDelivery>;
  settled(): Promise<void>;
  /** Gives up what is on its way. */
  close(): Promise<void>;
}

/** Bytes of a body; GitHub sends no larger one, and tells nobody. */
const LARGEST_BODY = 25 * 1024 ** 2;

/** Of the description the stand-in is held to, the newest that has one for enterprise servers. */
export const ENTERPRISE_VERSION = "3.19.0";

/** An event that nobody is told of still has its GUID. */
export function notSent(): EventDelivery {
  return { guid: newGuid(), sent: false, status: null };
}

/** GitHub's GUIDs are version 1: they begin with the time. */
function newGuid(): string {
  return v1();
}

export function createSender(state: State, timeoutMs: number): Sender {
  const underway = new Set<Promise<EventDelivery>>();
  const closing = new AbortController();

  async function attempt(
    message: {
      readonly guid: string;
      readonly event: string;
      readonly body: string;
      readonly redelivery: boolean;
    },
    more: Readonly<Record<string, string>>,
  ): Promise<EventDelivery> {
    const { webhook } = state;
    if (webhook === null) return { guid: message.guid, sent: false, status: null };
    const bytes = Buffer.from(message.body);
    const headers = { ...webhookHeaders(state, message, webhook.secret, bytes), ...more };
    const startedAt = state.now();
    const begun = performance.now();
    const answer = await post(
      webhook.url,
      headers,
      bytes,
      AbortSignal.any([AbortSignal.timeout(timeoutMs), closing.signal]),
    );
    state.deliveries.push({
      id: deliveryIdOf(state.nextId()),
      guid: message.guid,
      event: message.event,
      action: actionOf(message.body),
      redelivery: message.redelivery,
      status: answer.status,
      statusCode: answer.code,
      deliveredAt: timestamp(startedAt),
      duration: (performance.now() - begun) / 1000,
      requestHeaders: headers,
      body: message.body,
      responseBody: answer.body,
    });
    return { guid: message.guid, sent: true, status: answer.code === 0 ? null : answer.code };
  }

  async function settled(): Promise<void> {
    while (underway.size > 0) await Promise.allSettled(underway);
  }

  function track(delivery: Promise<EventDelivery>): Promise<EventDelivery> {
    underway.add(delivery);
    return delivery.finally(() => underway.delete(delivery));
  }

  return {
    send(event, payload, options = {}) {
      const body = typeof payload === "string" ? payload : JSON.stringify(payload);
      if (Buffer.byteLength(body) > LARGEST_BODY) return Promise.resolve(notSent());
      const message = { guid: options.guid ?? newGuid(), event, body, redelivery: false };
      return track(attempt(message, options.headers ?? {}));
    },
    redeliver({ guid, event, body }) {
      return track(attempt({ guid, event, body, redelivery: true }, {}));
    },
    settled,
    async close() {
      closing.abort();
      await settled();
    },
  };
}

function webhookHeaders(
  state: State,
  message: { readonly guid: string; readonly event: string },
  secret: string,
  bytes: Buffer,
): Record<string, string> {
  return {
    accept: "*/*",
    "content-type": "application/json",
    "user-agent": "GitHub-Hookshot/5d4c3b2",
    "x-github-delivery": message.guid,
    "x-github-event": message.event,
    "x-github-hook-id": String(state.appId),
    "x-github-hook-installation-target-id": String(state.appId),
    "x-github-hook-installation-target-type": "integration",
    "x-hub-signature": `sha1=${createHmac("sha1", secret).update(bytes).digest("hex")}`,
    "x-hub-signature-256": `sha256=${createHmac("sha256", secret).update(bytes).digest("hex")}`,
    ...(state.enterprise
      ? { "x-github-enterprise-host": new URL(state.url).host, "x-github-enterprise-version": ENTERPRISE_VERSION }
      : {}),
  };
}

async function post(
  url: string,
  headers: Readonly<Record<string, string>>,
  body: Buffer,
  signal: AbortSignal,
): Promise<{ readonly code: number; readonly status: string; readonly body: string }> {
  try {
    const response = await fetch(url, { method: "POST", headers, body, signal, redirect: "manual" });
    const text = await response.text();
    const status = response.ok ? "OK" : `Invalid HTTP Response: ${response.status}`;
    return { code: response.status, status, body: text };
  } catch (error) {
    // Not reachable, or too slow: an outcome GitHub writes into its log, like any other.
    const slow = textAt(error, "name") === "TimeoutError";
    return { code: 0, status: slow ? "timed out" : "failed to connect to host", body: "" };
  }
}

function actionOf(body: string): string | null {
  try {
    return textAt(JSON.parse(body), "action");
  } catch (error) {
    // Tests may send bytes that are no JSON.
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
