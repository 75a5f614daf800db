import express, { type Request, type RequestHandler, type Response, type Router } from "express";
import type { z } from "zod";
import type { BuilderDesk, DeskEnd, DeskLease, HandedOut } from "../engine/builder-desk.ts";
import type { CloneCredential } from "../engine/ports.ts";
import { clientAddress } from "./attempts.ts";
import { sameSecret } from "./auth.ts";
import { ClaimBody, HeartbeatBody, MAX_JSON_BYTES, MAX_LOG_BYTES, OutcomeBody } from "./builder-schema.ts";
import { methodNotAllowed, route, WebError } from "./errors.ts";
import { signedJson } from "./wire.ts";

/** What HTTP builders ask of us. */
export interface BuilderDoor {
  readonly desk: Pick<BuilderDesk, "claim" | "open" | "ended">;
  /** Whoever has it may claim every build. */
  readonly token: string;
  /** A builder that has the token asked for a build, from this address. */
  readonly onAsked?: (address: string) => void;
}

/** `POST /builder/v1/…`. Who asks is judged before a byte of the body is read. */
export function createBuilderRoutes({ desk, token, onAsked }: BuilderDoor): Router {
  const routes = express.Router({ caseSensitive: true });
  const json = express.json({ limit: MAX_JSON_BYTES, inflate: false });
  const text = express.raw({ type: LOG_TYPES, limit: MAX_LOG_BYTES, inflate: false });
  routes.post("/claim", onlyBuilders(token, onAsked), json, claim(desk));
  routes.post("/heartbeat", leased(desk, json, heartbeat));
  routes.post("/credentials", leased(desk, json, credentials));
  routes.post("/log", leased(desk, text, log));
  routes.post("/outcome", once(desk), leased(desk, json, outcome));
  routes.all(["/claim", "/heartbeat", "/credentials", "/log", "/outcome"], (_req, _res, next) => {
    next(methodNotAllowed("POST"));
  });
  return routes;
}

const LOG_TYPES = ["text/plain", "application/octet-stream"];

function onlyBuilders(token: string, onAsked: BuilderDoor["onAsked"]): RequestHandler {
  return (req, res, next) => {
    const given = bearer(req);
    if (given === null || !sameSecret(given, token)) {
      refuse(res, next, unauthorized("Send the BUILDER_TOKEN of this server: Authorization: Bearer <BUILDER_TOKEN>."));
      return;
    }
    onAsked?.(clientAddress(req));
    next();
  };
}

function claim(desk: BuilderDoor["desk"]): RequestHandler {
  return route(async (req, res) => {
    const { build = null, wait } = parse(ClaimBody, req);
    const gone = new AbortController();
    res.once("close", () => gone.abort());
    const handed = await desk.claim({ build, waitMs: wait * 1_000, signal: gone.signal });
    if (handed === null) res.status(204).end();
    else res.json(handedOutJson(handed));
  });
}

function handedOutJson({ build, attempt, request, token, leaseMs, heartbeatMs }: HandedOut): object {
  const lease = { token, seconds: leaseMs / 1_000, heartbeatSeconds: heartbeatMs / 1_000 };
  return { build, attempt, request: signedJson(request), lease };
}

type Act = (lease: DeskLease, req: Request, res: Response) => Promise<void>;

/** For holders of a lease: their token is looked at first, then the body is read. */
function leased(desk: BuilderDoor["desk"], read: RequestHandler, act: Act): RequestHandler[] {
  const leases = new WeakMap<Request, DeskLease>();
  const judge: RequestHandler = (req, res, next) => {
    const given = bearer(req);
    if (given === null)
      return refuse(res, next, unauthorized("Send the lease's token: Authorization: Bearer <token>."));
    desk.open(given).then((lease) => {
      if (lease === null) return refuse(res, next, lost());
      leases.set(req, lease);
      next();
    }, next);
  };
  const then = route(async (req, res) => {
    const lease = leases.get(req);
    if (lease === undefined) throw lost();
    await act(lease, req, res);
  });
  return [judge, read, then];
}

