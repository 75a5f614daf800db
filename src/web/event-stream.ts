/** Server-sent events (HTML Living Standard, 9.2) to a reader that may be slow, and may leave. */
import { once } from "node:events";
import type { Response } from "express";

export interface EventStream {
  /** Aborted when the reader has left, or takes nothing any more. */
  readonly gone: AbortSignal;
  /** Resolves when the reader has room for more. `id`: what a browser tells us when it comes back; null: as before. */
  send(event: string, data: string, id: string | null): Promise<void>;
  /** Nothing; it keeps proxies from closing a quiet connection, and finds out who has left. */
  beat(): Promise<void>;
  end(): void;
}

/** Milliseconds a reader may take nothing. */
const PATIENCE_MS = 60_000;

/** `retryMs`: how long a browser waits before it comes back, should the connection break. */
export function openEventStream(
  res: Response,
  options: { readonly retryMs: number; readonly patienceMs?: number },
): EventStream {
  const { retryMs, patienceMs = PATIENCE_MS } = options;
  const left = new AbortController();
  res.once("close", () => left.abort());
  res.status(200).set({
    "Content-Type": "text/event-stream; charset=utf-8",
    // nginx would gather events until there are enough.
    "X-Accel-Buffering": "no",
  });
  res.flushHeaders();
  res.write(`retry: ${retryMs}\n\n`);

  async function write(text: string): Promise<void> {
    if (left.signal.aborted || res.write(text)) return;
    const patience = AbortSignal.timeout(patienceMs);
    try {
      await once(res, "drain", { signal: AbortSignal.any([left.signal, patience]) });
    } catch (error) {
      if (!left.signal.aborted && !patience.aborted) throw error;
      // What waits for a reader like that is memory.
      left.abort();
      res.destroy();
    }
  }

  return {
    gone: left.signal,
    send(event, data, id) {
      // A line break of any kind would end the field.
      const lines = data.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`);
      return write(`event: ${event}\n${id === null ? "" : `id: ${id}\n`}${lines.join("")}\n`);
    },
    beat: () => write(":\n\n"),
    end() {
      res.end();
    },
  };
}
