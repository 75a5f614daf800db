import { createHash, randomUUID } from "node:crypto";
import express, { type ErrorRequestHandler, type Request, type Response, type Router } from "express";
import type { ConnectClient, GrantStore } from "../engine/grants-port.ts";
import type { Answer, Clock, Logger } from "../engine/ports.ts";
import { type CallLimit, type CallLimits, createCallLimit } from "./call-limit.ts";
import type { ConnectClients } from "./clients.ts";
import { malformed, parseObject, refused, single } from "./head.ts";
import { readAuthorization, verifyJwt } from "./jwt.ts";
import { type LifecycleCall, readCall } from "./lifecycle-call.ts";
import { lifecycleDelivery } from "./lifecycle-delivery.ts";

type Event = "installed" | "uninstalled";

/** Real ones have some 2 KB. */
const MAX_BODY = "64kb";
const LIMITS: CallLimits = { perSender: 30, inAll: 120 };
/** Tokens of calls that changed something. Only Bitbucket makes them, so strangers can not push any out. */
const REMEMBERED_TOKENS = 1_000;

export interface LifecycleOptions {
  readonly host: string;
  /** The address the app is known under, as the descriptor says it. */
  readonly baseUrl: string;
  readonly appKey: string;
  /** Of a registered app: then every call has to be signed with it. */
  readonly appSecret: string | null;
  /** `https://bitbucket.org`. */
  readonly webUrl: string;
  readonly grants: Pick<
    GrantStore,
    "connectClient" | "addConnectCandidate" | "renewConnectClient" | "removeConnectClient"
  >;
  readonly clients: Pick<ConnectClients, "forget">;
  /** Forgets tokens that were got with what a workspace had before. */
  readonly forget: (workspace: string) => void;
  /** There is an install to prove. */
  readonly onCandidate: () => void;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits?: CallLimits;
}

/**
 * What Bitbucket calls when a workspace installs or removes the app: `POST /bitbucket/installed` and `…/uninstalled`. Not
 * an entrance: these bodies hold secrets, which have no place in the journal.
 *
 * A first install is not signed, so anybody can send one. It is remembered as a candidate and trusted with nothing until
 * `prove.ts` has shown that its secret opens the workspace it names. A client that was ever proven, removed ones included,
 * changes only by a call that is signed with its proven secret. Otherwise strangers could take it over, or lock it out.
 */
export function createLifecycle(options: LifecycleOptions): Router {
  const { clock, log } = options;
  const mayClaim = createCallLimit(options.limits ?? LIMITS, clock);
  const once = createOnce();
  const router = express.Router({ caseSensitive: true, strict: true });

  for (const event of ["installed", "uninstalled"] as const) {
    const path = `/bitbucket/${event}`;
    router.post(
      path,
      (req, res, next) => {
        if (!req.is("application/json")) {
          send(res, refused(415, "unsupported-media-type", "Lifecycle calls are sent as application/json.").answer);
        } else {
          next();
        }
      },
      // Raw: a parser's errors quote what they could not parse.
      express.raw({ type: () => true, limit: MAX_BODY, inflate: false }),
      (req, res, next) => {
        answerCall({ ...options, once, mayClaim }, event, req)
          .then((answer) => send(res, answer))
          .catch(next);
      },
    );
    router.all(path, (_req, res) => {
      send(res, refused(405, "method-not-allowed", "Lifecycle calls are sent with POST.", { allow: "POST" }).answer);
    });
  }
  router.use(["/bitbucket/installed", "/bitbucket/uninstalled"], answerError(log));
  return router;
}

const DONE: Answer = { status: 204, body: {} };

interface Desk extends LifecycleOptions {
  readonly once: Once;
  /** Only for what nobody has signed: a stranger's flood must not keep out what Bitbucket says and does not repeat. */
  readonly mayClaim: CallLimit;
}

async function answerCall(options: Desk, event: Event, req: Request): Promise<Answer> {
  const { appKey, appSecret, webUrl, log } = options;
  const body: unknown = req.body;
  const payload = Buffer.isBuffer(body) ? parseObject(body) : null;
  if (payload === null || !Buffer.isBuffer(body)) return malformed("The body is not a JSON object in UTF-8.").answer;
  const call = readCall(payload, { event, appKey, webUrl });
  if ("problem" in call) return malformed(call.problem).answer;
  if (event === "installed" && call.secret === null && appSecret === null) {
    return malformed("An install without sharedSecret needs the secret of the app (BITBUCKET_APP_SECRET) here.").answer;
  }
  try {
    return await judge(options, { event, call, body, req });
  } catch (error) {
    log.error({ clientKey: call.clientKey, problem: withoutSecret(error, call.secret) }, `could not record: ${event}`);
    return notRecorded();
  }
}

interface Called {
  readonly event: Event;
  readonly call: LifecycleCall;
  readonly body: Buffer;
  readonly req: Request;
}

