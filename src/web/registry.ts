import express, { type RequestHandler, type Router } from "express";
import { z } from "zod";
import type { Answer, Logger } from "../engine/ports.ts";
import { clientAddress, sameSecret } from "./auth.ts";
import { methodNotAllowed, route, WebError } from "./errors.ts";

/** What the Docker registry and its clients ask of us. Null: there is nothing at that address. */
export interface RegistryDoors {
  /** Gives out tokens; judges credentials by itself. */
  readonly tokens: {
    answer(request: {
      readonly query: URLSearchParams;
      readonly authorization: string | undefined;
      /** The address it comes from. */
      readonly from: string;
    }): Promise<Answer>;
  } | null;
  readonly events: RegistryEvents | null;
}

export interface RegistryEvents {
  /** The registry's notifications carry it as a bearer token. */
  readonly secret: string;
  /** The build that pushes to this repository under this tag; null: none does. */
  buildAt(repository: string, tag: string | null): string | null;
  /**
   * A manifest was pushed. Hands it on and does no more: the registry waits a second or so, and sends its events one
   * after the other. When it rejects, the registry is told to come again; so an event may come twice, and after a
   * restart of either side as well. The registry forgets what it could not deliver when it stops: nothing may depend on
   * events alone.
   */
  onPush(event: PushEvent): Promise<void>;
}

export interface PushEvent {
  /** The registry's own id of the event. */
  readonly id: string;
  readonly repository: string;
  /** Of the manifest, `sha256:…`. */
  readonly digest: string;
  /** Null: pushed by its digest alone, as the parts of an image for several platforms are. */
  readonly tag: string | null;
  /** Whose staging repository it was pushed to; null: it went elsewhere. */
  readonly buildId: string | null;
  /** User name of the token it was pushed with; null: the registry does not say. */
  readonly actor: string | null;
}

/**
 * Bytes of one notification. A pushing client writes some of it: its `User-Agent` may have a megabyte, each of whose
 * characters JSON may spell with six. An event we refused would come again for good, and hold up all others.
 */
const MAX_BYTES = 8 * 1024 ** 2;
/** Ids of events that were taken; the registry repeats only its latest. */
const MAX_KNOWN = 10_000;
const EVENTS_TYPE = "application/vnd.docker.distribution.events.v1+json";

const Envelope = z.object({ events: z.array(z.unknown()).max(1_000) });

/** https://distribution.github.io/distribution/about/notifications/ */
const Push = z.object({
  id: z.string().min(1).max(200),
  action: z.literal("push"),
  target: z.object({
    mediaType: z.string().max(255),
    repository: z.string().min(1).max(255),
    digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
    tag: z.string().max(128).optional(),
  }),
  actor: z.object({ name: z.string().max(200).optional() }).optional(),
});

/** Layers are pushed, too, and told of with this type unless the registry is told to leave them out. */
const BLOB = "application/octet-stream";

/** `GET /registry/token` and `POST /registry/events`. */
export function createRegistryRoutes({ tokens, events }: RegistryDoors, log: Logger): Router {
  const routes = express.Router({ caseSensitive: true });
  if (tokens !== null) {
    routes.get(
      "/registry/token",
      route(async (req, res) => {
        const query = new URLSearchParams(req.originalUrl.split("?").slice(1).join("?"));
        const { authorization } = req.headers;
        const answer = await tokens.answer({ query, authorization, from: clientAddress(req) });
        res.status(answer.status).set(answer.headers).json(answer.body);
      }),
    );
    // Some clients try POST first, and GET only after this answer.
    routes.all("/registry/token", (_req, _res, next) => next(methodNotAllowed("GET, HEAD")));
  }
  if (events !== null) {
    const readJson = express.json({ type: [EVENTS_TYPE, "application/json"], limit: MAX_BYTES, inflate: false });
    routes.post("/registry/events", onlyWith(events.secret), readJson, takeEvents(events, log));
    routes.all("/registry/events", (_req, _res, next) => next(methodNotAllowed("POST")));
  }
  return routes;
}

/** Refuses whoever does not know the secret, before a byte of the body is read; the connection ends with the answer. */
function onlyWith(secret: string): RequestHandler {
  return (req, res, next) => {
    const given = /^Bearer ([\x21-\x7e]+)$/i.exec(req.headers.authorization ?? "")?.[1];
    if (given !== undefined && sameSecret(given, secret)) {
      next();
      return;
    }
    res.set("Connection", "close");
    const challenge = { "WWW-Authenticate": 'Bearer realm="wharfinger"' };
    next(new WebError(401, "unauthorized", "Send the secret of the registry's notifications.", challenge));
  };
}

function takeEvents(events: RegistryEvents, log: Logger): RequestHandler {
  const once = createOnce();
  return route(async (req, res) => {
    const envelope = Envelope.safeParse(req.body);
    if (!envelope.success) {
      throw new WebError(400, "not-events", `This is not an envelope of events (${EVENTS_TYPE}).`);
    }
    for (const event of envelope.data.events) {
      const push = Push.safeParse(event);
      if (push.success) {
        if (push.data.target.mediaType !== BLOB) {
          await once(push.data.id, () => events.onPush(pushEvent(push.data, events)));
        }
      } else if (isPush(event)) {
        // Taken nevertheless: it would come again, and never be understood.
        log.warn(
          { problems: push.error.issues.map((issue) => issue.path.join(".")) },
          "a registry event makes no sense",
        );
      }
    }
    res.json({});
  });
}

/** Pulls, deletions and mounts are told of as well. */
function isPush(event: unknown): boolean {
  return typeof event === "object" && event !== null && "action" in event && event.action === "push";
}

function pushEvent({ id, target, actor }: z.infer<typeof Push>, { buildAt }: RegistryEvents): PushEvent {
  // An empty text is how the registry says there is none.
  const tag = target.tag || null;
  return {
    id,
    repository: target.repository,
    digest: target.digest,
    tag,
    buildId: buildAt(target.repository, tag),
    actor: actor?.name || null,
  };
}

/** Runs what has an id once. An id whose run failed may be run again; one that is running is waited for. */
function createOnce(): (id: string, run: () => Promise<void>) => Promise<void> {
  const known = new Map<string, Promise<void>>();
  return async (id, run) => {
    const before = known.get(id);
    if (before !== undefined) {
      return before;
    }
    const running = Promise.resolve().then(run);
    known.set(id, running);
    const oldest = known.keys().next();
    if (known.size > MAX_KNOWN && !oldest.done) {
      known.delete(oldest.value);
    }
    try {
      await running;
    } catch (error) {
      known.delete(id);
      throw error;
    }
  };
}
