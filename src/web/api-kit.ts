/**
 * How the JSON API's routes are declared, served and guarded. A route is declared once, with the schemas that judge what is
 * sent and that tell what is answered; openapi.ts makes the document of the same declarations.
 */
import express, { type Request, type RequestHandler, type Response, type Router } from "express";
import type { z } from "zod";
import type { Decider } from "../core/audit.ts";
import { type HostId, hostKey } from "../core/model.ts";
import type { Action } from "../core/roles.ts";
import type { Authorizer } from "../engine/authorize.ts";
import type { Logger } from "../engine/ports.ts";
import { deciderOf, mayAs, type Viewer } from "../engine/viewer.ts";
import { demandAllowed, methodNotAllowed, route, WebError } from "./errors.ts";
import { type BodySpec, hostIdIn, readBody, readQuery } from "./requests.ts";

export type Method = "get" | "post" | "put" | "patch" | "delete";

/** Groups of routes in the document. */
export type Tag =
  | "builds"
  | "deliveries"
  | "installations"
  | "settings"
  | "pauses"
  | "namespaces"
  | "registries"
  | "tokens"
  | "service";

/**
 * Whose a route's subject is, which decides whether an API token may ask: `instance`: nobody's; `own`: a list, of which a
 * token gets what its installation has; `body`: of the installation the body names; otherwise of what the path names.
 */
export type At = "instance" | "own" | "body" | "installation" | "repository" | "build" | "delivery" | "namespace";

/** `tokens: false`: what API tokens may not do whatever their role. */
export type Access = "public" | { readonly action: Action; readonly at: At; readonly tokens?: false };

export type Answering =
  | { readonly status: 200 | 201 | 202; readonly schema: z.ZodType; readonly description?: string }
  | { readonly status: 204 }
  /** Text, which the route sends itself. */
  | { readonly status: 200; readonly text: string };

export interface RouteSpec<Q = unknown, B = unknown> {
  /** Unique; how generated clients call it. */
  readonly id: string;
  readonly method: Method;
  /** Below `/api/v1`, with `{name}` for what stands there. */
  readonly path: string;
  readonly tag: Tag;
  readonly summary: string;
  readonly description?: string;
  readonly access: Access;
  readonly query: z.ZodType<Q>;
  readonly body: BodySpec<B>;
  readonly answer: Answering;
  /** Answers of its own beside those every route may give, by status; each a sentence. */
  readonly errors: Readonly<Record<number, string>>;
  /**
   * What is done once for each `Idempotency-Key`; left out: the header is not looked at. `secret`: the answer holds one, is
   * not kept, and can not be given again.
   */
  readonly once?: "answer" | "secret";
}

export interface Call<Q, B> {
  readonly req: Request;
  readonly res: Response;
  readonly query: Q;
  readonly body: B;
  /** Who asks, for the audit log. */
  readonly by: Decider;
  /** An API token's installation: lists are limited to it. Null: the operator, who sees all. */
  readonly within: HostId | null;
  /** What stands at `{name}` in the path. */
  param(name: string): string;
}

/** The answer's JSON; null: there is none (204), or the route has sent it. */
export type Handler<Q, B> = (call: Call<Q, B>) => Promise<object | null>;

/** Whether what a path names is of the installation; what is not there is not. */
export interface Belonging {
  build(id: string, installation: HostId): Promise<boolean>;
  delivery(id: string, installation: HostId): Promise<boolean>;
  repository(id: HostId, installation: HostId): Promise<boolean>;
  namespace(name: string, installation: HostId): Promise<boolean>;
}

/** Does something once for each key a client gives; answers what came of it, now or the first time. */
export type Once = (
  call: { readonly req: Request; readonly res: Response; readonly caller: string; readonly keeps: "answer" | "secret" },
  status: number,
  act: () => Promise<object | null>,
) => Promise<object | null>;

export interface ApiKit {
  serve<Q, B>(spec: RouteSpec<Q, B>, handler: Handler<Q, B>): void;
  /** All that was served, behind what says who asks. */
  router(): Router;
  /** What was served, in order. */
  readonly served: readonly RouteSpec[];
}

