import type { IncomingMessage } from "node:http";
import type { Share } from "./budget.ts";

/** `gone`: the sender went away half-way, there is nobody to answer. */
export type BodyFailure = "too-large" | "too-slow" | "overloaded" | "gone";

export interface BodyOptions {
  readonly maxBytes: number;
  /** Milliseconds until the last byte must have come. */
  readonly bodyMs: number;
  /** Pays for the bytes; the caller gives it back when the body is no longer needed. */
  readonly share: Share;
  /** Sees every chunk, in order, as it arrives. */
  update(chunk: Buffer): void;
}

/** The whole body, or why it was not read to its end. Rejects only with what `update` threw. */
export function readBody(req: IncomingMessage, options: BodyOptions): Promise<Buffer | BodyFailure> {
  const { maxBytes, bodyMs, share } = options;
  // Gone while its entrance looked something up: nothing will be heard of it any more.
  if (req.destroyed) return Promise.resolve("gone");
  // Node refuses requests whose Content-Length is not a number. Without one this is NaN, and every comparison false.
  const announced = Number.parseInt(req.headers["content-length"] ?? "", 10);
  if (announced > maxBytes) return Promise.resolve("too-large");
  if (announced > 0 && !share.fits(announced)) return Promise.resolve("overloaded");

  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;

    function onData(chunk: Buffer): void {
      size += chunk.length;
      if (size > maxBytes) settle("too-large");
      else if (!share.take(chunk.length)) settle("overloaded");
      else keep(chunk);
    }
    function keep(chunk: Buffer): void {
      try {
        options.update(chunk);
        chunks.push(chunk);
      } catch (error) {
        release();
        reject(error);
      }
    }
    function onEnd(): void {
      const [only] = chunks;
      settle(chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, size));
    }
    function onGone(): void {
      settle("gone");
    }
    function settle(result: Buffer | BodyFailure): void {
      release();
      resolve(result);
    }
    function release(): void {
      clearTimeout(timer);
      req.off("data", onData).off("end", onEnd).off("close", onGone);
    }

    const timer = setTimeout(() => settle("too-slow"), bodyMs);
    req.on("data", onData).once("end", onEnd).once("close", onGone);
    // A reset is followed by "close". The listener stays: an error nobody listens to ends the process.
    req.on("error", onGone);
  });
}