async function judge(options: Desk, called: Called): Promise<Answer> {
  const { appSecret, grants, once } = options;
  const { event, call, body } = called;
  const token = readAuthorization(single(called.req.headers, "authorization") ?? undefined);
  // Signed by the app itself or not at all: there is nothing to look up for a stranger.
  if (appSecret !== null && !isSigned(options, called, token, appSecret)) return unsigned();
  const client = await grants.connectClient(call.clientKey);
  if (client === null) {
    // Signed by the app: it is not here, as it should be.
    if (event === "uninstalled") return appSecret === null ? unsigned() : DONE;
    // Behind a proxy all strangers are one sender; then its limit is the one for all of them.
    const maySend = appSecret !== null || options.mayClaim(called.req.socket.remoteAddress ?? "");
    return maySend ? addCandidate(options, call) : slowDown();
  }
  const secret = appSecret ?? client.secret;
  if (token === null || secret === null || !isSigned(options, called, token, secret)) return unsigned();
  if (call.workspace !== client.workspace) {
    return refused(403, "other-workspace", "This installation belongs to another workspace.").answer;
  }
  return once(token, body, () => change(options, event, call, client));
}

function isSigned(
  { baseUrl, clock }: LifecycleOptions,
  { call, req }: Called,
  token: string | null,
  secret: string,
): boolean {
  if (token === null) return false;
  const { method, originalUrl: url } = req;
  const { clientKey } = call;
  return verifyJwt(token, { secrets: [secret], clientKey, method, url, baseUrl, nowMs: clock.now() }).ok;
}

/** Whatever came before it, and however often: only the proof decides which of several claims is the true one. */
async function addCandidate(options: LifecycleOptions, call: LifecycleCall): Promise<Answer> {
  const { clientKey, workspace, secret } = call;
  if (!(await options.grants.addConnectCandidate({ clientKey, workspace, secret }))) return notRecorded();
  options.log.info({ clientKey, workspace }, "an install of the Connect app waits to be proven");
  options.onCandidate();
  return DONE;
}

async function change(
  { host, grants, clients, forget, clock, log }: LifecycleOptions,
  event: Event,
  call: LifecycleCall,
  client: ConnectClient,
): Promise<Answer> {
  const { clientKey, workspace, kind, login } = client;
  const delivery = lifecycleDelivery({
    event,
    host,
    workspace: { uuid: workspace, slug: login, kind },
    door: "connect",
    id: randomUUID(),
    nowMs: clock.now(),
  });
  if (event === "installed") {
    const renewed = { kind, login, secret: call.secret };
    if (!(await grants.renewConnectClient(clientKey, renewed, delivery))) return notRecorded();
  } else {
    // False: it was removed before, and stays so.
    await grants.removeConnectClient(clientKey, delivery);
  }
  clients.forget(clientKey);
  forget(workspace);
  log.info({ clientKey, workspace }, `the Connect app was ${event}`);
  return DONE;
}

/**
 * A token does not cover the body and is good for an hour. So each vouches for one body only, the first it came with: the
 * same again gets the same answer and changes nothing, any other is refused. What failed may be tried again.
 */
type Once = (token: string, body: Buffer, act: () => Promise<Answer>) => Promise<Answer>;

function createOnce(): Once {
  const used = new Map<string, { readonly body: string; readonly answer: Promise<Answer> }>();
  return async (token, bytes, act) => {
    const [key, body] = [digest(token), digest(bytes)];
    const earlier = used.get(key);
    if (earlier !== undefined) return earlier.body === body ? earlier.answer : unsigned();
    const answer = act();
    used.set(key, { body, answer });
    try {
      const given = await answer;
      if (given !== DONE) used.delete(key);
      return given;
    } catch (error) {
      used.delete(key);
      throw error;
    } finally {
      for (const oldest of used.keys()) {
        if (used.size <= REMEMBERED_TOKENS) break;
        used.delete(oldest);
      }
    }
  };
}

function digest(value: string | Buffer): string {
  return createHash("sha256").update(value).digest("base64");
}

/** Errors of a store should hold no values; a secret is not entrusted to "should". */
function withoutSecret(error: unknown, secret: string | null): string {
  const text = String(error);
  return secret === null ? text : text.replaceAll(secret, "[secret]");
}

/** One answer for all, as strangers are not told which installations there are. */
function unsigned(): Answer {
  return refused(401, "bad-token", "The call is not signed with the secret this installation has here.").answer;
}

function slowDown(): Answer {
  return refused(429, "slow-down", "Too many installs; try again in a minute.", { "retry-after": "60" }).answer;
}

function notRecorded(): Answer {
  return refused(503, "not-recorded", "The call could not be recorded; try again later.", { "retry-after": "60" })
    .answer;
}

function send(res: Response, { status, body, headers }: Answer): void {
  res.set({ "Cache-Control": "no-store", ...headers }).status(status);
  if (status === 204) res.end();
  else res.json(body);
}

/** What reading a body ends with, and bugs. Neither's words are told: they may quote what was sent. */
function answerError(log: Logger): ErrorRequestHandler {
  return (error: unknown, _req, res, next) => {
    if (res.headersSent) {
      next(error);
      return;
    }
    const status = typeof error === "object" && error !== null && "status" in error ? error.status : null;
    if (status === 413) {
      send(res, refused(413, "too-large", `A body here has at most ${MAX_BODY}.`).answer);
    } else if (status === 415) {
      send(res, refused(415, "unsupported-encoding", "Send the body as it is, not compressed.").answer);
    } else if (typeof status === "number" && status >= 400 && status < 500) {
      send(res, malformed("The body could not be read.").answer);
    } else {
      log.error({ problem: error instanceof Error ? error.name : "unknown" }, "a lifecycle call could not be answered");
      send(res, refused(500, "internal", "Something went wrong here.").answer);
    }
  };
}