export function createApiKit(options: {
  /** Throws where nobody it knows asks. */
  readonly identify: (req: Request) => Promise<Exclude<Viewer, { readonly kind: "person" }>>;
  /** Throws where somebody asks too often; says in headers how much is left. */
  readonly limit: (viewer: Viewer, res: Response) => void;
  readonly authorizer: Authorizer;
  readonly belongs: Belonging;
  readonly once: Once;
  readonly log: Pick<Logger, "warn">;
}): ApiKit {
  const { authorizer, belongs, once, log } = options;
  const served: { readonly spec: RouteSpec; readonly handlers: readonly RequestHandler[] }[] = [];
  const viewers = new WeakMap<Request, Viewer>();

  async function meet(req: Request, res: Response): Promise<void> {
    const viewer = await options.identify(req);
    viewers.set(req, viewer);
    options.limit(viewer, res);
  }

  /** On a route that is open to everybody nobody is known: nothing is done there in anybody's name. */
  function viewerOf(req: Request): Viewer {
    const viewer = viewers.get(req);
    if (viewer === undefined) throw new Error("nobody is known to ask");
    return viewer;
  }

  /** Throws where the API token that asks may not: 404 where saying more would tell what there is of others. */
  async function admit(
    req: Request,
    { action, at, tokens }: Exclude<Access, "public">,
    body: unknown,
  ): Promise<HostId | null> {
    const viewer = viewerOf(req);
    if (viewer.kind !== "token") return null;
    if (tokens === false) {
      throw new WebError(403, "not-allowed", "API tokens may not do this; the operator and owners may.");
    }
    const { installation } = viewer;
    const named = await subjectOf(req, at, installation, body);
    demandAllowed(await mayAs(authorizer, viewer, action, { installation: named, repository: null }));
    return installation;
  }

  /** As {@link admit}; who is refused leaves a line. */
  async function demandAdmitted(
    req: Request,
    access: Exclude<Access, "public">,
    body: unknown,
  ): Promise<HostId | null> {
    try {
      return await admit(req, access, body);
    } catch (error) {
      const viewer = viewerOf(req);
      if (error instanceof WebError && viewer.kind === "token") {
        const fields = { token: viewer.id, installation: hostKey(viewer.installation), action: access.action };
        log.warn({ ...fields, path: req.path, reason: error.code }, "an API token was refused");
      }
      throw error;
    }
  }

  async function subjectOf(req: Request, at: At, own: HostId, body: unknown): Promise<HostId> {
    const { params } = req;
    const demand = (belonging: boolean): HostId => {
      if (belonging) return own;
      throw new WebError(404, "not-found", `There is no such ${at} in the installation of this API token.`);
    };
    switch (at) {
      case "instance":
      case "own":
        return own;
      case "installation":
        return hostIdIn(req) ?? demand(false);
      case "body":
        return installationIn(body) ?? demand(false);
      case "repository": {
        const id = hostIdIn(req);
        return demand(id !== null && (await belongs.repository(id, own)));
      }
      case "build":
        return demand(await belongs.build(params["id"] ?? "", own));
      case "delivery":
        return demand(await belongs.delivery(params["id"] ?? "", own));
      case "namespace":
        return demand(await belongs.namespace(params["namespace"] ?? "", own));
    }
  }

  function handle<Q, B>(spec: RouteSpec<Q, B>, handler: Handler<Q, B>): RequestHandler {
    return route(async (req, res) => {
      const { access, answer } = spec;
      // What the body names has to be known before whether they may.
      const early = access !== "public" && access.at !== "body" ? await demandAdmitted(req, access, null) : null;
      const query = readQuery(spec.query, req);
      const body = readBody(spec.body, req);
      const within = access !== "public" && access.at === "body" ? await demandAdmitted(req, access, body) : early;
      const call: Call<Q, B> = {
        ...{ req, res, query, body, within },
        get by() {
          return deciderOf(viewerOf(req));
        },
        param: (name) => req.params[name] ?? "",
      };
      const act = () => handler(call);
      const keeps = spec.once;
      const json = await (keeps === undefined
        ? act()
        : once({ req, res, caller: callerOf(viewerOf(req)), keeps }, answer.status, act));
      if (json !== null) res.status(answer.status).json(json);
      else if (!res.headersSent && !("text" in answer)) res.status(204).end();
    });
  }

  return {
    get served() {
      return served.map(({ spec }) => spec);
    },
    serve(spec, handler) {
      const reads = spec.body.limit === null ? [] : [express.json({ limit: spec.body.limit })];
      served.push({ spec, handlers: [...reads, handle(spec, handler)] });
    },
    router() {
      const api = express.Router({ caseSensitive: true });
      const [open, closed] = [served.filter(isPublic), served.filter((one) => !isPublic(one))];
      for (const { spec, handlers } of open) api[spec.method](pattern(spec.path), ...handlers);
      api.use((req, res, next) => {
        meet(req, res).then(() => next(), next);
      });
      for (const { spec, handlers } of closed) api[spec.method](pattern(spec.path), ...handlers);
      for (const [path, allow] of methodsByPath(served.map(({ spec }) => spec))) {
        api.all(pattern(path), (_req, _res, next) => next(methodNotAllowed(allow)));
      }
      return api;
    },
  };
}

function isPublic({ spec }: { readonly spec: RouteSpec }): boolean {
  return spec.access === "public";
}

function callerOf(viewer: Viewer): string {
  return viewer.kind === "token" ? viewer.id : viewer.kind;
}

/** The key `installation` of a body that was judged. */
function installationIn(body: unknown): HostId | null {
  if (typeof body !== "object" || body === null || !("installation" in body)) return null;
  const { installation } = body;
  return isHostId(installation) ? installation : null;
}

function isHostId(value: unknown): value is HostId {
  return typeof value === "object" && value !== null && "provider" in value && "host" in value && "id" in value;
}

/** `/builds/{id}` as Express writes it. */
function pattern(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ":$1");
}

const METHODS: readonly (readonly [Method, string])[] = [
  ["get", "GET, HEAD"],
  ["post", "POST"],
  ["put", "PUT"],
  ["patch", "PATCH"],
  ["delete", "DELETE"],
];

function methodsByPath(specs: readonly RouteSpec[]): ReadonlyMap<string, string> {
  const paths = new Set(specs.map(({ path }) => path));
  const allowed = (path: string) =>
    METHODS.filter(([method]) => specs.some((spec) => spec.path === path && spec.method === method));
  return new Map(
    [...paths].map((path) => [
      path,
      allowed(path)
        .map(([, text]) => text)
        .join(", "),
    ]),
  );
}

/** Same host, same id. */
export function sameId(one: HostId, other: HostId): boolean {
  return hostKey(one) === hostKey(other);
}

/**
 * What of a list somebody gets: of an API token's own installation (`within`), or of the one that was `asked` for; nothing
 * said: of all. Throws 403 where a token asks for another one's.
 */
export function ownedBy(within: HostId | null, asked: HostId | undefined): { readonly installation?: HostId } {
  if (within !== null && asked !== undefined && !sameId(within, asked)) {
    throw new WebError(403, "not-allowed", "This API token is for another installation.");
  }
  const installation = within ?? asked;
  return installation === undefined ? {} : { installation };
}
