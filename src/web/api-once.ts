/** `Idempotency-Key`: a client that heard no answer may send its request again, and it is done once. */
import { createHash } from "node:crypto";
import type { Request } from "express";
import type { IdempotencyStore, OnceRequest } from "../engine/idempotency-port.ts";
import type { Logger } from "../engine/ports.ts";
import type { Once } from "./api-kit.ts";
import { WebError } from "./errors.ts";

export const IDEMPOTENCY_KEY = "Idempotency-Key";

/** Seconds after which one who asks too early may ask again: builds are planned within three. */
const AGAIN_SECONDS = "3";

/** Only what was done is remembered: after an error nothing was, and the key may be used again. */
export function createOnce(store: IdempotencyStore, log: Logger): Once {
  return async ({ req, res, caller, keeps }, status, act) => {
    const key = keyIn(req);
    if (key === null) return act();
    const request: OnceRequest = { caller, key, fingerprint: fingerprintOf(req) };
    const state = await store.beginOnce(request);
    switch (state.kind) {
      case "other":
        throw new WebError(422, "idempotency-key-reused", "This Idempotency-Key was sent with another request before.");
      case "running": {
        const message = "The request that was sent with this Idempotency-Key before is still being done.";
        throw new WebError(409, "still-running", message, { "Retry-After": AGAIN_SECONDS });
      }
      case "done":
        if (state.answer === null) {
          const message =
            "This was done before; the answer held a secret, which is shown once. Revoke it, and make another.";
          throw new WebError(409, "already-answered", message);
        }
        res.set("Idempotency-Replayed", "true");
        return read(state.answer);
      case "begun":
        break;
    }
    let answer: object | null;
    try {
      answer = await act();
    } catch (error) {
      await store
        .forgetOnce(request)
        .catch((reason: unknown) => log.warn({ err: reason }, "an Idempotency-Key stays taken"));
      throw error;
    }
    // It was done: that it can not be remembered must not look as if it had not been.
    await store
      .endOnce(request, { status, answer: keeps === "secret" ? null : JSON.stringify(answer) })
      .catch((reason: unknown) => log.warn({ err: reason }, "what an Idempotency-Key was answered is not kept"));
    return answer;
  };
}

function keyIn(req: Request): string | null {
  const key = req.headers["idempotency-key"];
  if (key === undefined) return null;
  if (typeof key === "string" && /^[\x21-\x7e]{1,200}$/.test(key)) return key;
  throw new WebError(
    400,
    "bad-idempotency-key",
    `${IDEMPOTENCY_KEY} must be 1 to 200 printable ASCII characters without spaces.`,
  );
}

/** Of what is asked, byte by byte as it was understood. */
function fingerprintOf({ method, originalUrl, body }: Request): string {
  const asked = JSON.stringify([method, originalUrl, body ?? null]);
  return createHash("sha256").update(asked).digest("hex");
}

/** What this file wrote itself. */
function read(answer: string): object | null {
  return JSON.parse(answer) as object | null;
}
