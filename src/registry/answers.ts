/** Reads what registries and token services answer, and puts their failures into words. */
import { failed, type Outcome } from "../core/model.ts";

/** The first `maxBytes` of a body. Throws when the connection breaks or the time is over. */
export async function readUpTo(
  response: Response,
  maxBytes: number,
): Promise<{ readonly bytes: Buffer; readonly complete: boolean }> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Leaving the loop early cancels the rest of the body.
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > maxBytes) return { bytes: Buffer.concat(chunks).subarray(0, maxBytes), complete: false };
  }
  return { bytes: Buffer.concat(chunks), complete: true };
}

/** Gives `work` a signal that fires after `ms`, or when `outer` does; waits for it to end in any case. */
export async function withDeadline<T>(
  ms: number,
  outer: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  // A timer of its own: nothing else holds on to a derived signal, which may be collected before it fires.
  const controller = new AbortController();
  const stop = () => controller.abort(outer?.reason);
  const timer = setTimeout(() => controller.abort(new DOMException("the time is over", "TimeoutError")), ms);
  outer?.addEventListener("abort", stop);
  if (outer?.aborted === true) stop();
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener("abort", stop);
  }
}

/** Gives `work` a signal that fires `ms` after `outer` does. */
export async function withGrace<T>(
  ms: number,
  outer: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const begin = () => {
    timer = setTimeout(() => controller.abort(outer.reason), ms);
  };
  outer.addEventListener("abort", begin);
  if (outer.aborted) begin();
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    outer.removeEventListener("abort", begin);
  }
}

/** As {@link withDeadline}, but throws as soon as the signal fires, whether `work` heeds it or not. */
export async function bounded<T>(
  ms: number,
  outer: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return await withDeadline(ms, outer, async (signal) => {
    signal.throwIfAborted();
    const fired = new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    return await Promise.race([fired, work(signal)]);
  });
}

/** No answer, or not a whole one. `what`: `registry example.com`. */
export function unreachable(what: string, error: unknown, signal?: AbortSignal): Outcome<never> {
  const words =
    signal?.aborted === true && !isTimeout(signal.reason)
      ? `The ${what} is no longer asked: the work was stopped.`
      : `The ${what} could not be reached: ${reason(error)}.`;
  return failed(words, { retryable: true });
}

/** An answer that is not the one hoped for. `hide` takes credentials out of the text. */
export function refusal(
  who: string,
  answer: { readonly status: number; readonly headers: Headers; readonly bytes: Buffer },
  hide: (text: string) => string,
): Outcome<never> {
  // An answer to HEAD has no body, but may have a reason: `Bearer …,error="insufficient_scope"`.
  const challenge = /\berror="([^"]*)"/.exec(answer.headers.get("www-authenticate") ?? "")?.[1] ?? "";
  const words = errorWords(hide(answer.bytes.toString("utf8"))) || errorWords(hide(challenge));
  const after = Number(answer.headers.get("retry-after"));
  return failed(`${who} answered ${answer.status}${words === "" ? "" : `: ${words}`}`, {
    retryable: answer.status >= 500 || answer.status === 429,
    retryAfter: Number.isInteger(after) && after > 0 ? after : null,
  });
}

/** `code: message` of the registry's own error document, or the beginning of what it said. One line, bounded. */
function errorWords(body: string): string {
  const found = [...body.matchAll(/"message"\s*:\s*"((?:[^"\\]|\\.)*)"/g)].map((match) => match[1] ?? "");
  const words = found.length > 0 ? found.join("; ") : body;
  return words
    .replace(/[\p{Cc}\s]+/gu, " ")
    .trim()
    .slice(0, 200);
}

function reason(error: unknown): string {
  if (isTimeout(error)) return "it did not answer in time";
  // fetch's own message is "fetch failed"; the cause says why. Read by shape: its errors may be of another realm.
  const { message, cause } = error as { message?: unknown; cause?: { message?: unknown } };
  const words = typeof cause?.message === "string" && cause.message !== "" ? cause.message : message;
  return String(words).slice(0, 200);
}

function isTimeout(error: unknown): boolean {
  return typeof error === "object" && error !== null && (error as { name?: unknown }).name === "TimeoutError";
}
