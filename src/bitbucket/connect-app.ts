import { parse as parseQuery } from "node:querystring";
import express, {
  type ErrorRequestHandler,
  type Request,
  type RequestHandler,
  type Response,
  type Router,
} from "express";
import type { ConnectClient } from "../engine/grants-port.ts";
import type { Clock, Logger } from "../engine/ports.ts";
import type { BitbucketAccess } from "./access.ts";
import { createConnectLibrary } from "./ace.ts";
import { type ConnectClients, secretsOf } from "./clients.ts";
import { createConnectStore } from "./connect-store.ts";
import {
  createConfigureForm,
  createConfigurePage,
  createRepositoryPage,
  type FramedPage,
  type FramedReaders,
  type FramedSettings,
  notice,
  type Query,
  type Shown,
} from "./framed-pages.ts";
import { refused } from "./head.ts";
import { readIssuer, verifyJwt } from "./jwt.ts";
import { createOwnerCheck } from "./owners.ts";
import { parseUuid } from "./uuid.ts";

export interface ConnectAppOptions {
  /** The address Bitbucket knows us under: an origin, without a slash at its end. */
  readonly publicUrl: string;
  readonly appKey: string;
  readonly appSecret: string | null;
  /** `https://bitbucket.org`: whose pages may frame ours. */
  readonly webUrl: string;
  /** Absolute path of the descriptor's template, `atlassian-connect.json`. */
  readonly descriptor: string;
  /** Variables of the process. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clients: Pick<ConnectClients, "find">;
  /** People can sign in with their Bitbucket accounts. */
  readonly signIn: boolean;
  readonly access: Pick<BitbucketAccess, "callWith">;
  readonly readers: FramedReaders;
  readonly settings: FramedSettings;
  /** Renders `views/<view>.eta` into the layout. */
  render(view: string, data: FramedPageData): string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What the layout needs of a page that is shown in Bitbucket's. */
export interface FramedPageData {
  readonly title: string;
  readonly section: null;
  readonly formToken: null;
  /** Script of Bitbucket's that tells the frame how high the page is. */
  readonly hostScript: string;
  readonly [name: string]: unknown;
}

/**
 * The descriptor, and the pages Bitbucket frames: `GET /atlassian-connect.json`, `/bitbucket/configure`,
 * `/bitbucket/repository`, and `/bitbucket/welcome` after an install. Loading this module loads some hundred packages of
 * atlassian-connect-express, so it is imported only where there is a Connect app.
 */
export async function createConnectApp(options: ConnectAppOptions): Promise<Router> {
  const { clients, access, clock, readers } = options;
  const ace = await createConnectLibrary({ ...options, store: createConnectStore(options) });
  const isOwner = createOwnerCheck({ access, clock });
  const router = express.Router({ caseSensitive: true, strict: true });

  router.get("/atlassian-connect.json", (_req, res) => {
    res.set("Cache-Control", "no-cache").json(ace.descriptor);
  });

  const headers = frameHeaders(options.webUrl);
  const page = (path: string, ...handlers: RequestHandler[]) => {
    router.get(path, headers, ...handlers);
    router.use(path, answerError(options, path));
  };
  const framed = (show: FramedPage): RequestHandler[] => [
    readable,
    ace.authenticate(),
    dropSession,
    (req, res, next) => {
      verifiedClient(options, clients, req)
        .then((client) => (client === null ? unsigned() : show(client, queryOf(req))))
        .then((shown) => send(options, res, shown))
        .catch(next);
    },
  ];
  const settings = { ...options, isOwner };
  page("/bitbucket/configure", ...framed(createConfigurePage(settings)));
  const act = createConfigureForm(settings);
  router.post("/bitbucket/configure", headers, readForm, (req, res, next) => {
    act((field) => fieldOf(req, field))
      .then((shown) => send(options, res, shown))
      .catch(next);
  });
  router.use("/bitbucket/configure", answerError(options, "/bitbucket/configure"));
  page("/bitbucket/repository", ...framed(createRepositoryPage({ readers })));
  page("/bitbucket/welcome", (req, res) => send(options, res, welcome(options.signIn, queryOf(req))));
  router.all("/bitbucket/configure", (_req, res) =>
    refuseMethod(res, "Pages are read with GET, and forms sent with POST.", "GET, HEAD, POST"),
  );
  router.all(["/atlassian-connect.json", "/bitbucket/repository", "/bitbucket/welcome"], (_req, res) =>
    refuseMethod(res, "Pages are read with GET.", "GET, HEAD"),
  );
  return router;
}

function refuseMethod(res: Response, message: string, allow: string): void {
  const { status, body, headers } = refused(405, "method-not-allowed", message, { allow }).answer;
  res.set(headers).status(status).json(body);
}

/** A secret's 32 KiB take three times as much in a form. */
const readForm = express.urlencoded({ extended: false, limit: "128kb", parameterLimit: 20 });

/** Empty when it is missing or given twice. */
function fieldOf(req: Request, name: string): string {
  const body: unknown = req.body;
  const value = typeof body === "object" && body !== null && Object.hasOwn(body, name) ? Reflect.get(body, name) : "";
  return typeof value === "string" ? value : "";
}

/** Of ours, not the library's words: whoever frames us otherwise must see nothing, and addresses hold tokens. */
function frameHeaders(webUrl: string): RequestHandler {
  const host = new URL(webUrl).origin;
  const policy = [
    "default-src 'none'",
    "style-src 'self'",
    "img-src 'self'",
    `script-src 'self' ${host}`,
    "form-action 'self'",
    "base-uri 'none'",
    `frame-ancestors ${host}`,
  ].join("; ");
  return (_req, res, next) => {
    // Older than frame-ancestors, and can not name another site.
    res.removeHeader("X-Frame-Options");
    res.set({
      "Content-Security-Policy": policy,
      "Referrer-Policy": "no-referrer",
      "X-Content-Type-Options": "nosniff",
      "Cross-Origin-Resource-Policy": "cross-origin",
      "Cache-Control": "no-store",
    });
    next();
  };
}

/** The library reads the token from a body that GETs do not have, and never answers where that is undefined. */
const readable: RequestHandler = (req, _res, next) => {
  req.body = {};
  // Whatever parser this is mounted under: the hash is over lists and texts.
  req.query = parseQuery(searchOf(req));
  next();
};

/** The library gives every page a token that opens all others for a quarter of an hour. Nobody here needs it. */
const dropSession: RequestHandler = (_req, res, next) => {
  res.removeHeader("X-acpt");
  next();
};

/**
 * The client whose token the address carries. The library has verified it; but it takes tokens without expiry, tokens of
 * its own making, and audiences for issuers, and can be told not to look at all.
 */
async function verifiedClient(
  { publicUrl, appSecret, clock }: ConnectAppOptions,
  clients: Pick<ConnectClients, "find">,
  req: Request,
): Promise<ConnectClient | null> {
  const token = queryOf(req)["jwt"];
  const clientKey = typeof token === "string" ? readIssuer(token) : null;
  const client = clientKey === null ? null : await clients.find(clientKey);
  const secrets = secretsOf(client, appSecret);
  if (typeof token !== "string" || client === null || secrets.length === 0) return null;
  const { method, originalUrl: url } = req;
  const expected = { secrets, clientKey: client.clientKey, method, url, baseUrl: publicUrl, nowMs: clock.now() };
  return verifyJwt(token, expected).ok ? client : null;
}

function searchOf(req: Request): string {
  const mark = req.originalUrl.indexOf("?");
  return mark === -1 ? "" : req.originalUrl.slice(mark + 1);
}

function queryOf(req: Request): Query {
  return parseQuery(searchOf(req));
}

function unsigned(): Shown {
  const message =
    "Bitbucket has not signed this address for an installation that is active here, or has done so long ago. Open the " +
    "page in Bitbucket again. A new installation is checked first, which takes a minute.";
  return notice(401, "Not signed", message);
}

/** Who has just installed it. In a tab of its own: a frame of Bitbucket's is no place to sign in. */
function welcome(signIn: boolean, query: Query): Shown {
  const message =
    "Wharfinger is being added to your workspace, and checks with Bitbucket that it was you who asked. From then on every " +
    "push to a repository with a .wharfinger.yml is built. Owners find its settings in the workspace's settings, under " +
    "Installed apps.";
  // Where it was installed, as an address says that nobody has signed: its page asks Bitbucket who may see it.
  const workspace = parseUuid(query["user_uuid"]);
  const href =
    workspace === null ? "/installations" : `/installations/bitbucket/default/${encodeURIComponent(workspace)}`;
  const lead = signIn ? { href, text: "Sign in, and see what is built" } : null;
  return notice(200, "Welcome", message, lead);
}

function send({ webUrl, render }: ConnectAppOptions, res: Response, { status, view, data }: Shown): void {
  const hostScript = `${webUrl.replace(/\/+$/, "")}/atlassian-connect/all.js`;
  res.status(status).send(render(view, { ...data, section: null, formToken: null, hostScript }));
}

/** What the library refuses, and what goes wrong. Addresses are not logged: they hold tokens. */
function answerError(options: ConnectAppOptions, path: string): ErrorRequestHandler {
  return (error: unknown, _req, res, next) => {
    if (res.headersSent) {
      next(error);
      return;
    }
    res.removeHeader("X-acpt");
    const code = typeof error === "object" && error !== null && "code" in error ? error.code : null;
    if (code === 400 || code === 401) {
      send(options, res, unsigned());
      return;
    }
    // The parser's own.
    if (typeof error === "object" && error !== null && "status" in error && error.status === 413) {
      send(options, res, notice(413, "Too large", "Nothing was done: a secret has at most 32 KiB, a variable 4 KiB."));
      return;
    }
    options.log.error({ path, err: error }, "a framed page could not be shown");
    send(options, res, notice(500, "Not now", "Something went wrong here. Load the page again in a minute."));
  };
}
