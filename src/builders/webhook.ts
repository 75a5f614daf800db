import { createHmac } from "node:crypto";
import type { SignedRequest } from "../core/build-request.ts";
import { failed, type Outcome, ok } from "../core/model.ts";
import type { Clock, OfferSender } from "../engine/ports.ts";
import { errorCode } from "./errno.ts";

export interface WebhookOptions {
  /** `whsec_` and base64. The current one first; each signs, so that receivers may change theirs one by one. */
  readonly secrets: readonly string[];
  readonly clock: Clock;
  readonly timeoutMs?: number;
  readonly fetch?: typeof fetch;
}

/** Sends offers as https://www.standardwebhooks.com has it. */
export function createOfferSender({ secrets, clock, timeoutMs = 10_000, ...options }: WebhookOptions): OfferSender {
  const send = options.fetch ?? fetch;
  const keys = secrets.map((secret) => Buffer.from(secret.replace(/^whsec_/, ""), "base64"));

  return {
    async send(url, { id, build, request }, signal) {
      const now = clock.now();
      const body = JSON.stringify(offerJson(build, request, now));
      const timestamp = String(Math.floor(now / 1_000));
      const timeout = AbortSignal.timeout(timeoutMs);
      let answer: Response;
      try {
        answer = await send(url, {
          method: "POST",
          headers: {
            "content-type": "application/json",
            "user-agent": "wharfinger",
            "webhook-id": id,
            "webhook-timestamp": timestamp,
            "webhook-signature": keys.map((key) => signatureOf(key, `${id}.${timestamp}.${body}`)).join(" "),
          },
          body,
          // Whoever it leads to was not chosen by the operator.
          redirect: "manual",
          signal: AbortSignal.any([signal, timeout]),
        });
        // What it says is of no interest, and may be endless.
        await answer.body?.cancel();
      } catch (error) {
        return failed(timeout.aborted ? `no answer within ${timeoutMs} ms` : reasonOf(error), { retryable: true });
      }
      return judge(answer);
    },
  };
}

function judge({ ok: taken, status, headers }: Response): Outcome<true> {
  if (taken) return ok(true);
  const seconds = headers.get("retry-after") ?? "";
  return failed(`answered ${status}`, {
    retryable: true,
    retryAfter: /^\d{1,6}$/.test(seconds) ? Number(seconds) : null,
  });
}

function offerJson(build: string, { document, digest, keyId, signature }: SignedRequest, now: number): object {
  const request = { document, digest, signature: { algorithm: "Ed25519", keyId, value: signature } };
  return { type: "build.offered", timestamp: new Date(now).toISOString(), data: { build, request } };
}

function signatureOf(key: Buffer, text: string): string {
  return `v1,${createHmac("sha256", key).update(text, "utf8").digest("base64")}`;
}

/** fetch says "fetch failed" and keeps the reason inside. */
function reasonOf(error: unknown): string {
  const cause = errorCode(error) === null && isObject(error) && isObject(error["cause"]) ? error["cause"] : error;
  return errorCode(cause) ?? (isObject(cause) ? String(cause["message"]) : String(cause));
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
