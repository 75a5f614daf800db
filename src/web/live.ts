/** A build as it goes on, for pages that are open: its state and its log, by server-sent events. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Request, Response } from "express";
import { type Build, isFinal } from "../core/model.ts";
import type { Store } from "../engine/store-port.ts";
import { WebError } from "./errors.ts";
import { type EventStream, openEventStream } from "./event-stream.ts";
import type { Logs } from "./log.ts";
import { LOG_BEGIN, type LogEnd, type LogPlace, lastLines, nextLines } from "./log-view.ts";

/** What the page of a build makes of it. HTML, for whoever follows. */
export interface LivePage {
  /** All but the log. */
  state(build: Build): Promise<string>;
  /** The whole log, in place of the one that is shown. */
  log(end: LogEnd): string;
  /** Whether they still may; asked now and then. */
  lasts(): Promise<boolean>;
}

export interface Live {
  /**
   * Sends `state` with every change of the build, `log` with the lines that were added, `whole` where the log began anew
   * or the reader is too far behind, and `end` after the build's. Each `log` and `whole` has an id that says where the
   * reader is: sent back as `Last-Event-ID`, or as `?from=`, nothing comes twice. Throws 429 or 503 where too many follow.
   */
  follow(
    req: Request,
    res: Response,
    reader: { readonly session: string; readonly build: string } & LivePage,
  ): Promise<void>;
}

export interface LiveLimits {
  /** Open at a time, in this process and of one session. */
  readonly streams: number;
  readonly ofSession: number;
  /** Milliseconds between looks at a build, and between signs of life. */
  readonly lookMs: number;
  readonly beatMs: number;
}

/** Over HTTP/1.1 a browser opens six connections to us, and needs some to show pages at all. */
export const LIVE_LIMITS: LiveLimits = { streams: 500, ofSession: 4, lookMs: 700, beatMs: 15_000 };

/** Browsers that lost the connection come back after this. */
const RETRY_MS = 3_000;
/** Who is further behind gets the log's end instead. Bytes. */
const FAR_BEHIND = 1024 * 1024;

export interface LiveParts {
  readonly store: Pick<Store, "getBuild">;
  readonly logs: Logs;
  /** Aborted when the server stops: streams end, and browsers come back to the next one. */
  readonly stopping: AbortSignal;
  readonly limits?: LiveLimits;
}

export function createLive({ store, logs, stopping, limits = LIVE_LIMITS }: LiveParts): Live {
  const look = createLooks({ store, logs }, limits.lookMs / 2);
  const open = new Map<string, number>();
  let streams = 0;

  function admit(session: string): () => void {
    const own = open.get(session) ?? 0;
    if (own >= limits.ofSession) {
      throw new WebError(429, "too-many-streams", "You follow too many builds at a time. Close a page of another one.");
    }
    if (streams >= limits.streams || stopping.aborted) {
      throw new WebError(503, "too-many-streams", "Too many people follow builds here now. Load the page again.");
    }
    open.set(session, own + 1);
    streams += 1;
    return () => {
      const left = (open.get(session) ?? 0) - 1;
      if (left > 0) open.set(session, left);
      else open.delete(session);
      streams -= 1;
    };
  }

  return {
    async follow(req, res, { session, build, ...page }) {
      if (req.method === "HEAD") {
        res.type("text/event-stream").end();
        return;
      }
      const from = placeIn(req);
      const leave = admit(session);
      try {
        const stream = openEventStream(res, { retryMs: RETRY_MS });
        const signal = AbortSignal.any([stream.gone, stopping]);
        await tell({ stream, signal, look: () => look(build), logs, build, page, limits, from });
        stream.end();
      } finally {
        leave();
      }
    },
  };
}

interface Telling {
  readonly stream: EventStream;
  readonly signal: AbortSignal;
  readonly look: () => Promise<Look | null>;
  readonly logs: Logs;
  readonly build: string;
  readonly page: LivePage;
  readonly limits: LiveLimits;
  readonly from: Place | null;
}

/** Resolves when there is nothing more to tell, or nobody to tell it to. */
async function tell({ stream, signal, look, logs, build: id, page, limits, from }: Telling): Promise<void> {
  let place = from;
  let shown = "";
  let beat = performance.now() + limits.beatMs;
  while (!signal.aborted) {
    const seen = await look();
    if (seen === null) return;
    const { build, size } = seen;
    const ended = isFinal(build.state);
    const state = JSON.stringify(build);
    if (state !== shown) {
      await stream.send("state", await page.state(build), null);
      shown = state;
    }
    place ??= { attempt: build.attempt, ...LOG_BEGIN };
    if (place.attempt !== build.attempt || size < place.offset || size - place.offset > FAR_BEHIND) {
      const end = await lastLines(logs, id, ended);
      place = { attempt: build.attempt, ...end.next };
      await stream.send("whole", page.log(end), idOf(place));
    }
    while (place.offset < size && !signal.aborted) {
      const part = await nextLines(logs, id, place, ended);
      if (part === null) break;
      place = { attempt: build.attempt, ...part.next };
      await stream.send("log", part.html, idOf(place));
    }
    // Its log is closed before a build ends, so there is nothing after this.
    if (ended) {
      await stream.send("end", "", null);
      return;
    }
    if (performance.now() >= beat) {
      if (!(await page.lasts())) return;
      await stream.beat();
      beat = performance.now() + limits.beatMs;
    }
    await sleep(limits.lookMs, undefined, { signal }).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }
}

interface Look {
  readonly build: Build;
  /** Bytes of its log. */
  readonly size: number;
}

/** How builds stand, asked once for all who look at the same one within `freshMs`. */
function createLooks({ store, logs }: Pick<LiveParts, "store" | "logs">, freshMs: number) {
  const fresh = new Map<string, Promise<Look | null>>();

  // The build before the log: of one that has ended all is there to be read.
  async function ask(id: string): Promise<Look | null> {
    const build = await store.getBuild(id);
    if (build === null) return null;
    return { build, size: (await logs.read(id, 0, 0))?.size ?? 0 };
  }

  return (id: string): Promise<Look | null> => {
    const known = fresh.get(id);
    if (known !== undefined) return known;
    const asked = ask(id);
    fresh.set(id, asked);
    setTimeout(() => fresh.delete(id), freshMs).unref();
    return asked;
  };
}

/** Where in the log of which attempt somebody is; an attempt begins the log anew. */
interface Place extends LogPlace {
  readonly attempt: number;
}

export function idOf({ attempt, offset, line }: Place): string {
  return `${attempt}-${offset}-${line}`;
}

/** What a browser that comes back was told last, or what the page says it shows. Null: nothing, or nothing of ours. */
function placeIn(req: Request): Place | null {
  const { from } = req.query;
  const said = req.headers["last-event-id"] ?? from;
  const numbers = typeof said === "string" ? /^(\d{1,9})-(\d{1,15})-(\d{1,15})$/.exec(said) : null;
  if (numbers === null) return null;
  const [attempt = 0, offset = 0, line = 1] = numbers.slice(1).map(Number);
  return { attempt, offset, line };
}
