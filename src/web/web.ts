import express, { type ErrorRequestHandler, type Express, type RequestHandler } from "express";
import type { Build } from "../core/model.ts";
import type { AccessTokens } from "../engine/access-tokens.ts";
import type { ApiTokens } from "../engine/api-tokens.ts";
import type { Authorizer } from "../engine/authorize.ts";
import type { Badges } from "../engine/badges.ts";
import type { BuildActions } from "../engine/build-actions.ts";
import type { Identity } from "../engine/identity-port.ts";
import type { NamespaceDesk } from "../engine/namespace-desk.ts";
import type { NoticeDesk } from "../engine/notices.ts";
import type { Clock, Logger } from "../engine/ports.ts";
import type { RegistryDesk } from "../engine/registry-desk.ts";
import type { Replay } from "../engine/replay.ts";
import type { SessionStore } from "../engine/sessions-port.ts";
import type { Store } from "../engine/store-port.ts";
import type { Surveys } from "../engine/surveys.ts";
import { type ApiStore, createApi } from "./api.ts";
import type { Pausing } from "./api-pause.ts";
import { createGate } from "./auth.ts";
import { createBadgeRoutes } from "./badges.ts";
import { type BuilderDoor, createBuilderRoutes } from "./builder.ts";
import { methodNotAllowed, publicError, WebError } from "./errors.ts";
import type { InstallationsStore } from "./installations.ts";
import { createLandingPages, type LandingParts } from "./landing.ts";
import type { Logs } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import type { Operations } from "./operations.ts";
import { createPages } from "./pages.ts";
import { createPauseNotice } from "./pause-notice.ts";
import { createProbes, type Readiness } from "./probes.ts";
import { createRegistryRoutes, type RegistryDoors } from "./registry.ts";
import type { SettingsExtras, SettingsStore } from "./settings.ts";
import { createSignIn } from "./sign-in.ts";
import type { Views } from "./views.ts";

export interface WebOptions {
  readonly store: ApiStore & SettingsStore & InstallationsStore & Pausing["store"] & Pick<Store, "stats">;
  /** What repositories hold, as pages show it. */
  readonly surveys: Pick<Surveys, "within">;
  /** What would be built if something were resumed. */
  readonly preview: Replay["preview"];
  readonly logs: Logs;
  /** Asks hosts what people may do, for whom somebody else does something. */
  readonly authorizer: Authorizer;
  /** Null: the API stays closed, and so do the pages where nobody can sign in with a host's account either. */
  readonly adminToken: string | null;
  /** People who are operators, by {@link hostKey}; left out: nobody. */
  readonly operators?: ReadonlySet<string>;
  /** Hosts people can sign in with; left out: none. */
  readonly identities?: readonly Identity[];
  readonly sessions: SessionStore;
  /** Where the GitHub App is installed from; null or left out: there is none. */
  readonly installPages?: LandingParts["installPages"];
  /** Decides, by its scheme, about HSTS and how cookies are marked. */
  readonly publicUrl: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly ready: () => Promise<readonly Readiness[]>;
  readonly metrics: Metrics;
  readonly accessTokens: AccessTokens;
  readonly apiTokens: ApiTokens;
  /** Requests a minute that each API token may send; left out: TOKEN_RATE of api.ts. */
  readonly tokenRate?: number;
  /** Host and port of a build's registry, as image names carry it; null: it is not configured any more. */
  registryHost(build: Build): Promise<string | null>;
  /** Left out: nobody starts, repeats or cancels builds. */
  readonly buildActions?: BuildActions;
  /** Left out: namespaces are not decided about over the API. */
  readonly namespaceDesk?: NamespaceDesk;
  /** Left out: settings show and change what is in the database only. */
  readonly settings?: SettingsExtras;
  /** Left out: registries are not looked after over the API. */
  readonly registryDesk?: RegistryDesk;
  /** Left out: neither tokens nor notifications are served. */
  readonly registry?: RegistryDoors;
  /** Left out: nobody builds over HTTP. */
  readonly builder?: BuilderDoor;
  /** Left out: who is told of builds is not decided over the API. */
  readonly noticeDesk?: NoticeDesk;
  /** Left out: there are no badges. */
  readonly badges?: Badges;
  /** Left out: there are no pages of the instance itself, and its status is not told. */
  readonly operations?: Operations;
  /** Left out: the Connect add-on is not served. */
  readonly addon?: RequestHandler;
  readonly views: Views;
  /** Aborted when the server stops: answers that would go on for long end then. */
  readonly stopping: AbortSignal;
}

