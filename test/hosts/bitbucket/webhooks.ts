/**
 * Tells those who listen, through both doors: Connect apps get an envelope and a JWT, ordinary webhooks the bare payload
 * and, when they have a secret, a signature. Nothing is sent in order, and what nobody answers is given up.
 */
import { createHmac, randomBytes, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { isObject } from "../json.ts";
import type { EventDelivery } from "./contract.ts";
import { hostJwt } from "./jwt.ts";
import type { Sender } from "./operation.ts";
import { type Answered, post } from "./post.ts";
import type { HookState, InstallState, RepositoryState, State, WorkspaceState } from "./state.ts";

/** Bytes of a body; larger ones are not sent, and nobody is told. */
const LARGEST_BODY = 256 * 1024;
const MOST_ATTEMPTS = 3;

type Listener =
  | { readonly door: "connect"; readonly install: InstallState; readonly hookUuid: string; readonly url: string }
  | { readonly door: "webhook"; readonly hook: HookState };

interface Message {
  readonly listener: Listener;
  readonly event: string;
  /** The same for every attempt, as everything here is; what proves where it comes from is made anew. */
  readonly requestUuid: string;
  readonly eventTime: string;
  readonly body: string;
}

export function createSender(state: State): Sender {
  const sent = new Map<string, Message>();
  const underway = new Set<Promise<EventDelivery>>();
  const closing = new AbortController();

  async function deliver(message: Message): Promise<EventDelivery> {
    const { event, requestUuid, listener } = message;
    for (let attempt = 1; ; attempt += 1) {
      const { status } = await tryOnce(message, attempt);
      const fails = status === null || status >= 500;
      if (!fails || attempt === MOST_ATTEMPTS || closing.signal.aborted) {
        return { event, requestUuid, door: listener.door, attempts: attempt, status };
      }
      await pause(state.retryDelayMs, closing.signal);
    }
  }

  async function tryOnce(message: Message, attempt: number): Promise<Answered> {
    const { listener, event, requestUuid, body } = message;
    const url = addressOf(listener);
    const requestHeaders = { ...headersOf(message, attempt), ...proof(listener, body) };
    const at = state.now();
    const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(state.webhookTimeoutMs)]);
    const answer = await post(url, requestHeaders, body, signal);
    state.deliveries.push({
      requestUuid,
      event,
      door: listener.door,
      attempt,
      url,
      requestHeaders,
      body,
      status: answer.status,
      responseBody: answer.body,
      at,
    });
    return answer;
  }

  function track(delivery: Promise<EventDelivery>): Promise<EventDelivery> {
    underway.add(delivery);
    return delivery.finally(() => underway.delete(delivery));
  }

  async function settled(): Promise<void> {
    while (underway.size > 0) await Promise.allSettled(underway);
  }

  return {
    async send(event, payload, about) {
      const eventTime = new Date(state.now()).toUTCString();
      const deliveries = listenersOf(state, event, about).flatMap((listener) => {
        const body = bodyFor(listener, event, payload);
        const bytes = Buffer.byteLength(body);
        if (bytes > LARGEST_BODY) {
          state.unsent.push({ event, door: listener.door, url: addressOf(listener), bytes });
          return [];
        }
        const message = { listener, event, requestUuid: randomUUID(), eventTime, body };
        sent.set(message.requestUuid, message);
        return [track(deliver(message))];
      });
      return Promise.all(deliveries);
    },
    async redeliver(requestUuid) {
      const message = sent.get(requestUuid);
      if (message === undefined) throw new Error(`there is no delivery ${requestUuid}`);
      return track(deliver(message));
    },
    settled,
    async close() {
      closing.abort();
      await settled();
    },
  };
}

function listenersOf(
  state: State,
  event: string,
  about: { readonly workspace: WorkspaceState; readonly repository: RepositoryState | null },
): readonly Listener[] {
  const apps = state.installs
    .filter((install) => install.active && install.workspace === about.workspace)
    .flatMap((install) =>
      install.descriptor.webhooks.flatMap((webhook, index): Listener[] => {
        if (webhook.event !== event) return [];
        return [{ door: "connect", install, hookUuid: install.hookUuids[index] ?? "", url: webhook.url.href }];
      }),
    );
  const hooks = state.hooks.filter(
    (hook) =>
      hook.active &&
      hook.events.includes(event) &&
      (hook.repository === null ? hook.workspace === about.workspace : hook.repository === about.repository),
  );
  return [...apps, ...hooks.map((hook): Listener => ({ door: "webhook", hook }))];
}

function addressOf(listener: Listener): string {
  return listener.door === "connect" ? listener.url : listener.hook.url;
}

/** A string goes out byte for byte; for an app it is put into an envelope, unless it is one. */
function bodyFor({ door }: Listener, event: string, payload: unknown): string {
  const text = typeof payload === "string" ? payload : JSON.stringify(payload);
  if (door === "webhook" || (typeof payload === "string" && isEnvelope(payload))) return text;
  return `{"event":${JSON.stringify(event)},"data":${text}}`;
}

function isEnvelope(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) && "event" in value && "data" in value;
  } catch (error) {
    // Tests may send bytes that are no JSON.
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

function headersOf(message: Message, attempt: number): Record<string, string> {
  const { listener, event, requestUuid, eventTime } = message;
  const hook = listener.door === "connect" ? listener.hookUuid : listener.hook.uuid;
  const trace = randomBytes(8).toString("hex");
  return {
    accept: "*/*",
    "content-type": "application/json",
    "user-agent": "Bitbucket-Webhooks/2.0",
    "x-attempt-number": String(attempt),
    "x-b3-sampled": "1",
    "x-b3-spanid": trace,
    "x-b3-traceid": trace,
    "x-event-key": event,
    "x-event-time": eventTime,
    "x-hook-uuid": hook.replace(/[{}]/g, ""),
    "x-request-uuid": requestUuid,
  };
}

/** With the secret of this moment, also when an old message goes out again. */
function proof(listener: Listener, body: string): Record<string, string> {
  if (listener.door === "connect") {
    const { install } = listener;
    const request = { method: "POST", url: new URL(listener.url), base: install.descriptor.baseUrl };
    return { authorization: `JWT ${hostJwt(install, request, Math.floor(Date.now() / 1000))}` };
  }
  const { secret } = listener.hook;
  return secret === null ? {} : { "x-hub-signature": `sha256=${sign(secret, body)}` };
}

/** HMAC of the exact bytes. */
export function sign(secret: string, body: string | Buffer): string {
  return createHmac("sha256", secret).update(body).digest("hex");
}

/** Ends early when it is given up. */
async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(milliseconds, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