/** An outcome that is told again, because its answer was lost: it is over, and that was heard. */
function once(desk: BuilderDoor["desk"]): RequestHandler {
  return (req, res, next) => {
    const given = bearer(req);
    if (given === null) return next();
    desk.ended(given).then((ended) => {
      if (!ended) return next();
      res.set("Connection", "close").json({ recorded: false });
    }, next);
  };
}

async function heartbeat(lease: DeskLease, req: Request, res: Response): Promise<void> {
  const { steps } = parse(HeartbeatBody, req);
  const state = await lease.heartbeat(steps);
  if (state === "lost") throw lost();
  res.json({ state });
}

async function credentials(lease: DeskLease, _req: Request, res: Response): Promise<void> {
  const exchanged = await lease.credentials();
  if (exchanged.ok) {
    const { clone, registry, furtherRepositories: further, variables = {}, secrets = {} } = exchanged.value;
    const opened = further?.map(({ cloneUrl, credential }) => ({ cloneUrl, credential: pair(credential) }));
    res.json({
      clone: pair(clone),
      registry: pair(registry),
      ...(opened && { furtherRepositories: opened }),
      variables,
      secrets,
    });
    return;
  }
  const { message, retryable, retryAfter } = exchanged;
  if (!retryable) throw new WebError(403, "no-credentials", message);
  throw new WebError(503, "credentials-later", message, { "Retry-After": String(Math.ceil(retryAfter ?? 5)) });
}

/** Nothing but these two of it leaves the program. */
function pair(credential: CloneCredential | null): object | null {
  return credential && { username: credential.username, password: credential.password };
}

async function log(lease: DeskLease, req: Request, res: Response): Promise<void> {
  const body: unknown = req.body;
  if (!Buffer.isBuffer(body)) {
    throw new WebError(415, "not-text", "Send a piece of the log as text/plain; charset=utf-8, not empty.");
  }
  lease.log(body);
  res.status(204).end();
}

async function outcome(lease: DeskLease, req: Request, res: Response): Promise<void> {
  const body = parse(OutcomeBody, req);
  if ((await lease.end(endOf(body), body.steps ?? null)) === "lost") throw lost();
  res.json({ recorded: true });
}

function endOf(body: z.infer<typeof OutcomeBody>): DeskEnd {
  switch (body.result) {
    case "built":
      return { kind: "built", image: { digest: body.digest } };
    case "stopped":
      return { kind: "stopped" };
    case "failed": {
      const { class: kind, message, line, retryable } = body;
      return { kind: "failed", failure: { class: kind, message, ...(line && { line }) }, retryable };
    }
  }
}

/** The body, or an error that says where it is wrong. A body that is left out is an empty object. */
function parse<T>(schema: z.ZodType<T>, req: Request): T {
  if (req.headers["content-type"] !== undefined && !req.is("application/json")) {
    throw new WebError(415, "not-json", "Send application/json.");
  }
  const parsed = schema.safeParse(req.body ?? {});
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues
    .slice(0, 5)
    .map(({ path, message }) => `${path.join(".") || "body"}: ${message}`);
  throw new WebError(400, "bad-request", problems.join("; "));
}

function bearer(req: Request): string | null {
  return /^Bearer ([\x21-\x7e]{1,1000})$/i.exec(req.headers.authorization ?? "")?.[1] ?? null;
}

/** Nothing is read of what somebody sends who may not: the connection ends with the answer. */
function refuse(res: Response, next: (error: WebError) => void, error: WebError): void {
  res.set("Connection", "close");
  next(error);
}

function unauthorized(message: string): WebError {
  return new WebError(401, "unauthorized", message, { "WWW-Authenticate": 'Bearer realm="wharfinger"' });
}

function lost(): WebError {
  const message = "This lease is over, or was never given. Whatever is being built under it, stop it.";
  return new WebError(409, "lease-lost", message);
}