/** Everything the server answers beside webhooks: pages, JSON API, probes. */
export function createWeb(options: WebOptions): Express {
  const { store, surveys, logs, clock, log } = options;
  const secure = options.publicUrl.startsWith("https:");
  const { adminToken, operators = new Set(), identities = [], sessions } = options;
  const gate = createGate({ adminToken, operators, hosts: identities.length > 0, secure, sessions, clock });
  const { views, look } = createPauseNotice(store, options.views, gate);
  const optionalDesks = {
    ...(options.registryDesk === undefined ? {} : { registryDesk: options.registryDesk }),
    ...(options.namespaceDesk === undefined ? {} : { namespaceDesk: options.namespaceDesk }),
    ...(options.noticeDesk === undefined ? {} : { noticeDesk: options.noticeDesk }),
  };
  const actions = options.buildActions === undefined ? {} : { buildActions: options.buildActions };
  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  app.enable("case sensitive routing");
  // Strings and lists of strings only; the default parser makes objects of `a[b]=c`.
  app.set("query parser", "simple");

  app.use(headers(secure));
  app.use(createProbes({ ready: options.ready, store, metrics: options.metrics, clock, log }));
  app.get("/assets/:name", sendAsset(views));
  app.use(createRegistryRoutes(options.registry ?? { tokens: null, events: null }, log));
  if (options.badges !== undefined) app.use(createBadgeRoutes(options.badges));
  if (options.addon !== undefined) app.use(options.addon);
  if (options.builder !== undefined) app.use("/builder/v1", createBuilderRoutes(options.builder));
  app.use(
    "/api/v1",
    createApi({
      store,
      logs,
      gate,
      authorizer: options.authorizer,
      preview: options.preview,
      log,
      clock,
      accessTokens: options.accessTokens,
      apiTokens: options.apiTokens,
      ...(options.tokenRate === undefined ? {} : { tokenRate: options.tokenRate }),
      ...(options.operations === undefined ? {} : { status: options.operations.status }),
      ...actions,
      ...optionalDesks,
    }),
  );
  app.use(look);
  app.use(
    createLandingPages({
      store,
      sessions,
      gate,
      views,
      authorizer: options.authorizer,
      installPages: options.installPages ?? new Map(),
    }),
  );
  app.use("/auth", createSignIn({ gate, views, identities, sessions, secure, clock, log }));
  const { authorizer, registryHost, stopping } = options;
  const { preview, accessTokens, namespaceDesk } = options;
  const extras = {
    ...(namespaceDesk === undefined ? {} : { namespaceDesk }),
    ...options.settings,
  };
  const settings = { store, surveys, preview, accessTokens, ...extras, clock, log };
  const { operations } = options;
  const admin =
    operations === undefined
      ? {}
      : { admin: { ...operations, ...optionalDesks, store: { ...store, ...operations.store }, preview, clock, log } };
  const common = { store, surveys, logs, gate, views, clock, authorizer, registryHost, stopping, settings };
  const pages = { ...common, ...actions, ...admin };
  app.use(createPages(pages));
  app.use(["/healthz", "/readyz", "/metrics", "/assets"], (req, _res, next) => {
    next(req.method === "GET" || req.method === "HEAD" ? undefined : methodNotAllowed("GET, HEAD"));
  });
  app.use((_req, _res, next) => {
    next(new WebError(404, "not-found", "There is nothing at this address."));
  });
  app.use(answerError(views, log));
  return app;
}

/** `formTarget`: where forms of the page may lead besides to us. */
export function contentPolicy(formTarget?: string): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "connect-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    `form-action 'self'${formTarget === undefined ? "" : ` ${formTarget}`}`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ].join("; ");
}

const POLICY = contentPolicy();

export function headers(secure: boolean): RequestHandler {
  return (_req, res, next) => {
    res.set({
      "Content-Security-Policy": POLICY,
      "Referrer-Policy": "no-referrer",
      "X-Content-Type-Options": "nosniff",
      "Cross-Origin-Opener-Policy": "same-origin",
      "Cross-Origin-Resource-Policy": "same-origin",
      "Cache-Control": "no-store",
      ...(secure ? { "Strict-Transport-Security": "max-age=31536000" } : {}),
    });
    next();
  };
}

/** The name holds a hash of the content, so it may be kept for good. */
export function sendAsset(views: Views): RequestHandler {
  return (req, res, next) => {
    const asset = views.asset(req.params["name"] ?? "");
    if (asset === null) {
      next();
      return;
    }
    res.set({ "Content-Type": asset.type, "Cache-Control": "public, max-age=31536000, immutable" }).send(asset.body);
  };
}

/** `pages` false: there are none to lead somebody to who got lost. */
export function answerError(views: Views, log: Logger, { pages } = { pages: true }): ErrorRequestHandler {
  return (error, req, res, _next) => {
    const shown = publicError(error);
    if (shown.status >= 500) {
      log.error({ err: error, method: req.method, path: req.path }, "a request failed");
    }
    if (res.headersSent) {
      res.destroy();
      return;
    }
    res.status(shown.status).set(shown.headers);
    if (!wantsPage(req)) {
      res.json({ error: { code: shown.code, message: shown.message } });
      return;
    }
    const data = { title: TITLES[shown.status] ?? "That did not work", section: null, formToken: null } as const;
    res.send(views.render("error", { ...data, status: shown.status, message: shown.message, pages }));
  };
}

const TITLES: Readonly<Record<number, string>> = {
  400: "That request makes no sense",
  403: "Closed",
  404: "Not here",
  405: "Not like this",
  409: "Not possible",
  500: "Something went wrong",
  503: "Not now",
};

function wantsPage(req: express.Request): boolean {
  const people = ["GET", "HEAD"].includes(req.method) || /^\/(?:auth|builds|installations|setup)\//.test(req.path);
  return (
    people && !/^\/(?:api|builder|webhooks)(?:\/|$)/.test(req.originalUrl) && req.accepts(["json", "html"]) === "html"
  );
}
