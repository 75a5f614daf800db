/** Pages for whoever is signed in: each knows who looks, and asks what they may. */
import express, { type Request, type RequestHandler, type Response, type Router } from "express";
import type { Action } from "../core/roles.ts";
import type { Authorization, Authorizer, Place } from "../engine/authorize.ts";
import { mayAs, type Viewer } from "../engine/viewer.ts";
import type { Gate, Session } from "./auth.ts";
import { demandAllowed, methodNotAllowed, route, WebError } from "./errors.ts";
import { demandOwnForm, readForm } from "./forms.ts";
import { demandUsable } from "./sign-in.ts";
import type { PageData, Views } from "./views.ts";

/** One look at one page by somebody who is signed in. */
export interface Visit {
  readonly session: Session;
  readonly viewer: Exclude<Viewer, { readonly kind: "token" }>;
  /** Whether they are still signed in. For looks that last. */
  lasts(): Promise<boolean>;
  may(action: Action, place: Place): Promise<Authorization>;
  /** Throws what says why not, where they may not. For what somebody does. */
  demand(action: Action, place: Place): Promise<void>;
  /** Throws as if there were nothing, where they may not. For what somebody looks at. */
  see(action: Action, place: Place): Promise<void>;
}

export type Show = (req: Request, res: Response, visit: Visit) => Promise<void>;

/** Of a page's data, what the kit adds by itself. */
type Added = "formToken" | "who" | "notice";

export interface PageKit {
  readonly router: Router;
  /** A page to look at; all other methods are refused. Strangers are sent to sign in, and come back. */
  page(path: string | readonly string[], show: Show): void;
  /** What the form of a page does; it must carry the session's own token. `back`: where a stranger goes once signed in. */
  form(path: string, act: Show, back: (req: Request) => string): void;
  /** A page with forms that are sent to its own address. `read`: reads their bodies, which may be larger than others. */
  formPage(path: string, show: Show, act: Show, read: RequestHandler): void;
  /** Renders `views/<view>.eta` into the layout. */
  send<T extends Omit<PageData, Added>>(res: Response, visit: Visit, view: string, data: T): void;
}

export function createPageKit(options: {
  readonly gate: Gate;
  readonly views: Views;
  readonly authorizer: Authorizer;
}): PageKit {
  const { gate, views, authorizer } = options;
  const router = express.Router({ caseSensitive: true });
  const visited = (show: Show, back: (req: Request) => string) =>
    route(async (req, res) => {
      demandUsable(gate);
      const session = await gate.session(req);
      if (session === null) {
        res.redirect(303, `/auth/sign-in?${new URLSearchParams({ next: back(req) })}`);
        return;
      }
      await show(
        req,
        res,
        createVisit(session, authorizer, () => gate.lasts(session)),
      );
    });
  const own = (req: Request) => req.originalUrl;
  const checked =
    (act: Show): Show =>
    async (req, res, visit) => {
      demandOwnForm(req, visit.session);
      await act(req, res, visit);
    };
  return {
    router,
    page(path, show) {
      const paths = [path].flat();
      router.get(paths, visited(show, own));
      router.all(paths, (_req, _res, next) => next(methodNotAllowed("GET, HEAD")));
    },
    form(path, act, back) {
      router.post(path, readForm, visited(checked(act), back));
      router.all(path, (_req, _res, next) => next(methodNotAllowed("POST")));
    },
    formPage(path, show, act, read) {
      router.get(path, visited(show, own));
      router.post(path, read, visited(checked(act), own));
      router.all(path, (_req, _res, next) => next(methodNotAllowed("GET, HEAD, POST")));
    },
    send(res, { session, viewer }, view, data) {
      const who = { name: nameOf(viewer), operator: viewer.kind === "operator" };
      res.send(views.render(view, { ...data, formToken: session.formToken, who }));
    },
  };
}

function createVisit(session: Session, authorizer: Authorizer, lasts: Visit["lasts"]): Visit {
  const { viewer } = session;
  const may: Visit["may"] = (action, place) => mayAs(authorizer, viewer, action, place);
  return {
    session,
    viewer,
    lasts,
    may,
    async demand(action, place) {
      demandAllowed(await may(action, place));
    },
    async see(action, place) {
      const answer = await may(action, place);
      if (answer.kind === "refused") throw nothingHere({ viewer });
      demandAllowed(answer);
    },
  };
}

/**
 * The same for what is not there and for what somebody may not see: neither says which. Operators see everything, so
 * they are told what it `means`.
 */
export function nothingHere({ viewer }: Pick<Visit, "viewer">, means?: string): WebError {
  const message =
    viewer.kind === "operator" && means !== undefined ? means : `There is nothing here for ${nameOf(viewer)}.`;
  return new WebError(404, "not-found", message);
}

function nameOf({ person }: Visit["viewer"]): string {
  return person === null ? "Operator" : person.actor.login;
}
